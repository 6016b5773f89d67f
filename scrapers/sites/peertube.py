"""PeerTube: comments under a video, and videos found by words, on any instance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, edited, flags, https, key, listed, rich, unread

PAGE = 100


class PeertubeParams(Params):
    host: str = Field(description="Host of the instance, for example framatube.org")
    video: str | None = Field(None, description="Id of a video (as in its address): its comments are read")
    query: str | None = Field(None, description="Words to search videos by, instead of a video")


class Peertube(JsonScraper):
    meta = Meta(
        name="peertube",
        title="PeerTube",
        access="A",
        terms="The API of every instance is public and documented; the rules are those of the instance.",
        kinds=("comment", "post"),
        robots=False,
        url_examples={
            "https://framatube.org/w/kkGMgK9ZtnKfYAgnEtQxbv": {
                "host": "framatube.org",
                "video": "kkGMgK9ZtnKfYAgnEtQxbv",
            },
            "https://video.example.org/videos/watch/9c9de5e8-0a1e-484a-b099-e80766180a6d": {
                "host": "video.example.org",
                "video": "9c9de5e8-0a1e-484a-b099-e80766180a6d",
            },
        },
        verified="against recordings",
        docs="https://docs.joinpeertube.org/api-rest-reference.html",
        match_order=1,
    )
    params_type: ClassVar[type[Params]] = PeertubeParams

    def match(self, url: str) -> PeertubeParams | None:
        link = Link.of(url)
        if link is None:
            return None
        video = link.after("watch") if link.at(0) == "videos" else link.at(1) if link.at(0) == "w" else None
        if not video or len(video) < 20 or not video.replace("-", "").isalnum():
            return None
        return PeertubeParams(host=link.netloc, video=video)

    def request(
        self, params: PeertubeParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        base = f"https://{params.host}/api/v1"
        if params.video:
            url = address(
                f"{base}/videos/{params.video}/comment-threads", start=cursor or 0, count=PAGE, sort="-createdAt"
            )
        elif params.query:
            started = since.isoformat().replace("+00:00", "Z") if since else None
            url = address(
                f"{base}/search/videos",
                search=params.query,
                start=cursor or 0,
                count=PAGE,
                sort="-publishedAt",
                startDate=started,
            )
        else:
            raise BadParams("peertube: give `video` or `query`")
        return Request(url)

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and isinstance(data.get("status"), int) and "detail" in data:
            return _problem(data)
        entries = dig(data, "data") if isinstance(data, dict) else data
        if isinstance(entries, list):
            flat = [one for entry in dicts(entries) for one in _flat(entry)]
        elif isinstance(data, dict) and ("comment" in data or "inReplyToCommentId" in data):
            flat, entries = list(_flat(data)), [data]
        else:
            return unread("no comments or videos in this answer")
        items: list[Item] = []
        gone: list[str] = []
        for one in flat:
            identity = key(one.get("id"))
            if identity and (one.get("isDeleted") is True or one.get("deletedAt")):
                gone.append(identity)
            elif (
                item := _comment(one) if "inReplyToCommentId" in one or "threadId" in one else _video(one)
            ) is not None:
                items.append(item)
        return listed(
            items,
            found=not entries and "total" in data,
            gone=gone,
            next_cursor=_following(data, len(entries), page.url),
        )


def _flat(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A comment, or a tree of {comment, children}, in the order of the page."""
    stack = [entry]
    while stack:
        one = stack.pop()
        if isinstance(one.get("comment"), dict):
            yield one["comment"]
            stack.extend(reversed(dicts(one.get("children"))))
        else:
            yield one


def _comment(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    if identity is None:
        return None
    when = dates.read(one.get("createdAt"))
    name, host = text.optional(dig(one, "account", "name")), text.optional(dig(one, "account", "host"))
    return Item(
        kind="comment",
        external_id=identity,
        text=rich(one.get("text")),
        url=https(one.get("url")),
        author=text.optional(dig(one, "account", "displayName")) or name,
        author_id=f"{name}@{host}" if name and host else name,
        **when.fields(),
        # The server stamps `updatedAt` within the second of creation, and federation adds a little more.
        edited_at=edited(dates.iso(one.get("updatedAt")), when.at, after=120.0),
        parent_id=key(one.get("inReplyToCommentId")),
        subject=text.optional(dig(one, "video", "name")) or key(one.get("videoId")),
        n_replies=count(one.get("totalReplies")),
        flags=flags(held=one.get("heldForReview")),
    )


def _video(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("uuid")) or key(one.get("id"))
    title = text.optional(one.get("name"))
    if identity is None or title is None:
        return None
    name, host = text.optional(dig(one, "account", "name")), text.optional(dig(one, "account", "host"))
    return Item(
        kind="post",
        external_id=identity,
        title=title,
        text=rich(one.get("description") or one.get("truncatedDescription")),
        url=https(one.get("url")),
        author=text.optional(dig(one, "account", "displayName")) or name,
        author_id=f"{name}@{host}" if name and host else name,
        **dates.read(one.get("publishedAt") or one.get("createdAt")).fields(),
        n_likes=count(one.get("likes")),
        n_views=count(one.get("views")),
        n_replies=count(one.get("comments")),
    )


def _following(data: Any, n_here: int, url: str) -> str | None:
    total = integer(dig(data, "total"))
    link = Link.of(url)
    start = (integer(link.query.get("start")) or 0) if link else 0
    return str(start + n_here) if total is not None and n_here and start + n_here < total else None


def _problem(data: dict[str, Any]) -> Parsed:
    said, code = text.line(data.get("detail")) or "refused", data.get("status")
    status = {401: Status.LOGIN, 403: Status.LOGIN, 404: Status.NOT_FOUND, 429: Status.BLOCKED}.get(
        int(code or 0), Status.CHANGED
    )
    return Parsed(status, note=said)
