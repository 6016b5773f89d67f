"""Kinopoisk: reviews of films with their three-way marks, from saved API answers and saved pages."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params, Parsed
from scrapers.item import Item
from scrapers.readers import dates, html, text
from scrapers.readers.identity import content_id
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, body, files_only, key, listed, rich, settled, unread

SCALE = "negative..positive"
_MARKS = (
    (re.compile(r"positive|позитив|положит|\bgood\b", re.I), 5.0, "positive"),
    (re.compile(r"negative|негатив|отрицат|\bbad\b", re.I), 1.0, "negative"),
    (re.compile(r"neutral|нейтрал", re.I), 3.0, "neutral"),
)
_ZONE = "Europe/Moscow"
_CLOCK_FIRST = re.compile(r"^(\d{1,2}:\d{2})\s+(.+)$")


class Kinopoisk(JsonScraper):
    meta = Meta(
        name="kinopoisk",
        title="Kinopoisk",
        access="D",
        terms="There is no public API and pages are guarded: save the page of reviews in the browser, or a JSON answer "
        "of an API you may use, and parse the file.",
        kinds=("review",),
        rating_scale=(1, 3),
        url_examples={"https://www.kinopoisk.ru/film/333/reviews/": {}},
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?kinopoisk\.ru")

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        reviews = data if isinstance(data, list) else None
        for name in ("reviews", "items", "docs"):
            reviews = dig(data, name) if reviews is None else reviews
        if not isinstance(reviews, list):
            return unread("no list of reviews in this answer")
        entries = dicts(reviews)
        film = key(dig(data, "filmID")) or key(dig(data, "kinopoiskId"))
        here, pages = (
            count(dig(data, "page")),
            count(dig(data, "pagesCount") or dig(data, "totalPages") or dig(data, "pages")),
        )
        return listed(
            (item for one in entries if (item := _item(one, film)) is not None),
            found=not reviews,
            next_cursor=str(here + 1) if here is not None and pages is not None and here < pages else None,
        )

    def parse_other(self, page: Page) -> Parsed:
        root = html.tree(page)
        cards = (
            []
            if root is None
            else root.xpath(
                "//*[contains(concat(' ', normalize-space(@class), ' '), ' userReview ')]"
                " | //*[contains(concat(' ', normalize-space(@class), ' '), ' reviewItem ')]"
            )
        )
        outer = [one for one in cards if not any(up in cards for up in one.iterancestors())]
        items = [item for one in outer if (item := _card(one)) is not None]
        return settled(listed(items, found=False, note=None if items else "no reviews on this page"), page)


def _item(one: dict[str, Any], film: str | None) -> Item | None:
    content = rich(one.get("reviewDescription") or one.get("description") or one.get("review") or one.get("text"))
    title = text.optional(one.get("reviewTitle")) or text.optional(one.get("title"))
    author = (
        text.optional(one.get("reviewAutor"))
        or text.optional(one.get("reviewAuthor"))
        or text.optional(one.get("author"))
    )
    raw = one.get("reviewData") or one.get("reviewDate") or one.get("date")
    when = _when(raw)
    identity = key(one.get("reviewID")) or key(one.get("kinopoiskId")) or key(one.get("id"))
    own = (
        "reviewDescription" in one or "kinopoiskId" in one or ("review" in one and ("movieId" in one or "type" in one))
    )
    if not own or (identity is None and not content):
        return None
    stars, name = _mark(one.get("reviewType") or one.get("type"))
    film = key(one.get("movieId")) or film
    return Item(
        kind="review",
        external_id=identity or content_id(film, author, when.at, content),
        title=title,
        text=content,
        url=f"https://www.kinopoisk.ru/film/{film}/reviews/" if film and film.isdigit() else None,
        author=author,
        author_id=key(one.get("authorId")),
        rating=stars,
        rating_raw=name,
        rating_scale=SCALE if name else None,
        **when.fields(),
        subject=film,
        n_likes=count(one.get("positiveRating"))
        if one.get("positiveRating") is not None
        else count(one.get("reviewLikes")),
    )


def _card(card: HtmlElement) -> Item | None:
    own = card.get("id") or html.first(card, ".//*[starts-with(@id, 'div_review_')]/@id") or card.get("data-id") or ""
    content = next((html.text_of(one) for path in _BODIES for one in card.xpath(path)), "")
    if not content:
        return None
    author = html.first(card, ".//*[contains(@class, 'profile_name')]") or html.first(
        card, ".//*[@itemprop='author']//*[@itemprop='name']"
    )
    when = _when(
        html.first(card, ".//*[@itemprop='datePublished']/@content")
        or html.first(card, ".//*[contains(@class, 'date')]")
    )
    kinds = " ".join(
        str(one) for one in card.xpath(".//@class | ./@class") if re.search(r"\b(?:good|bad|neutral)\b", str(one))
    )
    stars, name = _mark(kinds)
    digits = re.search(r"\d{3,}", own)
    return Item(
        kind="review",
        external_id=digits.group() if digits else content_id(author, when.at, content),
        title=html.first(card, ".//*[contains(@class, 'sub_title')]") or html.first(card, ".//*[@itemprop='headline']"),
        text=content,
        author=author,
        rating=stars,
        rating_raw=name,
        rating_scale=SCALE if name else None,
        **when.fields(),
    )


_BODIES = (
    ".//*[@itemprop='reviewBody']",
    ".//*[contains(@class, 'brand_words')]",
    ".//*[contains(@class, 'review-text')]",
)


def _mark(raw: Any) -> tuple[float | None, str | None]:
    if isinstance(raw, str):
        for pattern, stars, name in _MARKS:
            if pattern.search(raw):
                return stars, name
    return None, None


def _when(raw: Any) -> dates.When:
    """Moscow time; the old API writes the clock before the day."""
    if isinstance(raw, str):
        line = body(raw)
        found = _CLOCK_FIRST.match(line)
        turned = f"{found.group(2)} {found.group(1)}" if found else line.replace(" | ", " ")
        when = dates.read(turned, languages=("ru",), zone=_ZONE)
        return dates.When(when.at, when.precision, line[:100])
    return dates.read(raw)
