"""Branch rating: stars of one place, newer ones weighing more, drawn towards the middle while there are few."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric, z_value

Floats = npt.NDArray[np.float64]
METHOD = "recency-weighted Bayesian mean of stars, seven phantom reviews of 3.5 (after Trustpilot's TrustScore)"
HALF_LIFE_DAYS = 180.0
PRIOR_STARS = 3.5
PRIOR_WEIGHT = 7.0


def branch_rating(
    stars: Sequence[float] | Floats,
    ages_in_days: Sequence[float] | Floats,
    *,
    counts: Sequence[int] | npt.NDArray[np.int64] | None = None,
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
    star, age = np.asarray(stars, np.float64), np.asarray(ages_in_days, np.float64)
    n_each = np.ones(len(star), np.int64) if counts is None else np.asarray(counts, np.int64)
    if len(n_each) != len(star) or (n_each < 1).any():
        raise BadNumbers(f"{len(star)} ratings but counts {n_each[:5]!r}: one count of 1 or more for each")
    if half_life_days <= 0 or prior_weight < 0:
        raise BadNumbers(f"half life must be above zero and prior weight not negative, got {half_life_days!r}")
    if (wrong := star[~((star >= 1.0) & (star <= 5.0))]).size:
        raise BadNumbers(f"a rating must lie between 1 and 5, got {wrong[0]:g}")
    if (wrong := age[~(age >= 0)]).size:
        raise BadNumbers(f"an age must not be negative, got {wrong[0]:g}")
    single = 0.5 ** (age / half_life_days)
    weights = n_each * single
    total = float(weights.sum())
    if total + prior_weight == 0:
        return Metric("branch_rating", None, None, 0, METHOD, "stars", max(1, n_needed))
    value = (float(weights @ star) + prior_weight * prior_stars) / (total + prior_weight)
    squares = float(weights @ (star - value) ** 2)
    variance = (squares + prior_weight * 1.0) / (total + prior_weight)
    squared_weights = float(weights @ single)
    n_effective = total * total / squared_weights if squared_weights else 0.0
    half = z_value(confidence) * math.sqrt(variance / (n_effective + prior_weight))
    interval = Interval(max(1.0, value - half), min(5.0, value + half))
    return Metric("branch_rating", value, interval, int(n_each.sum()), METHOD, "stars", max(1, n_needed))
