"""Told: what machines said in English, said again in the language of who reads it; see `monitor.sayings`."""

from __future__ import annotations

import re
from functools import lru_cache

from monitor.i18n import Translator
from monitor.sayings import SAID

_HOLE = re.compile(r"\{(\w+)\}")
_MOST = 4000  # signs of a line, beyond which it stays as it is


def told(t: Translator, text: str) -> str:
    """The text, each of its lines in the reader's language where the sentence is known; else as it was said."""
    if not text or not _patterns(t.language):
        return text
    return "\n".join(_line(t.language, line) for line in text.split("\n"))


@lru_cache(maxsize=4096)
def _line(language: str, line: str, depth: int = 4) -> str:
    if len(line) > _MOST or depth < 0:
        return line
    rank, found = _known(language, line)
    place, colon, rest = line.partition(": ")  # "monitor.toml: brands.cafe: ...": what names the place stays
    swallowed = found and found.lastindex and found.start(1) == 0 and ": " in found[1]  # by its first hole
    if found is None or (swallowed and _known(language, rest)[0] < rank):
        return place + colon + _line(language, rest, depth) if colon else line
    values = {name: _line(language, value, depth - 1) for name, value in found.groupdict().items()}
    return _patterns(language)[rank][1].format_map(values)


def _known(language: str, line: str) -> tuple[int, re.Match[str] | None]:
    """(number of the first pattern that this is, match); (how many there are, None) where it is none."""
    patterns = _patterns(language)
    for rank, (pattern, _) in enumerate(patterns):
        if found := pattern.fullmatch(line):
            return rank, found
    return len(patterns), None


@lru_cache(maxsize=8)
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Sayings of the catalogue as patterns, those with most words of their own first; none where it says the same."""
    from monitor.i18n import SOURCE_LANGUAGE, translator

    if language == SOURCE_LANGUAGE:
        return ()
    messages = translator(language).messages
    known = [(message, forms[0]) for (context, message), forms in messages.items() if context == SAID]
    known.sort(key=lambda entry: -len(_HOLE.sub("", entry[0])))
    return tuple((re.compile(_expression(message)), translation) for message, translation in known)


def _expression(message: str) -> str:
    parts = _HOLE.split(message)  # words, a name, words, ...
    return "".join(
        f"(?P<{part}>.*?)" if at % 2 else re.escape(part.replace("{{", "{").replace("}}", "}"))
        for at, part in enumerate(parts)
    )
