"""The store on PostgreSQL: made from nothing, filled twice, searched, counted, verified."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel, select

import monitor.store.tables  # noqa: F401  (fills the metadata)
from monitor.errors import MonitorError
from monitor.pipeline.aggregate import aggregate, roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.housekeeping import forget, purge
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import, synchronise
from monitor.store.check import verify
from monitor.store.engine import open_engine, pending, reading, upgrade, writing
from monitor.store.hosts import StoreLimiter
from monitor.store.ingest import going, ingest, mark_gone
from monitor.store.judgements import correct
from monitor.store.queries import chosen, counts, mentions, operations, quality
from monitor.store.queries.chats import any_chats, chats
from monitor.store.queries.selection import Selection, words_condition
from monitor.store.tables import Brand, Mention, TouchedHour
from scrapers.item import Reply
from tests.monitor.postgres.server import Server
from tests.monitor.support import NOW, item

LONG = "We waited fifty minutes for two coffees although the place was nearly empty and nobody said a word about it"


def fill(context: Context, *items: Any) -> Any:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source = ensure_import(session, "site", now=NOW)
        return ingest(session, items, brand_id=brand_id, source_id=source.id or 0, origin="site", now=NOW)


def ids(context: Context, words: str) -> set[str]:
    with reading(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        asked = Selection(brand_id, NOW - timedelta(days=3650), NOW + timedelta(days=1), words=words)
        return set(session.exec(select(Mention.external_id).where(words_condition(session, asked))))


def test_migrations_from_nothing(postgres: Server) -> None:
    with postgres.database() as url:
        engine = open_engine(url)
        assert pending(engine)
        done: list[bool] = []

        def start() -> None:
            own = open_engine(url)
            done.append(upgrade(own))
            own.dispose()

        threads = [threading.Thread(target=start) for _ in range(3)]
        for thread in threads:  # hosts of one release start together
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 3
        assert not pending(engine)
        with engine.connect() as connection:
            names = set(
                connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
            )
        assert {table.name for table in SQLModel.metadata.sorted_tables} <= names
        engine.dispose()


def test_a_second_run_changes_nothing(context: Context) -> None:
    items = [item(n, f"text {n}") for n in range(450)]
    assert fill(context, *items).n_new == 450
    again = fill(context, *items)
    assert (again.n_new, again.n_edited) == (0, 0)
    assert fill(context, item(1, "another text")).n_edited == 1
    with reading(context.engine) as session:
        assert len(session.exec(select(Mention)).all()) == 450


def test_copies_count_once_and_times_are_utc(context: Context) -> None:
    assert fill(context, item(1, LONG), item(2, f"{LONG}!!")).n_copies == 1
    with reading(context.engine) as session:
        rows = {m.external_id: m for m in session.exec(select(Mention))}
        assert (rows["1"].counts, rows["2"].counts) == (True, False)
        assert rows["1"].published_at == NOW - timedelta(hours=1)
        assert rows["1"].published_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("words", "found"),
    [("кофе", {"1"}), ("КОФЕ", {"1"}), ("ещё", {"1"}), ("еще", {"1"}), ("еще кофе", {"1"}), ("coff", {"2"}),
     ("staff -coffee", {"3"}), ('"rude staff"', {"3"}), ("100%", {"2"}), ("' OR 1=1", set()), ("配達", {"4"})],
)  # fmt: skip
def test_search(context: Context, words: str, found: set[str]) -> None:
    fill(context, item(1, "Ещё одна чашка кофе, и всё"), item(2, "Coffee was 100% cold"), item(3, "Rude staff"),
         item(4, "配達が遅い"))  # fmt: skip
    assert ids(context, words) == found


def test_a_search_that_takes_too_long_says_so(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held up by a lock here, by the size of the store elsewhere; what comes after it has its time."""
    fill(context, item(1, "late coffee"), item(2, "late tea"))
    score(context)
    aggregate(context)
    roll_up(context)
    monkeypatch.setattr(chosen, "PATIENCE", "50ms")
    with reading(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        span = Selection(brand_id, NOW - timedelta(days=2), NOW + timedelta(days=1), words="late")
        with writing(context.engine) as other:
            other.execute(text("LOCK TABLE mention_search"))
            with pytest.raises(MonitorError, match="longer than a minute: choose a shorter time, or rarer words"):
                mentions.count(session, span)
        session.rollback()
        assert mentions.count(session, span) == 2
        session.execute(text("SELECT pg_sleep(0.1)"))


def test_what_is_gone_is_not_found(context: Context) -> None:
    fill(context, item(1, "late coffee"), item(2, "late tea"), item(3, "late bus", author="Anna"))
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        mark_gone(session, going(session, ["1"], brand_ids=[brand_id], origin="site"), now=NOW)
    assert ids(context, "late") == {"2", "3"}
    assert forget(context, author="Anna").n_mentions == 1
    assert purge(context, before=NOW) == 1
    assert ids(context, "late") == set()


def test_conversations_are_put_together_again(context: Context) -> None:
    ticket = {"kind": "ticket", "flags": frozenset({"chat"})}
    fill(
        context,
        item("c", LONG, reply=Reply("sorry", "Ann", NOW), **ticket),
        item("c/2", "thank you", parent_id="c", at=NOW, **ticket),
        item("mail", "a letter", kind="ticket"),
    )
    with reading(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        (chat,) = chats(session, brand_id, start=NOW - timedelta(days=1), end=NOW + timedelta(days=1))
        assert any_chats(session, brand_id) and not any_chats(session, brand_id + 1)
    assert (len(chat.turns), chat.wait) == (2, timedelta(hours=1))


def test_buckets_equal_rows(context: Context) -> None:
    fill(context, *(item(n, "late and rude" if n % 3 else "good", rating=float(n % 5 + 1),
                         at=NOW - timedelta(hours=n % 40)) for n in range(60)))  # fmt: skip
    assert score(context).n_new == 60
    aggregate(context)
    with writing(context.engine) as session:
        for mention in session.exec(select(Mention).limit(5)):
            correct(session, mention, actor="anna", now=NOW, sentiment="neutral", topics=[("price", "negative")])
    aggregate(context)
    assert verify(context.engine) == []
    with reading(context.engine) as session:
        assert session.exec(select(TouchedHour)).all() == []


def test_days_equal_hours(context: Context, make_context: Callable[..., Context]) -> None:
    fill(context, *(item(n, "late and rude" if n % 3 else "good", rating=float(n % 5 + 1), location=f"place {n % 3}",
                         at=NOW - timedelta(hours=n)) for n in range(60)))  # fmt: skip
    score(context)
    aggregate(context)
    assert roll_up(context) in (3, 4)
    assert verify(context.engine) == []
    fill(context, item("x", "late", at=NOW - timedelta(hours=30)), item("y", "late", at=NOW - timedelta(hours=29)))
    score(context)
    others = [make_context() for _ in range(2)]
    threads = [threading.Thread(target=aggregate, args=(other,)) for other in others]  # both may write the same day
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(context.engine) == []
    with reading(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        asked = Selection(brand_id, NOW - timedelta(days=30), NOW + timedelta(hours=1))
        assert counts.total(session, asked).now.n == 62
        assert sum(n for _, n in counts.stars(session, asked)) == 60
        # written for each store by itself: days since the epoch, ids of a search as one text, ends of an index
        places = counts.ratings_by_location(session, brand_id, start=asked.start, end=asked.end)
        assert {place: int(rated.n.sum()) for place, rated in places.items()} == {f"place {n}": 20 for n in range(3)}
        assert all((NOW.timestamp() / 86_400 - rated.day < 4).all() for rated in places.values())
        rude, good = (replace(asked, words=words, ratings=(1, 2, 3, 4, 5)) for words in ("rude", "-rude good"))
        assert (counts.total(session, rude).now.n, mentions.count(session, good)) == (40, 20)
        assert set(counts.values(session, brand_id, "location")) >= set(places)
        (site,) = operations.sources(session, now=NOW)
        assert (site.n_mentions, quality.progress(session)[1]) == (62, {"done": 62})


def test_counting_beside_judging_loses_no_hour(context: Context, make_context: Callable[..., Context]) -> None:
    """A mention that is judged while its hour is being counted leaves the hour marked for another count."""
    fill(context, item(1, "late"))
    score(context)
    other = make_context()
    with writing(context.engine) as counting:
        from monitor.store.buckets import recompute_touched

        assert recompute_touched(counting) == 1
        done = threading.Event()

        def judge() -> None:
            fill(other, item(2, "late too", at=NOW - timedelta(hours=1)))
            score(other)
            done.set()

        thread = threading.Thread(target=judge)
        thread.start()
        assert not done.wait(0.5)  # waits for the count to commit
    thread.join(timeout=20)
    assert done.is_set()
    aggregate(context)
    assert verify(context.engine) == []


def test_starting_together(make_context: Callable[..., Context]) -> None:
    """Workers that start at the same instant write the same catalogue."""
    contexts = [make_context() for _ in range(4)]
    errors: list[Exception] = []

    def start(context: Context) -> None:
        try:
            with writing(context.engine) as session:
                synchronise(session, context.settings, now=NOW)
        except Exception as error:
            errors.append(error)

    with writing(contexts[0].engine) as session:
        session.execute(text("DELETE FROM brand"))
    threads = [threading.Thread(target=start, args=(context,)) for context in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


async def _turns(limiter: StoreLimiter, n: int) -> list[float]:
    return [await limiter.reserve("example.org", interval_seconds=1.0) for _ in range(n)]


def test_turns_at_a_host_hold_over_processes(make_context: Callable[..., Context]) -> None:
    import asyncio

    clock = lambda: 1_000_000.0  # noqa: E731
    waits: list[float] = []
    limiters = [StoreLimiter(make_context().engine, clock) for _ in range(3)]
    asyncio.run(_turns(limiters[0], 1))  # the row of the host
    threads = [threading.Thread(target=lambda one=one: waits.extend(asyncio.run(_turns(one, 5)))) for one in limiters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [float(n) for n in range(1, 16)]
