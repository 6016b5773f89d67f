"""Did a count rise? Differences and ratios of counts of two periods, with more spread than Poisson where there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, check_counts, z_value

DIFFERENCE = "difference of counts by MOVER over score intervals, variance scaled by the series' own dispersion"
RATIO = "ratio of counts, conditional mid-P interval, counts divided by the series' own dispersion"


def dispersion(counts: Sequence[float]) -> float:
    """Variance over mean of the periods `counts`, at least 1: Pearson's chi-square over its degrees of freedom.

    A trend inside `counts` also shows as dispersion: that errs on the side of silence. Few periods estimate it badly,
    so what exceeds 1 is raised by the square of t over z at as many degrees of freedom: intervals then hold what they
    promise, for plain and for clumped series (benchmarks/coverage.py). Fewer than four periods, or nothing counted,
    give 1.
    """
    check_counts(**{f"counts[{i}]": c for i, c in enumerate(counts)})
    k = len(counts)
    mean = sum(counts) / k if k else 0.0
    if k < 4 or mean == 0:
        return 1.0
    return _raised(sum((c - mean) ** 2 for c in counts) / mean, k - 1)


def dispersion_of_shares(parts: Sequence[tuple[float, float]]) -> float:
    """Variance over what a binomial share has, of the periods `parts` (x of n), at least 1; the rule of `dispersion`.

    Complaints come in clumps, so shares swing more than mentions drawn one by one would. Empty periods are left out.
    """
    seen = [(x, n) for x, n in parts if n > 0]
    check_counts(**{f"parts[{i}]": x for i, (x, _) in enumerate(seen)})
    whole = sum(n for _, n in seen)
    share = sum(x for x, _ in seen) / whole if whole else 0.0
    if len(seen) < 4 or not 0.0 < share < 1.0:
        return 1.0
    return _raised(sum((x - n * share) ** 2 / n for x, n in seen) / (share * (1 - share)), len(seen) - 1)


def _raised(chi_square: float, freedom: int) -> float:
    return 1.0 + max(0.0, chi_square / freedom - 1.0) * _t_over_z(freedom) ** 2


@cache
def _t_over_z(freedom: int) -> float:
    return tails.t_quantile(0.975, freedom) / z_value(0.95)


def _score(count: float, spread: float, z: float) -> Interval:
    """Score interval of a count's expectation when its variance is `spread` times its expectation."""
    half = z * math.sqrt(spread) * math.sqrt(count + spread * z * z / 4)
    centre = count + spread * z * z / 2
    return Interval(max(0.0, centre - half), centre + half)


def _check(now: float, before: float, spread: float) -> None:
    check_counts(now=now, before=before)
    if not spread >= 1.0:
        raise BadNumbers(f"dispersion must be 1 or more, got {spread!r}")


def difference_of_counts(
    now: float,
    before: float,
    *,
    dispersion: float = 1.0,
    exposure_now: float = 1.0,
    exposure_before: float = 1.0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Interval of the difference of two expected counts, each per one unit of exposure.

    Method of variance estimates recovery (Zou and Donner 2008; for counts Li, Tang and Wong 2011) over score
    intervals. `dispersion` is the variance over the mean. `exposure_*` is the part of the period that was really
    observed (0.8 when 80 % of the hours were collected): counts are divided by it.
    """
    _check(now, before, dispersion)
    if exposure_now <= 0 or exposure_before <= 0:
        raise BadNumbers(f"exposure must be above zero, got {exposure_now!r} and {exposure_before!r}")
    z = z_value(confidence)
    of_now = _score(now, dispersion, z).scaled(1 / exposure_now)
    of_before = _score(before, dispersion, z).scaled(1 / exposure_before)
    x, y = now / exposure_now, before / exposure_before
    low = x - y - math.hypot(x - of_now.low, of_before.high - y)
    high = x - y + math.hypot(of_now.high - x, y - of_before.low)
    return Interval(low, high)


def ratio_of_counts(
    now: float,
    before: float,
    *,
    dispersion: float = 1.0,
    exposure_now: float = 1.0,
    exposure_before: float = 1.0,
    confidence: float = CONFIDENCE,
    mid_p: bool = True,
) -> Interval:
    """Interval of the ratio of two rates, given their total (Przyborowski and Wilenski 1940).

    Given the total, the newer count is binomial; its Clopper-Pearson limits (mid-P: Berry and Armitage 1995) turn
    into limits of the ratio. An older count of zero gives an upper limit of infinity.
    """
    _check(now, before, dispersion)
    if exposure_now <= 0 or exposure_before <= 0:
        raise BadNumbers(f"exposure must be above zero, got {exposure_now!r} and {exposure_before!r}")
    x, y = now / dispersion, before / dispersion
    if x + y == 0:
        return Interval(0.0, math.inf)
    alpha = (1 - confidence) / 2
    low = _binomial_limit(x, y, alpha, mid_p=mid_p)
    high = 1 - _binomial_limit(y, x, alpha, mid_p=mid_p)
    scale = exposure_before / exposure_now
    return Interval(
        low / (1 - low) * scale,
        math.inf if high >= 1 else high / (1 - high) * scale,
    )


def _binomial_limit(x: float, y: float, alpha: float, *, mid_p: bool) -> float:
    """The lower limit of the share behind x of x + y; upper tail equal to alpha. Real x and y through the beta."""
    if x == 0:
        return 0.0
    exact = tails.beta_quantile(alpha, x, y + 1)
    if not mid_p:
        return exact
    # mid-P: mean of P(X >= x) and P(X > x). Both tails rise with the share, so bisection between safe ends works.
    low, high = exact, x / (x + y)

    def tail(share: float) -> float:
        at_least = tails.beta_cdf(share, x, y + 1)
        above = tails.beta_cdf(share, x + 1, y) if y > 0 else 0.0
        return (at_least + above) / 2

    for _ in range(60):
        middle = (low + high) / 2
        if tail(middle) < alpha:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def p_of_change(
    now: float,
    before: float,
    *,
    dispersion: float = 1.0,
    exposure_now: float = 1.0,
    exposure_before: float = 1.0,
) -> float:
    """Two-sided mid-P of "the rate did not change", given the total count."""
    _check(now, before, dispersion)
    x, y = now / dispersion, before / dispersion
    if x + y == 0:
        return 1.0
    share = exposure_now / (exposure_now + exposure_before)

    def upper(a: float, b: float, p: float) -> float:
        at_least = tails.beta_cdf(p, a, b + 1) if a > 0 else 1.0
        above = tails.beta_cdf(p, a + 1, b) if b > 0 else 0.0
        return (at_least + above) / 2

    return min(1.0, 2 * min(upper(x, y, share), upper(y, x, 1 - share)))


def clear_after_many(p_values: Sequence[float], *, level: float = 0.05) -> list[bool]:
    """Benjamini and Hochberg 1995: which of many tests stay clear when the false ones among them may be `level`."""
    for p in p_values:
        if not 0.0 <= p <= 1.0:
            raise BadNumbers(f"a p value must lie between 0 and 1, got {p!r}")
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    last = 0
    for rank, i in enumerate(order, start=1):
        if p_values[i] <= level * rank / len(p_values):
            last = rank
    passed = set(order[:last])
    return [i in passed for i in range(len(p_values))]
