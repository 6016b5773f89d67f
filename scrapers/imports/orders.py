# ruff: noqa: E501  (tables of names)
"""Orders from a file: who bought when, where, for how much, and whether it came back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scrapers.errors import BadParams
from scrapers.imports import plain
from scrapers.imports.columns import fold
from scrapers.readers.identity import content_id

NAMES: dict[str, tuple[str, ...]] = {
    "external_id": ("order id", "orderid", "order number", "order", "receipt id", "transaction id", "invoice", "номер заказа", "id заказа",
                    "заказ", "номер чека", "чек", "id", "номер"),
    "customer": ("customer id", "customer", "client id", "client", "user id", "buyer", "member id", "card number", "email", "phone",
                 "id клиента", "клиент", "покупатель", "номер клиента", "карта", "телефон", "гость"),
    "ordered_at": ("ordered at", "order date", "purchase date", "paid at", "created at", "datetime", "date", "time", "дата заказа",
                   "дата покупки", "дата и время", "дата", "время"),
    "amount": ("amount", "total", "order total", "revenue", "value", "sum", "price", "сумма", "сумма заказа", "выручка", "итого", "стоимость"),
    "location": ("location", "branch", "store", "place", "venue", "филиал", "точка", "магазин", "ресторан", "место", "адрес"),
    "returned": ("returned", "is returned", "refunded", "return", "возврат", "возвращен"),
    "status": ("status", "order status", "state", "stage", "статус", "статус заказа", "состояние", "этап"),
}  # fmt: skip
# a basket that was never paid for is no purchase
NO_PURCHASE = frozenset(
    fold(word)
    for word in (
        "placed", "cart", "basket", "abandoned", "cancelled", "canceled", "void", "voided", "failed", "unpaid", "pending", "draft",
        "declined", "expired", "отменен", "отменён", "отмена", "не оплачен", "корзина", "черновик", "ожидает оплаты",
    )
)  # fmt: skip
_RETURNED = frozenset({"returned", "refunded", "возврат", "возвращен", "возвращён"})


@dataclass(frozen=True, slots=True)
class Purchase:
    """One order. `customer` is the raw id of the file."""

    external_id: str
    customer: str
    ordered_at: datetime
    amount: float
    location: str = ""
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number: a purchase, an order that never became one (`status`), or an error."""

    number: int
    purchase: Purchase | None = None
    status: str = ""
    error: str | None = None


@dataclass(slots=True)
class Purchases:
    """Iterate to read; `notes` say how the file was understood."""

    table: plain.Table

    @property
    def notes(self) -> list[str]:
        return self.table.notes

    def __iter__(self) -> Iterator[Row]:
        seen: dict[str, int] = {}
        yield from self.table.each(
            lambda number, row: self._row(number, row, seen), lambda number, why: Row(number, error=why)
        )

    def _row(self, number: int, row: Mapping[str, Any], seen: dict[str, int]) -> Row:
        table = self.table
        status = fold(table.word(row, "status"))
        customer = table.word(row, "customer")
        if not customer:
            raise ValueError(f"{table.mapping['customer']}: the customer is missing")
        at, amount = table.time(row, "ordered_at"), table.number(row, "amount")
        if amount < 0:
            raise ValueError(
                f"{table.mapping['amount']}: {amount:g} is below zero; mark returns in a column of their own"
            )
        key = table.word(row, "external_id")
        if key:
            if plain.unique_id(key, seen) != key:
                raise ValueError(f"repeats the id {key[:80]!r}")
        else:
            key = plain.unique_id(content_id(customer, at.isoformat(), amount, table.word(row, "location")), seen)
        if status in NO_PURCHASE:
            return Row(number, status=status)
        returned = table.flag(row, "returned") if "returned" in table.mapping else False
        return Row(
            number, Purchase(key, customer, at, amount, table.word(row, "location"), returned or status in _RETURNED)
        )


def read(
    path: Path, *, mapping: Mapping[str, str] | None = None, locale: str | None = None, zone: str = "UTC"
) -> Purchases:
    """Open a file of orders. Raises `BadParams` for an unreadable file or where customer, time or amount is missing."""
    table = plain.opened(path, NAMES, time_field="ordered_at", mapping=mapping, locale=locale, zone=zone)
    missing = [field for field in ("customer", "ordered_at", "amount") if field not in table.mapping]
    if missing:
        raise BadParams(
            f"{path}: no column looks like {', '.join(missing)}. Columns: {', '.join(table.run.columns)}. "
            f"Name it with {missing[0]}=COLUMN"
        )
    return Purchases(table)
