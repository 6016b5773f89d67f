"""Writes a new migration from the tables: `python -m monitor.store.migrations.new "what changes"`.

Read it before you commit it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from monitor.store.engine import alembic_config, open_engine, upgrade

_SEARCH = """
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE mention_search USING fts5(body, tokenize = 'unicode61 remove_diacritics 2')")
    else:
        op.execute("CREATE TABLE mention_search (rowid BIGINT PRIMARY KEY, body TEXT NOT NULL)")
        op.execute("CREATE INDEX ix_mention_search_words ON mention_search USING gin (to_tsvector('simple', body))")
"""


def write(message: str) -> Path:
    """The file of the new migration. The first one also makes the search index, which is no SQLModel table."""
    config = alembic_config()
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/store.sqlite")
        if number > 1:
            upgrade(engine)
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            script = command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")
        engine.dispose()
    path = Path(script.path)
    text = path.read_text(encoding="utf-8")
    text = text.replace("sqlmodel.sql.sqltypes.AutoString()", "sa.String()")
    text = text.replace("monitor.store.types.UTCDateTime(timezone=True)", "UTCDateTime()")
    text = text.replace("import monitor.store.types", "from monitor.store.types import UTCDateTime")
    text = re.sub(r".*### .* ###\n", "", text).replace("Revises: \n", "Revises: nothing\n").rstrip() + "\n"
    path.write_text(text + (_SEARCH.lstrip("\n") if number == 1 else ""), encoding="utf-8")
    return path


if __name__ == "__main__":
    print(write(" ".join(sys.argv[1:]) or "change"))
