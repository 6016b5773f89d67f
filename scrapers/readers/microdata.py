"""Microdata and RDFa of a page, as JSON-LD would write it.

By https://html.spec.whatwg.org/multipage/microdata.html (itemref is rare and left out) and
https://www.w3.org/TR/rdfa-lite/.

objects(root, wanted) -> iterator of Nodes      objects of the wanted types
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

from scrapers.readers import text
from scrapers.readers.schema_types import COMMENT, REVIEW, Node, short


def objects(root: HtmlElement, wanted: frozenset[str]) -> Iterator[Node]:
    """Objects of the wanted types as JSON-LD would write them; a scope called `review` is one without saying so too."""
    if "Review" in wanted:
        for scope in root.xpath("//*[@itemscope and not(@itemtype)][@itemprop='review' or @itemprop='reviews']"):
            name = _name_around(scope, "itemtype", "itemprop")
            yield _properties(scope, "itemprop", "itemtype") | {"@type": ["Review"], "itemReviewed": name}
    for types, properties in (("itemtype", "itemprop"), ("typeof", "property")):
        for scope in root.xpath(f"//*[@{types}]"):
            if short(scope.get(types)) & wanted:
                node = _properties(scope, properties, types)
                if "itemReviewed" not in node and scope.get(properties):
                    node["itemReviewed"] = _name_around(scope, types, properties)
                yield node


def _name_around(scope: HtmlElement, types: str, properties: str) -> str | None:
    """Name of the thing in whose scope a review stands."""
    outer = next(iter(scope.xpath(f"ancestor::*[@{types}][1]")), None)
    if outer is None or short(outer.get(types)) & (REVIEW | COMMENT):
        return None
    for one in outer.xpath(f".//*[@{properties}='name']"):
        if one.xpath(f"ancestor::*[@{types}][1]")[0] is outer:
            return _value(one)
    return None


def _properties(scope: HtmlElement, name_of: str, type_of: str, depth: int = 0) -> Node:
    node: Node = {"@type": sorted(short(scope.get(type_of)))}
    own = scope.get("itemid") or scope.get("resource") or scope.get("about")
    if own:
        node["@id"] = own
    node["#element"] = scope
    stack = [one for one in reversed(scope) if isinstance(one.tag, str)]
    while stack:
        one = stack.pop()
        names = (one.get(name_of) or "").split()
        nested = one.get(type_of) is not None or (name_of == "itemprop" and one.get("itemscope") is not None)
        if names:
            if nested and not (one.get("content") and len(one) == 0):
                value: Any = _properties(one, name_of, type_of, depth + 1) if depth < 6 else None
                if isinstance(value, dict) and len(value) <= 2:
                    value = text.of_element(one)  # a scope without properties is a plain text
            else:
                value = _value(one)
            for name in names:
                node.setdefault(name.rpartition(":")[2].rpartition("/")[2], value)
        if not nested:
            stack.extend(child for child in reversed(one) if isinstance(child.tag, str))
    return node


def _value(one: HtmlElement) -> str:
    """The machine value of an element where there is one, else its text."""
    for attribute in ("content", "datetime"):
        if one.get(attribute) is not None:
            return str(one.get(attribute))
    if one.tag in ("a", "link", "area") and one.get("href") and not (one.text_content() or "").strip():
        return str(one.get("href"))
    if one.tag in ("img", "source", "video", "audio") and one.get("src"):
        return str(one.get("src"))
    if one.tag in ("meter", "data") and one.get("value"):
        return str(one.get("value"))
    return text.of_element(one) or str(one.get("title") or "")
