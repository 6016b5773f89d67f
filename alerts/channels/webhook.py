"""Signed JSON to any address, as Standard Webhooks describes it: receivers have libraries that check the signature.

Headers `webhook-id` (the dedup key: the same for a second delivery), `webhook-timestamp`, `webhook-signature`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr, TypeAdapter, field_validator

from alerts import render
from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.message import Envelope, Message
from alerts.view import tidy

VERSION = 1
TOLERANCE = 300.0  # seconds a delivery may be old when a receiver checks it


class WebhookSettings(Settings):
    """Where to post, and the secret both sides know."""

    url: SecretStr
    secret: SecretStr | None = Field(default=None, description="signs the body; a text, or whsec_ and base64")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="such as Authorization")
    timeout: float = Field(default=15.0, gt=0, le=120)

    @field_validator("url")
    @classmethod
    def _http(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("allowed is an address that begins with https:// or http://")
        return value

    @field_validator("secret")
    @classmethod
    def _readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                key_bytes(value.get_secret_value())
            except binascii.Error:
                raise ValueError("after whsec_ base64 is expected") from None
        return value


class Webhook(Channel[WebhookSettings]):
    """Signed JSON over HTTP POST."""

    declaration = Declaration(
        kind="webhook",
        title="Webhook",
        docs="https://www.standardwebhooks.com",
        threads=True,
        example={"url": "https://example.org/hook", "secret": "whsec_c2VjcmV0IGtleSBvZiBib3Ro"},
        address="url",
    )
    settings_type = WebhookSettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        key = item.dedup_key
        body = json.dumps(payload(item), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "webhook-id": key.encode("ascii", "backslashreplace").decode()}
        headers |= {name: value.get_secret_value() for name, value in self.settings.headers.items()}
        if self.settings.secret is not None:
            stamp = str(int(now.timestamp()))
            headers["webhook-timestamp"] = stamp
            secret = self.settings.secret.get_secret_value()
            headers["webhook-signature"] = sign(body, key=headers["webhook-id"], timestamp=stamp, secret=secret)
        answer = self.call("POST", self.settings.url.get_secret_value(), now=now, content=body, headers=headers)
        return Receipt(id=key, detail=f"answered {answer.status_code}")


def payload(item: Message | Envelope) -> dict[str, Any]:
    """The body: version, the sentence, the text, and every value of the message (no pictures); or a rendered report."""
    message = item if isinstance(item, Message) else item.message
    if message is None:
        assert isinstance(item, Envelope)
        shown = {"subject": item.subject, "text": item.text, "html": item.html}
        return {"version": VERSION, "kind": "report", "dedup_key": item.dedup_key, "language": item.language} | shown
    message = tidy(message)
    values: dict[str, Any] = TypeAdapter(Message).dump_python(message, mode="json", exclude={"chart_png"})
    values["items"] = [payload(part) for part in message.items]
    values["facts"] |= {"ratio": message.facts.ratio, "n_excess": message.facts.n_excess}
    return {"version": VERSION} | values | {"headline": render.headline(message), "text": render.plain(message)}


def sign(body: bytes, *, key: str, timestamp: str, secret: str) -> str:
    """The header `webhook-signature`: v1 and the base64 of HMAC-SHA256 over id, timestamp and body, joined by dots."""
    told = hmac.new(key_bytes(secret), f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(told).decode()}"


def verify(body: bytes, *, key: str, timestamp: str, signature: str, secret: str, now: datetime) -> bool:
    """What a receiver does: whether one of the signatures is right and the delivery is fresh."""
    if not timestamp.isdecimal() or abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        return False
    right = sign(body, key=key, timestamp=timestamp, secret=secret).encode()
    return any(hmac.compare_digest(right, told.encode()) for told in signature.split(" "))


def key_bytes(secret: str) -> bytes:
    """The key behind a secret: base64 after `whsec_`, else the text itself."""
    prefix, _, rest = secret.partition("whsec_")
    return base64.b64decode(rest, validate=True) if not prefix and rest else secret.encode()
