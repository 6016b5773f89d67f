"""Clocks that jump: the weekly report is made once, and what waits goes on waiting as long as it should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

import alerts.render
from monitor.pipeline import outbox
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import score
from monitor.pipeline.turns import due
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Coverage, Outbox, Source
from tests.alerts.sample_messages import opened
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
        report_due(context)
    assert sent(context) == 1
    context.engine.dispose()


def test_a_missed_report_comes_at_the_next_start(tmp_path: Path) -> None:
    clock = Clock(DUE + timedelta(days=5, hours=7))
    context = watched(tmp_path, clock)
    assert report_due(context) == 1
    assert report_due(context) == 0
    assert sent(context) == 1
    context.engine.dispose()


SOURCES = {"feed": {"scraper": "rss", "brand": "cafe", "params": {"url": "http://one.invalid/feed.xml"}}}
AHEAD = timedelta(days=3)


@pytest.mark.parametrize(
    ("paused", "waits"), [(None, timedelta(hours=1)), (timedelta(hours=6), timedelta(hours=6))], ids=["usual", "wall"]
)
def test_a_source_that_was_read_in_the_future_waits_from_now(
    tmp_path: Path, paused: timedelta | None, waits: timedelta
) -> None:
    clock = Clock(DUE)
    context = support.context(tmp_path, at=DUE, sources=SOURCES)
    context.clock = clock
    with writing(context.engine) as session:
        source = session.exec(select(Source)).one()
        source.last_run_at = source.last_success_at = DUE + AHEAD
        source.paused_until = None if paused is None else DUE + AHEAD + paused
        source.next_due_at = DUE + AHEAD + waits
        session.add(source)
        session.add(Coverage(source_id=source.id or 0, hour_at=DUE + AHEAD, n_due=1, n_done=1))
        session.add(Coverage(source_id=source.id or 0, hour_at=DUE - timedelta(hours=1), n_due=1, n_done=1))
    assert due(context) == []
    clock.at = DUE + waits - timedelta(seconds=1)
    assert due(context) == []
    clock.at = DUE + waits
    assert due(context) == ["feed"]
    with reading(context.engine) as session:
        source = session.exec(select(Source)).one()
        assert (source.last_run_at, source.last_success_at) == (DUE, DUE)
        assert [row.hour_at for row in session.exec(select(Coverage))] == [DUE - timedelta(hours=1)]
    context.engine.dispose()


def test_hosts_whose_clocks_differ_by_minutes_change_nothing(tmp_path: Path) -> None:
    context = support.context(tmp_path, at=DUE, sources=SOURCES)
    ahead = DUE + timedelta(minutes=9)
    with writing(context.engine) as session:
        source = session.exec(select(Source)).one()
        source.last_run_at, source.next_due_at = ahead, ahead + timedelta(hours=1)
        session.add(source)
    assert due(context) == []
    with reading(context.engine) as session:
        assert session.exec(select(Source.last_run_at)).one() == ahead
    context.engine.dispose()


def test_a_message_that_was_tried_in_the_future_waits_from_now(tmp_path: Path) -> None:
    context = support.context(tmp_path, at=DUE)
    wait = timedelta(minutes=15)
    with writing(context.engine) as session:
        for name, at in (("tried", DUE), ("made", DUE + AHEAD)):
            envelope = alerts.render.envelope(opened())
            outbox.put(session, envelope, channel=name, kind="opened", now=at, not_before=DUE + AHEAD + wait)
        row = session.exec(select(Outbox).where(Outbox.channel == "tried")).one()
        row.sending_at, row.attempts = DUE + AHEAD, 4
        session.add(row)
        session.flush()
        assert outbox.wait_from_now(session, now=DUE) == 2
        assert outbox.wait_from_now(session, now=DUE) == 0
        assert {row.next_try_at for row in session.exec(select(Outbox))} == {DUE + wait}
    context.engine.dispose()
