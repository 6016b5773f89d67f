"""Mentions by month on PostgreSQL, for who asks for it: how a store is cut, how a month begins, how old ones go.

A month is a range of ids, those that were given in it, so it holds what arrived then. The primary key stays what it
was, and so do the references; who asks by id, as every step does, asks one month. That a mention is stored once,
(brand, origin, external id), is kept by `mention_key`, which a trigger fills and which outlives the rows. Figures and
reasons: docs/scale.md, "By month".
"""

# ruff: noqa: S608  (what stands in these statements are names of our own tables, and numbers)

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlmodel import Session

from monitor.errors import ConfigError
from monitor.store import copies, meta
from monitor.store.engine import writing

PARTED = {"mention": "id", "judgement": "mention_id", "topic_tag": "mention_id", "mention_search": "rowid"}
KEY = sa.table("mention_key", sa.column("brand_id"), sa.column("origin"), sa.column("external_id"),
               sa.column("mention_id"))  # fmt: skip
AHEAD = 2  # months that are made before they begin
ROOM = 1 << 20  # ids a month has at least
SPARE = 4  # times the ids of the busiest month: what is more goes into the next month, which does no harm
_DROPPED = "months.dropped"
_EVER = datetime.min.replace(tzinfo=UTC)
REST = "rest"  # the partition for ids that no month has


@dataclass(frozen=True, slots=True)
class Month:
    """A month of mentions: the first day, and its ids, start <= id < end; None is without an end."""

    first: datetime
    start: int | None
    end: int

    @property
    def name(self) -> str:
        return f"y{self.first:%Y}m{self.first:%m}"


def is_cut(session: Session) -> bool:
    """Whether the mentions of this store are kept by month."""
    return session.get_bind().dialect.name == "postgresql" and is_parted(session.connection())


def months(connection: Connection) -> list[Month]:
    """The months of a store that is cut, the oldest first."""
    rows = connection.exec_driver_sql(
        "SELECT relname, pg_get_expr(relpartbound, pg_class.oid) FROM pg_inherits JOIN pg_class ON inhrelid ="
        " pg_class.oid WHERE inhparent = 'mention'::regclass"
    )
    found = []
    for name, bounds in rows:
        if (called := re.fullmatch(r"mention_y(\d{4})m(\d\d)", name)) is None:
            continue
        start, end = re.findall(r"\('?(\d+|MINVALUE)'?\)", bounds)
        first = datetime(int(called[1]), int(called[2]), 1, tzinfo=UTC)
        found.append(Month(first, None if start == "MINVALUE" else int(start), int(end)))
    return sorted(found, key=lambda month: month.first)


def advance(engine: Engine, *, now: datetime) -> bool:
    """Make the months to come, and begin the present one where that has not happened. False where nothing was to do.

    Nothing fails where this is late: ids go on in the month they are in, and then in the next.
    """
    if engine.dialect.name != "postgresql":
        return False
    with writing(engine) as session:
        connection = session.connection()
        if not is_parted(connection):
            return False
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")  # it is tried again within the hour
        there = months(connection)
        wanted = [month_after(now, k) for k in range(AHEAD + 1)]
        made = [first for first in wanted if first > there[-1].first]
        room = max(ROOM, SPARE * max((_used(connection, month) for month in there[-12:]), default=0))
        at = max(there[-1].end, last_id(connection) + 1)
        for first in made:
            _make(connection, Month(first, at, at + room))
            at += room
        present = next((month for month in months(connection) if month.first == wanted[0]), None)
        begins = present is not None and present.start is not None and last_id(connection) < present.start - 1
        if begins and present is not None:
            connection.execute(sa.text("SELECT setval('mention_id_seq', :last)"), {"last": (present.start or 1) - 1})
        return bool(made) or begins


def drop(engine: Engine, *, before: datetime, now: datetime, dry_run: bool = False) -> list[tuple[Month, int]]:
    """Let the mentions go that arrived in months before that of `before`: (month, how many), the oldest first.

    Their counts, their hours in sheets and their keys stay: what was counted is not counted anew, and what comes again
    is known. A month at a time, each in one transaction; one that took later arrivals in stays with them. Raises
    ConfigError where the store is not cut, or copies of these mentions may still come.
    """
    first = before.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if first > now - 2 * copies.WINDOW:
        raise ConfigError(f"months of the last {2 * copies.WINDOW.days} days stay: copies are compared with them")
    with engine.connect() as connection:
        if engine.dialect.name != "postgresql" or not is_parted(connection):
            raise ConfigError("the mentions of this store are not kept by month: `monitor db partition` does it")
        old = [month for month in months(connection) if month.first < first]
    gone = []
    for month in old:
        with writing(engine) as session:
            connection = session.connection()
            n, last, arrived = connection.exec_driver_sql(
                f"SELECT count(*), max(published_at), max(observed_at) FROM mention_{month.name}"
            ).one()
            if arrived is not None and arrived >= first:  # the next month began late: this one goes with it
                break
            gone.append((month, int(n)))
            if not dry_run:
                _drop(session, month, last)
    return gone


@dataclass(frozen=True, slots=True)
class Dropped:
    """What went: ids below `id`, and rows of hours before `hour`, whose counts are no longer made of rows."""

    id: int = 0
    hour: datetime = _EVER


def dropped(session: Session) -> Dropped:
    held = meta.get(session, _DROPPED)
    if held is None:
        return Dropped()
    below, hour = json.loads(held)
    return Dropped(int(below), datetime.fromisoformat(hour))


def keyless(session: Session) -> int:
    """How many mentions of a store that is cut are not in the table of keys."""
    if not is_cut(session):
        return 0
    wrong = ("SELECT count(*) FROM mention LEFT JOIN mention_key AS key ON key.brand_id = mention.brand_id"
             " AND key.origin = mention.origin AND key.external_id = mention.external_id"
             " WHERE key.mention_id IS DISTINCT FROM mention.id")  # fmt: skip
    return int(session.connection().exec_driver_sql(wrong).scalar_one())


def is_parted(connection: Connection) -> bool:
    kind = "SELECT relkind FROM pg_class WHERE oid = to_regclass('mention')"
    return connection.exec_driver_sql(kind).scalar_one_or_none() in {"p", b"p"}


def month_after(at: datetime, n: int) -> datetime:
    at = at.astimezone(UTC)
    number = at.year * 12 + at.month - 1 + n
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _make(connection: Connection, month: Month) -> None:
    for table in PARTED:
        connection.exec_driver_sql(
            f"CREATE TABLE {table}_{month.name} PARTITION OF {table} FOR VALUES FROM ({month.start}) TO ({month.end})"
        )
        belong(connection, table, month.name)


def belong(connection: Connection, table: str, name: str) -> None:
    """What is written of a mention refers to those of its own month: a month goes without a look at others."""
    if table in {"judgement", "topic_tag"}:
        connection.exec_driver_sql(
            f"ALTER TABLE {table}_{name} ADD CONSTRAINT {table}_{name}_of FOREIGN KEY (mention_id)"
            f" REFERENCES mention_{name} (id) ON DELETE CASCADE"
        )


def _drop(session: Session, month: Month, last: datetime | None) -> None:
    connection = session.connection()
    connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
    for table, _, definition in references(connection):
        gone = f"mention_id < {month.end}"
        connection.exec_driver_sql(
            f"UPDATE {table} SET mention_id = NULL WHERE {gone}" if "SET NULL" in definition
            else f"DELETE FROM {table} WHERE {gone}"
        )  # fmt: skip
    for table in reversed(PARTED):
        if table != "mention":
            connection.exec_driver_sql(f"DROP TABLE {table}_{month.name}")
    connection.exec_driver_sql(f"ALTER TABLE mention DETACH PARTITION mention_{month.name}")
    connection.exec_driver_sql(f"DROP TABLE mention_{month.name}")
    before = dropped(session)
    hour = before.hour if last is None else max(before.hour, last.astimezone(UTC) + timedelta(hours=1))
    floor = hour.replace(minute=0, second=0, microsecond=0)
    meta.put(session, _DROPPED, json.dumps([max(before.id, month.end), floor.isoformat()]))


def references(connection: Connection) -> list[tuple[str, str, str]]:
    """(table, name, definition) of what refers to mentions of any month."""
    rows = connection.exec_driver_sql(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE confrelid = 'mention'::regclass AND contype = 'f' AND conparentid = 0 ORDER BY 1"
    )
    return [(str(table), str(name), str(definition)) for table, name, definition in rows.all()]


def _used(connection: Connection, month: Month) -> int:
    last = connection.exec_driver_sql(f"SELECT max(id) FROM mention_{month.name}").scalar_one()
    return 0 if last is None else int(last) - (month.start or 0)


def last_id(connection: Connection) -> int:
    last, called = connection.exec_driver_sql("SELECT last_value, is_called FROM mention_id_seq").one()
    return int(last) if called else int(last) - 1
