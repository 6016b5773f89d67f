"""Segments: planted ones are found again, noise does not move them, and a cloud is left whole."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.metrics.metric import BadNumbers
from monitor.metrics.segments import Feature, agreement, segment


def planted(n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Feature]]:
    """Regulars, large baskets, lapsed grumblers, and fans with huge baskets; half of them never rated."""
    kind = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    recency = np.exp(rng.normal(np.array([1, 3, 4.5, 1.2])[kind], 0.5))
    frequency = np.exp(rng.normal(np.array([3, 1.5, 0.3, 2.8])[kind], 0.3))
    basket = np.exp(rng.normal(np.array([6, 7, 6.2, 8])[kind], 0.3))
    rating = np.clip(np.round(rng.normal(np.array([4.5, 4, 2.2, 4.6])[kind], 0.6)), 1, 5)
    rating[rng.random(n) < 0.5] = np.nan
    columns = {"recency": recency, "frequency": frequency, "basket": basket, "rating": rating}
    return kind, [Feature(name, values) for name, values in columns.items()]


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, list[Feature]]:
    return planted(6000, np.random.default_rng(0))


def test_planted_segments_come_back_and_stay_under_re_run_and_noise(world: tuple[np.ndarray, list[Feature]]) -> None:
    kind, features = world
    found = segment(features, rng=np.random.default_rng(1))
    assert agreement(kind, found.labels) > 0.8
    again = segment(features, rng=np.random.default_rng(2))
    assert agreement(found.labels, again.labels) >= 0.8
    rng = np.random.default_rng(3)
    noisy = [Feature(f.name, f.values * np.exp(rng.normal(0, 0.05, len(f.values)))) for f in features]
    assert agreement(found.labels, segment(noisy, rng=np.random.default_rng(4)).labels) >= 0.8
    assert agreement(found.labels, found.assign(noisy)) >= 0.9


def test_segments_are_described_by_what_sets_them_apart(world: tuple[np.ndarray, list[Feature]]) -> None:
    kind, features = world
    found = segment(features, rng=np.random.default_rng(1))
    assert [s.n for s in found.segments] == sorted((s.n for s in found.segments), reverse=True)
    assert sum(s.share for s in found.segments) == pytest.approx(1.0)
    lapsed = found.segments[int(np.bincount(found.labels[kind == 2]).argmax())]
    scores = {trait.feature: trait.score for trait in lapsed.traits}
    assert scores["recency"] > 1
    assert scores["frequency"] < -1
    assert scores["rating"] < -0.5


def test_a_cloud_is_one_segment() -> None:
    rng = np.random.default_rng(5)
    found = segment([Feature(name, rng.normal(size=3000)) for name in "abc"], rng=rng)
    assert len(found.segments) == 1
    assert not found.stable
    assert max(found.stability.values()) < 0.85
    assert set(found.labels.tolist()) == {0}


def test_units_do_not_matter(world: tuple[np.ndarray, list[Feature]]) -> None:
    """Roubles or kopecks, days or their logarithm: ranks are the same, so are the segments."""
    _, features = world
    changed = [
        Feature(f.name, np.log(f.values) if f.name == "recency" else f.values * (100 if f.name == "basket" else 1))
        for f in features
    ]
    a = segment(features, rng=np.random.default_rng(1))
    b = segment(changed, rng=np.random.default_rng(1))
    assert agreement(a.labels, b.labels) > 0.999


def test_constant_and_empty_columns_have_no_say(world: tuple[np.ndarray, list[Feature]]) -> None:
    _, features = world
    n = len(features[0].values)
    more = [*features, Feature("flat", np.ones(n)), Feature("unknown", np.full(n, np.nan))]
    a = segment(features, rng=np.random.default_rng(1))
    b = segment(more, rng=np.random.default_rng(1))
    assert agreement(a.labels, b.labels) > 0.999


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
