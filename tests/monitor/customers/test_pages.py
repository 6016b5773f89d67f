"""The pages and the API about customers, over the sample: what they show, refuse, keep and take along."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from monitor.pipeline.context import Context
from monitor.store.engine import writing
from monitor.store.tables import Brand, Topic, User
from monitor.web import accounts
from monitor.web.app import create_app
from tests.monitor.customers.conftest import SAMPLE, UNTIL

EFFECT = {"about": "staff", "on": "2026-08-17", "at": list(SAMPLE.CHANGED)}
PAGES = ("/satisfaction", "/journey", "/customers", "/effects", "/competitors")


@pytest.fixture(scope="module")
def browser(cafe: Context) -> Iterator[TestClient]:
    """A browser in which an analyst is logged in."""
    with writing(cafe.engine) as session:
        user = User(name="pages", role="analyst", created_at=UNTIL)
        session.add(user)
        session.flush()
        opened = accounts.open_session(session, user, now=UNTIL, lifetime=timedelta(days=1))
        found = accounts.browser(session, opened.token, now=UNTIL)
        assert found is not None
        csrf = found[1].csrf
    with TestClient(create_app(cafe), base_url="http://127.0.0.1", follow_redirects=False) as client:
        client.cookies.set("monitor_session", opened.token)
        client.headers.update({"x-csrf-token": csrf, "accept-language": "en"})
        yield client


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_speaks_both_languages(browser: TestClient, path: str, language: str) -> None:
    answer = browser.get(path, headers={"accept-language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text


def test_metrics_show_n_and_interval_and_refuse_on_too_few(browser: TestClient) -> None:
    tables = {table["name"]: table["cells"][0]["metric"] for table in browser.get("/api/v1/metrics").json()}
    nps = tables["nps"]
    assert nps["low"] < nps["value"] < nps["high"] and nps["n"] > 300
    page = browser.get("/satisfaction").text
    assert f"n = {nps['n']}" in page and 'data-chart="interval"' in page and "As a table" in page
    few = browser.get("/api/v1/metrics/nps", params={"from": "2026-11-21", "to": "2026-11-22"}).json()["cells"][0]
    assert few["metric"]["value"] is None and 0 < few["metric"]["n"] < 10
    assert "too few: n = " in browser.get("/satisfaction?from=2026-11-21&to=2026-11-22").text
    places = browser.get("/api/v1/metrics/csat", params={"by": "location"}).json()
    assert places["against"] == "rest" and {cell["key"] for cell in places["cells"]} == {
        place.name for place in SAMPLE.PLACES
    }


def test_what_cannot_be_asked_is_refused_by_name(browser: TestClient) -> None:
    for path, named in (
        ("/api/v1/metrics/nonsense", "nonsense"),
        ("/api/v1/metrics/rating?by=segment", "segment"),
        ("/satisfaction?metric=nonsense", "nonsense"),
        ("/satisfaction?step=year", "year"),
        ("/api/v1/effect?topic=stuff&on=2026-08-17", "stuff"),
        ("/api/v1/effect?topic=staff&on=2026-08-17&treated=Nowhere", "Nowhere"),
        ("/api/v1/effect?topic=staff&on=1999-01-01", "1999-01-01"),
        ("/effects?about=staff&on=soon", "soon"),
    ):
        answer = browser.get(path)
        assert answer.status_code == 422, path
        assert named in answer.text, path


def test_drivers_name_what_moves_the_score(browser: TestClient) -> None:
    moved = browser.get("/api/v1/metrics/net_sentiment/drivers").json()
    waiting = next(one for one in moved["topics"] if one["topic"] == "waiting")
    assert waiting["clear"] and waiting["interval"]["high"] < 0 and moved["n_texts"] > 900
    assert browser.get("/api/v1/metrics/nonsense/drivers").status_code == 422


def test_the_journey_marks_the_worst_and_quotes_customers(browser: TestClient) -> None:
    told = browser.get("/api/v1/journey/map").json()
    weak = [one["key"] for one in told["touchpoints"] if one["weak"]]
    assert "queue, order taking" in weak and 1 <= len(weak) <= 3
    purchase = next(one for one in told["stages"] if one["key"] == "purchase")
    assert len(purchase["periods"]) == len(told["periods"])
    quote = next(one["quote"] for one in purchase["complaints"] if one["topic"] == "waiting")
    page = browser.get("/journey").text
    assert "▼" in page and quote[:20] in page
    assert "W" not in "".join(told["periods"])
    assert all("-W" in key for key in browser.get("/api/v1/journey/map?step=week").json()["periods"])


def test_a_topic_is_moved_on_the_journey_and_keeps_all_else(browser: TestClient, cafe: Context) -> None:
    before = {one["key"]: one for one in browser.get("/api/v1/topics").json()}["waiting"]
    try:
        moved = browser.post(
            "/journey/topics/waiting", data={"stage": "support", "touchpoint": "counter", "experience": "operational"}
        )
        assert moved.status_code == 303 and moved.headers["location"] == "/journey?done=topic#topic-waiting"
        after = {one["key"]: one for one in browser.get("/api/v1/topics").json()}["waiting"]
        assert (after["stage"], after["touchpoint"]["en"]) == ("support", "counter")
        assert (after["names"], after["keywords"]) == (before["names"], before["keywords"])
        stages = {one["key"]: one for one in browser.get("/api/v1/journey/map").json()["stages"]}
        assert "waiting" in {one["topic"] for one in stages["support"]["complaints"]}
        bad = browser.post("/journey/topics/waiting", data={"stage": "nowhere", "experience": "operational"})
        assert bad.status_code == 422 and "nowhere" in bad.text
        lost = browser.post("/journey/topics/none", data={"stage": "use", "experience": "digital"})
        assert lost.status_code == 404
    finally:
        with writing(cafe.engine) as session:
            row = session.get(Topic, "waiting")
            if row is not None:
                session.delete(row)


def test_customers_are_counted_once_and_taken_along_under_pseudonyms(browser: TestClient) -> None:
    told = browser.get("/api/v1/segments").json()
    assert sum(one["n"] for one in told["segments"]) == told["n"] == 400
    assert sum(one["share_of_revenue"] for one in told["segments"]) == pytest.approx(1.0)
    assert sum(move["n"] for move in told["moves"]) == told["n"]
    code = told["segments"][0]["code"]
    rows = list(csv.DictReader(io.StringIO(browser.get(f"/customers/export.csv?segment={code}").text.lstrip("\ufeff"))))
    assert len(rows) == told["segments"][0]["n"] and all(row["customer"].startswith("~") for row in rows)
    members, cursor = [], ""
    while cursor is not None:
        page = browser.get("/api/v1/segments/members", params={"limit": 150, "cursor": cursor}).json()
        members += [one["customer"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert len(members) == len(set(members)) == 400


def test_retention_only_falls_and_its_interval_holds_it(browser: TestClient) -> None:
    told = browser.get("/api/v1/retention").json()
    shares = [point["share"] for point in told["curve"]]
    assert shares == sorted(shares, reverse=True) and shares[0] <= 1.0
    assert all(point["low"] <= point["share"] <= point["high"] for point in told["curve"])
    at_risk = [point["n_at_risk"] for point in told["curve"]]
    assert at_risk == sorted(at_risk, reverse=True) and at_risk[0] == told["n"]
    assert sum(cohort["n"] for cohort in told["cohorts"]) == told["n"]
    assert told["lifetime_value"]["low"] < told["lifetime_value"]["value"] < told["lifetime_value"]["high"]


def test_the_planted_change_is_answered_in_a_sentence_with_its_day(browser: TestClient) -> None:
    page = browser.get("/effects", params=EFFECT).text
    assert " fell by " in page and "17 August 2026" in page and 'data-chart="effect"' in page
    told = browser.get(
        "/api/v1/effect", params={"topic": "staff", "on": "2026-08-17", "treated": list(SAMPLE.CHANGED)}
    ).json()
    assert told["verdict"] == "fell" and told["interval"]["high"] < 0 and told["pre_trend_p"] > 0.05
    assert {one["why"] for one in told["places"]} == {"not_changed"} and len(told["places"]) == 4
    assert len(told["weeks"]) == told["n_before"] + told["n_after"] == 26
    chosen = browser.get("/effects", params=EFFECT | {"against": ["Мира 12", "Набережная 30"]}).text
    assert "places that you chose: Мира 12" in chosen and "Harbour Street 8 (not chosen)" in chosen
    early = browser.get("/effects", params=EFFECT | {"on": "2026-11-13"}).text
    assert "Cannot tell" in early and "cannot tell" in early


def test_a_comparison_is_kept_answered_and_closed(browser: TestClient) -> None:
    form = EFFECT | {"name": "Training", "measure": "share"}
    assert browser.post("/effects", data=form | {"about": []}).status_code == 422
    assert browser.post("/effects", data=form | {"name": " "}).status_code == 422
    for _ in range(2):  # the same name again replaces it
        assert browser.post("/effects", data=form).status_code == 303
    (kept,) = browser.get("/api/v1/comparisons").json()
    assert (kept["name"], kept["verdict"], kept["treated"]) == ("Training", "fell", list(SAMPLE.CHANGED))
    assert "Training" in browser.get("/effects").text
    assert browser.post(f"/effects/{kept['id']}/close").status_code == 303
    assert browser.post(f"/effects/{kept['id']}/close").status_code == 404
    body = {"name": "By API", "topics": ["waiting"], "changed_on": "2026-08-17"}
    made = browser.post("/api/v1/comparisons", json=body)
    assert made.status_code == 201
    assert browser.delete(f"/api/v1/comparisons/{made.json()['id']}").status_code == 204
    assert browser.get("/api/v1/comparisons").json() == []


def test_no_competitor_is_said_not_drawn(browser: TestClient, cafe: Context) -> None:
    def watch(active: bool) -> None:
        with writing(cafe.engine) as session:
            for rival in session.exec(select(Brand).where(col(Brand.is_competitor).is_(True))):
                rival.active = active

    watch(False)
    try:
        assert browser.get("/api/v1/rivals").json() == []
        assert "No competitor yet" in browser.get("/competitors").text
    finally:
        watch(True)
