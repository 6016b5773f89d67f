"""The ISO week a report covers, in the brand's own time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

_FORM = re.compile(r"(?P<year>\d{4})-?W(?P<number>\d{1,2})", re.IGNORECASE)


class BadWeek(ValueError):
    """A week that is no ISO week; the message shows the form."""


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """An ISO 8601 week: Monday to Sunday, written 2026-W46."""

    year: int
    number: int

    def __post_init__(self) -> None:
        try:
            date.fromisocalendar(self.year, self.number, 1)
        except ValueError as problem:
            raise BadWeek(f"{self.year}-W{self.number:02d} is no ISO week: {problem}") from None

    @classmethod
    def parse(cls, text: str) -> Week:
        """`2026-W46`, `2026W46` or `2026-w7`."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise BadWeek(f"{text!r} is no week; write it as 2026-W46")
        return cls(int(match["year"]), int(match["number"]))

    @classmethod
    def of(cls, day: date) -> Week:
        """The week a day lies in."""
        year, number, _ = day.isocalendar()
        return cls(year, number)

    @classmethod
    def last_complete(cls, now: datetime, zone: tzinfo) -> Week:
        """The newest week that has ended in `zone`."""
        return cls.of(now.astimezone(zone).date()).back(1)

    @property
    def monday(self) -> date:
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def sunday(self) -> date:
        return self.monday + timedelta(days=6)

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.monday + timedelta(days=i) for i in range(7))

    def back(self, weeks: int) -> Week:
        """The week so many weeks earlier (later when negative)."""
        return Week.of(self.monday - timedelta(weeks=weeks))

    def starts_at(self, zone: tzinfo) -> datetime:
        """Monday 00:00 in `zone`, as UTC."""
        return datetime.combine(self.monday, datetime.min.time(), zone).astimezone(UTC)

    def ends_at(self, zone: tzinfo) -> datetime:
        """The start of the next week, as UTC; the week itself ends just before."""
        return self.back(-1).starts_at(zone)

    def __str__(self) -> str:
        return f"{self.year}-W{self.number:02d}"
