"""What a feed holds, whatever its form: entries in plain text, and the items they become.

item(entry, page, feed, kind="article") -> Item | None      None for an entry that says nothing
items(feed, page, kind=...) -> tuple of Items               all entries, each once
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from scrapers.base import Page
from scrapers.item import Item, Kind
from scrapers.readers import dates, html
from scrapers.readers.identity import content_id


@dataclass(slots=True)
class Entry:
    id: str | None = None
    url: str | None = None
    title: str | None = None
    text: str = ""
    author: str | None = None
    author_url: str | None = None
    published: str | None = None
    updated: str | None = None
    parent_id: str | None = None
    language: str | None = None
    n_replies: int | None = None
    n_views: int | None = None
    n_likes: int | None = None
    source: tuple[str | None, str | None] | None = None
    element: Any = None


@dataclass(slots=True)
class Feed:
    kind: str
    title: str | None = None
    language: str | None = None
    url: str | None = None
    next_url: str | None = None
    entries: list[Entry] = field(default_factory=list)


def item(entry: Entry, page: Page, feed: Feed, *, kind: Kind = "article") -> Item | None:
    """The entry as an item; None when it says nothing (no title, no text, no link)."""
    if not (entry.title or entry.text or entry.url):
        return None
    languages = (feed.language,) if feed.language else ()
    when = dates.read(entry.published or entry.updated, page.fetched_at, languages=languages)
    edited = dates.iso(entry.updated) if entry.published else None
    return Item(
        kind=kind,
        external_id=entry.id or entry.url or content_id(entry.title, entry.published, entry.text[:200]),
        title=entry.title,
        text=entry.text,
        url=html.absolute(entry.url, page.url),
        author=entry.author,
        author_id=entry.author_url,
        edited_at=edited if edited and when.at and edited > when.at else None,
        language=entry.language or feed.language,
        parent_id=entry.parent_id,
        n_replies=entry.n_replies,
        n_views=entry.n_views,
        n_likes=entry.n_likes,
        **when.fields(),
    )


def items(feed: Feed, page: Page, *, kind: Kind | Callable[[Entry], Kind] = "article") -> tuple[Item, ...]:
    """All entries as items, each once. Different posts under one id (a day's page as guid) all stay."""
    found: dict[str, Item] = {}
    for entry in feed.entries:
        one = item(entry, page, feed, kind=kind(entry) if callable(kind) else kind)
        if one is None:
            continue
        before = found.setdefault(one.external_id, one)
        if (before.title, before.text, before.published_at) != (one.title, one.text, one.published_at):
            own = content_id(one.title, one.published_raw, None if one.title or one.published_raw else one.text)
            one = replace(one, external_id=f"{one.external_id}#{own[2:14]}")
            found.setdefault(one.external_id, one)
    return tuple(found.values())
