"""The score step: texts without a judgement get one; a text that breaks the model is marked and never blocks the rest.

A batch that is on its way is written down first. If the process dies inside the model, the next start finds the note,
judges that batch one by one, and marks the text on which it dies again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import update
from sqlmodel import Session, col, func, select

from monitor.pipeline.context import Context, Tally
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.ingest import rating_sentiment
from monitor.store.judgements import apply_judgement
from monitor.store.tables import Mention

if TYPE_CHECKING:
    from models.base import Judgement as ModelJudgement

log = structlog.get_logger()

BATCH = 512
_IN_FLIGHT = "score.in_flight"


@dataclass(frozen=True, slots=True)
class _Pending:
    id: int
    brand_id: int
    words: str
    language: str
    content_hash: str
    published_at: datetime
    rating: float | None


def n_unscored(session: Session) -> int:
    return int(session.exec(select(func.count()).select_from(Mention).where(Mention.score_state == "new")).one())


def score(context: Context, *, limit: int | None = None) -> Tally:
    """Judge up to `limit` unjudged mentions (all, if None), oldest first. The model runs outside every transaction."""
    tally = Tally()
    with reading(context.engine) as session:
        total = min(n_unscored(session), limit or 10**12)
    if total == 0:
        return tally
    tally.add(_recover(context))
    while not context.should_stop() and (limit is None or tally.n_seen < limit):
        size = BATCH if limit is None else min(BATCH, limit - tally.n_seen)
        with writing(context.engine) as session:
            batch = _next(session, size)
            if batch:
                meta.put(session, _IN_FLIGHT, json.dumps([row.id for row in batch]))
        if not batch:
            break
        tally.add(_score_batch(context, batch))
        context.progress("score", tally.n_seen, max(total, tally.n_seen))
    with writing(context.engine) as session:
        meta.put(session, _IN_FLIGHT, "")
    return tally


def _next(session: Session, size: int, ids: Sequence[int] | None = None) -> list[_Pending]:
    statement = select(Mention).where(Mention.score_state == "new").order_by(col(Mention.id)).limit(size)
    if ids is not None:
        statement = statement.where(col(Mention.id).in_(ids))
    return [
        _Pending(mention.id or 0, mention.brand_id, judged_words(mention.title, mention.text), mention.language,
                 mention.content_hash, mention.published_at, mention.rating)
        for mention in session.exec(statement)
    ]  # fmt: skip


def judged_words(title: str | None, text: str) -> str:
    """What is judged of a mention: the title too, unless the text begins with it."""
    title = (title or "").strip()
    if not title or text.startswith(title):
        return text
    return f"{title}. {text}" if text else title


def _score_batch(context: Context, batch: list[_Pending]) -> Tally:
    judgements = _judge(context, batch)
    now = context.now
    tally = Tally(n_seen=len(batch))
    with writing(context.engine) as session:
        for row, judgement in zip(batch, judgements, strict=True):
            _apply(session, row, judgement, now)
            if judgement.sentiment is None:
                tally.n_failed += 1
                if row.rating is not None:
                    session.execute(
                        update(Mention).where(col(Mention.id) == row.id).values(sentiment=rating_sentiment(row.rating))
                    )
            else:
                tally.n_new += 1
    log.info("mentions.scored", n=len(batch), n_failed=tally.n_failed)
    return tally


def _judge(context: Context, batch: list[_Pending]) -> list[ModelJudgement]:
    """Judgements of a batch; a batch that raises is halved until the text that does it stands alone."""
    from models.base import Judgement as ModelJudgement

    scorer = context.scorer
    try:
        return scorer.score([row.words for row in batch], languages=[row.language or None for row in batch])
    except Exception as error:  # noqa: BLE001  (any model may be plugged in: the text is marked, the rest goes on)
        if len(batch) > 1:
            middle = len(batch) // 2
            return _judge(context, batch[:middle]) + _judge(context, batch[middle:])
        log.warning("mention.unjudgeable", mention=batch[0].id, error=type(error).__name__)
        reason = f"{type(error).__name__}: {error}"[:300]
        return [ModelJudgement(None, None, 0.0, 0.0, 0.0, (), f"{scorer.name}@{scorer.revision}", reason)]


def _recover(context: Context) -> Tally:
    """After a death inside the model: judge the noted batch one by one, marking the text it died on twice."""
    from models.base import Judgement as ModelJudgement

    tally = Tally()
    with reading(context.engine) as session:
        note = meta.get(session, _IN_FLIGHT) or ""
        ids = json.loads(note) if note else []
        batch = _next(session, len(ids), ids) if ids else []
    if len(ids) == 1 and batch:
        row = batch[0]
        judgement = ModelJudgement(None, None, 0.0, 0.0, 0.0, (), "none", "the model died on this text twice")
        with writing(context.engine) as session:
            _apply(session, row, judgement, context.now)
            meta.put(session, _IN_FLIGHT, "")
        log.warning("mention.poisonous", mention=row.id)
        return Tally(n_seen=1, n_failed=1)
    for row in batch:
        with writing(context.engine) as session:
            meta.put(session, _IN_FLIGHT, json.dumps([row.id]))
        tally.add(_score_batch(context, [row]))
    return tally


def _apply(session: Session, row: _Pending, judgement: ModelJudgement, now: datetime) -> None:
    apply_judgement(
        session, row.id, judgement, brand_id=row.brand_id, published_at=row.published_at, content_hash=row.content_hash,
        now=now,
    )  # fmt: skip
