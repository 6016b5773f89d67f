"""What of customers takes seconds: computed once, kept for ten minutes, renewed behind the answer.

An import is seen at once: the answer is kept under the number of orders and answers there are. What changes meanwhile
(a comment judged or corrected) shows when the answer is renewed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from sqlmodel import Session, func, select

from monitor.pipeline import indices, journeys, loyalty, segmenting
from monitor.pipeline.context import Context
from monitor.store.queries.selection import remembered
from monitor.store.tables import Activity, Order, SurveyAnswer
from monitor.web.memo import Memo, renewed

T = TypeVar("T")
SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Lasting:
    """Answers about the customers of a brand as they are at `end`, or now where that is yet to come."""

    memo: Memo
    context: Context
    rows: Session
    brand_id: int
    end: datetime
    zone: ZoneInfo

    def behaviour(self, name: str, by: indices.By = "") -> indices.MetricTable:
        """Raises ConfigError where the metric is not known by the dimension."""
        brand_id, zone = self.brand_id, self.zone
        return self._kept(
            ("behaviour", name, by),
            lambda rows, now: indices.metric_table(rows, brand_id, name, by=by, start=now, end=now, zone=zone),
        )

    def lost(self) -> journeys.Lost:
        brand_id = self.brand_id
        return self._kept(("lost",), lambda rows, now: journeys.find_lost(rows, brand_id, end=now))

    def segments(self) -> segmenting.SegmentView:
        """Raises segmenting.TooFewCustomers."""
        brand_id, zone = self.brand_id, self.zone
        return self._kept(
            ("segments", zone.key), lambda rows, now: segmenting.segment_view(rows, brand_id, now=now, zone=zone)
        )

    def loyalty(self) -> loyalty.LoyaltyView:
        brand_id, zone = self.brand_id, self.zone
        return self._kept(
            ("loyalty", zone.key), lambda rows, now: loyalty.loyalty_view(rows, brand_id, now=now, zone=zone)
        )

    def warm(self) -> None:
        """Compute what the pages show first, where there are customers at all."""
        if not self.there()[0][0]:
            return
        for name in indices.BEHAVIOUR:
            self.behaviour(name)
            if name != "clv":
                self.behaviour(name, "location")
        self.lost()
        self.loyalty()
        with suppress(segmenting.TooFewCustomers):
            self.segments()

    def _kept(self, name: tuple[str, ...], make: Callable[[Session, datetime], T]) -> T:
        context, end = self.context, None if self.end >= self.context.now else self.end
        return renewed(
            self.memo, context.engine, (name, self.brand_id, end, *self.there()),
            lambda session: make(session, end or context.now), rows=self.rows, seconds=SECONDS, lasting=True,
        )  # fmt: skip

    def there(self) -> list[tuple[int, int | None]]:
        """How many orders, answers and activities there are, and the newest of each."""
        kept = remembered(self.rows, "customers there")
        if self.brand_id not in kept:
            kept[self.brand_id] = [
                tuple(self.rows.exec(select(func.count(), func.max(of.id)).where(of.brand_id == self.brand_id)).one())
                for of in (Order, SurveyAnswer, Activity)
            ]
        return cast("list[tuple[int, int | None]]", kept[self.brand_id])
