"""Says numbers, dates and sentences in the reader's language and time zone, from `.po` catalogues read at run time."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from alerts.errors import BadRule

LOCALE_DIRECTORY = Path(__file__).parent / "locale"
_LOCALES = {"en": Locale("en", "GB"), "ru": Locale("ru")}  # GB: day before month, 24 hours


def languages() -> list[str]:
    """Languages messages can be written in."""
    return sorted(_LOCALES)


@cache
def catalogue(language: str) -> Translations:
    """The catalogue of a language. Raises BadRule where there is none."""
    path = LOCALE_DIRECTORY / language / "LC_MESSAGES" / "alerts.po"
    if language not in _LOCALES or not path.is_file():
        raise BadRule(f"language={language!r}; allowed is {', '.join(languages())}")
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled, domain="alerts")


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises BadRule where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRule(f"time_zone={name!r}; allowed is an IANA name such as Europe/Moscow or UTC") from None


class Words:
    """Sentences, numbers and times for one reader."""

    def __init__(self, language: str, time_zone: str = "UTC") -> None:
        self.language = language
        self.locale = _LOCALES.get(language, _LOCALES["en"])
        self.catalogue = catalogue(language)
        self.zone = zone(time_zone)

    def say(self, message: str, **values: object) -> str:
        """The sentence in the reader's language with its `%(name)s` filled."""
        return self.catalogue.ugettext(message) % values

    def many(self, one: str, several: str, n: float, **values: object) -> str:
        """A counted phrase: `n` chooses the form and is written as `%(n)s`. Fractions take the form of few."""
        exact = abs(n - round(n)) < 1e-9
        form = round(n) if exact else 2
        return self.catalogue.ungettext(one, several, form) % {"n": self.number(n), **values}

    def quoted(self, text: str) -> str:
        """In the quotation marks of the language."""
        return f"«{text}»" if self.language == "ru" else f"“{text}”"

    def number(self, value: float) -> str:
        """Whole numbers as they are, others with one digit below ten, none above, one that counts below 0.1."""
        if abs(value - round(value)) < 1e-9 or abs(value) >= 9.95:
            return str(numbers.format_decimal(round(value), locale=self.locale))
        digits = 1 if abs(value) >= 0.095 else 2
        return str(numbers.format_decimal(round(value, digits), format="0.##", locale=self.locale))

    def signed(self, value: float) -> str:
        """With its sign: +14, -3."""
        text = self.number(abs(value))
        return ("+" if value > 0 else "−" if value < 0 else "") + text

    def stars(self, value: float) -> str:
        """A mean rating: 4.2."""
        return str(numbers.format_decimal(round(value, 1), format="0.0", locale=self.locale))

    def signed_stars(self, value: float) -> str:
        """A change of a mean rating: −0.8."""
        return ("+" if value > 0 else "−" if value < 0 else "") + self.stars(abs(value))

    def percent(self, value: float) -> str:
        """A share: 31 %; with one digit below one per cent."""
        digits = "0.#" if 0 < value < 0.01 else "0"
        return str(numbers.format_percent(value, format=f"{digits}%", locale=self.locale))

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def day(self, at: datetime) -> str:
        """14 November, in the reader's time zone."""
        return str(dates.format_datetime(self.local(at), "d MMMM", locale=self.locale))

    def moment(self, at: datetime) -> str:
        """14 November, 15:00."""
        return str(dates.format_datetime(self.local(at), "d MMMM, HH:mm", locale=self.locale))

    def tick(self, at: datetime, *, hourly: bool = False) -> str:
        """As short as the axis of a chart needs: 14 Nov, or 15:00 under it."""
        pattern = "HH:mm\nd MMM" if hourly else "d MMM"
        return str(dates.format_datetime(self.local(at), pattern, locale=self.locale))

    def since(self, at: datetime) -> str:
        """The day alone where it is midnight there, else the hour with it."""
        local = self.local(at)
        return self.day(at) if (local.hour, local.minute) == (0, 0) else self.moment(at)

    def span(self, length: timedelta) -> str:
        """A duration in its largest telling unit: 3 days, 5 hours, 20 minutes."""
        minutes = max(0.0, length.total_seconds() / 60)
        if minutes >= 48 * 60 or (minutes >= 24 * 60 and minutes % (24 * 60) == 0):
            return self.many("%(n)s day", "%(n)s days", round(minutes / 60 / 24))
        if minutes >= 90:
            return self.many("%(n)s hour", "%(n)s hours", round(minutes / 60))
        return self.many("%(n)s minute", "%(n)s minutes", round(minutes))

    def times(self, ratio: float) -> str:
        """How many times: 4.4 times."""
        shown = round(ratio) if ratio >= 9.95 else round(ratio, 1)
        return self.many("%(n)s time", "%(n)s times", shown)
