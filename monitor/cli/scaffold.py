"""A new scraper to start from: a reader that works, a page of its shape, and what that page must give."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from monitor.errors import ConfigError


def write(name: str, url: str, *, folder: Path, samples: Path) -> list[Path]:
    """Write the reader, and its sample where there is a folder of samples. Raises ConfigError; replaces nothing."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"{name!r}: a scraper's name is lower-case letters, digits and underscores")
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    if urlsplit(url).scheme not in {"http", "https"} or not host:
        raise ConfigError(f"--url {url!r}: write a full http(s) link of the site")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; run this at the top of the repository, or give --folder")
    title = name.replace("_", " ").capitalize()
    words = {"name": name, "title": title, "url": url, "host": host, "class_name": _class_name(name)}
    files = {folder / f"{name}.py": _READER.format(**words)}
    if samples.is_dir():
        files[samples / name / "page.html"] = _PAGE.format(**words)
        files[samples / name / "page.expected.json"] = json.dumps(_EXPECTED | {"url": url}, indent=1) + "\n"
    for path in files:
        if path.exists():
            raise ConfigError(f"{path} is there already")
    for path, content in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return list(files)


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


_READER = '''"""{title}: say what is read, and by which address."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from lxml.html import HtmlElement
from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice
from scrapers.item import Item
from scrapers.readers import dates, html, rating, walls
from scrapers.sites._site import Link, key, listed, settled


class {class_name}Params(Params):
    url: str = Field(pattern=r"^https?://[^\\s]+$", description="Address of the page with the reviews")


class {class_name}(Scraper):
    """Reviews as cards, newest first."""

    meta = Meta(
        name="{name}",
        title="{title}",
        access="A",
        terms="Say what the site allows, and what to do instead where it does not.",
        hosts=("{host}",),
        kinds=("review",),
        rating_scale=(1, 5),
        url_examples={{
            "{url}": {{"url": "{url}"}},
        }},
        verified="parse only",
    )
    params_type: ClassVar[type[Params]] = {class_name}Params

    def match(self, url: str) -> {class_name}Params | None:
        link = Link.of(url)
        return {class_name}Params(url=url.strip()) if link is not None and link.on("{host}") else None

    def request(self, params: Any, part: Slice, cursor: str | None, *, since: datetime | None = None) -> Request | None:
        return Request(cursor or params.url)

    def parse(self, page: Page) -> Parsed:
        root = html.tree(page)
        if root is None:
            return walls.otherwise(page, "this is not a page")
        items = [item for card in root.xpath("//*[@data-review]") if (item := _item(card, page)) is not None]
        following = html.absolute(html.first(root, "//a[@rel='next']/@href"), page.url)
        # `found`: the page says by itself that it has no reviews; a page without cards and without it has changed.
        empty = bool(root.xpath("//*[@id='no-reviews']"))
        return settled(listed(items, found=empty, next_cursor=following), page)


def _item(card: HtmlElement, page: Page) -> Item | None:
    identity = key(card.get("data-review"))
    if identity is None:
        return None
    return Item(
        kind="review",
        external_id=identity,
        text=html.text_of(next(iter(html.by_class(card, "text")), None)),
        author=html.first(card, ".//*[@class='author']"),
        **rating.fields(html.first(card, ".//@data-stars"), best=5, worst=1),
        **dates.read(html.first(card, ".//time/@datetime"), page.fetched_at).fields(),
    )
'''

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><title>{title}</title></head>
<body>
<article data-review="17">
  <span class="author">Ann</span> <span data-stars="2"></span> <time datetime="2026-11-19T08:00:00Z">yesterday</time>
  <p class="text">The box arrived open.<br>Twice.</p>
</article>
<article data-review="16">
  <span class="author">Boris</span> <time datetime="2026-11-18">18 November</time>
  <p class="text">As described</p>
</article>
<a rel="next" href="?page=2">Older</a>
</body>
</html>
"""

_EXPECTED = {
    "status": "ok",
    "items": [
        {
            "external_id": "17",
            "author": "Ann",
            "text": "The box arrived open.\nTwice.",
            "rating": 2.0,
            "published_at": "2026-11-19T08:00:00+00:00",
        },
        {"external_id": "16", "author": "Boris", "text": "As described", "rating": None, "published_precision": "day"},
    ],
}
