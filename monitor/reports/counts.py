"""Counts of a brand's week from the buckets: by hour, week, place, source and language, and what was collected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlmodel import Session, col

from monitor.metrics.sentiment import Tally
from monitor.reports.week import Week
from monitor.reports.weekly import Gap, Part
from monitor.store.tables import Bucket, Coverage, Source

TREND_WEEKS = 12
ALL_TOPICS = ""
NOWHERE = ""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until just before `end`, aware UTC."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, week: Week, zone: ZoneInfo) -> Span:
        return cls(week.starts_at(zone), week.ends_at(zone))


@dataclass(frozen=True, slots=True)
class Frame:
    """What is reported: the brand, this week and the week before as far as they go, and the zone of their days."""

    brand_id: int
    week: Week
    zone: ZoneInfo
    now: Span
    before: Span


def within(column: Any, span: Span) -> tuple[Any, Any]:
    """Conditions that a time lies in the span."""
    return col(column) >= span.start, col(column) < span.end


def tally_of(counts: Sequence[Any]) -> Tally:
    """A tally from the four sums of `BUCKET_SUMS`; what has no sentiment is unjudged."""
    negative, neutral, positive, n = (int(count or 0) for count in counts)
    return Tally(negative, neutral, positive, max(0, n - negative - neutral - positive))


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    whole = Tally()
    for tally in tallies:
        whole = whole + tally
    return whole


BUCKET_SUMS: tuple[Any, ...] = tuple(
    sa.func.sum(column) for column in (Bucket.n_negative, Bucket.n_neutral, Bucket.n_positive, Bucket.n)
)


class Counts:
    """Sums over the buckets of one brand."""

    def __init__(self, session: Session, frame: Frame) -> None:
        self.session = session
        self.frame = frame

    def sums(self, span: Span, *columns: Any, topics: bool | None = None) -> list[Any]:
        """Rows (columns..., four sums). `topics` True: only rows of a topic; False: only those of all mentions."""
        statement = (
            sa.select(*columns, *BUCKET_SUMS)
            .where(col(Bucket.brand_id) == self.frame.brand_id, *within(Bucket.hour_at, span))
            .group_by(*columns)
        )
        if topics is not None:
            statement = statement.where(col(Bucket.topic) != ALL_TOPICS if topics else col(Bucket.topic) == ALL_TOPICS)
        return list(self.session.execute(statement))

    def hourly(self) -> dict[str, dict[datetime, Tally]]:
        """Topic ("" for all mentions) -> hour -> tally, over both weeks."""
        hours: dict[str, dict[datetime, Tally]] = defaultdict(dict)
        for span in (self.frame.before, self.frame.now):
            for topic, hour_at, *counts in self.sums(span, Bucket.topic, Bucket.hour_at):
                hours[topic][hour_at] = tally_of(counts)
        return hours

    def history(self) -> dict[str, dict[Week, Tally]]:
        """Topic -> earlier week -> tally, for those of the trend's weeks before this one that hold anything."""
        weeks: dict[str, dict[Week, Tally]] = defaultdict(dict)
        for back in range(TREND_WEEKS - 1, 0, -1):
            week = self.frame.week.back(back)
            for topic, *counts in self.sums(Span.of(week, self.frame.zone), Bucket.topic):
                weeks[topic][week] = tally_of(counts)
        return weeks

    def by(self, column: Any, span: Span) -> dict[Any, Tally]:
        """Value of a dimension -> tally of all mentions."""
        return {value: tally_of(counts) for value, *counts in self.sums(span, column, topics=False)}

    def complaints(self, column: Any, span: Span) -> dict[tuple[str, Any], int]:
        """(topic, value of a dimension) -> complaints."""
        return {
            (topic, value): tally_of(counts).n_negative
            for topic, value, *counts in self.sums(span, Bucket.topic, column, topics=True)
        }

    def parts(self, column: Any, name: Callable[[Any], str]) -> dict[str, tuple[Part, ...]]:
        """Topic -> complaints per place or source, those without a place among them under an empty name."""
        everything = {value: tally.n for value, tally in self.by(column, self.frame.now).items()}
        now, before = (self.complaints(column, span) for span in (self.frame.now, self.frame.before))
        parts: dict[str, list[Part]] = defaultdict(list)
        for topic in sorted({topic for topic, _ in (*now, *before)}):
            values = {*everything, *(value for of, value in before if of == topic)}
            parts[topic] = [
                Part(name(value), now.get((topic, value), 0), before.get((topic, value), 0), everything.get(value, 0))
                for value in sorted(values, key=str)
            ]
        return {topic: tuple(listed) for topic, listed in parts.items()}

    def brands(self, brand_ids: Sequence[int], span: Span) -> dict[int, Tally]:
        """Brand -> tally of all mentions."""
        statement = (
            sa.select(col(Bucket.brand_id), *BUCKET_SUMS)
            .where(col(Bucket.topic) == ALL_TOPICS, col(Bucket.brand_id).in_(brand_ids), *within(Bucket.hour_at, span))
            .group_by(col(Bucket.brand_id))
        )
        return {brand_id: tally_of(counts) for brand_id, *counts in self.session.execute(statement)}

    # ---- what was collected

    def read_sources(self) -> list[Source]:
        """Sources that are read for this brand; imports and webhooks need no reading."""
        statement = sa.select(Source).where(
            (col(Source.brand_id) == self.frame.brand_id) | col(Source.brand_id).is_(None),
            col(Source.scraper) != "import",
        )
        return list(self.session.scalars(statement))

    def coverage(self, span: Span, usual: Mapping[int, Tally]) -> tuple[float, tuple[Gap, ...]]:
        """Share of the span that was collected, and the gaps by source, widest first.

        A source weighs as many mentions as it `usual`ly brings; what needs no reading is complete as it is.
        """
        statement = (
            sa.select(
                col(Coverage.source_id), sa.func.sum(Coverage.n_due), sa.func.sum(Coverage.n_done), sa.func.count()
            )
            .where(*within(Coverage.hour_at, span), col(Coverage.n_due) > 0)
            .group_by(col(Coverage.source_id))
        )
        due = {source_id: counts for source_id, *counts in self.session.execute(statement)}
        weight = collected = 0.0
        gaps = []
        for source in self.read_sources():
            if source.id is None or source.id not in due:
                continue
            n_due, n_done, n_hours = (int(count) for count in due[source.id])
            share = min(1.0, n_done / n_due)
            own = usual.get(source.id, Tally()).n_all + 1.0
            weight += own
            collected += own * share
            n_missing = round(n_hours * (1 - share))
            if n_missing > 0:
                gaps.append(Gap(source.name, n_missing, n_hours))
        gaps.sort(key=lambda gap: (-gap.n_missing / gap.n_due, gap.source))
        complete = sum(tally.n_all for source_id, tally in usual.items() if source_id not in due)
        return (collected + complete) / (weight + complete) if weight else 1.0, tuple(gaps)

    def coverage_by_day(self) -> dict[date, float]:
        """Day -> share of the due readings that were done."""
        own = {source.id for source in self.read_sources()}
        n_due: dict[date, int] = defaultdict(int)
        n_done: dict[date, int] = defaultdict(int)
        columns: tuple[Any, ...] = (Coverage.source_id, Coverage.hour_at, Coverage.n_due, Coverage.n_done)
        for span in (self.frame.before, self.frame.now):
            for source_id, hour_at, due, done in self.session.execute(
                sa.select(*columns).where(*within(Coverage.hour_at, span))
            ):
                if source_id in own:
                    day = hour_at.astimezone(self.frame.zone).date()
                    n_due[day] += due
                    n_done[day] += min(due, done)
        return {day: n_done[day] / due for day, due in n_due.items() if due}
