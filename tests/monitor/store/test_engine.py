"""The store under several writers: nobody fails for having waited, and who reads does not write."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, OperationalError

from monitor.store import meta
from monitor.store.engine import _queues as waiting
from monitor.store.engine import open_engine, reading, upgrade, writing
from monitor.store.tables import Brand
from tests.monitor import support


def test_writers_that_sqlite_would_not_let_wait_are_served_in_their_order(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    upgrade(engine)
    engine.dispose()

    @event.listens_for(engine, "connect")
    def _no_patience(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 0")  # who asks SQLite while another writes fails at once

    order: list[str] = []

    def write(name: str) -> None:
        with writing(engine) as session:
            meta.put(session, name, name)
            order.append(name)

    names = ["second", "third", "fourth"]
    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    with writing(engine) as session:
        meta.put(session, "first", "first")
        session.flush()
        for n, thread in enumerate(threads, start=2):
            thread.start()
            while len(waiting[str(engine.url)]) < n and thread.is_alive():
                time.sleep(0.01)
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert [meta.get(session, name) for name in names] == names
    assert order == names
    engine.dispose()


def test_the_next_writer_has_its_turn_when_one_fails(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    upgrade(engine)
    with pytest.raises(ZeroDivisionError), writing(engine) as session:
        meta.put(session, "a", "1")
        session.flush()
        1 / 0  # noqa: B018
    with writing(engine) as session:
        assert meta.get(session, "a") is None
    engine.dispose()


def test_nobody_waits_for_himself(tmp_path: Path) -> None:
    """Who still holds a session whose transaction is over may open another in the same thread."""
    engine = open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    upgrade(engine)

    def write() -> None:
        with writing(engine) as outer:
            meta.put(outer, "a", "1")
            outer.commit()
            with writing(engine) as inner:
                meta.put(inner, "b", "2")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    with reading(engine) as session:
        assert (meta.get(session, "a"), meta.get(session, "b")) == ("1", "2")
    engine.dispose()


def test_who_reads_cannot_write(tmp_path: Path) -> None:
    """Such a transaction fails at once when another wrote since it began to read, however patient the store is."""
    engine = open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    upgrade(engine)
    with pytest.raises(OperationalError, match="readonly"), reading(engine) as session:
        meta.put(session, "a", "1")
        session.flush()
    with writing(engine) as session:
        meta.put(session, "a", "1")
    engine.dispose()


def test_errors_of_the_database_do_not_show_what_was_written(tmp_path: Path) -> None:
    """They end in the log, and the values of a row are texts and names of people."""
    context = support.context(tmp_path)
    with pytest.raises(IntegrityError) as caught, writing(context.engine) as session:
        session.add(Brand(slug="cafe", name="Anna Secret"))
        session.flush()
    assert "Anna" not in str(caught.value) and "brand" in str(caught.value)
