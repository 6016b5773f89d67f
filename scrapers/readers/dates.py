"""Any time a site writes to aware UTC, with what is really known of it.

    read(value, now=None, languages=(), zone="UTC", day_first=None) -> When
        epoch (s, ms, us; number or digits), ISO 8601, RFC 822, "15.02.2026 14:05", words in 200 locales, "2 дня назад"
    When.at (aware UTC or None), .precision, .raw;  When.fields() -> keyword arguments of an Item
    iso(value) -> datetime | None     machine fields only: epoch, ISO, RFC 822; for edited_at and reply times

`now` is the time the page was fetched (`page.fetched_at`): without it relative words stay unread. `languages` are
those of the page ("ru", "en"): always pass them when known, guessing is slow and unsure. A bare date is midnight UTC of
that day with precision "day".
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scrapers.item import Precision
from scrapers.readers.text import line

FIRST_YEAR, LAST_YEAR = 1971, 2100  # outside: another calendar or junk; the raw value stays


class WhenFields(TypedDict):
    published_at: datetime | None
    published_precision: Precision | None
    published_raw: str | None


@dataclass(frozen=True, slots=True)
class When:
    at: datetime | None = None
    precision: Precision | None = None
    raw: str | None = None

    def fields(self) -> WhenFields:
        return {"published_at": self.at, "published_precision": self.precision, "published_raw": self.raw}


NEVER = When()

_ISO = re.compile(
    r"^([+-]?\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?"
    r"(?:[T\s]+(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$",
    re.IGNORECASE,
)
_DECIMAL_EPOCH = re.compile(r"^\d{9,10}\.\d{1,9}$")
_NUMERIC = re.compile(
    r"^(\d{1,2})\s?([./-])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})\s?г?\.?(?:[,\s]+(?:в\s+|at\s+|um\s+|à\s+)?(\d{1,2})[:.](\d{2})(?::(\d{2}))?)?$"
)
_YEAR_FIRST = re.compile(r"^(\d{4})([/.])(\d{1,2})\2(\d{1,2})(?:[,T\s]+(\d{1,2}:\d{2}(?::\d{2})?))?$")
_CLOCK = re.compile(r"\d{1,2}[:.]\d{2}(?:[:.](\d{2}))?|\d\s*[ap]\.?m\b", re.IGNORECASE)
_WEEKDAY_BEFORE = re.compile(r"^[^\W\d]+,\s+(?=\d)")


def read(
    value: object,
    now: datetime | None = None,
    *,
    languages: tuple[str, ...] | list[str] = (),
    zone: str | tzinfo = UTC,
    day_first: bool | None = None,
) -> When:
    """The time in `value`. `zone` is the site's for times without one. Unreadable: `at` is None, `raw` is kept."""
    if value is None or isinstance(value, bool):
        return NEVER
    if isinstance(value, datetime):
        return When(_utc(value, zone_of(zone)), "second", value.isoformat())
    if isinstance(value, (int, float)):
        at = from_epoch(value)
        return When(at, "second" if at else None, str(value))
    if not isinstance(value, str):
        return NEVER
    raw = line(value)[:100]
    if not raw:
        return NEVER
    tz = zone_of(zone)
    found = (
        _machine(raw, tz) or _numeric(raw, tz, day_first, tuple(languages)) or _words(raw, now, tuple(languages), tz)
    )
    return When(found[0], found[1], raw) if found else When(raw=raw)


def iso(value: object, zone: str | tzinfo = UTC) -> datetime | None:
    """A machine time; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return from_epoch(value)
    if isinstance(value, datetime):
        return _utc(value, zone_of(zone))
    found = _machine(line(value)[:100], zone_of(zone)) if isinstance(value, str) else None
    return found[0] if found else None


def from_epoch(value: float) -> datetime | None:
    """Seconds, milli-, micro- or nanoseconds since 1970 by size. None outside 1971..2100; zero means "not set"."""
    if value != value:
        return None
    for divisor in (1, 1e3, 1e6, 1e9):
        seconds = value / divisor
        if 31_536_000 <= seconds < 4_133_980_800:
            at = datetime.fromtimestamp(int(seconds), UTC)
            return at.replace(microsecond=min(999_999, round((seconds - int(seconds)) * 1e6)))
    return None


def zone_of(zone: str | tzinfo) -> tzinfo:
    """A tzinfo; names that do not exist are UTC."""
    if not isinstance(zone, str):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _machine(raw: str, tz: tzinfo) -> tuple[datetime, Precision] | None:
    if raw.isascii() and raw.isdigit() and 9 <= len(raw) <= 19:
        at = from_epoch(int(raw))
        return (at, "second") if at else None
    if _DECIMAL_EPOCH.match(raw):
        at = from_epoch(float(raw))
        return (at, "second") if at else None
    slashed = _YEAR_FIRST.match(raw)
    if slashed is not None:
        year, _, month, day, clock = slashed.groups()
        raw = f"{year}-{month:0>2}-{day:0>2}" + (f" {clock}" if clock else "")
    found = _ISO.match(raw)
    if found is not None:
        return _from_iso(found, tz)
    if re.match(r"^(?:[A-Za-z]{3,9},?\s+)?\d{1,2}[\s-][A-Za-z]{3,9}\.?[\s-]\d{2,4}\s+\d{1,2}:\d{2}", raw):
        try:
            at = parsedate_to_datetime(_WEEKDAY_BEFORE.sub("", raw).replace("Sept ", "Sep "))
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return _kept(_utc(at, tz), "second")
    return None


def _from_iso(found: re.Match[str], tz: tzinfo) -> tuple[datetime, Precision] | None:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if hour is None and "-" not in found.group(0)[1:] and len(found.group(0)) != 8:
        return None  # "2026" or "202602" alone is a number, not a date
    if day is None and hour is not None:
        return None
    try:
        if hour is None:
            at = datetime(int(year), int(month), int(day or 1), tzinfo=UTC)
            return _kept(at, "day" if day else "month")
        micro = int((fraction or "0").ljust(9, "0")[:9]) // 1000
        extra = timedelta(days=1) if hour == "24" else timedelta()
        clock = (0 if extra else int(hour), int(minute), min(59, int(second or 0)), micro)
        at = datetime(int(year), int(month), int(day), *clock, tzinfo=_offset(offset) or tz) + extra
        return _kept(_utc(at, tz), "second" if second else "minute")
    except (ValueError, OverflowError):
        return None


def _offset(raw: str | None) -> tzinfo | None:
    if raw is None:
        return None
    if raw.upper() in ("Z", "UTC", "GMT"):
        return UTC
    digits = raw[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 15 or minutes > 59:
        return UTC
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if raw[0] == "-" else delta)


def _numeric(
    raw: str, tz: tzinfo, day_first: bool | None, languages: tuple[str, ...]
) -> tuple[datetime, Precision] | None:
    found = _NUMERIC.match(raw)
    if found is None:
        return None
    a, mark, b, year, hour, minute, second = found.groups()
    one, two = int(a), int(b)
    if day_first is None:
        day_first = mark == "." or one > 12 or (two <= 12 and bool(languages) and languages[0] != "en")
        if mark == "/" and not languages and one <= 12 and two <= 12 and one != two:
            return None  # 03/04/2026 with nothing known about the site: do not guess
    if one > 12 >= two:
        day_first = True
    elif two > 12 >= one:
        day_first = False
    day, month = (one, two) if day_first else (two, one)
    full = int(year) if len(year) == 4 else 2000 + int(year) if int(year) < 70 else 1900 + int(year)
    try:
        if hour is None:
            return _kept(datetime(full, month, day, tzinfo=UTC), "day")
        at = datetime(full, month, day, int(hour), int(minute), int(second or 0), tzinfo=tz)
    except ValueError:
        return None
    return _kept(_utc(at, tz), "second" if second else "minute")


def _words(raw: str, now: datetime | None, languages: tuple[str, ...], tz: tzinfo) -> tuple[datetime, Precision] | None:
    if len(raw) > 60 or not any(one.isalpha() for one in raw):
        return None
    base = now.astimezone(tz).replace(tzinfo=None, second=0, microsecond=0) if now is not None else None
    at, period, relative = _dateparser(_prepared(raw), base, languages)
    if at is None:
        return None
    clock = _CLOCK.search(raw)
    if relative:
        if period == "time" and not clock:
            # "5 minutes ago", "2 hours ago": as exact as the words
            return _kept(_utc(at.replace(tzinfo=tz), tz), "relative")
        if not clock:
            whole = {"day": "relative", "week": "relative", "month": "relative", "year": "relative"}.get(
                period, "relative"
            )
            today = _NAMED_DAY.search(raw.lower()) is not None
            return _kept(datetime(at.year, at.month, at.day, tzinfo=UTC), "day" if today else whole)  # type: ignore[arg-type]
    if clock:
        return _kept(_utc(at.replace(tzinfo=tz), tz), "second" if clock.group(1) else "minute")
    precision: Precision = "month" if period == "month" else "year" if period == "year" else "day"
    return _kept(datetime(at.year, at.month, at.day, tzinfo=UTC), precision)


_NAMED_DAY = re.compile(
    r"сегодня|вчера|позавчера|сьогодні|учора|today|yesterday|heute|gestern|aujourd|hier|hoy|ayer|oggi|ieri|hoje|ontem|dziś|wczoraj|今日|昨日|今天|昨天|오늘|어제|bugün|dün"
)
_NOISE = re.compile(
    r"\b(?:опубликован\w*|добавлен\w*|написан\w*|изменен\w*|отредактирован\w*|posted|reviewed|published|written|edited|updated|about|almost|over)\b:?"
    r"|(?<=\d)\s*г\.?(?=\s|,|$)|\bгода\b|[·•|]",
    re.IGNORECASE,
)


def _prepared(raw: str) -> str:
    return " ".join(_NOISE.sub(" ", raw).split()).strip(" ,;:-–—")


@lru_cache(maxsize=20_000)
def _dateparser(raw: str, base: datetime | None, languages: tuple[str, ...]) -> tuple[datetime | None, str, bool]:
    """(local time, period, is relative). Relative words first; they need a base."""
    if base is not None:
        found = _parse(raw, base, languages, "relative-time")
        if found is not None:
            return found[0], found[1], True
    found = _parse(raw, base or datetime(2000, 1, 1), languages, "absolute-time")  # noqa: DTZ001
    if found is None or (base is None and not re.search(r"\d{4}|\d{2}\D*$", raw)):
        return None, "", False
    return found[0], found[1], False


def _parse(raw: str, base: datetime, languages: tuple[str, ...], parser: str) -> tuple[datetime, str] | None:
    reader = _reader(languages, parser)
    reader._settings = reader._settings.replace(RELATIVE_BASE=base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, about formats without a year
        try:
            found = reader.get_date_data(raw)
        except (ValueError, OverflowError, TypeError, KeyError, IndexError, RecursionError):
            return None
    if found.date_obj is None:
        return None
    return found.date_obj.replace(tzinfo=None), str(found.period)


@lru_cache(maxsize=200)
def _reader(languages: tuple[str, ...], parser: str) -> Any:
    from dateparser.date import DateDataParser  # half a second to import: only when words are met

    settings = {
        "PARSERS": [parser],
        "PREFER_DATES_FROM": "past",
        "PREFER_DAY_OF_MONTH": "first" if parser == "absolute-time" else "current",
        "RETURN_TIME_AS_PERIOD": True,
        "REQUIRE_PARTS": ["month"] if parser == "absolute-time" else [],
        "DATE_ORDER": "MDY" if languages[:1] == ("en",) else "DMY",
        "CACHE_SIZE_LIMIT": 1000,
    }
    known = [one for one in languages if one in _known_languages()]
    return DateDataParser(languages=known or None, settings=settings)


@lru_cache(maxsize=1)
def _known_languages() -> frozenset[str]:
    from dateparser.data.languages_info import language_order

    return frozenset(language_order)


def _utc(at: datetime, tz: tzinfo) -> datetime:
    return (at if at.tzinfo is not None else at.replace(tzinfo=tz)).astimezone(UTC)


def _kept(at: datetime, precision: Precision) -> tuple[datetime, Precision] | None:
    return (at, precision) if FIRST_YEAR <= at.year <= LAST_YEAR else None
