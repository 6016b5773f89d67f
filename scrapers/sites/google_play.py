"""Google Play: reviews of an app by the store's own page data, and by the owners' API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from scrapers.base import Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, json_data, rating, text, walls
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import Link, address, body, key, listed, nothing, settled, unread

RPC = "UsvDTd"
PAGE = 150
_CALLBACK = re.compile(r"AF_initDataCallback\(\s*\{")
_DATA = re.compile(r"\bdata\s*:\s*(?:function\s*\(\)\s*\{\s*return\s*)?(?=[\[{])")
_ID = re.compile(r"gp:[\w-]{20,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[\w:-]{30,}")


class GooglePlayParams(Params):
    app: str = Field(description="Package name of the app, as in id=... of its address")
    languages: tuple[str, ...] = Field(
        ("ru", "en"), min_length=1, description="Languages of reviews to read, two letters each"
    )
    country: str = Field("ru", description="Country of the store, two letters")


class GooglePlay(Scraper):
    meta = Meta(
        name="google_play",
        title="Google Play",
        access="A",
        terms="The page data are open but undocumented, and the store's terms do not allow automated access; "
        "owners should use the "
        "Play Developer API, whose answers are read too.",
        hosts=("play.google.com",),
        kinds=("review",),
        rating_scale=(1, 5),
        min_interval_seconds=1800,
        host_interval_seconds=4.0,
        url_examples={
            "https://play.google.com/store/apps/details?id=com.example.app&hl=de&gl=DE": {
                "app": "com.example.app",
                "languages": ["de"],
                "country": "de",
            },
            "https://play.google.com/store/apps/details?id=com.example.app": {"app": "com.example.app"},
        },
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = GooglePlayParams

    def match(self, url: str) -> GooglePlayParams | None:
        link = Link.of(url)
        if link is None or link.host != "play.google.com" or not re.fullmatch(r"[\w.]+", link.query.get("id", "")):
            return None
        language, country = language_code(link.query.get("hl")), link.query.get("gl")
        values: dict[str, Any] = {"app": link.query["id"]}
        if language:
            values["languages"] = (language,)
        if country and re.fullmatch(r"[A-Za-z]{2}", country):
            values["country"] = country.lower()
        return GooglePlayParams(**values)

    def slices(self, params: GooglePlayParams) -> tuple[Slice, ...]:
        """The store shows only reviews of one language at a time."""
        return tuple(Slice(code, {"language": code}) for code in dict.fromkeys(params.languages))

    def request(
        self, params: GooglePlayParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        language = part.values.get("language", params.languages[0])
        where = [None, None, [2, 2, [PAGE, None, cursor], None, []], [params.app, 7]]
        call = json.dumps([[[RPC, json.dumps(where, separators=(",", ":")), None, "generic"]]], separators=(",", ":"))
        url = address(
            "https://play.google.com/_/PlayStoreUi/data/batchexecute", rpcids=RPC, hl=language, gl=params.country
        )
        return Request(url, method="POST", form={"f.req": call})

    def parse(self, page: Page) -> Parsed:
        source = html.decode(page)
        link = Link.of(page.url)
        language = language_code(link.query.get("hl")) if link else None
        if html.looks_like_html(page.body) or "AF_initDataCallback" in source[:2_000_000]:
            return settled(_saved(source, language, page.url), page)
        chunks = [inner for inner in _answers(source) if inner is not None]
        if chunks:
            return settled(_batch(chunks, language), page)
        data = json_data.loads(source)
        if isinstance(data, dict):
            return settled(_owners(data), page)
        return walls.otherwise(page, "neither page data of Google Play nor an answer of its API")


def _answers(source: str) -> Iterator[Any]:
    """Values inside a batchexecute answer: after the guard line one array, or many with their lengths before them."""
    text_ = re.sub(r"^\s*\)\]\}'", "", source, count=1).lstrip()
    decoder = json.JSONDecoder()
    position, n_values = 0, 0
    while position < len(text_) and n_values < 200:
        start = text_.find("[", position)
        if start < 0:
            return
        try:
            value, position = decoder.raw_decode(text_, start)
        except (ValueError, RecursionError):
            return
        n_values += 1
        if json_data.depth(value) > json_data.MAX_DEPTH or not isinstance(value, list):
            continue
        for row in value:
            if isinstance(row, list) and len(row) > 2 and row[0] == "wrb.fr":
                yield (row[1], json_data.loads(row[2]) if isinstance(row[2], str) else None)


def _batch(chunks: list[Any], language: str | None, app: str | None = None) -> Parsed:
    mine = [value for name, value in chunks if name == RPC] or [value for _, value in chunks]
    items: list[Item] = []
    token: str | None = None
    empty = False
    for value in mine:
        rows = dig(value, 0)
        found = (
            [item for row in rows if (item := _item(row, language, app)) is not None] if isinstance(rows, list) else []
        )
        items.extend(found)
        token = token or _token(value)
        # No reviews: the answer is `[]`, `[null, ...]` or has an empty list in place of rows.
        empty = empty or value == [] or (isinstance(value, list) and bool(value) and rows in (None, []) and not found)
    named = any(name == RPC for name, _ in chunks)
    if not items and named and empty:
        return nothing("the store gives no reviews for this app, language and sort order")
    if not items and named and all(value is None for value in mine):
        return Parsed(Status.NOT_FOUND, note="the store knows no such app, or refused the call")
    return listed(
        items, found=False, next_cursor=token if items else None, note=None if items else "no reviews in this answer"
    )


def _saved(source: str, language: str | None, url: str) -> Parsed:
    """A saved page of an app: its data blocks hold the reviews that are shown first."""
    root = html.tree(source)
    language = language or html.language(root)
    own = Link.of(
        html.first(root, "//link[@rel='canonical']/@href")
        or html.first(root, "//meta[@property='og:url']/@content")
        or url
    )
    app = own.query.get("id") if own else None
    items: list[Item] = []
    blocks = 0
    for found in _CALLBACK.finditer(source):
        end = source.find("</script>", found.end())
        block = source[found.end() : end if end > 0 else len(source)]
        start = _DATA.search(block)
        if start is None:
            continue
        blocks += 1
        try:
            value, _ = json.JSONDecoder(strict=False).raw_decode(block, start.end())
        except (ValueError, RecursionError):
            continue
        if json_data.depth(value) <= json_data.MAX_DEPTH:
            items.extend(_rows(value, language, app))
    facts = _aggregate(root)
    if not items and blocks:
        return nothing("a page of the store without reviews", facts=facts)
    return listed(items, found=False, facts=facts, note=None if items else "no page data of Google Play")


def _rows(value: Any, language: str | None, app: str | None) -> list[Item]:
    """Review rows wherever the block keeps them: lists are tried in order until one consists of reviews."""
    stack, seen = [value], 0
    while stack and seen < 20_000:
        one = stack.pop()
        seen += 1
        if not isinstance(one, list):
            continue
        found = [item for row in one if (item := _item(row, language, app)) is not None]
        if found:
            return found
        stack.extend(below for below in reversed(one) if isinstance(below, list))
    return []


def _item(row: Any, language: str | None, app: str | None) -> Item | None:
    if not isinstance(row, list) or len(row) < 6:
        return None
    identity, stars = row[0], row[2]
    if not isinstance(identity, str) or not _ID.fullmatch(identity) or not isinstance(row[1], list):
        return None
    if not isinstance(stars, int) or isinstance(stars, bool) or not 0 <= stars <= 5:
        return None
    answer = body(dig(row, 7, 1))
    return Item(
        kind="review",
        external_id=identity,
        text=body(row[4]) if isinstance(row[4], str) else body(dig(row, 4, 1)),
        author=text.optional(dig(row, 1, 0)) or text.optional(dig(row, 9, 1)),
        author_id=key(dig(row, 9, 0)),
        **(rating.read(stars or None, best=5, worst=1) or rating.NONE).fields(),
        **_moment(row[5]).fields(),
        language=language,
        reply=Reply(answer, text.optional(dig(row, 7, 0)), _moment(dig(row, 7, 2)).at) if answer else None,
        subject=app,
        n_likes=count(dig(row, 6)),
    )


def _moment(pair: Any) -> dates.When:
    """[seconds, nanoseconds]"""
    seconds, nanos = dig(pair, 0), dig(pair, 1)
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return dates.NEVER
    when = dates.read(seconds)
    if when.at is not None and isinstance(nanos, int) and not isinstance(nanos, bool) and 0 <= nanos < 1_000_000_000:
        when = dates.When(when.at.replace(microsecond=nanos // 1000), when.precision, when.raw)
    return when


def _token(value: Any) -> str | None:
    """The continuation token: the last string of the last lists of the answer."""
    tail = value[1:] if isinstance(value, list) else []
    for one in reversed(tail):
        found = dig(one, -1) if isinstance(one, list) else None
        if isinstance(found, str) and len(found) > 20:
            return found
    return None


def _aggregate(root: Any) -> dict[str, float]:
    if root is None:
        return {}
    for raw in root.xpath("//script[@type='application/ld+json']/text()"):
        data = json_data.loads(str(raw))
        value, total = dig(data, "aggregateRating", "ratingValue"), dig(data, "aggregateRating", "ratingCount")
        found: dict[str, float] = {}
        for name, one in (("rating_value", value), ("rating_count", total)):
            try:
                found[name] = float(one)
            except (TypeError, ValueError, OverflowError):
                continue
        if found:
            return found
    return {}


def _owners(data: dict[str, Any]) -> Parsed:
    """Answers of the Play Developer API (reviews.list, reviews.get)."""
    if isinstance(data.get("error"), dict):
        code, said = data["error"].get("code"), text.line(data["error"].get("message"))
        status = {401: Status.LOGIN, 403: Status.LOGIN, 404: Status.NOT_FOUND, 429: Status.BLOCKED}.get(
            code if isinstance(code, int) else 0
        )
        return Parsed(status, note=said or "refused") if status else unread(said or "refused")
    entries = data.get("reviews") if isinstance(data.get("reviews"), list) else [data] if "reviewId" in data else None
    if entries is None:
        return unread("no `reviews` in this answer")
    items: list[Item] = []
    for one in dicts(entries):
        identity = key(one.get("reviewId"))
        user = next(
            (raw["userComment"] for raw in dicts(one.get("comments")) if isinstance(raw.get("userComment"), dict)), None
        )
        maker = next(
            (
                raw["developerComment"]
                for raw in dicts(one.get("comments"))
                if isinstance(raw.get("developerComment"), dict)
            ),
            None,
        )
        if identity is None or user is None:
            continue
        # Title and text come as one, with a tab between.
        written = user.get("originalText") or user.get("text")
        title, tab, rest = written.partition("\t") if isinstance(written, str) else ("", "", "")
        title, rest = (text.line(title), rest) if tab else ("", title)
        answer = body(dig(maker, "text"))
        items.append(
            Item(
                kind="review",
                external_id=identity,
                title=title or None,
                text=body(rest),
                author=text.optional(one.get("authorName")),
                **(rating.read(user.get("starRating"), best=5, worst=1) or rating.NONE).fields(),
                **dates.read(dig(user, "lastModified", "seconds")).fields(),
                language=language_code(user.get("reviewerLanguage")),
                reply=Reply(answer, None, dates.iso(dig(maker, "lastModified", "seconds"))) if answer else None,
                n_likes=count(user.get("thumbsUpCount")),
            )
        )
    return listed(items, found=not entries, next_cursor=key(dig(data, "tokenPagination", "nextPageToken")))
