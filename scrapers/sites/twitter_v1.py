"""Twitter API v1.1: archived search results, timelines and lists of tweets."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any, ClassVar

from scrapers.base import Meta, Page, Params, Parsed, Status
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig, integer, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, flags, key, listed, parameter, unread

EPOCH_MS = 1288834974657  # what the time inside a tweet's number counts from
FIRST_SNOWFLAKE = 30_000_000_000  # numbers below carry no time


class TwitterV1(JsonScraper):
    meta = Meta(
        name="twitter_v1",
        title="Twitter API v1.1 (archives)",
        access="D",
        terms="The old API is closed and scraping X is forbidden: this reads answers that were saved in its time, "
        "and archives in that shape. Live reading goes over the paid API v2.",
        kinds=("post",),
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and isinstance(data.get("errors"), list) and "statuses" not in data:
            return _problem(dicts(data["errors"]))
        entries = data if isinstance(data, list) else dig(data, "statuses")
        if isinstance(data, dict) and entries is None:
            if "id_str" in data and ("text" in data or "full_text" in data):
                entries = [data]
            else:
                entries = _web(data)
        if not isinstance(entries, list):
            return unread("no `statuses` in this answer")
        tweets = [
            one["tweet"] if isinstance(one.get("tweet"), dict) else one for one in dicts(entries)
        ]  # archives wrap each
        older = parameter(f"https://x.com/{text.line(dig(data, 'search_metadata', 'next_results'))}", "max_id")
        return listed(
            (item for one in tweets if (item := _item(one)) is not None),
            found=not entries and isinstance(data, dict),
            next_cursor=older,
        )


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id_str")) or key(one.get("id"))
    content = dig(one, "extended_tweet", "full_text") or one.get("full_text") or one.get("text")
    if identity is None or not isinstance(content, str):
        return None
    when = snowflake(identity)
    at = dates.iso(_time(one.get("created_at")))
    if at is not None:
        when = dates.When(at, "second", text.optional(one.get("created_at")))
    name = text.optional(dig(one, "user", "screen_name"))
    code = language_code(one.get("lang"))
    return Item(
        kind="post",
        external_id=identity,
        text=text.plain(html.unescape(content)),
        url=f"https://twitter.com/{name or 'i'}/status/{identity}" if identity.isdigit() else None,
        author=name,
        author_id=key(dig(one, "user", "id_str")) or key(dig(one, "user", "id")) or key(one.get("user_id_str")),
        **when.fields(),
        language=None if code in ("qme", "qht", "qam", "qst", "art", "und", "zxx") else code,
        parent_id=key(one.get("in_reply_to_status_id_str")) or key(one.get("in_reply_to_status_id")),
        location=text.optional(dig(one, "place", "full_name")),
        n_likes=count(one.get("favorite_count")),
        n_replies=count(one.get("reply_count")),
        n_views=count(dig(one, "ext_views", "count")),
        flags=flags(
            verified=dig(one, "user", "verified"),
            repost="retweeted_status" in one or content.startswith("RT @"),
            quote=one.get("is_quote_status"),
        ),
    )


def _time(raw: Any) -> Any:
    """ "Sat Jun 09 02:38:00 +0000 2018" in an order that dates know."""
    if not isinstance(raw, str):
        return raw
    parts = raw.split()
    if len(parts) == 6 and parts[5].isdigit() and ":" in parts[3]:
        return f"{parts[0]}, {parts[2]} {parts[1]} {parts[5]} {parts[3]} {parts[4]}"
    return raw


def snowflake(identity: str) -> dates.When:
    """The time that a tweet's number carries, to the millisecond; nothing for other numbers."""
    if not (identity.isascii() and identity.isdigit() and len(identity) < 21) or int(identity) < FIRST_SNOWFLAKE:
        return dates.NEVER
    at: datetime | None = dates.from_epoch(((int(identity) >> 22) + EPOCH_MS) / 1000)
    return dates.When(at, "second" if at else None, None)


def _web(data: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Tweets inside answers of the site's own GraphQL (files that people saved)."""
    found: list[dict[str, Any]] = []
    for holder in walk(data, "tweet_results"):
        result = dig(holder, "result", "tweet") or dig(holder, "result")
        legacy = dig(result, "legacy")
        if not isinstance(legacy, dict) or not isinstance(legacy.get("full_text"), str):
            continue
        user = dig(result, "core", "user_results", "result", default={})
        names = dict(dig(user, "legacy", default={})) | {k: v for k, v in dig(user, "core", default={}).items() if v}
        found.append(
            legacy
            | {
                "id_str": dig(result, "rest_id") or legacy.get("id_str"),
                "user": names | {"id_str": dig(user, "rest_id")},
                "full_text": dig(result, "note_tweet", "note_tweet_results", "result", "text") or legacy["full_text"],
                "ext_views": dig(result, "views", default={}),
            }
        )
    return found or None


def _problem(errors: list[dict[str, Any]]) -> Parsed:
    first = errors[0] if errors else {}
    code, note = integer(first.get("code")), f"error {first.get('code')}: {text.line(first.get('message'))}"
    if code == 88:
        return Parsed(Status.BLOCKED, note=note, retry_after=900.0)
    if code in (32, 64, 89, 99, 135, 179, 215, 220, 326, 453):
        return Parsed(Status.LOGIN, note=note)
    if code in (17, 34, 50, 63, 144):
        return Parsed(Status.NOT_FOUND, note=note)
    return unread(note)
