"""A store whose mentions are kept by month: cut while it is full, gone on with, months that begin and that go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select

from monitor.errors import ConfigError
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.housekeeping import housekeep
from monitor.pipeline.score import score
from monitor.store import cutting, months
from monitor.store.catalogue import ensure_import
from monitor.store.check import verify
from monitor.store.engine import reading, writing
from monitor.store.ingest import Ingested, ingest
from monitor.store.judgements import correct
from monitor.store.queries.selection import Selection, words_condition
from monitor.store.tables import Brand, Bucket, Correction, Judgement, Mention, TopicTag
from tests.monitor import support
from tests.monitor.postgres.server import Server
from tests.monitor.store import old_stores
from tests.monitor.support import NOW, item

SPAN = timedelta(days=30)
PARTS = ("mention", "judgement", "topic_tag", "mention_search", "correction", "signature", "copy_key", "bucket")


def arrive(context: Context, first: int, n: int, *, at: datetime, mark: str = "") -> Ingested:
    """Complaints that are published, read, judged and counted at a time."""
    items = [
        item(f"{k}", f"the soup number {k} was cold, again {mark}", at=at, rating=1.0) for k in range(first, first + n)
    ]
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source = ensure_import(session, "site", now=at)
        told = ingest(session, items, brand_id=brand_id, source_id=source.id or 0, origin="site", now=at)
    score(context)
    aggregate(context)
    return told


def counted(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in PARTS}


@pytest.fixture(scope="module")
def filled(postgres: Server, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with four months of eight complaints each, one of them corrected."""
    with postgres.database(migrated) as url:
        context = support.context(tmp_path_factory.mktemp("filled"), database_url=url)
        for k in range(4):
            arrive(context, 8 * k, 8, at=NOW - SPAN * (4 - k))
        with writing(context.engine) as session:
            correct(session, session.get_one(Mention, 1), actor="anna", now=NOW, sentiment="neutral")
        aggregate(context)
        context.engine.dispose()
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def full(postgres: Server, filled: str, tmp_path: Path) -> Iterator[Context]:
    with postgres.database(filled) as url:
        context = support.context(tmp_path, database_url=url)
        yield context
        context.engine.dispose()


def test_a_full_store_is_cut_and_goes_on_as_before(full: Context) -> None:
    before = counted(full.engine)
    cut = cutting.cut(full.engine, now=NOW)
    assert [month.name for month in cut] == [
        "y2026m07",
        "y2026m08",
        "y2026m09",
        "y2026m10",
        "y2026m11",
        "y2026m12",
        "y2027m01",
    ]
    assert cutting.cut(full.engine, now=NOW) == cut
    assert counted(full.engine) == before
    assert verify(full.engine) == []
    assert arrive(full, 0, 40, at=NOW).n_new == 8, "what is known is not stored again"
    with pytest.raises(IntegrityError), writing(full.engine) as session:
        session.execute(text("UPDATE mention SET external_id = '3' WHERE external_id = '4'"))
    with pytest.raises(IntegrityError), writing(full.engine) as session:  # a judgement of no mention
        session.execute(text("UPDATE judgement SET mention_id = 1000 WHERE mention_id = 1"))
    with reading(full.engine) as session:
        asked = Selection(1, NOW - 5 * SPAN, NOW + SPAN, words="soup")
        assert session.exec(select(func.count()).where(words_condition(session, asked))).one() == 40
        plan = session.execute(text("EXPLAIN SELECT * FROM mention JOIN judgement ON mention_id = mention.id"
                                    " WHERE mention.id = 3 AND mention_id = 3")).scalars().all()  # fmt: skip
    assert "y2026m07" in " ".join(plan) and "y2026m08" not in " ".join(plan), "one month is asked"
    assert verify(full.engine) == []
    with writing(full.engine) as session:
        session.execute(text("DELETE FROM mention WHERE external_id = '39'"))
        session.execute(text("DELETE FROM mention_search WHERE rowid = (SELECT max(rowid) FROM mention_search)"))
    assert arrive(full, 39, 1, at=NOW).n_new == 1, "its key went with it"


def test_an_interrupted_cut_goes_on_and_believes_no_copy_that_is_old(
    full: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    before = counted(full.engine)
    swap = cutting._swap
    monkeypatch.setattr(cutting, "_swap", die)
    with pytest.raises(KeyboardInterrupt):
        cutting.cut(full.engine, now=NOW)
    assert counted(full.engine) == before
    with writing(full.engine) as session:  # the daemon was started again meanwhile
        session.execute(text("UPDATE mention SET sentiment = 'positive' WHERE id = 5"))
    with pytest.raises(KeyboardInterrupt):
        cutting.cut(full.engine, now=NOW)
    with writing(full.engine) as session:
        marked = session.execute(text("SELECT xmin::text FROM mention_y2026m07 LIMIT 1")).scalar_one()
    monkeypatch.setattr(cutting, "_swap", swap)
    cutting.cut(full.engine, now=NOW)
    with reading(full.engine) as session:
        assert session.get_one(Mention, 5).sentiment == "positive"
        assert session.execute(text("SELECT xmin::text FROM mention_y2026m07 LIMIT 1")).scalar_one() == marked
        assert session.execute(text("SELECT count(*) FROM pg_trigger WHERE tgname = 'mention_written'")).scalar() == 0
    assert counted(full.engine) == before


def test_a_month_begins_by_itself_and_nothing_fails_where_it_is_late(full: Context) -> None:
    cutting.cut(full.engine, now=NOW)
    arrive(full, 100, 1, at=NOW)
    assert not months.advance(full.engine, now=NOW)
    later = datetime(2026, 12, 1, 0, 20, tzinfo=UTC)
    arrive(full, 101, 1, at=later - timedelta(minutes=5))
    full.clock = lambda: later
    housekeep(full)
    assert not months.advance(full.engine, now=later), "housekeeping did it"
    arrive(full, 102, 1, at=later)
    much_later = later + timedelta(days=125)  # the daemon was off
    arrive(full, 103, 1, at=much_later)
    assert months.advance(full.engine, now=much_later)
    arrive(full, 104, 1, at=much_later)
    with writing(full.engine) as session:
        session.execute(text("SELECT setval('mention_id_seq', 50000000)"))  # beyond all months: the next begins early
    arrive(full, 105, 1, at=much_later)
    months.advance(full.engine, now=much_later + timedelta(days=31))
    arrive(full, 106, 1, at=much_later + timedelta(days=31))
    with reading(full.engine) as session:
        where = session.execute(
            text("SELECT external_id, tableoid::regclass::text FROM mention WHERE id > 32 ORDER BY id")
        )
        assert [tuple(row) for row in where] == [
            ("100", "mention_y2026m11"), ("101", "mention_y2026m11"), ("102", "mention_y2026m12"),
            ("103", "mention_y2026m12"), ("104", "mention_y2027m04"), ("105", "mention_rest"),
            ("106", "mention_y2027m07"),
        ]  # fmt: skip
        assert months.keyless(session) == 0


def test_old_months_go_whole_their_counts_stay_and_what_comes_again_is_known(full: Context) -> None:
    cutting.cut(full.engine, now=NOW)
    with reading(full.engine) as session:
        buckets = session.execute(select(Bucket.hour_at, func.sum(Bucket.n)).group_by(col(Bucket.hour_at))).all()
        assert months.dropped(session) == months.Dropped()
    with pytest.raises(ConfigError, match="60 days stay"):
        months.drop(full.engine, before=NOW - timedelta(days=40), now=NOW)
    september = datetime(2026, 9, 1, tzinfo=UTC)
    assert sum(n for _, n in months.drop(full.engine, before=september, now=NOW, dry_run=True)) == 16
    assert [(month.name, n) for month, n in months.drop(full.engine, before=september, now=NOW)] == [
        ("y2026m07", 8), ("y2026m08", 8),
    ]  # fmt: skip
    with reading(full.engine) as session:
        assert [session.exec(select(func.count()).select_from(kind)).one() for kind in (Mention, Judgement)] == [16, 16]
        assert session.exec(select(Correction)).all() == []
        assert session.exec(select(func.min(TopicTag.mention_id))).one() > 16
    told = arrive(full, 0, 40, at=NOW)
    assert (told.n_seen, told.n_new) == (40, 8)
    late = arrive(full, 200, 1, at=NOW - SPAN * 4)  # of an hour whose rows are gone: stored, and not counted
    assert late.n_new == 1
    with reading(full.engine) as session:
        after = session.execute(select(Bucket.hour_at, func.sum(Bucket.n)).group_by(col(Bucket.hour_at))).all()
    assert set(map(tuple, buckets)) < set(map(tuple, after))
    assert len(after) == len(buckets) + 1
    assert verify(full.engine) == []
    assert months.drop(full.engine, before=september, now=NOW) == []
    with writing(full.engine) as session:  # a month that took in what came later
        session.execute(text("UPDATE mention SET observed_at = '2026-10-09' WHERE id = 20"))
    assert months.drop(full.engine, before=datetime(2026, 10, 1, tzinfo=UTC), now=NOW + SPAN) == []


def test_mentions_out_of_order_are_cut_into_the_later_month(full: Context) -> None:
    with writing(full.engine) as session:
        session.execute(text("UPDATE mention SET observed_at = '2026-09-05' WHERE id = 3"))
        session.execute(text("UPDATE mention SET observed_at = '2026-08-05' WHERE id = 30"))
    cutting.cut(full.engine, now=NOW)
    with reading(full.engine) as session:
        late = "SELECT count(*) FROM {0} WHERE to_char(observed_at, '\"y\"YYYY\"m\"MM') > '{1}'"
        held = [month.name for month in months.months(session.connection())]
        assert held[:2] == ["y2026m07", "y2026m09"]
        assert [session.execute(text(late.format(f"mention_{name}", name))).scalar_one() for name in held] == [0] * 6


def test_a_store_that_is_not_cut_says_so(context: Context) -> None:
    with pytest.raises(ConfigError, match="monitor db partition"):
        months.drop(context.engine, before=NOW - timedelta(days=900), now=NOW)
    assert not months.advance(context.engine, now=NOW)


def test_later_migrations_find_a_store_that_is_cut(postgres: Server) -> None:
    """The last one makes an index of mentions: every month gets it."""
    from monitor.store.engine import open_engine, upgrade

    with postgres.database() as url:
        engine = open_engine(url)
        old_stores.migrate(engine, "0009")
        old_stores.fill(engine)
        cutting.cut(engine, now=NOW)
        upgrade(engine)
        with engine.connect() as connection:
            made = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%(brand_id, origin, parent_id)%'"
            assert connection.execute(text(made)).scalar_one() == len(months.months(connection)) + 2
        verify(engine, repair=True)
        assert verify(engine) == []
        engine.dispose()
