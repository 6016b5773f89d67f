"""Buckets equal rows, whatever happened to the rows, in whatever order."""

from __future__ import annotations

import random
from datetime import timedelta

from sqlmodel import select

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.store.buckets import hourly
from monitor.store.catalogue import ensure_import
from monitor.store.check import verify
from monitor.store.engine import reading, writing
from monitor.store.ingest import going, ingest, mark_gone, touch
from monitor.store.judgements import correct
from monitor.store.tables import Brand, Bucket, Mention
from tests.monitor.support import NOW, item


def test_counts_by_series(context: Context) -> None:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        a = ensure_import(session, "a", now=NOW).id or 0
        b = ensure_import(session, "b", now=NOW).id or 0
        ingest(session, [item(1, "late and bad", location="X", rating=1.0), item(2, "good", location="Y", rating=5.0)],
               brand_id=brand_id, source_id=a, origin="a", now=NOW)  # fmt: skip
        ingest(session, [item(1, "late", location="X"), item(2, "just so")], brand_id=brand_id, source_id=b,
               origin="b", now=NOW)  # fmt: skip
    span = {"start": NOW - timedelta(days=1), "end": NOW}
    aggregate(context)
    with reading(context.engine) as session:
        assert hourly(session, brand_id, **span) == []  # not judged yet: not counted yet
    score(context)
    aggregate(context)
    with reading(context.engine) as session:
        (hour,) = hourly(session, brand_id, **span)
        assert (hour.n, hour.n_negative, hour.n_neutral, hour.n_positive) == (4, 2, 1, 1)
        assert (hour.n_ratings, hour.rating_sum) == (2, 6.0)
        (place,) = hourly(session, brand_id, **span, location="X")
        assert (place.n, place.n_negative) == (2, 2)
        (topic,) = hourly(session, brand_id, **span, topic="waiting")
        assert (topic.n, topic.n_negative) == (2, 2)
        assert sum(h.n for h in hourly(session, brand_id, **span, source_id=b)) == 2


def test_equal_rows_after_a_random_life(context: Context) -> None:
    rng = random.Random(5)
    texts = ["late", "good", "rude and late", "so-so", "вкусно, но долго", "bad"]
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
    for _ in range(30):
        with writing(context.engine) as session:
            items = [
                item(rng.randrange(60), rng.choice(texts), at=NOW - timedelta(hours=rng.randrange(200)),
                     rating=rng.choice([None, 1.0, 4.0]), location=rng.choice(["X", "Y", None]))
                for _ in range(rng.randrange(1, 8))
            ]  # fmt: skip
            ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=NOW)
            if rng.random() < 0.3:
                gone = going(session, [str(rng.randrange(60))], brand_ids=[brand_id], origin="a")
                mark_gone(session, gone, now=NOW)
            if rng.random() < 0.4:
                for mention in session.exec(select(Mention).limit(2)):
                    correct(session, mention, actor="anna", now=NOW, sentiment=rng.choice(["negative", "positive"]),
                            topics=[("staff", "negative")])  # fmt: skip
        if rng.random() < 0.5:
            score(context)
            aggregate(context)
    score(context)
    aggregate(context)
    assert verify(context.engine) == []
    with writing(context.engine) as session:  # damage what is derived, and mend it
        for bucket in session.exec(select(Bucket).limit(3)):
            bucket.n += 1
            session.add(bucket)
    assert "differ from the rows" in verify(context.engine, repair=True)[0]
    assert verify(context.engine) == []


def test_recomputing_twice_is_the_same(context: Context) -> None:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
        ingest(
            session, [item(n, "late") for n in range(5)], brand_id=brand_id, source_id=source_id, origin="a", now=NOW
        )
    score(context)
    assert aggregate(context) == 1
    assert aggregate(context) == 0
    with writing(context.engine) as session:
        touch(session, brand_id, [NOW - timedelta(hours=1)])
    aggregate(context)
    with reading(context.engine) as session:
        assert sum(b.n for b in session.exec(select(Bucket).where(Bucket.topic == ""))) == 5
