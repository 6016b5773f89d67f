"""What plain rules look at: the mentions of a brand in a span, in the few columns a rule needs."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from monitor.store.tables import Mention

LIMIT = 200_000
FactRow = tuple[int, datetime, str, float | None, bool]


def fact_rows(session: Session, brand_id: int, *, since: datetime, until: datetime) -> list[FactRow]:
    """(id, published_at, title and text, rating, negative), newest first, at most `LIMIT`."""
    rows = session.execute(
        select(Mention.id, Mention.published_at, Mention.title, Mention.text, Mention.rating, Mention.sentiment)
        .where(
            Mention.brand_id == brand_id,
            col(Mention.counts).is_(True),
            col(Mention.published_at) >= since,
            col(Mention.published_at) < until,
        )
        .order_by(col(Mention.published_at).desc())
        .limit(LIMIT)
    )
    return [
        (int(number), at, f"{title or ''} {words}", rating, sentiment == "negative")
        for number, at, title, words, rating, sentiment in rows
    ]
