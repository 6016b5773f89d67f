"""Mastodon and servers with its API: hashtags and public timelines without a token, search with one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import Field, SecretStr, model_validator

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Scraper, Slice, Status
from scrapers.item import Item
from scrapers.readers import dates, html, json_data, text, walls
from scrapers.readers.identity import content_id

_HOSTS = re.compile(
    r"mastodon|mstdn|masto\.|toot|\.social$|^(?:fosstodon\.org|hachyderm\.io|infosec\.exchange|techhub\.social)$"
)
_TAG = re.compile(r"^/tags?/([^/?#\s]+)/?$")
_PUBLIC = frozenset({"public", "unlisted"})
LIMIT = 40


class MastodonParams(Params):
    instance: str = Field(pattern=r"^[a-z0-9.-]+(:\d+)?$", description="host of the server: mastodon.social")
    hashtag: str | None = Field(default=None, pattern=r"^[^\s#/?]+$", description="posts with this hashtag, without #")
    query: str | None = Field(default=None, min_length=2, description="search in opted-in posts; needs a token")
    scope: Literal["local", "all"] = Field(
        default="all", description="public timeline: of this server only, or of all it knows"
    )
    token: SecretStr | None = Field(
        default=None, description="access token with the scope read:search or read:statuses"
    )

    @model_validator(mode="after")
    def _search_needs_a_token(self) -> MastodonParams:
        if self.query and self.token is None:
            raise ValueError("search by `query` needs a `token`; hashtags do not")
        return self


class Mastodon(Scraper):
    meta = Meta(
        name="mastodon",
        title="Mastodon",
        access="A",
        terms="Public timelines may be read where the server allows it. Authors who did not opt in to indexing "
        "are flagged and left out of what is collected; so are posts that are not public.",
        kinds=("post", "comment"),
        interval_seconds=900,
        host_interval_seconds=1.5,  # 300 requests in five minutes
        robots=False,
        credentials=(Credential("token", "Access token", "https://docs.joinmastodon.org/client/token/"),),
        url_examples=MappingProxyType(
            {
                "https://mastodon.social/tags/coffee": {"instance": "mastodon.social", "hashtag": "coffee"},
                "https://fosstodon.org/tags/python": {"instance": "fosstodon.org", "hashtag": "python"},
            }
        ),
        verified="against recordings",
        docs="https://docs.joinmastodon.org/methods/timelines/",
        match_order=1,
    )
    params_type = MastodonParams

    def match(self, url: str) -> MastodonParams | None:
        link = html.absolute(url)
        if link is None:
            return None
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
        found = _TAG.match(parts.path)
        if found is None or not _HOSTS.search(host):
            return None
        return MastodonParams(instance=host, hashtag=found.group(1))

    def request(
        self, params: MastodonParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request:
        base = f"https://{params.instance}/api"
        headers = {"accept": "application/json"}
        if params.token is not None:
            headers["authorization"] = f"Bearer {params.token.get_secret_value()}"
        if params.query:
            offset = f"&offset={cursor}" if cursor else ""
            return Request(
                f"{base}/v2/search?q={quote(params.query)}&type=statuses&limit={LIMIT}{offset}", headers=headers
            )
        older = f"&max_id={cursor}" if cursor else ""
        if params.hashtag:
            return Request(f"{base}/v1/timelines/tag/{quote(params.hashtag)}?limit={LIMIT}{older}", headers=headers)
        local = "&local=true" if params.scope == "local" else ""
        return Request(f"{base}/v1/timelines/public?limit={LIMIT}{local}{older}", headers=headers)

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        if isinstance(data, dict) and isinstance(data.get("error"), str):
            return _error(page, data["error"])
        statuses, known = _statuses(data)
        if not known:
            return walls.otherwise(page, "this is no list of posts")
        history = _history(statuses)
        if history is not None:
            return Parsed(Status.OK, (history,))
        uris = {str(one["id"]): one["uri"] for one in statuses if isinstance(one.get("uri"), str) and "id" in one}
        found = {item.external_id: item for one in statuses if (item := _item(one, uris)) is not None}
        if found:
            return Parsed(Status.OK, tuple(found.values()), next_cursor=_next(page, data, statuses))
        if not statuses:
            return Parsed(Status.EMPTY, note="the list has no posts")
        if all("acct" in one and "content" not in one for one in statuses):
            return Parsed(Status.EMPTY, note="accounts: no posts in this answer")
        return Parsed(Status.CHANGED, note="posts without id or text")


def _statuses(data: Any) -> tuple[list[dict[str, Any]], bool]:
    """Posts of a timeline, a search, a thread or a single post; and whether the shape is known."""
    if isinstance(data, list):
        found = [_inner(one) for one in json_data.dicts(data)]
        return found, all(isinstance(one, dict) for one in data)
    if isinstance(data, dict):
        if "statuses" in data:
            return json_data.dicts(data["statuses"]), isinstance(data["statuses"], list)
        if "ancestors" in data or "descendants" in data:
            return json_data.dicts(data.get("ancestors")) + json_data.dicts(data.get("descendants")), True
        if "content" in data and "created_at" in data:
            return [data], True
    return [], False


def _inner(entry: dict[str, Any]) -> dict[str, Any]:
    """Notifications and conversations carry their post inside."""
    for name in ("status", "last_status"):
        if "content" not in entry and isinstance(entry.get(name), dict):
            return dict(entry[name])
    return entry


def _item(status: dict[str, Any], uris: Mapping[str, str]) -> Item | None:
    boosted = json_data.dig(status, "reblog", default={})
    boost = isinstance(boosted, dict) and bool(boosted)
    if boost:
        status = boosted
    uri = text.optional(status.get("uri")) or text.optional(status.get("id"))
    if uri is None or not isinstance(status.get("content"), str):
        return None
    when = dates.read(status.get("created_at"))
    account = _object(status.get("account"))
    parent = text.optional(status.get("in_reply_to_id"))
    return Item(
        kind="comment" if parent else "post",
        external_id=uri,
        title=text.optional(status.get("spoiler_text")),
        text=text.from_html(status["content"]),
        url=html.absolute(status.get("url")) or html.absolute(uri),
        edited_at=dates.iso(status.get("edited_at")),
        language=html.language_code(status.get("language")),
        parent_id=uris.get(parent, parent) if parent else None,
        n_likes=_count(status.get("favourites_count")),
        n_replies=_count(status.get("replies_count")),
        flags=_flags(account, boost=boost) | _privacy(status),
        **_author(account),
        **when.fields(),
    )


def _author(account: Mapping[str, Any]) -> dict[str, Any]:
    name = text.optional(account.get("display_name")) or text.optional(account.get("username"))
    return {"author": name, "author_id": text.optional(account.get("url")) or text.optional(account.get("acct"))}


def _flags(account: Mapping[str, Any], *, boost: bool) -> frozenset[str]:
    note = account.get("note")
    flags = {"noindex"} if account.get("indexable") is False else set()
    if account.get("noindex") is True or (
        isinstance(note, str) and re.search(r"#\s*nobot\b", text.from_html(note), re.I)
    ):
        flags.add("nobot")
    if account.get("bot") is True:
        flags.add("bot")
    if boost:
        flags.add("syndicated")
    return frozenset(flags)


def _privacy(status: Mapping[str, Any]) -> frozenset[str]:
    return frozenset() if status.get("visibility", "public") in _PUBLIC else frozenset({"private"})


def _history(statuses: list[dict[str, Any]]) -> Item | None:
    """The revisions of one post, oldest first; they have no ids."""
    if not statuses or any(
        "id" in one or "uri" in one or "content" not in one or "account" not in one for one in statuses
    ):
        return None
    first, last = statuses[0], statuses[-1]
    account = _object(last["account"])
    author = _author(account)
    when = dates.read(first.get("created_at"))
    edited = dates.iso(last.get("created_at"))
    return Item(
        kind="post",
        external_id=content_id(author["author_id"], when.raw),
        title=text.optional(last.get("spoiler_text")),
        text=text.from_html(last["content"] if isinstance(last["content"], str) else None),
        edited_at=edited if len(statuses) > 1 else None,
        flags=_flags(account, boost=False),
        **author,
        **when.fields(),
    )


def _next(page: Page, data: Any, statuses: list[dict[str, Any]]) -> str | None:
    """`max_id` of the Link header (RFC 8288); without one, the last id of a full page."""
    for part in page.headers.get("link", "").split(","):
        if 'rel="next"' in part and (found := re.search(r"<([^>]+)>", part)):
            return parse_qs(urlsplit(found.group(1)).query).get("max_id", [None])[0]
    if isinstance(data, dict):
        offset = parse_qs(urlsplit(page.url).query).get("offset", ["0"])[0]
        full = "statuses" in data and len(statuses) >= LIMIT and offset.isdigit()
        return str(int(offset) + len(statuses)) if full else None
    return text.optional(statuses[-1].get("id")) if len(statuses) >= LIMIT else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    found = json_data.integer(value)
    return found if found is not None and found >= 0 else None


def _error(page: Page, words: str) -> Parsed:
    note = text.line(words)[:200] or "an error without words"
    if page.status_code in (401, 422) or re.search(r"authenticated|access token|log ?in", note, re.IGNORECASE):
        return Parsed(Status.LOGIN, note=f"the server wants a token for this: {note}")
    if page.status_code in (404, 410) or "not found" in note.lower():
        return Parsed(Status.NOT_FOUND, note=note)
    return walls.recognise(page) or Parsed(Status.BLOCKED, note=note)
