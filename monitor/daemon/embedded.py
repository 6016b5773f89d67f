"""The embedded daemon: one process, the schedule calls the steps, SIGTERM finishes the batch and ends with 0.

The schedule holds no jobs: every step asks the store what is not done yet, so a missed turn costs nothing but time.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

import structlog

from monitor.daemon.pulse import Pulse, ping
from monitor.daemon.schedule import Schedule
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.digests import digest_due
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
        self._pulse = Pulse(context)
        self._scheduling = scheduler
        self._serve = serve
        self._writing = threading.Lock()  # steps that judge and count take turns; fetching and sending run beside them

    def run(self) -> None:
        """Block until SIGTERM or SIGINT; a second signal ends at once."""
        self._signals()
        schedule = self._schedule() if self._scheduling else None
        web = threading.Thread(target=self._web, name="web", daemon=True) if self._serve else None
        if schedule:
            schedule.start()
        if web:
            web.start()
        tell_supervisor("READY=1")
        log.info("daemon.started")
        try:
            while not self.stop.wait(timeout=10):
                tell_supervisor("WATCHDOG=1")
                self._pulse.end_if_hanging()
        finally:
            tell_supervisor("STOPPING=1")
            self.stop.set()
            if schedule:
                schedule.join()
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

    def _schedule(self) -> Schedule:
        schedule, plan = Schedule(self.stop), self.context.settings.schedule
        schedule.every(plan.collect, "collect", self._turn("collect", collect))
        schedule.every(plan.score, "score", self._judge)
        schedule.every(plan.detect, "detect", self._detect)
        schedule.every(
            timedelta(minutes=1),
            "report",
            self._turn("report", lambda context: report_due(context) + digest_due(context)),
        )
        schedule.every(plan.notify, "notify", self._turn("notify", notify))
        schedule.every(plan.janitor, "housekeep", self._turn("housekeep", housekeep))
        if self.context.settings.heartbeat.url:
            schedule.every(self.context.settings.heartbeat.every, "ping", lambda: ping(self.context))
        return schedule

    def _turn(self, name: str, step: Callable[[Context], object]) -> Callable[[], None]:
        def turn() -> None:
            with self._pulse.step(name):
                step(self.context)

        return turn

    def _judge(self) -> None:
        with self._writing, self._pulse.step("score"):  # who waits for the lock does not hang
            score(self.context)
            aggregate(self.context)

    def _detect(self) -> None:
        with self._writing, self._pulse.step("detect"):
            aggregate(self.context)
            detect(self.context)


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
