"""Discourse: posts and topics of its JSON answers as items.

thread(data, base, url)      a topic with its posts; latest(posts, ...): posts of the whole forum
topics(data, base)           a list of topics; search(data, ...): what a search found; action(one, ...): a user's post
posts_of(posts, topic, base) items and tombstones of posts; topic_item(one, users, base): a topic of a list
"""

from __future__ import annotations

import re
from typing import Any

from scrapers.base import Parsed
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import Link, edited, flags, key, keys, leads_to, listed, rich

_CAPTION = re.compile(r'<div class="meta">(?:(?!<div|</div>).)*</div>', re.DOTALL)
_LIKE = 2  # number of the action "like"


def latest(posts: list[dict[str, Any]], base: str, url: str) -> Parsed:
    """Posts of the whole forum: each page holds those of the fifty numbers up to `before`, which may all be deleted."""
    items, gone = posts_of(posts, {}, base)
    link = Link.of(url)
    top = integer(link.query.get("before")) if link else None
    numbers = [found for one in posts if (found := integer(one.get("id"))) is not None]
    lowest = min(numbers) - 1 if numbers else top - 50 if top else None
    following = str(lowest) if lowest is not None and lowest > 0 else None
    if not posts and following:
        return leads_to(following, "no posts with these numbers")
    return listed(items, found=not posts, gone=gone, next_cursor=following)


def thread(data: dict[str, Any], base: str, url: str) -> Parsed:
    posts = dicts(data["post_stream"].get("posts"))
    known = {
        "title": text.optional(data.get("title")),
        "views": data.get("views"),
        "slug": data.get("slug"),
        "id": data.get("id"),
    }
    stream = data["post_stream"].get("stream")
    numbers = keys(stream)
    items, gone = posts_of(
        posts, known, base, first=numbers[0] if {key(one.get("id")) for one in posts} & set(numbers) else None
    )
    shown = {one.external_id for one in items} | set(gone)
    link = Link.of(url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    last = numbers[-1] if numbers else None
    more = bool(link) and last is not None and last not in shown and bool(items)
    return listed(
        items, found=not posts and isinstance(stream, list), gone=gone, next_cursor=str(here + 1) if more else None
    )


def posts_of(
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
        root = by_number.get((key(one.get("topic_id")), 1)) or first
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


def topics(data: dict[str, Any], base: str) -> Parsed:
    topics = data["topic_list"].get("topics")
    users = {key(one.get("id")): text.optional(one.get("username")) for one in dicts(data.get("users"))}
    following = data["topic_list"].get("more_topics_url")
    link = Link.of(f"https://x.org{following}") if isinstance(following, str) and following.startswith("/") else None
    return listed(
        (item for one in dicts(topics) if (item := topic_item(one, users, base)) is not None),
        found=isinstance(topics, list) and not topics,
        next_cursor=link.query.get("page") if link else None,
    )


def topic_item(one: dict[str, Any], users: dict[str | None, str | None], base: str) -> Item | None:
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


def search(data: dict[str, Any], base: str, url: str) -> Parsed:
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
        item for place, one in topics.items() if place not in seen and (item := topic_item(one, {}, base)) is not None
    )
    link = Link.of(url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    more = dig(data, "grouped_search_result", "more_full_page_results") is True
    return listed(items, found=not data["posts"], next_cursor=str(here + 1) if more else None)


def action(one: dict[str, Any], base: str) -> Item | None:
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
