"""The story of an incident: numbers, drivers, phrases and quotes become a message, and an outbox row per channel.

Called inside the transaction that changed the incident, so that no transition is ever without its messages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from sqlmodel import Session, select

import alerts.charts
import alerts.incident
import alerts.render
from alerts.incident import Transition, withheld
from alerts.message import (
    Confounder,
    ConfounderKind,
    Driver,
    Facts,
    Kind,
    Language,
    Message,
    Scope,
    Signal,
    TopicCount,
)
from alerts.routing import Decision
from alerts.series import SeriesKey
from monitor.config import Settings
from monitor.pipeline import dispatch, related
from monitor.pipeline.change import Change
from monitor.pipeline.context import Context
from monitor.pipeline.material import Material, gather
from monitor.pipeline.signals import RATING
from monitor.pipeline.watch import BrandWatch, HourWatch, Point
from monitor.store import incidents
from monitor.store.tables import Brand, Incident, Mention, Source

N_DRIVERS = 5
FALLEN, REMARKABLE = 0.8, 1.25  # of all mentions and of the negatives that volume does not explain: told as a share


def queue(session: Session, context: Context, brand: Brand, change: Change, by_day: BrandWatch,
          by_hour: HourWatch) -> None:  # fmt: skip
    """Keep the explanation with the incident and queue its message for every channel that should have it.

    The log says of whom it was kept back and why: no change is ever without either.
    """
    if change.event is None:
        return
    settings, now = context.settings, change.event.at
    kind = Kind(str(change.transition.kind))
    if change.larger is None:
        material, told = explain(session, settings, brand, change, by_day, by_hour, now=now)
    decisions = dispatch.decisions_for(session, settings, change.row, brand, kind, now=now)
    change.event.note = dispatch.held_back(decisions)
    session.add(change.event)
    until = dispatch.silenced_until(session, change.row, brand, decisions, now=now)
    if until is not None:
        value = withheld(change.transition.incident, until=until)
        incidents.store(session, value, brand_id=change.row.brand_id, row=change.row)

    def said(language: Language) -> Message:
        if change.larger is not None:
            return tell_joined(session, settings, brand, change, change.larger, now=now, language=language)
        if language == settings.language:  # the others have no chart yet
            return told[language]
        return tell(session, settings, brand, change, material, now=now, language=language)

    send(session, settings, change.row, decisions, said, now=now)


def explain(
    session: Session, settings: Settings, brand: Brand, change: Change, by_day: BrandWatch, by_hour: HourWatch, *,
    now: datetime,
) -> tuple[Material, dict[Language, Message]]:  # fmt: skip
    """Keep the explanation with the incident: its page shows it, with the headline in every language."""
    material = gather(session, settings, brand, change, by_day, by_hour, now=now)
    told = {settings.language: tell(session, settings, brand, change, material, now=now)}
    others = {
        language: tell(session, settings, brand, change, material, now=now, language=language, with_chart=False)
        for language in get_args(Language)
        if language != settings.language
    }
    change.row.data = summary(told[settings.language]) | {
        "headlines": {language: alerts.render.headline(message) for language, message in (told | others).items()}
    }
    session.add(change.row)
    return material, told


def remind(session: Session, context: Context, brand: Brand, row: Incident, by_day: BrandWatch,
           by_hour: HourWatch) -> bool:  # fmt: skip
    """Tell those who must hear when nobody has acknowledged an open incident for too long; each once."""
    now = context.now
    decisions = dispatch.unanswered_for(session, context.settings, row, brand, now=now)
    if not decisions:
        return False
    change = Change(row, Transition(alerts.incident.Kind.REPEATED, incidents.value_of(row)))
    material = gather(session, context.settings, brand, change, by_day, by_hour, now=now)

    def said(language: Language) -> Message:
        return tell(session, context.settings, brand, change, material, now=now, language=language,
                    kind=Kind.UNACKNOWLEDGED)  # fmt: skip

    send(session, context.settings, row, decisions, said, now=now)
    incidents.record(session, row, str(Kind.UNACKNOWLEDGED), at=now)
    return True


def send(session: Session, settings: Settings, row: Incident, decisions: Sequence[Decision],
         said: Callable[[Language], Message], *, now: datetime) -> None:  # fmt: skip
    """Queue what is `said` of an incident for every channel that was decided on, each in its language."""
    told: dict[Language, Message] = {}
    for decision in decisions:
        if decision.send_at is None:
            continue
        language: Language = settings.channels[decision.channel].language or settings.language
        if language not in told:
            told[language] = said(language)
        message = told[language]
        if not message.links:
            message = replace(message, links=dispatch.links_of(session, settings, row, decision.channel, now=now))
        dispatch.put_message(session, settings, message, decision, row=row, now=now)


def tell(session: Session, settings: Settings, brand: Brand, change: Change, material: Material, *, now: datetime,
         language: Language | None = None, kind: Kind | None = None, with_chart: bool = True) -> Message:  # fmt: skip
    """The message of one transition in one language."""
    row, incident = change.row, change.transition.incident
    language = language or settings.language
    chart, alt = None, ""
    if material.points and with_chart:
        drawn = chart_points(material.points)
        zone = settings.time_zone
        chart = alerts.charts.band(drawn, language=language, time_zone=zone, hot_since=material.hot_since)
        alt = alerts.charts.describe(drawn, language=language, time_zone=zone)
    kind = kind or Kind(str(change.transition.kind))
    facts = facts_of(change, material.points, material.mentions, now=now)
    return Message(
        kind=kind,
        dedup_key=dispatch.message_key(row, kind, now),
        acknowledged_by=incident.by if incident.acknowledged_at else None,
        brand=brand.name,
        at=now,
        language=language,
        time_zone=settings.time_zone,
        signal=signal_of(change, facts),
        severity=incident.severity,
        incident_id=row.uid,
        headline=rule_headline(change, settings, language) if change.hit is not None else "",
        scope=scope_of(material.key, material.titles, language, session),
        facts=facts,
        drivers=drivers_of(change, material.titles, language, session),
        topics=tuple(TopicCount(topic_name(session, topic, language), n) for topic, n in material.topics),
        phrases=material.phrases,
        quotes=material.quotes,
        confounders=confounders_of(change),
        chart_png=chart,
        chart_alt=alt,
    )


def tell_joined(session: Session, settings: Settings, brand: Brand, change: Change, larger: Incident, *, now: datetime,
                language: Language) -> Message:  # fmt: skip
    """One line for those who heard of an incident: which other one tells its story from now on, and the way there."""
    titles = {source.slug: source.name for source in session.exec(select(Source))}
    own, other = (
        scope_of(related.series_key(row.series, brand), titles, language, session) for row in (change.row, larger)
    )
    return Message(
        kind=Kind.JOINED,
        dedup_key=dispatch.message_key(change.row, Kind.JOINED, now),
        brand=brand.name,
        at=now,
        language=language,
        time_zone=settings.time_zone,
        signal=change.row.signal,
        severity=change.transition.incident.severity,
        incident_id=change.row.uid,
        scope=own,
        joined_to=" · ".join(name for _, name in other.parts()) or brand.name,
        links=dispatch.page_of(settings, larger),
    )


def signal_of(change: Change, facts: Facts) -> Signal:
    """What the sentence speaks of. A spike is told as a share where only the share is remarkable: volume has fallen."""
    if change.hit is not None:
        return Signal.RULE
    finding = change.finding
    if change.row.signal != Signal.NEGATIVE or finding is None:
        return Signal(change.row.signal)
    total, usual = finding.total, finding.expected_total
    if not total or not usual or facts.share is None or not facts.share_before or facts.n_total is None:
        return Signal.NEGATIVE
    by_count_alone = finding.expected * usual / total  # more mentions explain more negatives: that is taken back here
    fallen = total < FALLEN * usual and finding.observed < REMARKABLE * by_count_alone
    return Signal.SHARE if fallen and facts.share > facts.share_before else Signal.NEGATIVE


def facts_of(change: Change, points: Sequence[Point], mentions: Sequence[Mention], *, now: datetime) -> Facts:
    """Every number the message will say."""
    incident, finding, hit = change.transition.incident, change.finding, change.hit
    authors = {mention.author for mention in mentions if mention.author}
    if change.row.signal == RATING:
        n = int(finding.total) if finding is not None and finding.total else None
        since = finding.since if finding is not None else incident.started_at
        return Facts(since_at=since, until_at=now, rating=incident.n_observed, rating_before=incident.n_expected,
                     n_ratings=n, duration=incident.duration(now))  # fmt: skip
    ratings = [mention.rating for mention in mentions if mention.rating is not None]
    facts = Facts(
        n_observed=incident.n_observed, n_expected=incident.n_expected, since_at=incident.started_at, until_at=now,
        n_authors=len(authors) or None, life_observed=incident.n_observed, life_expected=incident.n_expected,
        peak_observed=incident.peak_observed, peak_at=incident.peak_at, duration=incident.duration(now),
        rating=sum(ratings) / len(ratings) if ratings else None, n_ratings=len(ratings) or None,
    )  # fmt: skip
    if points and points[0].at <= incident.started_at:  # the highest step may be older than the alarm
        top = max(points, key=lambda p: (p.negative or 0) - p.expected if p.at >= incident.started_at else -math.inf)
        if top.negative is not None and top.at >= incident.started_at:
            facts = replace(facts, peak_observed=float(top.negative), peak_at=top.at)
    if finding is not None:
        facts = replace(
            facts, n_observed=finding.observed, n_expected=finding.expected, low=finding.low, high=finding.high,
            since_at=finding.since, share=finding.share, share_before=finding.share_before,
        )  # fmt: skip
        window = [point for point in points if point.at >= finding.since and point.total is not None]
        if window:
            facts = replace(facts, n_total=sum(point.total or 0 for point in window))
    if hit is not None:
        facts = replace(facts, n_observed=hit.observed, n_expected=None, since_at=hit.since)
    return facts


def chart_points(points: Sequence[Point]) -> list[alerts.charts.Point]:
    return [alerts.charts.Point(p.at, p.negative, p.expected, p.low, p.high) for p in points]


def scope_of(key: SeriesKey, titles: dict[str, str], language: str, session: Session) -> Scope:
    """Where it happens, in the words users know."""
    return Scope(
        source=titles.get(key.source, key.source) if key.source else None,
        topic=topic_name(session, key.topic, language) if key.topic else None,
        location=key.location,
        language=key.language,
    )


def drivers_of(change: Change, titles: dict[str, str], language: str, session: Session) -> tuple[Driver, ...]:
    """Which parts hold the excess: one dimension more than the incident's own series."""
    if change.finding is None:
        return ()
    own = change.finding.series
    found = []
    for driver in change.finding.drivers:
        for dimension in ("topic", "location", "source", "language"):
            value = getattr(driver.series, dimension)
            if value is None or getattr(own, dimension) is not None:
                continue
            name = value
            if dimension == "topic":
                name = topic_name(session, value, language)
            elif dimension == "source":
                name = titles.get(value, value)
            found.append(Driver(dimension, name, driver.observed, driver.expected))
    return tuple(found[:N_DRIVERS])


def confounders_of(change: Change) -> tuple[Confounder, ...]:
    if change.finding is None:
        return ()
    return tuple(Confounder(ConfounderKind(name)) for name in change.finding.confounders)


def rule_headline(change: Change, settings: Settings, language: str) -> str:
    """The sentence of a plain rule: what the user asked for, and what is there."""
    from monitor.i18n import translator

    hit = change.hit
    if hit is None:
        return ""
    t = translator(language)
    hours = round((hit.at - hit.since).total_seconds() / 3600)
    span = t.ngettext("{n} hour", "{n} hours", hours)
    if hit.kind == "Words":
        found = ", ".join(hit.words[:5])
        n = t.number(hit.observed)
        return t.gettext("Rule “{rule}”: {n} mentions with {words} within {span}", rule=hit.rule, n=n, words=found,
                         span=span)  # fmt: skip
    if hit.kind == "MeanRatingBelow":
        return t.gettext("Rule “{rule}”: the mean rating is {observed}, below {limit}, within {span}", rule=hit.rule,
                         observed=t.number(round(hit.observed, 1)), limit=t.number(hit.limit), span=span)  # fmt: skip
    return t.gettext("Rule “{rule}”: {observed} mentions, more than {limit}, within {span}", rule=hit.rule,
                     observed=t.number(hit.observed), limit=t.number(hit.limit), span=span)  # fmt: skip


def topic_name(session: Session, key: str, language: str) -> str:
    """A topic as users call it: their own name for it, or the built-in one."""
    from models.taxonomy import taxonomy
    from monitor.store.tables import Topic

    own = session.get(Topic, key)
    if own is not None and own.names.get(language):
        return str(own.names[language])
    topics = taxonomy().topics
    return topics[key].name(language) if key in topics else key


def summary(message: Message) -> dict[str, Any]:
    """What the incident's page shows: the explanation as it stood at the last message, as JSON."""
    facts = message.facts
    return {
        "headline": alerts.render.headline(message),
        "language": message.language,
        "observed": facts.n_observed, "expected": facts.n_expected, "low": facts.low, "high": facts.high,
        "since": facts.since_at.isoformat() if facts.since_at else None, "share": facts.share,
        "share_before": facts.share_before, "n_authors": facts.n_authors, "n_total": facts.n_total,
        "drivers": [{"dimension": d.dimension, "name": d.name, "observed": d.n_observed, "expected": d.n_expected}
                    for d in message.drivers],
        "topics": [{"name": t.name, "n": t.n} for t in message.topics],
        "phrases": [{"text": p.text, "n": p.n, "n_before": p.n_before} for p in message.phrases],
        "quotes": [{"text": q.text, "url": q.url, "rating": q.rating, "source": q.source, "location": q.location,
                    "at": q.at.isoformat() if q.at else None} for q in message.quotes],
        "confounders": [str(c.kind) for c in message.confounders],
    }  # fmt: skip
