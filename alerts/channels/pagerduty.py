"""PagerDuty events: one alert per incident, resolved by its closing note. A repeat updates it and pages nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr

from alerts import render
from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.errors import Rejected
from alerts.message import ENDS, Envelope, Kind, LinkKind, Message
from alerts.text import shorten
from alerts.view import tidy

MAX_SUMMARY, MAX_KEY, MAX_DETAIL = 1024, 255, 20_000


class PagerDutySettings(Settings):
    """The integration key of a service (Events API v2)."""

    routing_key: SecretStr
    url: str = Field(default="https://events.pagerduty.com/v2/enqueue", pattern=r"^https?://\S+$")
    timeout: float = Field(default=15.0, gt=0, le=120)


class PagerDuty(Channel[PagerDutySettings]):
    """PagerDuty, Events API v2."""

    declaration = Declaration(
        kind="pagerduty",
        title="PagerDuty",
        docs="https://developer.pagerduty.com/docs/events-api-v2-overview",
        max_text=MAX_SUMMARY,
        threads=True,
        example={"routing_key": "0123456789abcdef0123456789abcdef"},
        address="url",
    )
    settings_type = PagerDutySettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        message = item if isinstance(item, Message) else item.message
        if message is None or message.kind is Kind.REPORT:
            raise Rejected("PagerDuty takes incidents and notices, not reports; send those to another channel")
        event = self._event(tidy(message))
        answer = self.call("POST", self.settings.url, now=now, json=event)
        try:
            key = str(answer.json().get("dedup_key", event["dedup_key"]))
        except (ValueError, AttributeError):
            key = str(event["dedup_key"])
        return Receipt(id=key, detail=str(event["event_action"]))

    def _event(self, message: Message) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self.settings.routing_key.get_secret_value(),
            "event_action": "resolve" if message.kind in ENDS else "trigger",
            "dedup_key": (message.thread_key or message.dedup_key)[:MAX_KEY],
            "payload": {
                "summary": shorten(render.headline(message), MAX_SUMMARY),
                "source": message.brand,
                "severity": str(message.severity),
                "timestamp": message.at.isoformat(),
                "component": message.scope.location or message.scope.source or message.brand,
                "group": message.scope.topic or message.brand,
                "class": str(message.signal),
                "custom_details": {"text": shorten(render.plain(message), MAX_DETAIL), "key": message.dedup_key},
            },
            "client": "feedback monitor",
        }
        if url := message.link(LinkKind.DASHBOARD):
            event["client_url"] = url
            event["links"] = [{"href": url, "text": message.brand}]
        return event
