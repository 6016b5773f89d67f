"""Copies: the first of a cluster stands in the index, whatever becomes of it; a lookup costs the same at any size."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event
from sqlalchemy import text as sql
from sqlmodel import Session, func, select

from monitor.store import copies
from monitor.store.ingest import erase_texts, ingest
from monitor.store.tables import Brand, CopyKey, Mention, Signature, Source
from tests.monitor.support import NOW, item

LONG = "We waited fifty minutes for two coffees although the place was nearly empty and nobody said a word about it"


def put(session: Session, brand: Brand, source: Source, *texts: str, first: int = 1, days_ago: float = 0) -> int:
    at = NOW - timedelta(days=days_ago)
    items = [item(first + n, text, at=at + timedelta(seconds=n)) for n, text in enumerate(texts)]
    return ingest(
        session, items, brand_id=brand.id or 0, source_id=source.id or 0, origin=source.slug, now=NOW
    ).n_copies


def by_number(session: Session) -> dict[str, Mention]:
    session.expire_all()
    return {mention.external_id: mention for mention in session.exec(select(Mention))}


@contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", note)


def texts(n: int, *, seed: int = 3) -> list[str]:
    rng = random.Random(seed)
    words = [f"word{k}" for k in range(400)]
    return [" ".join(rng.choices(words, k=14)) for _ in range(n)]


def test_a_text_posted_a_hundred_times_stands_in_the_index_once(session: Session, brand: Brand, source: Source) -> None:
    assert put(session, brand, source, *[LONG] * 60) == 59
    assert put(session, brand, source, *[f"{LONG}!"] * 40, first=100) == 40
    n_keys = session.exec(select(func.count()).select_from(CopyKey)).one()
    assert n_keys == len(copies.keys_of(brand.id or 0, "0" * 32, None)) + 8
    assert len({mention.cluster_id for mention in by_number(session).values()}) == 1


def test_when_the_first_loses_its_words_the_next_is_found(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, LONG, LONG)
    first = by_number(session)["1"]
    erase_texts(session, [first], now=NOW)
    session.flush()
    assert session.get(Signature, first.id) is None
    assert put(session, brand, source, LONG, first=10) == 1
    rows = by_number(session)
    assert rows["10"].cluster_id == first.id and not rows["10"].counts and rows["1"].counts
    for number in ("2", "10"):
        erase_texts(session, [rows[number]], now=NOW)
    session.flush()
    assert session.exec(select(func.count()).select_from(CopyKey)).one() == 0


def test_words_of_many_are_erased_by_as_few_statements_as_those_of_one(
    session: Session, brand: Brand, source: Source
) -> None:
    put(session, brand, source, *texts(61))
    rows = sorted(by_number(session).values(), key=lambda row: row.id or 0)
    asked = []
    for some in (rows[:1], rows[1:]):
        with statements(session) as seen:
            erase_texts(session, some, now=NOW)
        asked.append(len(seen))
    assert asked[0] == asked[1]
    for table in (CopyKey, Signature):
        assert session.exec(select(func.count()).select_from(table)).one() == 0
    assert session.execute(sql("SELECT count(*) FROM mention_search")).scalar_one() == 0


def test_a_text_too_short_for_a_signature_is_found_when_it_is_the_same(
    session: Session, brand: Brand, source: Source
) -> None:
    mostly_links = "So good https://example.org/a/long/address/of/a/picture/of/the/place 🙂🙂🙂"
    other = "So bad https://example.org/a/long/address/of/a/picture/of/the/place 🙂🙂🙂"
    assert put(session, brand, source, mostly_links, other) == 0
    assert put(session, brand, source, mostly_links.upper(), first=10) == 1


def test_brands_do_not_share_copies(session: Session, brand: Brand, source: Source) -> None:
    other = Brand(slug="other", name="Other")
    session.add(other)
    session.flush()
    put(session, brand, source, LONG)
    assert put(session, other, source, LONG) == 0


def test_nearly_the_same_words_are_found_among_many(session: Session, brand: Brand, source: Source) -> None:
    many = texts(300)
    assert put(session, brand, source, *many) == 0
    assert put(session, brand, source, *(f"{text} again" for text in many), first=1000) >= 297


def test_a_batch_asks_the_store_as_often_over_a_large_history(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, LONG)
    with statements(session) as early:
        put(session, brand, source, *texts(50, seed=4), first=1000)
    put(session, brand, source, *texts(900, seed=5), *[LONG] * 100, first=2000)
    with statements(session) as late:
        put(session, brand, source, *texts(50, seed=6), first=4000)
    assert len(late) == len(early) < 20


def test_of_a_key_that_very_many_share_only_some_are_compared(session: Session, brand: Brand, source: Source) -> None:
    beginning = " ".join(f"common{n}" for n in range(45))
    crowd = [f"{beginning} {text}" for text in texts(200)]
    put(session, brand, source, *crowd)
    holders = copies._holders(session, {row.key for row in session.exec(select(CopyKey))})
    assert max(map(len, holders.values())) == copies.MAX_COMPARED
    assert (
        put(session, brand, source, *(f"{text}!" for text in crowd), first=1000) == 200
    )  # the same words have a key of their own


def test_what_is_older_than_the_window_leaves_the_index(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, *texts(30), days_ago=90)
    put(session, brand, source, LONG, first=1000)
    before = (NOW - timedelta(days=60)).date()
    assert copies.prune(session, before=before) == 30
    assert copies.prune(session, before=before) == 0
    assert session.exec(select(func.count()).select_from(Signature)).one() == 1
    assert {row.mention_id for row in session.exec(select(CopyKey))} == {by_number(session)["1000"].id}
