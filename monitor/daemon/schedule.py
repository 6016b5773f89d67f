"""The schedule of the embedded daemon: calls each step every so often, by a clock that nobody can set.

It holds no jobs. A step that fails is logged and comes again at its next turn; one that takes longer than its interval
just comes later. Whoever sets the machine's clock, forward or back, changes nothing here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

log = structlog.get_logger()

_BREATH = 0.05  # seconds between two turns of a step that always takes longer than its interval


class Schedule:
    """Steps with a thread each: a slow one holds up no other. Ends when `stop` is set, after what is in hand."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []

    def every(self, interval: timedelta, name: str, step: Callable[[], Any]) -> None:
        """Call a step at the start, and again whenever an interval has passed since it was last begun."""
        thread = threading.Thread(target=self._turns, args=(name, step, interval.total_seconds()), name=name)
        self._threads.append(thread)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for the steps in hand; `stop` must be set."""
        for thread in self._threads:
            thread.join()

    def _turns(self, name: str, step: Callable[[], Any], seconds: float) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                step()
            except Exception:
                log.exception("step.failed", step=name)
            self._stop.wait(max(_BREATH, seconds - (time.monotonic() - started)))
