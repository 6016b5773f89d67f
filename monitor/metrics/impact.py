"""Topic impact: how much better or worse the whole score would be without the mentions of one topic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric

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
    `n` is the number of mentions with the topic; those, and the rest, must each reach `n_needed`. Mentions are
    redrawn with replacement, which for a score that is a mean needs only the sums of the two groups per draw.
    """
    scores = np.asarray(values, dtype=float)
    tagged = np.asarray(has_topic, dtype=bool)
    if scores.shape != tagged.shape or scores.ndim != 1:
        raise BadNumbers(f"{scores.shape} values but {tagged.shape} topic marks")
    n_topic, n_rest = int(tagged.sum()), int((~tagged).sum())
    if n_topic < n_needed or n_rest < n_needed:
        return Metric("topic_impact", None, None, min(n_topic, n_rest), METHOD, n_needed=n_needed)
    value = float(scores.mean() - scores[~tagged].mean())
    n = len(scores)
    # Mentions with the same value are alike: redraw the counts of (topic, value) cells instead of single mentions.
    kinds, cell = np.unique(np.stack([tagged.astype(float), scores]), axis=1, return_inverse=True)
    counts = np.bincount(cell.ravel(), minlength=kinds.shape[1])
    draws = rng.multinomial(n, counts / n, size=n_bootstrap)
    rest = kinds[0] == 0.0
    n_rest_drawn = draws[:, rest].sum(axis=1)
    keep = n_rest_drawn > 0
    draws, n_rest_drawn = draws[keep], n_rest_drawn[keep]
    impacts = draws @ kinds[1] / n - draws[:, rest] @ kinds[1][rest] / n_rest_drawn
    tail = (1 - confidence) / 2
    low, high = np.quantile(impacts, [tail, 1 - tail])
    interval = Interval(min(float(low), value), max(float(high), value))
    return Metric("topic_impact", value, interval, n_topic, METHOD, n_needed=n_needed)
