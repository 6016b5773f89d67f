"""Which window of a long text speaks, and what judging a topic by its own clauses gains, as Markdown.

    python -m benchmarks.long_texts ../shared/data [--model DIRECTORY] [--rows 1000]

Development rows of the training collections, never trained on. Long: more tokens than the network takes at once.
Opposite: texts whose topics have both a negative and a positive one; of these at most 80 a language, of other texts
with topics 60.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from models import embedded, tagging
from models.base import SENTIMENTS
from models.batching import Pieces, max_by_owner, mean_by_owner
from models.embedded import DIRECTORY, Embedded
from models.scorer import load
from models.text import clauses, clean, parts
from models.training.metrics import macro_f1, topic_f1

Rows = list[dict[str, Any]]
_OPPOSITE, _OTHERS = 80, 60  # texts of a language


def development(directory: Path, columns: list[str]) -> Rows:
    """All development rows, by language, in a fixed random order."""
    import pyarrow.parquet as pq

    rng, found = random.Random(0), []
    for path in sorted(directory.glob("*.parquet")):
        rows = pq.read_table(path, columns=columns, filters=[("split", "=", "dev")]).to_pylist()
        rng.shuffle(rows)
        found += [{**row, "language": path.stem} for row in rows]
    rng.shuffle(found)
    return found


def first(values: Any, pieces: Pieces, n_texts: int, weights: Any = None) -> Any:
    """The first window's value of each text."""
    return values[np.searchsorted(pieces.owner, np.arange(n_texts))]


def mean(values: Any, pieces: Pieces, n_texts: int) -> Any:
    """The average of all windows."""
    return mean_by_owner(values, pieces, n_texts)


def surest(values: Any, pieces: Pieces, n_texts: int, weights: Any = None) -> Any:
    """The average weighted by how far the windows' logits lie apart."""
    return mean_by_owner(values, pieces, n_texts, weights=np.ptp(values, axis=-1) if weights is None else weights)


def long_only(backend: Embedded, rows: Rows, n: int) -> tuple[Rows, float]:
    """`n` rows longer than one window, and how many windows they have in the mean."""
    size = int(backend._max_tokens) - 1
    lengths = np.diff(backend._encoder.encode([clean(row["text"]) for row in rows]).token_offsets) - 1
    chosen = np.flatnonzero(lengths > size)[:n]
    return [rows[i] for i in chosen], float(np.mean(lengths[chosen] / size))


def sentiment_windows(backend: Embedded, rows: Rows) -> None:
    gold = np.array([row["label"] for row in rows])
    texts = [clean(row["text"]) for row in rows]
    print("\n| sentiment of a long text | macro-F1 |\n|---|---|")
    for name, way in (("logits averaged by length", mean_by_owner), ("first window", first), ("by confidence", surest)):
        with mock.patch.object(embedded, "mean_by_owner", way):
            said = backend.predict(texts).sentiment.argmax(1)
        print(f"| {name} | {100 * macro_f1(gold, said):.1f} |")


def topic_windows(backend: Embedded, rows: Rows) -> None:
    truth, decided = (
        np.array([[topic in row[column] for topic in backend.topics] for row in rows])
        for column in ("topics", "labelled_for")
    )
    texts = [clean(row["text"]) for row in rows]
    print("\n| topics of a long text | macro-F1 |\n|---|---|")
    ways: tuple[tuple[str, Callable[..., Any]], ...] = (("loudest window", max_by_owner), ("average", mean))
    for name, way in (*ways, ("first window", first)):
        with mock.patch.object(embedded, "max_by_owner", way):
            p = backend.predict(texts).topics
        assert p is not None
        print(f"| {name} | {100 * topic_f1(truth, p >= backend.thresholds, decided).macro:.1f} |")


def clause_sentiments(rows: Rows, model: str | None) -> None:
    opposite: Rows = []
    others: Rows = []
    for row in rows:
        both = {0, 2} <= {value for value in row["sentiments"] if value is not None}
        kind, most = (opposite, _OPPOSITE) if both else (others, _OTHERS)
        if row["topics"] and sum(other["language"] == row["language"] for other in kind) < most:
            kind.append(row)
    print("\n| sentiment of the topics said | opposite | others |\n|---|---|---|")
    ways: tuple[tuple[str, Callable[..., Any]], ...] = (
        ("whole text alone", lambda text, _spots: [(0, len(text))]),
        ("clauses", lambda text, _spots: clauses(text)),
        ("clauses, cut at commas between topics", parts),
    )
    for name, way in ways:
        with mock.patch.object(tagging, "parts", way):
            shares = [_right(part, model) for part in (opposite, others)]
        print(f"| {name} | {shares[0]} | {shares[1]} |")


def _right(rows: Rows, model: str | None) -> str:
    right = said = 0
    for row, judged in zip(rows, load(model).score([row["text"] for row in rows]), strict=True):
        tags = {tag.topic: tag.sentiment for tag in judged.topics}
        for topic, value in zip(row["topics"], row["sentiments"], strict=True):
            if value is not None and value >= 0 and topic in tags:
                said += 1
                right += tags[topic] == SENTIMENTS[value]
    return f"{100 * right / max(said, 1):.1f} % of {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default=None)
    parser.add_argument("--rows", type=int, default=1000, help="long texts")
    given = parser.parse_args()
    backend = Embedded(Path(given.model) if given.model else DIRECTORY)
    spoken = development(given.data / "sentiment", ["text", "label", "split"])
    topical = development(given.data / "topics", ["text", "topics", "sentiments", "labelled_for", "split"])
    for rows, judge in ((spoken, sentiment_windows), (topical, topic_windows)):
        chosen, windows = long_only(backend, rows[: 30 * given.rows], given.rows)
        print(f"{len(chosen)} long texts, {windows:.1f} windows in the mean")
        judge(backend, chosen)
    clause_sentiments(topical, given.model)


if __name__ == "__main__":
    main()
