from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import ModelError, TrainingError
from models.scorer import ModelScorer, load
from models.user_topics import FittedTopic, UserTopic, fit

PARKING = UserTopic(
    key="parking",
    name="Parking",
    description="places for cars",
    keywords=("parking*", "парковк*", "停车"),
    examples=(
        "the parking was full", "no parking at all", "парковка платная", "на парковке нет мест", "停车很难",
        "parking costs too much", "where is the parking", "парковки не хватает",
    ),
    counterexamples=("the park is green", "we walked in the park", "парк рядом", "公园很大"),
)  # fmt: skip
BACKGROUND = (
    "great food, friendly staff and a clean room",
    "the price is too high for this quality",
    "вкусная еда и вежливый персонал",
    "доставка опоздала",
    "配送很快，质量不错",
    "clean rooms",
)


def test_a_topic_is_learned_measured_and_said(tiny: ModelScorer, tiny_directory: Path) -> None:
    fitted = fit(PARKING, tiny, background=BACKGROUND)
    assert fitted.measured.n_positive == 8
    assert fitted.measured.n_negative == 10
    assert fitted.measured.f1 > 0.7, "keywords are telling even where the network's weights are drawn by lot"
    assert fitted.measured.f1_low <= fitted.measured.f1 <= fitted.measured.f1_high
    scorer = load(str(tiny_directory), user_topics=[fitted])
    said, silent = scorer.score(["the parking is awful", "great food"])
    assert "parking" in [tag.topic for tag in said.topics]
    assert "parking" not in [tag.topic for tag in silent.topics]
    assert fitted.revision in said.model


def test_background_with_a_keyword_is_not_taken_as_a_counterexample(tiny: ModelScorer) -> None:
    fitted = fit(PARKING, tiny, background=[*BACKGROUND, "huge parking lot"])
    assert fitted.measured.n_negative == 10


def test_a_fitted_topic_survives_the_disk(tiny: ModelScorer, tmp_path: Path) -> None:
    fitted = fit(PARKING, tiny, background=BACKGROUND)
    fitted.write(tmp_path / "parking.json")
    assert FittedTopic.read(tmp_path / "parking.json") == fitted
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ModelError, match=r"broken\.json is not a fitted topic"):
        FittedTopic.read(tmp_path / "broken.json")


def test_what_is_missing_is_said(tiny: ModelScorer) -> None:
    with pytest.raises(TrainingError, match="1 examples; at least 4"):
        fit(replace(PARKING, examples=("the parking was full",)), tiny, background=BACKGROUND)
    with pytest.raises(TrainingError, match="0 counterexamples or background"):
        fit(replace(PARKING, counterexamples=()), tiny)
    with pytest.raises(TrainingError, match="topic key 'My Topic'"):
        fit(replace(PARKING, key="My Topic"), tiny, background=BACKGROUND)
