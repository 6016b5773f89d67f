"""The batch: what one page (or one handful of messages of a mailbox or a stream) brought, with the state after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scrapers.base import Page, Status
from scrapers.item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one page brought. `status` is that of the page; items may be empty.

    `slice` names the part of the source. `gone` are ids that do not exist any more (tombstones, or two healthy misses).
    `state_after` is JSON and replaces the state that was given to `collect`. `sample` is the page where it changed.
    `n_new` counts ids that the state did not know, `n_changed` known ids whose content differs.
    """

    slice: str
    page_url: str
    status: Status
    items: tuple[Item, ...] = ()
    gone: tuple[str, ...] = ()
    state_after: dict[str, Any] = field(default_factory=dict)
    note: str | None = None
    retry_after: float | None = None
    sample: Page | None = None
    facts: dict[str, float] = field(default_factory=dict)
    backfill: bool = False
    n_new: int = 0
    n_changed: int = 0
