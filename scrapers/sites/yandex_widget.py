"""Yandex Maps: the few newest reviews of the public widget, and reviews of saved pages and answers."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, json_data, rating, text
from scrapers.readers.html import language_code
from scrapers.readers.identity import content_id
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import Link, body, edited, key, listed, nothing, settled, unread

_ZONE = "Europe/Moscow"
_CUT = re.compile(r"\s*(?:\.\.\.|…)\s*(?:ещё|еще|more)\s*$", re.IGNORECASE)
_FULL = re.compile(r"(?:^|[\s_-])(?:_?full|_filled)(?:\s|$)")
_EMPTY = re.compile(r"_empty(?:\s|$)")
_HALF = re.compile(r"_half(?:\s|$)")
_SPOKEN = re.compile(r"(?:оценка|rating)\s*(\d(?:[.,]\d)?)", re.IGNORECASE)


class YandexWidgetParams(Params):
    business: str = Field(description="Number of the organisation: the digits in its address on Yandex Maps")


class YandexWidget(Scraper):
    meta = Meta(
        name="yandex_widget",
        title="Yandex Maps (widget)",
        access="A",
        terms="The widget that owners put on their sites shows about five newest reviews and needs no key; "
        "everything else is behind "
        "robots.txt and a captcha. Owners find all reviews in Yandex Business; saved pages can be parsed.",
        hosts=("yandex.ru",),
        kinds=("review",),
        rating_scale=(1, 5),
        interval_seconds=6 * 3600,
        min_interval_seconds=3600,
        host_interval_seconds=10.0,
        url_examples={
            "https://yandex.ru/maps/org/acme/110245053573/": {"business": "110245053573"},
            "https://yandex.ru/maps-reviews-widget/110245053573?comments": {"business": "110245053573"},
        },
        verified="parse only",
    )
    params_type: ClassVar[type[Params]] = YandexWidgetParams

    def match(self, url: str) -> YandexWidgetParams | None:
        link = Link.of(url)
        if link is None or not re.fullmatch(r"(?:maps\.)?yandex\.[a-z.]{2,6}", link.host) or not link.path:
            return None
        if link.at(0) not in ("maps", "maps-reviews-widget", "profile", "sprav") and not link.host.startswith("maps."):
            return None
        number = next((one for one in link.path if re.fullmatch(r"\d{6,20}", one)), None)
        return YandexWidgetParams(business=number) if number else None

    def request(
        self, params: YandexWidgetParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        return Request(f"https://yandex.ru/maps-reviews-widget/{params.business}?comments")

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        if isinstance(data, (dict, list)):
            return settled(_answers(data), page)
        root = html.tree(page)
        if root is None:
            return settled(unread("this is not a page"), page)
        return settled(_page(root, page), page)


def _page(root: HtmlElement, page: Page) -> Parsed:
    name = (
        html.first(root, "//*[contains(@class, 'badge__') and contains(@class, 'name')]")
        or html.first(root, "//*[contains(@class, 'org-name') or contains(@class, 'orgpage-header-view__header')]")
        or html.first(root, "//h1")
    )
    mean = rating.read(
        html.first(root, "//*[contains(@class, 'stars-count')]")
        or html.first(root, "//*[contains(@class, 'business-summary-rating-badge-view__rating-count')]")
    )
    facts = {"rating_value": mean.value} if mean is not None and mean.value is not None else {}
    widget = html.by_class(root, "comment")
    items = [item for one in widget if (item := _comment(one, page.fetched_at, name)) is not None]
    if not items:
        views = html.by_class(root, "business-review-view") or html.by_class(root, "business-reviews-card-view__review")
        items = [item for one in views if (item := _view(one, page.fetched_at, name)) is not None]
    if items:
        return listed(items, found=False, facts=facts)
    for raw in root.xpath("//script[contains(@class, 'state-view') or @type='application/json']/text()"):
        found = _answers(json_data.loads(str(raw)))
        if found.items:
            return found
    if root.xpath("//*[contains(@class, 'mini-badge__') or contains(@class, 'badge__org')]"):
        return nothing("the widget shows no reviews", facts=facts)
    return unread("no reviews of Yandex Maps on this page")


def _comment(card: HtmlElement, now: datetime | None, name: str | None) -> Item | None:
    """A review of the widget. It has no number and no exact time."""
    author, said = (
        html.first(card, ".//*[contains(@class, 'comment__name')]"),
        html.first(card, ".//*[contains(@class, 'comment__date')]"),
    )
    if author and said and author.endswith(said):
        author = author.removesuffix(said).strip() or None
    content = _CUT.sub("…", next((html.text_of(one) for one in html.by_class(card, "comment__text")), ""))
    if not content and author is None:
        return None
    when = dates.read(said, now, languages=("ru",), zone=_ZONE)
    return Item(
        kind="review",
        external_id=key(card.get("data-id")) or content_id(name, author, content),
        text=content,
        author=author,
        **_stars(card.xpath(".//*[contains(@class, 'stars-list__star') or contains(@class, 'stars__star')]")).fields(),
        **when.fields(),
        language="ru",
        subject=name,
    )


def _view(card: HtmlElement, now: datetime | None, name: str | None) -> Item | None:
    """A review of the organisation's page."""
    author = (
        html.first(card, ".//*[@itemprop='author']//*[@itemprop='name']")
        or html.first(card, ".//*[contains(@class, 'author-name')]")
        or html.first(card, ".//*[@itemprop='name']")
    )
    content = next(
        (
            found
            for path in (
                ".//*[@itemprop='reviewBody']",
                ".//*[contains(@class, 'spoiler-view__text-container')]",
                ".//*[contains(@class, 'business-review-view__body')]",
            )
            for one in card.xpath(path)
            if (found := html.text_of(one))
        ),
        "",
    )
    content = _CUT.sub("…", content)
    if not content and author is None:
        return None
    when = dates.read(html.first(card, ".//*[@itemprop='datePublished']/@content"))
    if when.at is None:
        when = dates.read(
            html.first(card, ".//*[contains(@class, 'business-review-view__date')]"), now, languages=("ru",), zone=_ZONE
        )
    said = html.first(card, ".//*[@itemprop='reviewRating']//*[@itemprop='ratingValue']/@content") or html.first(
        card, ".//*[@itemprop='ratingValue']/@content"
    )
    spoken = _SPOKEN.search(" ".join(str(one) for one in card.xpath(".//@aria-label")))
    stars = rating.read(said or (spoken.group(1) if spoken else None), best=5, worst=1) or _stars(
        card.xpath(".//*[contains(@class, 'business-rating-badge-view__star')]")
    )
    answer = next(
        (
            found
            for path in (
                ".//*[contains(@class, 'business-review-comment-content__bubble')]",
                ".//*[contains(@class, 'business-review-view__comment-text')]",
            )
            for one in card.xpath(path)
            if (found := html.text_of(one))
        ),
        "",
    )
    profile = re.search(r"/user/(\w+)", html.first(card, ".//a[contains(@href, '/user/')]/@href") or "")
    return Item(
        kind="review",
        external_id=key(card.get("data-review-id"))
        or key(card.get("data-id"))
        or content_id(name, author, when.at, content),
        text=content,
        author=author,
        author_id=profile.group(1) if profile else None,
        **stars.fields(),
        **when.fields(),
        language=None,
        reply=Reply(answer) if answer else None,
        subject=name,
        n_likes=count(html.first(card, ".//*[contains(@class, 'reactions-view__counter')]") or ""),
    )


def _stars(drawn: list[Any]) -> rating.Rating:
    """Drawn stars: empty ones are marked, or full ones are."""
    if not 1 <= len(drawn) <= 10:
        return rating.NONE
    classes = [one.get("class") or "" for one in drawn][:5]
    empty, half = sum(bool(_EMPTY.search(one)) for one in classes), sum(bool(_HALF.search(one)) for one in classes)
    full = sum(bool(_FULL.search(one)) for one in classes)
    filled = full + half / 2 if full else len(classes) - empty - half / 2
    return rating.read(f"{filled:g}", best=5, worst=1) or rating.NONE


def _answers(data: Any) -> Parsed:
    """Answers of the page's own requests, and the state inside a saved page."""
    lists = [one for one in walk(data, "reviews") if isinstance(one, list)]
    entries = [one for some in lists for one in dicts(some) if "reviewId" in one or "text" in one]
    items = [item for one in entries if (item := _answer(one)) is not None]
    params = next((one for one in walk(data, "params") if isinstance(one, dict) and "totalPages" in one), {})
    here, last = count(dig(params, "page")), count(dig(params, "totalPages"))
    return listed(
        items,
        found=bool(lists) and not entries and bool(params),
        next_cursor=str(here + 1) if here and last and here < last else None,
    )


def _answer(one: dict[str, Any]) -> Item | None:
    content = body(one.get("text"))
    identity = key(one.get("reviewId"))
    if identity is None:
        return None
    when = dates.read(one.get("createdTime") or one.get("updatedTime"))
    said = body(dig(one, "businessComment", "text"))
    return Item(
        kind="review",
        external_id=identity,
        text=content,
        author=text.optional(dig(one, "author", "name")),
        author_id=key(dig(one, "author", "publicId")),
        **(rating.read(one.get("rating"), best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        edited_at=edited(dates.iso(one.get("updatedTime")), when.at) if one.get("createdTime") else None,
        language=language_code(one.get("textLanguage")),
        reply=Reply(said, None, dates.iso(dig(one, "businessComment", "updatedTime"))) if said else None,
        subject=key(one.get("businessId")),
        n_likes=count(dig(one, "reactions", "likes")),
        n_replies=count(one.get("commentCount")),
    )
