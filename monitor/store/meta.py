"""Facts about the store: small values by name, among them the install key of the pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlmodel import Session

from monitor.store.tables import Meta

INSTALL_KEY = "install_key"


def get(session: Session, key: str) -> str | None:
    row = session.get(Meta, key)
    return row.value if row else None


def put(session: Session, key: str, value: str) -> None:
    session.merge(Meta(key=key, value=value))


CUSTOMER = "customer"  # the origin of customers' pseudonyms: one person is one pseudonym in every file


def install_key(session: Session) -> bytes:
    """The secret of this installation; made once. Pseudonyms cannot be recomputed without it."""
    stored = get(session, INSTALL_KEY)
    if stored is None:
        stored = secrets.token_hex(32)
        put(session, INSTALL_KEY, stored)
        session.flush()
    return bytes.fromhex(stored)


def pseudonym(key: bytes, origin: str, author: str) -> str:
    """A stable name for an author of one origin, from which nobody can go back: HMAC-SHA256, 16 hexadecimal digits."""
    digest = hmac.new(key, f"{origin}\x00{author}".encode(), hashlib.sha256).hexdigest()
    return f"~{digest[:16]}"
