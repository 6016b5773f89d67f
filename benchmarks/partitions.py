"""Mentions by month on PostgreSQL: what a cycle and a page cost beside the plain table. What it showed: docs/scale.md.

    python -m benchmarks.scale --mentions 1000000 --folder /tmp/scale-pg --url postgresql://postgres@127.0.0.1/plain
    createdb -T plain parted
    python -m benchmarks.partitions --plain postgresql://postgres@127.0.0.1/plain \
        --parted postgresql://postgres@127.0.0.1/parted

Cuts the mentions of the second database by the month of publication, with all indexes, and a table of keys, filled by a
trigger, for what no unique index over partitions can hold: (brand, origin, external id) once. What refers to a mention
loses its foreign key. The product's own code then works on both in turn.
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
from sqlmodel import Session, func, select

from benchmarks import scale
from monitor.config import validate
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.housekeeping import purge
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.queries import mentions
from monitor.store.queries.selection import Selection
from monitor.store.tables import Brand, Mention

REFER = ("correction", "judgement", "revision", "signature", "survey_answer", "topic_tag")
CUT = """
ALTER TABLE mention RENAME TO mention_plain;
ALTER SEQUENCE mention_id_seq OWNED BY NONE;
CREATE TABLE mention (LIKE mention_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (published_at);
CREATE TABLE mention_key (brand_id integer NOT NULL, origin varchar NOT NULL, external_id varchar NOT NULL,
    mention_id bigint NOT NULL, PRIMARY KEY (brand_id, origin, external_id));
{months}
INSERT INTO mention SELECT * FROM mention_plain ORDER BY id;
INSERT INTO mention_key SELECT brand_id, origin, external_id, id FROM mention_plain;
DROP TABLE mention_plain;
ALTER TABLE mention ADD PRIMARY KEY (id, published_at);
CREATE INDEX ix_mention_brand_observed ON mention (brand_id, observed_at);
CREATE INDEX ix_mention_brand_time ON mention (brand_id, published_at);
CREATE INDEX ix_mention_cluster_id ON mention (cluster_id);
CREATE INDEX ix_mention_source_time ON mention (source_id, published_at);
CREATE INDEX ix_mention_state ON mention (score_state, model, scored_at);
CREATE INDEX ix_mention_todo ON mention (score_state, id);
CREATE INDEX ix_mention_words ON mention (source_id, published_at) WHERE gone_at IS NULL;
CREATE INDEX ix_mention_external ON mention (brand_id, origin, external_id);
ALTER TABLE mention ADD FOREIGN KEY (brand_id) REFERENCES brand(id) ON DELETE CASCADE;
ALTER TABLE mention ADD FOREIGN KEY (source_id) REFERENCES source(id) ON DELETE CASCADE;
CREATE FUNCTION mention_once() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO mention_key VALUES (NEW.brand_id, NEW.origin, NEW.external_id, NEW.id); RETURN NULL; END';
CREATE TRIGGER mention_once AFTER INSERT ON mention FOR EACH ROW EXECUTE FUNCTION mention_once();
"""
GROUPED = (
    "SELECT sentiment, location, count(*) FROM mention WHERE brand_id = 1 AND published_at >= :a AND published_at < :b"
    " AND counts GROUP BY 1, 2"
)


def cut(session: Session, n_months: int) -> None:
    """The mentions of a store into so many partitions, the last of next month."""
    last = scale.NOW.year * 12 + scale.NOW.month
    starts = [f"'{(last - k) // 12}-{(last - k) % 12 + 1:02}-01'" for k in reversed(range(n_months))]
    bounds = zip(["MINVALUE", *starts[:-1]], starts, strict=True)
    months = "".join(
        f"CREATE TABLE mention_{k} PARTITION OF mention FOR VALUES FROM ({a}) TO ({b});"
        for k, (a, b) in enumerate([*bounds, (starts[-1], "MAXVALUE")])
    )
    for table in REFER:
        session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {table}_mention_id_fkey"))
    session.connection().exec_driver_sql(CUT.format(months=months))


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
    parser.add_argument("--months", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--days", type=float, default=3, help="of the oldest mentions, which lose their words")
    given = parser.parse_args()
    contexts: dict[str, Context] = {}
    for name, url in (("plain", given.plain), ("parted", given.parted)):
        raw = {"data_dir": str(Path("/tmp") / f"partitions-{name}"), "brands": {"cafe": {"name": "Cafe"}}}
        settings = validate({**raw, "database_url": url}, origin="benchmark")
        contexts[name] = Context(settings, clock=lambda: scale.NOW, scorer=scale.Constant())
    with writing(contexts["parted"].engine) as session:
        scale._SERVER[:] = scale.postmaster(session)
        if session.execute(text("SELECT to_regclass('mention_key')")).scalar_one() is None:
            cut(session, given.months)
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
        context.engine.dispose()


if __name__ == "__main__":
    main()
