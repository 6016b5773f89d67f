"""Instagram over the Graph API: own media, their comments, media of hashtags, mentions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, body, flags, https, key, listed, parameter, secret, unread
from scrapers.sites.facebook_graph import API, objects, problem

_COMMENTS = "id,text,timestamp,username,like_count,replies{id,text,timestamp,username,like_count}"
_OF_COMMENTS = ("timestamp", "username", "like_count", "replies", "from", "user", "hidden")
_MEDIA = "id,caption,comments_count,like_count,media_type,permalink,timestamp,username"


class InstagramParams(Params):
    user: str = Field(description="Id of your professional account in the Graph API")
    hashtag: str | None = Field(
        None, description="Id of a hashtag (from ig_hashtag_search): its recent media are read instead of own media"
    )
    access_token: SecretStr | None = Field(None, description="Token with instagram_basic and instagram_manage_comments")


class InstagramGraph(JsonScraper):
    meta = Meta(
        name="instagram_graph",
        title="Instagram",
        access="C",
        terms="Own professional accounts over the Graph API; hashtags up to 30 a week, posts of the last day. "
        "Everything else on Instagram must not be scraped.",
        hosts=("graph.facebook.com",),
        kinds=("post", "comment"),
        credentials=(Credential("access_token", "Access token", "https://developers.facebook.com/tools/explorer/"),),
        robots=False,
        verified="against recordings",
        docs="https://developers.facebook.com/docs/instagram-platform/",
    )
    params_type: ClassVar[type[Params]] = InstagramParams

    def request(
        self, params: InstagramParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if not params.user:
            raise BadParams("instagram_graph: give `user`, the id of your account")
        if params.hashtag:
            url = address(
                f"{API}/{params.hashtag}/recent_media",
                user_id=params.user,
                fields="id,caption,comments_count,like_count,media_type,permalink,timestamp",
                limit=50,
                after=cursor,
            )
        else:
            moment = int(since.timestamp()) if since else None
            url = address(
                f"{API}/{params.user}/media",
                fields=f"{_MEDIA},comments.limit(50){{{_COMMENTS}}}",
                limit=25,
                since=moment,
                after=cursor,
            )
        return Request(
            url, headers={"authorization": f"Bearer {secret(params.access_token, 'access_token', 'instagram_graph')}"}
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and isinstance(data.get("error"), dict):
            return problem(data["error"])
        found: Any = data
        for name in ("business_discovery", "mentioned_media", "mentioned_comment"):
            inner = dig(data, name)
            if isinstance(inner, dict):
                found = (
                    inner.get("media")
                    if isinstance(inner.get("media"), dict) and name == "business_discovery"
                    else inner
                )
        if isinstance(dig(found, "media", "data"), list):
            found = found["media"]
        if not isinstance(found, (dict, list)):
            return unread("no media or comments in this answer")
        entries, listing = objects(found)
        items: list[Item] = []
        for one in entries:
            items.extend(_items(one))
        next_link = dig(found, "paging", "next")
        after = key(dig(found, "paging", "cursors", "after")) or parameter(next_link, "after")
        return listed(items, found=listing and not entries, next_cursor=after if next_link else None)


def _items(one: dict[str, Any]) -> list[Item]:
    identity = key(one.get("id"))
    if identity is None:
        return []
    if "text" in one and (set(one) == {"id", "text"} or any(name in one for name in _OF_COMMENTS)):
        return _comments(one, None)
    if not any(name in one for name in ("caption", "media_type", "media_url", "permalink", "comments_count")):
        return []
    link = https(one.get("permalink"))
    shown = Link.of(link) if link else None
    found = [
        Item(
            kind="post",
            external_id=identity,
            text=body(one.get("caption")),
            url=link,
            author=text.optional(one.get("username")) or text.optional(dig(one, "owner", "username")),
            author_id=key(dig(one, "owner", "id")),
            **dates.read(one.get("timestamp")).fields(),
            n_likes=count(one.get("like_count")),
            n_views=count(one.get("view_count")),
            n_replies=count(one.get("comments_count")),
            flags=flags(reel=shown is not None and shown.at(0) == "reel"),
        )
    ]
    for below in dicts(dig(one, "comments", "data")):
        found.extend(_comments(below, identity))
    return found


def _comments(one: dict[str, Any], parent: str | None) -> list[Item]:
    identity = key(one.get("id"))
    if identity is None:
        return []
    name = text.optional(one.get("username")) or text.optional(dig(one, "from", "username"))
    item = Item(
        kind="comment",
        external_id=identity,
        text=body(one.get("text")),
        author=name or text.optional(dig(one, "user", "username")),
        author_id=key(dig(one, "from", "id")) or key(dig(one, "user", "id")),
        **dates.read(one.get("timestamp")).fields(),
        parent_id=key(one.get("parent_id")) or parent or key(dig(one, "media", "id")),
        n_likes=count(one.get("like_count")),
        n_replies=len(dicts(dig(one, "replies", "data"))) if "replies" in one else None,
        flags=flags(hidden=one.get("hidden")),
    )
    found = [item]
    for below in dicts(dig(one, "replies", "data")):
        if "replies" not in below:  # the API knows one level of answers
            found.extend(_comments(below, identity))
    return found
