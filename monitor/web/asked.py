"""What a page about customers is asked: the brand, and a span long enough for indices; computed once for many."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from fastapi import Request
from sqlmodel import Session

from monitor.errors import ConfigError
from monitor.metrics.metric import Interval, Metric
from monitor.pipeline import indices, journeys, loyalty, questionnaires, segmenting
from monitor.pipeline import rivals as rival_views
from monitor.pipeline.context import Context
from monitor.pipeline.effects import EffectView, measure_effect
from monitor.store.daily import day_start
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import Brand
from monitor.web import filters
from monitor.web.errors import BadRequest, NotFound
from monitor.web.frame import Frame, frame, memo_of
from monitor.web.lasting import Lasting
from monitor.web.memo import Memo, renewed
from monitor.web.visitor import Visitor, context_of

LONG = "180d"  # surveys and complaints by place are too few in a month
OVERVIEW = ("nps", "csat", "ces", "ces_mean", "net_sentiment", "negative_share", "rating", "repeat_rate", "return_rate",
            "complaint_rate", "retention")  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """The frame of the page, its brand and its span; questions are answered through it."""

    memo: Memo
    context: Context
    rows: Session
    framed: Frame
    brand: Brand
    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def brand_id(self) -> int:
        return self.brand.id or 0

    @property
    def key(self) -> tuple[object, ...]:
        return (self.brand_id, self.start, self.end, self.zone.key)

    def table(self, name: str, by: indices.By = "", step: indices.Step = "month") -> indices.MetricTable:
        """One metric. Raises BadRequest for an unknown one, or one that is not known by that dimension."""
        with refusing():
            if name in indices.BEHAVIOUR:
                return self._lasting.behaviour(name, by)
            brand_id, start, end, zone = self.brand_id, self.start, self.end, self.zone
            asked_for = name not in indices.FEEDBACK and name not in indices.CHATS  # answers change by imports alone
            return self._renewed(
                ("metric", *self.key, name, by, step, *(self._lasting.there() if asked_for else ())),
                lambda rows: indices.metric_table(
                    rows, brand_id, name, by=by, start=start, end=end, zone=zone, step=step
                ),
                lasting=asked_for,
            )

    def drivers(self, name: str) -> tuple[list[indices.Driver], int]:
        with refusing():
            brand_id, start, end = self.brand_id, self.start, self.end
            return self._renewed(
                ("drivers", *self.key, name),
                lambda rows: indices.drivers(rows, brand_id, name, start=start, end=end, rng=np.random.default_rng(0)),
            )

    def names(self) -> tuple[str, ...]:
        return self.memo.get(("metric names", self.brand_id), lambda: indices.names(self.rows, self.brand_id))

    def questionnaire(self, weights: Mapping[str, float] | None = None) -> questionnaires.Indices:
        with refusing():
            brand_id, start, end = self.brand_id, self.start, self.end
            return self._renewed(
                ("questionnaire", *self.key, tuple(sorted((weights or {}).items()))),
                lambda rows: questionnaires.questionnaire(
                    rows, brand_id, start=start, end=end, rng=np.random.default_rng(0), weights=weights
                ),
            )

    def journey(self, step: indices.Step) -> journeys.JourneyView:
        lasting, brand_id, start, end, zone = self._lasting, self.brand_id, self.start, self.end, self.zone
        return self._renewed(
            ("journey map", *self.key, step),
            lambda rows: journeys.journey_view(
                rows, brand_id, start=start, end=end, zone=zone, step=step,
                lost=dataclasses.replace(lasting, rows=rows).lost(),
            ),
        )  # fmt: skip

    def segments(self) -> segmenting.SegmentView:
        """Customers as they are at the end of the span. Raises segmenting.TooFewCustomers."""
        return self._lasting.segments()

    def loyalty(self) -> loyalty.LoyaltyView:
        return self._lasting.loyalty()

    def _renewed(self, key: tuple[object, ...], make: Callable[[Session], T], *, lasting: bool = False) -> T:
        return renewed(self.memo, self.context.engine, key, make, rows=self.rows, lasting=lasting)

    @property
    def _lasting(self) -> Lasting:
        return Lasting(self.memo, self.context, self.rows, self.brand_id, self.end, self.zone)

    def rivals(self) -> list[rival_views.Rival]:
        brand, start, end = self.brand, self.start, self.end
        return self._renewed(("rivals", *self.key), lambda rows: rival_views.rivals(rows, brand, start=start, end=end))

    def effect(
        self,
        *,
        topics: Sequence[str],
        changed_on: date,
        treated: Sequence[str] = (),
        against: Sequence[str] = (),
        measure: str = "share",
    ) -> EffectView:
        """What a change did, over everything stored up to now. Raises BadRequest for what cannot be asked."""
        if measure not in ("share", "count"):
            raise BadRequest(f"measure {measure!r}: allowed: share, count")
        until, at = self.context.now, day_start(changed_on, self.zone).astimezone(self.zone)
        brand_id = self.brand_id
        with refusing():
            return self._renewed(
                ("effect", brand_id, tuple(topics), changed_on, tuple(treated), tuple(against), measure,
                 until.replace(minute=0, second=0, microsecond=0)),
                lambda rows: measure_effect(
                    rows, brand_id, topics=topics, changed_at=at, until=until, treated=treated,
                    against=against, measure="share" if measure == "share" else "count",
                ),
            )  # fmt: skip


def asked(request: Request, rows: Session, visitor: Visitor, *, brand_slug: str = "") -> Asked | None:
    """What the address asks; half a year unless it names a span. None while there is no brand."""
    framed = frame(request, rows, visitor, brand_slug=brand_slug)
    if framed.brand is None:
        return None
    wanted = framed.filter
    if "period" not in request.query_params and not wanted.since:
        wanted = dataclasses.replace(wanted, period=LONG)
    return _of(memo_of(request), context_of(request), rows, framed.brand, visitor.zone, framed, wanted)


def at_first(memo: Memo, context: Context, rows: Session, brand: Brand) -> Asked:
    """What is asked by whoever opens a page of the brand without a word more, in the time zone of the configuration."""
    wanted = filters.Filter(period=LONG)
    framed = Frame(wanted, brand, [brand], in_force(rows), None)
    return _of(memo, context, rows, brand, context.settings.zone, framed, wanted)


def _of(
    memo: Memo, context: Context, rows: Session, brand: Brand, zone: ZoneInfo, framed: Frame, wanted: filters.Filter
) -> Asked:
    chosen = filters.selection(rows, wanted, brand, framed.taxonomy, now=context.now, zone=zone)
    framed = dataclasses.replace(framed, filter=wanted, selection=chosen)
    return Asked(memo, context, rows, framed, brand, chosen.start, chosen.end, zone)


def must_ask(request: Request, rows: Session, visitor: Visitor) -> Asked:
    """The same for the API. Raises NotFound while there is no brand."""
    found = asked(request, rows, visitor)
    if found is None:
        raise NotFound("there is no brand yet")
    return found


def of_brand(request: Request, rows: Session, visitor: Visitor, slug: str) -> Asked:
    """The same for a request whose body names the brand. Raises NotFound."""
    found = asked(request, rows, visitor, brand_slug=slug)
    if found is None:
        raise NotFound("there is no brand yet")
    return found


@contextmanager
def refusing() -> Iterator[None]:
    """A question that cannot be asked is the visitor's mistake, not ours."""
    try:
        yield
    except ConfigError as problem:
        raise BadRequest(str(problem)) from None


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values stand on a line drawn from 0 to 100."""

    low: float
    high: float

    def at(self, value: float) -> str:
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}"

    @property
    def has_zero(self) -> bool:
        return self.low < 0 < self.high


def scale_of(metrics: Sequence[Metric]) -> Scale:
    """A line that holds all intervals with a little room on either side."""
    return scale_between([metric.interval for metric in metrics if metric.interval is not None])


def scale_between(intervals: Sequence[Interval]) -> Scale:
    low = min((one.low for one in intervals), default=0.0)
    high = max((one.high for one in intervals), default=1.0)
    room = (high - low) * 0.04 or 0.5
    return Scale(low - room, high + room)


def a_day(text: str, name: str) -> date | None:
    """A day of the address. Raises BadRequest."""
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"{name}={text[:40]!r}: write a day as 2026-11-22") from None
    if not date(1990, 1, 1) <= found <= date(2200, 1, 1) - timedelta(days=1):
        raise BadRequest(f"{name}={text!r}: a year between 1990 and 2200")
    return found
