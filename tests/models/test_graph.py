"""The serving path and the network of training are the same mathematics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models import graph
from models.embedded import DIRECTORY, Embedded, OnTorch

TEXTS = ["great food!", "the delivery was late but nice", "x", "вкусная еда, спасибо", "价格太高 😀"]


def reference(directory: Path, text: str) -> tuple[np.ndarray, ...]:
    """Probabilities of one text by the network itself, without padding."""
    import torch

    from models.network import load_directory

    network, encoder = load_directory(directory)
    encoded = encoder.encode([text])
    with torch.inference_mode():
        out = network(
            torch.from_numpy(encoded.tokens).long()[None],
            torch.ones(1, len(encoded.tokens), dtype=torch.long),
            torch.from_numpy(encoded.ngrams).long(),
            torch.from_numpy(encoded.ngram_offsets),
        )
        width = network.config.hidden_size
        halves = [half / half.norm().clamp(min=1e-9) for half in (out.pooled[0, :width], out.pooled[0, width:])]
        return (*(part.numpy()[0] for part in network.probabilities(out)), torch.cat(halves).numpy())


@pytest.mark.parametrize("text", TEXTS)
def test_onnx_in_fp32_equals_the_network(tiny_directory: Path, text: str) -> None:
    served = Embedded(tiny_directory, threads=1, int8=False).predict([text])
    parts = (served.sentiment, served.topics, served.topic_sentiment, served.pooled)
    for ours, theirs in zip(parts, reference(tiny_directory, text), strict=True):
        assert ours is not None
        np.testing.assert_allclose(ours[0], theirs, atol=2e-5)


@pytest.fixture(params=["narrow", "wide"])
def any_width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are known beforehand, and one for each token."""
    if request.param == "wide":
        monkeypatch.setattr(graph, "_NARROW", 1)


@pytest.mark.usefixtures("any_width")
def test_int8_stays_near(tiny_directory: Path) -> None:
    exact = Embedded(tiny_directory, threads=1, int8=False).predict(TEXTS)
    small = Embedded(tiny_directory, threads=1, int8=True).predict(TEXTS)
    assert np.abs(exact.sentiment - small.sentiment).max() < 0.03


@pytest.mark.usefixtures("any_width")
@pytest.mark.parametrize("int8", [False, True])
def test_a_text_is_judged_alike_alone_and_in_company(tiny_directory: Path, int8: bool) -> None:
    backend = Embedded(tiny_directory, threads=1, int8=int8)
    texts = [*TEXTS, "the price is too high for this quality " * 9]
    together = backend.predict(texts).sentiment
    backwards = backend.predict(texts[::-1]).sentiment[::-1]
    alone = np.concatenate([backend.predict([text]).sentiment for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, backwards, atol=1e-5)


def test_the_shipped_network_keeps_its_verdicts_in_int8() -> None:
    exact, small = (Embedded(DIRECTORY, threads=1, int8=int8).predict(TEXTS) for int8 in (False, True))
    assert 0 < np.abs(exact.sentiment - small.sentiment).max() < 0.01
    assert exact.topics is not None and small.topics is not None
    assert np.abs(exact.topics - small.topics).max() < 0.02


def test_torch_serves_the_same_weights(tiny_directory: Path) -> None:
    by_onnx = Embedded(tiny_directory, threads=1, int8=False)
    by_torch = OnTorch(tiny_directory, device="cpu")
    for text in TEXTS:
        np.testing.assert_allclose(by_torch.predict([text]).sentiment, by_onnx.predict([text]).sentiment, atol=2e-5)


def test_the_graph_names_its_outputs(tiny_directory: Path) -> None:
    import onnxruntime
    from safetensors.numpy import load_file

    config = json.loads((tiny_directory / "config.json").read_text())
    model = graph.build(config, load_file(tiny_directory / "model.safetensors"), int8=False)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert tuple(output.name for output in session.get_outputs()) == graph.OUTPUTS
