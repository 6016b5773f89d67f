"""ids of 64 bits for mentions and what refers to them

SQLite's are 64 bits wide anyway. On PostgreSQL the tables are written anew, under a lock: some minutes for ten million.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WIDENED = {
    "mention": ("id", "cluster_id"),
    "revision": ("id", "mention_id"),
    "signature": ("mention_id",),
    "signature_band": ("mention_id",),
    "topic_tag": ("mention_id",),
    "judgement": ("id", "mention_id"),
    "correction": ("id", "mention_id"),
    "survey_answer": ("mention_id",),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in WIDENED.items():
        op.execute(f"ALTER TABLE {table} " + ", ".join(f"ALTER COLUMN {column} TYPE bigint" for column in columns))
        if "id" in columns:
            op.execute(f"ALTER SEQUENCE {table}_id_seq AS bigint")
