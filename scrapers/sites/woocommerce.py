"""WooCommerce: reviews of a shop's products over the shop's own open API."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Slice
from scrapers.item import Item
from scrapers.readers import dates, rating, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.sites._site import JsonScraper, Link, address, flags, https, key, listed, rich, unread
from scrapers.sites.wordpress import problem

PER_PAGE = 100


class WoocommerceParams(Params):
    site: str = Field(description="Address of the shop, for example https://shop.example.org")
    product: str | None = Field(None, description="Number of a product; all products without it")


class Woocommerce(JsonScraper):
    meta = Meta(
        name="woocommerce",
        title="WooCommerce shop",
        access="A",
        terms="The store API of a shop is open by default; the rules are the shop's. A shop may switch it off.",
        kinds=("review",),
        rating_scale=(1, 5),
        robots=False,
        url_examples={
            "https://shop.example.org/wp-json/wc/store/v1/products/reviews?product_id=52": {
                "site": "https://shop.example.org",
                "product": "52",
            },
        },
        verified="live: not verified",
        docs="https://github.com/woocommerce/woocommerce/tree/trunk/plugins/woocommerce/src/StoreApi/docs",
        match_order=1,
    )
    params_type: ClassVar[type[Params]] = WoocommerceParams

    def match(self, url: str) -> WoocommerceParams | None:
        link = Link.of(url)
        if link is None or "wp-json" not in link.path or "wc" not in link.path:
            return None
        before = "/".join(link.path[: link.path.index("wp-json")])
        site = f"{link.origin}/{before}".rstrip("/")
        product = link.query.get("product_id")
        return WoocommerceParams(site=site, product=product if product and product.isdigit() else None)

    def request(
        self, params: WoocommerceParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        return Request(
            address(
                f"{params.site.rstrip('/')}/wp-json/wc/store/v1/products/reviews",
                per_page=PER_PAGE,
                page=cursor or 1,
                order="desc",
                orderby="date",
                product_id=params.product,
            )
        )

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict):
            return problem(data) if "code" in data else unread("expected a list of reviews")
        items = [item for one in dicts(data) if (item := _item(one)) is not None]
        return listed(items, found=not data and "/reviews" in page.url, next_cursor=following(page, len(data)))


def following(page: Page, n_here: int, per_page: int = PER_PAGE) -> str | None:
    """The next page by the header with the number of pages, else by a full page."""
    link = Link.of(page.url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    pages = integer(page.headers.get("x-wp-totalpages"))
    if pages is not None:
        return str(here + 1) if here < pages else None
    return str(here + 1) if link and n_here >= per_page else None


def _item(one: dict[str, Any]) -> Item | None:
    identity = key(one.get("id"))
    if identity is None or "review" not in one:
        return None
    when = dates.read(one.get("date_created_gmt"))
    if when.at is None:
        when = dates.read(one.get("date_created"))
    reviewer = one.get("reviewer")
    subject = one.get("product_name")
    return Item(
        kind="review",
        external_id=identity,
        text=rich(one.get("review")),
        url=https(one.get("product_permalink")),
        author=text.optional(html.unescape(reviewer)) if isinstance(reviewer, str) else None,
        **(rating.read(one.get("rating") or None, best=5, worst=1) or rating.NONE).fields(),
        **when.fields(),
        subject=text.optional(html.unescape(subject)) if isinstance(subject, str) else key(one.get("product_id")),
        flags=flags(verified=one.get("verified"), hidden=dig(one, "status") in ("hold", "spam", "trash")),
    )
