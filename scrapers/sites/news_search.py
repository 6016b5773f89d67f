"""News about words: Google News, Bing News and the publishers' own feeds, as RSS."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from lxml import etree
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice
from scrapers.item import Item
from scrapers.readers import dates, feed, json_data, text, walls
from scrapers.readers.html import language_code
from scrapers.readers.identity import canonical_url
from scrapers.readers.json_data import dicts
from scrapers.sites._site import Link, address, https, listed, settled, unread


class NewsParams(Params):
    query: str = Field(description="Words to search; the service's own search words are allowed")
    language: str = Field("ru", description="Language of the edition, two letters")
    country: str = Field("RU", description="Country of the edition, two letters")
    days: int = Field(7, ge=1, le=365, description="How far back a first reading goes")


class _News(Scraper):
    """Reads any news feed; what is fetched is each service's own."""

    params_type: ClassVar[type[Params]] = NewsParams

    def parse(self, page: Page) -> Parsed:
        found = feed.read(page)
        if found is None or (found.kind == "json" and not found.entries):
            data = json_data.loads(page)
            if isinstance(data, dict) and isinstance(data.get("articles"), list):
                return settled(_gdelt(dicts(data["articles"])), page)
            return walls.otherwise(page, "expected a news feed and got something else")
        known = not found.entries and found.title is not None
        items = (item for one in found.entries if (item := _item(one, page, found)) is not None)
        return settled(listed(items, found=known, note=None if known or found.entries else "a feed without news"), page)


class GoogleNews(_News):
    meta = Meta(
        name="google_news",
        title="Google News",
        access="A",
        terms="The feed's own notice allows personal, non-commercial readers only; make sure your use is one. "
        "Otherwise take the publishers' own feeds with the RSS scraper.",
        hosts=("news.google.com",),
        kinds=("article",),
        interval_seconds=2 * 3600,
        min_interval_seconds=1800,
        host_interval_seconds=10.0,
        url_examples={
            "https://news.google.com/search?q=acme&hl=ru&gl=RU&ceid=RU%3Aru": {
                "query": "acme",
                "language": "ru",
                "country": "RU",
            },
            "https://news.google.com/rss/search?q=acme+when:7d&hl=en-US&gl=US&ceid=US:en": {
                "query": "acme when:7d",
                "language": "en",
                "country": "US",
            },
        },
        verified="against recordings",
    )

    def match(self, url: str) -> NewsParams | None:
        link = Link.of(url)
        if link is None or link.host != "news.google.com" or not link.query.get("q"):
            return None
        return NewsParams(
            query=link.query["q"],
            language=language_code(link.query.get("hl")) or "en",
            country=link.query.get("gl", "US")[:2].upper(),
        )

    def request(
        self, params: NewsParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        words = params.query
        if "when:" not in words and "after:" not in words:
            # Up to 100 newest hits and no pages: only a window of time leads further back.
            words += f" after:{(since - timedelta(days=1)).date().isoformat()}" if since else f" when:{params.days}d"
        country, language = params.country.upper(), params.language
        return Request(
            address(
                "https://news.google.com/rss/search", q=words, hl=language, gl=country, ceid=f"{country}:{language}"
            )
        )


class NewsSearch(_News):
    """Bing's news search; any saved news feed can be parsed by this name too."""

    meta = Meta(
        name="news_search",
        title="News search (Bing)",
        access="A",
        terms="The search as RSS is offered for readers of feeds; show the publisher and link to it.",
        hosts=("www.bing.com",),
        kinds=("article",),
        interval_seconds=2 * 3600,
        min_interval_seconds=1800,
        host_interval_seconds=10.0,
        url_examples={
            "https://www.bing.com/news/search?q=acme&setlang=ru&cc=RU": {
                "query": "acme",
                "language": "ru",
                "country": "RU",
            },
        },
        verified="against recordings",
    )

    def match(self, url: str) -> NewsParams | None:
        link = Link.of(url)
        if link is None or not link.on("bing.com") or link.at(0) != "news" or not link.query.get("q"):
            return None
        return NewsParams(
            query=link.query["q"],
            language=language_code(link.query.get("setlang")) or "ru",
            country=link.query.get("cc", "RU")[:2].upper(),
        )

    def request(
        self, params: NewsParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        return Request(
            address(
                "https://www.bing.com/news/search",
                q=params.query,
                format="rss",
                qft='sortbydate="1"',
                setlang=params.language,
                cc=params.country,
            )
        )


def _item(one: feed.Entry, page: Page, found: feed.Feed) -> Item | None:
    """The feed's entry, with the publisher apart from the title and the publisher's own address."""
    base = feed.item(one, page, found)
    if base is None:
        return None
    publisher = text.optional(one.source[0]) if one.source else None
    publisher = publisher or _bing_source(one.element)
    title, content = base.title or "", base.text
    if publisher and title.endswith(f" - {publisher}"):
        title = title.removesuffix(f" - {publisher}")
        # Google repeats the linked title and the publisher as the description.
        if text.line(content).removesuffix(publisher).strip().startswith(title[:60]):
            content = ""
    link = _bing_target(base.url)
    return replace(
        base,
        external_id=base.external_id
        if one.id and one.id != one.url
        else canonical_url(link)
        if link
        else base.external_id,
        title=title or None,
        text=content,
        url=link,
        author=base.author or publisher,
        subject=publisher,
        flags=frozenset({"syndicated"}) if publisher else frozenset(),
    )


def _bing_source(element: etree._Element | None) -> str | None:
    for child in element if element is not None else ():
        if isinstance(child.tag, str) and child.tag.rsplit("}", 1)[-1].rsplit(":", 1)[-1] == "Source":
            return text.optional(child.text)
    return None


def _bing_target(link: str | None) -> str | None:
    """Bing wraps the publisher's address into its own."""
    parts = Link.of(link) if link else None
    if parts is not None and parts.on("bing.com") and "url" in parts.query:
        return https(parts.query["url"]) or link
    return link


def _gdelt(articles: list[dict[str, Any]]) -> Parsed:
    """Answers of GDELT's document API."""
    items = [
        Item(
            kind="article",
            external_id=canonical_url(link),
            title=text.optional(one.get("title")),
            url=link,
            author=text.optional(one.get("domain")),
            **dates.read(_compact(one.get("seendate"))).fields(),
            subject=text.optional(one.get("domain")),
        )
        for one in articles
        if (link := https(one.get("url")))
    ]
    return listed(items, found=not articles) if items or not articles else unread("articles without addresses")


def _compact(raw: Any) -> Any:
    """20260315T020809Z"""
    if isinstance(raw, str) and len(raw) == 16 and raw[8] == "T":
        return f"{raw[:4]}-{raw[4:6]}-{raw[6:8]}T{raw[9:11]}:{raw[11:13]}:{raw[13:15]}Z"
    return raw
