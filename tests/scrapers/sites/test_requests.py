"""What the sites' readers ask for: pages, windows of time, credentials in headers, and who says no to fetching."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from scrapers import registry
from scrapers.base import Page, Request, Scraper, Slice, Status
from scrapers.collect import Batch, collect
from scrapers.errors import BadParams, LoginNeeded

SINCE = datetime(2026, 11, 1, 10, 20, 30, tzinfo=UTC)
TOKEN = "tok-5ecret"


def ask(
    name: str, cursor: str | None = None, *, since: datetime | None = None, part: Slice | None = None, **values: Any
) -> Request:
    scraper = registry.get(name)
    params = scraper.params_type(**values)
    request = scraper.request(params, part or scraper.slices(params)[0], cursor, since=since)
    assert request is not None
    return request


def query(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(request.url).query).items()}


def test_the_cursor_of_an_answer_asks_for_the_next_page() -> None:
    assert (
        query(ask("2gis", "2026-10-01T00:00:00+07:00", branch="7", key=TOKEN))["offset_date"]
        == "2026-10-01T00:00:00+07:00"
    )
    assert query(ask("steam", "AoJ4+/=", app="360"))["cursor"] == "AoJ4+/="
    assert query(ask("steam", app="360"))["cursor"] == "*"
    assert query(ask("discourse", "83", site="https://forum.example.org"))["before"] == "83"
    assert query(ask("github", "3", repository="acme/app"))["page"] == "3"
    assert query(ask("peertube", "100", host="tube.example.org", video="x"))["start"] == "100"
    assert query(ask("reddit", "t3_x", subreddit="acme"))["after"] == "t3_x"
    assert query(ask("vk", "3/-77_17", query="acme", access_token=TOKEN))["start_from"] == "3/-77_17"
    assert query(ask("hackernews", "1763000000", query="acme"))["numericFilters"] == "created_at_i<=1763000000"
    assert query(ask("youtube_data_api", "PAGE2", video="vid00000001", key=TOKEN))["pageToken"] == "PAGE2"
    assert ask("activitypub", "https://a.example/p2", url="https://a.example/outbox").url == "https://a.example/p2"


def test_what_is_known_already_is_not_asked_for_again() -> None:
    assert query(ask("github", since=SINCE, repository="acme/app"))["since"] == "2026-11-01T10:20:30Z"
    assert "updated:>=2026-11-01T10:20:30Z" in query(ask("github", since=SINCE, query="acme"))["q"]
    assert query(ask("stackexchange", since=SINCE, query="acme"))["fromdate"] == str(int(SINCE.timestamp()))
    assert (
        query(ask("hackernews", since=SINCE, query="acme"))["numericFilters"]
        == f"created_at_i>{int(SINCE.timestamp())}"
    )
    assert query(ask("vk", since=SINCE, query="acme", access_token=TOKEN))["start_time"] == str(int(SINCE.timestamp()))
    assert query(ask("wordpress", since=SINCE, site="https://b.example.org"))["after"] == "2026-11-01T10:20:30"
    assert (
        query(ask("twitter_v2", since=SINCE, query="acme", bearer_token=TOKEN))["start_time"] == "2026-11-01T10:20:30Z"
    )
    assert "after:2026-10-31" in query(ask("google_news", since=SINCE, query="acme"))["q"]
    assert "when:7d" in query(ask("google_news", query="acme"))["q"]
    assert "when:2d" in query(ask("google_news", query="acme when:2d"))["q"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("github", {"repository": "acme/app", "token": TOKEN}),
        ("vk", {"query": "acme", "access_token": TOKEN}),
        ("twitter_v2", {"query": "acme", "bearer_token": TOKEN}),
        ("facebook_graph", {"page": "500", "access_token": TOKEN}),
        ("instagram_graph", {"user": "1", "access_token": TOKEN}),
        ("instagram_graph", {"user": "1", "hashtag": "2", "access_token": TOKEN}),
        ("reddit_oauth", {"subreddit": "acme", "access_token": TOKEN}),
        ("bluesky", {"query": "acme", "access_token": TOKEN}),
        ("youtube_data_api", {"video": "vid00000001", "key": TOKEN}),
        ("google_places", {"place": "ChIJ", "key": TOKEN}),
        ("google_places", {"location": "accounts/1/locations/2", "access_token": TOKEN}),
        ("soundcloud", {"track": "42", "access_token": TOKEN}),
        ("trustpilot", {"business_unit": "1", "key": TOKEN}),
        ("wildberries", {"seller_token": TOKEN}),
    ],
)
def test_a_secret_goes_into_headers_and_never_into_the_address(name: str, values: dict[str, str]) -> None:
    request = ask(name, **values)
    assert TOKEN not in request.url
    assert any(TOKEN in value for value in request.headers.values())
    params = registry.get(name).params_type(**values)
    assert TOKEN not in repr(params)


@pytest.mark.parametrize("name", ["2gis", "tripadvisor"])
def test_these_two_know_only_keys_in_the_address(name: str) -> None:
    values = {"2gis": {"branch": "7"}, "tripadvisor": {"location": "155"}}[name]
    assert query(ask(name, **values, key=TOKEN))["key"] == TOKEN


@pytest.mark.parametrize("scraper", registry.all(), ids=lambda one: one.meta.name)
def test_credentials_are_secrets_and_their_absence_is_said(scraper: Scraper) -> None:
    for credential in scraper.meta.credentials:
        kind = scraper.params_type.model_fields[credential.name].annotation
        assert kind == SecretStr | None or kind is SecretStr, credential.name
    with pytest.raises(ValidationError):
        scraper.params_type(no_such_parameter=1)


def test_missing_parameters_are_named() -> None:
    with pytest.raises(LoginNeeded, match="`access_token` is missing"):
        ask("vk", query="acme")
    for name in (
        "2gis",
        "github",
        "hackernews",
        "lemmy",
        "peertube",
        "reddit",
        "stackexchange",
        "vk",
        "wildberries",
        "youtube_data_api",
    ):
        needed = {"lemmy": {"host": "l.example"}, "peertube": {"host": "t.example"}}.get(name, {})
        with pytest.raises(BadParams, match=name):
            ask(name, **needed)


@pytest.mark.parametrize(
    "scraper", [one for one in registry.all() if one.meta.access == "D"], ids=lambda one: one.meta.name
)
def test_files_only_means_that_nothing_is_fetched(scraper: Scraper) -> None:
    assert scraper.request(scraper.params_type(), Slice(), None) is None
    assert not scraper.meta.hosts


def test_pages_that_may_only_be_saved_are_not_fetched_without_a_key() -> None:
    for name, values in (("trustpilot", {"domain": "shop.example.org"}), ("tripadvisor", {"location": "155"})):
        scraper = registry.get(name)
        assert scraper.request(scraper.params_type(**values), Slice(), None) is None


def test_google_play_asks_for_one_language_after_the_other() -> None:
    scraper = registry.get("google_play")
    params = scraper.params_type(app="com.example.app", languages=("ru", "kk"), country="kz")
    parts = scraper.slices(params)
    assert [one.name for one in parts] == ["ru", "kk"]
    request = scraper.request(params, parts[1], "TOKEN")
    assert request is not None and request.method == "POST" and request.form is not None
    assert query(request) == {"rpcids": "UsvDTd", "hl": "kk", "gl": "kz"}
    call = json.loads(json.loads(request.form["f.req"])[0][0][1])
    assert call == [None, None, [2, 2, [150, None, "TOKEN"], None, []], ["com.example.app", 7]]


def test_wildberries_finds_the_feedback_over_the_card() -> None:
    scraper = registry.get("wildberries")
    params = scraper.params_type(nm="141519312")
    first = scraper.request(params, Slice(), None)
    assert first is not None and first.url.startswith("https://card.wb.ru/")
    card = scraper.parse(Page(b'{"products": [{"id": 141519312, "root": 130000}]}', url=first.url))
    assert card.status is Status.OK and not card.items
    second = scraper.request(params, Slice(), card.next_cursor)
    assert second is not None and second.url == "https://feedbacks1.wb.ru/feedbacks/v1/130000"
    other = scraper.parse(Page(b'{"feedbackCount": 0, "feedbacks": null}', url=second.url))
    third = scraper.request(params, Slice(), other.next_cursor)
    assert third is not None and third.url == "https://feedbacks2.wb.ru/feedbacks/v2/130000"
    last = scraper.parse(Page(b'{"feedbackCount": 0, "feedbacks": null}', url=third.url))
    assert last.status is Status.EMPTY and last.next_cursor is None


def test_a_forum_goes_on_below_a_page_of_deleted_posts() -> None:
    parsed = registry.get("discourse").parse(
        Page(b'{"latest_posts": []}', url="https://forum.example.org/posts.json?before=200")
    )
    assert parsed.status is Status.OK and parsed.next_cursor == "150"
    end = registry.get("discourse").parse(Page(b'{"latest_posts": []}', url="https://forum.example.org/posts.json"))
    assert end.status is Status.EMPTY and end.next_cursor is None


def test_reddit_reads_feeds_without_a_token_and_the_api_with_one() -> None:
    assert ask("reddit", subreddit="acme").url.startswith("https://www.reddit.com/r/acme/new/.rss?")
    assert ask("reddit", subreddit="acme", query="slow").url.startswith("https://www.reddit.com/r/acme/search.rss?")
    with_token = ask("reddit_oauth", subreddit="acme", thread="p1", access_token=TOKEN)
    assert (
        with_token.url.startswith("https://oauth.reddit.com/r/acme/comments/p1?")
        and query(with_token)["raw_json"] == "1"
    )


class Door:
    """A client that hands out one answer after the other and remembers what it was asked."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = list(bodies)
        self.asked: list[Request] = []

    async def fetch(self, request: Request, *, meta: Any = None) -> Page:
        self.asked.append(request)
        return Page(self.bodies.pop(0).encode(), url=request.url, fetched_at=SINCE)


def read_once(name: str, door: Door, **values: Any) -> list[Batch]:
    scraper = registry.get(name)

    async def run() -> list[Batch]:
        params = scraper.params_type(**values)
        return [one async for one in collect(scraper, params, None, door, now=SINCE)]  # type: ignore[arg-type]

    return asyncio.run(run())


def test_an_application_signs_in_once_a_reading_and_the_token_is_not_kept() -> None:
    door = Door(
        json.dumps({"access_token": TOKEN}), json.dumps({"kind": "Listing", "data": {"after": None, "children": []}})
    )
    batches = read_once("reddit_oauth", door, subreddit="acme", client_id="id", client_secret="whisper")
    assert [urlsplit(one.url).hostname for one in door.asked] == ["www.reddit.com", "oauth.reddit.com"]
    assert door.asked[0].form == {"grant_type": "client_credentials"} and "whisper" not in door.asked[0].url
    assert door.asked[1].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in json.dumps([one.state_after for one in batches])


def test_an_app_password_opens_the_search_of_bluesky_only() -> None:
    door = Door(json.dumps({"accessJwt": TOKEN}), json.dumps({"posts": []}))
    read_once("bluesky", door, query="acme", handle="ada.example.org", app_password="whisper")
    assert door.asked[0].url.endswith("/xrpc/com.atproto.server.createSession")
    assert door.asked[1].headers["authorization"] == f"Bearer {TOKEN}"
    open_door = Door(json.dumps({"feed": []}))
    read_once("bluesky", open_door, actor="ada.example.org", handle="ada.example.org", app_password="whisper")
    assert [urlsplit(one.url).hostname for one in open_door.asked] == ["public.api.bsky.app"]


def test_a_refused_password_is_said() -> None:
    with pytest.raises(LoginNeeded, match="Invalid identifier or password"):
        read_once(
            "bluesky",
            Door(json.dumps({"message": "Invalid identifier or password"})),
            query="a",
            handle="h",
            app_password="x",
        )
    with pytest.raises(LoginNeeded, match="invalid_grant"):
        read_once(
            "reddit_oauth", Door(json.dumps({"error": "invalid_grant"})), query="a", client_id="i", client_secret="x"
        )


def test_what_a_lost_credential_looks_like() -> None:
    limited = registry.get("github").parse(
        Page(
            b'{"message": "You have exceeded a secondary rate limit."}', status_code=403, headers={"retry-after": "30"}
        )
    )
    assert limited.status is Status.BLOCKED and limited.retry_after == 30.0
    expired = registry.get("vk").parse(Page(b'{"error": {"error_code": 5, "error_msg": "User authorization failed"}}'))
    assert expired.status is Status.LOGIN
