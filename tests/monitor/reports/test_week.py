"""ISO weeks in the brand's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from monitor.reports.week import BadWeek, Week


def test_the_first_weeks_of_2026_and_2021() -> None:
    assert Week.of(date(2026, 1, 1)) == Week(2026, 1)
    assert Week.of(date(2021, 1, 1)) == Week(2020, 53)
    assert Week(2020, 53).back(-1) == Week(2021, 1)
    assert Week(2026, 1).back(1) == Week(2025, 52)


@pytest.mark.parametrize("text", ["2026-W46", "2026w46", " 2026-W46 "])
def test_forms_that_are_read(text: str) -> None:
    assert str(Week.parse(text)) == "2026-W46"


@pytest.mark.parametrize("text", ["2026", "W46", "2026-W60", "2025-W53", "2026-11-23", ""])
def test_forms_that_are_refused(text: str) -> None:
    with pytest.raises(BadWeek):
        Week.parse(text)


def test_a_week_begins_at_local_midnight_and_may_be_an_hour_longer() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    week = Week(2026, 43)  # ends with the clock change of 25 October 2026
    assert week.starts_at(berlin) == datetime(2026, 10, 18, 22, tzinfo=UTC)
    assert week.ends_at(berlin) == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert (week.ends_at(berlin) - week.starts_at(berlin)).total_seconds() == 169 * 3600


def test_the_last_complete_week_follows_the_zone() -> None:
    at = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)  # Sunday night in London, Monday in Moscow
    assert Week.last_complete(at, ZoneInfo("Europe/London")) == Week(2026, 46)
    assert Week.last_complete(at, ZoneInfo("Europe/Moscow")) == Week(2026, 47)
