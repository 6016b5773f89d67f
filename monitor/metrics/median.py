"""Medians: what half of the values stay below, with an interval that assumes nothing of their distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, Interval, Metric, Unit

MEDIAN = "median with the interval of its order statistics (binomial; Conover 1999, 3.2)"
LEAST = 6  # below it the smallest and the largest value together do not hold a median in 95 of 100 samples


def median_of(
    name: str, values: Sequence[float], *, unit: Unit, n_needed: int = LEAST, confidence: float = CONFIDENCE
) -> Metric:
    """The median; shown from `n_needed` values on, never below six."""
    n, needed = len(values), max(LEAST, n_needed)
    if n < needed:
        return Metric(name, None, None, n, MEDIAN, unit=unit, n_needed=needed)
    ordered = np.sort(np.asarray(values, dtype=float))
    # the largest rank k with P(fewer than k of n values lie below the median) <= half of what may be missed
    rank = tails.binomial_quantile((1 - confidence) / 2, n, 0.5)
    if tails.binomial_cdf(rank, n, 0.5) > (1 - confidence) / 2:
        rank -= 1
    interval = Interval(float(ordered[max(rank, 0)]), float(ordered[n - 1 - max(rank, 0)]))
    return Metric(name, float(np.median(ordered)), interval, n, MEDIAN, unit=unit, n_needed=needed)


def change_of_median(now: Metric, before: Metric) -> Interval | None:
    """Interval of median(now) - median(before) out of the two intervals (MOVER, Zou and Donner 2008)."""
    if now.value is None or before.value is None or now.interval is None or before.interval is None:
        return None
    difference = now.value - before.value
    low = difference - math.hypot(now.value - now.interval.low, before.interval.high - before.value)
    high = difference + math.hypot(now.interval.high - now.value, before.value - before.interval.low)
    return Interval(low, high)
