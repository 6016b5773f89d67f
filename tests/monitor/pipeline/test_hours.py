"""Busy series by the hour: a burst is told within the hour, ends within the day, and is one incident with its day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

import alerts.incident
import alerts.message
from alerts.series import SeriesKey
from alerts.severity import Severity
from monitor.pipeline.change import Change
from monitor.pipeline.series import busy_series, live_sources
from monitor.pipeline.story import facts_of
from monitor.pipeline.watch import Point
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand, DetectorState, Incident, Mention
from tests.monitor.pipeline.life import START, Life

DAYS = 8
BURST = START + timedelta(days=DAYS, hours=14)
N_BURST = 12


def complaint(number: int) -> str:
    return "rude" if number % 2 else "awful"


def watched(life: Life) -> list[str]:
    with reading(life.context.engine) as session:
        brand = session.get(Brand, 1)
        assert brand is not None
        live = live_sources(session, brand, now=life.at)
        return [key.text() for key in busy_series(session, brand, live=live, now=life.at)]


def test_a_burst_is_told_within_the_hour_and_ends_within_the_day(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.busy(DAYS, complaints=24)
    assert life.look(BURST) == []
    life.hour(BURST, N_BURST, complaint)
    assert life.look(BURST + timedelta(minutes=59)) == [], "the hour is not over, and the day as a whole says nothing"
    assert life.look(BURST + timedelta(minutes=61)) == ["opened"]
    (row,) = life.incidents()
    assert row.machine["step_seconds"] == 3600 and row.since_at == BURST
    assert row.n_observed == N_BURST and row.n_expected < 3
    (message,) = life.messages()
    envelope = alerts.message.loads(message.payload["envelope"])
    assert envelope.message is not None and envelope.message.facts.since_at == BURST
    assert "14:00" in envelope.message.chart_alt or envelope.message.chart_png
    told = []
    for n in range(2, 20):
        at = BURST + timedelta(hours=n)
        life.hour(at - timedelta(hours=1), 2, lambda _: "great")
        told += life.look(at + timedelta(minutes=1))
    assert told == ["resolved"]
    (row,) = life.incidents()
    assert row.resolved_at is not None and row.resolved_at - BURST < timedelta(hours=18)
    assert row.n_observed == N_BURST, "its life is counted in hours"


def test_the_peak_is_the_highest_hour_even_when_it_was_told_later() -> None:
    hour = timedelta(hours=1)
    counts = [1, 0, 14, 6, 4, 1]
    points = [Point(BURST.date(), BURST + n * hour, count, 9, 1.0, 0.0, 3.0) for n, count in enumerate(counts)]
    step = alerts.incident.Evidence(
        at=BURST + 4 * hour, score=5.0, threshold=3.0, n_observed=24, n_expected=3, since_at=BURST + 2 * hour,
        severity=Severity.WARNING, step_observed=4, step_expected=1, step_seconds=3600,
    )  # fmt: skip
    (opened,) = alerts.incident.advance(None, step, now=BURST + 5 * hour, series_text="brand=cafe", signal="negative")
    change = Change(Incident(signal="negative"), opened)
    facts = facts_of(change, points, [], now=BURST + 6 * hour)
    assert (facts.peak_observed, facts.peak_at) == (14, BURST + 2 * hour)
    shorter = facts_of(change, points[3:], [], now=BURST + 6 * hour)
    assert shorter.peak_observed == 4, "a chart that begins later does not know"


def test_what_comes_late_or_without_an_hour_is_counted_by_days(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.busy(DAYS)
    life.look(BURST)
    assert "brand=cafe" in watched(life)
    with writing(life.context.engine) as session:
        session.execute(update(Mention).values(published_precision="day"))
    assert watched(life) == []
    with writing(life.context.engine) as session:
        late = {"published_precision": "second", "observed_at": life.at}
        session.execute(update(Mention).values(**late))
    assert watched(life) == []


def test_few_mentions_are_no_business_of_hours(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.busy(DAYS, praise=20, complaints=5)
    life.look(BURST)
    assert watched(life) == []
    with reading(life.context.engine) as session:
        assert session.get(DetectorState, (1, "negative_by_hour")) is None
        assert session.get(DetectorState, (1, "negative")) is not None


def test_a_look_again_or_after_a_pause_tells_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.busy(DAYS)
    life.look(BURST)
    life.hour(BURST, 14, lambda _: "late")
    life.hour(BURST + timedelta(hours=4), 2, lambda _: "great")
    assert life.look(BURST + timedelta(hours=6)) == ["opened"], "the burst was hours ago: nobody had looked"
    assert life.look(BURST + timedelta(hours=6)) == []
    assert life.look(BURST + timedelta(hours=6, minutes=5)) == []
    assert len(life.incidents()) == 1
    assert SeriesKey.parse(life.incidents()[0].series).brand == "cafe"


def test_a_brand_of_a_few_days_is_busy_by_what_it_has_had(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.busy(4)
    life.look(START + timedelta(days=4, hours=1))
    assert "brand=cafe" in watched(life), "240 mentions in four days are sixty a day"


def test_a_series_that_becomes_busy_does_not_tell_of_hours_long_past(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.busy(DAYS)
    life.hour(BURST, N_BURST, complaint)
    for hours in (2, 3, 4, 5):
        life.hour(BURST + timedelta(hours=hours), 3, lambda _: "great")
    assert life.look(BURST + timedelta(hours=7)) == [], "nobody watched by the hour when it happened"
