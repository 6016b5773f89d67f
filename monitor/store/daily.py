"""Daily counts: what pages ask of long periods, summed ahead by local day for the cuts of the dimensions they ask for.

A cut names the dimensions that are kept apart; the others are summed. Mentions are kept for every cut, topics for those
of at most one dimension: with more, a page reads the hours. Days are those of one time zone, which stands in the store:
a reader first asks which days are there (`Days`), and reads the hours at the ragged ends of its span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, Integer, delete, func, insert, literal
from sqlmodel import Session, col, select

from monitor.store import meta
from monitor.store.engine import exclusive, reading, writing
from monitor.store.tables import Bucket, Daily, DailyStars, Mention

EVERY_SOURCE, EVERY = 0, "*"  # what a dimension holds that a cut sums over
SOURCE, LOCATION, LANGUAGE = 1, 2, 4
BIT = {"source": SOURCE, "location": LOCATION, "language": LANGUAGE}
CUTS = tuple(range(8))
TOPIC_CUTS = STAR_CUTS = (0, SOURCE, LOCATION, LANGUAGE)
SUMS = ("n", "n_negative", "n_neutral", "n_positive", "n_ratings", "rating_sum")
_ZONE = "daily.zone"  # the zone of the days; "... building" while not all of them are written
_BUILDING = " building"
_HOUR = timedelta(hours=1)
_CHUNK = 10  # days a transaction


@dataclass(frozen=True, slots=True)
class Days:
    """The whole days of a span, first and last included, and the spans of hours left over at its ends."""

    first: date
    last: date
    rest: tuple[tuple[datetime, datetime], ...]


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a local day."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def kept(session: Session) -> bool:
    """Whether every day has its counts."""
    return _zone(session) is not None


def days_of(session: Session, start: datetime, end: datetime, *, zone: ZoneInfo | None = None) -> Days | None:
    """Which part of start <= at < end the daily counts can answer; None where they hold nothing of it.

    With `zone` the caller wants days of that zone and no other.
    """
    kept = _zone(session)
    if kept is None or (zone is not None and kept.key != zone.key):
        return None
    first, after = start.astimezone(kept).date(), end.astimezone(kept).date()
    if day_start(first, kept) < start:
        first += timedelta(days=1)
    if first >= after:
        return None
    ends = ((start, day_start(first, kept)), (day_start(after, kept), end))
    return Days(first, after - timedelta(days=1), tuple((low, high) for low, high in ends if low < high))


def recompute(session: Session, brand_id: int, hours: Iterable[datetime]) -> None:
    """Write the days that hold these hours anew from the buckets and ratings; nothing where no days are kept yet."""
    zone = _zone(session, building=True)
    if zone is None:
        return
    days = {at.astimezone(zone).date() for hour in hours for at in (hour, hour + _HOUR - timedelta(seconds=1))}
    _write(session, brand_id, sorted(days), zone)


def build(engine: Engine, zone: ZoneInfo, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Make all days of a zone where the store does not keep them, a short transaction at a time. Returns how many.

    What is interrupted starts anew; meanwhile pages read the hours.
    """
    with writing(engine) as session:
        if meta.get(session, _ZONE) == zone.key:
            return 0
        meta.put(session, _ZONE, zone.key + _BUILDING)
        for table in (Daily, DailyStars):
            session.execute(delete(table))
    n = 0
    with reading(engine) as session:
        spans = _spans(session)
    for brand_id, first_at, last_at in spans:
        first, last = first_at.astimezone(zone).date(), last_at.astimezone(zone).date()
        for begin in range(0, (last - first).days + 1, _CHUNK):
            if should_stop():
                return n
            low = first + timedelta(days=begin)
            high = min(low + timedelta(days=_CHUNK - 1), last)
            with reading(engine) as session:  # one old post, and there are years without any: nothing to write of them
                days = _days_with_mentions(session, brand_id, low, high, zone)
            if not days:
                continue
            with writing(engine) as session:
                _write(session, brand_id, days, zone)
            n += len(days)
    with writing(engine) as session:
        if meta.get(session, _ZONE) == zone.key + _BUILDING:
            meta.put(session, _ZONE, zone.key)
    return n


def differing(session: Session, brand_id: int) -> list[date]:
    """Days whose counts are not what the buckets say; empty while none are kept."""
    zone = _zone(session)
    if zone is None:
        return []
    wrong: set[date] = set()
    for of_brand, first_at, last_at in _spans(session):
        if of_brand != brand_id:
            continue
        day, last = first_at.astimezone(zone).date(), last_at.astimezone(zone).date()
        while day <= last:
            stored = {
                (row.cut, row.topic, row.source_id, row.location, row.language): _rounded(row)
                for row in session.exec(select(Daily).where(Daily.brand_id == brand_id, Daily.day == day))
            }
            due: dict[Any, Any] = {}
            for cut in CUTS:
                for row in session.execute(_sums_of(brand_id, day, zone, cut)).mappings():
                    due[(row["cut"], row["topic"], row["source_id"], row["location"], row["language"])] = _rounded(row)
            stars = _rows(session, select(DailyStars).where(DailyStars.brand_id == brand_id, DailyStars.day == day))
            due_stars = {
                tuple(row.values()): None
                for cut in STAR_CUTS
                for row in session.execute(_stars_of(brand_id, day, zone, cut)).mappings()
            }
            if stored != due or stars != due_stars.keys():
                wrong.add(day)
            day += timedelta(days=1)
        outside = select(Daily.day).where(Daily.brand_id == brand_id).distinct()
        first = first_at.astimezone(zone).date()
        wrong |= {day for day in session.exec(outside) if not first <= day <= last}
    return sorted(wrong)


def rewrite(engine: Engine, brand_id: int, days: Sequence[date]) -> None:
    """Write these days anew: the repair of `differing`."""
    for at in range(0, len(days), _CHUNK):
        with writing(engine) as session:
            zone = _zone(session, building=True)
            if zone is not None:
                _write(session, brand_id, days[at : at + _CHUNK], zone)


def _zone(session: Session, *, building: bool = False) -> ZoneInfo | None:
    """The zone whose days are kept; None while none are, or (without `building`) while they are being made."""
    value = meta.get(session, _ZONE)
    if not value or (value.endswith(_BUILDING) and not building):
        return None
    return ZoneInfo(value.removesuffix(_BUILDING))


def _write(session: Session, brand_id: int, days: Sequence[date], zone: ZoneInfo) -> None:
    exclusive(session, f"daily {brand_id}")
    for table in (Daily, DailyStars):
        session.execute(delete(table).where(col(table.brand_id) == brand_id, col(table.day).in_(days)))
    for day in days:
        for cut in CUTS:
            statement = _sums_of(brand_id, day, zone, cut)
            session.execute(
                insert(Daily).from_select([column.name for column in statement.selected_columns], statement)
            )
        for cut in STAR_CUTS:
            statement = _stars_of(brand_id, day, zone, cut)
            names = [column.name for column in statement.selected_columns]
            session.execute(insert(DailyStars).from_select(names, statement))


def _sums_of(brand_id: int, day: date, zone: ZoneInfo, cut: int) -> Any:
    """The rows of one day and cut, from its buckets."""
    keys = [Bucket.topic, *_kept(Bucket, cut)]
    conditions = [
        Bucket.brand_id == brand_id,
        col(Bucket.hour_at) >= day_start(day, zone),
        col(Bucket.hour_at) < day_start(day + timedelta(days=1), zone),
    ]
    if cut not in TOPIC_CUTS:
        conditions.append(Bucket.topic == "")
    return (
        select(
            literal(brand_id, Integer).label("brand_id"), literal(cut, Integer).label("cut"),
            literal(day).label("day"), col(Bucket.topic).label("topic"), *_dimensions(Bucket, cut),
            *(func.sum(getattr(Bucket, name)).label(name) for name in SUMS),
        )
        .where(*conditions)
        .group_by(*keys)
    )  # fmt: skip


def _stars_of(brand_id: int, day: date, zone: ZoneInfo, cut: int) -> Any:
    """How many mentions of a day gave how many stars, for one cut."""
    return (
        select(
            literal(brand_id, Integer).label("brand_id"), literal(cut, Integer).label("cut"),
            literal(day).label("day"), *_dimensions(Mention, cut), col(Mention.rating).label("stars"),
            func.count().label("n"),
        )
        .where(
            Mention.brand_id == brand_id,
            col(Mention.published_at) >= day_start(day, zone),
            col(Mention.published_at) < day_start(day + timedelta(days=1), zone),
            col(Mention.counts).is_(True),
            col(Mention.rating).is_not(None),
        )
        .group_by(col(Mention.rating), *_kept(Mention, cut))
    )  # fmt: skip


def _kept(table: Any, cut: int) -> list[Any]:
    columns = (table.source_id, table.location, table.language)
    return [column for column, bit in zip(columns, BIT.values(), strict=True) if cut & bit]


def _dimensions(table: Any, cut: int) -> list[Any]:
    return [
        (col(table.source_id) if cut & SOURCE else literal(EVERY_SOURCE, Integer)).label("source_id"),
        (col(table.location) if cut & LOCATION else literal(EVERY)).label("location"),
        (col(table.language) if cut & LANGUAGE else literal(EVERY)).label("language"),
    ]


def _days_with_mentions(session: Session, brand_id: int, first: date, last: date, zone: ZoneInfo) -> list[date]:
    hours = session.exec(
        select(Bucket.hour_at)
        .where(
            Bucket.brand_id == brand_id,
            col(Bucket.hour_at) >= day_start(first, zone),
            col(Bucket.hour_at) < day_start(last + timedelta(days=1), zone),
        )
        .distinct()
    )
    return sorted({hour.astimezone(zone).date() for hour in hours})


def _spans(session: Session) -> list[tuple[int, datetime, datetime]]:
    """Brand, first and last hour that hold anything."""
    rows = session.execute(
        select(Bucket.brand_id, func.min(Bucket.hour_at), func.max(Bucket.hour_at)).group_by(col(Bucket.brand_id))
    )
    return [(brand_id, first, last) for brand_id, first, last in rows]


def _rounded(row: Any) -> tuple[float, ...]:
    values = [row[name] if not isinstance(row, Daily) else getattr(row, name) for name in SUMS]
    return (*values[:-1], round(values[-1], 6))


def _rows(session: Session, statement: Any) -> set[tuple[Any, ...]]:
    columns = ("brand_id", "cut", "day", "source_id", "location", "language", "stars", "n")
    return {tuple(getattr(row, name) for name in columns) for row in session.exec(statement)}
