"""Recount: an incident that is over says what its days hold now, also of mentions that came after its end.

The state machine does not look back. A survey or an export that is imported later belongs to the days it speaks of:
their chart shows it, and so must the numbers and the sentence of the incident. What was sent stays as it was sent.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import structlog
from sqlmodel import Session, col, select

import alerts.incident
from alerts.incident import Ending, Kind, Transition
from monitor.pipeline import related, story
from monitor.pipeline.advance import by_days
from monitor.pipeline.change import Change
from monitor.pipeline.context import Context
from monitor.pipeline.detect import brand_watch, hour_watch
from monitor.pipeline.steps import DAY
from monitor.pipeline.watch import SIGNAL
from monitor.store import incidents
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand, Incident

log = structlog.get_logger()

MEMORY = timedelta(days=28)  # since the end


def recount(context: Context) -> int:
    """Bring the numbers of incidents that ended lately up to date; how many had changed."""
    n = 0
    with reading(context.engine) as session:
        brands = session.exec(select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.id))).all()
    for brand in brands:
        with reading(context.engine) as session:
            changed = [
                (row.id, value)
                for row in _ended(session, brand, context)
                if (value := _counted(session, context, brand, row)) is not None
            ]
        for number, value in changed:
            with writing(context.engine) as session:
                row = session.get_one(Incident, number)
                if row.state != "resolved":  # it came back meanwhile
                    continue
                _retell(session, context, brand, row, value)
                n += 1
                log.info("incident.recounted", incident=row.uid)
    return n


def _ended(session: Session, brand: Brand, context: Context) -> list[Incident]:
    """Incidents that ended by themselves, of complaints counted by days."""
    rows = session.exec(
        select(Incident).where(
            Incident.brand_id == brand.id, Incident.state == "resolved", Incident.signal == SIGNAL, Incident.rule == "",
            col(Incident.resolved_at) >= context.now - MEMORY,
        )
    ).all()  # fmt: skip
    return [row for row in rows if row.machine.get("step_seconds") == DAY and row.machine.get("ending") in _KINDS]


_KINDS = {str(Ending.QUIET): Kind.RESOLVED, str(Ending.NEW_NORMAL): Kind.NEW_NORMAL}


def _counted(session: Session, context: Context, brand: Brand, row: Incident) -> alerts.incident.Incident | None:
    """The incident with what its days hold now; None while that is what it says."""
    value = incidents.value_of(row)
    watch = brand_watch(context.settings, brand)
    points = watch.history(session, related.series_key(row.series, brand), value.last_step_at + timedelta(seconds=DAY),
                           last=(value.last_step_at - value.started_at).days + 3)  # fmt: skip
    now = by_days(value, points)
    if now.n_observed <= value.n_observed:  # fewer: something was erased or is not counted yet, and was told rightly
        return None
    return replace(value, n_observed=now.n_observed, peak_observed=now.peak_observed, peak_expected=now.peak_expected,
                   peak_at=now.peak_at)  # fmt: skip


def _retell(session: Session, context: Context, brand: Brand, row: Incident, value: alerts.incident.Incident) -> None:
    row = incidents.store(session, value, brand_id=row.brand_id, row=row)
    change = Change(row, Transition(_KINDS[str(value.ending)], value))
    daily, hourly = brand_watch(context.settings, brand), hour_watch(context.settings, brand)
    story.explain(session, context.settings, brand, change, daily, hourly, now=value.resolved_at or context.now)
