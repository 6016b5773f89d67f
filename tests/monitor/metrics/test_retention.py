"""Retention against the leukaemia trial every textbook of survival shows."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.metric import BadNumbers
from monitor.metrics.retention import churn, cohorts, kaplan_meier, repeat_rate, retention_of_base, watched

quiet = settings(max_examples=25, deadline=None, derandomize=True)
# Freireich et al. 1963, 6-MP arm: weeks of remission, and whether it ended
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
ENDED = [True] * 9 + [False] * 12


def test_the_published_curve_and_its_intervals() -> None:
    """Stata's `sts list` of the same data (log-minus-log intervals), as printed in its manual and in Collett's book."""
    curve = kaplan_meier(WEEKS, ENDED)
    wanted = {
        6: (0.8571, 0.6197, 0.9516),
        7: (0.8067, 0.5631, 0.9228),
        10: (0.7529, 0.5032, 0.8894),
        13: (0.6902, 0.4316, 0.8491),
        16: (0.6275, 0.3675, 0.8049),
        22: (0.5378, 0.2678, 0.7468),
        23: (0.4482, 0.1881, 0.6801),
    }
    assert [point.time for point in curve.points] == list(wanted)
    for point in curve.points:
        found = (point.share, point.interval.low, point.interval.high)
        assert found == pytest.approx(wanted[int(point.time)], abs=6e-5)
    assert [point.n_at_risk for point in curve.points] == [21, 17, 15, 12, 11, 7, 6]
    assert curve.median() == 23
    assert curve.retention(14).value == pytest.approx(0.6902, abs=1e-4)
    assert curve.retention(3).value == 1.0


def test_without_censoring_it_is_the_plain_share() -> None:
    curve = kaplan_meier([1, 2, 3, 4], [True] * 4)
    assert [point.share for point in curve.points] == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert curve.points[-1].interval.low == 0.0
    assert curve.points[-1].interval.high > 0.5


def test_empty_and_wrong_input() -> None:
    assert kaplan_meier([], []).points == ()
    assert kaplan_meier([], []).retention(1).value is None
    with pytest.raises(BadNumbers):
        kaplan_meier([1.0], [True, False])
    with pytest.raises(BadNumbers):
        kaplan_meier([-1.0], [True])


@quiet
@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=60), st.randoms(use_true_random=False)
)
def test_the_curve_falls_within_bounds_whatever_the_order(rows: list[tuple[int, bool]], chance: object) -> None:
    curve = kaplan_meier([t for t, _ in rows], [e for _, e in rows])
    shares = [1.0, *(point.share for point in curve.points)]
    assert all(later <= earlier for earlier, later in pairwise(shares))
    for point in curve.points:
        assert 0.0 <= point.interval.low <= point.share + 1e-12
        assert point.share - 1e-12 <= point.interval.high <= 1.0
    chance.shuffle(rows)  # type: ignore[attr-defined]
    assert kaplan_meier([t for t, _ in rows], [e for _, e in rows]) == curve


@quiet
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=40), st.integers(0, 39))
def test_a_customer_watched_for_longer_never_lowers_the_curve(rows: list[tuple[int, bool]], which: int) -> None:
    """One is still there a month later than was known before: nowhere is fewer of them left."""
    which %= len(rows)
    later = [(t + 4, False) if number == which else (t, gone) for number, (t, gone) in enumerate(rows)]
    before, after = (kaplan_meier([t for t, _ in listed], [gone for _, gone in listed]) for listed in (rows, later))
    for time in range(35):
        one, other = before.at(time), after.at(time)
        assert (other.share if other else 1.0) >= (one.share if one else 1.0) - 1e-12


@quiet
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, 50))))
def test_what_is_lost_and_what_is_kept_make_up_the_base(counts: tuple[int, int, int]) -> None:
    n, n_lost, n_new = counts
    lost, kept = churn(n, n_lost, n_needed=1), retention_of_base(n, n - n_lost + n_new, n_new, n_needed=1)
    assert lost.value is not None and kept.value is not None and lost.value + kept.value == pytest.approx(1.0)
    assert lost.low is not None and kept.high is not None and lost.low == pytest.approx(1 - kept.high)
    assert 0 <= lost.low <= lost.value + 1e-12


customers_drawn = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.integers(0, 300), max_size=5), min_size=1, max_size=6
)


@quiet
@given(customers_drawn, st.randoms(use_true_random=False))
def test_orders_in_any_order_are_the_same_lives_cohorts_and_repeats(
    listed: dict[str, list[int]], chance: random.Random
) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    orders = {who: [now - timedelta(days=ago) for ago in agos] for who, agos in listed.items()}
    turned = {who: chance.sample(times, len(times)) for who, times in orders.items()}
    durations, lost = watched(orders, now=now, lost_after=timedelta(days=60))
    assert watched(turned, now=now, lost_after=timedelta(days=60)) == (durations, lost)
    assert all(0 <= duration <= 300 for duration in durations)
    assert cohorts(turned, now=now, n_needed=1) == cohorts(orders, now=now, n_needed=1)
    assert all(0 <= (cell.share.value or 0.0) <= 1 for cell in cohorts(orders, now=now, n_needed=1))
    found = repeat_rate(turned, n_needed=1)
    assert found == repeat_rate(orders, n_needed=1)
    more = repeat_rate({who: [*times, *times[:1]] for who, times in orders.items()}, n_needed=1)
    assert found.value is None or (found.value <= (more.value or 0.0) == 1.0)


def test_churn_and_retention_of_the_base() -> None:
    assert churn(200, 30).value == 0.15
    assert retention_of_base(200, 210, 40).value == 0.85
    assert churn(200, 30).interval == churn(200, 30).interval
    assert churn(0, 0).value is None
    with pytest.raises(BadNumbers, match="no part of its churn"):
        churn(10, 11)
    with pytest.raises(BadNumbers, match="cannot be"):
        retention_of_base(10, 30, 5)


def test_a_silent_customer_is_lost_and_a_recent_one_is_watched() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    day = timedelta(days=1)
    orders = {"gone": [now - 300 * day, now - 200 * day], "here": [now - 100 * day, now - 5 * day], "none": []}
    durations, lost = watched(orders, now=now, lost_after=60 * day)
    assert (durations, lost) == ([100.0, 100.0], [True, False])


def test_cohorts_tell_only_months_that_are_over() -> None:
    def at(month: int, day: int = 10) -> datetime:
        return datetime(2026, month, day, tzinfo=UTC)

    orders = {str(i): [at(1), at(2)] if i < 6 else [at(1)] for i in range(12)} | {"late": [at(3)]}
    cells = cohorts(orders, now=at(4, 2))
    assert [(cell.cohort, cell.month) for cell in cells] == [(date(2026, 1, 1), 1), (date(2026, 1, 1), 2)]
    assert [cell.share.value for cell in cells] == [0.5, 0.0]


def test_repeat_rate() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    metric = repeat_rate({str(i): [now] * (1 + i % 4) for i in range(20)})
    assert metric.value == 0.75
    assert repeat_rate({}).value is None


def test_simulated_curve_is_covered() -> None:
    """Exponential lives with mean 10, watched up to 15: S(5) = exp(-1/2) lies in nearly every interval."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(300):
        life, watch = rng.exponential(10, 60), rng.uniform(2, 15, 60)
        point = kaplan_meier(np.minimum(life, watch).tolist(), (life <= watch).tolist()).at(5.0)
        hits += point is not None and float(np.exp(-0.5)) in point.interval
    assert 0.92 <= hits / 300 <= 0.985
