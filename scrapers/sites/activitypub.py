"""ActivityPub: objects and collections as any server of the fediverse gives them (posts, comments, tombstones)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import (
    JsonScraper,
    Link,
    body,
    edited,
    flags,
    https,
    joined,
    key,
    listed,
    nothing,
    rich,
    unread,
)

_OBJECTS = {
    "Note",
    "Page",
    "Article",
    "Question",
    "Video",
    "Audio",
    "Event",
    "Document",
    "Image",
    "Review",
}
_CARRIERS = {"Create", "Update", "Announce", "Add", "Undo", "Flag"}
_COLLECTIONS = {"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"}
_PUBLIC = ("https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public")
_ACTORS = {"Person", "Group", "Organization", "Service", "Application", "Feed"}
_OTHER = {
    "Like",
    "Dislike",
    "Follow",
    "Accept",
    "Reject",
    "Block",
    "Lock",
    "Remove",
    "EmojiReact",
    "Join",
    "Leave",
    "View",
    "Move",
    "ChatMessage",
    "Site",
}
_HASH = re.compile(r"[0-9a-f]{24,}")


class ActivitypubParams(Params):
    url: str = Field(description="Address of an object, an outbox or another collection")


class Activitypub(JsonScraper):
    meta = Meta(
        name="activitypub",
        title="ActivityPub object",
        access="A",
        terms="Public objects of the fediverse, one by one or by outbox; some servers answer only signed requests. "
        "Deleted objects become tombstones and must go here too.",
        kinds=("post", "comment", "article"),
        robots=False,
        url_examples={
            "https://enterprise.example.org/c/tenforward/outbox": {
                "url": "https://enterprise.example.org/c/tenforward/outbox"
            },
        },
        verified="against recordings",
        docs="https://www.w3.org/TR/activitypub/",
        match_order=1,
    )
    params_type: ClassVar[type[Params]] = ActivitypubParams

    def match(self, url: str) -> ActivitypubParams | None:
        link = Link.of(url)
        if link is None or not link.path or link.path[-1] != "outbox":
            return None
        return ActivitypubParams(url=url.strip())

    def request(
        self, params: ActivitypubParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        accept = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
        return Request(cursor or params.url, headers={"accept": accept})

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        entries = dicts(data)
        if not any(_types(one) for one in entries):
            if isinstance(data, dict) and isinstance(data.get("error"), str):
                said = text.line(data["error"])
                return Parsed(
                    Status.NOT_FOUND if "not" in said.lower() and "found" in said.lower() else Status.CHANGED,
                    note=said or "refused",
                )
            return unread("no ActivityPub type in this answer")
        items: list[Item] = []
        gone: list[str] = []
        follow: str | None = None
        stack = [(one, 0) for one in reversed(entries)]
        while stack:  # every object is visited once: the depth of JSON is capped, so this ends
            one, depth = stack.pop()
            kinds = _types(one)
            if kinds & _COLLECTIONS:
                for name in ("orderedItems", "items"):
                    stack.extend((below, depth + 1) for below in reversed(dicts(one.get(name))))
                first = one.get("first")
                if isinstance(first, dict) and depth < 20:
                    stack.append((first, depth + 1))
                follow = follow or https(one.get("next")) or (https(first) if isinstance(first, str) else None)
            elif "Tombstone" in kinds:
                gone.extend(found for found in (key(one.get("id")),) if found)
            elif "Delete" in kinds:
                target = one.get("object")
                gone.extend(found for found in (key(target) or key(dig(target, "id")),) if found)
            elif kinds & _CARRIERS and isinstance(one.get("object"), (dict, list)):
                if "Undo" in kinds and _types(dicts(one["object"])[0] if dicts(one["object"]) else {}) & (
                    _OTHER | {"Delete"}
                ):
                    continue
                stack.extend((below, depth + 1) for below in reversed(dicts(one["object"])))
            elif kinds & _OBJECTS and (item := _item(one)) is not None:
                items.append(item)
        single = len(entries) == 1
        if single and gone and not items and "Tombstone" in _types(entries[0]):
            return Parsed(Status.NOT_FOUND, gone=tuple(gone), note="the object was deleted")
        if not items and not gone and not follow:
            kinds = set().union(*(_types(one) for one in entries))
            if kinds & (_ACTORS | _OTHER | _CARRIERS):
                return nothing(f"{', '.join(sorted(kinds))}: no post or comment in it")
        known = any(_types(one) & _COLLECTIONS for one in entries)
        return listed(items, found=known, gone=gone, next_cursor=follow)


def _public(one: dict[str, Any]) -> bool:
    """Whether everybody is addressed; objects that address nobody in particular count as public."""
    named = [one[name] for name in ("to", "cc", "audience") if one.get(name)]
    flat = [entry for raw in named for entry in (raw if isinstance(raw, list) else [raw])]
    return not any(one.get(name) for name in ("to", "cc")) or any(
        entry in _PUBLIC for entry in flat if isinstance(entry, str)
    )


def _types(one: Any) -> set[str]:
    raw = one.get("type") or one.get("@type") if isinstance(one, dict) else None
    names = raw if isinstance(raw, list) else [raw]
    return {name.rsplit("#", 1)[-1].removeprefix("as:") for name in names if isinstance(name, str)}


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    if identity is None:
        return None
    above = key(one.get("inReplyTo")) or key(dig(one, "inReplyTo", "id")) or next(
        (found for raw in dicts(one.get("inReplyTo")) if (found := key(raw.get("id")))), None
    )  # fmt: skip
    if above is None and isinstance(one.get("inReplyTo"), list):
        above = next((found for raw in one["inReplyTo"] if (found := key(raw))), None)
    content, language = _content(one)
    title = text.optional(rich(one.get("name"))) if isinstance(one.get("name"), str) else None
    warning = text.optional(rich(one.get("summary"))) if isinstance(one.get("summary"), str) else None
    sorts = _types(one)
    when = dates.read(one.get("published") or one.get("startTime"))
    link = _link(one.get("url"))
    return Item(
        kind="comment" if above else "article" if sorts & {"Article", "Review"} else "post",
        external_id=identity,
        title=title or (warning if sorts & {"Note", "Question"} else None),
        text=content or (joined(warning) if warning else ""),
        url=link or https(identity),
        author=_author(one),
        author_id=_actor(one),
        **when.fields(),
        edited_at=edited(dates.iso(one.get("updated")), when.at),
        language=language,
        parent_id=above,
        subject=key(one.get("audience")) or _audience(one.get("audience")),
        location=text.optional(dig(one, "location", "name")),
        n_likes=count(dig(one, "likes", "totalItems")),
        n_views=count(one.get("views")),
        n_replies=count(dig(one, "replies", "totalItems")),
        flags=flags(sensitive=one.get("sensitive"), private=not _public(one)),
    )


def _content(one: dict[str, Any]) -> tuple[str, str | None]:
    language = language_code(dig(one, "language", "identifier"))
    by_language = one.get("contentMap")
    if isinstance(by_language, dict) and by_language:
        language = language or language_code(next(iter(by_language)))
    raw = one.get("content")
    if not isinstance(raw, str) and isinstance(by_language, dict):
        raw = next((value for value in by_language.values() if isinstance(value, str)), None)
    kind = one.get("mediaType")
    if isinstance(kind, str) and "markdown" in kind.lower() and isinstance(raw, str) and "<" not in raw:
        return text.plain(raw), language
    choices = [name for sort in ("oneOf", "anyOf") for one_ in dicts(one.get(sort)) if (name := body(one_.get("name")))]
    return joined(
        rich(raw) or body(dig(one, "source", "content")), "\n".join(f"- {name}" for name in choices)
    ), language


def _actor(one: dict[str, Any]) -> str | None:
    """The writer's address: a string, an object, or a list of them (PeerTube names a person and a channel)."""
    raw = one.get("attributedTo") or one.get("actor")
    entries = raw if isinstance(raw, list) else [raw]
    people = [entry for entry in entries if isinstance(entry, dict) and "Person" in _types(entry)]
    for entry in [*people, *entries]:
        found = key(entry) if isinstance(entry, str) else key(dig(entry, "id"))
        if found:
            return found
    return None


def _author(one: dict[str, Any]) -> str | None:
    named = one.get("attributedTo")
    if isinstance(named, dict) and (
        name := text.optional(named.get("name")) or text.optional(named.get("preferredUsername"))
    ):
        return name
    where = _actor(one)
    link = Link.of(where) if where else None
    if link is None or not link.path:
        return None
    name = link.path[-1].lstrip("@")
    return f"{name}@{link.host}" if name and not _HASH.fullmatch(name) else None


def _audience(raw: Any) -> str | None:
    return next((found for one in raw if (found := key(one))), None) if isinstance(raw, list) else None


def _link(raw: Any) -> str | None:
    """The page for people: a string, a Link object, or a list where text/html is preferred."""
    if isinstance(raw, str):
        return https(raw)
    entries = dicts(raw)
    pages = [one for one in entries if re.match(r"text/html", text.line(one.get("mediaType")))]
    for one in [*pages, *entries]:
        if found := https(one.get("href")):
            return found
    return next((found for one in raw if (found := https(one))), None) if isinstance(raw, list) else None
