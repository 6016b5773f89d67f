"""Workers over PostgreSQL, killed and frozen at random instants; what the dead left, the living finish."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import func, select

from monitor.store import cutting
from monitor.store.engine import open_engine, reading
from monitor.store.tables import Mention
from tests.chaos import account
from tests.chaos.disk import small_disk
from tests.chaos.world import nursery, world, write_config
from tests.monitor.postgres.server import Server, serving

pytestmark = pytest.mark.postgres
KILLS = int(os.environ.get("MONITOR_TEST_KILLS", "3"))
SEED = int(os.environ.get("MONITOR_TEST_SEED", "21"))
whole = pytest.mark.skipif("MONITOR_TEST_KILLS" not in os.environ, reason="part of `make chaos`")
ROLES = ("periodic", "worker", "worker", "worker")


def test_killed_at_random_instants(tmp_path: Path, database: str) -> None:
    """Seeds that are odd on a store that is kept by month, even ones on a plain one."""
    rng = random.Random(SEED)
    n_frozen = 0
    engine = open_engine(database)
    if SEED % 2:
        cutting.cut(engine, now=datetime.now(UTC))
    with (
        world(tmp_path, seed=SEED, n_items=min(400, 30 + 2 * KILLS), n_words=min(40, 3 + KILLS // 4)) as (around, port),
        nursery(tmp_path) as lives,
    ):
        config = write_config(tmp_path, around, port, database=database)
        started = time.monotonic()
        running = [(role, lives.start(role, config)) for role in ROLES]
        frozen: list[int] = []
        for n in range(KILLS):
            time.sleep(rng.uniform(0.2, 3.0))
            place = rng.randrange(len(running))
            role, pid = running[place]
            if n % 10 == 3 and role == "worker":  # freezes, counts as dead, wakes up later as a zombie
                os.kill(pid, signal.SIGSTOP)
                frozen.append(pid)
                n_frozen += 1
            else:
                lives.end(pid, signal.SIGKILL)
            running[place] = (role, lives.start(role, config))
            if len(frozen) > 2:
                os.kill(frozen[0], signal.SIGCONT)
                lives.end(frozen.pop(0), signal.SIGTERM)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
            assert lives.end(pid, signal.SIGTERM) in {0, -signal.SIGTERM}  # some froze before they could listen
        said = f"3 workers, {KILLS - n_frozen} kills and {n_frozen} freezes in {time.monotonic() - started:.0f} s"
        account.end(around, lives, engine, [pid for _, pid in running], n_kills=KILLS, said=said)
        print(f"{around.n_failures} of {around.n_requests} requests failed")


def test_a_dead_workers_job_goes_on(tmp_path: Path, database: str) -> None:
    """The only worker dies in the middle of a reading; another takes the job over."""
    with world(tmp_path, seed=5, n_items=8, n_words=1) as (around, port), nursery(tmp_path) as lives:
        around.failing = False
        config = write_config(tmp_path, around, port, database=database)
        engine = open_engine(database)

        def doing() -> int:
            with engine.connect() as connection:
                if connection.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar_one() is None:
                    return 0
                found = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name = 'collect'"
                return int(connection.execute(text(found)).scalar_one())

        periodic = lives.start("periodic", config)
        around.delay = 5.0
        first = lives.start("worker", config)
        account.until(lambda: around.n_requests > 0 and doing() > 0, 60, "a reading is under way")
        lives.end(first, signal.SIGKILL)
        around.delay = 0.0
        second = lives.start("worker", config)
        died = time.monotonic()

        def stored() -> bool:
            with reading(engine) as session:
                return session.exec(select(func.count()).select_from(Mention)).one() > 0

        account.until(stored, 300, "the work goes on")
        print(f"\ntaken over {time.monotonic() - died:.1f} s after the kill")
        assert lives.end(second, signal.SIGTERM) == 0
        assert lives.end(periodic, signal.SIGTERM) == 0
        engine.dispose()


@whole
def test_the_database_restarts(tmp_path: Path, postgres: Server, database: str) -> None:
    if not postgres.ours:
        pytest.skip("the PostgreSQL of MONITOR_TEST_POSTGRES_URL is not ours to stop")
    with world(tmp_path, seed=6, n_items=40, n_words=3) as (around, port), nursery(tmp_path) as lives:
        config = write_config(tmp_path, around, port, database=database)
        running = [lives.start(role, config) for role in ("periodic", "worker", "worker")]
        account.until(lambda: len(around.items) >= 10, 60, "work is under way")
        postgres.stop(signal.SIGQUIT)
        time.sleep(1.0)
        postgres.start()
        engine = open_engine(database)
        account.end(around, lives, engine, running, n_kills=1, said="the database restarted")


@whole
def test_the_databases_disk_is_full(tmp_path: Path) -> None:
    """Twice: while it works, and so that the server itself gives up; when there is room it goes on by itself."""
    with (
        tempfile.TemporaryDirectory(prefix="monitor-disk-", dir="/tmp") as folder,
        small_disk(Path(folder), megabytes=112) as disk,
        serving(disk.folder, "--wal-segsize=1") as server,
        world(tmp_path, seed=8, n_items=40, n_words=4) as (around, port),
        nursery(tmp_path) as lives,
    ):
        config = write_config(tmp_path, around, port, database=server.url)
        running = [lives.start(role, config) for role in ("periodic", "worker", "worker")]
        account.until(lambda: len(around.inbox.mails) > 0, 180, "the first alert")

        def refused() -> int:
            return lives.log.read_text(errors="replace").count("No space left on device")

        for _ in range(2):
            disk.fill()
            before = refused()
            account.until(lambda before=before: refused() > before + 2, 180, "writing is refused")
            n = len(around.inbox.mails)
            disk.make_room()
            if not server.alive:  # no room for the log of changes ends the server: its supervisor starts it again
                server.start()
            account.until(lambda n=n: len(around.inbox.mails) > n, 180, "it goes on")
        engine = open_engine(server.url)
        account.end(around, lives, engine, running, n_kills=2, said="the database's disk full twice")
