"""Back-tests of plain rules: alarms counted by hand."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import pytest
from sqlmodel import select

from alerts.rules import Fact
from alerts.series import SeriesKey
from monitor.config import Rule, validate
from monitor.pipeline.backtest import backtest, variants
from monitor.pipeline.detect import detect
from monitor.store.engine import reading
from monitor.store.tables import Incident
from monitor.web.pages.rules import toml
from tests.monitor import support
from tests.monitor.web.conftest import House

KEY = SeriesKey("cafe")


def facts(*hours_ago: float, negative: bool = True, rating: float | None = 1.0, text: str = "bad") -> list[Fact]:
    return [
        Fact(at=support.NOW - timedelta(hours=hours), series=KEY, mention_id=str(n), text=text, rating=rating,
             negative=negative)
        for n, hours in enumerate(hours_ago)
    ]  # fmt: skip


def test_a_burst_is_one_alarm_and_a_later_burst_another() -> None:
    burst = [140 + minute / 10 for minute in range(6)]
    again = [20 + minute / 10 for minute in range(4)]
    rule = Rule(kind="negative_count", more_than=3, window="6h")
    low, chosen, high = backtest(
        rule, facts(*burst, *again) + facts(60, 61, negative=False), brand="cafe", until=support.NOW
    )
    assert [trial.rule.more_than for trial in (low, chosen, high)] == [2, 3, 5]
    assert [len(trial.alarms) for trial in (low, chosen, high)] == [2, 2, 1]
    assert [alarm.worst for alarm in chosen.alarms] == [6, 4]
    assert chosen.chosen
    assert not low.chosen
    assert chosen.alarms[0].first_at == support.NOW - timedelta(hours=140)  # the end of the hour of the fifth


def test_what_comes_back_within_three_days_of_its_end_is_the_incident_that_was() -> None:
    rule = Rule(kind="negative_count", more_than=3, window="6h")
    bursts = [start + minute / 10 for start in (90, 60, 20) for minute in range(4)]  # a day and more of quiet between
    _, chosen, _ = backtest(rule, facts(*bursts), brand="cafe", until=support.NOW)
    (alarm,) = chosen.alarms
    assert alarm.first_at == support.NOW - timedelta(hours=89)
    assert alarm.last_at == support.NOW - timedelta(hours=15), "true until the window has left the last burst"


def test_a_mean_needs_enough_ratings() -> None:
    rule = Rule(kind="mean_rating", below=3.0, window="1d")
    assert [len(trial.alarms) for trial in backtest(rule, facts(1, 2, 3, 4), brand="cafe", until=support.NOW)] == [
        0,
        0,
        0,
    ]
    assert [len(trial.alarms) for trial in backtest(rule, facts(1, 2, 3, 4, 5), brand="cafe", until=support.NOW)] == [
        1,
        1,
        1,
    ]


def test_words_speak_at_the_first_mention() -> None:
    rule = Rule(kind="keywords", words=("poison*",), window="1d")
    (trial,) = backtest(rule, facts(5, text="I was poisoned") + facts(6, text="fine"), brand="cafe", until=support.NOW)
    assert [alarm.worst for alarm in trial.alarms] == [1]


@pytest.mark.parametrize("limit", [0, 1, 2, 5, 50])
def test_there_is_always_a_setting_on_either_side_or_the_limit_is_the_least(limit: int) -> None:
    limits = [rule.more_than for rule in variants(Rule(kind="low_ratings", more_than=limit))]
    assert limits == sorted(set(limits))
    assert limits[-1] > limit
    assert limit in limits


@pytest.mark.parametrize(
    "rule",
    [
        Rule(kind="negative_count", brand="cafe", more_than=7, window="12h"),
        Rule(kind="low_ratings", brand="cafe", rating_at_most=2.0),
        Rule(kind="mean_rating", brand="cafe", below=3.4),
        Rule(kind="keywords", brand="cafe", words=('a "quoted" word', "back\\slash", "яд*")),
    ],
)
def test_what_is_shown_for_the_file_is_the_rule(rule: Rule) -> None:
    raw = tomllib.loads(toml(rule)) | {"brands": {"cafe": {"name": "Cafe"}}}
    assert validate(raw, origin="test").rules["my_rule"] == rule


def test_the_page_tries_a_rule(house: House) -> None:
    client = house.as_("viewer")
    page = client.get("/rules?rule=negative_count&more_than=0&window=7d").text
    assert "alarm in 90 days" in page
    assert "more_than = 0" in page
    for query in ("rule=none", "rule=keywords", "rule=keywords&words=*", "rule=mean_rating&below=9",
                  "rule=negative_count&window=1000d", "rule=low_ratings&more_than=-1"):  # fmt: skip
        assert client.get(f"/rules?{query}").status_code == 422, query


def test_a_rule_is_tried_saved_edited_switched_off_and_deleted(house: House) -> None:
    client = house.as_("analyst")
    tried = client.get("/rules?rule=negative_count&more_than=2&window=7d").text
    assert 'name="more_than" value="2"' in tried  # what the button of the setting would save
    form = {"name": "complaints", "rule": "negative_count", "more_than": "2", "window": "7d", "severity": "critical"}
    assert client.post("/rules", data=form).status_code == 303
    (rule,) = client.get("/api/v1/rules").json()
    assert rule["rule"]["more_than"] == 2
    assert (rule["name"], rule["active"], rule["configured"]) == ("complaints", True, False)
    edited = client.get("/rules?edit=complaints").text
    assert 'value="complaints"' in edited
    assert client.post("/rules/complaints/off").status_code == 303
    assert client.get("/api/v1/rules").json()[0]["active"] is False
    assert client.post("/rules/complaints/delete").status_code == 303
    assert client.get("/api/v1/rules").json() == []
    log = house.as_("admin").get("/api/v1/audit").json()["items"]
    assert {"rule.saved", "rule.paused", "rule.deleted"} <= {line["action"] for line in log}


def test_a_saved_rule_opens_an_incident(house: House) -> None:
    body = {"kind": "negative_count", "brand": "cafe", "more_than": 1, "window": "7d"}
    assert house.as_("analyst").put("/api/v1/rules/complaints", json=body).status_code == 204
    detect(house.context)
    with reading(house.context.engine) as session:
        rows = session.exec(select(Incident).where(Incident.rule == "complaints")).all()
    assert [row.n_observed for row in rows] == [3]


@pytest.mark.parametrize(
    ("name", "body", "word"),
    [
        ("Bad Name", {"kind": "negative_count"}, "rule name"),
        ("ok_name", {"kind": "negative_count", "brand": "nobody"}, "allowed: cafe"),
        ("ok_name", {"kind": "keywords"}, "needs `words`"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(house: House, name: str, body: dict[str, str], word: str) -> None:
    answer = house.as_("analyst").put(f"/api/v1/rules/{name}", json=body)
    assert answer.status_code == 422
    assert word in answer.text
