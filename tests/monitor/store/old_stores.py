"""Stores as older versions left them: every table of a revision with rows in it, made from what the database says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlmodel import SQLModel

import monitor.store.tables  # noqa: F401  (fills the metadata)
from monitor.store.check import verify
from monitor.store.engine import alembic_config, pending, upgrade

AT = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
N_ROWS = 3
DERIVED = {"signature_band"}  # tables that went, since what they held is told by others
# what a column must hold so that the row is one that the application could have written
MEANT: dict[tuple[str, str], Any] = {
    ("mention", "score_state"): "done", ("mention", "sentiment"): "negative", ("mention", "model"): "words@1",
    ("mention", "cluster_id"): None, ("mention", "gone_at"): None, ("judgement", "model"): "words@1",
    ("mention", "text"): "the soup was cold and late", ("topic_tag", "topic"): "food",
    ("topic_tag", "sentiment"): "negative", ("incident", "state"): "resolved", ("outbox", "state"): "sent",
    ("bucket", "topic"): "", ("incident_event", "number"): 1, ("user", "role"): "viewer",
    ("source", "scraper"): "import", ("signature", "text_hash"): "0123456789abcdef" * 2,
    ("signature", "minhash"): bytes(range(256)) * 2,
}  # fmt: skip


def drill(engine: Engine, revision: str) -> None:
    """Fill a store of this revision, bring it up to date, and look for what is missing."""
    migrate(engine, revision)
    fill(engine)
    names, before = columns(engine), contents(engine)
    assert before and all(len(rows) == N_ROWS for rows in before.values())
    assert upgrade(engine) is (revision != revisions()[-1])
    assert not pending(engine)
    after = contents(engine, names)
    assert before.keys() - after.keys() <= DERIVED
    assert all(after[name] == rows for name, rows in before.items() if name in after)
    with engine.connect() as connection:
        options = {"compare_type": True, "include_name": _ours}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), SQLModel.metadata)
    assert found == []
    verify(engine, repair=True)  # the buckets were invented
    assert verify(engine) == []


def revisions() -> list[str]:
    """Every revision a store may be at, oldest first."""
    script = ScriptDirectory.from_config(alembic_config())
    return [revision.revision for revision in reversed([*script.walk_revisions()])]


def migrate(engine: Engine, revision: str) -> None:
    config = alembic_config()
    with engine.execution_options(write=True).connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def tables(engine: Engine) -> list[sa.Table]:
    """What is there, parents before children; the search index is written by hand."""
    metadata = sa.MetaData()
    metadata.reflect(engine, only=lambda name, _: name != "alembic_version" and not name.startswith("mention_search"))
    return list(metadata.sorted_tables)


def fill(engine: Engine) -> None:
    """Some rows in every table, and the mentions in the search index."""
    keys: dict[tuple[str, str], list[Any]] = {}
    with engine.execution_options(write=True).begin() as connection:
        for table in tables(engine):
            rows = [dict(_row(table, number, keys)) for number in range(1, N_ROWS + 1)]
            connection.execute(table.insert(), rows)
            for column in table.primary_key:
                keys[table.name, column.name] = [row[column.name] for row in rows]
        connection.execute(
            sa.text("INSERT INTO mention_search (rowid, body) VALUES (:id, 'the soup was cold and late')"),
            [{"id": number} for number in range(1, N_ROWS + 1)],
        )
        if engine.dialect.name == "postgresql":  # ids were given: the sequences go on behind them
            for table in tables(engine):
                if "id" in table.columns:
                    connection.execute(
                        sa.text(f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), {N_ROWS})")
                    )


def contents(engine: Engine, like: dict[str, list[str]] | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of every table, or of the tables and columns that are named."""
    found = {}
    with engine.connect() as connection:
        for table in tables(engine):
            if like is None or table.name in like:
                columns = [table.columns[name] for name in (like[table.name] if like else table.columns.keys())]
                found[table.name] = sorted(map(_plain, connection.execute(sa.select(*columns))), key=repr)
    return found


def columns(engine: Engine) -> dict[str, list[str]]:
    return {table.name: list(table.columns.keys()) for table in tables(engine)}


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not (name or "").startswith("mention_search")


def _row(table: sa.Table, number: int, keys: dict[tuple[str, str], list[Any]]) -> Iterator[tuple[str, Any]]:
    for column in table.columns:
        parents = [key.column for key in column.foreign_keys]
        if (table.name, column.name) in MEANT:
            yield column.name, MEANT[table.name, column.name]
        elif parents:
            yield column.name, keys[parents[0].table.name, parents[0].name][number - 1]
        else:
            yield column.name, _value(column, number)


def _value(column: sa.Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.DateTime):
        at = AT + timedelta(hours=number)
        return at if getattr(kind, "timezone", False) else at.replace(tzinfo=None)
    if isinstance(kind, sa.Date):
        return date(2026, 3, number)
    if isinstance(kind, sa.JSON):
        return {"number": number}
    if isinstance(kind, sa.LargeBinary):
        return b"\x00" * number
    if isinstance(kind, sa.Float):
        return float(number)
    if isinstance(kind, sa.Integer):
        return number
    return f"{column.name} {number}"


def _plain(row: sa.Row[Any]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
