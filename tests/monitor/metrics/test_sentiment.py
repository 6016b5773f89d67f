"""Net sentiment and its cleaning of classifier bias."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.metric import BadNumbers
from monitor.metrics.sentiment import (
    Tally,
    cleared_shares,
    net_change,
    net_interval,
    net_sentiment,
    net_sentiment_adjusted,
)

quiet = settings(max_examples=60, deadline=None, derandomize=True)
tallies = st.builds(Tally, st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))


def test_variance_at_the_published_mix() -> None:
    """Half up, a sixth down: variance 5/9 per answer (cybaea.net 2016-01-14), so 1.96 sd at n = 1000 is 4.62 points.

    The adjustment adds three answers and moves the centre by less than 0.1 points here.
    """
    interval = net_interval(500, 1000 / 6, 1000)
    assert interval.width / 2 == pytest.approx(100 * 1.959964 * (5 / 9 / 1000) ** 0.5, rel=0.005)
    assert (interval.low + interval.high) / 2 == pytest.approx(33.333, abs=0.15)


def test_two_periods_at_that_mix() -> None:
    """A thousand answers a side leave 6.5 points as noise, a hundred about 21 (same source)."""
    for n, noise in ((1200, 6.5 * (1000 / 1200) ** 0.5), (120, 20.6 * (100 / 120) ** 0.5)):
        tally = Tally(n // 6, n // 3, n // 2)
        assert net_change(tally, tally).high == pytest.approx(noise, rel=0.03)


def test_both_variants_name_themselves() -> None:
    tally = Tally(20, 50, 30)
    with_neutral, without = net_sentiment(tally), net_sentiment(tally, with_neutral=False)
    assert with_neutral.value == 10.0
    assert without.value == 20.0
    assert without.n == 50
    assert "without neutrals" in without.method


def test_too_few_mentions_show_no_index() -> None:
    assert net_sentiment(Tally(1, 1, 1)).value is None
    assert net_sentiment(Tally()).value is None


def test_a_perfect_model_is_left_alone() -> None:
    shares = cleared_shares(Tally(20, 30, 50), np.diag([40, 40, 40]))
    assert shares == pytest.approx([0.2, 0.3, 0.5])


def test_known_bias_is_taken_out() -> None:
    """True shares 0.5/0.2/0.3 through M give observed shares; the inverse gives them back."""
    confusion = np.array([[80, 15, 5], [10, 80, 10], [2, 8, 90]])
    truth = np.array([0.5, 0.2, 0.3])
    observed = (confusion / 100).T @ truth
    tally = Tally(*(round(float(share) * 10_000) for share in observed))
    assert cleared_shares(tally, confusion) == pytest.approx(truth, abs=1e-3)
    metric = net_sentiment_adjusted(tally, confusion, rng=np.random.default_rng(0))
    assert metric.value == pytest.approx(-20, abs=0.2)
    assert metric.interval is not None
    assert -20 in metric.interval
    assert "300" in metric.note


def test_a_small_labelled_sample_widens_the_interval() -> None:
    tally = Tally(300, 300, 400)
    small = net_sentiment_adjusted(tally, [[8, 1, 1], [1, 8, 1], [1, 1, 8]], rng=np.random.default_rng(1))
    large = net_sentiment_adjusted(
        tally, [[800, 100, 100], [100, 800, 100], [100, 100, 800]], rng=np.random.default_rng(1)
    )
    assert small.interval is not None
    assert large.interval is not None
    assert small.interval.width > 1.5 * large.interval.width


def test_a_blind_model_is_refused() -> None:
    with pytest.raises(BadNumbers, match="no inverse"):
        cleared_shares(Tally(1, 1, 1), [[1, 1, 1], [1, 1, 1], [1, 1, 1]])
    with pytest.raises(BadNumbers, match="every true class"):
        cleared_shares(Tally(1, 1, 1), [[1, 0, 0], [0, 0, 0], [0, 0, 1]])


def test_unjudged_mentions_are_volume_but_no_share() -> None:
    tally = Tally(1, 2, 3, n_unjudged=4) + Tally(1, 0, 0)
    assert (tally.n, tally.n_all) == (7, 11)
    assert tally.negative_share == pytest.approx(2 / 7)


@quiet
@given(tallies, tallies)
def test_change_is_antisymmetric_and_bounded(a: Tally, b: Tally) -> None:
    interval, reverse = net_change(a, b), net_change(b, a)
    assert interval.low == pytest.approx(-reverse.high, abs=1e-9)
    assert -200 <= interval.low <= interval.high <= 200


@quiet
@given(tallies)
def test_net_lies_in_its_interval(tally: Tally) -> None:
    metric = net_sentiment(tally, n_needed=1)
    if metric.value is not None and metric.interval is not None:
        assert metric.value in metric.interval
        assert -100 <= metric.interval.low <= metric.interval.high <= 100


@quiet
@given(tallies, st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=3))
def test_cleared_shares_are_shares(tally: Tally, confusion: list[list[int]]) -> None:
    for number, row in enumerate(confusion):
        row[number] += sum(row) + 1  # a model that is right more often than not
    if tally.n:
        shares = cleared_shares(tally, confusion)
        assert shares.min() >= 0 and shares.sum() == pytest.approx(1.0)
        mirrored = cleared_shares(
            Tally(tally.n_positive, tally.n_neutral, tally.n_negative), [row[::-1] for row in confusion[::-1]]
        )
        assert mirrored[::-1] == pytest.approx(shares)
