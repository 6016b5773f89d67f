"""The pulse: what the steps of a process last did, whether one hangs, and the sign of life for whoever watches outside.

A step that fails is a notice for the operator until it succeeds again. A step that shows no sign of life for too long
ends the process, as a crash would: what it had in hand is found by the next one, and a text with which process after
process dies is marked (`monitor.pipeline.score`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from monitor.pipeline.context import Context
from monitor.pipeline.wellbeing import ailing
from monitor.store import notices, tallies
from monitor.store.engine import reading, writing

log = structlog.get_logger()

HANGS = 1800.0  # seconds without a sign of life: a batch, a source, a brand, a message take far less
_WRITE_EVERY = 60.0


@dataclass
class _Running:
    step: str
    alive_at: float


class Pulse:
    """Signs of life of one process. Wraps the context's `progress` and `should_stop`: whoever asks or tells, lives."""

    def __init__(self, context: Context, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.context = context
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[int, _Running] = {}  # by thread
        self._unwritten: dict[str, tuple[int, float]] = {}  # runs and seconds that the store does not know yet
        self._written_at: dict[str, float] = {}
        self._failing: set[str] = set()
        told, asked = context.progress, context.should_stop

        def progress(what: str, done: int, total: int) -> None:
            self.beat()
            told(what, done, total)

        def should_stop() -> bool:
            self.beat()
            return asked()

        context.progress, context.should_stop = progress, should_stop

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Around one turn of a step. An error is written down and goes on up."""
        thread, started = threading.get_ident(), self._clock()
        with self._lock:
            self._running[thread] = _Running(name, started)
        try:
            yield
        except Exception as error:
            self._failed(name, error)
            raise
        finally:
            with self._lock:
                del self._running[thread]
        self._went_well(name, self._clock() - started)

    def beat(self) -> None:
        """The calling thread is alive."""
        one = self._running.get(threading.get_ident())
        if one is not None:
            one.alive_at = self._clock()

    def hanging(self) -> list[str]:
        """Steps without a sign of life for too long."""
        with self._lock:
            return [one.step for one in self._running.values() if self._clock() - one.alive_at > HANGS]

    def end_if_hanging(self) -> None:
        """A thread cannot be stopped from outside, a process can: the supervisor starts the next one."""
        if steps := self.hanging():
            log.critical("step.hangs", steps=steps, seconds=HANGS)
            os._exit(1)

    def _failed(self, name: str, error: Exception) -> None:
        with self._lock:
            self._failing.add(name)
        with suppress(SQLAlchemyError), writing(self.context.engine) as session:  # perhaps the store is what is wrong
            text = f"{name}: {type(error).__name__}: {error}"[:500]
            notices.raise_notice(session, f"step.{name}", text, now=self.context.now)

    def _went_well(self, name: str, seconds: float) -> None:
        now = self._clock()
        with self._lock:
            runs, total = self._unwritten.get(name, (0, 0.0))
            self._unwritten[name] = (runs + 1, total + seconds)
            was_failing = name in self._failing
            due = now - self._written_at.get(name, -_WRITE_EVERY) >= _WRITE_EVERY
            if not (was_failing or due):
                return
            runs, total = self._unwritten.pop(name)
            self._written_at[name] = now
            self._failing.discard(name)
        try:
            with writing(self.context.engine) as session:
                tallies.add(session, f"step.{name}", n=runs, seconds=total, at=self.context.now)
                notices.close(session, f"step.{name}", now=self.context.now)
        except SQLAlchemyError as error:
            log.warning("step.not_noted", step=name, error=type(error).__name__)


def ping(context: Context) -> bool:
    """The dead man's switch: call the address of the configuration while all is well. False when it was not called."""
    if not context.settings.heartbeat.url:
        return False
    with reading(context.engine) as session:
        why = ailing(session, context.settings, now=context.now)
    if why:
        log.warning("heartbeat.withheld", why=why)
        return False
    return call(context.settings.heartbeat.url)


def call(url: str) -> bool:
    """Say outside that all is well. The address is a secret: no message shows it."""
    import httpx

    try:
        httpx.get(url, timeout=10.0, follow_redirects=False).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("heartbeat.failed", error=type(error).__name__)
        return False
    return True
