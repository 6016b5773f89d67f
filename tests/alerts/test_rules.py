"""Fixed rules fire exactly when their sentence is true."""

from __future__ import annotations

import datetime as dt

import pytest

from alerts.errors import BadRule
from alerts.rules import Fact, FewerThan, MeanRatingBelow, MoreThan, Silent, Words, check
from alerts.series import SeriesKey
from tests.alerts.counts import MONDAY

CAFE = SeriesKey("cafe")
RIGA = SeriesKey("cafe", location="Riga")
NOW = MONDAY + dt.timedelta(days=3)


def fact(
    hours: float, *, rating: float | None = None, text: str = "", key: SeriesKey = RIGA, negative: bool = False
) -> Fact:
    return Fact(NOW - dt.timedelta(hours=hours), key, f"m{hours:g}", text, rating, negative)


def test_more_than_five_one_star_reviews_in_a_day() -> None:
    rule = MoreThan("one star", CAFE, hours=24, count=5, rating_at_most=1)
    five = [fact(h, rating=1) for h in range(5)]
    others = [fact(1.5, rating=2), fact(25, rating=1), fact(3.5), fact(2, rating=1, key=SeriesKey("rival"))]
    assert check([rule], five + others, now=NOW) == []
    (hit,) = check([rule], [*five, fact(23.9, rating=1), *others], now=NOW)
    assert (hit.rule, hit.kind, hit.observed, hit.limit) == ("one star", "MoreThan", 6, 5)
    assert hit.mention_ids[0] == "m0" and len(hit.mention_ids) == 6
    assert hit.since == NOW - dt.timedelta(hours=24)


def test_what_comes_later_is_not_looked_at() -> None:
    rule = MoreThan("any", CAFE, count=0)
    assert check([rule], [fact(-1)], now=NOW) == []
    assert check([rule], [fact(0)], now=NOW)


def test_more_than_n_negatives_at_one_place() -> None:
    rule = MoreThan("riga", RIGA, count=1, negative_only=True)
    facts = [fact(1, negative=True), fact(2, negative=True, key=CAFE), fact(3)]
    assert check([rule], facts, now=NOW) == []
    assert check([rule], [*facts, fact(4, negative=True)], now=NOW)


@pytest.mark.parametrize(
    ("words", "text", "hit"),
    [
        (("отрав*",), "Отравились вчера в Риге!", "отравились"),
        (("отрав*",), "неотравленный", None),
        (("пожар",), "Был ПОЖАР", "пожар"),
        (("пожар",), "пожарная тревога", None),
        (("ёж",), "еж в салате", "еж"),
        (("food poisoning",), "got Food   poisoning here", "food   poisoning"),
        (("ill",), "still fine", None),
        (("c++",), "c++ course", "c++"),
    ],
)
def test_words_are_whole_words(words: tuple[str, ...], text: str, hit: str | None) -> None:
    hits = check([Words("safety", CAFE, words=words, severity="critical")], [fact(1, text=text)], now=NOW)
    assert [h.words for h in hits] == ([] if hit is None else [(hit,)])
    assert all(h.severity == "critical" for h in hits)


def test_words_need_enough_mentions() -> None:
    rule = Words("queue", CAFE, words=("queue",), at_least=2, negative_only=True)
    one = [fact(1, text="the queue", negative=True), fact(2, text="no queue at all")]
    assert check([rule], one, now=NOW) == []
    assert check([rule], [*one, fact(3, text="Queue again", negative=True)], now=NOW)[0].observed == 2


def test_mean_rating_below() -> None:
    rule = MeanRatingBelow("low", CAFE, hours=48, rating=3.0, min_ratings=4)
    low = [fact(h, rating=r) for h, r in enumerate((1, 2, 3, 5))]
    assert check([rule], [*low[:3], fact(9)], now=NOW) == []
    (hit,) = check([rule], low, now=NOW)
    assert hit.observed == 2.75
    assert check([rule], [*low, fact(9, rating=5)], now=NOW) == []


def test_silence_and_too_few() -> None:
    silent, few = Silent("feed", RIGA, hours=12), FewerThan("launch", CAFE, hours=24, count=3)
    assert [hit.rule for hit in check([silent, few], [fact(13), fact(20)], now=NOW)] == ["feed", "launch"]
    assert check([silent, few], [fact(1), fact(13), fact(20)], now=NOW) == []


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: MoreThan("", CAFE), "name"),
        (lambda: MoreThan("x", CAFE, hours=0), "hours"),
        (lambda: MoreThan("x", CAFE, severity="loud"), "severity"),
        (lambda: MoreThan("x", CAFE, rating_at_most=9), "rating_at_most"),
        (lambda: MoreThan("x", CAFE, count=-1), "count"),
        (lambda: Words("x", CAFE, words=()), "words"),
        (lambda: Words("x", CAFE, words=("*",)), "words"),
        (lambda: Words("x", CAFE, words=("a",), at_least=0), "at_least"),
        (lambda: MeanRatingBelow("x", CAFE, rating=0), "rating"),
        (lambda: MeanRatingBelow("x", CAFE, min_ratings=0), "min_ratings"),
    ],
)
def test_bad_rules_name_what_is_wrong(make, named: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadRule, match=named):
        make()
