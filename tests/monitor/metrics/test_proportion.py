"""Shares against Newcombe's published tables and statsmodels 0.15."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.metric import BadNumbers, Interval
from monitor.metrics.proportion import agresti_caffo, newcombe, p_of_difference, paired_difference, share, wilson

quiet = settings(max_examples=80, deadline=None, derandomize=True)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_method_3_of_newcombe_1998(x: int, n: int, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857-872, table I."""
    interval = wilson(x, n)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("x", "n", "y", "m", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe_is_method_10_of_newcombe_1998(x: int, n: int, y: int, m: int, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 873-890, table II."""
    interval = newcombe(x, n, y, m)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("x", "n", "y", "m", "low", "high"),
    [
        (56, 70, 48, 80, 0.052452926638053676, 0.33575845547576744),
        (9, 10, 3, 10, 0.16000080110040027, 0.8399991988995997),
    ],
)
def test_agresti_caffo_is_that_of_statsmodels(x: int, n: int, y: int, m: int, low: float, high: float) -> None:
    """statsmodels.stats.proportion.confint_proportions_2indep(method="agresti-caffo"), version 0.15.0."""
    interval = agresti_caffo(x, n, y, m)
    assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high))


def test_p_of_difference_halves_the_observed_table() -> None:
    """Fisher's tea tasting (3 of 4 right): one-sided 17/70; mid-P takes off half of the table's own 16/70."""
    assert p_of_difference(3, 4, 1, 4) == pytest.approx(2 * (17 - 8) / 70)
    assert p_of_difference(0, 0, 3, 4) == 1.0


def test_a_share_that_swings_by_itself_needs_a_larger_difference() -> None:
    assert newcombe(40, 120, 80, 400, dispersion=4) == newcombe(10, 30, 20, 100)
    plain, clumped = (p_of_difference(40, 120, 80, 400, dispersion=spread) for spread in (1.0, 4.0))
    assert plain < 0.005
    assert clumped == pytest.approx(p_of_difference(10, 30, 20, 100), abs=0.03)
    assert clumped > 0.1


def test_a_share_on_too_few_mentions_is_not_shown() -> None:
    assert share("negative", 2, 4).value is None
    assert share("negative", 0, 0).value is None
    shown = share("negative", 2, 5)
    assert shown.value == 0.4
    assert shown.interval is not None
    assert 0.4 in shown.interval


def test_impossible_counts_are_named() -> None:
    with pytest.raises(BadNumbers, match="5 of 4"):
        wilson(5, 4)
    with pytest.raises(BadNumbers, match="x must be a count"):
        newcombe(-1, 4, 1, 4)


counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@quiet
@given(counts)
def test_wilson_holds_the_share_and_stays_in_bounds(count: tuple[int, int]) -> None:
    x, n = count
    interval = wilson(x, n)
    assert 0.0 <= interval.low <= interval.high <= 1.0
    if n:
        assert x / n in interval
        mirrored = wilson(n - x, n)
        assert mirrored.low == pytest.approx(1 - interval.high, abs=1e-12)
        assert wilson(x * 4, n * 4).width < interval.width


@quiet
@given(counts, counts)
def test_newcombe_is_antisymmetric_and_holds_the_difference(a: tuple[int, int], b: tuple[int, int]) -> None:
    interval, reverse = newcombe(*a, *b), newcombe(*b, *a)
    assert interval.low == pytest.approx(-reverse.high, abs=1e-12)
    assert -1.0 <= interval.low <= interval.high <= 1.0
    if a[1] and b[1]:
        assert interval.low - 1e-12 <= a[0] / a[1] - b[0] / b[1] <= interval.high + 1e-12


@quiet
@given(counts, counts)
def test_p_of_difference_is_a_probability_and_symmetric(a: tuple[int, int], b: tuple[int, int]) -> None:
    p = p_of_difference(*a, *b)
    assert 0.0 <= p <= 1.0
    assert p == pytest.approx(p_of_difference(*b, *a), abs=1e-9)


def test_paired_difference_against_the_approval_ratings_of_agresti() -> None:
    # Agresti 2002, Categorical Data Analysis, section 10.1: of 1,600 people 150 turned away, 86 came over; 0.02 to 0.06
    interval = paired_difference(150, 86, 1600)
    assert (round(interval.low, 2), round(interval.high, 2)) == (0.02, 0.06)
    assert paired_difference(0, 0, 0) == Interval(-1.0, 1.0)
    mirrored = paired_difference(86, 150, 1600)
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low))
    with pytest.raises(BadNumbers, match="must not exceed"):
        paired_difference(3, 3, 5)
