"""The restore drill on PostgreSQL, as docs/operations.md tells it: dump while workers write, restore, go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import func, select

from monitor.daemon.distributed import Fleet, apply_schema
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import
from monitor.store.check import verify
from monitor.store.engine import open_engine, reading, upgrade, writing
from monitor.store.ingest import Ingested, ingest
from monitor.store.tables import Brand, Mention
from tests.monitor import support
from tests.monitor.postgres.server import Server, Unavailable
from tests.monitor.support import NOW, item


def fill(context: Context, numbers: range) -> Ingested:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "site", now=NOW).id or 0
        items = [item(n, f"late and rude {n}" if n % 2 else f"good {n}") for n in numbers]
        return ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=NOW)


def jobs(context: Context) -> int:
    with context.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM procrastinate_jobs").scalar_one())


def queue_one(context: Context) -> None:
    fleet = Fleet(context)

    async def run() -> None:
        async with fleet.app.open_async():
            await fleet.queue("detect")

    asyncio.run(run())


def test_dump_and_restore(postgres: Server, make_context: Callable[..., Context], tmp_path: Path) -> None:
    context = make_context()
    apply_schema(context, Fleet(context).app)
    queue_one(context)
    fill(context, range(100))
    score(context)
    aggregate(context)
    fill(context, range(100, 120))  # not judged yet when the dump is made
    file = tmp_path / "store.dump"
    url = context.settings.url
    try:
        postgres.tool("pg_dump", "--format=custom", "--exclude-table-data=procrastinate_*", f"--file={file}", url)
        with postgres.database() as other:
            postgres.tool("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={other}", str(file))
            restored = Context(support.settings(tmp_path, database_url=other), clock=lambda: NOW,
                               scorer=support.WordScorer(), engine=open_engine(other))  # fmt: skip
            assert upgrade(restored.engine) is False
            assert verify(restored.engine) == []
            assert fill(restored, range(130)).n_new == 10  # what the site shows again has the same keys
            assert score(restored).n_new == 30
            aggregate(restored)
            assert verify(restored.engine) == []
            with reading(restored.engine) as session:
                assert session.exec(select(func.count()).select_from(Mention)).one() == 130
            apply_schema(restored, Fleet(restored).app)
            assert jobs(restored) == 0
            queue_one(restored)
            assert jobs(restored) == 1
            restored.engine.dispose()
    except Unavailable as error:
        pytest.skip(str(error))
