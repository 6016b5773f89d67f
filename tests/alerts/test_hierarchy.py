"""One story, one finding, at the node it belongs to."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.decision import Decision
from alerts.detector import decide
from alerts.hierarchy import false_discovery, find
from alerts.panel import Panel
from alerts.series import SeriesKey
from alerts.settings import Settings
from tests.alerts.counts import day

BRAND = SeriesKey("cafe")
RIGA = SeriesKey("cafe", location="Riga")
OSLO = SeriesKey("cafe", location="Oslo")
STAFF = SeriesKey("cafe", topic="staff")
RIGA_STAFF = SeriesKey("cafe", topic="staff", location="Riga")
PLACES = ("Riga", "Oslo", "Bern", "Lyon", "Graz", "Turin")
TOPICS = ("staff", "price", "queue", "food")


def said(score: float, observed: float, expected: float, *, alarm: bool | None = None, high: float = 0.0) -> Decision:
    """A decision written by hand."""
    above = score >= 2 if alarm is None else alarm
    return Decision(
        at=day(0), signal="negative", score=score, news=score if above else -1.0, threshold=2.0, alarm=above,
        active=score >= 2, observed=observed, expected=expected, low=0.0, high=high or expected * 1.5,
        ratio=observed / expected, p_value=10**-score, window_steps=1, step_seconds=86_400, since=day(0), total=None,
        expected_total=None, share=None, share_before=None, shifted=0.0, holiday=False, short_history=False,
        missing=False, suspect_zero=False, windows={1: (observed, expected)},
    )  # fmt: skip


def test_a_local_story_is_named_at_the_place() -> None:
    found = find({BRAND: said(2.4, 70, 45), RIGA: said(6.0, 30, 6), OSLO: said(0.1, 6, 6), STAFF: said(0.5, 12, 10)})
    assert [finding.series for finding in found] == [RIGA]
    assert found[0].inhibited == (BRAND,) and found[0].excess == 24


def test_a_dispersed_story_is_named_at_the_parent_with_its_drivers() -> None:
    parts = {SeriesKey("cafe", location=name): said(0.8, 12, 7) for name in PLACES}
    (finding,) = find({BRAND: said(5.0, 75, 43), **parts})
    assert finding.series == BRAND and len(finding.drivers) == len(PLACES)
    assert finding.drivers[0].excess == 5 and finding.drivers[0].share == pytest.approx(5 / 32)


def test_two_places_at_once_are_two_stories() -> None:
    found = find({BRAND: said(4.0, 85, 45, high=60), RIGA: said(5.0, 26, 6), OSLO: said(5.5, 28, 6)})
    assert [finding.series for finding in found] == [OSLO, RIGA]


def test_the_smallest_node_with_most_of_the_excess_wins() -> None:
    found = find({RIGA: said(6.0, 30, 6), RIGA_STAFF: said(5.8, 22, 2), STAFF: said(4.0, 40, 20)})
    assert [finding.series for finding in found] == [RIGA_STAFF]


def test_an_open_story_inhibits_its_relatives_even_when_quiet() -> None:
    decisions = {BRAND: said(2.5, 65, 45, high=58), RIGA: said(0.2, 7, 6, alarm=False), RIGA_STAFF: said(2.2, 6, 1)}
    assert [f.series for f in find(decisions, open_series=[RIGA])] == [BRAND]
    del decisions[BRAND]
    assert find(decisions, open_series=[RIGA]) == []
    assert [f.series for f in find(decisions)] == [RIGA_STAFF]


def test_an_open_story_keeps_giving_findings_until_it_fades() -> None:
    assert [f.series for f in find({RIGA: said(1.2, 12, 6, alarm=False)}, open_series=[RIGA])] == [RIGA]
    assert find({RIGA: said(0.8, 9, 6, alarm=False)}, open_series=[RIGA]) == []


def test_a_grown_story_says_what_it_widens() -> None:
    decisions = {BRAND: said(7.0, 100, 45), RIGA: said(4.0, 24, 6)}
    grown = next(f for f in find(decisions, open_series=[RIGA]) if f.series == BRAND)
    assert grown.widens == (RIGA,)
    small = {BRAND: said(7.0, 100, 45), RIGA: said(2.0, 9, 6)}
    other = next(f for f in find(small, open_series=[RIGA]) if f.series == BRAND)
    assert other.widens == (), "a small old story inside is another story"


def test_a_story_inside_takes_over_when_it_holds_nearly_all() -> None:
    decisions = {BRAND: said(5.0, 70, 45), RIGA: said(7.0, 29, 6), OSLO: said(2.1, 10, 6)}
    found = find(decisions, open_series=[BRAND])
    assert [(f.series, f.widens) for f in found] == [(RIGA, (BRAND,))]
    quieter = {BRAND: said(8.0, 70, 45), RIGA: said(7.0, 29, 6)}
    assert [f.series for f in find(quieter, open_series=[BRAND])] == [BRAND]


def test_no_alarm_no_finding() -> None:
    assert find({}) == []
    assert find({BRAND: said(1.9, 60, 45), RIGA: said(5.0, 26, 6, alarm=False)}) == []


def test_false_discovery_by_hand() -> None:
    # n = 4, q = 0.1: the k-th highest needs 10 ** score >= 40 / k, so 1.602, 1.301, 1.125, 1.0
    keys = [SeriesKey("cafe", topic=name) for name in TOPICS]
    decisions = {key: said(score, 10, 5) for key, score in zip(keys, (1.5, 1.4, 1.0, 0.2), strict=True)}
    assert false_discovery(decisions, 0.1) == set(keys[:2])
    assert false_discovery({key: said(1.05, 10, 5) for key in keys}, 0.1) == set(keys)
    assert false_discovery({key: said(0.9, 10, 5) for key in keys}, 0.1) == set()
    assert find({keys[0]: said(2.1, 20, 5), **{key: said(0.0, 5, 5) for key in keys[1:]}}, q=0.01) == []


def watch(planted: SeriesKey, size: int, seed: int) -> list[SeriesKey]:
    """The stories of the day on which `size` negatives are added to a node of a simulated brand."""
    rng = np.random.default_rng(seed)
    keys = [BRAND, *(SeriesKey("cafe", location=p) for p in PLACES), *(SeriesKey("cafe", topic=t) for t in TOPICS)]
    keys += [SeriesKey("cafe", topic=t, location=p) for p in PLACES for t in TOPICS]
    panel, ones = Panel(len(keys), Settings(false_alarms_per_week=0.1, n_series=len(keys))), np.ones(len(keys))
    for n in range(60):
        negative = rng.poisson(1.0, (len(PLACES), len(TOPICS)))
        others = rng.poisson(4.0, (len(PLACES), len(TOPICS)))
        if n == 59:
            inside = np.array(
                [[planted.covers(SeriesKey("cafe", topic=t, location=p)) for t in TOPICS] for p in PLACES], dtype=float
            )
            negative = negative + rng.multinomial(size, (inside / inside.sum()).ravel()).reshape(negative.shape)
        sums = []
        for cells in (negative, others):
            sums.append(
                np.concatenate([[cells.sum()], cells.sum(axis=1), cells.sum(axis=0), cells.ravel()]).astype(float)
            )
        verdicts = panel.tick(sums[0], sums[1], ones, weekday=ones * (n % 7), hour=ones * 0, holiday=ones * 0)
    decisions = {key: decide(panel, verdicts, index, at=day(59)) for index, key in enumerate(keys)}
    return [finding.series for finding in find(decisions)]


@pytest.mark.parametrize(
    ("planted", "size"), [(BRAND, 45), (RIGA, 25), (STAFF, 30), (RIGA_STAFF, 14), (SeriesKey("cafe", topic="food"), 30)]
)
def test_the_planted_node_is_named(planted: SeriesKey, size: int) -> None:
    right = sum(watch(planted, size, seed) == [planted] for seed in range(5))
    assert right >= 4


names = st.one_of(st.none(), st.sampled_from(["a", "b", "c/d=e", "с пробелом", "%2F"]))
keys = st.builds(SeriesKey, st.sampled_from(["x", "y y"]), source=names, topic=names, location=names, language=names)


@given(keys)
@settings(deadline=None)
def test_a_key_reads_back_what_it_writes(key: SeriesKey) -> None:
    assert SeriesKey.parse(key.text()) == key


@given(keys, keys)
@settings(deadline=None)
def test_covering_is_an_order_that_parents_follow(one: SeriesKey, two: SeriesKey) -> None:
    assert one.covers(one) and all(parent.covers(one) for parent in one.parents())
    assert one.covers(two) == (one == two or one in set(two.ancestors()))
    if one.covers(two):
        assert one.overlaps(two) and two.overlaps(one)
        assert not two.covers(one) or one == two


@given(st.dictionaries(keys, st.tuples(st.floats(-2, 9), st.integers(1, 60), st.integers(1, 30)), max_size=12))
@settings(deadline=None, max_examples=30)
def test_stories_never_nest(values: dict[SeriesKey, tuple[float, int, int]]) -> None:
    decisions = {
        key: said(score, observed, expected, alarm=score >= 2 and observed > expected)
        for key, (score, observed, expected) in values.items()
    }
    stories = [finding.series for finding in find(decisions)]
    assert len(stories) == len(set(stories))
    for place, story in enumerate(stories):
        assert decisions[story].alarm
        assert not any(
            other.covers(story) and decisions[other].score >= decisions[story].score for other in stories[:place]
        )
    if any(decision.alarm for decision in decisions.values()):
        assert stories


def test_a_finding_repeats_the_numbers_of_its_decision() -> None:
    decision = said(3.0, 18, 4)
    (finding,) = find({RIGA: decision})
    assert (finding.at, finding.since) == (day(0), day(0)) and finding.at.tzinfo is dt.UTC
    assert (finding.observed, finding.expected, finding.excess, finding.ratio) == (18, 4, 14, 4.5)
    assert (finding.low, finding.high, finding.score, finding.signal) == (0.0, 6.0, 3.0, "negative")
