"""Bluesky Jetstream: the stream of all public posts, read on from where the last reading ended, filtered here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from scrapers import query
from scrapers.base import Meta, Params, Request, Slice, Status
from scrapers.batch import Batch
from scrapers.errors import BadQuery
from scrapers.readers import json_data
from scrapers.sites._bluesky import POST, events
from scrapers.sites._site import address
from scrapers.sites.bluesky import Bluesky
from scrapers.websocket import messages

if TYPE_CHECKING:
    from scrapers.http import Client

BATCH = 2_000  # events
READING_SECONDS = 120.0  # of one reading; what is left comes with the next
SILENCE_SECONDS = 5.0
REWIND = timedelta(seconds=5)  # servers of one name are a little apart; what comes twice has the same id
MEMORY = timedelta(hours=24)  # how far back servers go


class JetstreamParams(Params):
    query: str = Field(
        description="Which posts are kept, in the language of brand queries: acme OR (coffee NEAR/3 acme)"
    )
    language: str | None = Field(None, pattern=r"^[a-z]{2,3}$", description="Only posts marked with this language")
    server: str = Field(
        "wss://jetstream2.us-east.bsky.network/subscribe",
        pattern=r"^wss?://[^\s?#]+$",
        description="Address of a Jetstream; any instance will do",
    )
    first_hours: float = Field(1.0, gt=0, le=24, description="How far back the first reading goes")

    @field_validator("query")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            query.parse(value)
        except BadQuery as problem:
            raise ValueError(str(problem)) from None
        return value


class BlueskyJetstream(Bluesky):
    meta = Meta(
        name="bluesky_jetstream",
        title="Bluesky Jetstream",
        access="A",
        terms="The stream of all public posts is open to everybody, without a key, and is what the network asks "
        "whoever wants much to take. Edits and deletions come with it. Needs the extra `stream`.",
        hosts=("jetstream2.us-east.bsky.network",),
        kinds=("post", "comment"),
        interval_seconds=300,
        min_interval_seconds=60,
        robots=False,
        verified="against recordings",
        docs="https://github.com/bluesky-social/jetstream",
    )
    params_type: ClassVar[type[Params]] = JetstreamParams

    def match(self, url: str) -> None:
        return None

    def sign_in(self, params: Any) -> None:
        return None

    def request(self, params: Any, part: Slice, cursor: str | None, *, since: datetime | None = None) -> Request | None:
        return None

    def batches(
        self, params: Any, state: Mapping[str, Any], *, client: Client, now: datetime
    ) -> AsyncIterator[Batch] | None:
        return _batches(params, state, client, now)


async def _batches(
    params: JetstreamParams, state: Mapping[str, Any], client: Client, now: datetime
) -> AsyncIterator[Batch]:
    """Everything since the cursor, until the stream has caught up with the time at which the reading began."""
    wanted = query.parse(params.query)
    start = _start(state, now, params.first_hours)
    until = _micro(now)
    url = address(params.server, wantedCollections=POST, cursor=start)
    note = _lost(state, now)
    held: list[dict[str, Any]] = []
    last, n_seen = max(start, json_data.integer(state.get("cursor")) or 0), 0
    async for line in messages(client, url, seconds=READING_SECONDS, silence_seconds=SILENCE_SECONDS):
        event = json_data.loads(line)
        if not isinstance(event, dict):
            continue
        held.append(event)
        at = json_data.integer(event.get("time_us"))
        last = max(last, at or 0)
        if len(held) >= BATCH or last >= until:
            yield _batch(params, wanted, held, last, note)
            n_seen, held, note = n_seen + len(held), [], None
        if last >= until:
            return
    if held or not n_seen:
        yield _batch(params, wanted, held, last, note)


def _batch(
    params: JetstreamParams, wanted: query.Query, held: list[dict[str, Any]], last: int, note: str | None
) -> Batch:
    found = events(held)
    items = tuple(
        item
        for item in found.items
        if (params.language is None or item.language == params.language) and wanted.matches(item)
    )
    return Batch(
        slice="main",
        page_url=params.server,
        status=Status.OK,
        items=items,
        gone=found.gone,
        state_after={"cursor": last},
        note=note,
        n_new=len(items),
    )


def _start(state: Mapping[str, Any], now: datetime, first_hours: float) -> int:
    cursor = state.get("cursor")
    if isinstance(cursor, int):
        return max(cursor - int(REWIND.total_seconds() * 1e6), _micro(now - MEMORY))
    return _micro(now - timedelta(hours=first_hours))


def _lost(state: Mapping[str, Any], now: datetime) -> str | None:
    cursor = state.get("cursor")
    if isinstance(cursor, int) and cursor < _micro(now - MEMORY):
        hours = (_micro(now - MEMORY) - cursor) / 3.6e9
        return f"the stream keeps a day: {hours:.1f} hours before it are lost"
    return None


def _micro(at: datetime) -> int:
    return int(at.timestamp() * 1e6)
