"""robots.txt as each host last gave it, kept in the store: runs from cron ask for it once a day, as the daemon does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from monitor.store import meta
from monitor.store.engine import exclusive, reading, writing
from monitor.store.tables import Meta

if TYPE_CHECKING:
    from scrapers.robots import Rules

_PREFIX = "robots."


class StoredRules(dict[str, "Rules"]):
    """By origin; what this process has not seen yet is looked up in the store."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def __missing__(self, origin: str) -> Rules:
        from scrapers.robots import Rules

        with reading(self._engine) as session:
            value = meta.get(session, _PREFIX + origin)
        if value is None:
            raise KeyError(origin)
        kept = json.loads(value)
        rules = Rules.of(kept["text"], read_at=kept["read_at"], check_at=kept["check_at"])
        super().__setitem__(origin, rules)
        return rules

    def __setitem__(self, origin: str, rules: Rules) -> None:
        super().__setitem__(origin, rules)
        value = json.dumps({"text": rules.text, "read_at": rules.read_at, "check_at": rules.check_at})
        with writing(self._engine) as session:
            exclusive(session, _PREFIX + origin)
            meta.put(session, _PREFIX + origin, value)


def prune(session: Session, *, now: float) -> None:
    """Erase copies that are too old to hold for a host that does not answer."""
    from scrapers.robots import STALE_SECONDS  # httpx: not for every command

    for row in session.exec(select(Meta).where(col(Meta.key).startswith(_PREFIX, autoescape=True))):
        if json.loads(row.value)["read_at"] < now - STALE_SECONDS:
            session.delete(row)
