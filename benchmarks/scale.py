"""What a cycle costs over a small and a large store: does any step grow with history rather than with what is new?

    python -m benchmarks.scale --mentions 1000000 --folder /tmp/scale-1m
    python -m benchmarks.scale --mentions 1000000 --folder /tmp/scale-pg --url postgresql://postgres@/scale

Fills the store once (a year of invented mentions, judged and counted; `--fill-seconds` stops in between, the next call
goes on), then lets `--new` mentions arrive at once, all of them complaints about one place, and times every step by the
clock and by the processor of this process. The model is a constant: what it costs stands in docs/models.md.
"""

from __future__ import annotations

import argparse
import random
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, func, select

from models.base import Judgement, TopicTag
from monitor.config import validate
from monitor.pipeline.aggregate import aggregate, roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.housekeeping import housekeep
from monitor.pipeline.notify import notify
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import, synchronise
from monitor.store.engine import reading, upgrade, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Incident, Mention
from scrapers.item import Item

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 365
TOPICS = ("delivery", "price", "staff", "quality", "food", "waiting", "app", "cleanliness", "support", "payment")
WORDS = (
    "coffee", "soup", "waiter", "table", "order", "courier", "price", "evening", "kitchen", "window", "friendly",
    "cold", "late", "lovely", "noisy", "clean", "slow", "fresh", "rude", "again", "never", "always", "menu",
)  # fmt: skip
CHUNK = 20_000
MENTION = ("id", "brand_id", "source_id", "origin", "external_id", "kind", "location", "text", "rating", "published_at",
           "published_precision", "observed_at", "flags", "content_hash", "counts", "score_state", "language",
           "sentiment", "p_negative", "p_neutral", "p_positive", "model", "corrected")  # fmt: skip
JUDGEMENT = ("mention_id", "model", "content_hash", "language", "sentiment", "p_negative", "p_neutral", "p_positive",
             "topics", "scored_at")  # fmt: skip
TAG = ("mention_id", "topic", "p", "sentiment")


class Constant:
    """A model that finds everything negative and says so at once."""

    name, revision = "constant", "1"

    def score(self, texts: Sequence[str], *, languages: Sequence[str | None] | None = None,
              progress: Callable[[int], None] | None = None) -> list[Judgement]:  # fmt: skip
        tags = (TopicTag("waiting", 0.9, "negative"),)
        return [Judgement("en", "negative", 0.9, 0.05, 0.05, tags, "constant@1") for _ in texts]


def rows(first: int, last: int, n_mentions: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...], list[Any]]]:
    """Mentions first..last of a year: (mention, judgement, tags), the same for every store."""
    rng = random.Random(first)
    for number in range(first, last + 1):
        at = NOW - timedelta(days=DAYS) + timedelta(seconds=DAYS * 86_400 * number / n_mentions)
        sentiment = rng.choices(("negative", "neutral", "positive"), (30, 20, 50))[0]
        words = f"{' '.join(rng.choices(WORDS, k=14))} {number}"
        shares = (0.3, 0.2, 0.5)
        mention = (
            number, 1, 1, "site", f"m{number}", "review", f"place {rng.randint(1, 20)}", words,
            float(rng.randint(1, 5)), at, "second", at, "[]", "h", True, "done", "en", sentiment, *shares, "m@1", False,
        )  # fmt: skip
        topics = rng.sample(TOPICS, rng.choice((0, 1, 1, 2)))
        tags = [(number, topic, 0.9, sentiment) for topic in topics]
        yield mention, (number, "m@1", "h", "en", sentiment, *shares, "[]", at), tags


def fill(context: Context, n_mentions: int, *, seconds: float) -> bool:
    """Go on filling for so many seconds; whether all is there, buckets too."""
    started = time.monotonic()
    with reading(context.engine) as session:
        there = session.exec(select(func.count()).select_from(Mention)).one()
    for first in range(there + 1, n_mentions + 1, CHUNK):
        made = list(rows(first, min(first + CHUNK - 1, n_mentions), n_mentions))
        write(context, "mention", MENTION, [one[0] for one in made])
        write(context, "judgement", JUDGEMENT, [one[1] for one in made])
        write(context, "topic_tag", TAG, [tag for one in made for tag in one[2]])
        write(context, "mention_search", ("rowid", "body"), [(one[0][0], one[0][7]) for one in made])
        if time.monotonic() - started > seconds:
            print(f"{first + CHUNK - 1} of {n_mentions} are there; call again", flush=True)
            return False
    with writing(context.engine) as session:
        if session.execute(text("SELECT 1 FROM bucket LIMIT 1")).first() is None:
            count(session)
        if session.get_bind().dialect.name == "postgresql":
            for table in ("mention", "judgement"):
                ids = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
                session.execute(text(ids))
    with writing(context.engine) as session:
        session.execute(text("ANALYZE"))
    roll_up(context)
    return True


def write(context: Context, table: str, names: Sequence[str], values: list[tuple[Any, ...]]) -> None:
    connection = context.engine.raw_connection()
    cursor = connection.cursor()
    if context.engine.dialect.name == "postgresql":
        with cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
        connection.commit()
    else:
        stamped = [tuple(f"{v:%Y-%m-%d %H:%M:%S.%f}" if isinstance(v, datetime) else v for v in row) for row in values]
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", stamped)
        cursor.execute("COMMIT")
    connection.close()


def count(session: Session) -> None:
    """The buckets, by the database itself."""
    postgres = session.get_bind().dialect.name == "postgresql"
    hour = "date_trunc('hour', published_at)" if postgres else "strftime('%Y-%m-%d %H:00:00.000000', published_at)"
    for topic, of, join in (
        ("''", "mention", ""),
        ("topic", "topic_tag", "JOIN topic_tag ON topic_tag.mention_id = mention.id"),
    ):
        sums = ", ".join(f"sum(CASE WHEN {of}.sentiment = '{one}' THEN 1 ELSE 0 END)"
                         for one in ("negative", "neutral", "positive"))  # fmt: skip
        session.execute(
            text("INSERT INTO bucket (brand_id, hour_at, source_id, location, language, topic, n, n_negative,"
                 f" n_neutral, n_positive, n_ratings, rating_sum) SELECT brand_id, {hour}, source_id, location,"
                 f" language, {topic}, count(*), {sums}, count(rating), sum(rating) FROM mention {join}"
                 " GROUP BY 1, 2, 3, 4, 5, 6")
        )  # fmt: skip


def arrivals(n: int, *, when: datetime, mark: str) -> list[Item]:
    """New complaints about one place, as a scraper hands them over."""
    rng = random.Random(mark)
    return [
        Item(external_id=f"{mark}-{k}", kind="review", author=f"guest {k}", location="place 1", rating=1.0,
             text=f"{' '.join(rng.choices(WORDS, k=14))} {mark} {k}", published_at=when - timedelta(minutes=k % 300))
        for k in range(n)
    ]  # fmt: skip


@contextmanager
def timed(what: str, n: int = 0) -> Iterator[None]:
    began, used = time.perf_counter(), time.process_time()
    yield
    clock, cpu = time.perf_counter() - began, time.process_time() - used
    rate = f"{n / clock:10.0f} a second" if n else ""
    print(f"{what:44} {clock:8.2f} s {cpu:8.2f} s cpu {rate}", flush=True)


def bare(items: Sequence[Item], folder: Path) -> None:
    """The same rows by executemany into a bare table with the same key, for comparison."""
    file = folder / "bare.sqlite"
    file.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, brand, origin, external_id, text, rating, at, place,"
                       " UNIQUE (brand, origin, external_id))")  # fmt: skip
    values = [(1, "site", one.external_id, one.text, one.rating, str(one.published_at), one.location) for one in items]
    with timed("the same rows by a bare executemany", len(items)), connection:
        connection.executemany(
            "INSERT INTO m (brand, origin, external_id, text, rating, at, place) VALUES (?,?,?,?,?,?,?)", values
        )
    connection.close()


def measure(context: Context, n_new: int, folder: Path) -> None:
    with reading(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
    with writing(context.engine) as session:
        source_id = ensure_import(session, "site", now=NOW).id or 0
    with timed("first look of the detector (teaches itself)"):
        detect(context)
    for mark in ("first", "second"):
        items = arrivals(n_new, when=context.now, mark=f"{mark}{context.now:%d%H}")
        with timed(f"ingest, {mark} batch", n_new), writing(context.engine) as session:
            ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=context.now)
        bare(items, folder)
        with timed("ingest the same again: nothing new", n_new), writing(context.engine) as session:
            ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=context.now)
        with timed("judge (the model is a constant)", n_new):
            score(context)
        with timed("count the touched hours"):
            aggregate(context)
        with timed("detect"):
            changes = detect(context)
        print(f"{'':44} {len(changes)} incident change(s)")
        with timed("send"):
            notify(context)
    with timed("a cycle with nothing new"):
        score(context)
        aggregate(context)
        detect(context)
        notify(context)
    with timed("housekeeping"):
        housekeep(context)
    with reading(context.engine) as session:
        print(f"incidents: {len(session.exec(select(Incident)).all())}")


def size_of(context: Context, folder: Path) -> int:
    if context.engine.dialect.name == "postgresql":
        with reading(context.engine) as session:
            return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    return sum(file.stat().st_size for file in (folder / "data").glob("monitor.sqlite*"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mentions", type=int, default=10_000)
    parser.add_argument("--new", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--url", default="", help="of an empty PostgreSQL database; SQLite in the folder if not given")
    parser.add_argument("--fill-seconds", type=float, default=3600)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    raw: dict[str, Any] = {
        "data_dir": str(given.folder / "data"),
        "brands": {"cafe": {"name": "Cafe"}},
        "channels": {"box": {"kind": "file", "settings": {"directory": str(given.folder / "outbox")}}},
    }
    if given.url:
        raw["database_url"] = given.url
    context = Context(validate(raw, origin="benchmark"), clock=lambda: NOW, scorer=Constant())
    upgrade(context.engine)
    with writing(context.engine) as session:
        synchronise(session, context.settings, now=NOW)
        ensure_import(session, "site", now=NOW)
    began = time.monotonic()
    if not fill(context, given.mentions, seconds=given.fill_seconds):
        return 3
    print(f"{given.mentions} mentions, filled in {time.monotonic() - began:.0f} s (this call)")
    measure(context, given.new, given.folder)
    print(f"store: {size_of(context, given.folder) / 1e6:.0f} MB; "
          f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")  # fmt: skip
    context.engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
