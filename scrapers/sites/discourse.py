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
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._discourse import action, latest, posts_of, search, thread, topic_item, topics
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    edited,
    https,
    listed,
    settled,
    unread,
)

_TOPIC_URL = re.compile(r"/t/(?:[^/]+/)?(\d+)")


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
                (item for one in entries if (item := topic_item(one, {}, base)) is not None),
                found=not entries and any(isinstance(one.get("results"), list) for one in dicts(data)),
            )
        if isinstance(data.get("errors"), list) and "error_type" in data:
            return _problem(data)
        if isinstance(data.get("post_stream"), dict):
            return thread(data, base, page.url)
        if isinstance(data.get("latest_posts"), list):
            return latest(dicts(data["latest_posts"]), base, page.url)
        if isinstance(data.get("topic_list"), dict):
            return topics(data, base)
        if isinstance(data.get("user_actions"), list):
            actions = dicts(data["user_actions"])
            return listed((item for one in actions if (item := action(one, base)) is not None), found=not actions)
        if isinstance(data.get("posts"), list) and ("topics" in data or "grouped_search_result" in data):
            return search(data, base, page.url)
        if "cooked" in data and "topic_id" in data:
            items, gone = posts_of([data], {}, base)
            return listed(items, found=False, gone=gone)
        return unread("no posts or topics in this answer")

    def parse_other(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return super().parse_other(page)
        return settled(_saved(root, page), page)


def _saved(root: HtmlElement, page: Page) -> Parsed:
    """A saved page of a topic or of a list: the JSON it was built from, else what crawlers are shown."""
    for raw in root.xpath("//*[@data-preloaded]/@data-preloaded"):
        preloaded = json_data.loads(str(raw))
        for name, value in preloaded.items() if isinstance(preloaded, dict) else ():
            inner = json_data.loads(value) if isinstance(value, str) and name.startswith(("topic_", "search")) else None
            if isinstance(inner, dict) and (isinstance(inner.get("post_stream"), dict) or "topic_list" in inner):
                base = _base(page.url) or _base(html.first(root, "//link[@rel='canonical']/@href") or "")
                found = thread(inner, base, page.url) if "post_stream" in inner else topics(inner, base)
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
