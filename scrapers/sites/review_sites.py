"""Saved pages of any site that compares business software: finds out which one it is."""

from __future__ import annotations

from lxml.html import HtmlElement

from scrapers.base import Meta, Page
from scrapers.item import Item
from scrapers.sites import capterra, getapp, software_advice, trustradius
from scrapers.sites._cards import KINDS, TERMS, SavedCards

_READERS = (
    getapp.read_cards,
    software_advice.read_cards,
    trustradius.read_cards,
    capterra.read_cards,
)  # the most telling marks first


class ReviewSites(SavedCards):
    """Any page of the four: finds out which one it is."""

    meta = Meta(
        name="review_sites", title="Review sites for software", access="D", terms=TERMS, kinds=KINDS,
        aliases=("review_sites_snippets",), verified="against recordings",
    )  # fmt: skip

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        for reader in _READERS:
            items = reader(root, page)
            if items:
                return items
        return []
