# ruff: noqa: E501  (tables of names)
"""Activity from a file: which customer did what and when, besides ordering: visits, logins, opened mails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scrapers.errors import BadParams
from scrapers.imports import plain
from scrapers.readers.identity import content_id

NAMES: dict[str, tuple[str, ...]] = {
    "external_id": ("event id", "activity id", "session id", "visit id", "id события", "id визита", "uuid", "id", "номер"),
    "customer": ("customer id", "customer", "client id", "client", "user id", "user", "contact id", "member id", "card number", "email", "phone",
                 "id клиента", "клиент", "покупатель", "номер клиента", "пользователь", "карта", "телефон", "почта", "гость"),
    "at": ("happened at", "event time", "event date", "occurred at", "visited at", "created at", "timestamp", "datetime", "date", "time",
           "дата события", "дата визита", "дата и время", "дата", "время"),
    "kind": ("kind", "event", "event name", "event type", "activity", "action", "type", "событие", "тип события", "действие", "активность", "вид", "тип"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deed:
    """One sign of life. `customer` is the raw id of the file."""

    external_id: str
    customer: str
    at: datetime
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number: a deed, or an error."""

    number: int
    deed: Deed | None = None
    error: str | None = None


@dataclass(slots=True)
class Deeds:
    """Iterate to read; `notes` say how the file was understood."""

    table: plain.Table

    @property
    def notes(self) -> list[str]:
        return self.table.notes

    def __iter__(self) -> Iterator[Row]:
        seen: dict[str, int] = {}
        yield from self.table.each(
            lambda number, row: Row(number, self._deed(row, seen)), lambda number, why: Row(number, error=why)
        )

    def _deed(self, row: Mapping[str, Any], seen: dict[str, int]) -> Deed:
        table = self.table
        customer, kind, key = (table.word(row, name) for name in ("customer", "kind", "external_id"))
        if not customer:
            raise ValueError(f"{table.mapping['customer']}: the customer is missing")
        at = table.time(row, "at")
        if key and plain.unique_id(key, seen) != key:
            raise ValueError(f"repeats the id {key[:80]!r}")
        # the same at the same moment is one sign of life, however often it was written down
        return Deed(key or content_id(customer, at.isoformat(), kind), customer, at, kind)


def read(
    path: Path, *, mapping: Mapping[str, str] | None = None, locale: str | None = None, zone: str = "UTC"
) -> Deeds:
    """Open a file of activity. Raises `BadParams` for an unreadable file or where customer or time is missing."""
    table = plain.opened(path, NAMES, time_field="at", mapping=mapping, locale=locale, zone=zone)
    missing = [field for field in ("customer", "at") if field not in table.mapping]
    if missing:
        raise BadParams(
            f"{path}: no column looks like {', '.join(missing)}. Columns: {', '.join(table.run.columns)}. "
            f"Name it with {missing[0]}=COLUMN"
        )
    return Deeds(table)
