"""The selection: which mentions a page speaks of, and the SQL conditions that say the same."""

from __future__ import annotations

import dataclasses
import weakref
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, or_, text
from sqlmodel import Session, col, select

from monitor.store.search import match_expression, tsquery, with_room
from monitor.store.tables import Bucket, Mention, TopicTag

_RARE = 20_000  # mentions with the words, beyond which the search is narrowed to what the span can hold
DIMENSIONS = ("source", "topic", "location", "language")


@dataclass(frozen=True, slots=True)
class Selection:
    """Mentions of one brand in start <= published_at < end, narrowed by any of the rest (empty = all of it).

    `topics` is a union. With topics, a mention's sentiment is the worst of its own sentiments about them.
    """

    brand_id: int
    start: datetime
    end: datetime
    source_ids: tuple[int, ...] = ()
    topics: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sentiments: tuple[str, ...] = ()
    ratings: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    words: str = ""
    corrected: bool = False  # only what a person corrected
    copies: bool = False  # near-duplicates too

    def before(self) -> Selection:
        """The same selection in the span of equal length that ends where this one starts."""
        return dataclasses.replace(self, start=self.start - (self.end - self.start), end=self.start)

    def opened(self, dimension: str) -> Selection:
        """The same selection with one dimension not narrowed."""
        field = {"source": "source_ids", "topic": "topics", "location": "locations", "language": "languages"}[dimension]
        changes: dict[str, Any] = {field: ()}
        return dataclasses.replace(self, **changes)

    @property
    def countable(self) -> bool:
        """Whether the hourly buckets can answer: they know brand, source, one topic, location and language."""
        narrowed = self.sentiments or self.ratings or self.kinds or self.words or self.corrected or self.copies
        return not narrowed and len(self.topics) <= 1


def remembered(session: Session, name: str) -> dict[Any, Any]:
    """Answers that several questions of a page need, kept as long as the transaction."""
    session.connection()
    transaction = session.get_transaction()
    assert transaction is not None
    if session.info.get("remembered", (lambda: None,))[0]() is not transaction:
        session.info["remembered"] = (weakref.ref(transaction), {})
    answers: dict[Any, Any] = session.info["remembered"][1].setdefault(name, {})
    return answers


def bucket_conditions(selection: Selection) -> list[Any]:
    """Conditions on `Bucket`, all but the topic."""
    conditions: list[Any] = [
        Bucket.brand_id == selection.brand_id,
        col(Bucket.hour_at) >= selection.start,
        col(Bucket.hour_at) < selection.end,
    ]
    for column, values in (
        (Bucket.source_id, selection.source_ids),
        (Bucket.location, selection.locations),
        (Bucket.language, selection.languages),
    ):
        if values:
            conditions.append(col(column).in_(values))
    return conditions


def sentiment_about(topics: tuple[str, ...]) -> Any:
    """A subquery (mention_id, sentiment): the worst sentiment of a mention about any of these topics."""
    if len(topics) == 1:  # at most one row a mention: nothing to group, and the store may start from the mentions
        return select(TopicTag.mention_id, TopicTag.sentiment).where(TopicTag.topic == topics[0]).subquery("about")
    worst = case(
        (func.sum(case((col(TopicTag.sentiment) == "negative", 1), else_=0)) > 0, "negative"),
        (func.sum(case((col(TopicTag.sentiment) == "positive", 1), else_=0)) > 0, "positive"),
        else_="neutral",
    )
    return (
        select(TopicTag.mention_id, worst.label("sentiment"))
        .where(col(TopicTag.topic).in_(topics))
        .group_by(col(TopicTag.mention_id))
        .subquery("about")
    )


def mention_conditions(session: Session, selection: Selection, *, about: Any = None) -> list[Any]:
    """Conditions on `Mention`. `about` is the joined subquery of `sentiment_about`, where topics are asked for."""
    conditions: list[Any] = [
        Mention.brand_id == selection.brand_id,
        col(Mention.published_at) >= selection.start,
        col(Mention.published_at) < selection.end,
    ]
    if not selection.copies:
        conditions.append(col(Mention.counts).is_(True))
    for column, values in (
        (Mention.source_id, selection.source_ids),
        (Mention.location, selection.locations),
        (Mention.language, selection.languages),
        (Mention.kind, selection.kinds),
    ):
        if values:
            conditions.append(col(column).in_(values))
    if selection.sentiments:
        column = about.c.sentiment if about is not None else col(Mention.sentiment)
        conditions.append(column.in_(selection.sentiments))
    if selection.ratings:
        conditions.append(or_(*(col(Mention.rating).between(star - 0.5, star + 0.499) for star in selection.ratings)))
    if selection.corrected:
        conditions.append(col(Mention.corrected).is_(True))
    if selection.words.strip():
        conditions.append(words_condition(session, selection))
    return conditions


def words_condition(session: Session, selection: Selection) -> Any:
    """Mentions in which the words occur: FTS5 on SQLite, tsvector on PostgreSQL, by the same rules."""
    if session.get_bind().dialect.name == "postgresql":
        expression = tsquery(selection.words)
        if not expression:
            return text("1 = 0")
        with_room(session)
        clause = "SELECT rowid FROM mention_search WHERE to_tsvector('simple', body) @@ to_tsquery('simple', :words)"
        found = text(clause).bindparams(words=expression).columns(rowid=Mention.__table__.c.id.type)
        return col(Mention.id).in_(found)
    expression = match_expression(selection.words)
    if not expression:
        return text("1 = 0")  # nothing to look for: only signs that are no words
    clause, values = "SELECT rowid FROM mention_search WHERE mention_search MATCH :words", {"words": expression}
    known = remembered(session, "searched")  # several counts of one page ask the same
    if expression not in known:
        some = text(f"SELECT count(*) FROM ({clause} LIMIT {_RARE + 1})")  # noqa: S608  (nothing of the user's is in it)
        known[expression] = int(session.execute(some, values).scalar_one()) > _RARE
    if known[expression]:
        # a word that stands everywhere: only what could be of this span is gathered
        span = (selection.brand_id, selection.start, selection.end)
        if span not in known:
            known[span] = session.exec(
                select(func.min(Mention.id), func.max(Mention.id)).where(
                    Mention.brand_id == selection.brand_id,
                    col(Mention.published_at) >= selection.start,
                    col(Mention.published_at) < selection.end,
                )
            ).one()
        first, last = known[span]
        clause, values = clause + " AND rowid BETWEEN :first AND :last", {**values, "first": first, "last": last}
    found = text(clause).bindparams(**values).columns(rowid=Mention.__table__.c.id.type)
    return col(Mention.id).in_(found)
