"""Otzovik: reviews of lists and of single pages that a person saved."""

from __future__ import annotations

import re
from datetime import datetime

from lxml.html import HtmlElement

from scrapers.base import Meta, Page
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, rating, text
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import count
from scrapers.sites._cards import KINDS, SavedCards, outer, with_class
from scrapers.sites._site import joined, key, labelled

_NUMBER = re.compile(r"review_(\d+)")
_SITE = "https://otzovik.com/"
# the page of one review
_SINGLE = (
    "//*[contains(@class, 'item-right')][.//*[contains(@class, 'review-body')]] | "
    "//*[contains(@itemtype, 'schema.org/Review')][.//*[contains(@class, 'review-body')]]"
)
_MARK = re.compile(r"(?:общий рейтинг|оценка)\D{0,5}([1-5](?:[.,]\d)?)", re.IGNORECASE)
_LABELS = re.compile(r"^(?:достоинства|недостатки|плюсы|минусы)\s*:?\s*", re.IGNORECASE)


class Otzovik(SavedCards):
    meta = Meta(
        name="otzovik",
        title="Otzovik",
        access="D",
        terms="The site guards its pages with a captcha after a few dozen and its terms forbid copying: save the "
        "pages you need in the "
        "browser and parse the files, or subscribe to the mails about new reviews.",
        kinds=KINDS,
        rating_scale=(1, 5),
        url_examples={"https://otzovik.com/reviews/primer/": {}},
        verified="parse only",
    )

    host = r"otzovik\.com"
    hosts_marked = ("otzovik.",)
    none_yet = re.compile(
        r"отзывов пока нет|пока нет ни одного отзыва|станьте первым, кто оставит отзыв", re.IGNORECASE
    )
    paths = (
        "//*[@itemprop='review'][.//*[contains(@class, 'review')]] | "
        f"//*[{with_class('item')}][.//*[contains(@class, 'review-postdate')]]"
    )

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        subject = html.first(root, "//*[contains(@class, 'product-name')]") or html.first(
            root, "//h1[contains(@class, 'product')]"
        )
        found = outer(root, self.paths) or outer(root, _SINGLE)
        if not found and html.by_class(root, "review-body") and html.by_class(root, "review-postdate"):
            found = [root]
        return [item for card in found if (item := _item(card, page, subject)) is not None]

    def following(self, root: HtmlElement) -> str | None:
        found = re.search(r"/(\d{1,4})/(?:\?|$)", html.first(root, "//a[contains(@class, 'next')]/@href") or "")
        return found.group(1) if found else None


def _item(card: HtmlElement, page: Page, subject: str | None) -> Item | None:
    link = html.first(card, ".//a[contains(@href, 'review_')]/@href") or (
        page.url if _NUMBER.search(page.url) else None
    )
    number = _NUMBER.search(link or "") or _NUMBER.search(html.first(card, "//link[@rel='canonical']/@href") or "")
    identity = key(card.get("data-rid")) or (number.group(1) if number else None)
    pros = _LABELS.sub("", _at(card, "review-plus"))
    cons = _LABELS.sub("", _at(card, "review-minus"))
    content = (
        _at(card, "review-body")
        or _at(card, "review-teaser")
        or next((html.text_of(one) for one in card.xpath(".//*[@itemprop='description']")), "")
    )
    title = html.first(card, ".//*[contains(@class, 'review-title')]") or html.first(card, ".//h1")
    title = text.optional(re.sub(r"^Отзыв:\s*", "", title)) if title else None
    author = (
        html.first(card, ".//*[contains(@class, 'user-login')]")
        or html.first(card, ".//*[@itemprop='author']//*[@itemprop='name']")
        or html.first(card, ".//*[@itemprop='author']")
    )
    if not content and not pros and not cons and not title:
        return None
    when = _when(card, page.fetched_at)
    answer = _at(card, "official-answer") or _at(card, "company-comment")
    teaser = not _at(card, "review-body")
    recommend = text.line(_at(card, "recommend-ratio") or _at(card, "recommend")).lower()
    return Item(
        kind="review",
        external_id=identity or content_id(subject, author, when.at, title, content),
        title=title,
        text=joined(labelled("Достоинства", pros), labelled("Недостатки", cons), content),
        url=html.absolute(link, page.url or _SITE),
        author=author,
        **_rating(card).fields(),
        **when.fields(),
        language="ru",
        reply=Reply(answer) if answer else None,
        subject=subject,
        n_likes=count(
            html.first(card, ".//*[contains(@class, 'review-yes') or contains(@class, 'likes-count')]") or ""
        ),
        n_replies=count(html.first(card, ".//*[contains(@class, 'review-comments')]") or ""),
        flags=frozenset(name for name, here in (("excerpt", teaser), ("recommends", recommend.endswith("да"))) if here),
    )


def _at(card: HtmlElement, name: str) -> str:
    return next((found for one in html.by_class(card, name) if (found := html.text_of(one))), "")


def _when(card: HtmlElement, now: datetime | None) -> dates.When:
    for path in (
        ".//*[@itemprop='datePublished']/@content",
        ".//*[contains(@class, 'review-postdate')]/@content",
        ".//*[contains(@class, 'review-postdate')]//abbr/@title",
        ".//*[contains(@class, 'review-postdate')]//*/@content",
        ".//*[contains(@class, 'review-postdate')]",
    ):
        raw = html.first(card, path)
        when = dates.read(raw, now, languages=("ru",), zone="Europe/Moscow") if raw else dates.NEVER
        if when.at is not None:
            return when
    return dates.NEVER


def _rating(card: HtmlElement) -> rating.Rating:
    for path in (
        ".//*[@itemprop='ratingValue']/@content",
        ".//abbr[contains(@class, 'rating')]/@title",
        ".//*[contains(@class, 'rating-score')]",
        ".//*[@itemprop='ratingValue']",
        ".//*[contains(@class, 'product-rating')]/@title",
    ):
        for raw in card.xpath(path):
            said = text.line(html.text_of(raw)) if isinstance(raw, HtmlElement) else text.line(raw)
            spoken = _MARK.search(said)
            found = rating.read(spoken.group(1) if spoken else said, best=5, worst=1)
            if found is not None and found.value is not None:
                return found
    return rating.NONE
