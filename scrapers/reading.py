"""One slice of a source, read once: where to stop, what is new, what is left for later, what is gone."""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scrapers import fill
from scrapers.base import Page, Parsed, Scraper, Slice, Status
from scrapers.batch import Batch
from scrapers.errors import BadParams, Unreachable
from scrapers.http import Client
from scrapers.item import Item
from scrapers.parsing import Parser
from scrapers.readers.identity import content_hash

OVERLAP = timedelta(hours=24)
DEEP_EVERY = timedelta(hours=6)
GONE_AFTER = timedelta(hours=24)
QUIET_PAGES = 20  # a deep walk ends after so many pages in a row without news
LONGEST_DOUBT = timedelta(days=4)  # how far down a deep walk follows an id that was missed once
KNOWN_IDS = 400
FIRST_PAGES = 5  # of a first reading, before the rest is left to the backfill
BACKFILL_PAGES = 5


@dataclass(slots=True)
class Budget:
    """Pages that a reading may still ask for; `spend` counts them over readings too, and raises `BudgetSpent`."""

    pages: int
    backfill: int
    spend: Callable[[], Awaitable[None]] | None = None

    async def take(self) -> None:
        if self.spend is not None:
            await self.spend()
        self.pages -= 1


class Reading:
    """One slice, once."""

    def __init__(
        self,
        scraper: Scraper,
        params: Any,
        part: Slice,
        whole: dict[str, Any],
        client: Client,
        *,
        now: datetime,
        budget: Budget,
        parser: Parser,
        floor: datetime | None,
        dropped: frozenset[str],
    ) -> None:
        self.dropped = dropped
        self.scraper, self.params, self.part, self.client = scraper, params, part, client
        self.whole, self.now, self.budget, self.parser, self.floor = whole, now, budget, parser, floor
        self.state: dict[str, Any] = whole["slices"].setdefault(part.name, {})
        self.known: dict[str, list[Any]] = {key: list(value) for key, value in self.state.get("known", {}).items()}
        self.seen: set[str] = set()
        self.times: list[datetime] = []  # of all items of the walk, in the order of the site
        self.n_new = self.n_changed = 0

    async def run(self) -> AsyncIterator[Batch]:
        top = _time(self.state.get("top"))
        deep_at = _time(self.state.get("deep_at"))
        deep = deep_at is None or self.now - deep_at >= DEEP_EVERY
        if self.part.backfill and self.state.get("done"):
            return
        if not (self.part.backfill and "backfill" in self.state):
            reached = failed = False
            async for batch, whole_range in self._newest(top, deep=deep):
                failed = failed or batch.status not in (Status.OK, Status.EMPTY)
                reached = whole_range
                yield batch
            if failed:
                return
            gone: tuple[str, ...] = ()
            if reached:
                gone = self._missing()
                if deep:
                    self.state["deep_at"] = self.now.isoformat()
            self._pace()
            self.state["read_at"] = self.now.isoformat()
            yield self._batch("", Status.OK, gone=gone, note="the newest pages are read")
        for key in ("gap", "backfill"):
            if key in self.state:
                async for batch in self._older(key):
                    yield batch

    async def _newest(self, top: datetime | None, *, deep: bool) -> AsyncIterator[tuple[Batch, bool]]:
        """The walk from the newest page. The flag: everything down to the last item was read without a hole."""
        cursor: str | None = None
        since = top - OVERLAP if top is not None else None
        floor = min(filter(None, (since, self._oldest_doubt())), default=None)
        first = "known" not in self.state
        hole = "backfill" if first else "gap"
        old = self.state.get(hole)
        until = (old or {}).get("until") or (top.isoformat() if top else None)
        newest = top
        quiet = 0
        pages = BACKFILL_PAGES if self.part.backfill else FIRST_PAGES if first else self.budget.pages
        for number in itertools.count(1):
            fetched = await self._page(
                cursor, since=since, conditional=number == 1 and (not deep or self.state.get("single", False))
            )
            if fetched is None:
                return
            page, parsed = fetched
            if page.status_code == 304:
                self.state.pop("failures", None)
                yield self._batch(page.url, Status.OK, note="not modified"), False
                return
            if parsed.status is not Status.OK:
                yield self._trouble(page, parsed), False
                return
            self.state.pop("failures", None)
            if number == 1:
                self._remember_validators(page, single=parsed.next_cursor is None)
            items, n_new, n_changed = self._take(parsed)
            newest = max([newest, *(one.published_at for one in parsed.items if one.published_at)], key=_or_least)
            if newest is not None:
                self.state["top"] = min(newest, self.now + timedelta(days=1)).isoformat()
            quiet = 0 if n_new or n_changed else quiet + 1
            more = parsed.next_cursor is not None and parsed.next_cursor != cursor
            stop = (
                not more
                or quiet >= QUIET_PAGES
                or self._may_stop(
                    parsed.items,
                    n_new=n_new,
                    n_changed=n_changed,
                    floor=floor if deep else since,
                    deep=deep,
                    first=first,
                )
            )
            exhausted = not stop and (number >= pages or self.budget.pages <= 0)
            _put(self.state, hole, old if stop else {"cursor": parsed.next_cursor, "until": until})
            if stop and self.part.backfill:
                self.state["done"] = True
            self._keep_known()
            yield (
                self._batch(
                    page.url, Status.OK, parsed=parsed, page=page, items=items, n_new=n_new, n_changed=n_changed
                ),
                stop,
            )
            if stop or exhausted:
                return
            cursor = parsed.next_cursor

    async def _older(self, hole: str) -> AsyncIterator[Batch]:
        """Goes on in a hole: catching up with the whole budget, the backfill with its small one."""
        backfill = hole == "backfill"
        gap = dict(self.state[hole])
        until = self.floor if backfill else _time(gap.get("until"))
        pages = min(self.budget.pages, self.budget.backfill) if backfill else self.budget.pages
        while pages > 0:
            pages -= 1
            if backfill:
                self.budget.backfill -= 1
            since = until - OVERLAP if until is not None and not backfill else None
            fetched = await self._page(gap["cursor"], since=since)
            if fetched is None:
                return
            page, parsed = fetched
            if parsed.status not in (Status.OK, Status.EMPTY):
                gap["failures"] = gap.get("failures", 0) + 1
                # An old cursor may have expired: after three tries the gap is given up, and said so.
                _put(self.state, hole, gap if gap["failures"] < 3 else None)
                if gap["failures"] >= 3:
                    self.state["given_up"] = {"cursor": str(gap["cursor"])[:200], "at": self.now.isoformat()}
                yield self._trouble(page, parsed, backfill=backfill)
                return
            items, n_new, n_changed = self._take(parsed, remember=not backfill)
            times = [one.published_at for one in parsed.items if one.published_at]
            below = until is not None and bool(times) and _order(times) == "falling" and min(times) <= until
            stuck = backfill and not n_new and not times
            end = parsed.next_cursor is None or parsed.next_cursor == gap["cursor"] or below or stuck
            gap = {"cursor": parsed.next_cursor, "until": gap.get("until")}
            _put(self.state, hole, None if end else gap)
            if end and self.part.backfill:
                self.state["done"] = True
            self._keep_known()
            yield self._batch(
                page.url,
                parsed.status,
                parsed=parsed,
                page=page,
                items=items,
                n_new=n_new,
                n_changed=n_changed,
                backfill=backfill,
            )
            if end:
                return

    async def _page(
        self, cursor: str | None, *, since: datetime | None, conditional: bool = False
    ) -> tuple[Page, Parsed] | None:
        if self.budget.pages <= 0:
            return None
        request = self.scraper.request(self.params, self.part, cursor, since=since)
        if request is None:
            if cursor is None:
                raise BadParams(
                    f"{self.scraper.meta.name} reads saved pages only (class {self.scraper.meta.access}). "
                    f"{self.scraper.meta.terms}"
                )
            return None
        if conditional and request.method == "GET":
            wanted = {"if-none-match": self.state.get("etag"), "if-modified-since": self.state.get("last_modified")}
            request = replace(request, headers={**request.headers, **{k: v for k, v in wanted.items() if v}})
        await self.budget.take()
        try:
            page = await self.client.fetch(request, meta=self.scraper.meta)
        except Unreachable:
            self.state["failures"] = self.state.get("failures", 0) + 1
            raise
        if page.status_code == 304:
            return page, Parsed(Status.OK)
        return page, await self.parser(self.scraper, page)

    def _take(self, parsed: Parsed, *, remember: bool = True) -> tuple[tuple[Item, ...], int, int]:
        """The items of a page as they are to be stored, with the count of new ids and of changed ones."""
        kept: list[Item] = []
        n_new = n_changed = 0
        for item in parsed.items:
            old = self.known.get(item.external_id)
            digest = content_hash(item)[:8]
            if old is None:
                n_new += 1 if item.external_id not in self.seen else 0
            else:
                n_changed += old[0] != digest
                if item.published_precision == "relative" and old[1]:
                    item = replace(item, published_at=_time(old[1]))  # "2 days ago" does not move when read again
            if remember or old is not None:
                when = item.published_at.isoformat() if item.published_at else None
                self.known[item.external_id] = [digest, when, None]
            self.seen.add(item.external_id)
            if item.published_at is not None:
                self.times.append(item.published_at)
            if not item.flags & self.dropped:
                kept.append(item)
        for key in parsed.gone:
            self.known.pop(key, None)
        self.n_new += n_new
        self.n_changed += n_changed
        return tuple(kept), n_new, n_changed

    def _may_stop(
        self, items: Sequence[Item], *, n_new: int, n_changed: int, floor: datetime | None, deep: bool, first: bool
    ) -> bool:
        """Is everything below this page known?"""
        if first or not items:
            return False  # a page that only leads on to the next
        times = [one.published_at for one in items if one.published_at]
        order = _order(times)
        if order == "rising":
            return False  # what is new stands at the end
        if order == "falling" and floor is not None and times and min(times) < floor:
            return True  # below the overlap window
        if n_new or (n_changed and order == "falling"):
            return False
        return not (deep and floor is not None and times and order == "falling")

    def _oldest_doubt(self) -> datetime | None:
        """Time of the oldest id that was missed once and may still be looked for."""
        doubts = [at for entry in self.known.values() if entry[2] and (at := _time(entry[1])) is not None]
        return min((at for at in doubts if self.now - at <= LONGEST_DOUBT), default=None)

    def _missing(self) -> tuple[str, ...]:
        """Ids that are gone: known, inside the range just read, and not there, for the second time a day apart."""
        if not self.times or any(a < b for a, b in itertools.pairwise(self.times)):
            return ()
        floor = self.times[-1]
        gone = []
        for key, entry in list(self.known.items()):
            at = _time(entry[1])
            if key in self.seen or at is None or at <= floor:
                continue
            missed = _time(entry[2])
            if missed is None:
                entry[2] = self.now.isoformat()
            elif self.now - missed >= GONE_AFTER:
                gone.append(key)
                del self.known[key]
        self._keep_known()
        return tuple(gone)

    def _remember_validators(self, page: Page, *, single: bool) -> None:
        self.state["single"] = single  # one page is all: then "not modified" says everything
        for key, header in (("etag", "etag"), ("last_modified", "last-modified")):
            _put(self.state, key, page.headers.get(header))

    def _keep_known(self) -> None:
        """The latest ids only: those seen now first, then by time."""
        if len(self.known) > KNOWN_IDS:
            ranked = sorted(self.known.items(), key=lambda one: (one[1][1] or "", one[0] in self.seen), reverse=True)
            self.known = dict(ranked[:KNOWN_IDS])
        self.state["known"] = self.known

    def _pace(self) -> None:
        """Halve on news, lengthen on silence; kept for the whole source."""
        pace = float(self.whole.get("pace", 1.0))
        pace = pace / 2 if self.n_new else pace * 1.5
        self.whole["pace"] = round(min(max(pace, 1 / 16), 8.0), 4)

    def _trouble(self, page: Page, parsed: Parsed, *, backfill: bool = False) -> Batch:
        if parsed.status is Status.EMPTY:
            self.state["empty_streak"] = self.state.get("empty_streak", 0) + 1
            self.state.setdefault("known", {})
        else:
            self.state["failures"] = self.state.get("failures", 0) + 1
        return self._batch(page.url, parsed.status, parsed=parsed, page=page, note=parsed.note, backfill=backfill)

    def _batch(
        self,
        url: str,
        status: Status,
        *,
        parsed: Parsed | None = None,
        page: Page | None = None,
        items: tuple[Item, ...] = (),
        gone: tuple[str, ...] = (),
        note: str | None = None,
        n_new: int = 0,
        n_changed: int = 0,
        backfill: bool = False,
    ) -> Batch:
        if parsed is not None and status is Status.OK:
            self.state.pop("empty_streak", None)
            lost = fill.lost(parsed.items, self.state.setdefault("fill", {"n": 0}))
            if lost is not None:
                status, note = Status.CHANGED, f"items have no {lost} any more"
        return Batch(
            slice=self.part.name,
            page_url=url,
            status=status,
            items=items,
            gone=gone + (parsed.gone if parsed else ()),
            state_after=copy.deepcopy(self.whole),
            note=note or (parsed.note if parsed else None),
            retry_after=parsed.retry_after if parsed else None,
            sample=page if status is Status.CHANGED else None,
            facts=dict(parsed.facts) if parsed else {},
            backfill=backfill or self.part.backfill,
            n_new=n_new,
            n_changed=n_changed,
        )


def _order(times: Sequence[datetime]) -> str:
    """falling (newest first), rising, or mixed, by most of the neighbours."""
    up = sum(a < b for a, b in itertools.pairwise(times))
    down = sum(a > b for a, b in itertools.pairwise(times))
    if up > 3 * down:
        return "rising"
    return "falling" if down >= 3 * up else "mixed"


def _put(state: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        state.pop(key, None)
    else:
        state[key] = value


def _time(raw: Any) -> datetime | None:
    return datetime.fromisoformat(raw) if isinstance(raw, str) else None


def _or_least(value: datetime | None) -> datetime:
    return value or datetime.min.replace(tzinfo=UTC)
