"""Which mentions a series is made of: the rows behind its counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from alerts.errors import BadRule
from alerts.series import SeriesKey
from monitor.pipeline.series import source_names
from monitor.store.judgements import judged_words
from monitor.store.tables import Brand, Mention, TopicTag


def key_of(text: str) -> SeriesKey | None:
    """The key of a stored series, None where it is none."""
    try:
        return SeriesKey.parse(text)
    except BadRule:
        return None


def series_key(text: str, brand: Brand) -> SeriesKey:
    """The key of a stored series; the brand as a whole where a free text stands there."""
    return key_of(text) or SeriesKey(brand.slug)


def negatives(session: Session, brand: Brand, key: SeriesKey, *, since: datetime, until: datetime | None = None,
              limit: int = 500) -> Sequence[Mention]:  # fmt: skip
    """The negative mentions of a series in a span, newest first; copies left out."""
    return session.exec(
        _newest(select(Mention), conditions(session, brand, key, since=since, until=until), key, limit)
    ).all()


def negative_ids(session: Session, brand: Brand, key: SeriesKey, *, since: datetime, limit: int = 500) -> set[int]:
    """The ids of the same."""
    return set(session.exec(_newest(select(Mention.id), conditions(session, brand, key, since=since), key, limit)))


def n_negatives(session: Session, brand: Brand, *keys: SeriesKey, since: datetime, until: datetime) -> int:
    """How many mentions of a span are negatives of each of the series."""
    inside = [
        part
        for key in keys
        for part in (*conditions(session, brand, key, since=since, until=until), negative(key))
    ]  # fmt: skip
    return session.exec(select(func.count()).select_from(Mention).where(*inside)).one()


def _newest(statement: Any, inside: list[Any], key: SeriesKey, limit: int) -> Any:
    order = col(Mention.published_at).desc(), col(Mention.id).desc()
    return statement.where(*inside, negative(key)).order_by(*order).limit(limit)


def conditions(session: Session, brand: Brand, key: SeriesKey, *, since: datetime,
               until: datetime | None = None) -> list[Any]:  # fmt: skip
    """SQL conditions of the mentions that a series counts."""
    found: list[Any] = [
        Mention.brand_id == brand.id, col(Mention.counts).is_(True), col(Mention.published_at) >= since,
    ]  # fmt: skip
    if until is not None:
        found.append(col(Mention.published_at) <= until)
    if key.source is not None:
        ids = [number for number, slug in source_names(session).items() if slug == key.source]
        found.append(col(Mention.source_id).in_(ids))
    if key.location is not None:
        found.append(Mention.location == key.location)
    if key.language is not None:
        found.append(Mention.language == key.language)
    if key.topic is not None:
        found.append(_tagged(TopicTag.topic == key.topic))
    return found


def negative(key: SeriesKey) -> Any:
    """What "negative" means in a series: the topic's own sentiment where it is narrowed to a topic."""
    if key.topic is None:
        return Mention.sentiment == "negative"
    return _tagged(TopicTag.topic == key.topic, TopicTag.sentiment == "negative")


def _tagged(*what: Any) -> Any:
    """Asked of each mention: of a million, those of a few days have a tag sooner than those of a topic are listed."""
    return select(TopicTag.mention_id).where(col(TopicTag.mention_id) == col(Mention.id), *what).exists()


def words(mention: Mention) -> str:
    """Title and text as a reader sees them."""
    return judged_words(mention.title, mention.text)
