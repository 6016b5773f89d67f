"""A folder of an IMAP mailbox: new messages since the last look, read without marking them as seen.

    read(settings, state, ...) -> iterator of MailBatch(items, errors, state_after)

State is the folder's UIDVALIDITY and the highest UID read (RFC 9051 2.3.1.1); when the server renumbers the folder, all
is read again, and ids are the same. The protocol is spoken over TLS only, but to servers on this very machine.
"""

from __future__ import annotations

import base64
import imaplib
import re
import ssl
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from scrapers.errors import BadParams, LoginNeeded, Unreachable
from scrapers.imports.mail import LARGEST_MESSAGE, message
from scrapers.imports.run import Row

BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapSettings:
    host: str
    user: str
    password: str = field(repr=False)
    port: int = 993
    folder: str = "INBOX"
    tls: bool = True  # False only for a server on this very machine
    timeout_seconds: float = 30.0
    kind: str = "ticket"
    context: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MailBatch:
    """Messages in order of arrival; rows are numbered by UID. Store items and `state_after` together."""

    rows: tuple[Row, ...]
    state_after: dict[str, Any]


def read(settings: ImapSettings, state: dict[str, Any] | None, *, most: int = 1000) -> Generator[MailBatch, None, None]:
    """New messages, at most `most`. Raises `LoginNeeded`, `BadParams` (no such folder) or `Unreachable`."""
    try:
        with _connect(settings) as mailbox:
            yield from _read(mailbox, settings, state or {}, most)
    except (OSError, imaplib.IMAP4.abort) as problem:
        raise Unreachable(f"{settings.host}: {problem}"[:300]) from None
    except imaplib.IMAP4.error as problem:
        raise Unreachable(f"{settings.host} answers: {_words(problem)}") from None


def _connect(settings: ImapSettings) -> imaplib.IMAP4:
    if not settings.tls and settings.host not in ("127.0.0.1", "localhost", "::1"):
        raise BadParams("IMAP without TLS is only allowed on this machine")
    mailbox: imaplib.IMAP4
    if settings.tls:
        context = settings.context or ssl.create_default_context()
        mailbox = imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=settings.timeout_seconds)
    else:
        mailbox = imaplib.IMAP4(settings.host, settings.port, timeout=settings.timeout_seconds)
    try:
        mailbox.login(settings.user, settings.password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as problem:
        mailbox.shutdown()
        said = _words(problem)
        if settings.password:  # some repeat the line that they refuse
            said = said.replace(settings.password, "...")
        raise LoginNeeded(f"{settings.host} refuses the login of {settings.user}: {said}") from None
    return mailbox


def _read(mailbox: imaplib.IMAP4, settings: ImapSettings, state: dict[str, Any], most: int) -> Iterator[MailBatch]:
    name = '"' + utf7(settings.folder).replace("\\", "\\\\").replace('"', '\\"') + '"'
    status, answer = mailbox.select(name, readonly=True)
    if status != "OK":
        raise BadParams(f"{settings.host} has no folder {settings.folder!r}: {_words(answer[0])}")
    validity = _number(mailbox.response("UIDVALIDITY")[1])
    last = int(state.get("uid", 0)) if state.get("validity") == validity else 0
    status, answer = mailbox.uid("SEARCH", f"UID {last + 1}:*")
    uids = sorted(uid for one in (answer[0] or b"").split() if (uid := int(one)) > last)[:most]
    sizes = _sizes(mailbox, uids)
    for start in range(0, len(uids), BATCH):
        part = uids[start : start + BATCH]
        rows = tuple(_row(mailbox, uid, sizes.get(uid, 0), settings.kind) for uid in part)
        yield MailBatch(rows, {"validity": validity, "uid": part[-1]})


def utf7(name: str) -> str:
    """A folder's name in the modified UTF-7 of IMAP (RFC 3501 5.1.3)."""

    def one(found: re.Match[str]) -> str:
        packed = base64.b64encode(found.group().encode("utf-16-be")).decode().rstrip("=")
        return "&" + packed.replace("/", ",") + "-"

    return re.sub(r"[^\x20-\x7e]+", one, name.replace("&", "&-"))


def _sizes(mailbox: imaplib.IMAP4, uids: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(uids), 200):
        _, answer = mailbox.uid("FETCH", ",".join(map(str, uids[start : start + 200])), "(RFC822.SIZE)")
        for line in answer:
            raw = line if isinstance(line, bytes) else b""
            uid, size = re.search(rb"UID (\d+)", raw), re.search(rb"RFC822\.SIZE (\d+)", raw)
            if uid and size:
                found[int(uid.group(1))] = int(size.group(1))
    return found


def _row(mailbox: imaplib.IMAP4, uid: int, size: int, kind: str) -> Row:
    if size > LARGEST_MESSAGE:
        return Row(uid, error=f"the message is over {LARGEST_MESSAGE // 2**20} MB")
    _, answer = mailbox.uid("FETCH", str(uid), "(BODY.PEEK[])")
    raw = next((one[1] for one in answer if isinstance(one, tuple)), None)
    if raw is None:
        return Row(uid, error="the server did not give the message")
    try:
        return Row(uid, message(raw, kind=kind))
    except (ValueError, LookupError, TypeError, AttributeError, IndexError, RecursionError) as problem:
        return Row(uid, error=f"the message cannot be read: {problem}"[:300])


def _number(answer: list[Any]) -> int:
    found = re.search(rb"\d+", answer[0]) if answer and isinstance(answer[0], bytes) else None
    return int(found.group()) if found else 0


def _words(problem: object) -> str:
    raw = problem.args[0] if isinstance(problem, Exception) and problem.args else problem
    return (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw))[:200]
