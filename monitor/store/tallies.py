"""Tallies: how often something was done and how long it took in all, by name, over every process and restart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session, col, select

from monitor.store.engine import exclusive
from monitor.store.tables import Meta

PREFIX = "tally."


@dataclass(frozen=True, slots=True)
class Tally:
    """`n` times, `seconds` together, last at `at`; `more` counts what is particular to it."""

    n: int = 0
    seconds: float = 0.0
    at: datetime | None = None
    more: tuple[int, ...] = ()


def add(session: Session, name: str, *, n: int, seconds: float, at: datetime, more: tuple[int, ...] = ()) -> None:
    """Add to a tally in the caller's transaction."""
    exclusive(session, f"tally:{name}")
    row = session.get(Meta, PREFIX + name)
    old = _parse(row.value) if row is not None else Tally(more=(0,) * len(more))
    value = {
        "n": old.n + n,
        "seconds": round(old.seconds + max(0.0, seconds), 3),
        "at": at.astimezone(UTC).isoformat(),
        "more": [a + b for a, b in zip(old.more, more, strict=True)],
    }
    session.merge(Meta(key=PREFIX + name, value=json.dumps(value)))


def read(session: Session, begins: str) -> dict[str, Tally]:
    """The tallies whose names begin so, by the rest of their names."""
    start = PREFIX + begins
    rows = session.exec(select(Meta).where(col(Meta.key).startswith(start, autoescape=True)))
    return {row.key.removeprefix(start): _parse(row.value) for row in rows}


def _parse(value: str) -> Tally:
    plain = json.loads(value)
    return Tally(plain["n"], plain["seconds"], datetime.fromisoformat(plain["at"]), tuple(plain["more"]))
