"""The scraper: one class per site, which says what to fetch and turns bytes into items.

A reader never does I/O. `request` names the next page, `parse` is pure, and `scrapers.collect` drives the two
over the one polite client, so that every recorded response tests a reader without mocks.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from scrapers.item import Item

if TYPE_CHECKING:
    from scrapers.batch import Batch
    from scrapers.http import Client

AccessClass = Literal["A", "B", "C", "D"]
Verification = Literal["against recordings", "parse only", "live: not verified"]


class Status(enum.StrEnum):
    """What a parsed page was. `EMPTY` only with a positive mark of an empty list, else `CHANGED`."""

    OK = "ok"
    EMPTY = "empty"
    BLOCKED = "blocked"
    LOGIN = "login"
    CAPTCHA = "captcha"
    NOT_FOUND = "not_found"
    NO_PREVIEW = "no_preview"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret a source needs: parameter name, what it is, where to get it."""

    name: str
    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The declaration of a scraper; shown by `monitor source list --verbose`, docs/sources.md and the dashboard."""

    name: str  # unique, lower case, as in `monitor parse NAME FILE`
    title: str
    access: AccessClass  # A open, B free key, C paid or owner's, D saved pages and exports only
    terms: str  # one or two sentences: what the site allows, and what to do instead when it does not
    hosts: tuple[str, ...] = ()  # hosts it fetches from; empty = the host of the given URL
    kinds: tuple[str, ...] = ("review",)
    rating_scale: tuple[float, float] | None = None  # worst..best as the site counts
    interval_seconds: int = 3600  # default time between two readings
    min_interval_seconds: int = 300
    host_interval_seconds: float = 2.0  # between two requests to one host
    daily_requests: int | None = None  # budget of a day where the API has one
    credentials: tuple[Credential, ...] = ()
    robots: bool = True  # False for documented public APIs only
    url_examples: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))  # url -> params
    verified: Verification = "live: not verified"
    aliases: tuple[str, ...] = ()
    docs: str | None = None  # public documentation of the API
    pushed: bool = False  # others send it to us; it is never read
    match_order: int = 0  # who is asked first about a link: 0 one site, 1 software run by many sites, 2 any page


class Params(BaseModel):
    """Parameters of a source; unknown keys are errors. Secrets are `SecretStr`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def names_no_brand(self) -> bool:
        """Whether what comes cannot be matched to a brand by its words, so that the source must name one."""
        return False


@dataclass(frozen=True, slots=True)
class Request:
    """One page to fetch. `form` is sent urlencoded, `json` as JSON.

    Secrets go to headers, never into `url`, where the API allows.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: Any = None


@dataclass(frozen=True, slots=True)
class Page:
    """A response as it came: bytes, final address, when, status, headers (lower-case names)."""

    body: bytes
    url: str = ""
    fetched_at: datetime | None = None
    status_code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Result of reading one page. `next_cursor` leads to the following (older) page, None at the end.

    `gone` are external ids with an explicit tombstone. `note` says in words why the status is not `ok`.
    """

    status: Status
    items: tuple[Item, ...] = ()
    next_cursor: str | None = None
    gone: tuple[str, ...] = ()
    note: str | None = None
    retry_after: float | None = None
    facts: Mapping[str, float] = field(
        default_factory=dict
    )  # of the whole page: rating_value, rating_count, review_count


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a source with its own state: a storefront, a language, a time window.

    `backfill` slices run slowly, in idle time.
    """

    name: str = "main"
    values: Mapping[str, str] = field(default_factory=dict)
    backfill: bool = False


class Scraper:
    """Base of all readers. Subclass it in `scrapers/sites/<site>.py`; the registry finds it by itself."""

    meta: ClassVar[Meta]
    params_type: ClassVar[type[Params]] = Params

    def match(self, url: str) -> Params | None:
        """Parameters for a pasted link, or None when the link is not of this site."""
        return None

    def slices(self, params: Any) -> Sequence[Slice]:
        """Parts that are read independently; one by default."""
        return (Slice(),)

    def request(self, params: Any, part: Slice, cursor: str | None, *, since: datetime | None = None) -> Request | None:
        """The page at `cursor` (None = the newest). None when there is nothing to fetch (a reader of saved pages).

        `since` is the time up to which everything is known already, less the overlap window (for APIs that filter).
        """
        return None

    def batches(
        self, params: Any, state: Mapping[str, Any], *, client: Client, now: datetime
    ) -> AsyncIterator[Batch] | None:
        """The whole reading, for a source that is no chain of pages (a mailbox, a stream); None: page by page."""
        return None

    def sign_in(self, params: Any) -> Request | None:
        """The request that turns lasting credentials into a token of some hours; None where there is nothing to do.

        It is made once a reading; the token is never stored.
        """
        return None

    def signed(self, params: Any, page: Page) -> Any:
        """The parameters with the token in `page`, the answer to `sign_in`. LoginNeeded when it was refused."""
        return params

    def parse(self, page: Page) -> Parsed:
        """Bytes to items. Pure: same page, same result. Never raises on any bytes: a wrong page gives a status."""
        raise NotImplementedError
