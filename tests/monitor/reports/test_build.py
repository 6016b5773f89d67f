"""The report's numbers against a store whose contents are known, counted by hand a second way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.metrics.sentiment import Tally
from monitor.reports.build import build_weekly
from monitor.reports.render import to_html, to_mail
from monitor.reports.sentences import sentences
from monitor.reports.week import Week
from monitor.reports.weekly import WeeklyData
from monitor.store.buckets import recompute
from monitor.store.engine import open_engine
from monitor.store.ingest import hour_of
from monitor.store.tables import Brand, Coverage, Incident, Mention, Source, SurveyAnswer, Topic, TopicTag
from tests.monitor import support

ZONE = ZoneInfo("Europe/Moscow")
WEEK = Week(2026, 46)
NOW = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
SETTINGS = Settings(time_zone="Europe/Moscow", language="ru")
START = WEEK.starts_at(ZONE)
HOUR = timedelta(hours=1)
T = TypeVar("T")


class Shop:
    """A store filled by hand."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.numbers = count(1)
        self.hours: set[tuple[int, datetime]] = set()
        self.brand = self.add(Brand(slug="cafe", name="Кофе у дома"))
        self.rival = self.add(Brand(slug="rival", name="Зёрна", is_competitor=True))
        self.maps = self.add(Source(slug="maps", title="2GIS", scraper="2gis", created_at=NOW))
        self.forum = self.add(Source(slug="forum", title="Форум", scraper="import", created_at=NOW))

    def add(self, row: T) -> T:
        self.session.add(row)
        self.session.flush()
        return row

    def mention(
        self,
        sentiment: str | None,
        at: datetime,
        *,
        topics: dict[str, str] | None = None,
        brand: Brand | None = None,
        source: Source | None = None,
        place: str = "Мира 12",
        text: str = "",
        rating: float | None = None,
        **other: object,
    ) -> Mention:
        number = next(self.numbers)
        brand, source = brand or self.brand, source or self.maps
        assert brand.id is not None
        assert source.id is not None
        row = Mention(
            **{
                "brand_id": brand.id,
                "source_id": source.id,
                "origin": "x",
                "external_id": str(number),
                "kind": "review",
                "text": text or f"Отзыв номер {number} о нашей кофейне на углу",
                "location": place,
                "rating": rating,
                "published_at": at,
                "observed_at": at,
                "content_hash": str(number),
                "score_state": "done",
                "language": "ru",
                "sentiment": sentiment,
                "p_negative": 0.9 if sentiment == "negative" else 0.05,
                "p_positive": 0.9 if sentiment == "positive" else 0.05,
                "model": "embedded@7",
                **other,
            }
        )
        self.add(row)
        assert row.id is not None
        for topic, own in (topics or {}).items():
            self.add(TopicTag(mention_id=row.id, topic=topic, p=0.9, sentiment=own))
        self.hours.add((brand.id, hour_of(at)))
        return row

    def build(self, week: Week = WEEK, now: datetime = NOW, **options: object) -> WeeklyData:
        for brand_id in {brand_id for brand_id, _ in self.hours}:
            recompute(self.session, brand_id, sorted(hour for of, hour in self.hours if of == brand_id))
        self.session.flush()
        return build_weekly(self.session, SETTINGS, brand="cafe", week=week, now=now, **options)  # type: ignore[arg-type]


@pytest.fixture
def shop() -> Iterator[Shop]:
    engine = support.migrated(open_engine("sqlite://"))
    with Session(engine.execution_options(write=True)) as session:
        yield Shop(session)
    engine.dispose()


def fill(shop: Shop) -> None:
    """Eight steady weeks, then queues at Мира 12 from Thursday on."""
    for back in range(1, 9):
        for i in range(20):
            at = START - timedelta(weeks=back) + timedelta(hours=8 * i)
            sentiment = ("negative", "neutral", "positive", "positive", "positive")[i % 5]
            topic = ("waiting", "staff")[i % 2]
            shop.mention(sentiment, at, topics={topic: sentiment}, place=("Мира 12", "Ленина 3")[i % 2], rating=4)
    for i in range(20):
        at = START + timedelta(hours=8 * i)
        sentiment = ("negative", "neutral", "positive", "positive", "positive")[i % 5]
        shop.mention(
            sentiment, at, topics={("waiting", "staff")[i % 2]: sentiment}, place=("Мира 12", "Ленина 3")[i % 2]
        )
    for i in range(18):
        shop.mention(
            "negative",
            START + timedelta(days=3, hours=4 * i),
            topics={"waiting": "negative", "staff": "neutral"},
            rating=1,
            text=f"Очередь на кассе тянулась {20 + i} минут, работает одна касса, никто не извинился",
        )


def test_counts_are_those_of_the_rows(shop: Shop) -> None:
    fill(shop)
    shop.mention("negative", START + HOUR, counts=False)  # a copy
    shop.mention("negative", START + HOUR, score_state="new")  # not judged yet
    shop.mention(None, START + HOUR, score_state="none")  # stars only
    shop.mention("negative", START - timedelta(seconds=1))  # last second of the week before
    shop.mention("negative", WEEK.ends_at(ZONE))  # first of the next
    data = shop.build()
    assert data.total.now == Tally(4 + 18, 4, 12, n_unjudged=1)
    assert data.total.before == Tally(4 + 1, 4, 12)
    assert len(data.total.history) == 8
    waiting = next(topic for topic in data.topics if topic.line.key == "waiting")
    assert waiting.line.now == Tally(2 + 18, 2, 6)
    assert waiting.stage == "purchase" or waiting.stage
    assert sum(waiting.complaints_by_day) == 20
    assert {part.name: part.n_now for part in waiting.places} == {"Мира 12": 20, "Ленина 3": 0}
    assert sum(day.tally.n_all for day in data.days) == data.total.now.n_all + data.total.before.n_all
    assert (data.model.name, data.model.n_pending) == ("embedded@7", 1)


def test_that_an_outbreak_is_over_is_told(shop: Shop) -> None:
    """Its week is no ordinary one: as one, it would make every change look usual for two months."""
    fill(shop)
    for i in range(20):
        sentiment = ("negative", "neutral", "positive", "positive", "positive")[i % 5]
        shop.mention(
            sentiment, START + timedelta(weeks=1, hours=8 * i), topics={("waiting", "staff")[i % 2]: sentiment}
        )

    def said() -> list[str]:
        data = shop.build(WEEK.back(-1), NOW + timedelta(weeks=1))
        return [str(one) for one in sentences(data, "en") if "fell from 20 to 2 " in str(one)]

    assert not said()
    incident = Incident(
        uid="a", brand_id=shop.brand.id, series="brand=cafe", signal="negative", severity="critical", state="resolved",
        opened_at=START + timedelta(days=3), since_at=START + timedelta(days=3),
        last_seen_at=START + timedelta(days=6), resolved_at=START + timedelta(days=7),
    )  # fmt: skip
    shop.add(incident)
    assert said()
    incident.verdict = "rejected"
    assert not said()


def test_the_story_is_told_from_the_store(shop: Shop) -> None:
    fill(shop)
    data = shop.build()
    said = [str(sentence) for sentence in sentences(data, "en")]
    assert any(s.startswith("Complaints about ") and "rose from 2 to 20" in s and "since Thursday" in s for s in said)
    assert "очередь" in data.worst[0].text.lower()
    assert data.worst[0].source == "2GIS"
    assert all(place.rating is not None for place in data.places)
    compared = [*(place.line for place in data.places), *data.sources, *data.languages]
    assert all(line.history[-1] == line.before for line in compared)
    assert all(len(line.history) == len(data.total.history) for line in compared)
    assert to_html(data, "ru").count("<section") >= 5
    assert to_mail(data, "ru").inline


def test_a_mention_counts_once_per_stage(shop: Shop) -> None:
    """Waiting and staff are one stage: two tags there are one mention, negative when one of them is."""
    shop.session.add(Topic(key="waiting", names={"ru": "Очередь"}, stage="purchase"))
    shop.session.add(Topic(key="staff", stage="purchase"))
    shop.mention("negative", START + HOUR, topics={"waiting": "positive", "staff": "negative"})
    shop.mention("positive", START + HOUR, topics={"waiting": "positive", "staff": "neutral"})
    shop.mention("neutral", START + HOUR, topics={"staff": "neutral"})
    data = shop.build()
    purchase = next(stage for stage in data.stages if stage.stage == "purchase")
    assert purchase.cells[-1] == Tally(1, 1, 1)
    assert purchase.top_complaint == "staff"
    waiting = next(topic for topic in data.topics if topic.line.key == "waiting")
    assert waiting.line.name("ru") == "Очередь"  # edited
    assert waiting.line.name("en") != "waiting"  # shipped


def test_competitors_share_the_voice(shop: Shop) -> None:
    fill(shop)
    for i in range(19):
        shop.mention("positive", START + i * HOUR, brand=shop.rival)
    data = shop.build()
    assert [(brand.name, brand.own, brand.now.n) for brand in data.brands] == [
        ("Кофе у дома", True, 38),
        ("Зёрна", False, 19),
    ]


def test_gaps_are_weighed_by_what_a_source_usually_brings(shop: Shop) -> None:
    fill(shop)
    for i in range(168):
        assert shop.maps.id is not None
        shop.add(Coverage(source_id=shop.maps.id, hour_at=START + i * HOUR, n_due=2, n_done=0 if i < 84 else 2))
    data = shop.build()
    assert data.coverage_now == pytest.approx(0.5)
    assert data.coverage_before == 1.0
    assert [(gap.source, gap.n_missing, gap.n_due) for gap in data.gaps] == [("2GIS", 84, 168)]
    covered = {day.day: day.coverage for day in data.days}
    assert (covered[WEEK.days[0]], covered[WEEK.days[6]], covered[WEEK.back(1).days[0]]) == (0.0, 1.0, None)


def test_incidents_of_the_week(shop: Shop) -> None:
    fill(shop)

    def incident(uid: str, opened: datetime, resolved: datetime | None) -> None:
        assert shop.brand.id is not None
        shop.add(
            Incident(
                uid=uid,
                brand_id=shop.brand.id,
                series="brand=cafe",
                signal="negative",
                topic="waiting",
                opened_at=opened,
                since_at=opened,
                last_seen_at=opened,
                resolved_at=resolved,
                state="resolved" if resolved else "open",
                n_observed=18,
                n_expected=2,
            )
        )

    incident("during", START + 80 * HOUR, None)
    incident("older_open", START - timedelta(weeks=3), None)
    incident("older_gone", START - timedelta(weeks=3), START - timedelta(weeks=2))
    incident("later", WEEK.ends_at(ZONE) + HOUR, None)
    data = shop.build()
    assert [line.uid for line in data.incidents] == ["older_open", "during"]


def test_surveys_of_both_weeks(shop: Shop) -> None:
    fill(shop)
    for i in range(40):
        at = START + timedelta(hours=i) - (timedelta(weeks=1) if i % 2 else timedelta(0))
        shop.add(
            SurveyAnswer(
                brand_id=shop.brand.id or 0,
                survey="s",
                external_id=str(i),
                metric="nps",
                value=3 if i % 2 else 10,
                answered_at=at,
            )
        )
    (line,) = shop.build().metrics
    assert line.before is not None
    assert (line.now.value, line.before.value) == (100.0, -100.0)
    assert line.change is not None
    assert line.change.clear


def test_a_week_that_is_not_over_is_compared_like_for_like(shop: Shop) -> None:
    fill(shop)
    data = shop.build(now=START + timedelta(days=2))
    assert data.until == START + timedelta(days=2)
    assert data.total.now.n == data.total.before.n == 6
    assert len(data.days) == 7 + 3


def test_the_same_report_twice_is_the_same(shop: Shop) -> None:
    fill(shop)
    assert shop.build() == shop.build()


def test_a_brand_without_mentions_and_one_that_is_not_there(shop: Shop) -> None:
    data = shop.build(week=Week(2020, 1))
    assert [str(sentence) for sentence in sentences(data, "en")] == ["No mentions this week."]
    assert to_html(data, "en")
    with pytest.raises(ConfigError, match=r"'nobody' is not in the store; known: cafe, rival"):
        build_weekly(shop.session, SETTINGS, brand="nobody", week=WEEK, now=NOW)
