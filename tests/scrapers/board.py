"""A board: a reader for tests, and a site that lives: it grows, edits and deletes posts, and fails now and then."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates

PAGE = 10


class BoardParams(Params):
    base: str = "http://board.example"
    parts: tuple[str, ...] = ("main",)


class Board(Scraper):
    """Newest first, ten a page, the cursor is the id to go on below."""

    meta = Meta(
        name="board", title="Board", access="A", terms="made for these tests only", kinds=("post",), robots=False
    )
    params_type = BoardParams

    def slices(self, params: BoardParams) -> tuple[Slice, ...]:
        return tuple(Slice(one) for one in params.parts)

    def request(
        self, params: BoardParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request:
        return Request(f"{params.base}/{part.name}" + (f"?below={cursor}" if cursor else ""))

    def parse(self, page: Page) -> Parsed:
        data = json.loads(page.body)
        if "wall" in data:
            return Parsed(Status(data["wall"]), note="a wall")
        items = [
            Item(
                kind="post",
                external_id=str(one["id"]),
                text=one["text"],
                author=one.get("author"),
                **dates.read(one["at"], page.fetched_at, languages=("en",)).fields(),
            )
            for one in data["posts"]
        ]
        if not items and not data.get("next"):
            return Parsed(Status.EMPTY, note="no posts")
        return Parsed(Status.OK, tuple(items), next_cursor=data.get("next"), gone=tuple(data.get("gone", ())))


class Clock:
    """Seconds since the epoch that pass only by sleeping."""

    def __init__(self, start: datetime) -> None:
        self.now = start.timestamp()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class LivingSite:
    """A week of posts with their edits and deletions, told in advance; one request in ten fails.

    `serve` is the callback of `asyncio.start_server`.
    """

    def __init__(self, rng: random.Random, start: datetime, clock: Clock) -> None:
        self._rng, self._clock = rng, clock
        self.posts: list[dict[str, Any]] = []
        self.asked_at: list[float] = []
        self.n_failed = 0
        self.told: dict[str, list[str]] = {}  # every wording that was in an answer, by id
        for number in range(1, 81):  # the past
            at = start - timedelta(hours=100) + timedelta(hours=number * 1.2)
            self.posts.append({"id": number, "at": at, "texts": [(at, f"old {number}")], "deleted": None})
        at, number = start, 81
        while at < start + timedelta(days=7):
            at += timedelta(minutes=rng.expovariate(1 / 45))
            post: dict[str, Any] = {"id": number, "at": at, "texts": [(at, f"post {number}")], "deleted": None}
            if rng.random() < 0.1:
                post["texts"].append((at + timedelta(hours=rng.uniform(0.1, 15)), f"post {number}, edited"))
            if rng.random() < 0.06:
                post["deleted"] = at + timedelta(hours=rng.uniform(0.1, 15))
            self.posts.append(post)
            number += 1
        self.posts.reverse()

    def shown(self, at: datetime) -> list[dict[str, Any]]:
        """What is public, newest first."""
        found = []
        for one in self.posts:
            if one["at"] <= at and (one["deleted"] is None or one["deleted"] > at):
                words = [text for when, text in one["texts"] if when <= at][-1]
                found.append({"id": one["id"], "at": one["at"].isoformat(), "text": words, "author": "a"})
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")
            self.asked_at.append(self._clock.now)
            if self._rng.random() < 0.1:
                self.n_failed += 1
                if self._rng.random() < 0.5:
                    return
                writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            else:
                body = self._page(int(head[1].partition("below=")[2] or 10**9))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _page(self, below: int) -> bytes:
        public = self.shown(datetime.fromtimestamp(self._clock.now, UTC))
        posts = [one for one in public if one["id"] < below]
        for one in posts[:PAGE]:
            wordings = self.told.setdefault(str(one["id"]), [])
            if wordings[-1:] != [one["text"]]:
                wordings.append(one["text"])
        following = str(posts[PAGE - 1]["id"]) if len(posts) > PAGE else None
        return json.dumps({"posts": posts[:PAGE], "next": following}).encode()
