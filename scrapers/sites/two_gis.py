"""2GIS: reviews of one branch or of a whole chain, as the public reviews API gives them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item, Reply
from scrapers.readers import dates, rating, text
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
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
    parameter,
    secret,
    unread,
)

API = "https://public-api.reviews.2gis.com/2.0"
_FIELDS = "meta.total_count,meta.branch_rating,meta.branch_reviews_count,reviews.hiding_reason,reviews.is_verified"


class TwoGisParams(Params):
    branch: str | None = Field(None, description="Id of the branch: the digits after /firm/ in its address")
    org: str | None = Field(None, description="Id of the chain, instead of a branch: reviews of all its branches")
    key: SecretStr | None = Field(None, description="Key of the reviews API")
    locale: str = Field("ru_RU", description="Language of the service texts")


class TwoGis(JsonScraper):
    meta = Meta(
        name="2gis",
        title="2GIS",
        access="B",
        terms="The reviews API wants a key of your own (the one inside the web page belongs to 2GIS). "
        "Owners of a branch can export the same reviews from the business cabinet and import the file.",
        hosts=("public-api.reviews.2gis.com",),
        kinds=("review",),
        rating_scale=(1, 5),
        credentials=(Credential("key", "Key of the 2GIS API", "https://platform.2gis.ru/"),),
        robots=False,
        url_examples={
            "https://2gis.ru/novosibirsk/firm/70000001006794970": {"branch": "70000001006794970"},
            "https://2gis.kz/almaty/firm/9429940000790384/tab/reviews": {"branch": "9429940000790384"},
        },
        verified="against recordings",
        docs="https://docs.2gis.com/",
    )
    params_type: ClassVar[type[Params]] = TwoGisParams

    def match(self, url: str) -> TwoGisParams | None:
        link = Link.of(url)
        if link is None or not link.host.startswith("2gis."):
            return None
        branch = link.after("firm") or link.after("branches")
        return TwoGisParams(branch=branch) if branch and branch.isdigit() else None

    def request(
        self, params: TwoGisParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if not params.branch and not params.org:
            raise BadParams("2gis: give `branch` or `org`")
        place = f"branches/{params.branch}" if params.branch else f"orgs/{params.org}"
        return Request(
            address(
                f"{API}/{place}/reviews",
                limit=50,
                sort_by="date_edited",
                fields=_FIELDS,
                without_my_first_review="false",
                rated="true",
                locale=params.locale,
                offset_date=cursor,
                key=secret(params.key, "key", "2gis"),
            )
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        reviews = data if isinstance(data, list) else dig(data, "reviews", default=dig(data, "result", "reviews"))
        meta = dig(data, "meta", default={})
        if not isinstance(reviews, list):
            return _failure(data, meta)
        facts = {
            name: float(value)
            for name, value in (
                ("rating_value", dig(meta, "branch_rating")),
                ("review_count", dig(meta, "total_count") or dig(meta, "branch_reviews_count")),
            )
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
        }
        return listed(
            (item for one in dicts(reviews) if (item := _item(one)) is not None),
            found=not reviews,
            next_cursor=parameter(dig(meta, "next_link"), "offset_date"),
            facts=facts,
        )


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    if identity is None or not any(name in one for name in ("date_created", "rating", "text")):
        return None
    when = dates.read(one.get("date_created"))
    branch = key(dig(one, "object", "id"))
    provider = text.optional(one.get("provider"))
    own = https(one.get("url"))
    url = own or (
        f"https://2gis.ru/reviews/{branch}/review/{identity}" if branch and provider in (None, "2gis") else None
    )
    marks = flags(
        not_counted=one.get("is_rated") is False,
        hidden=one.get("is_hidden"),
        verified=one.get("is_verified"),
        syndicated=bool(provider and provider != "2gis"),
    )
    return Item(
        kind="review",
        external_id=identity,
        text=body(one.get("text")),
        url=url,
        author=text.optional(dig(one, "user", "name")) or text.optional(dig(one, "user", "first_name")),
        author_id=key(dig(one, "user", "public_id")) or key(dig(one, "user", "id")),
        **(rating.read(one.get("rating"), best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        edited_at=edited(dates.iso(one.get("date_edited")), when.at),
        reply=_reply(one.get("official_answer")),
        location=branch,
        n_likes=count(one.get("likes_count")),
        n_replies=count(one.get("comments_count")),
        flags=marks,
    )


def _reply(answer: Any) -> Reply | None:
    content = body(dig(answer, "text"))
    if not content:
        return None
    at = dates.iso(dig(answer, "date_created")) or dates.iso(dig(answer, "date"))
    return Reply(content, text.optional(dig(answer, "org_name")), at)


def _failure(data: Any, meta: Any) -> Parsed:
    code = dig(meta, "code") or dig(data, "error", "code")
    said = text.optional(dig(meta, "error", "message")) or text.optional(dig(data, "message")) or "no list of reviews"
    if code in (401, 403):
        return Parsed(Status.LOGIN, note=f"the key was refused: {said}")
    if code == 404:
        return Parsed(Status.NOT_FOUND, note=said)
    if code == 429:
        return Parsed(Status.BLOCKED, note=said)
    return unread(said)
