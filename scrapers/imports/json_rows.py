"""JSON lines, JSON arrays, and JSON documents with a list of rows somewhere inside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from scrapers.errors import BadParams
from scrapers.imports.run import Progress, Raw
from scrapers.imports.tables import LONGEST_LINE, TOO_LONG, lines
from scrapers.readers import json_data

LARGEST_DOCUMENT = 256 * 1024 * 1024


def json_lines(file: BinaryIO, encoding: str, progress: Progress | None, total: int) -> Iterator[Raw]:
    """One object a line; empty lines are skipped, broken ones reported by their number."""
    for number, line in enumerate(lines(file, encoding, progress, total), 1):
        if line is TOO_LONG:
            yield Raw(number, error=f"the line is over {LONGEST_LINE // (1024 * 1024)} MB")
        elif line.strip():
            yield _line(number, line)


def _line(number: int, line: str) -> Raw:
    try:
        value = json.loads(line, strict=False)
    except (ValueError, RecursionError) as problem:
        return Raw(number, error=f"is not JSON: {problem}"[:200])
    if isinstance(value, str):
        return Raw(number, {"text": value})
    if not isinstance(value, dict):
        return Raw(number, error=f"is {type(value).__name__}, not an object")
    return Raw(number, flat(value))


def document(file: BinaryIO, encoding: str, size: int) -> tuple[list[Raw], str | None]:
    """Rows of a whole document and the key they stand under (None at the top)."""
    if size > LARGEST_DOCUMENT:
        raise BadParams(
            f"a JSON document of {size // 2**20} MB is too large to be read at once; write it as JSON lines"
        )
    file.seek(0)
    content = file.read().decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace")
    try:
        value = json.loads(content, strict=False)
    except (ValueError, RecursionError) as problem:
        raise BadParams(f"is not JSON: {problem}") from None
    if json_data.depth(value) > json_data.MAX_DEPTH:
        raise BadParams(f"is nested deeper than {json_data.MAX_DEPTH} levels")
    key, found = _rows_in(value)
    rows = []
    for number, one in enumerate(found, 1):
        if isinstance(one, dict):
            rows.append(Raw(number, flat(one)))
        elif isinstance(one, str):
            rows.append(Raw(number, {"text": one}))
        else:
            rows.append(Raw(number, error=f"is {type(one).__name__}, not an object"))
    return rows, key


def _rows_in(value: Any) -> tuple[str | None, list[Any]]:
    """A list at the top; else the longest list of objects of the document; else the one object itself."""
    if isinstance(value, list):
        return None, value
    if not isinstance(value, dict):
        return None, [value]
    best: tuple[str, list[Any]] | None = None
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, one = stack.pop()
        if not isinstance(one, dict):
            continue
        for key, inner in one.items():
            name = f"{path}.{key}" if path else key
            if isinstance(inner, list) and any(isinstance(part, dict) for part in inner):
                if best is None or len(inner) > len(best[1]):
                    best = (name, inner)
            elif isinstance(inner, dict):
                stack.append((name, inner))
    if best is not None:
        return best
    return None, [value]


def flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """Nested objects by dotted names ("author.name"), two levels deep; the outer object stays under its own name."""
    out: dict[str, Any] = {}
    for key, inner in value.items():
        out[str(key)] = inner
        if isinstance(inner, dict):
            for name, one in inner.items():
                if not isinstance(one, (dict, list)):
                    out.setdefault(f"{key}.{name}", one)
    return out
