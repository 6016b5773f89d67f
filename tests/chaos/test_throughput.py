"""Several workers: how much more they read than one, and that a host never notices how many they are."""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import func, select

from monitor.config import load
from monitor.store.catalogue import ensure_import, synchronise
from monitor.store.check import verify
from monitor.store.engine import open_engine, reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Judgement, Mention
from tests.chaos import account
from tests.chaos.test_workers import whole
from tests.chaos.world import nursery
from tests.monitor import support
from tests.monitor.postgres.server import Server

pytestmark = pytest.mark.postgres
N_ITEMS = 5  # of every feed
N_WAITING = 8192  # for judgement: four jobs
SAID = (
    "the courier was late. it cold by then, nobody answered phone! soup is wonderful but table dirty and waiter did not"
    " care. еда отличная, ждали сорок минут. персонал вежливый, спасибо! I will come again. fair prices, music loud"
)


class Feeds:
    """Feeds by host and path, each with some items of its own; when they were asked for."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.asked: list[tuple[float, str]] = []

    def answer(self, place: str) -> bytes:
        self.asked.append((time.monotonic(), place))
        time.sleep(self.delay)
        at = email.utils.format_datetime(datetime.now(UTC))
        items = "".join(
            f"<item><guid isPermaLink='false'>{place}-{n}</guid><title>t</title><description>visit {place} {n}"
            f"</description><pubDate>{at}</pubDate></item>"
            for n in range(N_ITEMS)
        )
        return f"<rss version='2.0'><channel><title>f</title>{items}</channel></rss>".encode()


@contextlib.contextmanager
def serving(feeds: Feeds) -> Iterator[int]:
    """The feeds on every address of this machine's loop; the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            robots = self.path == "/robots.txt"
            body = b"none" if robots else feeds.answer(f"{self.headers['Host'].split(':')[0]}{self.path}")
            self.send_response(404 if robots else 200)
            self.send_header("Content-Type", "text/plain" if robots else "application/rss+xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_config(folder: Path, hosts: list[str], port: int, database: str) -> Path:
    """A source for each host, read once in an hour."""
    folder.mkdir()
    sources = "".join(
        f'[sources.feed{n}]\nscraper = "rss"\nbrand = "cafe"\ninterval = "1h"\n'
        f'[sources.feed{n}.params]\nurl = "http://{host}:{port}/{n}.xml"\n'
        for n, host in enumerate(hosts)
    )
    allowed = ", ".join(f'"{host}:{port}"' for host in sorted(set(hosts)))
    path = folder / "monitor.toml"
    path.write_text(
        f'data_dir = "{folder / "data"}"\ndatabase_url = "{database}"\n[brands.cafe]\nname = "Cafe"\n{sources}'
        f'[http]\nallow_private = [{allowed}]\n[schedule]\ncollect = "0.2s"\nscore = "0.5s"\ndetect = "5s"\n',
        encoding="utf-8",
    )
    return path


def read_all(
    folder: Path, feeds: Feeds, hosts: list[str], database: str, *, n_workers: int, concurrency: int, **settings: str
) -> float:
    """Seconds that so many workers take from the first request to the last row."""
    with serving(feeds) as port, nursery(folder.parent, **settings) as lives:
        config = write_config(folder, hosts, port, database)
        engine = open_engine(database)

        def stored() -> bool:
            with reading(engine) as session:
                return session.exec(select(func.count()).select_from(Mention)).one() == N_ITEMS * len(hosts)

        running = [lives.start(f"worker:collect@{concurrency}", config) for _ in range(n_workers)]
        running.append(lives.start("worker:score+detect@1", config))
        account.until(lambda: n_workers_of(database) == len(running), 120, "the workers are there")
        running.append(lives.start("periodic", config))
        account.until(lambda: bool(feeds.asked), 120, "the first request")
        account.until(stored, 300, "everything is stored")
        took = time.monotonic() - feeds.asked[0][0]
        for pid in running:
            assert lives.end(pid, signal.SIGTERM) == 0
        assert verify(engine) == []
        engine.dispose()
    assert len(feeds.asked) == len({place for _, place in feeds.asked}) == len(hosts)  # each was read once
    return took


def n_workers_of(database: str) -> int:
    engine = open_engine(database)
    try:
        with engine.connect() as connection:
            if connection.exec_driver_sql("SELECT to_regclass('procrastinate_workers')").scalar_one() is None:
                return 0
            return int(connection.exec_driver_sql("SELECT count(*) FROM procrastinate_workers").scalar_one())
    finally:
        engine.dispose()


@whole
def test_more_workers_read_more(tmp_path: Path, postgres: Server, migrated: str) -> None:
    """Sites that answer slowly, a host for each source: the time of one, two and four workers is printed."""
    hosts = [f"127.0.1.{n}" for n in range(1, 25)]
    took = {}
    for n_workers in (1, 2, 4):
        with postgres.database(migrated) as database:
            folder, feeds = tmp_path / str(n_workers), Feeds(delay=1.0)
            took[n_workers] = read_all(folder, feeds, hosts, database, n_workers=n_workers, concurrency=1)
    one = took[1]
    print("".join(f"\n{n} worker(s): {len(hosts)} sources in {seconds:.1f} s, {one / seconds:.2f} times one"
                  for n, seconds in took.items()))  # fmt: skip


@whole
def test_a_host_is_asked_in_turn_by_all_workers(tmp_path: Path, database: str) -> None:
    """Eight sources of one host, two workers with four jobs at once each: one request each half second reaches it."""
    pause = {"MONITOR_TEST_HOST_SECONDS": "0.5"}
    feeds = Feeds(delay=0.0)
    read_all(tmp_path / "one", feeds, ["127.0.0.1"] * 8, database, n_workers=2, concurrency=4, **pause)
    times = [at for at, _ in sorted(feeds.asked)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    print(f"\n8 requests by two workers: {times[-1] - times[0]:.2f} s, closest {min(gaps):.2f} s apart")
    # a request may leave late, on a slow machine, but never early: only the first one's delay shortens the whole
    assert times[-1] - times[0] >= 0.5 * (len(times) - 1) - 0.5


@whole
def test_more_workers_judge_more_with_a_device_elsewhere(
    tmp_path: Path, postgres: Server, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that keeps each worker waiting two seconds for 512 texts, as a device elsewhere does; all judged once."""
    monkeypatch.setenv("MONITOR_TEST_JUDGE_SECONDS", "2")
    judged_by(tmp_path, postgres, migrated, workers=(1, 2, 4), n=N_WAITING)


@whole
def test_more_workers_judge_more_with_the_model_that_ships(
    tmp_path: Path, postgres: Server, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real model, a core for each worker: by the clock where the machine is free, by the processor where not."""
    monkeypatch.setenv("MONITOR_TEST_MODEL", "real")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    judged_by(tmp_path, postgres, migrated, workers=(1, 2), n=N_WAITING)


def judged_by(tmp_path: Path, postgres: Server, migrated: str, *, workers: tuple[int, ...], n: int) -> None:
    """Prints how long one and more workers take from the first batch to the last."""
    took: dict[int, tuple[float, float]] = {}
    for n_workers in workers:
        with postgres.database(migrated) as database, nursery(tmp_path) as lives:
            config = write_config(tmp_path / f"judge{n_workers}", [], 0, database)
            engine = open_engine(database)
            fill(engine, config, n)
            running = [lives.start("worker:score@1", config) for _ in range(n_workers)]
            account.until(lambda n=n_workers, at=database: n_workers_of(at) == n, 120, "the workers are there")
            judging = list(running)
            running.append(lives.start("periodic", config))

            def n_judged(engine: Engine = engine) -> int:
                with reading(engine) as session:
                    return session.exec(select(func.count()).select_from(Judgement)).one()

            enough = 1024 * (n_workers - 1)
            account.until(lambda enough=enough, count=n_judged: count() > enough, 120, "a batch for each worker")
            began, used, first = time.monotonic(), processor(judging), n_judged()
            account.until(lambda: n_judged() == n, 300, "all are judged")
            share = n / (n - first)
            took[n_workers] = ((time.monotonic() - began) * share, (processor(judging) - used) * share)
            for pid in running:
                assert lives.end(pid, signal.SIGTERM) == 0
            assert verify(engine) == []
            engine.dispose()
    print("".join(f"\n{n_workers} worker(s): {n} judged in {clock:.1f} s, {took[1][0] / clock:.2f} times one; "
                  f"{used:.1f} s of the processor, {n / used:.0f} texts for each"
                  for n_workers, (clock, used) in took.items()))  # fmt: skip


def processor(pids: list[int]) -> float:
    """Seconds of the processor that these processes have used."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def fill(engine: Engine, config: Path, n: int) -> None:
    """So many mentions that wait for judgement, as long as reviews are."""
    rng = random.Random(0)
    now = datetime.now(UTC)
    with writing(engine) as session:
        synchronise(session, load(config, environ={}), now=now)
        brand_id, source_id = session.exec(select(Brand.id)).one() or 0, ensure_import(session, "a", now=now).id or 0
        texts = [f"visit {k}: " + " ".join(rng.choices(SAID.split(), k=rng.randint(5, 45))) for k in range(n)]
        items = [support.item(k, text, at=now) for k, text in enumerate(texts)]
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=now, near_duplicates=False)
