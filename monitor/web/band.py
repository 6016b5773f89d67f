"""The days of an incident's series: what came, and what the detector took for usual."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session

from monitor.config import Settings
from monitor.pipeline import related
from monitor.pipeline.context import Context
from monitor.pipeline.detect import brand_watch
from monitor.pipeline.watch import Point
from monitor.store.queries import incidents
from monitor.store.tables import Brand, Incident
from monitor.web.memo import Memo, renewed

AFTERWARDS = timedelta(days=14)  # shown after the end of an incident


@dataclass(frozen=True, slots=True)
class Band:
    """Points of the series, oldest first, and the days between which the incident lay."""

    points: tuple[Point, ...]
    first: date
    last: date


def kept_band(memo: Memo, context: Context, rows: Session, brand: Brand, incident: Incident) -> Band:
    """The same, computed once for all and renewed behind the answer: the detector goes through half a year for it, and
    what somebody corrects moves it by a mention."""
    uid, settings = incident.uid, context.settings

    def make(session: Session) -> Band:
        row, of = incidents.by_uid(session, uid), session.get(Brand, brand.id)
        assert row is not None and of is not None
        return band(session, settings, of, row, now=context.now)

    key = ("band", uid, incident.last_seen_at, incident.resolved_at)
    return renewed(memo, context.engine, key, make, rows=rows, seconds=120, lasting=True)


def band(
    session: Session, settings: Settings, brand: Brand, incident: Incident, *, now: datetime, days: int = 42
) -> Band:
    """The last `days` days up to now, or to two weeks after the end of the incident."""
    end = incident.resolved_at or now
    until = min(now, end + AFTERWARDS)
    watch = brand_watch(settings, brand)
    points = watch.history(session, related.series_key(incident.series, brand), until, last=days)
    return Band(tuple(points), watch.local_day(incident.since_at), watch.local_day(min(end, now)))
