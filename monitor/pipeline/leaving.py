"""Who has left a channel by the link in a mail (RFC 8058): kept apart from the configuration, and easily undone.

The configuration says who shall get mails; a recipient who does not want them says so once, and is left out from then
on. One fact per channel and address, with the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

import alerts.links
from alerts.channels import Channel
from alerts.errors import Rejected
from alerts.message import Envelope
from monitor.config import Settings
from monitor.store import meta
from monitor.store.tables import Meta

_PREFIX = "left:"


@dataclass(frozen=True, slots=True)
class Left:
    """An address that gets no mails of a channel any more."""

    channel: str
    address: str
    at: datetime


def leave(session: Session, channel: str, address: str, *, now: datetime) -> bool:
    """Leave an address out from now on. False where it was already."""
    key = _key(channel, address)
    if meta.get(session, key) is not None:
        return False
    meta.put(session, key, now.isoformat())
    return True


def come_back(session: Session, channel: str, address: str) -> bool:
    """Send to it again. False where it had not left."""
    row = session.get(Meta, _key(channel, address))
    if row is None:
        return False
    session.delete(row)
    return True


def everybody(session: Session) -> list[Left]:
    """All who have left, by channel and address."""
    rows = session.exec(select(Meta).where(col(Meta.key).startswith(_PREFIX, autoescape=True)).order_by(col(Meta.key)))
    found = []
    for row in rows:
        _, channel, address = row.key.split(":", 2)
        found.append(Left(channel, address, datetime.fromisoformat(row.value)))
    return found


def has_left(session: Session, channel: str, address: str) -> bool:
    return meta.get(session, _key(channel, address)) is not None


def addressed(session: Session, settings: Settings, name: str, channel: Channel[Any], envelope: Envelope, *,
              now: datetime) -> Envelope:  # fmt: skip
    """The envelope for those who have not left, each with a link to leave by where the dashboard's address is known.

    Raises Rejected where nobody is left to send to.
    """
    everyone = envelope.only_to or channel.recipients()
    if not everyone:
        return envelope  # a place, not people
    stay = tuple(address for address in everyone if not has_left(session, name, address))
    if not stay:
        raise Rejected("every recipient has unsubscribed: the list is under Sources and operations")
    links = {}
    base = settings.web.base_url
    if base:
        secret = meta.install_key(session)
        links = {
            address: alerts.links.leaving(base, address, channel=name, secret=secret, now=now) for address in stay
        }  # fmt: skip
    return replace(envelope, only_to=stay, leave=links)


def _key(channel: str, address: str) -> str:
    return f"{_PREFIX}{channel}:{address.lower()}"
