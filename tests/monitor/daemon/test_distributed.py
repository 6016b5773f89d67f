"""The queue: what is asked for, what waits once, what the dead leave."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import func, select

from monitor.daemon import distributed
from monitor.daemon.distributed import MAX_ATTEMPTS, Fleet, apply_schema, run_periodic, run_worker
from monitor.errors import ConfigError, NotReady
from monitor.pipeline.context import Context
from monitor.store.catalogue import ensure_import
from monitor.store.engine import open_engine, reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Mention, Notice, Source
from tests.monitor import support
from tests.monitor.support import NOW, item

SOURCES = {
    "brands": {"cafe": {"name": "Cafe"}},
    "sources": {
        name: {"scraper": "rss", "brand": "cafe", "params": {"url": f"http://{name}.invalid/feed.xml"}}
        for name in ("one", "two")
    },
}


@pytest.fixture
def fleet(make_context: Callable[..., Context]) -> Fleet:
    made = Fleet(make_context(**SOURCES))
    apply_schema(made.context, made.app)
    return made


def jobs(fleet: Fleet) -> list[tuple[Any, ...]]:
    with fleet.context.engine.connect() as connection:
        found = "SELECT task_name, status, queueing_lock, attempts FROM procrastinate_jobs ORDER BY id"
        return [tuple(row) for row in connection.execute(text(found))]


def in_queue(fleet: Fleet, *steps: Callable[[], Any]) -> None:
    async def run() -> None:
        async with fleet.app.open_async():
            for step in steps:
                await step()

    asyncio.run(run())


def die(fleet: Fleet) -> None:
    """Every waiting job is in the hands of a worker that has not been heard of for a minute."""
    with fleet.context.engine.begin() as connection:
        worker = connection.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '60 s') RETURNING id")
        ).scalar_one()
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :id"), {"id": worker})


@pytest.mark.parametrize("start", [run_periodic, lambda context: run_worker(context, queues=[], concurrency=1)])
def test_sqlite_is_refused(tmp_path: Path, start: Callable[[Context], None]) -> None:
    with pytest.raises(ConfigError, match="PostgreSQL"):
        start(support.context(tmp_path))


def test_an_unknown_queue_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"colect.*allowed: collect, score, detect, notify, report"):
        run_worker(support.context(tmp_path), queues=["colect"], concurrency=1)


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = support.context(tmp_path)
    context.settings = support.settings(tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    with pytest.raises(ConfigError, match=r"feedback-monitor\[distributed\]"):
        run_periodic(context)


def test_an_unreachable_store_is_not_ready(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    context.settings = support.settings(tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    context.engine = open_engine(context.settings.url)
    with pytest.raises(NotReady):
        run_periodic(context)


@pytest.mark.postgres
def test_the_schema_is_applied_once(fleet: Fleet) -> None:
    apply_schema(fleet.context, fleet.app)
    assert jobs(fleet) == []


@pytest.mark.postgres
def test_slots_do_not_pile_up(fleet: Fleet) -> None:
    in_queue(
        fleet, fleet.queue_collect, fleet.queue_collect, lambda: fleet.queue("detect"), lambda: fleet.queue("detect")
    )
    assert [(name, lock) for name, _, lock, _ in jobs(fleet)] == [
        ("collect", "collect:one"), ("collect", "collect:two"), ("detect", "detect:")
    ]  # fmt: skip


@pytest.mark.postgres
def test_judging_gets_as_many_jobs_as_there_is_work(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "SLICE", 20)
    in_queue(fleet, fleet.queue_score)
    assert jobs(fleet) == []
    with writing(fleet.context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
        items = [item(n, f"late {n}") for n in range(21)]
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=NOW, near_duplicates=False)
    in_queue(fleet, fleet.queue_score)
    assert len(jobs(fleet)) == 2
    in_queue(fleet, lambda: fleet.app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False,
                                                       delete_jobs="successful"))  # fmt: skip
    with reading(fleet.context.engine) as session:
        left = session.exec(select(func.count()).select_from(Mention).where(Mention.score_state == "new")).one()
    assert left == 0


@pytest.mark.postgres
def test_a_dead_workers_jobs_are_given_to_others(fleet: Fleet) -> None:
    in_queue(fleet, lambda: fleet.queue("detect"))
    die(fleet)
    in_queue(fleet, fleet.rescue)
    assert jobs(fleet) == [("detect", "todo", "detect:", 1)]


@pytest.mark.postgres
def test_where_the_same_waits_the_dead_ones_is_dropped(fleet: Fleet) -> None:
    in_queue(fleet, lambda: fleet.queue("detect"))
    die(fleet)
    in_queue(fleet, lambda: fleet.queue("detect"), fleet.rescue)
    assert jobs(fleet) == [("detect", "todo", "detect:", 0)]


@pytest.mark.postgres
def test_a_source_that_kills_workers_rests(fleet: Fleet) -> None:
    in_queue(fleet, fleet.queue_collect)
    for _ in range(MAX_ATTEMPTS):
        die(fleet)
        in_queue(fleet, fleet.rescue)
    assert {(name, status) for name, status, _, _ in jobs(fleet)} == {("collect", "failed")}
    with reading(fleet.context.engine) as session:
        source = session.exec(select(Source).where(Source.slug == "one")).one()
        assert (source.last_status, source.fail_count) == ("crashed", 1)
        assert source.paused_until is not None and source.paused_until > NOW
        assert "processes died" in session.exec(select(Notice.text).where(Notice.key == "source.one")).one()
