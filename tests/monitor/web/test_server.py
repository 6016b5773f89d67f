"""Serving: a real server on a real port that ends by the event, and says when it cannot have the port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlmodel import select

from monitor.errors import MonitorError
from monitor.store import sheets
from monitor.store.engine import reading
from monitor.store.tables import Brand
from monitor.web.memo import Memo
from monitor.web.server import configured, serve
from monitor.web.warm import warm
from tests.monitor import support
from tests.monitor.web.conftest import House


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_it_serves_until_the_event_is_set(tmp_path) -> None:
    port = free_port()
    context = support.context(tmp_path, web={"port": port, "trusted_proxies": ["127.0.0.1"]})
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(context, stop))
    thread.start()
    try:
        for _ in range(200):
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        assert answer.text == "ok\n"
        assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).headers["location"] == "/login"
        assert "server" not in answer.headers
        numbers = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert numbers.status_code == 200  # from this machine
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            for headers in ({"x-forwarded-for": "203.0.113.9"}, {"host": "rebound.example"}):
                assert client.get("/metrics", headers=headers).status_code == 401
            # behind a proxy that forwards for many: wrong tries of one of them lock nobody else out
            form = {"name": "nobody", "password": "wrong"}
            said = [
                client.post("/login", data=form, headers={"x-forwarded-for": stranger}).status_code
                for stranger in ("203.0.113.9",) * 21 + ("203.0.113.10",)
            ]
            assert said == [401] * 20 + [429, 401]
    finally:
        stop.set()
        thread.join(timeout=20)
    assert not thread.is_alive()
    context.engine.dispose()


@pytest.mark.parametrize(("trusted", "seen"), [([], "127.0.0.1"), (["127.0.0.1"], "203.0.113.9"),
                                               (["10.0.0.1"], "127.0.0.1")])  # fmt: skip
def test_only_a_named_proxy_says_who_asks(trusted: list[str], seen: str, tmp_path: Path) -> None:
    context = support.context(tmp_path, web={"trusted_proxies": trusted})
    config = configured(context)
    clients: list[str] = []

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        del receive, send
        clients.append(scope["client"][0])

    config.app = app
    config.load()
    scope = {"type": "http", "client": ("127.0.0.1", 1), "scheme": "http",
             "headers": [(b"x-forwarded-for", b"203.0.113.9")]}  # fmt: skip
    with contextlib.suppress(RuntimeError):  # the application answers nothing
        asyncio.run(config.loaded_app(scope, None, None))
    assert clients == [seen]
    context.engine.dispose()


def test_a_taken_port_is_said(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = int(sock.getsockname()[1])
        context = support.context(tmp_path, web={"port": port})
        with pytest.raises(MonitorError, match=f"web.port {port}"):
            serve(context, threading.Event())
    context.engine.dispose()


def test_the_memo_keeps_for_a_while_and_forgets_what_was_computed_before_a_change() -> None:
    clock = [0.0]
    memo = Memo(seconds=10, size=2, clock=lambda: clock[0])
    made = iter(range(100))
    assert [memo.get("a", lambda: next(made)) for _ in range(3)] == [0, 0, 0]
    clock[0] = 11
    assert memo.get("a", lambda: next(made)) == 1
    memo.clear()
    assert memo.get("a", lambda: next(made)) == 2

    def while_something_changes() -> int:
        memo.clear()
        return next(made)

    assert memo.get("b", while_something_changes) == 3
    assert memo.get("b", lambda: next(made)) == 4  # not kept
    memo.get("c", lambda: next(made))
    memo.get("d", lambda: next(made))
    assert memo.get("b", lambda: 99) == 99  # the oldest went


def test_what_lasts_survives_a_change() -> None:
    memo = Memo()
    assert memo.get("a", lambda: 1, lasting=True) == 1
    memo.clear()
    assert memo.get("a", lambda: 2, lasting=True) == 1


def test_an_answer_that_fails_is_not_kept() -> None:
    memo = Memo()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        memo.get("a", fail)
    assert memo.get("a", lambda: 1) == 1


def test_what_the_first_visitor_needs_is_fetched_beside_the_serving(house: House) -> None:
    sheets.build(house.context.engine)
    warm(house.context, house.app.state.memo)
    held = {key[0] for key in house.app.state.memo._kept}
    assert {"metric", "drivers", "journey map", "ratings", "band"} <= held
    asked: list[str] = []
    event.listen(house.context.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with reading(house.context.engine) as session:
        brand = session.exec(select(Brand.id).where(Brand.slug == "cafe")).one() or 0
        assert sheets.read(session, brand, start=support.NOW - timedelta(days=90), end=support.NOW)
    assert not [statement for statement in asked if "sheet.mentions" in statement]
    house.context.engine.dispose()
    house.context.settings.data_dir.joinpath("monitor.sqlite").write_bytes(b"no store at all" * 1000)
    warm(house.context, house.app.state.memo)  # a page will say so; warming holds nothing up


def test_an_old_answer_is_given_once_more_and_renewed_behind_it() -> None:
    clock, renewed = [0.0], threading.Event()
    memo = Memo(seconds=10, clock=lambda: clock[0])

    def again() -> str:
        renewed.set()
        return "new"

    def ask() -> str:
        return memo.get("stars", lambda: "old", seconds=10, lasting=True, again=again)

    assert ask() == "old"
    clock[0] = 9.0
    assert ask() == "old"
    assert not renewed.is_set()
    clock[0] = 11.0
    assert ask() == "old"
    assert renewed.wait(30)
    for _ in range(3000):
        if ask() == "new":
            break
        time.sleep(0.01)
    assert ask() == "new"


def test_a_renewed_answer_is_forgotten_after_a_change_like_any_other() -> None:
    clock = [0.0]
    memo = Memo(seconds=10, clock=lambda: clock[0])

    def ask() -> str:
        return memo.get("metric", lambda: "asked", again=lambda: "renewed")

    assert ask() == "asked"
    clock[0] = 11.0
    for _ in range(3000):
        if ask() == "renewed":
            break
        time.sleep(0.01)
    assert ask() == "renewed"
    memo.clear()
    assert ask() == "asked"
