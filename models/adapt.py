"""Learning from people's corrections: a small layer over the frozen network, adopted only where it proves better.

The layer maps (log-probabilities, unit embedding) to new logits. It is fitted on corrections together with a replay
of other texts, so that what was right stays right; it is judged by cross-validation on corrections it has not seen
and on held-back replay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.backend import Backend, Floats, Outputs, softmax, unit
from models.base import SENTIMENTS, Sentiment
from models.calibration import log_loss
from models.errors import AdapterOutdated, TextRejected, TrainingError
from models.text import prepare

MIN_CORRECTIONS = 20
MAX_LOSS_ELSEWHERE = 0.005  # of accuracy on held-back replay
_FOLDS = 5
_RIDGES: tuple[float | None, ...] = (None, 30.0, 3.0, 0.3)  # None: bias and slope only, no use of the embedding


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with the sentiment a person gave it."""

    text: str
    sentiment: Sentiment


@dataclass(frozen=True, slots=True)
class Card:
    """What was measured: held-back corrections and held-back replay, before and after; why the layer was adopted or
    not.
    """

    base: str
    n_corrections: int
    n_replay: int
    ridge: float | None
    accuracy_before: float
    accuracy_after: float
    loss_before: float
    loss_after: float
    replay_before: float
    replay_after: float
    adopted: bool
    reason: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """The layer: new logits = matrix.T @ log p + embedding.T @ e + bias."""

    matrix: Floats  # [3, 3]
    embedding: Floats  # [width, 3]
    bias: Floats  # [3]
    base: str  # name@revision of the network it stands on

    @property
    def revision(self) -> str:
        digest = hashlib.sha256(b"".join(part.tobytes() for part in (self.matrix, self.embedding, self.bias)))
        return f"adapted:{digest.hexdigest()[:8]}"

    def sentiment(self, outputs: Outputs) -> Floats:
        """Adapted probabilities [n, 3]."""
        logits = _logs(outputs) @ self.matrix + unit(outputs.pooled) @ self.embedding + self.bias
        return softmax(np.asarray(logits, np.float32))

    @classmethod
    def read(cls, directory: Path, backend: Backend) -> Adapter | None:
        """The current layer of a store, or of one version's directory; None where none is adopted. AdapterOutdated if
        it is for another network.
        """
        version = AdapterStore(directory).current() if not (directory / "adapter.npz").is_file() else directory
        if version is None:
            return None
        with np.load(version / "adapter.npz", allow_pickle=False) as stored:
            adapter = cls(stored["matrix"], stored["embedding"], stored["bias"], str(stored["base"]))
        base = f"{backend.name}@{backend.revision}"
        if adapter.base != base:
            raise AdapterOutdated(
                f"{version} adapts {adapter.base}, and the model loaded is {base}; run `monitor model adapt` again"
            )
        return adapter


def fit(
    backend: Backend, corrections: Sequence[Labelled], replay: Sequence[Labelled | str], *, now: datetime, seed: int = 0
) -> tuple[Adapter, Card]:
    """The best layer for these corrections, and the card that says whether it deserves to be adopted.

    `replay`: other texts of the same stream. With a label it is the truth there; a bare text keeps the network's own
    probabilities. Raises TrainingError when there is too little to learn or to measure.
    """
    wrong = _usable(corrections)
    old = _usable([r if isinstance(r, Labelled) else Labelled(r, "neutral") for r in replay])
    gold = [isinstance(r, Labelled) for r in replay if _text_of(r) is not None]
    for what, n in (("corrections", len(wrong)), ("replay texts", len(old))):
        if n < MIN_CORRECTIONS:
            raise TrainingError(f"{n} usable {what}; at least {MIN_CORRECTIONS} are needed to learn and to measure")
    x, labels = backend.predict([c.text for c in wrong]), _numbers(wrong)
    z = backend.predict([r.text for r in old])
    target = np.where(np.array(gold)[:, None], _one_hot(_numbers(old)), z.sentiment).astype(np.float32)
    truth = target.argmax(axis=1)
    rng = np.random.default_rng(seed)
    fold, old_fold = rng.permutation(len(labels)) % _FOLDS, rng.permutation(len(truth)) % _FOLDS
    trials: list[tuple[float, float | None, Floats, Floats]] = []
    for ridge in _RIDGES:
        p, q = np.empty((len(labels), 3), np.float32), np.empty((len(truth), 3), np.float32)
        for k in range(_FOLDS):
            layer = _solve(
                _pick(x, fold != k),
                _one_hot(labels[fold != k]),
                _pick(z, old_fold != k),
                target[old_fold != k],
                ridge,
                base="",
            )
            p[fold == k], q[old_fold == k] = (
                layer.sentiment(_pick(x, fold == k)),
                layer.sentiment(_pick(z, old_fold == k)),
            )
        trials.append((log_loss(p, labels) + log_loss(q, truth), ridge, p, q))
    _, ridge, p, q = min(trials, key=lambda trial: trial[0])
    before, after = x.sentiment.argmax(1) == labels, p.argmax(1) == labels
    old_before, old_after = float((z.sentiment.argmax(1) == truth).mean()), float((q.argmax(1) == truth).mean())
    adopted, reason = _verdict(before, after, old_before, old_after)
    base = f"{backend.name}@{backend.revision}"
    card = Card(
        base=base,
        n_corrections=len(labels),
        n_replay=len(truth),
        ridge=ridge,
        accuracy_before=round(float(before.mean()), 4),
        accuracy_after=round(float(after.mean()), 4),
        loss_before=round(log_loss(x.sentiment, labels), 4),
        loss_after=round(log_loss(p, labels), 4),
        replay_before=round(old_before, 4),
        replay_after=round(old_after, 4),
        adopted=adopted,
        reason=reason,
        created_at=now.isoformat(),
    )
    return _solve(x, _one_hot(labels), z, target, ridge, base=base), card


def _verdict(
    before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_], old_before: float, old_after: float
) -> tuple[bool, str]:
    """Better on held-back corrections (exact one-sided sign test on the texts that changed, 5 %), not worse
    elsewhere.
    """
    from scipy.stats import binomtest

    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    if gained <= lost:
        return False, f"no better on held-back corrections: {gained} gained, {lost} lost"
    p = float(binomtest(gained, gained + lost, alternative="greater").pvalue)
    if p > 0.05:
        return False, f"{gained} gained and {lost} lost on held-back corrections could be chance (p = {p:.2f})"
    if old_after < old_before - MAX_LOSS_ELSEWHERE:
        return False, f"worse elsewhere: accuracy on held-back replay falls from {old_before:.3f} to {old_after:.3f}"
    return True, f"{gained} gained, {lost} lost on held-back corrections; replay {old_before:.3f} -> {old_after:.3f}"


class AdapterStore:
    """Numbered versions of the layer in a directory, one of them current; every change is one atomic rename.

    <root>/0001/adapter.npz, <root>/0001/card.json, ...; <root>/current holds the number, or nothing for the plain
    network.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, adapter: Adapter, card: Card) -> Path:
        """Write a new version; it becomes current if its card says adopted."""
        self._root.mkdir(parents=True, exist_ok=True)
        number = f"{int(max((v.name for v in self.versions()), default='0')) + 1:04d}"
        temporary = self._root / f".{number}"
        temporary.mkdir(exist_ok=True)
        arrays: dict[str, Any] = {"matrix": adapter.matrix, "embedding": adapter.embedding, "bias": adapter.bias}
        np.savez(temporary / "adapter.npz", base=np.array(adapter.base), **arrays)
        (temporary / "card.json").write_text(json.dumps(asdict(card), indent=2), encoding="utf-8")
        temporary.replace(self._root / number)
        if card.adopted:
            self._point(number)
        return self._root / number

    def versions(self) -> list[Path]:
        """All versions, oldest first."""
        return sorted(path for path in self._root.glob("[0-9]" * 4) if (path / "adapter.npz").is_file())

    def cards(self) -> list[tuple[str, Card]]:
        """(version, card) of all versions, oldest first."""
        return [(v.name, Card(**json.loads((v / "card.json").read_text(encoding="utf-8")))) for v in self.versions()]

    def current(self) -> Path | None:
        """The adopted version's directory, or None for the plain network."""
        pointer = self._root / "current"
        number = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
        return self._root / number if number else None

    def revert(self) -> Path | None:
        """Go back to the version adopted before the current one (None: the plain network), and say which it is."""
        current = self.current()
        earlier = [name for name, card in self.cards() if card.adopted and (current is None or name < current.name)]
        self._point(earlier[-1] if earlier and current is not None else "")
        return self.current()

    def _point(self, number: str) -> None:
        temporary = self._root / ".current"
        temporary.write_text(number, encoding="utf-8")
        temporary.replace(self._root / "current")


def _solve(x: Outputs, y: Floats, z: Outputs, target: Floats, ridge: float | None, *, base: str) -> Adapter:
    """Cross-entropy over corrections and replay (each half of the weight), pulled towards the identity."""
    from scipy.optimize import minimize

    logs = np.concatenate((_logs(x), _logs(z)))
    units = np.concatenate((unit(x.pooled), unit(z.pooled)))
    labels = np.concatenate((y, target))
    weight = np.concatenate((np.full(len(y), 0.5 / len(y)), np.full(len(target), 0.5 / len(target))))
    width = units.shape[1] if ridge is not None else 0
    n = len(labels)

    def unpack(flat: Floats) -> tuple[Floats, Floats, Floats]:
        return flat[:9].reshape(3, 3), flat[9 : 9 + width * 3].reshape(width, 3), flat[9 + width * 3 :]

    def loss(flat: Floats) -> tuple[float, Floats]:
        matrix, embedding, bias = unpack(flat)
        logits = logs @ matrix + bias + (units @ embedding if width else 0)
        logits = logits - logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        away = matrix - np.eye(3)
        value = -(weight[:, None] * labels * np.log(np.clip(p, 1e-9, 1))).sum()
        value += (3.0 * (away**2).sum() + 0.3 * (bias**2).sum() + ((ridge or 0) * (embedding**2).sum())) / n
        error = weight[:, None] * (p - labels)
        gradients = [logs.T @ error + 6.0 * away / n]
        if width:
            gradients.append(units.T @ error + 2 * (ridge or 0) * embedding / n)
        gradients.append(error.sum(axis=0) + 0.6 * bias / n)
        return float(value), np.concatenate([g.ravel() for g in gradients])

    start = np.concatenate((np.eye(3).ravel(), np.zeros(width * 3 + 3)))
    matrix, embedding, bias = unpack(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x)
    if not width:
        embedding = np.zeros((units.shape[1], 3), np.float32)
    return Adapter(matrix.astype(np.float32), embedding.astype(np.float32), bias.astype(np.float32), base)


def _text_of(row: Labelled | str) -> str | None:
    try:
        return prepare(row.text if isinstance(row, Labelled) else row)
    except TextRejected:
        return None


def _usable(rows: Sequence[Labelled]) -> list[Labelled]:
    return [Labelled(text, row.sentiment) for row in rows if (text := _text_of(row)) is not None]


def _one_hot(labels: npt.NDArray[np.int_]) -> Floats:
    return np.asarray(np.eye(3, dtype=np.float32)[labels])


def _numbers(rows: Sequence[Labelled]) -> npt.NDArray[np.int_]:
    return np.array([SENTIMENTS.index(row.sentiment) for row in rows])


def _pick(outputs: Outputs, rows: npt.NDArray[np.bool_]) -> Outputs:
    return Outputs(outputs.sentiment[rows], None, None, outputs.pooled[rows])


def _logs(outputs: Outputs) -> Floats:
    return np.asarray(np.log(np.clip(outputs.sentiment, 1e-6, 1)), np.float32)
