"""Notices: what the operator must know, one open row per cause."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from monitor.store.tables import Notice


def raise_notice(session: Session, key: str, text: str, *, now: datetime) -> Notice:
    """Open a notice, or count it again while it is open."""
    row = session.exec(select(Notice).where(Notice.key == key, col(Notice.closed_at).is_(None))).first()
    if row is None:
        row = Notice(key=key, at=now, last_at=now, text=text)
    else:
        row.n, row.last_at, row.text = row.n + 1, now, text
    session.add(row)
    session.flush()
    return row


def close(session: Session, key: str, *, now: datetime) -> None:
    for row in session.exec(select(Notice).where(Notice.key == key, col(Notice.closed_at).is_(None))):
        row.closed_at = now
        session.add(row)


def open_notices(session: Session) -> list[Notice]:
    return list(session.exec(select(Notice).where(col(Notice.closed_at).is_(None)).order_by(col(Notice.at))))
