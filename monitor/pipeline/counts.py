"""The rows of series by step: negatives and all mentions from buckets, and how much of each step was collected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from alerts.series import SeriesKey
from monitor.pipeline import delays
from monitor.pipeline.series import nodes_of, source_names
from monitor.pipeline.steps import DAY, Steps
from monitor.store.daily import LOCATION, SOURCE, Days, days_of
from monitor.store.queries.selection import remembered
from monitor.store.tables import Brand, Bucket, Coverage, Daily

Floats = npt.NDArray[np.float64]
Node = tuple[str, str, str]  # source, topic and location of a series, "" where it is all of them

PROFILE_DAYS = 56
FEW = 16  # series whose rows are asked for by name
FLAT_HOURS = 96.0  # pseudo-mentions of the default profile of a day
_DEFAULT_PROFILE = np.array(
    [1.5, 1, 0.7, 0.5, 0.5, 0.8, 1.5, 2.5, 3.8, 4.8, 5.4, 5.8, 6.2, 6.2, 6.0, 5.8, 5.8, 6.0, 6.4, 6.8, 6.8, 6.2, 4.6,
     2.9]
)  # fmt: skip


@dataclass
class Counts:
    """Negatives and all mentions of every series by step, from the step `first` on: arrays (steps, series)."""

    first: int
    series: list[SeriesKey]
    negative: Floats
    total: Floats
    coverage: Floats
    n_ratings: Floats
    rating_sum: Floats

    def __len__(self) -> int:
        return len(self.negative)

    def place(self, step: int) -> int | None:
        """The line of a step; None where it lies outside."""
        at = step - self.first
        return at if 0 <= at < len(self.negative) else None


def read_counts(session: Session, brand: Brand, keys: list[SeriesKey], steps: Steps, first: int, last: int, *,
                now: datetime, only: Collection[int] | None = None) -> Counts:  # fmt: skip
    """Count the steps `first` to `last` as far as they are known at `now`; with `only`, of these sources alone."""
    place = {_cell(key): n for n, key in enumerate(keys)}
    for key in keys:  # a topic's exposure are all mentions of its node, not only those that name it
        place.setdefault(_cell(key.opened("topic")), len(place))
    shape = (max(0, last - first + 1), len(place))
    negative, total, n_ratings, rating_sum = (np.zeros(shape) for _ in range(4))
    volume: dict[str, float] = defaultdict(float)
    hours_from = first
    if steps.seconds == DAY and only is None and (days := days_of(
            session, steps.start(first), steps.start(min(last + 1, steps.of(now))), zone=steps.zone)):  # fmt: skip
        hours_from = days.last.toordinal() + 1
        for day, index, source, n, bad, rated, stars in _by_day(session, brand, days, place):
            if index is not None:
                at = day.toordinal() - first
                negative[at, index] += bad
                total[at, index] += n
                n_ratings[at, index] += rated
                rating_sum[at, index] += stars
            if source:
                volume[source] += n
    sources = source_names(session)
    asked = select(
        Bucket.hour_at, Bucket.source_id, Bucket.location, Bucket.topic, Bucket.n, Bucket.n_negative, Bucket.n_ratings,
        Bucket.rating_sum,
    ).where(
        Bucket.brand_id == brand.id, col(Bucket.hour_at) >= steps.start(hours_from),
        col(Bucket.hour_at) < min(steps.start(last + 1), now + timedelta(hours=1)),
    )  # fmt: skip
    if only is not None:
        asked = asked.where(col(Bucket.source_id).in_(only))
    known: dict[tuple[int, str, str], list[int]] = {}
    for hour_at, source_id, location, topic, n, bad, rated, stars in session.execute(
        asked.execution_options(yield_per=10_000)  # years of hours do not fit into memory at once
    ):
        at = steps.of(hour_at) - first
        if not 0 <= at < shape[0]:
            continue
        cell = (source_id, topic, location)
        if cell not in known:
            found = nodes_of(sources.get(source_id, ""), topic, location)
            known[cell] = [place[node] for node in found if node in place]
        for index in known[cell]:
            negative[at, index] += bad
            total[at, index] += n
            n_ratings[at, index] += rated
            rating_sum[at, index] += stars
        if not topic:
            volume[sources.get(source_id, "")] += n
    coverage = _coverage(session, brand, keys, steps, first, last, now=now, volume=volume)
    own = slice(len(keys))
    bad_of, exposure = negative[:, own], total[:, [place[_cell(key.opened("topic"))] for key in keys]]
    return Counts(first, keys, bad_of, np.maximum(exposure, bad_of), coverage, n_ratings[:, own], rating_sum[:, own])


_Day = tuple[date, int | None, str, int, int, int, float]


def _by_day(session: Session, brand: Brand, days: Days, place: Mapping[Node, int]) -> Iterator[_Day]:
    """The daily counts of the nodes of a brand: a twentieth of the hours' rows and less.

    Of each: the day, the column of its series, the source whose whole volume it is, and what was counted.
    """
    sources = source_names(session)
    columns: dict[tuple[int, int, str, str], tuple[int | None, str]] = {}
    for cut, source_id, location, topic, *row in session.execute(
        select(Daily.cut, Daily.source_id, Daily.location, Daily.topic, Daily.day, Daily.n, Daily.n_negative,
               Daily.n_ratings, Daily.rating_sum)
        .where(Daily.brand_id == brand.id, col(Daily.day) >= days.first, col(Daily.day) <= days.last,
               _among(place, sources))
        .execution_options(yield_per=10_000)
    ):  # fmt: skip
        cell = (cut, source_id, location, topic)
        if cell not in columns:
            name = sources.get(source_id, "") if cut == SOURCE else ""
            where = location if cut == LOCATION else ""
            known = name or where or not cut  # not of a source that is gone, or of no place
            columns[cell] = (place.get((name, topic, where)) if known else None, "" if topic else name)
        yield (row[0], *columns[cell], *row[1:])


def _among(place: Collection[Node], sources: Mapping[int, str]) -> Any:
    """The condition of the rows that these series are made of, and of what each source holds; of many, all rows."""
    if len(place) > FEW:
        return col(Daily.cut).in_((0, SOURCE, LOCATION))
    number = {name: source_id for source_id, name in sources.items()}
    found = [and_(col(Daily.cut) == SOURCE, col(Daily.topic) == "")]
    for source, topic, location in place:
        one = [col(Daily.cut) == (SOURCE if source else LOCATION if location else 0), col(Daily.topic) == topic]
        if source:
            one.append(col(Daily.source_id) == number.get(source, 0))
        if location:
            one.append(col(Daily.location) == location)
        found.append(and_(*one))
    return or_(*found)


def _cell(key: SeriesKey) -> Node:
    """Nothing is counted by language: a series of one is at a place that no mention has."""
    return (key.source or "", key.topic or "", "\n".join(filter(None, (key.location, key.language))))


def _coverage(session: Session, brand: Brand, keys: Sequence[SeriesKey], steps: Steps, first: int, last: int, *,
              now: datetime, volume: Mapping[str, float]) -> Floats:  # fmt: skip
    """How much of each step was really collected, and has already happened."""
    n = max(0, last - first + 1)
    collected = _by_source(session, steps, first, n)
    usual, late = np.ones(n), delays.remembered(session, brand) if steps.seconds == DAY else {}
    if n and steps.of(now) == last:
        if steps.seconds == DAY:
            usual[-1] = elapsed(session, brand, steps, now)
        else:
            usual[-1] = (now - steps.start(last)).total_seconds() / steps.seconds
    by_source = {}
    for name in collected.keys() | late.keys():
        by_source[name] = usual.copy()
        for age in range(min(n, delays.DAYS) if name in late else 0):
            began = now - steps.start(last - age)
            by_source[name][-1 - age] = delays.known(late, name, began, usual=usual[-1 - age])
        by_source[name] *= collected.get(name, 1.0)
    whole = sum(volume.values()) or 1.0
    mixed = usual + sum(volume.get(name, 0.0) / whole * (one - usual) for name, one in by_source.items())
    result = np.ones((n, len(keys)))
    for index, key in enumerate(keys):
        result[:, index] = by_source.get(key.source, usual) if key.source else mixed
    return np.clip(result, 0.0, 1.0)


def _by_source(session: Session, steps: Steps, first: int, n: int) -> dict[str, Floats]:
    if not n:
        return {}
    names = source_names(session)
    due: dict[str, Floats] = defaultdict(lambda: np.zeros(n))
    done: dict[str, Floats] = defaultdict(lambda: np.zeros(n))
    for row in session.exec(
        select(Coverage).where(
            col(Coverage.hour_at) >= steps.start(first), col(Coverage.hour_at) < steps.start(first + n)
        )
    ):
        at = steps.of(row.hour_at) - first
        name = names.get(row.source_id)
        if 0 <= at < n and name is not None and row.n_due:
            due[name][at] += 1
            done[name][at] += min(1.0, row.n_done / row.n_due)
    return {name: np.where(due[name] > 0, done[name] / np.maximum(due[name], 1), 1.0) for name in due}


def elapsed(session: Session, brand: Brand, steps: Steps, now: datetime) -> float:
    """Share of a day's mentions that is usually there by this local time; from the brand's own hours, shrunk.

    Kept as long as the transaction: every series of a brand asks for it.
    """
    kept: dict[tuple[int | None, datetime, str], float] = remembered(session, "elapsed")
    asked = (brand.id, now, steps.zone.key)
    if asked not in kept:
        kept[asked] = _elapsed(session, brand, steps, now)
    return kept[asked]


def _elapsed(session: Session, brand: Brand, steps: Steps, now: datetime) -> float:
    hours = np.zeros(24)
    for hour_at, n in session.execute(
        select(Bucket.hour_at, func.sum(Bucket.n))
        .where(Bucket.brand_id == brand.id, Bucket.topic == "",
               col(Bucket.hour_at) >= now - timedelta(days=PROFILE_DAYS))
        .group_by(col(Bucket.hour_at))
    ):  # fmt: skip
        hours[hour_at.astimezone(steps.zone).hour] += n
    profile = hours + FLAT_HOURS * _DEFAULT_PROFILE / _DEFAULT_PROFILE.sum()
    profile /= profile.sum()
    local = now.astimezone(steps.zone)
    share = profile[: local.hour].sum() + profile[local.hour] * (local.minute * 60 + local.second) / 3600
    return float(min(max(share, 0.02), 1.0))
