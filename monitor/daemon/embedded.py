"""The embedded daemon: one process, the schedule calls the steps, SIGTERM finishes the batch and ends with 0.

The schedule holds no jobs: every step asks the store what is not done yet, so a missed turn costs nothing but time.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.housekeeping import housekeep
from monitor.pipeline.notify import notify
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import score

log = structlog.get_logger()


class Daemon:
    """Runs the steps until it is told to stop. `serve` is the dashboard: called with the stop event, in a thread."""

    def __init__(self, context: Context, *, scheduler: bool = True,
                 serve: Callable[[threading.Event], None] | None = None) -> None:  # fmt: skip
        self.context = context
        self.stop = threading.Event()
        self.context.should_stop = self.stop.is_set
        self._scheduling = scheduler
        self._serve = serve
        self._writing = threading.Lock()  # steps that judge and count take turns; fetching and sending run beside them

    def run(self) -> None:
        """Block until SIGTERM or SIGINT; a second signal ends at once."""
        self._signals()
        scheduler = self._scheduler() if self._scheduling else None
        web = threading.Thread(target=self._web, name="web", daemon=True) if self._serve else None
        if scheduler:
            scheduler.start()
        if web:
            web.start()
        tell_supervisor("READY=1")
        log.info("daemon.started")
        try:
            while not self.stop.wait(timeout=10):
                tell_supervisor("WATCHDOG=1")
        finally:
            tell_supervisor("STOPPING=1")
            if scheduler:
                scheduler.shutdown(wait=True)
            if web:
                web.join(timeout=10)
            log.info("daemon.stopped")

    def _signals(self) -> None:
        def handle(number: int, frame: FrameType | None) -> None:
            del frame
            if self.stop.is_set():
                os._exit(130 if number == signal.SIGINT else 143)
            log.info("daemon.stopping", signal=signal.Signals(number).name)
            self.stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handle)

    def _web(self) -> None:
        assert self._serve is not None
        try:
            self._serve(self.stop)
        except Exception:
            log.exception("web.crashed")
            self.stop.set()

    def _scheduler(self) -> BackgroundScheduler:
        # a step that takes longer than its interval just comes later: nothing to warn of
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(6)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=self.context.settings.time_zone,
        )
        plan = self.context.settings.schedule
        steps: list[tuple[str, Callable[[], Any], timedelta]] = [
            ("collect", lambda: collect(self.context), plan.collect),
            ("judge", self._judge, plan.score),
            ("detect", self._detect, plan.detect),
            ("report", lambda: report_due(self.context), timedelta(minutes=1)),
            ("notify", lambda: notify(self.context), plan.notify),
            ("housekeep", lambda: housekeep(self.context), plan.janitor),
        ]
        for name, step, every in steps:
            scheduler.add_job(
                self._guarded, "interval", args=(name, step), id=name, seconds=every.total_seconds(),
                next_run_time=self.context.now, jitter=None,
            )  # fmt: skip
        return scheduler

    def _judge(self) -> None:
        with self._writing:
            score(self.context)
            aggregate(self.context)

    def _detect(self) -> None:
        with self._writing:
            aggregate(self.context)
            detect(self.context)

    def _guarded(self, name: str, step: Callable[[], Any]) -> None:
        """A step that fails is logged and comes again at its next turn; the others go on."""
        if self.stop.is_set():
            return
        try:
            step()
        except Exception:
            log.exception("step.failed", step=name)


def tell_supervisor(state: str) -> None:
    """systemd's notification protocol (sd_notify(3)); nothing where no supervisor listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(address)
            sock.sendall(state.encode())
        except OSError as error:
            log.warning("supervisor.unreachable", error=str(error))
