"""A store of any older version, with rows in every table, comes up to date and loses nothing (PostgreSQL)."""

from __future__ import annotations

import pytest

from monitor.store.engine import open_engine
from tests.monitor.postgres.server import Server
from tests.monitor.store import old_stores


@pytest.mark.parametrize("revision", old_stores.revisions())
def test_every_older_store_comes_up_to_date(postgres: Server, revision: str) -> None:
    with postgres.database() as url:
        engine = open_engine(url)
        old_stores.drill(engine, revision)
        engine.dispose()
