"""Messages written for the tests: a café that does not exist, every text made up here."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from alerts import charts
from alerts.message import (
    Confounder,
    ConfounderKind,
    Driver,
    Facts,
    Kind,
    Link,
    LinkKind,
    Message,
    Phrase,
    Quote,
    Scope,
    TopicCount,
)
from alerts.severity import Severity

NOW = dt.datetime(2026, 11, 16, 9, 30, tzinfo=dt.UTC)
SINCE = dt.datetime(2026, 11, 14, 0, 0, tzinfo=dt.UTC) - dt.timedelta(hours=3)  # midnight in Moscow


def points() -> list[charts.Point]:
    """Three weeks of days, the last two hot, one not collected."""
    counts = [1, 0, 2, 3, 1, 4, 2, 1, 2, 0, None, 3, 2, 1, 1, 2, 4, 2, 1, 8, 10]
    start = SINCE - dt.timedelta(days=19)
    return [
        charts.Point(start + dt.timedelta(days=n), None if count is None else float(count), 2.05, 0.0, 5.0)
        for n, count in enumerate(counts)
    ]


def opened(language: str = "en", *, chart: bool = False) -> Message:
    """A local incident with everything a message can hold."""
    russian = language == "ru"
    quotes = (
        Quote(
            text="Ждали заказ два часа, курьер не отвечал, суп приехал ледяной. Деньги вернуть отказались."
            if russian
            else "Two hours for a soup that arrived stone cold, the courier never picked up. No refund either.",
            url="https://reviews.example/1?a=1&b=2",
            rating=1,
            source="App Store",
            location="Арбат" if russian else "Arbat",
            at=NOW - dt.timedelta(hours=5),
        ),
        Quote(
            text="Третий раз за неделю привозят не то, что заказывали. Раньше такого не было!"
            if russian
            else "Third time this week they bring something else than we ordered. It used to be so good!",
            url="https://reviews.example/2",
            rating=2,
            source="Google Maps",
            location="Арбат" if russian else "Arbat",
            at=NOW - dt.timedelta(hours=20),
        ),
        Quote(
            text="Приложение показывает, что курьер рядом, а он стоит на месте сорок минут."
            if russian
            else "The app says the courier is near while the dot has not moved for forty minutes.",
            url="https://reviews.example/3",
            source="Telegram",
            at=NOW - dt.timedelta(hours=31),
        ),
    )
    drawn = charts.band(points(), language=language, time_zone="Europe/Moscow", hot_since=SINCE) if chart else None
    return Message(
        kind=Kind.OPENED,
        dedup_key=f"incident:42:opened:{language}",
        brand="Кофейня «Луна»" if russian else "Luna Coffee",
        at=NOW,
        language="ru" if russian else "en",
        time_zone="Europe/Moscow",
        severity=Severity.CRITICAL,
        incident_id="42",
        scope=Scope(topic="Доставка" if russian else "Delivery", location="Арбат" if russian else "Arbat"),
        facts=Facts(
            n_observed=18,
            n_expected=4.1,
            low=1,
            high=9,
            since_at=SINCE,
            n_total=46,
            n_authors=17,
            share=18 / 46,
            share_before=0.09,
            rating=2.4,
            rating_before=4.3,
        ),
        drivers=(
            Driver("source", "App Store", 11, 1.6),
            Driver("source", "Google Maps", 5, 1.8),
            Driver("topic", "Курьер" if russian else "Courier", 12, 1.9),
        ),
        topics=(
            TopicCount("Доставка" if russian else "Delivery", 14),
            TopicCount("Персонал" if russian else "Staff", 3),
            TopicCount("Цена" if russian else "Price", 1),
        ),
        phrases=(
            Phrase("холодный суп" if russian else "cold soup", 6, 0, 4.2),
            Phrase("курьер не отвечал" if russian else "courier never", 5, 1, 3.4),
            Phrase("два часа" if russian else "two hours", 4, 1, 2.9),
        ),
        quotes=quotes,
        confounders=(
            Confounder(ConfounderKind.SHORT_HISTORY, 24),
            Confounder(ConfounderKind.GAP, 0.8),
        ),
        links=(
            Link(LinkKind.DASHBOARD, "https://monitor.example/incidents/42"),
            Link(LinkKind.ACKNOWLEDGE, "https://monitor.example/a/ack?t=abc"),
            Link(LinkKind.MUTE, "https://monitor.example/a/mute?t=abc"),
            Link(LinkKind.REJECT, "https://monitor.example/a/reject?t=abc"),
            Link(LinkKind.SETTINGS, "https://monitor.example/settings"),
        ),
        chart_png=drawn,
        chart_alt=charts.describe(points(), language=language, time_zone="Europe/Moscow") if chart else "",
    )


def resolved(language: str = "en") -> Message:
    """The end of the same incident."""
    return replace(
        opened(language),
        kind=Kind.RESOLVED,
        dedup_key=f"incident:42:resolved:{language}",
        at=NOW + dt.timedelta(days=3),
        facts=Facts(
            n_observed=1,
            n_expected=2.1,
            life_observed=31,
            life_expected=8.4,
            peak_observed=12,
            peak_at=SINCE + dt.timedelta(days=1),
            duration=dt.timedelta(days=4),
            since_at=SINCE,
        ),
        quotes=(),
        confounders=(),
        drivers=(),
        links=(Link(LinkKind.DASHBOARD, "https://monitor.example/incidents/42"),),
    )


def joined(language: str = "en") -> Message:
    """It has turned out to be part of a larger incident."""
    base = opened(language)
    return Message(
        kind=Kind.JOINED, dedup_key=f"incident:42:joined:{language}", brand=base.brand, at=NOW, language=base.language,
        time_zone=base.time_zone, severity=base.severity, incident_id="42", scope=base.scope,
        joined_to=base.scope.topic or "",
        links=(Link(LinkKind.DASHBOARD, "https://monitor.example/incidents/43"),),
    )  # fmt: skip


def rating(language: str = "en") -> Message:
    """A fall of the mean rating."""
    return replace(
        opened(language),
        signal="rating",
        severity=Severity.WARNING,
        facts=Facts(rating=3.1, rating_before=4.4, n_ratings=37, since_at=SINCE),
        drivers=(),
        dedup_key=f"incident:43:opened:{language}",
    )


def test(language: str = "en") -> Message:
    """A test message."""
    return Message(kind=Kind.TEST, dedup_key="test:1", brand="Luna", at=NOW, language=opened(language).language)


def digest(language: str = "en") -> Message:
    """Three messages folded into one."""
    return Message(
        kind=Kind.DIGEST,
        dedup_key="digest:1",
        brand="Luna",
        at=NOW,
        language=opened(language).language,
        time_zone="Europe/Moscow",
        items=(opened(language), resolved(language), rating(language)),
        severity=Severity.CRITICAL,
    )


def all_of(language: str) -> list[Message]:
    """One of each kind and signal."""
    base = opened(language)
    kinds = [
        replace(base, kind=kind, dedup_key=f"k:{kind}")
        for kind in (Kind.ESCALATED, Kind.REPEATED, Kind.REOPENED, Kind.UNACKNOWLEDGED)
    ]
    signals = [
        replace(base, signal=signal, dedup_key=f"s:{signal}")
        for signal in ("share", "topic_shift", "volume", "silent", "rule", "unheard of")
    ]
    operator = replace(
        test(language),
        kind=Kind.OPERATOR,
        dedup_key="o:1",
        headline="App Store answered 403 for two days.",
        note="Note.",
    )
    report = replace(test(language), kind=Kind.REPORT, dedup_key="r:1", headline="The week in short.")
    normal = replace(resolved(language), kind=Kind.NEW_NORMAL, dedup_key="n:1")
    bare = replace(base, facts=Facts(), scope=Scope(), drivers=(), dedup_key="b:1")
    found = [
        base,
        resolved(language),
        normal,
        joined(language),
        rating(language),
        test(language),
        digest(language),
        operator,
        report,
        bare,
    ]
    return found + kinds + signals
