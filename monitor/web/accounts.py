"""Who may come in: people with roles, their browsers, their tokens, the one-time set-up link.

Passwords are argon2id hashes; cookies, API tokens and the set-up link are random and stored as SHA-256 only.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.store import meta
from monitor.store.tables import ApiToken, AuditEntry, User, WebSession

ROLES = ("viewer", "analyst", "admin")
MIN_PASSWORD = 10
TOKEN_PREFIX = "mon_"  # noqa: S105  (a public prefix, so that leaked tokens can be recognised)
SETUP_LIFETIME = timedelta(days=2)
_SETUP_KEY = "web.setup"
_NAME = re.compile(r"[\w.@+-]{1,64}", re.UNICODE)
_LOCK_AFTER = 5
_LOCK_FIRST = timedelta(seconds=30)
_LOCK_LONGEST = timedelta(minutes=15)
SEEN_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A fresh login: the token for the cookie, which is stored nowhere."""

    user_id: int
    token: str
    expires_at: datetime


def at_least(role: str, wanted: str) -> bool:
    """Whether a role includes another."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(wanted)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


# ---- people


def add_user(session: Session, name: str, role: str, password: str, *, now: datetime, actor: str = "cli") -> User:
    """A new account. Raises ConfigError for a bad or taken name, an unknown role, a weak password."""
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise ConfigError(f"user name {name!r}: allowed are 1 to 64 letters, digits and . @ + - _")
    check_role(role)
    check_password(password, name=name)
    if session.exec(select(User.id).where(User.name == name)).first() is not None:
        raise ConfigError(f"user name {name!r} is taken")
    user = User(name=name, role=role, password_hash=_hasher().hash(password), created_at=now)
    session.add(user)
    session.flush()
    audit(session, actor, "user.added", name, now=now, role=role)
    return user


def set_password(session: Session, user: User, password: str, *, now: datetime, actor: str) -> None:
    """A new password; every browser of the account is logged out. Raises ConfigError for a weak one."""
    check_password(password, name=user.name)
    user.password_hash = _hasher().hash(password)
    user.failed_logins, user.locked_until = 0, None
    session.add(user)
    session.execute(delete(WebSession).where(col(WebSession.user_id) == user.id))
    audit(session, actor, "user.password_set", user.name, now=now)


def change_user(session: Session, user: User, *, role: str, active: bool, now: datetime, actor: str) -> None:
    """Another role, or switched off. Raises ConfigError when no active admin would be left."""
    check_role(role)
    if user.role == "admin" and user.active and (role != "admin" or not active) and n_admins(session) <= 1:
        raise ConfigError("the last active admin cannot be taken away")
    user.role, user.active = role, active
    session.add(user)
    if not active:
        session.execute(delete(WebSession).where(col(WebSession.user_id) == user.id))
    audit(session, actor, "user.changed", user.name, now=now, role=role, active=active)


def find_user(session: Session, name: str) -> User | None:
    return session.exec(select(User).where(User.name == name.strip())).first()


def n_admins(session: Session) -> int:
    return len(session.exec(select(User.id).where(User.role == "admin", col(User.active).is_(True))).all())


def check_role(role: str) -> None:
    if role not in ROLES:
        raise ConfigError(f"role {role!r} is unknown; allowed: {', '.join(ROLES)}")


def check_password(password: str, *, name: str) -> None:
    if len(password) < MIN_PASSWORD:
        raise ConfigError(f"the password is too short: {MIN_PASSWORD} characters or more")
    if len(password) > 1000:
        raise ConfigError("the password is too long: at most 1000 characters")
    if password.casefold() == name.casefold() or len(set(password)) < 4:
        raise ConfigError("the password is too easy to guess")


# ---- the first start


def setup_link(session: Session, settings: Settings, *, now: datetime) -> str | None:
    """The one-time link on which the first admin is made, None when there is an admin. A new link voids the old one."""
    if n_admins(session):
        return None
    token = secrets.token_urlsafe(24)
    until = now + SETUP_LIFETIME
    meta.put(session, _SETUP_KEY, f"{digest(token)} {until.isoformat()}")
    base = settings.web.base_url or f"http://{settings.web.host}:{settings.web.port}"
    return f"{base.rstrip('/')}/setup?token={token}"


def setup_open(session: Session, token: str, *, now: datetime) -> bool:
    """Whether this set-up link still opens: never used, not out of date, and there is no admin."""
    stored, _, until = (meta.get(session, _SETUP_KEY) or "").partition(" ")
    if not stored or not secrets.compare_digest(stored, digest(token)) or n_admins(session):
        return False
    return now < datetime.fromisoformat(until)


def use_setup(session: Session, token: str, *, name: str, password: str, now: datetime) -> User | None:
    """The first admin, and the link is used up. None when the link does not open. Raises ConfigError as add_user."""
    if not setup_open(session, token, now=now):
        return None
    user = add_user(session, name, "admin", password, now=now, actor="setup")
    meta.put(session, _SETUP_KEY, "")
    return user


# ---- browsers


def log_in(
    session: Session, name: str, password: str, *, now: datetime, lifetime: timedelta
) -> LoggedIn | datetime | None:
    """A login, or None (wrong), or the time until which the account is locked after too many wrong tries.

    An unknown name costs as much time as a wrong password.
    """
    user = find_user(session, name)
    if user is None or not user.active or not user.password_hash:
        _verify(_dummy(), password)
        return None
    if user.locked_until is not None and user.locked_until > now:
        return user.locked_until
    if not _verify(user.password_hash, password):
        user.failed_logins += 1
        if user.failed_logins >= _LOCK_AFTER:
            wait = min(_LOCK_LONGEST, _LOCK_FIRST * 2 ** (user.failed_logins - _LOCK_AFTER))
            user.locked_until = now + wait
            audit(session, user.name, "user.locked", user.name, now=now, seconds=int(wait.total_seconds()))
        session.add(user)
        return None
    user.failed_logins, user.locked_until = 0, None
    if _hasher().check_needs_rehash(user.password_hash):
        user.password_hash = _hasher().hash(password)
    session.add(user)
    return open_session(session, user, now=now, lifetime=lifetime)


def open_session(session: Session, user: User, *, now: datetime, lifetime: timedelta) -> LoggedIn:
    """A new browser session; stale ones are swept."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(WebSession).where(col(WebSession.expires_at) < now))
    session.add(
        WebSession(
            token_hash=digest(token), user_id=user.id, csrf=secrets.token_urlsafe(24), created_at=now, seen_at=now,
            expires_at=now + lifetime,
        )
    )  # fmt: skip
    audit(session, user.name, "session.opened", user.name, now=now)
    return LoggedIn(user.id or 0, token, now + lifetime)


def browser(session: Session, token: str, *, now: datetime) -> tuple[User, WebSession] | None:
    """The account behind a cookie, or None."""
    row = session.get(WebSession, digest(token))
    if row is None or row.expires_at <= now:
        return None
    user = session.get(User, row.user_id)
    return (user, row) if user is not None and user.active else None


def seen(session: Session, row: WebSession, *, now: datetime) -> bool:
    """Note that a browser is alive, at most every ten minutes. Whether anything was written."""
    if now - row.seen_at < SEEN_EVERY:
        return False
    session.execute(update(WebSession).where(col(WebSession.token_hash) == row.token_hash).values(seen_at=now))
    return True


def log_out(session: Session, token: str) -> None:
    session.execute(delete(WebSession).where(col(WebSession.token_hash) == digest(token)))


# ---- API tokens


def create_token(session: Session, user: User, name: str, *, now: datetime, lifetime: timedelta | None = None) -> str:
    """A new API token with the rights of `user`; it is shown once and stored as a hash."""
    if not name.strip():
        raise ConfigError("a token needs a name, so that people know what it is for")
    token = TOKEN_PREFIX + secrets.token_urlsafe(30)
    expires = now + lifetime if lifetime else None
    session.add(
        ApiToken(token_hash=digest(token), name=name.strip()[:100], user_id=user.id, created_at=now, expires_at=expires)
    )
    audit(session, user.name, "token.created", name.strip()[:100], now=now)
    return token


def revoke_token(session: Session, token: ApiToken, *, now: datetime, actor: str) -> None:
    if token.revoked_at is None:
        token.revoked_at = now
        session.add(token)
        audit(session, actor, "token.revoked", token.name, now=now)


def bearer(session: Session, token: str, *, now: datetime) -> tuple[User, ApiToken] | None:
    """The account behind an API token, or None."""
    row = session.exec(select(ApiToken).where(ApiToken.token_hash == digest(token))).first()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    user = session.get(User, row.user_id)
    return (user, row) if user is not None and user.active else None


def used(session: Session, row: ApiToken, *, now: datetime) -> bool:
    """Note the use of a token, at most every ten minutes. Whether anything was written."""
    if row.last_used_at is not None and now - row.last_used_at < SEEN_EVERY:
        return False
    session.execute(update(ApiToken).where(col(ApiToken.id) == row.id).values(last_used_at=now))
    return True


# ---- the log of changes


def audit(session: Session, actor: str, action: str, target: str = "", *, now: datetime, **detail: Any) -> None:
    """Who changed what: ids and names of things, never texts of mentions."""
    session.add(AuditEntry(at=now, actor=actor, action=action, target=target, detail=detail))


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _dummy() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
