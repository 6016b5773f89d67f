"""One step of one incident written down: its row, its log, and the change that a message may tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

import alerts.incident
from alerts.hierarchy import Finding
from alerts.incident import Evidence, Policy
from alerts.rules import Hit
from alerts.series import SeriesKey
from monitor.pipeline import related
from monitor.pipeline.change import Change
from monitor.pipeline.series import source_names
from monitor.pipeline.watch import Point
from monitor.store import incidents
from monitor.store.tables import Brand, Incident


def advance(
    session: Session,
    brand: Brand,
    row: Incident | None,
    step: Evidence | None,
    *,
    now: datetime,
    policy: Policy,
    signal: str,
    finding: Finding | None = None,
    hit: Hit | None = None,
    series: SeriesKey | None = None,
) -> list[Change]:
    """Feed one step to the state machine of an incident (None: there is none yet) and store what it says."""
    value = incidents.value_of(row) if row is not None else None
    key = finding.series if finding is not None else series
    changes = []
    for transition in alerts.incident.advance(
        value, step, now=now, policy=policy, series_text=key.text() if key else "", signal=signal
    ):
        if transition.kind == "repeated" and not _news_since(session, brand, row, value):
            continue  # nothing to tell but that it has not ended
        again = row if transition.kind != "opened" else None
        source_id = source_number(session, key) if again is None and key is not None else None
        stored = incidents.store(
            session, transition.incident, brand_id=brand.id or 0, row=again, source_id=source_id,
            rule=hit.rule if hit is not None else "", score=step.score if step is not None else None,
        )  # fmt: skip
        event = incidents.record(session, stored, str(transition.kind), at=now) if transition.speaks else None
        changes.append(Change(stored, transition, finding, hit, event))
    return changes


def by_days(value: alerts.incident.Incident, points: Sequence[Point]) -> alerts.incident.Incident:
    """The incident as the days of its life hold it: `points` of its series. Itself where none of them was measured."""
    life = [one for one in points if one.negative is not None and value.started_at <= one.at <= value.last_step_at]
    if not life:
        return value
    top, newest = max(life, key=lambda one: (one.negative or 0) - one.expected), life[-1]
    running = newest.at == value.last_step_at
    return replace(
        value,
        n_observed=float(sum(one.negative or 0 for one in life)),
        n_expected=sum(one.expected for one in life),
        step_observed=float(newest.negative or 0) if running else 0.0,
        step_expected=newest.expected if running else 0.0,
        peak_observed=float(top.negative or 0),
        peak_expected=top.expected,
        peak_at=top.at,
    )


def move(
    session: Session, row: Incident, key: SeriesKey, *, kind: str, now: datetime, points: Sequence[Point] = ()
) -> None:
    """Let an incident be about another node from now on; its numbers are those of that node, where `points` has its
    days."""
    before = row.series
    if points:
        row = incidents.store(session, by_days(incidents.value_of(row), points), brand_id=row.brand_id, row=row)
    row.series, row.topic, row.location = key.text(), key.topic or "", key.location or ""
    row.source_id = source_number(session, key)
    row.machine = row.machine | {"series_text": key.text()}
    session.add(row)
    incidents.record(session, row, kind, at=now, note=before)


def source_number(session: Session, key: SeriesKey) -> int | None:
    """The number of the source that a series is narrowed to."""
    if key.source is None:
        return None
    return next((number for number, slug in source_names(session).items() if slug == key.source), None)


def _news_since(session: Session, brand: Brand, row: Incident | None, value: alerts.incident.Incident | None) -> bool:
    """Whether complaints came since the last message; what a mute kept back is news by itself."""
    if row is None or value is None or value.notified_at is None or value.owed_at is not None or row.rule:
        return True
    key = related.series_key(row.series, brand)
    return len(related.negatives(session, brand, key, since=value.notified_at, limit=2)) > 1
