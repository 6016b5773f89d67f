"""Dispatch: the account's routes, silences and limits as `alerts.routing` wants them, its decisions as outbox rows."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, select

import alerts.links
import alerts.render
import alerts.silence
from alerts.errors import BadRule
from alerts.message import Kind, Link, LinkKind, Message
from alerts.routing import Decision, Event, Held, QuietHours, Route, Sent, decide, unanswered
from alerts.series import DIMENSIONS
from alerts.severity import Severity
from alerts.silence import Matcher, Op, labels_of
from monitor.config import Settings
from monitor.pipeline.outbox import put
from monitor.pipeline.related import key_of
from monitor.store import incidents, meta
from monitor.store.tables import Brand, Incident, Outbox, Silence

log = structlog.get_logger()

_DAY = timedelta(days=1)
_NONE = timedelta(0)


def decisions_for(session: Session, settings: Settings, row: Incident, brand: Brand, kind: Kind, *,
                  now: datetime) -> list[Decision]:  # fmt: skip
    """Which channels hear of this change and when; those that do not are there too, with the reason."""
    made = decide(
        event_of(row, brand, kind, now=now), routes_of(settings), now=now, silences=silences_of(session, now),
        firing=firing_beside(session, row, brand), log=log_of(session, brand, now, about=row),
    )  # fmt: skip
    for decision in made:
        if decision.send_at is None:
            why = ", ".join(decision.held)
            log.info("notification.held", incident=row.uid, channel=decision.channel, kind=str(kind), why=why)
    return made


def silenced_until(
    session: Session, row: Incident, brand: Brand, made: list[Decision], *, now: datetime
) -> datetime | None:
    """When the mute ends because of which nobody hears of it, and it may speak; None where it is not muted."""
    if not made or any(Held.SILENCED not in decision.held for decision in made):
        return None
    mute = alerts.silence.muted_by(
        event_of(row, brand, Kind.OPENED, now=now).labels, silences_of(session, now), now=now
    )
    return mute.ends_at if mute is not None else None


def held_back(made: list[Decision]) -> str:
    """Which channels do not hear of it and why, as the incident's log keeps it; "" when all do."""
    return "; ".join(
        f"{decision.channel}: {', '.join(decision.held)}".removeprefix(": ")
        for decision in made
        if decision.send_at is None
    )


def unanswered_for(
    session: Session, settings: Settings, row: Incident, brand: Brand, *, now: datetime
) -> list[Decision]:
    """Whom to tell that nobody has acknowledged this open incident for too long."""
    routes = routes_of(settings)
    if not any(route.escalate_to for route in routes):
        return []
    return unanswered(
        event_of(row, brand, Kind.UNACKNOWLEDGED, now=now), routes, since=incidents.value_of(row).active_since, now=now,
        silences=silences_of(session, now), firing=firing_beside(session, row, brand),
        log=log_of(session, brand, now, about=row),
    )  # fmt: skip


def firing_beside(session: Session, row: Incident, brand: Brand) -> list[Event]:
    """The other incidents of the brand that are active."""
    others = session.exec(
        select(Incident).where(Incident.brand_id == brand.id, Incident.state != "resolved", Incident.id != row.id)
    )
    return [event_of(other, brand, Kind.OPENED, now=other.opened_at) for other in others]


def put_message(session: Session, settings: Settings, message: Message, decision: Decision, *, row: Incident,
                now: datetime) -> bool:  # fmt: skip
    """Queue a message for one channel, at the time that was decided."""
    envelope = alerts.render.envelope(message)
    reason = ", ".join([str(decision.reason), decision.route, *decision.held])
    return put(
        session, envelope, channel=decision.channel, kind=str(message.kind), now=now, reason=reason,
        brand_id=row.brand_id, incident_id=row.id, not_before=decision.send_at, group=decision.group,
    )  # fmt: skip


def links_of(session: Session, settings: Settings, row: Incident, channel: str, *, now: datetime) -> tuple[Link, ...]:
    """Ways back into the dashboard and signed deeds, where its address is known."""
    base = settings.web.base_url
    if not base:
        return ()
    secret = meta.install_key(session)
    return (*page_of(settings, row), *alerts.links.links(base, row.uid, secret=secret, now=now, sent_to=channel))


def page_of(settings: Settings, row: Incident) -> tuple[Link, ...]:
    """The way to the page of an incident alone."""
    base = settings.web.base_url
    return (Link(LinkKind.DASHBOARD, f"{base.rstrip('/')}/incidents/{row.uid}"),) if base else ()


def event_of(row: Incident, brand: Brand, kind: Kind, *, now: datetime) -> Event:
    key = key_of(row.series)
    labels = labels_of(
        brand=brand.slug, source=key.source if key else None, topic=key.topic if key else None,
        location=key.location if key else None, language=key.language if key else None, rule=row.rule or None,
        severity=row.severity,
    )  # fmt: skip
    return Event(key=message_key(row, kind, now), kind=kind, labels=labels, severity=Severity(row.severity), at=now,
                 incident_id=row.uid)  # fmt: skip


def message_key(row: Incident, kind: Kind, now: datetime) -> str:
    """Stable for one transition of one incident: the same transition never gives two messages."""
    return f"incident:{row.uid}:{kind}:{now:%Y%m%dT%H%M%S}"


def routes_of(settings: Settings) -> list[Route]:
    """The configured routes, one per channel since limits are a channel's; without any, every channel hears all."""
    wanted = [name for name, channel in settings.channels.items() if channel.alerts]
    if not settings.routes:
        return [
            Route(name="all", channels=(name,), go_on=True, group_wait=_NONE, group_interval=_NONE,
                  max_per_hour=settings.channels[name].max_per_hour)
            for name in wanted
        ]  # fmt: skip
    routes = []
    for number, route in enumerate(settings.routes, start=1):
        matchers = tuple(
            Matcher(label, "|".join(re.escape(value) for value in values), Op.MATCH)
            for label, values in (("brand", route.brands), ("topic", route.topics), ("location", route.locations))
            if values
        )
        quiet = None
        if route.quiet_from is not None and route.quiet_to is not None:
            quiet = QuietHours(start=route.quiet_from, end=route.quiet_to, time_zone=settings.zone,
                               breaks_for=Severity(route.quiet_breaks_for))  # fmt: skip
        for place, name in enumerate(route.channels):
            last = place == len(route.channels) - 1
            routes.append(
                Route(
                    name=f"route {number}", channels=(name,), matchers=matchers, go_on=route.go_on or not last,
                    escalate_to=route.escalate_to, escalate_after=route.escalate_after,
                    min_severity=Severity(route.min_severity), quiet=quiet, ends=route.ends,
                    group_wait=route.group_wait, group_interval=route.group_interval,
                    max_per_hour=settings.channels[name].max_per_hour,
                )
            )  # fmt: skip
    return routes


def silences_of(session: Session, now: datetime) -> list[alerts.silence.Silence]:
    """The mutes in force; one that a person wrote wrongly is told in the log and mutes nothing."""
    found = []
    for row in session.exec(select(Silence).where(col(Silence.starts_at) <= now, col(Silence.ends_at) > now)):
        try:
            labels = dict(row.matchers)
            key = key_of(labels.pop("series", ""))
            if key is not None:  # a whole series: each of its dimensions must match
                labels |= {name: value for name in DIMENSIONS if (value := getattr(key, name)) is not None}
            matchers = tuple(Matcher(label, value) for label, value in labels.items())
            found.append(
                alerts.silence.Silence(matchers=matchers, starts_at=row.starts_at, ends_at=row.ends_at, id=str(row.id),
                                       by=row.actor, comment=row.note)
            )  # fmt: skip
        except BadRule as error:
            log.warning("silence.unreadable", silence=row.id, error=str(error))
    return found


def log_of(session: Session, brand: Brand, now: datetime, *, about: Incident) -> list[Sent]:
    """What channels got or will get: the last day, and everything of this incident and those that are active.

    What could not be sent was not heard. Only a call for help stands even so: it is made once, not at every tick.
    """
    active = select(Incident.id).where(
        Incident.brand_id == brand.id, (Incident.state != "resolved") | (Incident.id == about.id)
    )
    rows = session.exec(
        select(Outbox, Incident.uid)
        .join(Incident, col(Incident.id) == col(Outbox.incident_id), isouter=True)
        .where(
            (col(Outbox.created_at) > now - _DAY) | col(Outbox.incident_id).in_(active),
            (Outbox.state != "dead") | (Outbox.kind == str(Kind.UNACKNOWLEDGED)),
        )
    )
    known = {str(kind): kind for kind in Kind}
    return [
        Sent(key=row.dedup_key.rsplit(":", 1)[0], channel=row.channel, at=row.sent_at or row.next_try_at,
             kind=known[row.kind], group=row.group_key, incident_id=uid, queued_at=row.created_at)
        for row, uid in rows
        if row.kind in known
    ]  # fmt: skip
