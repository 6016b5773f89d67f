"""The feed: search, pages, corrections, views, export."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from openpyxl import load_workbook
from sqlmodel import select

from models.base import Span
from models.errors import WeightsMissing
from monitor.store.engine import reading, writing
from monitor.store.tables import Correction, Mention, SavedView
from monitor.web.pages.mentions import Part, parts_of
from tests.monitor import support
from tests.monitor.web.conftest import House


def texts(house: House, query: str) -> list[str]:
    items = house.as_("viewer").get(f"/api/v1/mentions?period=90d&{query}").json()["items"]
    return [item["external_id"] for item in items]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=soup", ["1", "6"]), ("q=SOUP -rude", ["6"]), ('q="cold soup"', ["6"]), ("q=вкусно", ["4"]),
        ("q=ОЖИДАНИЕ", ["3"]),
        ("q=***", []), ("q=soup AND NEAR(", []), ("sentiment=negative", ["1", "3", "6"]), ("rating=5", ["2", "4"]),
        ("location=Мира 12", ["3", "4"]), ("kind=post", ["5"]), ("topic=waiting", ["1", "3"]),
        ("stage=use", ["4", "6"]),
        ("topic=food&sentiment=positive", ["4"]), ("language=ru&rating=2", ["3"]), ("corrected=1", []),
    ],
)  # fmt: skip
def test_filters_narrow_the_feed(house: House, query: str, found: list[str]) -> None:
    assert texts(house, query) == found


def test_pages_show_every_mention_once_even_at_one_instant(house: House) -> None:
    house.add(*(support.item(f"same{n}", f"text {n}", at=support.NOW - timedelta(hours=3)) for n in range(23)))
    client, seen, cursor = house.as_("viewer"), [], ""
    for _ in range(20):
        page = client.get("/api/v1/mentions", params={"limit": 5, "cursor": cursor}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 29
    assert client.get("/api/v1/mentions?cursor=bm9uc2Vuc2U").status_code == 422
    assert client.get("/mentions?cursor=x").status_code == 422


def test_more_of_the_feed_comes_as_a_fragment(house: House) -> None:
    house.add(*(support.item(f"n{n}", f"text {n}") for n in range(30)))
    client = house.as_("viewer")
    page = client.get("/mentions").text
    more = page.split('hx-get="/mentions?cursor=')[1].split('"')[0]
    part = client.get(f"/mentions?cursor={more}", headers={"hx-request": "true"})
    assert part.text.count("<article") == 11
    assert "<html" not in part.text


def test_a_correction_wins_and_the_numbers_follow_at_once(house: House) -> None:
    analyst = house.as_("analyst")
    before = analyst.get("/api/v1/overview").json()["volume"]
    answer = analyst.post("/mentions/5/correct", data={"sentiment": "positive"}, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert 'id="m5"' in answer.text
    assert "corrected" in answer.text
    after = analyst.get("/api/v1/overview").json()["volume"]
    assert (after["n_positive"], after["n_neutral"]) == (before["n_positive"] + 1, before["n_neutral"] - 1)
    with reading(house.context.engine) as session:
        (row,) = session.exec(select(Correction)).all()
        assert (row.mention_id, row.actor, row.sentiment, row.topics) == (5, "boris", "positive", None)
    assert analyst.get("/api/v1/quality").json()["whole"]["n"] == 1


def test_topics_are_added_and_removed_one_by_one(house: House) -> None:
    analyst = house.as_("analyst")
    analyst.post("/mentions/1/correct", data={"topic": "price", "topic_sentiment": "negative"})
    tags = {tag["topic"]: tag["sentiment"] for tag in analyst.get("/api/v1/mentions/1").json()["mention"]["topics"]}
    assert tags == {"waiting": "negative", "staff": "negative", "price": "negative"}
    analyst.post("/mentions/1/correct", data={"remove": "waiting"})
    tags = {tag["topic"] for tag in analyst.get("/api/v1/mentions/1").json()["mention"]["topics"]}
    assert tags == {"staff", "price"}
    assert analyst.post("/mentions/1/correct", data={"topic": "none"}).status_code == 422
    assert analyst.post("/mentions/1/correct", data={}).status_code == 422
    assert analyst.post("/mentions/99/correct", data={"sentiment": "neutral"}).status_code == 404


def test_many_mentions_are_corrected_at_once(house: House) -> None:
    analyst = house.as_("analyst")
    answer = analyst.post("/mentions/correct", data={"id": ["1", "2"], "sentiment": "neutral", "query": "topic=staff"})
    assert answer.headers["location"] == "/mentions?topic=staff&done=corrected-2"
    answer = analyst.post(
        "/mentions/correct", data={"all": "1", "query": "location=Riverside 3", "sentiment": "positive"}
    )
    assert answer.headers["location"].endswith("done=corrected-3")
    with reading(house.context.engine) as session:
        changed = session.exec(select(Mention.external_id).where(Mention.sentiment == "positive")).all()
    assert sorted(changed) == ["1", "2", "4", "6", "r1"]
    assert analyst.post("/mentions/correct", data={"id": ["x"], "sentiment": "neutral"}).status_code == 422
    assert analyst.post("/mentions/correct", data={"sentiment": "neutral"}).status_code == 422


def test_views_are_saved_shared_and_ones_own_to_delete(house: House) -> None:
    boris, anna = house.as_("analyst"), house.as_("admin")
    boris.post("/views", data={"name": "soup", "query": "?q=soup"})
    assert "/mentions?q=soup" not in anna.get("/mentions").text
    boris.post("/views", data={"name": "soup", "query": "q=soup&period=90d", "shared": "1"})
    assert "/mentions?q=soup&amp;period=90d" in anna.get("/mentions").text
    with reading(house.context.engine) as session:
        assert session.exec(select(SavedView.name)).all() == ["soup"]
    assert anna.post("/views/1/delete").status_code == 404
    assert boris.post("/views/1/delete").status_code == 303


def test_the_export_holds_what_is_shown_and_no_formula(house: House) -> None:
    evil = ["=HYPERLINK(1)", "+1+1", "-2+3", "@SUM(1)", "\tx", "=cmd|' /C calc'!A0"]
    house.add(*(support.item(f"f{n}", f"{text} awful", author=text, title=text) for n, text in enumerate(evil)))
    client = house.as_("viewer")
    answer = client.get("/mentions/export.csv?sentiment=negative")
    assert answer.headers["content-disposition"] == 'attachment; filename="mentions-cafe.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 3 + len(evil)
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    book = load_workbook(io.BytesIO(client.get("/mentions/export.xlsx?sentiment=negative").content))
    values = [cell for row in book.active.iter_rows() for cell in row]
    assert not [cell.value for cell in values if cell.data_type == "f"]
    lines = client.get("/mentions/export.jsonl?q=soup&period=90d").text.splitlines()
    assert {json.loads(line)["text"] for line in lines} == {
        "cold soup, awful",
        "The waiter was rude and the soup came late",
    }
    assert client.get("/mentions/export.exe").status_code == 404


def test_copies_stay_out_until_asked_for(house: House) -> None:
    long = "Yesterday we waited for an hour and nobody came to our table, then the bill was wrong as well."
    house.add(support.item("c1", long, at=support.NOW - timedelta(hours=5)))
    house.add(support.item("c2", long + " ", at=support.NOW - timedelta(hours=4)), source="other")
    assert texts(house, "q=yesterday") == ["c1"]
    assert texts(house, "q=yesterday&copies=1") == ["c2", "c1"]
    page = house.as_("viewer").get("/mentions?q=yesterday").text
    assert "2 copies" in page


def test_why_marks_the_words(house: House) -> None:
    class Telling(support.WordScorer):
        def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
            return [Span(text.index("rude"), text.index("rude") + 4, 1.0), Span(0, 3, -0.2)]

    house.context._scorer = Telling()
    text = house.as_("viewer").get("/mentions/1/why").text
    assert '<mark class="w3">rude</mark>' in text
    assert '<mark class="w1 against">The</mark>' in text


def test_why_says_where_the_stars_made_the_difference(house: House) -> None:
    with writing(house.context.engine) as session:
        mention = session.get_one(Mention, 1)
        mention.model, mention.rating = "embedded@1+stars:1", 5.0
        mention.p_negative, mention.p_neutral, mention.p_positive, mention.sentiment = 0.2, 0.1, 0.7, "positive"
    assert "by the words alone: negative" in house.as_("viewer").get("/mentions/1/why").text
    with writing(house.context.engine) as session:
        session.get_one(Mention, 1).rating = 3.0
    assert "words alone" not in house.as_("viewer").get("/mentions/1/why").text


def test_without_a_model_the_text_stays_and_the_reason_is_said(house: House) -> None:
    class Absent(support.WordScorer):
        def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
            raise WeightsMissing("no weights here")

    house.context._scorer = Absent()
    answer = house.as_("viewer").get("/mentions/1/why")
    assert "The waiter was rude" in answer.text
    assert "no weights here" in answer.text
    assert house.as_("viewer").get("/api/v1/mentions/1/highlight").status_code == 503


def test_overlapping_highlights_keep_every_letter() -> None:
    parts = parts_of("abcdef", [Span(0, 4, 1.0), Span(2, 9, -2.0)])
    assert "".join(part.text for part in parts) == "abcdef"
    assert parts == [Part("ab", 2), Part("cdef", -3)]
    assert parts_of("abc", []) == [Part("abc")]
