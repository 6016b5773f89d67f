"""News about words: Google News, Bing News and the publishers' own feeds, as RSS."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from lxml import etree
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice
from scrapers.item import Item
from scrapers.readers import dates, json_data, text, walls
from scrapers.readers.html import language_code
from scrapers.readers.identity import canonical_url, content_id
from scrapers.readers.json_data import dicts
from scrapers.readers.xml import parse as parse_xml
from scrapers.sites._site import Link, address, https, key, listed, rich, settled, unread

_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_ATOM = "{http://www.w3.org/2005/Atom}"


class NewsParams(Params):
    query: str = Field(description="Words to search; the service's own search words are allowed")
    language: str = Field("ru", description="Language of the edition, two letters")
    country: str = Field("RU", description="Country of the edition, two letters")
    days: int = Field(7, ge=1, le=365, description="How far back a first reading goes")


class _News(Scraper):
    """Reads any news feed; what is fetched is each service's own."""

    params_type: ClassVar[type[Params]] = NewsParams

    def parse(self, page: Page) -> Parsed:
        root = parse_xml(page.body)
        if root is None:
            data = json_data.loads(page)
            if isinstance(data, dict) and isinstance(data.get("articles"), list):
                return _gdelt(dicts(data["articles"]))
            return walls.otherwise(page, "expected a news feed and got something else")
        entries = [
            one for one in root.iter() if isinstance(one.tag, str) and etree.QName(one).localname in ("item", "entry")
        ]
        channel = next(
            (
                one
                for one in root.iter()
                if isinstance(one.tag, str) and etree.QName(one).localname in ("channel", "feed")
            ),
            None,
        )
        language = language_code(_child(channel, "language"))
        items = [item for one in entries if (item := _item(one, language)) is not None]
        known = channel is not None and _child(channel, "title") is not None
        return settled(
            listed(items, found=known and not entries, note=None if items or known else "XML without news in it"), page
        )


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


def _child(node: etree._Element | None, name: str) -> str | None:
    """Text of the first child of that name in any namespace of feeds."""
    for one in node if node is not None else ():
        if (
            isinstance(one.tag, str)
            and etree.QName(one).localname == name
            and etree.QName(one).namespace
            in (None, "http://www.w3.org/2005/Atom", "http://purl.org/rss/1.0/", "http://purl.org/dc/elements/1.1/")
        ):
            return "".join(one.itertext()).strip() or None
    return None


def _item(one: etree._Element, language: str | None) -> Item | None:
    title = text.line(rich(_child(one, "title")))
    link = https(_child(one, "link")) or next(
        (
            found
            for raw in one.iter(f"{_ATOM}link")
            if raw.get("rel") in (None, "alternate") and (found := https(raw.get("href")))
        ),
        None,
    )
    identity = key(_child(one, "guid")) or key(_child(one, "id"))
    if not title and link is None:
        return None
    when = dates.read(
        _child(one, "pubDate") or _child(one, "published") or _child(one, "updated") or _child(one, "date")
    )
    source = one.find("source")
    publisher = text.optional(source.text) if source is not None else None
    bing = next(
        (text.optional(raw.text) for raw in one if isinstance(raw.tag, str) and etree.QName(raw).localname == "Source"),
        None,
    )
    publisher = publisher or bing
    about = rich(_child(one, "description") or _child(one, "summary"))
    body = rich(one.findtext(_CONTENT)) or rich(_child(one, "content"))
    if publisher and title.endswith(f" - {publisher}"):
        title = title.removesuffix(f" - {publisher}")
        # Google repeats the linked title and the publisher as the description.
        if text.line(about).removesuffix(publisher).strip().startswith(title[:60]):
            about = ""
    real = _bing_target(link)
    return Item(
        kind="article",
        external_id=identity or (canonical_url(real) if real else content_id(title, when.at)),
        title=title or None,
        text=body or about,
        url=real,
        author=text.optional(_child(one, "creator")) or text.optional(_person(one)) or publisher,
        **when.fields(),
        language=language,
        subject=publisher,
        flags=frozenset({"syndicated"}) if publisher else frozenset(),
    )


def _person(one: etree._Element) -> str | None:
    named = one.find(f"{_ATOM}author/{_ATOM}name")
    raw: str | None = named.text if named is not None else one.findtext("author")
    return raw.split("(", 1)[1].rstrip(") ") if raw and "@" in raw and "(" in raw else raw


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
