"""A store per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import Session, select

from monitor.pipeline.context import Context
from monitor.store.catalogue import ensure_import
from monitor.store.engine import writing
from monitor.store.tables import Brand, Source
from tests.monitor import support


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    made = support.context(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def session(context: Context) -> Iterator[Session]:
    with writing(context.engine) as opened:
        yield opened


@pytest.fixture
def brand(session: Session) -> Brand:
    return session.exec(select(Brand)).one()


@pytest.fixture
def source(session: Session) -> Source:
    return ensure_import(session, "site", now=support.NOW)
