"""Judgements and corrections: what a model said is kept, what a person said wins; the mention shows the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, update
from sqlmodel import Session, col, select

from monitor.errors import MonitorError
from monitor.store.ingest import touch
from monitor.store.tables import Correction, Judgement, Mention, TopicTag

if TYPE_CHECKING:
    from models.base import Judgement as ModelJudgement

SENTIMENTS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Override:
    """What people decided about a mention; None = as judged."""

    sentiment: str | None = None
    topics: list[dict[str, Any]] | None = None


def judged_words(title: str | None, text: str) -> str:
    """What is judged of a mention: the title too, unless the text begins with it."""
    title = (title or "").strip()
    if not title or text.startswith(title):
        return text
    return f"{title}. {text}" if text else title


def apply_judgement(
    session: Session,
    mention_id: int,
    judgement: ModelJudgement,
    *,
    brand_id: int,
    published_at: datetime,
    content_hash: str,
    now: datetime,
) -> bool:
    """Write one model output and make it effective, unless a person corrected the mention.

    False, and nothing written, when the text has changed since it was read: the new words wait for their own judgement.
    """
    topics = [{"topic": tag.topic, "p": round(tag.p, 4), "sentiment": tag.sentiment} for tag in judgement.topics]
    judged = judgement.sentiment is not None
    shares: dict[str, Any] = {
        "p_negative": judgement.p_negative if judged else None,
        "p_neutral": judgement.p_neutral if judged else None,
        "p_positive": judgement.p_positive if judged else None,
    }
    values: dict[str, Any] = {
        "score_state": "done" if judged else "failed",
        "score_error": judgement.error,
        "scored_at": now,
        "model": judgement.model,
        **shares,
    }
    if judgement.language:
        values["language"] = judgement.language
    over = override(session, mention_id)
    if over.sentiment is None:
        values["sentiment"] = judgement.sentiment
    changed = session.execute(
        update(Mention).where(col(Mention.id) == mention_id, col(Mention.content_hash) == content_hash).values(**values)
    )
    if changed.rowcount == 0:
        return False
    session.execute(
        delete(Judgement).where(col(Judgement.mention_id) == mention_id, col(Judgement.model) == judgement.model)
    )
    session.execute(
        insert(Judgement),
        [{"mention_id": mention_id, "model": judgement.model, "content_hash": content_hash,
          "language": judgement.language or "", "sentiment": judgement.sentiment, "topics": topics,
          "error": judgement.error, "scored_at": now, **shares}],
    )  # fmt: skip
    if over.topics is None:
        replace_topics(session, mention_id, topics)
    touch(session, brand_id, [published_at])
    return True


def correct(
    session: Session,
    mention: Mention,
    *,
    actor: str,
    now: datetime,
    sentiment: str | None = None,
    topics: Sequence[tuple[str, str]] | None = None,
) -> Correction:
    """A person's override of sentiment, of topics as (topic, sentiment) pairs, or of both; kept for ever.

    Raises MonitorError when a sentiment is not one of the three, or nothing is said.
    """
    said = [value for value in [sentiment, *(polarity for _, polarity in topics or [])] if value is not None]
    wrong = sorted({value for value in said if value not in SENTIMENTS})
    if wrong:
        raise MonitorError(f"not a sentiment: {', '.join(map(repr, wrong))}; allowed: {', '.join(SENTIMENTS)}")
    if sentiment is None and topics is None:
        raise MonitorError("a correction must say a sentiment, topics, or both")
    tags = None if topics is None else [{"topic": name, "p": 1.0, "sentiment": value} for name, value in topics]
    row = Correction(mention_id=mention.id, at=now, actor=actor, sentiment=sentiment, topics=tags)
    session.add(row)
    if sentiment is not None:
        mention.sentiment = sentiment
    if tags is not None and mention.id is not None:
        replace_topics(session, mention.id, tags)
    mention.corrected = True
    session.add(mention)
    touch(session, mention.brand_id, [mention.published_at])
    return row


def override(session: Session, mention_id: int) -> Override:
    """What people decided: each field by its latest correction."""
    sentiment: str | None = None
    topics: list[dict[str, Any]] | None = None
    rows = session.exec(select(Correction).where(Correction.mention_id == mention_id).order_by(col(Correction.id)))
    for row in rows:
        sentiment = row.sentiment if row.sentiment is not None else sentiment
        topics = row.topics if row.topics is not None else topics
    return Override(sentiment, topics)


def replace_topics(session: Session, mention_id: int, topics: Sequence[dict[str, Any]]) -> None:
    session.execute(delete(TopicTag).where(col(TopicTag.mention_id) == mention_id))
    if topics:
        session.execute(insert(TopicTag), [{"mention_id": mention_id, **topic} for topic in topics])
