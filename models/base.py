"""What every model gives: a judgement per text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Sentiment = Literal["negative", "neutral", "positive"]
SENTIMENTS: tuple[Sentiment, ...] = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class TopicTag:
    """A topic found in a text: its calibrated probability and the sentiment of the text about it."""

    topic: str
    p: float
    sentiment: Sentiment
    p_negative: float | None = None
    p_neutral: float | None = None
    p_positive: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """One model output for one text. With `error` set, `sentiment` is None and the reason is in words."""

    language: str | None
    sentiment: Sentiment | None
    p_negative: float
    p_neutral: float
    p_positive: float
    topics: tuple[TopicTag, ...]
    model: str  # name@revision
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the text (character offsets) and how strongly it spoke for the judgement (sign: for or against)."""

    start: int
    end: int
    weight: float


@runtime_checkable
class Scorer(Protocol):
    """Judges texts. `name` is what the user asked for, `revision` changes whenever an output could."""

    name: str
    revision: str

    def score(
        self,
        texts: Sequence[str],
        *,
        languages: Sequence[str | None] | None = None,
        ratings: Sequence[float | None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Judgement]:
        """One judgement per text, in order; never raises on a text. `ratings`: stars of the authors, 1 to 5, where
        there are any. `progress` gets the number of texts just done."""
        ...

    def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
        """Words that carried the sentiment (of `topic`, if given), strongest first."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n_texts, width)."""
        ...
