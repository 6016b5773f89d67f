"""Decides what leaves together: of messages that wait, one per channel and group, several of them as a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alerts.message import Kind, LinkKind, Message


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued message; channel, group and time as `alerts.routing.decide` gave them."""

    message: Message
    channel: str
    group: str
    send_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What leaves now: a message, and the dedup keys of all that it stands for."""

    message: Message
    channel: str
    keys: tuple[str, ...]


def fold(waiting: Iterable[Waiting], *, now: datetime) -> list[Batch]:
    """The messages that are due, as few as possible.

    Of one incident only the newest state is told: what still waits of its past is absorbed, and an incident that grew
    while it waited is told as opened. Quieter messages of the group are not dragged along before their time.
    """
    queue = sorted(waiting, key=lambda item: (item.send_at, item.message.at))
    due: dict[tuple[str, str], list[Waiting]] = {}
    for item in queue:
        if item.send_at <= now:
            due.setdefault((item.channel, item.group), []).append(item)
    batches, left = [], [item for item in queue if item.send_at > now]
    for (channel, _), items in due.items():
        newest = {item.message.incident_id: item.message.at for item in items if item.message.incident_id}
        absorbed = [
            item
            for item in left
            if item.channel == channel
            and item.message.incident_id in newest
            and item.message.at <= newest[item.message.incident_id]
        ]
        left = [item for item in left if item not in absorbed]
        messages = _newest([item.message for item in (*absorbed, *items)])
        keys = tuple(item.message.dedup_key for item in (*absorbed, *items))
        told = messages[0] if len(messages) == 1 else digest(messages, at=now)
        batches.append(Batch(told, channel, keys))
    return batches


def digest(messages: Sequence[Message], *, at: datetime) -> Message:
    """Several messages as one, the gravest first. Its key follows from theirs, so the same digest is never two."""
    if not messages:
        raise ValueError("a digest needs at least one message")
    ranked = sorted(messages, key=lambda message: (-message.severity.rank, message.at))
    first = ranked[0]
    keys = "\n".join(sorted(message.dedup_key for message in messages))
    brands = list(dict.fromkeys(message.brand for message in messages))
    return Message(
        kind=Kind.DIGEST,
        dedup_key=f"digest:{hashlib.sha256(keys.encode()).hexdigest()[:32]}",
        brand=", ".join(brands[:3]) + ("…" if len(brands) > 3 else ""),
        at=at,
        language=first.language,
        time_zone=first.time_zone,
        severity=first.severity,
        items=tuple(replace(message, chart_png=None) for message in ranked),
        n_items=len(ranked),
        links=tuple(link for link in first.links if link.kind is LinkKind.SETTINGS),
    )


def _newest(messages: Sequence[Message]) -> list[Message]:
    newest: dict[str, Message] = {}
    for message in sorted(messages, key=lambda message: message.at):
        key = message.incident_id or message.dedup_key
        before = newest.get(key)
        if before is not None and before.kind is Kind.OPENED and message.kind in (Kind.ESCALATED, Kind.REPEATED):
            message = replace(message, kind=Kind.OPENED)
        newest[key] = message
    return list(newest.values())
