"""Weak steps, lost customers, and rivals topic by topic."""

from __future__ import annotations

import pytest

from monitor.metrics.journey import journey, losses, versus
from monitor.metrics.sentiment import Tally


def test_the_weak_step_is_marked_and_the_large_one_is_not() -> None:
    steps = {
        step.key: step
        for step in journey({"purchase": Tally(60, 40, 200), "delivery": Tally(40, 5, 5), "use": Tally(3, 1, 4)})
    }
    assert [key for key, step in steps.items() if step.weak] == ["delivery"]
    assert steps["delivery"].burden.value == pytest.approx(40 / 103)
    assert steps["use"].net.value is None
    assert steps["use"].against_rest is None
    assert steps["purchase"].against_rest is not None
    assert steps["purchase"].against_rest.low > 0


def test_at_most_so_many_are_marked_and_even_steps_are_not() -> None:
    many = {f"s{i}": Tally(60, 10, 5) for i in range(4)} | {"good": Tally(5, 50, 900)}
    assert sum(step.weak for step in journey(many, n_weak=2)) == 2
    even = {key: Tally(20, 20, 30) for key in ("a", "b", "c")}
    assert not any(step.weak for step in journey(even))


def test_change_needs_both_periods() -> None:
    (step,) = journey({"use": Tally(5, 5, 50)}, before={"use": Tally(30, 5, 25)})
    assert step.change == pytest.approx(100 * 45 / 60 + 100 * 5 / 60)
    assert step.change_interval is not None
    assert step.change_interval.clear
    (alone,) = journey({"use": Tally(5, 5, 50)}, before={"use": Tally(3, 0, 2)})
    assert alone.change is None


def test_where_customers_are_lost() -> None:
    others = [True] * 60 + [False] * 40
    found = losses(
        {"delivery": [True] * 6 + [False] * 34, "price": [True] * 24 + [False] * 16, "few": [False] * 5}, others
    )
    assert [loss.key for loss in found] == ["delivery", "price"]
    assert found[0].clear
    assert found[0].difference.high < 0
    assert not found[1].clear
    assert losses({}, others) == []
    assert losses({"a": [True] * 20}, []) == []


def test_what_they_are_praised_for_and_we_are_blamed_for() -> None:
    own = {"staff": Tally(40, 5, 10), "price": Tally(20, 10, 20), "only_ours": Tally(30, 0, 0), "few": Tally(1, 1, 1)}
    other = {"staff": Tally(5, 5, 60), "price": Tally(21, 10, 20), "few": Tally(30, 1, 1)}
    rows = versus(own, other)
    assert [row.topic for row in rows] == ["staff", "price"]
    assert rows[0].interval.high < 0
    assert not rows[1].interval.clear
    assert versus({}, {}) == []
