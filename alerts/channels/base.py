"""What a channel is: a declaration of its limits, checked settings, and `deliver`, which raises what to do next.

A channel never sleeps, never retries and keeps no state: the sender owns time, order and the log. Delivering the same
`dedup_key` twice must be harmless where the other side can be told so, and be seen as the same message elsewhere.
"""

from __future__ import annotations

import base64
import email.utils
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

from alerts import render
from alerts.errors import Rejected, Retryable
from alerts.message import Envelope, Message

# httpx tells every address at INFO, and addresses of webhooks and bots hold their secret
if logging.getLogger("httpx").level == logging.NOTSET:
    logging.getLogger("httpx").setLevel(logging.WARNING)

LARGEST_ANSWER = 4 * 1024 * 1024  # bytes of one answer that are looked at
_PACKING = {"content-encoding", "content-length", "transfer-encoding"}  # what no longer holds of an unpacked body
SHORTEST_SECRET = 8  # characters of a part of an address that is taken for a secret
LONGEST_WAIT = 86_400.0  # seconds; a longer Retry-After is taken as this


class Settings(BaseModel):
    """Settings of a channel; unknown keys are errors. Secrets are `SecretStr`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a kind of channel can do and where it ends; shown by `doctor`, the documentation and the settings page."""

    kind: str
    title: str
    docs: str  # public documentation of the service
    max_text: int | None = None  # characters of one message; longer ones are cut at a word, with a mark
    images: bool = False
    attachments: bool = False  # whether a whole report can travel
    threads: bool = False  # messages of one incident stay together
    buttons: bool = False
    can_be_asked: bool = False  # `lookup` has an answer
    extra: str | None = None  # optional dependency: `pip install feedback-monitor[EXTRA]`
    example: Mapping[str, Any] = field(default_factory=dict)  # settings as one would write them; no real secrets
    address: str | None = None  # the setting that holds the service's HTTP address: tests point it at a local server


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of delivery. `id` is what the service calls it.

    `refused` are recipients that did not get it, and why; `again` are those of them worth another try: send them an
    envelope with `only_to=receipt.again`.
    """

    id: str
    detail: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    again: tuple[str, ...] = ()


S = TypeVar("S", bound=Settings)


class Channel(ABC, Generic[S]):
    """Base of all channels. Subclass it in `alerts/channels/<name>.py`; it is found by itself."""

    declaration: ClassVar[Declaration]
    settings_type: ClassVar[type[Settings]]

    def __init__(self, settings: S, *, client: httpx.Client | None = None) -> None:
        self.settings = settings
        self._client = client

    @abstractmethod
    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        """Hand it over, or raise Retryable(after) or Rejected. Each call waits at most the timeout of the settings."""

    def envelope(self, item: Message | Envelope) -> Envelope:
        """The item in an envelope, rendered where it was not yet."""
        return render.envelope(item) if isinstance(item, Message) else item

    def recipients(self) -> tuple[str, ...]:
        """The addresses that may leave one by one; none where the channel is one place."""
        return ()

    def lookup(self, dedup_key: str, *, reply_to: str | None = None, since: datetime | None = None) -> bool | None:
        """Whether the service has that message; None where it cannot be asked."""
        return None

    def check(self) -> str:
        """Log in without sending; one line that says as whom. Raises Retryable or Rejected."""
        return "nothing to check"

    def close(self) -> None:
        """Give connections back."""
        if self._client is not None:
            self._client.close()

    def hush(self, text: str) -> str:
        """A text of the other side without what the settings keep secret, as it is or as it travels."""
        for secret in _secrets(dict(self.settings)):
            for form in _forms(secret):
                text = text.replace(form, "...")
        return text

    @property
    def client(self) -> httpx.Client:
        """The HTTP client: the one given, or one of its own, made at first use."""
        if self._client is None:
            self._client = httpx.Client(
                timeout=getattr(self.settings, "timeout", 15.0), headers={"User-Agent": "feedback-monitor"}
            )
        return self._client

    def call(self, method: str, url: str, *, now: datetime | None, **options: Any) -> httpx.Response:
        """One HTTP call whose every failure is Retryable or Rejected."""
        response = self.request(method, url, **options)
        judge(response, name=self.declaration.title, now=now)
        return response

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """One HTTP call; an answer of any status passes, without what lies behind its first megabytes.

        Redirects are not followed: the address is the operator's choice, not that of who answers there. It never shows
        in an error: it may hold a secret.
        """
        name = self.declaration.title
        try:
            with self.client.stream(method, url, follow_redirects=False, **options) as response:
                return _kept(response, self.hush)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Rejected(f"{name}: the configured address is not a usable URL ({type(error).__name__})") from None
        except httpx.TimeoutException as error:
            raise Retryable(f"{name}: no answer in time ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            raise Retryable(f"{name}: no connection ({type(error).__name__})") from None


def _kept(response: httpx.Response, hush: Callable[[str], str]) -> httpx.Response:
    """The answer with the beginning of its body: what is packed may unfold to gigabytes, or never end.

    Of a refusal without our secrets: its words end in the log, and some servers repeat what they were told.
    """
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > LARGEST_ANSWER:
            break
    if response.status_code >= 400:
        encoding = response.encoding or "utf-8"
        told = hush(bytes(body[:LARGEST_ANSWER]).decode(encoding, "replace"))
        body = bytearray(told.encode(encoding, "replace"))
    plain = [(name, value) for name, value in response.headers.multi_items() if name not in _PACKING]
    return httpx.Response(
        response.status_code, headers=plain, content=bytes(body[:LARGEST_ANSWER]), request=response.request,
        extensions={"reason_phrase": response.reason_phrase.encode("ascii", "replace")},
    )  # fmt: skip


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr) and value.get_secret_value():
        yield value.get_secret_value()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _secrets(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _secrets(one)


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in an answer: whole, of an address the path, of "Bearer ..." the word, in base64."""
    yield secret
    yield base64.b64encode(secret.encode()).decode()
    address, word = secret.partition("://")[2], secret.rpartition(" ")[2]
    for part in (address.partition("/")[2], *address.split("/")[1:], word):
        if len(part) >= SHORTEST_SECRET:
            yield part


def judge(response: httpx.Response, *, name: str, now: datetime | None) -> None:
    """2xx passes. 408, 425, 429 and 5xx: Retryable. All else, redirects too: Rejected, with the service's own words."""
    code = response.status_code
    if 200 <= code < 300:
        return
    words = " ".join(response.text[:300].split())
    told = f"{name} answered {code} {response.reason_phrase}".rstrip() + (f": {words}" if words else "")
    if code in (408, 425, 429) or code >= 500:
        raise Retryable(told, after=retry_after(response.headers.get("Retry-After"), now=now))
    raise Rejected(told)


def retry_after(value: str | None, *, now: datetime | None) -> float | None:
    """Seconds of a Retry-After header (a number, or a date where `now` is known), within a day; None if unreadable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return None
        if now is None or at.tzinfo is None:
            return None
        seconds = (at - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None
