# ruff: noqa: E501, SIM117
"""How readings go on from each other: newest first, gaps, backfill, edits, deletions; and a week against a living server."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from scrapers.base import Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.collect import Batch, collect, interval_seconds
from scrapers.errors import BadParams, RateLimited, Unreachable
from scrapers.http import Client, ClientSettings
from scrapers.item import Item
from tests.scrapers.board import Board, BoardParams, Clock, LivingSite

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class World:
    """What the server shows: posts by number, an hour apart, ten a page."""

    def __init__(self, n: int = 0) -> None:
        self.posts: dict[int, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.headers: list[httpx.Headers] = []
        self.answer: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
        for _ in range(n):
            self.post()

    def post(self, **fields: Any) -> int:
        number = max(self.posts, default=0) + 1
        at = NOW - timedelta(days=10) + timedelta(hours=number)
        self.posts[number] = {"id": number, "text": f"words {number}", "at": at.isoformat(), "author": "a", **fields}
        return number

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        self.headers.append(request.headers)
        special = self.answer(request)
        if special is not None:
            return special
        below = int(request.url.params.get("below", 10**9))
        shown = sorted((one for one in self.posts.values() if one["id"] < below), key=lambda one: -one["id"])
        following = str(shown[9]["id"]) if len(shown) > 10 else None
        return httpx.Response(200, json={"posts": shown[:10], "next": following})


class Reader:
    """Keeps the state between readings, as the application does, and what it stored."""

    def __init__(self, world: Callable[[httpx.Request], httpx.Response], scraper: Scraper | None = None) -> None:
        self.world, self.scraper = world, scraper or Board()
        self.state: dict[str, Any] | None = None
        self.stored: dict[str, Item] = {}
        self.batches: list[Batch] = []
        self.now = NOW

    def read(self, *, stop_after: int | None = None, params: BoardParams | None = None, **options: Any) -> list[Batch]:
        """One reading; `stop_after` batches the process is killed."""

        async def run() -> None:
            passed = 0.0

            def clock() -> float:
                return self.now.timestamp() + passed

            async def sleep(seconds: float) -> None:
                nonlocal passed
                passed += seconds

            async with Client(
                ClientSettings(), transport=httpx.MockTransport(self.world), clock=clock, sleep=sleep
            ) as client:
                reading = collect(self.scraper, params or BoardParams(), self.state, client, now=self.now, **options)
                async for batch in reading:
                    self.batches.append(batch)
                    self.state = json.loads(json.dumps(batch.state_after))
                    for item in batch.items:
                        self.stored[item.external_id] = item
                    for key in batch.gone:
                        self.stored.pop(key, None)
                    if stop_after is not None and len(self.batches) >= stop_after:
                        await reading.aclose()
                        return

        self.batches = []
        asyncio.run(run())
        return self.batches

    def numbers(self) -> list[int]:
        return sorted(int(one) for one in self.stored)


class TestWalk:
    def test_a_second_reading_asks_one_page_when_nothing_is_new(self) -> None:
        world = World(30)
        reader = Reader(world)
        reader.read()
        assert reader.numbers() == list(range(1, 31))
        world.asked.clear()
        reader.now += timedelta(hours=1)
        batches = reader.read()
        assert len(world.asked) == 1
        assert sum(one.n_new for one in batches) == 0

    def test_new_posts_are_read_down_to_the_known_ones(self) -> None:
        world = World(30)
        reader = Reader(world)
        reader.read()
        for _ in range(25):
            world.post()
        world.asked.clear()
        reader.now += timedelta(hours=1)
        batches = reader.read()
        assert reader.numbers() == list(range(1, 56))
        assert sum(one.n_new for one in batches) == 25
        assert len(world.asked) == 4, "three pages with news, and one that is all known"

    def test_a_first_reading_leaves_the_rest_to_the_backfill(self) -> None:
        world = World(200)
        reader = Reader(world)
        first = reader.read(backfill_pages=2)
        assert len(reader.stored) == 70
        assert [one.backfill for one in first if one.items] == [False] * 5 + [True] * 2
        for _ in range(10):
            reader.now += timedelta(hours=1)
            world.post()
            reader.read(backfill_pages=2)
        assert reader.numbers() == list(range(1, 211))
        assert "backfill" not in (reader.state or {})["slices"]["main"]

    def test_the_backfill_ends_at_a_given_day(self) -> None:
        world = World(200)
        reader = Reader(world)
        until = datetime.fromisoformat(world.posts[100]["at"])
        for _ in range(6):
            reader.read(backfill_pages=3, backfill_until=until)
        assert min(reader.numbers()) == 91
        assert "backfill" not in (reader.state or {})["slices"]["main"]

    @pytest.mark.parametrize("killed_after", [1, 2, 3, 4])
    def test_a_reading_that_is_killed_goes_on_without_a_hole(self, killed_after: int) -> None:
        world = World(20)
        reader = Reader(world)
        reader.read()
        for _ in range(45):
            world.post()
        reader.now += timedelta(hours=1)
        reader.read(stop_after=killed_after)
        world.post()
        reader.now += timedelta(hours=1)
        reader.read()
        assert reader.numbers() == list(range(1, 67))

    def test_a_small_budget_leaves_a_gap_that_the_next_readings_close(self) -> None:
        world = World(20)
        reader = Reader(world)
        reader.read()
        for _ in range(100):
            world.post()
        for _ in range(8):
            reader.now += timedelta(minutes=30)
            reader.read(max_pages=3)
        assert reader.numbers() == list(range(1, 121))

    def test_rising_pages_are_read_to_the_end(self) -> None:
        class Rising(Board):
            def request(
                self, params: BoardParams, part: Slice, cursor: str | None, *, since: datetime | None = None
            ) -> Request:
                after = cursor or "0"
                asked = f"&since={since.timestamp():.0f}" if since else ""
                return Request(f"{params.base}/main?above={after}{asked}")

        posts = World(25).posts

        def world(request: httpx.Request) -> httpx.Response:
            above = int(request.url.params["above"])
            since = float(request.url.params.get("since", 0))
            shown = [
                one
                for one in posts.values()
                if one["id"] > above and datetime.fromisoformat(one["at"]).timestamp() >= since
            ]
            return httpx.Response(
                200, json={"posts": shown[:10], "next": str(shown[9]["id"]) if len(shown) > 10 else None}
            )

        reader = Reader(world, Rising())
        reader.read()
        assert reader.numbers() == list(range(1, 26))
        more = World(60)
        posts.update({number: one for number, one in more.posts.items() if number > 25})
        reader.read()
        assert reader.numbers() == list(range(1, 61))

    def test_pages_without_order_stop_at_the_first_without_news(self) -> None:
        shuffled = list(World(50).posts.values())
        random.Random(3).shuffle(shuffled)
        asked: list[int] = []

        def world(request: httpx.Request) -> httpx.Response:
            start = int(request.url.params.get("below", 0))
            asked.append(start)
            following = str(start + 10) if start + 10 < len(shuffled) else None
            return httpx.Response(200, json={"posts": shuffled[start : start + 10], "next": following})

        reader = Reader(world)
        reader.read()
        assert len(reader.stored) == 50
        asked.clear()
        reader.read()
        assert asked == [0]

    def test_a_cursor_that_leads_to_itself_ends_the_walk(self) -> None:
        posts = list(World(10).posts.values())
        reader = Reader(lambda _: httpx.Response(200, json={"posts": posts, "next": "5"}))
        reader.read()
        assert len(reader.batches) < 10

    def test_slices_have_their_own_state_and_one_that_fails_does_not_stop_the_other(self) -> None:
        world = World(5)
        world.answer = lambda request: httpx.Response(500) if request.url.path == "/one" else None
        reader = Reader(world)
        with pytest.raises(Unreachable):
            reader.read(params=BoardParams(parts=("one", "two")))
        assert set(reader.stored) == {"1", "2", "3", "4", "5"}
        assert reader.state is not None and "known" in reader.state["slices"]["two"]

    def test_wrong_parameters_and_readers_of_saved_pages(self) -> None:
        class Saved(Board):
            def request(
                self, params: BoardParams, part: Slice, cursor: str | None, *, since: datetime | None = None
            ) -> None:  # type: ignore[override]
                return None

        with pytest.raises(BadParams, match="reads saved pages only"):
            Reader(World(1), Saved()).read()
        with pytest.raises(BadParams, match="takes parameters of BoardParams"):
            Reader(World(1)).read(params=Params())  # type: ignore[arg-type]


class TestStatuses:
    @pytest.mark.parametrize("wall", ["blocked", "captcha", "login", "not_found", "no_preview", "changed"])
    def test_a_wall_is_a_batch_and_state_keeps_what_was_known(self, wall: str) -> None:
        world = World(10)
        reader = Reader(world)
        reader.read()
        known = reader.state["slices"]["main"]["known"] if reader.state else None
        world.answer = lambda _: httpx.Response(200, json={"wall": wall})
        reader.now += timedelta(hours=1)
        (batch,) = reader.read()
        assert (batch.status, batch.note, batch.items) == (Status(wall), "a wall", ())
        assert (batch.sample is not None) == (wall == "changed")
        assert batch.state_after["slices"]["main"]["known"] == known
        assert batch.state_after["slices"]["main"]["failures"] == 1

    def test_a_wall_ends_the_reading_and_a_missing_page_only_its_slice(self) -> None:
        world = World(3)
        world.answer = lambda request: (
            httpx.Response(200, json={"wall": "blocked"}) if request.url.path == "/one" else None
        )
        reader = Reader(world)
        reader.read(params=BoardParams(parts=("one", "two")))
        assert [one.status for one in reader.batches] == [Status.BLOCKED]
        world.answer = lambda request: (
            httpx.Response(200, json={"wall": "not_found"}) if request.url.path == "/one" else None
        )
        reader.read(params=BoardParams(parts=("one", "two")))
        assert len(reader.stored) == 3

    def test_a_rate_limit_is_raised_at_once_with_its_time(self) -> None:
        world = World(3)
        world.answer = lambda _: httpx.Response(429, headers={"retry-after": "900"})
        with pytest.raises(RateLimited) as caught:
            Reader(world).read()
        assert caught.value.retry_after == 900

    def test_not_modified_is_a_good_reading(self) -> None:
        world = World(5)

        def answer(request: httpx.Request) -> httpx.Response | None:
            if request.headers.get("if-none-match") == '"5"':
                return httpx.Response(304)
            posts = sorted(world.posts.values(), key=lambda one: -one["id"])
            return httpx.Response(200, json={"posts": posts}, headers={"etag": f'"{len(posts)}"'})

        world.answer = answer
        reader = Reader(world)
        reader.read()
        reader.now += timedelta(hours=8)
        batches = reader.read()
        assert [one.note for one in batches] == ["not modified", "the newest pages are read"]
        world.post()
        reader.now += timedelta(hours=1)
        assert sum(one.n_new for one in reader.read()) == 0, "the server says that nothing changed"

    def test_a_field_that_vanishes_is_a_change_although_items_come(self) -> None:
        world = World(60)
        reader = Reader(world)
        reader.read()
        for _ in range(10):
            world.post(author=None)
        reader.now += timedelta(hours=1)
        changed = [one for one in reader.read() if one.status is Status.CHANGED]
        assert [(one.note, len(one.items)) for one in changed] == [("items have no author any more", 10)]
        assert changed[0].sample is not None

    def test_items_that_may_not_be_kept_are_never_given_on(self) -> None:
        class Marked(Board):
            def parse(self, page: Page) -> Parsed:
                parsed = super().parse(page)
                from dataclasses import replace

                items = tuple(
                    replace(one, flags=frozenset({"nobot"} if int(one.external_id) % 2 else ())) for one in parsed.items
                )
                return replace(parsed, items=items)

        reader = Reader(World(10), Marked())
        reader.read()
        assert reader.numbers() == [2, 4, 6, 8, 10]


class TestChanges:
    def test_edits_in_the_overlap_window_are_seen(self) -> None:
        world = World(40)
        reader = Reader(world)
        reader.read()
        world.posts[25]["text"] = "edited"
        reader.now += timedelta(hours=7)  # deep readings come every six hours
        batches = reader.read()
        assert reader.stored["25"].text == "edited"
        assert sum(one.n_changed for one in batches) == 1

    def test_a_relative_date_does_not_move(self) -> None:
        world = World()
        world.post(at="2 days ago")
        reader = Reader(world)
        reader.read()
        first = reader.stored["1"].published_at
        world.posts[1]["at"] = "3 days ago"
        reader.now += timedelta(days=1, hours=7)
        world.posts[1]["text"] = "edited"
        reader.read()
        assert first == datetime(2026, 11, 18, tzinfo=UTC)
        assert (reader.stored["1"].text, reader.stored["1"].published_at) == ("edited", first)

    def test_a_deletion_needs_two_healthy_misses_a_day_apart(self) -> None:
        world = World(40)
        reader = Reader(world)
        reader.read()
        del world.posts[35]
        gone: list[str] = []
        for hours in (7, 7, 7, 7, 7):
            reader.now += timedelta(hours=hours)
            world.post()
            gone += [key for batch in reader.read() for key in batch.gone]
            if reader.now - NOW < timedelta(hours=31):
                assert gone == []
        assert gone == ["35"]
        assert "35" not in reader.stored

    def test_a_post_that_comes_back_is_not_gone(self) -> None:
        world = World(40)
        reader = Reader(world)
        reader.read()
        hidden = world.posts.pop(35)
        reader.now += timedelta(hours=7)
        reader.read()
        world.posts[35] = hidden
        for _ in range(6):
            reader.now += timedelta(hours=7)
            assert all(not batch.gone for batch in reader.read())

    def test_nothing_is_gone_because_a_list_is_short_capped_or_empty(self) -> None:
        world = World(40)
        reader = Reader(world)
        reader.read()
        for answer in (
            lambda _: httpx.Response(200, json={"posts": []}),
            lambda _: httpx.Response(200, json={"posts": [world.posts[40]]}),
            lambda _: httpx.Response(200, json={"posts": [world.posts[n] for n in range(40, 30, -1)]}),
        ):
            world.answer = answer
            for _ in range(6):
                reader.now += timedelta(hours=13)
                assert all(not batch.gone for batch in reader.read())
        assert len(reader.stored) == 40

    def test_a_tombstone_is_believed_at_once(self) -> None:
        world = World(5)
        reader = Reader(world)
        reader.read()
        posts = [world.posts[n] for n in (5, 4, 2, 1)]
        world.answer = lambda _: httpx.Response(200, json={"posts": posts, "gone": ["3"]})
        reader.now += timedelta(hours=1)
        assert next(batch.gone for batch in reader.read()) == ("3",)


class TestPace:
    def test_news_shortens_and_silence_lengthens_the_interval(self) -> None:
        world = World(5)
        reader = Reader(world)
        meta = Board.meta
        assert interval_seconds(meta, None) == 3600
        reader.read()
        assert interval_seconds(meta, reader.state) == 1800
        for _ in range(20):
            reader.now += timedelta(hours=1)
            reader.read()
        assert interval_seconds(meta, reader.state) == 8 * 3600
        for _ in range(10):
            world.post()
            reader.now += timedelta(hours=1)
            reader.read()
        assert interval_seconds(meta, reader.state) == meta.min_interval_seconds

    def test_the_state_stays_small(self) -> None:
        world = World(3000)
        reader = Reader(world)
        for _ in range(20):
            reader.now += timedelta(hours=1)
            reader.read(max_pages=100, backfill_pages=100)
        assert len(reader.stored) == 3000
        assert len(json.dumps(reader.state)) < 60_000


def _a_week(seed: int) -> None:
    """A board that grows, edits and deletes for a week, on a real server that fails one request in ten."""
    rng = random.Random(seed)
    start = datetime(2026, 11, 2, tzinfo=UTC)
    clock = Clock(start)
    site = LivingSite(rng, start, clock)

    stored: dict[str, str] = {}
    arrived: list[str] = []
    readings = killed = 0

    async def live() -> None:
        nonlocal readings, killed
        server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        params = BoardParams(base=f"http://127.0.0.1:{port}")
        state: dict[str, Any] | None = None
        async with server:
            async with Client(
                ClientSettings(allowed_hosts=("127.0.0.1",)), clock=clock, sleep=clock.sleep, rng=random.Random(seed)
            ) as client:
                while clock.now < (start + timedelta(days=10)).timestamp():
                    readings += 1
                    now = datetime.fromtimestamp(clock.now, UTC)
                    life = rng.randint(1, 3) if rng.random() < 0.1 else 10**6
                    try:
                        async for batch in collect(Board(), params, state, client, now=now):
                            for item in batch.items:
                                if item.external_id not in stored:
                                    arrived.append(item.external_id)
                                stored[item.external_id] = item.text
                            for key in batch.gone:
                                stored.pop(key, None)
                            state = json.loads(json.dumps(batch.state_after))
                            life -= 1
                            if not life:
                                killed += 1
                                break
                    except Unreachable:
                        pass
                    clock.now += interval_seconds(Board.meta, state)

    asyncio.run(live())
    final = {str(one["id"]): one["text"] for one in site.shown(datetime.fromtimestamp(clock.now, UTC))}
    assert stored == final
    assert len(arrived) == len(set(arrived)), "nothing came twice as new after it was gone"
    gaps = [b - a for a, b in itertools.pairwise(site.asked_at)]
    assert min(gaps) >= Board.meta.host_interval_seconds - 1e-6, "the host was asked faster than allowed"
    assert readings > 100 and killed > 3 and site.n_failed > 20, (readings, killed, site.n_failed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_week_of_a_living_site_is_stored_as_it_was_public(seed: int) -> None:
    _a_week(seed)
