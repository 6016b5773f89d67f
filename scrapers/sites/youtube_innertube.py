"""YouTube comments as the web player gets them: answers of `youtubei/v1/next` that a person saved."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from scrapers.base import Meta, Page, Params, Parsed
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, text
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, body, flags, key, listed, nothing, settled, unread

_INITIAL = re.compile(r"ytInitialData\s*=\s*(\{)")
# The mark of an edit stands in brackets after the time, in the language of the page.
_BRACKETS = re.compile(r"\s*[(（][^()（）]{1,40}[)）]\s*$")


class YoutubeInnertube(JsonScraper):
    meta = Meta(
        name="youtube_innertube",
        title="YouTube (web player's answers)",
        access="D",
        terms="The player's inner endpoint is not public, changes often and gives relative times only: use the "
        "Data API. "
        "This reads answers that a person saved.",
        kinds=("comment",),
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def parse_other(self, page: Page) -> Parsed:
        source = html.decode(page)
        found = _INITIAL.search(source)
        data = json_data.loads(_balanced(source, found.start(1))) if found else None
        if isinstance(data, dict):
            return settled(self.read(data, page), page)
        return super().parse_other(page)

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        holders = [data] if isinstance(data, dict) else dicts(data)
        payloads = [one for one in walk(holders, "commentEntityPayload") if isinstance(one, dict)]
        marks = _marks(holders)
        languages = _languages(holders)
        items: list[Item] = []
        parents = _parents(holders)
        for one in payloads:
            item = _entity(one, marks, parents, page.fetched_at, languages)
            if item is not None:
                items.append(item)
        # Older answers carry whole comments.
        for one in walk(holders, "commentRenderer"):
            item = _renderer(one, page.fetched_at, languages) if isinstance(one, dict) else None
            if item is not None:
                items.append(item)
        if items:
            order = {identity: number for number, identity in enumerate(_order(holders))}
            items.sort(key=lambda one: order.get(one.external_id, len(order)))
            return listed(items, found=False, next_cursor=_continuation(holders))
        if any(True for _ in walk(holders, "commentsHeaderRenderer")):
            return nothing("the video has no comments")
        for message in walk(holders, "messageRenderer"):
            said = _runs(dig(message, "text"))
            if said:
                return nothing(said[:200])
        return unread("no comments in this answer")


def _entity(
    one: dict[str, Any],
    marks: dict[str, set[str]],
    parents: dict[str, str],
    now: datetime | None,
    languages: tuple[str, ...],
) -> Item | None:
    identity = key(dig(one, "properties", "commentId"))
    if identity is None:
        return None
    when, changed = _when(dig(one, "properties", "publishedTime"), now, languages)
    likes = dig(one, "toolbar", "likeCountNotliked")
    replies = dig(one, "toolbar", "replyCount")
    known = marks.get(identity, set())
    above = identity.split(".", 1)[0] if "." in identity else parents.get(identity)
    return Item(
        kind="comment",
        external_id=identity,
        text=body(dig(one, "properties", "content", "content")),
        author=text.optional(dig(one, "author", "displayName"))
        or text.optional(dig(one, "properties", "authorButtonA11y")),
        author_id=key(dig(one, "author", "channelId")),
        **when.fields(),
        parent_id=above,
        n_likes=_count(likes, dig(one, "toolbar", "likeCountA11y")),
        n_replies=_count(replies, dig(one, "toolbar", "replyCountA11y")),
        flags=flags(
            edited=changed,
            owner=dig(one, "author", "isCreator"),
            verified=dig(one, "author", "isVerified"),
            pinned="pinned" in known,
        ),
    )


def _renderer(one: dict[str, Any], now: datetime | None, languages: tuple[str, ...]) -> Item | None:
    identity = key(one.get("commentId"))
    if identity is None:
        return None
    when, changed = _when(_runs(one.get("publishedTimeText")), now, languages)
    likes = _runs(one.get("voteCount")) or dig(one, "likeCount")
    said = dig(one, "voteCount", "accessibility", "accessibilityData", "label")
    return Item(
        kind="comment",
        external_id=identity,
        text=_runs(one.get("contentText")),
        author=text.optional(_runs(one.get("authorText"))),
        author_id=key(dig(one, "authorEndpoint", "browseEndpoint", "browseId")),
        **when.fields(),
        parent_id=identity.split(".", 1)[0] if "." in identity else None,
        n_likes=_count(likes, said) if likes or said else 0,
        n_replies=count(one.get("replyCount")),
        flags=flags(
            edited=changed,
            owner=one.get("authorIsChannelOwner"),
            verified="authorCommentBadge" in one and dig(one, "authorCommentBadge") is not None,
            pinned="pinnedCommentBadge" in one,
        ),
    )


def _when(raw: Any, now: datetime | None, languages: tuple[str, ...]) -> tuple[dates.When, bool]:
    said = text.line(raw) if isinstance(raw, str) else ""
    bare = _BRACKETS.sub("", said)
    when = dates.read(bare, now, languages=languages)
    if when.at is None and bare:
        when = dates.read(bare, now)
    return dates.When(when.at, when.precision, said[:100] or None), bare != said


def _count(short: Any, spoken: Any) -> int | None:
    """ "1.2K", or the words for the blind, which hold the exact number; empty means none."""
    exact = re.search(r"\d[\d\s.,\u00a0\u202f]*\d{3}|\d+", spoken) if isinstance(spoken, str) else None
    rough = count(short) if isinstance(short, (str, int)) else None
    digits = re.sub(r"\D", "", exact.group()) if exact else ""
    if digits and len(digits) < 13 and (rough is None or abs(int(digits) - rough) <= rough * 0.1):
        return int(digits)
    return rough if rough is not None else 0 if short == "" or (isinstance(short, str) and not short.strip()) else None


def _runs(value: Any) -> str:
    """Text of `{simpleText}` or `{runs: [{text}]}`; custom emoji by their names."""
    if isinstance(value, str):
        return text.plain(value)
    simple = dig(value, "simpleText")
    if isinstance(simple, str):
        return text.plain(simple)
    return text.plain("".join(one["text"] for one in dicts(dig(value, "runs")) if isinstance(one.get("text"), str)))


def _views(holders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in walk(holders, "commentViewModel") if isinstance(one, dict) and "commentId" in one]


def _marks(holders: list[dict[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in _views(holders):
        identity = key(one.get("commentId"))
        if identity and one.get("pinnedText"):
            found.setdefault(identity, set()).add("pinned")
    return found


def _parents(holders: list[dict[str, Any]]) -> dict[str, str]:
    """Answers that are shown inside the thread of their parent."""
    found: dict[str, str] = {}
    for thread in walk(holders, "commentThreadRenderer"):
        top = next(
            (
                key(one.get("commentId"))
                for one in _views(dicts(thread.get("commentViewModel")) if isinstance(thread, dict) else [])
            ),
            None,
        )
        if top is None:
            continue
        for one in _views(dicts(dig(thread, "replies"))):
            identity = key(one.get("commentId"))
            if identity and identity != top:
                found[identity] = top
    return found


def _order(holders: list[dict[str, Any]]) -> list[str]:
    shown = [key(one.get("commentId")) for one in _views(holders)]
    return [one for one in shown if one]


def _continuation(holders: list[dict[str, Any]]) -> str | None:
    """The token of the next page: the last entry of the list itself, not of a thread's answers."""
    lists = [one for name in ("continuationItems", "contents") for one in walk(holders, name) if isinstance(one, list)]
    for entries in lists:
        if not any(
            isinstance(one, dict)
            and ("commentThreadRenderer" in one or "commentRenderer" in one or "commentViewModel" in one)
            for one in entries
        ):
            continue
        last = entries[-1] if entries else None
        token = next((key(one) for one in walk(dig(last, "continuationItemRenderer"), "token")), None)
        if token:
            return token
    return None


def _languages(holders: list[dict[str, Any]]) -> tuple[str, ...]:
    for one in walk(holders, "params"):
        for pair in dicts(one):
            if pair.get("key") == "hl" and (code := html.language_code(pair.get("value"))):
                return (code,)
    return ()


def _balanced(source: str, start: int) -> str:
    """The JSON object that begins at `start`, by counting braces outside strings."""
    depth, inside, escaped = 0, False, False
    for position in range(start, min(len(source), start + 20_000_000)):
        char = source[position]
        if inside:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                inside = False
        elif char == '"':
            inside = True
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return source[start : position + 1]
    return ""
