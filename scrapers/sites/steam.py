"""Steam: what players wrote about a game, with "recommended" as five stars and "not recommended" as one."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice
from scrapers.item import Item, Reply
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, edited, flags, key, listed, nothing, unread

SCALE = "not recommended..recommended"
# The store's names of languages (its API knows no ISO codes).
LANGUAGES = {
    "english": "en", "russian": "ru", "german": "de", "french": "fr", "spanish": "es", "latam": "es", "italian": "it",
    "portuguese": "pt", "brazilian": "pt", "polish": "pl", "czech": "cs", "danish": "da", "dutch": "nl",
    "finnish": "fi",
    "norwegian": "no", "swedish": "sv", "hungarian": "hu", "romanian": "ro", "bulgarian": "bg", "greek": "el",
    "turkish": "tr", "ukrainian": "uk", "arabic": "ar", "thai": "th", "vietnamese": "vi", "indonesian": "id",
    "japanese": "ja", "koreana": "ko", "schinese": "zh", "tchinese": "zh",
}  # fmt: skip
_TAG = re.compile(
    r"\[/?(?:h[1-6]|b|u|i|strike|spoiler|noparse|hr|url|quote|code|list|olist|table|tr|td|th|img|p)(?:=[^\]\n]{0,300})?\]",
    re.I,
)
_BULLET = re.compile(r"\[\*\]\s*")


class SteamParams(Params):
    app: str = Field(description="Number of the game: the digits after /app/ in its address")
    language: str = Field("all", description="Steam's name of a language (english, russian, schinese ...) or all")
    purchase_type: str = Field("all", description="all, steam (bought there) or non_steam_purchase")


class Steam(JsonScraper):
    meta = Meta(
        name="steam",
        title="Steam",
        access="A",
        terms="Documented public endpoint without a key; keep it to about one request a second.",
        hosts=("store.steampowered.com",),
        kinds=("review",),
        rating_scale=(0, 1),
        host_interval_seconds=1.5,
        robots=False,
        url_examples={
            "https://store.steampowered.com/app/360/HalfLife_Deathmatch_Source/": {"app": "360"},
            "https://steamcommunity.com/app/439700/reviews/": {"app": "439700"},
        },
        verified="against recordings",
        docs="https://partner.steamgames.com/doc/store/getreviews",
    )
    params_type: ClassVar[type[Params]] = SteamParams

    def match(self, url: str) -> SteamParams | None:
        link = Link.of(url)
        if link is None or not link.on("store.steampowered.com", "steamcommunity.com"):
            return None
        app = link.after("app") or link.after("appreviews")
        return SteamParams(app=app) if app and app.isdigit() else None

    def slices(self, params: SteamParams) -> tuple[Slice, ...]:
        """New reviews, and edited ones by the order of edits."""
        return (Slice("recent", {"filter": "recent"}), Slice("updated", {"filter": "updated"}))

    def request(
        self, params: SteamParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        return Request(
            address(
                f"https://store.steampowered.com/appreviews/{params.app}",
                json=1,
                filter=part.values.get("filter", "recent"),
                language=params.language,
                purchase_type=params.purchase_type,
                num_per_page=100,
                filter_offtopic_activity=0,
                cursor=cursor or "*",
            )
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        reviews = dig(data, "reviews") if isinstance(data, dict) else data
        if isinstance(reviews, dict):  # archives keep them by id
            entries = dicts(list(reviews.values()))
        elif isinstance(reviews, list):
            entries = dicts(reviews)
        elif isinstance(data, dict) and data.get("success") == 1 and "query_summary" in data:
            return nothing("no reviews on this page")
        else:
            return unread("no list of Steam reviews in this answer")
        app = _app(page.url)
        following = key(dig(data, "cursor"))
        return listed(
            (item for one in entries if (item := _item(one, app)) is not None),
            found=not entries and isinstance(data, dict),
            next_cursor=following if entries and following not in (None, "*", _cursor(page.url)) else None,
            facts=_facts(dig(data, "query_summary")),
        )


def _item(one: dict[str, Any], app: str | None) -> Item | None:
    identity = key(one.get("recommendationid"))
    if identity is None:
        return None
    when = dates.read(one.get("timestamp_created"))
    author = key(dig(one, "author", "steamid"))
    up = one.get("voted_up")
    answer = plain_bbcode(one.get("developer_response"))
    language = one.get("language")
    return Item(
        kind="review",
        external_id=identity,
        text=plain_bbcode(one.get("review")),
        url=f"https://steamcommunity.com/profiles/{author}/recommended/{app}/" if author and app else None,
        author=text.optional(dig(one, "author", "personaname")),
        author_id=author,
        rating=(5.0 if up else 1.0) if isinstance(up, bool) else None,
        rating_raw=("recommended" if up else "not recommended") if isinstance(up, bool) else None,
        rating_scale=SCALE if isinstance(up, bool) else None,
        **when.fields(),
        edited_at=edited(dates.iso(one.get("timestamp_updated")), when.at),
        language=LANGUAGES.get(language) if isinstance(language, str) else None,
        reply=Reply(answer, None, dates.iso(one.get("timestamp_dev_responded"))) if answer else None,
        n_likes=count(one.get("votes_up")),
        n_replies=count(one.get("comment_count")),
        flags=flags(
            verified=one.get("steam_purchase"),
            received_for_free=one.get("received_for_free"),
            early_access=one.get("written_during_early_access"),
        ),
    )


def plain_bbcode(value: Any) -> str:
    """The forum's markup as plain text: list marks become lines, tags go."""
    if not isinstance(value, str):
        return ""
    return text.plain(_TAG.sub("", _BULLET.sub("\n- ", value)))


def _app(url: str) -> str | None:
    link = Link.of(url)
    found = (link.after("appreviews") or link.after("app")) if link else None
    return found if found and found.isdigit() else None


def _cursor(url: str) -> str | None:
    link = Link.of(url)
    return link.query.get("cursor") if link else None


def _facts(summary: Any) -> dict[str, float]:
    up, down = count(dig(summary, "total_positive")), count(dig(summary, "total_negative"))
    total = count(dig(summary, "total_reviews"))
    facts = {"review_count": float(total)} if total is not None else {}
    if up is not None and down is not None and up + down:
        facts["rating_value"] = round(1 + 4 * up / (up + down), 4)
    return facts
