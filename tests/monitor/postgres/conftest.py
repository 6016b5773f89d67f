"""Everything in this folder needs a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitor.postgres.fixtures import context, database, make_context, migrated, postgres

__all__ = ["context", "database", "make_context", "migrated", "postgres"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.postgres)
