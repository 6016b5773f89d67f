"""Catalogues are complete, and numbers, dates and plurals are those of the language."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import monitor.i18n as i18n
from monitor.i18n import UnknownLanguage, flaws, languages, messages_in_code, translator


def test_every_message_of_code_and_templates_is_in_every_catalogue() -> None:
    assert [str(flaw) for flaw in flaws()] == []


def test_messages_are_found_in_code_and_in_templates() -> None:
    found = {i18n._key(message.id) for message in messages_in_code() if message.id}
    assert "In their own words" in found  # only in templates
    assert "since Thursday" in found  # only in code
    assert {"en", "ru"} <= set(languages())


def test_what_a_catalogue_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text('t.gettext("A message nobody translated")\n', encoding="utf-8")
    named = {str(flaw) for flaw in flaws(tmp_path)}
    assert "ru: missing: 'A message nobody translated'" in named


@pytest.mark.parametrize(
    ("n", "text"),
    [(1, "1 упоминание"), (2, "2 упоминания"), (5, "5 упоминаний"), (11, "11 упоминаний"), (21, "21 упоминание")],
)
def test_russian_plurals(n: int, text: str) -> None:
    assert translator("ru").ngettext("{n} mention", "{n} mentions", n) == text


def test_numbers() -> None:
    en, ru = translator("en"), translator("ru")
    assert (en.number(12345.678, 1), ru.number(12345.678, 1)) == ("12,345.7", "12\u00a0345,7")
    assert (en.signed(-4), en.signed(4), en.signed(-0.2)) == ("−4", "+4", "0")
    assert (en.percent(0.314), ru.percent(0.314, 1)) == ("31%", "31,4\u00a0%")
    assert en.fixed(4, 2) == "4.00"


def test_dates() -> None:
    en, ru = translator("en"), translator("ru")
    assert en.day_range(date(2026, 11, 9), date(2026, 11, 15)) == "9–15 November 2026"
    assert ru.day_range(date(2026, 10, 26), date(2026, 11, 1)) == "26 октября – 1 ноября 2026"
    assert en.day_range(date(2025, 12, 29), date(2026, 1, 4)) == "29 December 2025 – 4 January 2026"
    assert (
        ru.moment(datetime(2026, 11, 16, 6, tzinfo=UTC), ZoneInfo("Europe/Moscow"), "d MMMM, HH:mm")
        == "16 ноября, 09:00"
    )
    assert en.weekday(date(2026, 11, 9)) == "Mon"
    assert ru.listing(["а", "б", "в"]) == "а, б и в"


def test_territories_and_unknown_languages() -> None:
    assert translator("ru-RU").language == "ru"
    assert translator("en_US").language == "en"
    with pytest.raises(UnknownLanguage, match="en, ru"):
        translator("tlh")


def test_context_tells_words_apart() -> None:
    ru = translator("ru")
    assert (ru.pgettext("link", "open"), ru.pgettext("state", "open")) == ("открыть", "открыт")


def test_a_message_without_translation_comes_out_in_english() -> None:
    assert translator("ru").gettext("No such message {n}", n=3) == "No such message 3"
