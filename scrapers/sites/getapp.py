"""GetApp: review cards of saved pages."""

from __future__ import annotations

import re

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params
from scrapers.item import Item
from scrapers.readers import dates, html
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
from scrapers.sites._site import files_only, joined, key


class Getapp(SavedCards):
    meta = Meta(
        name="getapp",
        title="GetApp",
        access="D",
        terms=TERMS,
        kinds=KINDS,
        rating_scale=(0, 5),
        verified="against recordings",
        url_examples={"https://www.getapp.com/operations/a/acme/reviews/": {}},
    )

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?getapp\.[a-z.]{2,6}")

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return read_cards(root, page)


def read_cards(root: HtmlElement, page: Page) -> list[Item]:
    found = outer(
        root,
        f"//*[{with_class('review-card')}][.//*[@itemprop='reviewBody' or @itemprop='reviewRating']] | "
        f"//*[contains(@data-testid, 'user-review')]",
    )
    return [item for card in found if (item := _card(card, page)) is not None]


def _card(card: HtmlElement, page: Page) -> Item | None:
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
        html.first(card, ".//*[@itemprop='ratingValue']/@content") or html.first(card, ".//*[@itemprop='ratingValue']"),
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
