"""Slack, by a bot token (threads, buttons, charts, can be asked) or by an incoming webhook (neither of them).

With a token every message carries its dedup key as metadata, so the channel's history answers whether it arrived.
Methods and errors: https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import urllib.parse
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import httpx
from pydantic import Field, SecretStr, field_validator, model_validator

from alerts import blocks
from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.errors import AlertError, Rejected, Retryable
from alerts.message import Envelope, Kind, Message

# errors of a 200 answer after which trying again can help; all others are for good
RETRY = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
     "team_added_to_org", "org_resources_not_yet_available"}
)  # fmt: skip
HINTS = {
    "not_in_channel": "invite the bot into the channel",
    "channel_not_found": "no such channel, or a private one the bot was not invited to",
    "is_archived": "the channel is archived",
    "invalid_auth": "the token is wrong or was revoked",
    "not_authed": "no token was sent",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "account_inactive": "the bot's account is switched off",
    "missing_scope": "the app lacks a permission; chat:write is needed, channels:history to be asked",
    "restricted_action": "the workspace does not let the bot post there",
}
ANSWERS = "https://hooks.slack.com/"  # where Slack takes the answer to a pressed button
TOLERANCE = 300.0  # seconds a signed callback may be old
_CHANNEL_ID = re.compile(r"^[CGD][A-Z0-9]{6,}$")
_BROADCAST = (Kind.ESCALATED, Kind.REOPENED, Kind.UNACKNOWLEDGED)
_PAGES = 5


class SlackSettings(Settings):
    """Either `webhook_url`, or `token` and `channel`."""

    webhook_url: SecretStr | None = None
    token: SecretStr | None = Field(default=None, description="bot token, xoxb-...")
    channel: str | None = Field(default=None, description="id (C0123456789) or #name; only an id can be asked")
    signing_secret: SecretStr | None = Field(default=None, description="with it, buttons call the dashboard back")
    base_url: str = Field(default="https://slack.com/api/", pattern=r"^https?://\S+$")
    upload_chart: bool = Field(default=True, description="add the chart to the thread; needs files:write")
    timeout: float = Field(default=15.0, gt=0, le=120)

    @field_validator("base_url")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        return value if value.endswith("/") else value + "/"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.webhook_url is None) == (self.token is None):
            raise ValueError("give either webhook_url or token (with channel), not both and not none")
        if self.token is not None and not self.channel:
            raise ValueError("channel is needed beside token: an id such as C0123456789, or #name")
        return self


class Slack(Channel[SlackSettings]):
    """Slack by bot token or incoming webhook."""

    declaration = Declaration(
        kind="slack",
        title="Slack",
        docs="https://docs.slack.dev/messaging",
        max_text=blocks.MAX_SECTION,
        images=True,
        threads=True,
        buttons=True,
        can_be_asked=True,
        example={"token": "xoxb-1-2-abc", "channel": "C0123456789"},
        address="base_url",
    )
    settings_type = SlackSettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        envelope = self._light(item)
        payload = self._payload(envelope)
        if self.settings.webhook_url is not None:
            payload.pop("metadata")  # a webhook does not keep it
            url = self.settings.webhook_url.get_secret_value()
            answer = self.call("POST", url, now=now, json=payload)
            return Receipt(id=envelope.dedup_key, detail=f"webhook answered {answer.text[:40]!r}")
        payload["channel"] = self.settings.channel
        if envelope.reply_to:
            payload["thread_ts"] = _split(envelope.reply_to)[1]
            payload["reply_broadcast"] = envelope.message is not None and envelope.message.kind in _BROADCAST
        answered = self._method("chat.postMessage", payload, now=now)
        channel, ts = str(answered.get("channel", self.settings.channel)), str(answered.get("ts", ""))
        detail = f"posted to {channel}"
        if self.settings.upload_chart and envelope.message is not None and envelope.message.chart_png:
            thread = _split(envelope.reply_to)[1] if envelope.reply_to else ts
            detail += self._upload(envelope.message, channel=channel, thread=thread, now=now)
        return Receipt(id=f"{channel}:{ts}", detail=detail)

    def lookup(self, dedup_key: str, *, reply_to: str | None = None, since: datetime | None = None) -> bool | None:
        if self.settings.token is None:
            return None
        channel, thread = _split(reply_to) if reply_to else (self.settings.channel or "", None)
        if not _CHANNEL_ID.match(channel):
            return None
        values: dict[str, Any] = {"channel": channel, "include_all_metadata": "true", "limit": "200"}
        if thread:
            values["ts"] = thread
        if since:
            values["oldest"] = f"{since.timestamp():.6f}"
        method = "conversations.replies" if thread else "conversations.history"
        for _ in range(_PAGES):
            try:
                page = self._method(method, values, now=since, form=True)
            except AlertError:
                return None  # the question failed: nobody knows
            if any(_key(found) == dedup_key for found in page.get("messages", [])):
                return True
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return False
            values["cursor"] = cursor
        return None

    def answer(self, pressed: Interaction, note: str, *, gone: Collection[str], now: datetime) -> None:
        """Write under the message who did what and take away the buttons `gone` by it. Raises Retryable or Rejected."""
        url = pressed.response_url or ""
        if not url.startswith((ANSWERS, self.settings.base_url)):
            raise Rejected("Slack's callback names no place of Slack's to answer to")
        payload: dict[str, Any] = {"response_type": "ephemeral", "replace_original": False, "text": blocks.escape(note)}
        if pressed.blocks:
            laid = blocks.answered(pressed.blocks, note, gone=gone)
            payload = {"replace_original": True, "text": pressed.text, "blocks": laid}
        self.call("POST", url, now=now, json=payload)

    def check(self) -> str:
        if self.settings.token is None:
            return "a webhook cannot be asked; send a test message"
        who = self._method("auth.test", {}, now=None)
        return f"logged in to {who.get('team')} as {who.get('user')}, channel {self.settings.channel}"

    def _light(self, item: Message | Envelope) -> Envelope:
        """No mail is rendered only to be thrown away."""
        if isinstance(item, Envelope):
            return item
        return Envelope(dedup_key=item.dedup_key, subject="", text="", message=item, thread_key=item.thread_key)

    def _payload(self, envelope: Envelope) -> dict[str, Any]:
        if envelope.message is None:
            return blocks.text_payload(
                envelope.subject, envelope.text, dedup_key=envelope.dedup_key, thread_key=envelope.thread_key
            )
        interactive = self.settings.token is not None and self.settings.signing_secret is not None
        return blocks.slack(envelope.message, interactive=interactive)

    def _method(
        self, method: str, values: dict[str, Any], *, now: datetime | None, form: bool = False
    ) -> dict[str, Any]:
        assert self.settings.token is not None
        headers = {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"}
        body = {"data": values} if form else {"json": values}
        answer = self.call("POST", self.settings.base_url + method, now=now, headers=headers, **body)
        return _opened(answer, method)

    def _upload(self, message: Message, *, channel: str, thread: str, now: datetime) -> str:
        """Adds the chart to the thread. The message itself is delivered already: a failure here is only told."""
        assert message.chart_png is not None
        name = f"chart-{hashlib.sha256(message.dedup_key.encode()).hexdigest()[:12]}.png"
        values = {"filename": name, "length": str(len(message.chart_png)), "alt_txt": message.chart_alt[:1000]}
        try:
            place = self._method("files.getUploadURLExternal", values, now=now, form=True)
            self.call("POST", str(place["upload_url"]), now=now, content=message.chart_png)
            done = {"files": [{"id": place["file_id"], "title": name}], "channel_id": channel, "thread_ts": thread}
            self._method("files.completeUploadExternal", done, now=now)
        except (AlertError, KeyError) as error:
            return f"; without its chart ({error})"
        return ", with its chart"


@dataclass(frozen=True, slots=True)
class Interaction:
    """A pressed button: which one, for which incident, by whom, and where Slack wants the answer."""

    action: str  # acknowledge, mute, reject
    incident_id: str
    user: str
    response_url: str | None
    text: str = ""
    blocks: tuple[dict[str, Any], ...] = ()  # of the message the button stands in


def verify(body: bytes, *, timestamp: str, signature: str, secret: str, now: datetime) -> bool:
    """Whether Slack signed this callback with our secret within the last minutes.

    `timestamp` and `signature` are the headers X-Slack-Request-Timestamp and X-Slack-Signature.
    """
    with contextlib.suppress(ValueError):
        if abs(now.timestamp() - int(timestamp)) > TOLERANCE:
            return False
        told = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"v0={told}".encode(), signature.encode())
    return False


def read_interaction(body: bytes) -> Interaction | None:
    """The pressed button in a verified callback; None where it is another kind of callback."""
    try:
        payload = json.loads(urllib.parse.parse_qs(body.decode())["payload"][0])
        action, user = payload["actions"][0], payload["user"]
        found = Interaction(
            action=str(action["action_id"]),
            incident_id=str(action["value"]),
            user=str(user.get("username") or user.get("name") or user["id"]),
            response_url=payload.get("response_url"),
            text=str((payload.get("message") or {}).get("text", "")),
            blocks=tuple((payload.get("message") or {}).get("blocks") or ()),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return found if payload.get("type") == "block_actions" and found.action in blocks.CALLBACKS else None


def _opened(answer: httpx.Response, method: str) -> dict[str, Any]:
    try:
        values = answer.json()
    except ValueError:
        raise Retryable(f"Slack {method}: the answer is not JSON") from None
    if isinstance(values, dict) and values.get("ok") is True:
        return values
    error = str(values.get("error", "unknown")) if isinstance(values, dict) else "unknown"
    hint = HINTS.get(error)
    told = f"Slack {method}: {error}" + (f" ({hint})" if hint else "")
    if isinstance(values, dict) and (more := (values.get("response_metadata") or {}).get("messages")):
        told += f": {'; '.join(map(str, more))[:300]}"
    if error in RETRY:
        raise Retryable(told)
    raise Rejected(told)


def _key(found: dict[str, Any]) -> str | None:
    payload = (found.get("metadata") or {}).get("event_payload") or {}
    key = payload.get("dedup_key")
    return key if isinstance(key, str) else None


def _split(receipt: str) -> tuple[str, str]:
    channel, _, ts = receipt.partition(":")
    return channel, ts
