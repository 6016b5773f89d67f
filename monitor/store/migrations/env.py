"""Runs migrations over the connection that `monitor.store.engine.upgrade` hands in."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import monitor.store.tables  # noqa: F401  (fills the metadata)


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether the tables speak of it: the search index (and what FTS5 keeps for it) is written by hand."""
    return kind != "table" or not (name or "").startswith("mention_search")


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
    include_name=ours,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
