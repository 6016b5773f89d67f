"""Judging the past again after a change of model: in slices, the newest first, beside all other work.

The past is never put back into the queue of new mentions: it stays judged and counted as it was until the new
judgement is written, and new mentions do not wait behind it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement
from sqlmodel import col, func, select

from models.base import Judgement
from monitor.pipeline.context import Context, Tally
from monitor.pipeline.score import judge, judged, pending_of
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.judgements import apply_judgements
from monitor.store.tables import Mention

log = structlog.get_logger()

SLICE = 128  # a new text that comes while one is with the model waits for no more than this
_IN_HAND = "rescore.in_hand"  # what is with the model: found again only where the process died with it


def rescore(context: Context, *, since: datetime | None = None, limit: int | None = None) -> Tally:
    """Judge again what another model (or version of it) judged, what was stored last first.

    Corrections stay. What is done is done: an interrupted run goes on with the rest, since the store says which model
    judged a mention. Texts marked as unjudgeable are left alone; one with which the process dies twice becomes one.
    """
    model, tally = f"{context.scorer.name}@{context.scorer.revision}", Tally()
    with reading(context.engine) as session:
        stale = select(func.count()).select_from(Mention).where(*_stale(model, since))
        total = min(int(session.exec(stale).one()), limit or 10**12)
    for ids in _slices(context, model, since):
        if context.should_stop() or tally.n_seen >= total:
            break
        tally.add(_again(context, ids[: total - tally.n_seen]))
        context.progress("rescore", tally.n_seen, total)
    return tally


def _slices(context: Context, model: str, since: datetime | None) -> Iterator[list[int]]:
    """Stale mentions from the last id down, so that no slice looks at what another has done."""
    with reading(context.engine) as session:
        left = json.loads(meta.get(session, _IN_HAND) or "[]")
    if len(left) == 1:
        _mark(context, left)
    elif left:
        yield from ([one] for one in left)  # one of these ended the process: alone it is found
    below: int | None = None
    while True:
        with reading(context.engine) as session:
            where = [*_stale(model, since), *([] if below is None else [col(Mention.id) < below])]
            found = session.exec(select(Mention.id).where(*where).order_by(col(Mention.id).desc()).limit(SLICE)).all()
        ids = [one for one in found if one is not None]
        if not ids:
            return
        below = ids[-1]
        yield ids


def _again(context: Context, ids: Sequence[int]) -> Tally:
    with writing(context.engine) as session:
        batch = pending_of(session, ids)
        meta.put(session, _IN_HAND, json.dumps([row.id for row in batch]))
    try:
        judgements = judge(context, batch)
    except (KeyboardInterrupt, SystemExit):  # somebody's wish, not the text's fault
        with writing(context.engine) as session:
            meta.put(session, _IN_HAND, "")
        raise
    with writing(context.engine) as session:
        apply_judgements(session, map(judged, batch, judgements), now=context.now)
        meta.put(session, _IN_HAND, "")
    n_failed = sum(one.sentiment is None for one in judgements)
    return Tally(n_seen=len(batch), n_new=len(batch) - n_failed, n_failed=n_failed)


def _mark(context: Context, ids: Sequence[int]) -> None:
    reason = "the process died twice with this text in the model"
    mark = Judgement(None, None, 0.0, 0.0, 0.0, (), f"{context.scorer.name}@{context.scorer.revision}", reason)
    with writing(context.engine) as session:
        apply_judgements(session, [judged(row, mark) for row in pending_of(session, ids)], now=context.now)
        meta.put(session, _IN_HAND, "")
    log.warning("mention.poisonous", mentions=list(ids))


def _stale(model: str, since: datetime | None) -> list[ColumnElement[bool]]:
    where = [col(Mention.score_state) == "done", col(Mention.model) != model]
    return where if since is None else [*where, col(Mention.published_at) >= since]
