"""Help speaks the language of who asks, whole."""

from __future__ import annotations

import re
from typing import Any

import typer.main

from monitor.cli import app, helping
from monitor.helps import HELP, helps
from monitor.i18n import PACKAGE, translator


def command_in(language: str) -> Any:
    command = typer.main.get_command(app)
    helping.speak(command, translator(language))
    return command


def help_of(command: Any, *path: str) -> str:
    context = command.make_context("monitor", ["--config"], resilient_parsing=True)
    for name in path:
        command = command.commands[name]
        context = command.context_class(command, info_name=name, parent=context)
    return str(command.get_help(context))


def test_the_catalogue_asks_for_every_text_that_a_command_shows() -> None:
    """What is found where it is written is what is shown: no command, no option can be forgotten."""
    written = {saying.text for saying in helps(PACKAGE / "cli")}
    assert set(helping.texts(typer.main.get_command(app))) <= written
    messages = translator("ru").messages
    assert {text for text in written if (HELP, text) not in messages} == set()


def test_russian_help_holds_no_english_sentence() -> None:
    command = command_in("ru")
    shown = "\n".join(help_of(command, *path) for path in ((), ("report",), ("rule", "test"), ("source",)))
    assert shown.startswith("Использование: monitor")
    assert re.findall(r"(?:\b[a-z]+\b ){3}[a-z]+", shown) == []
    assert "Параметры:" in shown


def test_defaults_and_what_must_be_given_are_said() -> None:
    shown = help_of(command_in("ru"), "import")
    assert "[обязательно]" in shown
    assert "[по умолчанию: no-dry-run]" in shown
    assert "[required]" in help_of(typer.main.get_command(app), "import")
