"""Bluesky: search and authors' feeds, threads, saved pages, and the Jetstream of everything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams, LoginNeeded
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, text
from scrapers.readers.html import language_code
from scrapers.readers.json_data import dicts, dig, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, body, flags, key, listed, secret, settled, unread

POST = "app.bsky.feed.post"
PUBLIC = "https://public.api.bsky.app/xrpc"
_URI = re.compile(r"^at://([^/]+)/([^/]+)/([^/?#]+)$")
_VIEWS = ("posts", "feed", "records", "notifications")


class BlueskyParams(Params):
    query: str | None = Field(None, description="Words to search; needs `handle` and `app_password`")
    actor: str | None = Field(None, description="Handle or did of an account whose posts are read")
    thread: str | None = Field(
        None, description="Handle (or did) and number of a post, as HANDLE/NUMBER: it and its answers are read"
    )
    language: str | None = Field(None, description="Two-letter language to search in")
    handle: str | None = Field(None, description="Handle of your account, for the search")
    app_password: SecretStr | None = Field(None, description="App password of that account")
    access_token: SecretStr | None = Field(
        None, description="Session token (accessJwt); made from `handle` and `app_password` when they are given"
    )
    service: str = Field("https://bsky.social", description="The account's own server, which answers the search")


class Bluesky(JsonScraper):
    meta = Meta(
        name="bluesky",
        title="Bluesky",
        access="B",
        terms="Feeds of accounts and threads are open; search is for signed-in users, with an app password. "
        "Who wants everything should take the Jetstream.",
        hosts=("public.api.bsky.app", "bsky.social"),
        kinds=("post", "comment"),
        credentials=(Credential("app_password", "App password", "https://bsky.app/settings/app-passwords"),),
        robots=False,
        url_examples={
            "https://bsky.app/profile/example.bsky.social": {"actor": "example.bsky.social"},
            "https://bsky.app/profile/example.bsky.social/post/3mddvy5bv6k27": {
                "thread": "example.bsky.social/3mddvy5bv6k27"
            },
            "https://bsky.app/search?q=acme": {"query": "acme"},
        },
        verified="against recordings",
        docs="https://docs.bsky.app/docs/api/app-bsky-feed-search-posts",
    )
    params_type: ClassVar[type[Params]] = BlueskyParams

    def match(self, url: str) -> BlueskyParams | None:
        link = Link.of(url)
        if link is None or not link.on("bsky.app") or link.host.startswith(("api.", "public.")):
            return None
        actor, number = link.after("profile"), link.after("post")
        if actor:
            return BlueskyParams(thread=f"{actor}/{number}") if number else BlueskyParams(actor=actor)
        if link.at(0) == "search" and link.query.get("q"):
            return BlueskyParams(query=link.query["q"])
        if link.at(0) == "hashtag" and link.at(1):
            return BlueskyParams(query=f"#{link.path[1]}")
        return None

    def request(
        self, params: BlueskyParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        if params.thread:
            actor, _, number = params.thread.partition("/")
            return Request(
                address(
                    f"{PUBLIC}/app.bsky.feed.getPostThread",
                    uri=f"at://{actor}/{POST}/{number}",
                    depth=100,
                    parentHeight=0,
                )
            )
        if params.actor:
            return Request(
                address(f"{PUBLIC}/app.bsky.feed.getAuthorFeed", actor=params.actor, limit=100, cursor=cursor)
            )
        if not params.query:
            raise BadParams("bluesky: give `query`, `actor` or `thread`")
        url = address(
            f"{params.service.rstrip('/')}/xrpc/app.bsky.feed.searchPosts",
            q=params.query,
            sort="latest",
            limit=100,
            lang=params.language,
            since=since.strftime("%Y-%m-%dT%H:%M:%SZ") if since else None,
            cursor=cursor,
        )
        return Request(
            url, headers={"authorization": f"Bearer {secret(params.access_token, 'access_token', 'bluesky')}"}
        )

    def sign_in(self, params: Any) -> Request | None:
        """Only the search needs a session."""
        ready = params.access_token is not None or params.thread or params.actor
        if ready or params.handle is None or params.app_password is None:
            return None
        return Request(
            f"{params.service.rstrip('/')}/xrpc/com.atproto.server.createSession",
            method="POST",
            json={"identifier": params.handle, "password": params.app_password.get_secret_value()},
        )

    def signed(self, params: Any, page: Page) -> Any:
        answer = json_data.loads(page)
        token = dig(answer, "accessJwt")
        if not isinstance(token, str) or not token:
            raise LoginNeeded(
                f"bluesky: the server refused the app password: {text.line(dig(answer, 'message'))[:200]}"
            )
        return params.model_copy(update={"access_token": SecretStr(token)})

    def parse(self, page: Page) -> Parsed:
        lines = _lines(page)
        return settled(_events(lines), page) if lines else super().parse(page)

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            return _events(dicts(data)) if any("commit" in one for one in dicts(data)) else _posts({"posts": data})
        if "commit" in data or data.get("kind") in ("commit", "identity", "account"):
            return _events([data])
        if isinstance(data.get("error"), str):
            return _problem(data)
        return _posts(data)

    def parse_other(self, page: Page) -> Parsed:
        root = html.tree(page)
        item = _saved(root) if root is not None else None
        return settled(
            listed([item] if item else [], found=False, note=None if item else "not a post of Bluesky"), page
        )


class BlueskyJetstream(Bluesky):
    """The same events, read from a recording of the stream."""

    meta = Meta(
        name="bluesky_jetstream",
        title="Bluesky Jetstream",
        access="A",
        terms="The stream of all public posts is open to everybody, without a key. It is a WebSocket, which the "
        "polling client does "
        "not speak: record it with any WebSocket tool (wantedCollections=app.bsky.feed.post) and parse the lines.",
        kinds=("post", "comment"),
        robots=False,
        verified="against recordings",
        docs="https://github.com/bluesky-social/jetstream",
    )
    params_type: ClassVar[type[Params]] = Params

    def sign_in(self, params: Any) -> None:
        return None

    def match(self, url: str) -> None:
        return None

    def request(self, params: Any, part: Slice, cursor: str | None, *, since: datetime | None = None) -> None:
        return None


def _lines(page: Page) -> list[dict[str, Any]]:
    """Events, one JSON object a line. A file with one line is left to the ordinary way."""
    if page.body.lstrip()[:1] != b"{" or b"\n" not in page.body.strip():
        return []
    rows = html.decode(page).split("\n")
    first = json_data.loads(rows[0])
    if not isinstance(first, dict) or "did" not in first:
        return []
    return [one for row in rows if row.strip() and isinstance(one := json_data.loads(row), dict)]


def _events(events: list[dict[str, Any]]) -> Parsed:
    items: dict[str, Item] = {}
    gone: list[str] = []
    last: Any = None
    for event in events:
        last = event.get("time_us") or last
        commit = event.get("commit")
        did, rkey = key(event.get("did")), key(dig(commit, "rkey"))
        if not isinstance(commit, dict) or commit.get("collection") != POST or did is None or rkey is None:
            continue
        uri = f"at://{did}/{POST}/{rkey}"
        at = dates.iso(event.get("time_us"))
        operation = commit.get("operation") or {"c": "create", "u": "update", "d": "delete"}.get(
            str(commit.get("type"))
        )
        if operation == "delete":
            items.pop(uri, None)
            gone.append(uri)
        elif isinstance(commit.get("record"), dict):
            item = _item(uri, commit["record"], {"did": did}, indexed=at, changed=at if operation == "update" else None)
            if item is not None:
                items[uri] = item
    return listed(
        items.values(),
        found=bool(events) and any("did" in one for one in events),
        gone=gone,
        next_cursor=key(last) if items else None,
    )


def _posts(data: dict[str, Any]) -> Parsed:
    items: list[Item] = []
    gone: list[str] = []
    known = any(isinstance(data.get(name), list) for name in _VIEWS)
    entries = [one for name in _VIEWS for one in dicts(data.get(name))] if known else [data]
    hollow = known and not any(data.get(name) for name in _VIEWS)
    for entry in entries:
        for view in _views(entry):
            uri = key(view.get("uri"))
            if uri is None:
                continue
            if view.get("notFound") is True:
                gone.append(uri)
                continue
            record = view.get("record") if isinstance(view.get("record"), dict) else view.get("value")
            if not isinstance(record, dict) or f"/{POST}/" not in uri or "text" not in record:
                continue
            item = _item(
                uri, record, dig(view, "author", default={}), indexed=dates.iso(view.get("indexedAt")), view=view
            )
            if item is not None:
                items.append(item)
    empty = hollow
    if not items and not gone and not empty:
        return unread("no posts in this answer")
    return listed(items, found=empty, gone=gone, next_cursor=key(data.get("cursor")))


def _views(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Post views of an entry: itself, the post of a feed entry, a thread with parents and answers. Iterative."""
    stack = [entry]
    n_seen = 0
    while stack and n_seen < 20_000:
        one = stack.pop()
        n_seen += 1
        thread = one.get("thread")
        if isinstance(thread, dict):
            stack.append(thread)
            continue
        parents = one.get("parent")
        answers = dicts(one.get("replies")) if isinstance(one.get("replies"), list) else []
        stack.extend(reversed(answers))
        if isinstance(one.get("post"), dict):
            stack.append(one["post"])
        elif "uri" in one:
            yield one
        if isinstance(parents, dict) and ("post" in parents or parents.get("notFound") is True):
            stack.append(parents)


def _item(
    uri: str,
    record: dict[str, Any],
    author: Any,
    *,
    indexed: datetime | None = None,
    changed: datetime | None = None,
    view: dict[str, Any] | None = None,
) -> Item | None:
    if "text" in record and not isinstance(record["text"], str):
        return None
    found = _URI.match(uri)
    when = dates.read(record.get("createdAt"))
    if indexed is not None and (when.at is None or when.at > indexed):
        # The writer's program sets `createdAt`, sometimes into the future; the server saw the post at `indexed`.
        when = dates.When(indexed, "second", text.optional(record.get("createdAt")))
    did = key(dig(author, "did")) or (found.group(1) if found else None)
    handle = text.optional(dig(author, "handle"))
    parent = key(dig(record, "reply", "parent", "uri"))
    codes = record.get("langs")
    numbers = view or {}
    return Item(
        kind="comment" if parent else "post",
        external_id=uri,
        text=body(record.get("text")),
        url=f"https://bsky.app/profile/{found.group(1)}/post/{found.group(3)}" if found else None,
        author=handle or text.optional(dig(author, "displayName")),
        author_id=did,
        **when.fields(),
        edited_at=changed,
        language=next((code for raw in codes if (code := language_code(raw))), None)
        if isinstance(codes, list)
        else None,
        parent_id=parent,
        n_likes=count(numbers.get("likeCount")),
        n_replies=count(numbers.get("replyCount")),
        flags=flags(
            quote=any(f"/{POST}/" in str(one) for embed in (record.get("embed"),) for one in walk(embed, "uri"))
        ),
    )


def _saved(root: Any) -> Item | None:
    """A page of one post as plain clients are served it."""
    uri = html.first(root, "//link[@rel='alternate'][starts-with(@href, 'at://')]/@href")
    if uri is None or f"/{POST}/" not in uri:
        return None
    data = next(
        (
            found
            for raw in root.xpath("//script[@type='application/ld+json']/text()")
            if isinstance(found := json_data.loads(str(raw)), dict)
        ),
        {},
    )
    content = html.first(root, "//meta[@property='og:description']/@content")
    paragraph = root.xpath("//*[@id='bsky_post_text']")
    whole = html.text_of(paragraph[0]) if paragraph else ""
    handle = html.first(root, "//*[@id='bsky_handle']") or html.first(
        root, "//meta[@property='profile:username']/@content"
    )
    published = html.first(root, "//meta[@property='article:published_time']/@content") or key(
        dig(data, "datePublished")
    )
    labels = {str(root.xpath(f"string(//meta[@name='twitter:label{n}']/@content)")).lower(): n for n in range(1, 5)}

    def number(label: str) -> int | None:
        n = labels.get(label)
        return count(str(root.xpath(f"string(//meta[@name='twitter:value{n}']/@content)"))) if n else None

    item = _item(uri, {"text": whole or content or "", "createdAt": published}, {"handle": handle})
    if item is None:
        return None
    view = {"likeCount": number("likes"), "replyCount": number("replies")}
    return _item(uri, {"text": whole or content or "", "createdAt": published}, {"handle": handle}, view=view)


def _problem(data: dict[str, Any]) -> Parsed:
    name, said = text.line(data["error"]), text.line(data.get("message"))
    note = f"{name}: {said}" if said else name
    if name in ("AuthMissing", "AuthenticationRequired", "InvalidToken", "ExpiredToken", "Forbidden"):
        return Parsed(Status.LOGIN, note=note)
    if name in ("NotFound", "RecordNotFound", "AccountTakedown", "RepoNotFound") or "not found" in said.lower():
        return Parsed(Status.NOT_FOUND, note=note)
    if name in ("RateLimitExceeded", "UpstreamFailure"):
        return Parsed(Status.BLOCKED, note=note, retry_after=60.0)
    return unread(note)
