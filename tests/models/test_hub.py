from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import LabelsUnknown, WeightsMissing
from models.hub import HubClassifier, label_matrix
from models.scorer import load
from models.zero_shot import ZeroShot

MakeCheckpoint = Callable[[Path, dict[int, str]], Path]
TEXTS = ["good food and nice staff", "the delivery was late and rude", "доставка опоздала", "вкусно"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["negative", "neutral", "positive"], [0, 1, 2]),
        (["POS", "NEG", "NEU"], [2, 0, 1]),
        (["NEGATIVE", "POSITIVE"], [0, 2]),
        (["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], [0, 0, 1, 2, 2]),
        (["Very Negative", "Negative", "Neutral", "Positive", "Very Positive"], [0, 0, 1, 2, 2]),
    ],
)
def test_telling_labels_are_understood(labels: list[str], expected: list[int]) -> None:
    matrix = label_matrix(dict(enumerate(labels)), None, name="m")
    assert matrix.argmax(axis=1).tolist() == expected
    assert matrix.sum(axis=1).tolist() == [1] * len(labels)


def test_labels_that_say_nothing_are_never_guessed() -> None:
    silent = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    with pytest.raises(LabelsUnknown, match=r'labels = \{ "LABEL_0" = "\.\.\."') as caught:
        label_matrix(silent, None, name="some/model")
    assert "some/model" in str(caught.value)
    mapped = label_matrix(silent, {"LABEL_0": "positive", "label_1": "neutral", "LABEL_2": "negative"}, name="m")
    assert mapped.argmax(axis=1).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"LABEL_0": "bad", "LABEL_1": "positive"}, "mapped to 'bad'; allowed: negative"),
        ({"LABEL_7": "negative"}, "has no label label 7; its labels: LABEL_0"),
        ({"LABEL_0": "negative"}, "cannot guess the sentiment of its labels LABEL_1"),
        ({"LABEL_0": "negative", "LABEL_1": "negative"}, "mean one sentiment"),
    ],
)
def test_a_wrong_mapping_is_named(labels: dict[str, str], message: str) -> None:
    with pytest.raises(LabelsUnknown, match=message):
        label_matrix({0: "LABEL_0", 1: "LABEL_1"}, labels, name="m")


def test_a_checkpoint_of_transformers_judges_as_transformers_does(checkpoint: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    network = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    ours = HubClassifier(str(checkpoint)).predict(TEXTS).sentiment
    with torch.inference_mode():
        for text, row in zip(TEXTS, ours, strict=True):
            theirs = network(**tokenizer(text, return_tensors="pt")).logits.softmax(dim=1)[0].numpy()
            np.testing.assert_allclose(row, theirs, atol=0.02)  # half precision
            assert row.argmax() == theirs.argmax()


def test_long_texts_go_through_in_windows(checkpoint: Path) -> None:
    backend = HubClassifier(str(checkpoint))
    outputs = backend.predict(["the delivery was late and rude " * 40, "good"])
    assert outputs.sentiment.shape == (2, 3)
    assert outputs.sentiment.sum(axis=1) == pytest.approx([1, 1], abs=1e-2)
    assert outputs.pooled.shape == (2, 32)


def test_the_whole_scorer_over_a_checkpoint(checkpoint: Path) -> None:
    scorer = load(str(checkpoint), topics="lexicon", offline=True)
    good, none, late = scorer.score(["good food", "", "the courier was late"])
    assert good.sentiment is not None
    assert none.error == "empty text"
    assert {tag.topic for tag in late.topics} >= {"delivery"}
    assert len(scorer.revision.split("+")[0]) == 12, "a hash of the weights pins the revision"
    assert scorer.embed(["good food"]).shape == (1, 32)


def test_silent_labels_stop_loading_and_a_mapping_helps(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint(tmp_path, {0: "LABEL_0", 1: "LABEL_1"})
    with pytest.raises(LabelsUnknown, match="LABEL_0, LABEL_1"):
        load(str(directory), topics="lexicon")
    scorer = load(str(directory), labels={"LABEL_0": "negative", "LABEL_1": "positive"}, topics="lexicon")
    (judgement,) = scorer.score(["good food"])
    assert judgement.p_neutral == 0
    assert judgement.sentiment in ("negative", "positive")


def test_only_safetensors_are_read(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    import torch

    directory = make_checkpoint(tmp_path, {0: "negative", 1: "positive"})
    from safetensors.torch import load_file

    torch.save(load_file(directory / "model.safetensors"), directory / "pytorch_model.bin")
    (directory / "model.safetensors").unlink()
    with pytest.raises(WeightsMissing, match="safetensors"):
        load(str(directory), topics="lexicon")


def test_a_checkpoint_that_is_not_there_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match=r"'nobody/nothing-here'.*offline") as caught:
        load("nobody/nothing-here", offline=True, topics="lexicon")
    assert "config.json" in str(caught.value)


def test_zero_shot_asks_an_nli_checkpoint(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint(tmp_path, {0: "contradiction", 1: "neutral", 2: "entailment"})
    p = ZeroShot(str(directory)).probabilities(["good food", "", "late delivery"], {"food": "food", "time": "delivery"})
    assert p.shape == (3, 2)
    assert (p[1] == 0).all()
    assert ((p[[0, 2]] > 0) & (p[[0, 2]] < 1)).all()


def test_zero_shot_refuses_a_checkpoint_that_is_no_nli(checkpoint: Path) -> None:
    with pytest.raises(LabelsUnknown, match="entailment and contradiction"):
        ZeroShot(str(checkpoint))
