"""Turns at hosts in the store: spaced, counted by the day, and right again when the clock is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from monitor.store.hosts import StoreLimiter
from scrapers.errors import BudgetSpent
from tests.monitor import support

NOON = 20_000 * 86_400 + 43_200.0
DAY = 86_400.0


def test_a_clock_that_ran_ahead_leaves_no_wait(tmp_path: Path) -> None:
    clock = [NOON]
    limiter = StoreLimiter(support.context(tmp_path).engine, lambda: clock[0])

    def turn(**options: float) -> float:
        return asyncio.run(limiter.reserve("a.example", interval_seconds=2.0, **options))  # type: ignore[arg-type]

    assert (turn(), turn()) == (0.0, 2.0)
    for ahead in (3600.0, 5 * DAY):
        clock[0] = NOON + ahead
        asyncio.run(limiter.hold("a.example", seconds=30.0))
        assert turn() == 30.0  # until 32 s from then
        clock[0] = NOON  # set right: the pause that the host asked for lasts as long, but from now
        assert turn() == 32.0
        clock[0] = NOON + 40.0
        assert turn() == 0.0


def test_the_budget_of_a_day_holds_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = [NOON]
    limiter = StoreLimiter(support.context(tmp_path).engine, lambda: clock[0])
    asyncio.run(limiter.spend("paid", 2))
    clock[0] = NOON + DAY
    asyncio.run(limiter.spend("paid", 2))
    asyncio.run(limiter.spend("paid", 2))
    clock[0] = NOON
    with pytest.raises(BudgetSpent, match="daily budget of 2"):
        asyncio.run(limiter.spend("paid", 2))
    clock[0] = NOON + DAY / 2  # midnight: a new day
    asyncio.run(limiter.spend("paid", 2))
