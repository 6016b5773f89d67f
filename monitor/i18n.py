"""Languages of everything people read: catalogues, plural forms, numbers and dates.

Catalogues are the `.po` files under `monitor/locale/<language>/LC_MESSAGES/`, read at run time: no compile step.
A third language is one more folder. `python -m monitor.i18n` lists what is missing; with `update` it writes new
messages, empty, into the catalogues of every language.
"""

from __future__ import annotations

import gettext as stdlib_gettext
import os
import string
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from babel.numbers import NumberPattern, parse_pattern

from monitor.helps import HELP, helps
from monitor.sayings import SAID, sayings

PACKAGE = Path(__file__).resolve().parent
CATALOGUES = PACKAGE / "locale"
SOURCE_LANGUAGE = "en"
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
MINUS = "−"
_TERRITORIES = {"en": "en_GB"}  # day before month, 24 hours; "en-US" may be asked for


class UnknownLanguage(ValueError):
    """No catalogue for the language asked for; the message names those there are."""


def languages() -> list[str]:
    """Languages with a catalogue, the source language first."""
    found = {folder.parent.name for folder in CATALOGUES.glob("*/LC_MESSAGES") if any(folder.glob("*.po"))}
    return sorted(found, key=lambda name: (name != SOURCE_LANGUAGE, name))


def spoken() -> str:
    """The language of who started the process, where there is a catalogue: MONITOR_LANGUAGE, else that of the shell."""
    known = languages()
    for variable in ("MONITOR_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            name = value.replace("_", "-").split("-")[0].split(".")[0].lower()
            return name if name in known else SOURCE_LANGUAGE
    return SOURCE_LANGUAGE


@dataclass(frozen=True, slots=True)
class Translator:
    """Words, numbers and dates of one language.

    Messages take values by name: `gettext("{n} of {total}", n=3, total=9)`. A message that is missing in the
    catalogue comes out in English, never as an error.
    """

    language: str
    locale: Locale
    messages: dict[tuple[str | None, str], tuple[str, ...]]
    plural: Callable[[int], int]

    def gettext(self, message: str, /, **values: object) -> str:
        """The message in this language."""
        found = self.messages.get((None, message))
        return _fill(found[0] if found else message, values)

    def pgettext(self, context: str, message: str, /, **values: object) -> str:
        """The message as it reads in `context` (a case form, a unit)."""
        found = self.messages.get((context, message))
        return _fill(found[0] if found else message, values)

    def ngettext(self, one: str, many: str, n: int, /, **values: object) -> str:
        """The plural form for `n`; `{n}` in the message is `n`, written as this language writes numbers."""
        found = self.messages.get((None, one))
        form = found[self.plural(abs(n))] if found else (one if n == 1 else many)
        return _fill(form, {"n": self.number(n), **values})

    def number(self, value: float, digits: int = 0) -> str:
        """A number with at most `digits` decimals, grouped, with a real minus sign."""
        return _decimal(_no_negative_zero(value, digits), "#,##0" + ("." + "#" * digits if digits else ""), self.locale)

    def fixed(self, value: float, digits: int) -> str:
        """A number with exactly `digits` decimals."""
        return _decimal(_no_negative_zero(value, digits), "#,##0" + ("." + "0" * digits if digits else ""), self.locale)

    def signed(self, value: float, digits: int = 0) -> str:
        """A difference: +19, −4, 0."""
        text = self.number(value, digits)
        return f"+{text}" if _no_negative_zero(value, digits) > 0 else text

    def percent(self, share: float, digits: int = 0) -> str:
        """A share 0..1 as per cent."""
        pattern = str(self.locale.percent_formats[None].pattern)
        if digits:
            pattern = pattern.replace("#,##0", "#,##0." + "0" * digits)
        return _decimal(_no_negative_zero(share, digits + 2), pattern, self.locale)

    def day(self, day: date, style: str = "long") -> str:
        """A day: style short, medium, long, full, or a pattern of the Unicode date field symbols."""
        return format_date(day, style, locale=self.locale)

    def moment(self, at: datetime, zone: tzinfo, style: str = "medium") -> str:
        """A moment in the zone of the reader."""
        return format_datetime(at.astimezone(zone), style, locale=self.locale)

    def day_range(self, first: date, last: date) -> str:
        """16–22 November 2026, with month and year said once where they are shared."""
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}–{self.day(last, self._day_pattern(year=True))}"
        start = self.day(first, self._day_pattern(year=first.year != last.year))
        return f"{start} – {self.day(last, self._day_pattern(year=True))}"

    def weekday(self, day: date) -> str:
        """The short name of the weekday, as a column head."""
        return str(self.locale.days["stand-alone"]["abbreviated"][day.weekday()])

    def listing(self, parts: Iterable[str]) -> str:
        """a, b and c."""
        return format_list(list(parts), locale=self.locale)

    def _day_pattern(self, *, year: bool) -> str:
        return "d MMMM y" if year else "d MMMM"


@lru_cache(maxsize=32)
def translator(language: str) -> Translator:
    """The translator of a language such as "ru" or "ru-RU"; raises UnknownLanguage where there is no catalogue."""
    known = languages()
    name = language.replace("_", "-").split("-")[0].lower()
    if name not in known:
        raise UnknownLanguage(f"language {language!r} has no catalogue; there are: {', '.join(known)}")
    messages: dict[tuple[str | None, str], tuple[str, ...]] = {}
    plural_expression = "(n != 1)"
    for path in sorted((CATALOGUES / name / "LC_MESSAGES").glob("*.po")):
        catalogue = read_catalogue(path)
        plural_expression = catalogue.plural_expr
        for message in catalogue:
            forms = _forms(message.string)
            if message.id and all(forms) and not message.fuzzy:
                messages[message.context, _key(message.id)] = forms
    try:
        territory = _TERRITORIES.get(language, language)
        locale = Locale.parse(territory.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale.parse(name)
    return Translator(name, locale, messages, stdlib_gettext.c2py(plural_expression))


def read_catalogue(path: Path) -> Catalog:
    """One `.po` file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def messages_in_code(package: Path = PACKAGE) -> Catalog:
    """Every message of the code and the templates of the application."""
    catalogue = Catalog()
    methods = [("**.py", "python"), ("**/templates/**", "jinja2.ext.babel_extract")]
    for path, line, message, _comments, context in extract_from_dir(
        package, methods, keywords=KEYWORDS, options_map={"**/templates/**": {"silent": "false"}}
    ):
        if message:
            catalogue.add(message, locations=[(path, line)], context=context)
    if package == PACKAGE:
        for saying in sayings(PACKAGE.parent):
            catalogue.add(saying.text, locations=[(saying.file, saying.line)], context=SAID)
        for text in helps(PACKAGE / "cli"):
            catalogue.add(text.text, locations=[(text.file, text.line)], context=HELP)
    return catalogue


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one message of one catalogue."""

    language: str
    message: str
    reason: str

    def __str__(self) -> str:
        return f"{self.language}: {self.reason}: {self.message!r}"


def flaws(package: Path = PACKAGE) -> Iterator[Flaw]:
    """Messages of the code that a catalogue lacks, leaves empty or fuzzy, or fills with other placeholders."""
    wanted = messages_in_code(package)
    for language in languages():
        known: dict[tuple[str | None, str], Any] = {}
        for path in sorted((CATALOGUES / language / "LC_MESSAGES").glob("*.po")):
            for message in read_catalogue(path):
                if message.id:
                    known[message.context, _key(message.id)] = message
        for message in wanted:
            if not message.id:
                continue
            key = _key(message.id)
            found = known.get((message.context, key))
            if found is None:
                yield Flaw(language, key, "missing")
                continue
            forms = _forms(found.string)
            if not all(forms):
                yield Flaw(language, key, "not translated")
            elif found.fuzzy:
                yield Flaw(language, key, "fuzzy")
            else:
                allowed = set[str]().union(*(_placeholders(source) for source in _forms(message.id)))
                for form in forms:
                    needless = _placeholders(form) ^ allowed
                    if needless - {"n"} or (needless and not isinstance(message.id, (tuple, list))):
                        yield Flaw(language, key, f"placeholders differ: {', '.join(sorted(needless))}")
                        break


def update_catalogues(package: Path = PACKAGE, *, domain: str = "monitor") -> int:
    """Write messages no catalogue of a language knows into its `<domain>.po`; how many were written."""
    wanted = messages_in_code(package)
    n_new = 0
    for language in languages():
        folder = CATALOGUES / language / "LC_MESSAGES"
        known = {
            (message.context, _key(message.id))
            for path in sorted(folder.glob("*.po"))
            for message in read_catalogue(path)
            if message.id
        }
        for name in (domain, SAID, HELP):
            path = folder / f"{name}.po"
            catalogue = read_catalogue(path) if path.exists() else Catalog(locale=language)
            for message in wanted:
                new = message.id and (message.context, _key(message.id)) not in known
                if new and name == (message.context if message.context in {SAID, HELP} else domain):
                    same = message.id if language == SOURCE_LANGUAGE else None
                    catalogue.add(message.id, same, context=message.context)
                    n_new += 1
            with path.open("wb") as file:
                write_po(file, catalogue, width=110, no_location=True, omit_header=False, sort_output=True)
    return n_new


def _key(message_id: Any) -> str:
    return str(message_id[0] if isinstance(message_id, (tuple, list)) else message_id)


def _forms(text: Any) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, (tuple, list)) else (text,)


def _placeholders(message: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(message) if name is not None}


def _fill(message: str, values: dict[str, Any]) -> str:
    return message.format_map(values) if values else message


def _no_negative_zero(value: float, digits: int) -> float:
    rounded = round(value, digits)
    return 0.0 if rounded == 0 else value


@lru_cache(maxsize=16_384)
def _decimal(value: float, pattern: str, locale: Locale) -> str:
    """A page shows hundreds of numbers, and the next page mostly the same ones."""
    return _parsed(pattern).apply(value, locale).replace("-", MINUS)


@lru_cache
def _parsed(pattern: str) -> NumberPattern:
    return parse_pattern(pattern)


if __name__ == "__main__":
    if sys.argv[1:] == ["update"]:
        print(f"{update_catalogues()} new messages")
    elif not sys.argv[1:]:
        found_flaws = list(flaws())
        print("\n".join(str(flaw) for flaw in found_flaws) or "all catalogues are complete")
        sys.exit(1 if found_flaws else 0)
    else:
        print("usage: python -m monitor.i18n [update]", file=sys.stderr)
        sys.exit(2)
