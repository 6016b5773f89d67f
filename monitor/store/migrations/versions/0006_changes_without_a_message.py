"""old changes of incidents that have no message: their log says that the reason was not kept

From this revision on the log keeps it, and `monitor db check` holds every change against its messages.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UNKNOWN = "not_kept"
SPEAKING = ["opened", "escalated", "repeated", "resolved", "reopened", "new_normal", "unacknowledged"]


def upgrade() -> None:
    found = op.get_bind().execute(
        sa.text(
            "SELECT id FROM incident_event AS event WHERE actor = '' AND note = '' AND kind IN :speaking "
            "AND (SELECT count(*) FROM incident_event AS one WHERE one.incident_id = event.incident_id "
            "AND one.kind = event.kind AND one.actor = '' AND one.note = '') > "
            "(SELECT count(DISTINCT created_at) FROM outbox "
            "WHERE outbox.incident_id = event.incident_id AND outbox.kind = event.kind)"
        ).bindparams(sa.bindparam("speaking", SPEAKING, expanding=True))
    )
    rows = [{"id": row[0], "note": UNKNOWN} for row in found]
    if rows:
        op.get_bind().execute(sa.text("UPDATE incident_event SET note = :note WHERE id = :id"), rows)
