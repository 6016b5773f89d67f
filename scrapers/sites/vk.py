"""VK: posts found by words, posts of a wall, comments of a post or of a discussion."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, flags, key, keys, listed, parameter, secret, unread

VERSION = "5.199"
_MENTION = re.compile(r"\[(?:id|club|public|event)\d+(?::[\w-]+)?\|([^\[\]|]{1,200})\]")
_LINK = re.compile(r"\[(https?://[^\s|\]]{1,500})\|([^\[\]|]{1,200})\]")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_WALL = re.compile(r"^(?:wall)?(-?\d+)_(\d+)")
_TOPIC = re.compile(r"^topic-(\d+)_(\d+)")
_ERRORS: dict[int, tuple[Status, float | None]] = {
    1: (Status.BLOCKED, 60.0), 6: (Status.BLOCKED, 1.0), 9: (Status.BLOCKED, 3600.0), 10: (Status.BLOCKED, 60.0),
    29: (Status.BLOCKED, 86400.0),
    14: (Status.CAPTCHA, None),
    18: (Status.NOT_FOUND, None), 19: (Status.NOT_FOUND, None), 100: (Status.NOT_FOUND, None),
    113: (Status.NOT_FOUND, None), 125: (Status.NOT_FOUND, None),
}  # fmt: skip
_NO_POSTS = ("friend", "photo", "photo_tag", "wall_photo", "audio", "audio_playlist", "video")  # of a feed
_OF_POSTS = ("text", "copy_history", "attachments", "likes", "comments", "post_source")
_PLACES = ("owner_id", "source_id", "to_id", "post_type")  # a post has one of them, a comment under a picture none
_LOGIN = (5, 7, 15, 17, 27, 28, 30, 203, 212, 1116, 1117)
_ERRORS |= dict.fromkeys(_LOGIN, (Status.LOGIN, None))


class VkParams(Params):
    query: str | None = Field(None, description="Words to search public posts by")
    owner: str | None = Field(None, description="Number of a wall: positive for a person, negative for a community")
    domain: str | None = Field(None, description="Short name of a wall, as in vk.com/NAME, instead of its number")
    post: str | None = Field(None, description="Number of a post of `owner`: its comments are read")
    topic: str | None = Field(
        None, description="Number of a discussion of the community `owner`: its comments are read"
    )
    access_token: SecretStr | None = Field(
        None, description="Service token of your application; search may ask for a user's token"
    )


class Vk(JsonScraper):
    meta = Meta(
        name="vk",
        title="VK",
        access="B",
        terms="Official API with a free token of your own application; at most three to five requests a second. "
        "Search shows about the 1,000 newest posts.",
        hosts=("api.vk.com",),
        kinds=("post", "comment"),
        host_interval_seconds=0.5,
        credentials=(
            Credential("access_token", "Service token", "https://dev.vk.com/ru/api/access-token/getting-started"),
        ),
        robots=False,
        url_examples={
            "https://vk.com/wall-69459624_482121": {"owner": "-69459624", "post": "482121"},
            "https://vk.com/topic-69459624_33214": {"owner": "-69459624", "topic": "33214"},
            "https://vk.com/club69459624": {"owner": "-69459624"},
            "https://vk.com/durov": {"domain": "durov"},
            "https://vk.com/search/statuses?q=доставка": {"query": "доставка"},
        },
        verified="against recordings",
        docs="https://dev.vk.com/ru/method/newsfeed.search",
    )
    params_type: ClassVar[type[Params]] = VkParams

    def match(self, url: str) -> VkParams | None:
        link = Link.of(url)
        if link is None or not link.on("vk.com", "vk.ru") or link.host.startswith("api."):
            return None
        query = link.query.get("q") or link.query.get("c[q]")
        if link.at(0) in ("search", "feed") and query:
            return VkParams(query=query)
        name = link.query.get("w") or link.at(0) or ""
        if found := _TOPIC.match(name):
            return VkParams(owner=f"-{found.group(1)}", topic=found.group(2))
        if name.startswith("wall") and (found := _WALL.match(name)):
            return VkParams(owner=found.group(1), post=found.group(2))
        if found := re.fullmatch(r"(club|public|event|id|wall)(-?\d+)", name):
            community = found.group(1) in ("club", "public", "event")
            return VkParams(owner=f"-{found.group(2)}" if community else found.group(2))
        if re.fullmatch(r"[a-zA-Z][\w.]{2,60}", name) and len(link.path) == 1:
            return VkParams(domain=name)
        return None

    def request(
        self, params: VkParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        method, query = _call(params, cursor, since)
        token = secret(params.access_token, "access_token", "vk")
        # The token goes in the header, which VK accepts, so that no log of addresses holds it.
        return Request(
            address(f"https://api.vk.com/method/{method}", extended=1, v=VERSION, **query),
            headers={"authorization": f"Bearer {token}"},
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and isinstance(data.get("error"), dict):
            return _problem(data["error"])
        updates = dig(data, "updates", default=dig(data, "response", "updates"))
        if isinstance(updates, list):
            return _updates(dicts(updates))
        answer = dig(data, "response") if isinstance(data, dict) else data
        entries = answer if isinstance(answer, list) else dig(answer, "items")
        if isinstance(answer, dict) and entries is None and "text" in answer and "date" in answer:
            entries = [answer]
        if not isinstance(entries, list):
            return unread("no `response.items` in this answer")
        names = _names(answer)
        owner = next((found for one in dicts(entries) if (found := key(one.get("owner_id")))), None)
        owner = owner or parameter(page.url, "owner_id") or _community(parameter(page.url, "group_id"))
        topic = parameter(page.url, "topic_id")
        items, gone = _read(dicts(entries), names, owner, topic)
        other_news = isinstance(answer, dict) and any(one.get("type") in _NO_POSTS for one in dicts(entries))
        known = not entries or other_news
        return listed(items, found=known, gone=gone, next_cursor=_following(answer, len(entries), page.url))


def _community(number: str | None) -> str | None:
    return f"-{number.lstrip('-')}" if number else None


def _call(params: VkParams, cursor: str | None, since: datetime | None) -> tuple[str, dict[str, Any]]:
    if params.query:
        return "newsfeed.search", {
            "q": params.query, "count": 200, "start_from": cursor,
            "start_time": int(since.timestamp()) if since else None,
        }  # fmt: skip
    if params.topic and params.owner:
        return "board.getComments", {
            "group_id": params.owner.lstrip("-"), "topic_id": params.topic, "owner_id": params.owner, "need_likes": 1,
            "count": 100, "sort": "desc", "offset": cursor or 0,
        }  # fmt: skip
    if params.post and params.owner:
        return "wall.getComments", {
            "owner_id": params.owner, "post_id": params.post, "need_likes": 1, "count": 100, "sort": "desc",
            "thread_items_count": 10, "offset": cursor or 0,
        }  # fmt: skip
    if params.owner or params.domain:
        return "wall.get", {"owner_id": params.owner, "domain": params.domain, "count": 100, "offset": cursor or 0}
    raise BadParams("vk: give `query`, `owner` or `domain` (with `post` or `topic` for comments)")


def _read(
    entries: list[dict[str, Any]], names: dict[int, str], owner: str | None, topic: str | None
) -> tuple[list[Item], list[str]]:
    items: list[Item] = []
    gone: list[str] = []
    stack = [(one, None) for one in reversed(entries)]  # type: list[tuple[dict[str, Any], str | None]]
    while stack:
        one, parent = stack.pop()
        identity = _identity(one, owner, topic)
        if identity is None:
            continue
        if one.get("deleted") is True or one.get("is_deleted") is True:
            gone.append(identity)
        elif (item := _item(one, identity, names, parent, owner, topic)) is not None:
            items.append(item)
        # answers under a comment; the comments that a feed of comments shows under a post
        below = [*dicts(dig(one, "thread", "items")), *dicts(dig(one, "comments", "list"))]
        stack.extend((inner if "owner_id" in inner else {**inner, "owner_id": _place_of(identity)}, identity)
                     for inner in reversed(below))  # fmt: skip
    return items, gone


def _place_of(identity: str) -> str | None:
    return identity.rpartition("_")[0] or None


def _identity(one: dict[str, Any], owner: str | None, topic: str | None) -> str | None:
    comment = "parents_stack" in one or "thread" in one
    number = key(one.get("id")) or (None if comment else key(one.get("post_id")))
    if number is None:
        return None
    if topic:
        return f"{owner}_{topic}_{number}"
    place = key(one.get("owner_id")) or key(one.get("source_id")) or key(one.get("to_id")) or owner
    return f"{place}_{number}" if place else number


def _item(
    one: dict[str, Any], identity: str, names: dict[int, str], parent: str | None, owner: str | None, topic: str | None
) -> Item | None:
    when = dates.read(one.get("date"))
    kind_of = one.get("type") if "source_id" in one else one.get("post_type")
    if "title" in one and "created_by" in one:
        return _topic(one, identity, names)
    if kind_of in _NO_POSTS or not any(name in one for name in _OF_POSTS):
        return None
    place = identity.rpartition("_")[0]
    above = key(one.get("post_id")) if "id" in one else None
    comment = (
        topic is not None
        or above is not None
        or "parents_stack" in one
        or parent is not None
        or "reply_to_comment" in one
        or kind_of == "reply"
        or ("from_id" in one and not any(name in one for name in _PLACES))
    )
    content, repost = plain_vk(one.get("text")), dicts(one.get("copy_history"))
    if not content and repost:
        content = next((found for old in repost if (found := plain_vk(old.get("text")))), "")
    writer = integer(one.get("from_id")) or integer(one.get("source_id")) or integer(one.get("owner_id"))
    answered = key(one.get("reply_to_comment")) or next(iter(keys(one.get("parents_stack"))[::-1]), None)
    if answered:
        parent = f"{place}_{answered}" if place else answered
    elif above:
        parent = parent or (f"{place}_{above}" if place else above)
    elif topic is not None:
        parent = parent or f"{owner}_{topic}"
    return Item(
        kind="comment" if comment else "post",
        external_id=identity,
        text=content,
        url=_url(place, identity, above if comment else None, topic),
        author=names.get(writer) if writer is not None else None,
        author_id=key(writer),
        **when.fields(),
        edited_at=dates.iso(one.get("edited")),
        parent_id=parent if comment else None,
        location=text.optional(dig(one, "geo", "place", "title")),
        n_likes=count(dig(one, "likes", "count")),
        n_views=count(dig(one, "views", "count")),
        n_replies=count(dig(one, "comments", "count")) if not comment else count(dig(one, "thread", "count")),
        flags=flags(
            repost=bool(repost),
            ad=one.get("marked_as_ads"),
            owner=comment and writer is not None and key(writer) == place,
        ),
    )


def _topic(one: dict[str, Any], identity: str, names: dict[int, str]) -> Item:
    """A discussion in the list of a community's discussions."""
    writer = integer(one.get("created_by"))
    place = identity.rpartition("_")[0]
    return Item(
        kind="post",
        external_id=identity,
        title=plain_vk(one.get("title")) or None,
        text=plain_vk(one.get("first_comment")),
        url=f"https://vk.com/topic{identity}" if place else None,
        author=names.get(writer) if writer is not None else None,
        author_id=key(writer),
        **dates.read(one.get("created")).fields(),
        n_replies=count(one.get("comments")),
        flags=flags(closed=one.get("is_closed")),
    )


def plain_vk(value: Any) -> str:
    """VK's text: entities, <br>, [id1|Name] and [https://...|words] as people see them."""
    if not isinstance(value, str):
        return ""
    content = html.unescape(_BREAK.sub("\n", value))
    return text.plain(_LINK.sub(r"\2", _MENTION.sub(r"\1", content)))


def _names(answer: Any) -> dict[int, str]:
    """Names by number; communities are negative."""
    found: dict[int, str] = {}
    for one in dicts(dig(answer, "profiles")):
        number, name = (
            integer(one.get("id") or one.get("uid")),
            text.line(f"{one.get('first_name') or ''} {one.get('last_name') or ''}"),
        )
        if number is not None and name:
            found[number] = name
    for one in dicts(dig(answer, "groups")):
        number, title = integer(one.get("id") or one.get("gid")), text.optional(one.get("name"))
        if number is not None and title:
            found[-abs(number)] = title
    return found


def _url(place: str, identity: str, above: str | None, topic: str | None) -> str | None:
    number = identity.rsplit("_", 1)[-1]
    if topic is not None:
        return f"https://vk.com/topic{place}?post={number}"
    if not re.fullmatch(r"-?\d+", place) or not number.isdigit():
        return None
    return f"https://vk.com/wall{place}_{above}?reply={number}" if above else f"https://vk.com/wall{identity}"


def _following(answer: Any, n_here: int, url: str) -> str | None:
    cursor = key(dig(answer, "next_from"))
    if cursor:
        return cursor
    total, link = integer(dig(answer, "count")), Link.of(url)
    if total is None or link is None or "offset" not in link.query or not n_here:
        return None
    reached = (integer(link.query["offset"]) or 0) + n_here
    return str(reached) if reached < total else None


def _updates(events: list[dict[str, Any]]) -> Parsed:
    """Events that VK sends to a community's own server (Callback API)."""
    items: list[Item] = []
    gone: list[str] = []
    for event in events:
        one = event.get("object")
        sort = event.get("type")
        if not isinstance(one, dict) or not isinstance(sort, str):
            continue
        topic = key(one.get("topic_id")) if sort.startswith("board_") else None
        named = ("owner_id", "topic_owner_id", "photo_owner_id", "video_owner_id", "market_owner_id")
        owner = next((found for name in named if (found := key(one.get(name)))), None)
        identity = _identity(one, owner, topic)
        if identity is None:
            continue
        if sort.endswith("_delete"):
            gone.append(identity)
        elif sort.startswith(("wall_", "board_", "photo_comment", "video_comment", "market_comment")):
            items.extend(_one(one, identity, owner, topic))
    return listed(items, found=True, gone=gone)


def _one(one: dict[str, Any], identity: str, owner: str | None, topic: str | None) -> Iterator[Item]:
    item = _item(one, identity, {}, None, owner, topic)
    if item is not None:
        yield item


def _problem(error: dict[str, Any]) -> Parsed:
    code, said = integer(error.get("error_code")), text.line(error.get("error_msg"))
    status, wait = _ERRORS.get(code or 0, (Status.CHANGED, None))
    return Parsed(status, note=f"error {code}: {said}", retry_after=wait)
