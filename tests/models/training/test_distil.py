"""A shallower encoder learns what a deeper one says, stopped or not, and becomes a model directory of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.embedded import Embedded
from models.errors import TrainingError
from models.network import FeedbackModel, build_tiny, load_directory
from models.tokenizer import TextEncoder
from models.training.config import TrainConfig
from models.training.distil import Distillation, distil, shallower

TEXTS = [
    *(f"the {thing} was {word}, the price too" for thing in ("food", "room") for word in ("great", "rude", "late")),
    "вкусная еда и вежливый персонал, спасибо " * 4,
]


def teacher() -> tuple[FeedbackModel, TextEncoder]:
    return load_directory(build_tiny(3, n_layers=2))


def run(steps: int = 24) -> Distillation:
    torch.set_num_threads(1)
    model, encoder = teacher()
    return Distillation(model, TEXTS, encoder, n_layers=1, steps=steps, seed=5)


def test_a_student_comes_nearer_to_its_teacher_and_leaves_the_ngrams() -> None:
    training = run()
    losses = [training.train_step() for _ in range(24)]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert training.student.config.n_layers == 1
    assert torch.equal(training.student.ngrams.weight, training.teacher.ngrams.weight)


def test_a_stopped_distillation_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, first, second = run(), run(), run()
    for _ in range(6):
        whole.train_step()
    for _ in range(3):
        first.train_step()
    first.save(tmp_path / "at")
    second.load(tmp_path / "at")
    for _ in range(3):
        second.train_step()
    ours, theirs = whole.student.state_dict(), second.student.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("n_layers", [0, 2])
def test_a_student_has_fewer_layers_and_at_least_one(n_layers: int) -> None:
    with pytest.raises(TrainingError, match=f"{n_layers} layers of 2"):
        shallower(teacher()[0], n_layers)


def test_the_command_writes_a_calibrated_model(tiny: TrainConfig) -> None:
    out = distil(build_tiny(3, n_layers=2), replace(tiny, max_tokens=32), n_layers=1, steps=4)
    backend = Embedded(out, threads=1)
    assert backend.revision and backend.revision != "tiny-3"
    assert backend.predict(["great food"]).sentiment.sum() == pytest.approx(1, abs=1e-5)
    assert (out / "metrics.json").is_file()
