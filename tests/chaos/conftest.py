"""The chaos suite uses the same PostgreSQL as the store's tests."""

from __future__ import annotations

from tests.monitor.postgres.fixtures import database, make_context, migrated, postgres

__all__ = ["database", "make_context", "migrated", "postgres"]
