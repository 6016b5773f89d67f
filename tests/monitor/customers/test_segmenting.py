"""What a segment complains about: told only where its members do so clearly more than others."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import event

from monitor.pipeline.context import Context
from monitor.pipeline.segmenting import LEAST_BLAMED, _blamed
from monitor.store.engine import reading
from monitor.store.queries.customers import Said
from monitor.store.queries.customers import said as said_by

AT = datetime(2026, 11, 1, tzinfo=UTC)


def said(customer: str, *blamed: str) -> Said:
    return Said(customer, AT, "negative" if blamed else "positive", frozenset(blamed))


def test_a_segment_is_told_by_what_it_complains_about() -> None:
    segments = {f"a{n}": "1:often" for n in range(40)} | {f"b{n}": "2:new" for n in range(40)}
    heard = [said(f"a{n}", *(("waiting",) if n < 20 else ())) for n in range(40)]
    heard += [said(f"b{n}", *(("price",) if n < 3 else ())) for n in range(40)]
    heard += [said(f"{side}{n}", "food") for side in "ab" for n in range(6)]  # as much on either side
    heard += [said("stranger", "waiting"), said("a0", "waiting")]  # no customer; the same one again
    assert _blamed(segments, heard) == {"1:often": ("waiting", 20)}


def test_a_handful_of_complaints_says_nothing() -> None:
    segments = {f"a{n}": "1:often" for n in range(5)} | {f"b{n}": "2:new" for n in range(400)}
    heard = [said(f"a{n}", "waiting") for n in range(LEAST_BLAMED - 1)] + [said(f"b{n}") for n in range(400)]
    assert _blamed(segments, heard) == {}


def test_what_customers_said_is_looked_up_by_them_and_not_among_all_mentions(context: Context) -> None:
    asked: list[str] = []
    event.listen(context.engine, "before_cursor_execute", lambda c, d, statement, *rest: asked.append(statement))
    with reading(context.engine) as session:
        assert said_by(session, 1, end=AT) == []
        plan = [
            row[3] for statement in list(asked) if "customer_order" in statement
            for row in session.connection().exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", tuple("1" * statement.count("?"))
            )
        ]  # fmt: skip
    assert [line for line in plan if line.startswith("SEARCH mention USING INDEX ix_mention_author (brand_id=? AND")]
    assert not [line for line in plan if line.startswith("SCAN mention")]
