"""Capterra: review cards of saved pages."""

from __future__ import annotations

import re

from lxml.html import HtmlElement

from scrapers.base import Page
from scrapers.item import Item
from scrapers.readers import html
from scrapers.sites._cards import (
    SavedCards,
    card_item,
    date_in,
    rated,
    sections,
    software,
    text_at,
    with_class,
)
from scrapers.sites._site import key


class Capterra(SavedCards):
    meta = software("capterra", "Capterra", scale=(1, 5), example="https://www.capterra.com/p/1/Acme/reviews/")
    host = r"(?:[a-z]+\.)?capterra\.[a-z.]{2,6}"
    hosts_marked = ("capterra.",)
    paths = (
        f"//*[{with_class('cell-review')}] | //*[@data-test-id='review-card' or @data-testid='review-card' or "
        "@data-modal-role='review-card']"
    )

    def card(self, card: HtmlElement, page: Page) -> Item | None:
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
