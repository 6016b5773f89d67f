"""Branch rating: stars of one place, newer ones weighing more, drawn towards the middle while there are few."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric, z_value

METHOD = "recency-weighted Bayesian mean of stars, seven phantom reviews of 3.5 (after Trustpilot's TrustScore)"
HALF_LIFE_DAYS = 180.0
PRIOR_STARS = 3.5
PRIOR_WEIGHT = 7.0


def branch_rating(
    stars: Sequence[float],
    ages_in_days: Sequence[float],
    *,
    counts: Sequence[int] | None = None,
    half_life_days: float = HALF_LIFE_DAYS,
    prior_stars: float = PRIOR_STARS,
    prior_weight: float = PRIOR_WEIGHT,
    n_needed: int = 3,
    confidence: float = CONFIDENCE,
) -> Metric:
    """(sum w s + 7 * 3.5)/(sum w + 7) with w = 0.5^(age / half life); stars 1..5, ages in days, newest 0.

    `counts` says how many reviews each entry stands for (one each without it).
    The interval is the posterior one of a normal mean whose variance is pooled from the reviews and a prior
    variance of one star squared, with Kish's effective number of reviews behind the weights.
    """
    if len(stars) != len(ages_in_days):
        raise BadNumbers(f"{len(stars)} ratings but {len(ages_in_days)} ages")
    n_each = list(counts) if counts is not None else [1] * len(stars)
    if len(n_each) != len(stars) or any(n < 1 for n in n_each):
        raise BadNumbers(f"{len(stars)} ratings but counts {n_each[:5]!r}: one count of 1 or more for each")
    if half_life_days <= 0 or prior_weight < 0:
        raise BadNumbers(f"half life must be above zero and prior weight not negative, got {half_life_days!r}")
    for star, age in zip(stars, ages_in_days, strict=True):
        if not 1.0 <= star <= 5.0:
            raise BadNumbers(f"a rating must lie between 1 and 5, got {star!r}")
        if age < 0:
            raise BadNumbers(f"an age must not be negative, got {age!r}")
    single = [0.5 ** (age / half_life_days) for age in ages_in_days]
    weights = [n * w for n, w in zip(n_each, single, strict=True)]
    total = sum(weights)
    if total + prior_weight == 0:
        return Metric("branch_rating", None, None, 0, METHOD, "stars", max(1, n_needed))
    value = (sum(w * s for w, s in zip(weights, stars, strict=True)) + prior_weight * prior_stars) / (
        total + prior_weight
    )
    squares = sum(w * (s - value) ** 2 for w, s in zip(weights, stars, strict=True))
    variance = (squares + prior_weight * 1.0) / (total + prior_weight)
    squared_weights = sum(n * w * w for n, w in zip(n_each, single, strict=True))
    n_effective = total * total / squared_weights if squared_weights else 0.0
    half = z_value(confidence) * math.sqrt(variance / (n_effective + prior_weight))
    interval = Interval(max(1.0, value - half), min(5.0, value + half))
    return Metric("branch_rating", value, interval, sum(n_each), METHOD, "stars", max(1, n_needed))
