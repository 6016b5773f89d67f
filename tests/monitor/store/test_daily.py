"""Daily counts: what the hours say, for every day and cut, whatever is written, interrupted or spoiled."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, col, func, select, update

from monitor.pipeline.aggregate import aggregate, roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.store import daily
from monitor.store.check import verify
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Daily, DailyStars, Mention, Source
from tests.monitor import support

HOUR = timedelta(hours=1)
TEXTS = ("awful queue", "great tea", "awful cold tea", "a table")


def feed(context: Context, brand: Brand, source: Source, *, first: datetime, n: int, step: timedelta) -> None:
    items = [
        support.item(f"{first:%m%d}-{k}", TEXTS[k % 4] + f" {k}", at=first + k * step, rating=float(1 + k % 5),
                     location=("Mira 12", "Riverside 3")[k % 2])
        for k in range(n)
    ]  # fmt: skip
    with writing(context.engine) as session:
        ingest(session, items, brand_id=brand.id or 0, source_id=source.id or 0, origin="site", now=support.NOW,
               store_authors=True)  # fmt: skip
    score(context)


@pytest.fixture
def fed(context: Context) -> tuple[Context, Brand, Source]:
    from monitor.store.catalogue import ensure_import

    with writing(context.engine) as session:
        brand = session.exec(select(Brand)).one()
        source = ensure_import(session, "site", now=support.NOW)
    feed(context, brand, source, first=datetime(2026, 10, 23, 20, 15, tzinfo=UTC), n=40, step=timedelta(hours=3))
    return context, brand, source


def whole(session: Session, day: date) -> tuple[int, int] | None:
    """(n, negative) of a day over everything."""
    row = session.exec(select(Daily).where(Daily.day == day, Daily.cut == 0, Daily.topic == "")).first()
    return (row.n, row.n_negative) if row else None


def test_the_days_are_local_days_over_a_change_of_the_clocks(fed: tuple[Context, Brand, Source]) -> None:
    context, _, _ = fed
    aggregate(context)
    berlin = ZoneInfo("Europe/Berlin")
    assert daily.build(context.engine, berlin) == 6  # 23 October, 22:15 to 28 October, 18:15, local
    with reading(context.engine) as session:
        for day in (date(2026, 10, 23) + timedelta(days=n) for n in range(6)):
            published = session.exec(select(Mention.published_at)).all()
            due = sum(at.astimezone(berlin).date() == day for at in published)
            found = whole(session, day)
            assert found is not None
            assert found[0] == due
        longest = daily.day_start(date(2026, 10, 26), berlin) - daily.day_start(date(2026, 10, 25), berlin)
        assert longest == 25 * HOUR


def test_what_is_counted_again_is_in_the_day_at_once(fed: tuple[Context, Brand, Source]) -> None:
    context, brand, source = fed
    aggregate(context)
    assert roll_up(context) > 0
    assert roll_up(context) == 0  # they are there
    feed(context, brand, source, first=datetime(2026, 10, 24, 9, tzinfo=UTC), n=4, step=HOUR)
    with reading(context.engine) as session:
        before = whole(session, date(2026, 10, 24))
    aggregate(context)
    with reading(context.engine) as session:
        after = whole(session, date(2026, 10, 24))
        assert before is not None
        assert after == (before[0] + 4, before[1] + 2)
        stars = select(func.sum(DailyStars.n)).where(DailyStars.cut == 0, DailyStars.day == date(2026, 10, 24))
        assert session.exec(stars).one() == after[0]
    assert verify(context.engine) == []


def test_every_cut_sums_to_the_same(fed: tuple[Context, Brand, Source]) -> None:
    context, _, _ = fed
    aggregate(context)
    roll_up(context)
    with reading(context.engine) as session:
        sums = session.exec(
            select(Daily.cut, func.sum(Daily.n), func.sum(Daily.rating_sum))
            .where(Daily.topic == "")
            .group_by(Daily.cut)
        ).all()
        assert len(sums) == 8
        assert {(n, stars) for _, n, stars in sums} == {(40, 120.0)}


def test_spoiled_days_are_found_and_mended(fed: tuple[Context, Brand, Source]) -> None:
    context, _, _ = fed
    aggregate(context)
    roll_up(context)
    with writing(context.engine) as session:
        session.execute(update(Daily).where(col(Daily.day) == date(2026, 10, 25), col(Daily.cut) == 3).values(n=99))
        session.execute(update(DailyStars).where(col(DailyStars.day) == date(2026, 10, 27)).values(n=99))
        session.add(Daily(brand_id=1, cut=0, topic="", day=date(2020, 1, 1), source_id=0, location="*", language="*"))
    assert ["the counts of 3 day(s) differ" in line for line in verify(context.engine, repair=True)] == [True]
    assert verify(context.engine) == []


def test_an_interrupted_start_begins_anew_and_nobody_reads_half_of_it(fed: tuple[Context, Brand, Source]) -> None:
    context, brand, source = fed
    aggregate(context)
    feed(context, brand, source, first=datetime(2026, 9, 1, tzinfo=UTC), n=3, step=HOUR)
    aggregate(context)
    turns = iter([False, False, True])
    zone = context.settings.zone
    start, end = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert daily.build(context.engine, zone, should_stop=lambda: next(turns)) == 1  # of the first twenty one has any
    with reading(context.engine) as session:
        assert daily.days_of(session, start, end) is None
    assert daily.build(context.engine, zone) == 7  # of two months
    with reading(context.engine) as session:
        held = daily.days_of(session, start, end)
        assert held is not None
        assert daily.days_of(session, start, end, zone=ZoneInfo("Asia/Tokyo")) is None
    assert verify(context.engine) == []


def test_another_time_zone_makes_other_days(fed: tuple[Context, Brand, Source]) -> None:
    context, _, _ = fed
    aggregate(context)
    daily.build(context.engine, ZoneInfo("Asia/Tokyo"))
    with reading(context.engine) as session:
        tokyo = whole(session, date(2026, 10, 25))
    daily.build(context.engine, ZoneInfo("America/Los_Angeles"))
    with reading(context.engine) as session:
        assert whole(session, date(2026, 10, 23)) == (4, 2)  # from 13:15 local on, every three hours
        assert whole(session, date(2026, 10, 25)) == tokyo == (8, 4)


def test_the_ends_of_a_span_are_left_to_the_hours(fed: tuple[Context, Brand, Source]) -> None:
    context, _, _ = fed
    aggregate(context)
    daily.build(context.engine, ZoneInfo("Europe/Moscow"))
    noon = datetime(2026, 10, 24, 12, tzinfo=UTC)
    with reading(context.engine) as session:
        end = noon + timedelta(days=3)
        held = daily.days_of(session, noon, end)
        assert held == daily.Days(
            date(2026, 10, 25), date(2026, 10, 26),
            ((noon, datetime(2026, 10, 24, 21, tzinfo=UTC)), (datetime(2026, 10, 26, 21, tzinfo=UTC), end)),
        )  # fmt: skip
        assert daily.days_of(session, noon, noon + 6 * HOUR) is None
