"""Discourse forums: posts of the whole forum, of a topic, found by words; lists of topics; saved pages."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    edited,
    flags,
    https,
    key,
    keys,
    leads_to,
    listed,
    rich,
    settled,
    unread,
)

_TOPIC_URL = re.compile(r"/t/(?:[^/]+/)?(\d+)")
_CAPTION = re.compile(r'<div class="meta">(?:(?!<div|</div>).)*</div>', re.DOTALL)
_LIKE = 2  # number of the action "like"


class DiscourseParams(Params):
    site: str = Field(description="Address of the forum, for example https://meta.discourse.org")
    query: str | None = Field(None, description="Words to search posts by")
    topic: str | None = Field(None, description="Number of a topic: its posts are read")


class Discourse(JsonScraper):
    meta = Meta(
        name="discourse",
        title="Discourse forum",
        access="A",
        terms="Every page of a public forum exists as JSON; the rules are the forum's. Guests get about 200 "
        "requests a minute.",
        kinds=("post", "comment"),
        url_examples={
            "https://meta.discourse.org/t/welcome-to-meta/1": {"site": "https://meta.discourse.org", "topic": "1"},
            "https://forum.example.org/t/57": {"site": "https://forum.example.org", "topic": "57"},
            "https://forum.example.org/latest.json": {"site": "https://forum.example.org"},
            "https://forum.example.org/search?q=refund%20order%3Alatest": {
                "site": "https://forum.example.org",
                "query": "refund",
            },
        },
        verified="against recordings",
        docs="https://docs.discourse.org/",
        match_order=1,
    )
    params_type: ClassVar[type[Params]] = DiscourseParams

    def match(self, url: str) -> DiscourseParams | None:
        link = Link.of(url)
        if link is None:
            return None
        site = link.origin
        parts = [one.removesuffix(".json").removesuffix(".rss") for one in link.path]
        if len(parts) >= 2 and parts[0] == "t":
            number = next((one for one in parts[1:3] if one.isdigit()), None)
            return DiscourseParams(site=site, topic=number) if number else None
        if parts and parts[0] == "search" and "order:latest" in link.query.get("q", ""):
            return DiscourseParams(site=site, query=link.query["q"].replace("order:latest", "").strip())
        if len(link.path) == 1 and link.path[0] in ("latest.json", "posts.json", "posts.rss", "latest.rss"):
            return DiscourseParams(site=site)
        return None

    def request(
        self, params: DiscourseParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        base = params.site.rstrip("/")
        if params.topic:
            return Request(address(f"{base}/t/{params.topic}.json", page=cursor))
        if params.query:
            words = f"{params.query} order:latest" + (f" after:{since.date().isoformat()}" if since else "")
            return Request(address(f"{base}/search.json", q=words, page=cursor))
        return Request(address(f"{base}/posts.json", before=cursor))

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        base = _base(page.url)
        if isinstance(data, list):  # search of the first versions: groups of results
            entries = [
                one
                for group in dicts(data)
                if group.get("type") in ("topic", "post")
                for one in dicts(group.get("results"))
            ]
            return listed(
                (item for one in entries if (item := _topic(one, {}, base)) is not None),
                found=not entries and any(isinstance(one.get("results"), list) for one in dicts(data)),
            )
        if isinstance(data.get("errors"), list) and "error_type" in data:
            return _problem(data)
        if isinstance(data.get("post_stream"), dict):
            return _thread(data, base, page.url)
        if isinstance(data.get("latest_posts"), list):
            return _latest(dicts(data["latest_posts"]), base, page.url)
        if isinstance(data.get("topic_list"), dict):
            return _topics(data, base)
        if isinstance(data.get("user_actions"), list):
            actions = dicts(data["user_actions"])
            return listed((item for one in actions if (item := _action(one, base)) is not None), found=not actions)
        if isinstance(data.get("posts"), list) and ("topics" in data or "grouped_search_result" in data):
            return _search(data, base, page.url)
        if "cooked" in data and "topic_id" in data:
            items, gone = _posts([data], {}, base)
            return listed(items, found=False, gone=gone)
        return unread("no posts or topics in this answer")

    def parse_other(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return super().parse_other(page)
        return settled(_saved(root, page), page)


def _latest(posts: list[dict[str, Any]], base: str, url: str) -> Parsed:
    """Posts of the whole forum: each page holds those of the fifty numbers up to `before`, which may all be deleted."""
    items, gone = _posts(posts, {}, base)
    link = Link.of(url)
    top = integer(link.query.get("before")) if link else None
    numbers = [found for one in posts if (found := integer(one.get("id"))) is not None]
    lowest = min(numbers) - 1 if numbers else top - 50 if top else None
    following = str(lowest) if lowest is not None and lowest > 0 else None
    if not posts and following:
        return leads_to(following, "no posts with these numbers")
    return listed(items, found=not posts, gone=gone, next_cursor=following)


def _thread(data: dict[str, Any], base: str, url: str) -> Parsed:
    posts = dicts(data["post_stream"].get("posts"))
    known = {
        "title": text.optional(data.get("title")),
        "views": data.get("views"),
        "slug": data.get("slug"),
        "id": data.get("id"),
    }
    stream = data["post_stream"].get("stream")
    numbers = keys(stream)
    items, gone = _posts(posts, known, base, first=numbers[0] if numbers else None)
    shown = {one.external_id for one in items} | set(gone)
    link = Link.of(url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    last = numbers[-1] if numbers else None
    more = bool(link) and last is not None and last not in shown and bool(items)
    return listed(
        items, found=not posts and isinstance(stream, list), gone=gone, next_cursor=str(here + 1) if more else None
    )


def _posts(
    posts: list[dict[str, Any]], topic: dict[str, Any], base: str, *, first: str | None = None
) -> tuple[list[Item], list[str]]:
    """Items and tombstones. Answers name the number of a post within its topic, which only the page translates."""
    by_number = {(key(one.get("topic_id")), integer(one.get("post_number"))): key(one.get("id")) for one in posts}
    items: list[Item] = []
    gone: list[str] = []
    for one in posts:
        identity = key(one.get("id"))
        if identity is None:
            continue
        if one.get("deleted_at") or one.get("user_deleted") is True:
            gone.append(identity)
            continue
        content = _written(one.get("cooked")) or text.plain(one.get("raw") if isinstance(one.get("raw"), str) else "")
        if one.get("post_type") == 3 and not content:  # "closed this topic"
            continue
        place, number = key(one.get("topic_id")) or key(topic.get("id")), integer(one.get("post_number"))
        start = number == 1 or (number is None and not one.get("reply_to_post_number"))
        root = by_number.get((key(one.get("topic_id")), 1)) or (first if first in by_number.values() else None)
        parent = (
            by_number.get((key(one.get("topic_id")), integer(one.get("reply_to_post_number"))))
            if one.get("reply_to_post_number")
            else None
        )
        title = text.optional(one.get("topic_title")) or topic.get("title")
        slug = key(one.get("topic_slug")) or key(topic.get("slug")) or "-"
        when = dates.read(one.get("created_at"))
        version = integer(one.get("version")) or 1
        likes = next((raw.get("count") for raw in dicts(one.get("actions_summary")) if raw.get("id") == _LIKE), None)
        items.append(
            Item(
                kind="post" if start else "comment",
                external_id=identity,
                title=title if start else None,
                text=content,
                url=f"{base}/t/{slug}/{place}/{number}" if base and place and number else None,
                author=text.optional(one.get("username")) or text.optional(one.get("name")),
                author_id=key(one.get("user_id")),
                **when.fields(),
                edited_at=edited(dates.iso(one.get("updated_at")), when.at) if version > 1 else None,
                parent_id=None if start else parent or root or (f"topic-{place}" if place else None),
                subject=None if start else title,
                n_likes=count(likes),
                n_views=count(topic.get("views")) if start else count(one.get("reads")),
                n_replies=count(one.get("reply_count")),
                flags=flags(
                    hidden=one.get("hidden"),
                    staff=one.get("staff") is True or one.get("admin") is True or one.get("moderator") is True,
                    accepted=one.get("accepted_answer"),
                ),
            )
        )
    return items, gone


def _written(cooked: Any) -> str:
    """The words of a post, without the captions (name, size in pixels and bytes) that the forum puts under pictures."""
    return rich(_CAPTION.sub("", cooked)) if isinstance(cooked, str) else ""


def _topics(data: dict[str, Any], base: str) -> Parsed:
    topics = data["topic_list"].get("topics")
    users = {key(one.get("id")): text.optional(one.get("username")) for one in dicts(data.get("users"))}
    following = data["topic_list"].get("more_topics_url")
    link = Link.of(f"https://x.org{following}") if isinstance(following, str) and following.startswith("/") else None
    return listed(
        (item for one in dicts(topics) if (item := _topic(one, users, base)) is not None),
        found=isinstance(topics, list) and not topics,
        next_cursor=link.query.get("page") if link else None,
    )


def _topic(one: dict[str, Any], users: dict[str | None, str | None], base: str) -> Item | None:
    identity, title = key(one.get("id")), text.optional(rich(one.get("fancy_title"))) or text.optional(one.get("title"))
    if identity is None or (title is None and "blurb" not in one):
        return None
    posters = dicts(one.get("posters"))
    first = next(
        (raw for raw in posters if "original" in text.line(raw.get("description")).lower()),
        posters[0] if posters else {},
    )
    writer = key(first.get("user_id")) or key(dig(first, "user", "id"))
    path = one.get("url")
    slug = key(one.get("slug")) or "-"
    n_posts = count(one.get("posts_count"))
    return Item(
        kind="post",
        external_id=f"topic-{identity}",
        title=text.optional(one.get("title")) or title,
        text=rich(one.get("excerpt")) or rich(one.get("blurb")),
        url=f"{base}{path}"
        if base and isinstance(path, str) and path.startswith("/")
        else f"{base}/t/{slug}/{identity}"
        if base
        else None,
        author=users.get(writer) or text.optional(dig(first, "user", "username")),
        author_id=writer,
        **dates.read(one.get("created_at")).fields(),
        n_likes=count(one.get("like_count")),
        n_views=count(one.get("views")),
        n_replies=max(0, n_posts - 1) if n_posts else count(one.get("reply_count")),
        flags=flags(closed=one.get("closed"), pinned=one.get("pinned"), hidden=one.get("visible") is False),
    )


def _search(data: dict[str, Any], base: str, url: str) -> Parsed:
    topics = {key(one.get("id")): one for one in dicts(data.get("topics"))}
    items: list[Item] = []
    seen: set[str | None] = set()
    for one in dicts(data["posts"]):
        identity, place = key(one.get("id")), key(one.get("topic_id"))
        if identity is None:
            continue
        topic = topics.get(place, {})
        seen.add(place)
        number = integer(one.get("post_number"))
        title = text.optional(topic.get("title")) or text.optional(one.get("topic_title_headline"))
        items.append(
            Item(
                kind="post" if number == 1 else "comment",
                external_id=identity,
                title=title if number == 1 else None,
                text=rich(one.get("blurb")) or rich(one.get("cooked")),
                url=f"{base}/t/{key(topic.get('slug')) or '-'}/{place}/{number}" if base and place and number else None,
                author=text.optional(one.get("username")) or text.optional(one.get("name")),
                **dates.read(one.get("created_at")).fields(),
                parent_id=None if number == 1 or place is None else f"topic-{place}",
                subject=None if number == 1 else title,
                n_likes=count(one.get("like_count")),
                flags=frozenset({"excerpt"}),
            )
        )
    items.extend(
        item for place, one in topics.items() if place not in seen and (item := _topic(one, {}, base)) is not None
    )
    link = Link.of(url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    more = dig(data, "grouped_search_result", "more_full_page_results") is True
    return listed(items, found=not data["posts"], next_cursor=str(here + 1) if more else None)


def _action(one: dict[str, Any], base: str) -> Item | None:
    """A post in the list of what a user wrote, with its beginning only."""
    place, number = key(one.get("topic_id")), integer(one.get("post_number"))
    identity = key(one.get("post_id")) or (f"topic-{place}" if place and number in (None, 1) else None)
    if identity is None or one.get("deleted") is True:
        return None
    start = number in (None, 1)
    title = text.optional(one.get("title"))
    return Item(
        kind="post" if start else "comment",
        external_id=identity,
        title=title if start else None,
        text=rich(one.get("excerpt")),
        url=f"{base}/t/{key(one.get('slug')) or '-'}/{place}/{number or 1}" if base and place else None,
        author=text.optional(one.get("username")),
        author_id=key(one.get("user_id")),
        **dates.read(one.get("created_at")).fields(),
        parent_id=None if start or place is None else f"topic-{place}",
        subject=None if start else title,
        flags=flags(excerpt=one.get("truncated") is not False, hidden=one.get("hidden")),
    )


def _saved(root: HtmlElement, page: Page) -> Parsed:
    """A saved page of a topic or of a list: the JSON it was built from, else what crawlers are shown."""
    for raw in root.xpath("//*[@data-preloaded]/@data-preloaded"):
        preloaded = json_data.loads(str(raw))
        for name, value in preloaded.items() if isinstance(preloaded, dict) else ():
            inner = json_data.loads(value) if isinstance(value, str) and name.startswith(("topic_", "search")) else None
            if isinstance(inner, dict) and (isinstance(inner.get("post_stream"), dict) or "topic_list" in inner):
                base = _base(page.url) or _base(html.first(root, "//link[@rel='canonical']/@href") or "")
                found = _thread(inner, base, page.url) if "post_stream" in inner else _topics(inner, base)
                if found.items:
                    return found
    address_of = (
        html.first(root, "//link[@rel='canonical']/@href")
        or html.first(root, "//meta[@property='og:url']/@content")
        or page.url
    )
    topic = _TOPIC_URL.search(address_of)
    cards = html.by_class(root, "crawler-post") or root.xpath(
        "//*[@itemprop='comment' or contains(@itemtype, 'DiscussionForumPosting')][.//*[@itemprop='text' or "
        "@itemprop='articleBody']]"
    )
    cards = [one for one in cards if isinstance(one, HtmlElement)]
    headline = html.first(root, "//*[@id='topic-title']//h1") or html.first(root, "//*[@itemprop='headline']/@content")
    items = [
        item
        for number, one in enumerate(cards, 1)
        if (item := _card(one, number, topic.group(1) if topic else None, headline, _base(address_of))) is not None
    ]
    known = "discourse" in (html.first(root, "//meta[@name='generator']/@content") or "").lower()
    return listed(
        items,
        found=False,
        note=None if items else "a page of Discourse without posts" if known else "this is not a page of Discourse",
    )


def _card(card: HtmlElement, number: int, topic: str | None, headline: str | None, base: str) -> Item | None:
    content = next(
        (
            html.text_of(one)
            for path in (".//*[@itemprop='text']", ".//*[@itemprop='articleBody']", ".//*[contains(@class, 'post')]")
            for one in card.xpath(path)
        ),
        "",
    )
    position = (
        html.first(card, ".//*[@itemprop='position']") or html.first(card, ".//*[@itemprop='position']/@content") or ""
    )
    digits = re.search(r"\d{1,9}", position)
    place = int(digits.group()) if digits else number
    published = html.first(card, ".//*[@itemprop='datePublished']/@content") or html.first(
        card, ".//*[@itemprop='datePublished']/@datetime"
    )
    published = published or html.first(card, ".//time/@datetime")
    when = dates.read(published)
    changed = html.first(card, ".//*[@itemprop='dateModified']/@datetime") or html.first(
        card, ".//*[@itemprop='dateModified']/@content"
    )
    author = html.first(card, ".//*[@itemprop='author']//*[@itemprop='name']") or html.first(
        card, ".//*[contains(@class, 'creator')]"
    )
    if not content and author is None:
        return None
    likes = next(
        (
            count(html.first(one, ".//*[@itemprop='userInteractionCount']/@content"))
            for one in card.xpath(".//*[@itemprop='interactionStatistic']")
            if "Like" in (html.first(one, ".//*[@itemprop='interactionType']/@content") or "")
        ),
        None,
    )
    return Item(
        kind="post" if place == 1 else "comment",
        external_id=f"{topic or 'topic'}/{place}",
        title=headline if place == 1 else None,
        text=content,
        url=https(f"{base}/t/{topic}/{place}") if base and topic else None,
        author=author,
        **when.fields(),
        edited_at=edited(dates.iso(changed), when.at),
        parent_id=None if place == 1 else f"{topic or 'topic'}/1",
        subject=None if place == 1 else headline,
        n_likes=likes,
    )


def _base(url: str) -> str:
    link = Link.of(url)
    return link.origin if link else ""


def _problem(data: dict[str, Any]) -> Parsed:
    sort = text.line(data.get("error_type"))
    note = text.line(dig(data, "errors", 0)) or sort or "refused"
    if sort in ("not_found",):
        return Parsed(Status.NOT_FOUND, note=note)
    if sort == "rate_limit":
        wait = dig(data, "extras", "wait_seconds")
        return Parsed(
            Status.BLOCKED,
            note=note,
            retry_after=float(wait) if isinstance(wait, (int, float)) and not isinstance(wait, bool) else 60.0,
        )
    if sort in ("not_logged_in", "invalid_access"):
        return Parsed(Status.LOGIN, note=note)
    return unread(note)
