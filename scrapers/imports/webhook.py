"""Feedback that other systems push to us: signed, fresh, once, and of bounded size.

The headers are those of Standard Webhooks (https://www.standardwebhooks.com), for which senders have libraries:

    webhook-id          unique per message; the idempotency key
    webhook-timestamp   seconds since 1970, at most `window_seconds` away from now
    webhook-signature   "v1,<base64 of HMAC-SHA256 over id.timestamp.body>", several while keys rotate

`verify(body, headers, settings, now=...) -> Message` checks size, headers, signature and time in this order, and reads
the body (a JSON object, a list, JSON lines or CSV, as an import reads them). `receive(..., guard, ...)` then looks for
a replay; who keeps ids in a database calls `verify`, and remembers the id in the transaction that stores the rows.

With kind "survey" the rows are answers (`scrapers.imports.surveys`), and the signatures of Typeform and Tally are taken
too. These sign the body alone: the id is its digest, and what is older than a week is refused, since they try again for
hours. A repetition within the week stores nothing new: the answers have ids of their own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from scrapers import imports
from scrapers.errors import BadParams, PushRejected
from scrapers.imports import survey_messages, surveys
from scrapers.imports.run import Row
from scrapers.item import Item

MAX_BYTES = 1024 * 1024
SURVEY = "survey"
_DIGEST = "sha256:"
_PACKED = (imports.XLSX, imports.GZIP, imports.PARQUET)  # a megabyte of these unpacks to gigabytes
OLDEST_NATIVE = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """`secrets`: base64 with or without the prefix whsec_; the first signs, all are accepted (rotation).

    `metric` and `items` belong to answers of surveys, as `scrapers.imports.surveys.read` takes them.
    """

    secrets: tuple[str, ...]
    window_seconds: float = 300.0
    max_bytes: int = MAX_BYTES
    mapping: Mapping[str, str] | None = None
    kind: str | None = None
    locale: str | None = None
    metric: str | None = None
    items: Mapping[str, str] | None = None

    @property
    def takes_answers(self) -> bool:
        return self.kind == SURVEY

    def __repr__(self) -> str:
        return f"WebhookSettings(secrets={len(self.secrets)}, window_seconds={self.window_seconds:g})"


class ReplayGuard(Protocol):
    """Ids of messages that were accepted. The application keeps them in its database."""

    def first_time(self, key: str, *, until: datetime) -> bool:
        """Remembers `key` until a time and says whether it is new; both in one step."""
        ...


class MemoryReplayGuard:
    """The guard of one process."""

    def __init__(self) -> None:
        self._known: dict[str, datetime] = {}

    def first_time(self, key: str, *, until: datetime) -> bool:
        if key in self._known:
            return False
        oldest = until - timedelta(days=2)
        self._known = {one: at for one, at in self._known.items() if at > oldest}
        self._known[key] = until
        return True


@dataclass(frozen=True, slots=True)
class Message:
    """What a message that may be trusted brought: rows of feedback, or sheets of answers. Its id need not be remembered
    beyond `until`.

    `repeated`: it was accepted before; answer as if it had worked, store nothing.
    """

    key: str
    rows: tuple[Row, ...]
    until: datetime
    repeated: bool = False
    sheets: tuple[surveys.Row, ...] = ()

    @property
    def n_rows(self) -> int:
        return len(self.rows) + len(self.sheets)

    @property
    def answers(self) -> tuple[surveys.Answer, ...]:
        return tuple(answer for sheet in self.sheets for answer in sheet.answers)

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(row.item for row in self.rows if row.item is not None)

    @property
    def bad_rows(self) -> tuple[tuple[int, str], ...]:
        found = [(row.number, row.error or "cannot be read") for row in self.rows if row.item is None]
        return (*found, *((sheet.number, sheet.error) for sheet in self.sheets if sheet.error is not None))


def verify(body: bytes, headers: Mapping[str, str], settings: WebhookSettings, *, now: datetime) -> Message:
    """A message that may be trusted, though it may be a repetition. Raises `PushRejected` with the status to answer."""
    key = authentic(body, headers, settings, now=now)
    if body.startswith(_PACKED):
        raise PushRejected("a packed file is not taken: send JSON, JSON lines or CSV", status=422)
    until = now + timedelta(seconds=2 * settings.window_seconds)
    try:
        if settings.takes_answers:
            sheets = tuple(
                surveys.read_message(
                    body, surveys.Message(key, now), mapping=settings.mapping, metric=settings.metric,
                    items=settings.items, locale=settings.locale,
                )
            )  # fmt: skip
            if key.startswith(_DIGEST) and any(
                one.answered_at < now - OLDEST_NATIVE for s in sheets for one in s.answers
            ):
                raise PushRejected(f"the answer is more than {OLDEST_NATIVE.days} days old", status=400)
            return Message(key, (), until, sheets=sheets)
        rows = tuple(
            imports.read_bytes(
                body, name="message", mapping=settings.mapping, kind=settings.kind, locale=settings.locale, now=now
            )
        )
    except BadParams as problem:
        raise PushRejected(str(problem), status=422) from None
    return Message(key, rows, until)


def authentic(body: bytes, headers: Mapping[str, str], settings: WebhookSettings, *, now: datetime) -> str:
    """The id of a message whose size, signature and time are right, whatever is in it. Raises `PushRejected`."""
    if len(body) > settings.max_bytes:
        raise PushRejected(f"the body is over {settings.max_bytes} bytes", status=413)
    lower = {key.lower(): value.strip() for key, value in headers.items()}
    if settings.takes_answers and survey_messages.is_native(lower):
        if not survey_messages.is_signed(body, lower, settings.secrets):
            raise PushRejected("the signature is wrong", status=401)
        return _DIGEST + hashlib.sha256(body).hexdigest()
    key, stamp, given = (lower.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", key) or not re.fullmatch(r"\d{1,12}", stamp) or not given:
        raise PushRejected("the headers webhook-id, webhook-timestamp and webhook-signature are needed", status=400)
    if not _is_signed(body, key, stamp, given, settings.secrets):
        raise PushRejected("the signature is wrong", status=401)
    if abs(now.timestamp() - int(stamp)) > settings.window_seconds:
        raise PushRejected(f"the time is more than {settings.window_seconds:g} s away from ours", status=400)
    return key


def receive(
    body: bytes, headers: Mapping[str, str], settings: WebhookSettings, guard: ReplayGuard, *, now: datetime
) -> Message:
    """A message that comes for the first time; of a repetition there are no rows. Raises `PushRejected`."""
    message = verify(body, headers, settings, now=now)
    # Last, so that a message that could not be read may be sent again after it is mended.
    known = not guard.first_time(message.key, until=message.until)
    return replace(message, rows=(), sheets=(), repeated=True) if known else message


def sign(body: bytes, *, key: str, timestamp: int, secret: str) -> dict[str, str]:
    """The headers of a message, as a sender makes them."""
    mac = hmac.new(key_of(secret), f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def _is_signed(body: bytes, key: str, stamp: str, given: str, secrets: tuple[str, ...]) -> bool:
    found = False
    for secret in secrets:
        expected = hmac.new(key_of(secret), f"{key}.{stamp}.".encode() + body, hashlib.sha256).digest()
        for one in given.split()[:10]:
            name, _, value = one.partition(",")
            try:
                mac = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                continue
            found |= name == "v1" and hmac.compare_digest(mac, expected)
    return found


def key_of(raw: str) -> bytes:
    """The bytes of a secret: at least 16, base64 with or without the prefix whsec_. Raises `BadParams`."""
    try:
        found = base64.b64decode(raw.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise BadParams("a webhook secret is base64, with or without the prefix whsec_") from None
    if len(found) < 16:
        raise BadParams("a webhook secret has at least 16 bytes")
    return found
