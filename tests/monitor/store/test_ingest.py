"""Ingest: new, known, edited, copied and deleted mentions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from monitor.store import meta
from monitor.store.ingest import Ingested, erase_texts, going, hour_of, ingest, mark_gone
from monitor.store.tables import Brand, Mention, Revision, Source, TouchedHour
from scrapers.item import Item, Reply
from tests.monitor.support import NOW, item

LONG = "We waited fifty minutes for two coffees although the place was nearly empty and nobody said a word about it"


def put(
    session: Session, brand: Brand, source: Source, *items: Item, now: datetime = NOW, **options: object
) -> Ingested:
    return ingest(session, items, brand_id=brand.id or 0, source_id=source.id or 0, origin=source.slug, now=now,
                  **options)  # type: ignore[arg-type]  # fmt: skip


def only(session: Session) -> Mention:
    return session.exec(select(Mention)).one()


def test_second_run_changes_nothing(session: Session, brand: Brand, source: Source) -> None:
    items = [item(n, f"text {n}") for n in range(1000)]
    assert put(session, brand, source, *items).n_new == 1000
    again = put(session, brand, source, *items)
    assert (again.n_new, again.n_edited) == (0, 0)
    assert len(session.exec(select(Mention)).all()) == 1000


def test_same_id_twice_in_one_batch(session: Session, brand: Brand, source: Source) -> None:
    assert put(session, brand, source, item(1, "first"), item(1, "second")).n_new == 1
    assert only(session).text == "second"


def test_same_id_of_two_origins_are_two(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1))
    ingest(session, [item(1)], brand_id=brand.id or 0, source_id=source.id or 0, origin="elsewhere", now=NOW)
    assert len(session.exec(select(Mention)).all()) == 2


def test_edit_keeps_what_it_said_before_and_asks_for_a_new_judgement(
    session: Session, brand: Brand, source: Source
) -> None:
    put(session, brand, source, item(1, "good", rating=5.0))
    mention = only(session)
    mention.score_state = "done"
    session.add(mention)
    session.flush()
    later = NOW + timedelta(days=1)
    assert put(session, brand, source, item(1, "bad after all", rating=1.0), now=later).n_edited == 1
    session.expire_all()
    mention = only(session)
    assert (mention.text, mention.rating, mention.score_state) == ("bad after all", 1.0, "new")
    old = session.exec(select(Revision)).one()
    assert (old.text, old.rating, old.seen_until) == ("good", 5.0, later)
    body = session.execute(text("SELECT body FROM mention_search WHERE rowid = :id"), {"id": mention.id}).scalar_one()
    assert body == "bad after all"


def test_other_stars_are_judged_anew(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, "good", rating=5.0))
    mention = session.exec(select(Mention)).one()
    mention.score_state = "done"
    session.add(mention)
    put(session, brand, source, item(1, "good", rating=2.0))
    assert mention.score_state == "new"


def test_a_new_reply_or_like_is_no_new_judgement(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, "good"))
    mention = only(session)
    mention.score_state = "done"
    session.add(mention)
    session.flush()
    put(session, brand, source, replace(item(1, "good"), n_likes=7, reply=Reply("thank you", published_at=NOW)))
    session.expire_all()
    mention = only(session)
    assert (mention.n_likes, mention.reply_text, mention.score_state) == (7, "thank you", "done")


def test_a_date_of_first_sight_does_not_move(session: Session, brand: Brand, source: Source) -> None:
    undated = Item(kind="post", external_id="1", text="no date")
    put(session, brand, source, undated)
    put(session, brand, source, undated, now=NOW + timedelta(days=3))
    assert (only(session).published_at, only(session).published_precision) == (NOW, "first_seen")


def test_a_date_in_the_future_is_now(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, at=NOW + timedelta(days=400)))
    assert only(session).published_at == NOW


def test_times_are_stored_in_utc(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, at=datetime(2026, 11, 20, 3, 30, tzinfo=timezone(timedelta(hours=5)))))
    assert only(session).published_at == datetime(2026, 11, 19, 22, 30, tzinfo=UTC)
    assert session.exec(select(TouchedHour.hour_at)).one() == datetime(2026, 11, 19, 22, tzinfo=UTC)


def test_authors_are_pseudonyms(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, author="Anna Petrova"), item(2, author="Anna Petrova"), item(3, author="Ivan"))
    authors = [m.author for m in session.exec(select(Mention))]
    assert authors[0] == authors[1] != authors[2]
    assert "Anna" not in str(authors)
    assert authors[0] == meta.pseudonym(meta.install_key(session), source.slug, "Anna Petrova")
    put(session, brand, source, item(4, author="Anna Petrova"), store_authors=True)
    assert session.exec(select(Mention.author).where(Mention.external_id == "4")).one() == "Anna Petrova"


def test_stars_without_words_need_no_model(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, "", rating=1.0), item(2, "", rating=3.0), item(3, "", rating=5.0), item(4, ""))
    rows = [(m.sentiment, m.score_state) for m in session.exec(select(Mention))]
    assert rows == [("negative", "none"), ("neutral", "none"), ("positive", "none"), (None, "none")]


def test_copies_count_once(session: Session, brand: Brand, source: Source) -> None:
    first, copy, other = item(1, LONG), item(2, f"{LONG}!!"), item(3, LONG.replace("coffees", "teas and a cake today"))
    counts = put(session, brand, source, first, copy, item(4, "Good"), item(5, "Good"))
    assert counts.n_copies == 1
    put(session, brand, source, other)
    rows = {m.external_id: m for m in session.exec(select(Mention))}
    assert rows["2"].cluster_id == rows["1"].id == rows["1"].cluster_id
    assert [rows[n].counts for n in "1245"] == [True, False, True, True]  # "Good" twice is two opinions


def test_a_copy_after_the_window_is_news(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, LONG, at=NOW - timedelta(days=90)), item(2, LONG))
    assert all(m.counts for m in session.exec(select(Mention)))


def test_what_is_gone_loses_words_and_author(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, LONG, rating=2.0), item(2, "stays"))
    (row,) = going(session, ["1", "404"], brand_ids=[brand.id or 0], origin=source.slug)
    mark_gone(session, [row], now=NOW)
    session.flush()
    gone = session.exec(select(Mention).where(Mention.external_id == "1")).one()
    assert (gone.text, gone.author, gone.rating, gone.gone_at) == ("", None, 2.0, NOW)
    assert session.execute(text("SELECT count(*) FROM mention_search")).scalar_one() == 1
    assert put(session, brand, source, item(1, LONG, rating=2.0)).n_edited == 0  # a late page does not bring it back


def test_what_the_site_shows_again_gets_its_words_back(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, "good"), item(2, "bad"))
    for mention in session.exec(select(Mention)):
        mention.score_state, mention.sentiment = "done", "positive"
        session.add(mention)
    session.flush()
    mark_gone(session, going(session, ["1", "2"], brand_ids=[brand.id or 0], origin=source.slug), now=NOW)
    later = NOW + timedelta(days=3)
    assert put(session, brand, source, item(1, "good"), item(2, "worse"), now=later).n_edited == 2
    session.expire_all()
    same, other = session.exec(select(Mention).order_by(Mention.external_id))
    assert (same.text, same.gone_at, same.score_state, same.flags) == ("good", None, "done", [])
    assert (other.text, other.gone_at, other.score_state) == ("worse", None, "new")
    assert same.author is not None
    bodies = session.execute(text("SELECT body FROM mention_search ORDER BY rowid")).scalars().all()
    assert bodies == ["good", "worse"]


def test_what_a_person_had_erased_stays_erased(session: Session, brand: Brand, source: Source) -> None:
    put(session, brand, source, item(1, "good"))
    erase_texts(session, [only(session)], now=NOW)
    put(session, brand, source, item(1, "good"), now=NOW + timedelta(days=1))
    session.expire_all()
    assert (only(session).text, only(session).gone_at) == ("", NOW)


@pytest.mark.parametrize("hours", [0, 5, -3])
def test_hours_are_those_of_utc(hours: int) -> None:
    at = datetime(2026, 3, 29, 1, 59, 59, 999999, tzinfo=timezone(timedelta(hours=hours)))
    assert hour_of(at) == at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
