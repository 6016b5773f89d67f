"""E-mail: messages of customers in files (.eml, mbox), one item a message."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parseaddr
from typing import ClassVar

from scrapers.base import Meta, Page, Params, Parsed, Scraper
from scrapers.item import Item
from scrapers.readers import dates, html, text, walls
from scrapers.readers.html import language_code
from scrapers.readers.identity import content_id
from scrapers.sites._site import listed, settled, unread

_MBOX = re.compile(rb"(?:^|(?<=\n))From [^\r\n]{3,200}\d{4}[^\r\n]*\r?\n")
_HEADER = re.compile(
    rb"^(?:from|date|subject|message-id|to|received|return-path|mime-version|delivered-to)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,300})>")
_QUOTE = re.compile(r"(?:^>.*\n?)+", re.MULTILINE)
_ATTRIBUTION = re.compile(
    r"\n[^\n]{0,200}(?:wrote|schrieb|a écrit|escribió|ha scritto|написал\(?а?\)?|пишет|write[s]?)\s*:?\s*$",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"^-{2,}\s*(?:original message|исходное сообщение|ursprüngliche nachricht|пересылаемое сообщение)\s*-{2,}.*",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


class Eml(Scraper):
    meta = Meta(
        name="eml",
        title="E-mail messages",
        access="D",
        terms="Reads messages that were written to you and exported by your own mail program; nothing is fetched. "
        "`monitor import` takes folders of them and mailboxes.",
        kinds=("ticket",),
        aliases=("email",),
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def parse(self, page: Page) -> Parsed:
        if html.looks_like_html(page.body):
            return walls.otherwise(page, "a page of markup where a message was expected")
        items = [item for raw in messages(page.body) if (item := _item(raw)) is not None]
        return settled(listed(items, found=False) if items else unread("no message in this file"), page)


def messages(body: bytes) -> Iterator[bytes]:
    """The messages of a mailbox file, or the one message of an .eml file."""
    starts = list(_MBOX.finditer(body))
    if not starts or starts[0].start() > 0:
        yield body
        return
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(body)
        yield re.sub(rb"(?m)^>(>*From )", rb"\1", body[start.end() : end])


def _item(raw: bytes) -> Item | None:
    head = raw.lstrip()[:20_000].split(b"\n\n", 1)[0].split(b"\r\n\r\n", 1)[0]
    if len({one.lower() for one in _HEADER.findall(head)}) < 2:
        return None
    # compat32 hands headers over as they stand: damaged ones cannot raise.
    message = BytesParser(policy=email.policy.compat32).parsebytes(raw.lstrip())
    name, box = parseaddr(_header(message, "From"))
    subject = text.optional(_header(message, "Subject"))
    content = _body(message)
    if not content and subject is None and not box:
        return None
    when = dates.read(re.sub(r"\s*\([^)]*\)\s*$", "", _header(message, "Date")))
    found = _MESSAGE_ID.search(_header(message, "Message-ID"))
    above = (
        _MESSAGE_ID.findall(_header(message, "In-Reply-To")) or _MESSAGE_ID.findall(_header(message, "References"))[-1:]
    )
    automatic = _header(message, "Auto-Submitted").lower() not in ("", "no") or _header(
        message, "Precedence"
    ).lower() in ("bulk", "list", "junk")
    return Item(
        kind="ticket",
        external_id=found.group(1) if found else content_id(box, when.at, subject, content),
        title=subject,
        text=content,
        author=text.optional(name) or text.optional(box),
        author_id=text.optional(box.lower()),
        **when.fields(),
        language=language_code(_header(message, "Content-Language")),
        parent_id=above[0] if above else None,
        flags=frozenset({"automatic"}) if automatic else frozenset(),
    )


def _header(message: Message, name: str) -> str:
    """A header on one line with encoded words undone; "" when it is missing."""
    value = message.get(name)
    if value is None:
        return ""
    source = str(value)
    if "=?" not in source:
        raw = source.encode("utf-8", "surrogateescape")
        return text.line(html.decode(raw) if any(byte > 127 for byte in raw) else source)
    parts: list[str] = []
    try:
        for chunk, charset in decode_header(source):
            parts.append(_decoded(chunk, charset) if isinstance(chunk, bytes) else chunk)
    except (MessageError, ValueError, LookupError, UnicodeError):
        return text.line(source)
    return text.line("".join(parts))


def _decoded(raw: bytes, charset: str | None) -> str:
    try:
        return raw.decode(charset or "ascii")
    except (LookupError, UnicodeDecodeError, ValueError):
        return html.decode(raw)


def _body(message: Message) -> str:
    """The text part; the HTML part where there is no text. Attachments, signatures of lists and quoted letters go."""
    plain: list[str] = []
    rich: list[str] = []
    for part in _parts(message):
        if part.is_multipart() or "attachment" in str(part.get("Content-Disposition") or "").lower():
            continue
        kind = part.get_content_type()
        if kind not in ("text/plain", "text/html"):
            continue
        try:
            raw = part.get_payload(decode=True)
        except (ValueError, LookupError, UnicodeError, AssertionError):
            continue
        if not isinstance(raw, bytes):
            continue
        charset = part.get_param("charset")
        decoded = _decoded(raw, charset) if isinstance(charset, str) and charset else html.decode(raw)
        (plain if kind == "text/plain" else rich).append(decoded)
    content = "\n\n".join(plain).replace("\r\n", "\n")
    if not content.strip():
        content = "\n\n".join(text.from_html(one) for one in rich)
    return _own_words(text.plain(content))


def _parts(message: Message) -> Iterator[Message]:
    """Parts of the letter itself, not of letters that are attached to it."""
    stack = [message]
    while stack:
        part = stack.pop()
        yield part
        inside = part.get_payload()
        if isinstance(inside, list) and (part is message or part.get_content_maintype() == "multipart"):
            stack.extend(one for one in reversed(inside) if isinstance(one, Message))


def _own_words(content: str) -> str:
    """A letter without the letters it answers; all of it when nothing else is there."""
    kept = _FORWARD.sub("", content)
    kept = re.sub(r"\n-- ?\n.*", "", kept, flags=re.DOTALL)
    parts = _QUOTE.split(kept)
    if len(parts) > 1:
        parts = [_ATTRIBUTION.sub("", "\n" + one.rstrip()).strip() for one in parts[:-1]] + parts[-1:]
        kept = "\n\n".join(one for one in parts if one.strip())
    return text.plain(kept) or content
