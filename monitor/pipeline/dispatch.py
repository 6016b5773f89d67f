"""Dispatch: which channels hear of a change of an incident, when, and why."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

import alerts.render
from alerts.message import Message
from alerts.severity import Severity
from monitor.config import Route, Settings
from monitor.pipeline.notify import put
from monitor.store.tables import Brand, Incident, Outbox, Silence


def channels_for(session: Session, settings: Settings, row: Incident, brand: Brand, message: Message, *,
                 now: datetime) -> list[tuple[str, str]]:  # fmt: skip
    """(channel, reason) for every channel that should hear of this change; empty while the incident is silenced."""
    if silenced(session, row, brand, now=now):
        return []
    reason = str(message.kind)
    if not settings.routes:
        return [(name, reason) for name, channel in settings.channels.items() if channel.alerts]
    chosen: dict[str, str] = {}
    for number, route in enumerate(settings.routes):
        if not _matches(route, row, brand):
            continue
        for name in route.channels:
            chosen.setdefault(name, f"{reason}, route {number + 1}")
        if not route.go_on:
            break
    return list(chosen.items())


def put_message(session: Session, settings: Settings, message: Message, *, channel: str, reason: str, row: Incident,
                now: datetime) -> bool:  # fmt: skip
    """Queue a message: at once, after quiet hours, or in the next hour when the channel has had its fill."""
    not_before = max(_after_quiet(settings, channel, message, now), _after_limit(session, settings, channel, now))
    envelope = alerts.render.envelope(message)
    return put(session, envelope, channel=channel, kind=str(message.kind), now=now, reason=reason, brand_id=row.brand_id,
               incident_id=row.id, not_before=not_before)  # fmt: skip


def silenced(session: Session, row: Incident, brand: Brand, *, now: datetime) -> bool:
    """Whether somebody has muted what this incident is about."""
    labels = {"brand": brand.slug, "topic": row.topic, "location": row.location, "series": row.series,
              "severity": row.severity, "rule": row.rule}  # fmt: skip
    active = session.exec(select(Silence).where(col(Silence.starts_at) <= now, col(Silence.ends_at) > now))
    return any(all(labels.get(key) == value for key, value in silence.matchers.items()) for silence in active)


def _matches(route: Route, row: Incident, brand: Brand) -> bool:
    return (
        (not route.brands or brand.slug in route.brands)
        and (not route.topics or row.topic in route.topics)
        and (not route.locations or row.location in route.locations)
        and Severity(row.severity) >= Severity(route.min_severity)
    )


def _after_quiet(settings: Settings, channel: str, message: Message, now: datetime) -> datetime:
    """The end of the quiet hours that hold now, unless the message is grave enough to break them."""
    for route in settings.routes:
        if channel not in route.channels or route.quiet_from is None or route.quiet_to is None:
            continue
        if message.severity >= Severity(route.quiet_breaks_for):
            continue
        end = quiet_end(now, route.quiet_from, route.quiet_to, settings.zone)
        if end is not None:
            return end
    return now


def quiet_end(now: datetime, start: time, end: time, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours that hold at `now` end; None outside of them. They may run over midnight."""
    local = now.astimezone(zone)
    clock = local.time()
    inside = start <= clock < end if start < end else clock >= start or clock < end
    if not inside:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, zone)


def _after_limit(session: Session, settings: Settings, channel: str, now: datetime) -> datetime:
    """Spread messages over hours when a channel would get more than it may in one."""
    limit = settings.channels[channel].max_per_hour
    hour = timedelta(hours=1)
    n = session.exec(
        select(func.count()).select_from(Outbox).where(Outbox.channel == channel, col(Outbox.created_at) > now - hour)
    ).one()
    return now + hour * (n // limit)
