"""Counts of a selection: in total, by hour, by source, topic, location, language; beside the period before.

Hourly buckets answer where they can; what they do not know (words, ratings, sentiment) is counted from rows.
Unjudged texts wait: they are counted once judged.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import case, func
from sqlmodel import Session, col, select

from monitor.store.queries.selection import Selection, bucket_conditions, mention_conditions, sentiment_about
from monitor.store.tables import Brand, Bucket, Coverage, Mention, Source, TopicTag


@dataclass(frozen=True, slots=True)
class Count:
    """Mentions by sentiment, and their stars."""

    n: int = 0
    n_negative: int = 0
    n_neutral: int = 0
    n_positive: int = 0
    n_ratings: int = 0
    rating_sum: float = 0.0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.n + other.n,
            self.n_negative + other.n_negative,
            self.n_neutral + other.n_neutral,
            self.n_positive + other.n_positive,
            self.n_ratings + other.n_ratings,
            self.rating_sum + other.rating_sum,
        )

    @property
    def n_judged(self) -> int:
        return self.n_negative + self.n_neutral + self.n_positive


@dataclass(frozen=True, slots=True)
class Pair:
    """A count and that of the period before."""

    now: Count = Count()
    before: Count = Count()


def by_hour(session: Session, selection: Selection) -> list[tuple[datetime, Count]]:
    """Hours that hold anything, oldest first."""
    if selection.countable:
        topic = selection.topics[0] if selection.topics else ""
        statement = (
            select(Bucket.hour_at, *_bucket_sums())
            .where(*bucket_conditions(selection), Bucket.topic == topic)
            .group_by(Bucket.hour_at)
            .order_by(Bucket.hour_at)
        )
        return [(row[0], _count(row[1:])) for row in session.execute(statement)]
    hour = _hour(session, Mention.published_at)
    rows = _mention_rows(session, selection, [hour.label("hour")])
    return sorted((_time(row[0]), _count(row[1:])) for row in rows)


@dataclass(frozen=True, slots=True)
class Cell:
    """A count of one source, location and language, now or before."""

    current: bool
    source_id: int
    location: str
    language: str
    count: Count


def cells(session: Session, selection: Selection) -> list[Cell]:
    """Counts by source, location and language together, with the filters of these three left open.

    One reading of the buckets, from which every total and breakdown but that of topics follows. For countable
    selections only.
    """
    both = dataclasses.replace(selection, start=selection.before().start, source_ids=(), locations=(), languages=())
    current = case((col(Bucket.hour_at) >= selection.start, 1), else_=0)
    keys = [current, Bucket.source_id, Bucket.location, Bucket.language]
    topic = selection.topics[0] if selection.topics else ""
    statement = select(*keys, *_bucket_sums()).where(*bucket_conditions(both), Bucket.topic == topic).group_by(*keys)
    return [Cell(bool(row[0]), row[1], row[2], row[3], _count(row[4:])) for row in session.execute(statement)]


def by(
    session: Session, selection: Selection, dimension: str, *, known: Sequence[Cell] | None = None
) -> dict[Any, Pair]:
    """Counts by source id, topic, location or language, now and before. The dimension's own filter does not narrow it:
    people must see what else there is to choose. `known` are the `cells` of the selection, where they were read."""
    return _pairs(session, selection.opened(dimension), dimension, known)


def total(session: Session, selection: Selection, *, known: Sequence[Cell] | None = None) -> Pair:
    return _pairs(session, selection, None, known).get("", Pair())


def by_brand(session: Session, selection: Selection, *, known: Sequence[Cell] | None = None) -> dict[int, Pair]:
    """The same question asked of every active brand; `known` are the cells of the selection's own."""
    brands = session.exec(select(Brand.id).where(col(Brand.active).is_(True))).all()
    return {
        brand: total(
            session,
            dataclasses.replace(selection, brand_id=brand),
            known=known if brand == selection.brand_id else None,
        )
        for brand in brands
        if brand is not None
    }


def topics_by_hour(session: Session, selection: Selection) -> dict[str, list[tuple[datetime, Count]]]:
    """Topic tags by topic and hour, for the journey."""
    selection = selection.opened("topic")
    found: dict[str, list[tuple[datetime, Count]]] = defaultdict(list)
    if selection.countable:
        day = _day(session, Bucket.hour_at)
        statement = (
            select(Bucket.topic, day, *_bucket_sums())
            .where(*bucket_conditions(selection), Bucket.topic != "")
            .group_by(Bucket.topic, day)
        )
        for row in session.execute(statement):
            found[row[0]].append((_time(row[1]), _count(row[2:])))
        return found
    for row in _tag_rows(session, selection, [_day(session, Mention.published_at).label("day")]):
        found[row[0]].append((_time(row[1]), _count(row[2:])))
    return found


def ratings_by_location(
    session: Session, brand_id: int, *, start: datetime, end: datetime
) -> dict[str, list[tuple[datetime, float, int]]]:
    """(day, stars, how many) by location: what a recency-weighted rating needs."""
    day = _day(session, Mention.published_at)
    rows = session.execute(
        select(Mention.location, day, Mention.rating, func.count())
        .where(
            Mention.brand_id == brand_id,
            col(Mention.published_at) >= start,
            col(Mention.published_at) < end,
            col(Mention.counts).is_(True),
            col(Mention.rating).is_not(None),
            Mention.location != "",
        )
        .group_by(Mention.location, day, Mention.rating)
    )
    found: dict[str, list[tuple[datetime, float, int]]] = defaultdict(list)
    for location, at, stars, n in rows:
        found[location].append((_time(at), float(stars), int(n)))
    return found


def stars(session: Session, selection: Selection) -> list[tuple[float, int]]:
    """(stars, how many) of the selection."""
    about = sentiment_about(selection.topics) if selection.topics else None
    statement = select(Mention.rating, func.count()).select_from(Mention)
    if about is not None:
        statement = statement.join(about, about.c.mention_id == Mention.id)
    conditions = mention_conditions(session, selection, about=about)
    rows = session.execute(statement.where(*conditions, col(Mention.rating).is_not(None)).group_by(col(Mention.rating)))
    return [(float(value), int(n)) for value, n in rows]


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


def _pairs(
    session: Session, selection: Selection, dimension: str | None, known: Sequence[Cell] | None = None
) -> dict[Any, Pair]:
    if selection.countable and dimension != "topic":
        return _from_cells(cells(session, selection) if known is None else known, selection, dimension)
    found: dict[Any, dict[bool, Count]] = defaultdict(dict)
    both = dataclasses.replace(selection, start=selection.before().start)
    keys: list[Any]
    if selection.countable:
        keys = [Bucket.topic, case((col(Bucket.hour_at) >= selection.start, 1), else_=0)]
        conditions = [*bucket_conditions(both), Bucket.topic != ""]
        for row in session.execute(select(*keys, *_bucket_sums()).where(*conditions).group_by(*keys)):
            found[row[0]][bool(row[1])] = _count(row[2:])
    else:
        current = case((col(Mention.published_at) >= selection.start, 1), else_=0).label("current")
        if dimension == "topic":
            for row in _tag_rows(session, both, [current]):
                found[row[0]][bool(row[1])] = _count(row[2:])
        else:
            key = {"source": Mention.source_id, "location": Mention.location, "language": Mention.language}.get(
                dimension or ""
            )
            keys = [key, current] if key is not None else [current]
            for row in _mention_rows(session, both, keys):
                name = row[0] if key is not None else ""
                found[name][bool(row[len(keys) - 1])] = _count(row[len(keys) :])
    return {name: Pair(sides.get(True, Count()), sides.get(False, Count())) for name, sides in found.items()}


def _from_cells(known: Sequence[Cell], selection: Selection, dimension: str | None) -> dict[Any, Pair]:
    found: dict[Any, dict[bool, Count]] = defaultdict(dict)
    for cell in known:
        if (
            (selection.source_ids and cell.source_id not in selection.source_ids)
            or (selection.locations and cell.location not in selection.locations)
            or (selection.languages and cell.language not in selection.languages)
        ):
            continue
        name: Any = {"source": cell.source_id, "location": cell.location, "language": cell.language}.get(
            dimension or "", ""
        )
        found[name][cell.current] = found[name].get(cell.current, Count()) + cell.count
    return {name: Pair(sides.get(True, Count()), sides.get(False, Count())) for name, sides in found.items()}


def _bucket_sums() -> list[Any]:
    columns = (Bucket.n, Bucket.n_negative, Bucket.n_neutral, Bucket.n_positive, Bucket.n_ratings, Bucket.rating_sum)
    return [func.sum(column) for column in columns]


def _sums_of(sentiment: Any) -> list[Any]:
    return [
        func.count(),
        *(func.sum(case((sentiment == value, 1), else_=0)) for value in ("negative", "neutral", "positive")),
        func.count(Mention.rating),
        func.coalesce(func.sum(Mention.rating), 0.0),
    ]


def _mention_rows(session: Session, selection: Selection, keys: list[Any]) -> Any:
    about = sentiment_about(selection.topics) if selection.topics else None
    sentiment = about.c.sentiment if about is not None else col(Mention.sentiment)
    statement = select(*keys, *_sums_of(sentiment)).select_from(Mention)
    if about is not None:
        statement = statement.join(about, about.c.mention_id == Mention.id)
    conditions = mention_conditions(session, selection, about=about)
    return session.execute(statement.where(*conditions, Mention.score_state != "new").group_by(*keys))


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
    return func.strftime("%Y-%m-%dT%H:00:00", column)


def _day(session: Session, column: Any) -> Any:
    if session.get_bind().dialect.name == "postgresql":
        return func.date_trunc("day", column)
    return func.strftime("%Y-%m-%dT00:00:00", column)


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
