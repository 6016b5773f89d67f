"""What a scorer needs from a network: probabilities per text, whatever its length. The embedded network and hub
checkpoints both give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Calibrated probabilities of n texts; the topic arrays are None where the network has no topic heads.

    sentiment [n, 3] (negative, neutral, positive), topics [n, K], topic_sentiment [n, K, 3], pooled [n, width] (not
    normalised).
    """

    sentiment: Floats
    topics: Floats | None
    topic_sentiment: Floats | None
    pooled: Floats


class Backend(Protocol):
    """A loaded network. `predict` takes cleaned, non-empty texts in any order and of any length; it is safe to call
    from threads, and as many as `at_once` of its calls run side by side.
    """

    name: str
    revision: str
    topics: tuple[str, ...]
    thresholds: Floats  # [K]: least probability at which a topic is said
    at_once: int

    def predict(self, texts: Sequence[str]) -> Outputs: ...


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -40, 40))), dtype=np.float32)


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)
