"""The topics in force: the built-in taxonomy with what people edited laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlmodel import Session, select

from monitor.store import switches
from monitor.store.tables import Topic


@dataclass(frozen=True, slots=True)
class TopicView:
    """One topic as pages show it. `edited`: a row of the store stands behind it; `barred`: the configuration switches
    it off."""

    key: str
    names: Mapping[str, str]
    stage: str
    touchpoint: Mapping[str, str] = field(default_factory=dict)
    experience: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    active: bool = True
    custom: bool = False
    edited: bool = False
    barred: bool = False

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names.get("en") or next(iter(self.names.values()), "") or self.key


@dataclass(frozen=True, slots=True)
class TaxonomyView:
    """All topics in order, and the names of stages and kinds of experience."""

    topics: Mapping[str, TopicView]
    stages: Mapping[str, Mapping[str, str]]
    experiences: Mapping[str, Mapping[str, str]]

    def name(self, key: str, language: str) -> str:
        topic = self.topics.get(key)
        return topic.name(language) if topic else key

    def stage_name(self, key: str, language: str) -> str:
        names = self.stages.get(key, {})
        return names.get(language) or names.get("en") or key

    def of_stage(self, stage: str) -> tuple[str, ...]:
        return tuple(key for key, topic in self.topics.items() if topic.stage == stage)


def in_force(session: Session) -> TaxonomyView:
    """Built-in topics, edited ones, then those people made."""
    from models.taxonomy import taxonomy

    shipped = taxonomy()
    rows = {row.key: row for row in session.exec(select(Topic))}
    topics: dict[str, TopicView] = {}
    for key, topic in shipped.topics.items():
        row = rows.pop(key, None)
        base = TopicView(
            key, dict(topic.names), topic.stage, dict(topic.touchpoint), topic.experience, dict(topic.about)
        )
        topics[key] = _over(base, row) if row is not None else base
    for key, row in sorted(rows.items()):
        topics[key] = _over(TopicView(key, {}, "use", custom=True), row)
    for key in switches.configured(session) & topics.keys():
        topics[key] = replace(topics[key], active=False, barred=True)
    return TaxonomyView(topics, dict(shipped.stages), dict(shipped.experiences))


def _over(base: TopicView, row: Topic) -> TopicView:
    return TopicView(
        base.key,
        {**base.names, **{language: name for language, name in row.names.items() if name}},
        row.stage or base.stage,
        {"ru": row.touchpoint, "en": row.touchpoint} if row.touchpoint else base.touchpoint,
        row.experience or base.experience,
        base.about,
        tuple(row.keywords),
        tuple(row.examples),
        row.active,
        row.custom,
        True,
    )
