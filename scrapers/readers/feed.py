"""RSS 0.9 to 2.0, RDF, Atom and JSON Feed to plain entries.

read(page) -> Feed | None       None when the bytes are no feed at all
    Feed: entries, title, language, url (of the site), next_url (RFC 5005 paging), kind ("rss", "atom", "rdf", "json")
    Entry: id, url, title, text, author, author_url, published (raw), updated (raw), parent_id, n_replies, n_views,
           n_likes, source (name and address of the publisher), element (lxml, None for JSON)
item(entry, page, feed), items(feed, page)      the usual way on
named_by(page) -> str | None    the feed that an HTML page names as its own

lxml reads the document with recovery; a document too broken for it goes to feedparser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.entities import name2codepoint
from typing import Any

from scrapers.base import Page
from scrapers.readers import feed_xml, html, json_data, text, xml
from scrapers.readers.entries import Entry, Feed, item, items

_TYPES = ("application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json")


def read(page: Page) -> Feed | None:
    """The feed in the page. An empty feed is a feed without entries."""
    start = page.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return _json(page)
    if not start.startswith(b"<") or html.looks_like_html(page.body):
        return None
    root = xml.parse(_without_html_entities(page))
    feed = feed_xml.read(root, page) if root is not None else None
    if feed is None or (not feed.entries and re.search(rb"<(?:\w+:)?(?:item|entry)[\s>]", page.body)):
        return _lenient(page) or feed
    return feed


def named_by(page: Page) -> str | None:
    """The feed in `link rel=alternate` of an HTML page (its comments feed comes second); never the page itself."""
    if not html.looks_like_html(page.body):
        return None
    tree = html.tree(page)
    for link in tree.xpath("//link[contains(concat(' ', @rel, ' '), ' alternate ')]") if tree is not None else ():
        if (link.get("type") or "").lower().split(";")[0].strip() in _TYPES:
            target = html.absolute(link.get("href"), page.url)
            if target and target != page.url:
                return target
    return None


def _without_html_entities(page: Page) -> bytes:
    """&nbsp; and its like are no XML; as characters they are. Text of other charsets becomes UTF-8."""
    body = page.body
    declared = html.charset_of(body, page.headers.get("content-type", "")) or "utf-8"
    if declared != "utf-8" or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = html.decode(page)
        body = re.sub(r"^\s*<\?xml[^>]*\?>", "", content, count=1).encode("utf-8", "replace")
    if b"&" not in body:
        return body

    def one(found: re.Match[bytes]) -> bytes:
        name = found.group(1)
        if name in (b"amp", b"lt", b"gt", b"quot", b"apos"):
            return found.group()
        point = name2codepoint.get(name.decode("ascii"))
        return f"&#{point};".encode() if point is not None else b"&amp;" + found.group()[1:]

    return re.sub(rb"&([A-Za-z][A-Za-z0-9]{1,31});", one, body)


def _json(page: Page) -> Feed | None:
    """JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    data = json_data.loads(page)
    if data is None and re.search(rb'jsonfeed\.org|"feed_url"', page.body[:2000]):
        data = json_data.salvage(page)
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        return None
    if "jsonfeed.org" not in str(data.get("version", "")) and "feed_url" not in data and "home_page_url" not in data:
        return None
    feed = Feed(
        "json",
        title=text.optional(data.get("title")),
        language=html.language_code(data.get("language")),
        url=html.absolute(data.get("home_page_url"), page.url),
        next_url=html.absolute(data.get("next_url"), page.url),
    )
    for one in json_data.dicts(data["items"]):
        authors = json_data.dicts(one.get("authors")) + json_data.dicts(one.get("author"))
        authors += json_data.dicts(data.get("authors")) + json_data.dicts(data.get("author"))
        body = text.from_html(one.get("content_html")) or text.plain(_string(one.get("content_text")))
        link = html.absolute(one.get("url"), page.url) or html.absolute(one.get("external_url"), page.url)
        feed.entries.append(
            Entry(
                id=text.optional(one.get("id")),
                url=link,
                title=text.optional(text.from_html(_string(one.get("title")))),
                text=body or text.plain(_string(one.get("summary"))),
                author=text.optional(authors[0].get("name")) if authors else None,
                author_url=text.optional(authors[0].get("url")) if authors else None,
                published=text.optional(one.get("date_published")),
                updated=text.optional(one.get("date_modified")),
                language=html.language_code(one.get("language")),
            )
        )
    return feed


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _lenient(page: Page) -> Feed | None:
    """What feedparser makes of a document that lxml cannot read."""
    if re.search(rb"<!ENTITY", page.body[:20_000], re.IGNORECASE):
        return None
    import feedparser  # slow to import, rarely needed

    try:
        parsed = feedparser.parse(html.decode(page).encode(), sanitize_html=False, resolve_relative_uris=False)
    except (ValueError, LookupError, AttributeError, TypeError, KeyError, IndexError, AssertionError, RecursionError):
        return None
    if not parsed.get("version") and not parsed.get("entries"):
        return None
    feed = Feed(
        "rss",
        title=text.optional(text.from_html(parsed.feed.get("title"))),
        language=html.language_code(parsed.feed.get("language")),
        url=html.absolute(parsed.feed.get("link"), page.url),
    )
    for one in parsed.entries:
        bodies: Iterable[Any] = [part.get("value") for part in one.get("content", [])] + [one.get("summary")]
        feed.entries.append(
            Entry(
                id=text.optional(one.get("id")),
                url=html.absolute(one.get("link"), page.url),
                title=text.optional(text.from_html(one.get("title"))),
                text=next((found for body in bodies if (found := text.from_html(body))), ""),
                author=text.optional(one.get("author")),
                published=text.optional(one.get("published")),
                updated=text.optional(dict.get(one, "updated")),  # its own `get` guesses, and warns
            )
        )
    return feed


__all__ = ["Entry", "Feed", "item", "items", "named_by", "read"]
