"""Share of voice, branch rating and topic impact."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.metrics.branch import branch_rating
from monitor.metrics.impact import topic_impact
from monitor.metrics.metric import BadNumbers, Interval, Metric, z_value
from monitor.metrics.voice import share_of_voice

quiet = settings(max_examples=25, deadline=None, derandomize=True)


def test_goodman_is_that_of_statsmodels() -> None:
    """statsmodels.stats.proportion.multinomial_proportions_confint([91, 49, 37, 43], method="goodman"), 0.15.0."""
    voices = share_of_voice({"a": 91, "b": 49, "c": 37, "d": 43})
    wanted = {
        "a": (0.33420248, 0.49783321),
        "b": (0.16085875, 0.2998874),
        "c": (0.11455134, 0.24011208),
        "d": (0.13746901, 0.27023577),
    }
    for voice in voices:
        assert (voice.share.low, voice.share.high) == (
            pytest.approx(wanted[voice.brand][0], abs=1e-8),
            pytest.approx(wanted[voice.brand][1], abs=1e-8),
        )
    assert [voice.brand for voice in voices] == ["a", "b", "d", "c"]


def test_voice_change_and_too_few_mentions() -> None:
    (own, _) = share_of_voice({"own": 60, "other": 40}, before={"own": 40, "other": 60})
    assert own.change == pytest.approx(0.2)
    assert own.change_interval is not None
    assert own.change_interval.clear
    assert all(voice.share.value is None for voice in share_of_voice({"own": 3, "other": 4}))
    assert all(voice.share.value is None for voice in share_of_voice({"own": 0, "other": 0}))


@quiet
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500), min_size=2))
def test_shares_sum_to_one(mentions: dict[str, int]) -> None:
    voices = share_of_voice(mentions, n_needed=1)
    if sum(mentions.values()):
        assert sum(voice.share.value or 0.0 for voice in voices) == pytest.approx(1.0)


@quiet
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 500), min_size=2), st.randoms(use_true_random=False))
def test_a_share_lies_in_its_interval_rises_with_mentions_and_knows_no_order(
    mentions: dict[str, int], rng: random.Random
) -> None:
    voices = share_of_voice(mentions, n_needed=1)
    assert share_of_voice(dict(rng.sample(sorted(mentions.items()), len(mentions))), n_needed=1) == voices
    first = min(mentions)
    louder = {v.brand: v.share for v in share_of_voice(mentions | {first: mentions[first] + 1}, n_needed=1)}
    for voice in voices:
        if voice.share.value is not None and voice.share.interval is not None:
            assert 0 <= voice.share.interval.low <= voice.share.value <= voice.share.interval.high <= 1
            more = louder[voice.brand].value or 0.0
            assert more >= voice.share.value if voice.brand == first else more <= voice.share.value


def test_branch_rating_by_hand() -> None:
    """Two fresh fives and a one of one half life: (5 + 5 + 0.5 + 24.5)/(2.5 + 7)."""
    metric = branch_rating([5, 5, 1], [0, 0, 180])
    assert metric.value == pytest.approx(35.0 / 9.5)


def test_few_reviews_are_drawn_to_the_middle_and_many_are_not() -> None:
    few = branch_rating([5] * 3, [1] * 3)
    many = branch_rating([5] * 300, [1] * 300)
    assert few.value is not None
    assert many.value is not None
    assert few.value < 4.1 < 4.9 < many.value
    assert branch_rating([5, 5], [1, 1]).value is None


def test_newer_reviews_weigh_more() -> None:
    better = branch_rating([1] * 10 + [5] * 10, [700] * 10 + [5] * 10)
    worse = branch_rating([5] * 10 + [1] * 10, [700] * 10 + [5] * 10)
    assert better.value is not None
    assert worse.value is not None
    assert better.value > worse.value + 1


@pytest.mark.parametrize(("stars", "ages"), [([6], [0]), ([3], [-1]), ([3, 4], [1])])
def test_bad_reviews_are_errors(stars: list[float], ages: list[float]) -> None:
    with pytest.raises(BadNumbers):
        branch_rating(stars, ages)


@quiet
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2000)), min_size=3, max_size=60))
def test_rating_stays_on_the_scale_inside_its_interval(reviews: list[tuple[int, int]]) -> None:
    metric = branch_rating([s for s, _ in reviews], [a for _, a in reviews])
    assert metric.value is not None
    assert metric.interval is not None
    assert 1 <= metric.interval.low <= metric.value <= metric.interval.high <= 5


@quiet
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2000)), min_size=3, max_size=40),
    st.randoms(use_true_random=False),
)
def test_a_rating_knows_no_order_and_a_better_review_never_lowers_it(
    reviews: list[tuple[int, int]], rng: random.Random
) -> None:
    def rated(listed: list[tuple[int, int]]) -> float:
        return branch_rating([s for s, _ in listed], [a for _, a in listed]).value or 0.0

    assert rated(rng.sample(reviews, len(reviews))) == pytest.approx(rated(reviews))
    (stars, age), *others = reviews
    assert rated([(min(5, stars + 1), age), *others]) >= rated(reviews)


def test_impact_is_the_bootstrap_of_scipy() -> None:
    """scipy.stats.bootstrap(paired=True, method="percentile") of the same difference of means, 4,000 draws each."""
    chance = np.random.default_rng(3)
    marks = chance.random(300) < 0.2
    values = np.where(
        marks, chance.choice([-100.0, 0.0, 100.0], 300, p=[0.6, 0.2, 0.2]), chance.choice([0.0, 100.0], 300)
    )
    found = topic_impact(values, marks, rng=np.random.default_rng(0), n_bootstrap=4000).interval

    def impact(v: np.ndarray, m: np.ndarray) -> float:
        return float(v.mean() - v[m == 0].mean())

    theirs = stats.bootstrap(
        (values, marks.astype(float)), impact, paired=True, vectorized=False, method="percentile", n_resamples=4000,
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(theirs.low, abs=0.6), pytest.approx(theirs.high, abs=0.6))


@settings(quiet, max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from([-100.0, 0.0, 100.0]), st.booleans()), min_size=20, max_size=60),
    st.randoms(use_true_random=False),
)
def test_impact_knows_no_order_mirrors_and_stays_within_the_scale(
    mentions: list[tuple[float, bool]], rng: random.Random
) -> None:
    def impact(listed: list[tuple[float, bool]], sign: float = 1.0) -> Metric:
        values, marks = [sign * value for value, _ in listed], [mark for _, mark in listed]
        return topic_impact(values, marks, rng=np.random.default_rng(0), n_bootstrap=200, n_needed=5)

    found = impact(mentions)
    assert impact(rng.sample(mentions, len(mentions))) == found
    if found.value is not None and found.interval is not None:
        assert -200 <= found.interval.low <= found.value <= found.interval.high <= 200
        assert impact(mentions, -1.0).value == pytest.approx(-found.value)
        worse = impact([(-100.0, mark) if mark else (value, mark) for value, mark in mentions])
        assert worse.value is not None and worse.value <= found.value + 1e-9


def test_impact_is_the_difference_of_the_two_scores() -> None:
    values = [-100.0] * 30 + [100.0] * 70
    marks = [True] * 25 + [False] * 5 + [True] * 5 + [False] * 65
    metric = topic_impact(values, marks, rng=np.random.default_rng(0))
    assert metric.value == pytest.approx(40 - 100 * (65 - 5) / 70)
    assert metric.interval is not None
    assert metric.interval.high < 0
    assert metric.n == 30


def test_a_topic_like_the_rest_has_no_impact() -> None:
    values = [-100.0, 100.0] * 100
    marks = ([True] * 2 + [False] * 2) * 50
    metric = topic_impact(values, marks, rng=np.random.default_rng(0))
    assert metric.value == 0.0
    assert metric.interval is not None
    assert not metric.interval.clear


def test_rare_topics_have_no_impact_to_show() -> None:
    assert topic_impact([1.0] * 50, [True] * 5 + [False] * 45, rng=np.random.default_rng(0)).value is None
    with pytest.raises(BadNumbers):
        topic_impact([1.0], [True, False], rng=np.random.default_rng(0))


def test_a_metric_cannot_be_bare() -> None:
    with pytest.raises(BadNumbers, match="without an interval"):
        Metric("nps", 3.0, None, 100, "by guess")
    hidden = Metric("nps", 3.0, Interval(1, 5), 4, "method", n_needed=10)
    assert (hidden.value, hidden.interval, hidden.shown) == (None, None, False)
    assert Metric("nps", 3.0, Interval(1, 5), 40, "m").noted("small").note == "small"


def test_intervals_refuse_nonsense() -> None:
    with pytest.raises(BadNumbers):
        Interval(2, 1)
    with pytest.raises(BadNumbers):
        Interval(float("nan"), 1)
    assert Interval(1, 3).scaled(-2) == Interval(-6, -2)
    assert z_value(0.95) == pytest.approx(1.959964, abs=1e-6)
    with pytest.raises(BadNumbers):
        z_value(1.0)
