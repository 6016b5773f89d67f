"""iRecommend: reviews of lists and of single pages that a person saved."""

from __future__ import annotations

import re
from datetime import datetime

from lxml.html import HtmlElement

from scrapers.base import Meta, Page
from scrapers.item import Item
from scrapers.readers import dates, html, rating, text
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import count
from scrapers.sites._cards import KINDS, SavedCards, with_class
from scrapers.sites._site import key

_SITE = "https://irecommend.ru/"


class Irecommend(SavedCards):
    meta = Meta(
        name="irecommend",
        title="iRecommend",
        access="D",
        terms="Pages are behind a guard against robots and the terms forbid copying: save the pages you need in "
        "the browser and parse "
        "the files.",
        kinds=KINDS,
        rating_scale=(1, 5),
        url_examples={"https://irecommend.ru/content/krem-primer": {}},
        verified="parse only",
    )

    host = r"irecommend\.ru"
    hosts_marked = ("irecommend.",)
    none_yet = re.compile(r"отзывов пока нет|ещё нет отзывов|еще нет отзывов", re.IGNORECASE)
    paths = (
        f"//*[{with_class('smTeaser')}] | //*[{with_class('reviews-list-item')}] | //*[{with_class('reviewBlock')}] | "
        "//ul[contains(@class, 'list-comments')]/li[.//*[contains(@class, 'reviewT')]]"
    )

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        subject = html.first(root, "//h1[contains(@class, 'largeHeader')]") or html.first(
            root, "//*[contains(@class, 'mainTitle')]"
        )
        found = [one for one in root.xpath(self.paths) if isinstance(one, HtmlElement)]
        inner = [one for one in found if not any(one in other.iterancestors() for other in found)]
        return [item for card in inner if (item := _item(card, page, subject)) is not None]

    def following(self, root: HtmlElement) -> str | None:
        found = re.search(r"[?&]page=(\d{1,4})", html.first(root, "//li[contains(@class, 'pager-next')]/a/@href") or "")
        return found.group(1) if found else None


def _item(card: HtmlElement, page: Page, subject: str | None) -> Item | None:
    whole = next(
        (
            html.text_of(one)
            for name in ("reviewText", "hasinlineimage", "views-field-teaser")
            for one in html.by_class(card, name)
            if html.text_of(one)
        ),
        "",
    )
    whole = whole or next(
        (found for one in card.xpath(".//*[@itemprop='reviewBody']") if (found := html.text_of(one))), ""
    )
    teaser = next(
        (
            html.text_of(one)
            for name in ("reviewTeaserText", "reviewTextSnippet")
            for one in html.by_class(card, name)
            if html.text_of(one)
        ),
        "",
    )
    title = html.first(card, ".//*[contains(@class, 'reviewTitle')]") or html.first(card, ".//h2[@itemprop='name']")
    author = (
        html.first(card, ".//*[contains(@class, 'authorName')]")
        or html.first(card, ".//*[contains(@class, 'reviewer')]")
        or html.first(card, ".//*[@itemprop='author']")
    )
    if not whole and not teaser and not title:
        return None
    link = (
        html.first(card, ".//*[contains(@class, 'reviewTitle')]//a/@href")
        or html.first(card, ".//a[contains(@class, 'reviewTextSnippet')]/@href")
        or html.first(card, ".//a[contains(@class, 'more')]/@href")
    )
    full = html.absolute(link, page.url or _SITE) or (html.absolute(page.url) if whole and not teaser else None)
    when = _when(card, page.fetched_at)
    product = html.first(card, ".//*[contains(@class, 'productName')]") or subject
    content = re.sub(r"\s*(?:\.{3}|…)?\s*Читать (?:весь отзыв|дальше|далее|полностью)\s*$", "…", whole or teaser)
    # The list and the page of a review share its address, so that is the id; the list alone knows a number.
    slug = full.split("/content/", 1)[1].split("?")[0].split("#")[0].strip("/") if full and "/content/" in full else ""
    identity = slug or key(card.get("data-nid")) or key(card.get("data-id"))
    return Item(
        kind="review",
        external_id=identity or content_id(product, author, when.at, title, content),
        title=title,
        text=text.plain(content),
        url=full,
        author=author,
        **_rating(card).fields(),
        **when.fields(),
        language="ru",
        subject=product,
        n_likes=count(html.first(card, ".//*[contains(@class, 'rateLink') or contains(@class, 'votesCount')]") or ""),
        n_replies=count(html.first(card, ".//*[contains(@class, 'comments')]") or ""),
        flags=frozenset({"excerpt"}) if not whole else frozenset(),
    )


def _when(card: HtmlElement, now: datetime | None) -> dates.When:
    for path in (
        ".//*[@itemprop='datePublished']/@content",
        ".//*[contains(@class, 'dtreviewed')]//@title",
        ".//*[contains(@class, 'date-created')]",
        ".//*[contains(@class, 'dtreviewed')]",
        ".//*[contains(@class, 'created')]",
    ):
        raw = html.first(card, path)
        when = dates.read(raw, now, languages=("ru",), zone="Europe/Moscow") if raw else dates.NEVER
        if when.at is not None:
            return when
    return dates.NEVER


def _rating(card: HtmlElement) -> rating.Rating:
    said = html.first(card, ".//*[@itemprop='ratingValue']/@content") or html.first(
        card, ".//*[@itemprop='ratingValue']"
    )
    if said:
        return rating.read(said, best=5, worst=1) or rating.NONE
    # Stars are drawn: each filled one holds an element of the class "on".
    widget = next(
        iter(card.xpath(".//*[contains(@class, 'starsRating') or contains(@class, 'fivestarWidgetStatic')]")), None
    )
    filled = len(html.by_class(widget, "on")) if widget is not None else 0
    return (rating.read(filled, best=5, worst=1) or rating.NONE) if 1 <= filled <= 5 else rating.NONE
