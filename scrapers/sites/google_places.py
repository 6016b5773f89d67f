"""Google Maps places: reviews by the Places API (five at most), and by the Business Profile API of owners."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item, Reply
from scrapers.readers import dates, rating, text
from scrapers.readers.html import language_code
from scrapers.readers.identity import content_id
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count, number
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    body,
    edited,
    flags,
    https,
    key,
    listed,
    nothing,
    rich,
    secret,
    unread,
)

_STARS = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}
_CONTRIBUTOR = re.compile(r"/contrib/(\d+)")
# Business Profile answers carry the translation and the original in one text.
_TRANSLATED = re.compile(r"^\(Translated by Google\)\s*(.*?)\s*\n+\(Original\)\s*(.+)$", re.DOTALL)
_ORIGINAL_FIRST = re.compile(r"^(.+?)\s*\n+\(Translated by Google\)\s*(.+)$", re.DOTALL)


class GooglePlacesParams(Params):
    place: str | None = Field(None, description="Id of the place in the Places API (ChIJ...)")
    location: str | None = Field(
        None, description="accounts/N/locations/N of your own Business Profile, instead of a place: all reviews"
    )
    key: SecretStr | None = Field(None, description="Key of the Places API")
    access_token: SecretStr | None = Field(None, description="OAuth token for the Business Profile API")
    language: str = Field("ru", description="Language to prefer; texts in others come translated")


class GooglePlaces(JsonScraper):
    meta = Meta(
        name="google_places",
        title="Google Maps places",
        access="B",
        terms="The Places API gives at most five reviews and forbids keeping them longer than needed to show "
        "them; owners get all "
        "reviews with their answers from the Business Profile API. Scraping Maps is forbidden.",
        hosts=("places.googleapis.com", "mybusiness.googleapis.com"),
        kinds=("review",),
        rating_scale=(1, 5),
        interval_seconds=6 * 3600,
        min_interval_seconds=3600,
        credentials=(
            Credential(
                "key",
                "Places API key (billing account)",
                "https://console.cloud.google.com/google/maps-apis/credentials",
            ),
            Credential(
                "access_token", "OAuth token of the owner", "https://developers.google.com/my-business/content/prereqs"
            ),
        ),
        robots=False,
        url_examples={
            "https://www.google.com/maps/search/?api=1&query=Acme&query_place_id=ChIJ442GNENu5kcRGYUrvgqHw88": {
                "place": "ChIJ442GNENu5kcRGYUrvgqHw88"
            },
            "https://search.google.com/local/reviews?placeid=ChIJ442GNENu5kcRGYUrvgqHw88": {
                "place": "ChIJ442GNENu5kcRGYUrvgqHw88"
            },
        },
        verified="against recordings",
        docs="https://developers.google.com/maps/documentation/places/web-service/place-details",
    )
    params_type: ClassVar[type[Params]] = GooglePlacesParams

    def match(self, url: str) -> GooglePlacesParams | None:
        link = Link.of(url)
        if link is None or not re.search(r"(?:^|\.)google\.[a-z.]+$", link.host):
            return None
        place = next(
            (
                value
                for name in ("query_place_id", "placeid", "place_id", "destination_place_id")
                if (value := link.query.get(name))
            ),
            None,
        )
        return GooglePlacesParams(place=place) if place else None

    def request(
        self, params: GooglePlacesParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if params.location:
            url = address(
                f"https://mybusiness.googleapis.com/v4/{params.location.strip('/')}/reviews",
                pageSize=50,
                orderBy="updateTime desc",
                pageToken=cursor,
            )
            return Request(
                url, headers={"authorization": f"Bearer {secret(params.access_token, 'access_token', 'google_places')}"}
            )
        if not params.place:
            raise BadParams("google_places: give `place` or `location`")
        mask = "id,displayName,rating,userRatingCount,reviews"
        return Request(
            address(f"https://places.googleapis.com/v1/places/{params.place}", languageCode=params.language),
            headers={"x-goog-api-key": secret(params.key, "key", "google_places"), "x-goog-fieldmask": mask},
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            return unread("expected an object")
        if isinstance(data.get("error"), dict):
            return _problem(data["error"])
        status = data.get("status")
        if isinstance(status, str) and status != "OK" and "reviews" not in data:
            return _legacy_problem(status, text.line(data.get("error_message")))
        holder = data["result"] if isinstance(data.get("result"), dict) else data
        entries = holder.get("reviews")
        place = key(holder.get("place_id")) or key(holder.get("id")) or ""
        name = (
            text.optional(holder.get("name")) if "result" in data else text.optional(dig(holder, "displayName", "text"))
        )
        total = holder.get("user_ratings_total", holder.get("userRatingCount", holder.get("totalReviewCount")))
        mean = holder.get("rating", holder.get("averageRating"))
        facts = {
            label: value
            for label, raw in (("rating_value", mean), ("rating_count", total))
            if (value := number(raw)) is not None
        }
        if not isinstance(entries, list):
            known = "result" in data or any(
                field in holder for field in ("userRatingCount", "totalReviewCount", "displayName", "formattedAddress")
            )
            return (
                nothing("a place without reviews in the answer", facts=facts)
                if known
                else unread("no `reviews` in this answer")
            )
        return listed(
            (item for one in dicts(entries) if (item := _item(one, place, name, page.fetched_at)) is not None),
            found=not entries,
            next_cursor=key(data.get("nextPageToken")),
            facts=facts,
        )


def _item(one: dict[str, Any], place: str, name: str | None, now: datetime | None) -> Item | None:
    if "starRating" in one or "reviewReply" in one or "reviewId" in one:
        return _profile(one, name)
    if "authorAttribution" in one or "publishTime" in one or "relativePublishTimeDescription" in one:
        return _new(one, name, now)
    author, link = text.optional(one.get("author_name")), https(one.get("author_url"))
    language = language_code(one.get("original_language")) or language_code(one.get("language"))
    when = dates.read(one.get("time"))
    if when.at is None:
        when = dates.read(
            one.get("relative_time_description"),
            now,
            languages=tuple(filter(None, (language_code(one.get("language")),))),
        )
    if author is None and link is None and when.at is None:
        return None
    writer = _CONTRIBUTOR.search(link or "")
    moment = int(when.at.timestamp()) if when.at and when.precision == "second" else None
    identity = (
        f"{writer.group(1)}-{moment}" if writer and moment else content_id(place, author, when.at, one.get("text"))
    )
    return Item(
        kind="review",
        external_id=identity,
        text=body(one.get("text")),
        url=link,
        author=author,
        author_id=writer.group(1) if writer else None,
        **(rating.read(one.get("rating"), best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        language=language_code(one.get("language"))
        if not one.get("translated")
        else language_code(one.get("language")) or language,
        subject=name,
        flags=flags(translated=one.get("translated")),
    )


def _new(one: dict[str, Any], name: str | None, now: datetime | None) -> Item | None:
    original, shown = dig(one, "originalText", default={}), dig(one, "text", default={})
    content = body(dig(original, "text")) or body(dig(shown, "text"))
    language = language_code(dig(original, "languageCode")) or language_code(dig(shown, "languageCode"))
    author, link = (
        text.optional(dig(one, "authorAttribution", "displayName")),
        https(dig(one, "authorAttribution", "uri")),
    )
    when = dates.read(one.get("publishTime"))
    if when.at is None:
        when = dates.read(one.get("relativePublishTimeDescription"), now)
    identity = key(one.get("name"))
    if identity is None and author is None:
        return None
    writer = _CONTRIBUTOR.search(link or "")
    return Item(
        kind="review",
        external_id=identity.rsplit("/", 1)[-1] if identity else content_id(author, when.at, content),
        text=content,
        url=https(one.get("googleMapsUri")),
        author=author,
        author_id=writer.group(1) if writer else None,
        **(rating.read(one.get("rating"), best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        language=language,
        subject=name,
    )


def _profile(one: dict[str, Any], name: str | None) -> Item | None:
    identity = key(one.get("reviewId")) or key(one.get("name"))
    if identity is None:
        return None
    content, translated = _original(body(one.get("comment")))
    answer, _ = _original(body(dig(one, "reviewReply", "comment")))
    when = dates.read(one.get("createTime"))
    grade = one.get("starRating")
    stars = _STARS.get(grade) if isinstance(grade, str) else grade
    hidden = dig(one, "reviewer", "isAnonymous") is True
    return Item(
        kind="review",
        external_id=identity.rsplit("/", 1)[-1],
        text=content,
        author=None if hidden else text.optional(dig(one, "reviewer", "displayName")),
        **(rating.read(stars, best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        edited_at=edited(dates.iso(one.get("updateTime")), when.at),
        reply=Reply(answer, name, dates.iso(dig(one, "reviewReply", "updateTime"))) if answer else None,
        subject=name,
        flags=flags(anonymous=hidden, translated=translated),
    )


def _original(content: str) -> tuple[str, bool]:
    """What the person wrote, without Google's translation beside it."""
    if found := _TRANSLATED.match(content):
        return text.plain(found.group(2)), True
    if found := _ORIGINAL_FIRST.match(content):
        return text.plain(found.group(1)), True
    return content, False


def _legacy_problem(status: str, said: str) -> Parsed:
    note = f"{status}: {said}" if said else status
    if status in ("NOT_FOUND", "ZERO_RESULTS"):
        return Parsed(Status.NOT_FOUND, note=note)
    if status == "REQUEST_DENIED":
        return Parsed(Status.LOGIN, note=note)
    if status in ("OVER_QUERY_LIMIT", "OVER_DAILY_LIMIT"):
        return Parsed(Status.BLOCKED, note=note, retry_after=3600.0)
    return unread(note)


def _problem(error: dict[str, Any]) -> Parsed:
    code, name = count(error.get("code")), text.line(error.get("status"))
    note = f"{name}: {text.line(rich(error.get('message')))}"[:300]
    if code in (401, 403):
        return Parsed(Status.LOGIN, note=note)
    if code == 404 or name == "NOT_FOUND":
        return Parsed(Status.NOT_FOUND, note=note)
    if code == 429 or name == "RESOURCE_EXHAUSTED":
        return Parsed(Status.BLOCKED, note=note, retry_after=60.0)
    return unread(note)
