"""ECSI against a reference implementation of path modelling; the other indices by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.metrics.metric import BadNumbers, Metric
from monitor.metrics.satisfaction import ecsi, ecsi_paths, engagement, path_model, problems_per_100, thousand_points

quiet = settings(max_examples=25, deadline=None, derandomize=True)


def answers(n: int = 250, seed: int = 42) -> dict[str, np.ndarray]:
    """Respondents of a satisfaction survey whose latent variables depend on each other as ECSI says; items 1..10."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=n)
    expectations = 0.5 * image + rng.normal(size=n) * 0.8
    quality = 0.6 * expectations + rng.normal(size=n) * 0.7
    value = 0.3 * expectations + 0.5 * quality + rng.normal(size=n) * 0.7
    satisfaction = 0.2 * image + 0.1 * expectations + 0.5 * quality + 0.2 * value + rng.normal(size=n) * 0.5
    loyalty = 0.2 * image + 0.5 * satisfaction + rng.normal(size=n) * 0.8
    items = {}
    for name, latent, loads in (
        ("image", image, (0.9, 0.7, 0.5)),
        ("expectations", expectations, (0.8, 0.6)),
        ("quality", quality, (0.9, 0.8, 0.7, 0.6)),
        ("value", value, (0.8, 0.9)),
        ("satisfaction", satisfaction, (0.9, 0.8, 0.7)),
        ("loyalty", loyalty, (0.9, 0.5)),
    ):
        noise = rng.normal(size=(n, len(loads))) * 0.6
        items[name] = np.clip(np.round(6.5 + 1.6 * (np.outer(latent, loads) + noise)), 1, 10)
    return items


def test_the_path_model_is_that_of_plspm() -> None:
    """plspm (Python, the port of Sanchez's R package) on these answers, standardised: mode A, centroid scheme."""
    model = path_model(answers(), ecsi_paths())
    loadings = {
        "image": [0.844414, 0.870692, 0.699772],
        "expectations": [0.872893, 0.879260],
        "quality": [0.842261, 0.831519, 0.792067, 0.772059],
        "value": [0.911134, 0.898773],
        "satisfaction": [0.863343, 0.858335, 0.797228],
        "loyalty": [0.893873, 0.856223],
    }
    for name, wanted in loadings.items():
        assert model.loadings[name] == pytest.approx(wanted, abs=2e-6)
    paths = {
        ("image", "expectations"): 0.438067,
        ("expectations", "quality"): 0.412146,
        ("expectations", "value"): 0.185900,
        ("quality", "value"): 0.402391,
        ("image", "satisfaction"): 0.188248,
        ("expectations", "satisfaction"): 0.143636,
        ("quality", "satisfaction"): 0.447494,
        ("value", "satisfaction"): 0.203056,
        ("image", "loyalty"): 0.269263,
        ("satisfaction", "loyalty"): 0.3354,
    }
    assert dict(model.paths) == pytest.approx(paths, abs=2e-6)
    assert model.r_squared["loyalty"] == pytest.approx(0.260148, abs=2e-6)


def test_indices_lie_between_their_items_and_have_intervals() -> None:
    items = answers()
    found = ecsi(items, rng=np.random.default_rng(0), n_bootstrap=80)
    assert set(found) == set(ecsi_paths())
    for name, metric in found.items():
        means = 100 * (items[name].mean(axis=0) - 1) / 9
        assert metric.value is not None
        assert metric.interval is not None
        assert means.min() <= metric.value <= means.max()
        assert metric.interval.low < metric.value < metric.interval.high
        assert (metric.n, metric.note) == (250, "")


def test_quality_of_product_and_of_service_stand_apart() -> None:
    """Where only the service moves customers, its path says so; either kind may be asked about alone."""
    rng = np.random.default_rng(5)
    items = {name: block for name, block in answers(600).items() if name != "quality"}
    product, service = rng.normal(size=(2, 600))
    for name, latent in (("product_quality", product), ("service_quality", service)):
        items[name] = np.clip(np.round(6 + 1.5 * (latent[:, None] + 0.5 * rng.normal(size=(600, 2)))), 1, 10)
    items["satisfaction"] = np.clip(np.round(6 + 1.5 * (service[:, None] + 0.7 * rng.normal(size=(600, 3)))), 1, 10)
    paths = path_model(items, ecsi_paths(items)).paths
    assert paths["service_quality", "satisfaction"] > 0.7
    assert abs(paths["product_quality", "satisfaction"]) < 0.1
    found = ecsi(items, rng=np.random.default_rng(0), n_bootstrap=20)
    assert list(found) == list(ecsi_paths(("product_quality", "service_quality"))) and "quality" not in found
    for name in ("product_quality", "service_quality"):
        means = 100 * (items[name].mean(axis=0) - 1) / 9
        assert means.min() <= (found[name].value or 0) <= means.max()
    del items["product_quality"]
    assert "product_quality" not in ecsi(items, rng=np.random.default_rng(0), n_bootstrap=20)


def test_ends_of_the_scale() -> None:
    """Everybody near ten is near a hundred, everybody near one near zero."""
    rng = np.random.default_rng(1)
    lift = {name: np.clip(block + 4, 1, 10) - (rng.random(block.shape) < 0.05) for name, block in answers().items()}
    top = ecsi(lift, rng=rng, n_bootstrap=20)
    assert all((metric.value or 0) > 80 for metric in top.values())
    assert all((metric.high or 101) <= 100 for metric in top.values())


def test_equal_weights_are_said_aloud() -> None:
    items = answers()
    items["value"] = np.column_stack([items["value"], np.full(250, 7.0)])  # an item everybody answers alike
    metric = ecsi(items, rng=np.random.default_rng(0), n_bootstrap=20)["satisfaction"]
    assert "equal weights" in metric.method
    assert "answers alike" in metric.note
    assert metric.value == pytest.approx(100 * (items["satisfaction"].mean() - 1) / 9)


def test_gaps_are_left_out_and_few_answers_show_nothing() -> None:
    items = answers()
    items["image"][:200, 1] = np.nan
    assert ecsi(items, rng=np.random.default_rng(0), n_bootstrap=20)["image"].n == 50
    items["image"][:230, 1] = np.nan
    assert ecsi(items, rng=np.random.default_rng(0), n_bootstrap=20)["image"].value is None


def test_the_order_of_respondents_does_not_matter() -> None:
    items = answers()
    turned = {name: block[::-1] for name, block in items.items()}
    a, b = path_model(items, ecsi_paths()), path_model(turned, ecsi_paths())
    assert dict(a.paths) == pytest.approx(dict(b.paths), abs=1e-6)


def test_wrong_questionnaires_are_named() -> None:
    items = answers()
    with pytest.raises(BadNumbers, match="'loyalty'"):
        path_model({name: block for name, block in items.items() if name != "loyalty"}, ecsi_paths())
    items["image"][0, 0] = 11
    with pytest.raises(BadNumbers, match="between 1 and 10"):
        ecsi(items, rng=np.random.default_rng(0))
    with pytest.raises(BadNumbers, match="joined to no other"):
        path_model({"a": answers()["image"]}, {"a": ()})


def test_thousand_points_by_hand() -> None:
    """Factors of mean 8 and 6 with weights 3 to 1: 100 (0.75 * 8 + 0.25 * 6) = 750."""
    factors = {"service": [7, 8, 9] * 12, "price": [5, 6, 7] * 12}
    metric = thousand_points(factors, {"service": 3, "price": 1})
    assert metric.value == pytest.approx(750)
    assert metric.interval is not None
    assert 700 < metric.interval.low < 750 < metric.interval.high < 800
    assert thousand_points({"service": [7, 8]}, {"service": 1}).value is None
    with pytest.raises(BadNumbers):
        thousand_points(factors, {"service": 1})


def test_problems_per_100_by_hand() -> None:
    assert problems_per_100([0, 1, 0, 3] * 10).value == pytest.approx(100)
    with pytest.raises(BadNumbers):
        problems_per_100([-1])


def test_their_intervals_are_students() -> None:
    """scipy.stats.ttest_1samp(...).confidence_interval(0.95) of the answers, weighed and summed."""
    chance = np.random.default_rng(2)
    staff, food, problems = chance.integers(3, 11, 50), chance.integers(4, 9, 50), chance.poisson(0.8, 50)
    points = thousand_points({"staff": staff.tolist(), "food": food.tolist()}, {"staff": 3.0, "food": 1.0})
    for found, each in ((points, 75.0 * staff + 25.0 * food), (problems_per_100(problems.tolist()), 100.0 * problems)):
        theirs = stats.ttest_1samp(each, 0).confidence_interval(0.95)
        assert (found.value, found.low, found.high) == pytest.approx((each.mean(), theirs.low, theirs.high))


ratings = st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=30, max_size=40)


@quiet
@given(ratings, st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_1000_points_stay_in_bounds_rise_with_an_answer_and_know_no_order(
    rows: list[tuple[int, int]], staff: int, food: int, rng: random.Random
) -> None:
    def points(listed: list[tuple[int, int]], scale: float = 1.0) -> Metric:
        factors = {"staff": [float(a) for a, _ in listed], "food": [float(b) for _, b in listed]}
        return thousand_points(factors, {"staff": staff * scale, "food": food * scale})

    found = points(rows)
    assert found.value is not None and found.low is not None and found.high is not None
    means = [float(np.mean(column)) * 100 for column in zip(*rows, strict=True)]
    assert min(means) - 1e-9 <= found.value <= max(means) + 1e-9
    assert 100 <= found.low <= found.value + 1e-9 and found.value - 1e-9 <= found.high <= 1000
    assert found.low < found.high
    turned = points(rng.sample(rows, len(rows)), scale=7.0)
    assert (turned.value, turned.low, turned.high) == pytest.approx((found.value, found.low, found.high))
    (first, second), *others = rows
    assert (points([(min(10, first + 1), second), *others]).value or 0.0) >= found.value - 1e-9


@quiet
@given(st.lists(st.integers(0, 5), min_size=30, max_size=40), st.randoms(use_true_random=False))
def test_problems_are_never_negative_never_certain_and_one_more_is_more(counts: list[int], rng: random.Random) -> None:
    found = problems_per_100(counts)
    assert found.value is not None and found.low is not None and found.high is not None
    assert 0 <= found.low <= found.value <= found.high
    assert found.low < found.high
    turned = problems_per_100(rng.sample(counts, len(counts)))
    assert (turned.value, turned.high) == pytest.approx((found.value, found.high))
    assert (problems_per_100([counts[0] + 1, *counts[1:]]).value or 0.0) > found.value


@quiet
@given(st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=30, max_size=40), st.data())
def test_everybody_is_in_one_group_of_engagement_and_a_better_answer_is_no_step_down(
    rows: list[list[int]], data: st.DataObject
) -> None:
    found = engagement(rows)
    assert sum(metric.value or 0.0 for metric in found.values()) == pytest.approx(1.0)
    for metric in found.values():
        assert metric.low is not None and metric.high is not None
        assert 0 <= metric.low <= (metric.value or 0.0) <= metric.high <= 1
    assert engagement(data.draw(st.permutations(rows))) == found
    better = engagement([[min(5, answer + 1) for answer in rows[0]], *rows[1:]])
    assert (better["fully_engaged"].value or 0.0) >= (found["fully_engaged"].value or 0.0)
    assert (better["actively_disengaged"].value or 0.0) <= (found["actively_disengaged"].value or 0.0)


def test_engagement_groups_cover_everybody() -> None:
    rows = [[5, 5, 5]] * 10 + [[4, 3, 4]] * 20 + [[1, 2, 2]] * 10
    found = engagement(rows)
    assert [found[name].value for name in ("fully_engaged", "indifferent", "actively_disengaged")] == [0.25, 0.5, 0.25]
    assert "not published" in found["indifferent"].method
    with pytest.raises(BadNumbers, match="respondent 2"):
        engagement([[5], [9]])
    assert engagement([])["indifferent"].value is None
