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
        """The place an item names, in the brand's own spelling; a named place that is none of the brand's stays.

        Where no place is named, the words are looked through, inflected forms too. Two places in one text are none.
        """
        named = (item.location or "").strip()
        if named:
            return self.spelling_of(brand, named)
        words = {"title": item.title, "text": item.text}
        some, each = self._places[brand]
        if some is None or not some.matches(words):
            return ""
        found = [place for place, query in each if query.matches(words)]
        return found[0] if len(found) == 1 else ""

    def spelling_of(self, brand: str, named: str) -> str:
        """A place in the brand's own spelling; one that is none of the brand's stays as it is."""
        return self._spelling[brand].get(named.strip().casefold(), named)

    @cached_property
    def _spelling(self) -> dict[str, dict[str, str]]:
        return {
            slug: {name.casefold(): place.name for place in brand.locations for name in (place.name, *place.aliases)}
            for slug, brand in self.brands.items()
        }

    @cached_property
    def _places(self) -> dict[str, tuple[Any, list[tuple[str, Any]]]]:
        """By brand: a query for any of its places, and one for each."""
        import scrapers.query

        found: dict[str, tuple[Any, list[tuple[str, Any]]]] = {}
        for slug, brand in self.brands.items():
            each = []
            for place in brand.locations:
                names = [_quoted(name) for name in (place.name, *place.aliases) if _is_telling(name)]
                if names:
                    each.append((place.name, scrapers.query.parse(" OR ".join(names))))
            found[slug] = (scrapers.query.any_of([query for _, query in each]) if each else None, each)
        return found


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


def _is_telling(name: str) -> bool:
    """Whether a place may be recognised by its name in a text: "12" or "ЦУМ" stand for other things too often."""
    return sum(one.isalpha() for one in name) >= 4
