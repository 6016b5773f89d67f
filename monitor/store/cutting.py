"""How a full store is cut into months (`monitor.store.months`): copied, then swapped in one transaction."""

# ruff: noqa: S608  (what stands in these statements are names of our own tables, and numbers)

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from monitor.errors import ConfigError, MonitorError
from monitor.store.months import (
    PARTED,
    REST,
    ROOM,
    SPARE,
    Month,
    advance,
    belong,
    is_parted,
    last_id,
    month_after,
    months,
    references,
)

_SLICE = 100_000
_PATIENCE, _TIMED_OUT = "20s", "55P03"
_STALE = "months.stale"
_WATCH = """
CREATE OR REPLACE FUNCTION mention_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO meta (key, value) VALUES ('months.stale', TG_TABLE_NAME) ON CONFLICT (key) DO NOTHING;
    RETURN NULL;
END $$;
"""
_WATCHED = """
DROP TRIGGER IF EXISTS mention_written ON {0};
CREATE TRIGGER mention_written AFTER INSERT OR UPDATE OR DELETE ON {0}
    FOR EACH STATEMENT EXECUTE FUNCTION mention_written();
"""
_ONCE = """
CREATE OR REPLACE FUNCTION mention_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM mention_key WHERE brand_id = OLD.brand_id AND origin = OLD.origin AND external_id = OLD.external_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO mention_key VALUES (NEW.brand_id, NEW.origin, NEW.external_id, NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mention_once AFTER INSERT OR DELETE OR UPDATE OF brand_id, origin, external_id ON mention
    FOR EACH ROW EXECUTE FUNCTION mention_once();
"""


def cut(engine: Engine, *, now: datetime, say: Callable[[str], None] = lambda _: None) -> list[Month]:
    """Copy the mentions of a store, and what is written once for each, into months, and put these in their place.

    Who writes meanwhile waits, who reads does not. Interrupted, the store is as it was, and the next call goes on with
    what is copied. Needs the room of these tables once more. Raises ConfigError on SQLite.
    """
    if engine.dialect.name != "postgresql":
        raise ConfigError("mentions are kept by month on PostgreSQL only; a SQLite store is one file")
    with engine.connect() as connection:
        if is_parted(connection):
            return months(connection)
    try:
        _cut(engine, now, say)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != _TIMED_OUT:
            raise
        raise MonitorError("somebody writes into the store: stop the daemon and the workers first") from None
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for table in (*PARTED, "mention_key"):
            connection.exec_driver_sql(f"ANALYZE {table}")
    advance(engine, now=now)
    with engine.connect() as connection:
        return months(connection)


def _cut(engine: Engine, now: datetime, say: Callable[[str], None]) -> None:
    with engine.begin() as connection:  # what is copied counts for the next call only while nobody has written
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        connection.exec_driver_sql(_WATCH)
        for table in PARTED:
            connection.exec_driver_sql(_WATCHED.format(table))
    with engine.connect() as guard, guard.begin():
        guard.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        guard.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        guard.exec_driver_sql(f"LOCK TABLE {', '.join(PARTED)} IN SHARE MODE")
        planned = _plan(guard, now)
        _forget_stale(engine, planned)
        for month in planned:
            say(f"{month.first:%Y-%m}")
            for table, column in PARTED.items():
                _copy(engine, table, column, month)
        say("keys")
        _remember_keys(engine)
        say("swapping")
        _swap(guard, planned)


def _forget_stale(engine: Engine, planned: Sequence[Month]) -> None:
    """Drop what an earlier call copied and somebody has changed since, or what is cut otherwise now."""
    with engine.begin() as connection:
        stale = connection.execute(sa.text("DELETE FROM meta WHERE key = :key"), {"key": _STALE}).rowcount > 0
        bounds = {
            month.name: {number for number in (month.start, month.end) if number is not None} for month in planned
        }
        parts = connection.exec_driver_sql(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = 'of_the_month'"
        )
        names = {part: {int(number) for number in re.findall(r"\d+", held)} for part, held in parts}
        gone = [part for part, held in names.items() if stale or held != bounds.get(part[-len("y2026m01") :])]
        for part in [*gone, *(["mention_key"] if stale else [])]:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {part} CASCADE")


def _plan(connection: Connection, now: datetime) -> list[Month]:
    """The months in which mentions arrived, each from its first id; the last has room for what is to come."""
    rows = connection.exec_driver_sql(
        "SELECT date_trunc('month', observed_at AT TIME ZONE 'UTC'), min(id) FROM mention GROUP BY 1 ORDER BY 1"
    ).all()
    present, last = month_after(now, 0), last_id(connection)
    starts = {present: last + 1}
    for first, start in reversed(rows):  # what is not in order goes into the later month, which is dropped later
        month = min(first.replace(tzinfo=UTC), present)
        starts[month] = min(start, *starts.values())
    ordered = sorted(starts.items())
    found = [one for one, after in pairwise(ordered) if after[1] > one[1]] + ordered[-1:]
    busiest = max((b - a for (_, a), (_, b) in pairwise(found)), default=0)
    ends = [start for _, start in found[1:]]
    ends.append(max(found[-1][1], last + 1) + max(ROOM, SPARE * busiest))
    return [Month(first, start if k else None, ends[k]) for k, (first, start) in enumerate(found)]


def _copy(engine: Engine, table: str, column: str, month: Month) -> None:
    """One table of one month, a slice at a time, then its keys; goes on where it was interrupted."""
    part, low = f"{table}_{month.name}", month.start or 0
    checked = f"{column} < {month.end}" + ("" if month.start is None else f" AND {column} >= {month.start}")
    with _patient(engine) as connection:
        if _exists(connection, part) and _constraint(connection, part, "p"):
            return  # its keys came last
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
            f" INCLUDING STORAGE, CONSTRAINT of_the_month CHECK ({checked}))"
        )
        there = connection.exec_driver_sql(f"SELECT max({column}) FROM {part}").scalar_one()
        at = low if there is None else there + 1
        last = connection.exec_driver_sql(
            f"SELECT max({column}) FROM {table} WHERE {column} < {month.end}"
        ).scalar_one()
    while last is not None and at <= last:
        upto = min(at + _SLICE, month.end)
        with _patient(engine) as connection:
            connection.exec_driver_sql(
                f"INSERT INTO {part} SELECT * FROM {table} WHERE {column} >= {at} AND {column} < {upto}"
            )
        at = upto
    with _patient(engine) as connection:
        for _, using, unique in _indexes(connection, table):
            connection.exec_driver_sql(f"CREATE {unique}INDEX ON {part} {using}")
        for definition in _keys(connection, table, column):
            connection.exec_driver_sql(f"ALTER TABLE {part} ADD {definition}")
        belong(connection, table, month.name)


@contextmanager
def _patient(engine: Engine) -> Iterator[Connection]:
    """A transaction that waits for nobody for long: who writes waits for us, and would for ever."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
        yield connection


def _remember_keys(engine: Engine) -> None:
    with _patient(engine) as connection:
        if not _exists(connection, "mention_key"):
            connection.exec_driver_sql(
                "CREATE TABLE mention_key AS SELECT brand_id, origin, external_id, id AS mention_id FROM mention"
            )
            for column in ("brand_id", "origin", "external_id", "mention_id"):
                connection.exec_driver_sql(f"ALTER TABLE mention_key ALTER {column} SET NOT NULL")
            connection.exec_driver_sql("ALTER TABLE mention_key ADD PRIMARY KEY (brand_id, origin, external_id)")


def _swap(connection: Connection, planned: Sequence[Month]) -> None:
    """The months under the names of the tables; what refers to a mention refers to it again."""
    referring = [row for row in references(connection) if row[0] not in PARTED]
    for table, name, _ in references(connection):
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for table, column in PARTED.items():
        indexes, keys = list(_indexes(connection, table)), list(_keys(connection, table, column))
        serial = connection.exec_driver_sql(f"SELECT to_regclass('{table}_id_seq') IS NOT NULL").scalar_one()
        if serial:
            connection.exec_driver_sql(f"ALTER SEQUENCE {table}_id_seq OWNED BY NONE")
        connection.exec_driver_sql(
            f"CREATE TABLE {table}_parted (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)"
            f" PARTITION BY RANGE ({column})"
        )
        connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql(f"ALTER TABLE {table}_parted RENAME TO {table}")
        if serial:
            connection.exec_driver_sql(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
        for name, using, unique in indexes:
            connection.exec_driver_sql(f"CREATE {unique}INDEX {name} ON {table} {using}")
        for definition in keys:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD {definition}")
        for month in planned:
            low = "MINVALUE" if month.start is None else month.start
            part = f"{table}_{month.name}"
            connection.exec_driver_sql(
                f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ({low}) TO ({month.end})"
            )
            connection.exec_driver_sql(f"ALTER TABLE {part} DROP CONSTRAINT of_the_month")
        connection.exec_driver_sql(f"CREATE TABLE {table}_{REST} PARTITION OF {table} DEFAULT")
        belong(connection, table, REST)
    for table, name, definition in referring:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    connection.exec_driver_sql(_ONCE)
    connection.exec_driver_sql("DROP FUNCTION mention_written")


def _indexes(connection: Connection, table: str) -> Iterator[tuple[str, str, str]]:
    """(name, from USING on, "UNIQUE " or nothing) of the indexes that belong to no constraint, and of the one key that
    a month cannot hold alone."""
    rows = connection.exec_driver_sql(
        "SELECT relname, pg_get_indexdef(indexrelid), indisunique FROM pg_index JOIN pg_class ON pg_class.oid ="
        f" indexrelid WHERE indrelid = '{table}'::regclass AND NOT EXISTS"
        " (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u')) ORDER BY 1"
    )
    for name, definition, unique in rows.all():
        yield name, definition[definition.index(" USING ") + 1 :], "UNIQUE " if unique else ""
    if table == "mention":
        yield "ix_mention_external", "USING btree (brand_id, origin, external_id)", ""


def _keys(connection: Connection, table: str, column: str) -> Iterator[str]:
    """The keys and references of a table as each month has them: with the ids in the primary key."""
    rows = connection.exec_driver_sql(
        "SELECT contype::text, pg_get_constraintdef(oid), confrelid = 'mention'::regclass FROM pg_constraint"
        f" WHERE conrelid = '{table}'::regclass AND contype IN ('p', 'u', 'f') ORDER BY contype, 2"
    )
    for kind, definition, to_mention in rows.all():
        if kind == "f":
            if not to_mention:
                yield definition
            continue
        held = [name.strip() for name in definition[definition.index("(") + 1 : -1].split(",")]
        if column in held:
            yield definition
        elif kind == "p":
            yield f"PRIMARY KEY ({', '.join([*held, column])})"


def _exists(connection: Connection, table: str) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT to_regclass('{table}') IS NOT NULL").scalar_one())


def _constraint(connection: Connection, table: str, kind: str) -> bool:
    found = f"SELECT 1 FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype = '{kind}'"
    return connection.exec_driver_sql(found).first() is not None
