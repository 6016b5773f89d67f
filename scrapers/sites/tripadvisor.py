"""TripAdvisor: reviews by the Content API (five at most) and from saved pages of several layouts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement
from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, json_data, rating, text
from scrapers.readers.html import language_code
from scrapers.readers.identity import content_id
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import (
    Link,
    address,
    body,
    flags,
    https,
    key,
    listed,
    marked,
    nothing,
    secret,
    settled,
    unread,
)

_LOCATION = re.compile(r"-d(\d{3,12})-")
_BUBBLES = re.compile(r"\bbubble_(\d)(\d)\b")
_SPOKEN = re.compile(r"(\d(?:[.,]\d)?)\s*(?:of|von|sur|de|di|out of|из|av|van|/)\s*5", re.IGNORECASE)
_CARDS = (
    "//*[@data-reviewid]",
    "//*[contains(concat(' ', normalize-space(@class), ' '), ' review-container ')]",
    "//*[contains(concat(' ', normalize-space(@class), ' '), ' reviewSelector ')]",
    "//*[@data-automation='reviewCard' or @data-test-target='HR_CC_CARD' or @data-test-target='review-card']",
)
_BODIES = (
    ".//*[contains(@class, 'fullText')]",
    ".//p[contains(@class, 'partial_entry')]",
    ".//*[@data-test-target='review-body']//span[not(*)]",
    ".//*[@data-automation='reviewText']",
    ".//q",
    ".//*[contains(@class, 'reviewText')]",
    ".//*[contains(@class, 'entry')]",
    ".//*[contains(@class, 'JguWG')]",
)
_LIST_PAGE = re.compile(
    r"/(?:Attractions|Hotels|Restaurants|VacationRentals|Tourism|Search)-g\d+|/(?:Hotels|Attractions|Restaurants)\?",
    re.IGNORECASE,
)


class TripadvisorParams(Params):
    location: str = Field(description="Number of the place: the digits after -d in its address")
    language: str = Field("en", description="Language of reviews, two letters")
    key: SecretStr | None = Field(None, description="Key of the Content API")


class Tripadvisor(Scraper):
    meta = Meta(
        name="tripadvisor",
        title="TripAdvisor",
        access="C",
        terms="The Content API gives five reviews of a place for a key with a card on file; pages are protected "
        "and the terms forbid "
        "reading them by program, so save them in the browser and parse the files.",
        hosts=("api.content.tripadvisor.com",),
        kinds=("review",),
        rating_scale=(1, 5),
        interval_seconds=12 * 3600,
        credentials=(Credential("key", "Content API key", "https://www.tripadvisor.com/developers"),),
        robots=False,
        url_examples={
            "https://www.tripadvisor.com/Attraction_Review-g155019-d155483-Reviews-CN_Tower-Toronto_Ontario.html": {
                "location": "155483"
            },
        },
        verified="against recordings",
        docs="https://tripadvisor-content-api.readme.io/reference/getlocationreviews",
    )
    params_type: ClassVar[type[Params]] = TripadvisorParams

    def match(self, url: str) -> TripadvisorParams | None:
        link = Link.of(url)
        found = _LOCATION.search(link.path[-1]) if link and link.path else None
        if link is None or found is None or not re.search(r"(?:^|\.)tripadvisor\.[a-z.]+$", link.host):
            return None
        return TripadvisorParams(location=found.group(1))

    def request(
        self, params: TripadvisorParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if params.key is None:
            return None  # pages are only parsed when a person saved them
        url = f"https://api.content.tripadvisor.com/api/v1/location/{params.location}/reviews"
        return Request(
            address(url, language=params.language, offset=cursor, key=secret(params.key, "key", "tripadvisor"))
        )

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        if isinstance(data, (dict, list)):
            return settled(_api(data), page)
        root = html.tree(page)
        if root is None:
            return settled(unread("neither a page nor an answer of the API"), page)
        return settled(_page(root, page), page)


def _page(root: HtmlElement, page: Page) -> Parsed:
    language = html.language(root)
    items: list[Item] = []
    for path in _CARDS:
        cards = [one for one in root.xpath(path) if isinstance(one, HtmlElement)]
        outer = [one for one in cards if not any(up in cards for up in one.iterancestors())]
        items = [item for card in outer if (item := _card(card, page, language)) is not None]
        if items:
            return listed(items, found=False)
    found_marks = marked(page, root, "tripadvisor.")
    if found_marks.items:
        return listed(found_marks.items, found=False, facts=found_marks.facts)
    own = (
        html.first(root, "//link[@rel='canonical']/@href")
        or html.first(root, "//meta[@property='og:url']/@content")
        or page.url
    )
    site = html.first(root, "//meta[@property='og:site_name']/@content") or html.first(root, "//title/text()") or ""
    if "tripadvisor" in site.lower() or "tripadvisor" in own.lower():
        if _LIST_PAGE.search(own) or root.xpath(
            "//*[contains(@class, 'attraction_list') or contains(@class, 'listing')]"
        ):
            return nothing("a list of places with their ratings: no reviews on it")
        return (
            nothing("a page of TripAdvisor without reviews", facts=found_marks.facts)
            if found_marks.facts
            else unread("a page of TripAdvisor without review cards")
        )
    return unread("no review cards of TripAdvisor on this page")


def _card(card: HtmlElement, page: Page, language: str | None) -> Item | None:
    content = next((found for path in _BODIES for one in card.xpath(path) if (found := html.text_of(one))), "")
    stars = _rating(card)
    if not content and stars is rating.NONE:
        return None
    identity = key(card.get("data-reviewid")) or key(html.first(card, ".//@data-reviewid"))
    link = html.first(card, ".//a[contains(@href, 'ShowUserReviews')]/@href")
    numbered = re.search(r"-r(\d{5,12})-", link or "") or re.search(r"(\d{5,12})", card.get("id") or "")
    author = (
        html.first(card, ".//*[contains(@class, 'info_text')]/*[1]")
        or html.first(card, ".//*[contains(@class, 'username')]")
        or html.first(card, ".//a[contains(@class, 'ui_header_link')]")
        or html.first(card, ".//a[contains(@href, '/Profile/')][normalize-space()]")
    )
    when = _when(card, page.fetched_at, language)
    title = (
        html.first(card, ".//*[contains(@class, 'noQuotes')]")
        or html.first(card, ".//*[@data-test-target='review-title']")
        or html.first(card, ".//*[@data-automation='reviewTitle']")
    )
    answer = next(
        (
            found
            for path in (
                ".//*[contains(@class, 'mgrRspnInline')]//*[contains(@class, 'partial_entry')]",
                ".//*[contains(@class, 'ownerResponse')]//*[contains(@class, 'text')]",
            )
            for one in card.xpath(path)
            if (found := html.text_of(one))
        ),
        "",
    )
    if answer and content == answer:
        content = ""
    return Item(
        kind="review",
        external_id=identity or (numbered.group(1) if numbered else content_id(author, when.at, title, content)),
        title=title,
        text=content,
        url=html.absolute(link, page.url or "https://www.tripadvisor.com/"),
        author=author,
        **stars.fields(),
        **when.fields(),
        language=language,
        reply=Reply(answer, html.first(card, ".//*[contains(@class, 'mgrRspnInline')]//*[contains(@class, 'header')]"))
        if answer
        else None,
        location=html.first(card, ".//*[contains(@class, 'userLoc')]"),
        n_likes=count(html.first(card, ".//*[contains(@class, 'numHelp')]") or ""),
    )


def _rating(card: HtmlElement) -> rating.Rating:
    for raw in card.xpath(".//@class"):
        found = _BUBBLES.search(str(raw))
        if found:
            return rating.read(f"{found.group(1)}.{found.group(2)}", best=5, worst=1) or rating.NONE
    for raw in [
        *card.xpath(".//*[local-name()='svg']//*[local-name()='title']/text()"),
        *card.xpath(".//*[local-name()='svg']/@aria-label"),
        *card.xpath(".//@alt"),
    ]:
        found = _SPOKEN.search(str(raw))
        if found:
            return rating.read(found.group(), worst=1) or rating.NONE
    return rating.NONE


def _when(card: HtmlElement, now: datetime | None, language: str | None) -> dates.When:
    spoken = [
        html.first(card, ".//*[contains(@class, 'ratingDate')]/@title"),
        html.first(card, ".//*[contains(@class, 'ratingDate')]/@content"),
        html.first(card, ".//*[contains(@class, 'ratingDate')]"),
        next(
            (
                str(one)
                for one in card.xpath(
                    ".//text()[starts-with(normalize-space(), 'Written ') or contains(., 'wrote a review')]"
                )
            ),
            None,
        ),
    ]
    for raw in spoken:
        if raw:
            words = re.sub(
                r"^.*(?:wrote a review|Written|Reviewed|Bewertet am|Avis publié\s*:?)\s*(?:on|le)?\s*",
                "",
                text.line(raw),
            )
            when = dates.read(words, now, languages=(language,) if language else ())
            if when.at is not None:
                return dates.When(when.at, when.precision, text.line(raw)[:100])
    return dates.NEVER


def _api(data: dict[str, Any] | list[Any]) -> Parsed:
    if isinstance(data, dict) and isinstance(data.get("error"), dict):
        said = text.line(data["error"].get("message"))
        code = str(data["error"].get("code"))
        status = {"401": Status.LOGIN, "403": Status.LOGIN, "404": Status.NOT_FOUND, "429": Status.BLOCKED}.get(code)
        return Parsed(status, note=said or "refused") if status else unread(said or "refused")
    if isinstance(data, dict) and isinstance(data.get("Message"), str):
        return Parsed(Status.LOGIN, note=text.line(data["Message"]) or "refused")
    entries = data.get("data") if isinstance(data, dict) and isinstance(data.get("data"), list) else None
    if entries is None:
        entries = next((one for one in walk(data, "reviews") if isinstance(one, list)), None)
    if entries is None:
        return unread("no reviews in this answer")
    return listed((item for one in dicts(entries) if (item := _review(one)) is not None), found=not entries)


def _review(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    told = one.get("published_date") or one.get("publishedDate") or one.get("createdDate")
    if identity is None or not told or not ("text" in one or "rating" in one):
        return None
    answer = dig(one, "owner_response") or dig(one, "mgmtResponse")
    said = body(dig(answer, "text"))
    user = dig(one, "user", default=dig(one, "userProfile", default={}))
    return Item(
        kind="review",
        external_id=identity,
        title=text.optional(one.get("title")),
        text=body(one.get("text")),
        url=https(one.get("url")),
        author=text.optional(dig(user, "username")) or text.optional(dig(user, "displayName")),
        **(rating.read(one.get("rating"), best=5, worst=1) or rating.NONE).fields(),
        **dates.read(told).fields(),
        language=language_code(one.get("lang") or one.get("language")),
        reply=Reply(
            said,
            text.optional(dig(answer, "author")),
            dates.iso(dig(answer, "published_date") or dig(answer, "publishedDate")),
        )
        if said
        else None,
        subject=key(one.get("location_id")) or key(one.get("locationId")),
        location=text.optional(dig(user, "user_location", "name")),
        n_likes=count(one.get("helpful_votes"))
        if one.get("helpful_votes") is not None
        else count(one.get("helpfulVotes")),
        flags=flags(translated=one.get("is_machine_translated")),
    )
