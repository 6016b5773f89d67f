"""Any page that marks up its reviews by schema.org."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.readers import feed, html, schema_org, walls


class SchemaOrgParams(Params):
    url: str = Field(
        pattern=r"^https?://[^\s]+$", description="address of a page with reviews: a product, a place, a shop"
    )


class SchemaOrg(Scraper):
    meta = Meta(
        name="schema_org",
        title="Any page with schema.org reviews",
        access="A",
        terms="The terms of each site hold, and its robots.txt is obeyed. "
        "Pages mark up only their first reviews, so read often.",
        kinds=("review", "comment", "article"),
        rating_scale=(1, 5),
        interval_seconds=6 * 3600,
        min_interval_seconds=900,
        host_interval_seconds=5.0,
        url_examples=MappingProxyType(
            {"https://shop.example.org/product/42": {"url": "https://shop.example.org/product/42"}}
        ),
        verified="against recordings",
        docs="https://schema.org/Review",
        aliases=("blocked_pages",),  # walls of any site: `monitor parse blocked_pages FILE` says which wall it is
        match_order=3,
    )
    params_type = SchemaOrgParams

    def match(self, url: str) -> SchemaOrgParams | None:
        link = html.absolute(url)
        return SchemaOrgParams(url=link) if link and _is_usual(link) else None

    def request(
        self, params: SchemaOrgParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request:
        return Request(cursor or params.url, headers={"accept": "text/html,application/xhtml+xml"})

    def parse(self, page: Page) -> Parsed:
        found = schema_org.read(page)
        if found.items:
            return Parsed(Status.OK, found.items, next_cursor=_next(page), facts=found.facts)
        wall = walls.recognise(page)
        if wall is not None:
            return wall
        if found.facts.get("review_count", found.facts.get("rating_count")) == 0:
            return Parsed(Status.EMPTY, note="the page says that there are no reviews", facts=found.facts)
        if found.facts:
            return Parsed(Status.OK, facts=found.facts, note="only the average rating is marked up, no review")
        if found.marked:
            return Parsed(Status.CHANGED, note="the page has schema.org markup, but no review in it")
        named = feed.named_by(page)
        advice = f"; it names a feed, which the scraper rss reads: {named}" if named else ""
        return Parsed(Status.CHANGED, note=f"the page has no schema.org markup{advice}")


def _is_usual(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return "." in host or host == "localhost"


_NEXT = re.compile(rb"rel\s*=\s*[\"']?next[\"'\s>]")
_HREF = re.compile(r"""\bhref\s*=\s*["']?([^"'\s>]{1,2000})""", re.IGNORECASE)


def _next(page: Page) -> str | None:
    """The following page of the same site, where a <link> or <a> names it."""
    found = _NEXT.search(page.body)
    if found is None:
        return None
    start, end = page.body.rfind(b"<", 0, found.start()), page.body.find(b">", found.end() - 1)
    link = _HREF.search(page.body[start:end][:4000].decode("utf-8", "replace"))
    target = html.absolute(unescape(link.group(1)), page.url) if link else None
    if target is None or target == page.url or urlsplit(target).hostname != urlsplit(page.url).hostname:
        return None
    return target
