"""only the first of a cluster of copies stands in an index, by numbers; an index of what still has words

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from monitor.store.copies import keys_of
from scrapers.duplicates import from_bytes

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CHUNK = 5000


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "copy_key",
        sa.Column("key", big, autoincrement=False, nullable=False),
        sa.Column("mention_id", big, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key", "mention_id"),
        sqlite_with_rowid=False,
    )
    op.drop_table("signature_band")
    op.add_column("signature", sa.Column("published_on", sa.Date(), nullable=True))
    day = (
        "(published_at AT TIME ZONE 'UTC')::date"
        if op.get_bind().dialect.name == "postgresql"
        else "date(published_at)"
    )
    op.execute(f"UPDATE signature SET published_on = (SELECT {day} FROM mention WHERE id = mention_id)")  # noqa: S608
    with op.batch_alter_table("signature", schema=None) as batch_op:
        batch_op.drop_index("ix_signature_text_hash")
        batch_op.alter_column("published_on", existing_type=sa.Date(), nullable=False)
        batch_op.create_index("ix_signature_published_on", ["published_on"], unique=False)
    op.create_index(
        "ix_mention_words", "mention", ["source_id", "published_at"], unique=False,
        sqlite_where=sa.text("gone_at IS NULL"), postgresql_where=sa.text("gone_at IS NULL"),
    )  # fmt: skip
    _fill()


def _fill() -> None:
    """The keys of what counts, from the signatures that are there."""
    connection, last = op.get_bind(), 0
    page = sa.text(
        "SELECT mention.id, brand_id, text_hash, minhash FROM signature JOIN mention ON mention.id = mention_id"
        " WHERE counts AND mention.id > :last ORDER BY mention.id LIMIT :n"
    )
    while rows := connection.execute(page, {"last": last, "n": _CHUNK}).all():
        last = rows[-1][0]
        keys = [
            {"key": key, "id": mention_id}
            for mention_id, brand_id, text_hash, minhash in rows
            for key in keys_of(brand_id, text_hash, from_bytes(minhash))
        ]
        connection.execute(sa.text("INSERT INTO copy_key (key, mention_id) VALUES (:key, :id)"), keys)
