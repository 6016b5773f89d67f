"""Stack Exchange: questions, answers and comments of any of its sites, found by words or tags."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Credential, Meta, Page, Params, Parsed, Request, Slice, Status
from scrapers.errors import BadParams
from scrapers.item import Item
from scrapers.readers import dates, text
from scrapers.readers.json_data import dicts, dig, integer
from scrapers.readers.numbers import count
from scrapers.sites._site import JsonScraper, Link, address, body, flags, https, key, listed, rich, unread

API = "https://api.stackexchange.com/2.3"
_OWN_DOMAINS = {
    "stackoverflow.com",
    "serverfault.com",
    "superuser.com",
    "askubuntu.com",
    "mathoverflow.net",
    "stackapps.com",
}


class StackexchangeParams(Params):
    site: str = Field(
        "stackoverflow", description="Name of the site as in its address: stackoverflow, ru.stackoverflow, superuser"
    )
    query: str | None = Field(None, description="Words to search in questions and answers")
    tagged: str | None = Field(None, description="Tags, separated by semicolons")
    question: str | None = Field(None, description="Number of one question: its answers are read")
    key: SecretStr | None = Field(None, description="Free key that lifts the limit from 300 to 10,000 calls a day")


class Stackexchange(JsonScraper):
    meta = Meta(
        name="stackexchange",
        title="Stack Exchange",
        access="A",
        terms="Public API, 300 calls a day without a key; contents are CC BY-SA, so show the author and link back.",
        hosts=("api.stackexchange.com",),
        kinds=("post", "answer", "comment"),
        credentials=(Credential("key", "Application key (optional)", "https://stackapps.com/apps/oauth/register"),),
        daily_requests=300,
        robots=False,
        url_examples={
            "https://stackoverflow.com/questions/11227809/why-is-it-faster": {
                "site": "stackoverflow",
                "question": "11227809",
            },
            "https://superuser.com/questions/tagged/vpn": {"site": "superuser", "tagged": "vpn"},
            "https://unix.stackexchange.com/search?q=systemd": {"site": "unix", "query": "systemd"},
        },
        verified="against recordings",
        docs="https://api.stackexchange.com/docs",
    )
    params_type: ClassVar[type[Params]] = StackexchangeParams

    def match(self, url: str) -> StackexchangeParams | None:
        link = Link.of(url)
        if link is None or not link.on("stackexchange.com", *_OWN_DOMAINS) or link.host == "api.stackexchange.com":
            return None
        site = link.host.removesuffix(".stackexchange.com").removesuffix(".com").removesuffix(".net")
        tag = link.after("tagged")
        number = link.after("questions") or link.after("q")
        if tag:
            return StackexchangeParams(site=site, tagged=tag.replace("+", ";"))
        if number and number.isdigit():
            return StackexchangeParams(site=site, question=number)
        if link.query.get("q"):
            return StackexchangeParams(site=site, query=link.query["q"])
        return None

    def request(
        self, params: StackexchangeParams, part: Slice, cursor: str | None, *, since: datetime | None = None
    ) -> Request | None:
        more = {
            "site": params.site,
            "order": "desc",
            "sort": "creation",
            "fromdate": int(since.timestamp()) if since else None,
            "page": cursor or 1,
            "pagesize": 100,
            "filter": "withbody",
            "key": params.key.get_secret_value() if params.key else None,
        }
        if params.question:
            return Request(address(f"{API}/questions/{params.question}/answers", **more))
        if not params.query and not params.tagged:
            raise BadParams("stackexchange: give `query`, `tagged` or `question`")
        return Request(address(f"{API}/search/advanced", q=params.query, tagged=params.tagged, **more))

    def read(self, data: dict[str, Any] | list[Any], page: Page) -> Parsed:
        if isinstance(data, dict) and "error_id" in data:
            return _problem(data)
        entries = dig(data, "items")
        if not isinstance(entries, list):
            return unread("no `items` in this answer")
        here = integer(dig(data, "page")) or _page(page.url)
        wait = dig(data, "backoff")
        return listed(
            (item for one in dicts(entries) for item in _items(one, None)),
            found=not entries,
            next_cursor=str(here + 1) if dig(data, "has_more") is True and here else None,
            retry_after=float(wait) if isinstance(wait, (int, float)) and not isinstance(wait, bool) else None,
        )


def _items(one: dict[str, Any], parent: str | None) -> Iterator[Item]:
    """An entry and what is nested in it: answers of a question, comments of both."""
    item = _item(one, parent)
    if item is None:
        return
    yield item
    for name in ("comments", "answers"):
        for below in dicts(one.get(name)):
            if "comment_id" not in below and "answer_id" not in below:
                continue
            inner = _item(below, item.external_id)
            if inner is not None:
                yield inner
                for comment in dicts(below.get("comments")):
                    deepest = _item(comment, inner.external_id) if "comment_id" in comment else None
                    if deepest is not None:
                        yield deepest


def _item(one: dict[str, Any], parent: str | None) -> Item | None:
    kind, identity = _identity(one)
    if identity is None:
        return None
    question = key(one.get("question_id"))
    if kind == "answer":
        parent = parent or (f"question-{question}" if question else None)
    elif kind == "comment" and parent is None:
        post, sort = key(one.get("post_id")), one.get("post_type")
        parent = f"{sort}-{post}" if post and sort in ("question", "answer") else None
    title = text.optional(html.unescape(one["title"])) if isinstance(one.get("title"), str) else None
    content = rich(one.get("body")) or body(
        html.unescape(one["body_markdown"]) if isinstance(one.get("body_markdown"), str) else ""
    )
    return Item(
        kind="post" if kind == "question" else "answer" if kind == "answer" else "comment",
        external_id=f"{kind}-{identity}",
        title=title if kind == "question" else None,
        text=content or rich(one.get("excerpt")),
        url=https(one.get("link")) or https(one.get("share_link")),
        author=text.optional(rich(dig(one, "owner", "display_name"))),
        author_id=key(dig(one, "owner", "user_id")) or key(dig(one, "owner", "account_id")),
        **dates.read(one.get("creation_date")).fields(),
        edited_at=dates.iso(one.get("last_edit_date")),
        parent_id=parent if kind != "question" else None,
        subject=title if kind != "question" else None,
        n_likes=max(0, integer(one.get("score")) or 0) if "score" in one else None,
        n_views=count(one.get("view_count")),
        n_replies=count(one.get("answer_count")),
        flags=flags(edited=one.get("edited"), accepted=one.get("is_accepted"), closed="closed_date" in one),
    )


def _identity(one: dict[str, Any]) -> tuple[str, str | None]:
    if "comment_id" in one:
        return "comment", key(one["comment_id"])
    if "answer_id" in one and one.get("item_type") != "question":
        return "answer", key(one["answer_id"])
    return "question", key(one.get("question_id"))


def _page(url: str) -> int | None:
    link = Link.of(url)
    return (integer(link.query.get("page")) or 1) if link else None


def _problem(data: dict[str, Any]) -> Parsed:
    name, said = text.line(data.get("error_name")), text.line(data.get("error_message"))
    note = f"{name}: {said}" if said else name or "refused"
    if data.get("error_id") in (401, 402, 403, 405, 406):
        return Parsed(Status.LOGIN, note=note)
    if data.get("error_id") in (502, 503) or name == "throttle_violation":
        return Parsed(Status.BLOCKED, note=note, retry_after=60.0)
    if data.get("error_id") == 404:
        return Parsed(Status.NOT_FOUND, note=note)
    return unread(note)
