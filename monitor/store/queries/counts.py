"""Counts of a selection: in total, by day, by source, topic, location, language; beside the period before.

Daily counts answer for whole days where they can, hourly buckets for the rest; what neither knows (words, ratings,
sentiment) is counted from the sheets, or from rows while there are none. Unjudged texts are counted once judged.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import String, case, func
from sqlmodel import Session, col, select

from monitor.store import daily
from monitor.store.queries.chosen import chosen
from monitor.store.queries.count import Count, Pair
from monitor.store.queries.selection import (
    Selection,
    bucket_conditions,
    mention_conditions,
    remembered,
    sentiment_about,
)
from monitor.store.tables import Brand, Bucket, Coverage, Daily, DailyStars, Mention, Source, TopicTag


def by_day(session: Session, selection: Selection, zone: ZoneInfo) -> dict[date, Count]:
    """Local days that hold anything."""
    if selection.countable:
        return {key[0]: count for key, count in _sums(session, selection, ("day",), zone).items()}
    if (held := chosen(session, selection)) is not None:
        return held.by_day(selection, zone)
    found: dict[date, Count] = defaultdict(Count)
    for row in _mention_rows(session, selection, [_hour(session, Mention.published_at).label("hour")]):
        found[_time(row[0]).astimezone(zone).date()] += _count(row[1:])
    return dict(found)


def topics_by_day(session: Session, selection: Selection, zone: ZoneInfo) -> dict[str, dict[date, Count]]:
    """Topic tags by topic and local day, for the journey."""
    selection = selection.opened("topic")
    found: dict[str, dict[date, Count]] = defaultdict(lambda: defaultdict(Count))
    if selection.countable:
        for (topic, day), count in _sums(session, selection, ("topic", "day"), zone).items():
            found[topic][day] = count
    elif (held := chosen(session, selection)) is not None:
        return held.topics_by_day(selection, zone)
    else:
        for (topic, current, hour), count in _tag_cube(session, selection).items():
            if current:
                found[topic][_time(hour).astimezone(zone).date()] += count
    return {topic: dict(days) for topic, days in found.items()}


def topics_by_span(
    session: Session, selection: Selection, spans: Sequence[tuple[date, date]], zone: ZoneInfo
) -> dict[str, list[Count]]:
    """The same summed over spans of days, first and last included."""
    selection = selection.opened("topic")
    found: dict[str, list[Count]] = defaultdict(lambda: [Count()] * len(spans))
    if selection.countable and len(spans) * 10 < (spans[-1][1] - spans[0][0]).days:  # few sums in place of many days
        for at, (first, last) in enumerate(spans):
            low, high = daily.day_start(first, zone), daily.day_start(last + timedelta(days=1), zone)
            part = dataclasses.replace(selection, start=max(low, selection.start), end=min(high, selection.end))
            for (topic,), count in _sums(session, part, ("topic",), zone).items():
                found[topic][at] = count
        return dict(found)
    starts = [first for first, _ in spans]
    for topic, days in topics_by_day(session, selection, zone).items():
        for day, count in days.items():
            at = bisect_right(starts, day) - 1
            found[topic][at] += count
    return dict(found)


def by(session: Session, selection: Selection, dimension: str) -> dict[Any, Pair]:
    """Counts by source id, topic, location or language, now and before. The dimension's own filter does not narrow it:
    people must see what else there is to choose."""
    return _pairs(session, selection.opened(dimension), dimension)


def total(session: Session, selection: Selection) -> Pair:
    return _pairs(session, selection, None).get("", Pair())


def by_brand(session: Session, selection: Selection) -> dict[int, Pair]:
    """The same question asked of every active brand."""
    brands = session.exec(select(Brand.id).where(col(Brand.active).is_(True))).all()
    return {
        brand: total(session, dataclasses.replace(selection, brand_id=brand)) for brand in brands if brand is not None
    }


def values(session: Session, brand_id: int, dimension: str) -> list[Any]:
    """The source ids, locations or languages that the brand's mentions have, in no order."""
    table, narrowed = (Daily, [Daily.cut == daily.BIT[dimension]]) if daily.kept(session) else (Bucket, [])
    column = _column(table, dimension)
    statement = select(column).where(table.brand_id == brand_id, table.topic == "", *narrowed)
    return list(session.exec(statement.distinct()))


class Rated(NamedTuple):
    """The stars of a place: when (in days since the epoch), which, and how many mentions gave them."""

    day: npt.NDArray[np.float64]
    stars: npt.NDArray[np.float64]
    n: npt.NDArray[np.int64]


def ratings_by_location(session: Session, brand_id: int, *, start: datetime, end: datetime) -> dict[str, Rated]:
    """Stars by location and day: what a recency-weighted rating needs."""
    found: list[Any] = []
    held, spans = daily.days_of(session, start, end), _whole(start, end)
    if held is not None:
        spans = held.rest
        found += _raw(
            session,
            select(DailyStars.location, _day(session, DailyStars.day), DailyStars.stars, DailyStars.n).where(
                DailyStars.brand_id == brand_id,
                DailyStars.cut == daily.LOCATION,
                col(DailyStars.day).between(held.first, held.last),
                DailyStars.location != "",
            ),
        )
    for low, high in spans:
        day_of = _day(session, Mention.published_at)
        found += _raw(
            session,
            select(Mention.location, day_of, Mention.rating, func.count())
            .where(
                Mention.brand_id == brand_id,
                col(Mention.published_at) >= low,
                col(Mention.published_at) < high,
                col(Mention.counts).is_(True),
                col(Mention.rating).is_not(None),
                Mention.location != "",
            )
            .group_by(Mention.location, day_of, Mention.rating),
        )
    if not found:
        return {}
    locations, days, stars, n = zip(*found, strict=True)
    index: dict[str, int] = {}
    place = np.array([index.setdefault(location, len(index)) for location in locations])
    moment = np.floor(np.array(days, np.float64))
    given, counted = np.array(stars, np.float64), np.array(n, np.int64)
    return {
        location: Rated(moment[mask], given[mask], counted[mask])
        for location, number in index.items()
        if (mask := place == number).any()
    }


def _raw(session: Session, statement: Any) -> Any:
    """The rows as the driver gives them: many, of which only plain values are wanted."""
    return session.connection().execute(statement).cursor.fetchall()


def stars(session: Session, selection: Selection) -> list[tuple[float, int]]:
    """(stars, how many) of the selection."""
    if selection.topics and (chose := chosen(session, selection)) is not None:
        return chose.stars(selection)[0]
    found: dict[float, int] = defaultdict(int)
    spans = _whole(selection.start, selection.end)
    cut = _cut(selection)
    if selection.countable and not selection.topics and cut in daily.STAR_CUTS:
        held = daily.days_of(session, selection.start, selection.end)
        if held is not None:
            spans = held.rest
            statement = (
                select(DailyStars.stars, func.sum(DailyStars.n))
                .where(*_daily_conditions(DailyStars, selection, held, cut))
                .group_by(col(DailyStars.stars))
            )
            for value, n in session.execute(statement):
                found[float(value)] += int(n)
    for low, high in spans:
        part = dataclasses.replace(selection, start=low, end=high)
        about = sentiment_about(part.topics) if part.topics else None
        rows = select(Mention.rating, func.count()).select_from(Mention)
        if about is not None:
            rows = rows.join(about, about.c.mention_id == Mention.id)
        conditions = mention_conditions(session, part, about=about)
        rows = rows.where(*conditions, col(Mention.rating).is_not(None)).group_by(col(Mention.rating))
        for value, n in session.execute(rows):
            found[float(value)] += int(n)
    return sorted(found.items())


def stars_pair(session: Session, selection: Selection) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
    """`stars` of the selection and of the period before."""
    if selection.countable and not selection.topics:
        return stars(session, selection), stars(session, selection.before())
    if (held := chosen(session, selection)) is not None:
        return held.stars(selection)
    found: dict[bool, dict[float, int]] = {True: defaultdict(int), False: defaultdict(int)}
    for place, count in _cube(session, selection).items():
        if place.rating is not None and _within(place, selection, None):
            found[place.current][place.rating] += count.n
    return sorted(found[True].items()), sorted(found[False].items())


def coverage_by_hour(
    session: Session, brand_id: int, source_ids: tuple[int, ...], *, start: datetime, end: datetime
) -> list[tuple[datetime, int, int]]:
    """(hour, readings due, readings done) of the brand's sources."""
    statement = (
        select(Coverage.hour_at, func.sum(Coverage.n_due), func.sum(Coverage.n_done))
        .join(Source, col(Source.id) == col(Coverage.source_id))
        .where(
            col(Coverage.hour_at) >= start,
            col(Coverage.hour_at) < end,
            (Source.brand_id == brand_id) | col(Source.brand_id).is_(None),
        )
        .group_by(Coverage.hour_at)
        .order_by(Coverage.hour_at)
    )
    if source_ids:
        statement = statement.where(col(Coverage.source_id).in_(source_ids))
    return [(hour, int(due or 0), int(done or 0)) for hour, due, done in session.execute(statement)]


def _pairs(session: Session, selection: Selection, dimension: str | None) -> dict[Any, Pair]:
    found: dict[Any, dict[bool, Count]] = defaultdict(dict)
    if selection.countable:
        keys = (dimension,) if dimension else ()
        for current, asked in ((True, selection), (False, selection.before())):
            for key, count in _sums(session, asked, keys).items():
                found[key[0] if key else ""][current] = count
    elif (held := chosen(session, selection)) is not None:
        return held.topics(selection) if dimension == "topic" else held.pairs(selection, dimension)
    else:
        if dimension == "topic":
            for (topic, current, _), count in _tag_cube(session, selection).items():
                found[topic][current] = found[topic].get(current, Count()) + count
        else:
            for place, count in _cube(session, selection).items():
                if not place.waits and _within(place, selection, dimension):
                    value = getattr(place, dimension) if dimension else ""
                    found[value][place.current] = found[value].get(place.current, Count()) + count
    return {name: Pair(sides.get(True, Count()), sides.get(False, Count())) for name, sides in found.items()}


_KEYS = ("source", "location", "language", "topic", "day")


def _sums(
    session: Session, selection: Selection, keys: tuple[str, ...], zone: ZoneInfo | None = None
) -> dict[tuple[Any, ...], Count]:
    """Counts of a countable selection by any of source, location, language, topic and (local, in `zone`) day."""
    found: dict[tuple[Any, ...], Count] = defaultdict(Count)
    of_topics = "topic" in keys or bool(selection.topics)
    cut = _cut(selection, keys)
    held, spans = None, _whole(selection.start, selection.end)
    if cut in (daily.TOPIC_CUTS if of_topics else daily.CUTS):
        held = daily.days_of(session, selection.start, selection.end, zone=zone)
    if held is not None:
        spans = held.rest
        columns = [_column(Daily, key) for key in keys]
        conditions = [*_daily_conditions(Daily, selection, held, cut), _about(Daily, selection, keys)]
        for row in session.execute(select(*columns, *_count_sums(Daily)).where(*conditions).group_by(*columns)):
            found[tuple(row[: len(keys)])] += _count(row[len(keys) :])
    for low, high in spans:
        part = dataclasses.replace(selection, start=low, end=high)
        columns = [_column(Bucket, key) for key in keys]
        conditions = [*bucket_conditions(part), _about(Bucket, part, keys)]
        for row in session.execute(select(*columns, *_count_sums(Bucket)).where(*conditions).group_by(*columns)):
            key = tuple(
                value.astimezone(zone).date() if name == "day" else value
                for name, value in zip(keys, row[: len(keys)], strict=True)
            )
            found[key] += _count(row[len(keys) :])
    return {key: count for key, count in found.items() if count.n}


def _whole(start: datetime, end: datetime) -> tuple[tuple[datetime, datetime], ...]:
    return ((start, end),)


def _cut(selection: Selection, keys: tuple[str, ...] = ()) -> int:
    """The dimensions that must be kept apart to answer."""
    narrowed = {"source": selection.source_ids, "location": selection.locations, "language": selection.languages}
    return sum(bit for name, bit in daily.BIT.items() if name in keys or narrowed[name])


def _column(table: Any, key: str) -> Any:
    if key == "day":
        return table.day if table is Daily else table.hour_at
    return table.source_id if key == "source" else getattr(table, key)


def _about(table: Any, selection: Selection, keys: tuple[str, ...]) -> Any:
    if selection.topics:
        return table.topic == selection.topics[0]
    return table.topic != "" if "topic" in keys else table.topic == ""


def _daily_conditions(table: Any, selection: Selection, held: daily.Days, cut: int) -> list[Any]:
    conditions: list[Any] = [
        table.brand_id == selection.brand_id,
        table.cut == cut,
        col(table.day).between(held.first, held.last),
    ]
    for column, values in (
        (table.source_id, selection.source_ids),
        (table.location, selection.locations),
        (table.language, selection.languages),
    ):
        if values:
            conditions.append(col(column).in_(values))
    return conditions


def _count_sums(table: Any) -> list[Any]:
    return [func.sum(getattr(table, name)) for name in daily.SUMS]


def _sums_of(sentiment: Any) -> list[Any]:
    return [
        func.count(),
        *(func.sum(case((sentiment == value, 1), else_=0)) for value in ("negative", "neutral", "positive")),
        func.count(Mention.rating),
        func.coalesce(func.sum(Mention.rating), 0.0),
    ]


class _Place(NamedTuple):
    """A cell of the cube: everything a page groups mentions by, but topic and time."""

    current: bool  # of the period, not of the one before
    waits: bool  # not judged yet
    rating: float | None
    source: int
    location: str
    language: str


def _cube(session: Session, selection: Selection) -> dict[_Place, Count]:
    """Rows of both periods counted once for all that a page asks of them; kept as long as the transaction.

    Filters by source, location and language are left open: `_within` applies them to the cells.
    """
    opened = dataclasses.replace(selection, source_ids=(), locations=(), languages=())
    kept = remembered(session, "cubes")
    if opened in kept:
        return cast("dict[_Place, Count]", kept[opened])
    both = dataclasses.replace(opened, start=opened.before().start)
    keys = [
        case((col(Mention.published_at) >= selection.start, 1), else_=0),
        case((col(Mention.score_state) == "new", 1), else_=0),
        col(Mention.rating), col(Mention.source_id), col(Mention.location), col(Mention.language),
    ]  # fmt: skip
    cube: dict[_Place, Count] = {}
    for row in _mention_rows(session, both, keys, judged=False):
        current, waits, rating, source, location, language, *sums = row
        place = _Place(
            bool(current), bool(waits), None if rating is None else float(rating), source, location, language
        )
        cube[place] = _count(sums)
    kept[opened] = cube
    return cube


def _within(place: _Place, selection: Selection, dimension: str | None) -> bool:
    """Whether the filters let a cell pass; that of `dimension` itself is open."""
    return (
        (dimension == "source" or not selection.source_ids or place.source in selection.source_ids)
        and (dimension == "location" or not selection.locations or place.location in selection.locations)
        and (dimension == "language" or not selection.languages or place.language in selection.languages)
    )


def _tag_cube(session: Session, selection: Selection) -> dict[tuple[str, bool, Any], Count]:
    """Tags of both periods by (topic, of the period or the one before, hour); kept as long as the transaction."""
    kept = remembered(session, "tag cubes")
    if selection not in kept:
        both = dataclasses.replace(selection, start=selection.before().start)
        current = case((col(Mention.published_at) >= selection.start, 1), else_=0)
        hour = case((col(Mention.published_at) >= selection.start, _hour(session, Mention.published_at)), else_=None)
        kept[selection] = {
            (row[0], bool(row[1]), row[2]): _count(row[3:]) for row in _tag_rows(session, both, [current, hour])
        }
    return cast("dict[tuple[str, bool, Any], Count]", kept[selection])


def _mention_rows(session: Session, selection: Selection, keys: list[Any], *, judged: bool = True) -> Any:
    about = sentiment_about(selection.topics) if selection.topics else None
    sentiment = about.c.sentiment if about is not None else col(Mention.sentiment)
    statement = select(*keys, *_sums_of(sentiment)).select_from(Mention)
    if about is not None:
        statement = statement.join(about, about.c.mention_id == Mention.id)
    conditions = mention_conditions(session, selection, about=about)
    if judged:
        conditions.append(Mention.score_state != "new")
    return session.execute(statement.where(*conditions).group_by(*keys))


def _tag_rows(session: Session, selection: Selection, keys: list[Any]) -> Any:
    statement = (
        select(TopicTag.topic, *keys, *_sums_of(col(TopicTag.sentiment)))
        .select_from(Mention)
        .join(TopicTag, col(TopicTag.mention_id) == col(Mention.id))
        .where(*mention_conditions(session, selection), Mention.score_state != "new")
        .group_by(col(TopicTag.topic), *keys)
    )
    return session.execute(statement)


def _count(values: Any) -> Count:
    n, negative, neutral, positive, ratings, stars = values
    return Count(
        int(n or 0), int(negative or 0), int(neutral or 0), int(positive or 0), int(ratings or 0), float(stars or 0.0)
    )


def _hour(session: Session, column: Any) -> Any:
    if session.get_bind().dialect.name == "postgresql":
        return func.date_trunc("hour", column)
    return func.substr(column, 1, 13, type_=String)  # "2026-11-20 12", as times are stored; strftime would parse


def _day(session: Session, column: Any) -> Any:
    """Days since the epoch, in UTC."""
    if session.get_bind().dialect.name == "postgresql":
        return func.extract("epoch", column) / 86_400.0
    return func.julianday(column) - 2_440_587.5


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
