"""The detector of one series: what it must find, what it must let pass, and that it never sees the future."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.decision import interval
from alerts.detector import Detector, _variance, decide, detect
from alerts.errors import BadRule
from alerts.panel import Panel
from alerts.series import Row
from alerts.settings import Settings
from tests.alerts.counts import MONDAY, day, feed, usual

counts = st.one_of(st.none(), st.integers(0, 40))


def rows_of(values: list[tuple[int | None, int]]) -> list[Row]:
    return [
        Row(day(n), None, None) if negative is None else Row(day(n), negative, negative + others)
        for n, (negative, others) in enumerate(values)
    ]


def test_a_spike_alarms_once_and_names_its_numbers() -> None:
    detector = Detector()
    before = feed(detector, usual(60))
    assert not any(decision.alarm for decision in before[21:])
    spike = detector.update(Row(day(60), 30, 60))
    assert spike.alarm and spike.active
    assert (spike.observed, spike.window_steps, spike.since) == (30, 1, day(60))
    assert 4 < spike.expected < 10 and spike.low < spike.expected < spike.high < 30
    assert spike.p_value < 1e-4 and spike.ratio == pytest.approx(30 / spike.expected)
    assert spike.share == 0.5 and spike.share_before == pytest.approx(0.2, abs=0.03)
    after = detector.update(Row(day(61), 6, 30))
    assert not after.alarm, "the same spike is no news the day after"


def test_no_number_that_is_told_lies_within_what_is_called_usual() -> None:
    rng = np.random.default_rng(4)
    n = 300
    level = np.exp(rng.uniform(np.log(0.2), np.log(20), n))
    panel, ones = Panel(n), np.ones(n)
    told = doubtful = 0
    for step in range(16):
        mean = level * rng.gamma(3, 1 / 3, n) * np.where((step > 9) & (np.arange(n) % 2 == 0), 3.0, 1.0)
        verdicts = panel.tick(
            rng.poisson(mean).astype(float), rng.poisson(4 * level).astype(float), ones,
            weekday=ones * (step % 7), hour=ones * 0, holiday=ones * 0,
        )  # fmt: skip
        for index in np.flatnonzero(verdicts.enough & (verdicts.score > 1)):
            decision = decide(panel, verdicts, int(index), at=day(step))
            if decision.active:
                told += 1
                assert math.floor(decision.expected) <= decision.high < decision.observed
                band = interval(decision.expected, _variance(panel.state, int(index), decision.window_steps))
                doubtful += decision.observed <= band[1]
    assert told > 40 and doubtful > 5, "after two weeks the interval alone would hold many of them"


def test_a_slow_rise_is_found_over_several_days() -> None:
    detector = Detector()
    feed(detector, usual(60))
    decisions = feed(detector, [Row(day(60 + n), 11 + n, 41 + n) for n in range(6)])
    assert any(decision.alarm for decision in decisions)
    assert max(decision.window_steps for decision in decisions if decision.active) > 1


def test_an_ordinary_year_stays_within_the_promise() -> None:
    alarms = weeks = 0
    for seed in range(6):
        decisions = feed(Detector(), usual(200, level=[0.3, 1.0, 4.0, 8.0, 20.0, 60.0][seed], seed=seed))
        alarms += sum(decision.alarm for decision in decisions[28:])
        weeks += (200 - 28) / 7
    assert alarms <= 2 * weeks / 20, "promised: one in 20 series-weeks"


def test_a_campaign_does_not_alarm_and_is_named() -> None:
    detector = Detector()
    feed(detector, usual(60))
    decisions = feed(detector, [Row(day(60 + n), 18, 90) for n in range(3)])
    assert not any(decision.alarm for decision in decisions)
    assert decisions[-1].shifted > 0.5 and "campaign" in decisions[-1].confounders


def test_more_negatives_among_fewer_mentions_alarm() -> None:
    detector = Detector()
    feed(detector, usual(60))
    decisions = feed(detector, [Row(day(60 + n), 8, 16) for n in range(6)])
    assert any(decision.alarm for decision in decisions)


def test_missing_is_not_zero() -> None:
    seen, gap, zeros = Detector(), Detector(), Detector()
    for detector in (seen, gap, zeros):
        feed(detector, usual(60))
    feed(gap, [Row(day(60 + n), None, None) for n in range(7)])
    outage = feed(zeros, [Row(day(60 + n), 0, 0) for n in range(7)])
    assert outage[-1].suspect_zero and "gap" in outage[-1].confounders
    today = [detector.update(Row(day(67), 6, 30)) for detector in (gap, zeros)]
    expected = feed(seen, usual(68)[60:])[-1].expected
    for decision in today:
        assert not decision.alarm
        assert decision.windows[1][1] == pytest.approx(expected, rel=0.5)


def test_half_a_day_collected_halves_the_expectation() -> None:
    whole, half = Detector(), Detector()
    for detector in (whole, half):
        feed(detector, usual(60))
    full = whole.update(Row(day(60), 6, 30)).windows[1][1]
    part = half.update(Row(day(60), 3, 15, coverage=0.5)).windows[1][1]
    assert part == pytest.approx(full / 2, rel=0.1)


def test_a_missing_row_decides_nothing() -> None:
    decision = Detector().update(Row(day(0), None, None))
    assert decision.missing and not decision.alarm and decision.score == -math.inf


def test_a_skipped_day_is_a_missing_day() -> None:
    told, skipped = Detector(), Detector()
    rows = usual(50)
    feed(told, [*rows[:40], Row(day(40), None, None), Row(day(41), None, None), *rows[42:]])
    feed(skipped, [*rows[:40], *rows[42:]])
    assert told.to_state() == skipped.to_state()


def test_a_long_gap_forgets_but_does_not_loop() -> None:
    detector = Detector()
    feed(detector, usual(60))
    decision = detector.update(Row(day(60 + 3000), 7, 35))
    assert not decision.alarm and decision.windows[1][1] < 60


def test_late_mentions_raise_an_alarm_for_a_past_day() -> None:
    detector = Detector()
    feed(detector, usual(60))
    feed(detector, [Row(day(60), 5, 26), Row(day(61), 6, 30)])
    late = detector.update(Row(day(60), 34, 55))
    assert late.active and late.at == day(61) and late.since <= day(60)


def test_a_backfill_is_never_news() -> None:
    detector = Detector()
    feed(detector, usual(60))
    before = detector.to_state()
    decision = detector.update(Row(day(40), 500, 900))
    assert decision.ignored and not decision.alarm
    assert detector.to_state() == before


def test_a_new_normal_is_learned_after_two_weeks() -> None:
    detector = Detector()
    feed(detector, usual(60))
    higher = feed(
        detector, [replace(row, at=day(60 + n)) for n, row in enumerate(usual(90, level=18, share=0.43, seed=5))]
    )
    assert any(decision.alarm for decision in higher[:7])
    assert not any(decision.active for decision in higher[60:])
    assert higher[-1].windows[1][1] > 9


def test_few_or_one_author_is_not_enough() -> None:
    detector = Detector(Settings(min_negative=3, min_authors=2))
    feed(detector, [Row(day(n), 0, 1) for n in range(60)])
    state = detector.to_state()
    one_voice = Detector.from_state(state).update(Row(day(60), 6, 7, n_authors=1))
    assert one_voice.score >= one_voice.threshold and not one_voice.alarm
    assert Detector.from_state(state).update(Row(day(60), 6, 7, n_authors=5)).alarm
    assert not Detector.from_state(state).update(Row(day(60), 2, 3)).alarm


def test_short_history_is_said_and_alarms_little() -> None:
    decisions = feed(Detector(), usual(10, level=5))
    assert all(decision.short_history for decision in decisions)
    assert not any(decision.alarm for decision in decisions)


def test_a_level_from_the_parent_starts_a_new_series() -> None:
    told, untold = Detector(level=0.5, weight_of_level=5.0), Detector()
    spike = Row(day(0), 9, 20)
    assert told.update(spike).score > untold.update(spike).score
    with pytest.raises(BadRule, match="level=0"):
        Detector(level=0.0)


def test_a_holiday_makes_volume_uncertain() -> None:
    free, plain = Detector(holidays=[day(60).date()]), Detector()
    for detector in (free, plain):
        feed(detector, usual(60, level=20))
    row = Row(day(60), 34, 170)
    assert free.update(row).score < plain.update(row).score
    assert Detector(Settings(countries=("DE",))).calendar.holiday(dt.date(2025, 10, 3))


def test_times_with_and_without_zone_do_not_mix() -> None:
    detector = Detector()
    detector.update(Row(MONDAY, 1, 5))
    with pytest.raises(BadRule, match="zone"):
        detector.update(Row(dt.datetime(2025, 3, 4), 1, 5))  # noqa: DTZ001


def test_hourly_rows_learn_the_hours_of_the_day() -> None:
    rng = np.random.default_rng(3)
    detector = Detector(Settings(step_seconds=3600))
    alarms = 0
    for n in range(24 * 42):
        at = MONDAY + dt.timedelta(hours=n)
        mean = 4.0 if 8 <= at.hour < 22 else 0.3
        negative = int(rng.poisson(mean))
        decision = detector.update(Row(at, negative, negative + int(rng.poisson(4 * mean))))
        alarms += decision.alarm and n > 24 * 14
    night = detector.update(Row(MONDAY + dt.timedelta(days=42, hours=3), 12, 15))
    assert alarms <= 2
    assert night.windows[1][1] < 1.0 and night.alarm


@given(st.lists(st.tuples(counts, st.integers(0, 80)), min_size=8, max_size=30), st.data())
@settings(max_examples=20, deadline=None)
def test_no_decision_depends_on_later_rows(values: list[tuple[int | None, int]], data: st.DataObject) -> None:
    rows = rows_of(values)
    whole = detect(rows)
    cut = data.draw(st.integers(1, len(rows)))
    assert detect(rows[:cut]) == whole[:cut]


@given(st.lists(st.tuples(counts, st.integers(0, 80)), min_size=2, max_size=30), st.data())
@settings(max_examples=20, deadline=None)
def test_a_stored_state_goes_on_as_if_nothing_happened(
    values: list[tuple[int | None, int]], data: st.DataObject
) -> None:
    rows = rows_of(values)
    cut = data.draw(st.integers(1, len(rows) - 1))
    whole = Detector()
    expected = feed(whole, rows)[cut:]
    first = Detector()
    feed(first, rows[:cut])
    second = Detector.from_state(json.loads(json.dumps(first.to_state())))
    for one, other in zip(feed(second, rows[cut:]), expected, strict=True):
        assert one.alarm == other.alarm and one.since == other.since
        assert one.score == pytest.approx(other.score, abs=1e-5)


@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 3.0, 10.0, 40.0]), st.floats(0.6, 1.7))
@settings(max_examples=15, deadline=None)
def test_more_negatives_do_not_lower_the_score(seed: int, level: float, volume: float) -> None:
    """With a usual number of other mentions. (Where nearly all others are missing, a few negatives may say more than
    the usual number of them: then only the others vanished.)"""
    detector = Detector()
    feed(detector, usual(30, level=level, seed=seed))
    counts = np.arange(1, int(10 * level) + 60, dtype=float)
    panel = Panel(len(counts))
    for index in range(len(counts)):
        panel.state.load(index, detector.to_state())
    where = np.full(len(counts), float(day(30).weekday()))
    others = np.full(len(counts), round(4 * level * volume))
    verdicts = panel.tick(counts, others, where * 0 + 1, weekday=where, hour=where * 0, holiday=where * 0)
    # Between two explanations the score may dip a little; it never falls back.
    assert (np.diff(verdicts.score) >= -0.15).all()
    assert (verdicts.score >= np.maximum.accumulate(verdicts.score) - 0.3).all()
    assert verdicts.score[-1] > 3


def test_a_panel_is_many_detectors() -> None:
    series = [usual(40, level=level, seed=n) for n, level in enumerate((0.2, 2.0, 9.0, 50.0))]
    series[1][20] = Row(day(20), None, None)
    series[2][39] = Row(day(39), 60, 90)
    panel = Panel(len(series))
    for n in range(40):
        rows = [one[n] for one in series]
        negative = np.array([float(row.negative or 0) for row in rows])
        others = np.array([float((row.total or 0) - (row.negative or 0)) for row in rows])
        here = np.array([0.0 if row.missing else 1.0 for row in rows])
        where = np.full(len(rows), float(day(n).weekday()))
        verdicts = panel.tick(negative, others, here, weekday=where, hour=where * 0, holiday=where * 0)
    for index, rows in enumerate(series):
        alone = feed(Detector(), rows)[-1]
        together = decide(panel, verdicts, index, at=day(39))
        assert together.alarm == alone.alarm == (index == 2)
        assert together.score == pytest.approx(alone.score, rel=0.02), "but for what its neighbours' near misses show"


def test_detect_returns_a_decision_for_each_row() -> None:
    rows = [(row.at, row.negative, row.total) for row in usual(40)]
    rows[20] = (rows[20][0], None, None)
    rows.append((day(40), 40, 80))
    result = detect(rows, {"step_seconds": 86_400, "holidays": []})
    assert [at for at, _, _ in result] == [row[0] for row in rows]
    assert result[20][1] == -math.inf
    assert [n for n, (_, _, alarm) in enumerate(result) if alarm and n > 14] == [40]
    assert detect([]) == []


def test_a_state_of_another_version_is_refused() -> None:
    detector = Detector()
    detector.update(Row(day(0), 1, 3))
    state = detector.to_state()
    with pytest.raises(BadRule, match="version"):
        Detector.from_state({**state, "version": 0})
    with pytest.raises(BadRule, match="grid"):
        Detector.from_state({**state, "grid": [1.0]})
    with pytest.raises(BadRule, match="step_seconds"):
        Detector.from_state(state, Settings(step_seconds=3600))


def test_the_state_does_not_grow() -> None:
    detector = Detector()
    feed(detector, usual(30))
    small = len(detector.to_state()["grid"]), sum(len(v) for v in detector.to_state().values() if isinstance(v, list))
    feed(detector, [replace(row, at=day(30 + n)) for n, row in enumerate(usual(300))])
    assert sum(len(v) for v in detector.to_state().values() if isinstance(v, list)) == small[1]


def test_on_the_shared_benchmark(shared) -> None:  # type: ignore[no-untyped-def]
    """A few series of the benchmark's own generator: the contract, and the share of outbreaks that is found."""
    sys.path.insert(0, str(shared / "bench" / "alerts"))
    try:
        import simulate
    finally:
        sys.path.pop(0)
    found = false = 0
    weeks = 0.0
    for scenario in range(0, 60, 3):
        series = simulate.make_series(99, 1, scenario, 0)
        result = detect(series.rows, {"step_seconds": 86_400, "holidays": series.holidays})
        assert len(result) == len(series.rows)
        found += any(alarm for _, _, alarm in result[series.start : series.end + 1])
        clean = [*range(series.eval_start, series.start), *range(series.end + 8, len(series.rows))]
        false += sum(result[n][2] for n in clean)
        weeks += len(clean) / 7
    assert found >= 12, "of 20"
    assert false <= 0.12 * weeks
