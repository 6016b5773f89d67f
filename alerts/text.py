"""Keeps strangers' texts harmless and short: control and direction marks out, cuts at a word."""

from __future__ import annotations

import re
import unicodedata

# direction overrides can make an address read backwards; controls can break headers and terminals
_UNSAFE = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_JOINER = "\u200d"
_BLANKS = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r"\s*\n\s*(?:\n\s*)+")


def clean(text: str, *, lines: bool = True) -> str:
    """The text without control and direction marks and lone surrogates, blanks folded; on one line unless `lines`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _UNSAFE.sub("", text.encode("utf-8", "replace").decode("utf-8"))
    if not lines:
        return " ".join(text.split())
    return _BREAKS.sub("\n\n", _BLANKS.sub(" ", text)).strip()


def shorten(text: str, limit: int, *, mark: str = "…") -> str:
    """The text within `limit` characters, cut at a word if one is near, with a mark; joined characters stay whole."""
    if len(text) <= limit:
        return text
    if limit <= len(mark):
        return mark[: max(limit, 0)]
    cut = limit - len(mark)
    while cut > 0 and (_joins(text[cut]) or text[cut - 1] == _JOINER):
        cut -= 1
    space = max(text.rfind(" ", 0, cut + 1), text.rfind("\n", 0, cut + 1))
    if space > cut * 0.7:
        cut = space
    return text[:cut].rstrip() + mark


def _joins(char: str) -> bool:
    """Whether this character belongs to the one before: combining marks, joiners, variation selectors, skin tones."""
    return (
        unicodedata.combining(char) != 0
        or char in (_JOINER, "\ufe0e", "\ufe0f")
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def isolated(name: str | None) -> str:
    """A name between signs that keep its direction to itself, where it is written from right to left: a number after
    it stays after it."""
    if name and any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in name):
        return f"\u2068{name}\u2069"
    return name or ""
