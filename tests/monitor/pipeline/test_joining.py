"""Two open incidents that turn out to be one story: the smaller joins the larger one, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

import alerts.incident
from alerts.incident import Evidence
from alerts.series import SeriesKey
from alerts.severity import Severity
from monitor.pipeline import story
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.change import Change
from monitor.pipeline.detect import brand_watch, hour_watch
from monitor.pipeline.outbox import envelope_of
from monitor.pipeline.score import score
from monitor.pipeline.stories import joins
from monitor.store import incidents
from monitor.store.engine import reading, writing
from monitor.store.queries.incidents import by_uid, events
from monitor.store.tables import Brand, Incident, Outbox
from monitor.web import actions
from tests.monitor.pipeline.life import TODAY, Life
from tests.monitor.postgres.fixtures import database, migrated, postgres

__all__ = ["database", "migrated", "postgres"]
WHOLE = SeriesKey("cafe")
WAITING = replace(WHOLE, topic="waiting")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    stored = {"database_url": request.getfixturevalue("database")} if request.param == "postgres" else {}
    made = Life(tmp_path, web={"base_url": "https://monitor.example"}, **stored)
    english, folder = made.context.settings.channels["folder"], tmp_path / "russian"
    russian = english.model_copy(update={"language": "ru", "settings": {"directory": str(folder)}})
    channels = {"english": english.model_copy(update={"language": "en"}), "russian": russian}
    made.context.settings = made.context.settings.model_copy(update={"channels": channels})
    yield made
    made.context.engine.dispose()


def opened(life: Life, key: SeriesKey, n: float, *, at: datetime, severity: Severity = Severity.WARNING) -> str:
    """An incident that was opened and told; its id."""
    step = Evidence(at=TODAY, score=8.0, threshold=2.0, n_observed=n, n_expected=1.0, since_at=TODAY, severity=severity)
    (told,) = alerts.incident.advance(None, step, now=at, series_text=key.text(), signal="negative")
    with writing(life.context.engine) as session:
        brand = session.exec(select(Brand)).one()
        row = incidents.store(session, told.incident, brand_id=brand.id or 0, score=8.0)
        change = Change(row, told, event=incidents.record(session, row, "opened", at=at))
        days, hours = brand_watch(life.context.settings, brand), hour_watch(life.context.settings, brand)
        story.queue(session, life.context, brand, change, days, hours)
        return row.uid


def log_of(life: Life, uid: str) -> list[tuple[str, str]]:
    with reading(life.context.engine) as session:
        row = by_uid(session, uid)
        assert row is not None
        return [(event.kind, event.note) for event in events(session, row.id or 0)]


def row_of(life: Life, uid: str) -> Incident:
    (found,) = [row for row in life.incidents() if row.uid == uid]
    return found


def test_the_smaller_joins_the_larger_and_nothing_is_lost(life: Life) -> None:
    life.calm(20)
    life.at = TODAY + timedelta(hours=5)
    for place in ("A", "B"):
        life.feed(TODAY, 6, lambda _: "late", place=place)
        life.feed(TODAY, 10, lambda _: "rude", place=place)
    score(life.context)
    aggregate(life.context)
    small = opened(life, WAITING, 8, at=TODAY + timedelta(hours=1))
    large = opened(life, WHOLE, 20, at=TODAY + timedelta(hours=5), severity=Severity.CRITICAL)
    actions.decide(life.context, "anna", small, "acknowledge", note="I call the kitchen")
    explained = row_of(life, small).data
    assert life.look(TODAY + timedelta(hours=21)) == ["joined"]
    row, other = row_of(life, small), row_of(life, large)
    assert (row.state, row.machine["ending"], row.machine["joined_to"]) == ("resolved", "joined", large)
    assert other.state == "open" and other.n_observed == 32
    assert row.data == explained, "what was explained stays readable"
    assert log_of(life, small) == [("opened", ""), ("acknowledged", "I call the kitchen"), ("joined", "")]
    assert log_of(life, large)[-1] == ("took_in", small)
    with reading(life.context.engine) as session:
        told = session.exec(select(Outbox).where(Outbox.kind == "joined").order_by(col(Outbox.channel))).all()
        assert [(one.channel, one.incident_id) for one in told] == [("english", row.id), ("russian", row.id)]
        english, russian = (envelope_of(one) for one in told)
        assert session.exec(select(Outbox).where(Outbox.incident_id == other.id, Outbox.kind != "opened")).all() == []
    assert english is not None and russian is not None
    assert english.subject.startswith("Re: ") and english.thread_key == f"incident:{small}"
    assert "Waiting is part of the incident “Cafe” from now on: mostly the same mentions." in english.text
    assert "Ожидание: теперь это часть инцидента «Cafe», упоминания в основном те же." in russian.text
    for envelope in (english, russian):
        assert f"https://monitor.example/incidents/{large}" in envelope.text
        assert len(envelope.text.splitlines()) < 20 and not envelope.inline, "a line, no second alarm"
    assert life.look(TODAY + timedelta(hours=22)) == [], "once"

    day = TODAY
    while row_of(life, large).state != "resolved":
        day += timedelta(days=1)
        for place in ("A", "B"):
            life.feed(day - timedelta(hours=1), 3, lambda _: "great", place=place, hours=(0, 1))
        life.look(day + timedelta(hours=1))
    life.feed(day, 14, lambda _: "late", place="B")
    told_again = life.look(day + timedelta(hours=22))
    assert told_again in (["reopened"], ["opened"])
    assert row_of(life, small).machine == row.machine, "what has joined another is never told again"


@pytest.mark.parametrize(
    ("one", "two", "why"),
    [
        ((WAITING, Severity.WARNING, 0), (WHOLE, Severity.WARNING, 4), "joins"),
        ((WAITING, Severity.CRITICAL, 0), (WHOLE, Severity.WARNING, 4), "is graver"),
        ((WAITING, Severity.WARNING, -30), (WHOLE, Severity.WARNING, 4), "takes the later one in"),
        ((replace(WHOLE, location="A"), Severity.WARNING, 0), (replace(WHOLE, location="B"), Severity.WARNING, 0),
         "is elsewhere"),
        ((replace(WHOLE, topic="food"), Severity.WARNING, 0), (WAITING, Severity.WARNING, 0), "shares one in three"),
        ((replace(WHOLE, topic="staff"), Severity.WARNING, 0), (WAITING, Severity.WARNING, 0), "joins"),
    ],
)  # fmt: skip
def test_what_is_one_story(
    tmp_path: Path, one: tuple[SeriesKey, Severity, int], two: tuple[SeriesKey, Severity, int], why: str
) -> None:
    life = Life(tmp_path)
    life.at = TODAY + timedelta(hours=20)
    life.feed(TODAY, 8, lambda _: "late and rude", place="A", hours=(5, 20))
    life.feed(TODAY, 3, lambda _: "late", place="B", hours=(5, 20))
    life.feed(TODAY, 6, lambda n: "cold, bad" if n % 3 else "cold and late", place="B", hours=(5, 20))
    life.feed(TODAY - timedelta(days=1), 20, lambda _: "late", place="A", hours=(0, 20))
    score(life.context)
    with writing(life.context.engine) as session:
        brand = session.exec(select(Brand)).one()
        rows = []
        for key, severity, hours in (one, two):
            since = TODAY + timedelta(hours=hours)
            step = Evidence(at=since, score=8.0, threshold=2.0, n_observed=9.0, n_expected=1.0, since_at=since,
                            severity=severity)  # fmt: skip
            (told,) = alerts.incident.advance(None, step, now=life.at, series_text=key.text(), signal="negative")
            rows.append(incidents.store(session, told.incident, brand_id=brand.id or 0))
        found = joins(session, brand, rows, now=life.at)
        expected = {"joins": (rows[0], rows[1]), "takes the later one in": (rows[1], rows[0])}.get(why)
        assert found == expected, why
