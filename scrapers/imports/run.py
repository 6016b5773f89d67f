"""One file being imported: what was found out about it, and its rows one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

from scrapers.imports.columns import Reading, to_item
from scrapers.item import Item

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number: tables as a spreadsheet counts (the header is row 1), JSON lines by line. Item or error."""

    number: int
    item: Item | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A row before it is understood: values by column, or why it could not be read."""

    number: int
    values: Mapping[str, Any] | None = None
    error: str | None = None
    item: Item | None = None  # formats that need no mapping (e-mail) give the item at once


@dataclass(slots=True, weakref_slot=True)
class ImportRun:
    """Iterate to read. What was found out can be shown before: format, encoding, delimiter, columns, mapping, notes.

    `mapping` is field -> column; `unmapped` are columns that mean nothing to us. `n_rows`, `n_bad` count on the way.
    """

    format: str
    rows: Iterable[Raw]
    encoding: str | None = None
    delimiter: str | None = None
    columns: tuple[str, ...] = ()
    mapping: dict[str, str] = field(default_factory=dict)
    sample: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    reading: Reading = field(default_factory=lambda: Reading({}))
    n_rows: int = 0
    n_bad: int = 0
    files: tuple[IO[bytes], ...] = ()  # open while the rows are read

    def close(self) -> None:
        """Closes the file; reading to the end does it too."""
        for one in self.files:
            one.close()

    @property
    def unmapped(self) -> tuple[str, ...]:
        return tuple(one for one in self.columns if one not in self.mapping.values())

    def __iter__(self) -> Iterator[Row]:
        self.n_rows = self.n_bad = 0
        seen: Counter[str] = Counter()
        first: dict[str, int] = {}
        for raw in self.rows:
            self.n_rows += 1
            row = self._row(raw, seen, first)
            self.n_bad += row.error is not None
            yield row
        self.close()

    def _row(self, raw: Raw, seen: Counter[str], first: dict[str, int]) -> Row:
        if raw.error is not None:
            return Row(raw.number, error=raw.error)
        try:
            item = raw.item if raw.item is not None else to_item(raw.values or {}, self.reading)
        except (ValueError, TypeError, OverflowError) as problem:
            return Row(raw.number, error=str(problem)[:300])
        seen[item.external_id] += 1
        if seen[item.external_id] == 1:
            first[item.external_id] = raw.number
            return Row(raw.number, item)
        if item.external_id.startswith("h:"):
            # Equal rows without an id are several people who say the same; their number keeps a second import equal.
            return Row(raw.number, replace(item, external_id=f"{item.external_id}#{seen[item.external_id]}"))
        return Row(raw.number, error=f"repeats the id {item.external_id[:80]!r} of row {first[item.external_id]}")
