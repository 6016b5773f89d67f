"""The bundled sample is what its README says: own words, six places, one incident, one campaign, one change."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import statistics
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rapidfuzz import fuzz, process

from models.labels import SENTIMENTS, TOPICS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
Rows = list[dict[str, str]]


def load_by_path() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cafe_arrange", EXAMPLES / "arrange.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # deliberately not put into sys.modules: it must not need that
    return module


cafe = load_by_path()
STORY = cafe.story(cafe.COMMITTED_UNTIL)


def committed(name: str) -> Rows:
    with (EXAMPLES / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def feedback() -> Rows:
    return committed("cafe_feedback.csv")


@pytest.fixture(scope="module")
def labels() -> dict[str, dict[str, Any]]:
    return {text["text"]: text for text in cafe.texts()}


def day_of(row: dict[str, str], column: str = "published_at") -> date:
    return datetime.fromisoformat(row[column]).date()


def normalised(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()


def test_texts_are_many_and_all_different() -> None:
    texts = [normalised(row["text"]) for row in [*cafe.texts(), *cafe.survey_texts()]]
    assert all(texts)
    assert len(set(texts)) == len(texts)
    assert len(cafe.texts()) >= 650


def test_no_text_is_another_one_with_words_swapped() -> None:
    texts = [normalised(row["text"]) for row in cafe.texts() if len(row["text"]) >= 30]
    likeness = process.cdist(texts, texts, scorer=fuzz.ratio, score_cutoff=80)
    pairs = [(texts[a], texts[b]) for a, b in zip(*likeness.nonzero(), strict=True) if a < b]
    assert pairs == []


def test_the_rival_has_words_of_its_own_and_no_story() -> None:
    texts = cafe.rival_texts()
    own = [normalised(row["text"]) for row in [*cafe.texts(), *cafe.survey_texts()]]
    words = [normalised(row["text"]) for row in texts]
    assert len(set(words)) == len(words)
    assert not set(words) & set(own)
    assert f"{len(texts)} texts about an invented competitor" in README
    assert {row["sentiment"] for row in texts} == set(SENTIMENTS)
    assert {tag["topic"] for row in texts for tag in row["topics"]} <= set(TOPICS)
    rows = committed("rival_feedback.csv")
    assert {row["brand"] for row in rows} == {cafe.RIVAL}
    weeks = Counter(day_of(row).isocalendar()[1] for row in rows)
    assert max(weeks.values()) <= 3 * len(rows) / 26


def test_languages_are_mixed_as_promised() -> None:
    n_texts = Counter(row["language"] for row in cafe.texts())
    total = n_texts.total()
    assert 0.5 <= n_texts["ru"] / total <= 0.6
    assert 0.25 <= n_texts["en"] / total <= 0.35
    others = {language: n for language, n in n_texts.items() if language not in ("ru", "en")}
    assert len(others) == 10
    assert min(others.values()) >= 8
    for number in (total, n_texts["ru"], n_texts["en"], sum(others.values())):
        assert f"{number} " in README


def test_labels_are_those_of_the_taxonomy() -> None:
    used: set[str] = set()
    for row in cafe.texts():
        assert row["sentiment"] in SENTIMENTS, row
        topics = [tag["topic"] for tag in row["topics"]]
        assert topics and len(set(topics)) == len(topics), row
        assert all(tag["sentiment"] in SENTIMENTS for tag in row["topics"]), row
        used.update(topics)
    assert used == set(TOPICS)


def test_ratings_belong_to_reviews_and_rarely_contradict_the_text() -> None:
    slips = 0
    for row in cafe.texts():
        assert ("rating" in row) == (row["kind"] == "review"), row
        if "rating" in row:
            assert row["rating"] in (1, 2, 3, 4, 5)
            slips += row["rating"] < 3 and row["sentiment"] == "positive"
            slips += row["rating"] > 3 and row["sentiment"] == "negative"
    assert slips == 3
    assert "Three ratings contradict" in README


def test_the_labels_stay_out_of_what_the_product_loads(feedback: Rows) -> None:
    assert tuple(feedback[0]) == cafe.FEEDBACK_COLUMNS
    assert not {"sentiment", "topics", "pool", "phase"} & set(feedback[0])
    for row in feedback:
        assert not re.search(r"everyday|incident|campaign|change", row["external_id"] + row["url"])


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("cafe_feedback.csv", cafe.FEEDBACK_COLUMNS, cafe.arrange),
        ("rival_feedback.csv", cafe.FEEDBACK_COLUMNS, cafe.rivals),
        ("orders.csv", cafe.ORDER_COLUMNS, cafe.orders),
        ("surveys.csv", cafe.SURVEY_COLUMNS, cafe.surveys),
    ],
)
def test_committed_files_are_what_the_script_writes(
    name: str, columns: tuple[str, ...], rows: Any, tmp_path: Path
) -> None:
    again = tmp_path / name
    n_rows = cafe.write(again, columns, rows(cafe.COMMITTED_UNTIL))
    assert again.read_bytes() == (EXAMPLES / name).read_bytes()
    assert len(committed(name)) == n_rows > 90


def test_another_seed_is_another_arrangement_of_the_same_texts() -> None:
    one, same, other = (list(cafe.arrange(cafe.COMMITTED_UNTIL, seed)) for seed in (3, 3, 4))
    assert one == same != other
    assert sorted(row["text"] for row in one) == sorted(row["text"] for row in other)


def test_rows_are_whole_in_order_and_in_the_26_weeks(feedback: Rows) -> None:
    moments = [datetime.fromisoformat(row["published_at"]) for row in feedback]
    assert all(moment.tzinfo is not None for moment in moments)
    assert moments == sorted(moments)
    assert moments[-1] <= cafe.COMMITTED_UNTIL
    assert (STORY.first_day, STORY.last_day) == (date(2026, 5, 25), date(2026, 11, 22))
    assert {day_of(row) for row in feedback} <= {STORY.first_day + timedelta(days=n) for n in range(182)}
    assert len({row["external_id"] for row in feedback}) == len({row["text"] for row in feedback}) == len(feedback)
    assert {row["brand"] for row in feedback} == {cafe.BRAND}
    assert sum(bool(row["reply"]) for row in feedback) >= 15


def test_places_and_sources(feedback: Rows) -> None:
    places = Counter(row["location"] for row in feedback)
    assert set(places) - {""} == {place.name for place in cafe.PLACES}
    assert len(cafe.PLACES) == 6
    assert min(places.values()) >= 50
    sources = Counter(row["source"] for row in feedback)
    assert set(sources) == set(cafe.SOURCES)
    assert len(cafe.SOURCES) == 5
    assert min(sources.values()) >= 30
    assert all(not row["location"] or row["source"] != "app_store" for row in feedback)
    assert all(place in README for place in places)


def test_nothing_leads_outside(feedback: Rows) -> None:
    assert all(row["url"].startswith("https://example.org/") for row in feedback)
    for path in sorted(EXAMPLES.rglob("*")):
        if path.is_file() and path.suffix in {".csv", ".jsonl", ".json", ".md"}:
            content = path.read_text(encoding="utf-8")
            assert set(re.findall(r"https?://([^/\s\",]+)", content)) <= {"example.org"}, path
            assert set(re.findall(r"[\w.]+@([\w.]+\w)", content)) <= {"example.org"}, path
            assert not re.search(r"\+\d[\d\s()-]{8,}", content), path


def test_more_is_said_at_weekends_than_on_a_weekday(feedback: Rows, labels: dict[str, dict[str, Any]]) -> None:
    n_texts = Counter(day_of(row).weekday() for row in feedback if labels[row["text"]]["pool"] == "everyday")
    assert (n_texts[5] + n_texts[6]) / 2 > 1.2 * (n_texts[0] + n_texts[1] + n_texts[2]) / 3


def test_the_incident_is_where_the_readme_says(feedback: Rows, labels: dict[str, dict[str, Any]]) -> None:
    assert f"{STORY.incident_first_day} to {STORY.incident_last_day} at {STORY.incident_place}" in README
    planted = [row for row in feedback if labels[row["text"]]["pool"] == "incident"]
    assert 40 <= len(planted) <= 55
    assert {row["location"] for row in planted} == {STORY.incident_place}
    assert {row["source"] for row in planted} == {"yandex_maps", "2gis", "telegram"}
    bad = Counter(
        day_of(row)
        for row in feedback
        if row["location"] == STORY.incident_place and labels[row["text"]]["sentiment"] == "negative"
    )
    days = {STORY.incident_first_day + timedelta(days=n) for n in range(5)}
    assert max(days) == STORY.incident_last_day
    assert {day for day, _ in bad.most_common(5)} == days
    assert min(bad[day] for day in days) >= 2 * max(n for day, n in bad.items() if day not in days)
    topics = Counter(tag["topic"] for row in planted for tag in labels[row["text"]]["topics"])
    assert {topic for topic, _ in topics.most_common(2)} == {"waiting", "staff"}


def test_the_campaign_is_loud_and_harmless(feedback: Rows, labels: dict[str, dict[str, Any]]) -> None:
    assert f"{STORY.campaign_first_day} to {STORY.campaign_last_day}" in README
    n_texts = Counter(day_of(row) for row in feedback)
    days = [STORY.campaign_first_day + timedelta(days=n) for n in range(3)]
    assert STORY.campaign_last_day == days[-1]
    usual = statistics.median(n_texts[STORY.first_day + timedelta(days=n)] for n in range(182))
    assert all(n_texts[day] >= 3 * usual for day in days)
    planted = [row for row in feedback if labels[row["text"]]["pool"] == "campaign"]
    assert {row["location"] for row in planted} - {""} == {place.name for place in cafe.PLACES}
    assert sum(labels[row["text"]]["sentiment"] == "negative" for row in planted) <= 3


def test_complaints_fall_where_the_change_was_made_and_nowhere_else(
    feedback: Rows, labels: dict[str, dict[str, Any]]
) -> None:
    assert f"on {STORY.change_day} Вокзальная 1 and Лесная 5" in README

    def share(places: set[str], *, after: bool) -> float:
        texts = [
            labels[row["text"]]
            for row in feedback
            if row["location"] in places
            and (day_of(row) >= STORY.change_day) == after
            and labels[row["text"]]["pool"] in ("everyday", "change", "training")
        ]
        complaints = [
            text
            for text in texts
            if any(tag["topic"] in cafe.IMPROVED_TOPICS and tag["sentiment"] == "negative" for tag in text["topics"])
        ]
        return len(complaints) / len(texts)

    changed = set(cafe.CHANGED)
    others = {place.name for place in cafe.PLACES} - changed
    assert share(changed, after=False) > 0.5 > 0.2 > share(changed, after=True)
    assert abs(share(others, after=False) - share(others, after=True)) < 0.1


@pytest.mark.parametrize(
    "until", ["2027-03-03T06:30:00+00:00", "2026-11-22T02:10:00+05:00", "2028-02-29T23:59:59+00:00"]
)
def test_the_story_moves_with_its_end(until: str, feedback: Rows, labels: dict[str, dict[str, Any]]) -> None:
    end = datetime.fromisoformat(until)
    rows = list(cafe.arrange(end))
    assert {row["external_id"]: row["text"] for row in rows} == {row["external_id"]: row["text"] for row in feedback}
    moments = [datetime.fromisoformat(row["published_at"]) for row in rows]
    assert max(moments) <= end < max(moments) + timedelta(days=4)
    plot = cafe.story(end)
    assert plot.campaign_first_day.weekday() == 4
    assert end.astimezone(cafe.RUSSIAN).date() - plot.incident_first_day == timedelta(days=12)
    planted = {day_of(row) for row in rows if labels[row["text"]]["pool"] == "incident"}
    assert (min(planted), max(planted)) == (plot.incident_first_day, plot.incident_last_day)


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        list(cafe.arrange(datetime(2026, 11, 22)))  # noqa: DTZ001


def test_orders_are_of_400_guests_within_the_26_weeks() -> None:
    rows = committed("orders.csv")
    assert tuple(rows[0]) == cafe.ORDER_COLUMNS
    assert len({row["order_id"] for row in rows}) == len(rows)
    assert 380 <= len({row["customer_id"] for row in rows}) <= 400
    assert {row["location"] for row in rows} == {place.name for place in cafe.PLACES}
    assert {row["stage"] for row in rows} == {"placed", "paid", "collected"}
    assert {row["channel"] for row in rows} == {"counter", "app", "delivery"}
    assert {row["returned"] for row in rows} == {"true", "false"}
    assert all(100 <= int(row["amount"]) <= 2000 and row["currency"] == "RUB" for row in rows)
    assert all(STORY.first_day <= day_of(row, "ordered_at") <= STORY.last_day for row in rows)
    assert not any(row["stage"] == "placed" and row["returned"] == "true" for row in rows), "an unpaid basket returned"
    moments = [datetime.fromisoformat(row["ordered_at"]).astimezone(UTC) for row in rows]
    assert moments == sorted(moments)


def test_answers_fit_their_scales_and_use_each_comment_once() -> None:
    rows = committed("surveys.csv")
    assert tuple(rows[0]) == cafe.SURVEY_COLUMNS
    scales = {"nps": range(11), "csat": range(1, 6), "ces": range(1, 8)}
    assert all(int(row["score"]) in scales[row["survey"]] for row in rows)
    assert {row["survey"] for row in rows} == set(scales)
    comments = Counter(row["comment"] for row in rows if row["comment"])
    assert set(comments.values()) == {1}
    assert set(comments) == {text["text"] for text in cafe.survey_texts()}
    assert len(comments) >= 120
    assert {row["customer_id"] for row in rows} <= {row["customer_id"] for row in committed("orders.csv")}
    for row in rows:
        assert STORY.first_day <= day_of(row, "answered_at") <= STORY.last_day
    assert f"{len(rows)} answers" in README


def test_it_runs_as_a_script(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(EXAMPLES / "arrange.py"), "--out", str(tmp_path), "--until"]
    done = subprocess.run([*command, "2027-01-31"], capture_output=True, text=True, check=True)
    assert done.stdout.count(" rows") == 4
    rows = list(csv.DictReader(io.StringIO((tmp_path / "cafe_feedback.csv").read_text(encoding="utf-8"))))
    assert rows[-1]["published_at"] <= "2027-02-01"
    wrong = subprocess.run([*command, "soon"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "'soon' is neither a date nor an ISO time" in wrong.stderr
