"""Samples: values and their counts say of a mean, a spread and a part what the list of them says."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.sample import Sample, samples, together

halves = st.lists(st.integers(0, 20).map(lambda n: n / 2), min_size=2, max_size=60)
quiet = settings(max_examples=40, deadline=None, derandomize=True)


@quiet
@given(halves, st.data())
def test_a_sample_says_what_its_values_say(values: list[float], data: st.DataObject) -> None:
    held = Sample.of(values)
    assert held.n == len(values) and held.each().tolist() == sorted(values)
    assert held.mean == statistics.fmean(values) and held.variance == pytest.approx(statistics.variance(values))
    assert held.between(3, 7) == sum(3 <= value <= 7 for value in values)
    n = data.draw(st.integers(0, len(values)))
    part, rest = Sample.of(values[:n]), held.without(Sample.of(values[:n]))
    assert rest.each().tolist() == sorted(values[n:]) and together([part, rest]).each().tolist() == sorted(values)
    assert held.mapped(round).each().tolist() == sorted(map(round, values))


def test_groups_leave_out_what_is_no_number_and_keep_those_that_are_empty() -> None:
    rng = np.random.default_rng(3)
    for values in (
        rng.choice([1.0, 2.5, 5.0, np.nan], 20_000),
        rng.normal(size=300),
        np.array([2.0, *[1.0] * 20_000, 9.0]),
    ):
        groups = rng.choice([0, 2], len(values))
        for number, found in enumerate(samples(values, groups, 3)):
            inside = values[groups == number]
            assert found.each().tolist() == sorted(inside[~np.isnan(inside)].tolist())
    assert [one.n for one in samples(np.zeros(0), np.zeros(0, np.int64), 2)] == [0, 0]
