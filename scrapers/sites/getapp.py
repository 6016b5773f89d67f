"""GetApp: review cards of saved pages."""

from __future__ import annotations

import re

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


class Getapp(SavedCards):
    meta = software("getapp", "GetApp", scale=(0, 5), example="https://www.getapp.com/operations/a/acme/reviews/")
    host = r"(?:[a-z]+\.)?getapp\.[a-z.]{2,6}"
    hosts_marked = ("getapp.",)
    paths = (
        f"//*[{with_class('review-card')}][.//*[@itemprop='reviewBody' or @itemprop='reviewRating']] | "
        "//*[contains(@data-testid, 'user-review')]"
    )

    def card(self, card: HtmlElement, page: Page) -> Item | None:
        numbered = re.search(
            r"GetApp___(\d+)",
            html.first(card, ".//@data-rid") or html.first(card, ".//*[contains(@id, 'GetApp___')]/@id") or "",
        )
        identity = numbered.group(1) if numbered else None
        anchor = card.xpath("following-sibling::*[1][contains(@class, 'detail-anchor')]/@id")
        identity = identity or (key(str(anchor[0]).lstrip("r")) if anchor else None)
        profile = re.search(r"/profile/(\w+)", html.first(card, ".//a[contains(@href, '/profile/')]/@href") or "")
        content = joined(
            text_at(card, ".//*[@itemprop='reviewBody']"),
            sections(card, (("Pros", "Pros"), ("Cons", "Cons"), ("Recommendations to others", "Recommendations"))),
        )
        when = dates.read(html.first(card, ".//*[@itemprop='datePublished']/@content"))
        if when.at is None:
            when = date_in(html.text_of(card), page.fetched_at)
        stars = rated(
            html.first(card, ".//*[@itemprop='ratingValue']/@content")
            or html.first(card, ".//*[@itemprop='ratingValue']"),
            html.first(card, ".//*[@itemprop='bestRating']/@content") or 5,
            html.first(card, ".//*[@itemprop='worstRating']/@content") or 0,
        )
        verified = "Verified Reviewer" in html.text_of(card)
        return card_item(
            identity=identity,
            title=html.first(card, ".//h4")
            or html.first(card, ".//*[@itemprop='name'][not(ancestor::*[@itemprop='author'])]"),
            content=content,
            author=html.first(card, ".//*[@itemprop='author']//*[@itemprop='name']")
            or html.first(card, ".//*[@itemprop='author']"),
            author_id=profile.group(1) if profile else None,
            stars=stars,
            when=when,
            marks=frozenset({"verified"}) if verified else frozenset(),
        )
