"""Numbers checked by hand: tails, intervals, thresholds, zero runs, e-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.baseline import expect, factors
from alerts.decision import interval
from alerts.evidence import Hypotheses, tail
from alerts.panel import Panel
from alerts.prior import Prior
from alerts.state import State
from alerts.threshold import promised_rate, threshold


def test_tail_of_a_small_negative_binomial() -> None:
    # mean 2, variance 4: r = 2, p = 1/2; P(0) = 1/4, P(1) = 1/4, P(2) = 3/16
    values = tail(np.array([0.0, 1.0, 2.0, 3.0]), np.full(4, 2.0), np.full(4, 4.0))
    assert values == pytest.approx([1.0, 0.75, 0.5, 0.3125])


def test_tail_of_nearly_poisson() -> None:
    # Poisson(1): P(X >= 1) = 1 - e^-1, P(X >= 2) = 1 - 2 e^-1
    values = tail(np.array([1.0, 2.0]), np.ones(2), np.ones(2))
    assert values == pytest.approx([1 - np.exp(-1), 1 - 2 * np.exp(-1)], abs=1e-4)


@given(st.integers(0, 60), st.floats(0.05, 40), st.floats(1.001, 20))
def test_tail_falls_with_the_count(count: int, mean: float, ratio: float) -> None:
    upper, lower = tail(np.array([count, count + 1.0]), np.full(2, mean), np.full(2, mean * ratio))
    assert 0 <= lower <= upper <= 1


def test_interval_holds_what_is_usual() -> None:
    assert interval(4.0, 4.0) == (1, 8)  # Poisson(4): P(X <= 0) = 0.018, P(X >= 9) = 0.021
    assert interval(0.05, 0.05) == (0, 1)
    low, high = interval(100.0, 400.0)
    assert 55 < low < 70 and 135 < high < 150


def test_threshold_and_rate_are_inverse() -> None:
    for rate in (0.2, 1 / 20, 1e-3, 1e-5):
        assert promised_rate(threshold(rate)) == pytest.approx(rate)
    assert threshold(1e-4) > threshold(1e-2) > threshold(0.1) > 0
    assert threshold(50.0) == 0.0


def test_every_hypothesis_covers_the_newest_row() -> None:
    for onsets in (Prior().onsets_daily, Prior().onsets_hourly):
        hypotheses = Hypotheses.of(Prior(), onsets)
        assert (hypotheses.rungs[:, 0] > 0).all()
        assert set(hypotheses.steps) <= set(onsets) and {1, max(onsets)} <= set(hypotheses.steps)
        assert np.exp(hypotheses.log_prior).sum() < max(onsets)


def test_a_row_as_expected_speaks_against_an_outbreak() -> None:
    panel = Panel(1)
    one = np.ones(1)
    for n in range(60):
        verdicts = panel.tick(5 * one, 20 * one, one, weekday=one * (n % 7), hour=0 * one, holiday=0 * one)
    assert verdicts.score[0] < 0
    ladder = panel.state["row_evidence"][0, 0]
    assert ladder[0] == 0 and (np.diff(ladder[3:]) < 0).all(), "the more extra was claimed, the worse it fits"


def test_weekday_factors_are_shrunk_and_have_mean_one() -> None:
    state = State(2)
    state["weekday_seen"][0] = [100, 100, 100, 100, 100, 20, 20]
    state["weekday_due"][0] = 540 / 7
    weekday, _ = factors(state)
    assert weekday.mean(axis=1) == pytest.approx([1, 1])
    assert weekday[1] == pytest.approx(np.ones(7)), "nothing seen, nothing believed"
    assert 20 / 540 * 7 < weekday[0, 6] < 0.5


def test_a_run_of_zeros_is_believed_where_zeros_are_usual() -> None:
    busy, sparse = Panel(1), Panel(1)
    one = np.ones(1)
    rng = np.random.default_rng(1)
    for n in range(80):
        where = {"weekday": one * (n % 7), "hour": 0 * one, "holiday": 0 * one}
        quiet = n >= 76
        busy.tick(one * (0 if quiet else rng.poisson(4)), one * (0 if quiet else rng.poisson(16)), one, **where)
        sparse.tick(one * (0 if quiet else rng.poisson(0.1)), one * (0 if quiet else rng.poisson(0.3)), one, **where)
    assert (expect(busy.state, busy.arrived).real[0, :4] < 0.1).all()
    assert (expect(sparse.state, sparse.arrived).real[0] > 0.9).all()


def test_the_score_is_an_e_value_on_clean_counts() -> None:
    """Mean of 10 ** score at most about one where the model holds: Poisson counts around a known level."""
    rng = np.random.default_rng(7)
    n = 400
    panel = Panel(n)
    one = np.ones(n)
    values = []
    for step in range(70):
        verdicts = panel.tick(
            rng.poisson(3.0, n) * one, rng.poisson(12.0, n) * one, one,
            weekday=one * (step % 7), hour=0 * one, holiday=0 * one,
        )  # fmt: skip
        if step > 42:
            values.append(10.0**verdicts.score / np.exp(panel.hypotheses.log_prior).sum())
    assert np.mean(values) < 1.3


def test_one_series_alone_is_judged_as_among_others() -> None:
    """Alone it is reckoned with numbers, among others with arrays (`alerts.arithmetic`)."""
    rng = np.random.default_rng(2)
    alone, among = Panel(1), Panel(3)
    for n in range(13):  # before near misses of the others count
        negative, others, gap = rng.poisson(4.0), rng.poisson(16.0), n == 5
        negative += 9 * (n == 10)
        for panel in (alone, among):
            one = np.ones(panel.state.n)
            verdicts = panel.tick(
                negative * one, others * one, one * (not gap), weekday=one * (n % 7), hour=0 * one,
                holiday=one * (n == 8),
            )  # fmt: skip
            if panel is alone:
                score, news = float(verdicts.score[0]), float(verdicts.news[0])
        assert verdicts.score == pytest.approx(np.full(3, score), abs=1e-9)
        assert verdicts.news == pytest.approx(np.full(3, news), abs=1e-9)
        assert np.isinf(score) == gap
    for name, array in alone.state.arrays.items():
        assert among.state[name][1] == pytest.approx(array[0], abs=1e-9), name
