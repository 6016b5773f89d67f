"""The back-test against what people confirmed: hits, misses, false alarms by hand; the detector over its past."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.pipeline.backtest import Alarm, _Past, against, confirmed, detector_trials, span_of
from monitor.pipeline.simulate import Arrival, Clock, simulate
from monitor.store.engine import reading
from monitor.store.tables import Brand, Incident
from monitor.web import actions
from tests.monitor.pipeline.life import START, TODAY, Life
from tests.monitor.support import item


def incident(first: int, last: int) -> Incident:
    return Incident(uid=f"i{first}", brand_id=1, series="brand=cafe", signal="negative", opened_at=START,
                    since_at=START + timedelta(days=first), last_seen_at=START + timedelta(days=last))  # fmt: skip


def alarm(day: float) -> Alarm:
    at = START + timedelta(days=day)
    return Alarm(at, at + timedelta(hours=6), 9.0)


def test_hits_misses_and_false_alarms_by_hand() -> None:
    real = [incident(10, 12), incident(30, 31)]
    told = [alarm(9.2), alarm(12.5), alarm(20), alarm(50)]
    found = against(told, real, since=START, until=START + timedelta(days=70))
    assert [row.uid for row in found.hits] == ["i10"] and [row.uid for row in found.misses] == ["i30"]
    assert found.n_false == 2 and found.false_a_week == pytest.approx(0.2)
    nothing = against([], real, since=START, until=START + timedelta(days=70))
    assert (len(nothing.misses), nothing.n_false) == (2, 0)


def test_the_detector_finds_its_own_past_again_and_a_larger_budget_tells_no_less(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.calm(60)
    life.look(TODAY)
    life.feed(TODAY, 9, lambda _: "late and rude", place="B")
    life.feed(TODAY, 5, lambda _: "late and rude", place="A")  # the topics stand out beside place B: the same story
    life.look(TODAY + timedelta(hours=21))
    (row,) = life.incidents()
    actions.decide(life.context, "ann", row.uid, "confirm")
    since, until = TODAY - timedelta(days=2), TODAY + timedelta(hours=22)
    with reading(life.context.engine) as session:
        brand = session.get(Brand, 1)
        assert brand is not None
        real = confirmed(session, brand, since=since, until=until)
        trials = detector_trials(session, life.context.settings, brand, since=since, until=until)
    assert [budget for budget, _ in trials] == [2.0, 1.0, 0.5]
    assert [len(alarms) for _, alarms in trials] == sorted((len(alarms) for _, alarms in trials), reverse=True)
    for _, alarms in trials:
        found = against(alarms, real, since=since, until=until)
        assert [hit.uid for hit in found.hits] == [row.uid] and not found.misses
    (told,) = trials[1][1]
    assert told.series is not None and told.series.text() == row.series, "as the daemon opened it"
    assert TODAY < told.first_at < TODAY + timedelta(hours=21) and told.worst == row.n_observed
    assert [one.uid for one in life.incidents()] == [row.uid], "a back-test leaves no incident behind"


def test_a_back_test_tells_what_a_replay_tells_and_sees_no_future(tmp_path: Path) -> None:
    """The same days live and looked back on: the same incidents, at the same hour, whatever came afterwards."""
    life = Life(tmp_path)
    arrivals, rng = [], random.Random(5)

    def write(day: int, n: int, text: str, place: str) -> None:
        for _ in range(n):
            at = START + timedelta(days=day, hours=rng.choice((9.2, 13.4, 19.6)))
            made = item(
                len(arrivals), f"{text} {len(arrivals)}", at=at, location=place, author=f"guest {len(arrivals)}"
            )
            arrivals.append(Arrival(at, "Cafe", "site", made))

    for day in range(17):
        write(day, 2, "great", "AB"[day % 2])
        write(day, int(day % 5 == 0), "late", "A")
    write(9, 7, "late", "B")
    write(16, 9, "rude", "A")
    clock = Clock(START)
    life.context.clock = clock
    simulate(life.context, clock, arrivals, every=timedelta(hours=1))
    lived = [(row.opened_at, row.series, row.n_observed) for row in life.incidents()]
    assert len(lived) == 2
    found = {}
    for days in (19, 12):
        with reading(life.context.engine) as session:
            brand = session.get(Brand, 1)
            assert brand is not None
            until = START + timedelta(days=days)
            trials = detector_trials(session, life.context.settings, brand, since=START, until=until)
        found[days] = [
            (one.first_at, one.series.text() if one.series else "", one.worst) for one in trials[1][1]
        ]  # fmt: skip
    assert found[19] == lived
    assert found[12] == lived[:1], "the second had not been written by then"


def test_what_joined_another_is_no_alarm_of_its_own(tmp_path: Path) -> None:
    life = Life(tmp_path)
    brand = Brand(id=1, slug="cafe", name="Cafe")
    with reading(life.context.engine) as session, _Past.of(session, life.context.settings, brand, (), 1.0) as past:
        for n, (uid, into) in enumerate((("a", "b"), ("b", "c"), ("c", None))):
            at = START + timedelta(hours=n)
            past._session.add(
                Incident(uid=uid, brand_id=1, series="brand=cafe", signal="negative", opened_at=at, since_at=at,
                         last_seen_at=at, n_observed=n, machine={"joined_to": into, "step_seconds": 3600})
            )  # fmt: skip
        past._session.commit()
        (told,) = past.alarms()
    assert (told.first_at, told.last_at, told.worst) == (START, START + timedelta(hours=3), 2)


def test_a_span_says_what_it_holds(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.at = START + timedelta(hours=22)
    with reading(life.context.engine) as session:
        brand = session.get(Brand, 1)
        assert brand is not None
        before = span_of(session, brand, since=START - timedelta(days=9), until=START)
        assert (before.n_mentions, before.first_at, before.too_short) == (0, None, True)
    life.feed(START, 3, lambda _: "late")
    life.look(life.at)
    with reading(life.context.engine) as session:
        for until, n, short in ((2, 3, True), (4, 3, False)):
            now = START + timedelta(days=until)
            held = span_of(session, brand, since=START - timedelta(days=9), until=now)
            assert (held.n_mentions, held.since, held.too_short) == (n, held.first_at, short)
        quiet = span_of(session, brand, since=START + timedelta(days=3), until=START + timedelta(days=5))
        assert quiet.n_mentions == 0 and quiet.first_at is not None


def test_without_a_past_there_is_nothing_to_test(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with reading(life.context.engine) as session:
        brand = session.get(Brand, 1)
        assert brand is not None
        trials = detector_trials(session, life.context.settings, brand, since=START, until=TODAY)
    assert [alarms for _, alarms in trials] == [(), (), ()]
