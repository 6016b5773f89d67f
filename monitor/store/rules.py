"""Plain rules written in the dashboard: kept as rows, beside those of the configuration, which win by name."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from monitor.config import Rule, Settings
from monitor.store.tables import StoredRule


def stored(session: Session) -> list[StoredRule]:
    """All of them, by name."""
    return list(session.exec(select(StoredRule).order_by(col(StoredRule.name))))


def rule_of(row: StoredRule) -> Rule:
    return Rule.model_validate(row.spec)


def in_force(session: Session, settings: Settings) -> Settings:
    """The settings with the rules of the dashboard among those of the configuration."""
    own = {row.name: rule_of(row) for row in stored(session) if row.active}
    return settings.model_copy(update={"rules": {**own, **settings.rules}}) if own else settings


def save(session: Session, name: str, rule: Rule, *, now: datetime, actor: str) -> None:
    """Write a rule; the same name again replaces it and puts it in force."""
    row = session.get(StoredRule, name) or StoredRule(name=name, changed_at=now)
    row.spec, row.active = rule.model_dump(mode="json", exclude_none=True), True
    row.changed_at, row.actor = now, actor
    session.add(row)
