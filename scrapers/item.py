"""The item: what every reader yields, whatever the site."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

Kind = Literal["review", "post", "comment", "article", "answer", "ticket", "survey"]
KINDS: tuple[str, ...] = get_args(Kind)

Precision = Literal["second", "minute", "hour", "day", "month", "year", "relative"]


@dataclass(frozen=True, slots=True)
class Reply:
    """The owner's answer to a review. `text` is plain; `published_at` is aware UTC."""

    text: str
    author: str | None = None
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One review, post, comment or article as the site shows it (fields follow schema.org Review).

    `external_id` is unique and stable within (scraper, what is read); readers without an id of the site's make one with
    `scrapers.readers.identity.content_id`. Texts are plain (no markup, no control characters). Times are aware UTC.
    `rating` is on 1..5 whatever the site's scale; `rating_raw` and `rating_scale` keep what stood there ("4,0",
    "1..10").
    """

    kind: Kind
    external_id: str
    text: str = ""
    title: str | None = None
    url: str | None = None
    author: str | None = None
    author_id: str | None = None
    rating: float | None = None
    rating_raw: str | None = None
    rating_scale: str | None = None
    published_at: datetime | None = None
    published_precision: Precision | None = None
    published_raw: str | None = None
    edited_at: datetime | None = None
    language: str | None = None
    reply: Reply | None = None
    parent_id: str | None = None
    subject: str | None = None
    location: str | None = None
    origin: str | None = None  # the platform that a row of an import names: google_maps, 2gis, zendesk
    customer: str | None = None  # id of the customer where the export carries one (surveys, tickets)
    n_likes: int | None = None
    n_views: int | None = None
    n_replies: int | None = None
    flags: frozenset[str] = field(default_factory=frozenset)  # verified, hidden, deleted, syndicated, translated ...

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if not self.external_id:
            raise ValueError("an item needs an external_id")
        if self.rating is not None and not 1.0 <= self.rating <= 5.0:
            raise ValueError(f"rating {self.rating!r} is outside 1..5")
        for name in ("published_at", "edited_at"):
            value = getattr(self, name)
            if value is not None and value.utcoffset() is None:
                raise ValueError(f"{name} has no time zone: {value!r}")
