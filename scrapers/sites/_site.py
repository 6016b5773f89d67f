"""What the sites' readers share: reading JSON behind walls, the status of a list, links, and clean values.

JsonScraper                     `parse` loads JSON and calls `read`; walls and other pages get their status
listed(items, found, ...)       ok with items, empty where the list was there, changed where it was not
unread(note), nothing(note), leads_to(cursor, note)    an unknown page; a known one without items; a way on
settled(parsed, page)           a result that is only `changed` may be a wall
marked(page, root, host)        what a saved page of the site marks up for search engines
files_only(url, host)           a link of a site whose pages are read from files only
Link.of(url)                    host, path parts and query of a pasted link; None for no link
key(value), keys(list)          an id as text; None for anything that is no id
body(value), rich(value)        text of a plain or an HTML message; None and dicts give ""
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from lxml.html import HtmlElement
from pydantic import SecretStr

from scrapers.base import Page, Params, Parsed, Scraper, Status
from scrapers.errors import LoginNeeded
from scrapers.item import Item
from scrapers.readers import json_data, schema_org, text, walls
from scrapers.readers.identity import content_id


class JsonScraper(Scraper):
    """A reader of JSON answers. `read` gets a dict or a list and answers `unread(...)` for what it does not know."""

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        if not isinstance(data, (dict, list)):
            return self.parse_other(page)
        return settled(self.read(data, page), page)

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        raise NotImplementedError

    def parse_other(self, page: Page) -> Parsed:
        """A page that is not JSON; readers that know HTML as well override this."""
        return walls.otherwise(page, "expected a JSON answer and got something else")


def settled(parsed: Parsed, page: Page) -> Parsed:
    """A result that is only `changed` may still be a wall, by the status code or by what the page shows."""
    if parsed.status is not Status.CHANGED:
        return parsed
    return walls.recognise(page) or parsed


def listed(
    items: Iterable[Item],
    found: bool,
    *,
    next_cursor: str | None = None,
    gone: Iterable[str] = (),
    note: str | None = None,
    retry_after: float | None = None,
    facts: Mapping[str, float] | None = None,
) -> Parsed:
    """The result of reading a list: every id once, the first one wins. `found` says that the list itself was there.

    Two different things under one id (other words, another time) are both kept: the second gets an id of its content.
    """
    once: dict[str, Item] = {}
    for raw in items:
        # Where a site names a writer by number only, the number is what people can tell writers apart by.
        item = replace(raw, author=raw.author_id) if raw.author is None and raw.author_id else raw
        known = once.setdefault(item.external_id, item)
        if known.published_at != item.published_at and (known.title, known.text) != (item.title, item.text):
            other = f"{item.external_id}~{content_id(item.published_at, item.title, item.text)[2:10]}"
            once.setdefault(other, replace(item, external_id=other))
    tombs = tuple(dict.fromkeys(one for one in gone if one and one not in once))
    if once or tombs:
        status = Status.OK
    elif found:
        status = Status.EMPTY
    else:
        return unread(note or "no list of reviews or posts in this answer")
    return Parsed(
        status,
        items=tuple(once.values()),
        next_cursor=next_cursor,
        gone=tombs,
        note=note,
        retry_after=retry_after,
        facts=facts or {},
    )


def unread(note: str) -> Parsed:
    return Parsed(Status.CHANGED, note=note)


def nothing(note: str, *, facts: Mapping[str, float] | None = None) -> Parsed:
    """A page that is known and carries no reviews or posts by its nature, or says that there are none."""
    return Parsed(Status.EMPTY, note=note, facts=facts or {})


def leads_to(next_cursor: str, note: str) -> Parsed:
    """A page without items whose only use is that it names the next one."""
    return Parsed(Status.OK, next_cursor=next_cursor, note=note)


def marked(page: Page, root: HtmlElement, *names: str) -> schema_org.Reviews:
    """What the page marks up for search engines; nothing when the page names another site as its own.

    `names` are parts of the site's host ("capterra."). A page cut out of its site names none and is read.
    """
    claims = [
        page.url,
        *root.xpath("//link[@rel='canonical']/@href"),
        *root.xpath("//meta[@property='og:url']/@content"),
    ]
    hosts = [link.host for one in claims if (link := Link.of(str(one)))]
    if hosts and not any(name in f"{host}." for host in hosts for name in names):
        return schema_org.Reviews()
    return schema_org.read(page, root)


def files_only(url: str, host: str) -> Params | None:
    """For a link of a site whose pages are only read from files: it is recognised, so that nobody else fetches it.

    `host` is a pattern of the whole host without "www.".
    """
    link = Link.of(url)
    return Params() if link is not None and re.fullmatch(host, link.host) else None


def key(value: Any) -> str | None:
    """An id: a whole number or a short line of text."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        found = text.line(value)
    except ValueError:  # a number of thousands of digits
        return None
    return found if 0 < len(found) <= 1000 else None


def keys(value: Any) -> list[str]:
    """The ids in a list of ids."""
    return [found for one in value if (found := key(one))] if isinstance(value, list) else []


def body(value: Any) -> str:
    """Plain text of a message; anything that is no text gives ""."""
    return text.plain(value) if isinstance(value, str) else ""


def rich(value: Any) -> str:
    """Plain text of an HTML message; anything that is no text gives ""."""
    return text.from_html(value) if isinstance(value, str) else ""


def joined(*parts: str | None) -> str:
    """Paragraphs that are there, with an empty line between."""
    return "\n\n".join(one for one in parts if one)


def labelled(label: str, value: str) -> str:
    """ "Pros: ..." where there is something to say."""
    return f"{label}: {value}" if value else ""


def edited(at: datetime | None, published: datetime | None, *, after: float = 1.0) -> datetime | None:
    """The time of an edit: only where it is later than the time of publication by more than `after` seconds."""
    if at is None or (published is not None and (at - published).total_seconds() <= after):
        return None
    return at


def flags(**named: Any) -> frozenset[str]:
    """Names of what is true: `flags(verified=x.get("verified"), hidden=...)`."""
    return frozenset(name for name, value in named.items() if value is True or value == 1)


def https(value: Any) -> str | None:
    """An address as it stands, if it is http(s) and has a host."""
    if not isinstance(value, str):
        return None
    link = Link.of(value)
    return value.strip() if link else None


def secret(value: SecretStr | None, name: str, site: str) -> str:
    """A credential that must be there to fetch."""
    content = value.get_secret_value() if value is not None else ""
    if not content:
        raise LoginNeeded(
            f"{site}: the parameter `{name}` is missing; see `monitor source list --verbose` for where to get it"
        )
    return content


def address(base: str, **query: Any) -> str:
    """`base` with those parameters of the query that are not None."""
    kept = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    if not kept:
        return base
    return f"{base}{'&' if '?' in base else '?'}{urlencode(kept)}"


def parameter(url: Any, name: str) -> str | None:
    """A parameter of the query of a link inside an answer ("next" pages)."""
    if not isinstance(url, str):
        return None
    try:
        return dict(parse_qsl(urlsplit(url).query)).get(name)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Link:
    """A pasted link taken apart."""

    host: str  # lower case, without www. and port
    path: tuple[str, ...]
    query: Mapping[str, str]
    netloc: str  # host as it stands, with the port where one is given
    origin: str  # scheme and netloc: https://www.example.org

    @classmethod
    def of(cls, url: str) -> Link | None:
        try:
            parts = urlsplit(url.strip())
            host = (parts.hostname or "").lower().rstrip(".")
            port = parts.port
            query = dict(parse_qsl(parts.query))
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not host or any(one.isspace() for one in host):
            return None
        path = tuple(unquote(one) for one in parts.path.split("/") if one)
        netloc = f"{host}:{port}" if port else host
        return cls(host.removeprefix("www."), path, query, netloc, f"{parts.scheme}://{netloc}")

    def on(self, *domains: str) -> bool:
        """Whether the host is one of the domains or below one of them."""
        return any(self.host == one or self.host.endswith(f".{one}") for one in domains)

    def at(self, position: int) -> str | None:
        return self.path[position] if -len(self.path) <= position < len(self.path) else None

    def after(self, word: str) -> str | None:
        """The part of the path that follows `word`."""
        if word not in self.path:
            return None
        return self.at(self.path.index(word) + 1) if self.path.index(word) + 1 < len(self.path) else None
