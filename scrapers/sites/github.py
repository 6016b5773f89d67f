"""GitHub: issues, their comments and discussions, by repository or by search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig, integer, walk
from scrapers.readers.numbers import count
from scrapers.sites._site import (
    JsonScraper,
    Link,
    address,
    body,
    edited,
    flags,
    https,
    key,
    listed,
    nothing,
    rich,
    unread,
)

API = "https://api.github.com"
_LIKES = ("+1", "heart", "hooray", "rocket")
_ADDRESS = re.compile(r"/(?:repos/)?([\w.-]+/[\w.-]+)/(?:issues|pull|pulls|discussions)/(\d+)")
_COMMIT = re.compile(r"github\.com/([\w.-]+/[\w.-]+)/commit/([0-9a-f]{7,64})", re.IGNORECASE)
# Answers of the API that hold nothing anybody wrote: accounts, reactions, commits, labels, who is asked for a review.
_OTHER = ({"login", "type"}, {"content", "user"}, {"sha", "commit"}, {"name", "color"}, {"users", "teams"})
_NEXT = re.compile(r"<([^<>]+)>\s*;[^,<]*\brel=\"?next\"?")


class GithubParams(Params):
    repository: str | None = Field(
        None, description="owner/name of a repository: its issues, pull requests and comments are read"
    )
    query: str | None = Field(
        None, description="Search over all issues, instead of a repository; GitHub's own search words are allowed"
    )
    token: SecretStr | None = Field(None, description="Token that lifts the limit from 60 to 5,000 requests an hour")


class Github(JsonScraper):
    meta = Meta(
        name="github",
        title="GitHub",
        access="A",
        terms="Public API: 60 requests an hour without a token, 5,000 with a free one; answers of the API may be "
        "stored.",
        hosts=("api.github.com",),
        kinds=("post", "comment"),
        credentials=(Credential("token", "Personal access token (optional)", "https://github.com/settings/tokens"),),
        robots=False,
        url_examples={
            "https://github.com/python/cpython": {"repository": "python/cpython"},
            "https://github.com/psf/requests/issues/1234": {"repository": "psf/requests"},
            "https://github.com/search?q=vpn+slow&type=issues": {"query": "vpn slow"},
        },
        verified="against recordings",
        docs="https://docs.github.com/rest/issues/issues",
    )
    params_type: ClassVar[type[Params]] = GithubParams

    def match(self, url: str) -> GithubParams | None:
        link = Link.of(url)
        if link is None or link.host != "github.com" or not link.path:
            return None
        if link.at(0) == "search" and link.query.get("q"):
            return GithubParams(query=link.query["q"])
        if len(link.path) < 2 or link.at(0) in ("search", "orgs", "topics", "marketplace", "settings", "features"):
            return None
        return GithubParams(repository=f"{link.path[0]}/{link.path[1].removesuffix('.git')}")

    def slices(self, params: GithubParams) -> tuple[Slice, ...]:
        if params.repository:
            return (Slice("issues", {"what": "issues"}), Slice("comments", {"what": "comments"}))
        return (Slice("search", {"what": "search"}),)

    def request(
        self, params: GithubParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        if params.token is not None:
            headers["authorization"] = f"Bearer {params.token.get_secret_value()}"
        moment = since.strftime("%Y-%m-%dT%H:%M:%SZ") if since else None
        common: dict[str, Any] = {"sort": "updated", "per_page": 100, "page": cursor or 1}
        if params.repository:
            base = f"{API}/repos/{params.repository}/issues"
            if part.values.get("what") == "comments":
                return Request(address(f"{base}/comments", since=moment, direction="desc", **common), headers=headers)
            return Request(address(base, since=moment, state="all", direction="desc", **common), headers=headers)
        if not params.query:
            raise BadParams("github: give `repository` (owner/name) or `query`")
        words = f"{params.query} updated:>={moment}" if moment else params.query
        return Request(address(f"{API}/search/issues", q=words, order="desc", **common), headers=headers)

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and isinstance(data.get("message"), str) and "body" not in data:
            return _problem(data["message"], page)
        if isinstance(data, dict) and "resources" in data and "rate" in data:
            return nothing("the state of the rate limit, not a list of issues")
        if isinstance(data, dict) and isinstance(data.get("errors"), list) and not data.get("data"):
            return _problem(text.line(dig(data, "errors", 0, "message")) or "refused", page)
        if isinstance(data, dict) and isinstance(data.get("data"), dict):
            return _graph(data["data"])
        entries = data if isinstance(data, list) else dig(data, "items")
        if (
            isinstance(data, dict)
            and entries is None
            and ("issue_url" in data or "pull_request_url" in data or "comments_url" in data or "commit_id" in data)
        ):
            entries = [data]
        if _is_other(dicts(entries if entries is not None else data)):
            return nothing("accounts, reactions or commits: no issues or comments in this answer")
        if not isinstance(entries, list):
            return unread("no issues or comments in this answer")
        items = [item for one in dicts(entries) if (item := _commit_comment(one) or _item(one)) is not None]
        empty = not entries and (
            (isinstance(data, list) and "api.github.com" in page.url) or "total_count" in (data or {})
        )
        return listed(items, found=empty, next_cursor=_following(page, len(entries)))


def _is_other(entries: list[dict[str, Any]]) -> bool:
    return bool(entries) and all(
        "body" not in one and any(marks <= set(one) for marks in _OTHER) and "title" not in one for one in entries
    )


def _commit_comment(one: dict[str, Any]) -> Item | None:
    """A comment under a commit; its thread is the commit."""
    number, link = key(one.get("id")), https(one.get("html_url"))
    found = _COMMIT.search(link or "")
    if found is None or number is None or "commit_id" not in one or "pull_request_url" in one:
        return None
    when = dates.read(one.get("created_at"))
    thread = f"{found.group(1)}@{found.group(2)}"
    return Item(
        kind="comment",
        external_id=f"{thread}/comment-{number}",
        text=body(one.get("body")) or rich(one.get("body_html")),
        url=link,
        author=text.optional(dig(one, "user", "login")),
        author_id=key(dig(one, "user", "id")),
        **when.fields(),
        edited_at=edited(dates.iso(one.get("updated_at")), when.at),
        parent_id=thread,
        subject=found.group(1),
        n_likes=_likes(one.get("reactions")),
    )


def _item(one: dict[str, Any]) -> Item | None:
    """An issue, a pull request, or a comment of one."""
    comment = ("issue_url" in one or "pull_request_url" in one) and not isinstance(one.get("title"), str)
    number = key(one.get("id"))
    link = one.get("html_url") if isinstance(one.get("html_url"), str) else ""
    where = one.get("issue_url") or one.get("pull_request_url") or one.get("url") or link
    found = _ADDRESS.search(where) if isinstance(where, str) else None
    thread = f"{found.group(1)}#{found.group(2)}" if found else None
    if thread is None or (comment and number is None):
        return None
    if not comment and not isinstance(one.get("title"), str):
        return None
    when = dates.read(one.get("created_at") or one.get("submitted_at"))
    role = one.get("author_association")
    return Item(
        kind="comment" if comment else "post",
        external_id=f"{thread}/comment-{number}" if comment else thread,
        title=None if comment else text.optional(one.get("title")),
        text=body(one.get("body")) or rich(one.get("body_html")),
        url=https(link),
        author=text.optional(dig(one, "user", "login")),
        author_id=key(dig(one, "user", "id")),
        **when.fields(),
        # An issue's `updated_at` moves with every comment and label; a comment's only with its own edits.
        edited_at=edited(dates.iso(one.get("updated_at")), when.at) if comment else None,
        parent_id=thread if comment else None,
        subject=found.group(1) if found else None,
        n_likes=_likes(one.get("reactions")),
        n_replies=count(one.get("comments")),
        flags=flags(
            owner=role in ("OWNER", "MEMBER", "COLLABORATOR"),
            bot=dig(one, "user", "type") == "Bot",
            pull_request="pull_request" in one or "pull_request_url" in one or "diff_url" in one,
            closed=one.get("state") == "closed",
        ),
    )


def _likes(reactions: Any) -> int | None:
    counts = [count(dig(reactions, name)) for name in _LIKES]
    return sum(one or 0 for one in counts) if any(one is not None for one in counts) else None


def _graph(data: dict[str, Any]) -> Parsed:
    """Discussions and issues of the GraphQL API: nodes with `bodyText` or `body`, comments and replies nested."""
    lists = [
        one
        for name in ("discussions", "issues", "search", "discussion", "issue")
        for one in walk(data, name)
        if isinstance(one, dict)
    ]
    items: list[Item] = []
    for one in lists:
        nodes = dicts(one["nodes"]) if isinstance(one.get("nodes"), list) else [one]
        for node in nodes:
            items.extend(_nodes(node, None))
    info = next((one for one in lists if isinstance(one.get("pageInfo"), dict)), {})
    more = dig(info, "pageInfo", "hasNextPage") is True
    return listed(items, found=bool(lists), next_cursor=key(dig(info, "pageInfo", "endCursor")) if more else None)


def _nodes(node: dict[str, Any], parent: str | None) -> Iterator[Item]:
    link = https(node.get("url")) or ""
    found = _ADDRESS.search(link)
    thread = f"{found.group(1)}#{found.group(2)}" if found else None
    number = key(node.get("databaseId")) or key(node.get("id"))
    identity = thread if parent is None else f"{thread or parent}/comment-{number}" if number else None
    if identity is None or not ("body" in node or "bodyText" in node or "title" in node):
        return
    when = dates.read(node.get("createdAt"))
    yield Item(
        kind="post" if parent is None else "comment",
        external_id=identity,
        title=text.optional(node.get("title")) if parent is None else None,
        text=body(node.get("bodyText")) or body(node.get("body")),
        url=https(link),
        author=text.optional(dig(node, "author", "login")),
        **when.fields(),
        edited_at=dates.iso(node.get("lastEditedAt")),
        parent_id=parent,
        subject=found.group(1) if found else None,
        n_likes=count(node.get("upvoteCount")),
        n_replies=count(dig(node, "comments", "totalCount")),
        flags=flags(owner=node.get("authorAssociation") in ("OWNER", "MEMBER", "COLLABORATOR")),
    )
    for name in ("comments", "replies"):
        for below in dicts(dig(node, name, "nodes")):
            if parent is None or name == "replies":
                yield from _nodes(below, identity)


def _following(page: Page, n_here: int) -> str | None:
    """The next page by the Link header; by the count of a full page where the header is unknown."""
    header = page.headers.get("link", "")
    found = _NEXT.search(header)
    if found:
        link = Link.of(found.group(1))
        return link.query.get("page") if link else None
    link = Link.of(page.url)
    here = (integer(link.query.get("page")) or 1) if link else 1
    return str(here + 1) if not page.headers and link and n_here >= 100 else None


def _problem(said: str, page: Page) -> Parsed:
    low = said.lower()
    wait = count(page.headers.get("retry-after"))
    if "abuse" in low or "rate limit" in low:
        reset, now = count(page.headers.get("x-ratelimit-reset")), page.fetched_at
        left = (
            max(1.0, reset - now.timestamp())
            if reset and now and page.headers.get("x-ratelimit-remaining") == "0"
            else None
        )
        return Parsed(Status.BLOCKED, note=text.line(said)[:300], retry_after=float(wait) if wait else left or 60.0)
    if "bad credentials" in low or "requires authentication" in low or "not accessible" in low:
        return Parsed(Status.LOGIN, note=text.line(said)[:300])
    if low.startswith("not found") or "disabled" in low or "moved permanently" in low:
        return Parsed(Status.NOT_FOUND, note=text.line(said)[:300])
    return unread(text.line(said)[:300] or "refused")
