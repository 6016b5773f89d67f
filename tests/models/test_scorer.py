from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import models
from models.backend import Outputs
from models.base import SENTIMENTS, Scorer
from models.errors import ModelError, WeightsMissing
from models.scorer import ModelScorer, load, stream
from models.tagging import TriggerWords
from models.taxonomy import TOPICS, lexicon

TEXTS = ["great food!", "доставка опоздала", "价格太高", "the staff were rude but the room was clean", "x"]


class Counting:
    """A backend that judges by the number of vowels, counts what it is asked, and breaks on one word."""

    name, revision, topics = "counting", "1", ("price",)
    thresholds = np.array([0.5], np.float32)
    at_once = 1

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.largest = 0
        self.turns: set[float] = set()  # of threads at the interpreter

    def predict(self, texts: Sequence[str]) -> Outputs:
        self.asked += texts
        self.turns.add(sys.getswitchinterval())
        self.largest = max(self.largest, len(texts))
        if any("kernel panic" in text for text in texts):
            raise RuntimeError("out of range")
        odd = np.array([sum(c in "aeiou" for c in text) % 2 for text in texts], np.float32)[:, None]
        sentiment = np.concatenate((0.7 * odd, np.full_like(odd, 0.3), 0.7 - 0.7 * odd), axis=1)
        price = np.array([[0.9 if "price" in text else 0.1] for text in texts], np.float32)
        return Outputs(sentiment, price, sentiment[:, None, :], np.ones((len(texts), 4), np.float32))


def test_judgements_are_whole_and_in_order(tiny: ModelScorer) -> None:
    found = tiny.score(TEXTS)
    assert isinstance(tiny, Scorer)
    assert len(found) == len(TEXTS)
    for judgement in found:
        p = (judgement.p_negative, judgement.p_neutral, judgement.p_positive)
        assert sum(p) == pytest.approx(1, abs=2e-4)
        assert judgement.sentiment == SENTIMENTS[int(np.argmax(p))]
        assert judgement.error is None
        assert judgement.model == f"{tiny.name}@{tiny.revision}"
        assert {tag.topic for tag in judgement.topics} <= set(TOPICS)
        assert [tag.p for tag in judgement.topics] == sorted((tag.p for tag in judgement.topics), reverse=True)
    assert found[1].language == "ru"
    assert found[2].language == "zh"


def test_order_and_company_do_not_matter(tiny_directory: Path) -> None:
    def p(scorer: ModelScorer, texts: list[str]) -> list[float]:
        return [judgement.p_negative for judgement in scorer.score(texts)]

    together = p(load(str(tiny_directory)), TEXTS)
    backwards = p(load(str(tiny_directory)), TEXTS[::-1])[::-1]
    alone = [p(load(str(tiny_directory)), [text])[0] for text in TEXTS]
    assert together == pytest.approx(backwards, abs=2e-4)
    assert together == pytest.approx(alone, abs=2e-4)


def test_spaces_invisible_characters_and_links_change_nothing_that_is_said(tiny: ModelScorer) -> None:
    plain, spaced, marked = tiny.score(["good food here", "  good\u200b   food\n here ", "<b>good</b> food here"])
    assert plain.p_positive == spaced.p_positive == marked.p_positive
    one, other = tiny.score(["good food https://a.example/1", "good food https://b.example/two?x=3"])
    assert one.p_positive == other.p_positive
    mine, yours = tiny.score(["@alpha good food", "@beta_shop good food"])
    assert mine.p_positive == yours.p_positive


def test_bad_texts_are_marked_and_the_others_judged(tiny: ModelScorer) -> None:
    rows: list[object] = ["good", None, "", 7, "\ud800", "https://example.org", "good"]
    found = tiny.score(rows)  # type: ignore[arg-type]  # what a broken file may hold
    assert [judgement.sentiment is None for judgement in found] == [False, True, True, True, True, True, False]
    assert [judgement.error for judgement in found[1:4]] == ["no text", "empty text", "not a text but int"]
    assert found[0] == found[6]


def test_a_text_that_breaks_the_model_stands_alone() -> None:
    backend = Counting()
    texts = [f"row {i}" for i in range(50)]
    texts[17] = "kernel panic now"
    found = ModelScorer(backend).score(texts)
    assert [i for i, judgement in enumerate(found) if judgement.error] == [17]
    assert found[17].error == "the model failed: RuntimeError: out of range"
    assert found[16].sentiment is not None


def test_side_by_side_texts_are_judged_as_alone_and_come_in_order() -> None:
    one, two = Counting(), Counting()
    two.at_once = 2
    texts = [f"{'a' * (i % 5)} row {i}" for i in range(300)]
    texts[17] = "kernel panic now"
    found = ModelScorer(two).score(texts)
    assert found == ModelScorer(one).score(texts)
    assert [i for i, judgement in enumerate(found) if judgement.error] == [17]
    assert one.largest == 300
    assert two.largest == 75
    assert one.turns == {sys.getswitchinterval()}
    assert max(two.turns) < sys.getswitchinterval()  # and they were set back


def test_duplicates_are_judged_once_within_a_call_and_between_calls() -> None:
    backend = Counting()
    scorer = ModelScorer(backend)
    found = scorer.score(["same", "other", "same", " same "])
    assert backend.asked == ["same", "other"]
    assert found[0] == found[2] == found[3]
    assert scorer.score(["same"]) == [found[0]]
    assert backend.asked == ["same", "other"]


def test_duplicates_are_judged_once_in_a_large_call_whose_parts_are_judged_side_by_side() -> None:
    backend = Counting()
    backend.at_once = 2
    found = ModelScorer(backend).score([f"row {i % 3}" for i in range(600)])
    assert sorted(backend.asked) == ["row 0", "row 1", "row 2"]
    assert found == found[:3] * 200


def test_progress_counts_every_row(tiny: ModelScorer) -> None:
    done: list[int] = []
    tiny.score([f"text {i % 7}" for i in range(2500)], progress=done.append)
    assert sum(done) == 2500
    assert len(done) > 1


def test_given_languages_are_kept_and_missing_ones_found(tiny: ModelScorer) -> None:
    found = tiny.score(["the food was good", "доставка опоздала на час"], languages=["xx", None])
    assert [judgement.language for judgement in found] == ["xx", "ru"]
    with pytest.raises(ValueError, match="1 languages for 2 texts"):
        tiny.score(["a", "b"], languages=["en"])


def test_a_stream_keeps_order_and_holds_one_chunk() -> None:
    backend = Counting()
    taken = 0

    def rows() -> Iterator[dict[str, str]]:
        nonlocal taken
        for i in range(20_000):
            taken += 1
            yield {"text": f"row number {i}"}

    ahead = 0
    for i, (row, judgement) in enumerate(stream(ModelScorer(backend), rows(), lambda row: row["text"])):
        assert row["text"] == f"row number {i}"
        assert judgement.sentiment is not None
        ahead = max(ahead, taken - i)
        if i == 0:
            assert taken <= 32, "the first answer waits for a small chunk only"
    assert ahead <= 1024
    assert backend.largest <= 1024


def test_a_stream_of_nothing_is_nothing(tiny: ModelScorer) -> None:
    assert list(stream(tiny, [], str)) == []


def test_odd_inputs_are_judged(tiny: ModelScorer) -> None:
    zalgo = "".join(letter + "\u0315\u0321\u0334\u035c" * 3 for letter in "terrible service")
    texts = ["😀", "😡😡😡", "нет", "a" * 5000, "вкусно good 好吃 جيد", zalgo, "good food " * 100_000, ":)"]
    for judgement in tiny.score(texts):
        assert judgement.error is None
        assert np.isfinite(judgement.p_negative)


def test_long_texts_hear_all_their_parts(tiny_directory: Path) -> None:
    """What stands far behind the first window still moves the judgement."""
    scorer = load(str(tiny_directory))
    front = "the price is high " * 30
    one, other = scorer.score([front + "great food, thanks", front + "rude courier, late delivery"])
    assert one.p_negative != other.p_negative


def test_embeddings_are_unit_vectors(tiny: ModelScorer) -> None:
    vectors = tiny.embed(["good food", "", "good food", "late delivery"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1, 1], abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[2])
    assert tiny.embed([]).shape == (0, vectors.shape[1])
    assert tiny.embed([""]).shape == (1, vectors.shape[1])


def test_highlighting_points_at_words(tiny: ModelScorer) -> None:
    text = "The delivery was late and the courier was rude"
    found = tiny.highlight(text)
    assert found
    assert all(text[span.start : span.end] in text.split() for span in found)
    assert [abs(span.weight) for span in found] == sorted((abs(span.weight) for span in found), reverse=True)
    assert tiny.highlight("") == []
    assert tiny.highlight(text, topic="delivery")
    with pytest.raises(ModelError, match="'colour' is not one of this model: delivery"):
        tiny.highlight(text, topic="colour")


def test_highlighting_finds_the_word_that_decides() -> None:
    found = ModelScorer(Counting()).highlight("zz xx price", topic="price")
    assert [(span.start, span.end) for span in found] == [(6, 11)]
    assert found[0].weight > 0


def test_a_long_text_is_highlighted_phrase_by_phrase(tiny: ModelScorer) -> None:
    text = "the delivery was late and the courier was rude " * 60
    found = tiny.highlight(text)
    assert all(0 <= span.start < span.end <= len(text) for span in found)
    assert len(found) <= 96


def test_trigger_words_stand_in_for_topic_heads() -> None:
    backend = Counting()
    scorer = ModelScorer(backend, tagger=TriggerWords(lexicon(), backend))
    (found,) = scorer.score(["The courier was late. Prices are fine"])
    assert {tag.topic for tag in found.topics} >= {"delivery", "price"}
    assert "The courier was late." in backend.asked, "each topic is judged by its own clause"
    assert "topics:lexicon" in found.model


def test_missing_weights_say_where_they_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "feedback_monitor"}')
    with pytest.raises(WeightsMissing, match=r"model\.safetensors, tokenizer\.json") as caught:
        models.load(str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_settings_that_mean_nothing_are_refused(tiny_directory: Path) -> None:
    with pytest.raises(ModelError, match="labels is set"):
        load(str(tiny_directory), labels={"a": "negative"})
    with pytest.raises(ModelError, match="topics is 'all'; allowed"):
        load(str(tiny_directory.parent / "nowhere"), topics="all", offline=True)
    with pytest.raises(ModelError, match="judges no sentiment"):
        load("lexicon")


def test_importing_is_light_and_scoring_needs_no_torch(tiny_directory: Path) -> None:
    """The package is imported by every command; the embedded model runs without torch and transformers."""
    code = (
        "import sys, models, models.base, models.taxonomy, models.scorer\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'scipy', 'onnxruntime', 'pyarrow', 'lingua'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"print(models.load({str(tiny_directory)!r}, device='cpu').score(['good food'])[0].sentiment)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    root = Path(models.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in SENTIMENTS
