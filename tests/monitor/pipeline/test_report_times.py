"""When the weekly report is made: once a week at its wall time, whatever summer time or the daemon's absence do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import score
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Meta, Source
from tests.monitor import support

HOUR = timedelta(hours=1)


def made(context: Context) -> dict[str, datetime]:
    """Weeks whose report was made, and when."""
    with reading(context.engine) as session:
        rows = session.exec(select(Meta).where(col(Meta.key).startswith("report.cafe.")))
        return {row.key.removeprefix("report.cafe."): datetime.fromisoformat(row.value) for row in rows}


def walk(context: Context, first: datetime, last: datetime, step: timedelta) -> None:
    at = first
    while at <= last:
        context.clock = lambda at=at: at  # type: ignore[misc]
        report_due(context)
        at += step


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("Europe/Berlin", ("2026-03-29", "2026-10-25")),  # 02:30 is not there, and is there twice
        ("America/New_York", ("2026-03-08", "2026-11-01")),
        ("Australia/Lord_Howe", ("2026-10-04", "2026-04-05")),  # half an hour
        ("Africa/Cairo", ("2026-04-24", "2026-10-29")),  # at midnight: a day without its first hour
        ("Asia/Kathmandu", ("2026-03-29", "2026-10-25")),  # never, and 45 minutes beside the hour
    ],
)
def test_once_a_week_over_both_changes_of_the_clock(tmp_path: Path, zone: str, changes: tuple[str, str]) -> None:
    context = support.context(tmp_path, time_zone=zone, report={"weekday": "sunday", "at": "02:30"})
    for change in sorted(changes):
        day = datetime.fromisoformat(change).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        first = day - timedelta(days=4)
        walk(context, first, day + timedelta(days=8), 3 * HOUR)
        found = [at.astimezone(ZoneInfo(zone)) for at in made(context).values() if at > first]
        assert len(found) == len({f"{at:%G-W%V}" for at in found}) >= 1, (change, found)
        for at in found:  # looked at every three hours, and one may not be there
            assert at.weekday() == 6 and 2 <= at.hour + at.minute / 60 <= 6.5, (change, at)


def test_a_week_missed_on_its_last_day_is_made_at_the_next_start(tmp_path: Path) -> None:
    """Off from Saturday to Tuesday: Sunday's report is not lost because a newer week has ended."""
    context = support.context(tmp_path, report={"weekday": "sunday", "at": "08:00"})
    sunday = datetime(2026, 3, 15, tzinfo=UTC)
    walk(context, sunday - timedelta(days=3), sunday - timedelta(days=1), 12 * HOUR)
    assert "2026-W10" not in made(context)
    walk(context, sunday + timedelta(days=2), sunday + timedelta(days=2), HOUR)
    assert made(context)["2026-W10"] == sunday + timedelta(days=2)


def test_a_report_that_a_fast_clock_made_is_made_again_in_its_time(tmp_path: Path) -> None:
    """Else the empty week that it told would stand for ever. What was sent has its key: `daemon/test_clock.py`."""
    context = support.context(tmp_path, report={"weekday": "monday", "at": "09:00"})
    monday = datetime(2026, 3, 16, 9, tzinfo=UTC)
    for days, weeks in (
        (0, {"2026-W11"}), (7, {"2026-W11", "2026-W12"}), (0.1, {"2026-W11"}), (7.1, {"2026-W11", "2026-W12"}),
    ):  # fmt: skip
        walk(context, monday + timedelta(days=days), monday + timedelta(days=days), HOUR)
        assert set(made(context)) == weeks
    assert made(context) == {"2026-W11": monday, "2026-W12": monday + timedelta(days=7.1)}


def test_a_report_waits_for_what_is_on_its_way_and_not_for_ever(tmp_path: Path) -> None:
    """Off over the weekend, started on Monday: the week's last mentions are to be read, judged and counted first."""
    feed = {"scraper": "rss", "brand": "cafe", "params": {"url": "http://one.invalid/feed.xml"}}
    monday = datetime(2026, 3, 16, 9, tzinfo=UTC)
    context = support.context(
        tmp_path, at=monday, report={"weekday": "monday", "at": "09:00"}, sources={"feed": feed, "dead": feed}
    )

    def tick(minutes: int) -> set[str]:
        walk(context, monday + timedelta(minutes=minutes), monday + timedelta(minutes=minutes), HOUR)
        return set(made(context))

    with writing(context.engine) as session:
        read, dead = session.exec(select(Source).order_by(col(Source.slug).desc())).all()
        dead.fail_count = 3
        item = support.item(1, "late and bad", at=monday - timedelta(days=1))
        ingest(session, [item], brand_id=1, source_id=read.id or 0, origin="feed", now=monday)
    assert tick(0) == set(), "neither read nor judged"
    with writing(context.engine) as session:
        session.exec(select(Source).where(Source.slug == "feed")).one().last_success_at = monday
    assert tick(1) == set(), "not judged"
    score(context)
    assert tick(2) == set(), "not counted"
    with writing(context.engine) as session:
        session.exec(select(Source).where(Source.slug == "feed")).one().last_success_at = None
    aggregate(context)
    assert tick(119) == set()
    assert tick(121) == {"2026-W11"}, "two hours are enough"
    context.engine.dispose()
