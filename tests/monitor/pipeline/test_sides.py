"""Signals beside the count of negatives: ratings, the mix of topics, silent sources; and one story, one incident."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import select

import alerts.message
from alerts.series import SeriesKey
from monitor.pipeline.counts import read_counts
from monitor.pipeline.steps import Steps
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.notices import open_notices
from monitor.store.queries import incidents
from monitor.store.tables import Brand, Source
from tests.monitor.pipeline.life import START, TODAY, Life
from tests.monitor.support import item


def test_ratings_that_fall_without_complaints_are_an_incident_of_ratings(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for n in range(30):
        day = START + timedelta(days=n)
        life.at = day + timedelta(hours=22)
        life.feed(day, 3, lambda _: "fine", rating=5)
        life.feed(day, 3, lambda _: "fine", rating=4)
    today = START + timedelta(days=30)
    assert life.look(today) == []
    life.feed(today, 9, lambda _: "fine", rating=2)
    assert life.look(today + timedelta(hours=21)) == ["opened"]
    assert life.look(today + timedelta(hours=21, minutes=5)) == []
    (row,) = life.incidents()
    assert (row.signal, row.n_observed) == ("rating", 2.0) and 4 < row.n_expected < 5
    (sent,) = life.messages()
    message = alerts.message.loads(sent.payload["envelope"]).message
    assert message is not None and message.signal == "rating"
    assert message.facts.rating == 2.0 and message.facts.n_ratings == 9 and message.chart_png is None
    told = []
    for n in range(1, 10):
        day = today + timedelta(days=n)
        life.feed(day, 30, lambda _: "fine", rating=5)
        told += life.look(day + timedelta(hours=21))
    assert told == ["resolved"]
    (row,) = life.incidents()
    assert row.resolved_at is not None and row.n_observed > 4, "the newest mean stands, not a sum of means"


def test_a_spike_with_bad_ratings_is_one_incident(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for n in range(30):
        day = START + timedelta(days=n)
        life.at = day + timedelta(hours=22)
        life.feed(day, 6, lambda _: "great", rating=5)
    today = START + timedelta(days=30)
    life.look(today)
    life.feed(today, 12, lambda _: "late", rating=1)
    assert life.look(today + timedelta(hours=21)) == ["opened"]
    (row,) = life.incidents()
    assert row.signal == "negative"


def test_a_spike_takes_over_what_ratings_had_told(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for n in range(30):
        day = START + timedelta(days=n)
        life.at = day + timedelta(hours=22)
        life.feed(day, 6, lambda _: "great", rating=5)
    today = START + timedelta(days=30)
    life.look(today)
    life.feed(today, 7, lambda _: "fine", rating=1, hours=(8, 9))
    assert life.look(today + timedelta(hours=10)) == ["opened"]
    life.feed(today, 14, lambda _: "late", rating=1, hours=(10, 20))
    told = life.look(today + timedelta(hours=21))
    (row,) = life.incidents()
    assert row.signal == "negative" and row.n_observed == 14 and row.topic == "waiting"
    assert told in ([], ["escalated"])
    with reading(life.context.engine) as session:
        assert "sharpened" in [event.kind for event in incidents.events(session, row.id or 0)]


def test_complaints_that_turn_to_another_topic_are_told_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for n in range(60):
        day = START + timedelta(days=n)
        life.at = day + timedelta(hours=22)
        life.feed(day, 12, lambda _: "great")
        turned = n >= 52
        life.feed(day, 3, lambda k, turned=turned: "rude" if turned and k % 3 else "late")  # type: ignore[misc]
    told = []
    for n in range(3):
        told += life.look(TODAY + timedelta(days=n, hours=1))
    shifts = [row for row in life.incidents() if row.signal == "topic_shift"]
    spikes = [row for row in life.incidents() if row.signal == "negative"]
    assert told == ["opened"] and not spikes
    (row,) = shifts
    assert row.topic == "staff" and row.severity == "info" and row.n_observed > row.n_expected


def test_a_silent_source_is_a_notice_and_no_incident(tmp_path: Path) -> None:
    feed = {"scraper": "rss", "params": {"url": "https://feeds.example.org/cafe"}, "brand": "cafe"}
    life = Life(tmp_path, sources={"news": feed})
    with writing(life.context.engine) as session:
        number = session.exec(select(Source.id).where(Source.slug == "news")).one() or 0
        for n in range(30):
            at = START + timedelta(days=n, hours=12)
            rows = [item(f"{n}-{k}", "great", at=at) for k in range(6)]
            ingest(session, rows, brand_id=1, source_id=number, origin="news", now=at + timedelta(hours=1))

    def notices(at: timedelta) -> list[str]:
        life.look(START + at)
        with reading(life.context.engine) as session:
            return [row.key for row in open_notices(session)]

    assert notices(timedelta(days=30, hours=1)) == []
    assert notices(timedelta(days=35, hours=1)) == ["silent.news"]
    assert life.incidents() == []
    with writing(life.context.engine) as session:
        back = START + timedelta(days=35, hours=2)
        ingest(session, [item("back", "great", at=back)], brand_id=1, source_id=number, origin="news", now=back)
    assert notices(timedelta(days=35, hours=3)) == []


def test_a_source_that_tells_its_day_the_next_morning_is_judged_by_that(tmp_path: Path) -> None:
    feed = {"scraper": "rss", "params": {"url": "https://feeds.example.org/cafe"}, "brand": "cafe"}
    life = Life(tmp_path, sources={"news": feed})
    day = timedelta(days=1)
    with writing(life.context.engine) as session:
        number = session.exec(select(Source.id).where(Source.slug == "news")).one() or 0
        life.context.clock = lambda: START
        for n in range(40):
            rows = [item(f"{n}-{k}", "great", at=START + n * day + timedelta(hours=9 + k)) for k in range(8)]
            ingest(session, rows, brand_id=1, source_id=number, origin="news",
                   now=START + (n + 1) * day + timedelta(hours=6))  # fmt: skip
    life.context.clock = lambda: life.at
    life.calm(40)  # files, known at once

    def coverage(at: datetime) -> dict[str, list[float]]:
        life.look(at)
        keys = [SeriesKey("cafe", source=name) for name in ("news", "site")]
        with reading(life.context.engine) as session:
            brand = session.exec(select(Brand)).one()
            steps = Steps(life.context.settings.zone)
            today = steps.of(at)
            counts = read_counts(session, brand, keys, steps, today - 2, today, now=at)
        return {key.source or "": [round(float(one), 2) for one in counts.coverage[:, n]] for n, key in enumerate(keys)}

    evening, morning = coverage(START + 40 * day - timedelta(hours=1)), coverage(START + 40 * day + timedelta(hours=7))
    assert evening["site"][:2] == [1.0, 1.0] and evening["site"][2] > 0.9
    assert evening["news"][:2] == [1.0, 1.0] and evening["news"][2] < 0.2, "nothing of today is known before tomorrow"
    assert morning["news"][1] > 0.95


def test_a_surge_of_praise_is_information_where_it_is_wanted(tmp_path: Path) -> None:
    for name, signals in (("off", []), ("on", ["volume"])):
        (tmp_path / name).mkdir()
        life = Life(tmp_path / name, alerts={"signals": signals})
        for n in range(30):
            day = START + timedelta(days=n)
            life.at = day + timedelta(hours=22)
            life.feed(day, 8 + n % 5, lambda _: "great")
        told, today = [], START + timedelta(days=30)
        life.look(today)
        life.feed(today, 60, lambda _: "great")
        told += life.look(today + timedelta(hours=23))
        assert told == [], "a day is told when it is over"
        for n in range(1, 6):
            told += life.look(today + timedelta(days=n, hours=1))
            life.feed(today + timedelta(days=n), 10, lambda _: "great")
        assert told == (["opened", "resolved"] if signals else [])
        for row in life.incidents():
            assert (row.signal, row.severity, row.machine["peak_observed"]) == ("volume", "info", 60)
            message = alerts.message.loads(life.messages()[0].payload["envelope"]).message
            assert message is not None and message.facts.n_observed == 60 and message.chart_png is None


def test_signals_can_be_switched_off(tmp_path: Path) -> None:
    life = Life(tmp_path, alerts={"signals": []})
    for n in range(30):
        day = START + timedelta(days=n)
        life.at = day + timedelta(hours=22)
        life.feed(day, 6, lambda _: "fine", rating=5)
    today = START + timedelta(days=30)
    life.look(today)
    life.feed(today, 9, lambda _: "fine", rating=1)
    assert life.look(today + timedelta(hours=21)) == []
