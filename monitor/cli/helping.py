"""What `--help` says, in the language of who asks: the words of commands and options come from the catalogue "help"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from monitor.helps import HELP, unbroken
from monitor.i18n import Translator

_EXTRA = re.compile(r"(?:^|  )\[((?:default|required)\b[^\n]*)\]$")


def speak(command: Any, t: Translator) -> None:
    """A command, and all that is under it, helps in this language from now on. Heads and usage lines, too."""
    if command.help:
        command.help = _said(t, command.help)
    command.options_metavar = _said(t, "[OPTIONS]")
    command.context_class = _speaking(command.context_class, t)
    for child in getattr(command, "commands", {}).values():
        command.subcommand_metavar = _said(t, "COMMAND [ARGS]...")
        speak(child, t)


def texts(command: Any) -> Iterator[str]:
    """Every help text of a command and of all under it, as the catalogue has it."""
    for thing in (command, *command.params):
        if getattr(thing, "help", None):
            yield unbroken(thing.help)
    for child in getattr(command, "commands", {}).values():
        yield from texts(child)


def _said(t: Translator, text: str) -> str:
    return t.pgettext(HELP, unbroken(text))


def _speaking(context_class: Any, t: Translator) -> Any:
    class Formatter(context_class.formatter_class):
        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(prog, args, prefix or _said(t, "Usage") + ": ")

        def write_heading(self, heading: str) -> None:
            super().write_heading(_said(t, heading))

        def write_dl(self, rows: Sequence[tuple[str, str]], **how: Any) -> None:
            super().write_dl([(name, _described(t, text)) for name, text in rows], **how)

    return type("Context", (context_class,), {"formatter_class": Formatter})


def _described(t: Translator, text: str) -> str:
    """The help of an option with what is added to it: its default, and whether it must be given."""
    found = _EXTRA.search(text)
    if found is None:
        return _said(t, text)
    parts = []
    for part in found[1].split("; "):
        name, colon, value = part.partition(": ")
        parts.append(_said(t, name) + colon + value)
    said = text[: found.start()]
    return (f"{_said(t, said)}  " if said else "") + f"[{'; '.join(parts)}]"
