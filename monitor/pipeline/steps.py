"""Steps of time as whole numbers that count on: local days, or hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY, HOUR = 86_400, 3_600


@dataclass(frozen=True, slots=True)
class Steps:
    """Local days of a zone (`seconds` 86400; a day of a clock change is a day), or hours of the epoch (3600)."""

    zone: ZoneInfo
    seconds: int = DAY

    def of(self, at: datetime) -> int:
        """The number of the step that a time lies in."""
        if self.seconds == DAY:
            return at.astimezone(self.zone).date().toordinal()
        return int(at.timestamp() // self.seconds)

    def start(self, number: int) -> datetime:
        """When a step begins."""
        if self.seconds == DAY:
            return datetime.combine(date.fromordinal(number), time(), self.zone).astimezone(UTC)
        return datetime.fromtimestamp(number * self.seconds, UTC)

    def within(self, span: timedelta) -> int:
        """How many steps fill a span."""
        return max(1, int(span.total_seconds() // self.seconds))

    def text(self, number: int) -> str:
        """A step as it is stored: the local day, or the hour, ISO 8601."""
        return date.fromordinal(number).isoformat() if self.seconds == DAY else self.start(number).isoformat()

    def parse(self, text: str) -> int:
        """The step written by `text`."""
        if self.seconds == DAY:
            return date.fromisoformat(text).toordinal()
        return self.of(datetime.fromisoformat(text))
