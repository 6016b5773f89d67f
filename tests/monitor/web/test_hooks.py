"""Messages that other systems push: signed, fresh, once, and of bounded size."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context
from monitor.pipeline.turns import due
from monitor.store import notices
from monitor.store.engine import reading
from monitor.store.tables import Mention, Run, Source
from monitor.web.actions import steer_source
from monitor.web.app import create_app
from monitor.web.errors import BadRequest
from scrapers.imports.webhook import sign
from tests.monitor import support

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
        brands={
            "cafe": {"name": "Cafe", "locations": [{"name": "Riverside 3", "aliases": ["the river branch"]}]},
            "rival": {"name": "Rival", "competitor": True},
        },
        sources={
            "shop": {"scraper": "webhook", "brand": "cafe", "params": params},
            "desk": {"scraper": "webhook", "brand": "cafe", "params": params | tickets},
            "all": {"scraper": "webhook", "params": params},
            "off": {"scraper": "webhook", "brand": "cafe", "params": params, "enabled": False},
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
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield b"x" * 1000

    headers = sign(b"", key="m", timestamp=int(NOW.timestamp()), secret=SECRET)
    assert hook.client.post("/hooks/shop", content=endless(), headers=headers).status_code == 413


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
