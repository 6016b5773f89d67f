"""Teams, Discord, Matrix and a hundred others through the Apprise library (extra `channels`), addressed by its URLs.

Apprise answers only yes or no, so a failure is always worth another try; the sender's bound on tries ends it.
"""

from __future__ import annotations

import importlib
from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr

from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.errors import Rejected, Retryable
from alerts.message import Envelope, Message
from alerts.severity import Severity
from alerts.text import shorten

_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class AppriseSettings(Settings):
    """Addresses as Apprise writes them, such as discord://WEBHOOK_ID/WEBHOOK_TOKEN."""

    urls: list[SecretStr] = Field(min_length=1)


class Apprise(Channel[AppriseSettings]):
    """Whatever Apprise reaches."""

    declaration = Declaration(
        kind="apprise",
        title="Apprise",
        docs="https://github.com/caronc/apprise/wiki",
        extra="channels",
        example={"urls": ["discord://123456789/abcdef"]},
    )
    settings_type = AppriseSettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        envelope = self.envelope(item)
        severity = envelope.message.severity if envelope.message is not None else Severity.INFO
        targets = self._targets()
        wanted = {name: target for name, target in targets.items() if name in (envelope.only_to or targets)}
        if not wanted:
            asked, known = ", ".join(envelope.only_to), ", ".join(targets)
            raise Rejected(f"Apprise: none of {asked} is configured any more; there is {known}")
        failed = []
        for name, target in wanted.items():
            title = shorten(envelope.subject, target.title_maxlen) if target.title_maxlen else ""
            text = envelope.text if title else f"{envelope.subject}\n\n{envelope.text}"
            body = shorten(text, target.body_maxlen) if target.body_maxlen else text
            if not target.notify(body=body, title=title, notify_type=_TYPES[severity], body_format="text"):
                failed.append(name)
        if len(failed) == len(wanted):
            raise Retryable(f"Apprise could not deliver to {', '.join(failed)}")
        return Receipt(
            id=envelope.dedup_key,
            detail=f"delivered to {len(wanted) - len(failed)} of {len(wanted)} addresses",
            refused=dict.fromkeys(failed, "Apprise could not deliver"),
            again=tuple(failed),
        )

    def check(self) -> str:
        return f"addresses understood: {', '.join(self._targets())}"

    def _targets(self) -> dict[str, Any]:
        """Names without secrets (`discord-1`) and Apprise's plug-in behind each."""
        try:
            library = importlib.import_module("apprise")
        except ImportError:
            raise Rejected("Apprise is not installed: pip install 'feedback-monitor[channels]'") from None
        targets: dict[str, Any] = {}
        for n, secret in enumerate(self.settings.urls, 1):
            url = secret.get_secret_value()
            schema = url.partition("://")[0]
            target = library.Apprise.instantiate(url, suppress_exceptions=True)
            if target is None:
                raise Rejected(f"Apprise does not understand address {n} ({schema}://...); see {self.declaration.docs}")
            targets[f"{schema}-{n}"] = target
        return targets
