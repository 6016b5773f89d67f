from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import TextRejected
from models.text import MAX_CHARACTERS, clauses, clean, condense, key, parts, prepare, windows


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  Great   food\n\n", "Great food"),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("<p>Good</p><br/>bad", "Good bad"),
        ("a < b and c > d", "a < b and c > d"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("\ufeffbom", "bom"),
        ("line\x00with\x07control", "line with control"),
        ("cafe\u0301", "café"),
        ("Việt Nam", "Việt Nam"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("SOOO good!!!", "SOOO good!!!"),
    ],
)
def test_clean_takes_away_what_no_reader_sees(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_piled_marks_fall_and_ordinary_accents_stay() -> None:
    zalgo = "".join(letter + "\u0315\u0321\u0334\u035c\u0360" for letter in "terrible")
    assert clean(zalgo) == "terrible"
    assert clean("ก็ดีนะ") == "ก็ดีนะ"
    assert clean("अच्छी") == "अच्छी"


@given(st.text())
def test_clean_twice_is_clean_once(text: str) -> None:
    once = clean(text)
    if "&" not in once and "<" not in once:  # an entity may hide an entity: &amp;lt; is one step each time
        assert clean(once) == once
    assert unicodedata.normalize("NFC", once) == once


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "no text"),
        (3.5, "not a text but float"),
        ("", "empty"),
        (" \n\t\u200b", "empty"),
        ("...!?", "no words"),
        ("https://example.org/x @shop", "only links or handles"),
    ],
)
def test_what_cannot_be_judged_is_rejected_with_its_reason(raw: object, reason: str) -> None:
    with pytest.raises(TextRejected, match=reason):
        prepare(raw)


@pytest.mark.parametrize("text", ["👍", ":)", "))))", "ok", "10/10", "<3", "好"])
def test_the_shortest_feedback_is_still_feedback(text: str) -> None:
    assert prepare(text) == text


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("Great service " * 1000, "Great service Great service"),
        ("很好" * 50, "很好很好"),
        ("a" * 1_000_000, "aa"),
        ("good " * 5 + "but late", "good good good good good but late"),
        ("Very good. " * 6 + "The courier was late.", "Very good. Very good. The courier was late."),
    ],
)
def test_what_is_pasted_a_hundred_times_is_said_twice(text: str, once: str) -> None:
    assert prepare(text) == once


def test_a_text_that_repeats_a_phrase_in_passing_stays() -> None:
    text = "It was not good, it was not good at all, and the food, well, it was not good either, I am sorry to say"
    assert prepare(text) == text


def test_a_megabyte_is_condensed_and_keeps_both_ends() -> None:
    text = "beginning " + "middle " * 150_000 + "the end"
    cut = condense(text)
    assert len(cut) <= MAX_CHARACTERS
    assert cut.startswith("beginning")
    assert cut.endswith("the end")
    assert len(prepare(text)) <= MAX_CHARACTERS


@given(st.integers(0, 50_000), st.integers(8, 512))
def test_windows_cover_the_text_within_their_size(n: int, size: int) -> None:
    found = windows(n, size=size, limit=100_000)
    assert found[0][0] == 0
    assert found[-1][1] == n
    assert all(end - start <= size for start, end in found)
    assert all(left[1] >= right[0] for left, right in pairwise(found))


def test_windows_are_no_longer_than_they_must_be() -> None:
    assert windows(50, size=47) == [(0, 28), (22, 50)]
    assert windows(47, size=47) == [(0, 47)]


def test_windows_of_a_book_are_thinned_evenly() -> None:
    found = windows(1_000_000, size=64, limit=32)
    assert len(found) == 32
    assert found[0][0] == 0
    assert found[-1][1] == 1_000_000


def test_clauses_part_at_sentences_and_contrasts() -> None:
    text = "The food was great but the delivery was late. Цены низкие, но персонал груб! 味道好，但是太贵"
    found = [text[a:b].strip() for a, b in clauses(text)]
    assert found == [
        "The food was great",
        "but the delivery was late.",
        "Цены низкие,",
        "но персонал груб!",
        "味道好，",
        "但是太贵",
    ]


@pytest.mark.parametrize(
    ("text", "subjects", "found"),
    [
        ("Great staff, terrible prices", {"staff": "staff", "prices": "price"}, ["Great staff,", "terrible prices"]),
        ("Nice, polite, quick staff", {"polite": "staff", "staff": "staff"}, ["Nice, polite, quick staff"]),
        ("Tasty, hot pizza, on Monday, rude courier", {"pizza": "food", "courier": "delivery"}, None),
        ("Еда вкусная; курьер хам", {"Еда": "food", "курьер": "delivery"}, ["Еда вкусная;", "курьер хам"]),
        (
            "The box was lovely, nothing in it worked",
            {"box": "packaging"},
            ["The box was lovely,", "nothing in it worked"],
        ),
        ("Pizza and courier, both bad", {"Pizza": "food", "courier": "delivery"}, ["Pizza and courier, both bad"]),
    ],
)
def test_parts_are_cut_at_commas_between_subjects(text: str, subjects: dict[str, str], found: list[str] | None) -> None:
    spots = [(text.index(word), subject) for word, subject in subjects.items()]
    expected = found or ["Tasty, hot pizza, on Monday,", "rude courier"]
    assert [text[a:b].strip() for a, b in parts(text, spots)] == expected


def test_keys_are_equal_for_equal_texts_only() -> None:
    assert key("a") == key("a")
    assert key("a") != key("b")
