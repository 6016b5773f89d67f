"""What of customers takes seconds: computed once, kept for ten minutes, renewed behind the answer.

An import is seen at once: the answer is kept under the number of orders and answers there are. What changes meanwhile
(a comment judged or corrected) shows when the answer is renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session, func, select

from monitor.pipeline.context import Context
from monitor.store.engine import reading
from monitor.store.tables import Order, SurveyAnswer
from monitor.web.memo import Memo

T = TypeVar("T")
SECONDS = 600.0


def of_customers(
    memo: Memo, context: Context, rows: Session, brand_id: int, name: Hashable, end: datetime,
    make: Callable[[Session, datetime], T],
) -> T:  # fmt: skip
    """The answer of `make` about the customers of a brand as they are at `end`, or now where that is yet to come."""
    open_end = end >= context.now
    there = [
        rows.exec(select(func.count(), func.max(table.id)).where(table.brand_id == brand_id)).one()
        for table in (Order, SurveyAnswer)
    ]

    def compute(session: Session) -> T:
        return make(session, context.now if open_end else end)

    def again() -> T:
        with reading(context.engine) as session:
            return compute(session)

    key = (name, brand_id, None if open_end else end, *map(tuple, there))
    return memo.get(key, lambda: compute(rows), seconds=SECONDS, lasting=True, again=again)
