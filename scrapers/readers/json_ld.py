"""JSON-LD of a page: the scripts that hold it, mended where they are broken, and the objects in them.

scripts(content) -> iterator of values      one a script, in document order
flat(value) -> list[Node]                   objects with a type, parents before children
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from scrapers.readers import json_data
from scrapers.readers.schema_types import REVIEW, Node, types_of

_MOST_SCRIPTS = 300
_SCRIPT_END = re.compile(r"</script", re.IGNORECASE)
_REVIEW_PROPERTIES = frozenset({"review", "reviews"})
_LONGEST_REPAIR = 2 * 1024 * 1024
_ENDS = re.compile(r"\s*(?:[,:}\]]|$)")


def scripts(content: str) -> Iterator[Any]:
    """Values of the scripts. A script ends at the first end tag, whatever is in it: no tree is needed to find them."""
    place = 0
    for _ in range(_MOST_SCRIPTS):
        place = content.find("ld+json", place) + 7
        if place < 7:
            return
        start, begin = content.rfind("<", 0, place), content.find(">", place) + 1
        if content[start : start + 7].lower() != "<script" or not begin:
            continue
        if content.rfind("<!--", 0, start) > content.rfind("-->", 0, start):
            continue  # commented out
        end = _SCRIPT_END.search(content, begin)
        place = end.start() if end else len(content)
        value = _loads(content[begin:place])
        if value is not None:
            yield value


def _loads(source: str) -> Any:
    """JSON-LD as it is found: in comments or CDATA, with semicolons, spare commas, HTML entities inside."""
    source = source.strip()
    for mark in ("//", "<![CDATA[", "<!--", "//"):
        source = source.removeprefix(mark).lstrip()
    for mark in ("-->", "]]>", "//"):
        source = source.removesuffix(mark).rstrip()
    source = source.rstrip("; \n\r\t")
    if not source:
        return None
    value = json_data.loads(source)
    if value is not None:
        return value
    several = "[" + re.sub(r"}\s*{", "},{", source) + "]"
    for repaired in (re.sub(r",(\s*[}\]])", r"\1", source), unescape(source), several, _with_quotes_escaped(source)):
        value = json_data.loads(repaired)
        if value is not None:
            return value
    return json_data.salvage(source)


def _with_quotes_escaped(source: str) -> str:
    """Quotes that nobody escaped: one that ends a text stands before a comma, a colon, a bracket or the end."""
    if len(source) > _LONGEST_REPAIR:
        return source
    out: list[str] = []
    inside = escaped = False
    for place, one in enumerate(source):
        if one == '"' and not escaped:
            if inside and not _ENDS.match(source, place + 1):
                out.append("\\")
            else:
                inside = not inside
        escaped = one == "\\" and not escaped
        out.append(one)
    return "".join(out)


def flat(document: Any) -> list[Node]:
    """Objects with a type, parents before children; a review inside a thing learns what it is about."""
    found: list[Node] = []
    stack: list[tuple[Any, Node | None, str]] = [(document, None, "")]
    while stack:
        value, about, name = stack.pop()
        if isinstance(value, list):
            stack.extend((one, about, name) for one in reversed(value))
        elif isinstance(value, dict):
            if about is not None and "@type" not in value and name in _REVIEW_PROPERTIES and set(value) - {"@id"}:
                value = {**value, "@type": "Review"}  # what stands under `review` is one, also where it does not say so
            if "@type" in value:
                if about is not None and types_of(value) & REVIEW and "itemReviewed" not in value:
                    value = {**value, "itemReviewed": about}
                found.append(value)
                if not types_of(value) & (REVIEW | {"Person", "Rating", "Organization", "AggregateRating"}):
                    about = {key: value[key] for key in ("@type", "@id", "name", "url") if key in value}
            stack.extend((one, about, key) for key, one in reversed(value.items()) if isinstance(one, (dict, list)))
    return found
