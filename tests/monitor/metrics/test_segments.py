"""Segments: planted ones are found again, noise does not move them, and a cloud is left whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.metrics.metric import BadNumbers
from monitor.metrics.segments import STABLE, VALLEY, Feature, Scale, Segmentation, agreement, segment


def planted(n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Feature]]:
    """Regulars, large baskets, lapsed grumblers, and fans with huge baskets; half of them never rated."""
    kind = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    recency = np.exp(rng.normal(np.array([1, 3, 4.5, 1.2])[kind], 0.5))
    frequency = np.exp(rng.normal(np.array([3, 1.5, 0.3, 2.8])[kind], 0.3))
    basket = np.exp(rng.normal(np.array([6, 7, 6.2, 8])[kind], 0.3))
    rating = np.clip(np.round(rng.normal(np.array([4.5, 4, 2.2, 4.6])[kind], 0.6)), 1, 5)
    rating[rng.random(n) < 0.5] = np.nan
    columns = {"recency": recency, "frequency": frequency, "basket": basket, "rating": rating}
    given = (~np.isnan(rating)).astype(float)
    return kind, [
        Feature(name, values, log=name != "rating", n=given if name == "rating" else None)
        for name, values in columns.items()
    ]


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, list[Feature]]:
    return planted(3000, np.random.default_rng(0))


@pytest.fixture(scope="module")
def found(world: tuple[np.ndarray, list[Feature]]) -> Segmentation:
    return segment(world[1], rng=np.random.default_rng(1), max_segments=5)


def test_planted_segments_come_back_and_stay_under_re_run_and_noise(
    world: tuple[np.ndarray, list[Feature]], found: Segmentation
) -> None:
    kind, features = world
    assert agreement(kind, found.labels) > 0.9
    again = segment(features, rng=np.random.default_rng(2), max_segments=5)
    assert len(again.segments) == len(found.segments) == 4
    assert agreement(found.labels, again.labels) >= 0.95
    rng = np.random.default_rng(3)
    noisy = [replace(f, values=f.values * np.exp(rng.normal(0, 0.05, len(f.values)))) for f in features]
    assert agreement(found.labels, segment(noisy, rng=np.random.default_rng(4), max_segments=5).labels) >= 0.95
    assert agreement(found.labels, found.assign(noisy)) >= 0.95


def test_segments_are_described_by_what_sets_them_apart(
    world: tuple[np.ndarray, list[Feature]], found: Segmentation
) -> None:
    kind, _ = world
    assert [s.n for s in found.segments] == sorted((s.n for s in found.segments), reverse=True)
    assert sum(s.share for s in found.segments) == pytest.approx(1.0)
    lapsed = found.segments[int(np.bincount(found.labels[kind == 2]).argmax())]
    scores = {trait.feature: trait.score for trait in lapsed.traits}
    assert scores["recency"] > 1
    assert scores["frequency"] < -1
    assert scores["rating"] < -0.5


def test_a_cloud_is_one_segment() -> None:
    rng = np.random.default_rng(5)
    found = segment([Feature(name, rng.normal(size=2000)) for name in "abc"], rng=rng, max_segments=5)
    assert len(found.segments) == 1
    assert not found.stable
    assert max(found.stability.values()) < STABLE
    assert set(found.labels.tolist()) == {0}


def test_a_stable_cut_through_the_middle_of_one_crowd_makes_no_segments() -> None:
    """Everybody buys at a rate of one distribution: halves agree on where to cut, and nobody is apart."""
    rng = np.random.default_rng(6)
    rate = rng.gamma(2.0, 1.0, 2000)
    spoke = rng.poisson(1.0, 2000).astype(float)
    grumbles = np.where(spoke > 0, rng.binomial(np.maximum(spoke, 1).astype(int), 0.4) / np.maximum(spoke, 1), np.nan)
    found = segment(
        [Feature("recency", rng.exponential(30 / rate), log=True),
         Feature("frequency", 1.0 + rng.poisson(rate * 8), log=True),
         Feature("complaints", grumbles, n=spoke)],
        rng=rng, max_segments=4,
    )  # fmt: skip
    assert found.stability[2] >= STABLE and found.valleys[2] > VALLEY
    assert len(found.segments) == 1


def test_those_who_complain_are_apart_from_those_who_buy_alike_and_do_not() -> None:
    """One in ten never said a word."""
    rng = np.random.default_rng(7)
    kind = rng.choice(2, 2000, p=[0.6, 0.4])
    spoke = np.where(rng.random(2000) < 0.9, 1 + rng.poisson(2.0, 2000), 0)
    features = [Feature("basket", np.exp(rng.normal(6, 0.3, 2000)), log=True)]
    for name, chances in {"topic:waiting": (0.05, 0.8), "complaints": (0.1, 0.85), "score": (0.85, 0.3)}.items():
        shares = rng.binomial(spoke, np.array(chances)[kind]) / np.maximum(1, spoke)
        features.append(Feature(name, np.where(spoke > 0, shares, np.nan), n=spoke.astype(float)))
    found = segment(features, rng=rng, max_segments=4)
    assert len(found.segments) == 2
    assert agreement(kind[spoke > 1], found.labels[spoke > 1]) > 0.9


def test_neither_units_nor_the_order_of_customers_and_columns_matter(
    world: tuple[np.ndarray, list[Feature]], found: Segmentation
) -> None:
    """Roubles or kopecks, stars or percent of five, whoever stands first: the segments are the same."""
    _, features = world
    turn = np.random.default_rng(8).permutation(len(features[0].values))
    factors = {"basket": 100.0, "rating": 20.0}
    changed = [
        replace(f, values=f.values[turn] * factors.get(f.name, 1.0), n=None if f.n is None else f.n[turn])
        for f in reversed(features)
    ]
    b = segment(changed, rng=np.random.default_rng(1), max_segments=5)
    assert agreement(found.labels[turn], b.labels) > 0.99


def test_odd_rows_and_rare_marks(world: tuple[np.ndarray, list[Feature]], found: Segmentation) -> None:
    """One order of a billion moves nobody; what one customer in two hundred does is still seen; debts are no money."""
    _, features = world
    odd = [replace(f, values=np.where(np.arange(len(f.values)) == 7, 1e9, f.values)) if f.name == "basket" else f
           for f in features]  # fmt: skip
    b = segment(odd, rng=np.random.default_rng(1), max_segments=5)
    assert agreement(found.labels, b.labels) > 0.99
    rare = Scale.of(Feature("returned", (np.arange(1000) % 200 == 0).astype(float)))
    assert rare.standard(np.array([1.0]))[0] > 5 > 0 > rare.standard(np.array([0.0]))[0]
    with pytest.raises(BadNumbers, match="basket: -5 is negative"):
        Scale.of(Feature("basket", np.array([3.0, -5.0]), log=True))


def test_constant_and_empty_columns_have_no_say(world: tuple[np.ndarray, list[Feature]], found: Segmentation) -> None:
    _, features = world
    n = len(features[0].values)
    more = [*features, Feature("flat", np.ones(n)), Feature("unknown", np.full(n, np.nan))]
    b = segment(more, rng=np.random.default_rng(1), max_segments=5)
    assert agreement(found.labels, b.labels) > 0.999


def test_the_index_is_hubert_and_arabies() -> None:
    """Their rule of thumb cases: same partition under other names 1; scikit-learn's documented 0.57 example."""
    assert agreement(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1.0
    assert agreement(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])) == pytest.approx(0.57, abs=0.005)


def test_too_few_customers_or_uneven_columns() -> None:
    with pytest.raises(BadNumbers, match="too few"):
        segment([Feature("a", np.arange(10.0))], rng=np.random.default_rng(0))
    with pytest.raises(BadNumbers, match="different lengths"):
        segment([Feature("a", np.arange(60.0)), Feature("b", np.arange(61.0))], rng=np.random.default_rng(0))
    with pytest.raises(BadNumbers, match="at least one"):
        segment([], rng=np.random.default_rng(0))
    found = segment([Feature("a", np.arange(60.0))], rng=np.random.default_rng(0))
    with pytest.raises(BadNumbers, match="missing: a"):
        found.assign([Feature("b", np.arange(3.0))])
