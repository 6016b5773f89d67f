"""TrustRadius: review cards of saved pages."""

from __future__ import annotations

import re
from typing import Any

from lxml.html import HtmlElement

from scrapers.base import Page
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, text
from scrapers.sites._cards import SavedCards, card_item, date_in, rated, software, text_at, with_class
from scrapers.sites._site import body, joined, key, labelled


class Trustradius(SavedCards):
    meta = software(
        "trustradius", "TrustRadius", scale=(1, 10), example="https://www.trustradius.com/products/acme/reviews"
    )
    host = r"trustradius\.com"
    hosts_marked = ("trustradius.",)
    paths = (
        f"//*[{with_class('serp-result')}][.//*[contains(@class, 'review-title') or contains(@class, 'rating-stars')]]"
    )

    def cards(self, root: HtmlElement, page: Page) -> list[Item]:
        """The cards, else the data that newer pages carry."""
        found = super().cards(root, page)
        for raw in root.xpath("//script[@id='__NEXT_DATA__']/text()") if not found else ():
            data = json_data.loads(str(raw))
            entries = [one for some in json_data.walk(data, "reviews") for one in json_data.dicts(some)]
            found = found or [item for one in entries if (item := _json(one)) is not None]
        return found

    def card(self, card: HtmlElement, page: Page) -> Item | None:
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
        box = text_at(card, ".//*[contains(@class, 'rating-stars-text')]", ".//*[contains(@class, 'rating-box')]")
        spoken = html.first(card, ".//*[contains(@class, 'rating-stars')]/@title") or box.split("|")[0]
        invited = "Invited By: Vendor" in html.text_of(card)
        return card_item(
            identity=slug.group(1) if slug else None,
            title=text.optional((title or "").strip('"“” ')),
            content=joined(*answers) or text_at(card, ".//*[contains(@class, 'ugc')]"),
            author=html.first(card, ".//*[contains(@class, 'serp-username')]//*[contains(@class, 'fn')]")
            or html.first(card, ".//*[contains(@class, 'name')]//a"),
            author_id=person.group(1) if person else None,
            stars=rated(spoken, 10, 1),
            when=date_in(box, page.fetched_at),
            url=html.absolute(link, page.url or "https://www.trustradius.com/"),
            marks=frozenset({"invited"}) if invited else frozenset(),
        )


def _json(one: dict[str, Any]) -> Item | None:
    score = one.get("rating") if one.get("rating") is not None else one.get("score")
    if key(one.get("_id") or one.get("id")) is None or not any(
        name in one for name in ("heading", "synopsis", "reviewer")
    ):
        return None
    person = one.get("reviewer") or one.get("user")
    return card_item(
        identity=key(one.get("slug")) or key(one.get("_id") or one.get("id")),
        title=text.optional(one.get("heading") or one.get("title")),
        content=body(one.get("synopsis") or one.get("text")),
        author=text.optional(json_data.dig(person, "name")) or text.optional(json_data.dig(person, "fullName")),
        stars=rated(score, 10, 1),
        when=dates.read(one.get("publishedDate") or one.get("updatedDate")),
    )
