"""Labelled sets: kept by name, replaced, shown on the page and in the API, taken off again."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

from monitor.store.engine import reading, writing
from monitor.store.evaluations import LabelledSet, Line, Measure, Point, drop, keep, kept
from monitor.store.tables import Meta
from tests.monitor.web.conftest import House, furnished, house

__all__ = ["furnished", "house"]

SHARE = Measure(0.8125, 0.7, 0.9)
CURVE = (Point(60, 0.55, 0.5), Point(99, 0.93, 0.9))
LINES = (Line("all", "all", 160, 1, SHARE, SHARE, 0.05, CURVE), Line("language", "ru", 90, 0, SHARE, SHARE, 0.04))
SET = LabelledSet("Café 1", "labels.csv", "old@1", datetime(2026, 11, 1, 9, tzinfo=UTC), LINES)


def test_a_set_is_kept_by_name_and_shown(house: House) -> None:
    with writing(house.context.engine) as session:
        keep(session, replace(SET, model="older@1"))
        keep(session, SET)
        keep(session, replace(SET, name="b", lines=()))
    with reading(house.context.engine) as session:
        assert [one.name for one in kept(session)] == ["Café 1", "b"]
        assert kept(session)[0] == SET
    viewer = house.as_("viewer")
    page = viewer.get("/quality").text
    assert all(
        text in page
        for text in (
            "Café 1",
            "labels.csv",
            "81%",
            "70% – 90%",
            "Russian",
            "another model judges",
            "How sure, how right: Café 1",
        )
    )
    found = viewer.get("/api/v1/quality").json()["labelled"][0]
    assert (found["name"], found["lines"][1]["value"], found["lines"][1]["accuracy"]["low"]) == ("Café 1", "ru", 0.7)
    assert found["lines"][0]["curve"][1] == {"n": 99, "p_mean": 0.93, "right": 0.9}
    with writing(house.context.engine) as session:
        row = session.get_one(Meta, "evaluation.b")  # as sets were kept before there was a curve
        row.value = json.dumps({**json.loads(row.value), "lines": [{
            "group": "all", "value": "all", "n": 9, "n_failed": 0, "accuracy": asdict(SHARE),
            "macro_f1": asdict(SHARE), "calibration_error": 0.1}]})  # fmt: skip
    with reading(house.context.engine) as session:
        assert kept(session)[1].lines == (Line("all", "all", 9, 0, SHARE, SHARE, 0.1),)
    with writing(house.context.engine) as session:
        assert drop(session, "Café 1")
        assert not drop(session, "Café 1")
    assert "Café 1" not in viewer.get("/quality").text
