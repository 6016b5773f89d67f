"""Topic impact: how much better or worse the whole score would be without the mentions of one topic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric
from monitor.metrics.sample import Sample

METHOD = "impact: mean of all minus mean without the topic, percentile bootstrap over mentions"


def topic_impact(
    values: Sequence[float] | npt.NDArray[np.float64],
    has_topic: Sequence[bool] | npt.NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    n_bootstrap: int = 2000,
    n_needed: int = 10,
    confidence: float = CONFIDENCE,
) -> Metric:
    """S(all) - S(all without the topic): negative when the topic pulls the score down.

    `values` is what each mention adds to the score: 100, 0 or -100 for net sentiment or NPS, stars for a rating.
    """
    scores = np.asarray(values, dtype=float)
    tagged = np.asarray(has_topic, dtype=bool)
    if scores.shape != tagged.shape or scores.ndim != 1:
        raise BadNumbers(f"{scores.shape} values but {tagged.shape} topic marks")
    return impact_of(
        Sample.of(scores[tagged]), Sample.of(scores[~tagged]), rng=rng, n_bootstrap=n_bootstrap, n_needed=n_needed,
        confidence=confidence,
    )  # fmt: skip


def impact_of(
    inside: Sample,
    outside: Sample,
    *,
    rng: np.random.Generator,
    n_bootstrap: int = 2000,
    n_needed: int = 10,
    confidence: float = CONFIDENCE,
) -> Metric:
    """The same from what the mentions with the topic add, and those without.

    `n` is the number of mentions with the topic; those, and the rest, must each reach `n_needed`. Mentions are
    redrawn with replacement; those with the same value are alike, so that the counts of values are redrawn.
    """
    n_topic, n_rest = inside.n, outside.n
    if n_topic < n_needed or n_rest < n_needed:
        return Metric("topic_impact", None, None, min(n_topic, n_rest), METHOD, n_needed=n_needed)
    n = n_topic + n_rest
    scores = np.concatenate([outside.values, inside.values])
    counts = np.concatenate([outside.counts, inside.counts])
    rest = np.arange(len(scores)) < len(outside.values)
    value = float(scores @ counts / n - outside.mean)
    draws = rng.multinomial(n, counts / n, size=n_bootstrap)
    n_rest_drawn = draws[:, rest].sum(axis=1)
    keep = n_rest_drawn > 0
    draws, n_rest_drawn = draws[keep], n_rest_drawn[keep]
    impacts = draws @ scores / n - draws[:, rest] @ scores[rest] / n_rest_drawn
    tail = (1 - confidence) / 2
    low, high = np.quantile(impacts, [tail, 1 - tail])
    interval = Interval(min(float(low), value), max(float(high), value))
    return Metric("topic_impact", value, interval, n_topic, METHOD, n_needed=n_needed)
