"""Bluesky: search and authors' feeds, threads and saved pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams, LoginNeeded
from scrapers.readers import html, json_data, text
from scrapers.readers.json_data import dicts, dig
from scrapers.sites._bluesky import POST, events, lines, posts, saved
from scrapers.sites._site import JsonScraper, Link, address, listed, secret, settled, unread

PUBLIC = "https://public.api.bsky.app/xrpc"


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
        found = lines(page)
        return settled(events(found), page) if found else super().parse(page)

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, list):
            return events(dicts(data)) if any("commit" in one for one in dicts(data)) else posts({"posts": data})
        if "commit" in data or data.get("kind") in ("commit", "identity", "account"):
            return events([data])
        if isinstance(data.get("error"), str):
            return _problem(data)
        return posts(data)

    def parse_other(self, page: Page) -> Parsed:
        root = html.tree(page)
        item = saved(root) if root is not None else None
        return settled(
            listed([item] if item else [], found=False, note=None if item else "not a post of Bluesky"), page
        )


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
