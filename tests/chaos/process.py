"""The process that is killed: a nursery that has everything imported forks the daemon or a worker, life after life.

Reads commands on stdin (start ROLE CONFIG LOG [NAME=VALUE ...], wait PID) and answers each with a line. The daemon is
the real one; only the model is a list of words, and waits of minutes are tenths of seconds.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import select

import alerts.channels.email as mail
import monitor.pipeline.health as health
import monitor.pipeline.notify as notifying
import monitor.pipeline.turns as turns
import monitor.reports.build
import monitor.web.server
import scrapers.collect
import scrapers.duplicates
from models.base import Judgement
from monitor.cli.common import configure_logs
from monitor.config import load
from monitor.daemon import distributed, embedded
from monitor.pipeline.context import Context, utc_now
from monitor.pipeline.cycle import run_cycle
from monitor.pipeline.housekeeping import housekeep
from monitor.store.catalogue import ensure_import, synchronise
from monitor.store.engine import instance_lock, upgrade, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand
from scrapers.sites.rss import Rss
from tests.monitor import support
from tests.monitor.support import WordScorer

assert (
    monitor.reports.build and monitor.web.server and scrapers.duplicates and scrapers.collect
)  # imported before any fork

SOON = timedelta(seconds=0.2)


def compress_time() -> None:
    health.RETRY = health.PARK = (SOON,)
    notifying.WAITS = (SOON,)
    notifying.MAX_TRIES = 10_000
    turns.MIN_FREE_BYTES = int(os.environ.get("MONITOR_TEST_FREE_BYTES", turns.MIN_FREE_BYTES))
    mail.GREYLIST_WAIT = SOON.total_seconds()
    pause = float(os.environ.get("MONITOR_TEST_HOST_SECONDS", "0.02"))
    Rss.meta = dataclasses.replace(Rss.meta, min_interval_seconds=0, host_interval_seconds=pause)


def clock_of(folder: Path) -> Callable[[], datetime]:
    """The machine's clock, wrong by as many seconds as the file `clock` says."""

    def now() -> datetime:
        file = folder / "clock"
        return utc_now() + timedelta(seconds=float(file.read_text()) if file.exists() else 0.0)

    return now


class Elsewhere(WordScorer):
    """A model whose arithmetic is done elsewhere, on a device of its own: a batch is waited for."""

    def score(self, texts: Sequence[str], *, languages: Sequence[str | None] | None = None,
              ratings: Sequence[float | None] | None = None,
              progress: Callable[[int], None] | None = None) -> list[Judgement]:  # fmt: skip
        time.sleep(float(os.environ.get("MONITOR_TEST_JUDGE_SECONDS", "0")) * len(texts) / 512)
        return super().score(texts, languages=languages, ratings=ratings, progress=progress)


def live(role: str, config: Path) -> None:
    """One life, until a signal ends it."""
    settings = load(config, environ={})
    client = {"backoff_seconds": 0.05, "tries": 2, "breaker_failures": 10_000, "breaker_seconds": 0.1}
    with instance_lock(settings):
        scorer = None if os.environ.get("MONITOR_TEST_MODEL") else Elsewhere()  # None: the model that ships
        context = Context(settings, scorer=scorer, client_options=client, clock=clock_of(config.parent))
        upgrade(context.engine)
        with writing(context.engine) as session:
            synchronise(session, settings, now=context.now)
        if role == "embedded":
            embedded.Daemon(context).run()
        elif role == "periodic":
            distributed.run_periodic(context)
        else:
            queues, _, concurrency = role.removeprefix("worker").strip(":").partition("@")
            distributed.run_worker(
                context, queues=queues.split("+") if queues else [], concurrency=int(concurrency or 4)
            )


def rehearse() -> None:
    """Go once through every step, so that a life does not begin with a second of imports."""
    with tempfile.TemporaryDirectory() as folder:
        sections = {
            "rules": {"word": {"kind": "keywords", "words": ["glass"], "window": "7d"}},
            "sources": {"site": {"scraper": "rss", "brand": "cafe", "params": {"url": "http://127.0.0.1:1/feed"}}},
            "http": {"allow_private": ["127.0.0.1:1"]},
            "channels": {
                "box": {"kind": "file", "settings": {"directory": f"{folder}/outbox"}},
                "mail": {"kind": "email", "settings": {"host": "127.0.0.1", "port": 1, "security": "plain",
                                                       "sender": "a@b.example", "recipients": ["a@b.example"]}},
                "slack": {"kind": "slack", "settings": {"token": "t", "channel": "C0123456789",
                                                        "base_url": "http://127.0.0.1:1/"}},
            },
        }  # fmt: skip
        context = support.context(Path(folder), **sections)
        with writing(context.engine) as session:
            brand_id = session.exec(select(Brand.id)).one() or 0
            source_id = ensure_import(session, "a", now=context.now).id or 0
            ingest(session, [support.item(1, "glass in it, bad")], brand_id=brand_id, source_id=source_id, origin="a",
                   now=context.now)  # fmt: skip
        run_cycle(context)
        housekeep(context)
        context.engine.dispose()


def main() -> None:
    compress_time()
    configure_logs(json=True)
    rehearse()
    for line in sys.stdin:
        command, *values = line.split()
        if command == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(int(values[0]), 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(0)
            role, config, log, *settings = values
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            for setting in settings:
                name, _, value = setting.partition("=")
                os.environ[name] = value
            compress_time()
            live(role, Path(config))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)


if __name__ == "__main__":
    main()
    os._exit(0)  # nothing here needs an orderly end
