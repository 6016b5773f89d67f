"""Public Telegram channels by their web preview, t.me/s/<channel>, and saved pages of single posts."""

from __future__ import annotations

import re
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, html, text, walls
from scrapers.readers.numbers import count

_LINK = re.compile(
    r"^https?://(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)/(?:s/)?([A-Za-z][A-Za-z0-9_]{3,31})(?:[/?#]|$)"
)
_RESERVED = frozenset(
    {"joinchat", "share", "proxy", "socks", "addstickers", "addemoji", "addlist", "login", "contact", "setlanguage"}
)
_BEFORE = re.compile(r"[?&]before=(\d+)")
_POST = re.compile(r"^[A-Za-z0-9_]+/\d+$")


class TelegramParams(Params):
    channel: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{3,31}$", description="name of the channel, without @")
    query: str | None = Field(
        default=None, max_length=200, description="only posts with these words, by the channel's own search"
    )
    base: str = Field(
        default="https://t.me",
        pattern=r"^https?://[^/\s]+$",
        description="where previews are served; telegram.me is the same",
    )


class Telegram(Scraper):
    meta = Meta(
        name="telegram",
        title="Telegram public channels",
        access="A",
        terms="The preview is public and made for reading without an account; channels may switch it off. "
        "There is no search over all channels.",
        hosts=("t.me", "telegram.me"),
        kinds=("post",),
        interval_seconds=1800,
        host_interval_seconds=2.0,
        url_examples=MappingProxyType(
            {
                "https://t.me/s/durov": {"channel": "durov"},
                "https://t.me/durov": {"channel": "durov"},
                "https://telegram.me/durov/123": {"channel": "durov"},
            }
        ),
        verified="against recordings",
        docs="https://telegram.org/blog/link-preview",
    )
    params_type = TelegramParams

    def match(self, url: str) -> TelegramParams | None:
        found = _LINK.match(url)
        if found is None or found.group(1).lower() in _RESERVED:
            return None
        return TelegramParams(channel=found.group(1))

    def request(
        self, params: TelegramParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request:
        asked = [f"q={quote(params.query)}"] if params.query else []
        asked += [f"before={cursor}"] if cursor else []
        return Request(f"{params.base}/s/{params.channel}" + ("?" + "&".join(asked) if asked else ""))

    def parse(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return walls.otherwise(page, "an empty page")
        posts = html.by_class(root, "tgme_widget_message", "div")
        found = {item.external_id: item for one in posts if (item := _post(one)) is not None}
        items = sorted(found.values(), key=_number, reverse=True)  # the page shows the oldest first
        if items:
            return Parsed(Status.OK, tuple(items), next_cursor=_older(root))
        if html.by_class(root, "tme_no_messages_found") or html.by_class(root, "tgme_channel_history"):
            return Parsed(Status.EMPTY, note="the channel shows no posts")
        single = _single(root)
        if single is not None:
            return Parsed(Status.OK, (single,))
        if html.by_class(root, "tgme_widget_message_error"):
            return Parsed(Status.NOT_FOUND, note="the post does not exist")
        if html.by_class(root, "tgme_page"):
            if html.by_class(root, "tgme_page_title"):
                return Parsed(Status.NO_PREVIEW, note="the channel exists, but its web preview is switched off")
            return Parsed(Status.NOT_FOUND, note="there is no channel of this name")
        return walls.otherwise(page, "this is not a page of Telegram")


def _number(item: Item) -> tuple[str, int]:
    channel, _, number = item.external_id.rpartition("/")
    return channel, int(number)


def _post(one: Any) -> Item | None:
    key = text.line(one.get("data-post"))
    if not _POST.match(key):
        return None
    nested = (
        "ancestor::*[contains(@class, 'message_reply') or contains(concat(' ', @class, ' '), 'message_text ')]"
        " | self::*[contains(@class, 'message_reply')]"
    )
    parts = [part for part in html.by_class(one, "js-message_text") if not part.xpath(nested)]
    if not parts:
        parts = [part for part in html.by_class(one, "tgme_widget_message_text") if not part.xpath(nested)]
    parts += html.by_class(one, "tgme_widget_message_poll_question")
    parts += html.by_class(one, "tgme_widget_message_poll_option_text")
    body = "\n".join(found for part in parts if (found := html.text_of(part)))
    date = next(iter(html.by_class(one, "tgme_widget_message_date", "a")), None)
    stamp = html.first(date if date is not None else one, ".//time/@datetime")
    meta = next(iter(html.by_class(one, "tgme_widget_message_meta")), None)
    reply = next(iter(html.by_class(one, "tgme_widget_message_reply", "a")), None)
    answered = re.search(r"t\.me/(?:s/)?([A-Za-z0-9_]+/\d+)", reply.get("href") or "") if reply is not None else None
    flags = set()
    if "service_message" in (one.get("class") or ""):
        flags.add("service")  # "channel created", "message pinned"
    if html.by_class(one, "tgme_widget_message_forwarded_from"):
        flags.add("syndicated")
    if meta is not None and re.search(r"\bedited\b", html.text_of(meta)):
        flags.add("edited")
    owner = _text(one, "tgme_widget_message_from_author") or _text(one, "tgme_widget_message_owner_name")
    return Item(
        kind="post",
        external_id=key,
        text=body,
        url=html.absolute(date.get("href") if date is not None else None) or f"https://t.me/{key}",
        author=owner,
        author_id=key.partition("/")[0],
        parent_id=answered.group(1) if answered else None,
        n_views=count(_text(one, "tgme_widget_message_views")),
        flags=frozenset(flags),
        **dates.read(stamp).fields(),
    )


def _text(one: Any, name: str) -> str | None:
    found = html.by_class(one, name)
    return text.optional(html.text_of(found[0])) if found else None


def _older(root: Any) -> str | None:
    """Number before which the older page ends."""
    for target in (html.first(root, "//link[@rel='prev']/@href"), html.first(root, "//a[@data-before]/@href")):
        found = _BEFORE.search(target or "")
        if found and int(found.group(1)) > 1:
            return found.group(1)
    return None


def _single(root: Any) -> Item | None:
    """The page of one post: its text stands only in the description, its time nowhere."""
    key = text.line(html.first(root, "//script/@data-telegram-post"))
    if not _POST.match(key):
        return None
    body = root.xpath("string(//meta[@property='og:description']/@content)")
    return Item(
        kind="post",
        external_id=key,
        text=text.plain(body),
        url=f"https://t.me/{key}",
        author=html.first(root, "//meta[@property='og:title']/@content"),
        author_id=key.partition("/")[0],
    )
