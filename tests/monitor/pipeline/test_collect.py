"""Collecting over a real server: places, quiet hours, budgets, manners that last from one turn to the next."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlmodel import col, func, select
from werkzeug import Request, Response

from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context
from monitor.pipeline.turns import due
from monitor.store import notices, robots
from monitor.store.engine import reading, writing
from monitor.store.tables import Coverage, Mention, Meta, Source
from scrapers.sites.rss import Rss
from tests.monitor import support
from tests.scrapers.imports.mailbox import Mailbox, letter

NOW = support.NOW
BRANDS = {
    "cafe": {
        "name": "Cafe",
        "locations": [
            {"name": "Riverside 3", "aliases": ["the river branch", "RIVERSIDE"]},
            {"name": "Лесная 5", "aliases": ["филиал на Лесной"]},
        ],
    }
}


class Site:
    """A feed on a real server that counts who asks what."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.asked: list[str] = []
        self.posts: list[tuple[str, str]] = []
        self.robots = "User-agent: *\nAllow: /\n"
        self.pages = 1
        server.expect_request("/robots.txt").respond_with_handler(self._robots)
        server.expect_request("/feed").respond_with_handler(self._feed)

    @property
    def host(self) -> str:
        return f"{self.server.host}:{self.server.port}"

    def _robots(self, request: Request) -> Response:
        self.asked.append("/robots.txt")
        return Response(self.robots, mimetype="text/plain")

    def _feed(self, request: Request) -> Response:
        page = int(request.args.get("page", 1))
        self.asked.append(f"/feed {page}")
        items = "".join(
            f"<item><guid isPermaLink='false'>{number}-{page}</guid><title>{title}</title><description>{text}"
            f"</description><pubDate>{format_datetime(NOW - timedelta(hours=number + 10 * page))}</pubDate></item>"
            for number, (title, text) in enumerate(self.posts, 1)
        )
        following = f"<atom:link rel='next' href='/feed?page={page + 1}'/>" if page < self.pages else ""
        body = (
            "<rss version='2.0' xmlns:atom='http://www.w3.org/2005/Atom'><channel><title>t</title>"
            f"{following}{items}</channel></rss>"
        )
        return Response(body, mimetype="application/rss+xml")


@pytest.fixture
def site(httpserver: HTTPServer) -> Site:
    return Site(httpserver)


@pytest.fixture
def house(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Context]]:
    monkeypatch.setattr(Rss, "meta", dataclasses.replace(Rss.meta, host_interval_seconds=0.001))
    made: list[Context] = []

    def build(
        *, at: datetime = NOW, http: dict[str, Any] | None = None, brands: Any = BRANDS, **source: Any
    ) -> Context:
        source = {"brand": "cafe", "scraper": "rss", "params": {"url": f"http://{site.host}/feed"}} | source
        context = support.context(
            tmp_path, brands=BRANDS, sources={"feed": source}, http={"allow_private": [site.host]} | (http or {})
        )
        context.client_options = {"latency_factor": 0.0, "host_interval_seconds": 0.001}
        made.append(context)
        return context

    yield build
    for context in made:
        context.engine.dispose()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def mail(box: Mailbox, **changed: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": box.port, "user": "me", "password": "right", "tls": False} | changed


def at(context: Context, moment: datetime) -> Context:
    context.clock = lambda: moment
    return context


def stored(context: Context) -> list[Mention]:
    with reading(context.engine) as session:
        return list(session.exec(select(Mention).order_by(Mention.external_id)))


def row(context: Context) -> Source:
    with reading(context.engine) as session:
        return session.exec(select(Source)).one()


def test_places_get_the_brand_s_own_spelling(house: Callable[..., Context], site: Site) -> None:
    site.posts = [
        ("Cold soup", "at the River Branch again"),
        ("Очередь", "В филиале на Лесной ждали час"),
        ("Both", "Riverside is fine, the one at Лесная 5 is not"),
        ("Nothing", "no place is named here"),
    ]
    context = house()
    assert collect(context).n_new == 4
    assert [one.location for one in stored(context)] == ["Riverside 3", "Лесная 5", "", ""]


def test_a_source_of_one_place_stays_there(house: Callable[..., Context], site: Site) -> None:
    site.posts = [("Better", "than the river branch")]
    context = house(location="Лесная 5")
    collect(context)
    assert [one.location for one in stored(context)] == ["Лесная 5"]


def test_robots_txt_is_read_once_over_many_turns(house: Callable[..., Context], site: Site) -> None:
    site.posts = [("One", "text")]
    context = house()
    for hours in range(3):
        collect(at(context, NOW + timedelta(hours=hours)), only=["feed"])
    assert site.asked == ["/robots.txt", "/feed 1", "/feed 1", "/feed 1"]


def test_robots_txt_is_read_once_a_day_by_processes_that_end_after_each_turn(
    house: Callable[..., Context], site: Site
) -> None:
    """As `monitor once` from cron: each life finds in the store what an earlier one was told, and obeys it."""
    site.posts, site.robots = [("One", "text")], "User-agent: *\nDisallow: /\n"
    now = NOW.timestamp()
    for seconds, asked in ((0, 1), (3_600, 1), (86_000, 1), (86_401, 2), (90_000, 2)):
        life = house()
        life.host_clock = lambda seconds=seconds: now + seconds
        assert "forbids" in collect(life, only=["feed"]).errors[0]
        assert site.asked == ["/robots.txt"] * asked
    for days, n in ((29, 1), (32, 0)):  # a copy that old holds for no host any more
        with writing(life.engine) as session:
            robots.prune(session, now=now + days * 86_400)
            assert session.exec(select(func.count()).where(col(Meta.key).startswith("robots."))).one() == n


@pytest.mark.parametrize("obey", [True, False])
def test_robots_txt_holds_unless_the_operator_answers_for_it(
    house: Callable[..., Context], site: Site, obey: bool
) -> None:
    site.posts, site.robots = [("One", "text")], "User-agent: *\nDisallow: /\n"
    context = house(http={"obey_robots": obey})
    collect(context)
    assert site.asked == (["/robots.txt"] if obey else ["/feed 1"])
    assert len(stored(context)) == (0 if obey else 1)


def test_a_body_over_the_configured_size_is_refused(house: Callable[..., Context], site: Site) -> None:
    site.posts = [("Long", "word " * 100_000)]
    context = house(http={"max_body_mb": 0.1})
    collect(context)
    assert "the body is over" in row(context).last_error
    assert not stored(context)


@pytest.mark.parametrize(
    ("hour", "sections"),
    [
        (2, {"http": {"quiet_from": "23:00", "quiet_to": "07:00"}}),
        (23, {"http": {"quiet_from": "23:00", "quiet_to": "07:00"}}),
        (13, {"quiet_from": "12:00", "quiet_to": "14:00"}),
        (13, {"quiet_from": "12:00", "quiet_to": "14:00", "http": {"quiet_from": "01:00", "quiet_to": "02:00"}}),
    ],
)
def test_a_site_is_left_alone_in_the_quiet_hours(
    house: Callable[..., Context], site: Site, hour: int, sections: dict[str, Any]
) -> None:
    context = house(**sections)
    quiet, later = NOW.replace(hour=hour) + timedelta(days=1), NOW.replace(hour=8) + timedelta(days=2)
    assert due(at(context, quiet)) == []
    collect(context)
    assert site.asked == []
    assert due(at(context, later)) == ["feed"]


def test_quiet_hours_of_the_source_replace_those_of_the_house(house: Callable[..., Context]) -> None:
    context = house(quiet_from="12:00", quiet_to="14:00", http={"quiet_from": "01:00", "quiet_to": "02:00"})
    assert due(at(context, datetime(2026, 11, 21, 1, 30, tzinfo=UTC))) == ["feed"]


def test_a_daily_budget_ends_the_reading_and_is_no_failure(house: Callable[..., Context], site: Site) -> None:
    site.posts, site.pages = [("One", "text"), ("Two", "text")], 5
    context = house(daily_requests=2)
    tally = collect(context)
    assert [one for one in site.asked if one != "/robots.txt"] == ["/feed 1", "/feed 2"]
    assert (tally.n_new, tally.n_failed) == (4, 0)
    source = row(context)
    assert (source.last_status, source.fail_count) == ("budget_spent", 0)
    with reading(context.engine) as session:
        assert not notices.open_notices(session)
        (hour,) = session.exec(select(Coverage))
        assert (hour.n_due, hour.n_done) == (1, 0)
    assert source.paused_until is not None
    assert due(at(context, source.paused_until - timedelta(milliseconds=1))) == []
    assert due(at(context, source.paused_until)) == ["feed"]


def test_what_a_full_queue_held_back_is_told_and_taken_back(
    house: Callable[..., Context], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.posts = [("One", "text"), ("Two", "text")]
    context = house()
    collect(context)
    monkeypatch.setattr("monitor.pipeline.turns.MAX_UNSCORED", 1)
    assert collect(at(context, NOW + timedelta(days=1))).errors
    with reading(context.engine) as session:
        assert [one.key for one in notices.open_notices(session)] == ["collect.held_back"]
    monkeypatch.setattr("monitor.pipeline.turns.MAX_UNSCORED", 10)
    assert not collect(context).errors
    with reading(context.engine) as session:
        assert not notices.open_notices(session)


def test_a_mailbox_is_a_source_like_any_other(house: Callable[..., Context], box: Mailbox) -> None:
    box.messages = {one: letter(one) for one in range(1, 26)}
    context = house(scraper="imap", params=mail(box))
    assert collect(context).n_new == 25
    assert {(one.kind, one.origin) for one in stored(context)} == {("ticket", "imap")}
    box.messages[26] = letter(26, "at the river branch")
    assert collect(at(context, NOW + timedelta(hours=1))).n_new == 1
    assert [one.location for one in stored(context) if one.external_id == "26@x"] == ["Riverside 3"]
    assert row(context).last_status == "ok"


def test_a_refused_login_waits_for_a_person(house: Callable[..., Context], box: Mailbox) -> None:
    context = house(scraper="imap", params=mail(box, password="wrong"))
    collect(context)
    source = row(context)
    assert source.last_status == "login"
    assert source.paused_until == NOW + timedelta(hours=1)
    assert "wrong" not in source.last_error
    with reading(context.engine) as session:
        assert [one.key for one in notices.open_notices(session)] == ["source.feed"]
