"""How long the dashboard takes over a large store: fills one with invented mentions and asks for every address it has.

    python -m benchmarks.dashboard --mentions 1000000 --folder /tmp/large

The store is made once per folder, and gone on with after an interruption: a brand, a competitor of a tenth of its size,
and what stands around them. Asked for is every GET route of the pages and of the API (a parameter that VALUES does not
name ends the run, so that none can hide) and, of the busiest, many filters: `--rounds` times, cold (the memo
cleared before each) and once more with kept ones, in one process that has warmed as a server does at its start, without
a network: it is the application that is measured. `--only` narrows it to addresses with that text.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from fastapi.routing import APIRoute
from sqlmodel import col, func, select
from starlette.testclient import TestClient

from benchmarks.surroundings import surround
from monitor.config import validate
from monitor.pipeline.aggregate import roll_up
from monitor.pipeline.context import Context
from monitor.store.catalogue import synchronise
from monitor.store.engine import reading, upgrade, writing
from monitor.store.tables import Incident, Mention, Report
from monitor.web import accounts
from monitor.web.app import ROUTERS, create_app
from monitor.web.warm import warm

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 365
KINDS = ("cold ms", "cold cpu", "kept ms", "kept cpu")
BRANDS = {"cafe": {"name": "Cafe"}, "rival": {"name": "Rival", "competitor": True}}
METRICS = ("nps", "csat", "ces", "net_sentiment", "negative_share", "rating", "repeat_rate", "clv")
COMMON = {"coffee": 0.12, "staff": 0.06, "cold": 0.03, "soup": 0.02, "rude": 0.01}  # share of texts with the word
SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "pa", "de", "gi", "fo", "ru", "ha", "ce", "ny")
FEW = (
    "coffee", "waiter", "soup", "queue", "order", "price", "app", "delivery", "table", "staff", "cold", "late", "great",
    "slow", "nice", "rude", "fresh", "clean",
)  # fmt: skip
N_WORDS = 20_000  # of an invented vocabulary, drawn as words of texts are: the k-th in proportion to 1 / k
TOPICS = ("delivery", "price", "staff", "quality", "food", "waiting", "app", "cleanliness", "support", "payment")
PAGES = (
    "/", "/?period=90d", "/?period=365d", "/?topic=waiting", "/?location=place%203", "/?sentiment=negative",
    "/?sentiment=negative&period=365d", "/?rating=1&rating=2&period=90d", "/?topic=waiting&sentiment=negative",
    "/?q=coffee+rude&period=90d", "/mentions", "/mentions?q=coffee", "/mentions?topic=price&sentiment=negative",
    "/mentions?rating=2&language=es&period=365d", "/mentions?kind=survey&period=365d",
    "/mentions?q=cold+soup&period=365d", "/satisfaction", *(f"/satisfaction?metric={name}" for name in METRICS),
    "/satisfaction?metric=rating&period=365d", "/journey", "/journey?period=365d", "/competitors?period=365d",
)  # fmt: skip
QUIET = {  # nothing of the store is read, or the store is not asked
    "/healthz", "/version", "/login", "/login/sso", "/login/sso/callback", "/setup", "/u/{token}", "/a/{token}",
    "/mentions/export.{suffix}",  # streamed: docs/performance.md has its own figures
    "/sources/{slug}/sample",
}  # fmt: skip
VALUES = {
    "dimension": "topic", "key": "waiting", "report_id": "9", "metric": "net_sentiment",
    "brand": "cafe", "week": "2026-W46",
}  # fmt: skip
ASKED = {  # what an address needs beside its path
    "/effects": "?about=waiting&on=2026-08-22&at=place+1&at=place+2",
    "/api/v1/effect": "?topic=waiting&on=2026-08-22&treated=place+1&treated=place+2",
    "/api/v1/mentions": "?limit=100",
}


def addresses(uid: str, *, mention_id: int) -> list[str]:
    """Every GET route, with something to show; what is asked for with many filters stands in PAGES too."""
    paths = sorted(
        prefix + route.path for prefix, router in ROUTERS for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods
    )  # fmt: skip
    made = [
        path.format(**VALUES, uid=uid, mention_id=mention_id) + ASKED.get(path, "")
        for path in paths
        if path not in QUIET
    ]
    return list(dict.fromkeys([*PAGES, *made]))


def fill(context: Context, n_mentions: int, *, few_words: bool, brand_id: int = 1, after: int = 0) -> None:
    """Invented mentions, tags and search rows by plain SQL, and the buckets that belong to them; goes on where it was
    interrupted."""
    rng = random.Random(brand_id)
    vocabulary = ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(N_WORDS)]
    heights = list(accumulate(1 / k for k in range(1, N_WORDS + 1)))
    start = NOW - timedelta(days=DAYS)
    connection = context.engine.raw_connection()
    cursor = connection.cursor()
    there = cursor.execute("SELECT max(id) FROM mention WHERE brand_id = ?", (brand_id,)).fetchone()[0] or after
    rng.seed(there)
    for number in range(1, 9):
        cursor.execute(
            "INSERT OR IGNORE INTO source (id, slug, title, scraper, location, interval_seconds, active, fail_count,"
            " n_empty, last_status, last_error, created_at) VALUES (?, ?, ?, 'import', '', 3600, 1, 0, 0, 'ok', '', ?)",
            (number, f"source{number}", f"Source {number}", "2025-01-01 00:00:00"),
        )
    for first in range(there, after + n_mentions, 50_000):
        cursor.execute("BEGIN IMMEDIATE")
        mentions, tags, texts = [], [], []
        for number in range(first + 1, min(first + 50_000, after + n_mentions) + 1):
            at = start + timedelta(seconds=DAYS * 86_400 * (number - after) / n_mentions)
            sentiment = rng.choices(("negative", "neutral", "positive"), (30, 20, 50))[0]
            if few_words:
                words = rng.choices(FEW, k=12)
            else:
                words = rng.choices(vocabulary, cum_weights=heights, k=12)
                words += [word for word, share in COMMON.items() if rng.random() < share]
            text = " ".join(words)
            stamp = at.strftime("%Y-%m-%d %H:%M:%S.000000")
            language = rng.choices(("ru", "en", "de", "es"), (60, 25, 9, 6))[0]
            mentions.append((number, brand_id, rng.randint(1, 8), f"m{number}", f"place {rng.randint(1, 20)}", text,
                             float(rng.randint(1, 5)), stamp, stamp, language, sentiment))  # fmt: skip
            tags += [(number, topic, 0.9, sentiment) for topic in rng.sample(TOPICS, rng.choice((0, 1, 1, 2)))]
            texts.append((number, text))
        cursor.executemany(
            "INSERT INTO mention (id, brand_id, source_id, origin, external_id, kind, location, text, rating,"
            " published_at, published_precision, observed_at, flags, content_hash, counts, score_state, language,"
            " sentiment, p_negative, p_neutral, p_positive, model, scored_at, corrected) VALUES (?, ?, ?, 'b', ?,"
            " 'review', ?, ?, ?, ?, 'second', ?, '[]', 'h', 1, 'done', ?, ?, 0.3, 0.2, 0.5, 'm@1', NULL, 0)",
            mentions,
        )
        cursor.executemany("INSERT INTO topic_tag (mention_id, topic, p, sentiment) VALUES (?, ?, ?, ?)", tags)
        cursor.executemany("INSERT INTO mention_search (rowid, body) VALUES (?, ?)", texts)
        cursor.execute("COMMIT")
        print(f"{first + len(mentions)} mentions", flush=True)
    cursor.execute("BEGIN IMMEDIATE")
    cursor.execute("DELETE FROM bucket WHERE brand_id = ?", (brand_id,))
    sums = "count(*), sum({0}='negative'), sum({0}='neutral'), sum({0}='positive'), count(rating), sum(rating)"
    hour = "strftime('%Y-%m-%d %H:00:00.000000', published_at)"
    into = (
        "INSERT INTO bucket (brand_id, hour_at, source_id, location, language, topic, n, n_negative, n_neutral,"
        " n_positive, n_ratings, rating_sum) SELECT brand_id, {hour}, source_id, location, language, {topic}, {sums}"
        " FROM mention {join} WHERE brand_id = {brand} GROUP BY 1, 2, 3, 4, 5, 6"
    )
    of = {"hour": hour, "brand": brand_id}
    cursor.execute(into.format(**of, topic="''", sums=sums.format("mention.sentiment"), join=""))
    join = "JOIN topic_tag ON topic_tag.mention_id = mention.id"
    cursor.execute(into.format(**of, topic="topic", sums=sums.format("topic_tag.sentiment"), join=join))
    cursor.execute("COMMIT")
    cursor.execute("ANALYZE")
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mentions", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few-words", action="store_true",
                        help="Texts of twelve out of 18 words: what is searched stands in half of them.")  # fmt: skip
    parser.add_argument("--only", default="", help="Addresses with this text in them.")
    given = parser.parse_args()
    settings = validate({"data_dir": str(given.folder), "brands": BRANDS}, origin="benchmark")
    context = Context(settings, clock=lambda: NOW)
    upgrade(context.engine)
    with reading(context.engine) as session:
        whole = session.exec(select(Report.id)).first() is not None  # what comes last is there
    if not whole:
        with writing(context.engine) as session:
            synchronise(session, settings, now=NOW)
        began = time.perf_counter()
        fill(context, given.mentions, few_words=given.few_words)
        fill(context, given.mentions // 10, few_words=given.few_words, brand_id=2, after=given.mentions)
        prepare(context, given.mentions)
        print(f"filled in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    if n_days := roll_up(context):
        print(f"daily counts of {n_days} days made in {time.perf_counter() - began:.0f} s")
    ask(context, given.rounds, only=given.only)


def prepare(context: Context, n_mentions: int) -> None:
    """Somebody who looks, and what stands around the mentions; once."""
    with writing(context.engine) as session:
        if accounts.find_user(session, "anna") is None:
            accounts.add_user(session, "anna", "admin", "a long pass phrase", now=NOW)
        if session.exec(select(Report.id)).first() is None:
            surround(session, NOW, brand_id=1, n_mentions=n_mentions)


def ask(context: Context, rounds: int, *, only: str = "", processor: Callable[[], float] = time.process_time) -> None:
    """Every address, `rounds` times with nothing kept and once more; prints milliseconds by the clock and of the
    processor, and the dearest by name."""
    app = create_app(context)
    began, used = time.perf_counter(), processor()
    warm(context, app.state.memo)
    print(f"warmed in {time.perf_counter() - began:.1f} s by the clock, {processor() - used:.1f} s of the processor")
    client = TestClient(app, base_url="http://127.0.0.1")
    client.post("/login", data={"name": "anna", "password": "a long pass phrase"})
    with reading(context.engine) as session:
        uid = session.exec(select(Incident.uid).order_by(col(Incident.opened_at).desc())).first()
        newest = session.exec(select(func.max(Mention.id)).where(Mention.brand_id == 1)).one() or 0
        old = select(func.max(Mention.id)).where(Mention.brand_id == 1, col(Mention.id) <= newest * 7 // 9)
        mention_id = session.exec(old).one() or newest
    print(f"{'address':58} " + " ".join(f"{kind:>9}" for kind in KINDS))
    asked: dict[str, list[float]] = {}
    for address in addresses(uid or "", mention_id=mention_id):
        if only not in address:
            continue
        rows: list[tuple[float, ...]] = []
        for _ in range(rounds):
            app.state.memo.clear()
            rows.append((*timed(client, address, processor), *timed(client, address, processor)))
        asked[address] = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"{address:58} " + " ".join(f"{figure:9.0f}" for figure in asked[address]), flush=True)
    for number, kind in enumerate(KINDS):
        held = sorted((figures[number], address) for address, figures in asked.items())
        print(f"{kind} of {len(held)}: median {statistics.median(figure for figure, _ in held):.0f}, "
              f"95 % {held[-1 - len(held) // 20][0]:.0f}, dearest {held[-1][0]:.0f}: "
              + ", ".join(f"{address} {figure:.0f}" for figure, address in held[:-11:-1]))  # fmt: skip


def timed(client: TestClient, page: str, processor: Callable[[], float]) -> tuple[float, float]:
    """Milliseconds by the clock and of the processor: they differ where others use the machine."""
    began, used = time.perf_counter(), processor()
    answer = client.get(page)
    assert answer.status_code == 200, (page, answer.status_code, answer.text[:2000])
    return (time.perf_counter() - began) * 1000, (processor() - used) * 1000


if __name__ == "__main__":
    main()
