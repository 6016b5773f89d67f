"""Hacker News: stories and comments by search (Algolia), and the feeds of the front page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from lxml import etree
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text, walls
from scrapers.readers.json_data import dicts, integer
from scrapers.readers.numbers import count
from scrapers.readers.xml import parse as parse_xml
from scrapers.sites._site import JsonScraper, Link, address, https, key, listed, rich, settled, unread

SEARCH = "https://hn.algolia.com/api/v1/search_by_date"
PAGE = 100
LAST_HIT = 1000  # a query gives no more: the window of time slides instead
_ID = re.compile(r"news\.ycombinator\.com/item\?id=(\d+)")
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_POINTS = re.compile(r"Points:\s*(\d+)")
_COMMENTS = re.compile(r"#\s*Comments:\s*(\d+)")
_HOUSEKEEPING = re.compile(r"^\s*(?:Comments URL:|Article URL:|Points:|#\s*Comments:|Comments\s*$)", re.MULTILINE)


class HackernewsParams(Params):
    query: str | None = Field(None, description="Words to search in stories and comments")
    item: str | None = Field(None, description="Number of a story: it and its comments are read")
    comments: bool = Field(True, description="Search comments too, not only stories")


class Hackernews(JsonScraper):
    meta = Meta(
        name="hackernews",
        title="Hacker News",
        access="A",
        terms="Open search API of Algolia, 10,000 requests an hour per address, and open feeds.",
        hosts=("hn.algolia.com",),
        kinds=("post", "comment"),
        host_interval_seconds=1.0,
        robots=False,
        url_examples={
            "https://news.ycombinator.com/item?id=46259064": {"item": "46259064"},
            "https://hn.algolia.com/?q=self-hosted": {"query": "self-hosted"},
        },
        verified="against recordings",
        docs="https://hn.algolia.com/api",
    )
    params_type: ClassVar[type[Params]] = HackernewsParams

    def match(self, url: str) -> HackernewsParams | None:
        link = Link.of(url)
        if link is None:
            return None
        if link.host == "news.ycombinator.com" and link.query.get("id", "").isdigit():
            return HackernewsParams(item=link.query["id"])
        if link.host == "hn.algolia.com":
            words = link.query.get("q") or link.query.get("query")
            number = link.after("items")
            if number and number.isdigit():
                return HackernewsParams(item=number)
            return HackernewsParams(query=words) if words else None
        return None

    def request(
        self, params: HackernewsParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if params.item:
            return Request(f"https://hn.algolia.com/api/v1/items/{params.item}")
        if not params.query:
            raise BadParams("hackernews: give `query` or `item`")
        # The cursor is the time of the oldest hit seen: a query stops at its 1,000th hit, a window of time does not.
        window = [f"created_at_i>{int(since.timestamp())}"] if since else []
        if cursor:
            window.append(f"created_at_i<={cursor}")
        return Request(
            address(
                SEARCH,
                query=params.query,
                tags="(story,comment)" if params.comments else "story",
                numericFilters=",".join(window) or None,
                hitsPerPage=PAGE,
            )
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            entries, single = dicts(data), False
        elif isinstance(data.get("hits"), list):
            return _hits(data)
        elif "id" in data or "objectID" in data:
            entries, single = [data], True
        elif "message" in data and "hits" not in data:
            said = text.line(data["message"])
            return Parsed(Status.NOT_FOUND if data.get("status") == 404 else Status.CHANGED, note=said or "refused")
        else:
            return unread("no hits in this answer")
        items: list[Item] = []
        gone: list[str] = []
        for entry in entries:
            for one, parent in _tree(entry):
                identity = key(one.get("id")) or key(one.get("objectID"))
                if identity and (one.get("deleted") is True or one.get("dead") is True or _blank(one)):
                    gone.append(identity)
                elif (item := _item(one, parent)) is not None:
                    items.append(item)
        if single and gone and not items:
            return Parsed(Status.NOT_FOUND, gone=tuple(gone), note="deleted")
        return listed(items, found=False, gone=gone)

    def parse_other(self, page: Page) -> Parsed:
        root = parse_xml(page.body)
        if root is None or root.tag != "rss":
            return walls.otherwise(page, "neither an answer of the API nor a feed")
        entries = list(root.iter("item"))
        items = [item for one in entries if (item := _entry(one)) is not None]
        return settled(listed(items, found=not entries and root.find("channel/title") is not None), page)


def _hits(data: dict[str, Any]) -> Parsed:
    hits = dicts(data["hits"])
    oldest = min((when for one in hits if (when := integer(one.get("created_at_i")))), default=None)
    total = integer(data.get("nbHits"))
    more = oldest is not None and total is not None and total > len(hits)
    return listed(
        (item for one in hits if (item := _item(one, None)) is not None),
        found=not hits and "nbHits" in data,
        next_cursor=str(oldest) if more else None,
    )


def _tree(entry: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """An item and everything under it, in reading order, iteratively."""
    stack: list[tuple[dict[str, Any], str | None]] = [(entry, None)]
    while stack:
        one, parent = stack.pop()
        yield one, parent
        identity = key(one.get("id"))
        stack.extend(
            (below, identity)
            for below in reversed(dicts(one.get("children") if isinstance(one.get("children"), list) else []))
        )


def _blank(one: dict[str, Any]) -> bool:
    """A comment without writer and text is one that was taken away."""
    return one.get("type") == "comment" and not (one.get("author") or one.get("by")) and not one.get("text")


def _item(one: dict[str, Any], parent: str | None) -> Item | None:
    identity = key(one.get("objectID")) or key(one.get("id"))
    if identity is None:
        return None
    tags = one.get("_tags") if isinstance(one.get("_tags"), list) else []
    comment = one.get("type") == "comment" or "comment" in (tags or []) or isinstance(one.get("comment_text"), str)
    known = "created_at_i" in one or ("by" in one and "time" in one) or "objectID" in one
    title, story = one.get("title"), one.get("story_title")
    if not known or not (comment or isinstance(title, str)):
        return None
    when = dates.read(one.get("created_at_i") or one.get("time") or one.get("created_at"))
    above = key(one.get("parent_id")) or key(one.get("parent")) or parent or key(one.get("story_id"))
    kids = one.get("kids") if isinstance(one.get("kids"), list) else one.get("children")
    replies = count(one.get("num_comments"))
    replies = replies if replies is not None else count(one.get("descendants"))
    return Item(
        kind="comment" if comment else "post",
        external_id=identity,
        title=None if comment else text.optional(html.unescape(title)) if isinstance(title, str) else None,
        text=rich(one.get("comment_text")) or rich(one.get("story_text")) or rich(one.get("text")),
        url=f"https://news.ycombinator.com/item?id={identity}" if identity.isdigit() else None,
        author=text.optional(one.get("author")) or text.optional(one.get("by")),
        **when.fields(),
        parent_id=above if comment else None,
        subject=text.optional(html.unescape(story)) if comment and isinstance(story, str) else None,
        n_likes=count(one.get("points")) if one.get("points") is not None else count(one.get("score")),
        n_replies=replies if replies is not None else len(kids) if isinstance(kids, list) else None,
        flags=frozenset({"job"}) if one.get("type") == "job" or "job" in (tags or []) else frozenset(),
    )


def _entry(one: etree._Element) -> Item | None:
    """An entry of the site's own feed, or of hnrss.org."""
    found = (
        _ID.search(one.findtext("comments") or "")
        or _ID.search(one.findtext("guid") or "")
        or _ID.search(one.findtext("link") or "")
    )
    if found is None:
        return None
    about = rich(one.findtext("description"))
    points, comments = _POINTS.search(about), _COMMENTS.search(about)
    written = _HOUSEKEEPING.split(about, maxsplit=1)[0]
    title = text.line(one.findtext("title"))
    comment = title.startswith("New comment by ")
    link = https(one.findtext("link"))
    return Item(
        kind="comment" if comment else "post",
        external_id=found.group(1),
        title=None if comment else title or None,
        text=text.plain(written),
        url=f"https://news.ycombinator.com/item?id={found.group(1)}",
        author=text.optional(one.findtext(_CREATOR)),
        **dates.read(one.findtext("pubDate")).fields(),
        subject=link if link and "news.ycombinator.com" not in link else None,
        n_likes=int(points.group(1)) if points and len(points.group(1)) < 10 else None,
        n_replies=int(comments.group(1)) if comments and len(comments.group(1)) < 10 else None,
    )
