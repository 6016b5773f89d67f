"""A file as plain rows with their numbers, and the reading of its cells, for files that hold no feedback of their own.

opened(path, wanted, ...) -> Table     csv, tsv, jsonl, json, xlsx, parquet; columns found by the names in `wanted`
understood(run, wanted, ...) -> Table  the same of rows that are open already
Table.value(row, "amount")             the cell of a field, None where blank
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from scrapers import imports
from scrapers.errors import BadParams
from scrapers.imports import columns as meaning
from scrapers.imports.run import ImportRun, Raw
from scrapers.readers import text
from scrapers.readers.numbers import number

_SAMPLE_ROWS = 300
_TRUE = frozenset({"1", "true", "yes", "y", "да", "истина", "возврат", "returned", "refunded", "x", "+"})
_FALSE = frozenset({"0", "false", "no", "n", "нет", "ложь", "-"})

Names = Mapping[str, tuple[str, ...]]
R = TypeVar("R")


@dataclass(slots=True)
class Table:
    """Rows to come, which column is which field, and how times are read."""

    run: ImportRun
    mapping: dict[str, str]
    sample: list[Mapping[str, Any]]
    reading: meaning.Reading

    def __iter__(self) -> Iterator[Raw]:
        yield from self.run.rows
        self.run.close()

    def value(self, row: Mapping[str, Any], field: str) -> Any:
        """The cell of a field; None where the file has no such column or the cell is blank."""
        return cell(row, self.mapping.get(field))

    def word(self, row: Mapping[str, Any], field: str) -> str:
        """The cell as clean text on one line, "" where blank."""
        found = self.value(row, field)
        if isinstance(found, float) and found.is_integer():
            found = int(found)  # a spreadsheet's 1001.0 is the customer 1001
        return text.optional(str(found)) or "" if found is not None else ""

    def time(self, row: Mapping[str, Any], field: str) -> datetime:
        """The cell as an aware time. Raises ValueError with the reason."""
        found = self.value(row, field)
        if found is None:
            raise ValueError(f"{self.mapping[field]}: the date is missing")
        at = meaning._date(found, self.reading, None).at
        if at is None:
            raise ValueError(f"{self.mapping[field]}: {str(found)[:40]!r} is no date")
        return at

    def each(self, read: Callable[[int, Mapping[str, Any]], R], refuse: Callable[[int, str], R]) -> Iterator[R]:
        """What `read` makes of every row by its number, or `refuse` of the reason why it cannot be read."""
        for raw in self:
            if raw.error is not None or raw.values is None:
                yield refuse(raw.number, raw.error or "cannot be read")
                continue
            try:
                made = read(raw.number, raw.values)
            except (ValueError, TypeError, OverflowError) as problem:
                made = refuse(raw.number, str(problem)[:300])
            yield made

    def number(self, row: Mapping[str, Any], field: str) -> float:
        """The cell as a number. Raises ValueError with the reason."""
        return number_of(self.value(row, field), self.mapping[field])

    def flag(self, row: Mapping[str, Any], field: str) -> bool:
        """Yes or no; a blank cell is no. Raises ValueError for anything else."""
        found = self.value(row, field)
        word = str(found).strip().casefold() if found is not None else ""
        if not word or word in _FALSE:
            return False
        if word in _TRUE:
            return True
        raise ValueError(f"{self.mapping[field]}: {str(found)[:40]!r} is neither yes nor no")

    @property
    def notes(self) -> list[str]:
        """What was found out, for the person to check."""
        return self.noted(())

    def noted(self, used: Iterable[str]) -> list[str]:
        """The same, where columns are used that are no fields."""
        known = {*self.mapping.values(), *used}
        unused = [column for column in self.run.columns if column not in known]
        notes = ["columns: " + ", ".join(f"{field}={column}" for field, column in self.mapping.items())]
        return notes + ([f"columns not used: {', '.join(unused)}"] if unused else [])


def cell(row: Mapping[str, Any], column: str | None) -> Any:
    """A cell, None where blank."""
    found = row.get(column) if column is not None else None
    return None if isinstance(found, str) and meaning.fold_blank(found) in meaning._BLANK else found


def number_of(found: Any, column: str) -> float:
    """A cell as a number. Raises ValueError with the reason."""
    if found is None:
        raise ValueError(f"{column}: the number is missing")
    value = number(found)
    if value is None:
        raise ValueError(f"{column}: {str(found)[:40]!r} is no number")
    return value


def opened(
    path: Path,
    wanted: Names,
    *,
    time_field: str,
    mapping: Mapping[str, str] | None = None,
    locale: str | None = None,
    zone: str = "UTC",
) -> Table:
    """Open a file and find the columns of the fields in `wanted` (field -> folded names, the better name first).

    `mapping` is field -> column and wins. Raises `BadParams` for an unreadable file or a mapping it cannot follow.
    """
    run = raw_rows(path)
    return understood(
        run, wanted, label=str(path), time_field=time_field, mapping=mapping, locale=locale, zone=zone,
        now=datetime.fromtimestamp(path.stat().st_mtime, UTC),
    )  # fmt: skip


def understood(
    run: ImportRun,
    wanted: Names,
    *,
    label: str,
    time_field: str,
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    locale: str | None = None,
    zone: str = "UTC",
) -> Table:
    """Find the columns of the fields in `wanted`; `now` is the anchor of relative dates. Raises `BadParams`."""
    source = iter(run.rows)
    head = list(itertools.islice(source, _SAMPLE_ROWS))
    run.rows = itertools.chain(head, source)
    sample = [one.values for one in head if one.values is not None]
    if not run.columns:
        run.columns = tuple(dict.fromkeys(name for one in sample for name in one))
    if not run.columns:
        raise BadParams(f"{label}: there are no rows")
    found = guess(run.columns, wanted, fixed=resolve(mapping or {}, run.columns, wanted))
    first = meaning.day_first(found.get(time_field), sample)
    reading = meaning.Reading(
        found,
        day_first=first if first is not None else not (locale or "").replace("-", "_").lower().startswith("en_us"),
        languages=imports._languages(locale, run.columns),
        zone=zone,
        now=now,
    )
    return Table(run, found, sample, reading)


def raw_rows(path: Path) -> ImportRun:
    """Rows before anybody says what they mean. Raises `BadParams` where the file is none or no table."""
    if not path.is_file():
        raise BadParams(f"{path}: there is no such file" if not path.exists() else f"{path}: is not a file")
    size = path.stat().st_size
    if size == 0:
        raise BadParams(f"{path}: the file is empty")
    try:
        packed = path.open("rb")
    except OSError as problem:
        raise BadParams(f"{path}: cannot be read: {problem.strerror}") from None
    try:
        file, name, size = imports._unpacked(packed, path.name, size, str(path))
        form = imports._format(file, name)
        if form in ("eml", "mbox"):
            raise BadParams("is mail, not a table")
        run = imports._table(file, form, size, None)
    except BadParams as problem:
        packed.close()
        reason = str(problem)
        raise BadParams(reason if reason.startswith(str(path)) else f"{path}: {reason}") from None
    run.files = (packed, file)
    weakref.finalize(run, imports._close, run.files)
    return run


def resolve(mapping: Mapping[str, str], columns: Sequence[str], wanted: Names) -> dict[str, str]:
    """The user's mapping, checked: known fields, existing columns."""
    folded = {meaning.fold(one): one for one in columns}
    out = {}
    for field, column in mapping.items():
        if field not in wanted:
            raise BadParams(f"field {field!r} is unknown; known: {', '.join(wanted)}")
        real = column if column in columns else folded.get(meaning.fold(column))
        if real is None:
            raise BadParams(f"{field}={column}: the file has no such column; it has: {', '.join(columns)}")
        out[field] = real
    return out


def guess(columns: Iterable[str], wanted: Names, *, fixed: Mapping[str, str]) -> dict[str, str]:
    """Field -> column by the names of the columns; the best fit first, each column once."""
    found = dict(fixed)
    free = [column for column in columns if column not in fixed.values()]
    ranked = [
        (-meaning._score(meaning.fold(column), words), order, field, column)
        for order, (field, words) in enumerate(wanted.items())
        for column in free
    ]
    taken: set[str] = set()
    for score, _order, field, column in sorted(ranked, key=lambda one: one[:2]):
        if score < 0 and field not in found and column not in taken:
            found[field] = column
            taken.add(column)
    return found


def unique_id(key: str, seen: dict[str, int]) -> str:
    """`key`, with a number from its second use on: equal rows without an id of their own are several, not one."""
    seen[key] = seen.get(key, 0) + 1
    return key if seen[key] == 1 else f"{key}#{seen[key]}"
