"""Which readers exist: those of `scrapers.sites`, and of packages that declare the entry point `monitor.scrapers`.

get(name) -> Scraper          by name or alias; UnknownScraper lists near names
names() -> list[str]          all names, sorted, without aliases
all() -> list[Scraper]        the readers themselves
match(url) -> (Scraper, Params) | None    a pasted link; generic readers are asked last (`Meta.match_order`)
"""

from __future__ import annotations

import builtins
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

from scrapers import sites
from scrapers.base import Params, Scraper
from scrapers.errors import UnknownScraper

ENTRY_POINTS = "monitor.scrapers"


def get(name: str) -> Scraper:
    """The reader called `name`, or one that has it as an alias."""
    readers, aliases = _table()
    found = readers.get(name) or readers.get(aliases.get(name, ""))
    if found is None:
        near = difflib.get_close_matches(name, [*readers, *aliases], n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; known: {', '.join(names())}"
        raise UnknownScraper(f"no scraper is called {name!r}{hint}")
    return found


def names() -> list[str]:
    return sorted(_table()[0])


def aliases() -> dict[str, str]:
    """Other names that are accepted, each with the name it stands for."""
    return dict(_table()[1])


def all() -> list[Scraper]:
    return [_table()[0][name] for name in names()]


def match(url: str) -> tuple[Scraper, Params] | None:
    """The reader and its parameters for a link, or None when no reader knows the address."""
    for scraper in sorted(all(), key=lambda one: (one.meta.match_order, one.meta.name)):
        params = scraper.match(url)
        if params is not None:
            return scraper, params
    return None


@cache
def _table() -> tuple[dict[str, Scraper], dict[str, str]]:
    readers: dict[str, Scraper] = {}
    other: dict[str, str] = {}
    for kind in [*_built_in(), *_plugged_in()]:
        scraper = kind()
        if scraper.meta.name in readers:
            raise ValueError(
                f"two scrapers are called {scraper.meta.name!r}: {readers[scraper.meta.name]!r} and {kind!r}"
            )
        readers[scraper.meta.name] = scraper
    for scraper in readers.values():
        for alias in scraper.meta.aliases:
            if alias in readers or other.get(alias, scraper.meta.name) != scraper.meta.name:
                raise ValueError(f"alias {alias!r} of scraper {scraper.meta.name!r} is taken")
            other[alias] = scraper.meta.name
    return readers, other


def _built_in() -> Iterable[type[Scraper]]:
    for info in sorted(pkgutil.iter_modules(sites.__path__), key=lambda one: one.name):
        if not info.name.startswith("_"):
            yield from scrapers_of(importlib.import_module(f"{sites.__name__}.{info.name}"))


def _plugged_in() -> Iterable[type[Scraper]]:
    for point in entry_points(group=ENTRY_POINTS):
        loaded = point.load()
        if isinstance(loaded, ModuleType):
            yield from scrapers_of(loaded)
        else:
            yield loaded


def scrapers_of(module: ModuleType) -> builtins.list[type[Scraper]]:
    """Readers that a module defines itself (not those it imports), in order of definition."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Scraper)
        and value.__module__ == module.__name__
        and "meta" in vars(value)
    ]
