"""The signals beside negative counts: bursts of volume, mean rating, mix of topics, silent sources, late arrival."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.bursts import VolumeDetector
from alerts.delay import arrival_curve, by_hour, known_share
from alerts.detector import Detector, detect
from alerts.errors import BadRule
from alerts.phase import Calendar
from alerts.quiet import QuietDetector
from alerts.ratings import RatingDetector
from alerts.series import Row, SeriesKey
from alerts.settings import Settings
from alerts.topics import fade, topic_shift
from tests.alerts.counts import MONDAY, day

HOURLY = Settings(step_seconds=3600)


def hour(n: int) -> dt.datetime:
    return MONDAY + dt.timedelta(hours=n)


def bursty(n_hours: int, seed: int) -> list[Row]:
    """Hourly volume with heavy tails: log-normal hours and a burst of some hours now and then."""
    rng = np.random.default_rng(seed)
    mean = 60 * np.exp(0.4 * rng.standard_normal(n_hours))
    for start in np.flatnonzero(rng.random(n_hours) < 0.02):
        mean[start:] += 60 * min(8.0, rng.pareto(2.0)) * np.exp(-np.arange(n_hours - start) / 3)
    return [Row(hour(n), int(rng.poisson(m)), None) for n, m in enumerate(mean)]


def test_a_burst_is_news_when_it_begins() -> None:
    detector = VolumeDetector(HOURLY)
    rows = bursty(24 * 30, 1)
    usual = [detector.update(row) for row in rows]
    assert sum(decision.alarm for decision in usual[24 * 7 :]) <= 2
    first = detector.update(Row(hour(24 * 30), 2500, None))
    second = detector.update(Row(hour(24 * 30 + 1), 2300, None))
    assert first.alarm and first.signal == "volume" and first.expected < first.high < 2500
    assert second.active and not second.alarm


def test_heavy_tails_are_no_alarm_where_thin_ones_would_be() -> None:
    alarms = thin = 0
    for seed in range(4):
        rows = bursty(24 * 30, seed)
        alarms += sum(alarm for _, _, alarm in detect([(r.at, r.negative, None) for r in rows])[24 * 7 :])
        values = np.array([float(r.negative or 0) for r in rows])
        thin += int((values[24 * 7 :] > values.mean() + 3 * math.sqrt(values.mean())).sum())
    assert alarms <= 4 < 100 < thin


def test_bursts_of_the_past_make_the_next_less_of_an_alarm() -> None:
    detector = VolumeDetector(HOURLY)
    for n in range(24 * 40):
        detector.update(Row(hour(n), 400 if n > 96 and n % 96 < 5 else 60 + n % 7, None))
    state = detector.to_state()
    assert 6.5 < state["n_bursts"] < 9  # nine of five hours each, one by one, the old ones fading
    blank = VolumeDetector.from_state({**state, "n_bursts": 0.0, "log_sizes": 0.0}, HOURLY)
    row = Row(hour(24 * 40 + 30), 500, None)
    assert detector.update(row).score < blank.update(row).score - 0.1


def volume_case() -> tuple[VolumeDetector, type[VolumeDetector], list[Row]]:
    return VolumeDetector(HOURLY), VolumeDetector, bursty(200, 3)


def rating_case() -> tuple[RatingDetector, type[RatingDetector], list[Row]]:
    return RatingDetector(), RatingDetector, [stars(n, n % 5 + 1.0, 6) for n in range(60)]


def quiet_case() -> tuple[QuietDetector, type[QuietDetector], list[Row]]:
    return QuietDetector(), QuietDetector, [Row(day(n), 0, 5 if n % 9 < 6 else 0) for n in range(60)]


@pytest.mark.parametrize("case", [volume_case, rating_case, quiet_case])
def test_stored_states_go_on(case) -> None:  # type: ignore[no-untyped-def]
    whole, kind, rows = case()
    expected = [whole.update(row) for row in rows]
    first = case()[0]
    for row in rows[:31]:
        first.update(row)
    second = kind.from_state(json.loads(json.dumps(first.to_state())), whole.settings)
    assert [second.update(row) for row in rows[31:]] == expected[31:]
    with pytest.raises(BadRule):
        kind.from_state({**first.to_state(), "kind": "else"}, whole.settings)


def stars(n: int, mean: float, count: int) -> Row:
    return Row(day(n), 0, count, rating_sum=mean * count, n_ratings=count)


def test_a_drop_of_the_mean_rating() -> None:
    detector = RatingDetector()
    rng = np.random.default_rng(2)
    usual = [detector.update(stars(n, float(rng.choice([4.2, 4.5, 4.4, 4.1])), 12)) for n in range(60)]
    assert not any(decision.alarm for decision in usual[20:])
    drop = detector.update(stars(60, 2.9, 12))
    assert drop.alarm and drop.signal == "rating"
    assert drop.observed == pytest.approx(2.9) and drop.expected == pytest.approx(4.3, abs=0.1)
    assert not detector.update(stars(61, 4.4, 12)).alarm


def test_few_ratings_or_small_drops_say_nothing() -> None:
    few, small = RatingDetector(), RatingDetector()
    for n in range(60):
        few.update(stars(n, 4.5, 1) if n % 3 == 0 else Row(day(n), 0, 0))
        small.update(stars(n, 4.5, 400))
    assert not few.update(stars(60, 1.0, 2)).alarm
    assert not small.update(stars(60, 4.3, 400)).alarm
    assert few.update(Row(day(61), None, None)).missing


def test_a_slow_decline_is_seen_over_several_days() -> None:
    detector = RatingDetector()
    rng = np.random.default_rng(4)
    for n in range(60):
        detector.update(stars(n, float(np.clip(4.3 + 0.3 * rng.standard_normal(), 1, 5)), 4))
    decisions = [detector.update(stars(60 + n, 3.1, 4)) for n in range(6)]
    assert any(decision.alarm and decision.window_steps > 1 for decision in decisions)


def test_a_silent_source_is_noticed_once_and_a_quiet_one_is_not() -> None:
    busy, rare = QuietDetector(), QuietDetector()
    for n in range(60):
        busy.update(Row(day(n), 0, 8))
        rare.update(Row(day(n), 0, 1 if n % 6 == 0 else 0))
    silence = [busy.update(Row(day(60 + n), 0, 0)) for n in range(5)]
    assert sum(decision.alarm for decision in silence) == 1 and silence[-1].active
    assert silence[-1].since == day(60) and silence[-1].expected > 20
    assert not any(rare.update(Row(day(60 + n), 0, 0)).alarm for n in range(6))
    assert busy.update(Row(day(65), 0, 3)).score == 0


def test_sundays_without_reviews_are_no_silence() -> None:
    detector = QuietDetector()
    decisions = [detector.update(Row(day(n), 0, 0 if n % 7 == 6 else 9)) for n in range(120)]
    assert not any(decision.alarm for decision in decisions[28:])


def test_a_source_that_was_not_read_is_not_silent() -> None:
    detector = QuietDetector()
    for n in range(60):
        detector.update(Row(day(n), 0, 8))
    assert not any(detector.update(Row(day(60 + n), None, None)).active for n in range(10))


def test_topic_shift_by_hand() -> None:
    same = topic_shift({"price": 20, "staff": 20}, {"price": 200, "staff": 200})
    assert same is not None and same.statistic == pytest.approx(0, abs=0.01) and same.p_value > 0.9
    moved = topic_shift({"price": 30, "staff": 10}, {"price": 200, "staff": 200}, dispersion=1.0)
    assert moved is not None and moved.topic == "price" and moved.freedom == 1
    # G of the table (30, 10; 200.5, 200.5) is 2 * (10.834 - 6.467 - 8.893 + 9.306) = 9.56; Williams: 1 + 3 / (6 * 441)
    assert moved.statistic == pytest.approx(9.56 / (1 + 3 / 2646) / (1 + 40 / 400), abs=0.01)
    assert moved.excess == pytest.approx(10, abs=0.1)


def test_a_new_topic_shows_and_small_numbers_do_not() -> None:
    shift = topic_shift({"mould": 9, "staff": 3}, {"staff": 80, "price": 60})
    assert shift is not None and shift.topic == "mould" and shift.score > 3
    assert topic_shift({"mould": 7}, {"staff": 80, "price": 60}) is None
    assert topic_shift({"staff": 20}, {"staff": 3}) is None


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=2))
@settings(deadline=None)
def test_the_mix_of_before_is_no_shift(mix: dict[str, int]) -> None:
    before = {topic: float(count * 20) for topic, count in mix.items()}
    shift = topic_shift({topic: float(count) for topic, count in mix.items()}, before)
    assert shift is None or shift.p_value > 0.5


def test_fading_mix() -> None:
    assert fade({"a": 8.0}, {"b": 3.0}, days=28) == {"a": 4.0, "b": 3.0}


def test_what_is_known_of_a_day_by_hand() -> None:
    hour = dt.timedelta(hours=1)
    counts = by_hour([hour * 10] * 30 + [hour * 30.5] * 10 + [hour * 24 * 8] * 99)  # the last: a backfill
    assert (sum(counts), counts[10], counts[30]) == (40, 30, 10)
    assert known_share(counts, hour * 10, usual=0.5, pseudo=0) == 0
    assert known_share(counts, hour * 10.5, usual=0.5, pseudo=0) == 15 / 40
    assert known_share(counts, hour * 24, usual=1.0, pseudo=10) == (30 + 10) / 50
    assert known_share(counts, hour * 24 * 30, usual=1.0) == 1
    assert known_share([], hour, usual=0.3) == pytest.approx(0.3)


def test_arrival_curve_by_hand() -> None:
    seen = [(day(n), day(n) + dt.timedelta(hours=5)) for n in range(60)]
    seen += [(day(n), day(n + 1) + dt.timedelta(hours=5)) for n in range(40)]
    seen += [(day(n), day(n + 30)) for n in range(50)]  # a backfill
    assert arrival_curve(seen, steps=3) == pytest.approx((80 / 120, 1.0, 1.0))
    assert arrival_curve([], steps=2) == (1.0, 1.0)
    with pytest.raises(BadRule, match="steps"):
        arrival_curve([], steps=0)


def test_what_is_not_yet_there_is_not_expected() -> None:
    plain, waiting = Detector(), Detector(Settings(arrived=(0.5, 0.9, 1.0)))
    for n in range(60):
        for detector in (plain, waiting):
            detector.update(Row(day(n), 10, 50))
    half = Row(day(60), 5, 25)
    before, after = plain.update(half), waiting.update(half)
    assert after.windows[1][1] == pytest.approx(5, abs=0.3) and before.windows[1][1] > 6
    assert after.shifted < 0.2 < before.shifted, "half of a day is no campaign in reverse"


def test_rows_and_keys_refuse_nonsense() -> None:
    good = Row(day(0), 1, 5)
    for wrong in ({"negative": 6}, {"total": -1}, {"coverage": 1.5}, {"n_authors": -1}):
        with pytest.raises(BadRule):
            replace(good, **wrong)  # type: ignore[arg-type]
    for text in ("", "brand=", "source=x", "brand=a/planet=b", "brand=a/brand=b", "nonsense"):
        with pytest.raises(BadRule):
            SeriesKey.parse(text)
    with pytest.raises(BadRule):
        SeriesKey("a", topic="")


def test_settings_refuse_nonsense() -> None:
    for name, value in {
        "false_alarms_per_week": 0, "n_series": 0, "step_seconds": 7, "min_ratio": 0.5, "zone": "Mars/Base",
        "arrived": (0.5, 0.4), "min_negative": -1, "min_excess": -1.0, "min_authors": -1, "short_history_days": -1,
    }.items():  # fmt: skip
        with pytest.raises(BadRule, match=name):
            Settings(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(BadRule, match="XX"):
        Calendar(countries=("XX",)).holiday(dt.date(2025, 1, 1))


def test_the_calendar_reads_local_clocks() -> None:
    at = dt.datetime(2025, 5, 4, 22, 30, tzinfo=dt.UTC)
    assert Calendar().place(at) == (6, 22, False)
    assert Calendar(zone="Europe/Moscow").place(at) == (0, 1, False)
    assert Calendar(countries=("RU",), zone="Europe/Moscow").place(at - dt.timedelta(days=3))[2], "1 and 2 May"
