"""The digest step: yesterday of each brand, once a day, to the channels that want it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import structlog
from sqlmodel import col, select

from monitor.config import Settings
from monitor.pipeline.context import Context
from monitor.pipeline.outbox import put
from monitor.pipeline.reporting import envelope_for, language_of, link_to, pick_brand
from monitor.pipeline.waiting import must_wait
from monitor.reports.day import DayData
from monitor.reports.day_build import build_day
from monitor.reports.day_view import day_view
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand

log = structlog.get_logger()


def digest_due(context: Context) -> int:
    """Queue the digest of yesterday where a channel wants it, its time has come and it is not done. Returns how many.

    The time is a wall time of the account's zone. A day that the daemon slept through is not told later: its news is
    old, and the dashboard has it. The marker of a brand and the unique keys of the outbox make it happen once.
    """
    settings, now = context.settings, context.now
    if not any(channel.digest for channel in settings.channels.values()):
        return 0
    today = now.astimezone(settings.zone).date()
    if now < datetime.combine(today, settings.report.digest_at, settings.zone):
        return 0
    with reading(context.engine) as session:
        brands = session.exec(
            select(Brand)
            .where(col(Brand.active).is_(True), col(Brand.is_competitor).is_(False))
            .order_by(col(Brand.id))
        ).all()
    n = 0
    for brand in brands:
        if context.should_stop():
            break
        start, end = (datetime.combine(day, time(), settings.zone) for day in (today - timedelta(days=1), today))
        if not is_sent(context, brand, start.date()) and not must_wait(context, brand, start, end, what="digest"):
            n += send(context, brand, start.date())
    return n


def send(context: Context, brand: Brand, day: date, *, again: bool = False) -> bool:
    """Queue one brand's digest. False when that was done before, nobody wants it, or there is nothing to tell."""
    settings, now = context.settings, context.now
    channels = channels_of(settings, brand)
    if not channels:
        return False
    told = is_sent(context, brand, day)
    if told and not again:
        return False
    with reading(context.engine) as session:
        data = build_day(session, settings, brand=brand.slug, day=day, now=now)
    views = {language: day_view(data, language) for language in {language_of(settings, name) for name in channels}}
    envelopes = {
        name: envelope_for(settings, views[language_of(settings, name)], name, key=f"digest:{brand.slug}:{day}",
                           link=day_link(settings, brand, day))
        for name in (channels if data.speaks else ())
    }  # fmt: skip
    with writing(context.engine) as session:
        for name, envelope in envelopes.items():
            put(session, envelope, channel=name, kind="report", reason="daily", now=now, brand_id=brand.id)
        if not told:
            meta.put(session, _marker(brand), day.isoformat())
    if envelopes:
        log.info("digest.made", brand=brand.slug, day=day.isoformat())
    return bool(envelopes)


def is_sent(context: Context, brand: Brand, day: date) -> bool:
    """Whether that day was told, or a later one that has ended: else a clock ran ahead."""
    today = context.now.astimezone(context.settings.zone).date()
    with reading(context.engine) as session:
        return day.isoformat() <= (meta.get(session, _marker(brand)) or "") < today.isoformat()


def _marker(brand: Brand) -> str:
    return f"digest.{brand.slug}"  # holds the last day that was told


def build(context: Context, brand_name: str | None, day: date) -> DayData:
    """The data of any day of a brand (the first own one, if None). Raises ConfigError."""
    with reading(context.engine) as session:
        brand = pick_brand(session, brand_name)
        return build_day(session, context.settings, brand=brand.slug, day=day, now=context.now)


def channels_of(settings: Settings, brand: Brand) -> list[str]:
    """Channels that want the digest of a brand."""
    return [name for name, channel in settings.channels.items() if channel.wants_digest(brand.slug)]


def day_link(settings: Settings, brand: Brand, day: date) -> str | None:
    return link_to(settings, f"/?brand={brand.slug}&from={day}&to={day}")
