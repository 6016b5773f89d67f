"""Suggested topics: the texts that fit no topic, and the queue of what people may make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from monitor.store.tables import Mention, TopicSuggestion, TopicTag

VERDICT = "general"  # the topic of texts that only say how it was
QUOTES = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A suggestion as it was found now."""

    key: str
    phrase: str
    keywords: tuple[str, ...]
    mention_ids: tuple[int, ...]
    n: int
    n_before: int
    n_negative: int
    score: float


def unfitting(session: Session, brand_id: int, *, start: datetime, end: datetime, limit: int) -> list[Mention]:
    """Judged mentions that carry no topic but the overall verdict, newest first."""
    tagged = select(TopicTag.mention_id).where(TopicTag.mention_id == Mention.id, TopicTag.topic != VERDICT)
    return list(
        session.exec(
            select(Mention)
            .where(
                Mention.brand_id == brand_id,
                col(Mention.published_at) >= start,
                col(Mention.published_at) < end,
                col(Mention.counts).is_(True),
                Mention.score_state == "done",
                Mention.text != "",
                ~tagged.correlate(Mention).exists(),
            )
            .order_by(col(Mention.published_at).desc())
            .limit(limit)
        )
    )


def keep(session: Session, brand_id: int, found: Sequence[Found], *, now: datetime) -> int:
    """Write what was found. What a person has decided stays decided; what is no longer found leaves the queue.

    Returns how many are new.
    """
    rows = {row.key: row for row in session.exec(select(TopicSuggestion).where(TopicSuggestion.brand_id == brand_id))}
    n_new = 0
    for one in found:
        row = rows.pop(one.key, None)
        if row is None:
            row = TopicSuggestion(brand_id=brand_id, key=one.key, phrase=one.phrase, found_at=now, seen_at=now)
            n_new += 1
        if row.state == "open":
            row.phrase, row.keywords, row.mention_ids = one.phrase, list(one.keywords), list(one.mention_ids)
            row.n, row.n_before, row.n_negative, row.score = one.n, one.n_before, one.n_negative, one.score
            row.seen_at = now
            session.add(row)
    for row in rows.values():
        if row.state == "open":
            session.delete(row)
    return n_new


def waiting(session: Session, brand_id: int) -> list[TopicSuggestion]:
    """The queue, the most telling first."""
    return list(
        session.exec(
            select(TopicSuggestion)
            .where(TopicSuggestion.brand_id == brand_id, TopicSuggestion.state == "open")
            .order_by(col(TopicSuggestion.score).desc(), col(TopicSuggestion.id))
        )
    )


def quotes(session: Session, row: TopicSuggestion, *, limit: int = QUOTES) -> list[Mention]:
    """Some mentions that say it, in the order of the suggestion."""
    ids = row.mention_ids[:limit]
    found = {mention.id: mention for mention in session.exec(select(Mention).where(col(Mention.id).in_(ids)))}
    return [found[number] for number in ids if number in found and found[number].text]
