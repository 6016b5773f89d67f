"""The store as an engine: how it is opened, brought up to date, and locked against a second instance."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from monitor.config import Settings
from monitor.errors import Locked, NotReady
from monitor.store.search import fold

if TYPE_CHECKING:  # it brings every dialect there is: only a store that is behind needs it
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x6D6F6E69746F72  # "monitor": one migration at a time on PostgreSQL

_PATIENCE = 600.0  # seconds
_guard = threading.Lock()
_queues: dict[str, deque[_Writer]] = {}  # who wants to write, by store

SessionMaker = Callable[[], Session]


class _Writer:
    """Who waits for a turn to write, or has it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.turn = threading.Event()


def open_engine(url: str) -> Engine:
    """An engine with the pragmas this product relies on. SQLite: WAL, foreign keys, 30 s of patience.

    Errors do not show the values of a statement: they end in logs, and are texts and names of people.
    """
    if not url.startswith("sqlite"):
        if url.startswith(("postgresql://", "postgres://")):
            url = "postgresql+psycopg://" + url.split("://", 1)[1]
        # A host that freezes inside a transaction must not hold its locks for ever: the server ends its session.
        guard = {"options": "-c idle_in_transaction_session_timeout=60000", "application_name": "monitor",
                 "client_encoding": "utf8"}  # fmt: skip
        return create_engine(
            url, pool_pre_ping=True, pool_size=5, max_overflow=10, connect_args=guard, hide_parameters=True
        )
    memory = url in {"sqlite://", "sqlite:///:memory:"}
    if not memory:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    engine = create_engine(
        url, connect_args={"check_same_thread": False, "timeout": 30}, hide_parameters=True, **options
    )

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions itself, below, as IMMEDIATE where it writes
        connection.create_function("fold", 1, fold, deterministic=True)
        cursor = connection.cursor()
        for pragma in (
            "foreign_keys=ON",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "busy_timeout=30000",
            "temp_store=MEMORY",
            "cache_size=-64000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # A transaction that first reads and then writes would fail at once with "database is locked" when somebody
        # else has written in between; taking the write lock at the start makes it wait instead.
        # What says that it only reads is held to it, so that no such transaction hides among the readers.
        write = connection.get_execution_options().get("write", False)
        connection.connection.driver_connection.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """One short write transaction: commits at the end, rolls back on any error."""
    with (
        _turn(engine),
        Session(engine.execution_options(write=True), expire_on_commit=False) as session,
        session.begin(),
    ):
        yield session


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """SQLite: threads of this process write one after the other, in the order in which they came.

    SQLite itself lets waiters try again now and then, and fails whoever had no luck for `busy_timeout`: on a crowded
    machine that is whoever writes rarely. Other processes (a command beside the daemon) still meet that way.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    mine = _Writer()
    with _guard:
        queue = _queues.setdefault(str(engine.url), deque())
        alone = not queue
        ours = any(writer.thread == mine.thread for writer in queue)
        if not ours:
            queue.append(mine)
    if ours:  # nobody waits for himself: whether a second transaction may begin is SQLite's to say
        yield
        return
    if not alone:
        mine.turn.wait(_PATIENCE)  # then it is SQLite's to say who may write
    try:
        yield
    finally:
        with _guard:
            queue.remove(mine)
            if queue:
                queue[0].turn.set()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """One consistent snapshot for reading."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


def exclusive(session: Session, name: str) -> None:
    """Hold a name until the transaction ends, so that one host at a time does what it stands for.

    On SQLite every writing transaction is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"monitor:{name}"})


def upgrade(engine: Engine) -> bool:
    """Apply missing migrations under a lock. True when something was applied."""
    if pending(engine) is False:
        return False
    from alembic import command

    with engine.execution_options(write=True).connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            connection.commit()
        try:
            with connection.begin():
                config = alembic_config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        finally:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
                connection.commit()
    return True


def pending(engine: Engine) -> bool:
    """Whether migrations are missing. Raises NotReady when the store cannot be reached or is newer than we are."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
                if encoding != "UTF8":
                    raise NotReady(f"the database has the encoding {encoding}; make it anew with ENCODING 'UTF8'")
            known = inspect(connection).has_table("alembic_version")
            current = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    except SQLAlchemyError as error:
        raise NotReady(f"the store cannot be opened: {getattr(error, 'orig', None) or error}") from error
    if current is not None and current not in revisions():
        raise NotReady(f"the store was written by a newer version (revision {current}); install that version")
    return current != revisions()[-1]


@cache
def revisions() -> tuple[str, ...]:
    """All migrations, the newest last; a file is named by its revision."""
    return tuple(sorted(path.stem.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")))


def require_current(engine: Engine) -> None:
    """Raises NotReady when a migration is missing."""
    if pending(engine):
        raise NotReady("the store is not up to date; run `monitor db upgrade`")


def alembic_config() -> Config:
    """Where the migrations are, for alembic."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


@contextmanager
def instance_lock(settings: Settings) -> Iterator[None]:
    """Hold the store for one instance; the operating system releases it however the process ends.

    Raises Locked (exit code 75) with the holder's process id. On PostgreSQL many workers may share a store.
    """
    if not settings.url.startswith("sqlite"):
        yield
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / "monitor.lock"
    handle: IO[str]
    with path.open("a+", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise Locked(
                f"another instance (process {holder}) holds {settings.data_dir}; stop it or use its dashboard"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
