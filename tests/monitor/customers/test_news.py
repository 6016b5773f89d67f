"""The section of the weekly report about customers: told once when it becomes clear, silent when nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.pipeline.context import Context
from monitor.pipeline.customers import brand_named
from monitor.pipeline.news import experience_news
from monitor.store import comparisons
from monitor.store.catalogue import ensure_brand, ensure_import
from monitor.store.engine import reading, writing
from monitor.store.queries.chats import CHAT
from monitor.store.tables import Comparison, Mention, Order, SurveyAnswer
from tests.monitor import support
from tests.monitor.customers.conftest import CHANGED_AT, SAMPLE, ZONE

START = datetime(2026, 6, 1, tzinfo=UTC)
RISE = START + timedelta(weeks=12)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Context]:
    """Twenty answers a week: NPS steady for twelve weeks, then far better; forty customers who buy every week."""
    made = Context(support.settings(tmp_path), clock=lambda: START)
    support.migrated(made.engine)
    with writing(made.engine) as session:
        brand_id = ensure_brand(session, "Shop").id or 0
        for week in range(20):
            at = START + timedelta(weeks=week, hours=1)
            for number in range(20):
                good = number < (16 if at >= RISE else 8)
                session.add(SurveyAnswer(brand_id=brand_id, survey="s", external_id=f"{week}-{number}", metric="nps",
                                         value=10 if good else 3, answered_at=at))  # fmt: skip
            for customer in range(40):
                if week < 10 or customer >= 20:  # half of them stop buying
                    session.add(Order(brand_id=brand_id, external_id=f"{week}-{customer}", customer=f"~{customer}",
                                      ordered_at=at, amount=10.0))  # fmt: skip
    yield made
    made.engine.dispose()


def told(context: Context, end: datetime) -> dict[tuple[str, str], float]:
    with reading(context.engine) as session:
        brand_id = brand_named(session, "Shop").id or 0
        lines = experience_news(session, brand_id, end=end, zone=ZoneInfo("UTC"))
    return {(line.kind, line.key): line.change or 0.0 for line in lines}


def test_slower_answers_in_chats_are_told_once_and_with_minutes(shop: Context) -> None:
    """Ten conversations a week, answered within minutes for twelve weeks, then within hours; nothing else changes."""
    with writing(shop.engine) as session:
        brand_id = brand_named(session, "Shop").id or 0
        source_id = ensure_import(session, "desk", now=START).id or 0
        for week in range(20):
            for number in range(10):
                at = START + timedelta(weeks=week, hours=number)
                wait = timedelta(minutes=(5 if week < 12 else 120) + number)
                session.add(Mention(brand_id=brand_id, source_id=source_id, origin="desk", kind="ticket",
                                    external_id=f"{week}-{number}", text="late", content_hash=f"{week}-{number}",
                                    published_at=at, observed_at=at, reply_text="sorry", reply_at=at + wait,
                                    flags=[CHAT], sentiment="neutral", score_state="done"))  # fmt: skip
    weeks = [told(shop, START + timedelta(weeks=week)) for week in range(11, 20)]
    slower = [lines["metric", "first_answer"] for lines in weeks if ("metric", "first_answer") in lines]
    assert len(slower) == 1 and 100 < slower[0] <= 120
    assert not any(("metric", name) in lines for lines in weeks for name in ("resolved", "chat_start", "chat_end"))


def test_a_rise_is_told_in_the_week_it_becomes_clear_and_once(shop: Context) -> None:
    weeks = [told(shop, START + timedelta(weeks=week)) for week in range(9, 20)]
    rises = [number for number, lines in enumerate(weeks, 9) if ("metric", "nps") in lines]
    assert len(rises) == 1 and 13 <= rises[0] <= 16
    assert weeks[rises[0] - 9]["metric", "nps"] > 0


def test_customers_who_stop_buying_are_told_as_worse(shop: Context) -> None:
    weeks = [told(shop, START + timedelta(weeks=week)) for week in range(9, 20)]
    silent = [lines["silent", "silent"] for lines in weeks if ("silent", "silent") in lines]
    assert silent[0] == pytest.approx(0.5)  # of forty who were customers four weeks before
    assert told(shop, START + timedelta(weeks=9)) == {}


def test_an_answer_is_told_when_it_becomes_another(cafe: Context) -> None:
    with writing(cafe.engine) as session:
        brand_id = brand_named(session, None).id or 0
        kept = comparisons.save(session, brand_id, "Training", topics=["staff", "waiting"], changed_at=CHANGED_AT,
                                treated=SAMPLE.CHANGED, against=(), measure="share", actor="t",
                                now=CHANGED_AT)  # fmt: skip
    try:
        with reading(cafe.engine) as session:
            weeks = {
                n: [line for line in experience_news(session, brand_id, end=CHANGED_AT + timedelta(weeks=n), zone=ZONE)
                    if line.kind == "effect"]
                for n in (3, 4, 5, 6, 7, 8, 14)
            }  # fmt: skip
    finally:
        with writing(cafe.engine) as session:
            session.delete(session.get_one(Comparison, kept))
    assert weeks[3] == [] and weeks[14] == []  # the same answer as a week before
    told = [line for lines in weeks.values() for line in lines]
    assert told[0].verdict_before == "cannot_tell"
    assert [line.verdict_before for line in told[1:]] == [line.verdict for line in told[:-1]]
    line = told[-1]
    assert (
        line.verdict == "fell"
        and "fell by" in line.words["en"]
        and "17 August 2026" in line.words["en"]
        and "17 августа" in line.words["ru"]
    )
