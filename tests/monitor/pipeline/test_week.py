"""A simulated week through the store: what it holds is what was public, once, with its edits and deletions."""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from monitor.pipeline.collect import collect
from monitor.pipeline.context import Tally
from monitor.store.engine import reading
from monitor.store.tables import Mention, Revision, Source
from scrapers import registry
from scrapers.base import Scraper
from tests.monitor import support
from tests.scrapers.board import Board, Clock, LivingSite

START = datetime(2026, 11, 2, tzinfo=UTC)
SETTLED = START + timedelta(days=10)  # the last deletions are believed a day after they were missed


@contextmanager
def served(site: LivingSite) -> Iterator[int]:
    """The site on a port of this machine, in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(site.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


def test_a_week_of_a_living_site_is_in_the_store_as_it_was_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = registry.get
    board: Scraper = Board()
    monkeypatch.setattr(registry, "get", lambda name: board if name == "board" else known(name))
    rng = random.Random(4)
    clock = Clock(START)
    site = LivingSite(rng, START, clock)
    total, n_readings, n_stopped = Tally(), 0, 0

    with served(site) as port:
        source = {
            "brand": "cafe",
            "scraper": "board",
            "interval": "12h",
            "params": {"base": f"http://127.0.0.1:{port}"},
        }
        context = support.context(tmp_path, at=START, sources={"board": source}, http={"allow_private": ["127.0.0.1"]})
        context.clock = lambda: datetime.fromtimestamp(clock.now, UTC)
        context.host_clock, context.sleep = clock, clock.sleep
        context.client_options = {"latency_factor": 0.0, "verify": ssl.create_default_context()}  # made once
        row = None
        while clock.now < SETTLED.timestamp():
            # one process in ten ends after a page or two
            lives = iter([False] * rng.randint(1, 3)) if rng.random() < 0.1 else itertools.repeat(False)
            context.should_stop = lambda lives=lives: next(lives, True)  # type: ignore[misc]
            n_readings += 1
            total.add(collect(context))
            n_stopped += next(lives, True)
            with reading(context.engine) as session:
                row = session.exec(select(Source)).one()
            assert row.next_due_at is not None
            clock.now = max(clock.now, row.next_due_at.timestamp())

    with reading(context.engine) as session:
        mentions = list(session.exec(select(Mention).order_by(col(Mention.id))))
        said_before: dict[int, list[str]] = {}
        for old in session.exec(select(Revision).order_by(col(Revision.id))):
            said_before.setdefault(old.mention_id, []).append(old.text)
    context.engine.dispose()

    public = {str(one["id"]): one for one in site.shown(SETTLED)}
    here = {one.external_id: one for one in mentions if one.gone_at is None}
    gone = {one.external_id: one for one in mentions if one.gone_at is not None}
    assert {key: one.text for key, one in here.items()} == {key: one["text"] for key, one in public.items()}
    assert {key: one.published_at.isoformat() for key, one in here.items()} == {k: v["at"] for k, v in public.items()}
    assert sorted(gone, key=int) == sorted(site.told.keys() - public.keys(), key=int)
    assert {(one.text, one.author, tuple(one.flags)) for one in gone.values()} == {("", None, ("gone_at_source",))}
    # every wording that was shown and replaced is a revision; what is gone leaves no words at all
    replaced = {key: texts[:-1] for key, texts in site.told.items() if key in public and len(texts) > 1}
    assert {one.external_id: said_before[one.id or 0] for one in mentions if one.id in said_before} == replaced
    assert len(mentions) == len(site.told) == total.n_new, "nothing is doubled, nothing came as new a second time"
    assert total.n_edited == sum(len(texts) - 1 for texts in site.told.values())

    gaps = [later - earlier for earlier, later in itertools.pairwise(site.asked_at)]
    assert min(gaps) >= Board.meta.host_interval_seconds - 1e-6, "the host was asked faster than allowed"
    assert n_readings > 100 and n_stopped > 3 and site.n_failed > 20 and gone and replaced
