"""Topic suggestions: what grows and fits no topic is found, what people decided stays decided."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from monitor.pipeline import suggest
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.store import suggestions
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Source, TopicSuggestion
from tests.monitor import support

SOCKETS = (
    "no sockets by the window", "sockets are all taken again", "two sockets for forty people", "sockets do not work",
    "please add sockets", "found sockets only in the corner",
)  # fmt: skip
OTHERS = (
    "we come here on Sundays",
    "my sister likes the blue cups",
    "opened next to our office",
    "a band played tonight",
    "parked behind the church",
    "they changed the sign outside",
    "met an old friend",
    "the lamp above us flickered",
)
STROLLERS = (
    "stairs with a stroller are a trial", "a stroller hardly fits the doorway", "left our stroller out in the rain",
    "why is the ramp locked for a stroller", "carried the stroller up by myself",
)  # fmt: skip


@pytest.fixture
def brand(session: Session) -> Brand:
    return session.exec(select(Brand)).one()


def say(context: Context, brand: Brand, source: Source, *texts: str, days_ago: float, tag: str = "") -> None:
    items = [
        support.item(f"{days_ago}-{tag}{n}", text, at=support.NOW - timedelta(days=days_ago, minutes=n), kind="post")
        for n, text in enumerate(texts)
    ]
    with writing(context.engine) as session:
        ingest(session, items, brand_id=brand.id or 0, source_id=source.id or 0, origin="site", now=support.NOW,
               store_authors=True)  # fmt: skip
    score(context)


@pytest.fixture
def told(context: Context) -> tuple[Context, Brand]:
    from monitor.store.catalogue import ensure_import

    with writing(context.engine) as session:
        brand, source = session.exec(select(Brand)).one(), ensure_import(session, "site", now=support.NOW)
    say(context, brand, source, *OTHERS, SOCKETS[0], days_ago=40)
    say(context, brand, source, *SOCKETS, *STROLLERS, *(f"{text} again" for text in OTHERS), days_ago=5)
    return context, brand


def queue(context: Context, brand: Brand) -> list[TopicSuggestion]:
    with reading(context.engine) as session:
        return suggestions.waiting(session, brand.id or 0)


def test_what_grows_and_fits_no_topic_is_found(told: tuple[Context, Brand]) -> None:
    context, brand = told
    assert suggest.suggest(context) == 2
    found = {row.phrase: row for row in queue(context, brand)}
    assert set(found) == {"sockets", "stroller"}
    sockets = found["sockets"]
    assert (sockets.n, sockets.n_before) == (6, 1)
    with reading(context.engine) as session:
        assert {m.text for m in suggestions.quotes(session, sockets)} == set(SOCKETS)


def test_it_looks_once_a_day_and_keeps_what_was_decided(told: tuple[Context, Brand]) -> None:
    context, brand = told
    suggest.suggest(context)
    assert suggest.suggest(context) == 0
    with writing(context.engine) as session:
        for row in suggestions.waiting(session, brand.id or 0):
            if row.phrase == "sockets":
                row.state = "dismissed"
                session.add(row)
    tomorrow = Context(context.settings, clock=lambda: support.NOW + timedelta(days=1), scorer=context.scorer)
    assert suggest.suggest(tomorrow) == 0  # nothing new, and the dismissed one does not come back
    assert [row.phrase for row in queue(context, brand)] == ["stroller"]
    later = Context(context.settings, clock=lambda: support.NOW + timedelta(days=60), scorer=context.scorer)
    suggest.suggest(later)
    assert queue(context, brand) == []  # nobody speaks of it any more


def test_texts_with_a_topic_and_names_of_ours_are_no_suggestion(context: Context, brand: Brand, source: Source,
                                                                session: Session) -> None:  # fmt: skip
    session.commit()
    say(context, brand, source, *(f"awful and rude number {n}" for n in range(8)), days_ago=3, tag="w")
    say(context, brand, source, *(f"{brand.name} has walls {n}" for n in ("red", "blue", "old", "new", "high")),
        days_ago=4, tag="n")  # fmt: skip
    phrases = [one.phrase for one in suggest.find(context, brand)]
    assert not [phrase for phrase in phrases if "rude" in phrase or brand.name.lower() in phrase.lower()]
