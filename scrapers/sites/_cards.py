"""Cards of saved pages: what the readers of sites share whose pages are only read from files.

SavedCards                 a reader of saved pages: the site's cards first, else what is marked up for search engines
software(name, ...)        the declaration of a site that compares business software
outer(root, xpath)         cards that are not inside another card
card_item(...)             an item of a card; None when nothing is said and no stars are given
rated(raw, best, worst), date_in(text), sections(card, headings), text_at(card, xpaths), with_class(name)
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params, Parsed, Scraper
from scrapers.item import Item, Kind
from scrapers.readers import dates, html, rating, text, walls
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import number
from scrapers.sites._site import files_only, joined, labelled, listed, marked, nothing, settled, unread

TERMS = (
    "The terms forbid reading the pages by program: save them in the browser and parse the files, or use the "
    "vendor portal, which exports reviews of your own product."
)
_DATE = re.compile(
    r"\b(?:[A-Z][a-z]{2,8}\.? \d{1,2}, \d{4}|\d{1,2}/\d{1,2}/\d{4}|\d{4}-\d{2}-\d{2}|[A-Z][a-z]{2,8} \d{4}"
    r"|\d{1,2} [A-Z][a-z]{2,8} \d{4})\b"
)
KINDS: tuple[Kind, ...] = ("review", "article", "comment")  # the last two by what is marked up for search engines


def software(name: str, title: str, *, scale: tuple[float, float], example: str) -> Meta:
    """The declaration of a site that compares business software."""
    return Meta(
        name=name,
        title=title,
        access="D",
        terms=TERMS,
        kinds=KINDS,
        rating_scale=scale,
        verified="against recordings",
        url_examples={example: {}},
    )


class SavedCards(Scraper):
    """A reader of saved pages. A site says where its cards are and what one holds; the rest is the same for all."""

    params_type: ClassVar[type[Params]] = Params
    host: ClassVar[str]  # pattern of the whole host, without www.
    hosts_marked: ClassVar[tuple[str, ...]]  # parts of hosts whose markup for search engines is this site's
    paths: ClassVar[str]  # XPath of the cards
    none_yet: ClassVar[re.Pattern[str] | None] = None  # what a page without reviews says

    def match(self, url: str) -> Params | None:
        return files_only(url, self.host)

    def card(self, card: HtmlElement, page: Page) -> Item | None:
        """What one card says."""
        raise NotImplementedError

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        """What all cards of a page say."""
        return [item for one in outer(root, self.paths) if (item := self.card(one, page)) is not None]

    def following(self, root: HtmlElement) -> str | None:
        """Number of the next page, where the page names it."""
        return None

    def parse(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return walls.otherwise(page, "this is not a page")
        items = self.cards(root, page)
        if items:
            return listed(items, found=False, next_cursor=self.following(root))
        marks = marked(page, root, *self.hosts_marked)
        if marks.items:
            return listed(marks.items, found=False, facts=marks.facts)
        wall = walls.recognise(page)
        if wall is not None:
            return wall
        if self.none_yet is not None and self.none_yet.search(html.text_of(root)[:100_000]):
            return nothing("the page says that there are no reviews yet")
        return settled(unread(f"no review cards of {self.meta.title} on this page"), page)


def outer(root: HtmlElement, xpath: str) -> list[HtmlElement]:
    found = [one for one in root.xpath(xpath) if isinstance(one, HtmlElement)]
    return [one for one in found if not any(up in found for up in one.iterancestors())]


def with_class(name: str) -> str:
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


def text_at(card: HtmlElement, *xpaths: str) -> str:
    for path in xpaths:
        for node in card.xpath(path):
            found = html.text_of(node)
            if found:
                return found
    return ""


def card_item(
    *,
    identity: str | None,
    title: str | None,
    content: str,
    author: str | None,
    author_id: str | None = None,
    stars: rating.Rating,
    when: dates.When,
    url: str | None = None,
    language: str | None = None,
    marks: frozenset[str] = frozenset(),
    subject: str | None = None,
) -> Item | None:
    if not content and not title and stars.value is None:
        return None
    return Item(
        kind="review",
        external_id=identity or content_id(subject, author, when.at, title, content),
        title=title,
        text=content,
        url=url,
        author=author,
        author_id=author_id,
        **stars.fields(),
        **when.fields(),
        language=language,
        subject=subject,
        flags=marks,
    )


def rated(raw: Any, best: Any, worst: Any) -> rating.Rating:
    """Four of five stars are four, also where the page calls "no stars" or half a star the worst mark."""
    found = rating.read(raw, best=best, worst=worst)
    if found is None:
        return rating.NONE
    top, low, amount = (number(one, grouped=False) for one in (best, worst, raw))
    if top == 5 and low is not None and low < 1 and amount is not None and low <= amount <= 5:
        return rating.Rating(max(1.0, amount), found.raw, found.scale)
    return found


def date_in(content: str, now: datetime | None) -> dates.When:
    """The first date on a card of an English site."""
    for found in _DATE.finditer(content):
        when = dates.read(found.group(), now, languages=("en",))
        if when.at is not None:
            return when
    return dates.NEVER


def sections(card: HtmlElement, wanted: tuple[tuple[str, str | None], ...]) -> str:
    """Paragraphs that follow headings such as "Pros", with the heading before them."""
    parts: list[str] = []
    for start, label in wanted:
        for node in card.xpath(
            f".//*[self::h5 or self::h4 or self::h3 or self::strong or self::b or "
            f"self::p][starts-with(normalize-space(), '{start}')]"
        ):
            if len(text.line(html.text_of(node))) > 60:
                continue
            holder = node.getparent() if node.tag in ("strong", "b") else node
            after = (
                next(iter(holder.xpath("following-sibling::*[normalize-space()][1]")), None)
                if holder is not None
                else None
            )
            said = html.text_of(after)
            if said:
                parts.append(labelled(label, said) if label else said)
                break
    return joined(*parts)
