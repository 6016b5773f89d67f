"""What a scorer needs from a network: probabilities per text, whatever its length. The embedded network and hub
checkpoints both give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Voice:
    """What one half of a network says of n texts, before calibration: logits sentiment [n, 3], topics [n, K], and
    topic_sentiment [n, K, 3], and the vector they come from [n, width].
    """

    sentiment: Floats
    topics: Floats
    topic_sentiment: Floats
    vector: Floats

    @property
    def logits(self) -> tuple[Floats, Floats, Floats]:
        return self.sentiment, self.topics, self.topic_sentiment

    def of(self, rows: npt.ArrayLike) -> Voice:
        """What is said of these texts, in this order."""
        at = np.asarray(rows, np.int64)
        return Voice(self.sentiment[at], self.topics[at], self.topic_sentiment[at], self.vector[at])

    def put(self, rows: npt.ArrayLike, other: Voice) -> None:
        """Let `other` speak of these texts."""
        at = np.asarray(rows, np.int64)
        for own, new in zip((*self.logits, self.vector), (*other.logits, other.vector), strict=True):
            own[at] = new


@dataclass(frozen=True, slots=True)
class Outputs:
    """Calibrated probabilities of n texts; the topic arrays are None where the network has no topic heads.

    sentiment [n, 3] (negative, neutral, positive), topics [n, K], topic_sentiment [n, K, 3], pooled [n, width] (not
    normalised). `read`: what the encoder alone says, of a network that counts n-grams, too (`TwoHalves`).
    """

    sentiment: Floats
    topics: Floats | None
    topic_sentiment: Floats | None
    pooled: Floats
    read: Voice | None = None


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


@runtime_checkable
class TwoHalves(Backend, Protocol):
    """A network of two halves: one reads, the other counts n-grams, a tenth of the work."""

    def read(self, texts: Sequence[str]) -> Voice: ...

    def count(self, texts: Sequence[str]) -> Voice: ...

    def joined(self, read: Voice, counted: Voice) -> Outputs: ...


def softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -40, 40))), dtype=np.float32)


def unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)
