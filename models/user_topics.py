"""A topic of the user's own: a logistic head on the frozen embedding, measured by cross-validation before anybody
relies on it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import Scorer
from models.calibration import best_threshold
from models.errors import ModelError, TrainingError
from models.taxonomy import Lexicon

MIN_EXAMPLES = 4
_FOLDS = 5
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_KEY = re.compile(r"[a-z][a-z0-9_]{1,40}")


@dataclass(frozen=True, slots=True)
class UserTopic:
    """What the user says: `examples` are texts about it, `counterexamples` texts that look like it and are not.

    Texts may be in any languages; `keywords` may end in "*" (any word ending).
    """

    key: str
    name: str
    description: str = ""
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    counterexamples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """Cross-validated quality: every text was judged by a head that had not seen it."""

    n_positive: int
    n_negative: int
    precision: float
    recall: float
    f1: float
    f1_low: float  # 95 % bootstrap interval
    f1_high: float


@dataclass(frozen=True, slots=True)
class FittedTopic:
    """A head ready for use: weights over (embedding, keyword there or not, likeness to the description), bias,
    threshold.
    """

    key: str
    name: str
    keywords: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float
    description_vector: tuple[float, ...]
    model: str  # the network whose embedding it stands on
    measured: Measured

    @property
    def revision(self) -> str:
        return hashlib.sha256(np.asarray((*self.weights, self.bias, self.threshold)).tobytes()).hexdigest()[:8]

    def probabilities(self, texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[n] from texts and their unit vectors [n, width] of the same network."""
        features = _features(
            texts, vectors, _words(self.key, self.keywords), np.asarray(self.description_vector, np.float32)
        )
        if features.shape[1] != len(self.weights):
            raise ModelError(
                f"topic {self.key!r} was fitted on {self.model}, whose embedding has another width; fit it again"
            )
        z = features @ np.asarray(self.weights, np.float32) + self.bias
        return np.asarray(1 / (1 + np.exp(-z)), dtype=np.float32)

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> FittedTopic:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            tuples = {name: tuple(raw[name]) for name in ("keywords", "weights", "description_vector")}
            return cls(**{**raw, **tuples, "measured": Measured(**raw["measured"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is not a fitted topic: {error}") from error


def fit(topic: UserTopic, scorer: Scorer, *, background: Sequence[str] = (), seed: int = 0) -> FittedTopic:
    """Learn the topic and measure it by stratified cross-validation.

    `background`: unlabelled texts of the same stream, taken as not about the topic unless a keyword occurs in them.
    Raises TrainingError that says what is missing.
    """
    if not _KEY.fullmatch(topic.key):
        raise TrainingError(f"topic key {topic.key!r}: small Latin letters, digits and _ only, a letter first")
    words = _words(topic.key, topic.keywords)
    negatives = [*topic.counterexamples, *(t for t in background if not words.topics_of(t, _code(t)))]
    for what, texts in (
        ("examples", topic.examples),
        ("counterexamples or background texts without its keywords", negatives),
    ):
        if len(set(texts)) < MIN_EXAMPLES:
            raise TrainingError(f"topic {topic.key!r} has {len(set(texts))} {what}; at least {MIN_EXAMPLES} are needed")
    texts = [*dict.fromkeys(topic.examples), *dict.fromkeys(negatives)]
    labels = np.array([1] * len(set(topic.examples)) + [0] * len(set(negatives)))
    description = scorer.embed([f"{topic.name}. {topic.description}".strip()])[0]
    features = _features(texts, scorer.embed(texts), words, description)
    p = _cross_validated(features, labels, seed)
    threshold, _ = best_threshold(p, labels)
    head = _head().fit(features, labels)
    return FittedTopic(
        key=topic.key,
        name=topic.name,
        keywords=topic.keywords,
        weights=tuple(float(w) for w in head.coef_[0]),
        bias=float(head.intercept_[0]),
        threshold=float(threshold),
        description_vector=tuple(float(v) for v in description),
        model=f"{scorer.name}@{scorer.revision}",
        measured=_measured(p >= threshold, labels, seed),
    )


def _head() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)


def _cross_validated(
    features: npt.NDArray[np.float32], labels: npt.NDArray[np.int_], seed: int
) -> npt.NDArray[np.float64]:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(
        n_splits=min(_FOLDS, int(labels.sum()), int((1 - labels).sum())), shuffle=True, random_state=seed
    )
    return np.asarray(cross_val_predict(_head(), features, labels, cv=folds, method="predict_proba")[:, 1])


def _measured(said: npt.NDArray[np.bool_], labels: npt.NDArray[np.int_], seed: int) -> Measured:
    rng = np.random.default_rng(seed)
    hits = said & (labels == 1)
    draws = []
    for _ in range(500):
        at = rng.integers(0, len(labels), len(labels))
        draws.append(2 * hits[at].sum() / max(said[at].sum() + labels[at].sum(), 1))
    low, high = np.quantile(draws, (0.025, 0.975))
    return Measured(
        n_positive=int(labels.sum()),
        n_negative=int((1 - labels).sum()),
        precision=float(hits.sum() / max(said.sum(), 1)),
        recall=float(hits.sum() / max(labels.sum(), 1)),
        f1=float(2 * hits.sum() / max(said.sum() + labels.sum(), 1)),
        f1_low=float(low),
        f1_high=float(high),
    )


def _words(key: str, keywords: Sequence[str]) -> Lexicon:
    spaced = [word for word in keywords if not _NO_SPACES.search(word)]
    glued = [word for word in keywords if _NO_SPACES.search(word)]
    return Lexicon({key: {"spaced": spaced, "glued": glued}}, substring_languages=["glued"])


def _code(text: str) -> str:
    return "glued" if _NO_SPACES.search(text) else "spaced"


def _features(
    texts: Sequence[str], vectors: npt.NDArray[np.float32], words: Lexicon, description: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    there = np.array([bool(words.topics_of(text, _code(text))) for text in texts], dtype=np.float32)
    return np.concatenate((vectors * 4, there[:, None], (vectors @ description)[:, None]), axis=1)
