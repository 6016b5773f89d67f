"""Series written by these tests: counts with a weekly pattern, drawn from seeded generators."""

from __future__ import annotations

import datetime as dt

import numpy as np

from alerts.detector import Decision, Detector
from alerts.series import Row

MONDAY = dt.datetime(2025, 3, 3, tzinfo=dt.UTC)


def day(n: int) -> dt.datetime:
    """The n-th day."""
    return MONDAY + dt.timedelta(days=n)


def usual(n_days: int, *, level: float = 6.0, share: float = 0.2, seed: int = 0) -> list[Row]:
    """An ordinary life: Poisson counts, weaker weekends."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(n_days):
        mean = level * (0.6 if n % 7 > 4 else 1.15)
        negative = int(rng.poisson(mean))
        rows.append(Row(day(n), negative, negative + int(rng.poisson(mean * (1 - share) / share))))
    return rows


def feed(detector: Detector, rows: list[Row]) -> list[Decision]:
    """Every decision."""
    return [detector.update(row) for row in rows]
