"""Weak steps, lost customers, and rivals topic by topic."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.metrics.journey import LEAST, journey, losses, versus
from monitor.metrics.sentiment import Tally

quiet = settings(max_examples=25, deadline=None, derandomize=True)
tallies = st.dictionaries(
    st.sampled_from("abcdef"), st.builds(Tally, *(st.integers(0, 60) for _ in range(3))), max_size=6
)


@quiet
@given(tallies, tallies, st.integers(1, 3), st.randoms(use_true_random=False))
def test_steps_share_all_complaints_and_know_no_order(
    now: dict[str, Tally], before: dict[str, Tally], n_weak: int, rng: random.Random
) -> None:
    steps = {step.key: step for step in journey(now, before=before, n_weak=n_weak)}
    turned = dict(rng.sample(sorted(now.items()), len(now)))
    assert {step.key: step for step in journey(turned, before=before, n_weak=n_weak)} == steps
    assert sum(step.weak for step in steps.values()) <= n_weak
    complaints = sum(tally.n_negative for tally in now.values())
    for step in steps.values():
        assert step.burden.value in (None, pytest.approx(step.tally.n_negative / max(1, complaints)))
        assert not step.weak or (step.against_rest is not None and step.against_rest.high < 0)
        if step.change is not None and step.change_interval is not None:
            assert -200 <= step.change_interval.low <= step.change <= step.change_interval.high <= 200


@quiet
@given(tallies, st.data())
def test_one_complaint_more_never_makes_a_step_better(now: dict[str, Tally], data: st.DataObject) -> None:
    now["a"] = data.draw(st.builds(Tally, *(st.integers(5, 60) for _ in range(3))))
    worse = now | {"a": now["a"] + Tally(1)}
    one, other = (next(step for step in journey(tallies) if step.key == "a") for tallies in (now, worse))
    assert one.net.value is not None and other.net.value is not None and other.net.value < one.net.value
    assert one.burden.value is None or other.burden.value is None or other.burden.value >= one.burden.value
    if one.against_rest is not None and other.against_rest is not None:
        assert other.against_rest.high <= one.against_rest.high


@quiet
@given(
    st.dictionaries(st.sampled_from("abc"), st.lists(st.booleans(), max_size=40)),
    st.lists(st.booleans(), max_size=60),
    st.randoms(use_true_random=False),
)
def test_losses_stay_in_bounds_the_worst_first_in_any_order(
    complained: dict[str, list[bool]], others: list[bool], rng: random.Random
) -> None:
    found = losses(complained, others)
    assert {loss.key for loss in found} == {
        key for key, back in complained.items() if len(back) >= LEAST and len(others) >= LEAST
    }
    gaps = [(loss.returned.value or 0.0) - loss.returned_elsewhere for loss in found]
    assert gaps == sorted(gaps)
    for loss, gap in zip(found, gaps, strict=True):
        assert -1 <= loss.difference.low <= gap + 1e-12 and gap - 1e-12 <= loss.difference.high <= 1
        assert not loss.clear or loss.difference.clear
    turned = {key: rng.sample(back, len(back)) for key, back in reversed(list(complained.items()))}
    assert losses(turned, rng.sample(others, len(others))) == found


@quiet
@given(tallies, tallies)
def test_against_a_rival_is_the_mirror_of_the_rival_against_us(own: dict[str, Tally], other: dict[str, Tally]) -> None:
    ours = {row.topic: row for row in versus(own, other)}
    theirs = {row.topic: row for row in versus(other, own)}
    assert ours.keys() == theirs.keys()
    for topic, row in ours.items():
        assert row.difference == pytest.approx(-theirs[topic].difference)
        assert row.interval.low == pytest.approx(-theirs[topic].interval.high)
        assert row.interval.low - 1e-9 <= row.difference <= row.interval.high + 1e-9


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
