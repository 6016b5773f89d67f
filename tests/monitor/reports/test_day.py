"""The daily digest against a store whose contents are known: what is usual, what is off, what is left unsaid."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from monitor.metrics.sentiment import Tally
from monitor.reports import render
from monitor.reports.day import DayData
from monitor.reports.day_build import build_day
from monitor.reports.day_view import day_sentences, day_view
from monitor.store.buckets import recompute
from monitor.store.daily import day_start
from monitor.store.tables import Coverage, Incident
from tests.monitor.reports.test_build import SETTINGS, ZONE, Shop, shop

__all__ = ["shop"]

DAY = date(2026, 11, 17)  # a Tuesday
HOUR = timedelta(hours=1)


def at(hour: int, *, weeks: int = 0) -> datetime:
    return day_start(DAY - timedelta(weeks=weeks), ZONE) + hour * HOUR


def usual(shop: Shop, *, weeks: int = 8) -> None:
    """Ten mentions on each Tuesday, two of them complaints about waiting; a Monday is busy and never counts."""
    for week in range(1, weeks + 1):
        for i in range(10):
            own = "negative" if i < 2 else "positive"
            shop.mention(own, at(9 + i, weeks=week), topics={"waiting": own}, place=("Мира 12", "Ленина 3")[i % 2])
        for i in range(6):
            shop.mention("negative", at(-12, weeks=week) + i * timedelta(minutes=1), topics={"waiting": "negative"})


def built(shop: Shop, *, day: date = DAY, now: datetime | None = None) -> DayData:
    for brand_id in {brand_id for brand_id, _ in shop.hours}:
        recompute(shop.session, brand_id, sorted(hour for of, hour in shop.hours if of == brand_id))
    shop.session.flush()
    return build_day(shop.session, SETTINGS, brand="cafe", day=day, now=now or at(32))


def said(data: DayData) -> list[str]:
    return [str(sentence) for sentence in day_sentences(data, "en")]


def test_what_is_off_is_said_with_its_numbers(shop: Shop) -> None:
    usual(shop)
    for i in range(14):
        shop.mention("negative", at(8) + i * HOUR / 2, topics={"waiting": "negative"}, rating=1,
                     text=f"Очередь {20 + i} минут, одна касса")  # fmt: skip
    for i in range(6):
        shop.mention("positive", at(10) + i * HOUR, place="Ленина 3", rating=5)
    data = built(shop)
    assert data.total.now == Tally(14, 0, 6)
    assert data.exposures == (1.0,) * 8
    assert [tally.n for tally in data.total.past] == [10] * 8  # Tuesdays only
    lines = said(data)
    assert lines[0].startswith("20 mentions, where 10 are usual on Tuesdays: +10 (interval ")
    assert lines[1].startswith("70% of mentions are negative, where 20% are usual on Tuesdays: +50 points (interval ")
    assert lines[2].startswith("More complaints about waiting than usual: 14, where 2 are usual on Tuesdays (+12")
    assert lines[2].endswith("all from Мира 12.")  # of the sources only one is in play: nothing is said of it
    assert len(lines) == 3
    assert "Очередь" in data.worst[0].text
    assert [tile.value for tile in day_view(data, "en").tiles] == ["20", "70%", "2.20", "0"]


def test_a_usual_day_has_no_clear_change(shop: Shop) -> None:
    usual(shop)
    for i in range(12):
        own = "negative" if i < 4 else "positive"
        shop.mention(own, at(9 + i), topics={"waiting": own})
    lines = said(built(shop))
    assert "no clear change (+2, interval " in lines[0]
    assert lines[1] == "33% of mentions are negative (interval 14 to 61%)."  # of 12: too few to compare
    assert lines[2] == "No topic has clearly more or fewer complaints than usual on Tuesdays."


def test_three_such_weekdays_are_too_few_to_call_anything_usual(shop: Shop) -> None:
    usual(shop, weeks=3)
    shop.mention("negative", at(9), topics={"waiting": "negative"})
    assert said(built(shop)) == [
        "1 mention; there are too few such weekdays before to say what is usual.",
        "100% of mentions are negative (interval 21 to 100%).",
    ]


def test_what_was_not_collected_is_no_silence(shop: Shop) -> None:
    usual(shop)
    for week in range(9):
        for hour in range(24):
            done = 0 if (week == 0 and hour >= 8) or week == 2 else 1
            shop.add(Coverage(source_id=shop.maps.id or 0, hour_at=at(hour, weeks=week), n_due=1, n_done=done))
    data = built(shop)
    assert len(data.exposures) == 7  # the Tuesday that nobody read is no example of a usual one
    assert not data.comparable
    assert said(data) == [
        "0 mentions; too little of the day was collected to say whether that is usual.",
        "Not collected: 2GIS (16 of 24 hours); what is missing there is not zero.",
    ]


def test_a_day_that_is_not_over_is_compared_with_nothing(shop: Shop) -> None:
    usual(shop)
    shop.mention("negative", at(9))
    shop.mention("negative", at(15))
    data = built(shop, now=at(12))
    assert data.total.now.n == 1
    assert said(data)[0] == "1 mention so far."
    assert "not over" in day_view(data, "en").notice


def test_incidents_begin_go_on_and_end(shop: Shop) -> None:
    usual(shop)

    def incident(uid: str, opened: datetime, resolved: datetime | None = None, verdict: str | None = None) -> None:
        shop.add(
            Incident(
                uid=uid, brand_id=shop.brand.id or 0, series="brand=cafe", signal="negative", location="Мира 12",
                opened_at=opened, since_at=opened, last_seen_at=opened, resolved_at=resolved, verdict=verdict,
                state="resolved" if resolved else "open", n_observed=18, n_expected=2.5,
            )
        )  # fmt: skip

    incident("on", at(-50))
    incident("over", at(-30), at(7))
    incident("new", at(11))
    incident("no", at(11), verdict="rejected")
    incident("gone", at(-90), at(-20))
    lines = said(built(shop))
    assert lines[-3:] == [
        "New incident: Мира 12, 18 negative mentions where 2.5 were expected, since 17 November.",
        "Incident over: Мира 12, since 15 November.",
        "Incident goes on: Мира 12, 18 negative mentions where 2.5 were expected, since 14 November.",
    ]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_form_of_it(shop: Shop, language: str) -> None:
    usual(shop)
    for i in range(14):
        shop.mention("negative", at(8 + i % 12), topics={"waiting": "negative"}, text="<b>Очередь</b> & [касса](x)")
    shown = day_view(built(shop), language)
    link = "https://monitor.example/?brand=cafe&from=2026-11-17&to=2026-11-17"
    mail = render.mail(shown, link=link)
    assert len(mail.html.encode()) < 20_000
    assert "<b>Очередь</b>" not in mail.html
    assert link.replace("&", "&amp;") in mail.html
    for form in (render.page(shown, link=link), render.text(shown, link=link), render.markdown(shown), mail.subject,
                 render.chat(shown, link=link)):  # fmt: skip
        assert ("Weekly" if language == "en" else "за неделю") not in form
    assert render.chat(shown, link=link).splitlines()[-1].endswith(link)
