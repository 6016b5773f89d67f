"""Mentions by month on PostgreSQL: what a cycle and a page cost beside the plain table. What it showed: docs/scale.md.

    python -m benchmarks.scale --mentions 1000000 --folder /tmp/scale-pg --url postgresql://postgres@127.0.0.1/plain
    createdb -T plain parted
    python -m benchmarks.partitions --plain postgresql://postgres@127.0.0.1/plain \
        --parted postgresql://postgres@127.0.0.1/parted

Cuts the second database as `monitor db partition` does, makes empty months besides, where `--months` asks for more than
there are, and lets the product's own code work on both in turn. At the end old months go: their words, and whole.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import func, select

from benchmarks import scale
from monitor.config import validate
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.housekeeping import purge
from monitor.pipeline.score import score
from monitor.store import months
from monitor.store.catalogue import ensure_import
from monitor.store.cutting import cut
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.queries import mentions
from monitor.store.queries.selection import Selection
from monitor.store.tables import Brand, Mention

GROUPED = (
    "SELECT sentiment, location, count(*) FROM mention WHERE brand_id = 1 AND published_at >= :a AND published_at < :b"
    " AND counts GROUP BY 1, 2"
)


def work(context: Context, mark: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """The steps and questions that touch mentions, in order."""
    now, engine, rng = scale.NOW, context.engine, random.Random(mark)
    with writing(engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "site", now=now).id or 0
        last = session.exec(select(func.max(Mention.id))).one() or 1
    items = scale.arrivals(1000, when=now, mark=mark)

    def store() -> None:
        with writing(engine) as session:
            ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=now)

    def feed(days: int, **narrowed: Any) -> Callable[[], object]:
        def ask() -> None:
            with reading(engine) as session:
                mentions.page(session, Selection(brand_id, now - timedelta(days=days), now, **narrowed), limit=50)

        return ask

    def asked(statement: str, values: list[dict[str, object]]) -> Callable[[], object]:
        def ask() -> None:
            with reading(engine) as session:
                for one in values:
                    session.execute(text(statement), one).all()

        return ask

    def since(days: int) -> list[dict[str, object]]:
        return [{"a": now - timedelta(days=days), "b": now}]

    yield "ingest 1,000", store
    yield "the same again: nothing new", store
    yield "judge them", lambda: score(context)
    yield "count their hours", lambda: aggregate(context)
    yield "feed, 30 days", feed(30)
    yield "feed, a place and a topic, 90 days", feed(90, locations=("place 3",), topics=("price",))
    yield "rows of 30 days, grouped", asked(GROUPED, since(30))
    yield "rows of a year, grouped", asked(GROUPED, since(365))
    by_id = "SELECT id, sentiment FROM mention WHERE id = :id"
    yield "300 mentions by id", asked(by_id, [{"id": rng.randint(1, last)} for _ in range(300)])
    waiting = "SELECT id FROM mention WHERE score_state = 'new' ORDER BY id LIMIT 512"
    yield "50 times what waits for judgement", asked(waiting, [{}] * 50)


def erase(context: Context, days: float) -> tuple[int, float]:
    """How many lose their words of the oldest days, and seconds of the processor."""
    before: datetime = scale.NOW - timedelta(days=scale.DAYS - days)
    began = scale.processor()
    return purge(context, before=before), scale.processor() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", required=True)
    parser.add_argument("--parted", required=True)
    parser.add_argument("--months", type=int, default=0, help="how many there are to be, empty ones among them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=float, default=3, help="of the oldest mentions, which lose their words")
    given = parser.parse_args()
    contexts: dict[str, Context] = {}
    for name, url in (("plain", given.plain), ("parted", given.parted)):
        raw = {"data_dir": str(Path("/tmp") / f"partitions-{name}"), "brands": {"cafe": {"name": "Cafe"}}}
        settings = validate({**raw, "database_url": url}, origin="benchmark")
        contexts[name] = Context(settings, clock=lambda: scale.NOW, scorer=scale.Constant())
    parted = contexts["parted"].engine
    with reading(parted) as session:
        scale._SERVER[:] = scale.postmaster(session)
        anew = not months.is_cut(session)
    if anew:
        with scale.timed("cut into months"):
            cut(parted, now=scale.NOW)
    with parted.connect() as connection:
        there = len(months.months(connection))
    for number in range(there - months.AHEAD, given.months):
        months.advance(parted, now=scale.NOW + timedelta(days=31 * number))
    with writing(parted) as session:
        session.execute(text("ANALYZE mention"))
    spent: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(given.rounds):
        for name in sorted(contexts, reverse=bool(number % 2)):
            for what, step in work(contexts[name], f"{time.time():.0f}"):
                used = scale.processor()
                step()
                spent[what][name].append(1000 * (scale.processor() - used))
    print(f"{'ms of the processor, client and server':40}" + "".join(f"{name:>10}" for name in contexts))
    for what, by in spent.items():
        print(f"{what:40}" + "".join(f"{statistics.median(by[name]):10.0f}" for name in contexts))
    for name, context in contexts.items():
        n, seconds = erase(context, given.days)
        if n:
            print(f"{name}: {n} mentions lose their words, {1e6 * seconds / n:.0f} us of the processor each")
    with parted.connect() as connection:
        second = months.months(connection)[2].first
    with scale.timed("let the two oldest months go"):
        gone = months.drop(parted, before=second, now=scale.NOW)
    print(f"{sum(n for _, n in gone)} mentions in {len(gone)} month(s)")
    for context in contexts.values():
        context.engine.dispose()


if __name__ == "__main__":
    main()
