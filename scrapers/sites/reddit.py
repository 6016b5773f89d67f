"""Reddit: posts and comments, by the open feeds or with an application of your own."""

from __future__ import annotations

import base64
import html
import re
from datetime import datetime
from typing import Any, ClassVar

from lxml import etree
from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams, LoginNeeded
from scrapers.item import Item
from scrapers.readers import dates, json_data, text, walls
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.readers.xml import parse as parse_xml
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    edited,
    flags,
    https,
    key,
    listed,
    rich,
    secret,
    settled,
    unread,
)

_ATOM = "{http://www.w3.org/2005/Atom}"
_REMOVED = ("[removed]", "[deleted]", "[ removed by reddit ]", "[удалено]")
_FULLNAME = re.compile(r"t[13]_[a-z0-9]+")
_THREAD = re.compile(r"/comments/([a-z0-9]+)", re.IGNORECASE)
_OWN_TEXT = re.compile(r"<!-- SC_OFF -->(.*?)<!-- SC_ON -->", re.DOTALL)
_BYLINE = re.compile(r"(?:&#32;|\s)*submitted by.*", re.DOTALL)


class RedditParams(Params):
    subreddit: str | None = Field(None, description="Name of a subreddit without r/")
    query: str | None = Field(None, description="Words to search; within the subreddit when both are given")
    thread: str | None = Field(None, description="Id of a post of the subreddit: its comments are read")


class RedditOauthParams(RedditParams):
    client_id: str | None = Field(None, description="Id of your registered application")
    client_secret: SecretStr | None = Field(None, description="Secret of that application")
    access_token: SecretStr | None = Field(
        None, description="OAuth token; made from `client_id` and `client_secret` when they are given"
    )


class Reddit(JsonScraper):
    """The open feeds. Saved answers of the API are read as well."""

    meta = Meta(
        name="reddit",
        title="Reddit (feeds)",
        access="A",
        terms="Feeds are open at about one request a minute, 25 entries each, without votes; for more register an "
        "application and "
        "use `reddit_oauth`. What is deleted there must be deleted here.",
        hosts=("www.reddit.com",),
        kinds=("post", "comment"),
        interval_seconds=3600,
        min_interval_seconds=900,
        host_interval_seconds=61.0,
        robots=False,
        url_examples={
            "https://www.reddit.com/r/gravelcycling/": {"subreddit": "gravelcycling"},
            "https://old.reddit.com/r/gravelcycling/comments/1qcwxml/new_bike_day/": {
                "subreddit": "gravelcycling",
                "thread": "1qcwxml",
            },
            "https://www.reddit.com/r/vpn/search/?q=slow&restrict_sr=1": {"subreddit": "vpn", "query": "slow"},
            "https://www.reddit.com/search/?q=acme": {"query": "acme"},
        },
        verified="against recordings",
        docs="https://www.reddit.com/wiki/rss/",
    )
    params_type: ClassVar[type[Params]] = RedditParams

    def match(self, url: str) -> RedditParams | None:
        link = Link.of(url)
        if link is None or not link.on("reddit.com"):
            return None
        sub, thread, query = link.after("r"), link.after("comments"), link.query.get("q")
        if sub or query:
            return RedditParams(subreddit=sub, thread=thread, query=query)
        return None

    def request(self, params: Any, part: Slice, cursor: str | None, *, since: datetime | None = None) -> Request | None:
        path, words = _path(params, "reddit")
        if params.thread:
            return Request(address(f"https://www.reddit.com{path}/.rss", sort="new"))
        ending = "search.rss" if params.query else "new/.rss"
        return Request(address(f"https://www.reddit.com{path}/{ending}", limit=100, after=cursor, **words))

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and "kind" not in data and ("error" in data or "reason" in data):
            return _problem(data)
        things = [one for one in (data if isinstance(data, list) else [data]) if isinstance(one, dict)]
        listings = [
            one for one in things if one.get("kind") == "Listing" or isinstance(dig(one, "data", "children"), list)
        ]
        single = [one for one in things if one.get("kind") in ("t1", "t3") and isinstance(one.get("data"), dict)]
        if not listings and not single:
            more = dig(data, "json", "data", "things")
            if not isinstance(more, list):
                return unread("no Reddit listing in this answer")
            single = dicts(more)
        items: list[Item] = []
        gone: list[str] = []
        stack = [
            child for one in reversed(listings) for child in reversed(dicts(dig(one, "data", "children")))
        ] + single[::-1]
        n_children = len(stack)
        while stack:
            thing = stack.pop()
            inner = thing.get("data")
            if thing.get("kind") not in ("t1", "t3") or not isinstance(inner, dict):
                continue
            _read(inner, thing["kind"], items, gone)
            stack.extend(reversed(dicts(dig(inner, "replies", "data", "children"))))
        after = next((found for one in listings if (found := key(dig(one, "data", "after")))), None)
        return listed(items, found=bool(listings) and not n_children, gone=gone, next_cursor=after)

    def parse_other(self, page: Page) -> Parsed:
        root = parse_xml(page.body)
        if root is None or root.tag != f"{_ATOM}feed":
            return walls.otherwise(page, "neither a listing nor a feed of Reddit")
        return settled(_feed(root), page)


class RedditOauth(Reddit):
    """The same with an application of your own: votes, edits, whole threads."""

    meta = Meta(
        name="reddit_oauth",
        title="Reddit (API)",
        access="B",
        terms="A registered application may ask 100 times a minute; new applications may need approval, and "
        "commercial use a contract. "
        "What is deleted there must be deleted here.",
        hosts=("oauth.reddit.com", "www.reddit.com"),
        kinds=("post", "comment"),
        host_interval_seconds=1.0,
        credentials=(
            Credential(
                "client_secret", "Secret of a script application, with its id", "https://www.reddit.com/prefs/apps"
            ),
        ),
        robots=False,
        verified="against recordings",
        docs="https://www.reddit.com/dev/api/",
    )
    params_type: ClassVar[type[Params]] = RedditOauthParams

    def match(self, url: str) -> None:
        """Links go to the reader of feeds, which needs no application."""
        return

    def request(self, params: Any, part: Slice, cursor: str | None, *, since: datetime | None = None) -> Request | None:
        path, words = _path(params, "reddit_oauth")
        token = secret(params.access_token, "client_secret", "reddit_oauth")
        headers = {"authorization": f"Bearer {token}"}
        base = f"https://oauth.reddit.com{path}"
        if params.thread:
            return Request(address(base, sort="new", limit=500, raw_json=1), headers=headers)
        url = f"{base}/search" if params.query else f"{base}/new"
        return Request(address(url, limit=100, after=cursor, raw_json=1, **words), headers=headers)

    def sign_in(self, params: Any) -> Request | None:
        if params.access_token is not None or not params.client_id or params.client_secret is None:
            return None
        pair = base64.b64encode(f"{params.client_id}:{params.client_secret.get_secret_value()}".encode()).decode()
        return Request(
            "https://www.reddit.com/api/v1/access_token",
            method="POST",
            headers={"authorization": f"Basic {pair}"},
            form={"grant_type": "client_credentials"},
        )

    def signed(self, params: Any, page: Page) -> Any:
        answer = json_data.loads(page)
        token = dig(answer, "access_token")
        if not isinstance(token, str) or not token:
            said = text.line(dig(answer, "error") or dig(answer, "message"))[:200]
            raise LoginNeeded(f"reddit: the application was refused: {said}")
        return params.model_copy(update={"access_token": SecretStr(token)})


def _path(params: RedditParams, name: str) -> tuple[str, dict[str, Any]]:
    """The part of the address that both ways share, and the words of a search."""
    base = f"/r/{params.subreddit}" if params.subreddit else ""
    if not base and not params.query:
        raise BadParams(f"{name}: give `subreddit`, `query`, or both")
    if params.thread:
        return f"{base}/comments/{params.thread}", {}
    if params.query:
        return base, {"q": params.query, "sort": "new", "restrict_sr": 1 if base else None}
    return base, {}


def _read(one: dict[str, Any], kind: str, items: list[Item], gone: list[str]) -> None:
    identity = key(one.get("name")) or (f"{kind}_{key(one.get('id'))}" if key(one.get("id")) else None)
    if identity is None:
        return
    content = _text(
        one.get("body") if kind == "t1" else one.get("selftext"),
        one.get("body_html") if kind == "t1" else one.get("selftext_html"),
    )
    author = text.optional(one.get("author"))
    nobody = author in (None, "[deleted]", "[removed]")
    removed = content.lower() in _REMOVED or one.get("removed_by_category") in (
        "deleted",
        "author",
        "moderator",
        "content_takedown",
        "copyright_takedown",
    )
    if removed or (nobody and not content and kind == "t1"):
        gone.append(identity)
        return
    when = dates.read(one.get("created_utc"))
    changed = one.get("edited")
    parent = key(one.get("parent_id")) or (key(one.get("link_id")) if kind == "t1" else None)
    path = one.get("permalink")
    title = one.get("title") if kind == "t3" else one.get("link_title")
    items.append(
        Item(
            kind="post" if kind == "t3" else "comment",
            external_id=identity,
            title=text.optional(html.unescape(title)) if kind == "t3" and isinstance(title, str) else None,
            text=content,
            url=https(f"https://www.reddit.com{path}") if isinstance(path, str) and path.startswith("/") else None,
            author=None if nobody else author,
            author_id=key(one.get("author_fullname")),
            **when.fields(),
            edited_at=edited(dates.iso(changed), when.at) if not isinstance(changed, bool) else None,
            parent_id=parent if kind == "t1" else None,
            subject=f"r/{sub}" if (sub := text.optional(one.get("subreddit"))) else None,
            n_likes=max(0, integer(one.get("score")) or 0) if "score" in one and not one.get("score_hidden") else None,
            n_views=count(one.get("view_count")),
            n_replies=count(one.get("num_comments")),
            flags=flags(
                moderator=one.get("distinguished") == "moderator",
                owner=kind == "t1" and one.get("is_submitter") is True,
                nsfw=one.get("over_18"),
                edited=changed is True,
            ),
        )
    )


def _text(markdown: Any, markup: Any) -> str:
    """The written text. Without `raw_json` the API escapes it once more, so entities are undone either way."""
    if isinstance(markdown, str) and markdown.strip():
        return text.plain(html.unescape(markdown))
    return rich(html.unescape(markup) if isinstance(markup, str) and "&lt;" in markup[:40] else markup)


def _feed(root: etree._Element) -> Parsed:
    own = _THREAD.search(root.findtext(f"{_ATOM}id") or "") or _THREAD.search(
        next((one.get("href") or "" for one in root.findall(f"{_ATOM}link") if one.get("rel") == "self"), "")
    )
    entries = root.findall(f"{_ATOM}entry")
    items = [item for one in entries if (item := _entry(one, own.group(1) if own else None)) is not None]
    last = items[-1].external_id if items and own is None and len(items) >= 25 else None
    return listed(items, found=not entries and root.find(f"{_ATOM}id") is not None, next_cursor=last)


def _entry(one: etree._Element, thread: str | None) -> Item | None:
    found = _FULLNAME.search(one.findtext(f"{_ATOM}id") or "")
    if found is None:
        return None
    identity = found.group()
    comment = identity.startswith("t1_")
    content = one.findtext(f"{_ATOM}content") or ""
    inside = _OWN_TEXT.search(content)
    link = next((href for child in one.findall(f"{_ATOM}link") if (href := https(child.get("href")))), None)
    above = _THREAD.search(link or "")
    when = dates.read(one.findtext(f"{_ATOM}published") or one.findtext(f"{_ATOM}updated"))
    name = text.optional(one.findtext(f"{_ATOM}author/{_ATOM}name"))
    category = one.find(f"{_ATOM}category")
    parent = f"t3_{above.group(1)}" if above else f"t3_{thread}" if thread else None
    written = rich(inside.group(1)) if inside else "" if "submitted by" in content else rich(_BYLINE.sub("", content))
    return Item(
        kind="comment" if comment else "post",
        external_id=identity,
        title=None if comment else text.optional(one.findtext(f"{_ATOM}title")),
        text=written,
        url=link,
        author=name.removeprefix("/u/") if name else None,
        **when.fields(),
        edited_at=edited(dates.iso(one.findtext(f"{_ATOM}updated")), when.at),
        parent_id=parent if comment else None,
        subject=text.optional(category.get("label")) if category is not None else None,
    )


def _problem(data: dict[str, Any]) -> Parsed:
    code, reason = integer(data.get("error")), text.line(data.get("reason"))
    note = text.line(data.get("message")) or reason or f"error {data.get('error')}"
    if reason in ("private", "gold_only", "quarantined"):
        return Parsed(Status.LOGIN, note=f"{note}: {reason}")
    if code == 404 or reason == "banned":
        return Parsed(Status.NOT_FOUND, note=note)
    if code == 401 or text.line(data.get("error")) in ("invalid_token", "invalid_grant"):
        return Parsed(Status.LOGIN, note=note)
    if code in (403, 429):
        return Parsed(Status.BLOCKED, note=note, retry_after=60.0 if code == 429 else None)
    return unread(note)
