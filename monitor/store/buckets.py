"""Hourly counts: recomputed from rows for touched hours, summed into series for detection and reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert
from sqlmodel import Session, col, select

from monitor.store import daily, months, sheets
from monitor.store.ingest import hour_of
from monitor.store.tables import Bucket, Mention, TopicTag, TouchedHour

HOUR = timedelta(hours=1)


def recompute_touched(session: Session, *, limit: int = 100) -> int:
    """Recompute the buckets of up to `limit` touched hours and unmark them. Returns how many; 0 = nothing left to do.

    Idempotent: buckets are written from rows, never incremented.
    """
    # On PostgreSQL marks that a writer holds are left for the next turn: its rows cannot be seen yet.
    marks = select(TouchedHour).order_by(col(TouchedHour.hour_at)).limit(limit).with_for_update(skip_locked=True)
    touched = session.exec(marks).all()
    by_brand: dict[int, list[datetime]] = defaultdict(list)
    since = months.dropped(session).hour if touched else None
    for row in touched:
        if since is None or row.hour_at >= since:  # the rows of an older hour are gone: it stays as it was counted
            by_brand[row.brand_id].append(row.hour_at)
    for brand_id, hours in by_brand.items():
        for start in range(0, len(hours), 200):
            recompute(session, brand_id, hours[start : start + 200])
    for row in touched:
        session.delete(row)
    return len(touched)


def recompute(session: Session, brand_id: int, hours: Sequence[datetime]) -> None:
    """Rewrite the buckets of these hours of one brand from its mentions, their sheets and the counts of their days."""
    session.execute(delete(Bucket).where(col(Bucket.brand_id) == brand_id, col(Bucket.hour_at).in_(hours)))
    rows = counts_from_rows(session, brand_id, hours)
    if rows:
        session.execute(insert(Bucket), rows)
    sheets.write(session, brand_id, hours)
    daily.recompute(session, brand_id, hours)


def counts_from_rows(session: Session, brand_id: int, hours: Sequence[datetime]) -> list[dict[str, Any]]:
    """What the buckets of these hours must be, as bucket rows. Unjudged texts wait: they are counted once judged."""
    cells: dict[tuple[datetime, int, str, str, str], dict[str, Any]] = {}
    for first, last in sheets.runs(hours):
        base = [
            Mention.brand_id == brand_id,
            col(Mention.published_at) >= first,
            col(Mention.published_at) < last + HOUR,
            col(Mention.counts).is_(True),
            Mention.score_state != "new",
        ]
        mentions = session.execute(
            select(Mention.id, Mention.published_at, Mention.source_id, Mention.location, Mention.language,
                   Mention.sentiment, Mention.rating).where(*base)
        ).all()  # fmt: skip
        place: dict[int, tuple[datetime, int, str, str, float | None]] = {}
        for mention_id, published_at, source_id, location, language, sentiment, rating in mentions:
            place[mention_id] = (hour_of(published_at), source_id, location, language, rating)
            _count(cells, (*place[mention_id][:4], ""), sentiment, rating)
        tags = session.execute(
            select(TopicTag.mention_id, TopicTag.topic, TopicTag.sentiment)
            .join(Mention, col(Mention.id) == col(TopicTag.mention_id))
            .where(*base)
        )
        for mention_id, topic, sentiment in tags:
            if mention_id in place:
                _count(cells, (*place[mention_id][:4], topic), sentiment, place[mention_id][4])
    wanted = set(hours)
    return [
        {"brand_id": brand_id, "hour_at": key[0], "source_id": key[1], "location": key[2], "language": key[3],
         "topic": key[4], **cell}
        for key, cell in cells.items()
        if key[0] in wanted
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HourCount:
    """Sum of the buckets of one hour of one series."""

    hour_at: datetime
    n: int
    n_negative: int
    n_neutral: int
    n_positive: int
    n_ratings: int
    rating_sum: float


def hourly(
    session: Session,
    brand_id: int,
    *,
    start: datetime,
    end: datetime,
    source_id: int | None = None,
    topic: str = "",
    location: str | None = None,
    language: str | None = None,
) -> list[HourCount]:
    """Hours with anything in them of one series, start <= hour < end, oldest first. None = all of that dimension."""
    statement = select(Bucket.hour_at, *_sums()).where(
        Bucket.brand_id == brand_id, Bucket.topic == topic, col(Bucket.hour_at) >= start, col(Bucket.hour_at) < end
    )
    for column, value in ((Bucket.source_id, source_id), (Bucket.location, location), (Bucket.language, language)):
        if value is not None:
            statement = statement.where(column == value)
    rows = session.execute(statement.group_by(Bucket.hour_at).order_by(Bucket.hour_at))
    return [
        HourCount(at, int(n or 0), int(bad or 0), int(flat or 0), int(good or 0), int(rated or 0), float(stars or 0.0))
        for at, n, bad, flat, good, rated, stars in rows
    ]


def _sums() -> list[Any]:
    return [
        func.sum(column)
        for column in (
            Bucket.n,
            Bucket.n_negative,
            Bucket.n_neutral,
            Bucket.n_positive,
            Bucket.n_ratings,
            Bucket.rating_sum,
        )
    ]


def _count(cells: dict[Any, dict[str, Any]], key: Any, sentiment: str | None, rating: float | None) -> None:
    cell = cells.get(key)
    if cell is None:
        cell = cells[key] = {
            "n": 0,
            "n_negative": 0,
            "n_neutral": 0,
            "n_positive": 0,
            "n_ratings": 0,
            "rating_sum": 0.0,
        }
    cell["n"] += 1
    if sentiment is not None:
        cell[f"n_{sentiment}"] += 1
    if rating is not None:
        cell["n_ratings"] += 1
        cell["rating_sum"] += rating
