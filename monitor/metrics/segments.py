"""Segments of customers by behaviour and feedback: how many there are is decided by stability, not by taste.

Features are standardised (money, times and counts as logarithms; the outer hundredth at each end is cut). What rests
on few observations (one answer, two comments) is drawn to the mean by their number, and what is not known lies there.
k-means is tried with two to eight segments; the largest number is taken that passes three questions, and when none
does there is one segment, and that is said:

- stable: fits to random halves of the customers sort all of them alike (adjusted Rand index; Lange et al. 2004, Ben-Hur
  et al. 2002). An elongated cloud without any groups passes this one: it is cut at its middle again and again.
- apart: between any two segments customers are rare, that is, along the line that tells both apart best (Fisher's
  discriminant) their density has a valley. Every projection of a cloud with one top (log-concave) has one top.
- worth a name: no segment is smaller than a fiftieth.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from monitor.metrics.metric import BadNumbers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

STABLE = 0.85  # adjusted Rand index between halves
VALLEY = 0.85  # density between two segments, as a part of the lower of both tops
CLEAR_VALLEY = 0.6  # between the two halves of a segment that is split in a second look
MAX_SEGMENTS = 8
N_PAIRS = 6
FIT_ON = 4000  # customers of a pair of halves; four times as many are fitted and looked at for valleys
TAIL = 0.01  # of the known values at each end is cut to the value there
PRIOR = 1.0  # observations that the mean of all customers is worth beside a customer's own
LEAST_CUSTOMERS = 50
LEAST_SHARE = 0.02  # a segment smaller than this is not worth a name
LEAST_KNOWN = 10  # members whose values tell two segments apart
N_GRID = 41
MOST_STEPS = 50
UNKNOWN = 0.25  # the weight of what is not known, beside what is
N_DRAWS = 5
SEEN = 1500  # members of a segment from whom a density is drawn


@dataclass(frozen=True, slots=True)
class Feature:
    """A column: one value per customer, NaN where there is none. `weight` scales its say; `log` is for what is not
    negative and counts in multiples: money, times, numbers of orders; `n` is how many observations are behind a value
    that is a mean or a share (None: it is no such thing)."""

    name: str
    values: Floats
    weight: float = 1.0
    log: bool = False
    n: Floats | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """How a feature becomes standard scores: the ends at which it is cut, mean and deviation of what is known."""

    name: str
    weight: float
    log: bool
    low: float
    high: float
    mean: float
    deviation: float  # 0 where all are alike, or nothing is known: then it has no say

    @classmethod
    def of(cls, feature: Feature) -> Scale:
        """Raises BadNumbers for negative values of a feature that is taken as logarithms."""
        known = feature.values[~np.isnan(feature.values)]
        if feature.log and (known < 0).any():
            raise BadNumbers(f"{feature.name}: {known.min():g} is negative, and has no logarithm")
        if feature.log:
            known = np.log1p(known)
        if not len(known):
            return cls(feature.name, feature.weight, feature.log, 0.0, 0.0, 0.0, 0.0)
        low, high = (float(q) for q in np.quantile(known, [TAIL, 1 - TAIL]))
        if low == high:  # nearly all alike: the few others are what there is to see
            low, high = float(known.min()), float(known.max())
        cut = np.clip(known, low, high)
        deviation = 0.0 if low == high else float(cut.std())
        return cls(feature.name, feature.weight, feature.log, low, high, float(cut.mean()), deviation)

    def standard(self, values: Floats) -> Floats:
        """Standard scores, 0 where unknown. A constant feature is 0 everywhere."""
        known = ~np.isnan(values)
        if self.deviation == 0:
            return np.zeros(len(known))
        held = np.where(known, values, 0.0)
        taken = np.log1p(np.maximum(held, 0.0)) if self.log else held
        return np.where(known, (np.clip(taken, self.low, self.high) - self.mean) / self.deviation, 0.0)

    def scores(self, feature: Feature) -> Floats:
        """Standard scores times the weight, 0 where unknown."""
        scored: Floats = self.standard(feature.values) * self.weight
        return scored

    def sure(self, feature: Feature) -> Floats:
        """What each score has to say, 0 to 1: nothing where unknown, less where few observations are behind it."""
        known: Floats = (~np.isnan(feature.values)).astype(float)
        return known if feature.n is None else known * feature.n / (feature.n + PRIOR)

    def doubts(self, feature: Feature) -> Floats:
        """How far the truth may be from each score: the deviation that is left of a mean of few observations, in the
        same units. 0 for what is counted, not estimated."""
        if feature.n is None or self.deviation == 0:
            return np.zeros(len(feature.values))
        doubts: Floats = self.weight * np.sqrt(0.5 / (feature.n + PRIOR))
        return doubts


@dataclass(frozen=True, slots=True)
class Trait:
    """How a segment differs in one feature: the mean standard score and the median value of members with one."""

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
    """Labels in the order of the customers, the segments, and how each number of segments did.

    `stability[k]` is the adjusted Rand index for k segments (median of several pairs of halves), `valleys[k]`, where
    that is stable enough, the density between the two of them that are least apart, as a part of the lower top (1: no
    valley). `assign` sorts
    other customers, or the same ones a month later, into the same segments, so that movement between them is movement.
    """

    labels: Ints
    segments: tuple[Segment, ...]
    stability: Mapping[int, float]
    valleys: Mapping[int, float]
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
        return _Crowd.of(self.scales, [by_name[scale.name] for scale in self.scales]).nearest(self.centres)


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
    scales = tuple(Scale.of(feature) for feature in features)
    crowd = _Crowd.of(scales, features)
    seen = crowd[rng.permutation(n)[: FIT_ON * 4]]
    centres = crowd.means(np.zeros(n, dtype=np.int64), 1)
    stability: dict[int, float] = {}
    valleys: dict[int, float] = {}
    import sklearn.cluster  # noqa: F401 - its thread pools must be loaded before they can be limited

    with threadpool_limits(1):  # small fits: threads would only get in each other's way
        for k in range(2, max_segments + 1):
            found = _fit(seen, k, rng, n_init=10)
            stability[k] = _stability(crowd, k, rng)
            if stability[k] >= stable and _sizes(crowd, found).min() >= LEAST_SHARE * n:
                valleys[k] = _valley(seen, seen.nearest(found), rng)
                if valleys[k] <= VALLEY:
                    centres = found
        while 1 < len(centres) < max_segments:
            split = _split(crowd, seen, centres, rng, stable)
            if split is None:
                break
            centres, steady, valley = split
            stability[len(centres)], valleys[len(centres)] = steady, valley
    centres = centres[np.argsort(-_sizes(crowd, centres), kind="stable")]
    labels = crowd.nearest(centres)
    segments = tuple(_describe(number, labels, scales, features) for number in range(len(centres)))
    return Segmentation(labels, segments, stability, valleys, scales, centres)


def agreement(first: Ints, second: Ints) -> float:
    """Adjusted Rand index of two labellings of the same customers (Hubert and Arabie 1985); 1 when they agree."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Customers in columns: standard scores, what each has to say (0 to 1), and how far the truth may be from it."""

    scores: Floats
    sure: Floats
    doubts: Floats

    @classmethod
    def of(cls, scales: Sequence[Scale], features: Sequence[Feature]) -> _Crowd:
        pairs = list(zip(scales, features, strict=True))
        return cls(
            np.column_stack([scale.scores(feature) for scale, feature in pairs]),
            np.column_stack([scale.sure(feature) for scale, feature in pairs]),
            np.column_stack([scale.doubts(feature) for scale, feature in pairs]),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Ints | Flags) -> _Crowd:
        return _Crowd(self.scores[rows], self.sure[rows], self.doubts[rows])

    @property
    def drawn_in(self) -> Floats:
        """Scores drawn to everybody's mean by how little is behind them."""
        return self.scores * self.sure

    def nearest(self, centres: Floats) -> Ints:
        """The centre nearest to each customer in what is known of them; what is not lies, with less weight, at
        everybody's mean: of whom nothing was heard belongs with the many."""
        weight = self.sure**2
        distances = (weight + UNKNOWN * (1 - weight)) @ (centres**2).T - 2 * (self.scores * weight) @ centres.T
        labels: Ints = distances.argmin(axis=1)
        return labels

    def means(self, labels: Ints, k: int) -> Floats:
        """The centre of each label; everybody's mean counts as one more member."""
        inside = (labels == np.arange(k)[:, None]).astype(float)
        weight = self.sure**2
        found: Floats = inside @ (self.scores * weight) / (inside @ weight + PRIOR)
        return found


def _fit(crowd: _Crowd, k: int, rng: np.random.Generator, *, n_init: int, column: int | None = None) -> Floats:
    """k-means over the scores as they are drawn in (or over one column of them), then over what is known of each."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    told = crowd if column is None else crowd[crowd.sure[:, column] > 0]
    given = told.drawn_in if column is None else told.drawn_in[:, [column]]
    model = KMeans(k, n_init=n_init, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # fewer different customers than segments: unstable, seen above
        labels = model.fit_predict(given)
    return _settled(crowd, told.means(labels, k))


def _settled(crowd: _Crowd, centres: Floats) -> Floats:
    labels = crowd.nearest(centres)
    for _ in range(MOST_STEPS):
        centres = crowd.means(labels, len(centres))
        before, labels = labels, crowd.nearest(centres)
        if np.array_equal(before, labels):
            break
    return centres


def _sizes(crowd: _Crowd, centres: Floats) -> Ints:
    sizes: Ints = np.bincount(crowd.nearest(centres), minlength=len(centres))
    return sizes


def _stability(crowd: _Crowd, k: int, rng: np.random.Generator, *, column: int | None = None) -> float:
    """Agreement, over a sample, of fits to two disjoint halves of it: median of several samples, since a fit that once
    in a while ends in a worse place says nothing of the customers."""
    values = []
    for _ in range(N_PAIRS):
        sample = crowd[rng.permutation(len(crowd))[:FIT_ON]]
        half = np.arange(len(sample)) < len(sample) // 2
        first, second = (_fit(sample[part], k, rng, n_init=5, column=column) for part in (half, ~half))
        values.append(agreement(sample.nearest(first), sample.nearest(second)))
    return float(np.median(values))


def _split(
    crowd: _Crowd, seen: _Crowd, centres: Floats, rng: np.random.Generator, stable: float
) -> tuple[Floats, float, float] | None:
    """One segment more, where the members of one fall apart along a column: k-means would rather cut a large group at
    its middle than find a small one. The centres, stability and valley of the deepest valley; None where none is."""
    found: tuple[Floats, float, float] | None = None
    labels = seen.nearest(centres)
    for number in range(len(centres)):
        inside = seen[labels == number]
        for column in np.flatnonzero((seen.doubts == 0).all(axis=0)).tolist():  # shares of few observations are spikes
            if len(inside) < LEAST_CUSTOMERS or np.ptp(inside.drawn_in[:, column]) == 0:
                continue
            pair = _fit(inside, 2, rng, n_init=3, column=column)
            if _valley(inside, inside.nearest(pair), rng) > CLEAR_VALLEY:
                continue
            tried = _settled(seen, np.vstack([np.delete(centres, number, axis=0), pair]))
            if _sizes(crowd, tried).min() < LEAST_SHARE * len(crowd):
                continue
            valley = _valley(seen, seen.nearest(tried), rng)
            if valley > (VALLEY if found is None else found[2]):
                continue
            steady = _stability(inside, 2, rng, column=column)
            if steady >= stable:
                found = tried, steady, valley
    return found


def _valley(crowd: _Crowd, labels: Ints, rng: np.random.Generator) -> float:
    """The shallowest valley between two segments, median of several draws of what the scores may truly be: a spike of
    those who never answered, or of ones and noughts, is no group of its own."""
    k = int(labels.max()) + 1
    inside = [labels == number for number in range(k)]
    if min(int(one.sum()) for one in inside) < LEAST_KNOWN:
        return 1.0
    known = crowd.sure > 0
    found = []
    for _ in range(N_DRAWS):
        drawn = crowd.drawn_in + crowd.doubts * rng.normal(size=crowd.doubts.shape)
        found.append(max(_between(drawn, known, inside[a], inside[b], rng) for b in range(k) for a in range(b)))
    return float(np.median(found))


def _between(drawn: Floats, known: Flags, first: Flags, second: Flags, rng: np.random.Generator) -> float:
    """Density between two segments along Fisher's discriminant, as a part of the lower of the tops on either side.

    Only customers of whom half of the difference is known are looked at: who never said a word says nothing of a
    difference in words.
    """
    sides = []
    for inside in (first, second):
        held = known[inside]
        n = np.maximum(1, held.sum(axis=0))
        mean = (drawn[inside] * held).sum(axis=0) / n
        sides.append((mean, ((drawn[inside] - mean) ** 2 * held).sum(axis=0) / n, held.sum(axis=0) >= LEAST_KNOWN // 2))
    (mean, variance, enough), (other, its_variance, as_well) = sides
    says = np.where(enough & as_well, (mean - other) ** 2 / (variance + its_variance + 1e-9), 0.0)
    telling = known @ says >= says.sum() / 2
    one, two = drawn[first & telling], drawn[second & telling]
    if min(len(one), len(two)) < LEAST_KNOWN:
        return 1.0
    spread = (np.cov(one.T) * len(one) + np.cov(two.T) * len(two)) / (len(one) + len(two))
    spread = np.atleast_2d(spread)
    spread += np.eye(len(spread)) * 0.05 * np.trace(spread) / len(spread)
    line = np.linalg.solve(spread, two.mean(axis=0) - one.mean(axis=0))
    along = (one @ line, two @ line)
    grid = np.linspace(np.median(along[0]), np.median(along[1]), N_GRID)
    # Silverman's rule by the smaller segment, so that few customers make no valleys of their own
    width = 1.06 * math.sqrt((along[0].var() + along[1].var()) / 2) * min(len(one), len(two)) ** -0.2
    if width == 0:
        return 0.0 if grid[0] != grid[-1] else 1.0
    density = np.zeros(N_GRID)
    for places in along:
        some = places if len(places) <= SEEN else rng.choice(places, SEEN, replace=False)
        density += len(places) * np.exp(-0.5 * ((grid[:, None] - some[None, :]) / width) ** 2).mean(axis=1)
    bottom = int(density.argmin())
    if bottom in (0, N_GRID - 1):
        return 1.0
    return float(density[bottom] / min(density[:bottom].max(), density[bottom:].max()))


def _describe(number: int, labels: Ints, scales: Sequence[Scale], features: Sequence[Feature]) -> Segment:
    inside = labels == number
    traits = []
    for scale, feature in zip(scales, features, strict=True):
        known = feature.values[inside & ~np.isnan(feature.values)]
        if len(known) and scale.weight:
            traits.append(Trait(scale.name, float(scale.standard(known).mean()), float(np.median(known))))
    traits.sort(key=lambda trait: (-abs(trait.score), trait.feature))
    n = int(inside.sum())
    return Segment(number, n, n / len(labels), tuple(traits))
