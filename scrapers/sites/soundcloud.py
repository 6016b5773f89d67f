"""SoundCloud: comments under a track."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, body, flags, https, key, listed, parameter, secret, unread


class SoundcloudParams(Params):
    track: str = Field(description="Number of the track (shown by the API and in the embed code)")
    access_token: SecretStr | None = Field(None, description="OAuth token of your registered application")


class Soundcloud(JsonScraper):
    meta = Meta(
        name="soundcloud",
        title="SoundCloud",
        access="C",
        terms="The API is for registered applications only, and registration is by request; the web player's own "
        "client id "
        "is not ours to use. Saved answers of either API are read.",
        hosts=("api.soundcloud.com",),
        kinds=("comment", "post"),
        credentials=(Credential("access_token", "OAuth token", "https://soundcloud.com/you/apps"),),
        robots=False,
        url_examples={"https://api.soundcloud.com/tracks/1670147625": {"track": "1670147625"}},
        verified="against recordings",
        docs="https://developers.soundcloud.com/docs/api/",
    )
    params_type: ClassVar[type[Params]] = SoundcloudParams

    def match(self, url: str) -> SoundcloudParams | None:
        link = Link.of(url)
        if link is None or not link.on("soundcloud.com"):
            return None
        track = link.after("tracks")
        digits = (track or "").removeprefix("soundcloud:tracks:")
        return SoundcloudParams(track=digits) if digits.isdigit() else None

    def request(
        self, params: SoundcloudParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        url = address(
            f"https://api.soundcloud.com/tracks/{params.track}/comments",
            limit=200,
            linked_partitioning="true",
            offset=cursor,
        )
        return Request(
            url, headers={"authorization": f"OAuth {secret(params.access_token, 'access_token', 'soundcloud')}"}
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and ("errors" in data or "code" in data) and "collection" not in data:
            return _problem(data)
        entries = dig(data, "collection") if isinstance(data, dict) else data
        if isinstance(data, dict) and data.get("kind") in ("comment", "track"):
            entries = [data]
        if not isinstance(entries, list):
            return unread("no collection of comments in this answer")
        return listed(
            (item for one in dicts(entries) if (item := _item(one)) is not None),
            found=not entries and isinstance(data, dict),
            next_cursor=parameter(dig(data, "next_href"), "offset") or parameter(dig(data, "next_href"), "cursor"),
        )


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id")) or key(one.get("urn")) or key(dig(one, "self", "urn"))
    if identity is None:
        return None
    track = one.get("kind") == "track" or ("title" in one and "playback_count" in one)
    if not track and not ("body" in one and (one.get("kind") == "comment" or "track_id" in one)):
        return None
    return Item(
        kind="post" if track else "comment",
        external_id=identity.rsplit(":", 1)[-1] or identity,
        title=text.optional(one.get("title")) if track else None,
        text=body(one.get("description") if track else one.get("body")),
        url=https(one.get("permalink_url")),
        author=text.optional(dig(one, "user", "username")) or text.optional(dig(one, "user", "full_name")),
        author_id=key(one.get("user_id")) or key(dig(one, "user", "id")) or key(dig(one, "user", "urn")),
        **_when(one.get("created_at")).fields(),
        subject=key(dig(one, "track", "title")) or key(one.get("track_id")),
        n_likes=count(one.get("likes_count")),
        n_views=count(one.get("playback_count")),
        n_replies=count(one.get("comment_count")),
        flags=flags(verified=dig(one, "user", "verified")),
    )


def _when(raw: Any) -> dates.When:
    """The first API wrote 2012/01/31 09:10:01 +0000."""
    when = dates.read(raw.replace("/", "-") if isinstance(raw, str) else raw)
    return dates.When(when.at, when.precision, text.optional(raw)) if isinstance(raw, str) else when


def _problem(data: dict[str, Any]) -> Parsed:
    first = dig(data, "errors", 0, default={})
    said = text.optional(data.get("message")) or text.optional(dig(first, "error_message")) or "refused"
    code = data.get("code") if isinstance(data.get("code"), int) else data.get("status")
    if code in (401, 403) or "unauth" in said.lower():
        return Parsed(Status.LOGIN, note=said)
    if code == 404 or said.startswith("404"):
        return Parsed(Status.NOT_FOUND, note=said)
    if code == 429:
        return Parsed(Status.BLOCKED, note=said)
    return unread(said)
