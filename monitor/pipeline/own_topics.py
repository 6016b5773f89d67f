"""Topics of the user's own: what people wrote about them becomes a fitted head that every score step uses.

And the switch of every topic: what means nothing in a business is put out of use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlmodel import Session, col, select

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.pipeline.context import Context, load_scorer, topic_folder
from monitor.pipeline.learning import uncorrected
from monitor.store.engine import reading
from monitor.store.judgements import judged_words
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import Correction, Mention, Topic

if TYPE_CHECKING:
    from models.user_topics import FittedTopic, UserTopic

log = structlog.get_logger()

N_BACKGROUND = 500  # texts of the stream that stand for "not about it"


@dataclass(frozen=True, slots=True)
class State:
    """A topic of one's own and what became of it: fitted or not, and how well."""

    key: str
    names: dict[str, str]
    active: bool
    n_examples: int
    n_keywords: int
    fitted: FittedTopic | None


def add(session: Session, key: str, *, name: str, keywords: Sequence[str] = (), examples: Sequence[str] = ()) -> Topic:
    """Make a topic, or add words and examples to one of one's own. ConfigError for a built-in key or a bad one."""
    import re

    from models.taxonomy import TOPICS

    if key in TOPICS:
        raise ConfigError(f"topic {key!r} is built in; built in are: {', '.join(TOPICS)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,40}", key):
        raise ConfigError(f"topic key {key!r}: small Latin letters, digits and _ only, a letter first")
    row = session.get(Topic, key) or Topic(key=key, custom=True)
    if name:
        row.names = {**row.names, "en": name, "ru": name}
    row.keywords = list(dict.fromkeys([*row.keywords, *(word.strip() for word in keywords if word.strip())]))
    row.examples = list(dict.fromkeys([*row.examples, *(text.strip() for text in examples if text.strip())]))
    row.active = True
    session.add(row)
    return row


def remove(session: Session, settings: Settings, key: str) -> None:
    """Take a topic of one's own out of use; mentions lose it. ConfigError where there is none."""
    row = session.get(Topic, key)
    if row is None or not row.custom:
        raise ConfigError(f"topic {key!r} is none of your own; there are: {', '.join(_keys(session)) or 'none'}")
    row.active = False
    session.add(row)
    (topic_folder(settings) / f"{key}.json").unlink(missing_ok=True)


def switch(session: Session, keys: Sequence[str], *, on: bool) -> None:
    """Put topics, built in or of one's own, in use or out of it. ConfigError for one that is not there or barred."""
    known = in_force(session).topics
    for key in keys:
        if key not in known:
            raise ConfigError(f"there is no topic {key!r}; there are: {', '.join(known)}")
        if on and known[key].barred:
            raise ConfigError(f"topic {key!r} is switched off by the configuration: take it out of `without_topics`")
        row = session.get(Topic, key) or Topic(key=key)
        row.active = on
        session.add(row)


def states(session: Session, settings: Settings) -> list[State]:
    """All topics of one's own, by key."""
    from models.user_topics import FittedTopic

    rows = session.exec(select(Topic).where(col(Topic.custom).is_(True)).order_by(col(Topic.key))).all()
    found = []
    for row in rows:
        path = topic_folder(settings) / f"{row.key}.json"
        fitted = FittedTopic.read(path) if path.is_file() else None
        found.append(State(row.key, dict(row.names), row.active, len(row.examples), len(row.keywords), fitted))
    return found


def fit(context: Context, key: str) -> FittedTopic:
    """Learn a topic from its examples, keywords and people's corrections, measure it, and put it into use.

    Mentions that a person gave this topic are examples, those from which a person took it counterexamples. Raises
    ConfigError where there is no such topic, models.errors.TrainingError where there is too little to learn from.
    """
    from models.user_topics import fit as fit_head

    with reading(context.engine) as session:
        topic, background = _said(session, key), uncorrected(session, N_BACKGROUND)
    fitted = fit_head(topic, load_scorer(context.settings, plain=True), background=background)
    folder = topic_folder(context.settings)
    folder.mkdir(parents=True, exist_ok=True)
    fitted.write(folder / f"{key}.json")
    log.info("topic.fitted", topic=key, f1=round(fitted.measured.f1, 3), n=fitted.measured.n_positive)
    return fitted


def fit_all(context: Context) -> dict[str, FittedTopic | str]:
    """Every active topic of one's own: fitted, or why it could not be."""
    from models.errors import TrainingError

    with reading(context.engine) as session:
        keys = [row.key for row in _rows(session)]
    found: dict[str, FittedTopic | str] = {}
    for number, key in enumerate(keys, start=1):
        try:
            found[key] = fit(context, key)
        except TrainingError as error:
            found[key] = str(error)
        context.progress("topics", number, len(keys))
    return found


def _said(session: Session, key: str) -> UserTopic:
    from models.user_topics import UserTopic

    row = session.get(Topic, key)
    if row is None or not row.custom or not row.active:
        raise ConfigError(f"topic {key!r} is none of your own; there are: {', '.join(_keys(session)) or 'none'}")
    examples: list[str] = list(row.examples)
    counterexamples: list[str] = []
    last: dict[int, tuple[str, list[dict[str, object]]]] = {}
    rows = session.exec(
        select(Correction.mention_id, Correction.topics, Mention.title, Mention.text)
        .join(Mention, col(Mention.id) == col(Correction.mention_id))
        .order_by(col(Correction.id))
    )
    for mention, topics, title, text in rows:
        if topics is not None:
            last[mention] = (judged_words(title, text), topics)
    for words, topics in last.values():
        (examples if any(tag.get("topic") == key for tag in topics) else counterexamples).append(words)
    return UserTopic(
        key=key,
        name=row.names.get("en") or row.names.get("ru") or key,
        keywords=tuple(row.keywords),
        examples=tuple(examples),
        counterexamples=tuple(counterexamples),
    )


def _rows(session: Session) -> Sequence[Topic]:
    return session.exec(
        select(Topic).where(col(Topic.custom).is_(True), col(Topic.active).is_(True)).order_by(col(Topic.key))
    ).all()


def _keys(session: Session) -> list[str]:
    return [row.key for row in _rows(session)]
