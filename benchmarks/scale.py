"""What a cycle costs over a small and a large store: does any step grow with history rather than with what is new?

    python -m benchmarks.scale --mentions 1000000 --folder /tmp/scale-1m
    python -m benchmarks.scale --mentions 1000000 --folder /tmp/scale-pg --url postgresql://postgres@127.0.0.1/scale

Fills the store once (a year of invented mentions and of a competitor with a tenth as many, judged and counted;
`--fill-seconds` stops in between with 3, the next call goes on; `--new 0` stops behind it), then lets `--new` mentions
arrive at once, all of them complaints about one place, and times every step by the clock and by the processor of this
process and of the database's on this machine. The model is a constant: what it costs stands in docs/models.md.
With `--pages 3` every address of the dashboard is asked for, too (`benchmarks.dashboard`). `--later 10000` puts a year
of so many mentions behind the history, without a competitor, and measures at its end: the same traffic over any past,
so that what still grows, grows with history.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, func, select

from benchmarks import dashboard
from models.base import Judgement, TopicTag
from monitor.config import validate
from monitor.pipeline.aggregate import aggregate, roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.housekeeping import housekeep
from monitor.pipeline.notify import notify
from monitor.pipeline.score import score
from monitor.store import copies, meta
from monitor.store.catalogue import ensure_import, synchronise
from monitor.store.engine import reading, upgrade, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Daily, DailyStars, Incident, Mention, Sheet, SheetWord
from scrapers.item import Item

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 365
TOPICS = ("delivery", "price", "staff", "quality", "food", "waiting", "app", "cleanliness", "support", "payment")
WORDS = (
    "coffee", "soup", "waiter", "table", "order", "courier", "price", "evening", "kitchen", "window", "friendly",
    "cold", "late", "lovely", "noisy", "clean", "slow", "fresh", "rude", "again", "never", "always", "menu",
)  # fmt: skip
CHUNK = 100_000
N_SOURCES = 8
_SERVER: list[int] = []  # the database's first process, where it runs here
N_PHRASES = 10_000  # of five words; a text has three and its number
SLOW_TO_KEEP = (
    "mention",
    "judgement",
    "topic_tag",
    "mention_search",
)  # their second indexes are made after the filling

# The history is made by the database itself, the same for both: `h` spreads the number of a mention over 32 bits.
HISTORY = """
SELECT number AS id, {brand} AS brand_id, h / 10000 % {sources} + 1 AS source_id, 'site' AS origin,
       {key} AS external_id, 'review' AS kind, 'place ' || (h / 100 % 20 + 1) AS location,
       (SELECT words FROM phrase WHERE n = h % 9973) || ' ' || (SELECT words FROM phrase WHERE n = h / 64 % 9973)
       || ' ' || (SELECT words FROM phrase WHERE n = h / 4096 % 9973) || ' ' || number AS text,
       CAST(h / 2000 % 5 + 1 AS float) AS rating, {at} AS published_at, 'second' AS published_precision,
       {at} AS observed_at, {none} AS flags, 'h' AS content_hash, true AS counts,
       'done' AS score_state, CASE WHEN h / 80000 % 100 < 60 THEN 'ru' WHEN h / 80000 % 100 < 85 THEN 'en'
       WHEN h / 80000 % 100 < 94 THEN 'de' ELSE 'es' END AS language,
       CASE WHEN h % 100 < 30 THEN 'negative' WHEN h % 100 < 50 THEN 'neutral' ELSE 'positive' END AS sentiment,
       0.3 AS p_negative, 0.2 AS p_neutral, 0.5 AS p_positive, 'm@1' AS model, false AS corrected,
       {at} AS scored_at
FROM ({numbers}) AS numbered
"""
COLUMNS = tuple(re.findall(r" AS (\w+)(?:,|\nFROM)", HISTORY))
DERIVED = {
    "judgement": "INSERT INTO judgement (mention_id, model, content_hash, language, sentiment, p_negative, p_neutral,"
    " p_positive, topics, scored_at) SELECT id, model, content_hash, language, sentiment, p_negative, p_neutral,"
    " p_positive, flags, scored_at FROM mention WHERE id BETWEEN :first AND :last ORDER BY id",
    "topic_tag": "INSERT INTO topic_tag (mention_id, topic, p, sentiment) SELECT mention.id, topic.name, 0.9, sentiment"
    " FROM mention JOIN history_topic AS topic ON topic.n = mention.id % 10"
    " WHERE mention.id BETWEEN :first AND :last AND mention.id % 4 > 0 UNION ALL"
    " SELECT mention.id, topic.name, 0.9, sentiment"
    " FROM mention JOIN history_topic AS topic ON topic.n = (mention.id + 3) % 10"
    " WHERE mention.id BETWEEN :first AND :last AND mention.id % 4 = 3 ORDER BY 1",
    "mention_search": "INSERT INTO mention_search (rowid, body) SELECT id, text FROM mention"
    " WHERE id BETWEEN :first AND :last ORDER BY id",
}

# Signatures of texts, and nine keys each, that no other text has.
SIGNATURES = {
    "sqlite": (
        "INSERT INTO signature (mention_id, text_hash, minhash, published_on) SELECT id, printf('%032x', id),"
        " randomblob(512), date(published_at) FROM mention WHERE id BETWEEN :first AND :last ORDER BY id",
        "WITH RECURSIVE times(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM times WHERE n < 9)"
        " INSERT INTO copy_key (key, mention_id) SELECT random(), id FROM mention, times"
        " WHERE id BETWEEN :first AND :last ORDER BY 1",
    ),
    "postgresql": (
        "INSERT INTO signature (mention_id, text_hash, minhash, published_on) SELECT id, lpad(to_hex(id), 32, '0'),"
        " decode(repeat(md5(CAST(id AS text)), 32), 'hex'), CAST(published_at AS date) FROM mention"
        " WHERE id BETWEEN :first AND :last ORDER BY id",
        "INSERT INTO copy_key (key, mention_id) SELECT hashint8extended(id, n), id FROM mention,"
        " generate_series(1, 9) AS times(n) WHERE id BETWEEN :first AND :last ORDER BY 1",
    ),
}


class Constant:
    """A model that finds everything negative and says so at once."""

    name, revision = "constant", "1"

    def score(self, texts: Sequence[str], *, languages: Sequence[str | None] | None = None,
              ratings: Sequence[float | None] | None = None,
              progress: Callable[[int], None] | None = None) -> list[Judgement]:  # fmt: skip
        tags = (TopicTag("waiting", 0.9, "negative"),)
        return [Judgement("en", "negative", 0.9, 0.05, 0.05, tags, "constant@1") for _ in texts]


def fill(context: Context, n_mentions: int, *, n_rival: int, seconds: float, derived: Path | None) -> bool:
    """Go on filling for so many seconds; whether all is there, a competitor's and buckets too."""
    started = time.monotonic()
    with reading(context.engine) as session:
        there = session.exec(select(func.coalesce(func.max(Mention.id), 0))).one()
    n_all = n_mentions + n_rival
    if there < n_all:
        with writing(context.engine) as session:
            put_aside(session)
    while there < n_all:
        own = there < n_mentions
        last = min(there + CHUNK, n_mentions if own else n_all)
        with writing(context.engine) as session:
            if own:
                write(session, there + 1, last, n_mentions)
            else:
                write(session, there + 1, last, n_rival, before=n_mentions, brand_id=2)
        there = last
        print(f"{there} of {n_all} after {time.monotonic() - started:.0f} s", flush=True)
        if time.monotonic() - started > seconds:
            return False
    with timed("(filling: second indexes)"), writing(context.engine) as session:
        put_back(session)
    if time.monotonic() - started > seconds:
        return False
    with timed("(filling: buckets)"), writing(context.engine) as session:
        if session.execute(text("SELECT 1 FROM bucket LIMIT 1")).first() is None:
            count(session, since=NOW - timedelta(days=DAYS))
            ids_go_on(session)
            session.execute(text("ANALYZE"))
    with timed("(filling: sheets and daily counts)"):
        if derived is not None:
            take(context, derived)
        roll_up(context)
    return time.monotonic() - started <= seconds


def take(context: Context, folder: Path) -> None:
    """Sheets and daily counts from the SQLite store of another call, which has the same rows."""
    with closing(sqlite3.connect(folder / "data" / "monitor.sqlite")) as source, writing(context.engine) as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor:
            for table in (SheetWord, Sheet, Daily, DailyStars):
                names = ", ".join(column.name for column in table.__table__.columns)
                rows = source.execute(f"SELECT {names} FROM {table.__tablename__}")
                with cursor.copy(f"COPY {table.__tablename__} ({names}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        for key, value in source.execute("SELECT key, value FROM meta WHERE key LIKE 'sheets%' OR key LIKE 'daily%'"):
            meta.put(session, key, value)


def fill_later(context: Context, n_mentions: int) -> None:
    """A year behind the history, with its own number of mentions, counted; nothing where it is there."""
    year = timedelta(days=DAYS)
    with writing(context.engine) as session:
        newest, there = session.exec(select(func.max(Mention.published_at), func.max(Mention.id))).one()
        if newest > NOW:
            return
        for first in range(0, n_mentions, CHUNK):
            last = min(first + CHUNK, n_mentions)
            write(session, there + first + 1, there + last, n_mentions, before=there, end=NOW + year)
        count(session, since=NOW)
        ids_go_on(session)
        session.execute(text("ANALYZE"))
    roll_up(context)


def ids_go_on(session: Session) -> None:
    """Behind those that were given by hand."""
    if session.get_bind().dialect.name == "postgresql":
        for table in ("mention", "judgement"):
            ids = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            session.execute(text(ids))


def write(
    session: Session, first: int, last: int, n_mentions: int, *, before: int = 0, end: datetime = NOW, brand_id: int = 1
) -> None:
    """Mentions first..last of a year that ends then and holds n, after so many before it, with all that is written of
    each; signatures of the last sixty days."""
    postgres = session.get_bind().dialect.name == "postgresql"
    step = DAYS * 86_400 / n_mentions
    start = end - timedelta(days=DAYS, seconds=before * step)
    series = (
        "SELECT generate_series(CAST(:first AS bigint), :last) AS number" if postgres else
        "WITH RECURSIVE upto(number) AS (SELECT :first UNION ALL SELECT number + 1 FROM upto WHERE number < :last)"
        " SELECT number FROM upto"
    )  # fmt: skip
    at = (
        f"to_timestamp({start.timestamp()} + number * {step})" if postgres else
        f"strftime('%Y-%m-%d %H:%M:%f000', {start.timestamp()} + number * {step}, 'unixepoch')"
    )  # fmt: skip
    numbers = f"SELECT number, number * 2654435761 % 4294967296 AS h FROM ({series}) AS series"
    key = "'m' || lpad(CAST(number AS text), 9, '0')" if postgres else "printf('m%09d', number)"
    none = "CAST('[]' AS json)" if postgres else "'[]'"
    made = HISTORY.format(at=at, key=key, none=none, numbers=numbers, brand=brand_id, sources=N_SOURCES)
    helpers(session)
    if postgres and session.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar_one():
        session.execute(text("SET LOCAL session_replication_role = replica"))  # no look-up of references that are there
    session.execute(text(f"INSERT INTO mention ({', '.join(COLUMNS)}) {made}"), {"first": first, "last": last})
    for statement in DERIVED.values():
        session.execute(text(statement), {"first": first, "last": last})
    recent = before + int(n_mentions * (1 - 2 * copies.WINDOW / timedelta(days=DAYS)))
    if last > recent:
        for statement in SIGNATURES["postgresql" if postgres else "sqlite"]:
            session.execute(text(statement), {"first": max(first, recent), "last": last})


def helpers(session: Session) -> None:
    """The words of the history, in temporary tables."""
    session.execute(text("CREATE TEMPORARY TABLE IF NOT EXISTS phrase (n INTEGER PRIMARY KEY, words TEXT)"))
    session.execute(text("CREATE TEMPORARY TABLE IF NOT EXISTS history_topic (n INTEGER PRIMARY KEY, name TEXT)"))
    if session.execute(text("SELECT count(*) FROM phrase")).scalar_one() == 0:
        rng = random.Random(0)
        phrases = [{"n": n, "words": " ".join(rng.choices(WORDS, k=5))} for n in range(N_PHRASES)]
        session.execute(text("INSERT INTO phrase VALUES (:n, :words)"), phrases)
        session.execute(text("INSERT INTO history_topic VALUES (:n, :name)"),
                        [{"n": n, "name": name} for n, name in enumerate(TOPICS)])  # fmt: skip


def put_aside(session: Session) -> None:
    """Drop the second indexes of the big tables and remember how they are made."""
    session.execute(text("CREATE TABLE IF NOT EXISTS bench_index (name TEXT PRIMARY KEY, made TEXT)"))
    where = f"({', '.join(repr(name) for name in SLOW_TO_KEEP)})"
    found = (
        "SELECT indexname, indexdef FROM pg_indexes JOIN pg_class ON relname = indexname JOIN pg_index ON indexrelid ="
        f" pg_class.oid WHERE NOT indisunique AND tablename IN {where}"
        if session.get_bind().dialect.name == "postgresql" else
        f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN {where}"
    )  # fmt: skip
    for name, made in session.execute(text(found)).all():
        session.execute(text("INSERT INTO bench_index VALUES (:name, :made)"), {"name": name, "made": made})
        session.execute(text(f"DROP INDEX {name}"))
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ALTER TABLE copy_key DROP CONSTRAINT IF EXISTS copy_key_pkey"))


def put_back(session: Session) -> None:
    session.execute(text("CREATE TABLE IF NOT EXISTS bench_index (name TEXT PRIMARY KEY, made TEXT)"))
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
    for (made,) in session.execute(text("SELECT made FROM bench_index")).all():
        session.execute(text(made))
    session.execute(text("DROP TABLE bench_index"))
    if session.get_bind().dialect.name == "postgresql":
        keyed = "SELECT 1 FROM pg_constraint WHERE conname = 'copy_key_pkey'"
        if session.execute(text(keyed)).first() is None:
            session.execute(text("ALTER TABLE copy_key ADD PRIMARY KEY (key, mention_id)"))


def count(session: Session, *, since: datetime) -> None:
    """The buckets from a time on, by the database itself."""
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
                 " WHERE published_at > :since GROUP BY 1, 2, 3, 4, 5, 6"),
            {"since": since if postgres else f"{since:%Y-%m-%d %H:%M:%S.%f}"},
        )  # fmt: skip


def arrivals(n: int, *, when: datetime, mark: str) -> list[Item]:
    """New complaints about one place, as a scraper hands them over."""
    rng = random.Random(mark)
    return [
        Item(external_id=f"{mark}-{k}", kind="review", author=f"guest {k}", location="place 1", rating=1.0,
             text=f"{' '.join(rng.choices(WORDS, k=14))} {mark} {k}", published_at=when - timedelta(minutes=k % 300))
        for k in range(n)
    ]  # fmt: skip


def processor() -> float:
    """Seconds of the processor that this process and the database's have used."""
    return time.process_time() + sum(map(server_seconds, _SERVER))


def server_seconds(postmaster: int) -> float:
    """Those of PostgreSQL on this machine: its processes that live, and those that have ended."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == postmaster:
            ticks += int(fields[11]) + int(fields[12])
        elif file.parent.name == str(postmaster):
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def postmaster(session: Session) -> list[int]:
    """The parent of the process that serves this session, where it runs on this machine."""
    if session.get_bind().dialect.name != "postgresql":
        return []
    pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    stat = Path(f"/proc/{pid}/stat")
    there = stat.exists() and "(postgres)" in stat.read_text()
    return [int(stat.read_text().rsplit(")", 1)[1].split()[1])] if there else []


@contextmanager
def timed(what: str, n: int = 0) -> Iterator[list[float]]:
    """Print what a block took; the list gets its processor time in seconds."""
    began, used = time.perf_counter(), processor()
    took: list[float] = []
    yield took
    clock, cpu = time.perf_counter() - began, processor() - used
    took.append(cpu)
    rate = f"{1e6 * cpu / n:8.0f} us of it each" if n else ""
    print(f"{what:44} {clock:8.2f} s {cpu:8.2f} s cpu {rate}", flush=True)


def bare(items: Sequence[Item], folder: Path) -> float:
    """Seconds of the processor for the same rows by executemany into a bare table with the same key: 20 times over."""
    file = folder / "bare.sqlite"
    file.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, brand, origin, external_id, text, rating, at, place,"
                       " UNIQUE (brand, origin, external_id))")  # fmt: skip
    values = [(1, f"site {k}", one.external_id, one.text, one.rating, str(one.published_at), one.location)
              for k in range(20) for one in items]  # fmt: skip
    with timed("the same rows by a bare executemany, x 20", len(values)) as took, connection:
        connection.executemany(
            "INSERT INTO m (brand, origin, external_id, text, rating, at, place) VALUES (?,?,?,?,?,?,?)", values
        )
    connection.close()
    return took[0] / 20


def measure(context: Context, n_new: int, folder: Path, run: str) -> None:
    with reading(context.engine) as session:
        brand_id = session.exec(select(Brand.id).where(Brand.slug == "cafe")).one() or 0
    with writing(context.engine) as session:
        source_id = ensure_import(session, "site1", now=NOW).id or 0
    with timed("first look of the detector (teaches itself)"):
        detect(context)
    for mark in ("first", "second"):
        items = arrivals(n_new, when=context.now, mark=f"{mark}{run}")
        with timed(f"ingest, {mark} batch", n_new) as took, writing(context.engine) as session:
            ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=context.now)
        print(f"{'':44} {took[0] / bare(items, folder):.0f} times a bare executemany")
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


def most_memory() -> int:
    """Of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mentions", type=int, default=10_000)
    parser.add_argument("--new", type=int, default=1000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--url", default="", help="of an empty PostgreSQL database; SQLite in the folder if not given")
    parser.add_argument("--derived", type=Path, help="into PostgreSQL: the folder of a call with as many mentions and"
                        " no url, whose sheets and daily counts are taken instead of made again")  # fmt: skip
    parser.add_argument("--fill-seconds", type=float, default=3600)
    parser.add_argument(
        "--run", default="1", help="of a store that was measured before: another word, or nothing is new"
    )
    parser.add_argument("--pages", type=int, default=0, help="ask for each address of the dashboard so many times")
    parser.add_argument("--only", default="", help="of these, the ones with this text")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="the new ones come into hours that hold nothing else, six hours after the history: what still grows with"
        " the store, grows with history and not with its traffic",
    )
    parser.add_argument(
        "--later",
        type=int,
        default=0,
        help="a further year behind the history with so many mentions; the steps are measured at its end",
    )
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    raw: dict[str, Any] = {
        "data_dir": str(given.folder / "data"),
        "brands": {"cafe": {"name": "Cafe"}} if given.later else dashboard.BRANDS,
        "privacy": {"keep_text": "3650d"},  # erasing is work of its own, once for a mention: docs/scale.md
        "channels": {"box": {"kind": "file", "settings": {"directory": str(given.folder / "outbox")}}},
    }
    if given.url:
        raw["database_url"] = given.url
    now = NOW + (timedelta(hours=6) if given.apart else timedelta()) + timedelta(days=DAYS if given.later else 0)
    at = [now]
    context = Context(validate(raw, origin="benchmark"), clock=lambda: at[0], scorer=Constant())
    upgrade(context.engine)
    with writing(context.engine) as session:
        _SERVER[:] = postmaster(session)
        synchronise(session, context.settings, now=NOW)
        for number in range(1, N_SOURCES + 1):
            ensure_import(session, f"site{number}", now=NOW)
    began = time.monotonic()
    n_rival = 0 if given.later else given.mentions // 10
    if not fill(context, given.mentions, n_rival=n_rival, seconds=given.fill_seconds, derived=given.derived):
        return 3
    print(f"{given.mentions} mentions, filled in {time.monotonic() - began:.0f} s (this call)")
    if given.later:
        fill_later(context, given.later)
        at[0] = now - timedelta(days=1)
        with timed("housekeeping of a year at once"):
            housekeep(context)
        at[0] = now
    if given.new:
        measure(context, given.new, given.folder, given.run)
    print(f"store: {size_of(context, given.folder) / 1e6:.0f} MB; most memory: {most_memory()} MiB")
    if given.pages:
        looked = Context(context.settings, engine=context.engine, clock=lambda: NOW)  # with the model that ships
        dashboard.prepare(looked, given.mentions)
        dashboard.ask(looked, given.pages, only=given.only, processor=processor)
        print(f"most memory, with the pages: {most_memory()} MiB")
    context.engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
