"""Wildberries: feedback on a product from the storefront's open file, or from the seller's API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item, Reply
from scrapers.readers import dates, rating, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    body,
    edited,
    flags,
    joined,
    key,
    labelled,
    leads_to,
    listed,
    nothing,
    unread,
)

SELLER = "https://feedbacks-api.wildberries.ru/api/v1/feedbacks"
CARD = "https://card.wb.ru/cards/v4/detail"
TAKE = 5000


class WildberriesParams(Params):
    nm: str | None = Field(None, description="Article of the product: the digits after /catalog/ in its address")
    root: str | None = Field(
        None, description="Number that joins the variants of a product (imtId), when it is known already"
    )
    seller_token: SecretStr | None = Field(
        None, description="Seller's token for feedback: reads all own products instead"
    )


class Wildberries(JsonScraper):
    meta = Meta(
        name="wildberries",
        title="Wildberries",
        access="A",
        terms="The storefront's feedback file is open but undocumented: the newest thousand, about an hour old; "
        "read it rarely. "
        "Sellers should prefer the documented API with their token.",
        hosts=("feedbacks1.wb.ru", "feedbacks2.wb.ru", "card.wb.ru", "feedbacks-api.wildberries.ru"),
        kinds=("review",),
        rating_scale=(1, 5),
        interval_seconds=4 * 3600,
        min_interval_seconds=3600,
        host_interval_seconds=5.0,
        credentials=(
            Credential(
                "seller_token",
                "Seller's token (optional)",
                "https://seller.wildberries.ru/supplier-settings/access-to-api",
            ),
        ),
        url_examples={"https://www.wildberries.ru/catalog/141519312/detail.aspx": {"nm": "141519312"}},
        verified="live: not verified",
        docs="https://dev.wildberries.ru/openapi/user-communication",
    )
    params_type: ClassVar[type[Params]] = WildberriesParams

    def match(self, url: str) -> WildberriesParams | None:
        link = Link.of(url)
        if link is None or not (link.host.startswith("wildberries.") or link.on("wb.ru", "wildberries.ru")):
            return None
        article = link.after("catalog")
        if article and article.isdigit():
            return WildberriesParams(nm=article)
        root = link.after("v1") or link.after("v2")
        return WildberriesParams(root=root) if link.host.startswith("feedbacks") and root and root.isdigit() else None

    def request(
        self, params: WildberriesParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if params.seller_token is not None:
            moment = int(since.timestamp()) if since else None
            url = address(SELLER, isAnswered="false", take=TAKE, skip=cursor or 0, order="dateDesc", dateFrom=moment)
            return Request(url, headers={"authorization": params.seller_token.get_secret_value()})
        # Cursor "1:ROOT" and "2:ROOT": the file lies on one of two hosts, by a rule that changes.
        place, _, root = (cursor or f"1:{params.root}" if params.root else cursor or "").partition(":")
        if root and root.isdigit():
            return Request(f"https://feedbacks{place}.wb.ru/feedbacks/v{place}/{root}")
        if not params.nm:
            raise BadParams("wildberries: give `nm`, `root` or `seller_token`")
        return Request(address(CARD, appType=1, curr="rub", dest=-1257786, nm=params.nm))

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and data.get("error") is True:
            return unread(text.line(data.get("errorText")) or "refused")
        root = dig(data, "products", 0, "root") or dig(data, "data", "products", 0, "root")
        if root is not None and integer(root) is not None:
            return leads_to(f"1:{integer(root)}", "the card of the product, which names its feedback")
        if isinstance(dig(data, "products"), list) and not dig(data, "products"):
            return Parsed(Status.NOT_FOUND, note="no product with this article")
        holder = dig(data, "data") if isinstance(dig(data, "data", "feedbacks"), list) else data
        entries = dig(holder, "feedbacks")
        if not isinstance(entries, list):
            number, link = integer(dig(data, "feedbackCount")), Link.of(page.url)
            if isinstance(data, dict) and "feedbackCount" in data and not number:
                other = f"2:{link.path[-1]}" if link and link.host.startswith("feedbacks1.") and link.path else None
                return leads_to(other, "no feedback on this host") if other else nothing("no feedback")
            return unread("no `feedbacks` in this answer")
        facts = {
            name: value
            for name, raw in (("rating_value", dig(data, "valuation")), ("review_count", dig(data, "feedbackCount")))
            if (value := _number(raw)) is not None
        }
        skip = integer(dict(Link.of(page.url).query).get("skip")) if Link.of(page.url) else None  # type: ignore[union-attr]
        full = skip is not None and len(entries) >= TAKE
        return listed(
            (item for one in dicts(entries) if (item := _item(one)) is not None),
            found=not entries,
            next_cursor=str((skip or 0) + len(entries)) if full else None,
            facts=facts,
        )


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    if identity is None:
        return None
    when = dates.read(one.get("createdDate"))
    article = key(one.get("nmId")) or key(dig(one, "productDetails", "nmId"))
    answer = body(dig(one, "answer", "text"))
    at = dates.iso(dig(one, "answer", "createDate")) or dates.iso(dig(one, "answer", "lastUpdate"))
    reasons = dig(one, "excludedFromRating", "reasons")
    return Item(
        kind="review",
        external_id=identity,
        text=joined(
            body(one.get("text")),
            labelled("Достоинства", body(one.get("pros"))),
            labelled("Недостатки", body(one.get("cons"))),
        ),
        url=f"https://www.wildberries.ru/catalog/{article}/feedbacks" if article else None,
        author=text.optional(dig(one, "wbUserDetails", "name")) or text.optional(one.get("userName")),
        author_id=key(one.get("globalUserId")) or key(one.get("wbUserId")),
        **(rating.read(one.get("productValuation"), best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        edited_at=edited(dates.iso(one.get("updatedDate")), when.at, after=60.0),
        reply=Reply(answer, text.optional(dig(one, "answer", "supplierName")), at) if answer else None,
        parent_id=key(one.get("parentFeedbackId")),
        subject=text.optional(dig(one, "productDetails", "productName")) or article,
        n_likes=count(dig(one, "votes", "pluses")),
        flags=flags(
            superseded=isinstance(reasons, list) and "hasIncludedChild" in reasons,
            not_counted=dig(one, "excludedFromRating", "isExcluded"),
        ),
    )


def _number(raw: Any) -> float | None:
    try:
        return float(raw) if isinstance(raw, (int, float, str)) and not isinstance(raw, bool) else None
    except (ValueError, OverflowError):
        return None
