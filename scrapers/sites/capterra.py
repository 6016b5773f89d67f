"""Capterra: review cards of saved pages."""

from __future__ import annotations

import re

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params
from scrapers.item import Item
from scrapers.readers import html
from scrapers.sites._cards import (
    KINDS,
    TERMS,
    SavedCards,
    card_item,
    date_in,
    outer,
    rated,
    sections,
    text_at,
    with_class,
)
from scrapers.sites._site import files_only, key


class Capterra(SavedCards):
    meta = Meta(
        name="capterra",
        title="Capterra",
        access="D",
        terms=TERMS,
        kinds=KINDS,
        rating_scale=(1, 5),
        verified="against recordings",
        url_examples={"https://www.capterra.com/p/1/Acme/reviews/": {}},
    )

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?capterra\.[a-z.]{2,6}")

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return read_cards(root, page)


def read_cards(root: HtmlElement, page: Page) -> list[Item]:
    found = outer(
        root,
        f"//*[{with_class('cell-review')}] | //*[@data-test-id='review-card' or @data-testid='review-card' or "
        f"@data-modal-role='review-card']",
    )
    return [item for card in found if (item := _card(card, page)) is not None]


def _card(card: HtmlElement, page: Page) -> Item | None:
    title = (
        html.first(card, ".//h3//q")
        or html.first(card, ".//*[contains(@class, 'review-title')]")
        or html.first(card, ".//h3")
    )
    author = html.first(card, f".//*[{with_class('reviewer-details')}]/*[1]") or html.first(
        card, ".//*[contains(@data-testid, 'reviewer')]"
    )
    content = text_at(card, f".//*[{with_class('review-comments')}]")
    content = re.sub(r"^Comments:\s*", "", content)
    if not content:
        content = sections(card, (("Overall", None), ("Pros", "Pros"), ("Cons", "Cons")))
    stars = rated(
        html.first(card, ".//*[@itemprop='ratingValue']")
        or html.first(card, ".//*[@itemprop='ratingValue']/@content")
        or html.first(card, ".//*[contains(@class, 'overall-rating')]")
        or html.first(card, ".//*[contains(@data-testid, 'rating')]"),
        5,
        1,
    )
    identity = key(card.get("data-review-id")) or key(card.get("data-id"))
    return card_item(
        identity=identity,
        title=title,
        content=content,
        author=author,
        stars=stars,
        when=date_in(html.text_of(card), page.fetched_at),
    )
