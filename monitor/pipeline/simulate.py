"""The simulated clock: dated feedback arrives as if live, through the daemon's own steps; nothing sees the future."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.notify import notify
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.judgements import judged_words
from monitor.store.tables import Brand, Incident

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.base import Judgement, Scorer, Span
    from scrapers.item import Item

TAIL = timedelta(days=3)  # the clock goes on after the last mention, so that incidents can end


@dataclass(frozen=True, slots=True)
class Arrival:
    """One item and when, for which brand and on which source it becomes known."""

    at: datetime
    brand: str
    source: str
    item: Item


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


class Prejudged:
    """A scorer that has judged every text beforehand in large batches: a judgement does not depend on the time."""

    def __init__(self, scorer: Scorer, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> None:
        self.name, self.revision = scorer.name, scorer.revision
        self._scorer = scorer
        self._known: dict[tuple[str, float | None], Judgement] = {}
        self._learn([judged_of(item) for item in items], progress)

    def score(self, texts: Sequence[str], *, languages: Sequence[str | None] | None = None,
              ratings: Sequence[float | None] | None = None,
              progress: Callable[[int], None] | None = None) -> list[Judgement]:  # fmt: skip
        asked = list(zip(texts, ratings if ratings is not None else [None] * len(texts), strict=True))
        self._learn(asked, progress)
        return [self._known[one] for one in asked]

    def _learn(self, asked: Sequence[tuple[str, float | None]], progress: Callable[[int], None] | None) -> None:
        missing = [one for one in dict.fromkeys(asked) if one not in self._known]
        if missing:
            texts, ratings = zip(*missing, strict=True)
            self._known |= dict(
                zip(missing, self._scorer.score(texts, ratings=ratings, progress=progress), strict=True)
            )

    def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
        return self._scorer.highlight(text, topic=topic)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._scorer.embed(texts)


def simulate(
    context: Context,
    clock: Clock,
    arrivals: Sequence[Arrival],
    *,
    every: timedelta,
    until: datetime | None = None,
    after_tick: Callable[[], Any] | None = None,
    report_from: int = 1,
) -> int:
    """Run the steps at every tick of `clock` at which something can happen; returns how many ticks ran.

    A tick at which nothing arrived and no day has ended is skipped: there is nothing new to judge, and incidents end by
    whole days. Weekly reports are made for weeks with at least `report_from` mentions of a brand.
    """
    if not arrivals:
        return 0
    ordered = sorted(arrivals, key=lambda arrival: arrival.at)
    end = until if until is not None else ordered[-1].at + TAIL
    position = n_ticks = 0
    busy: set[int] = set()
    for at, due, new_day in ticks([arrival.at for arrival in ordered], every=every, end=end,
                                  zone=context.settings.zone):  # fmt: skip
        clock.at = at
        if due == position and not new_day:
            continue
        touched = arrive(context, ordered[position:due]) if due > position else set()
        position = due
        if touched or busy:
            detect(context, only=touched | busy)
            busy = _active(context)
        if new_day:
            report_due(context, at_least=report_from)
        if touched or busy or new_day:
            notify(context)
            if after_tick is not None:
                after_tick()
        n_ticks += 1
        context.progress("replay", position, len(ordered))
        if position == len(ordered) and not busy and until is None:
            break
    return n_ticks


def ticks(
    times: Sequence[datetime], *, every: timedelta, end: datetime, zone: tzinfo
) -> Iterator[tuple[datetime, int, bool]]:
    """The looks of a simulated daemon, from the first of the sorted `times` to the first look at `end` or after it.

    Of each: when, how many of the times have come by then, and whether it is the first of its local day.
    """
    at, due, day = _floor(times[0], every), 0, None
    while at < end:
        at += every
        due = bisect_right(times, at, lo=due)
        local_day = at.astimezone(zone).date()
        yield at, due, local_day != day
        day = local_day


def arrive(context: Context, arrivals: Sequence[Arrival]) -> set[int]:
    """Store, judge and count what arrives now; returns the brands it is about."""
    if not arrivals:
        return set()
    groups: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for arrival in arrivals:
        groups[arrival.brand, arrival.source].append(arrival.item)
    touched: set[int] = set()
    with writing(context.engine) as session:
        brands = {brand.name: brand.id or 0 for brand in session.exec(select(Brand))}
        for (brand, source), items in groups.items():
            row = ensure_import(session, source, now=context.now, title=source)
            ingest(session, items, brand_id=brands[brand], source_id=row.id or 0, origin=row.slug, now=context.now,
                   store_authors=context.settings.privacy.store_authors)  # fmt: skip
            touched.add(brands[brand])
    score(context)
    aggregate(context)
    return touched


def _active(context: Context) -> set[int]:
    """Brands with something that may still change by itself."""
    with reading(context.engine) as session:
        return set(session.exec(select(Incident.brand_id).where(col(Incident.state) != "resolved")))


def _floor(at: datetime, every: timedelta) -> datetime:
    seconds = every.total_seconds()
    return at - timedelta(seconds=at.timestamp() % seconds)


def judged_of(item: Item) -> tuple[str, float | None]:
    """What is judged of an item: its title and text, and its stars."""
    return judged_words(item.title, item.text), item.rating
