"""The numbers: counted by hand, and the same whether buckets or rows answer."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from monitor.store import daily, sheets
from monitor.store.engine import reading, writing
from monitor.store.queries import counts, mentions
from monitor.store.queries.count import Count
from monitor.store.queries.selection import Selection
from monitor.store.tables import Brand, Coverage, Mention, Source
from tests.monitor import support
from tests.monitor.web.conftest import TEXTS, House

DAY = timedelta(days=1)


def selection(session: Session, **more) -> Selection:
    brand = session.exec(select(Mention.brand_id).where(Mention.external_id == "1")).one()
    return Selection(brand, support.NOW - 30 * DAY, support.NOW + timedelta(hours=1), **more)


def test_the_head_numbers_are_those_of_the_texts(house: House) -> None:
    found = house.as_("viewer").get("/api/v1/overview").json()
    assert {key: found["volume"][key] for key in ("n", "n_negative", "n_neutral", "n_positive")} == {
        "n": 6, "n_negative": 3, "n_neutral": 1, "n_positive": 2,
    }  # fmt: skip
    assert found["negative_share"]["value"] == pytest.approx(0.5)
    assert found["negative_share"]["low"] < 0.5 < found["negative_share"]["high"]
    assert found["net_sentiment"]["value"] is None  # six mentions are too few for an index
    assert found["net_sentiment"]["n"] == 6
    assert found["mean_rating"]["value"] == pytest.approx((1 + 5 + 2 + 5 + 1) / 5)
    assert found["stars"] == [2, 1, 0, 0, 2]


@pytest.mark.parametrize("days_in", [None, "UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("in_sheets", [False, True])
def test_days_hours_sheets_and_rows_say_the_same(house: House, days_in: str | None, in_sheets: bool) -> None:
    if in_sheets:
        assert sheets.build(house.context.engine) > 0
        assert sheets.build(house.context.engine) == 0  # they are there
    if days_in:
        assert daily.build(house.context.engine, ZoneInfo(days_in)) > 0
    with reading(house.context.engine) as session:
        source = session.exec(select(Source.id).where(Source.slug == "site")).one()
        for narrowed in (
            {}, {"locations": ("Мира 12",)}, {"topics": ("waiting",)}, {"languages": ("ru",)},
            {"source_ids": (source,)},
            {"topics": ("food",), "locations": ("Riverside 3",)}, {"source_ids": (-1,)},
        ):  # fmt: skip
            fast = selection(session, **narrowed)
            slow = dataclasses.replace(
                fast, kinds=("review", "post")
            )  # every kind there is, but not a bucket's business
            assert fast.countable
            assert not slow.countable
            assert counts.total(session, fast) == counts.total(session, slow)
            for dimension in ("source", "topic", "location", "language"):
                assert counts.by(session, fast, dimension) == counts.by(session, slow, dimension), (narrowed, dimension)
            for zone in (ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")):
                assert counts.by_day(session, fast, zone) == counts.by_day(session, slow, zone)
                assert counts.topics_by_day(session, fast, zone) == counts.topics_by_day(session, slow, zone)
            assert counts.stars(session, fast) == counts.stars(session, slow)
            assert counts.stars_pair(session, fast) == counts.stars_pair(session, slow)
        places = counts.ratings_by_location(session, fast.brand_id, start=fast.start, end=fast.end)
        assert {place: sorted(zip(given.stars, given.n, strict=True)) for place, given in places.items()} == {
            "Riverside 3": [(1.0, 1), (1.0, 1), (5.0, 1)], "Мира 12": [(2.0, 1), (5.0, 1)],
        }  # fmt: skip


def test_the_feed_and_the_numbers_agree(house: House) -> None:
    with reading(house.context.engine) as session:
        for narrowed in ({"sentiments": ("negative",)}, {"ratings": (1, 5)}, {"words": "soup"},
                         {"topics": ("food", "staff")},
                         {"topics": ("waiting",), "sentiments": ("negative",)}):  # fmt: skip
            asked = selection(session, **narrowed)
            page = mentions.page(session, asked, limit=100)
            assert len(page.entries) == counts.total(session, asked).now.n == mentions.count(session, asked) > 0


def test_a_mention_about_two_topics_counts_once_and_by_its_worst(house: House) -> None:
    with reading(house.context.engine) as session:
        found = counts.total(session, selection(session, topics=("waiting", "staff"))).now
    assert found == Count(2, 2, 0, 0, 2, 3.0)  # texts 1 and 3


def test_the_period_before_is_as_long_and_ends_where_this_starts(house: House) -> None:
    house.add(
        support.item("old", "bad", at=support.NOW - 31 * DAY), support.item("older", "bad", at=support.NOW - 61 * DAY)
    )
    with reading(house.context.engine) as session:
        pair = counts.total(session, selection(session))
    assert (pair.now.n, pair.before.n) == (len(TEXTS), 1)


def test_a_dimensions_own_filter_does_not_hide_what_else_there_is(house: House) -> None:
    found = house.as_("viewer").get("/api/v1/breakdown/location", params={"location": "Мира 12"}).json()
    assert {row["key"] for row in found if row["key"]} == {"Мира 12", "Riverside 3"}


def test_the_timeline_has_every_day_with_coverage_and_incidents(house: House) -> None:
    with writing(house.context.engine) as session:
        source = session.exec(select(Source).where(Source.slug == "site")).one()
        for hour in range(4):
            at = (support.NOW - 3 * DAY).replace(hour=hour)
            session.add(Coverage(source_id=source.id, hour_at=at, n_due=2, n_done=1 if hour else 2))
    found = house.as_("viewer").get("/api/v1/timeline?period=7d").json()
    assert [step["first_day"] for step in found["steps"]] == [f"2026-11-{day}" for day in range(14, 21)]
    assert [step["counts"]["n"] for step in found["steps"]] == [1, 1, 1, 1, 1, 1, 0]
    assert [step["coverage"] for step in found["steps"]][3] == pytest.approx(5 / 8)
    assert found["steps"][0]["coverage"] is None  # nothing was due: an import, not a gap
    assert [mark["first_day"] for mark in found["incidents"]] == ["2026-11-18"]


def test_long_timelines_are_by_week(house: House) -> None:
    steps = house.as_("viewer").get("/api/v1/timeline?period=365d").json()["steps"]
    assert 52 <= len(steps) <= 54
    assert sum(step["counts"]["n"] for step in steps) == 6


def test_places_are_ranked_by_a_rating_drawn_to_the_middle(house: House) -> None:
    found = house.as_("viewer").get("/api/v1/places").json()
    assert [place["location"] for place in found] == ["Riverside 3", "Мира 12"]
    assert found[1]["rating"]["value"] is None  # two stars are too few to rank by
    assert found[1]["rating"]["n"] == 2
    weights = {1: 1.0, 2: 5.0, 6: 1.0}  # age in days: stars
    halved = {age: 0.5 ** (age / 180) for age in weights}
    expected = (sum(halved[age] * stars for age, stars in weights.items()) + 7 * 3.5) / (sum(halved.values()) + 7)
    assert found[0]["rating"]["value"] == pytest.approx(expected, abs=0.01)


def test_of_many_places_the_best_and_the_worst_are_shown(house: House) -> None:
    stars = {f"place {n}": 1.0 + n % 5 for n in range(40)}
    house.add(
        *(support.item(f"p{n}-{k}", f"so so {n} {k}", at=support.NOW - DAY, rating=star, location=name)
          for n, (name, star) in enumerate(stars.items()) for k in range(3))
    )  # fmt: skip
    viewer = house.as_("viewer")
    few = viewer.get("/").text
    assert 'location=place+4"' in few  # five stars
    assert 'location=place+0"' in few  # one star
    assert 'location=place+2"' not in few
    assert "22 more" in few  # of 42 places
    every = viewer.get("/?all=location").text
    assert all(f'location=place+{n}"' in every for n in range(40))
    assert "22 more" not in every


def test_a_page_without_mentions_says_what_to_do(house: House) -> None:
    viewer = house.as_("viewer")
    with writing(house.context.engine) as session:
        session.add(Brand(slug="fresh", name="Fresh"))
    for path in ("/", "/mentions", "/journey"):
        assert "monitor import reviews.xlsx --brand fresh" in viewer.get(f"{path}?brand=fresh").text
        old = viewer.get(f"{path}?brand=cafe&from=2020-01-01&to=2020-01-30").text
        assert "The newest mention is of 19 Nov 2026." in old
        assert "from=2026-10-21&amp;to=2026-11-19" in old


def test_share_of_voice_is_over_all_brands(house: House) -> None:
    found = house.as_("viewer").get("/api/v1/voice").json()
    assert [row["brand"] for row in found] == ["cafe", "rival"]
    house.add(*(support.item(f"v{n}", "good") for n in range(20)), brand="rival")
    found = {row["brand"]: row["share"]["value"] for row in house.as_("viewer").get("/api/v1/voice").json()}
    assert found["rival"] == pytest.approx(21 / 27)


def test_the_journey_sorts_topics_into_stages(house: House) -> None:
    found = {row["stage"]: row for row in house.as_("viewer").get("/api/v1/journey").json()["stages"]}
    assert sum(cell["n_negative"] for cell in found["purchase"]["cells"]) == 3  # waiting twice, staff once
    assert found["purchase"]["worst_topic"] == "waiting"
    assert found["use"]["share_of_complaints"] == pytest.approx(1 / 4)
