"""Software Advice: review cards of saved pages."""

from __future__ import annotations

from lxml.html import HtmlElement

from scrapers.base import Page
from scrapers.item import Item
from scrapers.readers import dates, html
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
from scrapers.sites._site import joined, key


class SoftwareAdvice(SavedCards):
    meta = software(
        "software_advice",
        "Software Advice",
        scale=(0.5, 5),
        example="https://www.softwareadvice.com/crm/acme-profile/reviews/",
    )
    host = r"softwareadvice\.[a-z.]{2,6}"
    hosts_marked = ("softwareadvice.",)
    paths = f"//*[{with_class('review')}][.//*[{with_class('reviewBody')} or {with_class('reviewAuthor')}]]"

    def card(self, card: HtmlElement, page: Page) -> Item | None:
        when = dates.read(html.first(card, f".//*[{with_class('datePublished')}]/@content"))
        if when.at is None:
            when = date_in(text_at(card, f".//*[{with_class('datePublished')}]"), page.fetched_at)
        stars = rated(
            html.first(card, ".//meta[@name='ratingValue' or @itemprop='ratingValue']/@content"),
            html.first(card, ".//meta[@name='bestRating' or @itemprop='bestRating']/@content") or 5,
            html.first(card, ".//meta[@name='worstRating' or @itemprop='worstRating']/@content") or 1,
        )
        content = joined(
            text_at(card, f".//*[{with_class('reviewBody')}]"),
            sections(card, (("Pros", "Pros"), ("Cons", "Cons"), ("Advice to Others", "Advice"))),
        )
        return card_item(
            identity=key(card.get("id")) or key(card.get("data-review-id")),
            title=html.first(card, f".//*[{with_class('reviewName')}]"),
            content=content,
            author=html.first(card, f".//*[{with_class('reviewAuthor')}]"),
            stars=stars,
            when=when,
        )
