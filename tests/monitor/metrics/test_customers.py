"""Customer tables by hand: RFM, ABC, XYZ, stages, movement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.customers import Orders, abc, life_stage, movement, rfm, scores, summarise, xyz
from monitor.metrics.metric import BadNumbers

quiet = settings(max_examples=60, deadline=None, derandomize=True)
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


def test_rfm_groups() -> None:
    rows = [(f"champion{i}", 1 + i, 100.0) for i in range(4) for _ in range(9)]
    rows += [(f"sunken{i}", 300 + i, 90.0) for i in range(4) for _ in range(8)]
    rows += [(f"new{i}", 2 + i, 5.0) for i in range(4)]
    rows += [(f"fresh{i}", 10 + i, 50.0) for i in range(14) for _ in range(3)]
    rows += [(f"lost{i}", 400 + i, 6.0) for i in range(4)]
    table = summarise(orders_of(rows), now=NOW)
    groups = dict(zip(table.ids.tolist(), rfm(table).group.tolist(), strict=True))
    assert groups["champion0"] == "champions"
    assert groups["sunken0"] == "cannot_lose"
    assert groups["lost3"] == "lost"
    assert groups["new0"] == "new"


def test_abc_is_the_inventory_textbook() -> None:
    """Values 50, 30, 10, 5, 3, 2: the first two reach 80 %, the next two 95 %, the rest is C."""
    assert abc([3, 50, 5, 30, 10, 2]).tolist() == ["C", "A", "B", "A", "B", "C"]
    assert abc([0.0, 0.0]).tolist() == ["C", "C"]
    assert abc([100.0, -5.0]).tolist() == ["A", "C"]
    with pytest.raises(BadNumbers):
        abc([1.0], limits=(0.9, 0.8))


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


def test_movement_counts_everybody_once() -> None:
    moves = movement({"a": "x", "b": "x", "c": "y"}, {"a": "x", "b": "y", "d": "x"})
    assert moves == {("x", "x"): 1, ("x", "y"): 1, ("y", ""): 1, ("", "x"): 1}


def test_columns_must_fit() -> None:
    with pytest.raises(BadNumbers):
        Orders.of(["a"], [NOW, NOW], [1.0])
