"""Detection over the store: a spike is one incident at its place, chance and campaigns are none, ends are told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

import monitor.pipeline.detect as detecting
from alerts.decision import Decision, nothing
from alerts.hierarchy import Finding, find
from alerts.incident import Evidence, advance
from alerts.panel import Panel, Verdicts
from alerts.series import Row, SeriesKey
from alerts.settings import Settings
from alerts.severity import Severity
from monitor.pipeline.advance import move
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.change import Change
from monitor.pipeline.context import Context
from monitor.pipeline.detect import Watches, detect
from monitor.pipeline.evidence import is_aftermath
from monitor.pipeline.recount import recount
from monitor.pipeline.score import score
from monitor.pipeline.spikes import Spikes
from monitor.pipeline.steps import DAY, HOUR
from monitor.pipeline.stories import Stories, narrowest
from monitor.pipeline.watch import Point, packed, unpack
from monitor.store import incidents
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, DetectorState, Incident, IncidentEvent, Outbox, Silence
from monitor.web.actions import end_silence
from tests.monitor import support
from tests.monitor.pipeline.life import START, TODAY, Life
from tests.monitor.support import item


def test_a_spike_at_one_place_is_one_incident_there(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.calm(60)
    assert life.look(TODAY) == []
    life.feed(TODAY, 9, lambda n: "late and rude" if n % 2 else "late", place="B")
    assert life.look(TODAY + timedelta(hours=21)) == ["opened"]
    (row,) = life.incidents()
    assert (row.location, row.state, row.n_observed) == ("B", "open", 9)
    assert row.n_expected < 1.5
    assert life.look(TODAY + timedelta(hours=21)) == []  # the same look again says nothing
    with reading(life.context.engine) as session:
        (message,) = session.exec(select(Outbox)).all()
    assert message.incident_id == row.id and message.state == "pending"
    assert row.data["quotes"] and row.data["observed"] == 9


def test_it_ends_after_quiet_days_and_says_so(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.calm(60)
    life.look(TODAY)
    life.feed(TODAY, 9, lambda _: "late", place="B")
    life.look(TODAY + timedelta(hours=21))
    told = []
    for n in range(1, 6):
        day = TODAY + timedelta(days=n)
        life.feed(day - timedelta(days=1), 3, lambda _: "great", place="B")
        told += life.look(day + timedelta(hours=1))
    assert told == ["resolved"]
    (row,) = life.incidents()
    assert row.state == "resolved"
    with reading(life.context.engine) as session:
        kinds = [event.kind for event in session.exec(select(IncidentEvent))]
        assert kinds[0] == "opened" and kinds[-1] == "resolved"
        assert {message.kind for message in session.exec(select(Outbox))} == {"opened", "resolved"}
    assert recount(life.context) == 0
    life.feed(TODAY, 4, lambda _: "late", place="B")  # imported when all is over: these belong to the day they speak of
    life.look(life.at)
    assert recount(life.context) == 1
    (after,) = life.incidents()
    assert (after.state, after.n_observed, after.machine["peak_observed"]) == ("resolved", row.n_observed + 4, 13)
    assert "the peak was 13" in after.data["headlines"]["en"] and "пик 31 октября — 13" in after.data["headlines"]["ru"]
    assert recount(life.context) == 0


def test_one_late_complaint_does_not_tell_an_ended_story_again(tmp_path: Path) -> None:
    """A thin series' window reaches back into the incident that has ended: what came since must stand by itself."""
    life = Life(tmp_path)
    life.calm(60)
    life.look(TODAY)
    life.feed(TODAY, 12, lambda n: "late and rude" if n % 4 == 0 else "late", place="B")
    told = life.look(TODAY + timedelta(hours=21))
    day = TODAY
    while told[-1] != "resolved":
        life.feed(day, 3, lambda _: "great", place="B")
        day += timedelta(days=1)
        told += life.look(day + timedelta(hours=1))
    life.feed(day, 1, lambda _: "rude", place="B")
    assert life.look(day + timedelta(hours=22)) == []
    life.feed(day, 8, lambda _: "rude", place="B")
    assert life.look(day + timedelta(hours=23)) in (["opened"], ["reopened"])


def test_a_campaign_is_no_incident(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.calm(60)
    life.look(TODAY)
    life.feed(TODAY, 30, lambda _: "great", place="A")
    life.feed(TODAY, 2, lambda _: "late", place="A")
    assert life.look(TODAY + timedelta(hours=21)) == []


def test_a_flood_of_complaints_on_a_thin_series_is_no_campaign(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for n in range(0, 60, 12):
        life.at = START + timedelta(days=n, hours=22)
        life.feed(START + timedelta(days=n), 1, lambda _: "late")
    life.look(TODAY)
    life.feed(TODAY, 40, lambda n: "late" if n % 4 else "great")
    assert life.look(TODAY + timedelta(hours=21)) == ["opened"]


def test_the_first_days_raise_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.feed(START, 20, lambda _: "late")
    assert life.look(START + timedelta(hours=22)) == []


def test_loaded_history_raises_nothing_late(tmp_path: Path) -> None:
    """An incident that was over long before the file was imported is history, not news."""
    life = Life(tmp_path)
    life.calm(60)
    life.feed(START + timedelta(days=30), 15, lambda _: "late", place="B")
    assert len(life.incidents()) == 0
    assert life.look(TODAY) == []
    assert life.incidents() == []


def test_loaded_history_hides_nothing_that_begins(tmp_path: Path) -> None:
    """A louder outbreak of the last week was loaded, never told: what comes today is told, where it is."""
    life = Life(tmp_path)
    life.calm(60)
    for days in (7, 6, 5):
        for place in ("A", "B"):
            life.feed(TODAY - timedelta(days=days), 8, lambda _: "late", place=place)
    life.at = TODAY + timedelta(hours=9)
    for place in ("A", "B"):
        life.feed(TODAY, 6, lambda _: "late", place=place, hours=(0, 8))
    assert life.look(life.at) == ["opened"]
    (row,) = life.incidents()
    assert row.series == "brand=cafe/topic=waiting" and row.n_observed == 12


def test_another_topic_of_the_same_texts_does_not_tell_an_ended_story_again(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.calm(60)
    life.look(TODAY)
    life.feed(TODAY, 12, lambda _: "late and rude", place="B")
    assert life.look(TODAY + timedelta(hours=21)) == ["opened"]
    (row,) = life.incidents()
    other = "staff" if row.topic == "waiting" else "waiting"
    with writing(life.context.engine) as session:
        stored = session.get_one(Incident, row.id)
        stored.resolved_at = TODAY + timedelta(hours=22)
        brand = session.exec(select(Brand)).one()
        begins = TODAY - timedelta(days=1)
        key = SeriesKey(brand.slug, topic=other)
        finding = Finding(key, "negative", TODAY, begins, 12.0, 1.0, 0.0, 3.0, 11.0, 12.0, 5.0)
        quiet = replace(loud(5.0, 12.0), windows={1: (0.0, 1.0), 2: (0.0, 1.0)})
        asked = (session, life.context.settings, brand, finding, quiet)
        assert is_aftermath(*asked, [stored])
        stored.series = SeriesKey(brand.slug, topic="price").text()  # of none of these texts
        assert not is_aftermath(*asked, [stored])


def test_a_mute_holds_the_message_and_lets_it_speak_afterwards(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.calm(60)
    life.look(TODAY)
    with writing(life.context.engine) as session:
        session.add(Silence(matchers={"brand": "cafe"}, starts_at=TODAY, ends_at=TODAY + timedelta(hours=40)))
    life.feed(TODAY, 9, lambda _: "late", place="B")
    life.look(TODAY + timedelta(hours=20))
    life.look(TODAY + timedelta(hours=21))
    assert len(life.incidents()) == 1
    with reading(life.context.engine) as session:
        assert session.exec(select(Outbox)).all() == []
        assert [event.note for event in session.exec(select(IncidentEvent))] == ["folder: silenced"]
    life.context.clock = lambda: TODAY + timedelta(hours=22)
    end_silence(life.context, "anna", 1)
    life.feed(TODAY, 2, lambda _: "late", place="B")
    life.look(TODAY + timedelta(hours=23))
    with reading(life.context.engine) as session:
        assert len(session.exec(select(Outbox)).all()) == 1


def test_a_plain_rule_fires_exactly_when_its_sentence_is_true(tmp_path: Path) -> None:
    rules = {"one_star": {"kind": "low_ratings", "more_than": 2, "window": "1d"},
             "safety": {"kind": "keywords", "words": ["poison*"], "severity": "critical"}}  # fmt: skip
    context = support.context(tmp_path, at=START + timedelta(hours=20), rules=rules)
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "site", now=START).id or 0
        for n in range(2):
            ingest(session, [item(n, "late", at=START + timedelta(hours=n), rating=1.0)], brand_id=brand_id,
                   source_id=source_id, origin="site", now=START)  # fmt: skip
    score(context)
    assert detect(context) == []
    with writing(context.engine) as session:
        ingest(session, [item(3, "I was poisoned", at=START + timedelta(hours=9), rating=1.0)], brand_id=brand_id,
               source_id=source_id, origin="site", now=START)  # fmt: skip
    score(context)
    assert sorted(change.row.rule for change in detect(context)) == ["one_star", "safety"]
    assert detect(context) == []
    context.clock = lambda: START + timedelta(hours=21)
    detect(context)  # the window has moved by an hour: the same three reviews are not three more
    with reading(context.engine) as session:
        found = {row.rule: (row.severity, row.n_observed) for row in session.exec(select(Incident))}
    assert found == {"one_star": ("warning", 3), "safety": ("critical", 1)}


def test_a_brand_that_cannot_be_looked_at_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path, rules={"poison": {"kind": "keywords", "words": ["poison*"]}})
    with writing(life.context.engine) as session:
        broken = session.exec(select(Brand)).one()
        session.add(Brand(slug="second", name="Second"))
        session.flush()
        session.expunge_all()
    seen: list[str] = []

    def look(session: Session, context: Context, brand: Brand, watches: Watches) -> list[Change]:
        seen.append(brand.slug)
        if brand.id == broken.id:
            raise ArithmeticError("no number")
        return []

    monkeypatch.setattr("monitor.pipeline.detect.detect_brand", look)
    with pytest.raises(ArithmeticError, match="no number"):
        detect(life.context)
    assert seen == [broken.slug, "second"]


def test_it_learns_before_it_keeps_others_from_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path)
    life.calm(60)
    score(life.context)
    life.at = TODAY
    aggregate(life.context)
    n_ticks = {True: 0, False: 0}  # while the store is locked, and while it is not
    locked, tick = [False], Panel.tick

    @contextlib.contextmanager
    def noted(engine: Engine) -> Iterator[Session]:
        with writing(engine) as session:
            locked[0] = True
            yield session
            locked[0] = False

    def counted(panel: Panel, *args: Any, **values: Any) -> Verdicts:
        n_ticks[locked[0]] += 1
        return tick(panel, *args, **values)

    monkeypatch.setattr("monitor.pipeline.detect.writing", noted)
    monkeypatch.setattr(Panel, "tick", counted)
    detect(life.context)
    assert n_ticks[False] > 50 and n_ticks[True] <= 2, "yesterday and today are left"


@pytest.mark.parametrize("step", [DAY, HOUR])
def test_a_stored_memory_is_read_back_to_the_last_number(step: int) -> None:
    written, read = Panel(3, Settings(step_seconds=step)), Panel(3, Settings(step_seconds=step))
    rng = np.random.default_rng(1)
    for array in written.state.arrays.values():
        array[:] = rng.random(array.shape)
    assert unpack(packed(written), read)
    for name, array in written.state.arrays.items():
        assert np.array_equal(read.state[name], array), name
    assert not unpack(packed(written), Panel(2, Settings(step_seconds=step))), "a memory of other series"
    assert not unpack(b"what an older version wrote", read)


def test_what_another_has_written_while_it_learnt_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, overtaken = Life(tmp_path / "alone"), Life(tmp_path / "overtaken")
    learn = detecting.learn
    for life in (alone, overtaken):
        life.calm(60)
        life.look(TODAY - timedelta(days=1))
        life.at = TODAY
        life.feed(TODAY, 9, lambda _: "late", place="B")
        life.at = TODAY + timedelta(hours=21)
        score(life.context)
        aggregate(life.context)
    assert len(detect(alone.context)) == 1
    others: list[Change] = []

    def late(context: Context, brand: Brand) -> detecting.Watches:
        watches = learn(context, brand)
        monkeypatch.undo()
        others.extend(detect(context))  # another host, from beginning to end
        return watches

    monkeypatch.setattr(detecting, "learn", late)
    told = [change for change in detect(overtaken.context) if change.transition.speaks]
    assert len(others) == 1 and told == [] and len(overtaken.incidents()) == 1
    assert memory(overtaken) == memory(alone), "no day was learnt twice"


def memory(life: Life) -> list[tuple[str, str, bytes]]:
    with reading(life.context.engine) as session:
        return [(row.signal, row.day, row.arrays) for row in session.exec(select(DetectorState))]


def loud(score: float, observed: float, *, high: float = 5.0) -> Decision:
    nobody = nothing(Row(TODAY, 0, 0), signal="negative", threshold=2.0, step_seconds=86_400, short_history=False)
    return replace(nobody, score=score, news=score, alarm=True, active=True, observed=observed, expected=2.0, low=0.0,
                   high=high, ratio=observed / 2, windows={1: (observed, 2.0)})  # fmt: skip


def test_an_incident_that_moves_tells_what_the_days_of_its_new_node_hold(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with writing(life.context.engine) as session:
        brand = session.exec(select(Brand)).one()
        whole = SeriesKey(brand.slug)
        day = timedelta(days=1)
        step = Evidence(at=TODAY, score=5.0, threshold=2.0, n_observed=9.0, n_expected=2.0, since_at=TODAY - day,
                        severity=Severity.WARNING)  # fmt: skip
        (told,) = advance(None, step, now=TODAY, series_text=whole.text(), signal="negative")
        row = incidents.store(session, told.incident, brand_id=brand.id or 0)
        days = [
            Point(at.date(), at, n, 20, 1.5, 0.0, 4.0)
            for at, n in ((TODAY - 2 * day, 50), (TODAY - day, 6), (TODAY, 4))
        ]
        move(session, row, replace(whole, topic="staff"), kind="narrowed", now=TODAY, points=days)
        value = incidents.value_of(row)
        assert (row.topic, row.n_observed, value.n_expected) == ("staff", 10.0, 3.0)
        assert (value.peak_observed, value.peak_at, value.step_observed) == (6.0, TODAY - day, 4.0)


@pytest.mark.parametrize(("at_the_place", "moves_to"), [(9.0, "place"), (6.0, "brand")])
def test_the_same_complaints_seen_by_source_leave_an_incident_at_the_place_that_holds_them(
    tmp_path: Path, at_the_place: float, moves_to: str
) -> None:
    life = Life(tmp_path)
    with writing(life.context.engine) as session:
        brand = session.exec(select(Brand)).one()
        whole = SeriesKey(brand.slug)
        place, source = replace(whole, location="A"), replace(whole, source="site")
        decisions = {whole: loud(9.0, 10.0), place: loud(8.0, at_the_place), source: loud(7.0, 9.0)}
        step = Evidence(at=TODAY, score=8.0, threshold=2.0, n_observed=9.0, n_expected=2.0, since_at=TODAY,
                        severity=Severity.WARNING)  # fmt: skip
        (told,) = advance(None, step, now=TODAY, series_text=place.text(), signal="negative")
        row = incidents.store(session, told.incident, brand_id=brand.id or 0)
        stories = Stories(session, brand, decisions)
        stories._mentions = {(place, TODAY): {1, 2, 3}, (source, TODAY): {1, 2, 3}}
        stories.known(row)
        stories.add(Finding(source, "negative", TODAY, TODAY, 9.0, 2.0, 0.0, 5.0, 7.0, 4.5, 7.0))
        assert stories.new() == []
        expected = [] if moves_to == "place" else [whole]
        assert [key for _, key in stories.widened()] == expected


def test_a_story_is_about_the_smallest_node_that_holds_it_alarm_or_not() -> None:
    whole = SeriesKey("cafe")
    app, place, source = replace(whole, topic="app"), replace(whole, location="A"), replace(whole, source="site")

    def seen(observed: float, expected: float, score: float = 1.5) -> Decision:
        return replace(loud(score, observed), alarm=False, active=False, expected=expected,
                       windows={1: (observed, expected)})  # fmt: skip

    decisions = {whole: seen(10, 1.0, 6.0), app: seen(9, 0.3), place: seen(6, 0.5), source: seen(10, 0.9)}
    assert narrowest(whole, decisions) == app  # the site holds more, as it always does
    assert narrowest(whole, decisions | {app: seen(9, 0.3, 0.9)}) == whole  # what says nothing names nothing
    assert narrowest(whole, decisions | {app: seen(7, 0.3)}) == whole
    assert narrowest(whole, {app: seen(9, 0.3)}) == whole  # nothing is known of it
    inner = replace(app, location="A")
    assert narrowest(whole, decisions | {inner: seen(9, 0.1)}) == inner


def test_trouble_at_two_places_whose_texts_name_the_app_is_one_story_about_the_app(tmp_path: Path) -> None:
    """Bursts before let the app take more to alarm; at one place the same texts speak of quality, too."""
    life = Life(tmp_path)
    with writing(life.context.engine) as session:
        brand = session.exec(select(Brand)).one()
        whole = SeriesKey(brand.slug)
        app = replace(whole, topic="app")
        here, there = SeriesKey(brand.slug, topic="quality", location="A"), replace(app, location="B")
        quiet = replace(loud(1.4, 9.0), alarm=False, active=False, windows={1: (9.0, 0.2)})
        decisions = {whole: loud(5.0, 10.0), app: quiet, here: loud(2.5, 4.0), there: loud(2.2, 4.0)}
        stories = Stories(session, brand, decisions)
        stories._mentions = {(here, TODAY): {1, 2, 3, 4}, (app, TODAY): {2, 3, 4, 5, 6, 7}, (there, TODAY): {5, 6, 7}}
        for key in (here, there):
            stories.add(Finding(key, "negative", TODAY, TODAY, 4.0, 2.0, 0.0, 5.0, 2.0, 2.0, 2.0))
        assert stories.new() == [app]
        apart = Stories(session, brand, decisions | {app: replace(quiet, windows={1: (5.0, 0.2)})})
        apart._mentions = stories._mentions
        for key in (here, there):
            apart.add(Finding(key, "negative", TODAY, TODAY, 4.0, 2.0, 0.0, 5.0, 2.0, 2.0, 2.0))
        assert apart.new() == [here, there]


def test_of_two_incidents_that_grow_into_one_only_one_moves_there(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with writing(life.context.engine) as session:
        brand = session.exec(select(Brand)).one()
        whole = SeriesKey(brand.slug)
        parts = [replace(whole, topic=topic) for topic in ("staff", "price")]
        for key in parts:
            step = Evidence(at=TODAY, score=5.0, threshold=2.0, n_observed=9.0, n_expected=2.0, since_at=TODAY,
                            severity=Severity.WARNING)  # fmt: skip
            (told,) = advance(None, step, now=TODAY, series_text=key.text(), signal="negative")
            incidents.store(session, told.incident, brand_id=brand.id or 0)
        rows = session.exec(select(Incident)).all()
        decisions = {whole: loud(9.0, 40.0)} | dict.fromkeys(parts, loud(4.0, 12.0))
        (finding,) = find(decisions, open_series=parts)
        assert set(finding.widens) == set(parts)
        spikes = Spikes(session, life.context.settings, brand, rows, now=TODAY)
        spikes._open([finding], decisions)
        assert sorted(row.series for row in spikes.rows()) == sorted([whole.text(), parts[1].text()])
