"""Workers need a real PostgreSQL."""

from __future__ import annotations

from tests.monitor.postgres.fixtures import database, make_context, migrated, postgres

__all__ = ["database", "make_context", "migrated", "postgres"]
