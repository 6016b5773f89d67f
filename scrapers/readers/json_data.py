"""JSON of strangers: caps on size and depth, and look-ups that never raise.

loads(page_or_bytes) -> value | None      None when it is not JSON; XSSI prefixes such as )]}' are skipped
salvage(page_or_text) -> value | None     the same of a document that was cut off
dig(value, "a", 0, "b", default=None)     nested look-up over dicts and lists
items(value) -> list                      a list as it is; a dict as one entry; None and others as []
dicts(value) -> list[dict]                only the dicts of `items`
integer(value) -> int | None              whole numbers, also as strings; bools are not numbers
walk(value, key) -> iterator              every value under `key` at any depth, in document order, iteratively
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from scrapers.base import Page
from scrapers.readers.html import decode

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 120
_PREFIX = re.compile(r"""^\s*(?:\)\]\}'?,?|for\s*\(;;\);|while\s*\(1\);|throw 1;\s*<[^>]*>)\s*""")


def loads(source: Page | bytes | str) -> Any:
    """The value, or None for anything that is not JSON within the caps (JSON `null` is None too)."""
    content = source if isinstance(source, str) else decode(source)
    if len(content) > MAX_BYTES:
        return None
    content = _PREFIX.sub("", content.lstrip("\ufeff"), count=1)
    try:
        value = json.loads(content, parse_constant=lambda _: None, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if depth(value) <= MAX_DEPTH else None


def salvage(source: Page | bytes | str) -> Any:
    """The value of a document that was cut off: what was open is closed. None when that does not help."""
    content = (source if isinstance(source, str) else decode(source)).rstrip()
    if len(content) > 2 * 1024 * 1024:
        return None
    closers: list[str] = []
    in_string = escaped = False
    for one in content:
        if in_string:
            if escaped:
                escaped = False
            elif one == "\\":
                escaped = True
            elif one == '"':
                in_string = False
        elif one == '"':
            in_string = True
        elif one in "[{":
            closers.append("]" if one == "[" else "}")
        elif one in "]}" and (not closers or closers.pop() != one):
            return None
    if len(closers) > MAX_DEPTH:
        return None
    content = content[:-1] if escaped else content
    content = re.sub(r"\\u[0-9a-fA-F]{0,3}$", "", content) + ('"' if in_string else "")
    tail = "".join(reversed(closers))
    head, last = content[:-2000], content[-2000:]
    for end in (content, head + re.sub(r',?\s*(?:"[^"]*"\s*:?\s*)?$', "", last), content + ": null"):
        value = loads(end + tail)
        if value is not None:
            return value
    return None


def depth(value: Any) -> int:
    """Levels of nesting, counted without recursion; stops just above the cap."""
    level, current = 0, [value]
    while current and level <= MAX_DEPTH:
        deeper: list[Any] = []
        for one in current:
            if isinstance(one, dict):
                deeper.extend(v for v in one.values() if isinstance(v, (dict, list)))
            elif isinstance(one, list):
                deeper.extend(v for v in one if isinstance(v, (dict, list)))
        current, level = deeper, level + 1
    return level


def dig(value: Any, *path: str | int, default: Any = None) -> Any:
    """`dig(data, "a", 0, "b")` is `data["a"][0]["b"]`, or `default` where any step is missing."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return default
    return default if value is None else value


def items(value: Any) -> list[Any]:
    """A list; one dict counts as a list of one (a habit of feeds turned into JSON)."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in items(value) if isinstance(one, dict)]


def integer(value: Any) -> int | None:
    """A whole number, from a number or its string; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value == value and abs(value) < 2**63 else None
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
        return int(value)
    return None


def walk(value: Any, key: str) -> Iterator[Any]:
    """Every value stored under `key`, at any depth, in document order."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if key in one:
                yield one[key]
            stack.extend(v for v in reversed(one.values()) if isinstance(v, (dict, list)))
        elif isinstance(one, list):
            stack.extend(v for v in reversed(one) if isinstance(v, (dict, list)))
