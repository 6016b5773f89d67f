"""The Jetstream over a real WebSocket: read on from the cursor, filtered here, edits and deletions included."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError
from websockets.asyncio.server import Response, Server, ServerConnection, serve

from scrapers import registry
from scrapers.batch import Batch
from scrapers.collect import collect
from scrapers.errors import RateLimited, Refused, Unreachable
from scrapers.http import Client, ClientSettings
from scrapers.sites import bluesky_jetstream
from scrapers.sites.bluesky_jetstream import JetstreamParams

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = 60_000_000


def micro(at: datetime) -> int:
    return int(at.timestamp() * 1e6)


def event(
    number: int, text: str | None, *, at: datetime, operation: str = "create", langs: list[str] | None = None
) -> str:
    commit: dict[str, Any] = {"operation": operation, "collection": "app.bsky.feed.post", "rkey": f"r{number}"}
    if text is not None:
        commit["record"] = {"text": text, "createdAt": at.isoformat(), "langs": langs or ["en"]}
    return json.dumps({"did": "did:plc:ada", "time_us": micro(at), "kind": "commit", "commit": commit})


class Stream:
    """A server that holds events and plays them from the cursor on."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []
        self.asked: list[dict[str, list[str]]] = []
        self.break_off_after: int | None = None
        self.refuse: HTTPStatus | None = None
        self.server: Server | None = None

    def post(self, number: int, text: str | None, *, ago: timedelta, **more: Any) -> None:
        at = NOW - ago
        self.events.append((micro(at), event(number, text, at=at, **more)))

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        asked = parse_qs(urlsplit(connection.request.path).query)
        self.asked.append(asked)
        start = int(asked["cursor"][0])
        for n, line in enumerate(line for at, line in sorted(self.events) if at >= start):
            if n == self.break_off_after:
                connection.transport.abort()
                return
            await connection.send(line)
        await connection.wait_closed()

    def door(self, connection: ServerConnection, request: Any) -> Response | None:
        if self.refuse is None:
            return None
        response = connection.respond(self.refuse, "no")
        response.headers["Retry-After"] = "90"
        return response


def read(
    stream: Stream,
    state: dict[str, Any] | None = None,
    *,
    now: datetime = NOW,
    allowed: bool = True,
    into: list[Batch] | None = None,
    **params: Any,
) -> list[Batch]:
    """One reading against the server, run in this loop."""

    async def run() -> list[Batch]:
        async with serve(stream, "127.0.0.1", 0, process_request=stream.door) as server:
            port = server.sockets[0].getsockname()[1]
            given = {"query": "coffee", "server": f"ws://127.0.0.1:{port}/subscribe"} | params
            settings = ClientSettings(allowed_hosts=(f"127.0.0.1:{port}",) if allowed else ())
            async with Client(settings) as client:
                reading = collect(registry.get("bluesky_jetstream"), JetstreamParams(**given), state, client, now=now)
                async for batch in reading:
                    found.append(batch)
        return found

    found: list[Batch] = [] if into is None else into
    return asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluesky_jetstream, "SILENCE_SECONDS", 0.3)


def texts(batches: list[Batch]) -> list[str]:
    return [item.text for batch in batches for item in batch.items]


def test_a_first_reading_goes_back_an_hour_and_keeps_what_matches() -> None:
    stream = Stream()
    stream.post(1, "coffee of yesterday", ago=timedelta(hours=2))
    stream.post(2, "Coffees were cold", ago=timedelta(minutes=50))
    stream.post(3, "tea", ago=timedelta(minutes=40))
    stream.post(4, "café coffee", ago=timedelta(minutes=30), langs=["fr"])
    (batch,) = read(stream)
    assert texts([batch]) == ["Coffees were cold", "café coffee"]
    assert batch.items[0].external_id == "at://did:plc:ada/app.bsky.feed.post/r2"
    assert batch.items[0].published_at == NOW - timedelta(minutes=50)
    assert stream.asked[0]["wantedCollections"] == ["app.bsky.feed.post"]
    assert batch.state_after == {"cursor": micro(NOW - timedelta(minutes=30))}
    assert texts(read(stream, language="fr")) == ["café coffee"]


def test_the_next_reading_goes_on_with_edits_and_deletions() -> None:
    stream = Stream()
    stream.post(1, "coffee", ago=timedelta(minutes=50))
    stream.post(2, "coffee again", ago=timedelta(minutes=40))
    (first,) = read(stream)
    later = NOW + timedelta(minutes=5)
    stream.post(1, "coffee, edited", ago=timedelta(minutes=-1), operation="update")
    stream.post(2, None, ago=timedelta(minutes=-2), operation="delete")
    (second,) = read(stream, first.state_after, now=later)
    assert texts([second]) == ["coffee, edited"]
    assert second.items[0].edited_at == NOW + timedelta(minutes=1)
    assert second.gone == ("at://did:plc:ada/app.bsky.feed.post/r2",)
    assert int(stream.asked[1]["cursor"][0]) == first.state_after["cursor"] - 5_000_000


def test_a_reading_ends_where_it_began_though_the_stream_does_not() -> None:
    stream = Stream()
    for number in range(10):
        stream.post(number, f"coffee {number}", ago=timedelta(minutes=5 - number))
    batches = read(stream)
    assert texts(batches) == [f"coffee {number}" for number in range(6)]


def test_what_was_read_before_the_server_breaks_off_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluesky_jetstream, "BATCH", 2)
    stream = Stream()
    for number in range(5):
        stream.post(number, f"coffee {number}", ago=timedelta(minutes=50 - number))
    stream.break_off_after = 3
    kept: list[Batch] = []
    with pytest.raises(Unreachable, match="broke off"):
        read(stream, into=kept)
    assert texts(kept) == ["coffee 0", "coffee 1"]
    stream.break_off_after = None
    assert texts(read(stream, kept[-1].state_after)) == ["coffee 1", "coffee 2", "coffee 3", "coffee 4"]


def test_a_silent_stream_moves_nothing() -> None:
    (batch,) = read(Stream(), {"cursor": micro(NOW - timedelta(minutes=10))})
    assert batch.items == ()
    assert batch.state_after == {"cursor": micro(NOW - timedelta(minutes=10))}


def test_what_the_stream_has_forgotten_is_said() -> None:
    (batch,) = read(Stream(), {"cursor": micro(NOW - timedelta(hours=30))})
    assert batch.note == "the stream keeps a day: 6.0 hours before it are lost"


def test_a_server_that_asks_to_wait_and_one_that_refuses() -> None:
    stream = Stream()
    stream.refuse = HTTPStatus.TOO_MANY_REQUESTS
    with pytest.raises(RateLimited) as caught:
        read(stream)
    assert caught.value.retry_after == 90
    stream.refuse = HTTPStatus.FORBIDDEN
    with pytest.raises(Unreachable, match="answers 403"):
        read(stream)


def test_private_addresses_and_closed_ports() -> None:
    with pytest.raises(Refused):
        read(Stream(), allowed=False)
    with pytest.raises(Refused, match="scheme"):
        asyncio.run(_reach("ftp://example.org"))
    with pytest.raises(Refused, match="not on the public internet"):
        asyncio.run(_reach("wss://localhost/subscribe"))


async def _reach(url: str) -> tuple[str, int]:
    async with Client() as client:
        return await client.reach(url)


def test_a_query_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValidationError, match="bracket is not closed"):
        JetstreamParams(query="(coffee")
