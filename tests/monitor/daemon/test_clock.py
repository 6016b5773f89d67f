"""Clocks that jump: the weekly report is made once, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlmodel import select

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Outbox
from tests.monitor import support

DUE = datetime(2026, 10, 26, 8, 0, tzinfo=UTC)  # Monday 09:00 in Berlin, a day after its clocks went back


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def watched(folder: Path, clock: Clock) -> Context:
    """A context with a week of mentions and a channel for the report."""
    channels = {"box": {"kind": "file", "settings": {"directory": str(folder / "outbox")}}}
    context = support.context(folder, at=clock.at, channels=channels, time_zone="Europe/Berlin")
    context.clock = clock
    items = [
        support.item(n, "late and bad" if n % 3 else "good", at=DUE - timedelta(days=1 + n % 6)) for n in range(30)
    ]
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=clock.at).id or 0
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=clock.at, near_duplicates=False)
    score(context)
    aggregate(context)
    return context


def sent(context: Context) -> int:
    with reading(context.engine) as session:
        return len(session.exec(select(Outbox).where(Outbox.kind == "report")).all())


def test_the_report_comes_once_over_the_change_of_summer_time(tmp_path: Path) -> None:
    clock = Clock(DUE - timedelta(minutes=1))
    context = watched(tmp_path, clock)
    assert report_due(context) == 0
    clock.at = DUE
    assert report_due(context) == 1
    for jump in (timedelta(hours=-3), timedelta(minutes=5), timedelta(days=-2), timedelta(days=4), timedelta(0)):
        clock.at = DUE + jump
        assert report_due(context) == 0
    assert sent(context) == 1
    context.engine.dispose()


def test_a_missed_report_comes_at_the_next_start(tmp_path: Path) -> None:
    clock = Clock(DUE + timedelta(days=5, hours=7))
    context = watched(tmp_path, clock)
    assert report_due(context) == 1
    assert report_due(context) == 0
    assert sent(context) == 1
    context.engine.dispose()
