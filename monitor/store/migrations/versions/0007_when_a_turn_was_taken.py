"""when the last turn at a host was taken, so that a clock that was set back is known

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host_bucket", sa.Column("seen_at", sa.Float(), nullable=False, server_default="0"))
    with op.batch_alter_table("host_bucket") as batch_op:
        batch_op.alter_column("seen_at", server_default=None)
