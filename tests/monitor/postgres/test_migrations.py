"""A store of any older version, with rows in every table, comes up to date and loses nothing (PostgreSQL)."""

from __future__ import annotations

import psycopg.sql
import pytest

from monitor.errors import NotReady
from monitor.store.engine import open_engine, upgrade
from tests.monitor.postgres.server import Server
from tests.monitor.store import old_stores


@pytest.mark.parametrize("revision", old_stores.revisions())
def test_every_older_store_comes_up_to_date(postgres: Server, revision: str) -> None:
    with postgres.database() as url:
        engine = open_engine(url)
        old_stores.drill(engine, revision)
        engine.dispose()


def test_a_database_that_cannot_hold_every_script_is_refused(postgres: Server) -> None:
    """Made by initdb in the C locale: texts would come back as bytes, and nothing would be found by its words."""
    name = psycopg.sql.Identifier("monitor_test_ascii")
    make = "CREATE DATABASE {} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    postgres.execute(psycopg.sql.SQL(make).format(name))
    engine = open_engine(postgres.address("monitor_test_ascii"))
    try:
        with pytest.raises(NotReady, match="encoding SQL_ASCII"):
            upgrade(engine)
    finally:
        engine.dispose()
        postgres.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
