"""The outbox: what waits for a channel, what leaves together, and the thread a message belongs to."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, select

import alerts.message
import alerts.render
from alerts.digest import Waiting, fold
from monitor.pipeline.turns import CLOCKS_DIFFER
from monitor.store.tables import Outbox


def put(
    session: Session,
    envelope: alerts.message.Envelope,
    *,
    channel: str,
    kind: str,
    now: datetime,
    reason: str = "",
    brand_id: int | None = None,
    incident_id: int | None = None,
    not_before: datetime | None = None,
    group: str = "",
) -> bool:
    """Queue a message for a channel in the caller's transaction. False when its key is there: nothing doubles."""
    key = f"{envelope.dedup_key}:{channel}"
    if session.exec(select(Outbox.id).where(Outbox.dedup_key == key)).first() is not None:
        return False
    session.add(
        Outbox(
            dedup_key=key,
            channel=channel,
            kind=kind,
            reason=reason,
            brand_id=brand_id,
            incident_id=incident_id,
            payload={"envelope": alerts.message.dumps(envelope)},
            created_at=now,
            next_try_at=not_before or now,
            group_key=group,
        )
    )
    session.flush()
    return True


def envelope_of(row: Outbox) -> alerts.message.Envelope | None:
    """What is to be sent; None when it cannot be read (any more): such a message must not hold up the others."""
    try:
        return alerts.message.loads(row.payload["envelope"])
    except (KeyError, TypeError, ValueError):
        return None


def fold_waiting(session: Session, *, now: datetime) -> int:
    """Make one digest of the messages of a channel and group that are due together; returns how many were folded.

    Only messages that never left are folded: one that is being tried stays itself.
    """
    rows = session.exec(
        select(Outbox)
        .where(Outbox.state == "pending", Outbox.attempts == 0, col(Outbox.group_key) != "")
        .order_by(col(Outbox.id))
        .with_for_update()
    ).all()
    groups: dict[tuple[str, str], list[Outbox]] = defaultdict(list)
    for row in rows:
        groups[row.channel, row.group_key].append(row)
    n_folded = 0
    for (channel, group), members in groups.items():
        if sum(row.next_try_at <= now for row in members) < 2:
            continue
        readable = [(row, envelope) for row in members if (envelope := envelope_of(row)) is not None]
        waiting = [
            Waiting(envelope.message, channel, group, row.next_try_at)
            for row, envelope in readable
            if envelope.message is not None
        ]
        by_key = {envelope.dedup_key: row for row, envelope in readable}
        for batch in fold(waiting, now=now):
            told = [by_key[key] for key in batch.keys]
            if len(told) < 2:
                continue
            kept = by_key.get(batch.message.dedup_key)
            if kept is None:
                put(
                    session, alerts.render.envelope(batch.message), channel=channel, kind=str(batch.message.kind),
                    now=now, reason=f"digest of {len(told)}", brand_id=told[0].brand_id,
                )  # fmt: skip
            for row in told:
                if row is not kept:
                    row.state = "folded"
                    session.add(row)
                    n_folded += 1
    return n_folded


def wait_from_now(session: Session, *, now: datetime) -> int:
    """Heal what a clock that ran ahead left: a message of "the future" waits as long, but from now; how many."""
    ahead = now + CLOCKS_DIFFER
    rows = session.exec(
        select(Outbox)
        .where(
            col(Outbox.state).in_(["pending", "sending"]),
            or_(col(Outbox.created_at) > ahead, col(Outbox.sending_at) > ahead),
        )
        .with_for_update()
    ).all()
    for row in rows:
        latest = max(row.created_at, row.sending_at or row.created_at)
        row.next_try_at -= latest - now
        row.created_at = min(row.created_at, now)
        row.sending_at = None if row.sending_at is None else min(row.sending_at, now)
        session.add(row)
    return len(rows)


def thread_of(session: Session, *, incident_id: int | None, channel: str) -> str | None:
    """What the channel called the first message of this incident: later ones answer it."""
    if incident_id is None:
        return None
    return session.exec(
        select(Outbox.receipt)
        .where(Outbox.incident_id == incident_id, Outbox.channel == channel, Outbox.state == "sent",
               col(Outbox.receipt) != "")
        .order_by(col(Outbox.id))
        .limit(1)
    ).first()  # fmt: skip
