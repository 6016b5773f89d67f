"""NPS, CSAT, CES and means against worked examples."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.metric import BadNumbers
from monitor.metrics.survey import (
    ces_index,
    ces_mean,
    change_of_mean,
    csat,
    csat_change,
    mean_of,
    nps,
    nps_change,
    nps_tally,
)

quiet = settings(max_examples=25, deadline=None, derandomize=True)


def test_nps_counts_promoters_and_detractors() -> None:
    answers = [10, 9, 9, 8, 7, 6, 0, 10, 10, 10]
    assert (nps_tally(answers).n_negative, nps_tally(answers).n_neutral, nps_tally(answers).n_positive) == (2, 2, 6)
    assert nps(answers).value == 40.0


def test_nps_adjusted_wald_by_hand() -> None:
    """n = 20, 12 promoters, 4 detractors: p = 12.75/23, d = 4.75/23, half = 1.96 sqrt((p + d - (p - d)^2)/23)."""
    metric = nps([10] * 12 + [8] * 4 + [3] * 4)
    p, d = 12.75 / 23, 4.75 / 23
    half = 1.959963984540054 * ((p + d - (p - d) ** 2) / 23) ** 0.5
    assert metric.value == 40.0
    assert metric.interval is not None
    assert metric.interval.low == pytest.approx(100 * (p - d - half))
    assert metric.interval.high == pytest.approx(100 * (p - d + half))


def test_nine_answers_are_no_index() -> None:
    assert nps([10] * 9).value is None
    assert csat([5] * 9).value is None
    assert ces_index([7] * 9).value is None
    assert nps([]).n == 0


def test_csat_is_the_top_two_boxes() -> None:
    metric = csat([5, 4, 4, 3, 2, 1, 5, 5, 4, 4])
    assert metric.value == 0.7
    assert metric.low == pytest.approx(0.3968, abs=1e-4)  # Wilson 7 of 10, Newcombe's method 3
    assert metric.high == pytest.approx(0.8922, abs=1e-4)


def test_ces_says_which_definition() -> None:
    answers = [7, 6, 5, 4, 3, 2, 1, 7, 6, 6]
    assert ces_index(answers).value == pytest.approx(20.0)  # 5 agree, 3 disagree
    assert "(6-7)" in ces_index(answers).method
    assert ces_mean(answers).value == pytest.approx(4.7)


def test_mean_is_gossets_sleep_data() -> None:
    """Student 1908, the drug in R's `sleep`: mean 0.75, t interval -0.5297804 to 2.0297804 (t.test on group 1)."""
    metric = mean_of("extra", [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    assert metric.value == pytest.approx(0.75)
    assert (metric.low, metric.high) == (pytest.approx(-0.5297804, abs=1e-6), pytest.approx(2.0297804, abs=1e-6))


def test_welch_on_the_same_data() -> None:
    """R: t.test(extra ~ group, sleep): 95 percent confidence interval -3.3654832 to 0.2054832."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

    def moments(values: list[float]) -> tuple[float, float, int]:
        mean = sum(values) / len(values)
        return mean, sum((v - mean) ** 2 for v in values) / (len(values) - 1), len(values)

    interval = change_of_mean(*moments(first), *moments(second))
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(-3.3654832, abs=1e-6), pytest.approx(0.2054832, abs=1e-6))


def test_equal_stars_still_have_an_interval() -> None:
    metric = mean_of("stars", [5.0] * 8, bounds=(1.0, 5.0))
    assert metric.value == 5.0
    assert metric.low is not None
    assert metric.low < 4.7
    assert change_of_mean(5, 0, 10, 5, 0, 10) is None


def test_changes_use_both_sides() -> None:
    better = nps_change([10] * 80 + [3] * 20, [10] * 50 + [3] * 50)
    assert better.low > 0
    assert csat_change([5] * 8 + [1] * 2, [5] * 7 + [1] * 3).low < 0


def test_answers_off_the_scale_are_named() -> None:
    with pytest.raises(BadNumbers, match="answer 3 is 11"):
        nps([1, 2, 11])
    with pytest.raises(BadNumbers, match="allowed is 1 to 7"):
        ces_mean([0])


@quiet
@given(st.lists(st.integers(0, 10), min_size=10, max_size=80), st.randoms(use_true_random=False))
def test_order_does_not_matter(answers: list[int], chance: random.Random) -> None:
    shuffled = list(answers)
    chance.shuffle(shuffled)
    assert nps(answers) == nps(shuffled)


@quiet
@given(st.lists(st.integers(0, 9), min_size=10, max_size=80))
def test_a_better_answer_never_lowers_nps(answers: list[int]) -> None:
    before, after = nps(answers), nps([answers[0] + 1, *answers[1:]])
    assert before.value is not None
    assert after.value is not None
    assert after.value >= before.value


@quiet
@given(st.lists(st.integers(1, 5), min_size=10, max_size=60), st.data())
def test_a_better_answer_never_lowers_an_index_and_all_stay_in_bounds(answers: list[int], data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(answers) - 1))
    better = [answer + (number == which) for number, answer in enumerate(answers)]
    capped = [min(5, answer) for answer in better]
    turned = data.draw(st.permutations(answers))
    for index, raised, low, high in (
        (csat, capped, 0, 1), (ces_index, better, -100, 100), (ces_mean, better, 1, 7), (nps, better, -100, 100),
    ):  # fmt: skip
        found = index(answers)
        assert found.value is not None and found.low is not None and found.high is not None
        assert low <= found.low <= found.value <= found.high <= high and found.low < found.high
        assert index(turned) == found
        assert (index(raised).value or 0.0) >= found.value - 1e-12


@quiet
@given(*(st.lists(st.integers(1, 5), min_size=2, max_size=30) for _ in range(2)))
def test_changes_are_mirrored_and_hold_the_difference(now: list[int], before: list[int]) -> None:
    for change, index in ((csat_change, csat), (nps_change, nps)):
        interval, reverse = change(now, before), change(before, now)
        assert interval.low == pytest.approx(-reverse.high, abs=1e-9)
        seen = (index(now, n_needed=1).value or 0.0) - (index(before, n_needed=1).value or 0.0)
        assert interval.low - 1e-9 <= seen <= interval.high + 1e-9
