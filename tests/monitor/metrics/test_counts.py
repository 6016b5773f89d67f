"""Counts of two periods against statsmodels, R and Benjamini and Hochberg's own example."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.counts import (
    clear_after_many,
    difference_of_counts,
    dispersion,
    dispersion_of_shares,
    p_of_change,
    ratio_of_counts,
)
from monitor.metrics.metric import BadNumbers

quiet = settings(max_examples=60, deadline=None, derandomize=True)
count = st.integers(0, 500)


def test_difference_is_that_of_statsmodels() -> None:
    """statsmodels.stats.rates.confint_poisson_2indep(31, 1, 12, 1, method="mover", compare="diff"), version 0.15.0."""
    interval = difference_of_counts(31, 12)
    assert (interval.low, interval.high) == (pytest.approx(6.175024480738367), pytest.approx(32.978521855053636))


def test_ratio_is_that_of_r() -> None:
    """R's manual page of poisson.test: c(11, 6+8+7) over c(800, 1083+1050+878), 95 % interval 0.8584264 4.2772659."""
    interval = ratio_of_counts(11, 21, exposure_now=800, exposure_before=3011, mid_p=False)
    assert (interval.low, interval.high) == (pytest.approx(0.8584264, abs=1e-6), pytest.approx(4.2772659, abs=1e-6))


def test_mid_p_is_narrower_than_the_exact_ratio() -> None:
    exact = ratio_of_counts(31, 12, mid_p=False)
    mid = ratio_of_counts(31, 12)
    assert exact.low < mid.low < 31 / 12 < mid.high < exact.high


def test_benjamini_hochberg_on_their_own_example() -> None:
    """Benjamini and Hochberg 1995, section 3.2: of 15 ordered p values the first four are rejected at 0.05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert clear_after_many(p) == [True] * 4 + [False] * 11
    assert clear_after_many(list(reversed(p))) == [False] * 11 + [True] * 4
    assert clear_after_many([]) == []
    with pytest.raises(BadNumbers):
        clear_after_many([1.2])


def test_dispersion_of_poisson_is_about_one_and_of_clumped_counts_is_not() -> None:
    rng = np.random.default_rng(0)
    plain = np.mean([dispersion(rng.poisson(20, 8)) for _ in range(400)])
    clumped = np.mean([dispersion(rng.negative_binomial(5, 5 / 25, 8)) for _ in range(400)])
    assert 1.0 <= plain < 1.5
    assert 4.0 < clumped < 8.0  # true variance over mean: 5; few weeks are met with care


def test_dispersion_without_history_is_one() -> None:
    assert dispersion([]) == 1.0
    assert dispersion([3, 900, 2]) == 1.0
    assert dispersion([0, 0, 0, 0, 0]) == 1.0


def test_dispersion_of_shares() -> None:
    """Chi-square of (10, 20, 30, 20) of 100 each: 200 / 16 over 3 degrees of freedom, its excess raised by t over z."""
    raised = 1 + (200 / 16 / 3 - 1) * (3.182446 / 1.959964) ** 2
    assert dispersion_of_shares([(10, 100), (20, 100), (30, 100), (20, 100), (0, 0)]) == pytest.approx(raised)
    assert dispersion_of_shares([(20, 100)] * 8) == 1.0  # a steady share
    assert dispersion_of_shares([(10, 100), (30, 100), (20, 100), (0, 0)]) == 1.0  # three weeks are no history
    assert dispersion_of_shares([(5, 5)] * 8) == dispersion_of_shares([(0, 5)] * 8) == 1.0
    with pytest.raises(BadNumbers):
        dispersion_of_shares([(-1, 5)] * 8)


def test_a_clumped_series_needs_a_larger_rise() -> None:
    assert difference_of_counts(31, 12).clear
    assert not difference_of_counts(31, 12, dispersion=4).clear
    assert p_of_change(31, 12) < 0.01 < 0.1 < p_of_change(31, 12, dispersion=4)


def test_half_collected_weeks_are_compared_per_collected_hour() -> None:
    """12 complaints in half a week are 24 in a whole one: no change from 24."""
    assert 0.0 in difference_of_counts(12, 24, exposure_now=0.5)
    assert p_of_change(12, 24, exposure_now=0.5) > 0.8
    assert difference_of_counts(30, 24, exposure_now=0.5).low > 0


def test_nothing_counted_says_nothing() -> None:
    assert ratio_of_counts(0, 0).high == math.inf
    assert p_of_change(0, 0) == 1.0
    assert difference_of_counts(0, 0).low < 0 < difference_of_counts(0, 0).high


@pytest.mark.parametrize("bad", [{"dispersion": 0.5}, {"exposure_now": 0.0}])
def test_impossible_values_are_errors(bad: dict[str, float]) -> None:
    with pytest.raises(BadNumbers):
        difference_of_counts(1, 1, **bad)


@quiet
@given(count, count, st.floats(1, 6))
def test_difference_is_antisymmetric_and_holds_what_was_seen(now: int, before: int, spread: float) -> None:
    interval = difference_of_counts(now, before, dispersion=spread)
    reverse = difference_of_counts(before, now, dispersion=spread)
    assert interval.low - 1e-9 <= now - before <= interval.high + 1e-9
    assert interval.low == pytest.approx(-reverse.high, abs=1e-9)


@quiet
@given(count, count)
def test_more_complaints_never_lower_the_interval(now: int, before: int) -> None:
    assert difference_of_counts(now + 1, before).low > difference_of_counts(now, before).low - 1e-9
    assert ratio_of_counts(now + 1, before).low >= ratio_of_counts(now, before).low


@quiet
@given(count, count)
def test_ratio_and_p_agree(now: int, before: int) -> None:
    p = p_of_change(now, before)
    interval = ratio_of_counts(now, before)
    if p < 0.0499:
        assert not (interval.low < 1.0 < interval.high)
    if p > 0.0501:
        assert interval.low <= 1.0 <= interval.high


@settings(quiet, max_examples=25)
@given(st.lists(st.integers(0, 60), max_size=12), st.randoms(use_true_random=False))
def test_a_dispersion_is_never_below_one_and_knows_no_order(counts: list[int], rng: random.Random) -> None:
    turned = rng.sample(counts, len(counts))
    assert 1.0 <= dispersion(counts) == pytest.approx(dispersion(turned))
    assert (
        1.0
        <= dispersion_of_shares([(x, 60) for x in counts])
        == pytest.approx(
            dispersion_of_shares([(60 - x, 60) for x in turned])  # complaints swing as much as their absence
        )
    )


@settings(quiet, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_less_doubt_is_never_less_clear_in_any_order(p_values: list[float], rng: random.Random) -> None:
    clear = clear_after_many(p_values)
    places = rng.sample(range(len(p_values)), len(p_values))
    assert clear_after_many([p_values[place] for place in places]) == [clear[place] for place in places]
    assert all(p <= 0.05 for p, one in zip(p_values, clear, strict=True) if one)
    surer = clear_after_many([p_values[0] / 2, *p_values[1:]])
    assert all(after or not before for before, after in zip(clear, surer, strict=True))
