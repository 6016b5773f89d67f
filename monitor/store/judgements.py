"""Judgements and corrections: what a model said is kept, what a person said wins; the mention shows the outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, update
from sqlmodel import Session, col, select

from monitor.errors import MonitorError
from monitor.store import switches
from monitor.store.ingest import rating_sentiment, touch, touch_all
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


_NEWEST = 300  # mentions of a source that say in which languages it is written


def languages_seen(session: Session, source_id: int, *, least: int) -> list[str]:
    """The languages of the newest mentions of a source, of those with `least` signs or more."""
    newest = (
        select(Mention.language, func.length(Mention.text).label("size"))
        .where(Mention.source_id == source_id, Mention.language != "")
        .order_by(col(Mention.published_at).desc())
        .limit(_NEWEST)
        .subquery()
    )
    return list(session.scalars(select(newest.c.language).where(newest.c.size >= least)))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model said of a mention, and which words of it were read."""

    mention_id: int
    brand_id: int
    published_at: datetime
    content_hash: str
    judgement: ModelJudgement


def apply_judgements(session: Session, batch: Iterable[Judged], *, now: datetime) -> None:
    """Write outputs of a model and make them effective, except where a person corrected the mention.

    Nothing is written of a mention whose text has changed since it was read: the new words wait for theirs.
    Where the model could say nothing, the stars of the mention do. A topic that is switched off stays in what the model
    said and does not mark the mention. Mentions are locked in the order of their ids and
    hours marked after them, so that of several judges none waits for another in a ring.
    """
    by_id = {one.mention_id: one for one in batch}
    now_there = session.execute(
        select(Mention.id, Mention.content_hash, Mention.language, Mention.sentiment, Mention.rating, Mention.corrected)
        .where(col(Mention.id).in_(by_id))
        .order_by(col(Mention.id))
        .with_for_update()
    ).all()
    rows = [row for row in now_there if row.content_hash == by_id[row.id].content_hash]
    if not rows:
        return
    over = overrides(session, [row.id for row in rows if row.corrected])
    updates, outputs, tags = [], [], []
    by_model: dict[str, list[int]] = defaultdict(list)
    unwanted = switches.off(session)
    for row in rows:
        judgement = by_id[row.id].judgement
        told, judged = over.get(row.id, Override()), judgement.sentiment is not None
        topics = [{"topic": tag.topic, "p": round(tag.p, 4), "sentiment": tag.sentiment} for tag in judgement.topics]
        shares: dict[str, Any] = {
            "p_negative": judgement.p_negative if judged else None,
            "p_neutral": judgement.p_neutral if judged else None,
            "p_positive": judgement.p_positive if judged else None,
        }
        sentiment: str | None = judgement.sentiment
        if sentiment is None and row.rating is not None:
            sentiment = rating_sentiment(row.rating)
        updates.append(
            {"its_id": row.id, "score_state": "done" if judged else "failed", "score_error": judgement.error,
             "scored_at": now, "model": judgement.model, "language": judgement.language or row.language,
             "sentiment": row.sentiment if told.sentiment is not None else sentiment, **shares}
        )  # fmt: skip
        outputs.append(
            {"mention_id": row.id, "model": judgement.model, "content_hash": row.content_hash,
             "language": judgement.language or "", "sentiment": judgement.sentiment, "topics": topics,
             "error": judgement.error, "scored_at": now, **shares}
        )  # fmt: skip
        by_model[judgement.model].append(row.id)
        if told.topics is None:
            tags += [{"mention_id": row.id, **topic} for topic in topics if topic["topic"] not in unwanted]
    table = Mention.__table__
    session.connection().execute(update(table).where(table.c.id == bindparam("its_id")), updates)
    for model, ids in by_model.items():
        session.execute(delete(Judgement).where(col(Judgement.mention_id).in_(ids), col(Judgement.model) == model))
    session.execute(insert(Judgement), outputs)
    judged_topics = [row.id for row in rows if over.get(row.id, Override()).topics is None]
    session.execute(delete(TopicTag).where(col(TopicTag.mention_id).in_(judged_topics)))
    if tags:
        session.execute(insert(TopicTag), tags)
    touch_all(session, ((by_id[row.id].brand_id, by_id[row.id].published_at) for row in rows))


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


def overrides(session: Session, mention_ids: Sequence[int]) -> dict[int, Override]:
    """What people decided, of those mentions of which they decided anything: each field by its latest correction."""
    found: dict[int, Override] = {}
    if not mention_ids:
        return found
    rows = session.exec(
        select(Correction).where(col(Correction.mention_id).in_(mention_ids)).order_by(col(Correction.id))
    )
    for row in rows:
        before = found.get(row.mention_id, Override())
        found[row.mention_id] = Override(
            row.sentiment if row.sentiment is not None else before.sentiment,
            row.topics if row.topics is not None else before.topics,
        )
    return found


def replace_topics(session: Session, mention_id: int, topics: Sequence[dict[str, Any]]) -> None:
    session.execute(delete(TopicTag).where(col(TopicTag.mention_id) == mention_id))
    if topics:
        session.execute(insert(TopicTag), [{"mention_id": mention_id, **topic} for topic in topics])
