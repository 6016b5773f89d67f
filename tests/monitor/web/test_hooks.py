"""Messages that other systems push: signed, fresh, once, and of bounded size."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
import re
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context
from monitor.pipeline.indices import metric_table
from monitor.pipeline.turns import due
from monitor.store import notices
from monitor.store.catalogue import find_brand
from monitor.store.engine import reading
from monitor.store.tables import Mention, Run, Source, SurveyAnswer
from monitor.web.actions import steer_source
from monitor.web.app import create_app
from monitor.web.errors import BadRequest
from monitor.web.server import serve
from scrapers.imports.webhook import sign
from tests.monitor import support
from tests.monitor.web.test_server import free_port

NOW = support.NOW
SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes now").decode()
ROWS = [
    {"id": 1, "text": "Cold again, at the river branch", "rating": 1},
    {"id": 2, "text": "Lovely"},
    {"id": 3},
]


class Hook:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = TestClient(create_app(context), base_url="http://127.0.0.1")

    def post(self, body: Any = ROWS, *, to: str = "shop", key: str = "m1", age: float = 0, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = sign(content, key=key, timestamp=int(self.context.now.timestamp() - age), secret=SECRET)
        return self.client.post(f"/hooks/{to}", content=content, headers=signed | headers)

    def stored(self) -> list[Mention]:
        with reading(self.context.engine) as session:
            return list(session.exec(select(Mention).order_by(Mention.id)))


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    params = {"secrets": [SECRET], "max_bytes": 5000}
    tickets = {"mapping": {"text": "words"}, "kind": "ticket"}
    context = support.context(
        tmp_path,
        web={"port": free_port()},
        brands={
            "cafe": {"name": "Cafe", "locations": [{"name": "Riverside 3", "aliases": ["the river branch"]}]},
            "rival": {"name": "Rival", "competitor": True},
        },
        sources={
            "shop": {"scraper": "webhook", "brand": "cafe", "params": params},
            "desk": {"scraper": "webhook", "brand": "cafe", "params": params | tickets},
            "all": {"scraper": "webhook", "params": params},
            "off": {"scraper": "webhook", "brand": "cafe", "params": params, "enabled": False},
            "visit": {"scraper": "webhook", "brand": "cafe", "params": params | {"kind": "survey", "metric": "nps"}},
            "form": {"scraper": "webhook", "brand": "cafe", "params": params | {"kind": "survey"}},
            "feed": {"scraper": "rss", "brand": "cafe", "params": {"url": "https://example.org/feed"}},
        },
    )  # fmt: skip
    context.rng = random.Random(1)
    yield Hook(context)
    context.engine.dispose()


def test_a_message_becomes_mentions_and_its_bad_rows_are_named(hook: Hook) -> None:
    answer = hook.post()
    assert answer.status_code == 200
    assert answer.json() == {
        "new": 2, "updated": 0, "known": 0, "elsewhere": 0, "repeated": False,
        "bad": [{"row": 3, "reason": "no text and no rating"}],
    }  # fmt: skip
    first, second = hook.stored()
    assert (first.external_id, first.rating, first.location, first.origin) == ("1", 1.0, "Riverside 3", "shop")
    assert second.score_state == "new"
    with reading(hook.context.engine) as session:
        source = session.exec(select(Source).where(Source.slug == "shop")).one()
        assert (source.last_status, source.last_success_at) == ("ok", NOW)
        assert source.last_error.startswith("1 of 3 rows cannot be read")
        run = session.exec(select(Run).where(Run.step == "push")).one()
        assert (run.n_items, run.n_new) == (2, 2)


def test_the_same_message_twice_is_stored_once(hook: Hook) -> None:
    hook.post()
    assert hook.post().json()["repeated"] is True
    hook.context.clock = lambda: NOW + timedelta(hours=1)
    again = hook.post().json()  # sent anew after the window: its rows are known
    assert (again["repeated"], again["new"], again["known"]) == (False, 0, 2)
    assert len(hook.stored()) == 2


def test_the_ids_of_two_senders_do_not_meet(hook: Hook) -> None:
    hook.post()
    answer = hook.post([{"id": 1, "words": "The till is broken"}], to="desk", key="m1")
    assert answer.json()["new"] == 1
    assert [(one.origin, one.external_id, one.kind) for one in hook.stored()][-1] == ("desk", "1", "ticket")


def test_a_hook_of_no_brand_takes_what_speaks_of_one(hook: Hook) -> None:
    rows = [{"id": "a", "text": "The Rival is cheaper"}, {"id": "b", "text": "Rain again"}]
    answer = hook.post(rows, to="all").json()
    assert (answer["new"], answer["elsewhere"]) == (1, 1)
    with reading(hook.context.engine) as session:
        (mention,) = session.exec(select(Mention))
        assert mention.text == "The Rival is cheaper"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"webhook-signature": "v1,AAAA"}, 401),
        ({"webhook-id": "another"}, 401),
        ({"webhook-timestamp": ""}, 400),
        ({"age": 400}, 400),
        ({"age": -400}, 400),
        ({"body": b"x" * 5001}, 413),
        ({"body": b"{}"}, 422),
        ({"body": b"<html>"}, 422),
        ({"to": "nobody"}, 404),
        ({"to": "off"}, 404),
        ({"to": "feed"}, 404),
        ({"to": "form"}, 422),  # nothing says what these scores measure
        ({"to": "form", "typeform-signature": "sha256=AAAA"}, 401),
    ],
)
def test_what_is_not_taken_is_answered_in_plain_words(hook: Hook, changed: dict[str, Any], status: int) -> None:
    answer = hook.post(**changed)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert SECRET not in answer.text
    assert not hook.stored()


def test_a_message_without_a_length_is_cut_off_at_the_limit(hook: Hook) -> None:
    n_read = 0
    answers: list[MutableMapping[str, Any]] = []

    async def endless() -> dict[str, Any]:
        nonlocal n_read
        n_read += 1
        return {"type": "http.request", "body": b"x" * 10_000, "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(message)

    headers = sign(b"", key="m", timestamp=int(NOW.timestamp()), secret=SECRET)
    scope = {
        "type": "http", "method": "POST", "path": "/hooks/shop", "query_string": b"", "root_path": "", "scheme": "http",
        "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(hook.client.app(scope, endless, send))  # type: ignore[arg-type]
    assert answers[0]["status"] == 413
    assert n_read == 1, "what is over the limit of a hook is not read"


def test_a_message_in_which_nothing_can_be_read_is_told_to_the_operator(hook: Hook) -> None:
    hook.post([{"id": 1, "text": ""}, {"id": 2, "text": " "}])
    with reading(hook.context.engine) as session:
        (notice,) = notices.open_notices(session)
        assert notice.key == "source.shop"
    hook.post([{"id": 3, "text": "Fine"}], key="m2")
    with reading(hook.context.engine) as session:
        assert not notices.open_notices(session)


def test_hooks_are_never_read(hook: Hook) -> None:
    assert due(hook.context) == ["feed"]
    assert collect(hook.context, only=["shop"]).n_seen == 0
    with pytest.raises(BadRequest, match="is not read"):
        steer_source(hook.context, "anna", "shop", "now")
    steer_source(hook.context, "anna", "feed", "now")
    with reading(hook.context.engine) as session:
        assert not session.exec(select(Run)).all()


@contextmanager
def running(context: Context) -> Iterator[str]:
    """The address of a real server."""
    url, stop = f"http://127.0.0.1:{context.settings.web.port}", threading.Event()
    thread = threading.Thread(target=serve, args=(context, stop))
    thread.start()
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/healthz", trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield url
    finally:
        stop.set()
        thread.join(timeout=20)


def answers(hook: Hook) -> list[SurveyAnswer]:
    with reading(hook.context.engine) as session:
        return list(session.exec(select(SurveyAnswer).order_by(SurveyAnswer.id)))


SHEETS = [
    {"id": "s1", "date": "2026-11-20T09:00:00Z", "score": 3, "comment": "Cold again", "store": "the river branch",
     "customer_id": "c7"},
    {"id": "s2", "date": "2026-11-20T10:00:00Z", "score": 12},
    {"id": "s3", "date": "2026-11-20T11:00:00Z", "score": 10},
]  # fmt: skip


def test_answers_come_in_with_their_comments_once(hook: Hook) -> None:
    first = hook.post(SHEETS, to="visit").json()
    assert (first["new"], [one["row"] for one in first["bad"]]) == (2, [2])
    assert hook.post(SHEETS, to="visit").json()["repeated"] is True
    hook.context.clock = lambda: NOW + timedelta(hours=1)
    again = hook.post(SHEETS, to="visit").json()
    assert (again["new"], again["updated"], again["known"]) == (0, 0, 2)
    changed = hook.post([SHEETS[0] | {"score": 4}], to="visit", key="m2").json()
    assert (changed["new"], changed["updated"]) == (0, 1)
    one, two = answers(hook)
    assert [(row.survey, row.metric, row.value) for row in (one, two)] == [
        ("visit", "nps", 4.0),
        ("visit", "nps", 10.0),
    ]
    (mention,) = hook.stored()
    assert (mention.kind, mention.text, mention.origin, mention.score_state) == ("survey", "Cold again", "visit", "new")
    assert one.mention_id == mention.id
    assert (one.location, mention.location) == ("Riverside 3", "Riverside 3")  # the place in the brand's own spelling
    assert one.customer is not None and re.fullmatch("~[0-9a-f]{16}", one.customer)
    with reading(hook.context.engine) as session:
        source = session.exec(select(Source).where(Source.slug == "visit")).one()
        assert source.last_error == "" and mention.source_id == source.id


def test_an_answer_without_id_and_time_is_that_of_its_message(hook: Hook) -> None:
    said = {"nps": 9, "why": "Kind people"}
    hook.post(said, to="form", key="a")
    hook.context.clock = lambda: NOW + timedelta(hours=1)
    assert hook.post(said, to="form", key="a").json()["new"] == 0  # sent again, after the window
    assert hook.post(said, to="form", key="b").json()["new"] == 1
    assert [row.external_id for row in answers(hook)] == ["a#1", "b#1"]


def _typeform() -> dict[str, Any]:
    asked = [
        {"id": "q1", "title": "Would you tell a friend about us?", "type": "nps"},
        {"id": "q2", "title": "How satisfied are you with the visit?", "type": "rating"},
        {"id": "q3", "title": "What is the reason for your score?", "type": "long_text"},
        {"id": "q4", "title": "Branch", "type": "dropdown"},
    ]
    told = [
        {"type": "number", "number": 2, "field": {"id": "q1", "type": "nps"}},
        {"type": "number", "number": 1, "field": {"id": "q2", "type": "rating"}},
        {"type": "text", "text": "Nobody came to our table", "field": {"id": "q3", "type": "long_text"}},
        {"type": "choice", "choice": {"label": "Riverside 3"}, "field": {"id": "q4", "type": "dropdown"}},
    ]
    sheet = {"token": "tf1", "submitted_at": "2026-11-20T09:15:00Z", "hidden": {"customer_id": "c7"},
             "definition": {"fields": asked}, "answers": told}  # fmt: skip
    return {"event_id": "e1", "event_type": "form_response", "form_response": sheet}


def _tally() -> dict[str, Any]:
    options = [{"id": "o1", "text": "Riverside 3"}, {"id": "o2", "text": "Elsewhere"}]
    fields = [
        {"key": "k1", "label": "Насколько вероятно, что вы порекомендуете нас?", "type": "LINEAR_SCALE", "value": 2},
        {"key": "k2", "label": "Вы довольны визитом?", "type": "RATING", "value": 1},
        {"key": "k3", "label": "Комментарий", "type": "TEXTAREA", "value": "Nobody came to our table"},
        {"key": "k4", "label": "Филиал", "type": "DROPDOWN", "value": ["o1"], "options": options},
        {"key": "k5", "label": "customer_id", "type": "HIDDEN_FIELDS", "value": "c7"},
    ]
    data = {"responseId": "ta1", "createdAt": "2026-11-20T09:15:00.000Z", "fields": fields}
    return {"eventId": "e2", "eventType": "FORM_RESPONSE", "createdAt": "2026-11-20T09:15:01.000Z", "data": data}


def _formbricks() -> dict[str, Any]:
    told = {"nps": 2, "csat": 1, "comment": "Nobody came to our table", "branch": "Riverside 3"}
    data = {"id": "fb1", "createdAt": "2026-11-20T09:14:00.000Z", "updatedAt": "2026-11-20T09:15:00.000Z",
            "finished": True, "language": "default", "contact": {"userId": "c7"}, "data": told}  # fmt: skip
    return {"webhookId": "w", "event": "responseFinished", "data": data}


def _native(name: str, prefix: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {name: prefix + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()}


@pytest.mark.parametrize(
    ("tool", "message", "signature"),
    [
        ("tf1", _typeform(), ("typeform-signature", "sha256=")),
        ("ta1", _tally(), ("tally-signature", "")),
        ("fb1", _formbricks(), None),  # signs as Standard Webhooks do
    ],
)
def test_survey_tools_are_read_as_they_send(
    hook: Hook, tool: str, message: dict[str, Any], signature: tuple[str, str] | None
) -> None:
    body = json.dumps(message).encode()

    def send() -> Any:
        if signature is None:
            return hook.post(body, to="form")
        return hook.client.post("/hooks/form", content=body, headers=_native(*signature, body))

    assert send().json() | {"repeated": False} == {
        "new": 2, "updated": 0, "known": 0, "elsewhere": 0, "repeated": False, "bad": [],
    }  # fmt: skip
    assert send().json()["repeated"] is True
    found = {row.metric: row for row in answers(hook)}
    assert {name: (row.external_id, row.value, row.location) for name, row in found.items()} == {
        "nps": (tool, 2.0, "Riverside 3"), "csat": (tool, 1.0, "Riverside 3"),
    }  # fmt: skip
    assert found["nps"].answered_at == datetime(2026, 11, 20, 9, 15, tzinfo=UTC) and found["nps"].customer
    assert [one.text for one in hook.stored()] == ["Nobody came to our table"]
    if signature is not None:  # a body that is signed carries no time: what is old is refused
        other = base64.b64encode(b"another secret of thirty-two bytes!").decode()
        forged = hook.client.post("/hooks/form", content=body + b" ", headers=_native(*signature, body + b" ", other))
        assert forged.status_code == 401
        hook.context.clock = lambda: NOW + timedelta(days=8)
        assert send().status_code == 400
        stolen = hook.client.post("/hooks/shop", content=body, headers=_native(*signature, body))
        assert stolen.status_code == 400  # such a signature is good for answers only
    assert len(answers(hook)) == 2


def test_answers_over_the_wire_of_a_real_server(hook: Hook) -> None:
    """The way of a stranger's system: HTTP, then the numbers of the dashboard."""
    body = "\n".join(json.dumps({"id": n, "nps": 10 if n % 2 else 0}) for n in range(12)).encode()
    with running(hook.context) as url:
        headers = sign(body, key="wave", timestamp=int(hook.context.now.timestamp()), secret=SECRET)
        answer = httpx.post(f"{url}/hooks/form", content=body, headers=headers, trust_env=False)
        forged = httpx.post(f"{url}/hooks/form", content=body + b" ", headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["new"], forged.status_code) == (200, 12, 401)
    with reading(hook.context.engine) as session:
        brand = find_brand(session, "cafe")
        assert brand is not None
        table = metric_table(session, brand.id or 0, "nps", by="", start=NOW - timedelta(days=1),
                             end=NOW + timedelta(days=1), zone=hook.context.settings.zone)  # fmt: skip
    assert (table.cells[0].metric.n, table.cells[0].metric.value) == (12, 0.0)
