"""The pages as HTML: one Jinja environment that escapes everything, and how numbers and times are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from babel.dates import format_timedelta
from babel.units import format_unit
from fastapi import Request
from fastapi.responses import HTMLResponse

from monitor import __version__
from monitor.i18n import Translator, languages
from monitor.metrics.metric import Interval, Metric
from monitor.web import words
from monitor.web.figures import Change
from monitor.web.visitor import Visitor

HERE = Path(__file__).parent
LANGUAGE_NAMES = {"en": "English", "ru": "Русский"}


class Format:
    """Numbers, times and intervals in the words of one visitor."""

    def __init__(self, visitor: Visitor, now: datetime) -> None:
        self.t: Translator = visitor.translator
        self.zone = visitor.zone
        self.now = now

    def number(self, value: float, digits: int = 0) -> str:
        return self.t.number(value, digits)

    def percent(self, value: float, digits: int = 0) -> str:
        return self.t.percent(value, digits)

    def metric(self, metric: Metric) -> str:
        """The value alone; a dash where there are too few mentions for one."""
        if metric.value is None:
            return "–"
        return self._value(metric.value, metric.unit)

    def interval(self, metric: Metric) -> str:
        if metric.interval is None:
            return self.t.gettext("too few: n = {n}", n=self.t.number(metric.n))
        low, high = (self._value(end, metric.unit) for end in (metric.interval.low, metric.interval.high))
        return self.t.gettext("{low} to {high}", low=low, high=high)

    def change(self, change: Change | None, unit: str = "mentions") -> str:
        if change is None:
            return ""
        if unit == "share":
            return self.t.gettext("{n} pp", n=self.t.signed(change.value * 100, 1))
        return self.t.signed(change.value, {"points": 0, "stars": 2}.get(unit, 0))

    def change_interval(self, change: Change, unit: str = "mentions") -> str:
        def one(value: float) -> str:
            if unit == "share":
                return self.t.signed(value * 100, 1)
            return self.t.signed(value, 2 if unit == "stars" else 0)

        return self._between(change.interval, one)

    def _between(self, interval: Interval, one: Any) -> str:
        return self.t.gettext("{low} to {high}", low=one(interval.low), high=one(interval.high))

    def _value(self, value: float, unit: str) -> str:
        if unit == "share":
            return self.t.percent(value, 0 if value >= 0.1 or value == 0 else 1)
        if unit == "stars":
            return self.t.fixed(value, 2)
        if unit == "points":
            return self.t.signed(value, 0)
        return self.t.number(value)

    def moment(self, at: datetime | None, style: str = "d MMM y, HH:mm") -> str:
        return self.t.moment(at, self.zone, style) if at is not None else "–"

    def day(self, day: date, style: str = "d MMM y") -> str:
        return self.t.day(day, style)

    def days(self, first: date, last: date) -> str:
        return self.t.day(first) if first == last else self.t.day_range(first, last)

    def period(self, key: str) -> str:
        """A month ("2026-10") or a week ("2026-W43", by its Monday) as the head of a column."""
        year, _, part = key.partition("-")
        if part.startswith("W"):
            return self.t.day(date.fromisocalendar(int(year), int(part[1:]), 1), "d MMM")
        return self.t.day(date(int(year), int(part), 1), "LLL y")

    def ago(self, at: datetime | None) -> str:
        """ "3 hours ago", "in 5 minutes"."""
        if at is None:
            return "–"
        if abs(at - self.now) < timedelta(seconds=1):
            return self.t.gettext("just now")
        return format_timedelta(at - self.now, add_direction=True, locale=self.t.locale, threshold=0.95)

    def duration(self, span: timedelta) -> str:
        days = round(span / timedelta(days=1))
        if 7 < days < 60:  # "a week" for eight days would be another truth than the sentence beside it
            return format_unit(days, "duration-day", locale=self.t.locale)
        return format_timedelta(span, locale=self.t.locale, threshold=0.95)

    def iso(self, at: datetime) -> str:
        return at.astimezone(UTC).isoformat(timespec="seconds")


def link(url: str | None) -> str | None:
    """An address of a stranger that may become a link: http and https only."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.netloc else None


def host_of(url: str) -> str:
    return urlsplit(url).netloc.removeprefix("www.")


def render(
    request: Request,
    visitor: Visitor,
    template: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A template with everything every page needs."""
    t = visitor.translator
    body = _environment().get_template(template).render(
        _=t.gettext,
        gettext=t.gettext,
        ngettext=t.ngettext,
        pgettext=t.pgettext,
        t=t,
        fmt=Format(visitor, request.app.state.context.now),
        visitor=visitor,
        words=words,
        path=request.url.path,
        languages=[(code, LANGUAGE_NAMES.get(code, code)) for code in languages()],
        version=__version__,
        **values,
    )  # fmt: skip
    return HTMLResponse(body, status_code=status, headers=headers)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["link"] = link
    environment.filters["host"] = host_of
    environment.globals["heat"] = heat
    return environment


def heat(net: float | None) -> str:
    """The class of a heat cell by net sentiment: seven steps from -100 to 100."""
    if net is None:
        return "h-none"
    step = min(6, max(0, int((net + 100) / 200 * 7)))
    return f"h-{step}"
