"""Incidents for people: lists, one with its log and messages, and the days of its series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from monitor.store.tables import Brand, Incident, IncidentEvent, Outbox, Silence

ORDER = {"open": 0, "acknowledged": 1, "resolved": 2}


def listed(
    session: Session,
    *,
    brand_id: int | None = None,
    states: Sequence[str] = (),
    overlap: tuple[datetime, datetime] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Incident]:
    """Newest first; `overlap` keeps those that were alive in that span."""
    statement = select(Incident)
    if brand_id is not None:
        statement = statement.where(Incident.brand_id == brand_id)
    if states:
        statement = statement.where(col(Incident.state).in_(states))
    if overlap is not None:
        start, end = overlap
        statement = statement.where(
            col(Incident.since_at) < end, col(Incident.resolved_at).is_(None) | (col(Incident.resolved_at) >= start)
        )
    if before_id is not None:
        statement = statement.where(col(Incident.id) < before_id)
    return list(session.exec(statement.order_by(col(Incident.id).desc()).limit(limit)))


def by_uid(session: Session, uid: str) -> Incident | None:
    return session.exec(select(Incident).where(Incident.uid == uid)).first()


def events(session: Session, incident_id: int) -> list[IncidentEvent]:
    return list(
        session.exec(
            select(IncidentEvent).where(IncidentEvent.incident_id == incident_id).order_by(col(IncidentEvent.number))
        )
    )


def messages(session: Session, incident_id: int) -> list[Outbox]:
    """The notification log: every message of an incident to every channel."""
    return list(session.exec(select(Outbox).where(Outbox.incident_id == incident_id).order_by(col(Outbox.id))))


def n_open(session: Session, brand_id: int | None = None) -> int:
    statement = select(Incident.id).where(Incident.state != "resolved")
    if brand_id is not None:
        statement = statement.where(Incident.brand_id == brand_id)
    return len(session.exec(statement).all())


def silences(session: Session, *, now: datetime, ended: bool = False) -> list[Silence]:
    statement = select(Silence).order_by(col(Silence.ends_at).desc()).limit(200)
    if not ended:
        statement = statement.where(col(Silence.ends_at) > now)
    return list(session.exec(statement))


def brand_of(session: Session, incident: Incident) -> Brand | None:
    return session.get(Brand, incident.brand_id)
