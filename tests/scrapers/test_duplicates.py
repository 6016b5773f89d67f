# ruff: noqa: E501  (tables of texts)
"""Copies and near-copies of texts, and texts that only sound alike."""

from __future__ import annotations

import random

import pytest

from scrapers import duplicates

TEXT = "Заказывали пиццу на дом, обещали привезти за час, везли почти три, курьер нагрубил и даже не извинился. Больше никогда не закажу здесь."


def test_reposts_differ_in_nothing_that_counts() -> None:
    again = "  @shop " + TEXT.upper().replace(",", " —") + " 😡😡 https://t.me/x/1 #пицца"
    assert duplicates.normalised_hash(TEXT) == duplicates.normalised_hash(again)
    assert duplicates.similarity(duplicates.signature(TEXT), duplicates.signature(again)) == 1.0


def test_emoji_alone_are_told_apart() -> None:
    assert duplicates.normalised_hash("😡") != duplicates.normalised_hash("😍")


def test_small_changes_are_near_and_other_complaints_are_not() -> None:
    near = TEXT + " Обидно."
    other = "Заказывали роллы на работу, привезли быстро, курьер вежливый, всё тёплое и вкусное. Обязательно закажу ещё раз всей семьёй и друзьям."
    mine = duplicates.signature(TEXT)
    assert duplicates.similarity(mine, duplicates.signature(near)) >= duplicates.THRESHOLD
    assert duplicates.similarity(mine, duplicates.signature(other)) < 0.2
    assert set(duplicates.bands(mine)) & set(duplicates.bands(duplicates.signature(near)))


def test_short_texts_have_no_signature() -> None:
    assert duplicates.signature("Всё отлично, спасибо!") is None
    assert duplicates.bands(None) == ()
    assert duplicates.to_bytes(None) is None
    assert duplicates.from_bytes(None) is None
    assert duplicates.similarity(None, duplicates.signature(TEXT)) == 0.0


def test_scripts_without_spaces() -> None:
    one = "昨天在这家店点了外卖，等了两个小时才送到，饭菜都凉了，骑手态度也很差，以后不会再点了。"
    assert duplicates.similarity(duplicates.signature(one), duplicates.signature(one.replace("两", "三"))) > 0.6


def test_a_signature_is_the_same_on_every_machine() -> None:
    mine = duplicates.signature(TEXT)
    raw = duplicates.to_bytes(mine)
    assert raw is not None and len(raw) == 512
    assert duplicates.similarity(mine, duplicates.from_bytes(raw)) == 1.0
    assert duplicates.bands(duplicates.from_bytes(raw)) == duplicates.bands(mine)
    assert raw[:8].hex() == "9bdf0d0c5a86b503"
    assert duplicates.bands(mine)[0] == -7875553987815441890
    with pytest.raises(ValueError, match="512 bytes, not 5"):
        duplicates.from_bytes(b"wrong")


def test_the_estimate_is_near_the_true_similarity() -> None:
    rng = random.Random(7)
    errors = []
    for _ in range(30):
        words = [f"word{rng.randrange(10_000)}" for _ in range(120)]
        changed = list(words)
        for place in rng.sample(range(120), rng.randrange(1, 20)):
            changed[place] = f"other{place}"
        a = {tuple(words[n : n + 3]) for n in range(118)}
        b = {tuple(changed[n : n + 3]) for n in range(118)}
        true = len(a & b) / len(a | b)
        errors.append(
            duplicates.similarity(duplicates.signature(" ".join(words)), duplicates.signature(" ".join(changed))) - true
        )
    assert max(map(abs, errors)) < 0.15
    assert abs(sum(errors) / len(errors)) < 0.03


def test_an_index_is_rebuilt_from_stored_signatures_one_by_one() -> None:
    index = duplicates.Index()
    index.add("a", TEXT)
    index.add("a", "another text under the same key changes nothing at all, whatever it says here and there")
    index.add_signature("b", duplicates.from_bytes(duplicates.to_bytes(duplicates.signature(TEXT + " Обидно."))))
    index.add_signature("none", None)
    index.add("short", "Ок")
    found = index.near(TEXT)
    assert [key for key, _ in found] == ["a", "b"]
    assert found[0][1] == 1.0
    assert index.near("ок!") == [("short", 1.0)]
    assert (
        index.near("совсем другой текст о том, как мы ходили в лес за грибами и нашли там только одну сыроежку") == []
    )
    assert len(index) == 2


def test_near_copies_among_many_are_found() -> None:
    rng = random.Random(11)
    vocabulary = [f"слово{n}" for n in range(500)]
    texts = {n: " ".join(rng.choices(vocabulary, k=25)) for n in range(400)}
    index = duplicates.Index()
    for key, text in texts.items():
        index.add(key, text)
    missed = sum(key not in dict(index.near(text + " конец")) for key, text in texts.items())
    strange = sum(len(index.near(text)) != 1 for text in texts.values())
    assert missed <= 4
    assert strange == 0
