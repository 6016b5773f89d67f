"""Backup and restore of the SQLite store; PostgreSQL has pg_dump."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from monitor.config import Settings
from monitor.errors import ConfigError, MonitorError
from monitor.store.engine import instance_lock, open_engine, pending

_PAGES = 2000


def backup(settings: Settings, output: Path) -> int:
    """Copy the store while others write (SQLite's online backup); returns the size in bytes.

    The copy gets its name only after an integrity check. Raises ConfigError on PostgreSQL, MonitorError for a bad copy.
    """
    source = _file(settings)
    if not source.is_file():
        raise ConfigError(f"{source}: there is no store to back up")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.part")
    partial.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(source)) as old, contextlib.closing(sqlite3.connect(partial)) as new:
            old.backup(new, pages=_PAGES, sleep=0.01)
            if (found := _integrity(new)) != "ok":
                raise MonitorError(
                    f"the store is damaged, and so would be its copy: {found}; keep the backups you have"
                )
            new.execute("PRAGMA journal_mode=DELETE")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(output)
    except sqlite3.DatabaseError as error:  # a full disk, or no store
        raise MonitorError(f"{source} cannot be copied to {output}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return output.stat().st_size


def _integrity(connection: sqlite3.Connection) -> str:
    """Says ok, or what is wrong with the file, in one line."""
    try:
        return " ".join(str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0]).split())
    except sqlite3.DatabaseError as error:
        return str(error)


def restore(settings: Settings, source: Path, *, force: bool = False) -> str:
    """Put a backup in place; the store that was there is kept beside it. Returns a line that says what was done.

    Raises Locked while an instance runs, ConfigError when a store is there and `force` is not given.
    """
    target = _file(settings)
    if not source.is_file():
        raise ConfigError(f"{source}: no such file")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copy:
            found = _integrity(copy)
            tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"{source}: not a backup of a store: {error}") from None
    if found != "ok" or "mention" not in tables:
        raise ConfigError(f"{source}: not a backup of a store" + ("" if found == "ok" else f": {found}"))
    with instance_lock(settings):
        if target.exists() and not force:
            raise ConfigError(f"{target} is there; --force replaces it and keeps it beside")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        partial.unlink(missing_ok=True)
        try:
            with (
                contextlib.closing(sqlite3.connect(source)) as old,
                contextlib.closing(sqlite3.connect(partial)) as new,
            ):
                old.backup(new)
                # What waited then may have left since: the channel is asked before it is sent, where it can be asked.
                new.execute("UPDATE outbox SET state = 'sending' WHERE state = 'pending'")
                new.commit()
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            kept = _put_aside(target)
            partial.replace(target)
        except (sqlite3.DatabaseError, OSError) as error:  # a full disk, or one that forbids writing
            raise MonitorError(f"{source} cannot be restored to {target}: {error}") from None
        finally:
            partial.unlink(missing_ok=True)
    engine = open_engine(settings.url)
    behind = pending(engine)
    engine.dispose()
    return f"{target} restored from {source}{kept}" + ("; run `monitor db upgrade`" if behind else "")


def _put_aside(target: Path) -> str:
    """Keep the store that is there beside, a damaged one too, with the log that it could not take in."""
    if not target.exists():
        return ""
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(target)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    aside = target.with_name(f"{target.stem}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{target.suffix}")
    for suffix in ("-shm", "-wal", ""):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{target}{suffix}").replace(f"{aside}{suffix}")
    return f"; the old one is {aside}"


def _file(settings: Settings) -> Path:
    if not settings.url.startswith("sqlite:///"):
        raise ConfigError("this store is PostgreSQL: back it up with pg_dump, restore it with pg_restore")
    return Path(settings.url.removeprefix("sqlite:///"))
