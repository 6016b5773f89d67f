"""A store of any older version, with rows in every table, comes up to date and loses nothing (SQLite)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.errors import NotReady
from monitor.store.engine import open_engine, revisions, upgrade
from tests.monitor.store import old_stores


def test_a_file_is_named_by_its_revision() -> None:
    assert list(revisions()) == old_stores.revisions()


@pytest.mark.parametrize("revision", old_stores.revisions())
def test_every_older_store_comes_up_to_date(tmp_path: Path, revision: str) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'old.sqlite'}")
    old_stores.drill(engine, revision)
    engine.dispose()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    first, *later = old_stores.revisions()
    engine = open_engine(f"sqlite:///{tmp_path / 'old.sqlite'}")
    old_stores.migrate(engine, first)
    old_stores.fill(engine)
    before = old_stores.contents(engine)
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("CREATE TABLE daily_stars (in_the_way INTEGER)"))  # revision 0002 makes one
    with pytest.raises(Exception, match="daily_stars already exists"):
        upgrade(engine)
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("DROP TABLE daily_stars"))
    assert old_stores.contents(engine) == before
    assert later and upgrade(engine)
    engine.dispose()


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'new.sqlite'}")
    upgrade(engine)
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NotReady, match="newer version"):
        upgrade(engine)
    engine.dispose()
