"""What a notification says, before anybody decides how it looks: values in no language, every number in one place.

A `Message` speaks of an incident (or a test, a digest, an operator's notice). An `Envelope` is what a channel carries:
a message still to be rendered, or a report that was rendered elsewhere. Both survive a round trip through the outbox.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from alerts.severity import Severity

Language = Literal["ru", "en"]


class Kind(enum.StrEnum):
    OPENED = "opened"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    NEW_NORMAL = "new_normal"
    JOINED = "joined"  # it goes on as part of a larger one
    UNACKNOWLEDGED = "unacknowledged"  # nobody answered: the next person hears of it
    TEST = "test"
    DIGEST = "digest"
    OPERATOR = "operator"  # the monitor speaks of itself: a silent source, a dead token
    REPORT = "report"


ENDS = (Kind.RESOLVED, Kind.NEW_NORMAL, Kind.JOINED)  # after which nothing more comes, unless it begins anew


class Signal(enum.StrEnum):
    """What is off. A text that is none of these is shown like `NEGATIVE`."""

    NEGATIVE = "negative"  # count of negative mentions, given the volume
    SHARE = "share"  # their share
    RATING = "rating"  # mean stars
    TOPIC_SHIFT = "topic_shift"  # what negatives speak about
    VOLUME = "volume"  # all mentions
    SILENT = "silent"  # a source that should speak does not
    RULE = "rule"  # a plain rule of the user


class ConfounderKind(enum.StrEnum):
    """Known reasons to take the numbers with care."""

    HOLIDAY = "holiday"  # name
    GAP = "gap"  # share of the time that was collected
    SHORT_HISTORY = "short_history"  # days
    CAMPAIGN = "campaign"  # ratio of all mentions to their expectation
    LATE = "late"  # mentions of past days that arrived only now
    BACKFILL = "backfill"  # old mentions were loaded
    MODEL = "model"  # the judging model was changed


class LinkKind(enum.StrEnum):
    DASHBOARD = "dashboard"
    ACKNOWLEDGE = "acknowledge"
    MUTE = "mute"
    REJECT = "reject"
    CONFIRM = "confirm"
    SETTINGS = "settings"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where it happens, in the words users know (names, not keys)."""

    source: str | None = None
    topic: str | None = None
    location: str | None = None
    language: str | None = None
    product: str | None = None

    def parts(self) -> tuple[tuple[str, str], ...]:
        """(dimension, name) for every dimension that is narrowed, the most telling first."""
        order = ("topic", "location", "product", "source", "language")
        return tuple((name, value) for name in order if (value := getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The numbers. Counts are of negative mentions (of all for the signal `volume`); `since_at` begins the window."""

    n_observed: float | None = None
    n_expected: float | None = None
    low: float | None = None  # what would be usual: from
    high: float | None = None  # ... to
    since_at: datetime | None = None
    until_at: datetime | None = None
    n_total: int | None = None  # all mentions of the window
    n_authors: int | None = None
    share: float | None = None
    share_before: float | None = None
    rating: float | None = None
    rating_before: float | None = None
    n_ratings: int | None = None
    # of the whole life, for closing notes
    life_observed: float | None = None
    life_expected: float | None = None
    peak_observed: float | None = None
    peak_at: datetime | None = None
    duration: timedelta | None = None

    @property
    def ratio(self) -> float | None:
        """Observed / expected; None where either is unknown or nothing was expected."""
        return self.n_observed / self.n_expected if self.n_observed is not None and self.n_expected else None

    @property
    def usual(self) -> tuple[float, float] | None:
        """`low` and `high`; None where they hold the number itself: a story that fades is not told as usual."""
        if self.low is None or self.high is None or self.n_observed is None:
            return None
        return None if self.low <= self.n_observed <= self.high else (self.low, self.high)

    @property
    def n_excess(self) -> float | None:
        if self.n_observed is None or self.n_expected is None:
            return None
        return self.n_observed - self.n_expected

    @property
    def life_excess(self) -> float | None:
        if self.life_observed is None or self.life_expected is None:
            return None
        return self.life_observed - self.life_expected


@dataclass(frozen=True, slots=True)
class Driver:
    """A part of the series and how much of the excess is its own."""

    dimension: str  # source, topic, location, language, product
    name: str
    n_observed: float
    n_expected: float

    @property
    def n_excess(self) -> float:
        return self.n_observed - self.n_expected


@dataclass(frozen=True, slots=True)
class TopicCount:
    """A topic of the negatives in the window, as users call it."""

    name: str
    n: int
    n_expected: float | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words people use now and did not use before: texts with it in the window, texts before, z of the log-odds."""

    text: str
    n: int
    n_before: int = 0
    z: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A text that tells the story, with the link to the original."""

    text: str
    url: str | None = None
    author: str | None = None
    rating: float | None = None  # 1..5
    source: str | None = None
    location: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Confounder:
    kind: ConfounderKind
    value: float | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    kind: LinkKind
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification, of one incident or of the monitor itself.

    `dedup_key` is stable: the same message sent twice has the same key. `headline` and `note` are only filled where the
    sentence cannot be computed from the facts (operator's notices, plain rules); `items` are the messages of a digest;
    `joined_to` names the incident as part of which a joined one goes on.
    """

    kind: Kind
    dedup_key: str
    brand: str
    at: datetime
    language: Language = "en"
    time_zone: str = "UTC"
    signal: str = Signal.NEGATIVE
    severity: Severity = Severity.WARNING
    incident_id: str | None = None
    headline: str = ""
    note: str = ""
    scope: Scope = Scope()
    facts: Facts = Facts()
    drivers: tuple[Driver, ...] = ()
    topics: tuple[TopicCount, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    quotes: tuple[Quote, ...] = ()
    confounders: tuple[Confounder, ...] = ()
    links: tuple[Link, ...] = ()
    chart_png: bytes | None = None
    chart_alt: str = ""
    acknowledged_by: str | None = None
    joined_to: str = ""
    items: tuple[Message, ...] = ()
    n_items: int | None = None  # of a digest, where not all are shown

    def link(self, kind: LinkKind) -> str | None:
        """The address behind a button, or None."""
        return next((link.url for link in self.links if link.kind is kind), None)

    @property
    def thread_key(self) -> str | None:
        """Messages of one incident belong into one thread."""
        return f"incident:{self.incident_id}" if self.incident_id else None


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    media_type: str  # as in "text/html"
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a channel carries. With `message` set, channels render it their own way and the texts here are a fallback.

    `inline` maps the content ids used in `html` (`cid:chart`) to PNG bytes. `reply_to` is the receipt id of the first
    message of the thread on the same channel, where the caller knows it. `only_to` narrows the recipients of a channel
    that has several: those a first try could not reach (`Receipt.again`). `leave` holds, by address, the link by which
    that recipient ends these mails.
    """

    dedup_key: str
    subject: str
    text: str
    html: str = ""
    language: Language = "en"
    inline: Mapping[str, bytes] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    message: Message | None = None
    thread_key: str | None = None
    reply_to: str | None = None
    only_to: tuple[str, ...] = ()
    leave: Mapping[str, str] = field(default_factory=dict)


# bytes travel as base64 inside JSON; unknown keys of an older version are errors, not silence
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants", extra="forbid")


@cache
def _adapter() -> TypeAdapter[Envelope]:
    for value in (Attachment, Confounder, Driver, Envelope, Facts, Link, Message, Phrase, Quote, Scope, TopicCount):
        setattr(value, "__pydantic_config__", _CONFIG)  # noqa: B010 - pydantic's own hook for plain dataclasses
    return TypeAdapter(Envelope)


def dumps(envelope: Envelope) -> str:
    """The envelope as one JSON text, for an outbox."""
    return _adapter().dump_json(envelope).decode()


def loads(text: str | bytes) -> Envelope:
    """The envelope written by `dumps`. Raises ValueError where the text is not one."""
    return _adapter().validate_json(text)
