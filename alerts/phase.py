"""Where a time stands in the week, and whether it is a public holiday."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo

from alerts.errors import BadRule
from alerts.settings import Settings

__all__ = ["Calendar", "public_holidays"]


@lru_cache(maxsize=512)
def public_holidays(country: str, year: int) -> frozenset[dt.date]:
    """The public holidays of a country (ISO 3166 code) in one year, by the `holidays` library."""
    import holidays

    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError as error:
        raise BadRule(f"holidays: country={country!r}; allowed is an ISO code the `holidays` library knows") from error


@dataclass(frozen=True)
class Calendar:
    """Weekday, hour and holiday of a row. Naive times are read as local ones already."""

    countries: tuple[str, ...] = ()
    zone: str = "UTC"
    extra: frozenset[dt.date] = field(default_factory=frozenset)

    @classmethod
    def of(cls, settings: Settings, extra: Iterable[dt.date] = ()) -> Calendar:
        """The calendar of a detector's settings, with dates known to the caller."""
        return cls(settings.countries, settings.zone, frozenset(extra))

    def local(self, at: dt.datetime) -> dt.datetime:
        """The time on the clocks of the people who write."""
        return at if at.tzinfo is None or self.zone == "UTC" else at.astimezone(ZoneInfo(self.zone))

    def place(self, at: dt.datetime) -> tuple[int, int, bool]:
        """(weekday 0..6 from Monday, hour 0..23, holiday?) of the step that starts at `at`."""
        local = self.local(at)
        return local.weekday(), local.hour, self.holiday(local.date())

    def holiday(self, day: dt.date) -> bool:
        """Whether volumes may be unusual on this day."""
        return day in self.extra or any(day in public_holidays(country, day.year) for country in self.countries)
