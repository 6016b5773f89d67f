"""What trigger words add to the network's topics: per topic a shift of the log-odds where a word of it occurs, or
none does.

The network reads meaning and the lexicon knows rare words; together they beat both (benchmarks/accuracy.py). The
shifts are fitted after every training, on development rows of the sources that may ship and on texts of our own that
were held back, which alone know some topics and most trades:

    python -m models.triggers DIRECTORY ../shared/data/topics
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.backend import Floats, sigmoid
from models.calibration import best_threshold
from models.errors import ModelError
from models.taxonomy import Hit, Lexicon, lexicon

FILE = "triggers.json"
_LEAST = 30  # positive rows a topic needs for shifts of its own; the others get the medians
_ROWS = 1500  # per language
_OWN = 4  # times that a text of our own counts: they are few, and of many trades


@dataclass(frozen=True, slots=True)
class Triggers:
    """Per topic: slope and bias on the network's log-odds, shifts for hit and miss, the threshold of the result.

    In a language without terms only slope and bias apply. `model`: revision of the network that it was fitted on.
    """

    model: str
    topics: tuple[str, ...]
    slope: tuple[float, ...]
    bias: tuple[float, ...]
    hit: tuple[float, ...]
    miss: tuple[float, ...]
    thresholds: tuple[float, ...]

    @property
    def revision(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:6]

    def shifted(self, p: Floats, hits: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> Floats:
        """[n, K] from the network's probabilities [n, K]; `hits` [n, K] and `known` [n] as `matrix` gives them."""
        slope, bias, hit, miss = (np.asarray(v, np.float32) for v in (self.slope, self.bias, self.hit, self.miss))
        z = log_odds(p) * slope + bias
        shift = np.where(hits, hit, miss)
        return sigmoid(np.asarray(z + shift * known[:, None], np.float32))

    @classmethod
    def read(cls, directory: Path) -> Triggers | None:
        """Those of a model directory, or None where there are none. ModelError for a broken file."""
        path = directory / FILE
        if not path.is_file():
            return None
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(raw.pop("model"), *(tuple(raw.pop(name)) for name in cls.__slots__[1:]))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is broken: {error}") from error


def find(texts: Sequence[str], languages: Sequence[str | None], words: Lexicon) -> list[list[Hit] | None]:
    """Terms of each text; None where its language has none."""
    return [
        words.find(text, code) if code in words.languages else None for text, code in zip(texts, languages, strict=True)
    ]


def matrix(
    found: Sequence[list[Hit] | None], topics: Sequence[str]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(hits [n, K], known [n]): whose terms occur, and whether the text's language has terms at all."""
    at = {topic: i for i, topic in enumerate(topics)}
    hits = np.zeros((len(found), len(topics)), bool)
    for row, terms in enumerate(found):
        for hit in terms or ():
            if hit.topic in at:
                hits[row, at[hit.topic]] = True
    return hits, np.array([terms is not None for terms in found], bool)


def log_odds(p: Floats) -> Floats:
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def fit(
    model: str,
    topics: Sequence[str],
    p: Floats,
    hits: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.bool_],
    decided: npt.NDArray[np.bool_],
) -> Triggers:
    """Maximum likelihood with a ridge towards "the network alone"; the threshold with the best F1 of each topic.

    p, hits, truth, decided: [n, K] (`decided`: whether the row says anything of the topic); known: [n].
    """
    weights = np.full((len(topics), 4), np.nan)
    z = log_odds(p)
    for k in range(len(topics)):
        rows = decided[:, k]
        if truth[rows, k].sum() >= _LEAST:
            with_hit, without = (hits[rows, k] & known[rows]), (~hits[rows, k] & known[rows])
            weights[k] = _solve(np.stack((z[rows, k], np.ones(rows.sum()), with_hit, without), axis=1), truth[rows, k])
    weights = np.where(np.isnan(weights), [1.0, 0.0, *np.nanmedian(weights[:, 2:], axis=0)], weights)
    slope, bias, hit, miss = (tuple(round(float(v), 3) for v in weights[:, i]) for i in range(4))
    draft = Triggers(model, tuple(topics), slope, bias, hit, miss, thresholds=(0.5,) * len(topics))
    shifted = draft.shifted(p, hits, known)
    thresholds = [
        best_threshold(shifted[rows, k], truth[rows, k].astype(int))[0] if truth[rows, k].sum() >= _LEAST else 0.5
        for k in range(len(topics))
        for rows in [decided[:, k]]
    ]
    return replace(draft, thresholds=tuple(round(t, 3) for t in thresholds))


def _solve(x: npt.NDArray[Any], y: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    from scipy.optimize import minimize

    start = np.array([1.0, 0.0, 0.0, 0.0])

    def loss(w: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        s = x @ w
        value = float(np.sum(np.logaddexp(0, s) - y * s) + ((w - start) ** 2).sum())
        return value, x.T @ (1 / (1 + np.exp(-s)) - y) + 2 * (w - start)

    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def development(data: Path) -> list[dict[str, Any]]:
    """The rows that the shifts are fitted on: text, language, topics, labelled_for (what is decided), times (how often
    a row counts).
    """
    import pyarrow.parquet as pq

    from models.labels import TOPICS
    from models.training.licences import EXCLUDED
    from models.training.written import held_back, read_all

    rng, rows = random.Random(0), []  # noqa: S311
    columns = ["text", "topics", "labelled_for"]
    may_ship = [("split", "=", "dev"), ("source", "not in", sorted(EXCLUDED))]
    for path in sorted(data.glob("*.parquet")):
        table = pq.read_table(path, columns=columns, filters=may_ship).to_pylist()
        rng.shuffle(table)
        rows += [{**row, "language": path.stem, "times": 1} for row in table[:_ROWS]]
    bare = [topic for topic in TOPICS if topic != "general"]  # what a verdict in general lacks
    for own in read_all():
        for row in held_back(own):
            if row.topics is not None or row.is_bare:
                decided = TOPICS if row.topics is not None else bare
                known = {"text": row.text, "topics": list(row.topics or ()), "labelled_for": decided}
                rows.append({**known, "language": own.language, "times": _OWN})
    return rows


def main() -> None:
    from models.embedded import Embedded
    from models.text import prepare

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="of the model")
    parser.add_argument("data", type=Path, help="<language>.parquet: text, topics, labelled_for, split")
    given = parser.parse_args()
    backend, rows = Embedded(given.directory), development(given.data)
    texts, languages = [prepare(row["text"]) for row in rows], [row["language"] for row in rows]
    outputs = [backend.predict(texts[start : start + 1024]).topics for start in range(0, len(texts), 1024)]
    p = np.concatenate([part for part in outputs if part is not None])
    hits, known = matrix(find(texts, languages, lexicon()), backend.topics)
    truth, decided = (
        np.array([[topic in row[column] for topic in backend.topics] for row in rows])
        for column in ("topics", "labelled_for")
    )
    times = [row["times"] for row in rows]
    counted = (np.repeat(column, times, axis=0) for column in (p, hits, known, truth, decided))
    fitted = fit(backend.revision, backend.topics, *counted)
    (given.directory / FILE).write_text(json.dumps(asdict(fitted), indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} rows, written to {given.directory / FILE}")


if __name__ == "__main__":
    main()
