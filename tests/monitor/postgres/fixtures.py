"""Fixtures over a real PostgreSQL; the packages that need them import them into their conftest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from monitor.pipeline.context import Context
from monitor.store.engine import open_engine, upgrade
from tests.monitor import support
from tests.monitor.postgres.server import Server, Unavailable, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    try:
        with running() as server:
            yield server
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def migrated(postgres: Server) -> Iterator[str]:
    """The name of a database with all tables, which others are copied from."""
    with postgres.database() as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def database(postgres: Server, migrated: str) -> Iterator[str]:
    """The address of a database with all tables and no rows."""
    with postgres.database(migrated) as url:
        yield url


@pytest.fixture
def make_context(database: str, tmp_path: Path) -> Iterator[Callable[..., Context]]:
    """Contexts over one store, each with an engine of its own, as workers on several hosts have."""
    made: list[Context] = []

    def make(**options: Any) -> Context:
        made.append(support.context(tmp_path, database_url=database, **options))
        return made[-1]

    yield make
    for context in made:
        context.engine.dispose()


@pytest.fixture
def context(make_context: Callable[..., Context]) -> Context:
    return make_context()
