"""what a known customer said is found by its author

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    some = sa.text("author IS NOT NULL")
    op.create_index("ix_mention_author", "mention", ["brand_id", "author"], sqlite_where=some, postgresql_where=some)
