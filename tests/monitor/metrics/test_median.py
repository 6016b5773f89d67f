"""Medians: their intervals against scipy, and the difference of two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.metrics.median import change_of_median, median_of


@pytest.mark.parametrize("n", [6, 7, 11, 20, 64])
def test_the_interval_lies_just_inside_that_of_scipy(n: int) -> None:
    """scipy.stats.quantile_test(values, p=0.5).confidence_interval(0.95) ends at order statistics, which hold the
    median more often than asked; the ends here lie between these and the next ones inside."""
    values = np.random.default_rng(n).exponential(10, n)
    outer = stats.quantile_test(values, q=10, p=0.5).confidence_interval(0.95)
    ordered = np.sort(values)
    first, last = np.searchsorted(ordered, [outer.low, outer.high])
    found = median_of("wait", values.tolist(), unit="minutes")
    assert found.interval is not None
    assert outer.low <= found.interval.low < ordered[first + 1]
    assert ordered[last - 1] < found.interval.high <= outer.high
    assert found.value == pytest.approx(np.median(values))


def test_the_interval_is_interpolated_as_published() -> None:
    """By hand: of ten values the 2nd and 9th hold the median in 97.85 %, the 3rd and 8th in 89.06 %; part 0.3247 of the
    way in coverage, so 8 x 0.3247 / (2 + 6 x 0.3247) = 0.6580 of the way between them."""
    found = median_of("wait", [float(v) for v in range(1, 11)], unit="minutes").interval
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(2.658, abs=5e-4), pytest.approx(8.342, abs=5e-4))


def test_too_few_are_no_number() -> None:
    assert median_of("wait", [1.0] * 5, unit="minutes").value is None
    assert median_of("wait", [1.0] * 9, unit="minutes", n_needed=10).value is None
    some = median_of("wait", [1.0] * 9, unit="minutes")
    assert change_of_median(some, median_of("wait", [1.0], unit="minutes")) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=40), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_the_value_lies_inside(values: list[float], random: object) -> None:
    mixed = sorted(values, key=lambda _: random.random())  # type: ignore[attr-defined]
    found, again = (median_of("m", one, unit="minutes") for one in (values, mixed))
    assert found == again and found.value is not None and found.interval is not None
    assert min(values) <= found.interval.low <= found.value <= found.interval.high <= max(values)
    moved = change_of_median(found, again)
    assert moved is not None and 0.0 in moved
