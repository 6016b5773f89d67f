"""Phrases, quotes and drivers of a spike, on texts made up here and, where they are, on strangers' real ones."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.explain import confounders, drivers, lemma, phrases, quotes
from alerts.message import ConfounderKind, Driver, Quote
from alerts.stopwords import is_abusive

RUSSIAN_NOW = [
    "Курьер не приехал вовремя, суп холодный.",
    "Опять холодный суп! Курьеры не отвечают.",
    "Суп привезли холодным, курьер опоздал на два часа",
    "Холодный суп и хамство",
    "ждал курьера два часа",
    "Курьер не отвечал на звонки",
    "КУРЬЕР НЕ ОТВЕЧАЕТ, ЖДУ ДВА ЧАСА",
    "Кофе норм, но доставка ужас",
]
RUSSIAN_BEFORE = [
    "Кофе вкусный",
    "Очень вкусный кофе, спасибо",
    "Курьер вежливый",
    "Уютно, но дорого",
    "Долго ждали столик",
    "Дорого и невкусно",
    "Суп вкусный",
] * 5
ENGLISH_NOW = [
    "The app doesn't load after the update",
    "App crashes since the last update",
    "After the update my order was lost, the app crashed",
    "Couldn't log in after the update",
    "crashing again, the app crashes every time",
    "Login is broken, can't log in",
    "delivery was late",
]
ENGLISH_BEFORE = ["Great coffee", "Nice place but pricey", "the app is ok", "delivery was late", "too expensive"] * 7


def texts(found: object) -> list[str]:
    return [item.text for item in found]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "said", "told", "never"),
    [
        ("Кафе «Мира», ул. Лесная 5", ["На Мире снова холодно, Лесную не топят", "Холодно на Мира", "Лесная: холодно"],
         "холодно", ("мир", "лесн")),
        ("Harbour Street 8", ["Harbour Street is freezing", "freezing at Harbour Street's corner", "Freezing, Harbour"],
         "freezing", ("harbour", "street")),
    ],
)  # fmt: skip
def test_the_name_of_the_place_is_no_news(name: str, said: list[str], told: str, never: tuple[str, ...]) -> None:
    anonymous, named = texts(phrases(said, RUSSIAN_BEFORE)), texts(phrases(said, RUSSIAN_BEFORE, names=[name]))
    assert any(part in text.lower() for text in anonymous for part in never)
    assert told in named
    assert not any(part in text.lower() for text in named for part in never)


def test_russian_phrases_are_counted_by_lemma_and_shown_as_written() -> None:
    found = phrases(RUSSIAN_NOW, RUSSIAN_BEFORE)
    assert texts(found)[:3] == ["курьер не отвечал", "холодный суп", "два часа"]
    courier, soup, _ = found[:3]
    assert (courier.n, courier.n_before) == (3, 0)  # three forms of the verb, two numbers of the noun, one shout
    assert (soup.n, soup.n_before) == (4, 0)  # in either order, with a word between


def test_english_phrases() -> None:
    found = phrases(ENGLISH_NOW, ENGLISH_BEFORE)
    assert texts(found)[0] in ("app crashes", "update")
    assert {"app crashes", "update", "can't log"} <= set(texts(found))


def test_what_was_always_said_is_no_news() -> None:
    now = ["Дорого и невкусно", "Дорого", "холодный суп", "холодный суп", "снова холодный суп", "уютно", "столик занят"]
    found = texts(phrases(now, RUSSIAN_BEFORE))
    assert "холодный суп" in found and not any("дорого" in text for text in found)


def test_one_rant_is_one_voice() -> None:
    rant = "refund refund refund " * 50
    assert texts(phrases([rant, "late again", "late"], ["ok"] * 40)) == ["late"]


def test_negation_is_kept_with_what_it_negates() -> None:
    found = texts(phrases(["заказ не привезли", "не привезли заказ", "не привезли"], ["заказ привезли вовремя"] * 30))
    assert found[0] in ("не привезли", "заказ не привезли", "не привезли заказ")
    assert "привезли" not in found


def test_names_keep_their_capital_and_starts_of_sentences_do_not() -> None:
    now = ["Опять Арбат подвёл", "На Арбат не доставили", "Холодный кофе", "Холодный кофе", "на Арбат везли час"]
    found = texts(phrases(now, ["всё хорошо"] * 30))
    assert "Арбат" in " ".join(found) and "холодный кофе" in found


def test_addresses_and_handles_are_not_phrases() -> None:
    now = ["see https://spam.example/offer @shop #sale mail me@spam.example"] * 5
    assert not {"https", "spam", "shop", "sale"} & set(" ".join(texts(phrases(now, ["fine"] * 30))).split())


def test_without_a_past_the_most_frequent() -> None:
    assert texts(phrases(RUSSIAN_NOW))[:2] == ["курьер не отвечал", "холодный суп"]
    assert phrases([]) == [] and phrases([], RUSSIAN_BEFORE) == []
    assert phrases(["", "   ", "!!!", "12 34"]) == []


def test_scripts_without_blanks() -> None:
    assert phrases(["配送が遅い", "配送が遅すぎる", "本当に配送が"], ["おいしい"] * 30)[0].n >= 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=80), max_size=12), st.lists(st.text(max_size=80), max_size=12))
def test_any_text_is_survived_and_counts_are_true(now: list[str], before: list[str]) -> None:
    for phrase in phrases(now, before):
        assert 2 <= phrase.n <= len(now) and 0 <= phrase.n_before <= len(before)
        assert phrase.text.strip()
    chosen = quotes([Quote(text=text) for text in now])
    assert len(chosen) <= 3 and all(quote.text in now for quote in chosen)


@pytest.mark.parametrize(
    ("one", "two"),
    [("курьеры", "курьер"), ("холодным", "холодный"), ("всё", "все"), ("crashes", "crashed"), ("boxes", "box"),
     ("companies", "company"), ("don't", "can't")],
)  # fmt: skip
def test_forms_of_one_word(one: str, two: str) -> None:
    assert lemma(one) == lemma(two)


# quotes

STORY = [
    "Ждали заказ два часа, курьер не отвечал на звонки, суп приехал ледяной, деньги вернуть отказались.",
    "Ждали заказ два часа, курьер не отвечал на звонки, суп приехал ледяной, деньги вернуть отказались!!!",
    "Приложение показывает, что курьер рядом, а он стоит на месте уже сорок минут и трубку не берёт.",
    "ужас",
    "Да вы охренели, суки, где мой заказ, идиоты чёртовы, сколько можно ждать эту вашу доставку!",
    "Третий раз за неделю привозят не то, что заказывали, и каждый раз обещают разобраться.",
    "Привезли не тот заказ. " * 60,
    "Нормально, но бывало и лучше.",
]


def test_three_quotes_differ_and_tell() -> None:
    chosen = texts(quotes([Quote(text=text) for text in STORY]))
    assert len(chosen) == 3
    assert not (STORY[0] in chosen and STORY[1] in chosen)  # copies
    assert STORY[6] not in chosen  # the longest
    assert "ужас" not in chosen


def test_swearing_is_never_first() -> None:
    rude = [text for text in STORY if is_abusive(text)]
    assert rude == [STORY[4]]
    loud = [Quote(text=rude[0], rating=1), Quote(text="Долго, конечно, но терпимо.", rating=4)]
    assert texts(quotes(loud))[0] == loud[1].text
    assert texts(quotes(loud[:1])) == rude  # when there is nothing else, it is said


@pytest.mark.parametrize(
    "text", ["Хлебный суп", "страховка", "скипидар", "subscription", "class", "assessment", "Сукно"]
)
def test_innocent_words_are_not_abuse(text: str) -> None:
    assert not is_abusive(text)


@pytest.mark.parametrize("text", ["ну и суки", "What a fucking joke", "полная х@#ня, блядь", "Идиоты", "ЗАЕБАЛИ"])
def test_abuse_is_seen(text: str) -> None:
    assert is_abusive(text)


def test_weights_decide_between_readable_texts() -> None:
    said = ("The soup was cold again, sadly enough for us.", "Nobody brought our bill that evening, a shame indeed.")
    same = [Quote(text=text) for text in (*said, "A waiter spilled tea over my daughter and walked away.")]
    assert texts(quotes(same, k=1, weights=[0.1, 0.95, 0.5])) == [same[1].text]


def test_vectors_keep_the_quotes_apart() -> None:
    same = [
        Quote(text=text)
        for text in ("cold soup arrived at our door", "the meal came chilled and late", "rude waiter at the bar")
    ]
    vectors = [[1.0, 0.0], [0.99, 0.14], [0.0, 1.0]]
    chosen = texts(quotes(same, k=2, weights=[0.9, 0.85, 0.8], vectors=vectors))
    assert chosen == [same[0].text, same[2].text]


def test_few_or_none() -> None:
    assert quotes([]) == []
    assert quotes([Quote(text="!!!"), Quote(text="")]) == []
    assert texts(quotes([Quote(text="Cold soup")])) == ["Cold soup"]


# drivers and confounders


def test_drivers_come_by_excess_and_little_ones_stay_away() -> None:
    parts = [
        Driver("source", "App Store", 11, 1.6),
        Driver("source", "Telegram", 3, 2.9),
        Driver("location", "Arbat", 14, 2.0),
        Driver("topic", "delivery", 12, 3.0),
        *[Driver("topic", f"t{n}", 4.0, 1.0) for n in range(5)],
    ]
    found = drivers(parts)
    assert [part.name for part in found[:3]] == ["Arbat", "App Store", "delivery"]
    assert sum(part.dimension == "topic" for part in found) == 3
    assert "Telegram" not in [part.name for part in found]
    assert drivers([]) == [] and drivers([Driver("source", "a", 1, 5)]) == []


def test_confounders_that_matter() -> None:
    assert confounders(coverage=1.0, history_days=200, volume_ratio=1.1) == []
    found = confounders(
        holidays=["Easter", "Easter"],
        coverage=0.8,
        history_days=12,
        volume_ratio=2.5,
        n_late=3,
        n_backfilled=40,
        model="m2",
    )
    assert [item.kind for item in found] == [
        ConfounderKind.GAP,
        ConfounderKind.SHORT_HISTORY,
        ConfounderKind.CAMPAIGN,
        ConfounderKind.HOLIDAY,
        ConfounderKind.BACKFILL,
        ConfounderKind.LATE,
        ConfounderKind.MODEL,
    ]
    assert found[0].value == 0.8 and found[3].name == "Easter"


def test_real_incidents_name_themselves(shared: Path) -> None:
    """The documented incidents of a real timeline: the phrases and quotes speak of what the documentation says."""
    folder = shared / "data" / "replay"
    with gzip.open(folder / "ru_telecom_2014.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "negative"]
    incidents = json.loads((folder / "ru_telecom_2014.incidents.json").read_text(encoding="utf-8"))["incidents"]
    expected = {"Крыму": "Крым", "тарифы подорожали": "тариф", "сбой сети": "сбой"}
    for words, stem in expected.items():
        incident = next(found for found in incidents if words in found["topic"])
        mine = [row for row in rows if row["brand"] == incident["brand"]]
        now = [row["text"] for row in mine if incident["start"] <= row["published_at"] <= incident["end"]][-300:]
        before = [row["text"] for row in mine if row["published_at"] < incident["start"]][-1000:]
        found = phrases(now, before)
        assert stem.lower() in " ".join(texts(found)).lower()
        assert any(stem.lower() in text.lower() for text in texts(quotes([Quote(text=t) for t in now], phrases=found)))
