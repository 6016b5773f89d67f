"""Apple App Store: the public feed of customer reviews, one storefront per country."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from lxml import etree
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, rating, text, walls
from scrapers.readers.numbers import count
from scrapers.readers.xml import parse as parse_xml

_LINK = re.compile(r"^https?://(?:apps|itunes)\.apple\.com/(?:([a-z]{2})/)?app/(?:[^/]+/)?id(\d{5,12})", re.IGNORECASE)
_FEED = re.compile(r"/([a-z]{2})/rss/customerreviews/(?:page=(\d+)/)?id=(\d+)(?:/page=(\d+))?", re.IGNORECASE)
_PAGE = re.compile(r"/page=(\d{1,2})(?:/|$)")
_ATOM = "{http://www.w3.org/2005/Atom}"
_APPLE = "{http://itunes.apple.com/rss}"
LAST_PAGE = 10  # 50 reviews a page, 500 in all; further pages answer with an error


class AppStoreParams(Params):
    app_id: int = Field(gt=0, description="number after `id` in the address of the app")
    countries: tuple[str, ...] = Field(
        default=("us",), min_length=1, description="storefronts, two letters each: ru, us, de"
    )


class AppStore(Scraper):
    """The JSON form of the feed; saved XML pages are read as well."""

    meta = Meta(
        name="app_store",
        title="Apple App Store",
        access="A",
        terms="Public feed, given for display of reviews with a link to the App Store. "
        "Owners get complete data with replies from App Store Connect.",
        hosts=("itunes.apple.com",),
        kinds=("review",),
        rating_scale=(1, 5),
        interval_seconds=3600,
        host_interval_seconds=2.0,
        robots=False,
        url_examples=MappingProxyType(
            {
                "https://apps.apple.com/ru/app/some-name/id1404176564": {"app_id": 1404176564, "countries": ["ru"]},
                "https://apps.apple.com/app/id310633997": {"app_id": 310633997, "countries": ["us"]},
                "https://itunes.apple.com/jp/rss/customerreviews/id=1404176564/json": {
                    "app_id": 1404176564,
                    "countries": ["jp"],
                },
            }
        ),
        verified="against recordings",
        docs="https://rss.marketingtools.apple.com/",
    )
    params_type = AppStoreParams

    def match(self, url: str) -> AppStoreParams | None:
        if found := _LINK.match(url):
            return AppStoreParams(app_id=int(found.group(2)), countries=((found.group(1) or "us").lower(),))
        if "itunes.apple.com" in url and (found := _FEED.search(url)):
            return AppStoreParams(app_id=int(found.group(3)), countries=(found.group(1).lower(),))
        return None

    def slices(self, params: AppStoreParams) -> Sequence[Slice]:
        return tuple(Slice(country, {"country": country}) for country in dict.fromkeys(params.countries))

    def request(
        self, params: AppStoreParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request:
        page = int(cursor or 1)
        country = part.values["country"].lower()
        return Request(
            f"https://itunes.apple.com/{country}/rss/customerreviews/page={page}/id={params.app_id}/sortby=mostrecent/json"
        )

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        feed = json_data.dig(data, "feed")
        if isinstance(feed, dict):
            entries = json_data.dicts(feed.get("entry"))
            items = [item for one in entries if (item := _from_json(one, page)) is not None]
            known = "entry" in feed or "id" in feed or "title" in feed
            last = _last_page(_json_link(feed, "last"))
        else:
            root = parse_xml(page.body)
            if root is None or root.tag != f"{_ATOM}feed":
                return walls.otherwise(page, "this is not a feed of customer reviews")
            items = [item for one in root.iter(f"{_ATOM}entry") if (item := _from_xml(one, page)) is not None]
            known = root.find(f"{_ATOM}id") is not None
            last = next(
                (_last_page(one.get("href")) for one in root.findall(f"{_ATOM}link") if one.get("rel") == "last"), None
            )
        items = list({item.external_id: item for item in items}.values())
        if items:
            return Parsed(Status.OK, tuple(items), next_cursor=_next_page(page.url, last))
        if known:
            # The feed is often empty by mistake of the server, so this is never a proof that reviews are gone.
            return Parsed(Status.EMPTY, note="the feed has no entries (also seen when the server is at fault)")
        return walls.otherwise(page, "a feed without its usual fields")


def _next_page(url: str, last: int | None) -> str | None:
    found = _PAGE.search(url)
    here = int(found.group(1)) if found else 1
    return str(here + 1) if here < min(last or LAST_PAGE, LAST_PAGE) else None


def _last_page(href: str | None) -> int | None:
    found = _PAGE.search(href or "")
    return int(found.group(1)) if found else None


def _json_link(feed: dict[str, Any], rel: str) -> str | None:
    for one in json_data.dicts(feed.get("link")):
        if json_data.dig(one, "attributes", "rel") == rel:
            href = json_data.dig(one, "attributes", "href")
            return href if isinstance(href, str) else None
    return None


def _country(url: str) -> str | None:
    """Storefront of the feed that the page is."""
    found = _FEED.search(url)
    return found.group(1).lower() if found else None


def _from_json(entry: dict[str, Any], page: Page) -> Item | None:
    def label(*path: str) -> Any:
        value = json_data.dig(entry, *path, "label")
        return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None

    stars, key = label("im:rating"), text.optional(label("id"))
    if stars is None or key is None:
        return None  # the first entry of older replies is the app itself
    return Item(
        kind="review",
        external_id=key,
        title=text.optional(label("title")),
        text=text.plain(label("content")),
        url=html.absolute(json_data.dig(entry, "link", "attributes", "href")),
        author=text.optional(label("author", "name")),
        author_id=_author_id(label("author", "uri")),
        n_likes=count(label("im:voteSum")),
        location=_country(page.url),
        **rating.fields(stars, best=5, worst=1),
        **dates.read(label("updated"), page.fetched_at).fields(),
    )


def _from_xml(entry: etree._Element, page: Page) -> Item | None:
    def of(tag: str) -> str | None:
        found: str | None = entry.findtext(tag)
        return found

    stars, key = of(f"{_APPLE}rating"), text.optional(of(f"{_ATOM}id"))
    if stars is None or key is None:
        return None
    bodies = {one.get("type"): one.text for one in entry.findall(f"{_ATOM}content")}
    body = bodies.get("text")
    link = next((one.get("href") for one in entry.findall(f"{_ATOM}link") if one.get("rel") == "related"), None)
    return Item(
        kind="review",
        external_id=key,
        title=text.optional(of(f"{_ATOM}title")),
        text=text.plain(body) if body is not None else text.from_html(bodies.get("html")),
        url=html.absolute(link),
        author=text.optional(of(f"{_ATOM}author/{_ATOM}name")),
        author_id=_author_id(of(f"{_ATOM}author/{_ATOM}uri")),
        n_likes=count(of(f"{_APPLE}voteSum")),
        location=_country(page.url),
        **rating.fields(stars, best=5, worst=1),
        **dates.read(of(f"{_ATOM}updated"), page.fetched_at).fields(),
    )


def _author_id(uri: object) -> str | None:
    found = re.search(r"id(\d+)", uri) if isinstance(uri, str) else None
    return found.group(1) if found else None
