"""What machines said in English is said again in Russian: whole, in parts, or left as it was; nothing is made up."""

from __future__ import annotations

import pytest

from monitor.cli import common
from monitor.errors import ConfigError
from monitor.i18n import messages_in_code, spoken, translator
from monitor.sayings import SAID
from monitor.told import told

SAYINGS = [
    ("a.csv: no such file", "a.csv: такого файла нет"),
    ("monitor.toml: brands.cafe.alias: unknown key; did you mean 'aliases'? allowed: name, aliases",
     "monitor.toml: brands.cafe.alias: неизвестный ключ; может быть, 'aliases'? допустимо: name, aliases"),
    ("a.doc: the format is told by the name; allowed: .csv, .tsv, .jsonl, .xlsx, .parquet (and .gz)",
     "a.doc: формат узнаётся по имени; допустимо: .csv, .tsv, .jsonl, .xlsx, .parquet (и .gz)"),
    ("row 8: no text", "строка 8: нет текста"),
    ("--brand 'x' is unknown; allowed: cafe", "--brand 'x' неизвестен; допустимо: cafe"),
    ("given up after 10 tries; the last said: Slack chat.postMessage: is_archived (the channel is archived)",
     "отправка прекращена после попыток: 10; последний ответ: Slack chat.postMessage: is_archived (канал в архиве)"),
    ("robots.txt of a.ru answers 503: nothing is fetched there until it can be read",
     "robots.txt сайта a.ru отвечает 503: пока он не читается, оттуда ничего не берётся"),
    ("the site refuses to answer (HTTP 403)\nthe file is empty", "сайт отказывается отвечать (HTTP 403)\nфайл пуст"),
    ("a {brace} is unknown; allowed: {0}", "a {brace}: неизвестно; допустимо: {0}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "russian"), SAYINGS)
def test_what_is_known_is_said_in_the_readers_language(text: str, russian: str) -> None:
    assert told(translator("ru"), text) == russian
    assert told(translator("en"), text) == text


@pytest.mark.parametrize("text", ["", "SSLError: certificate verify failed", "так сказал сайт", "x" * 5000])
def test_what_nobody_knows_stays_as_it_was_said(text: str) -> None:
    assert told(translator("ru"), text) == text


def test_sentences_of_every_package_are_found_in_the_code() -> None:
    found = {str(message.id) for message in messages_in_code() if message.context == SAID}
    assert {
        "robots.txt of {a} forbids this address",
        "{a}: its certificate is not trusted ({b}); see ca_file",
        "there is no open suggestion {a}",
        "this quote is not closed",
        "no such file",
    } - found == {"{a}: its certificate is not trusted ({b}); see ca_file"}  # said of any place, so without it
    assert "its certificate is not trusted ({a}); see ca_file" in found


def test_the_command_line_speaks_the_language_of_the_shell_until_a_configuration_names_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(common, "_language", [])
    monkeypatch.delenv("MONITOR_LANGUAGE", raising=False)
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert spoken() == "ru"
    assert common.fail(ConfigError("a.csv: no such file")) == 2
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    common.fail(ConfigError("a.csv: no such file"))
    common._language.append("ru")
    common.fail(ConfigError("a.csv: no such file"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["monitor: a.csv: такого файла нет", "monitor: a.csv: no such file",
                     "monitor: a.csv: такого файла нет"]  # fmt: skip
