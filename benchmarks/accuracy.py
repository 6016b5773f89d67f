"""How right the shipped model is on the development rows of the training collections, as Markdown tables.

    python -m benchmarks.accuracy ../shared/data [--rows 400] [--model DIRECTORY]

Development rows were never trained on; temperature and topic thresholds were fitted on them, so calibration is
slightly flattered. Per language: sentiment macro-F1 over the classes that occur, with a 95 % bootstrap interval, and
expected calibration error. Per topic: F1 of the network beside the trigger words alone. `--rows` texts per language
are drawn with a fixed seed.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import numpy as np

from models.base import SENTIMENTS, Judgement
from models.calibration import calibration_error, reliability
from models.evaluate import interval
from models.scorer import load
from models.taxonomy import TOPICS, lexicon


def rows(directory: Path, n: int, *, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rng, found = random.Random(0), []
    for path in sorted(directory.glob("*.parquet")):
        table = pq.read_table(path, columns=[*columns, "split"], filters=[("split", "=", "dev")]).to_pylist()
        rng.shuffle(table)
        found += [{**row, "language": path.stem} for row in table[:n]]
    return found


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (truth & said).sum() / max(truth.sum() + said.sum(), 1))


def macro(labels: np.ndarray, said: np.ndarray, classes: list[int]) -> float:
    return float(np.mean([f1(labels == c, said == c) for c in classes]))


def sentiment(judged: list[Judgement], data: list[dict[str, Any]]) -> None:
    rng = np.random.default_rng(0)
    labels = np.array([row["label"] for row in data])
    said = np.array([SENTIMENTS.index(j.sentiment) if j.sentiment else -1 for j in judged])
    p = np.array([[j.p_negative, j.p_neutral, j.p_positive] for j in judged])
    for column in ("language", "domain"):
        print(f"\n| {column} | n | macro-F1 | accuracy | ECE |\n|---|---|---|---|---|")
        values = np.array([row[column] for row in data])
        for value in ["all", *sorted(set(values))]:
            at = np.flatnonzero((values == value) | (value == "all"))
            y, s = labels[at], said[at]
            classes = [int(c) for c in np.unique(y) if (y == c).sum() >= 5]
            if not classes:
                continue
            measured = interval(lambda i, y=y, s=s, c=classes: macro(y[i], s[i], c), len(at), rng)
            ece = calibration_error(p[at][s >= 0], y[s >= 0])
            print(f"| {value} | {len(at)} | {measured} | {100 * (y == s).mean():.1f} | {100 * ece:.1f} |")
    print("\n| confidence | n | right |\n|---|---|---|")
    known = said >= 0
    for found in reliability(p[known].max(axis=1), said[known] == labels[known], n_bins=10):
        print(f"| {100 * found.confidence:.0f} % | {found.n} | {100 * found.accuracy:.0f} % |")


def topics(judged: list[Judgement], data: list[dict[str, Any]]) -> None:
    rng = np.random.default_rng(0)
    words = lexicon()
    triggered = [words.topics_of(row["text"], row["language"]) for row in data]
    print("\n| topic | n | cases | F1 | precision | recall | trigger words F1 | sentiment right |")
    print("|---|---|---|---|---|---|---|---|")
    ours, theirs, right = [], [], []
    for topic in TOPICS:
        at = [i for i, row in enumerate(data) if topic in row["labelled_for"]]
        truth = np.array([topic in data[i]["topics"] for i in at], bool)
        if truth.sum() < 10:
            continue
        tags = [next((tag for tag in judged[i].topics if tag.topic == topic), None) for i in at]
        said = np.array([tag is not None for tag in tags])
        polarity = []
        for i, tag in zip(at, tags, strict=True):
            if tag is not None and topic in data[i]["topics"]:
                gold = data[i]["sentiments"][data[i]["topics"].index(topic)]
                if gold >= 0:
                    polarity.append(SENTIMENTS.index(tag.sentiment) == gold)
        by_words = f1(truth, np.array([topic in triggered[i] for i in at]))
        measured = interval(lambda i, t=truth, s=said: f1(t[i], s[i]), len(at), rng)
        ours.append(measured.value)
        theirs.append(by_words)
        right += polarity
        precision, recall = (truth & said).sum() / max(said.sum(), 1), (truth & said).sum() / truth.sum()
        polar = f"{100 * np.mean(polarity):.1f}" if polarity else "-"
        shares = f"{100 * precision:.1f} | {100 * recall:.1f} | {100 * by_words:.1f} | {polar}"
        print(f"| {topic} | {len(at)} | {truth.sum()} | {measured} | {shares} |")
    print(f"| mean | | | {100 * np.mean(ours):.1f} | | | {100 * np.mean(theirs):.1f} | {100 * np.mean(right):.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=400, help="per language")
    parser.add_argument("--model", help="default: the shipped one")
    given = parser.parse_args()
    scorer = load(given.model)
    print(f"{scorer.model}, {given.rows} development rows per language")
    data = rows(given.data / "sentiment", given.rows, columns=["text", "label", "source", "domain"])
    sentiment(scorer.score([r["text"] for r in data], languages=[r["language"] for r in data]), data)
    data = rows(given.data / "topics", given.rows, columns=["text", "topics", "sentiments", "labelled_for", "source"])
    topics(scorer.score([r["text"] for r in data], languages=[r["language"] for r in data]), data)


if __name__ == "__main__":
    main()
