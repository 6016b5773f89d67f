"""How far probabilities may be believed: expected calibration error, reliability bins, temperature and Platt scaling,
thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions with a confidence in (low, high]: how many, their mean confidence, the share that was right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def reliability(p: Floats, right: npt.NDArray[np.bool_], *, n_bins: int = 15) -> list[Bin]:
    """Equal-width bins of confidences `p` [n] with the share of `right` answers [n]; empty bins are left out."""
    edges = np.linspace(0, 1, n_bins + 1)
    at = np.clip(np.ceil(np.asarray(p) * n_bins).astype(int) - 1, 0, n_bins - 1)
    return [
        Bin(float(edges[i]), float(edges[i + 1]), int(n), float(np.mean(p[at == i])), float(np.mean(right[at == i])))
        for i in range(n_bins)
        if (n := int((at == i).sum()))
    ]


def calibration_error(p: Floats, labels: Ints, *, n_bins: int = 15) -> float:
    """Expected calibration error of the top label (Guo et al. 2017). p [n, classes], labels [n]."""
    if len(labels) == 0:
        return float("nan")
    right = p.argmax(axis=1) == labels
    bins = reliability(p.max(axis=1), right, n_bins=n_bins)
    return float(sum(b.n * abs(b.confidence - b.accuracy) for b in bins) / len(labels))


def log_loss(p: Floats, labels: Ints) -> float:
    """Mean negative log-likelihood, p clipped at 1e-6."""
    return float(-np.log(np.clip(p[np.arange(len(labels)), labels], 1e-6, 1)).mean())


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The divisor of the logits that minimises the log loss, between 0.1 and 10."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_heat: float) -> float:
        scaled = log_softmax(logits / np.exp(log_heat), axis=1)
        return float(-scaled[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded").x))


def fit_platt(scores: Floats, labels: Ints) -> tuple[float, float]:
    """(a, b) of sigmoid(a * score + b) by maximum likelihood with Platt's smoothed targets (Platt 1999)."""
    from scipy.optimize import minimize

    n_positive, n_negative = int((labels == 1).sum()), int((labels == 0).sum())
    high, low = (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2)
    target = np.where(labels == 1, high, low)

    def loss(ab: Floats) -> float:
        z = ab[0] * scores + ab[1]
        return float(np.mean(np.logaddexp(0, z) - target * z))

    a, b = minimize(loss, np.array([1.0, 0.0]), method="BFGS").x
    return float(a), float(b)


def best_threshold(p: Floats, labels: Ints, *, at_least: float = 0.05, at_most: float = 0.95) -> tuple[float, float]:
    """(threshold, its F1) with the largest F1 of `p >= threshold`; 0.5 where there are no positives."""
    if not (labels == 1).any():
        return 0.5, 0.0
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(labels[order] == 1)
    said = np.arange(1, len(p) + 1)
    f1 = 2 * hits / (said + int((labels == 1).sum()))
    ordered = np.asarray(p)[order]
    # a threshold lies between two different values, and inside the allowed range
    last = np.append(ordered[1:] != ordered[:-1], True) & (ordered >= at_least) & (ordered <= at_most)
    if not last.any():
        return 0.5, float(_f1(p >= 0.5, labels))
    best = int(np.flatnonzero(last)[f1[last].argmax()])
    below = float(ordered[best + 1]) if best + 1 < len(ordered) else 0.0
    threshold = min(max((float(ordered[best]) + below) / 2, at_least), at_most)
    return threshold, float(f1[best])


def _f1(said: npt.NDArray[np.bool_], labels: Ints) -> float:
    hits = float((said & (labels == 1)).sum())
    return 2 * hits / max(float(said.sum() + (labels == 1).sum()), 1.0)
