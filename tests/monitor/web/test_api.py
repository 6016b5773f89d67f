"""The API as a whole: its description, its errors, and no value that breaks it."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

from tests.monitor.web.conftest import UID, House

ODD: dict[str, list[Any]] = {
    "string": ["x" * 400, "'; DROP TABLE mention; --", "\u0000", "😀", "%", "a\nb"],
    "integer": [0, -1, 10**30, "x"],
    "number": [-1, "nan", "inf"],
    "boolean": ["x"],
}


def test_every_operation_is_described(house: House) -> None:
    described = house.nobody().get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert set(described["paths"]) > {"/api/v1/overview", "/api/v1/mentions", "/api/v1/incidents/{uid}/{action}"}
    for path, operations in described["paths"].items():
        assert path.startswith("/api/v1/"), "pages are no part of the API"
        for method, operation in operations.items():
            assert "application/problem+json" in operation["responses"]["422"]["content"], (path, method)


def kind_of(schema: dict[str, Any]) -> str:
    for part in [schema, *schema.get("anyOf", [])]:
        kind = part.get("type")
        if kind in ODD:
            return str(kind)
    return "string"


def operations(house: House) -> list[tuple[str, str, dict[str, Any]]]:
    paths = house.nobody().get("/api/v1/openapi.json").json()["paths"]
    return [(method, path, operation) for path, methods in paths.items() for method, operation in methods.items()]


def test_no_value_of_a_parameter_breaks_anything(house: House) -> None:
    client = house.as_("admin")
    good = {
        "mention_id": 1,
        "uid": UID,
        "dimension": "topic",
        "report_id": 1,
        "key": "price",
        "slug": "site",
        "metric": "nps",
    }
    n = 0
    tried: Counter[tuple[str, str]] = Counter()
    for method, path, operation in operations(house):
        if method != "get":
            continue
        for parameter in operation.get("parameters", []):
            values = ODD[kind_of(parameter["schema"])]
            for value in values:
                # A filter means the same at every address: each value of it at two of them, and one value at each.
                tried[parameter["name"], str(value)] += 1
                if tried[parameter["name"], str(value)] > 2 and value is not values[n % len(values)]:
                    continue
                query, filled = {}, dict(good)
                if parameter["in"] == "path":
                    filled[parameter["name"]] = quote(str(value), safe="")
                else:
                    query = {parameter["name"]: value}
                answer = client.get(path.format(**filled), params=query)
                n += 1
                assert answer.status_code in (200, 404, 422, 503), (path, parameter["name"], value)
                if answer.status_code != 200:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert {"type", "title", "status", "detail"} <= set(answer.json())
    assert n > 200


BODIES: list[Any] = [
    None, [], {}, {"x": 1}, "text", {"sentiment": "angry"}, {"sentiment": None},
    {"topics": [{"topic": "none", "sentiment": "negative"}]}, {"ids": [2**70]}, {"stage": "none"},
    {"matchers": {"planet": "x"}, "hours": 1}, {"matchers": {}, "hours": 1}, {"name": "", "query": ""},
    {"note": "x" * 5000},
]  # fmt: skip


def test_no_body_breaks_anything(house: House) -> None:
    client = house.as_("admin")
    filled = {"mention_id": 1, "uid": UID, "action": "comment", "key": "Bad Key", "slug": "none", "silence_id": 9,
              "view_id": 9, "message_id": 9, "notice_id": 9, "suggestion_id": 9, "name": "Bad Name"}  # fmt: skip
    writing = [(method.upper(), path) for method, path, _ in operations(house) if method in {"post", "put"}]
    assert len(writing) > 10
    for body in BODIES:
        for method, path in writing:
            answer = client.request(method, path.format(**filled), json=body)
            assert answer.status_code in (404, 422), (path, body, answer.text)
    answer = client.post("/api/v1/corrections", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422


def test_topics_are_edited_and_set_back(house: House) -> None:
    client = house.as_("analyst")
    body = {
        "names": {"en": "Money", "ru": "Деньги"},
        "stage": "purchase",
        "keywords": ["cheap", " "],
        "experience": "functional",
    }
    assert client.put("/api/v1/topics/price", json=body).status_code == 204
    found = {topic["key"]: topic for topic in client.get("/api/v1/topics").json()}
    assert (found["price"]["names"]["en"], found["price"]["stage"], found["price"]["keywords"]) == (
        "Money", "purchase", ["cheap"],
    )  # fmt: skip
    assert "Money" in client.get("/topics").text
    assert client.put("/api/v1/topics/parking", json=body | {"names": {}}).status_code == 422  # a new one needs a name
    assert client.put("/api/v1/topics/parking", json=body).status_code == 204
    assert client.delete("/api/v1/topics/price").status_code == 204
    assert client.delete("/api/v1/topics/price").status_code == 404
    found = {topic["key"]: topic for topic in client.get("/api/v1/topics").json()}
    assert found["price"]["names"]["en"] == "Price"
    assert found["parking"]["custom"]


def test_machines_ask_whether_it_lives(house: House, tmp_path) -> None:
    client = house.nobody()
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json() == {"status": "ready"}
    numbers = house.as_("viewer").get("/metrics").text
    for name in ("monitor_unscored_mentions 0.0", 'monitor_incidents_open{rule="detector"} 1.0', "monitor_job_seconds",
                 "monitor_source_last_success_timestamp_seconds", "monitor_items_total", "monitor_notifications_total",
                 "monitor_fetch_seconds"):  # fmt: skip
        assert name in numbers


def test_a_store_that_is_behind_is_not_ready(tmp_path) -> None:
    from starlette.testclient import TestClient

    from monitor.pipeline.context import Context
    from monitor.web.app import create_app
    from tests.monitor import support

    client = TestClient(create_app(Context(support.settings(tmp_path))))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "monitor db upgrade" in answer.json()["detail"]


def test_pages_speak_russian_and_english(house: House) -> None:
    client = house.as_("viewer")
    assert "Net sentiment" in client.get("/").text
    client.post("/preferences", data={"language": "ru", "next": "/"})
    page = client.get("/").text
    assert '<html lang="ru"' in page
    assert "Доля негатива" in page
    again = house.nobody()  # the choice is kept with the account, not only in the browser
    again.post("/login", data={"name": "vera", "password": "a long pass phrase"})
    again.cookies.delete("monitor_language")
    assert "Доля негатива" in again.get("/").text
    assert client.post("/preferences", data={"language": "xx"}).status_code == 422
    assert client.post("/preferences", data={"theme": "pink"}).status_code == 422
