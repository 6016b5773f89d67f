"""Answers of people move the bar, in the right direction, by bounded steps, and are forgotten."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from alerts.incident import Verdict
from alerts.series import SeriesKey
from alerts.severity import Scale, Severity, classify, classify_rating, weight
from alerts.verdict import HIGHEST, LOWEST, Answer, shift

NOW = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
HERE = SeriesKey("luna", topic="delivery", location="arbat")


def no(
    series: SeriesKey = HERE, *, days: float = 1, verdict: Verdict = Verdict.REJECTED, signal: str = "negative"
) -> Answer:
    return Answer(series, signal, verdict, NOW - dt.timedelta(days=days))


def test_without_answers_nothing_moves() -> None:
    assert shift(HERE, "negative", [], now=NOW) == 0


def test_rejections_raise_the_bar_and_confirmations_lower_it() -> None:
    once, often = shift(HERE, "negative", [no()], now=NOW), shift(HERE, "negative", [no()] * 5, now=NOW)
    assert 0 < once < often < HIGHEST
    assert LOWEST < shift(HERE, "negative", [no(verdict=Verdict.CONFIRMED)] * 3, now=NOW) < 0
    assert shift(HERE, "negative", [no()] * 500, now=NOW) == HIGHEST
    assert shift(HERE, "negative", [no(verdict=Verdict.CONFIRMED)] * 500, now=NOW) == LOWEST


def test_the_nearer_the_series_the_more_an_answer_weighs() -> None:
    near = [
        HERE,
        SeriesKey("luna", topic="delivery"),
        SeriesKey("luna", source="web"),
        SeriesKey("luna", topic="price"),
    ]
    moved = [shift(HERE, "negative", [no(series)], now=NOW) for series in near]
    assert moved == sorted(moved, reverse=True) and moved[2] > moved[3] == 0
    assert shift(HERE, "negative", [no(SeriesKey("sol"))], now=NOW) == 0
    assert shift(HERE, "rating", [no()], now=NOW) == 0


def test_answers_are_forgotten() -> None:
    moved = [shift(HERE, "negative", [no(days=days)], now=NOW) for days in (0, 90, 900)]
    assert moved[0] > moved[1] > moved[2] and moved[2] < 0.001


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.floats(0, 400)), max_size=30))
def test_one_more_rejection_never_lowers_the_bar(said: list[tuple[Verdict, float]]) -> None:
    answers = [no(days=days, verdict=verdict) for verdict, days in said]
    assert shift(HERE, "negative", [*answers, no()], now=NOW) >= shift(HERE, "negative", answers, now=NOW)


# severity


def test_severity_needs_times_and_size() -> None:
    assert classify(ratio=1.6, n_excess=4) is Severity.INFO
    assert classify(ratio=1.6, n_excess=60) is Severity.WARNING
    assert classify(ratio=5, n_excess=4) is Severity.WARNING
    assert classify(ratio=4, n_excess=20) is Severity.CRITICAL
    assert classify(ratio=1.2, n_excess=1, n_safety=1) is Severity.CRITICAL
    assert classify(ratio=1.2, n_excess=1, n_safety=1, scale=Scale(safety_hits=0)) is Severity.INFO


def test_reach_widens_the_excess() -> None:
    assert classify(ratio=5, n_excess=14) is Severity.WARNING
    assert classify(ratio=5, n_excess=14, reach=90_000) is Severity.CRITICAL


def test_severity_of_a_fall_of_ratings() -> None:
    assert classify_rating(drop=0.3, n=50) is Severity.INFO
    assert classify_rating(drop=0.8, n=50) is Severity.WARNING
    assert classify_rating(drop=1.2, n=50) is Severity.CRITICAL
    assert classify_rating(drop=1.2, n=6) is Severity.WARNING


@given(st.floats(1, 50), st.floats(0, 500), st.floats(0, 1e6), st.floats(1, 3))
def test_more_is_never_less_grave(ratio: float, excess: float, reach: float, more: float) -> None:
    here = classify(ratio=ratio, n_excess=excess, reach=reach)
    assert classify(ratio=ratio * more, n_excess=excess * more, reach=reach * more) >= here
    assert weight(ratio=ratio * more, n_excess=excess * more) >= weight(ratio=ratio, n_excess=excess)
