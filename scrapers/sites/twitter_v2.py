"""X (Twitter) API v2: recent posts by search, with what each call costs kept in mind."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, flags, key, keys, listed, nothing, secret, unread
from scrapers.sites.twitter_v1 import snowflake

_FIELDS = (
    "created_at,lang,author_id,conversation_id,referenced_tweets,public_metrics,edit_history_tweet_ids,note_tweet,geo"
)
_UNKNOWN = ("qme", "qht", "qam", "qst", "art", "und", "zxx")


class TwitterV2Params(Params):
    query: str = Field(description="Search words in X's own syntax; -is:retweet keeps the bill low")
    bearer_token: SecretStr | None = Field(None, description="Bearer token of your application")
    page_size: int = Field(100, ge=10, le=100, description="Posts a call; every post read is billed")


class TwitterV2(JsonScraper):
    meta = Meta(
        name="twitter_v2",
        title="X (Twitter) API v2",
        access="C",
        terms="Pay per use: every post read is billed, so set a daily budget on the source. Scraping the site is "
        "forbidden. "
        "Posts deleted there must be deleted here.",
        hosts=("api.x.com", "api.twitter.com"),
        kinds=("post",),
        credentials=(Credential("bearer_token", "Bearer token", "https://console.x.com/"),),
        robots=False,
        url_examples={
            "https://x.com/search?q=coffee%20-is%3Aretweet&f=live": {"query": "coffee -is:retweet"},
            "https://twitter.com/example": {"query": "from:example"},
        },
        verified="against recordings",
        docs="https://docs.x.com/x-api/posts/search/introduction",
    )
    params_type: ClassVar[type[Params]] = TwitterV2Params

    def match(self, url: str) -> TwitterV2Params | None:
        link = Link.of(url)
        if link is None or link.host not in ("x.com", "twitter.com", "mobile.twitter.com", "mobile.x.com"):
            return None
        if link.query.get("q"):
            return TwitterV2Params(query=link.query["q"])
        if link.at(0) == "hashtag" and link.at(1):
            return TwitterV2Params(query=f"#{link.path[1]}")
        name = link.at(0)
        if (
            len(link.path) == 1
            and name
            and name.replace("_", "").isalnum()
            and name not in ("home", "explore", "search", "login", "i")
        ):
            return TwitterV2Params(query=f"from:{name}")
        return None

    def request(
        self, params: TwitterV2Params, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        url = address(
            "https://api.x.com/2/tweets/search/recent",
            query=params.query,
            max_results=params.page_size,
            start_time=since.strftime("%Y-%m-%dT%H:%M:%SZ") if since else None,
            next_token=cursor,
            expansions="author_id,geo.place_id",
            **{"tweet.fields": _FIELDS, "user.fields": "username,name,verified", "place.fields": "full_name"},
        )
        return Request(
            url, headers={"authorization": f"Bearer {secret(params.bearer_token, 'bearer_token', 'twitter_v2')}"}
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            return unread("expected an object with `data`")
        errors = dicts(data.get("errors")) if isinstance(data.get("errors"), list) else []
        gone = [
            found
            for one in errors
            if "not-found" in text.line(one.get("type")) and one.get("resource_type", "tweet") in ("tweet", "post")
            and (found := key(one.get("resource_id")) or key(one.get("value")))
        ]  # fmt: skip
        if "data" not in data and "meta" not in data:
            return (
                Parsed(Status.NOT_FOUND, gone=tuple(gone), note="the posts do not exist (any more)")
                if gone
                else _problem(data, errors, page)
            )
        entries = dicts(data.get("data"))
        if entries and all("text" not in one and ("username" in one or "tweet_count" in one) for one in entries):
            return nothing("accounts or counts: no posts in this answer")
        users = {key(one.get("id")): one for one in dicts(dig(data, "includes", "users"))}
        places = {key(one.get("id")): one for one in dicts(dig(data, "includes", "places"))}
        return listed(
            (item for one in entries if (item := _item(one, users, places)) is not None),
            found=not entries and dig(data, "meta", "result_count") == 0,
            gone=gone,
            next_cursor=key(dig(data, "meta", "next_token")),
        )


def _item(
    one: dict[str, Any], users: dict[str | None, dict[str, Any]], places: dict[str | None, dict[str, Any]]
) -> Item | None:
    latest = key(one.get("id"))
    content = dig(one, "note_tweet", "text") or one.get("text")
    if (
        latest is None
        or not latest.isdigit()
        or not isinstance(content, str)
        or "timestamp" in one
        or "createdAt" in one
    ):
        return None
    versions = keys(one.get("edit_history_tweet_ids"))
    identity = versions[0] if latest in versions else latest  # an edit makes a new number; the first one stays
    changed = identity != latest
    when = dates.read(one.get("created_at")) if not changed else snowflake(identity)
    if when.at is None:
        when = snowflake(identity)
    writer = key(one.get("author_id"))
    user = users.get(writer, {}) if writer else {}
    name = text.optional(user.get("username")) or text.optional(one.get("username"))
    links = {raw.get("type"): key(raw.get("id")) for raw in dicts(one.get("referenced_tweets"))}
    numbers = dig(one, "public_metrics", default={})
    code = language_code(one.get("lang"))
    return Item(
        kind="post",
        external_id=identity,
        text=text.plain(html.unescape(content)),
        url=f"https://x.com/{name or 'i'}/status/{latest}" if latest.isdigit() else None,
        author=name,
        author_id=writer,
        **when.fields(),
        edited_at=snowflake(latest).at if changed else None,
        language=None if code in _UNKNOWN else code,
        parent_id=links.get("replied_to"),
        location=text.optional(dig(places.get(key(dig(one, "geo", "place_id")), {}), "full_name")),
        n_likes=count(dig(numbers, "like_count")),
        n_views=count(dig(numbers, "impression_count")),
        n_replies=count(dig(numbers, "reply_count")),
        flags=flags(
            verified=user.get("verified"),
            repost="retweeted" in links or content.startswith("RT @"),
            quote="quoted" in links,
        ),
    )


def _problem(data: dict[str, Any], errors: list[dict[str, Any]], page: Page) -> Parsed:
    first = errors[0] if errors else data
    note = text.line(first.get("detail") or first.get("message") or first.get("title"))[:300]
    if not note:
        return unread("no `data` in this answer")
    status = integer(data.get("status")) or integer(first.get("status"))
    title = text.line(data.get("title") or first.get("title")).lower()
    if status in (401, 403) or title in ("unauthorized", "forbidden", "client forbidden", "unsupported authentication"):
        return Parsed(Status.LOGIN, note=note)
    if status == 429 or title in ("too many requests", "usagecapexceeded") or "cap exceeded" in note.lower():
        reset, now = count(page.headers.get("x-rate-limit-reset")), page.fetched_at
        wait = max(1.0, reset - now.timestamp()) if reset and now else 900.0
        return Parsed(Status.BLOCKED, note=note, retry_after=wait)
    if status == 404:
        return Parsed(Status.NOT_FOUND, note=note)
    return unread(note)
