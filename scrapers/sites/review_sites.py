"""Sites that compare business software: Capterra, GetApp, Software Advice, TrustRadius; cards of saved pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params, Parsed, Scraper
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, rating, text, walls
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import number
from scrapers.sites._site import body, files_only, joined, key, labelled, listed, marked, settled, unread

_TERMS = (
    "The terms forbid reading the pages by program: save them in the browser and parse the files, or use the "
    "vendor portal, "
    "which exports reviews of your own product."
)
_DATE = re.compile(
    r"\b(?:[A-Z][a-z]{2,8}\.? \d{1,2}, \d{4}|\d{1,2}/\d{1,2}/\d{4}|\d{4}-\d{2}-\d{2}|[A-Z][a-z]{2,8} \d{4}"
    r"|\d{1,2} [A-Z][a-z]{2,8} \d{4})\b"
)
_HOSTS = ("capterra.", "getapp.", "softwareadvice.", "trustradius.", "gartner.")
_KINDS = ("review", "article", "comment")  # the last two by what the page marks up for search engines
Reader = Callable[[HtmlElement, Page], list[Item]]


class _Saved(Scraper):
    """A reader of saved pages: the site's own cards, else what the page marks up for search engines."""

    params_type: ClassVar[type[Params]] = Params

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        raise NotImplementedError

    def parse(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return walls.otherwise(page, "this is not a page")
        items = self.cards(root, page)
        if items:
            return listed(items, found=False)
        marks = marked(page, root, *_HOSTS)
        if marks.items:
            return listed(marks.items, found=False, facts=marks.facts)
        return settled(unread(f"no review cards of {self.meta.title} on this page"), page)


class Capterra(_Saved):
    meta = Meta(
        name="capterra",
        title="Capterra",
        access="D",
        terms=_TERMS,
        kinds=_KINDS,
        rating_scale=(1, 5),
        verified="against recordings",
        url_examples={"https://www.capterra.com/p/1/Acme/reviews/": {}},
    )

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?capterra\.[a-z.]{2,6}")

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return _capterra(root, page)


class Getapp(_Saved):
    meta = Meta(
        name="getapp",
        title="GetApp",
        access="D",
        terms=_TERMS,
        kinds=_KINDS,
        rating_scale=(0, 5),
        verified="against recordings",
        url_examples={"https://www.getapp.com/operations/a/acme/reviews/": {}},
    )

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?getapp\.[a-z.]{2,6}")

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return _getapp(root, page)


class SoftwareAdvice(_Saved):
    meta = Meta(
        name="software_advice",
        title="Software Advice",
        access="D",
        terms=_TERMS,
        kinds=_KINDS,
        rating_scale=(0.5, 5),
        verified="against recordings",
        url_examples={"https://www.softwareadvice.com/crm/acme-profile/reviews/": {}},
    )

    def match(self, url: str) -> Params | None:
        return files_only(url, r"softwareadvice\.[a-z.]{2,6}")

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return _software_advice(root, page)


class Trustradius(_Saved):
    meta = Meta(
        name="trustradius",
        title="TrustRadius",
        access="D",
        terms=_TERMS,
        kinds=_KINDS,
        rating_scale=(1, 10),
        verified="against recordings",
        url_examples={"https://www.trustradius.com/products/acme/reviews": {}},
    )

    def match(self, url: str) -> Params | None:
        return files_only(url, r"trustradius\.com")

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        return _trustradius(root, page)


class ReviewSites(_Saved):
    """Any page of the four: finds out which one it is."""

    meta = Meta(
        name="review_sites", title="Review sites for software", access="D", terms=_TERMS, kinds=_KINDS,
        aliases=("review_sites_snippets",), verified="against recordings",
    )  # fmt: skip

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        for reader in _READERS:
            items = reader(root, page)
            if items:
                return items
        return []


def _outer(root: HtmlElement, xpath: str) -> list[HtmlElement]:
    found = [one for one in root.xpath(xpath) if isinstance(one, HtmlElement)]
    return [one for one in found if not any(up in found for up in one.iterancestors())]


def _class(name: str) -> str:
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


def _text_at(card: HtmlElement, *xpaths: str) -> str:
    for path in xpaths:
        for node in card.xpath(path):
            found = html.text_of(node)
            if found:
                return found
    return ""


def _item(
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


# --- Capterra --------------------------------------------------------------------------------------------------------


def _capterra(root: HtmlElement, page: Page) -> list[Item]:
    cards = _outer(
        root,
        f"//*[{_class('cell-review')}] | //*[@data-test-id='review-card' or @data-testid='review-card' or "
        f"@data-modal-role='review-card']",
    )
    return [item for card in cards if (item := _capterra_card(card, page)) is not None]


def _capterra_card(card: HtmlElement, page: Page) -> Item | None:
    title = (
        html.first(card, ".//h3//q")
        or html.first(card, ".//*[contains(@class, 'review-title')]")
        or html.first(card, ".//h3")
    )
    author = html.first(card, f".//*[{_class('reviewer-details')}]/*[1]") or html.first(
        card, ".//*[contains(@data-testid, 'reviewer')]"
    )
    content = _text_at(card, f".//*[{_class('review-comments')}]")
    content = re.sub(r"^Comments:\s*", "", content)
    if not content:
        content = _sections(card, (("Overall", None), ("Pros", "Pros"), ("Cons", "Cons")))
    stars = _stars(
        html.first(card, ".//*[@itemprop='ratingValue']")
        or html.first(card, ".//*[@itemprop='ratingValue']/@content")
        or html.first(card, ".//*[contains(@class, 'overall-rating')]")
        or html.first(card, ".//*[contains(@data-testid, 'rating')]"),
        5,
        1,
    )
    identity = key(card.get("data-review-id")) or key(card.get("data-id"))
    return _item(
        identity=identity,
        title=title,
        content=content,
        author=author,
        stars=stars,
        when=_date(html.text_of(card), page.fetched_at),
    )


# --- GetApp ----------------------------------------------------------------------------------------------------------


def _getapp(root: HtmlElement, page: Page) -> list[Item]:
    cards = _outer(
        root,
        f"//*[{_class('review-card')}][.//*[@itemprop='reviewBody' or @itemprop='reviewRating']] | "
        f"//*[contains(@data-testid, 'user-review')]",
    )
    return [item for card in cards if (item := _getapp_card(card, page)) is not None]


def _getapp_card(card: HtmlElement, page: Page) -> Item | None:
    numbered = re.search(
        r"GetApp___(\d+)",
        html.first(card, ".//@data-rid") or html.first(card, ".//*[contains(@id, 'GetApp___')]/@id") or "",
    )
    identity = numbered.group(1) if numbered else None
    anchor = card.xpath("following-sibling::*[1][contains(@class, 'detail-anchor')]/@id")
    identity = identity or (key(str(anchor[0]).lstrip("r")) if anchor else None)
    profile = re.search(r"/profile/(\w+)", html.first(card, ".//a[contains(@href, '/profile/')]/@href") or "")
    content = joined(
        _text_at(card, ".//*[@itemprop='reviewBody']"),
        _sections(card, (("Pros", "Pros"), ("Cons", "Cons"), ("Recommendations to others", "Recommendations"))),
    )
    when = dates.read(html.first(card, ".//*[@itemprop='datePublished']/@content"))
    if when.at is None:
        when = _date(html.text_of(card), page.fetched_at)
    stars = _stars(
        html.first(card, ".//*[@itemprop='ratingValue']/@content") or html.first(card, ".//*[@itemprop='ratingValue']"),
        html.first(card, ".//*[@itemprop='bestRating']/@content") or 5,
        html.first(card, ".//*[@itemprop='worstRating']/@content") or 0,
    )
    verified = "Verified Reviewer" in html.text_of(card)
    return _item(
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


# --- Software Advice -------------------------------------------------------------------------------------------------


def _software_advice(root: HtmlElement, page: Page) -> list[Item]:
    cards = _outer(root, f"//*[{_class('review')}][.//*[{_class('reviewBody')} or {_class('reviewAuthor')}]]")
    return [item for card in cards if (item := _software_advice_card(card, page)) is not None]


def _software_advice_card(card: HtmlElement, page: Page) -> Item | None:
    when = dates.read(html.first(card, f".//*[{_class('datePublished')}]/@content"))
    if when.at is None:
        when = _date(_text_at(card, f".//*[{_class('datePublished')}]"), page.fetched_at)
    stars = _stars(
        html.first(card, ".//meta[@name='ratingValue' or @itemprop='ratingValue']/@content"),
        html.first(card, ".//meta[@name='bestRating' or @itemprop='bestRating']/@content") or 5,
        html.first(card, ".//meta[@name='worstRating' or @itemprop='worstRating']/@content") or 1,
    )
    content = joined(
        _text_at(card, f".//*[{_class('reviewBody')}]"),
        _sections(card, (("Pros", "Pros"), ("Cons", "Cons"), ("Advice to Others", "Advice"))),
    )
    return _item(
        identity=key(card.get("id")) or key(card.get("data-review-id")),
        title=html.first(card, f".//*[{_class('reviewName')}]"),
        content=content,
        author=html.first(card, f".//*[{_class('reviewAuthor')}]"),
        stars=stars,
        when=when,
    )


# --- TrustRadius -----------------------------------------------------------------------------------------------------


def _trustradius(root: HtmlElement, page: Page) -> list[Item]:
    cards = _outer(
        root,
        f"//*[{_class('serp-result')}][.//*[contains(@class, 'review-title') or contains(@class, 'rating-stars')]]",
    )
    if cards:
        return [item for card in cards if (item := _trustradius_card(card, page)) is not None]
    for raw in root.xpath("//script[@id='__NEXT_DATA__']/text()"):
        data = json_data.loads(str(raw))
        entries = [one for some in json_data.walk(data, "reviews") for one in json_data.dicts(some)]
        items = [item for one in entries if (item := _trustradius_json(one)) is not None]
        if items:
            return items
    return []


def _trustradius_card(card: HtmlElement, page: Page) -> Item | None:
    link = html.first(card, ".//*[contains(@class, 'review-title')]//a/@href") or html.first(
        card, ".//a[starts-with(@href, '/reviews/')]/@href"
    )
    slug = re.search(r"/reviews/([\w-]+)", link or "")
    person = re.search(r"/users/(\w+)", html.first(card, ".//a[contains(@href, '/users/')]/@href") or "")
    answers: list[str] = []
    for question in card.xpath(".//*[contains(@class, 'question-display-box')]"):
        asked = html.first(question, ".//h4//a") or html.first(question, ".//h4") or ""
        said = html.first(question, ".//*[contains(@class, 'ugc') and contains(@class, 'followup')]")
        said = said or "\n".join(
            one_
            for node in question.xpath(
                ".//*[contains(@class, 'question-text') or contains(@class, 'question-bullets') or "
                "contains(@class, 'question-slider')]"
            )
            if (one_ := html.text_of(node))
        )
        if said:
            answers.append(labelled(asked, said) if re.search(r"(?:Pros|Cons)$", asked) else said)
    title = html.first(card, ".//*[contains(@class, 'summary')]") or html.first(
        card, ".//*[contains(@class, 'review-title')]"
    )
    box = _text_at(card, ".//*[contains(@class, 'rating-stars-text')]", ".//*[contains(@class, 'rating-box')]")
    spoken = html.first(card, ".//*[contains(@class, 'rating-stars')]/@title") or box.split("|")[0]
    invited = "Invited By: Vendor" in html.text_of(card)
    return _item(
        identity=slug.group(1) if slug else None,
        title=text.optional((title or "").strip('"“” ')),
        content=joined(*answers) or _text_at(card, ".//*[contains(@class, 'ugc')]"),
        author=html.first(card, ".//*[contains(@class, 'serp-username')]//*[contains(@class, 'fn')]")
        or html.first(card, ".//*[contains(@class, 'name')]//a"),
        author_id=person.group(1) if person else None,
        stars=_stars(spoken, 10, 1),
        when=_date(box, page.fetched_at),
        url=html.absolute(link, page.url or "https://www.trustradius.com/"),
        marks=frozenset({"invited"}) if invited else frozenset(),
    )


def _trustradius_json(one: dict[str, Any]) -> Item | None:
    score = one.get("rating") if one.get("rating") is not None else one.get("score")
    if key(one.get("_id") or one.get("id")) is None or not any(
        name in one for name in ("heading", "synopsis", "reviewer")
    ):
        return None
    person = one.get("reviewer") or one.get("user")
    return _item(
        identity=key(one.get("slug")) or key(one.get("_id") or one.get("id")),
        title=text.optional(one.get("heading") or one.get("title")),
        content=body(one.get("synopsis") or one.get("text")),
        author=text.optional(json_data.dig(person, "name")) or text.optional(json_data.dig(person, "fullName")),
        stars=_stars(score, 10, 1),
        when=dates.read(one.get("publishedDate") or one.get("updatedDate")),
    )


# --- shared ----------------------------------------------------------------------------------------------------------


def _stars(raw: Any, best: Any, worst: Any) -> rating.Rating:
    """Four of five stars are four, also where the page calls "no stars" or half a star the worst mark."""
    found = rating.read(raw, best=best, worst=worst)
    if found is None:
        return rating.NONE
    top, low, amount = (number(one, grouped=False) for one in (best, worst, raw))
    if top == 5 and low is not None and low < 1 and amount is not None and low <= amount <= 5:
        return rating.Rating(max(1.0, amount), found.raw, found.scale)
    return found


def _date(content: str, now: datetime | None) -> dates.When:
    """The first date on a card of an English site."""
    for found in _DATE.finditer(content):
        when = dates.read(found.group(), now, languages=("en",))
        if when.at is not None:
            return when
    return dates.NEVER


def _sections(card: HtmlElement, wanted: tuple[tuple[str, str | None], ...]) -> str:
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


_READERS: tuple[Reader, ...] = (_getapp, _software_advice, _trustradius, _capterra)
