"""Any feed: RSS, RDF, Atom, JSON Feed. A page that only links to its feed leads there."""

from __future__ import annotations

import re
from datetime import datetime
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Kind
from scrapers.readers import feed, html, walls

_FEED_LINK = re.compile(
    r"(?:\.(?:rss|rdf|atom)|/(?:feed|rss|atom|index|feeds?/[^/?]*|rss2?|news)(?:\.xml|\.json)|/(?:feed|rss|atom)s?)/?$"
    r"|/(?:feeds?|rss)/",
    re.IGNORECASE,
)
_FEED_QUERY = re.compile(r"(?:^|&)(?:feed|format|type|output)=(?:rss2?|atom|rdf|feed)", re.IGNORECASE)


class RssParams(Params):
    url: str = Field(
        pattern=r"^https?://[^\s]+$", description="address of the feed, or of a page that links to its feed"
    )


class Rss(Scraper):
    meta = Meta(
        name="rss",
        title="Feeds (RSS, Atom, RDF, JSON Feed)",
        access="A",
        terms="Feeds are published for reading by programs; the terms of each site hold, and its robots.txt is obeyed.",
        kinds=("article", "post", "comment"),
        interval_seconds=3600,
        url_examples=MappingProxyType(
            {
                "https://example.org/blog/feed/": {"url": "https://example.org/blog/feed/"},
                "https://example.org/news.atom": {"url": "https://example.org/news.atom"},
                "https://example.org/?feed=rss2": {"url": "https://example.org/?feed=rss2"},
                "https://example.org/feed.json": {"url": "https://example.org/feed.json"},
            }
        ),
        verified="against recordings",
        docs="https://www.rssboard.org/rss-specification",
        match_order=2,
    )
    params_type = RssParams

    def match(self, url: str) -> RssParams | None:
        link = html.absolute(url)
        if link is None:
            return None
        parts = urlsplit(link)
        if (
            _FEED_LINK.search(parts.path)
            or _FEED_QUERY.search(parts.query)
            or (parts.hostname or "").startswith("feeds.")
        ):
            return RssParams(url=link)
        return None

    def request(self, params: RssParams, part: Slice, cursor: str | None, *, since: datetime | None = None) -> Request:
        accept = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.8"
        return Request(cursor or params.url, headers={"accept": accept})

    def parse(self, page: Page) -> Parsed:
        found = feed.read(page)
        if found is None:
            wall = walls.recognise(page)
            named = feed.named_by(page) if wall is None else None
            if named is not None:
                return Parsed(Status.OK, next_cursor=named, note="a page that names its feed")
            return wall or Parsed(Status.CHANGED, note="this is not a feed")
        items = feed.items(found, page, kind=_kind(found))
        following = found.next_url if found.next_url != page.url else None
        if items:
            return Parsed(Status.OK, items, next_cursor=following)
        return Parsed(Status.EMPTY, note="the feed has no entries")


def _kind(found: feed.Feed) -> Kind:
    """Feeds of comments say so in their title or in every link."""
    links = [one.url or "" for one in found.entries]
    if links and all("#comment" in one for one in links):
        return "comment"
    return "article"
