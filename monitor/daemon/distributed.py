"""The monitor over many hosts: PostgreSQL holds the rows and the queue, workers call the steps of the embedded daemon.

A job carries names only and asks the store what is not done yet, so that one that is lost, late or run twice does no
harm. The only module that knows procrastinate.
"""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from monitor.config import Settings
from monitor.daemon.embedded import tell_supervisor
from monitor.daemon.pulse import Pulse, ping
from monitor.errors import ConfigError, NotReady
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.collect import collect
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.digests import digest_due
from monitor.pipeline.health import park
from monitor.pipeline.housekeeping import housekeep
from monitor.pipeline.notify import notify
from monitor.pipeline.reporting import report_due
from monitor.pipeline.score import BATCH, n_unscored, score
from monitor.pipeline.turns import due
from monitor.store.engine import reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import procrastinate

log = structlog.get_logger()

QUEUES = ("collect", "score", "detect", "notify", "report")  # housekeeping goes with report
BEAT_SECONDS = 3.0
STALLED_SECONDS = 12.0  # without a heartbeat for so long a worker counts as dead: 4 beats
RESCUE_SECONDS = 5.0
POLL_SECONDS = 1.0
MAX_ATTEMPTS = 5  # a job with which so many workers died is given up; its source pauses
N_SLOTS = 64  # score jobs that may wait at once
SLICE = 4 * BATCH  # mentions one score job judges, so that work spreads over hosts and a stop is soon
_SCHEMA_LOCK = 0x6D6F6E5F6A6F6273
_URGENT, _USUAL = 10, 0  # judging is the bulk; what is short goes first


def run_worker(context: Context, *, queues: list[str], concurrency: int) -> None:
    """Take jobs of these queues (all, if none is named) until SIGTERM; the jobs in hand are finished.

    Raises ConfigError (unknown queue, SQLite, missing extra), NotReady when the store cannot be reached.
    """
    unknown = sorted(set(queues) - set(QUEUES))
    if unknown:
        raise ConfigError(f"--queues {','.join(unknown)}: unknown; allowed: {', '.join(QUEUES)}")
    fleet = Fleet(context)
    asyncio.run(fleet.work(queues or list(QUEUES), concurrency=concurrency))


def run_periodic(context: Context) -> None:
    """Put jobs into the queues as the schedule says, and give dead workers' jobs to others, until SIGTERM.

    Two of these do no harm: a job that waits is not queued twice. Raises as `run_worker` does.
    """
    asyncio.run(Fleet(context).tick())


class Fleet:
    """One process of the fleet: the tasks over a context, the queue, and how it stops."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.app = make_app(context.settings)
        self._stop = asyncio.Event()
        self._stopping = threading.Event()
        self._judging = threading.Lock()  # one batch at a time is with the model of this process
        self._pool: ThreadPoolExecutor | None = None
        context.should_stop = self._stopping.is_set
        self._pulse = Pulse(context)
        for name, step, queue in (
            ("collect", self._collect, "collect"),
            ("score", self._score, "score"),
            ("detect", self._detect, "detect"),
            ("notify", self._notify, "notify"),
            ("report", self._report, "report"),
            ("housekeep", self._housekeep, "report"),
        ):
            self.app.task(name=name, queue=queue)(step)

    async def work(self, queues: list[str], *, concurrency: int) -> None:
        """The life of a worker. One that loses the database comes back when the database does."""
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="step")
        async with self._running():
            log.info("worker.started", queues=queues, concurrency=concurrency)
            while not self._stop.is_set():
                worker = asyncio.create_task(
                    self.app.run_worker_async(
                        queues=queues, concurrency=concurrency, name=f"{os.uname().nodename}:{os.getpid()}",
                        install_signal_handlers=False, delete_jobs="successful", listen_notify=True,
                        fetch_job_polling_interval=POLL_SECONDS, update_heartbeat_interval=BEAT_SECONDS,
                        stalled_worker_timeout=STALLED_SECONDS,
                    )
                )  # fmt: skip
                stopped = asyncio.create_task(self._stop.wait())
                await asyncio.wait({worker, stopped}, return_when=asyncio.FIRST_COMPLETED)
                stopped.cancel()
                if not worker.done():
                    worker.cancel()  # procrastinate finishes the jobs in hand
                result = (await asyncio.gather(worker, return_exceptions=True))[0]
                if not self._stop.is_set():
                    log.error("worker.interrupted", error=type(result).__name__ if result else "queue unreachable")
                    await _pause(self._stop, 2.0)
        self._pool.shutdown(wait=True)
        log.info("worker.stopped")

    async def tick(self) -> None:
        """The life of the periodic process."""
        async with self._running():
            log.info("periodic.started")
            while not self._stop.is_set():
                await _pause(self._stop, 10.0)
        log.info("periodic.stopped")

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        apply_schema(self.context, self.app)
        async with self.app.open_async():
            beside = [
                asyncio.create_task(self._supervise()),
                asyncio.create_task(self._every(RESCUE_SECONDS, self.rescue)),
            ]
            if self._pool is None:
                beside += [asyncio.create_task(self._every(seconds, fill)) for seconds, fill in self._plan()]
            tell_supervisor("READY=1")
            try:
                yield
            finally:
                tell_supervisor("STOPPING=1")
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    def _on_signal(self, number: int) -> None:
        if self._stop.is_set():
            os._exit(130 if number == signal.SIGINT else 143)
        log.info("daemon.stopping", signal=signal.Signals(number).name)
        self._stopping.set()
        self._stop.set()

    async def _supervise(self) -> None:
        while True:
            tell_supervisor("WATCHDOG=1")
            self._pulse.end_if_hanging()  # its jobs go to the living, as those of any dead worker
            await asyncio.sleep(10)

    async def _every(self, seconds: float, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Call a step now and then every so often; what it cannot do now it does at its next turn."""
        while True:
            started = time.monotonic()
            try:
                await step()
            except Exception as error:  # noqa: BLE001  (the database is away: everything waits for it)
                log.warning("periodic.failed", error=type(error).__name__)
            await asyncio.sleep(max(0.2, seconds - (time.monotonic() - started)))

    # What is queued, and when.

    def _plan(self) -> list[tuple[float, Callable[[], Coroutine[Any, Any, None]]]]:
        schedule, heartbeat = self.context.settings.schedule, self.context.settings.heartbeat
        return [
            (schedule.collect.total_seconds(), self.queue_collect),
            (schedule.score.total_seconds(), self.queue_score),
            (schedule.detect.total_seconds(), lambda: self.queue("detect")),
            (schedule.notify.total_seconds(), lambda: self.queue("notify")),
            (60.0, lambda: self.queue("report")),
            (schedule.janitor.total_seconds(), lambda: self.queue("housekeep")),
            *([(heartbeat.every.total_seconds(), self._ping)] if heartbeat.url else []),
        ]

    async def _ping(self) -> None:
        await asyncio.to_thread(ping, self.context)

    async def queue_collect(self) -> None:
        """One job for each source whose turn it is, the longest waiting first: no source waits behind a big one."""
        for slug in await asyncio.to_thread(due, self.context):
            await self.queue("collect", slug, source=slug)

    async def queue_score(self) -> None:
        """As many jobs as there is work for."""
        waiting = await asyncio.to_thread(self._n_unscored)
        for slot in range(min(N_SLOTS, -(-waiting // SLICE))):
            await self.queue("score", str(slot), priority=_USUAL, slot=slot)

    async def queue(
        self, name: str, key: str = "", *, priority: int = _URGENT, after: float = 0.0, **values: Any
    ) -> None:
        """Queue a job unless the same waits already. What has no slot runs once at a time over all hosts."""
        from procrastinate.exceptions import AlreadyEnqueued

        once = f"{name}:{key}"
        task = self.app.tasks[name].configure(
            lock=None if name == "score" else once, queueing_lock=once, priority=priority,
            schedule_in={"seconds": after} if after else None,
        )  # fmt: skip
        try:
            await task.defer_async(**values)
        except AlreadyEnqueued:
            log.debug("job.waits_already", job=once)

    async def rescue(self) -> None:
        """Give the jobs of dead workers to the living. Where the same job waits anyway, the dead one's is dropped."""
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status
        from procrastinate.utils import utcnow

        manager = self.app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            assert job.id is not None
            if job.attempts + 1 >= MAX_ATTEMPTS:
                await manager.finish_job_by_id_async(job_id=job.id, status=Status.FAILED, delete_job=False)
                log.error("job.given_up", job=job.task_name, attempts=job.attempts + 1)
                if job.task_name == "collect":
                    await asyncio.to_thread(park, self.context, str(job.task_kwargs["source"]), job.attempts + 1)
                continue
            try:
                await manager.retry_job_by_id_async(job_id=job.id, retry_at=utcnow())
                log.warning("job.taken_over", job=job.task_name, id=job.id)
            except ConnectorException:
                await self._drop(job.id)

    async def _drop(self, job_id: int) -> None:
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status

        try:
            await self.app.job_manager.finish_job_by_id_async(job_id=job_id, status=Status.FAILED, delete_job=True)
        except ConnectorException:
            log.debug("job.gone", id=job_id)  # another host was faster

    # The tasks: each calls the step of the embedded daemon in a thread, so that heartbeats go on.

    async def _collect(self, source: str) -> None:
        def step() -> int:
            if source not in due(self.context):
                return 0  # read by another since it was queued
            return collect(self.context, only=[source]).n_new

        if await self._in_thread("collect", step):
            await self.queue("score", "0", priority=_USUAL, slot=0)

    async def _score(self, slot: int) -> None:
        def step() -> bool:
            if not self._judging.acquire(blocking=False):
                return False
            try:
                own = copy.copy(self._with_model())
                own.owner = uuid.uuid4().hex  # claims are a job's, not a process's
                score(own, limit=SLICE)
            finally:
                self._judging.release()
            return True

        if not await self._in_thread("score", step) and not self._stop.is_set():
            await self.queue("score", str(slot), priority=_USUAL, after=1.0, slot=slot)  # for a host that is free

    async def _detect(self) -> None:
        def step() -> bool:
            aggregate(self.context)
            return any(change.transition.speaks for change in detect(self.context))

        if await self._in_thread("detect", step):
            await self.queue("notify")

    async def _notify(self) -> None:
        await self._in_thread("notify", lambda: notify(self.context))

    async def _report(self) -> None:
        if await self._in_thread("report", lambda: report_due(self.context) + digest_due(self.context)):
            await self.queue("notify")

    async def _housekeep(self) -> None:
        await self._in_thread("housekeep", lambda: housekeep(self.context))
        await self.app.job_manager.delete_old_jobs(nb_hours=72, include_failed=True, include_aborted=True)

    async def _in_thread(self, name: str, step: Callable[[], Any]) -> Any:
        def turn() -> Any:
            with self._pulse.step(name):
                return step()

        return await asyncio.get_running_loop().run_in_executor(self._pool, turn)

    def _with_model(self) -> Context:
        assert self.context.scorer is not None  # loaded once, before the context is copied
        return self.context

    def _n_unscored(self) -> int:
        with reading(self.context.engine) as session:
            return n_unscored(session)


def make_app(settings: Settings) -> procrastinate.App:
    """procrastinate on the store's own database. Raises ConfigError where that cannot be."""
    if settings.url.startswith("sqlite"):
        raise ConfigError(
            "database_url: workers need PostgreSQL, and this store is SQLite; set database_url, or use `monitor run`"
        )
    try:
        import procrastinate
    except ImportError as error:
        raise ConfigError(
            f"workers need the extra `distributed` ({error}); pip install 'feedback-monitor[distributed]'"
        ) from None
    address = "postgresql://" + settings.url.split("://", 1)[1]
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=address, min_size=1, max_size=6))


def apply_schema(context: Context, app: procrastinate.App) -> None:
    """Make procrastinate's tables where they are missing; one host at a time. Raises NotReady."""
    try:
        with context.engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
            if connection.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar_one() is None:
                connection.exec_driver_sql(app.schema_manager.get_schema().replace("%", "%%"))
                log.info("queue.created")
            connection.commit()
    except SQLAlchemyError as error:
        raise NotReady(f"the store cannot be opened: {getattr(error, 'orig', None) or error}") from error


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), timeout=seconds)
    except TimeoutError:
        return
