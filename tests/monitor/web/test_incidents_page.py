"""Incidents: decisions of people, silences, the chart."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

import alerts.incident
from monitor.store.engine import reading, writing
from monitor.store.incidents import record, store, value_of
from monitor.store.tables import Incident, IncidentEvent, Silence
from tests.monitor import support
from tests.monitor.web.conftest import UID, House


def row(house: House) -> Incident:
    with reading(house.context.engine) as session:
        return session.exec(select(Incident)).one()


def log(house: House) -> list[tuple[str, str, str]]:
    with reading(house.context.engine) as session:
        events = session.exec(select(IncidentEvent).order_by(IncidentEvent.number)).all()
        return [(event.kind, event.actor, event.note) for event in events]


def test_a_life_by_hand(house: House) -> None:
    analyst = house.as_("analyst")
    assert analyst.post(f"/incidents/{UID}/acknowledge", data={"note": "on it"}).status_code == 303
    assert (row(house).state, value_of(row(house)).by) == ("acknowledged", "boris")
    analyst.post(f"/incidents/{UID}/acknowledge")  # twice changes nothing
    analyst.post(f"/incidents/{UID}/comment", data={"note": "a supplier failed"})
    analyst.post(f"/incidents/{UID}/confirm")
    analyst.post(f"/incidents/{UID}/resolve")
    assert (row(house).state, row(house).verdict) == ("resolved", "confirmed")
    assert log(house) == [
        ("opened", "", ""), ("acknowledged", "boris", "on it"), ("comment", "boris", "a supplier failed"),
        ("confirmed", "boris", ""), ("resolved_by_hand", "boris", ""),
    ]  # fmt: skip
    page = analyst.get(f"/incidents/{UID}").text
    assert "a supplier failed" in page
    assert "Resolved by hand" in page


def test_the_log_says_where_an_incident_moved_in_words(house: House) -> None:
    with writing(house.context.engine) as session:
        one = session.exec(select(Incident)).one()
        session.get_one(Incident, one.id).series = "brand=cafe/location=Market%20Square"
        for kind, before in (
            ("narrowed", "brand=cafe"),
            ("comment", ""),
            ("widened", "brand=cafe/topic=staff"),  # there and back within one step: nobody wants to read of it
            ("narrowed", "brand=cafe"),
            ("widened", "brand=cafe/topic=staff"),
        ):
            record(session, one, kind, at=support.NOW, note=before)
    text = re.sub(r"<[^>]+>|\s+", " ", house.as_("viewer").get(f"/incidents/{UID}").text)
    text = re.sub(r" +", " ", text)
    assert "brand=cafe" not in text
    moves = re.findall(
        r"(Wider|Narrower|Seen) (?:than it seemed|elsewhere) [^:]*:\d\d (Market Square|Staff|Cafe)", text
    )
    assert moves == [("Seen", "Market Square"), ("Narrower", "Staff")]


def test_an_incident_that_joined_another_leads_there_and_back(house: House) -> None:
    with writing(house.context.engine) as session:
        large = session.exec(select(Incident)).one()
        step = replace(value_of(large), id="small", series_text="brand=cafe/topic=staff")
        larger = replace(value_of(large), id=UID)
        (told,) = alerts.incident.join(step, larger, now=support.NOW)
        row = store(session, told.incident, brand_id=large.brand_id)
        small = row.uid
        record(session, row, "comment", at=support.NOW, actor="anna", note="the new shift")
        record(session, row, "joined", at=support.NOW, note="mail: ends_unwanted")
        record(session, large, "took_in", at=support.NOW, note=small)
    viewer = house.as_("viewer")
    page, other, listing = (
        viewer.get(path).text for path in (f"/incidents/{small}", f"/incidents/{UID}", "/incidents")
    )
    assert "Mostly the same mentions as in a larger incident" in page and "the new shift" in page
    assert page.count(f'<a href="/incidents/{UID}">Cafe</a>') == 2 and "wants no closing notes" in page
    assert f'<a href="/incidents/{small}">Cafe · Staff</a>' in other and "Took in a smaller incident" in other
    assert f'<a class="tag" href="/incidents/{UID}">part of a larger one</a>' in listing
    assert viewer.get(f"/api/v1/incidents/{small}").json()["incident"]["joined_to"] == UID
    assert viewer.get(f"/api/v1/incidents/{UID}").json()["incident"]["joined_to"] is None


def test_not_an_incident_ends_it(house: House) -> None:
    answer = house.as_("analyst").post(f"/api/v1/incidents/{UID}/reject", json={"note": "a joke went round"})
    assert answer.json()["state"] == "resolved"
    assert row(house).verdict == "rejected"
    assert house.as_("viewer").get("/api/v1/timeline").json()["incidents"] == []


@pytest.mark.parametrize(("path", "status"), [(f"/incidents/{UID}/comment", 422), ("/incidents/none/confirm", 404),
                                              (f"/incidents/{UID}/explode", 422)])  # fmt: skip
def test_decisions_that_make_no_sense(house: House, path: str, status: int) -> None:
    assert house.as_("analyst").post(path).status_code == status
    assert log(house) == [("opened", "", "")]


def test_a_silence_always_has_an_end(house: House) -> None:
    analyst = house.as_("analyst")
    for hours in ("0", "-1", "99999", "nan", "x", "inf"):
        assert analyst.post("/silences", data={"brand": "cafe", "hours": hours}).status_code == 422, hours
    assert analyst.post("/silences", data={"hours": "4"}).status_code == 422  # would mute everything
    analyst.post("/silences", data={"brand": "cafe", "topic": "price", "hours": "4", "note": "sale"})
    (made,) = analyst.get("/api/v1/silences").json()
    assert made["matchers"] == {"brand": "cafe", "topic": "price"}
    analyst.post(f"/silences/{made['id']}/end")
    assert analyst.get("/api/v1/silences").json() == []
    with reading(house.context.engine) as session:
        silence = session.exec(select(Silence)).one()
        assert silence.ends_at == support.NOW


def test_the_chart_shows_what_came_and_what_was_usual(house: House) -> None:
    house.add(*(support.item(f"b{n}", "bad", at=support.NOW - timedelta(days=n, hours=1)) for n in range(2, 40)))
    found = house.as_("viewer").get(f"/api/v1/incidents/{UID}/series").json()
    assert found["points"][-1]["day"] == "2026-11-20"
    assert found["points"][0]["day"] == "2026-10-12"  # from the first mention on
    assert [point["negative"] for point in found["points"]][-8:-2] == [1, 2, 1, 1, 2, 1]
    assert all(point["low"] <= point["high"] for point in found["points"])
    assert found["points"][-5]["expected"] == pytest.approx(1.0, abs=0.6)
    page = house.as_("viewer").get(f"/incidents/{UID}").text
    assert f'data-url="/api/v1/incidents/{UID}/series"' in page


def test_lists_are_paged_and_filtered(house: House) -> None:
    client = house.as_("viewer")
    assert [item["uid"] for item in client.get("/api/v1/incidents?state=open&brand=cafe").json()["items"]] == [UID]
    assert client.get("/api/v1/incidents?state=resolved").json()["items"] == []
    assert client.get("/api/v1/incidents?cursor=1").json()["items"] == []
    assert client.get("/api/v1/incidents?cursor=x").status_code == 422
    assert client.get("/api/v1/incidents?brand=none").status_code == 404
    assert UID in client.get("/incidents").text
    assert UID not in client.get("/incidents?state=resolved").text


@pytest.mark.parametrize(
    ("signal", "rule", "observed", "expected", "said", "never"),
    [("rating", "", 3.14, 4.4, ("Mean rating", ">3.1<", "usual 4.4", "−1.3"), "times the usual"),
     ("rule", "stars", 2.5, 3.0, ("Found by the rule", ">2.5<", "limit 3"), "times the usual"),
     ("topic_shift", "", 9.0, 2.0, ("Negative mentions, 7 days", ">9<", "4.5 times the usual"), "Mean rating")],
)  # fmt: skip
def test_an_incident_says_what_it_counts(house: House, signal: str, rule: str, observed: float, expected: float,
                                         said: tuple[str, ...], never: str) -> None:  # fmt: skip
    with writing(house.context.engine) as session:
        one = session.exec(select(Incident)).one()
        one.signal, one.rule, one.n_observed, one.n_expected = signal, rule, observed, expected
        one.n_excess = observed - expected
        session.add(one)
    page, listing = (house.as_("viewer").get(path).text for path in (f"/incidents/{UID}", "/incidents"))
    for words in said:
        assert words in page
    assert said[0] in listing and said[1] in listing
    assert never not in page and never not in listing


def test_an_incident_is_told_in_the_readers_language(house: House) -> None:
    """It was kept in the account's language, its headline in every one; names of topics follow the reader."""
    with writing(house.context.engine) as session:
        kept = session.exec(select(Incident)).one()
        kept.data = {
            "headline": "Больше жалоб", "language": "ru", "headlines": {"ru": "Больше жалоб", "en": "More complaints"},
            "topics": [{"name": "Ожидание", "n": 7}],
            "drivers": [{"dimension": "topic", "name": "Персонал", "observed": 5, "expected": 1.0},
                        {"dimension": "location", "name": "Мира 12", "observed": 4, "expected": 1.0}],
        }  # fmt: skip
        session.add(kept)
    analyst = house.as_("analyst")
    page = analyst.get(f"/incidents/{UID}").text
    assert all(text in page for text in ("More complaints", "Waiting · 7", "Staff", "Мира 12"))
    assert not any(text in page for text in ("Больше жалоб", "Ожидание", "Персонал"))
    analyst.post("/preferences", data={"language": "ru"})
    assert "Больше жалоб" in analyst.get(f"/incidents/{UID}").text
