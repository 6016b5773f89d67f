"""The notify step: outbox rows are delivered at least once, and once where the channel can be asked.

A row is marked `sending` before the call. A row found in that state was interrupted: the channel is asked first whether
it has the message, and only then sent again, with the same key.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import update
from sqlmodel import Session, col, select

import alerts.channels
import alerts.message
from alerts.channels import Channel, Receipt
from alerts.errors import AlertError, Rejected, Retryable
from monitor.config import Settings
from monitor.pipeline.context import Context, Tally
from monitor.pipeline.leaving import addressed
from monitor.pipeline.outbox import envelope_of, fold_waiting, put, thread_of, wait_from_now
from monitor.store import notices
from monitor.store.engine import reading, writing
from monitor.store.tables import Outbox

log = structlog.get_logger()

MAX_TRIES = 10
WAITS = tuple(timedelta(minutes=m) for m in (1, 2, 5, 15, 30, 60, 120, 240, 480))  # ten tries in about a day
DEADLINE = 120.0  # seconds for one message; the channels' own limits are for one answer each
_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Job:
    """One outbox row as read; the call is made outside every transaction."""

    id: int
    dedup_key: str
    channel: str
    kind: str
    envelope: alerts.message.Envelope | None  # None: it cannot be read
    attempts: int
    interrupted: bool
    created_at: datetime
    brand_id: int | None
    incident_id: int | None


def notify(context: Context) -> Tally:
    """Deliver what is due. Never raises for a channel: its trouble stands on the row, and is tried again."""
    tally = Tally()
    opened: dict[str, Channel[Any]] = {}
    tried: set[int] = set()
    with writing(context.engine) as session:
        wait_from_now(session, now=context.now)
        fold_waiting(session, now=context.now)
    try:
        while not context.should_stop():
            with reading(context.engine) as session:
                jobs = [job for job in _due(session, context.now) if job.id not in tried]
            if not jobs:
                break
            for job in jobs:
                tried.add(job.id)
                tally.add(_deliver(context, job, opened))
                if context.should_stop():
                    break
    finally:
        for channel in opened.values():
            channel.close()
    return tally


def open_channel(settings: Settings, name: str) -> Channel[Any]:
    """The configured channel. Raises Rejected when the configuration no longer has it."""
    configured = settings.channels.get(name)
    if configured is None:
        raise Rejected(f"channel {name!r} is not configured (any more)")
    return alerts.channels.open_channel(configured.kind, configured.settings)


def _due(session: Session, now: datetime) -> list[Job]:
    rows = session.exec(
        select(Outbox)
        .where(col(Outbox.state).in_(["pending", "sending"]), col(Outbox.next_try_at) <= now)
        .order_by(col(Outbox.id))
        .limit(_LIMIT)
    )
    jobs = []
    for row in rows:
        envelope = envelope_of(row)
        thread = thread_of(session, incident_id=row.incident_id, channel=row.channel)
        if envelope is not None and thread is not None:
            envelope = replace(envelope, reply_to=thread)
        jobs.append(
            Job(
                id=row.id or 0,
                dedup_key=row.dedup_key,
                channel=row.channel,
                kind=row.kind,
                envelope=envelope,
                attempts=row.attempts,
                interrupted=row.state == "sending",
                created_at=row.created_at,
                brand_id=row.brand_id,
                incident_id=row.incident_id,
            )
        )
    return jobs


def _deliver(context: Context, job: Job, opened: dict[str, Channel[Any]]) -> Tally:
    now = context.now
    claimed = _claim(context, job, now)
    if not claimed:
        return Tally()  # another sender took it
    envelope = claimed[0]
    if envelope is None:
        return _dead(context, job, "the message cannot be read")
    if job.interrupted and job.attempts >= MAX_TRIES:
        return _dead(context, job, f"the process died {job.attempts} times while it was sent")
    try:
        channel = opened.get(job.channel)
        if channel is None:
            channel = opened[job.channel] = open_channel(context.settings, job.channel)
        with writing(context.engine) as session:  # writing: the first link makes the key that signs
            outgoing = addressed(session, context.settings, job.channel, channel, envelope, now=now)
        # a try that died or failed may have arrived all the same
        tried = job.interrupted or job.attempts > 0
        receipt = _within(DEADLINE, channel, outgoing, tried=tried, since=job.created_at, now=now)
        if receipt is None:
            _settle(context, job, state="sent", detail="found at the channel after an interruption")
            return Tally(n_seen=1)
    except _Hangs as problem:
        del opened[job.channel]  # still in use by the thread that hangs
        return _again(context, job, str(problem), after=None)
    except Retryable as problem:
        return _again(context, job, str(problem), after=problem.after)
    except AlertError as problem:
        return _dead(context, job, str(problem))
    except Exception as problem:
        log.exception("notification.crashed", channel=job.channel, outbox=job.id)
        return _again(context, job, f"{type(problem).__name__}: {problem}", after=None)
    _settle(context, job, state="sent", receipt=receipt.id, detail=_detail(receipt))
    if receipt.again:
        _try_the_rest(context, job, envelope, receipt)
    log.info("notification.sent", channel=job.channel, outbox=job.id)
    return Tally(n_seen=1, n_new=1)


class _Hangs(Exception):
    """The channel has not come to an end within the time of a message."""


def _within(
    seconds: float, channel: Channel[Any], envelope: alerts.message.Envelope, *, tried: bool, since: datetime,
    now: datetime,
) -> Receipt | None:  # fmt: skip
    """Deliver, in a thread of its own: a server that answers a byte at a time would hold up every other channel.

    None when the message was there already. Raises what the channel raises, and _Hangs.
    """
    done: list[Receipt | Exception | None] = []

    def deliver() -> None:
        try:
            there = tried and channel.lookup(envelope.dedup_key, reply_to=envelope.reply_to, since=since)
            done.append(None if there else channel.deliver(envelope, now=now))
        except Exception as error:  # noqa: BLE001  (raised again where the step waits)
            done.append(error)

    thread = threading.Thread(target=deliver, name="deliver", daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise _Hangs(f"no end within {seconds:.0f} s")
    if isinstance(done[0], Exception):
        raise done[0]
    return done[0]


def _claim(context: Context, job: Job, now: datetime) -> tuple[alerts.message.Envelope | None] | None:
    """Mark the row as being sent, so that a death during the call is known afterwards. None: another has it.

    What is sent is read now: since the row was found, a quote in it may have been erased.
    """
    with writing(context.engine) as session:
        changed = session.execute(
            update(Outbox)
            .where(
                col(Outbox.id) == job.id,
                col(Outbox.attempts) == job.attempts,
                col(Outbox.state) == ("sending" if job.interrupted else "pending"),
            )
            .values(state="sending", sending_at=now, attempts=job.attempts + 1)
        )
        row = session.get(Outbox, job.id) if changed.rowcount == 1 else None
        if row is None:
            return None
        envelope = envelope_of(row)
        thread = job.envelope.reply_to if job.envelope is not None else None
        return (envelope if envelope is None else replace(envelope, reply_to=thread or envelope.reply_to),)


def _settle(context: Context, job: Job, *, state: str, receipt: str = "", detail: str = "", error: str = "") -> None:
    with writing(context.engine) as session:
        row = session.get(Outbox, job.id)
        if row is not None:
            row.state, row.receipt, row.detail, row.last_error = state, receipt[:500], detail[:2000], error[:2000]
            row.sent_at = context.now if state == "sent" else None
            session.add(row)
            if state == "sent":
                notices.close(session, f"channel.{job.channel}", now=context.now)


def _again(context: Context, job: Job, error: str, *, after: float | None) -> Tally:
    """Try later: when the channel said, or after a growing wait; after the last try the row is dead."""
    attempts = job.attempts + 1
    if attempts >= MAX_TRIES:
        return _dead(context, job, f"given up after {attempts} tries; the last said: {error}")
    wait = max(WAITS[min(attempts, len(WAITS)) - 1], timedelta(seconds=after or 0))
    now = context.now
    with writing(context.engine) as session:
        row = session.get(Outbox, job.id)
        if row is not None:
            row.state, row.last_error = "pending", error[:2000]
            row.next_try_at = now + wait * (1 + context.rng.uniform(0, 0.1))
            session.add(row)
        if attempts >= 3:
            notices.raise_notice(session, f"channel.{job.channel}", f"{job.channel}: {error}", now=now)
    log.warning("notification.postponed", channel=job.channel, outbox=job.id, attempt=attempts)
    return Tally(n_seen=1, n_failed=1, errors=[f"{job.channel}: {error}"])


def _dead(context: Context, job: Job, error: str) -> Tally:
    _settle(context, job, state="dead", error=error)
    with writing(context.engine) as session:
        text = f"message {job.dedup_key} could not be delivered to {job.channel}: {error}"
        notices.raise_notice(session, f"channel.{job.channel}", text, now=context.now)
    log.error("notification.dead", channel=job.channel, outbox=job.id)
    return Tally(n_seen=1, n_failed=1, errors=[f"{job.channel}: {error}"])


def _try_the_rest(context: Context, job: Job, envelope: alerts.message.Envelope, receipt: Receipt) -> None:
    """Recipients that were refused for now get the message again, alone, under a key of their own."""
    number = job.dedup_key.count("+again") + 1
    if number >= MAX_TRIES:
        return
    key = f"{envelope.dedup_key}+again{number}"
    later = context.now + WAITS[min(number, len(WAITS)) - 1]
    with writing(context.engine) as session:
        row = session.get(Outbox, job.id)
        stored = envelope_of(row) if row is not None else None  # its quotes may have been erased meanwhile
        envelope = replace(stored or envelope, dedup_key=key, only_to=receipt.again, reply_to=envelope.reply_to)
        put(session, envelope, channel=job.channel, kind=job.kind, now=context.now, reason="refused for now",
            brand_id=job.brand_id, incident_id=job.incident_id, not_before=later)  # fmt: skip


def _detail(receipt: Receipt) -> str:
    refused = ", ".join(f"{who}: {why}" for who, why in receipt.refused.items())
    return "; refused: ".join(part for part in (receipt.detail, refused) if part)
