"""YouTube comments over the official Data API v3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    body,
    edited,
    flags,
    key,
    listed,
    nothing,
    rich,
    secret,
    unread,
)

API = "https://www.googleapis.com/youtube/v3"


class YoutubeParams(Params):
    video: str | None = Field(None, description="Id of a video (11 characters): its comments are read")
    channel: str | None = Field(
        None, description="Id of a channel (UC...): comments under all its videos, instead of one video"
    )
    key: SecretStr | None = Field(None, description="Key of the YouTube Data API")


class YoutubeDataApi(JsonScraper):
    meta = Meta(
        name="youtube_data_api",
        title="YouTube",
        access="B",
        terms="Official API with a free key: 10,000 units a day, a page of comments costs one. "
        "Stored comments must be refreshed or deleted within 30 days.",
        hosts=("www.googleapis.com",),
        kinds=("comment", "post"),
        credentials=(Credential("key", "API key", "https://console.cloud.google.com/apis/credentials"),),
        daily_requests=9_000,
        robots=False,
        url_examples={
            "https://www.youtube.com/watch?v=F1UP7wRCPH8&t=10s": {"video": "F1UP7wRCPH8"},
            "https://youtu.be/F1UP7wRCPH8": {"video": "F1UP7wRCPH8"},
            "https://www.youtube.com/shorts/F1UP7wRCPH8": {"video": "F1UP7wRCPH8"},
            "https://www.youtube.com/channel/UCa-vrCLQHviTOVnEKDOdetQ": {"channel": "UCa-vrCLQHviTOVnEKDOdetQ"},
        },
        verified="against recordings",
        docs="https://developers.google.com/youtube/v3/docs/commentThreads/list",
    )
    params_type: ClassVar[type[Params]] = YoutubeParams

    def match(self, url: str) -> YoutubeParams | None:
        link = Link.of(url)
        if link is None:
            return None
        if link.host == "youtu.be":
            video = link.at(0)
        elif link.on("youtube.com", "youtube-nocookie.com"):
            video = link.query.get("v") or link.after("shorts") or link.after("live") or link.after("embed")
            channel = link.after("channel")
            if channel and channel.startswith("UC"):
                return YoutubeParams(channel=channel)
        else:
            return None
        return YoutubeParams(video=video) if video and len(video) == 11 else None

    def request(
        self, params: YoutubeParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if not params.video and not params.channel:
            raise BadParams("youtube_data_api: give `video` or `channel`")
        url = address(
            f"{API}/commentThreads",
            part="snippet,replies",
            videoId=params.video,
            allThreadsRelatedToChannelId=None if params.video else params.channel,
            order="time",
            textFormat="plainText",
            maxResults=100,
            pageToken=cursor,
        )
        return Request(url, headers={"x-goog-api-key": secret(params.key, "key", "youtube_data_api")})

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            return unread("expected an object with `items`")
        if isinstance(data.get("error"), dict):
            return _problem(data["error"])
        entries = data.get("items")
        if not isinstance(entries, list):
            if data.get("kind") in ("youtube#comment", "youtube#commentThread", "youtube#video"):
                entries = [data]
            else:
                return unread("no `items` in this answer")
        kind = data.get("kind")
        return listed(
            (item for one in dicts(entries) for item in _items(one)),
            found=not entries and isinstance(kind, str) and kind.startswith("youtube#"),
            next_cursor=key(data.get("nextPageToken")),
        )


def _items(one: dict[str, Any]) -> Iterator[Item]:
    top = dig(one, "snippet", "topLevelComment")
    if isinstance(top, dict):
        item = _comment(top, None, dig(one, "snippet"), dig(one, "snippet", "totalReplyCount"))
        if item is not None:
            yield item
            for reply in dicts(dig(one, "replies", "comments")):
                below = _comment(reply, item.external_id, dig(one, "snippet"), None)
                if below is not None:
                    yield below
    elif isinstance(dig(one, "snippet", "textDisplay", default=dig(one, "snippet", "textOriginal")), str):
        item = _comment(one, None, {}, None)
        if item is not None:
            yield item
    elif isinstance(dig(one, "snippet", "title"), str):
        item = _video(one)
        if item is not None:
            yield item


def _comment(one: dict[str, Any], parent: str | None, thread: Any, replies: Any) -> Item | None:
    identity = key(one.get("id"))
    snippet = dig(one, "snippet")
    if identity is None or not isinstance(snippet, dict):
        return None
    when = dates.read(snippet.get("publishedAt"))
    video = key(snippet.get("videoId")) or key(dig(thread, "videoId"))
    writer = key(dig(snippet, "authorChannelId", "value")) or key(snippet.get("authorChannelId"))
    dotted = identity.split(".", 1)[0] if "." in identity else None  # an answer's id begins with its parent's
    return Item(
        kind="comment",
        external_id=identity,
        text=body(snippet.get("textOriginal")) or rich(snippet.get("textDisplay")),
        url=f"https://www.youtube.com/watch?v={video}&lc={identity}" if video else None,
        author=text.optional(snippet.get("authorDisplayName")),
        author_id=writer,
        **when.fields(),
        edited_at=edited(dates.iso(snippet.get("updatedAt")), when.at),
        parent_id=key(snippet.get("parentId")) or parent or dotted,
        subject=video,
        n_likes=count(snippet.get("likeCount")),
        n_replies=count(replies),
        flags=flags(
            held=snippet.get("moderationStatus") in ("heldForReview", "likelySpam"),
            owner=writer is not None and writer == key(snippet.get("channelId") or dig(thread, "channelId")),
        ),
    )


def _video(one: dict[str, Any]) -> Item | None:
    """A video of `videos`, `search` or `playlistItems`."""
    sort = dig(one, "id", "kind") or one.get("kind")
    identity = key(dig(one, "snippet", "resourceId", "videoId")) or key(dig(one, "id", "videoId"))
    if identity is None and sort == "youtube#video":
        identity = key(one.get("id"))
    if identity is None:
        return None
    return Item(
        kind="post",
        external_id=identity,
        title=text.optional(rich(dig(one, "snippet", "title"))),
        text=body(dig(one, "snippet", "description")),
        url=f"https://www.youtube.com/watch?v={identity}",
        author=text.optional(dig(one, "snippet", "channelTitle")),
        author_id=key(dig(one, "snippet", "channelId")),
        **dates.read(dig(one, "snippet", "publishedAt")).fields(),
        language=language_code(dig(one, "snippet", "defaultAudioLanguage") or dig(one, "snippet", "defaultLanguage")),
        n_likes=count(dig(one, "statistics", "likeCount")),
        n_views=count(dig(one, "statistics", "viewCount")),
        n_replies=count(dig(one, "statistics", "commentCount")),
    )


def _problem(error: dict[str, Any]) -> Parsed:
    reason = text.line(dig(error, "errors", 0, "reason"))
    said = text.line(rich(error.get("message")))
    note = f"{reason}: {said}" if reason else said or "refused"
    if reason == "commentsDisabled":
        return nothing(note)
    code = integer(error.get("code"))
    if reason in ("quotaExceeded", "rateLimitExceeded", "dailyLimitExceeded", "userRateLimitExceeded") or code == 429:
        return Parsed(Status.BLOCKED, note=note, retry_after=3600.0)
    if code == 404 or reason.endswith("NotFound"):
        return Parsed(Status.NOT_FOUND, note=note)
    if code in (401, 403) or reason in ("keyInvalid", "badRequest") or "API key" in said:
        return Parsed(Status.LOGIN, note=note)
    return unread(note)
