"""Sheets: they say what the rows say under every filter, also of hours that wait, and are mended when they do not."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlmodel import Session, col, delete, select, update

from monitor.pipeline.aggregate import aggregate, roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.store import meta, sheets
from monitor.store.catalogue import ensure_import
from monitor.store.check import verify
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest, touch
from monitor.store.judgements import correct
from monitor.store.queries import chosen, counts, customers, mentions
from monitor.store.queries import opinions as opinion_queries
from monitor.store.queries.cells import Cells
from monitor.store.queries.opinions import Opinions, opinions
from monitor.store.queries.selection import Selection
from monitor.store.tables import Brand, Mention, Meta, Sheet, TopicTag
from tests.monitor import support

START = datetime(2026, 10, 20, 21, 17, 5, 250_000, tzinfo=UTC)
SPAN = timedelta(days=10)
WORDS = ("awful", "great", "late", "rude", "cold", "tea", "soup", "долго", "вкусно")
NARROWED: tuple[dict[str, Any], ...] = (
    {"sentiments": ("negative",)}, {"sentiments": ("negative", "neutral"), "locations": ("Мира 12",)},
    {"ratings": (1, 4)}, {"ratings": (3,), "languages": ("ru",)}, {"kinds": ("post",)}, {"kinds": ("ticket",)},
    {"copies": True}, {"corrected": True}, {"words": "soup"}, {"words": "sou -rude", "sentiments": ("positive",)},
    {"words": "nowhere"}, {"words": "!"}, {"topics": ("waiting",), "sentiments": ("negative",)},
    {"topics": ("waiting", "food")}, {"topics": ("waiting", "food"), "sentiments": ("positive",), "ratings": (2, 5)},
    {"topics": ("unknown",)}, {"locations": ("nowhere",), "ratings": (1,)}, {"source_ids": (-1,), "copies": True},
)  # fmt: skip


@pytest.fixture
def fed(context: Context) -> tuple[Context, Brand]:
    rng = random.Random(7)
    with writing(context.engine) as session:
        brand = session.exec(select(Brand)).one()
        for number, slug in enumerate(("site", "forum")):
            source = ensure_import(session, slug, now=support.NOW)
            items = [
                support.item(f"{slug}{n}", " ".join(rng.choices(WORDS, k=4)) + f" {n % 90}",
                             at=START + rng.random() * 2 * SPAN, kind=("review", "post")[rng.random() < 0.2],
                             rating=rng.choice((None, 1.0, 2.25, 2.5, 4.4375, 5.0)),
                             location=rng.choice(("Мира 12", "Riverside 3", "")))
                for n in range(120)
            ]  # fmt: skip
            ingest(session, items, brand_id=brand.id or 0, source_id=source.id or 0, origin=slug, now=support.NOW,
                   store_authors=bool(number))  # fmt: skip
    score(context)
    aggregate(context)
    roll_up(context)
    with writing(context.engine) as session:
        for mention in session.exec(select(Mention).where(col(Mention.id) % 17 == 0)):
            correct(session, mention, actor="anna", now=support.NOW, sentiment="positive",
                    topics=[("waiting", "negative"), ("food", "positive")])  # fmt: skip
        copies = col(Mention.id) % 11 == 0
        session.execute(update(Mention).where(copies).values(counts=False))
        session.execute(update(Mention).where(copies | (col(Mention.id) == 1)).values(cluster_id=1))
        for mention in session.exec(select(Mention).where(copies)):
            touch(session, mention.brand_id, [mention.published_at])
    return context, brand


def said(session: Session, asked: Selection) -> list[Any]:
    """Everything that a page and the feed ask of a selection."""
    first = mentions.page(session, asked, limit=7)
    pages = [first, mentions.page(session, asked, cursor=first.next_cursor, limit=7)] if first.next_cursor else [first]
    zones = (ZoneInfo("Europe/Moscow"), ZoneInfo("America/New_York"))
    return [
        counts.total(session, asked), counts.stars_pair(session, asked), mentions.count(session, asked),
        *(counts.by(session, asked, dimension) for dimension in ("source", "topic", "location", "language")),
        *(counts.by_day(session, asked, zone) for zone in zones),
        *(counts.topics_by_day(session, asked, zone) for zone in zones),
        *([entry.mention.id for entry in page.entries] for page in pages),
    ]  # fmt: skip


@pytest.mark.parametrize("waiting", [True, False])
def test_sheets_and_rows_say_the_same_under_every_filter(
    fed: tuple[Context, Brand], waiting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, brand = fed
    monkeypatch.setattr(mentions, "_LATEST", timedelta(days=2))
    if not waiting:
        aggregate(context)
    answers = []
    for in_sheets in (True, False):
        if not in_sheets:
            with writing(context.engine) as session:
                session.delete(session.get_one(Meta, "sheets"))
        with reading(context.engine) as session:
            assert sheets.kept(session) is in_sheets
            for narrowed in NARROWED:
                asked = Selection(brand.id or 0, START + SPAN, START + 2 * SPAN, **narrowed)
                assert (chosen.chosen(session, asked) is not None) is in_sheets
                answers.append((in_sheets, narrowed, said(session, asked)))
    by_sheets, by_rows = answers[: len(NARROWED)], answers[len(NARROWED) :]
    for (_, narrowed, found), (_, _, due) in zip(by_sheets, by_rows, strict=True):
        assert found == due, narrowed
    assert sum(found[2] > 0 for _, _, found in by_sheets) == len(NARROWED) - 6  # the filters find something


def test_what_waits_in_too_many_hours_is_shown_as_it_was_counted(
    fed: tuple[Context, Brand], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, brand = fed
    asked = Selection(brand.id or 0, START + SPAN, START + 2 * SPAN, corrected=True)
    with reading(context.engine) as session:
        assert counts.total(session, asked).now.n > 0
    monkeypatch.setattr(sheets, "_MANY", 2)
    with reading(context.engine) as session:
        assert counts.total(session, asked).now.n == 0


def test_spoiled_sheets_are_found_and_mended(fed: tuple[Context, Brand]) -> None:
    context, brand = fed
    aggregate(context)
    assert verify(context.engine) == []
    with writing(context.engine) as session:
        first, second = session.exec(select(Sheet).order_by(col(Sheet.hour_at)).limit(2)).all()
        session.execute(update(Sheet).where(col(Sheet.hour_at) == first.hour_at).values(mentions=second.mentions))
        session.execute(delete(Sheet).where(col(Sheet.hour_at) == second.hour_at))
        session.add(Sheet(brand_id=brand.id, hour_at=datetime(2020, 1, 1, tzinfo=UTC), mentions=b"", tags=b""))
    assert ["the sheets of 3 hour(s) differ" in line for line in verify(context.engine, repair=True)] == [True]
    assert verify(context.engine) == []


def test_an_interrupted_start_begins_anew_and_nobody_reads_half_of_it(fed: tuple[Context, Brand]) -> None:
    context, brand = fed
    with writing(context.engine) as session:
        session.execute(delete(Sheet))
        session.delete(session.get_one(Meta, "sheets"))
    turns = iter([False, True])
    assert sheets.build(context.engine, should_stop=lambda: next(turns)) == 200
    span = {"start": START, "end": START + 2 * SPAN}
    with reading(context.engine) as session:
        assert sheets.read(session, brand.id or 0, **span) is None
    assert sheets.build(context.engine) > 200
    with reading(context.engine) as session:
        assert meta.get(session, "sheets") == "kept"
        parts = sheets.read(session, brand.id or 0, **span)
        assert parts is not None
        assert sum(part.n for part in parts[0]) == 240
    assert verify(context.engine) == []


def test_what_is_kept_in_memory_is_read_anew_when_it_was_written(fed: tuple[Context, Brand]) -> None:
    context, brand = fed
    aggregate(context)
    asked = Selection(brand.id or 0, START, START + 2 * SPAN, ratings=(5,))
    with reading(context.engine) as session:
        before = counts.total(session, asked).now.n
        with writing(context.engine) as other:
            mention = other.exec(select(Mention).where(Mention.rating == 1.0, col(Mention.counts).is_(True))).first()
            assert mention is not None
            mention.rating = 5.0
            touch(other, mention.brand_id, [mention.published_at])
        aggregate(context)
        assert counts.total(session, asked).now.n == before  # the reader's snapshot is older
    with reading(context.engine) as session:
        assert counts.total(session, asked).now.n == before + 1
        shown = []
        for kept in (sheets.read(session, asked.brand_id, start=asked.start, end=asked.end) for _ in range(2)):
            assert kept is not None
            shown.append(kept[0][0].flags)
        assert np.shares_memory(*shown)


def counted(cells: Cells, words: dict[int, str], *keys: str) -> Counter[tuple[Any, ...]]:
    """The cells as a person would write them down; places and topics by name."""
    found: Counter[tuple[Any, ...]] = Counter()
    columns = [cells.key[key].tolist() for key in keys]
    for *key, sentiment, stars, n in zip(
        *columns, cells.sentiment.tolist(), cells.rating.tolist(), cells.n.tolist(), strict=True
    ):
        named = (words[one] if name in {"place", "topic"} else int(one) for name, one in zip(keys, key, strict=True))
        found[(*named, sentiment, str(stars))] += n
    return found


def told(held: Opinions, edges: list[datetime]) -> list[Counter[tuple[Any, ...]]]:
    return [
        counted(held.by_place, held.words, "place"), counted(held.by_span(edges), held.words, "span"),
        counted(held.by_topic, held.words, "topic", "felt"),
        counted(held.complaining(["waiting", "price"], edges), held.words, "place", "span", "complains"),
    ]  # fmt: skip


def told_by_rows(session: Session, brand: Brand, edges: list[datetime]) -> list[Counter[tuple[Any, ...]]]:
    """The same, one row after the other."""
    by_place, by_span, by_topic, complaining = (Counter[tuple[Any, ...]]() for _ in range(4))
    number = {"negative": 0, "neutral": 1, "positive": 2}
    rows = session.exec(select(Mention).where(
        Mention.brand_id == brand.id, col(Mention.published_at) >= edges[0], col(Mention.published_at) < edges[-1],
        col(Mention.counts).is_(True), col(Mention.sentiment).is_not(None),
    ))  # fmt: skip
    for row in rows:
        felt = number[row.sentiment or ""]
        span = sum(row.published_at >= edge for edge in edges) - 1
        said = (felt, str(np.nan if row.rating is None else row.rating))
        tags = session.exec(select(TopicTag).where(TopicTag.mention_id == row.id)).all()
        bad = any(tag.topic in {"waiting", "price"} and tag.sentiment == "negative" for tag in tags)
        by_place[row.location, *said] += 1
        by_span[span, *said] += 1
        complaining[row.location, span, int(bad), *said] += 1
        for tag in tags:
            by_topic[tag.topic, felt, number[tag.sentiment], said[1]] += 1
    return [by_place, by_span, by_topic, complaining]


def test_the_journey_and_opinions_are_the_same_from_sheets_and_from_rows(
    fed: tuple[Context, Brand], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, brand = fed
    edges = [START, START + SPAN / 3, START + SPAN, START + 2 * SPAN]
    steps = {"waiting": "purchase", "staff": "purchase", "food": "use", "unknown": "use"}

    def answers() -> tuple[Any, ...]:
        with reading(context.engine) as session:
            span = {"start": START, "end": edges[-1]}
            return (
                customers.step_counts(session, brand.id or 0, edges=edges, step_of=steps),
                told(opinions(session, brand.id or 0, **span), edges),
                told(opinions(session, brand.id or 0, start=edges[1], end=edges[2]), edges[1:3]),
                [customers.complaints(session, brand.id or 0, topic, **span) for topic in steps],
                [customers.complaints(session, brand.id or 0, "waiting", **span, limit=3)],
            )

    from_sheets = answers()
    for module in (customers, opinion_queries):
        monkeypatch.setattr(module, "chosen", lambda *asked, **more: None)
    from_rows = answers()
    assert from_sheets[:4] == from_rows[:4]
    with reading(context.engine) as session:
        assert from_sheets[1] == told_by_rows(session, brand, edges)
        assert from_sheets[2] == told_by_rows(session, brand, edges[1:3])
    assert sum(map(sum, from_sheets[0]["purchase"])) > 20 and len(from_sheets[3][0]) > 5
    assert from_sheets[1][0].total() > 200 > from_sheets[2][0].total() > 20
    assert len(from_sheets[4][0]) == 3 and set(from_sheets[4][0]) <= set(from_sheets[3][0])
