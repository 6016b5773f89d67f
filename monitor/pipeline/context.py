"""The context: everything a step needs from outside, handed in once."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from monitor.config import Settings
from monitor.store.engine import open_engine

if TYPE_CHECKING:
    from models.base import Scorer
    from scrapers.http import HostMemory


def utc_now() -> datetime:
    return datetime.now(UTC)


class Context:
    """Settings, store, clock, randomness and model of one process.

    `clock` is the only source of "now": a replay hands in a simulated one. The model is loaded when a text is first
    scored. `progress(done, total, what)` is told about anything long.
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
    ) -> None:
        self.settings = settings
        self.engine = engine if engine is not None else open_engine(settings.url)
        self.clock = clock
        self.rng = rng if rng is not None else random.Random()  # noqa: S311  (jitter, nothing secret)
        self.client_options = client_options or {}
        self.progress = progress or (lambda what, done, total: None)
        self.should_stop = should_stop
        self.owner = uuid.uuid4().hex  # of what this process has taken: never that of an earlier life
        self._scorer = scorer
        self.host_memory: HostMemory | None = None  # made by the collect step

    @property
    def now(self) -> datetime:
        return self.clock()

    @property
    def scorer(self) -> Scorer:
        """The configured model, loaded on first use."""
        if self._scorer is None:
            self._scorer = load_scorer(self.settings)
        return self._scorer


def load_scorer(settings: Settings) -> Scorer:
    """The model that the configuration names. Raises models.errors.ModelError."""
    import models

    options = settings.model
    return models.load(
        options.name or None,
        device=options.device,
        revision=options.revision,
        labels=dict(options.labels) or None,
        offline=options.offline or None,
        threads=options.threads,
        topics=options.topics,
        adapter=settings.data_dir / options.adapter if options.adapter else None,
    )


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
