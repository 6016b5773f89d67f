"""Facebook pages over the Graph API: posts, comments and recommendations of pages you manage."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, rating, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, body, flags, https, key, listed, parameter, secret, unread

API = "https://graph.facebook.com/v21.0"
SCALE = "negative..positive"
_COMMENT_FIELDS = "id,message,created_time,from,like_count,comment_count,permalink_url,parent,is_hidden"
_FIELDS = {
    "feed": "id,message,story,created_time,permalink_url,from,shares,reactions.summary(total_count).limit(0),"
    f"comments.summary(true).limit(100){{{_COMMENT_FIELDS},comments.limit(100){{{_COMMENT_FIELDS}}}}}",
    "ratings": "reviewer,created_time,rating,recommendation_type,review_text,has_review,open_graph_story",
}
_PERMALINK = re.compile(r"/(?:posts|videos|photos)/(?:[^/?]*/)*?(\d+)|[?&]story_fbid=(\d+)")


class FacebookParams(Params):
    page: str = Field(description="Id or short name of a page that you manage")
    access_token: SecretStr | None = Field(
        None, description="Page access token with pages_read_engagement and pages_read_user_content"
    )


class FacebookGraph(JsonScraper):
    meta = Meta(
        name="facebook_graph",
        title="Facebook pages",
        access="C",
        terms="Only pages you manage, over the Graph API with a page token; everything else on Facebook must not "
        "be scraped.",
        hosts=("graph.facebook.com",),
        kinds=("post", "comment", "review"),
        rating_scale=(1, 5),
        credentials=(
            Credential("access_token", "Page access token", "https://developers.facebook.com/tools/explorer/"),
        ),
        robots=False,
        url_examples={
            "https://www.facebook.com/19292868552/posts/10158371815748553/": {"page": "19292868552"},
            "https://www.facebook.com/coffeeexample": {"page": "coffeeexample"},
        },
        verified="against recordings",
        docs="https://developers.facebook.com/docs/graph-api/reference/page/feed/",
    )
    params_type: ClassVar[type[Params]] = FacebookParams

    def match(self, url: str) -> FacebookParams | None:
        link = Link.of(url)
        if link is None or not link.on("facebook.com", "fb.com") or not link.path or link.host.startswith("graph."):
            return None
        name = link.path[-1] if link.at(0) in ("pages", "people") else link.path[0]
        if name in (
            "groups",
            "events",
            "watch",
            "search",
            "marketplace",
            "login",
            "profile.php",
            "permalink.php",
            "story.php",
        ):
            return None
        return FacebookParams(page=name)

    def slices(self, params: FacebookParams) -> tuple[Slice, ...]:
        return (Slice("feed", {"edge": "feed"}), Slice("ratings", {"edge": "ratings"}))

    def request(
        self, params: FacebookParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        edge = part.values.get("edge", "feed")
        moment = int(since.timestamp()) if since and edge == "feed" else None
        url = address(
            f"{API}/{params.page}/{edge}",
            fields=_FIELDS[edge],
            limit=50 if edge == "feed" else 100,
            since=moment,
            after=cursor,
        )
        return Request(
            url, headers={"authorization": f"Bearer {secret(params.access_token, 'access_token', 'facebook_graph')}"}
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and isinstance(data.get("error"), dict):
            return problem(data["error"])
        entries, listing = objects(data)
        next_link = dig(data, "paging", "next")
        where = " ".join(one for one in (page.url, next_link, dig(data, "paging", "previous")) if isinstance(one, str))
        comments = "/comments" in where.split("?")[0] or re.search(r"\d/comments\b", where) is not None
        items: list[Item] = []
        for one in entries:
            _collect(one, items, parent=None, comment=comments)
        after = key(dig(data, "paging", "cursors", "after")) or parameter(next_link, "after")
        return listed(items, found=listing and not entries, next_cursor=after if next_link else None)


def objects(data: Any) -> tuple[list[dict[str, Any]], bool]:
    """Objects of an answer of the Graph API: a list under `data`, one object, or several by id.

    True where it was a list.
    """
    for raw in (data, data.get("data") if isinstance(data, dict) else None):
        if isinstance(raw, list):
            return dicts(raw), not raw or bool(dicts(raw))
    if isinstance(data.get("data"), dict):
        return [data["data"]], False
    if "id" in data:
        return [data], False
    inside = [one for one in data.values() if isinstance(one, dict)]
    by_id = (
        bool(inside) and len(inside) == len(data) and all(str(name) == key(one.get("id")) for name, one in data.items())
    )
    return (inside, False) if by_id else ([], False)


def _collect(one: dict[str, Any], items: list[Item], *, parent: str | None, comment: bool) -> None:
    """An object and the comments nested in it, iteratively, in reading order."""
    stack = [(one, parent, comment)]
    while stack:
        current, above, inner = stack.pop()
        item = _item(current, above, inner)
        if item is None:
            continue
        items.append(item)
        stack.extend((below, item.external_id, True) for below in reversed(dicts(dig(current, "comments", "data"))))


def _item(one: dict[str, Any], above: str | None, comment: bool) -> Item | None:
    if "recommendation_type" in one or "review_text" in one or ("reviewer" in one and "rating" in one):
        return _review(one)
    if not any(name in one for name in ("message", "story", "created_time", "tagged_time", "permalink_url")):
        return None
    link = https(one.get("permalink_url"))
    comment = comment or "comment_count" in one or "parent" in one or (link is not None and "comment_id=" in link)
    identity, parent = key(one.get("id")), key(dig(one, "parent", "id")) or above
    if comment and link:
        found_id, found_parent = _from_link(link)
        identity, parent = identity or found_id, parent or found_parent
    if identity is None:
        return None
    likes = dig(one, "reactions", "summary", "total_count")
    likes = likes if likes is not None else one.get("like_count")
    likes = (
        likes
        if likes is not None
        else dig(one, "likes", "summary", "total_count", default=dig(one, "like", "summary", "total_count"))
    )
    replies = one.get("comment_count") if comment else dig(one, "comments", "summary", "total_count")
    return Item(
        kind="comment" if comment else "post",
        external_id=identity,
        text=body(one.get("message"))
        or body(one.get("story"))
        or body(dig(one, "attachments", "data", 0, "description")),
        url=link,
        author=text.optional(dig(one, "from", "name")),
        author_id=key(dig(one, "from", "id")),
        **dates.read(one.get("created_time") or one.get("tagged_time")).fields(),
        parent_id=parent if comment else None,
        location=text.optional(dig(one, "place", "name")),
        n_likes=count(likes),
        n_replies=count(replies),
        flags=flags(hidden=one.get("is_hidden"), owner=comment and _is_page(key(dig(one, "from", "id")), parent, link)),
    )


def _is_page(writer: str | None, parent: str | None, link: str | None) -> bool:
    """Whether a comment is the page's own: its number stands before the post's, and first in the link."""
    return writer is not None and ((parent or "").startswith(f"{writer}_") or f"facebook.com/{writer}/" in (link or ""))


def _from_link(link: str) -> tuple[str | None, str | None]:
    """Ids of a comment and of what it answers, from its permanent link."""
    post = _PERMALINK.search(link)
    number = (post.group(1) or post.group(2)) if post else None
    top, reply = parameter(link, "comment_id"), parameter(link, "reply_comment_id")
    if number is None or top is None:
        return None, None
    place = Link.of(link)
    owner = place.path[0] if place and place.path and place.path[0].isdigit() else parameter(link, "id")
    if reply:
        return f"{number}_{reply}", f"{number}_{top}"
    return f"{number}_{top}", f"{owner}_{number}" if owner else number


def _review(one: dict[str, Any]) -> Item | None:
    when = dates.read(one.get("created_time"))
    author, writer = text.optional(dig(one, "reviewer", "name")), key(dig(one, "reviewer", "id"))
    identity = key(dig(one, "open_graph_story", "id")) or key(one.get("id"))
    if identity is None:
        if when.at is None:
            return None
        identity = f"{writer or author or 'review'}-{int(when.at.timestamp())}"
    kind = one.get("recommendation_type")
    fields = (rating.read(one.get("rating"), best=5, worst=1) or rating.NONE).fields()
    if kind in ("positive", "negative"):
        fields = {"rating": 5.0 if kind == "positive" else 1.0, "rating_raw": kind, "rating_scale": SCALE}
    return Item(
        kind="review",
        external_id=identity,
        text=body(one.get("review_text")),
        author=author,
        author_id=writer,
        **fields,
        **when.fields(),
    )


def problem(error: dict[str, Any]) -> Parsed:
    """An error of the Graph API (Facebook and Instagram)."""
    code, part = integer(error.get("code")), integer(error.get("error_subcode"))
    note = f"error {code}: {text.line(error.get('message'))}"
    if code in (4, 17, 32, 341, 613, 368) or (code is not None and 80000 <= code < 80015):
        return Parsed(Status.BLOCKED, note=note, retry_after=3600.0)
    if code in (102, 190, 10, 3) or (code is not None and 200 <= code < 300):
        return Parsed(Status.LOGIN, note=note)
    if code == 803 or (code == 100 and part == 33):
        return Parsed(Status.NOT_FOUND, note=note)
    return unread(note)
