from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.backend import Outputs, Voice, softmax
from models.embedded import DIRECTORY, Embedded
from models.errors import ModelError
from models.scorer import ModelScorer
from models.tagging import OwnHeads
from models.training.licences import EXCLUDED
from models.training.written import DIRECTORY as WRITTEN
from models.training.written import held_back, read
from models.triggers import Triggers, development, fit

PRICE = Triggers("1", ("price", "staff"), (1.0, 1.0), (0.0, 0.0), (4.0, 4.0), (-1.0, -1.0), (0.5, 0.5))


class Deaf:
    """Hears no topic clearly; a text with "rude" is negative, any other positive."""

    name, revision, topics = "deaf", "1", ("price", "staff")
    thresholds = np.array([0.5, 0.5], np.float32)
    at_once = 1

    def predict(self, texts: Sequence[str]) -> Outputs:
        rude = np.array(["rude" in text for text in texts])[:, None]
        sentiment = np.where(rude, [[0.8, 0.1, 0.1]], [[0.1, 0.1, 0.8]]).astype(np.float32)
        topics = np.full((len(texts), 2), 0.3, np.float32)
        return Outputs(
            sentiment, topics, np.repeat(sentiment[:, None], 2, axis=1), np.ones((len(texts), 2), np.float32)
        )


def test_a_trigger_word_makes_a_topic_audible() -> None:
    scorer = ModelScorer(Deaf(), tagger=OwnHeads(Deaf(), PRICE))
    said, silent, foreign = scorer.score(
        ["the price is fine", "nothing", "verðið er gott"], languages=["en", "en", "is"]
    )
    assert [tag.topic for tag in said.topics] == ["price"]
    assert said.topics[0].p == pytest.approx(1 / (1 + np.exp(-(np.log(0.3 / 0.7) + 4))), abs=1e-3)
    assert silent.topics == ()
    assert foreign.topics == (), "a language without terms is left to the network"
    assert PRICE.revision in said.model


def test_each_topic_is_judged_by_its_own_clause() -> None:
    scorer = ModelScorer(Deaf(), tagger=OwnHeads(Deaf(), PRICE))
    (found,) = scorer.score(["The price is fine. The waiter was rude"], languages=["en"])
    assert {tag.topic: tag.sentiment for tag in found.topics} == {"price": "positive", "staff": "negative"}
    assert found.sentiment == "negative"


class Reader(Deaf):
    """Counts "sort of" as an open question and anything else as sure; what it reads of a clause is kept."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def predict(self, texts: Sequence[str]) -> Outputs:
        return self.joined(self.read(texts), self.count(texts))

    def read(self, texts: Sequence[str]) -> Voice:
        self.seen += texts
        return self._voice(texts, [0.0 if "sort of" in text else 1.0 for text in texts])

    def count(self, texts: Sequence[str]) -> Voice:
        return self._voice(texts, [0.0 if "sort of" in text else 4.0 for text in texts])

    def joined(self, read: Voice, counted: Voice) -> Outputs:
        both = [one + other for one, other in zip(read.logits, counted.logits, strict=True)]
        return Outputs(
            softmax(both[0]), np.full((len(both[0]), 2), 0.3, np.float32), softmax(both[2]), read.vector, read
        )

    def _voice(self, texts: Sequence[str], loud: Sequence[float]) -> Voice:
        signs = np.array([-1.0 if "rude" in text else 1.0 for text in texts]) * loud
        sentiment = (signs[:, None] * [-1.0, 0.0, 1.0]).astype(np.float32)
        topical = np.repeat(sentiment[:, None], 2, axis=1)
        return Voice(sentiment, topical[:, :, 0].copy(), topical, np.ones((len(texts), 2), np.float32))


def test_a_clause_is_read_where_its_ngrams_leave_the_topic_open() -> None:
    backend = Reader()
    text = "The price is fine. The staff were sort of there"
    (found,) = ModelScorer(backend, tagger=OwnHeads(backend, PRICE)).score([text], languages=["en"])
    assert {tag.topic for tag in found.topics} == {"price", "staff"}
    assert backend.seen[0] == text
    assert backend.seen[1:] == ["The staff were sort of there"]
    backend = Reader()
    sure = "The price is fine. The waiter was rude"
    (found,) = ModelScorer(backend, tagger=OwnHeads(backend, PRICE)).score([sure], languages=["en"])
    assert {tag.topic: tag.sentiment for tag in found.topics} == {"price": "positive", "staff": "negative"}
    assert backend.seen == [sure], "no clause was read"


def test_fitting_recovers_what_words_are_worth() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    z = rng.normal(size=(n, 2)).astype(np.float32) * 1.5
    hits, known = rng.random((n, 2)) < 0.4, rng.random(n) < 0.8
    hits &= known[:, None]
    logits = z.copy()
    logits[:, 0] += np.where(hits[:, 0], 3.0, -1.0) * known
    truth = rng.random((n, 2)) < 1 / (1 + np.exp(-logits))
    truth[:, 1] &= np.arange(n) < 20  # too few cases for shifts of its own
    p = (1 / (1 + np.exp(-z))).astype(np.float32)
    fitted = fit("7", ("price", "staff"), p, hits, known, truth, np.ones((n, 2), bool))
    assert fitted.slope[0] == pytest.approx(1, abs=0.15)
    assert fitted.hit[0] == pytest.approx(3, abs=0.3)
    assert fitted.miss[0] == pytest.approx(-1, abs=0.3)
    assert (fitted.slope[1], fitted.hit[1], fitted.thresholds[1]) == (1.0, fitted.hit[0], 0.5)


def test_shifts_are_fitted_on_what_may_ship_and_was_held_back(tmp_path: Path) -> None:
    rows = [("mine", "csrest_m", "dev"), ("not mine", next(iter(EXCLUDED)), "dev"), ("learnt", "csrest_m", "train")]
    columns = {
        "text": [text for text, _, _ in rows],
        "source": [source for _, source, _ in rows],
        "split": [split for _, _, split in rows],
        "topics": [["price"]] * 3,
        "labelled_for": [["price", "staff"]] * 3,
    }
    pq.write_table(pa.table(columns), tmp_path / "en.parquet")
    found = development(tmp_path)
    known = {"text": "mine", "topics": ["price"], "labelled_for": ["price", "staff"]}
    assert found[0] == {**known, "language": "en", "times": 1}
    assert {"not mine", "learnt"}.isdisjoint(row["text"] for row in found)
    assert len(found) > 3000
    own = {row.text for row in held_back(read(WRITTEN / "ru.yaml"))}
    assert all(row["text"] in own for row in found if row["language"] == "ru")
    bare = [row for row in found if not row["topics"]]
    assert len(bare) > 1000
    assert "general" not in bare[0]["labelled_for"]


def test_shipped_shifts_belong_to_the_shipped_weights() -> None:
    """After new weights: python -m models.triggers models/weights/base <topic data>."""
    shipped = Triggers.read(DIRECTORY)
    backend = Embedded()
    assert shipped is not None
    assert shipped.model == backend.revision
    assert shipped.topics == backend.topics


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    assert Triggers.read(tmp_path) is None
    (tmp_path / "triggers.json").write_text('{"model": "1"}')
    with pytest.raises(ModelError, match=r"triggers\.json is broken"):
        Triggers.read(tmp_path)


def test_revision_follows_the_numbers() -> None:
    assert PRICE.revision == replace(PRICE).revision
    assert PRICE.revision != replace(PRICE, hit=(4.0, 3.9)).revision
    assert asdict(PRICE)["model"] == "1"
