"""Comparisons: changes whose effect somebody follows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from monitor.store.tables import Comparison


def followed(session: Session, brand_id: int) -> list[Comparison]:
    """Those that are not closed, latest change first."""
    return list(
        session.exec(
            select(Comparison)
            .where(Comparison.brand_id == brand_id, col(Comparison.closed_at).is_(None))
            .order_by(col(Comparison.changed_at).desc(), col(Comparison.name))
        )
    )


def save(
    session: Session,
    brand_id: int,
    name: str,
    *,
    topics: Sequence[str],
    changed_at: datetime,
    treated: Sequence[str],
    against: Sequence[str],
    measure: str,
    actor: str,
    now: datetime,
) -> int:
    """Keep a comparison; the same name again replaces it and opens it anew. Returns its id."""
    row = session.exec(select(Comparison).where(Comparison.brand_id == brand_id, Comparison.name == name)).first()
    row = row or Comparison(brand_id=brand_id, name=name, changed_at=changed_at, created_at=now)
    row.topics, row.treated, row.against = list(topics), list(treated), list(against)
    row.changed_at, row.measure, row.actor, row.closed_at = changed_at, measure, actor, None
    session.add(row)
    session.flush()
    return row.id or 0


def close(session: Session, comparison_id: int, *, now: datetime) -> Comparison | None:
    """Follow it no more; None where there is none that is open."""
    row = session.get(Comparison, comparison_id)
    if row is None or row.closed_at is not None:
        return None
    row.closed_at = now
    session.add(row)
    return row
