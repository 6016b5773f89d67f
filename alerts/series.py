"""What is counted: the key of a series in the hierarchy of a brand, and one row of counts at one time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self
from urllib.parse import quote, unquote

from alerts.errors import BadRule

__all__ = ["DIMENSIONS", "Row", "SeriesKey"]

DIMENSIONS = ("source", "topic", "location", "language")


@dataclass(frozen=True, order=False, slots=True)
class SeriesKey:
    """A node of the hierarchy: a brand, narrowed by any of four dimensions; None means all of that dimension."""

    brand: str
    source: str | None = None
    topic: str | None = None
    location: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value == "" or (value is not None and not isinstance(value, str)):
                raise BadRule(f"series key: {field.name}={value!r}; allowed is a text that is not empty")

    @property
    def depth(self) -> int:
        """How many dimensions are narrowed: 0 for the brand itself."""
        return sum(getattr(self, name) is not None for name in DIMENSIONS)

    def parents(self) -> tuple[SeriesKey, ...]:
        """The nodes one step wider, each with one dimension opened; none for the brand itself."""
        narrowed = [name for name in DIMENSIONS if getattr(self, name) is not None]
        return tuple(self.opened(name) for name in narrowed)

    def opened(self, dimension: str) -> SeriesKey:
        """The node with one dimension open."""
        kept = {name: getattr(self, name) for name in DIMENSIONS if name != dimension}
        return SeriesKey(self.brand, **kept)

    def ancestors(self) -> Iterator[SeriesKey]:
        """Every wider node, nearest first, each once, the brand last."""
        level: list[SeriesKey] = [self]
        while level and level[0].depth:
            level = list(dict.fromkeys(parent for node in level for parent in node.parents()))
            yield from level

    def covers(self, other: SeriesKey) -> bool:
        """Whether every mention of `other` is also counted here (a key covers itself)."""
        return self.brand == other.brand and all(
            mine is None or mine == getattr(other, name)
            for name, mine in ((name, getattr(self, name)) for name in DIMENSIONS)
        )

    def overlaps(self, other: SeriesKey) -> bool:
        """Whether one mention can be counted in both."""
        return self.brand == other.brand and all(
            mine is None or theirs is None or mine == theirs
            for mine, theirs in ((getattr(self, name), getattr(other, name)) for name in DIMENSIONS)
        )

    def text(self) -> str:
        """One line that `parse` reads back: `brand=Cafe/source=app_store/location=Riga`."""
        parts = [("brand", self.brand), *((name, getattr(self, name)) for name in DIMENSIONS)]
        return "/".join(f"{name}={quote(value, safe=' ')}" for name, value in parts if value is not None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key written by `text()`. Raises BadRule where the line is not one."""
        values: dict[str, str] = {}
        for part in text.split("/"):
            name, equals, value = part.partition("=")
            if not equals or not value or name not in ("brand", *DIMENSIONS) or name in values:
                raise BadRule(
                    f"series key: part {part!r} of {text!r}; allowed is brand= and {', '.join(DIMENSIONS)}=, once each"
                )
            values[name] = unquote(value)
        if "brand" not in values:
            raise BadRule(f"series key: {text!r} names no brand")
        return cls(**values)

    def __str__(self) -> str:
        return self.text()

    def __lt__(self, other: SeriesKey) -> bool:
        return self.text() < other.text()


@dataclass(frozen=True, slots=True)
class Row:
    """Counts of one step (an hour or a day of event time) of one series.

    `negative` None means nothing was collected: missing, not zero. `total` None means that the number of all
    mentions is unknown. `coverage` is the share of the step that was really collected, 0..1.
    """

    at: dt.datetime
    negative: int | None
    total: int | None
    coverage: float = 1.0
    rating_sum: float | None = None
    n_ratings: int | None = None
    n_authors: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.coverage <= 1.0:
            raise BadRule(f"row at {self.at}: coverage={self.coverage}; allowed is 0..1")
        for name in ("negative", "total", "n_ratings", "n_authors"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise BadRule(f"row at {self.at}: {name}={value}; allowed is 0 or more, or None where unknown")
        if self.negative is not None and self.total is not None and self.negative > self.total:
            raise BadRule(f"row at {self.at}: negative={self.negative} above total={self.total}")

    @property
    def missing(self) -> bool:
        """Whether nothing was collected."""
        return self.negative is None or self.coverage <= 0.0
