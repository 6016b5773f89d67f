"""The driver: a scraper, its parameters and the state of the last reading -> batches of items, page by page.

Each `Batch` carries the state *after* it. The caller stores items and state in one transaction, so a reading that is
killed anywhere goes on where it stopped: nothing is lost, and what comes twice has the same id.

How a slice is read, newest first:

- The walk starts at the newest page and stops when a page brings nothing new and nothing changed, or at the end. Every
  `deep_every` it goes on through the overlap window, for late arrivals, edits and deletions.
- A walk that could not reach what was known (budget, crash) leaves a gap in the state: the cursor to go on from, and
  the time down to which it reaches; the next reading closes it. What a first reading leaves is the backfill: a few
  pages of it follow each reading until the site has no more.
- Pages in rising order (APIs that filter by `since`) are always read to the end; pages in no order until one brings
  no new id.
- A source that is no chain of pages (a mailbox, a stream) brings its own batches (`Scraper.batches`).
- An id that was known, lies inside the time range just read completely, and is not there any more, is missed. Missed
  twice, a day apart, on healthy pages: it is gone. Short lists, capped lists and feeds that age out are never a proof.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from scrapers.base import Meta, Scraper, Status
from scrapers.batch import Batch
from scrapers.errors import BadParams, FetchError, RateLimited
from scrapers.http import Client
from scrapers.parsing import Parser, parse_here
from scrapers.reading import BACKFILL_PAGES, Budget, Reading

STATE_VERSION = 1
DROPPED_FLAGS = frozenset({"private", "nobot", "noindex"})  # not public, or the author opted out of being indexed


async def collect(
    scraper: Scraper,
    params: Any,
    state: dict[str, Any] | None,
    client: Client,
    *,
    now: datetime,
    max_pages: int = 50,
    backfill_pages: int = BACKFILL_PAGES,
    backfill_until: datetime | None = None,
    parser: Parser = parse_here,
    dropped_flags: frozenset[str] = DROPPED_FLAGS,
    spend: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Batch]:
    """Reads every slice of a source once. `max_pages` is the budget of the whole reading, backfill included.

    Items with one of `dropped_flags` are never given on. `spend` is asked before every page and may refuse it with
    `BudgetSpent` (a budget of a day for an API that bills by the call).

    A page that is a wall ends its slice with a batch of that status (`blocked`, `captcha` and `login` end the reading).
    A page that does not arrive ends its slice too; the first such `FetchError` is raised after the other slices.
    """
    _check_params(scraper, params)
    own = scraper.batches(params, state or {}, client=client, now=now)
    if own is not None:
        async for batch in own:
            yield replace(batch, items=tuple(one for one in batch.items if not one.flags & dropped_flags))
        return
    door = scraper.sign_in(params)
    if door is not None:
        params = scraper.signed(params, await client.fetch(door, meta=scraper.meta))
    whole = _state(state)
    budget = Budget(max_pages, backfill_pages, spend)
    trouble: FetchError | None = None
    plain = [one for one in scraper.slices(params) if not one.backfill]
    later = [one for one in scraper.slices(params) if one.backfill]
    for part in [*plain, *later]:
        reading = Reading(
            scraper,
            params,
            part,
            whole,
            client,
            now=now,
            budget=budget,
            parser=parser,
            floor=backfill_until,
            dropped=dropped_flags,
        )
        try:
            async for batch in reading.run():
                yield batch
                if batch.status in (Status.BLOCKED, Status.CAPTCHA, Status.LOGIN):
                    if trouble is not None:
                        raise trouble
                    return
        except RateLimited:
            raise
        except FetchError as problem:
            trouble = trouble or problem
        if budget.pages <= 0:
            break
    if trouble is not None:
        raise trouble


def interval_seconds(meta: Meta, state: dict[str, Any] | None, *, default: int | None = None) -> int:
    """When to read next: half the interval after news, one and a half times after silence.

    Between the scraper's minimum and eight times the default (at most a day).
    """
    base = default or meta.interval_seconds
    pace = float((state or {}).get("pace", 1.0))
    longest = max(base, min(8 * base, 86_400))
    return int(min(max(base * pace, meta.min_interval_seconds), longest))


def _state(state: dict[str, Any] | None) -> dict[str, Any]:
    """A copy that may be changed; a state of another version starts anew (items come again, ids are the same)."""
    if not state or state.get("version") != STATE_VERSION:
        return {"version": STATE_VERSION, "slices": {}}
    return copy.deepcopy(state)


def _check_params(scraper: Scraper, params: Any) -> None:
    if not isinstance(params, scraper.params_type):
        raise BadParams(
            f"{scraper.meta.name} takes parameters of {scraper.params_type.__name__}, not {type(params).__name__}"
        )


__all__ = ["Batch", "collect", "interval_seconds"]
