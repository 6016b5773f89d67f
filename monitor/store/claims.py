"""Claims: which unjudged mentions a process has taken, so that several judge side by side and a death is known.

A claim is a note in `meta`, written in the transaction that takes the mentions and removed when they are judged. On
SQLite one process holds the store, so a note that is found is a dead one's. On PostgreSQL its owner renews it; one that
was not renewed for a while is taken over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, text
from sqlmodel import Session, col, select

from monitor.store.engine import exclusive
from monitor.store.tables import Mention, Meta

PREFIX = "score.in_flight"
LEASE = timedelta(seconds=15)
BEAT = LEASE / 5


@dataclass(frozen=True, slots=True)
class Claim:
    """Mentions one process is judging, and how often a process died while it had them."""

    ids: tuple[int, ...]
    n_deaths: int = 0


def take(session: Session, owner: str, size: int) -> Claim | None:
    """Claim one mention that a dead process left, else up to `size` unjudged ones that nobody has; None: all are done.

    What a process died with comes one at a time, so that the text that kills the model is found.
    """
    exclusive(session, "score")
    held: set[int] = set()
    for row in session.exec(select(Meta).where(col(Meta.key).startswith(PREFIX)).order_by(col(Meta.key))).all():
        note = _read(row.value)
        waiting = _waiting(session, note["ids"])
        if not waiting:
            _remove(session, row.key)
        elif row.key != _key(owner) and not _is_dead(session, note["beat"]):
            held.update(waiting)
        else:
            if waiting[1:]:  # the others stay noted as a dead one's, for whoever comes next
                left = {"ids": waiting[1:], "deaths": note["deaths"], "beat": 0.0}
                session.merge(Meta(key=f"{PREFIX}:left:{waiting[1]}", value=json.dumps(left)))
            _remove(session, row.key)
            session.flush()
            return _note(session, owner, Claim((waiting[0],), note["deaths"] + 1))
    statement = select(Mention.id).where(Mention.score_state == "new").order_by(col(Mention.id)).limit(size)
    if held:
        statement = statement.where(col(Mention.id).not_in(held))
    fresh = [int(found) for found in session.exec(statement) if found is not None]
    session.flush()
    return _note(session, owner, Claim(tuple(fresh))) if fresh else None


def renew(session: Session, owner: str) -> None:
    """Say that the owner lives; nothing where it holds no claim."""
    row = session.get(Meta, _key(owner), with_for_update=True)
    if row is not None:
        row.value = json.dumps(_read(row.value) | {"beat": _clock(session)})
        session.add(row)


def acquit(session: Session, owner: str) -> None:
    """The owner's mentions have been through the model and nobody died: a death from now on is not theirs."""
    row = session.get(Meta, _key(owner), with_for_update=True)
    if row is not None:
        row.value = json.dumps(_read(row.value) | {"deaths": 0})
        session.add(row)


def release(session: Session, owner: str) -> None:
    _remove(session, _key(owner))


def _remove(session: Session, key: str) -> None:
    """Take a note away; its owner may be doing the same at this moment, which is no fault."""
    session.execute(delete(Meta).where(col(Meta.key) == key))


def _note(session: Session, owner: str, claim: Claim) -> Claim:
    note = {"ids": list(claim.ids), "deaths": claim.n_deaths, "beat": _clock(session)}
    session.merge(Meta(key=_key(owner), value=json.dumps(note)))
    return claim


def _key(owner: str) -> str:
    return f"{PREFIX}:{owner}"


def _read(value: str) -> dict[str, Any]:
    """A note; before there were several judges it was a bare list of ids."""
    note = json.loads(value) if value else []
    return note if isinstance(note, dict) else {"ids": note, "deaths": 0, "beat": 0.0}


def _waiting(session: Session, ids: Sequence[int]) -> list[int]:
    if not ids:
        return []
    rows = session.exec(
        select(Mention.id).where(col(Mention.id).in_(ids), Mention.score_state == "new").order_by(col(Mention.id))
    )
    return [int(found) for found in rows if found is not None]


def _is_dead(session: Session, beat: float) -> bool:
    if session.get_bind().dialect.name != "postgresql":
        return True
    return _clock(session) - beat > LEASE.total_seconds()


def _clock(session: Session) -> float:
    """The server's clock: those of the hosts may differ."""
    if session.get_bind().dialect.name != "postgresql":
        return 0.0
    return float(session.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
