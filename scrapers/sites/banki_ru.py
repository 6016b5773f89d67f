"""Banki.ru: reviews of banks, from saved answers of the site's list and from saved pages."""

from __future__ import annotations

from typing import Any, ClassVar

from scrapers.base import Meta, Page, Params, Parsed
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, json_data, rating, text
from scrapers.readers.json_data import dicts, dig, integer, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, files_only, flags, key, listed, marked, rich, settled, unread

_ZONE = "Europe/Moscow"


class BankiRu(JsonScraper):
    meta = Meta(
        name="banki_ru",
        title="Banki.ru",
        access="D",
        terms="The list answers without a key but stands behind bot checks, and copying the rating is forbidden: "
        "save the answer "
        "or the page in the browser and parse the file. Banks get reviews from their own account.",
        kinds=("review", "article", "comment"),
        rating_scale=(1, 5),
        url_examples={"https://www.banki.ru/services/responses/bank/primer/": {}},
        verified="parse only",
    )
    params_type: ClassVar[type[Params]] = Params

    def match(self, url: str) -> Params | None:
        return files_only(url, r"banki\.ru")

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        entries = data.get("data") if isinstance(data, dict) else data
        if isinstance(entries, dict):
            entries = next(
                (entries[name] for name in ("responses", "list", "items") if isinstance(entries.get(name), list)), None
            )
        if not isinstance(entries, list):
            return unread("no `data` in this answer")
        link = Link.of(page.url)
        here = (integer(link.query.get("page")) or 1) if link else 1
        return listed(
            (item for one in dicts(entries) if (item := _item(one)) is not None),
            found=not entries and isinstance(data, dict) and ("total" in data or "hasMorePages" in data),
            next_cursor=str(here + 1) if dig(data, "hasMorePages") is True else None,
        )

    def parse_other(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return super().parse_other(page)
        items: list[Item] = []
        for raw in root.xpath(
            "//*[@data-module-options]/@data-module-options | //script[@id='__NEXT_DATA__']/text() | "
            "//script[@type='application/json']/text()"
        ):
            value = json_data.loads(str(raw))
            for name in ("responses", "response", "data"):
                for some in walk(value, name):
                    items.extend(item for one in dicts(some) if "grade" in one and (item := _item(one)) is not None)
        if items:
            return settled(listed(items, found=False), page)
        found_marks = marked(page, root, "banki.")
        return settled(
            listed(
                found_marks.items,
                found=False,
                facts=found_marks.facts,
                note=None if found_marks.items else "no reviews of Banki.ru on this page",
            ),
            page,
        )


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    content = rich(one.get("text"))
    if identity is None or not ("grade" in one or "dateCreate" in one):
        return None
    answer = rich(one.get("agentAnswerText"))
    bank = text.optional(rich(dig(one, "company", "name"))) or text.optional(one.get("bankName"))
    grade = one.get("grade")
    return Item(
        kind="review",
        external_id=identity,
        title=text.optional(rich(one.get("title"))),
        text=content,
        url=f"https://www.banki.ru/services/responses/bank/response/{identity}/" if identity.isdigit() else None,
        author=text.optional(one.get("userName")) or text.optional(dig(one, "user", "name")),
        author_id=key(one.get("userId")),
        **(rating.read(grade or None, best=5, worst=1) or rating.NONE).fields(),
        **dates.read(one.get("dateCreate") or one.get("date"), languages=("ru",), zone=_ZONE).fields(),
        language="ru",
        reply=Reply(answer, bank, dates.read(one.get("agentAnswerDate"), languages=("ru",), zone=_ZONE).at)
        if answer
        else None,
        subject=bank,
        n_views=count(one.get("viewsCount")),
        n_replies=count(one.get("commentCount")),
        flags=flags(
            not_counted=one.get("isCountable") is False,
            solved=one.get("resolutionIsApproved") is True,
        ),
    )
