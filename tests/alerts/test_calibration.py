"""Scores of an account that runs louder than it promises are divided, those of one that keeps it are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.calibration import LOUDEST, loudness
from alerts.panel import Panel
from alerts.settings import Settings

N, DAYS, WARM = 40, 130, 40


def test_near_misses_as_promised_divide_nothing_and_more_divide_more() -> None:
    assert loudness(100, 100) == 1.0
    assert loudness(40, 100) == 1.0, "what is quieter than promised is not made louder"
    assert 1.0 < loudness(130, 100) < loudness(170, 100) < LOUDEST
    assert loudness(5000, 100) == LOUDEST
    assert loudness(8, 4) < 1.1, "a few near misses of one series alone say little"


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    """Negatives (days, series) whose level wanders, each day most of what it was the day before."""
    rng = np.random.default_rng(4)
    level = np.exp(rng.uniform(np.log(4), np.log(60), N))
    noise = np.zeros((DAYS, N))
    for day in range(1, DAYS):
        noise[day] = 0.8 * noise[day - 1] + 0.6 * 0.35 * rng.standard_normal(N)
    return rng.poisson(level * np.exp(noise)).astype(float)


def told(negative: np.ndarray, *, believing: bool = True) -> tuple[int, float]:
    """(alarms after the warm-up, the divisor at the end) of all series, with or without believing what they showed."""
    panel, ones, others = Panel(N, Settings()), np.ones(N), 4 * negative.mean(axis=0)
    count = 0
    for day in range(DAYS):
        found = panel.tick(
            negative[day], others, ones, weekday=ones * (day % 7), hour=0 * ones, holiday=0 * ones
        )  # fmt: skip
        if day >= WARM:
            count += int(((found.news >= 1.4) & found.enough).sum())
        loud = 1 + float(panel.state["loud"][0, 0])
        if not believing:
            panel.state["loud"] = 0.0
    return count, loud


def test_series_that_wander_are_held_to_the_promise(waves: np.ndarray) -> None:
    (before, _), (after, loud) = told(waves, believing=False), told(waves)
    assert loud > 1.25
    assert after < 0.7 * before


def test_independent_days_are_left_alone() -> None:
    rng = np.random.default_rng(5)
    _, loud = told(rng.poisson(np.exp(rng.uniform(0, 4, N)), (DAYS, N)).astype(float))
    assert loud < 1.05


def test_one_crisis_seen_by_every_series_is_one() -> None:
    rng = np.random.default_rng(6)
    negative = rng.poisson(6.0, (DAYS, N)).astype(float)
    negative[100:103] += rng.poisson(6.0, (3, N))
    _, loud = told(negative)
    assert loud < 1.05
