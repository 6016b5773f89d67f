"""RSS 0.9 to 2.0, RDF and Atom elements as a Feed.

read(root, page) -> Feed | None     None when the document is no feed
"""

from __future__ import annotations

import re

from lxml import etree

from scrapers.base import Page
from scrapers.readers import html, text
from scrapers.readers.entries import Entry, Feed
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


def read(root: etree._Element, page: Page) -> Feed | None:
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
