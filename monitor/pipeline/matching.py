"""Matching: which brands an item speaks of, by their queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from monitor.config import Brand

if TYPE_CHECKING:
    from scrapers.item import Item


@dataclass(frozen=True)
class Matcher:
    """The compiled queries of all brands, and the names of their places."""

    brands: Mapping[str, Brand]

    @cached_property
    def _queries(self) -> dict[str, Any]:
        import scrapers.query

        return {slug: scrapers.query.parse(query_of(brand)) for slug, brand in self.brands.items()}

    def brands_of(self, item: Item, *, source: str) -> list[str]:
        """Slugs of the brands whose query the item matches."""
        return [slug for slug, query in self._queries.items() if query.matches(fields_of(item, source))]

    def matches(self, brand: str, item: Item, *, source: str) -> bool:
        return bool(self._queries[brand].matches(fields_of(item, source)))

    def location_of(self, brand: str, item: Item) -> str:
        """The place an item names, in the brand's own spelling; else as it stands there."""
        named = (item.location or "").strip()
        words = (named or f"{item.title or ''} {item.text}").casefold()
        for place in self.brands[brand].locations:
            names = (place.name, *place.aliases)
            if (named and named.casefold() in {n.casefold() for n in names}) or (
                not named and any(len(n) > 4 and n.casefold() in words for n in names)
            ):
                return place.name
        return named


def query_of(brand: Brand) -> str:
    """The brand's own query, or its names without its exclusions."""
    if brand.query:
        return brand.query
    names = " OR ".join(_quoted(name) for name in (brand.name, *brand.aliases))
    query = f"({names})" if brand.aliases else names
    for word in brand.exclusions:
        query += f" NOT {_quoted(word)}"
    return query


def fields_of(item: Item, source: str) -> dict[str, Any]:
    """What a query may ask of an item."""
    return {
        "text": f"{item.title or ''}\n{item.text}", "source": source, "language": item.language, "rating": item.rating,
        "location": item.location, "author": item.author, "kind": item.kind,
    }  # fmt: skip


def _quoted(name: str) -> str:
    escaped = name.replace('"', " ")
    return f'"{escaped}"'
