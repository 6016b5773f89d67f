"""Shares and differences of shares: which interval belongs to x out of n."""

from __future__ import annotations

import math

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric, check_counts, z_value

WILSON = "Wilson score interval (Wilson 1927; Newcombe 1998, method 3)"
NEWCOMBE = "difference of shares by Newcombe's hybrid score interval (Newcombe 1998, method 10)"


def _check(x: float, n: float) -> None:
    check_counts(x=x, n=n)
    if x > n:
        raise BadNumbers(f"x must not exceed n, got {x!r} of {n!r}")


def wilson(x: float, n: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the share x/n. With n = 0 nothing is known: 0 to 1. x and n may be weighted, thus not whole."""
    _check(x, n)
    if n == 0:
        return Interval(0.0, 1.0)
    z = z_value(confidence)
    share = x / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if x == 0 else max(0.0, centre - half)
    high = 1.0 if x == n else min(1.0, centre + half)
    return Interval(min(low, share), max(high, share))


def newcombe(
    x: float, n: float, x_other: float, n_other: float, *, confidence: float = CONFIDENCE, dispersion: float = 1.0
) -> Interval:
    """Interval of x/n - x_other/n_other for independent samples. With an empty sample: -1 to 1.

    With a `dispersion` (variance over that of a binomial share) samples count for so many times fewer.
    """
    _check(x, n)
    _check(x_other, n_other)
    if n == 0 or n_other == 0:
        return Interval(-1.0, 1.0)
    p, q = x / n, x_other / n_other
    of_p = wilson(x / dispersion, n / dispersion, confidence=confidence)
    of_q = wilson(x_other / dispersion, n_other / dispersion, confidence=confidence)
    low = p - q - math.hypot(p - of_p.low, of_q.high - q)
    high = p - q + math.hypot(of_p.high - p, q - of_q.low)
    return Interval(max(-1.0, low), min(1.0, high))


def agresti_caffo(x: float, n: float, x_other: float, n_other: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of x/n - x_other/n_other: one success and one failure added to each sample, then Wald.

    Agresti and Caffo 2000, The American Statistician 54. Its centre is shrunk towards zero, which suits planning;
    `newcombe` is what reports show.
    """
    _check(x, n)
    _check(x_other, n_other)
    z = z_value(confidence)
    p, q = (x + 1) / (n + 2), (x_other + 1) / (n_other + 2)
    half = z * math.sqrt(p * (1 - p) / (n + 2) + q * (1 - q) / (n_other + 2))
    return Interval(max(-1.0, p - q - half), min(1.0, p - q + half))


def paired_difference(n_gained: int, n_lost: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of (n_gained - n_lost)/n: how a share changed among the same n people.

    Half a person is added to each kind of change and two to n (Agresti and Min 2005, Statistics in Medicine 24), then
    Wald for matched pairs. With nobody: -1 to 1.
    """
    _check(n_gained + n_lost, n)
    if n == 0:
        return Interval(-1.0, 1.0)
    b, c, m = n_gained + 0.5, n_lost + 0.5, n + 2
    half = z_value(confidence) * math.sqrt(b + c - (b - c) ** 2 / m) / m
    value = (n_gained - n_lost) / n
    return Interval(min(value, max(-1.0, (b - c) / m - half)), max(value, min(1.0, (b - c) / m + half)))


def p_of_difference(x: int, n: int, x_other: int, n_other: int, *, dispersion: float = 1.0) -> float:
    """Two-sided p of "both shares are equal": Fisher's exact test with mid-P. Empty samples give 1.

    The ordinary exact p is conservative on small counts; half of the observed table's own probability is taken off.
    A `dispersion` above 1 divides the normal deviate that belongs to p by its root (quasi-likelihood).
    """
    _check(x, n)
    _check(x_other, n_other)
    if n == 0 or n_other == 0:
        return 1.0
    from scipy import stats  # here, since it takes a second to import and this test is rarely wanted

    margins = (n + n_other, x + x_other, n)
    own = float(stats.hypergeom.pmf(x, *margins))
    lower = float(stats.hypergeom.cdf(x, *margins)) - own / 2
    upper = float(stats.hypergeom.sf(x, *margins)) + own / 2
    p = min(1.0, 2 * min(lower, upper))
    return p if dispersion == 1.0 else min(1.0, 2 * tails.normal_sf(tails.normal_isf(p / 2) / math.sqrt(dispersion)))


def share(name: str, x: int, n: int, *, n_needed: int = 5, confidence: float = CONFIDENCE) -> Metric:
    """x of n as a metric, 0 to 1."""
    _check(x, n)
    value = x / n if n else None
    interval = wilson(x, n, confidence=confidence) if n else None
    return Metric(name, value, interval, n, WILSON, unit="share", n_needed=max(1, n_needed))
