"""A disk that is full, and one that forbids writing: nothing is lost, and work goes on where it stopped."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from pathlib import Path

from monitor.store.engine import open_engine
from tests.chaos import account
from tests.chaos.disk import small_disk
from tests.chaos.world import Nursery, nursery, world, write_config


def n_said(lives: Nursery, *words: str) -> int:
    """How often the daemon said one of these in its log."""
    log = lives.log.read_text(errors="replace")
    return sum(log.count(word) for word in words)


def empty_journal(store: Path) -> None:
    """The journal that a dead process leaves keeps its size, and on a full disk much can still be written into it."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


NO_RESERVE = {"MONITOR_TEST_FREE_BYTES": "0"}  # else collecting pauses before the disk is full
FULL = ("disk is full", "disk I/O error", "No space left on device")
FORBIDDEN = ("readonly database", "disk I/O error", "Read-only file system", "unable to open database file")


def test_full_for_a_while(tmp_path: Path) -> None:
    """The daemon lives through it; one that is killed meanwhile is started again when there is room."""
    with (
        small_disk(tmp_path, megabytes=24) as disk,
        world(tmp_path, seed=9, n_items=40, n_words=4) as (around, port),
        nursery(tmp_path, **NO_RESERVE) as lives,
    ):
        config = write_config(tmp_path, around, port)
        pid = lives.start("embedded", config)
        account.until(lambda: len(around.inbox.mails) > 0, 120, "the first alert")
        disk.fill()
        account.until(lambda: n_said(lives, *FULL) > 2, 120, "steps that cannot write say so")
        disk.make_room()
        n = len(around.inbox.mails)
        account.until(lambda: len(around.inbox.mails) > n, 120, "the same process goes on")
        disk.fill()
        before = n_said(lives, *FULL)
        account.until(lambda: n_said(lives, *FULL) > before, 120, "it is full again")
        lives.end(pid, signal.SIGKILL)
        disk.make_room()
        empty_journal(tmp_path / "data" / "monitor.sqlite")
        disk.fill()
        before = n_said(lives, *FULL)
        pid = lives.start("embedded", config)
        account.until(lambda: n_said(lives, *FULL) > before, 120, "a start on a full disk says so")
        disk.make_room()
        lives.end(pid, signal.SIGKILL)
        pid = lives.start("embedded", config)
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        account.end(around, lives, engine, [pid], n_kills=2, said="disk full twice")


def test_writing_is_forbidden(tmp_path: Path) -> None:
    """The file system goes read-only under the open store; the daemon stops in order, and goes on after the repair."""
    with (
        small_disk(tmp_path, megabytes=24) as disk,
        world(tmp_path, seed=10, n_items=20, n_words=2) as (around, port),
        nursery(tmp_path, **NO_RESERVE) as lives,
    ):
        config = write_config(tmp_path, around, port)
        pid = lives.start("embedded", config)
        account.until(lambda: len(around.inbox.mails) > 0, 120, "the first alert")
        disk.fail()
        account.until(lambda: n_said(lives, *FORBIDDEN) > 2, 120, "steps that cannot write say so")
        assert lives.end(pid, signal.SIGTERM) == 0
        disk.repair()
        pid = lives.start("embedded", config)
        engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'monitor.sqlite'}")
        account.end(around, lives, engine, [pid], n_kills=1, said="read-only disk")


def test_collecting_pauses_before_the_disk_is_full(tmp_path: Path) -> None:
    """Below the reserve nothing new is read, the operator is told, and what is there is judged and counted."""
    with (
        small_disk(tmp_path, megabytes=24) as disk,
        world(tmp_path, seed=11, n_items=20, n_words=2) as (around, port),
        nursery(tmp_path) as lives,
    ):
        config = write_config(tmp_path, around, port)
        pid = lives.start("embedded", config)
        store = disk.folder / "monitor.sqlite"
        account.until(store.exists, 120, "the store is there")
        engine = open_engine(f"sqlite:///{store}")
        account.until(lambda: account.told(engine, "collect.held_back"), 120, "the operator is told")
        assert around.n_requests == 0
        assert lives.end(pid, signal.SIGTERM) == 0
        engine.dispose()
