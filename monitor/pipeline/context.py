"""The context: everything a step needs from outside, handed in once."""

from __future__ import annotations

import asyncio
import functools
import random
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import structlog
from sqlalchemy import Engine
from sqlmodel import col, select

from monitor.config import Settings
from monitor.store.engine import open_engine, reading
from monitor.store.tables import Topic

if TYPE_CHECKING:
    from models.base import Scorer
    from models.scorer import ModelScorer
    from scrapers.http import HostMemory

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Settings, store, clock, randomness and model of one process.

    `clock` is the only source of "now": a replay hands in a simulated one. Turns at hosts go by `host_clock` (seconds
    since the epoch) and `sleep`. The model is loaded when a text is first scored. `progress(done, total, what)` is told
    about anything long.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine | None = None,
        clock: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        scorer: Scorer | None = None,
        client_options: dict[str, Any] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        host_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self.engine = engine if engine is not None else open_engine(settings.url)
        self.clock = clock
        self.rng = rng if rng is not None else random.Random()  # noqa: S311  (jitter, nothing secret)
        self.client_options = client_options or {}
        self.progress = progress or (lambda what, done, total: None)
        self.should_stop = should_stop
        self.host_clock, self.sleep = host_clock, sleep
        self.owner = uuid.uuid4().hex  # of what this process has taken: never that of an earlier life
        self._scorer, self._loading = scorer, threading.Lock()
        self._learnt: tuple[object, ...] | None = None  # what the loaded model had been taught; None: handed in
        self.host_memory: HostMemory | None = None  # made by the collect step

    @property
    def now(self) -> datetime:
        return self.clock()

    @property
    def scorer(self) -> Scorer:
        """The configured model, loaded on first use, and again when it was taught something new meanwhile."""
        with self._loading:
            if self._scorer is None or self._learnt is not None:
                learnt = _learnt(self.settings)
                if self._scorer is None or learnt != self._learnt:
                    self._scorer, self._learnt = load_scorer(self.settings, topics=own_topics(self.engine)), learnt
            return self._scorer

    def expect_scorer(self) -> None:
        """Somebody is likely to ask the model soon: unless it is there, it is loaded beside."""
        if self._scorer is None and not self._loading.locked():
            threading.Thread(target=self._load, name="model").start()  # no daemon: half loaded, libraries end badly

    def _load(self) -> None:
        from models.errors import ModelError

        try:
            self.scorer  # noqa: B018  (loads it)
        except ModelError as problem:  # who asks is told
            log.warning("model.not_loaded", error=str(problem))


ADAPTER, TOPICS = "adapter", "topics"  # folders in data_dir: what `monitor model adapt` and `monitor topic fit` learnt


def adapter_folder(settings: Settings) -> Path:
    """Where the versions of the layer learnt from corrections lie."""
    return settings.data_dir / (settings.model.adapter or ADAPTER)


def topic_folder(settings: Settings) -> Path:
    """Where the fitted topics of one's own lie."""
    return settings.data_dir / TOPICS


def own_topics(engine: Engine) -> frozenset[str]:
    """Keys of the topics people made that are in use."""
    with reading(engine) as session:
        return frozenset(
            session.exec(select(Topic.key).where(col(Topic.custom).is_(True), col(Topic.active).is_(True)))
        )


def _learnt(settings: Settings) -> tuple[object, ...]:
    pointer = adapter_folder(settings) / "current"
    files = [pointer, *sorted(topic_folder(settings).glob("*.json"))]
    return tuple((str(file), file.stat().st_mtime_ns) for file in files if file.is_file())


def load_scorer(settings: Settings, *, topics: frozenset[str] = frozenset(), plain: bool = False) -> ModelScorer:
    """The model that the configuration names, with what it learnt here: corrections, and the fitted ones of `topics`.

    `plain`: without either. What was learnt on another version of the model is left out, with a warning. Raises
    models.errors.ModelError.
    """
    import models
    from models.errors import AdapterOutdated
    from models.user_topics import FittedTopic

    options = settings.model
    load = functools.partial(
        models.load,
        options.name or None,
        device=options.device,
        revision=options.revision,
        labels=dict(options.labels) or None,
        offline=options.offline or None,
        threads=options.threads,
        topics=options.topics,
        stars=options.stars,
    )
    scorer = cast("ModelScorer", load())
    if plain:
        return scorer
    files = [topic_folder(settings) / f"{key}.json" for key in sorted(topics)]
    fitted = [FittedTopic.read(file) for file in files if file.is_file()]
    for topic in fitted:
        if topic.model != scorer.model:
            log.warning("topic.outdated", topic=topic.key, fitted_on=topic.model, model=scorer.model)
    fitted = [topic for topic in fitted if topic.model == scorer.model]
    if adapter_folder(settings).is_dir():
        try:
            return cast("ModelScorer", load(adapter=adapter_folder(settings), user_topics=fitted))
        except AdapterOutdated as error:
            log.warning("adapter.outdated", reason=str(error))
    return cast("ModelScorer", load(user_topics=fitted)) if fitted else scorer


@dataclass
class Tally:
    """What one execution of a step did."""

    n_seen: int = 0
    n_new: int = 0
    n_edited: int = 0
    n_failed: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.n_seen += other.n_seen
        self.n_new += other.n_new
        self.n_edited += other.n_edited
        self.n_failed += other.n_failed
        self.errors += other.errors
