"""The queue of suggested topics: accepted as a topic of its own, given to one there is, or dismissed."""

from __future__ import annotations

import pytest

from monitor.store import suggestions
from monitor.store.engine import writing
from monitor.store.suggestions import Found
from monitor.web.pages.topics import key_of
from tests.monitor import support
from tests.monitor.web.conftest import House


@pytest.fixture
def waiting(house: House) -> int:
    found = Found("розетка", "мало розеток", ("мало розеток", "розетки"), (5,), 6, 1, 4, 2.5)
    with writing(house.context.engine) as session:
        suggestions.keep(session, 1, [found], now=support.NOW)
        session.flush()
        return suggestions.waiting(session, 1)[0].id or 0


def test_an_accepted_one_becomes_a_topic_with_its_words(house: House, waiting: int) -> None:
    client = house.as_("analyst")
    page = client.get("/topics").text
    assert "мало розеток" in page
    assert 'value="malo_rozetok"' in page
    form = {"key": "sockets", "name": "Розетки", "stage": "use", "keywords": "мало розеток\nрозетка*"}
    assert client.post(f"/suggestions/{waiting}/accept", data=form).headers["location"].startswith("/topics/sockets")
    topic = next(one for one in client.get("/api/v1/topics").json() if one["key"] == "sockets")
    assert topic["keywords"] == ["мало розеток", "розетка*"]
    assert topic["examples"] == ["Where do you park?"]
    assert topic["custom"]
    assert client.get("/api/v1/suggestions").json() == []
    assert client.post(f"/suggestions/{waiting}/dismiss").status_code == 404


def test_its_words_go_to_a_topic_there_is(house: House, waiting: int) -> None:
    client = house.as_("analyst")
    before = next(one for one in client.get("/api/v1/topics").json() if one["key"] == "ambience")
    assert client.post(f"/api/v1/suggestions/{waiting}/accept", json={"key": "ambience"}).status_code == 204
    after = next(one for one in client.get("/api/v1/topics").json() if one["key"] == "ambience")
    assert after["keywords"] == [*before["keywords"], "мало розеток", "розетки"]
    assert (after["names"], after["stage"], after["experience"]) == (
        before["names"], before["stage"], before["experience"],
    )  # fmt: skip


def test_a_dismissed_one_does_not_come_back(house: House, waiting: int) -> None:
    assert house.as_("analyst").post(f"/api/v1/suggestions/{waiting}/dismiss").status_code == 204
    with writing(house.context.engine) as session:
        found = Found("розетка", "мало розеток", ("мало розеток",), (5,), 9, 1, 4, 3.0)
        assert suggestions.keep(session, 1, [found], now=support.NOW) == 0
        assert suggestions.waiting(session, 1) == []


@pytest.mark.parametrize(
    ("phrase", "key"), [("Free refills", "free_refills"), ("нет сдачи", "net_sdachi"), ("24 Stunden", "stunden")]
)
def test_keys_are_made_of_phrases(phrase: str, key: str) -> None:
    assert key_of(phrase) == key
