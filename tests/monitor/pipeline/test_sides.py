"""Signals beside the count of negatives: ratings, the mix of topics, silent sources; and one story, one incident."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlmodel import select

import alerts.message
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.notices import open_notices
from monitor.store.queries import incidents
from monitor.store.tables import Source
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
