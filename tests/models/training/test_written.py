"""Texts written for this project: files that are right, rows that say what they should, a share held back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import TrainingError
from models.labels import TOPICS
from models.training.config import TrainConfig
from models.training.data import DEV, TRAIN, read
from models.training.pack import LEXICON
from models.training.weak import add_weak_topics, load_lexicon
from models.training.written import DIRECTORY, Row, Written, count, read_all, rows_of
from models.training.written import read as read_file

GENERAL = 1 << TOPICS.index("general")
FILE = """
language: en
and: [" and "]
but: [", but "]
words: {negative: ["awful"], neutral: ["monday", "table"], positive: ["lovely"]}
verdicts: {negative: ["never again"], neutral: ["it was as usual"], positive: ["would come again"]}
topics:
  food: {negative: ["the soup was cold"], neutral: ["we had soup"], positive: ["the soup was great"]}
  staff: {negative: ["the waiter was rude"], neutral: ["a waiter came"], positive: ["the waiter was kind"]}
posts: {negative: ["a day to forget"], neutral: ["the bus leaves at nine"], positive: ["best day ever"]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "en.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_rows_carry_what_their_pieces_say(file: Path) -> None:
    written = read_file(file)
    rows = rows_of(written, seed=1, joined=30)
    assert rows == rows_of(written, seed=1, joined=30)
    assert rows != rows_of(written, seed=2, joined=30)
    both = [row for row in rows if row.topics is not None and set(row.topics) == {"food", "staff"}]
    assert both
    for row in both:
        assert row.topics is not None
        expected = row.topics["food"] if row.topics["food"] == row.topics["staff"] else None
        assert row.sentiment == expected
        assert "but" in row.text.lower() or row.topics["food"] == row.topics["staff"]
    assert any(row.sentiment is None for row in both), "opposite clauses have no sentiment of the whole"
    assert all(row.topics is None for row in rows if "monday" in row.text.lower())


def test_a_sentence_about_several_topics_keeps_what_it_says_of_each(file: Path) -> None:
    """Opposite sentiments say nothing of the whole; equal ones do."""
    texts = [f"good soup, rude waiter {i}" for i in range(40)]
    groups = {"food- staff-": ["cold soup and a rude waiter"], "food+ staff-": texts}
    file.write_text(FILE + f"mixed: {groups}\n", encoding="utf-8")
    written = read_file(file)
    assert count([written])["en"] == count([read_file(_without_mixed(file))])["en"] + 41
    rows = rows_of(written, seed=1)
    held = [row for row in rows if row.is_dev and row.text in texts]
    assert 0 < len(held) < 20
    assert all(row == Row(row.text, None, {"food": 2, "staff": 0}, is_dev=True) for row in held)
    learnt = [row for row in rows if not row.is_dev and row.topics == {"food": 2, "staff": 0} and row.sentiment is None]
    assert len(learnt) >= 20
    assert {row.text for row in held}.isdisjoint(row.text for row in rows if not row.is_dev)
    assert {row.sentiment for row in rows if row.text.lower().startswith("cold soup")} == {0}


def test_a_text_may_have_a_verdict_of_its_own_and_no_topic(file: Path) -> None:
    groups = {"food+ staff- whole-": ["good soup. rude waiter. never again."], "whole=": ["are you open on monday?"]}
    file.write_text(FILE + f"mixed: {groups}\n", encoding="utf-8")
    rows = [(row.sentiment, row.topics) for row in rows_of(read_file(file), seed=1)]
    assert (0, {"food": 2, "staff": 0}) in rows
    assert (1, {}) in rows


def _without_mixed(file: Path) -> Path:
    folder = file.parent / "plain"
    folder.mkdir()
    (folder / file.name).write_text(FILE, encoding="utf-8")
    return folder / file.name


@pytest.fixture(scope="module")
def of_the_project() -> list[Written]:
    """The files of all languages."""
    return list(read_all())


def test_what_is_held_back_is_in_no_training_row(of_the_project: list[Written]) -> None:
    for written in of_the_project:
        rows = rows_of(written, seed=20)
        held = {row.text for row in rows if row.is_dev}
        learnt = {row.text for row in rows if not row.is_dev}
        assert held, written.language
        assert held.isdisjoint(learnt)
        assert 0.02 < len(held) / sum(count([written]).values()) < 0.15


def test_every_file_of_the_project_is_right(of_the_project: list[Written]) -> None:
    assert len(of_the_project) == len(list(DIRECTORY.glob("*.yaml"))) > 0
    for written in of_the_project:
        assert all(len(group) >= 20 for group in (written.words[0], written.words[2])), written.language
        assert all(sum(map(len, kind)) >= 20 for kind in (written.verdicts, written.posts)), written.language
        assert len(written.topics) >= 5, written.language
        texts = [*sum(written.verdicts, ()), *sum(written.posts, ())]
        assert all(text.strip() for text in texts), written.language
        assert written.joins_and, written.language
        assert written.joins_but, written.language


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("language: en", "language: de", "says 'en'"),
        ("  food:", "  foods:", r"topics\.foods is unknown"),
        ('and: [" and "]', "and: [1]", "and: a list of texts"),
        ("posts:", "post:", "needs exactly the keys"),
        ('neutral: ["monday"', 'indifferent: ["monday"', "words: lists under negative, neutral, positive"),
        ("language: en", "language: [", "not YAML"),
        ("posts:", "mixed: []\nposts:", "mixed: a table of groups"),
        ("posts:", "mixed: {food+ food-: [one]}\nposts:", r"mixed\.food\+ food-: topics .* each once"),
        ("posts:", "mixed: {food+ staff: [one]}\nposts:", r"with -, = or \+"),
        ("posts:", "mixed: {food+ staff-: [one], food- staff+: [one]}\nposts:", "'one' is also in another group"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(file: Path, old: str, new: str, message: str) -> None:
    assert old in FILE
    file.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TrainingError, match=message) as caught:
        read_file(file)
    assert "en.yaml" in str(caught.value)


def test_a_run_sees_them_as_a_source_of_their_own(data: Path) -> None:
    corpus = read(TrainConfig(data=data))
    own = corpus.is_written()
    assert own.any()
    assert not read(TrainConfig(data=data, written=False)).is_written().any()
    assert {corpus.sources[index] for index in set(corpus.source[own].tolist())} == {
        "sentiment/written",
        "topics/written",
    }
    assert (corpus.split[own] == DEV).any()
    assert (corpus.split[own] == TRAIN).any()
    topical = own & corpus.is_topic
    assert (corpus.labelled[topical] == (1 << len(TOPICS)) - 1).all()
    assert 0.8 < (corpus.topics[topical] > 0).mean() < 1, "some are about no topic"
    # a verdict in general lacks every topic but `general`, which it may be; nothing is known of posts and words
    assert set(corpus.labelled[own & ~corpus.is_topic].tolist()) == {0, (1 << len(TOPICS)) - 1 - GENERAL}


def test_verdicts_in_general_teach_that_there_is_no_topic(file: Path, tiny: TrainConfig) -> None:
    """Unless a trigger of the topic occurs: "worth the price" may be about the price."""
    texts = ["never again", "not worth the price, never again"]
    file.write_text(FILE.replace('["never again"]', str(texts)), encoding="utf-8")
    rows = [row for row in rows_of(read_file(file), seed=1) if row.is_bare]
    assert {row.text.rstrip(".!").lower() for row in rows} >= {"never again"}
    assert all(row.topics is None for row in rows)
    corpus = read(tiny)
    at = np.flatnonzero((corpus.split == TRAIN) & ~corpus.is_topic & (corpus.language == corpus.languages.index("en")))
    for row, text in zip(at[:2], texts, strict=True):
        corpus.texts[row], corpus.labelled[row] = text, (1 << len(TOPICS)) - 1 - GENERAL
    add_weak_topics(corpus, load_lexicon(LEXICON))
    price = 1 << TOPICS.index("price")
    assert corpus.weak[at].all()
    assert corpus.labelled[at[0]] == (1 << len(TOPICS)) - 1 - GENERAL
    assert corpus.labelled[at[1]] == corpus.labelled[at[0]] - price
    assert (corpus.topics[at[:2]] == 0).all()
