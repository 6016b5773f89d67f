"""How often the model was right where people looked: judgements beside corrections, model versions, progress."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from monitor.store.tables import Correction, Judgement, Mention


@dataclass(frozen=True, slots=True)
class Looked:
    """A mention whose sentiment a person settled, and what the newest model output had said."""

    language: str
    source_id: int
    model: str
    said: str
    p_said: float
    true: str


@dataclass(frozen=True, slots=True)
class Version:
    """A model revision and how many mentions bear its judgement now."""

    model: str
    n: int
    n_failed: int
    first_at: datetime | None
    last_at: datetime | None


def looked_at(session: Session, *, brand_id: int | None = None, limit: int = 50_000) -> list[Looked]:
    """Mentions with a correction of sentiment and a judgement; the newest of each counts."""
    newest = (
        select(Correction.mention_id, func.max(Correction.id).label("last"))
        .where(col(Correction.sentiment).is_not(None))
        .group_by(Correction.mention_id)
        .subquery()
    )
    judged = (
        select(Judgement.mention_id, func.max(Judgement.id).label("last"))
        .where(
            col(Judgement.sentiment).is_not(None),
            col(Judgement.mention_id).in_(select(Correction.mention_id)),  # few beside all that was ever judged
        )
        .group_by(Judgement.mention_id)
        .subquery()
    )
    statement = (
        select(Mention.language, Mention.source_id, Judgement, Correction.sentiment)
        .join(newest, newest.c.mention_id == Mention.id)
        .join(Correction, col(Correction.id) == newest.c.last)
        .join(judged, judged.c.mention_id == Mention.id)
        .join(Judgement, col(Judgement.id) == judged.c.last)
        .limit(limit)
    )
    if brand_id is not None:
        statement = statement.where(Mention.brand_id == brand_id)
    found = []
    for language, source_id, judgement, true in session.exec(statement):
        shares = {
            "negative": judgement.p_negative,
            "neutral": judgement.p_neutral,
            "positive": judgement.p_positive,
        }
        said = judgement.sentiment or ""
        found.append(Looked(language, source_id, judgement.model, said, float(shares.get(said) or 0.0), true or ""))
    return found


def progress(session: Session) -> tuple[list[Version], dict[str, int]]:
    """Model revisions on the mentions, newest first; and mentions by state of judging: new, done, failed, none."""
    rows = []
    for state, model in _steps(session):
        of_both = (Mention.score_state == state, Mention.model == model)
        # the ends of an index, and a count of it: asked for together, each of a million times would be compared
        n, first, last = (
            session.exec(select(asked).select_from(Mention).where(*of_both)).one()
            for asked in (func.count(), func.min(Mention.scored_at), func.max(Mention.scored_at))
        )
        rows.append((state, model, n, first, last))
    merged: dict[str, Version] = {}
    states: dict[str, int] = defaultdict(int)
    for state, model, n, first, last in rows:
        states[state] += int(n)
        if not model:
            continue
        old = merged.get(model, Version(model, 0, 0, None, None))
        failed = n if state == "failed" else 0
        merged[model] = Version(
            model, old.n + n, old.n_failed + failed, _least(old.first_at, first), _most(old.last_at, last)
        )
    return sorted(merged.values(), key=lambda version: str(version.last_at), reverse=True), dict(states)


def _steps(session: Session) -> Iterator[tuple[str, str]]:
    """The pairs of state and model that mentions have, by stepping through the index from one to the next."""
    state = session.exec(select(func.min(Mention.score_state))).one()
    while state is not None:
        model = session.exec(select(func.min(Mention.model)).where(Mention.score_state == state)).one()
        while model is not None:
            yield state, model
            behind = (Mention.score_state == state, col(Mention.model) > model)
            model = session.exec(select(func.min(Mention.model)).where(*behind)).one()
        state = session.exec(select(func.min(Mention.score_state)).where(col(Mention.score_state) > state)).one()


def n_corrected(session: Session) -> int:
    somebody = col(Mention.id).in_(select(Correction.mention_id))  # the mark alone is in no index
    statement = select(func.count()).select_from(Mention).where(col(Mention.corrected).is_(True), somebody)
    return int(session.exec(statement).one())


def _least(a: datetime | None, b: datetime | None) -> datetime | None:
    return min((x for x in (a, b) if x is not None), default=None)


def _most(a: datetime | None, b: datetime | None) -> datetime | None:
    return max((x for x in (a, b) if x is not None), default=None)
