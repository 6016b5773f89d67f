"""the thread of a mention is found by its first post

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    some = sa.text("parent_id IS NOT NULL")
    op.create_index(
        "ix_mention_parent", "mention", ["brand_id", "origin", "parent_id"], sqlite_where=some, postgresql_where=some
    )
