"""Medians: what half of the values stay below, with an interval that assumes nothing of their distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, Interval, Metric, Unit
from monitor.metrics.sample import Sample

MEDIAN = "median with the interval of its order statistics (binomial), interpolated (Hettmansperger and Sheather 1986)"
LEAST = 6  # below it the smallest and the largest value together do not hold a median in 95 of 100 samples


def median_of(
    name: str, values: Sequence[float] | Sample, *, unit: Unit, n_needed: int = LEAST, confidence: float = CONFIDENCE
) -> Metric:
    """The median; shown from `n_needed` values on, never below six."""
    held = values if isinstance(values, Sample) else Sample.of(values)
    n, needed = held.n, max(LEAST, n_needed)
    if n < needed:
        return Metric(name, None, None, n, MEDIAN, unit=unit, n_needed=needed)
    ordered = held.each()
    # the largest rank k with P(fewer than k of n values lie below the median) <= half of what may be missed
    rank = tails.binomial_quantile((1 - confidence) / 2, n, 0.5)
    if tails.binomial_cdf(rank, n, 0.5) > (1 - confidence) / 2:
        rank -= 1
    rank = max(rank, 0)
    inner = _inward(n, rank, confidence) if 2 * rank + 3 <= n else 0.0
    low, high = (
        (1 - inner) * float(ordered[at]) + inner * float(ordered[at + step])
        for at, step in ((rank, 1 if inner else 0), (n - 1 - rank, -1 if inner else 0))
    )
    middle = float(np.median(ordered))
    interval = Interval(min(low, middle), max(high, middle))
    return Metric(name, middle, interval, n, MEDIAN, unit=unit, n_needed=needed)


def _inward(n: int, rank: int, confidence: float) -> float:
    """How far to go from the order statistics of `rank`, which hold too much, to the next ones, which hold too little
    (Hettmansperger and Sheather 1986, Statistics and Probability Letters 4): 0 to 1."""
    outer, closer = (1 - 2 * tails.binomial_cdf(k, n, 0.5) for k in (rank, rank + 1))
    if outer <= confidence:
        return 0.0
    part, d = (outer - confidence) / (outer - closer), rank + 1
    return (n - d) * part / (d + (n - 2 * d) * part)


def change_of_median(now: Metric, before: Metric) -> Interval | None:
    """Interval of median(now) - median(before) out of the two intervals (MOVER, Zou and Donner 2008)."""
    if now.value is None or before.value is None or now.interval is None or before.interval is None:
        return None
    difference = now.value - before.value
    low = difference - math.hypot(now.value - now.interval.low, before.interval.high - before.value)
    high = difference + math.hypot(now.interval.high - now.value, before.value - before.interval.low)
    return Interval(low, high)
