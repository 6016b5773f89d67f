"""How good a run is: macro-F1, calibration error, per language and source. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def f1_scores(gold: np.ndarray, predicted: np.ndarray, labels: list[int]) -> list[float]:
    """F1 of each label: 2 TP / (2 TP + FP + FN), 0 where nothing was found."""
    scores = []
    for label in labels:
        hits = int(np.sum((gold == label) & (predicted == label)))
        wrong = int(np.sum(gold == label)) + int(np.sum(predicted == label)) - 2 * hits
        scores.append(2 * hits / (2 * hits + wrong) if hits else 0.0)
    return scores


def macro_f1(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over the classes that occur in `gold`."""
    labels = [int(label) for label in np.unique(gold)]
    return float(np.mean(f1_scores(gold, predicted, labels)))


def calibration_error(confidence: np.ndarray, correct: np.ndarray, *, n_bins: int = 15) -> float:
    """Expected calibration error over equal-width bins: mean |accuracy - confidence|, weighted by bin size."""
    if not len(confidence):
        return float("nan")
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    gaps = np.abs(
        np.bincount(bins, weights=correct.astype(float), minlength=n_bins)
        - np.bincount(bins, weights=confidence, minlength=n_bins)
    )
    return float(gaps[counts > 0].sum() / len(confidence))


@dataclass(frozen=True)
class TopicScore:
    """Topics of one set of rows: macro over topics with enough cases, micro over all decisions."""

    macro: float
    micro: float
    n_topics: int
    per_topic: dict[int, float]


def topic_f1(gold: np.ndarray, predicted: np.ndarray, labelled: np.ndarray, *, min_cases: int = 10) -> TopicScore:
    """`gold`, `predicted`, `labelled`: [n, topics] of 0 and 1; decisions outside `labelled` do not count."""
    hits = ((gold > 0) & (predicted > 0) & (labelled > 0)).sum(0)
    positives = ((gold > 0) & (labelled > 0)).sum(0)
    said = ((predicted > 0) & (labelled > 0)).sum(0)
    per_topic = {
        int(index): float(2 * hits[index] / max(1, positives[index] + said[index]))
        for index in np.flatnonzero(positives >= min_cases)
    }
    micro = float(2 * hits.sum() / max(1, positives.sum() + said.sum()))
    return TopicScore(
        macro=float(np.mean(list(per_topic.values()))) if per_topic else float("nan"),
        micro=micro,
        n_topics=len(per_topic),
        per_topic=per_topic,
    )
