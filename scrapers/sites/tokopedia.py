"""Tokopedia: reviews of a product or a shop, read from answers of the site's own GraphQL that a person saved."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from scrapers.base import Meta, Page, Params, Parsed
from scrapers.item import Item, Reply
from scrapers.readers import dates, rating, text
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, body, files_only, flags, https, key, listed, unread

_LISTS = ("productrevGetProductReviewList", "productrevGetShopReviewReadingList", "productrevGetShopReviewList")
_WORDS = ("id", "en")  # languages of "1 bulan lalu"
_ZONE = "Asia/Jakarta"


class Tokopedia(JsonScraper):
    meta = Meta(
        name="tokopedia",
        title="Tokopedia",
        access="D",
        terms="The site's GraphQL is not public and its terms forbid automated reading: save the answer in the browser "
        "(network panel) and parse the file, or export reviews from the seller centre and import them.",
        kinds=("review",),
        rating_scale=(1, 5),
        url_examples={"https://www.tokopedia.com/toko-contoh/barang/review": {}},
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?tokopedia\.com")

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        answers = [one for name in _LISTS for one in walk(data, name) if isinstance(one, dict)]
        lists = [one["list"] for one in answers if isinstance(one.get("list"), list)]
        if not lists:
            return unread("no productrev... review list in this answer")
        shop = next((name for one in answers if (name := text.optional(dig(one, "shop", "name")))), None)
        entries = [one for some in lists for one in dicts(some)]
        more = any(one.get("hasNext") is True for one in answers)
        return listed(
            (item for one in entries if (item := _item(one, shop, page.fetched_at)) is not None),
            found=not entries,
            note="there are further pages" if more and entries else None,
        )


def _item(one: dict[str, Any], shop: str | None, now: datetime | None) -> Item | None:
    identity = key(one.get("feedbackID")) or key(one.get("id")) or key(one.get("reviewID"))
    if identity is None:
        return None
    created = one.get("reviewCreateTime") or one.get("reviewTime") or one.get("createTime")
    when = dates.read(created, now, languages=_WORDS, zone=_ZONE)
    if when.at is None:
        when = dates.read(one.get("reviewCreateTimestamp"), now, languages=_WORDS, zone=_ZONE)
    stars = one.get("productRating") if one.get("productRating") is not None else one.get("rating")
    answer = body(dig(one, "reviewResponse", "message")) or body(one.get("replyText"))
    said = dig(one, "reviewResponse", "createTime") or one.get("replyTime")
    subject = text.optional(dig(one, "product", "productName")) or text.optional(one.get("variantName"))
    return Item(
        kind="review",
        external_id=identity,
        text=body(one.get("message")) or body(one.get("reviewText")),
        url=https(dig(one, "product", "productPageURL")),
        author=text.optional(dig(one, "user", "fullName")) or text.optional(one.get("reviewerName")),
        author_id=key(dig(one, "user", "userID")),
        **(rating.read(stars, best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        reply=Reply(answer, shop, dates.read(said, now, languages=_WORDS, zone=_ZONE).at) if answer else None,
        subject=subject,
        n_likes=count(dig(one, "likeDislike", "totalLike")),
        flags=flags(anonymous=one.get("isAnonymous")),
    )
