"""Trustpilot: reviews of a company, from saved pages and from the API of its business plans."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement
from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, json_data, rating, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count, number
from scrapers.sites._site import (
    Link,
    address,
    body,
    edited,
    flags,
    key,
    listed,
    marked,
    nothing,
    secret,
    settled,
    unread,
)

API = "https://api.trustpilot.com/v1/business-units"


class TrustpilotParams(Params):
    business_unit: str | None = Field(None, description="Id of the company in the API (24 hexadecimal digits)")
    key: SecretStr | None = Field(None, description="API key of a business plan")
    domain: str | None = Field(None, description="Domain of the company as in the address of its page; for saved pages")


class Trustpilot(Scraper):
    meta = Meta(
        name="trustpilot",
        title="Trustpilot",
        access="C",
        terms="Pages are protected and the terms forbid reading them by program: use the API of a business plan, "
        "the e-mail "
        "notifications, or save pages in the browser and parse the files.",
        hosts=("api.trustpilot.com",),
        kinds=("review",),
        rating_scale=(1, 5),
        interval_seconds=6 * 3600,
        credentials=(Credential("key", "API key", "https://businessapp.b2b.trustpilot.com/applications"),),
        robots=False,
        url_examples={
            "https://www.trustpilot.com/review/shop.example.org?languages=all": {"domain": "shop.example.org"}
        },
        verified="against recordings",
        docs="https://documentation-apidocumentation.trustpilot.com/business-units-api",
    )
    params_type: ClassVar[type[Params]] = TrustpilotParams

    def match(self, url: str) -> TrustpilotParams | None:
        link = Link.of(url)
        if link is None or not re.fullmatch(r"(?:[a-z-]+\.)?trustpilot\.com", link.host):
            return None
        domain = link.after("review")
        return TrustpilotParams(domain=domain) if domain and "." in domain else None

    def request(
        self, params: TrustpilotParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if not params.business_unit:
            if params.key is not None:
                raise BadParams("trustpilot: give `business_unit`, the company's id in the API, beside the key")
            return None  # pages are only parsed when a person saved them
        url = address(f"{API}/{params.business_unit}/reviews", perPage=100, page=cursor or 1, orderBy="createdat.desc")
        return Request(url, headers={"apikey": secret(params.key, "key", "trustpilot")})

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        if isinstance(data, (dict, list)):
            return settled(_api(data, page.url), page)
        root = html.tree(page)
        if root is None:
            return settled(unread("neither a page nor an answer of the API"), page)
        return settled(_page(root, page), page)


def _page(root: HtmlElement, page: Page) -> Parsed:
    for raw in root.xpath("//script[@id='__NEXT_DATA__']/text()"):
        data = json_data.loads(str(raw))
        props = dig(data, "props", "pageProps")
        if isinstance(props, dict) and isinstance(props.get("reviews"), list):
            return _next(props)
        one = dig(props, "review")
        if isinstance(one, dict) and (item := _item(one, dig(props, "businessUnit", default={}))):
            return listed([item], found=False)
    items = [
        item
        for card in root.xpath("//article[contains(@class, 'review')] | //div[contains(@class, 'review-card')]")
        if (item := _card(card)) is not None
    ]
    if items:
        return listed(items, found=False)
    found_marks = marked(page, root, "trustpilot.")
    return listed(
        found_marks.items,
        found=False,
        facts=found_marks.facts,
        note=None if found_marks.items else "no reviews of Trustpilot on this page",
    )


def _next(props: dict[str, Any]) -> Parsed:
    unit = dig(props, "businessUnit", default={})
    entries = dicts(props["reviews"]) + dicts(props.get("relevantReviews"))
    paging = dig(props, "filters", "pagination")
    here, last = count(dig(paging, "currentPage")), count(dig(paging, "totalPages"))
    facts = {
        name: value
        for name, raw in (("rating_value", dig(unit, "trustScore")), ("review_count", dig(unit, "numberOfReviews")))
        if not isinstance(raw, dict) and (value := number(raw))
    }
    items = [item for one in entries if (item := _item(one, unit)) is not None]
    if not items and not entries:
        return nothing("the company has no reviews here", facts=facts)
    return listed(items, found=False, next_cursor=str(here + 1) if here and last and here < last else None, facts=facts)


def _item(one: dict[str, Any], unit: Any) -> Item | None:
    identity = key(one.get("id"))
    if identity is None:
        return None
    times = dig(one, "dates", default={})
    when = dates.read(dig(times, "publishedDate") or one.get("createdAt") or dig(times, "submittedDate"))
    answer = body(dig(one, "reply", "message")) or body(dig(one, "companyReply", "text"))
    answered = dig(one, "reply", "publishedDate") or dig(one, "companyReply", "createdAt")
    stars = one.get("rating") if one.get("rating") is not None else one.get("stars")
    name = text.optional(dig(unit, "displayName")) or text.optional(dig(one, "businessUnit", "displayName"))
    return Item(
        kind="review",
        external_id=identity,
        title=text.optional(one.get("title")),
        text=body(one.get("text")),
        url=f"https://www.trustpilot.com/reviews/{identity}",
        author=text.optional(dig(one, "consumer", "displayName")),
        author_id=key(dig(one, "consumer", "id")),
        **(rating.read(stars, best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        edited_at=edited(dates.iso(dig(times, "updatedDate") or one.get("updatedAt")), when.at),
        language=language_code(one.get("language")),
        reply=Reply(answer, name, dates.iso(answered)) if answer else None,
        subject=name,
        location=text.optional(dig(one, "location", "name")),
        n_likes=count(one.get("likes")) if one.get("likes") is not None else count(one.get("numberOfLikes")),
        flags=flags(
            verified=dig(one, "labels", "verification", "isVerified") is True or one.get("isVerified") is True,
            hidden=one.get("filtered") is True or one.get("pending") is True,
            reported=one.get("hasUnhandledReports") is True or one.get("report") is not None,
        ),
    )


def _card(card: HtmlElement) -> Item | None:
    """Cards of the layout of 2018 to 2020, with JSON inside."""
    found: dict[str, Any] = {}
    for raw in card.xpath(".//script[@data-initial-state]/text()"):
        value = json_data.loads(str(raw))
        found |= value if isinstance(value, dict) else {}
    identity = key(found.get("reviewId")) or key(card.get("id")) or key(card.get("data-review-id"))
    if identity is None or not ({"stars", "reviewBody", "reviewHeader"} & set(found)):
        return None
    when = dates.read(found.get("publishedDate"))
    answer = next((html.text_of(one) for one in html.by_class(card, "brand-company-reply__content")), "")
    return Item(
        kind="review",
        external_id=identity,
        title=text.optional(found.get("reviewHeader")),
        text=body(found.get("reviewBody")),
        url=f"https://www.trustpilot.com/reviews/{identity}",
        author=text.optional(found.get("consumerName")),
        author_id=key(found.get("consumerId")),
        **(rating.read(found.get("stars"), best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        edited_at=edited(dates.iso(found.get("updatedDate")), when.at),
        reply=Reply(answer, text.optional(found.get("businessUnitDisplayName"))) if answer else None,
        subject=text.optional(found.get("businessUnitDisplayName")),
        flags=flags(verified=found.get("isVerified")),
    )


def _api(data: dict[str, Any] | list[Any], url: str) -> Parsed:
    reviews = (
        next((one for one in walk(data, "reviews") if isinstance(one, list)), None) if isinstance(data, dict) else data
    )
    if reviews is None and isinstance(data, dict):
        said = text.line(data.get("message") or dig(data, "fault", "faultstring"))
        low = said.lower()
        if "apikey" in low or "api key" in low or "unauthorized" in low:
            return Parsed(Status.LOGIN, note=said)
        if "not found" in low or "could not be found" in low:
            return Parsed(Status.NOT_FOUND, note=said)
        return unread(said or "no `reviews` in this answer")
    entries = [one for one in dicts(reviews) if "consumer" in one and ("stars" in one or "rating" in one)]
    link = Link.of(url)
    here = count(link.query.get("page")) if link else None
    more = any(dig(one, "rel") == "next-page" for one in dicts(dig(data, "links")))
    return listed(
        (item for one in entries if (item := _item(one, {})) is not None),
        found=not reviews and isinstance(data, dict),
        next_cursor=str((here or 1) + 1) if more else None,
    )
