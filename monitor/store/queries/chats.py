"""Conversations: the tickets of a chat put together again, with what was said first and last, and the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, cast
from sqlmodel import Session, col, select

from monitor.store import sheets
from monitor.store.tables import Mention

TICKET = "ticket"
CHAT = "chat"  # flag of tickets that came out of a conversation, answers and all
BOT = "bot_reply"  # flag of those that only a machine answered


@dataclass(slots=True)
class Turn:
    """One time the customer spoke, and when it was answered."""

    at: datetime
    sentiment: str | None
    answered_at: datetime | None
    by_bot: bool


@dataclass(slots=True)
class Chat:
    """Turns in order of time; there is at least one."""

    location: str
    turns: list[Turn] = field(default_factory=list)

    @property
    def opened_at(self) -> datetime:
        return self.turns[0].at

    @property
    def wait(self) -> timedelta | None:
        """From the customer's first word to the first answer of a person, or of a machine where no person answered."""
        answered = [turn for turn in self.turns if turn.answered_at is not None]
        first = next((turn for turn in answered if not turn.by_bot), next(iter(answered), None))
        return None if first is None or first.answered_at is None else first.answered_at - self.opened_at

    @property
    def resolved(self) -> bool:
        """Answered to the last, or closed by the customer after an answer and without a complaint."""
        last = self.turns[-1]
        return last.answered_at is not None or (self.wait is not None and last.sentiment not in (None, "negative"))


def chats(session: Session, brand_id: int, *, start: datetime, end: datetime) -> list[Chat]:
    """Conversations that were opened in start <= time < end, oldest first."""
    rows = session.execute(
        select(Mention.external_id, Mention.parent_id, Mention.origin, Mention.published_at, Mention.sentiment,
               Mention.reply_at, Mention.flags, Mention.location)
        .where(*_of(brand_id), col(Mention.published_at) >= start)
        .order_by(Mention.published_at, Mention.id)
    )  # fmt: skip
    found: dict[tuple[str, str], Chat] = {}
    for external_id, parent_id, origin, at, sentiment, reply_at, flags, location in rows:
        key = (origin, parent_id or external_id)
        if parent_id is not None and key not in found:
            continue  # opened before
        found.setdefault(key, Chat(location)).turns.append(Turn(at, sentiment, reply_at, BOT in flags))
    return [chat for chat in found.values() if chat.opened_at < end]


def any_chats(session: Session, brand_id: int) -> bool:
    if sheets.lacks(session, brand_id, TICKET):
        return False  # nobody looks through a million reviews
    return session.execute(select(Mention.id).where(*_of(brand_id)).limit(1)).first() is not None


def _of(brand_id: int) -> tuple[Any, ...]:
    flagged = cast(col(Mention.flags), String).contains(f'"{CHAT}"')
    return Mention.brand_id == brand_id, Mention.kind == TICKET, col(Mention.published_at).is_not(None), flagged
