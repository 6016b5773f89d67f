"""Amazon: review cards of saved product and review pages, of any of its countries."""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar

from lxml.html import HtmlElement

from scrapers.base import Meta, Page, Params, Parsed, Scraper, Status
from scrapers.item import Item
from scrapers.readers import dates, html, rating, text, walls
from scrapers.readers.numbers import count, number
from scrapers.sites._site import Link, files_only, key, listed, nothing, settled

_STAR_CLASS = re.compile(r"\ba-star(?:-(?:small|mini|medium|big))?-([0-5](?:-5)?)\b")
_REVERSED = re.compile(r"(\d(?:[.,]\d)?)\s*つ星のうち\s*(\d(?:[.,]\d)?)|5\s*颗星.*?(\d(?:[.,]\d)?)")
# The date inside "Reviewed in the United States on August 2, 2021" in the languages of the shops.
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日",
        r"\d{1,2}\.?\s+(?:de\s+|di\s+)?[^\W\d_]{3,15}\.?,?\s+(?:de\s+|del\s+)?\d{4}",
        r"[^\W\d_]{3,15}\.?\s+\d{1,2},?\s+\d{4}",
        r"\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{4}-\d{2}-\d{2}",
        r"[٠-٩0-9]{1,2}\s+\w{3,15}\s+[٠-٩0-9]{4}",
    )
)
_PLACE = re.compile(
    r"(?:reviewed in (?:the )?|aus |en |in |au |aux |no |na |nos |w |i |från |uit )([^\d]{2,40}?)\s+(?:on|vom|el"
    r"|le|il|em|op|den|dnia|am)\s",
    re.IGNORECASE,
)
_PLACE_JAPANESE = re.compile(r"日に(.{1,15}?)でレビュー")
_NONE_YET = re.compile(
    r"no customer reviews|there are 0 customer reviews|keine kundenrezensionen|no hay (?:reseñas|opiniones)|aucun "
    r"commentaire client|カスタマーレビューはありません",
    re.IGNORECASE,
)
_LANGUAGE_OF = {
    "de": "de", "fr": "fr", "es": "es", "it": "it", "nl": "nl", "se": "sv", "pl": "pl",
    "co.jp": "ja", "com.tr": "tr", "com.br": "pt", "com.mx": "es",
}  # fmt: skip


class Amazon(Scraper):
    meta = Meta(
        name="amazon",
        title="Amazon",
        access="D",
        terms="The terms forbid automated reading, and all but the first cards are behind a login: save the page "
        "in the browser and "
        "parse the file. Sellers find reviews of their brand in Seller Central.",
        kinds=("review",),
        rating_scale=(1, 5),
        url_examples={"https://www.amazon.de/dp/B000000001": {}},
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def match(self, url: str) -> Params | None:
        return files_only(url, r"(?:[a-z]+\.)?amazon\.[a-z.]{2,6}")

    def parse(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return walls.otherwise(page, "this is not a page")
        base = html.first(root, "//link[@rel='canonical']/@href") or page.url
        language = html.language(root) or _by_domain(base)
        cards = root.xpath("//*[@data-hook='review' or @data-hook='cmps-review' or @data-hook='mob-review']")
        product = html.first(root, "//*[@id='productTitle']") or html.first(root, "//*[@data-hook='product-link']")
        items = [item for card in cards if (item := _item(card, base, language, product, page.fetched_at)) is not None]
        facts = _facts(root)
        if items:
            following = html.first(root, "//li[contains(@class, 'a-last')]/a/@href")
            number_ = re.search(r"pageNumber=(\d{1,4})", following or "")
            return listed(items, found=False, next_cursor=number_.group(1) if number_ else None, facts=facts)
        if root.xpath("//form[@name='signIn']"):
            return Parsed(Status.LOGIN, note="the sign-in page in place of reviews")
        wall = walls.recognise(page)
        if wall is not None:
            return wall
        if _NONE_YET.search(html.text_of(root)[:200_000]):
            return nothing("the page says that there are no reviews", facts=facts)
        if product is not None and root.xpath("//*[@id='reviewsMedley' or @id='averageCustomerReviews' or @id='dp']"):
            return nothing("a product page without review cards", facts=facts)
        return settled(listed([], found=False, note="no review cards of Amazon on this page"), page)


def _item(card: HtmlElement, base: str, language: str | None, product: str | None, now: datetime | None) -> Item | None:
    identity = key(card.get("id")) or key(html.first(card, ".//*[starts-with(@id, 'customer_review')]/@id"))
    identity = re.sub(r"^customer_review(?:_foreign)?-|-review-card$", "", identity) if identity else None
    if not identity:
        return None
    said = html.first(card, ".//*[contains(@data-hook, 'review-date') or contains(@data-hook, 'reviewDate')]") or ""
    when = _when(said, language, now)
    foreign = "cmps" in (html.first(card, ".//*[contains(@data-hook, 'star-rating')]/@data-hook") or "")
    link = html.absolute(html.first(card, ".//a[contains(@href, '/customer-reviews/')]/@href"), base)
    place = _PLACE.search(said) or _PLACE_JAPANESE.search(said)
    profile = re.search(r"account\.([A-Z0-9]+)", html.first(card, ".//a[contains(@href, '/profile/')]/@href") or "")
    helpful = html.first(card, ".//*[@data-hook='helpful-vote-statement']")
    return Item(
        kind="review",
        external_id=identity,
        title=_title(card),
        text=_body(card),
        url=link.split("?")[0].split("/ref=")[0] if link else None,
        author=html.first(card, ".//*[contains(@class, 'a-profile-name')]"),
        author_id=profile.group(1) if profile else None,
        **_rating(card).fields(),
        **when.fields(),
        language=None if foreign else language,
        subject=html.first(card, ".//*[@data-hook='format-strip']") or product,
        location=text.optional(place.group(1)) if place else None,
        n_likes=_votes(helpful),
        flags=frozenset(
            name
            for name, hook in (("verified", "avp-badge"), ("vine", "vine"), ("translated", "cr-translated"))
            if card.xpath(f".//*[contains(@data-hook, '{hook}')]")
            or (name == "vine" and "Vine" in (html.first(card, ".//*[contains(@class, 'a-color-success')]") or ""))
        ),
    )


def _title(card: HtmlElement) -> str | None:
    """The title stands beside the stars inside one link; the stars' words are not part of it."""
    for node in card.xpath(".//*[contains(@data-hook, 'review-title') or contains(@data-hook, 'reviewTitle')]"):
        parts = [
            text.line(html.text_of(one))
            for one in node.xpath(
                ".//span[not(ancestor-or-self::i) and not(contains(@class, 'a-icon-alt')) and "
                "not(contains(@class, 'a-letter-space')) and not(.//span)]"
            )
            if not one.xpath("ancestor-or-self::*[contains(@data-hook, 'star-rating')]")
            and "cr-translated" not in (one.get("class") or "")
        ]
        original = node.xpath(".//*[contains(@class, 'cr-original-review-content')]")
        if original:
            return text.optional(html.text_of(original[0]))
        found = next((one for one in parts if one), None)
        if found:
            return found
        if not node.xpath(".//*[contains(@class, 'a-icon-alt')]"):
            return text.optional(html.text_of(node))
    return None


def _body(card: HtmlElement) -> str:
    for path in (
        ".//*[contains(@class, 'cr-original-review-content')][ancestor::*[contains(@data-hook, 'review-body')]]",
        ".//*[contains(@data-hook, 'review-collapsed')]",
        ".//*[contains(@data-hook, 'reviewRichContentContainer')]",
        ".//*[contains(@data-hook, 'reviewText')]",
        ".//*[contains(@class, 'review-text-content')]",
        ".//*[contains(@data-hook, 'review-body')]",
    ):
        for node in card.xpath(path):
            found = html.text_of(node)
            if found:
                return found
    return ""


def _rating(card: HtmlElement) -> rating.Rating:
    node = next(
        iter(card.xpath(".//*[contains(@data-hook, 'star-rating') or contains(@class, 'review-rating')]")), None
    )
    if node is None:
        return rating.NONE
    said = html.first(node, ".//*[contains(@class, 'a-icon-alt')]") or text.line(html.text_of(node))
    marked = _STAR_CLASS.search(" ".join([node.get("class") or "", *(str(one) for one in node.xpath(".//@class"))]))
    if marked:  # the class says it in every language
        found = rating.read(marked.group(1).replace("-5", ".5"), best=5, worst=1)
        return rating.Rating(found.value, said or found.raw, found.scale) if found else rating.NONE
    turned = _REVERSED.search(said or "")
    if turned:
        found = rating.read(turned.group(2) or turned.group(3), best=5, worst=1)
        return rating.Rating(found.value, said, found.scale) if found else rating.NONE
    return rating.read(said, best=5, worst=1) or rating.NONE


def _when(said: str, language: str | None, now: datetime | None) -> dates.When:
    raw = text.line(said)[:100] or None
    for pattern in _DATES:
        for found in pattern.finditer(said):
            languages = (language,) if language else ()
            when = dates.read(found.group(), now, languages=languages)
            if when.at is None:
                when = dates.read(found.group(), now)
            if when.at is not None:
                return dates.When(when.at, when.precision, raw)
    return dates.When(raw=raw)


def _votes(said: str | None) -> int | None:
    if said is None:
        return None
    return count(said) if re.search(r"\d", said) else 1  # "One person found this helpful", "Eine Person fand ..."


def _by_domain(url: str) -> str | None:
    link = Link.of(url)
    if link is None or "amazon." not in link.host:
        return None
    return _LANGUAGE_OF.get(link.host.split("amazon.", 1)[1], "en")


def _facts(root: HtmlElement) -> dict[str, float]:
    mean = rating.read(
        html.first(root, "//*[@data-hook='average-star-rating']")
        or html.first(root, "//*[@data-hook='rating-out-of-text']")
    )
    total = number(html.first(root, "//*[@data-hook='total-review-count']") or "")
    facts = {"rating_value": mean.value} if mean and mean.value is not None else {}
    if total is not None:
        facts["rating_count"] = total
    return facts
