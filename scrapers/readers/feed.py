"""RSS 0.9 to 2.0, RDF, Atom and JSON Feed to plain entries.

read(page) -> Feed | None       None when the bytes are no feed at all
    Feed: entries, title, language, url (of the site), next_url (RFC 5005 paging), kind ("rss", "atom", "rdf", "json")
    Entry: id, url, title, text, author, author_url, published (raw), updated (raw), parent_id, n_replies, n_views,
           n_likes, source (name and address of the publisher), element (lxml, None for JSON)
    item(entry, page, feed, kind="article") -> Item      the usual way on

lxml reads the document with recovery; a document too broken for it goes to feedparser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from html.entities import name2codepoint
from typing import Any

from lxml import etree

from scrapers.base import Page
from scrapers.item import Item, Kind
from scrapers.readers import dates, html, json_data, text, xml
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import count

ATOM = "{http://www.w3.org/2005/Atom}"
ATOM_03 = "{http://purl.org/atom/ns#}"
RSS_10 = "{http://purl.org/rss/1.0/}"
DC = "{http://purl.org/dc/elements/1.1/}"
DC_TERMS = "{http://purl.org/dc/terms/}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
MEDIA = "{http://search.yahoo.com/mrss/}"
SLASH = "{http://purl.org/rss/1.0/modules/slash/}"
THREAD = "{http://purl.org/syndication/thread/1.0}"
ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
BURNER = "{http://rssnamespace.org/feedburner/ext/1.0}"


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


def read(page: Page) -> Feed | None:
    """The feed in the page. An empty feed is a feed without entries."""
    start = page.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return _json(page)
    if not start.startswith(b"<") or html.looks_like_html(page.body):
        return None
    root = xml.parse(_without_html_entities(page))
    feed = _xml(root, page) if root is not None else None
    if feed is None or (not feed.entries and re.search(rb"<(?:\w+:)?(?:item|entry)[\s>]", page.body)):
        return _lenient(page) or feed
    return feed


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


def _xml(root: etree._Element, page: Page) -> Feed | None:
    name = _local(root.tag)
    if name == "feed":
        space = ATOM_03 if root.tag.startswith(ATOM_03) else ATOM if root.tag.startswith(ATOM) else ""
        return _atom(root, page, space)
    if name in ("rss", "RDF", "channel"):
        return _rss(root, page)
    return None


def _atom(root: etree._Element, page: Page, space: str) -> Feed:
    lang = root.get("{http://www.w3.org/XML/1998/namespace}lang")
    feed = Feed(
        "atom",
        title=text.optional(_markup(root.find(f"{space}title"))),
        language=html.language_code(lang),
        url=_atom_link(root, space, page.url, "alternate"),
        next_url=_atom_link(root, space, page.url, "next"),
    )
    for one in root.iter(f"{space}entry"):
        author = one.find(f"{space}author")
        content = one.find(f"{space}content")
        body = _markup(content) if content is not None else ""
        if not body:
            body = _markup(one.find(f"{space}summary"))
        if not body:
            body = text.from_html(one.findtext(f"{MEDIA}group/{MEDIA}description"))
        community = one.find(f"{MEDIA}group/{MEDIA}community")
        reply = one.find(f"{THREAD}in-reply-to")
        feed.entries.append(
            Entry(
                id=text.optional(one.findtext(f"{space}id")),
                url=_atom_link(one, space, page.url, "alternate"),
                title=text.optional(_markup(one.find(f"{space}title"))),
                text=body,
                author=text.optional(author.findtext(f"{space}name")) if author is not None else None,
                author_url=text.optional(author.findtext(f"{space}uri")) if author is not None else None,
                published=_first(one, f"{space}published", f"{space}issued", f"{space}created", f"{DC}date"),
                updated=_first(one, f"{space}updated", f"{space}modified"),
                parent_id=text.optional(reply.get("ref")) if reply is not None else None,
                language=html.language_code(one.get("{http://www.w3.org/XML/1998/namespace}lang")),
                n_replies=count(one.findtext(f"{THREAD}total")),
                n_views=_media(community, "statistics", "views"),
                n_likes=_media(community, "starRating", "count"),
                element=one,
            )
        )
    return feed


def _rss(root: etree._Element, page: Page) -> Feed:
    channel = next((one for one in root.iter() if _local(one.tag) == "channel"), root)
    feed = Feed("rdf" if _local(root.tag) == "RDF" else "rss")
    for child in channel:
        name, value = child.tag, (child.text or "")
        if name in ("title", f"{RSS_10}title"):
            feed.title = feed.title or text.optional(text.from_html(value))
        elif name in ("language", f"{DC}language", f"{RSS_10}language"):
            feed.language = html.language_code(value)
        elif name in ("link", f"{RSS_10}link"):
            feed.url = feed.url or html.absolute(value, page.url)
        elif name == f"{ATOM}link" and child.get("rel") == "next":
            feed.next_url = html.absolute(child.get("href"), page.url)
    for one in root.iter():
        if _local(one.tag) == "item":
            feed.entries.append(_rss_item(one))
    return feed


def _rss_item(one: etree._Element) -> Entry:
    entry = Entry(element=one)
    encoded = description = summary = guid = burner = None
    permalink = False
    for child in one:
        tag = child.tag
        if not isinstance(tag, str):
            continue
        name = tag.removeprefix(RSS_10)
        value = child.text or ""
        if name == "title":
            entry.title = entry.title or text.optional(_markup(child, escaped=True))
        elif name == "link":
            entry.url = entry.url or (value.strip() or child.get("href") or (child.tail or "").strip() or None)
        elif name == "guid":
            guid, permalink = text.optional(value), child.get("isPermaLink", "true").lower() != "false"
        elif name == f"{BURNER}origLink":
            burner = value.strip() or None
        elif name == f"{CONTENT}encoded":
            encoded = _markup(child, escaped=True)
        elif name == "description":
            description = _markup(child, escaped=True)
        elif name in (f"{ATOM}summary", f"{ITUNES}summary", f"{MEDIA}description"):
            summary = summary or _markup(child, escaped=True)
        elif name in (f"{DC}creator", "author", f"{ITUNES}author", "creator"):
            entry.author = entry.author or _person(child)
        elif name in ("pubDate", "pubdate", "date", f"{DC}date", f"{ATOM}published"):
            entry.published = entry.published or text.optional(value)
        elif name in (f"{ATOM}updated", f"{DC_TERMS}modified", "lastUpdated"):
            entry.updated = text.optional(value)
        elif name == f"{SLASH}comments":
            entry.n_replies = count(value)
        elif name == f"{THREAD}in-reply-to":
            entry.parent_id = text.optional(child.get("ref"))
        elif name == "source":
            entry.source = (text.optional(value), html.absolute(child.get("url")))
    about = one.get("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about")
    entry.url = (
        html.absolute(burner or entry.url) or (html.absolute(guid) if permalink else None) or html.absolute(about)
    )
    entry.id = guid or text.optional(about) or entry.url
    entry.text = max((encoded or "", description or ""), key=len) or summary or ""
    return entry


def _person(node: etree._Element) -> str | None:
    """ "ann@example.org (Ann)" is Ann; an element with <name> (Atom inside RSS) is that."""
    name = next((one.text for one in node if _local(one.tag) == "name"), None)
    raw = text.optional(text.from_html(name or node.text))
    found = re.match(r"^\S+@\S+\s*\((.+)\)$", raw or "")
    return found.group(1) if found else raw


def _markup(node: etree._Element | None, *, escaped: bool = False) -> str:
    """Plain text of a text construct: escaped HTML, inline XHTML, or plain text by its `type`."""
    if node is None:
        return ""
    if len(node):
        return text.from_html(etree.tostring(node, encoding="unicode", with_tail=False))
    kind = (node.get("type") or "text").lower()
    value = node.text or ""
    if escaped or "html" in kind or node.get("mode") == "escaped" or (kind == "text" and _looks_marked(value)):
        return text.from_html(value)
    return text.plain(value)


def _looks_marked(value: str) -> bool:
    """Feeds that call HTML "text" are common."""
    return bool(re.search(r"<(?:p|br|a|div|b|i|em|strong|img)\b[^<>]*>|&(?:#\d+|amp|quot|nbsp|lt|gt);", value))


def _atom_link(node: etree._Element, space: str, base: str, rel: str) -> str | None:
    for one in node.findall(f"{space}link"):
        if one.get("rel", "alternate") == rel and (rel != "alternate" or "html" in one.get("type", "html")):
            return html.absolute(one.get("href"), base)
    return None


def _first(node: etree._Element, *tags: str) -> str | None:
    for tag in tags:
        value = text.optional(node.findtext(tag))
        if value:
            return value
    return None


def _media(community: etree._Element | None, tag: str, attribute: str) -> int | None:
    found = community.find(f"{MEDIA}{tag}") if community is not None else None
    return count(found.get(attribute)) if found is not None else None


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


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
