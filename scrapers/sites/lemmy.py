"""Lemmy: posts and comments of any instance, by search or by community."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, body, edited, flags, https, key, listed, unread

LIMIT = 50
_HOSTS = (
    "lemmy.world",
    "lemmy.ml",
    "beehaw.org",
    "sh.itjust.works",
    "feddit.org",
    "feddit.de",
    "programming.dev",
    "lemm.ee",
    "lemmy.ca",
)


class LemmyParams(Params):
    host: str = Field(description="Host of the instance, for example lemmy.world")
    query: str | None = Field(None, description="Words to search in posts and comments")
    community: str | None = Field(
        None, description="Name of a community (news or news@other.example): its posts are read"
    )
    post: str | None = Field(None, description="Number of a post on this instance: its comments are read")


class Lemmy(JsonScraper):
    meta = Meta(
        name="lemmy",
        title="Lemmy",
        access="A",
        terms="The client API of every instance is open; each sets its own limits. Deleted and removed posts must "
        "go here too.",
        kinds=("post", "comment"),
        robots=False,
        url_examples={
            "https://lemmy.world/c/selfhosted": {"host": "lemmy.world", "community": "selfhosted"},
            "https://lemmy.ml/post/2328": {"host": "lemmy.ml", "post": "2328"},
            "https://beehaw.org/search?q=acme": {"host": "beehaw.org", "query": "acme"},
        },
        verified="live: not verified",
        docs="https://join-lemmy.org/docs/contributors/04-api.html",
    )
    params_type: ClassVar[type[Params]] = LemmyParams

    def match(self, url: str) -> LemmyParams | None:
        link = Link.of(url)
        if link is None or not (link.on(*_HOSTS) or link.host.startswith("lemmy.")):
            return None
        community, post = link.after("c"), link.after("post")
        if link.at(0) == "search" and link.query.get("q"):
            return LemmyParams(host=link.netloc, query=link.query["q"])
        if community or (post and post.isdigit()):
            return LemmyParams(host=link.netloc, community=community, post=post if post and post.isdigit() else None)
        return None

    def request(
        self, params: LemmyParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        base = f"https://{params.host}/api/v3"
        common: dict[str, Any] = {"sort": "New", "limit": LIMIT, "page": cursor or 1}
        if params.query:
            return Request(address(f"{base}/search", q=params.query, type_="All", listing_type="All", **common))
        if params.post:
            return Request(address(f"{base}/comment/list", post_id=params.post, type_="All", max_depth=50, **common))
        if params.community:
            return Request(address(f"{base}/post/list", community_name=params.community, type_="All", **common))
        raise BadParams("lemmy: give `query`, `community` or `post`")

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            return unread("expected an object with posts or comments")
        if isinstance(data.get("error"), str):
            return _problem(data)
        lists = [data[name] for name in ("posts", "comments", "results") if isinstance(data.get(name), list)]
        views = [one for some in lists for one in dicts(some)]
        for name in ("post_view", "comment_view"):
            if isinstance(data.get(name), dict):
                views.append(data[name])
        local = {
            key(one["comment"].get("id")): key(one["comment"].get("ap_id"))
            for one in views
            if isinstance(one.get("comment"), dict)
        }
        items: list[Item] = []
        gone: list[str] = []
        for view in views:
            own = view.get("comment") if isinstance(view.get("comment"), dict) else view.get("post")
            if not isinstance(own, dict):
                continue
            identity = key(own.get("ap_id")) or key(own.get("id"))
            if identity and (own.get("deleted") is True or own.get("removed") is True):
                gone.append(identity)
            elif identity:
                items.append(_item(view, own, identity, local))
        return listed(
            items,
            found=bool(lists) and not views,
            gone=gone,
            next_cursor=_following(data, page.url, max((len(one) for one in lists), default=0)),
        )


def _item(view: dict[str, Any], own: dict[str, Any], identity: str, local: dict[str | None, str | None]) -> Item:
    comment = isinstance(view.get("comment"), dict)
    when = dates.read(own.get("published") or own.get("published_at"))
    name, home = (
        text.optional(dig(view, "creator", "name")),
        key(dig(view, "creator", "actor_id")) or key(dig(view, "creator", "ap_id")),
    )
    post = key(dig(view, "post", "ap_id"))
    parent = None
    if comment:
        steps = str(own.get("path") or "").split(
            "."
        )  # "0.1.2": this comment is 2, it answers 1; "0.1" answers the post
        above = steps[-2] if len(steps) > 2 else None
        parent = (local.get(above) or _sibling(identity, above)) if above else post
    numbers = dig(view, "counts", default={}) or own
    return Item(
        kind="comment" if comment else "post",
        external_id=identity,
        title=None if comment else text.optional(own.get("name")),
        text=body(own.get("content") if comment else own.get("body")),
        url=https(own.get("ap_id")) or https(own.get("url")),
        author=name or text.optional(dig(view, "creator", "display_name")),
        author_id=home,
        **when.fields(),
        edited_at=edited(dates.iso(own.get("updated") or own.get("updated_at")), when.at),
        parent_id=parent or (post if comment else None),
        subject=text.optional(dig(view, "post", "name")) if comment else text.optional(dig(view, "community", "name")),
        n_likes=count(dig(numbers, "upvotes")),
        n_replies=count(dig(numbers, "child_count") if comment else dig(numbers, "comments")),
        flags=flags(
            owner=comment
            and dig(view, "creator", "id") is not None
            and dig(view, "creator", "id") == dig(view, "post", "creator_id"),
            bot=dig(view, "creator", "bot_account"),
            nsfw=own.get("nsfw"),
        ),
    )


def _sibling(identity: str, number: str | None) -> str | None:
    """The address of another comment of the same instance, where this one's address shows the pattern."""
    head, _, tail = identity.rpartition("/comment/")
    return f"{head}/comment/{number}" if head and tail.isdigit() and number and number.isdigit() else None


def _following(data: dict[str, Any], url: str, n_here: int) -> str | None:
    link = Link.of(url)
    if isinstance(data.get("next_page"), str):
        return key(data["next_page"])
    here = (integer(link.query.get("page")) or 1) if link else 1
    return str(here + 1) if link and n_here >= LIMIT else None


def _problem(data: dict[str, Any]) -> Parsed:
    name = text.line(data["error"])
    if "rate_limit" in name:
        return Parsed(Status.BLOCKED, note=name, retry_after=60.0)
    if name.startswith(("not_logged_in", "incorrect_login", "instance_is_private")):
        return Parsed(Status.LOGIN, note=name)
    if name.startswith(("couldnt_find", "not_found", "unknown_id")) or "_deleted" in name:
        return Parsed(Status.NOT_FOUND, note=name)
    return unread(name or "refused")
