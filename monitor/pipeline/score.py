"""The score step: texts without a judgement get one; a text that breaks the model is marked and never blocks the rest.

A batch that is on its way is claimed first. If the process dies inside the model, the claim is found, its texts are
judged one by one, and the text with which process after process dies is marked.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, func, select

from monitor.pipeline.context import Context, Tally
from monitor.pipeline.languages import languages_of
from monitor.store import claims, switches, tallies
from monitor.store.engine import reading, writing
from monitor.store.judgements import Judged, apply_judgements, judged_words
from monitor.store.tables import Mention

if TYPE_CHECKING:
    from models.base import Judgement as ModelJudgement

log = structlog.get_logger()

BATCH = 512
MAX_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Pending:
    """A mention as it goes to the model."""

    id: int
    brand_id: int
    source_id: int
    words: str
    language: str
    rating: float | None
    content_hash: str
    published_at: datetime


def n_unscored(session: Session) -> int:
    return int(session.exec(select(func.count()).select_from(Mention).where(Mention.score_state == "new")).one())


def score(context: Context, *, limit: int | None = None) -> Tally:
    """Judge up to `limit` unjudged mentions (all, if None), oldest first. The model runs outside every transaction."""
    tally = Tally()
    follow_switches(context)
    with reading(context.engine) as session:
        total = min(n_unscored(session), limit or 10**12)
    if total == 0:
        return tally
    assert context.scorer is not None  # loaded before anything is claimed: who dies meanwhile dies of no text
    while not context.should_stop() and (limit is None or tally.n_seen < limit):
        size = BATCH if limit is None else min(BATCH, limit - tally.n_seen)
        with writing(context.engine) as session:
            claim = claims.take(session, context.owner, size)
            batch = pending_of(session, claim.ids) if claim else []
        if claim is None:
            break
        with _held(context):
            if claim.n_deaths >= MAX_DEATHS:
                tally.add(_mark(context, batch))
            else:
                tally.add(_score_batch(context, batch, suspected=claim.n_deaths > 0))
        context.progress("score", tally.n_seen, max(total, tally.n_seen))
    return tally


def follow_switches(context: Context) -> None:
    """Mentions lose the topics that are switched off, and get back those that are on again."""
    more = True
    while more and not context.should_stop():
        with writing(context.engine) as session:
            more = switches.follow(session)


@contextmanager
def _held(context: Context) -> Iterator[None]:
    """Keep a claim alive and give it back. A death leaves it; an error that is caught above does not count as one."""
    done = threading.Event()
    beats = None
    if context.engine.dialect.name == "postgresql":
        beats = threading.Thread(target=_beat, args=(context, done), name="claim", daemon=True)
        beats.start()
    try:
        yield
    except Exception:
        with contextlib.suppress(SQLAlchemyError), writing(context.engine) as session:
            claims.release(session, context.owner)
        raise
    finally:
        done.set()
        if beats:
            beats.join()
    with writing(context.engine) as session:
        claims.release(session, context.owner)


def _beat(context: Context, done: threading.Event) -> None:
    while not done.wait(claims.BEAT.total_seconds()):
        try:
            with writing(context.engine) as session:
                claims.renew(session, context.owner)
        except SQLAlchemyError as error:
            log.warning("claim.not_renewed", error=type(error).__name__)


def pending_of(session: Session, ids: Sequence[int]) -> list[Pending]:
    """Mentions by their ids, in order."""
    return [
        Pending(mention.id or 0, mention.brand_id, mention.source_id, judged_words(mention.title, mention.text),
                mention.language, mention.rating, mention.content_hash, mention.published_at)
        for mention in session.exec(select(Mention).where(col(Mention.id).in_(ids)).order_by(col(Mention.id)))
    ]  # fmt: skip


def _score_batch(context: Context, batch: list[Pending], *, suspected: bool) -> Tally:
    started = time.perf_counter()
    judgements = judge(context, batch)
    seconds = time.perf_counter() - started
    if suspected:
        with writing(context.engine) as session:
            claims.acquit(session, context.owner)
    now = context.now
    with writing(context.engine) as session:
        apply_judgements(session, map(judged, batch, judgements), now=now)
        tallies.add(session, f"score.{judgements[0].model}", n=len(batch), seconds=seconds, at=now)
    n_failed = sum(judgement.sentiment is None for judgement in judgements)
    log.info("mentions.scored", n=len(batch), n_failed=n_failed)
    return Tally(n_seen=len(batch), n_new=len(batch) - n_failed, n_failed=n_failed)


def judge(context: Context, batch: list[Pending]) -> list[ModelJudgement]:
    """Judgements of a batch; a batch that raises is halved until the text that does it stands alone."""
    with reading(context.engine) as session:
        languages = languages_of(session, batch)
    return _judge(context, batch, languages)


def _judge(context: Context, batch: list[Pending], languages: list[str | None]) -> list[ModelJudgement]:
    from models.base import Judgement as ModelJudgement

    scorer = context.scorer
    try:
        return scorer.score([row.words for row in batch], languages=languages, ratings=[row.rating for row in batch])
    except Exception as error:  # noqa: BLE001  (any model may be plugged in: the text is marked, the rest goes on)
        if len(batch) > 1:
            middle = len(batch) // 2
            return _judge(context, batch[:middle], languages[:middle]) + _judge(
                context, batch[middle:], languages[middle:]
            )
        log.warning("mention.unjudgeable", mention=batch[0].id, error=type(error).__name__)
        reason = f"{type(error).__name__}: {error}"[:300]
        return [ModelJudgement(None, None, 0.0, 0.0, 0.0, (), f"{scorer.name}@{scorer.revision}", reason)]


def _mark(context: Context, batch: list[Pending]) -> Tally:
    """The text with which process after process died gets a mark in place of a judgement."""
    from models.base import Judgement as ModelJudgement

    reason = f"the process died {MAX_DEATHS} times with this text in the model"
    judgement = ModelJudgement(None, None, 0.0, 0.0, 0.0, (), "none", reason)
    with writing(context.engine) as session:
        apply_judgements(session, (judged(row, judgement) for row in batch), now=context.now)
    for row in batch:
        log.warning("mention.poisonous", mention=row.id)
    return Tally(n_seen=len(batch), n_failed=len(batch))


def judged(row: Pending, judgement: ModelJudgement) -> Judged:
    """What was said of a mention, as the store takes it."""
    return Judged(row.id, row.brand_id, row.published_at, row.content_hash, judgement)
