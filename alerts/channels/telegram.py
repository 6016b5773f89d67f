"""Telegram by a bot: HTML that its parser takes, whole parts dropped where the limit ends, the chart as a reply."""

from __future__ import annotations

import html
import ipaddress
import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import Field, SecretStr

from alerts.channels.base import Channel, Declaration, Receipt, Settings, judge
from alerts.errors import AlertError, Rejected, Retryable
from alerts.message import Envelope, Message
from alerts.sentences import words_of
from alerts.severity import Severity
from alerts.text import shorten
from alerts.view import View, tidy, view

MAX_TEXT = 4096  # UTF-16 units, after the entities are parsed
HINTS = {
    401: "the token is wrong or was revoked",
    403: "the bot is not in that chat, or was blocked",
    404: "the token is wrong",
}


class TelegramSettings(Settings):
    """A bot (from @BotFather) and the chat it writes to."""

    token: SecretStr
    chat_id: str = Field(pattern=r"^(-?\d+|@\w+)$", coerce_numbers_to_str=True)
    topic_id: int | None = Field(default=None, description="topic of a forum group")
    base_url: str = Field(default="https://api.telegram.org", pattern=r"^https?://\S+$")
    timeout: float = Field(default=20.0, gt=0, le=120)


class Telegram(Channel[TelegramSettings]):
    """Telegram bot."""

    declaration = Declaration(
        kind="telegram",
        title="Telegram",
        docs="https://core.telegram.org/bots/api#sendmessage",
        max_text=MAX_TEXT,
        images=True,
        threads=True,
        buttons=True,
        example={"token": "123456:ABC-def", "chat_id": "-1001234567890"},
        address="base_url",
    )
    settings_type = TelegramSettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        envelope = item if isinstance(item, Envelope) else None
        message = item if isinstance(item, Message) else item.message
        values = self._place(envelope.reply_to if envelope else None)
        values |= {"parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
        if message is not None:
            shown = view(message)
            values |= {"text": lay_out(message), "disable_notification": message.severity is Severity.INFO}
            if keyboard := _keyboard(shown):
                values["reply_markup"] = {"inline_keyboard": keyboard}
        else:
            assert envelope is not None
            subject = _bold(shorten(envelope.subject, 250))
            values["text"] = _fitted([subject, _cut(envelope.text, MAX_TEXT - 4 - _units(subject))])
        sent = self._method("sendMessage", now=now, json=values)
        receipt = str(sent.get("message_id", ""))
        detail = "sent"
        if message is not None and message.chart_png:
            detail += self._chart(message, receipt, now=now)
        return Receipt(id=receipt, detail=detail)

    def check(self) -> str:
        bot = self._method("getMe", now=None, json={})
        return f"logged in as @{bot.get('username')}, chat {self.settings.chat_id}"

    def _place(self, reply_to: str | None) -> dict[str, Any]:
        values: dict[str, Any] = {"chat_id": self.settings.chat_id}
        if self.settings.topic_id is not None:
            values["message_thread_id"] = self.settings.topic_id
        if reply_to and reply_to.isdecimal():
            values["reply_parameters"] = {"message_id": int(reply_to), "allow_sending_without_reply": True}
        return values

    def _chart(self, message: Message, receipt: str, *, now: datetime) -> str:
        """The picture under its message. That is delivered already: a failure here is only told."""
        values: dict[str, str] = {"chat_id": self.settings.chat_id, "disable_notification": "true"}
        values["caption"] = shorten(tidy(message).chart_alt, 1000)
        if receipt.isdecimal():
            values["reply_parameters"] = json.dumps({"message_id": int(receipt)})
        if self.settings.topic_id is not None:
            values["message_thread_id"] = str(self.settings.topic_id)
        try:
            self._method(
                "sendPhoto", now=now, data=values, files={"photo": ("chart.png", message.chart_png, "image/png")}
            )
        except AlertError as error:
            return f" without its chart ({error})"
        return " with its chart"

    def _method(self, method: str, *, now: datetime | None, **options: Any) -> dict[str, Any]:
        base = self.settings.base_url.rstrip("/")
        answer = self.request("POST", f"{base}/bot{self.settings.token.get_secret_value()}/{method}", **options)
        return _opened(answer, now=now)


def lay_out(message: Message) -> str:
    """The message in Telegram's HTML within its limit: what matters most stays."""
    message = tidy(message)
    shown, words = view(message), words_of(message)
    head = f"{shown.badge}" + (f" · {shown.severity}" if shown.severity else "")
    parts = [_bold(head), _escape(shown.headline)]
    if message.note and message.note not in shown.headline:
        parts.append(_escape(message.note))
    for item in shown.items:
        parts.append(f"{_bold(item.badge)} {_escape(item.headline)}")
    if shown.steps:
        steps = [f"{n}. {_escape(step)}" for n, step in enumerate(shown.steps, 1)]
        parts.append("\n".join([_bold(words.say("What to do next")), *steps]))
    if shown.drivers:
        rows = [f"• {_escape(row.name)}: {row.observed} ({row.excess})" for row in shown.drivers]
        parts.append("\n".join([_bold(words.say("Where the excess comes from")), *rows]))
    about = [f"{topic.text} {topic.n}" for topic in shown.topics]
    about += [f"{phrase.text} {phrase.n}" for phrase in shown.phrases]
    if about:
        parts.append("\n".join([_bold(words.say("What people write about")), _escape(", ".join(about))]))
    for quote in shown.quotes:
        source = f'<a href="{html.escape(quote.url)}">{_escape(words.say("original"))}</a>' if quote.url else ""
        meta = " · ".join(part for part in (quote.stars, _escape(quote.meta), source) if part)
        parts.append(f"<blockquote>{_escape(quote.text)}\n{meta}</blockquote>")
    parts += [_escape(caution) for caution in shown.cautions]
    parts.append(f"<i>{_escape(shown.footer)}</i>")
    return _fitted(parts)


def _fitted(parts: list[str]) -> str:
    """As many parts as fit, in order; a part is never cut, so no tag is left open."""
    kept: list[str] = []
    room = MAX_TEXT
    for part in parts:
        length = _units(part) + 2
        if length <= room:
            kept.append(part)
            room -= length
    return "\n\n".join(kept)


def _cut(text: str, room: int) -> str:
    """The beginning of a text, escaped, in at most `room` units: escapes and emoji take more than one each."""
    limit = room
    while _units(cut := _escape(shorten(text, limit))) > room:
        limit = min(limit - 1, limit * room // _units(cut))
    return cut


def _units(text: str) -> int:
    """UTF-16 units, tags included: never less than what Telegram counts."""
    return len(text.encode("utf-16-le", "replace")) // 2


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _bold(text: str) -> str:
    return f"<b>{_escape(text)}</b>"


def _keyboard(shown: View) -> list[list[dict[str, str]]]:
    """Buttons, two in a row; none to private addresses, for which Telegram would refuse the whole message."""
    buttons = [{"text": button.label, "url": button.url} for button in shown.buttons if _public(button.url)]
    return [buttons[n : n + 2] for n in range(0, len(buttons), 2)]


def _public(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and len(url) <= 2000


def _opened(answer: httpx.Response, *, now: datetime | None) -> dict[str, Any]:
    try:
        values = answer.json()
    except ValueError:
        values = None
    if not isinstance(values, dict):
        judge(answer, name="Telegram", now=now)
        raise Retryable("Telegram: the answer is not JSON")
    if values.get("ok") is True:
        result = values.get("result")
        return result if isinstance(result, dict) else {}
    code = int(values.get("error_code") or answer.status_code)
    told = f"Telegram answered {code}: {values.get('description', '')}"
    more = values.get("parameters") or {}
    if code == 429 or code >= 500:
        after = more.get("retry_after")
        raise Retryable(told, after=float(after) if after is not None else None)
    if moved := more.get("migrate_to_chat_id"):
        raise Rejected(f"{told} (the group has a new chat_id: {moved})")
    raise Rejected(told + (f" ({HINTS[code]})" if code in HINTS else ""))
