"""Incidents as rows: the state machine's value in, the same value out."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import func
from sqlmodel import Session, col, select

import alerts.incident
from alerts.incident import Verdict
from alerts.series import SeriesKey
from alerts.verdict import Answer
from monitor.store.tables import Incident, IncidentEvent

_MACHINE: TypeAdapter[alerts.incident.Incident] = TypeAdapter(alerts.incident.Incident)


def value_of(row: Incident) -> alerts.incident.Incident:
    """The state machine's value of a stored incident."""
    return dataclasses.replace(_MACHINE.validate_python(row.machine), id=row.uid)


def current(session: Session, brand_id: int, *, now: datetime, memory: timedelta) -> list[Incident]:
    """Incidents that are active, or ended so recently that they may come back; the newest of a series only."""
    rows = session.exec(
        select(Incident)
        .where(
            Incident.brand_id == brand_id,
            (Incident.state != "resolved") | (col(Incident.resolved_at) >= now - memory),
        )
        .order_by(col(Incident.id))
    ).all()
    newest = {(row.series, row.signal, row.rule): row for row in rows}
    return list(newest.values())


def store(
    session: Session,
    value: alerts.incident.Incident,
    *,
    brand_id: int,
    row: Incident | None = None,
    source_id: int | None = None,
    rule: str = "",
    score: float | None = None,
) -> Incident:
    """Write the state machine's value into its row (a new one when there is none)."""
    if row is None:
        row = Incident(uid=uuid.uuid4().hex[:12], brand_id=brand_id, series=value.series_text, signal=value.signal,
                       opened_at=value.opened_at, since_at=value.started_at, last_seen_at=value.last_seen_at,
                       rule=rule)  # fmt: skip
        key = SeriesKey.parse(value.series_text)
        row.topic, row.location, row.language = key.topic or "", key.location or "", key.language or ""
        row.source_id = source_id
    row.state = str(value.state)
    row.severity = str(value.severity)
    row.verdict = str(value.verdict) if value.verdict else None
    row.opened_at, row.since_at = value.opened_at, value.started_at
    row.last_seen_at, row.resolved_at = value.last_seen_at, value.resolved_at
    row.n_observed, row.n_expected, row.n_excess = value.n_observed, value.n_expected, value.n_excess
    if score is not None:
        row.score = score
    row.machine = _plain(dataclasses.replace(value, id=row.uid))
    session.add(row)
    session.flush()
    return row


def active_series(session: Session, brand_id: int) -> list[str]:
    """What the incidents that have not ended are about."""
    asked = select(Incident.series).where(Incident.brand_id == brand_id, Incident.state != "resolved")
    return list(session.exec(asked.distinct()))


def owe_now(session: Session, *, now: datetime) -> None:
    """A mute has ended early: what it kept back is due now, and is kept back again where another mute holds."""
    for row in session.exec(select(Incident).where(Incident.state != "resolved")):
        value = value_of(row)
        if value.owed_at is not None and value.owed_at > now:
            store(session, dataclasses.replace(value, owed_at=now), brand_id=row.brand_id, row=row)


def unacknowledged(session: Session, brand_id: int) -> list[Incident]:
    """Open incidents that nobody has taken on."""
    return list(session.exec(select(Incident).where(Incident.brand_id == brand_id, Incident.state == "open")))


def answers(session: Session, brand_id: int) -> list[Answer]:
    """What people said of earlier incidents: the labels that raise or lower the bar for similar ones."""
    rows = session.exec(
        select(Incident).where(Incident.brand_id == brand_id, col(Incident.verdict).is_not(None), Incident.rule == "")
    )
    return [
        Answer(SeriesKey.parse(row.series), row.signal, Verdict(row.verdict), row.resolved_at or row.last_seen_at)
        for row in rows
    ]


def has_event(session: Session, row: Incident, kind: str) -> bool:
    """Whether this ever happened to the incident."""
    found = select(IncidentEvent.id).where(IncidentEvent.incident_id == row.id, IncidentEvent.kind == kind)
    return session.exec(found).first() is not None


def record(
    session: Session, row: Incident, kind: str, *, at: datetime, actor: str = "", note: str = ""
) -> IncidentEvent:
    """Append an event to an incident's log; numbers are dense, so that a step run twice cannot write twice unseen."""
    last = session.exec(select(func.max(IncidentEvent.number)).where(IncidentEvent.incident_id == row.id)).one()
    event = IncidentEvent(incident_id=row.id, number=(last or 0) + 1, at=at, kind=kind, actor=actor, note=note)
    session.add(event)
    session.flush()
    return event


def _plain(value: alerts.incident.Incident) -> dict[str, Any]:
    plain: dict[str, Any] = _MACHINE.dump_python(value, mode="json")
    return plain
