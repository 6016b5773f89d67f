"""The numbers of the dashboard: counts of a selection as metrics with intervals and changes; no language, no layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlmodel import Session, select

from monitor.metrics import tails
from monitor.metrics.branch import branch_rating
from monitor.metrics.counts import difference_of_counts
from monitor.metrics.metric import Interval, Metric
from monitor.metrics.proportion import newcombe, share
from monitor.metrics.sentiment import Tally, net_change, net_sentiment
from monitor.metrics.survey import change_of_mean
from monitor.store.queries import counts, incidents
from monitor.store.queries.count import Count, Pair
from monitor.store.queries.selection import Selection
from monitor.store.queries.taxonomy import TaxonomyView
from monitor.store.tables import Incident, Source

RATING_MEMORY = timedelta(days=720)  # four half-lives: older stars weigh less than a sixteenth
WEEKLY_FROM = 200  # days from which a timeline shows weeks


@dataclass(frozen=True, slots=True)
class Change:
    """A difference to the period before, with its interval."""

    value: float
    interval: Interval

    @property
    def clear(self) -> bool:
        return self.interval.clear


@dataclass(frozen=True, slots=True)
class Overview:
    """The head numbers of a brand."""

    net: Metric
    net_change: Change | None
    negative: Metric
    negative_change: Change | None
    rating: Metric
    rating_change: Change | None
    volume: Pair
    volume_change: Change | None
    stars: tuple[int, int, int, int, int]  # ratings of 1 to 5
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """A day (or week) of the timeline."""

    first: date
    last: date
    count: Count
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a breakdown. `share` is the negative share, `change` that of negative mentions."""

    key: str
    pair: Pair
    share: Metric
    net: Metric
    change: Change | None


@dataclass(frozen=True, slots=True)
class Place:
    """A location by its recency-weighted rating."""

    row: Row
    rating: Metric


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage of the journey: one cell per span, and the topic that draws most complaints."""

    stage: str
    cells: tuple[Count, ...]
    whole: Count
    net: Metric
    worst_topic: str
    share_of_complaints: float


@dataclass(frozen=True, slots=True)
class Journey:
    """The journey as a heat map: `spans` are (first day, last day) of the columns."""

    spans: tuple[tuple[date, date], ...]
    rows: tuple[StageRow, ...]


def tally(count: Count) -> Tally:
    return Tally(count.n_negative, count.n_neutral, count.n_positive)


def overview(session: Session, selection: Selection) -> Overview:
    pair = counts.total(session, selection)
    now, before = pair.now, pair.before
    negative = share("negative_share", now.n_negative, now.n_judged)
    net = net_sentiment(tally(now))
    net_before = net_sentiment(tally(before))
    stars_now, stars_before = counts.stars_pair(session, selection)
    return Overview(
        net=net,
        net_change=(
            Change(net.value - net_before.value, net_change(tally(now), tally(before)))
            if net.value is not None and net_before.value is not None
            else None
        ),
        negative=negative,
        negative_change=_share_change(pair),
        rating=_mean_rating(stars_now),
        rating_change=_rating_change(stars_now, stars_before),
        volume=pair,
        volume_change=_count_change(now.n, before.n),
        stars=_five(stars_now),
        coverage=coverage(session, selection),
    )


def coverage(session: Session, selection: Selection) -> float | None:
    """Share of the due readings that were done; None where nothing was due (imports)."""
    hours = counts.coverage_by_hour(
        session, selection.brand_id, selection.source_ids, start=selection.start, end=selection.end
    )
    due = sum(hour[1] for hour in hours)
    return min(1.0, sum(hour[2] for hour in hours) / due) if due else None


def timeline(session: Session, selection: Selection, *, zone: ZoneInfo) -> list[Step]:
    """Every local day of the selection (weeks, when there are many), oldest first; days without mentions are zero."""
    first = selection.start.astimezone(zone).date()
    last = (selection.end - timedelta(microseconds=1)).astimezone(zone).date()
    by_day = counts.by_day(session, selection, zone)
    due: dict[date, int] = defaultdict(int)
    done: dict[date, int] = defaultdict(int)
    for hour, n_due, n_done in counts.coverage_by_hour(
        session, selection.brand_id, selection.source_ids, start=selection.start, end=selection.end
    ):
        day = hour.astimezone(zone).date()
        due[day] += n_due
        done[day] += min(n_due, n_done)
    length = 7 if (last - first).days + 1 > WEEKLY_FROM else 1
    start = first - timedelta(days=first.weekday()) if length == 7 else first
    steps = []
    while start <= last:
        days = [start + timedelta(days=n) for n in range(length)]
        count = Count()
        for day in days:
            count += by_day.get(day, Count())
        n_due = sum(due[day] for day in days)
        covered = min(1.0, sum(done[day] for day in days) / n_due) if n_due else None
        steps.append(Step(max(days[0], first), min(days[-1], last), count, covered))
        start += timedelta(days=length)
    return steps


def breakdown(session: Session, selection: Selection, dimension: str) -> list[Row]:
    """Lines of one dimension, most negative mentions first."""
    pairs = counts.by(session, selection, dimension)
    names: dict[int, str] = {}
    if dimension == "source":
        names = {row.id: row.slug for row in session.exec(select(Source)) if row.id is not None}
    rows = [_row(names.get(key, str(key)) if dimension == "source" else str(key), pair) for key, pair in pairs.items()]
    return sorted(rows, key=lambda row: (-row.pair.now.n_negative, -row.pair.now.n, row.key))


Ratings = Mapping[str, counts.Rated]


def ratings(session: Session, brand_id: int, *, end: datetime) -> Ratings:
    """Every star of the last two years by location: worth keeping for longer than the rest."""
    return counts.ratings_by_location(session, brand_id, start=end - RATING_MEMORY, end=end)


def places(session: Session, selection: Selection, found: Ratings, *, now: datetime) -> list[Place]:
    """Locations by rating, best first; those without stars last."""
    rows = {row.key: row for row in breakdown(session, selection, "location") if row.key}
    end = min(selection.end, now)
    result = []
    present = end.timestamp() / 86_400
    for key in {*rows, *found}:
        given = found.get(key)
        if given is not None:
            ages = np.maximum(0.0, present - given.day)
            rating = branch_rating(given.stars, ages, counts=given.n)
        elif rows[key].pair.now.n:
            rating = branch_rating((), ())
        else:
            continue
        result.append(Place(rows.get(key) or _row(key, Pair()), rating))
    return sorted(
        result,
        key=lambda place: (
            -(place.rating.value if place.rating.value is not None else -1),
            -place.row.pair.now.n,
            place.row.key,
        ),
    )


def journey(session: Session, selection: Selection, taxonomy: TaxonomyView, *, zone: ZoneInfo) -> Journey:
    """Topic tags by stage and span: eight spans at most."""
    first = selection.start.astimezone(zone).date()
    last = (selection.end - timedelta(microseconds=1)).astimezone(zone).date()
    n_days = (last - first).days + 1
    length = max(1, -(-n_days // 8))
    spans = []
    start = first
    while start <= last:
        spans.append((start, min(last, start + timedelta(days=length - 1))))
        start += timedelta(days=length)
    cells: dict[str, list[Count]] = {}
    worst: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for topic, line in counts.topics_by_span(session, selection, spans, zone).items():
        view = taxonomy.topics.get(topic)
        if view is not None:
            known = cells.setdefault(view.stage, [Count()] * len(spans))
            cells[view.stage] = [a + b for a, b in zip(known, line, strict=True)]
            worst[view.stage][topic] += sum(count.n_negative for count in line)
    complaints = sum(count.n_negative for line in cells.values() for count in line)
    rows = []
    for stage in taxonomy.stages:
        if stage in cells:
            whole = sum(cells[stage], Count())
            top = max(worst[stage], key=lambda topic: worst[stage][topic])
            part = whole.n_negative / complaints if complaints else 0.0
            rows.append(
                StageRow(stage, tuple(cells[stage]), whole, net_sentiment(tally(whole)),
                         top if worst[stage][top] else "", part)
            )  # fmt: skip
    return Journey(tuple(spans), tuple(rows))


def alive(session: Session, selection: Selection) -> list[Incident]:
    """Incidents of the brand that were alive in the span, those judged "not an incident" left out."""
    found = incidents.listed(session, brand_id=selection.brand_id, overlap=(selection.start, selection.end), limit=200)
    return [row for row in found if row.verdict != "rejected"]


def _row(key: str, pair: Pair) -> Row:
    return Row(
        key,
        pair,
        share("negative_share", pair.now.n_negative, pair.now.n_judged),
        net_sentiment(tally(pair.now)),
        _count_change(pair.now.n_negative, pair.before.n_negative) if pair.before.n or pair.now.n else None,
    )


def _count_change(now: int, before: int) -> Change | None:
    return Change(now - before, difference_of_counts(now, before))


def _share_change(pair: Pair) -> Change | None:
    now, before = pair.now, pair.before
    if not now.n_judged or not before.n_judged:
        return None
    value = now.n_negative / now.n_judged - before.n_negative / before.n_judged
    return Change(value, newcombe(now.n_negative, now.n_judged, before.n_negative, before.n_judged))


Stars = Sequence[tuple[float, int]]


def _moments(stars: Stars) -> tuple[int, float, float]:
    """n, mean and sample variance of (stars, how many)."""
    n = sum(k for _, k in stars)
    if n == 0:
        return 0, 0.0, 0.0
    mean = sum(value * k for value, k in stars) / n
    variance = sum(k * (value - mean) ** 2 for value, k in stars) / (n - 1) if n > 1 else 0.0
    return n, mean, variance


def _mean_rating(stars: Stars) -> Metric:
    n, mean, variance = _moments(stars)
    method = "mean stars with Student's t interval"
    if n < 2:
        return Metric("mean_rating", None, None, n, method, "stars", 5)
    spread = max(variance, 1 / (4 * n))  # equal stars do not prove that there is no spread
    half = tails.t_quantile(0.975, n - 1) * (spread / n) ** 0.5
    return Metric("mean_rating", mean, Interval(max(1.0, mean - half), min(5.0, mean + half)), n, method, "stars", 5)


def _rating_change(now: Stars, before: Stars) -> Change | None:
    n, mean, variance = _moments(now)
    n_before, mean_before, variance_before = _moments(before)
    if min(n, n_before) < 5:
        return None
    interval = change_of_mean(mean, variance, n, mean_before, variance_before, n_before)
    return Change(mean - mean_before, interval) if interval is not None else None


def _five(stars: Stars) -> tuple[int, int, int, int, int]:
    found = [0] * 5
    for value, n in stars:
        found[min(4, max(0, int(value + 0.5) - 1))] += n
    return (found[0], found[1], found[2], found[3], found[4])


def utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
