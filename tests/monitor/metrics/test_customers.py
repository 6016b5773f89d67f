"""Customer tables by hand: RFM, ABC, XYZ, stages, movement."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.metrics.customers import (
    Bounds,
    Orders,
    abc,
    grouped,
    life_stage,
    movement,
    rfm,
    scores,
    summarise,
    xyz,
)
from monitor.metrics.metric import BadNumbers

quiet = settings(max_examples=25, deadline=None, derandomize=True)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = timedelta(days=30)


def orders_of(rows: list[tuple[str, float, float]]) -> Orders:
    """Rows of (customer, days ago, amount)."""
    return Orders.of([c for c, _, _ in rows], [NOW - ago * DAY for _, ago, _ in rows], [a for _, _, a in rows])


def test_sums_per_customer() -> None:
    table = summarise(orders_of([("b", 3, 10), ("a", 50, 7), ("b", 20, 30), ("later", -2, 5)]), now=NOW)
    assert table.ids.tolist() == ["a", "b"]
    assert table.recency == pytest.approx([50, 3])
    assert table.frequency.tolist() == [1, 2]
    assert table.total.tolist() == [7, 40]
    assert table.basket.tolist() == [7, 20]
    assert table.tenure == pytest.approx([50, 20])


def test_quintiles_of_fifteen() -> None:
    """Fifteen different values make five scores of three each: the usual textbook table."""
    values = np.arange(15.0)
    assert np.bincount(scores(values, high_is_good=True))[1:].tolist() == [3] * 5
    assert scores(values, high_is_good=True).tolist() == sorted(scores(values, high_is_good=True).tolist())
    assert (scores(values, high_is_good=False) == 6 - scores(values, high_is_good=True)).all()


@quiet
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_equal_values_get_equal_scores_and_order_is_kept(values: list[int]) -> None:
    found = scores(np.array(values, dtype=float), high_is_good=True)
    assert found.min() >= 1
    assert found.max() <= 5
    for a, x in zip(values, found, strict=True):
        for b, y in zip(values, found, strict=True):
            assert (x == y) if a == b else (x <= y if a < b else x >= y)


def test_rfm_scores_each_by_its_own_rank() -> None:
    rows = [(f"c{i:02d}", 1.0 + i, 100.0 - i) for i in range(10) for _ in range(10 - i)]
    table = summarise(orders_of(rows), now=NOW)
    found = rfm(table)
    for scored in (found.recency, found.frequency, found.monetary):  # who came last also came and spent most
        assert scored.tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]


def crowd() -> list[tuple[str, float, float]]:
    """A hundred customers: seventy of the many, ten who spend, ten with large baskets, ten who fell silent."""
    rows = [(f"many{i}", 1 + i / 10, 50.0) for i in range(68)] + [(f"many{i}", 100.0, 50.0) for i in range(68)]
    rows += [(f"loyal{i}", 2 + 9.0 * k, 60.0) for i in range(10) for k in range(10)]
    rows += [(f"big{i}", ago, 220.0) for i in range(10) for ago in (5, 95.0)]
    rows += [(f"asleep{i}", ago, 50.0) for i in range(6) for ago in (20.0 + i, 90.0)]
    rows += [(f"lost{i}", 150.0, 50.0) for i in range(3)]
    return [*rows, *(("sunken", 30 + k, 90.0) for k in range(9)), ("new0", 3, 50.0), ("new1", 12, 900.0)]


def named(rows: list[tuple[str, float, float]], bounds: Bounds | None = None) -> dict[str, str]:
    table = summarise(orders_of(rows), now=NOW)
    groups = grouped(table, table.recency, bounds or Bounds.of(table.recency, table.basket))
    return dict(zip(table.ids.tolist(), groups.tolist(), strict=True))


def test_groups_by_rule() -> None:
    found = named(crowd(), Bounds(silent=15.0, large=200.0))
    kind = {"many": "ordinary", "big": "big_spenders", "sunken": "cannot_lose"}
    for customer, group in found.items():
        name = customer.rstrip("0123456789")
        assert group == kind.get(name, name), customer


def test_who_is_silent_or_buys_much_at_once_is_of_the_tail() -> None:
    bounds = Bounds.of(np.arange(101.0), np.arange(101.0) * 10)
    assert (bounds.silent, bounds.large) == (85.0, 800.0)


def test_a_customer_alone_and_customers_all_alike_are_ordinary() -> None:
    assert named([("one", 40, 5.0)]) == {"one": "ordinary"}
    assert set(named([(f"c{i}", 40, 5.0) for i in range(60)]).values()) == {"ordinary"}


@quiet
@given(st.randoms(use_true_random=False), st.floats(0.01, 100))
def test_groups_know_neither_order_nor_currency(rng: random.Random, rate: float) -> None:
    rows = crowd()
    before = named(rows)
    rng.shuffle(rows)
    assert named([(c, ago, amount * rate) for c, ago, amount in rows]) == before


@quiet
@given(st.integers(0, 60), st.floats(1, 400))
def test_more_silence_never_wakes_anybody(which: int, longer: float) -> None:
    """Of two customers alike, who is silent for longer is in no livelier group."""
    table = summarise(orders_of(crowd()), now=NOW)
    bounds = Bounds.of(table.recency, table.basket)
    quiet_of = table.recency.copy()
    quiet_of[which] += longer
    rank = {"new": 0, "ordinary": 0, "big_spenders": 0, "loyal": 0, "asleep": 1, "cannot_lose": 1, "lost": 2}
    before, after = (rank[str(grouped(table, q, bounds)[which])] for q in (table.recency, quiet_of))
    assert after >= before


def test_abc_is_the_inventory_textbook() -> None:
    """Values 50, 30, 10, 5, 3, 2: the first two reach 80 %, the next two 95 %, the rest is C."""
    assert abc([3, 50, 5, 30, 10, 2]).tolist() == ["C", "A", "B", "A", "B", "C"]
    assert abc([0.0, 0.0]).tolist() == ["C", "C"]
    assert abc([100.0, -5.0]).tolist() == ["A", "C"]
    with pytest.raises(BadNumbers):
        abc([1.0], limits=(0.9, 0.8))


def test_abc_is_the_example_of_heizer_and_render() -> None:
    """Operations Management, example 1 of inventory (Silicon Chips): A to 72 % of the volume, B to 95 %, the rest C."""
    volumes = [90_000, 77_000, 26_350, 15_001, 12_500, 8_502, 1_200, 850, 504, 150]
    assert "".join(abc(volumes, limits=(0.70, 0.95))) == "AABBBCCCCC"


amounts = st.lists(st.integers(-5, 60).map(float), min_size=1, max_size=40)


@quiet
@given(amounts, st.floats(0.01, 1000), st.randoms(use_true_random=False))
def test_abc_knows_neither_order_nor_currency_and_more_is_never_a_worse_letter(
    values: list[float], rate: float, rng: random.Random
) -> None:
    letters = dict(zip(values, abc(values).tolist(), strict=True))
    assert [letters[value] for value in values] == abc(values).tolist()  # of the same value, the same letter
    turned = rng.sample(values, len(values))
    assert abc([value * rate for value in turned]).tolist() == [letters[value] for value in turned]
    ranked = [letters[value] for value in sorted(letters, reverse=True)]
    assert ranked == sorted(ranked)
    assert ranked[0] == ("A" if max(values) > 0 else "C")


def test_rfm_is_the_quintile_of_the_mean_rank() -> None:
    """Hughes 1994: fifths of the ranked list; scipy.stats.rankdata(method="average") ranks what is tied."""
    values = np.random.default_rng(4).integers(0, 40, 200).astype(float)
    ranks = (stats.rankdata(values, method="average") - 0.5) / 200
    assert scores(values, high_is_good=True).tolist() == (np.minimum(4, ranks * 5 // 1) + 1).astype(int).tolist()


orders_drawn = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 200).map(float), st.integers(1, 50).map(float)),
    min_size=1,
    max_size=40,
)


@quiet
@given(orders_drawn, st.sampled_from([0.25, 100.0]), st.randoms(use_true_random=False))
def test_order_and_currency_change_no_table_of_customers(
    rows: list[tuple[str, float, float]], rate: float, rng: random.Random
) -> None:
    def told(listed: list[tuple[str, float, float]], worth: float) -> list[list[object]]:
        orders = orders_of([(who, ago, amount * worth) for who, ago, amount in listed])
        table = summarise(orders, now=NOW)
        ranks = rfm(table)
        return [
            table.ids.tolist(), ranks.recency.tolist(), ranks.frequency.tolist(), ranks.monetary.tolist(),
            xyz(orders, table, now=NOW, period=MONTH, n_periods=6).tolist(),
            life_stage(orders, table, now=NOW, period=MONTH).tolist(), (table.total / worth).tolist(),
        ]  # fmt: skip

    assert told(rng.sample(rows, len(rows)), rate) == told(rows, 1.0)


@quiet
@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.floats(0.1, 1.0), st.floats(0.0, 1.0))
def test_xyz_is_the_coefficient_of_variation_and_a_wider_limit_is_no_worse_letter(
    months: list[int], first: float, more: float
) -> None:
    """scipy.stats.variation(ddof=1) of the sums by month, from the month of the first order on."""
    orders = orders_of([("a", 15 + 30.0 * ago, float(amount)) for ago, amount in enumerate(months)])
    table = summarise(orders, now=NOW)
    limits = (first, first + more + 1e-6)
    (letter,) = xyz(orders, table, now=NOW, period=MONTH, n_periods=6, limits=limits)
    variation = float(stats.variation(months, ddof=1)) if sum(months) and len(months) > 1 else np.inf
    if len(months) < 3:
        assert letter == "-"
    elif min(abs(variation - limit) for limit in limits) > 1e-9:
        assert letter == ("X" if variation <= limits[0] else "Y" if variation <= limits[1] else "Z")
    (wider,) = xyz(orders, table, now=NOW, period=MONTH, n_periods=6, limits=(limits[0] + 0.1, limits[1] + 0.1))
    assert wider <= letter


def test_xyz_by_regularity() -> None:
    rows = [("steady", 15 + 30 * i, 100.0) for i in range(6)]
    rows += [("wave", 15 + 30 * i, 40.0 + 120.0 * (i % 2)) for i in range(6)]
    rows += [("burst", 170, 10.0), ("burst", 15, 900.0)]
    rows += [("young", 3, 10.0)]
    orders = orders_of(rows)
    table = summarise(orders, now=NOW)
    found = dict(zip(table.ids.tolist(), xyz(orders, table, now=NOW, period=MONTH, n_periods=6).tolist(), strict=True))
    assert found == {"steady": "X", "wave": "Y", "burst": "Z", "young": "-"}
    with pytest.raises(BadNumbers):
        xyz(orders, table, now=NOW, period=MONTH, n_periods=2)


def test_life_stages() -> None:
    rows = [("new", 5, 1.0)]
    rows += [("steady", 5 + 15 * i, 1.0) for i in range(12)]
    rows += [("growing", 5 + 10 * i, 1.0) for i in range(6)] + [("growing", 100, 1.0), ("growing", 115, 1.0)]
    rows += [("declining", 20, 1.0), *(("declining", 62 + 10 * i, 1.0) for i in range(5))]
    rows += [("sleeping", 75 + 10 * i, 1.0) for i in range(5)]
    rows += [("lost", 200 + 10 * i, 1.0) for i in range(5)]
    orders = orders_of(rows)
    table = summarise(orders, now=NOW)
    stages = dict(zip(table.ids.tolist(), life_stage(orders, table, now=NOW, period=MONTH).tolist(), strict=True))
    assert stages == {name: name for name in ("new", "steady", "growing", "declining", "sleeping", "lost")}


groups_drawn = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y"]))


@quiet
@given(groups_drawn, groups_drawn)
def test_movement_keeps_everybody_and_turns_round(before: dict[str, str], now: dict[str, str]) -> None:
    moves = movement(before, now)
    for side, held in ((0, before), (1, now)):
        for group in ("x", "y"):
            assert sum(n for step, n in moves.items() if step[side] == group) == list(held.values()).count(group)
    assert movement(now, before) == {(to, since): n for (since, to), n in moves.items()}


def test_movement_counts_everybody_once() -> None:
    moves = movement({"a": "x", "b": "x", "c": "y"}, {"a": "x", "b": "y", "d": "x"})
    assert moves == {("x", "x"): 1, ("x", "y"): 1, ("y", ""): 1, ("", "x"): 1}


def test_columns_must_fit() -> None:
    with pytest.raises(BadNumbers):
        Orders.of(["a"], [NOW, NOW], [1.0])
