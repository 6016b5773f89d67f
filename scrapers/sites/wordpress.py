"""WordPress: comments of a site by its REST API, by its comment feed, by wordpress.com and by XML-RPC."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any, ClassVar

from lxml import etree
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, text, walls
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.readers.xml import parse as parse_xml
from scrapers.sites._site import JsonScraper, Link, address, flags, https, key, listed, rich, settled, unread

PER_PAGE = 100


class WordpressParams(Params):
    site: str = Field(description="Address of the site, for example https://blog.example.org")
    post: str | None = Field(None, description="Number of a post; comments of all posts without it")


class Wordpress(JsonScraper):
    meta = Meta(
        name="wordpress",
        title="WordPress",
        access="A",
        terms="The comment API and the comment feed of a site are open by default; the rules are the site's. "
        "Security plug-ins often close the API: then read the feed /comments/feed/ with the RSS scraper.",
        kinds=("comment", "article"),
        robots=False,
        url_examples={
            "https://blog.example.org/wp-json/wp/v2/comments": {"site": "https://blog.example.org"},
            "https://blog.example.org/wp-json/wp/v2/comments?post=49": {
                "site": "https://blog.example.org",
                "post": "49",
            },
        },
        verified="against recordings",
        docs="https://developer.wordpress.org/rest-api/reference/comments/",
        match_order=1,
    )
    params_type: ClassVar[type[Params]] = WordpressParams

    def match(self, url: str) -> WordpressParams | None:
        link = Link.of(url)
        if link is None or "wp-json" not in link.path or "wc" in link.path:
            return None
        before = "/".join(link.path[: link.path.index("wp-json")])
        site = f"{link.origin}/{before}".rstrip("/")
        post = link.query.get("post")
        return WordpressParams(site=site, post=post if post and post.isdigit() else None)

    def request(
        self, params: WordpressParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        return Request(
            address(
                f"{params.site.rstrip('/')}/wp-json/wp/v2/comments",
                per_page=PER_PAGE,
                page=cursor or 1,
                order="desc",
                orderby="date_gmt",
                post=params.post,
                after=since.strftime("%Y-%m-%dT%H:%M:%S") if since else None,
            )
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            items = [item for one in dicts(data) if (item := _rest(one)) is not None]
            return listed(items, found=not data and "/comments" in page.url, next_cursor=_following(page, len(data)))
        for name in ("comments", "posts"):
            if isinstance(data.get(name), list):
                entries = dicts(data[name])
                return listed((item for one in entries if (item := _dotcom(one)) is not None), found=not entries)
        if "content" in data and ("id" in data or "ID" in data) and "@context" not in data:
            one = _rest(data) if "id" in data else _dotcom(data)
            return listed([one] if one else [], found=False)
        if "code" in data or "error" in data:
            return problem(data)
        return unread("no comments in this answer")

    def parse_other(self, page: Page) -> Parsed:
        return settled(_xml(page), page)


def _rest(one: dict[str, Any]) -> Item | None:
    """A comment, or a post, of wp/v2."""
    identity = key(one.get("id"))
    if identity is None:
        return None
    zone_less = one.get("date_gmt")
    when = dates.read(zone_less if zone_less and zone_less != "0000-00-00T00:00:00" else one.get("date"))
    if "author_name" not in one and isinstance(one.get("title"), dict):
        edit = dates.iso(one.get("modified_gmt"))
        return Item(
            kind="article",
            external_id=f"post-{identity}",
            title=text.optional(rich(dig(one, "title", "rendered"))),
            text=rich(dig(one, "content", "rendered")) or rich(dig(one, "excerpt", "rendered")),
            url=https(one.get("link")),
            author=text.optional(dig(one, "_embedded", "author", 0, "name")),
            author_id=key(one.get("author")),
            **when.fields(),
            edited_at=edit if edit and when.at and (edit - when.at).total_seconds() > 60 else None,
        )
    if "content" not in one or not ("author_name" in one or isinstance(one["content"], dict)):
        return None
    return _comment(
        identity,
        one.get("content")
        if isinstance(one.get("content"), str)
        else dig(one, "content", "rendered") or dig(one, "content", "raw"),
        when,
        parent=one.get("parent"),
        post=one.get("post"),
        link=one.get("link"),
        author=one.get("author_name"),
        author_id=one.get("author"),
        status=one.get("status"),
        sort=one.get("type"),
    )


def _dotcom(one: dict[str, Any]) -> Item | None:
    """A comment, or a post, of the wordpress.com API v1."""
    identity = key(one.get("ID"))
    if identity is None:
        return None
    when = dates.read(one.get("date"))
    if "title" in one and "comment_count" not in one and "raw_content" not in one:
        return Item(
            kind="article",
            external_id=f"post-{identity}",
            title=text.optional(rich(one.get("title"))),
            text=rich(one.get("content")) or rich(one.get("excerpt")),
            url=https(one.get("URL")),
            author=text.optional(dig(one, "author", "name")),
            author_id=key(dig(one, "author", "ID")),
            **when.fields(),
            n_likes=count(one.get("like_count")),
            n_replies=count(dig(one, "discussion", "comment_count")),
        )
    return _comment(
        identity,
        one.get("content") if one.get("content") else one.get("raw_content"),
        when,
        parent=dig(one, "parent", "ID") if isinstance(one.get("parent"), dict) else one.get("parent"),
        post=dig(one, "post", "ID"),
        link=one.get("URL"),
        author=dig(one, "author", "name"),
        author_id=dig(one, "author", "ID"),
        status=one.get("status"),
        sort=one.get("type"),
        subject=dig(one, "post", "title"),
        likes=one.get("like_count"),
    )


def _comment(
    identity: str,
    content: Any,
    when: dates.When,
    *,
    parent: Any,
    post: Any,
    link: Any,
    author: Any,
    author_id: Any,
    status: Any = None,
    sort: Any = None,
    subject: Any = None,
    likes: Any = None,
) -> Item:
    above, number, writer = key(parent), key(post), key(author_id)
    return Item(
        kind="comment",
        external_id=identity,
        text=rich(content),
        url=https(link),
        author=text.optional(html.unescape(author)) if isinstance(author, str) else None,
        author_id=writer if writer != "0" else None,
        **when.fields(),
        parent_id=above if above and above != "0" else None,
        subject=text.optional(rich(subject)) or (number if number != "0" else None),
        n_likes=count(likes),
        flags=flags(
            held=status in ("hold", "unapproved"),
            spam=status == "spam",
            hidden=status == "trash",
            pingback=sort in ("pingback", "trackback"),
        ),
    )


def _following(page: Page, n_here: int) -> str | None:
    link = Link.of(page.url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    pages = integer(page.headers.get("x-wp-totalpages"))
    if pages is not None:
        return str(here + 1) if here < pages else None
    return str(here + 1) if link and n_here >= PER_PAGE else None


def problem(data: dict[str, Any]) -> Parsed:
    """An error of the REST API: `{code, message, data: {status}}`."""
    code = text.line(data.get("code") or data.get("error"))
    said = text.line(rich(data.get("message")))
    note = f"{code}: {said}" if said else code or "refused"
    number = integer(dig(data, "data", "status")) or integer(data.get("status"))
    if number in (401, 403) or "forbidden" in code or "unauthorized" in code:
        return Parsed(Status.LOGIN, note=note)
    if number == 404 or "no_route" in code or code in ("unknown_blog", "unknown_comment", "unknown_post"):
        return Parsed(Status.NOT_FOUND, note=note)
    if number == 429:
        return Parsed(Status.BLOCKED, note=note)
    return unread(note)


# --- XML: answers of XML-RPC, and the comment feed


def _xml(page: Page) -> Parsed:
    root = parse_xml(page.body)
    if root is None:
        return walls.otherwise(page, "neither JSON nor XML of WordPress")
    if root.tag == "methodResponse":
        return _rpc(root)
    if root.tag == "rss" or str(root.tag).endswith("}feed"):
        return _feed(root)
    return unread("XML that is neither an XML-RPC answer nor a feed")


def _rpc(root: etree._Element) -> Parsed:
    fault = root.find("fault")
    if fault is not None:
        value = _members(fault.find(".//struct"))
        code = integer(value.get("faultCode"))
        status = Status.LOGIN if code in (401, 403, 405) else Status.NOT_FOUND if code == 404 else Status.CHANGED
        return Parsed(status, note=f"fault {code}: {text.line(value.get('faultString'))}")
    items: list[Item] = []
    for struct in root.iter("struct"):
        value = _members(struct)
        identity = key(value.get("comment_id"))
        if identity is not None:
            items.append(
                _comment(
                    identity,
                    value.get("content"),
                    dates.read(value.get("date_created_gmt")),
                    parent=value.get("parent"),
                    post=value.get("post_id"),
                    link=value.get("link"),
                    author=value.get("author"),
                    author_id=value.get("user_id"),
                    status={"hold": "hold", "spam": "spam"}.get(str(value.get("status"))),
                    sort=value.get("type"),
                    subject=value.get("post_title"),
                )
            )
        elif key(value.get("post_id")) and "post_content" in value:
            items.append(
                Item(
                    kind="article",
                    external_id=f"post-{key(value.get('post_id'))}",
                    title=text.optional(rich(value.get("post_title"))),
                    text=rich(value.get("post_content")),
                    url=https(value.get("link")),
                    author_id=key(value.get("post_author")),
                    **dates.read(value.get("post_date_gmt")).fields(),
                )
            )
    return listed(items, found=root.find(".//array/data") is not None)


def _members(struct: etree._Element | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for member in struct.findall("member") if struct is not None else ():
        value = member.find("value")
        if value is not None and value.find(".//struct") is None:
            found[text.line(member.findtext("name"))] = "".join(value.itertext()).strip()
    return found


_RSS_DC = "{http://purl.org/dc/elements/1.1/}creator"
_RSS_CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
_COMMENT_ID = re.compile(r"#comment-(\d+)")


def _feed(root: etree._Element) -> Parsed:
    """The comment feed: the number of a comment stands in its link."""
    items: list[Item] = []
    entries = list(root.iter("item"))
    for entry in entries:
        link = entry.findtext("guid") or entry.findtext("link") or ""
        found = _COMMENT_ID.search(link) or _COMMENT_ID.search(entry.findtext("link") or "")
        if found is None:
            continue
        items.append(
            _comment(
                found.group(1),
                entry.findtext(_RSS_CONTENT) or entry.findtext("description"),
                dates.read(entry.findtext("pubDate")),
                parent=None,
                post=None,
                link=entry.findtext("link"),
                author=entry.findtext(_RSS_DC),
                author_id=None,
            )
        )
    return listed(items, found=not entries and root.find("channel/title") is not None)
