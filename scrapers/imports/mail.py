"""E-mail as feedback: single messages, mailboxes, an IMAP folder. Only what the customer wrote is kept.

Attachments, headers beyond author, time and thread, quoted earlier messages and signatures are left out.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import BinaryIO

from scrapers.errors import BadParams
from scrapers.imports.run import Progress, Raw
from scrapers.item import Item
from scrapers.readers import dates, html, text
from scrapers.readers.identity import content_id

LARGEST_MESSAGE = 25 * 1024 * 1024
_QUOTE_INTRO = re.compile(
    r"^(?:on .{5,120}wrote:|.{0,80}(?:пишет|написал\(?а?\)?|писал\(?а?\)?|schrieb|a écrit|escribió|ha scritto)\s*:|"
    r"-{2,}\s*(?:original message|forwarded message|исходное сообщение|пересылаемое сообщение)\b.*|"
    r"-{2,}\s*ursprüngliche nachricht\b.*|"
    r"_{8,}|(?:from|от кого|от|von|de)\s*:\s.+@.+)$",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"^(?:--\s?|—\s*|sent from my \w.*|отправлено с .{2,40}|отправлено из .{2,40}|von meinem .{2,40} gesendet)$",
    re.IGNORECASE,
)
_AUTOMATIC = ("auto-submitted", "x-autoreply", "x-autorespond")


def message(raw: bytes, *, kind: str = "ticket", now: datetime | None = None) -> Item:
    """One message as an item. Raises `ValueError` when it is none or has nothing to read."""
    if len(raw) > LARGEST_MESSAGE:
        raise ValueError(f"the message is over {LARGEST_MESSAGE // 2**20} MB")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    if not any(parsed.get(name) for name in ("from", "date", "subject", "message-id")):
        raise ValueError("has none of the headers From, Date, Subject, Message-ID")
    body = without_quotes(_body(parsed))
    title = text.optional(_header(parsed, "subject"))
    if not body and not title:
        raise ValueError("has neither text nor subject")
    name, address = _sender(parsed)
    when = _when(parsed)
    key = text.optional((_header(parsed, "message-id") or "").strip(" <>"))
    parent = re.findall(r"<([^<>\s]+)>", _header(parsed, "in-reply-to") or "")
    flags = {"automatic"} if any((_header(parsed, one) or "no").lower() != "no" for one in _AUTOMATIC) else set()
    return Item(
        kind=kind,  # type: ignore[arg-type]
        external_id=key or content_id(address, when.raw, title, body),
        title=title,
        text=body,
        author=name or address,
        author_id=address,
        parent_id=parent[0] if parent else None,
        language=html.language_code((_header(parsed, "content-language") or "").split(",")[0]),
        flags=frozenset(flags),
        **when.fields(),
    )


def eml(file: BinaryIO, *, kind: str) -> Iterator[Raw]:
    """A file with one message."""
    file.seek(0)
    yield _raw(1, file.read(LARGEST_MESSAGE + 1), kind)


def mbox(file: BinaryIO, *, kind: str, progress: Progress | None, total: int) -> Iterator[Raw]:
    """A mailbox in the mbox form: messages after lines that begin with "From ", counted from 1."""
    file.seek(0)
    number, done, size = 0, 0, 0
    lines: list[bytes] = []
    started = False
    previous_blank = True
    for line in file:
        done += len(line)
        if line.startswith(b"From ") and previous_blank:
            if started:
                number += 1
                yield _raw(number, b"".join(lines), kind)
                if progress is not None:
                    progress(done, total)
            started, lines, size = True, [], 0
            continue
        previous_blank = not line.strip()
        size += len(line)
        if started and size <= LARGEST_MESSAGE + 1:
            lines.append(line[1:] if re.match(rb"^>+From ", line) else line)
    if started:
        yield _raw(number + 1, b"".join(lines), kind)
    elif done:
        raise BadParams('is no mailbox: no line begins with "From "')


def without_quotes(body: str) -> str:
    """The new part of a message: without quoted text below, its introduction, and the signature."""
    kept: list[str] = []
    for line in body.split("\n"):
        stripped = line.strip()
        if _QUOTE_INTRO.match(stripped) or _SIGNATURE.match(stripped):
            if any(one.strip() for one in kept):
                break
            continue
        if not stripped.startswith(">"):
            kept.append(line)
    return text.plain("\n".join(kept)) or text.plain(body)


def _raw(number: int, raw: bytes, kind: str) -> Raw:
    try:
        return Raw(number, item=message(raw, kind=kind))
    except (ValueError, LookupError, TypeError, AttributeError, IndexError, RecursionError) as problem:
        return Raw(number, error=f"the message cannot be read: {problem}"[:300])


def _body(parsed: Message) -> str:
    """The plain part, else the HTML part."""
    found: dict[str, str] = {}
    for part in parsed.walk():
        kind = part.get_content_type()
        if (
            part.is_multipart()
            or kind not in ("text/plain", "text/html")
            or part.get_content_disposition() == "attachment"
        ):
            continue
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes) and kind not in found:
            found[kind] = html.decode(payload, f"charset={part.get_content_charset() or ''}")
    plain = text.plain(found.get("text/plain"))
    return plain or text.from_html(_without_quoted_html(found.get("text/html", "")))


def _without_quoted_html(source: str) -> str:
    """HTML clients mark the quoted part by an element."""
    return (
        re.split(
            r"<(?:blockquote|div[^<>]{1,300}(?:gmail_quote|moz-cite-prefix|yahoo_quoted))\b",
            source,
            maxsplit=1,
            flags=re.IGNORECASE,
        )[0]
        or source
    )


def _header(parsed: Message, name: str) -> str | None:
    try:
        value = parsed.get(name)
        return str(value) if value is not None else None
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        return None


def _sender(parsed: Message) -> tuple[str | None, str | None]:
    for header in ("reply-to", "from"):
        for name, address in getaddresses([_header(parsed, header) or ""]):
            if address:
                return text.optional(name), text.optional(address.lower())
    return None, None


def _when(parsed: Message) -> dates.When:
    raw = text.optional(_header(parsed, "date"))
    if raw is None:
        return dates.NEVER
    try:
        at = parsedate_to_datetime(raw)
    except (ValueError, TypeError, IndexError, OverflowError):
        return dates.When(raw=raw)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return dates.When(at, "second", raw) if dates.FIRST_YEAR <= at.year <= dates.LAST_YEAR else dates.When(raw=raw)


__all__ = ["EmailMessage", "eml", "mbox", "message", "without_quotes"]
