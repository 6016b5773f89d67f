"""Which series of a brand are watched, by days and by hours, and the nodes that a bucket counts in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from alerts.series import SeriesKey
from monitor.store import switches
from monitor.store.tables import Brand, Bucket, Mention, Source

LIVE_SPAN, LEAST_SPAN = timedelta(days=7), timedelta(days=3)  # over which mentions a day are counted
BUSY, STAYS_BUSY = 50.0, 35.0  # mentions a day from which on hours are worth counting, and down to which they stay so
SOON = timedelta(hours=3)  # a mention known so soon after it was written can be told within the hour
MOST_SOON = 0.7
EXACT = ("second", "minute", "hour")  # precisions of a date by which its hour is known
_LOOKED_AT = 5000


def nodes(brand: str, source: str, topic: str, location: str) -> list[SeriesKey]:
    """The series that a bucket counts in."""
    return [
        SeriesKey(brand, source=one or None, topic=about or None, location=place or None)
        for one, about, place in nodes_of(source, topic, location)
    ]


def nodes_of(source: str, topic: str, location: str) -> list[tuple[str, str, str]]:
    """Source, topic and location of them ("" for all): the brand, its dimensions alone, topics within sources and
    locations.

    Languages are no series of their own: most brands speak mainly one, whose series is then nearly the brand again.
    """
    result = [("", topic, "")]
    if source:
        result.append((source, topic, ""))
    if location:
        result.append(("", topic, location))
    return result


def series_of(session: Session, brand: Brand, *, known: Iterable[SeriesKey] = (),
              since: datetime | None = None) -> list[SeriesKey]:  # fmt: skip
    """Every series of a brand that has ever held anything, in a stable order.

    With `since`, buckets from then on are added to what is `known`: a tick need not read all of the past again.
    """
    sources = source_names(session)
    found = set(known)
    asked = select(Bucket.source_id, Bucket.location, Bucket.topic).where(Bucket.brand_id == brand.id)
    if since is not None:
        asked = asked.where(col(Bucket.hour_at) >= since)
    for source_id, location, topic in session.exec(asked.distinct()):
        found.update(nodes(brand.slug, sources.get(source_id, ""), topic, location))
    topics = {key.topic for key in found if key.topic}
    sources_seen = {key.source for key in found if key.source}
    places = {key.location for key in found if key.location}
    for topic in topics:  # a new combination of what is known is not a new series: it had its zeros all along
        found.update(SeriesKey(brand.slug, source=name, topic=topic) for name in sources_seen)
        found.update(SeriesKey(brand.slug, location=name, topic=topic) for name in places)
    if len(sources_seen) == 1:  # a brand with one source: its series is the brand again
        found = {key for key in found if key.source is None}
    unwatched = {*switches.off(session), "general"}
    kept = (key for key in found if key.topic not in unwatched)
    return sorted(kept, key=lambda key: (key.source or "", key.location or "", key.topic or ""))


def live_sources(session: Session, brand: Brand, *, now: datetime) -> set[int]:
    """Sources whose mentions are known within hours of being written, with their hour: only those can be told by it."""
    rows = session.execute(
        select(Mention.source_id, Mention.published_at, Mention.observed_at, Mention.published_precision)
        .where(Mention.brand_id == brand.id, col(Mention.published_at) >= now - LIVE_SPAN,
               col(Mention.published_at) <= now)
        .order_by(col(Mention.published_at).desc())
        .limit(_LOOKED_AT)
    )  # fmt: skip
    soon: dict[int, list[bool]] = defaultdict(list)
    for source_id, published_at, observed_at, precision in rows:
        soon[source_id].append(precision in EXACT and observed_at - published_at <= SOON)
    return {source_id for source_id, seen in soon.items() if sum(seen) >= MOST_SOON * len(seen)}


def busy_series(session: Session, brand: Brand, *, live: Collection[int], now: datetime,
                known: Collection[SeriesKey] = ()) -> list[SeriesKey]:  # fmt: skip
    """The series that hold enough mentions of live sources to be counted by the hour, topics of busy nodes included."""
    if not live:
        return []
    sources = source_names(session)
    oldest = session.exec(select(func.min(Bucket.hour_at)).where(Bucket.brand_id == brand.id)).one()
    known_for = min(max(now - oldest, LEAST_SPAN), LIVE_SPAN) if oldest is not None else LIVE_SPAN
    days = known_for.total_seconds() / 86_400
    volume: Counter[SeriesKey] = Counter()
    topics: set[SeriesKey] = set()
    for source_id, location, topic, n in session.execute(
        select(Bucket.source_id, Bucket.location, Bucket.topic, func.sum(Bucket.n))
        .where(Bucket.brand_id == brand.id, col(Bucket.hour_at) >= now - LIVE_SPAN, col(Bucket.source_id).in_(live))
        .group_by(col(Bucket.source_id), col(Bucket.location), col(Bucket.topic))
    ):
        for key in nodes(brand.slug, sources.get(source_id, ""), topic, location):
            if topic:
                topics.add(key)
            else:
                volume[key] += n
    if len(live) == 1:
        volume = Counter({key: n for key, n in volume.items() if key.source is None})
    have = set(known)
    busy = {key for key, n in volume.items() if n >= days * (STAYS_BUSY if key in have else BUSY)}
    unwatched = {*switches.off(session), "general"}
    busy |= {key for key in topics if key.topic not in unwatched and key.opened("topic") in busy}
    return sorted(busy, key=lambda key: (key.source or "", key.location or "", key.topic or ""))


def source_names(session: Session) -> dict[int, str]:
    """Slugs of the sources by their number in the store."""
    return {row.id: row.slug for row in session.exec(select(Source)) if row.id is not None}
