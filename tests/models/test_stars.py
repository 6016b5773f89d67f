"""Stars beside words: Bayes' rule, told on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from models.base import Judgement, TopicTag
from models.stars import TOPICS, WORDS, evidence, unweighed, weighed

shares = st.tuples(*[st.floats(0.01, 1.0)] * 3).map(lambda raw: tuple(round(x / sum(raw), 4) for x in raw))
ratings = st.floats(1.0, 5.0)


def said(p: tuple[float, float, float], *topics: TopicTag) -> Judgement:
    names = ("negative", "neutral", "positive")
    return Judgement("en", names[p.index(max(p))], *p, topics, "any@1")  # type: ignore[arg-type]


def test_without_stars_or_a_verdict_nothing_changes() -> None:
    doubtful = said((0.5, 0.1, 0.4))
    assert weighed(doubtful, None) is doubtful
    unread = Judgement(None, None, 0.0, 0.0, 0.0, (), "any@1", error="no words")
    assert weighed(unread, 5.0) is unread


def test_five_stars_turn_a_doubtful_verdict_and_not_a_certain_one() -> None:
    assert weighed(said((0.56, 0.1, 0.34)), 5.0).sentiment == "positive"
    assert weighed(said((0.98, 0.01, 0.01)), 5.0).sentiment == "negative"
    assert weighed(said((0.2, 0.2, 0.6)), 1.0).sentiment == "negative"


def test_a_topic_believes_the_stars_less_than_the_whole() -> None:
    waiting = TopicTag("waiting", 0.9, "negative", 0.7, 0.1, 0.2)
    bare = TopicTag("price", 0.9, "negative")
    judged = weighed(said((0.7, 0.1, 0.2), waiting, bare), 4.0)
    assert judged.sentiment == "positive"
    assert [(tag.topic, tag.sentiment) for tag in judged.topics] == [("waiting", "negative"), ("price", "negative")]
    assert judged.topics[0].p_negative is not None
    assert judged.p_negative < judged.topics[0].p_negative < 0.7
    assert judged.topics[1] is bare


@given(shares, ratings)
def test_the_rule_is_bayes_and_can_be_taken_back(words: tuple[float, float, float], rating: float) -> None:
    judged = weighed(said(words), rating)
    together = np.array((judged.p_negative, judged.p_neutral, judged.p_positive))
    expected = np.array(words) * np.exp(WORDS * evidence(rating))
    assert together == pytest.approx(expected / expected.sum(), abs=2e-4)
    if together.min() > 0.02:  # four digits are kept
        assert unweighed(together.tolist(), rating) == pytest.approx(words, abs=0.02)


@given(shares, ratings, ratings)
def test_more_stars_never_make_a_text_sadder(words: tuple[float, float, float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    sad, glad = weighed(said(words), low), weighed(said(words), high)
    assert sad.p_negative >= glad.p_negative - 2e-4
    assert TOPICS < WORDS < 1


def test_a_scorer_counts_stars_unless_told_otherwise() -> None:
    text = "Grinder setting was wrong on my bag of beans, they exchanged it without a receipt."
    scorer, plain = models.load(), models.load(stars=False)
    words, five, unknown = scorer.score([text] * 3, ratings=[None, 5.0, None])
    assert words == unknown
    assert five.p_positive > words.p_positive
    assert plain.score([text], ratings=[5.0])[0].p_positive == words.p_positive
    assert scorer.revision != plain.revision
    with pytest.raises(ValueError, match="1 ratings for 2 texts"):
        scorer.score([text, text], ratings=[5.0])
