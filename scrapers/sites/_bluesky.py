"""Bluesky: posts as items, from events of the Jetstream, answers of its API and saved pages.

lines(page)              events of a recorded stream, one JSON object a line
events(found)            items and tombstones of events, in their order
posts(data)              items of an answer: search, feed, thread
saved(root)              the post of a saved page
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scrapers.base import Page, Parsed
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import body, flags, key, listed, unread

POST = "app.bsky.feed.post"
_URI = re.compile(r"^at://([^/]+)/([^/]+)/([^/?#]+)$")
_VIEWS = ("posts", "feed", "records", "notifications")


def lines(page: Page) -> list[dict[str, Any]]:
    """Events, one JSON object a line. A file with one line is left to the ordinary way."""
    if page.body.lstrip()[:1] != b"{" or b"\n" not in page.body.strip():
        return []
    rows = html.decode(page).split("\n")
    first = json_data.loads(rows[0])
    if not isinstance(first, dict) or "did" not in first:
        return []
    return [one for row in rows if row.strip() and isinstance(one := json_data.loads(row), dict)]


def events(events: list[dict[str, Any]]) -> Parsed:
    items: dict[str, Item] = {}
    gone: list[str] = []
    last: Any = None
    for event in events:
        last = event.get("time_us") or last
        commit = event.get("commit")
        did, rkey = key(event.get("did")), key(dig(commit, "rkey"))
        if not isinstance(commit, dict) or commit.get("collection") != POST or did is None or rkey is None:
            continue
        uri = f"at://{did}/{POST}/{rkey}"
        at = dates.iso(event.get("time_us"))
        operation = commit.get("operation") or {"c": "create", "u": "update", "d": "delete"}.get(
            str(commit.get("type"))
        )
        if operation == "delete":
            items.pop(uri, None)
            gone.append(uri)
        elif isinstance(commit.get("record"), dict):
            item = _item(uri, commit["record"], {"did": did}, indexed=at, changed=at if operation == "update" else None)
            if item is not None:
                items[uri] = item
    return listed(
        items.values(),
        found=bool(events) and any("did" in one for one in events),
        gone=gone,
        next_cursor=key(last) if items else None,
    )


def posts(data: dict[str, Any]) -> Parsed:
    items: list[Item] = []
    gone: list[str] = []
    known = any(isinstance(data.get(name), list) for name in _VIEWS)
    entries = [one for name in _VIEWS for one in dicts(data.get(name))] if known else [data]
    hollow = known and not any(data.get(name) for name in _VIEWS)
    for entry in entries:
        for view in _views(entry):
            uri = key(view.get("uri"))
            if uri is None:
                continue
            if view.get("notFound") is True:
                gone.append(uri)
                continue
            record = view.get("record") if isinstance(view.get("record"), dict) else view.get("value")
            if not isinstance(record, dict) or f"/{POST}/" not in uri:
                continue
            item = _item(
                uri, record, dig(view, "author", default={}), indexed=dates.iso(view.get("indexedAt")), view=view
            )
            if item is not None:
                items.append(item)
    empty = hollow
    if not items and not gone and not empty:
        return unread("no posts in this answer")
    return listed(items, found=empty, gone=gone, next_cursor=key(data.get("cursor")))


def _views(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Post views of an entry: itself, the post of a feed entry, a thread with parents and answers. Iterative."""
    stack = [entry]
    n_seen = 0
    while stack and n_seen < 20_000:
        one = stack.pop()
        n_seen += 1
        thread = one.get("thread")
        if isinstance(thread, dict):
            stack.append(thread)
            continue
        parents = one.get("parent")
        answers = dicts(one.get("replies")) if isinstance(one.get("replies"), list) else []
        stack.extend(reversed(answers))
        if isinstance(one.get("post"), dict):
            stack.append(one["post"])
        elif "uri" in one:
            yield one
        if isinstance(parents, dict) and ("post" in parents or parents.get("notFound") is True):
            stack.append(parents)


def _item(
    uri: str,
    record: dict[str, Any],
    author: Any,
    *,
    indexed: datetime | None = None,
    changed: datetime | None = None,
    view: dict[str, Any] | None = None,
) -> Item | None:
    if not isinstance(record.get("text", ""), str | None):
        return None
    found = _URI.match(uri)
    when = dates.read(record.get("createdAt"))
    if indexed is not None and (when.at is None or when.at > indexed):
        # The writer's program sets `createdAt`, sometimes into the future; the server saw the post at `indexed`.
        when = dates.When(indexed, "second", text.optional(record.get("createdAt")))
    did = key(dig(author, "did")) or (found.group(1) if found else None)
    handle = text.optional(dig(author, "handle"))
    parent = key(dig(record, "reply", "parent", "uri"))
    codes = record.get("langs")
    numbers = view or {}
    return Item(
        kind="comment" if parent else "post",
        external_id=uri,
        text=body(record.get("text")),
        url=f"https://bsky.app/profile/{found.group(1)}/post/{found.group(3)}" if found else None,
        author=handle or text.optional(dig(author, "displayName")),
        author_id=did,
        **when.fields(),
        edited_at=changed,
        language=next((code for raw in codes if (code := language_code(raw))), None)
        if isinstance(codes, list)
        else None,
        parent_id=parent,
        n_likes=count(numbers.get("likeCount")),
        n_replies=count(numbers.get("replyCount")),
        flags=flags(
            quote=any(f"/{POST}/" in str(one) for embed in (record.get("embed"),) for one in walk(embed, "uri"))
        ),
    )


def saved(root: Any) -> Item | None:
    """A page of one post as plain clients are served it."""
    uri = html.first(root, "//link[@rel='alternate'][starts-with(@href, 'at://')]/@href")
    if uri is None or f"/{POST}/" not in uri:
        return None
    data = next(
        (
            found
            for raw in root.xpath("//script[@type='application/ld+json']/text()")
            if isinstance(found := json_data.loads(str(raw)), dict)
        ),
        {},
    )
    content = html.first(root, "//meta[@property='og:description']/@content")
    paragraph = root.xpath("//*[@id='bsky_post_text']")
    whole = html.text_of(paragraph[0]) if paragraph else ""
    handle = html.first(root, "//*[@id='bsky_handle']") or html.first(
        root, "//meta[@property='profile:username']/@content"
    )
    published = html.first(root, "//meta[@property='article:published_time']/@content") or key(
        dig(data, "datePublished")
    )
    labels = {str(root.xpath(f"string(//meta[@name='twitter:label{n}']/@content)")).lower(): n for n in range(1, 5)}

    def number(label: str) -> int | None:
        n = labels.get(label)
        return count(str(root.xpath(f"string(//meta[@name='twitter:value{n}']/@content)"))) if n else None

    item = _item(uri, {"text": whole or content or "", "createdAt": published}, {"handle": handle})
    if item is None:
        return None
    view = {"likeCount": number("likes"), "replyCount": number("replies")}
    return _item(uri, {"text": whole or content or "", "createdAt": published}, {"handle": handle}, view=view)
