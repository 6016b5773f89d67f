"""Saved pages of any site that compares business software: finds out which one it is."""

from __future__ import annotations

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params
from scrapers.item import Item
from scrapers.sites._cards import KINDS, TERMS, SavedCards
from scrapers.sites.capterra import Capterra
from scrapers.sites.getapp import Getapp
from scrapers.sites.software_advice import SoftwareAdvice
from scrapers.sites.trustradius import Trustradius


class ReviewSites(SavedCards):
    """Any page of the four."""

    meta = Meta(
        name="review_sites", title="Review sites for software", access="D", terms=TERMS, kinds=KINDS,
        aliases=("review_sites_snippets",), verified="against recordings",
    )  # fmt: skip
    readers = (Getapp(), SoftwareAdvice(), Trustradius(), Capterra())  # the most telling marks first
    hosts_marked = (*(name for one in readers for name in one.hosts_marked), "gartner.")

    def match(self, url: str) -> Params | None:
        return None

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return next((items for one in self.readers if (items := one.cards(root, page))), [])
