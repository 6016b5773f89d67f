"""The report step: each week once per brand and language, built from buckets, archived, queued for its channels."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import delete
from sqlmodel import Session, col, func, select

from alerts.message import Envelope
from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.pipeline.context import Context
from monitor.pipeline.news import experience_news
from monitor.pipeline.outbox import put
from monitor.pipeline.turns import CLOCKS_DIFFER
from monitor.pipeline.waiting import must_wait
from monitor.reports import render
from monitor.reports.build import build_weekly
from monitor.reports.view import View, view
from monitor.reports.week import Week
from monitor.reports.weekly import WeeklyData
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand, Mention, Meta, Report

log = structlog.get_logger()

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CHAT = {"slack", "telegram", "apprise"}


def report_due(context: Context, *, at_least: int = 1) -> int:
    """Write and queue the newest report that is due and not done. Returns how many were made.

    The time is a wall time of the account's zone: missed while the daemon was off, it is made at the next start, even
    when another week has ended meanwhile; the unique keys of report and outbox make it happen once. It waits for what
    is on its way (`waiting`). Weeks with fewer than `at_least` mentions get none.
    """
    settings = context.settings
    if not settings.report.enabled:
        return 0
    now = context.now
    week = Week.last_complete(now, settings.zone)
    if now < due_at(settings, week):
        week = week.back(1)
    span = week.starts_at(settings.zone), week.ends_at(settings.zone)
    n = 0
    failed: Exception | None = None
    with reading(context.engine) as session:
        brands = [
            brand for brand in session.exec(select(Brand).where(col(Brand.active).is_(True))) if not brand.is_competitor
        ]
    for brand in brands:
        if context.should_stop():
            break
        try:
            _forget_the_future(context, brand)
            if not is_made(context, brand, week) and not must_wait(context, brand, *span, what="report"):
                n += make(context, brand, week, at_least=at_least)
        except Exception as error:  # one brand's report holds up no other's
            log.exception("report.failed", brand=brand.slug, week=str(week))
            failed = failed or error
    if failed is not None:
        raise failed
    return n


def due_at(settings: Settings, week: Week) -> datetime:
    """When the report of `week` is sent: the configured weekday and time of the week after it."""
    following = week.back(-1)
    day = following.days[_DAYS.index(settings.report.weekday)]
    return datetime.combine(day, settings.report.at, settings.zone)


def make(
    context: Context, brand: Brand, week: Week, *, send: bool = True, again: bool = False, at_least: int = 1
) -> bool:
    """Build, archive and queue one brand's report. False when it was made before, or the week holds nothing."""
    settings, now = context.settings, context.now
    if not again and is_made(context, brand, week):
        return False
    with reading(context.engine) as session:
        n = n_mentions(session, brand, week, settings)
        data = _built(session, settings, brand, week, now=now) if n >= at_least else None
    languages = sorted({settings.language, *(language_of(settings, name) for name in channels_of(settings))})
    views = {language: view(data, language) for language in languages} if data is not None else {}  # charts drawn once
    pages = {language: (render.page(shown), render.markdown(shown)) for language, shown in views.items()}
    link = link_to(settings, f"/reports/{brand.slug}/{week}")
    envelopes = {
        name: envelope_for(settings, views[language_of(settings, name)], name, key=f"report:{brand.slug}:{week}",
                           link=link)
        for name in (channels_of(settings) if send and data is not None else ())
    }  # fmt: skip
    with writing(context.engine) as session:
        for language, (html, markdown) in pages.items():
            archive(session, brand, week, views[language], html=html, markdown=markdown, now=now)
        for name, envelope in envelopes.items():
            put(session, envelope, channel=name, kind="report", reason="weekly", now=now, brand_id=brand.id)
        meta.put(session, _marker(brand, week), now.isoformat())
    if data is not None:
        log.info("report.made", brand=brand.slug, week=str(week))
    return data is not None


def is_made(context: Context, brand: Brand, week: Week) -> bool:
    with reading(context.engine) as session:
        return meta.get(session, _marker(brand, week)) is not None


def _forget_the_future(context: Context, brand: Brand) -> None:
    """What was made by a clock that ran ahead is made again in its time; no channel gets it twice."""
    ahead = (
        col(Meta.key).startswith(f"report.{brand.slug}.", autoescape=True),
        col(Meta.value) > (context.now + CLOCKS_DIFFER).isoformat(),
    )
    with reading(context.engine) as session:
        if session.exec(select(Meta.key).where(*ahead)).first() is None:
            return
    with writing(context.engine) as session:
        session.execute(delete(Meta).where(*ahead))


def _marker(brand: Brand, week: Week) -> str:
    return f"report.{brand.slug}.{week}"


def build(context: Context, brand_name: str | None, week: Week) -> WeeklyData:
    """The data of any week of a brand (the first own one, if None). Raises ConfigError."""
    with reading(context.engine) as session:
        brand = pick_brand(session, brand_name)
        return _built(session, context.settings, brand, week, now=context.now)


def _built(session: Session, settings: Settings, brand: Brand, week: Week, *, now: datetime) -> WeeklyData:
    """The numbers of the week, and what changed for customers in it."""
    data = build_weekly(session, settings, brand=brand.slug, week=week, now=now)
    end = min(week.ends_at(settings.zone), now)
    return replace(data, experience=experience_news(session, brand.id or 0, end=end, zone=settings.zone))


def pick_brand(session: Session, name: str | None) -> Brand:
    brands = session.exec(
        select(Brand).order_by(col(Brand.is_competitor), col(Brand.active).desc(), col(Brand.id))
    ).all()
    if not brands:
        raise ConfigError("there is no brand yet; add one to the configuration, or import a file with --brand")
    if name is None:
        return brands[0]
    for brand in brands:
        if name in {brand.slug, brand.name}:
            return brand
    raise ConfigError(f"--brand {name!r} is unknown; allowed: {', '.join(brand.slug for brand in brands)}")


def channels_of(settings: Settings) -> list[str]:
    """Channels that get the report."""
    if settings.report.channels:
        return list(settings.report.channels)
    return [name for name, channel in settings.channels.items() if channel.reports]


def language_of(settings: Settings, channel: str) -> str:
    return settings.channels[channel].language or settings.language


def n_mentions(session: Session, brand: Brand, week: Week, settings: Settings) -> int:
    zone = settings.zone
    return int(
        session.exec(
            select(func.count())
            .select_from(Mention)
            .where(
                Mention.brand_id == brand.id,
                col(Mention.published_at) >= week.starts_at(zone),
                col(Mention.published_at) < week.ends_at(zone),
            )
        ).one()
    )


def archive(session: Session, brand: Brand, week: Week, shown: View, *, html: str, markdown: str,
            now: datetime) -> None:  # fmt: skip
    row = session.exec(
        select(Report).where(Report.brand_id == brand.id, Report.week == str(week), Report.language == shown.language)
    ).first() or Report(brand_id=brand.id or 0, week=str(week), language=shown.language, built_at=now)
    row.built_at, row.subject, row.html, row.markdown = now, shown.subject, html, markdown
    row.data = {"lead": shown.sentences[0].text} if shown.sentences else {}
    session.add(row)


def link_to(settings: Settings, path: str) -> str | None:
    """An address of the dashboard; None where nobody said how it is reached."""
    return f"{settings.web.base_url.rstrip('/')}{path}" if settings.web.base_url else None


def envelope_for(settings: Settings, shown: View, channel: str, *, key: str, link: str | None) -> Envelope:
    """A report in the form that a channel can carry."""
    make_envelope = render.chat_envelope if settings.channels[channel].kind in _CHAT else render.mail_envelope
    return make_envelope(shown, dedup_key=key, link=link)
