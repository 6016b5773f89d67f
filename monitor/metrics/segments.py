"""Segments of customers by behaviour and feedback: how many there are is decided by stability, not by taste.

Features are turned into normal scores by rank, so that neither money's long tail nor a few odd rows decide; missing
values (no survey answer, no review) sit in the middle. k-means is fitted to pairs of random halves of the customers; a
number of segments is as stable as both halves sort all customers alike (adjusted Rand index; Lange et al. 2004, Ben-Hur
et al. 2002). The most stable number is taken, the larger of nearly equal ones; when none is stable enough, there is one
segment, and that is said.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special
from threadpoolctl import threadpool_limits

from monitor.metrics.metric import BadNumbers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STABLE = 0.85  # adjusted Rand index between halves
NEARLY = 0.015  # stabilities this close are equal: the larger number of segments says more
MAX_SEGMENTS = 8
N_PAIRS = 8
FIT_ON = 4000  # customers a single k-means sees
LEAST_CUSTOMERS = 50
LEAST_SHARE = 0.02  # a segment smaller than this is not worth a name


@dataclass(frozen=True, slots=True)
class Feature:
    """A column: one value per customer, NaN where there is none. `weight` scales its say."""

    name: str
    values: Floats
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How a feature becomes normal scores: its sorted known values."""

    name: str
    ordered: Floats
    weight: float

    def scores(self, values: Floats) -> Floats:
        """Normal scores of the mid-rank; missing values 0. A constant feature is 0 everywhere."""
        if len(self.ordered) == 0 or self.ordered[0] == self.ordered[-1]:
            return np.zeros(len(values))
        left = np.searchsorted(self.ordered, values, "left")
        right = np.searchsorted(self.ordered, values, "right")
        rank = (left + right) / 2 / len(self.ordered)
        inside = np.clip(rank, 0.5 / len(self.ordered), 1 - 0.5 / len(self.ordered))
        scored: Floats = np.where(np.isnan(values), 0.0, special.ndtri(inside)) * self.weight
        return scored


@dataclass(frozen=True, slots=True)
class Trait:
    """How a segment differs in one feature: its mean normal score (weight taken out) and its median value."""

    feature: str
    score: float
    median: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment, largest first; traits by how much they set it apart."""

    number: int
    n: int
    share: float
    traits: tuple[Trait, ...]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Labels in the order of the customers, the segments, and how stable each number of segments was.

    `stability[k]` is the adjusted Rand index for k segments (mean less deviation); `assign` sorts other customers, or
    the same ones a month later, into the same segments, so that movement between them is movement.
    """

    labels: Ints
    segments: tuple[Segment, ...]
    stability: Mapping[int, float]
    scales: tuple[Scale, ...]
    centres: Floats

    @property
    def stable(self) -> bool:
        """Whether more than one segment was found."""
        return len(self.segments) > 1

    def assign(self, features: Sequence[Feature]) -> Ints:
        """The segment of each customer by nearest centre. Features must be those it was fitted on, in any order."""
        by_name = {feature.name: feature for feature in features}
        missing = [scale.name for scale in self.scales if scale.name not in by_name]
        if missing:
            raise BadNumbers(f"features are missing: {', '.join(missing)}")
        scored = np.column_stack([scale.scores(by_name[scale.name].values) for scale in self.scales])
        return _nearest(scored, self.centres)


def segment(
    features: Sequence[Feature], *, rng: np.random.Generator, max_segments: int = MAX_SEGMENTS, stable: float = STABLE
) -> Segmentation:
    """Segment customers. Raises BadNumbers on fewer than 50 customers or columns of different length."""
    if not features:
        raise BadNumbers("at least one feature is needed")
    lengths = {len(feature.values) for feature in features}
    if len(lengths) != 1:
        raise BadNumbers(f"features have different lengths: {sorted(lengths)}")
    (n,) = lengths
    if n < LEAST_CUSTOMERS:
        raise BadNumbers(f"{n} customers are too few to segment; {LEAST_CUSTOMERS} are needed")
    scales = tuple(
        Scale(feature.name, np.sort(feature.values[~np.isnan(feature.values)]), feature.weight) for feature in features
    )
    scored = np.column_stack([scale.scores(feature.values) for scale, feature in zip(scales, features, strict=True)])
    import sklearn.cluster  # noqa: F401 - its thread pools must be loaded before they can be limited

    with threadpool_limits(1):  # small fits: threads would only get in each other's way
        stability = {k: _stability(scored, k, rng) for k in range(2, max_segments + 1)}
        centres = scored.mean(axis=0, keepdims=True)
        best = max(stability.values())
        near = [k for k in stability if stability[k] >= max(stable, best - NEARLY)]
        rest = [k for k in stability if stable <= stability[k] < best - NEARLY]
        for k in sorted(near, reverse=True) + sorted(rest, key=lambda k: -stability[k]):
            found = _fit(_sample(scored, FIT_ON * 4, rng), k, rng, n_init=10)
            sizes = np.bincount(_nearest(scored, found), minlength=k)
            if sizes.min() >= LEAST_SHARE * n:
                centres = found[np.argsort(-sizes, kind="stable")]
                break
    labels = _nearest(scored, centres)
    segments = tuple(_describe(number, labels, scored, scales, features) for number in range(len(centres)))
    return Segmentation(labels, segments, stability, scales, centres)


def agreement(first: Ints, second: Ints) -> float:
    """Adjusted Rand index of two labellings of the same customers (Hubert and Arabie 1985); 1 when they agree."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def _stability(scored: Floats, k: int, rng: np.random.Generator) -> float:
    """Agreement, over a sample, of fits to two disjoint halves of it: mean of several samples less their deviation."""
    values = []
    for _ in range(N_PAIRS):
        sample = _sample(scored, FIT_ON, rng)
        half = len(sample) // 2
        first, second = (_fit(part, k, rng) for part in (sample[:half], sample[half:]))
        values.append(agreement(_nearest(sample, first), _nearest(sample, second)))
    return float(np.mean(values) - np.std(values))


def _fit(scored: Floats, k: int, rng: np.random.Generator, *, n_init: int = 10) -> Floats:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(k, n_init=n_init, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer different customers than segments: unstable, seen above
        centres: Floats = np.asarray(model.fit(scored).cluster_centers_, dtype=float)
    return centres


def _sample(scored: Floats, size: int, rng: np.random.Generator) -> Floats:
    chosen: Floats = scored[rng.permutation(len(scored))[:size]]
    return chosen


def _nearest(scored: Floats, centres: Floats) -> Ints:
    distances = (centres**2).sum(axis=1)[None, :] - 2 * scored @ centres.T
    labels: Ints = distances.argmin(axis=1)
    return labels


def _describe(
    number: int, labels: Ints, scored: Floats, scales: Sequence[Scale], features: Sequence[Feature]
) -> Segment:
    inside = labels == number
    traits = []
    for column, (scale, feature) in enumerate(zip(scales, features, strict=True)):
        known = inside & ~np.isnan(feature.values)
        if not known.any() or scale.weight == 0:
            continue
        score = float(scored[known, column].mean()) / scale.weight
        traits.append(Trait(scale.name, score, float(np.median(feature.values[known]))))
    traits.sort(key=lambda trait: (-abs(trait.score), trait.feature))
    n = int(inside.sum())
    return Segment(number, n, n / len(labels), tuple(traits))
