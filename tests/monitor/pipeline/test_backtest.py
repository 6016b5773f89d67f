"""The back-test against what people confirmed: hits, misses, false alarms by hand; the detector over its past."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor.pipeline.backtest import Alarm, against, confirmed, detector_trials
from monitor.store.engine import reading
from monitor.store.tables import Brand, Incident
from monitor.web import actions
from tests.monitor.pipeline.life import START, TODAY, Life


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
    since, until = TODAY - timedelta(days=30), TODAY + timedelta(hours=22)
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
    assert (told.first_at, told.worst) == (TODAY, row.n_observed)
    assert [one.uid for one in life.incidents()] == [row.uid], "a back-test leaves no incident behind"


def test_without_a_past_there_is_nothing_to_test(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with reading(life.context.engine) as session:
        brand = session.get(Brand, 1)
        assert brand is not None
        trials = detector_trials(session, life.context.settings, brand, since=START, until=TODAY)
    assert [alarms for _, alarms in trials] == [(), (), ()]
