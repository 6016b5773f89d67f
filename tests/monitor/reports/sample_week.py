"""A written week of a café chain: the incident is planted, the numbers are arranged by a seeded generator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from monitor.metrics.branch import branch_rating
from monitor.metrics.impact import topic_impact
from monitor.metrics.proportion import share
from monitor.metrics.sentiment import Tally
from monitor.metrics.survey import nps, nps_change
from monitor.reports.week import Week
from monitor.reports.weekly import (
    BrandLine,
    Day,
    Gap,
    IncidentLine,
    Line,
    Measured,
    MetricLine,
    ModelNote,
    Part,
    PlaceLine,
    Quote,
    StageLine,
    Stars,
    TopicLine,
    WeeklyData,
    WeekPoint,
)

WEEK = Week(2026, 46)
ZONE = ZoneInfo("Europe/Moscow")
TOPICS = {
    "waiting": ("Ожидание", "Waiting", "purchase"),
    "staff": ("Персонал", "Staff", "purchase"),
    "food": ("Еда и напитки", "Food and drinks", "use"),
    "price": ("Цена", "Price", "consideration"),
    "delivery": ("Доставка", "Delivery", "delivery"),
    "app": ("Приложение", "App", "purchase"),
    "cleanliness": ("Чистота", "Cleanliness", "use"),
}
STAGES = {
    "consideration": ("Выбор", "Consideration"),
    "purchase": ("Покупка", "Purchase"),
    "delivery": ("Получение", "Delivery"),
    "use": ("Использование", "Use"),
    "support": ("Поддержка", "Support"),
}
# topic: (negative, neutral, positive) of this week and of the week before
COUNTS = {
    "waiting": ((31, 4, 3), (12, 5, 6)),
    "staff": ((18, 5, 28), (15, 6, 31)),
    "food": ((16, 9, 64), (19, 10, 58)),
    "price": ((14, 8, 6), (12, 7, 5)),
    "delivery": ((9, 2, 7), (11, 4, 6)),
    "app": ((3, 1, 4), (9, 2, 3)),
    "cleanliness": ((5, 1, 9), (4, 2, 7)),
}


def names(russian: str, english: str) -> dict[str, str]:
    return {"ru": russian, "en": english}


def a_week() -> WeeklyData:
    """The whole report: an incident on waiting at Мира 12 since Thursday, a gap in one source, a competitor."""
    rng = np.random.default_rng(46)
    at = datetime(2026, 11, 12, 9, 30, tzinfo=UTC)
    history = tuple(Tally(int(n), int(n / 2), int(n * 2)) for n in rng.poisson(70, 7))
    total = Line("total", names("Все", "All"), Tally(92, 41, 154), Tally(64, 52, 149), (*history, Tally(64, 52, 149)))
    topics = []
    for key, (russian, english, stage) in TOPICS.items():
        now, before = (Tally(*counts) for counts in COUNTS[key])
        past = tuple(
            Tally(max(0, before.n_negative + step), before.n_neutral, max(0, before.n_positive - step))
            for step in (-2, 2, 1, -3, 3, 0, -1)
        )
        line = Line(key, names(russian, english), now, before, (*past, before))
        topics.append(TopicLine(line, stage))
    values = [-100.0] * 92 + [0.0] * 41 + [100.0] * 154
    marks = [True] * 31 + [False] * 61 + [True] * 4 + [False] * 37 + [True] * 3 + [False] * 151
    topics[0] = replace(
        topics[0],
        places=(Part("Мира 12", 21, 3, 74), Part("Ленина 3", 6, 5, 98), Part("Садовая 40", 4, 4, 115)),
        sources=(Part("2GIS", 24, 6, 140), Part("Google Maps", 5, 4, 90), Part("Telegram", 2, 2, 57)),
        complaints_by_day=(1, 0, 1, 8, 8, 7, 6),
        complaints_by_day_before=(2, 1, 2, 2, 1, 2, 2),
        impact=topic_impact(values, marks, rng=np.random.default_rng(1)),
    )
    monday = WEEK.back(1).monday
    daily = [(8, 7, 21), (9, 8, 22), (7, 7, 20), (9, 8, 22), (10, 7, 21), (11, 8, 23), (10, 7, 20)]
    daily += [(8, 6, 22), (9, 6, 21), (8, 5, 20), (16, 6, 22), (18, 6, 23), (18, 7, 24), (15, 5, 22)]
    days = tuple(
        Day(monday + timedelta(days=i), Tally(*counts), 0.55 if i == 9 else 1.0) for i, counts in enumerate(daily)
    )
    weeks = tuple(
        WeekPoint(WEEK.back(11 - i), Tally(int(n), 50, 150), 1.0)
        for i, n in enumerate([66, 71, 63, 69, 74, 61, 68, 72, 65, 70, 64, 92])
    )
    places = (
        PlaceLine(Line("Мира 12", {"en": "Мира 12"}, Tally(41, 10, 23), Tally(14, 14, 40))),
        PlaceLine(Line("Ленина 3", {"en": "Ленина 3"}, Tally(26, 14, 58), Tally(25, 18, 52))),
        PlaceLine(Line("Садовая 40", {"en": "Садовая 40"}, Tally(25, 17, 73), Tally(25, 20, 57))),
    )
    places = tuple(
        replace(place, rating=branch_rating([mean] * 20 + [5, 4, 1], [7.0 * i for i in range(23)]))
        for place, mean in zip(places, (3, 4, 4), strict=True)
    )
    stages = tuple(
        StageLine(
            stage,
            tuple(Tally(int(a), 4, int(b)) for a, b in zip(rng.poisson(low, 12), rng.poisson(high, 12), strict=True)),
            complaint,
            names(*STAGES[stage]),
        )
        for stage, low, high, complaint in (
            ("consideration", 12, 8, "price"),
            ("purchase", 34, 35, "waiting"),
            ("delivery", 14, 5, "delivery"),
            ("use", 18, 60, "food"),
            ("support", 1, 1, ""),
        )
    )
    recent = [10] * 40 + [9] * 30 + [8] * 25 + [7] * 20 + [5] * 25
    older = [10] * 50 + [9] * 38 + [8] * 26 + [7] * 18 + [5] * 12
    return WeeklyData(
        brand="Кофе у дома",
        week=WEEK,
        zone=ZONE,
        built_at=datetime(2026, 11, 16, 6, 0, tzinfo=UTC),
        total=total,
        topics=tuple(topics),
        sources=(
            Line("2gis", {"en": "2GIS"}, Tally(58, 18, 64), Tally(33, 22, 66)),
            Line("google", {"en": "Google Maps"}, Tally(22, 13, 55), Tally(20, 16, 49)),
            Line("telegram", {"en": "Telegram"}, Tally(12, 10, 35), Tally(11, 14, 34)),
        ),
        places=places,
        languages=(
            Line("ru", names("русский", "Russian"), Tally(84, 36, 130), Tally(57, 45, 128)),
            Line("en", names("английский", "English"), Tally(8, 5, 24), Tally(7, 7, 21)),
        ),
        brands=(
            BrandLine("Кофе у дома", True, Tally(92, 41, 154), Tally(64, 52, 149)),
            BrandLine("Зёрна", False, Tally(40, 50, 130), Tally(42, 45, 128)),
            BrandLine("Латте-бар", False, Tally(25, 20, 60), Tally(28, 20, 55)),
        ),
        days=days,
        weeks=weeks,
        stages=stages,
        stars_now=Stars(198, 3.86, 1.9),
        stars_before=Stars(187, 4.21, 1.5),
        incidents=(
            IncidentLine("i1", "open", "critical", at, at - timedelta(hours=3), None, 28, 8.4, "waiting", "Мира 12"),
        ),
        worst=(
            Quote(
                "Сорок минут за капучино, и никто не извинился. Очередь до двери, работает одна касса.",
                "negative", "2GIS", at + timedelta(days=1), "Мира 12", "https://example.org/1", 1.0,
                ("waiting", "staff"), "ru",
            ),
            Quote("Раньше забегала перед работой, теперь не успеваю: ждать по полчаса.", "negative", "Google Maps",
                  at + timedelta(days=2), "Мира 12", None, 2.0, ("waiting",), "ru", 3),
            Quote("The queue never moves. Left without my order.", "negative", "Telegram", at + timedelta(days=2), "",
                  "https://example.org/3", None, ("waiting",), "en"),
        ),
        best=(
            Quote("Лучший флэт-уайт в районе, бариста помнит моё имя!", "positive", "2GIS", at, "Садовая 40",
                  "https://example.org/4", 5.0, ("staff", "food"), "ru"),
            Quote("Свежая выпечка каждое утро, спасибо.", "positive", "Google Maps", at, "Ленина 3", None, 5.0,
                  ("food",), "ru"),
        ),
        coverage_now=0.97,
        coverage_before=1.0,
        gaps=(Gap("Telegram", 31, 168, "HTTP 429"),),
        model=ModelNote(
            "embedded@1", 287, 1, 2, 9,
            (Measured("ru", share("accuracy", 460, 520)), Measured("en", share("accuracy", 131, 150))),
        ),
        metrics=(MetricLine("nps", nps(recent), nps(older), nps_change(recent, older)),),
    )  # fmt: skip


def a_quiet_week() -> WeeklyData:
    """A small brand without any change."""
    line = Line("total", names("Все", "All"), Tally(6, 4, 11), Tally(5, 5, 10), (Tally(5, 5, 10),) * 4)
    topic = Line("staff", names("Персонал", "Staff"), Tally(5, 1, 3), Tally(4, 1, 4), (Tally(4, 1, 4),) * 4)
    return WeeklyData(
        brand="Tiny Tea", week=WEEK, zone=ZONE, built_at=datetime(2026, 11, 16, tzinfo=UTC), total=line,
        topics=(TopicLine(topic),), days=(Day(WEEK.monday, Tally(6, 4, 11)),),
    )  # fmt: skip


def an_empty_week() -> WeeklyData:
    """Nothing at all."""
    return WeeklyData(
        brand="Tiny Tea",
        week=WEEK,
        zone=ZONE,
        built_at=datetime(2026, 11, 16, tzinfo=UTC),
        total=Line("total", names("Все", "All")),
    )
