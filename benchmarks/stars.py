"""What the author's stars add to the words: on reviews whose words were judged without seeing the stars.

    python -m benchmarks.stars ../shared/data/sentiment

`stars.tsv` holds, by a hash of the text, what a reader said of the words alone of 223 development rows with stars
(fourteen sources in English, French, Dutch, Romanian and Russian; 50 each of 1, 2 and 5 stars, 44 of 4, 29 of 3; the
reader was the large language model that wrote the texts of our own; "neutral" includes "mixed"). The likelihoods of
`models.stars` are counted on all of them; the rows "both" are cross-validated: twenty times in five parts, likelihoods
counted on four and used on the fifth. The second table is the bundled sample, whose labels are its writer's intentions
and from which no number was taken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import SENTIMENTS
from models.scorer import ModelScorer, load
from models.stars import TOPICS, WORDS, evidence
from models.training.metrics import macro_f1

HERE = Path(__file__).parent
Shares = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
WEIGHTS = (0.25, 0.5, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of labelled sentiment (parquet files)")
    scorer = load(stars=False)
    strangers(scorer, labelled(parser.parse_args().data))
    sample(scorer)


def labelled(data: Path) -> list[dict[str, Any]]:
    """The development rows that were read, each with `true`."""
    import pyarrow.parquet as pq

    lines = (HERE / "stars.tsv").read_text(encoding="utf-8").splitlines()
    told = dict(line.split("\t") for line in lines)
    rows: list[dict[str, Any]] = []
    for file in sorted(data.glob("*.parquet")):
        for row in pq.read_table(file, columns=["text", "stars", "split"]).to_pylist():
            if row["stars"] is None or row["split"] != "dev":
                continue
            digest = hashlib.sha256(row["text"].encode()).hexdigest()[:16]
            if digest in told:
                rows.append(row | {"language": file.stem, "true": SENTIMENTS.index(told.pop(digest))})  # type: ignore[arg-type]
    if told:
        raise SystemExit(f"{len(told)} of the {len(lines)} rows that were read are not in {data}")
    return rows


def strangers(scorer: ModelScorer, rows: Sequence[dict[str, Any]]) -> None:
    words = judged(scorer, [row["text"] for row in rows], [row["language"] for row in rows])
    true = np.array([row["true"] for row in rows])
    stars = np.array([int(row["stars"]) for row in rows])
    print(f"\n{len(rows)} reviews of strangers\n\n| | accuracy | macro-F1 |\n|---|---|---|")
    line("the words alone", true, words.argmax(axis=1))
    line("the stars alone (1, 2 negative; 3 neutral)", true, bare(stars))
    rng = np.random.default_rng(0)
    for weight in WEIGHTS:
        figures = [cross_validated(words, stars, true, weight, rng) for _ in range(20)]
        accuracy, f1 = np.mean(figures, axis=0)
        print(f"| both, stars to the power {weight:g} | {accuracy:.1%} | {f1:.1%} |")


def cross_validated(
    words: Shares, stars: Numbers, true: Numbers, weight: float, rng: np.random.Generator
) -> tuple[float, float]:
    order, said = rng.permutation(len(true)), np.empty(len(true), dtype=np.int64)
    for part in range(5):
        judging = order[part::5]
        learning = np.setdiff1d(order, judging)
        counted = np.full((5, 3), 0.5)
        np.add.at(counted, (stars[learning] - 1, true[learning]), 1)
        likelihood = counted / counted.sum(axis=0)
        said[judging] = (words[judging] * likelihood[stars[judging] - 1] ** weight).argmax(axis=1)
    return float((said == true).mean()), macro_f1(true, said)


def sample(scorer: ModelScorer) -> None:
    rows = [
        row
        for file in sorted((HERE.parent / "examples" / "texts").glob("[!s]*.jsonl"))
        for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())
        if row.get("rating") and row["pool"] != "rival"
    ]
    texts = [". ".join(filter(None, (row.get("title"), row["text"]))) for row in rows]
    judgements = scorer.score(texts)
    words = np.array([(one.p_negative, one.p_neutral, one.p_positive) for one in judgements])
    seen = np.array([evidence(row["rating"]) for row in rows])
    true = np.array([SENTIMENTS.index(row["sentiment"]) for row in rows])
    stars = np.array([int(row["rating"]) for row in rows])
    print(f"\n{len(rows)} reviews of the bundled sample\n\n| | accuracy | macro-F1 |\n|---|---|---|")
    line("the words alone", true, words.argmax(axis=1))
    line("the stars alone", true, bare(stars))
    for weight in WEIGHTS:
        here = " (used)" if weight == WORDS else ""
        line(f"both, stars to the power {weight:g}{here}", true, (words * np.exp(weight * seen)).argmax(axis=1))
    of_topics: list[tuple[int, Any, Shares]] = []
    for row, one, stars_said in zip(rows, judgements, seen, strict=True):
        intended = {topic["topic"]: topic["sentiment"] for topic in row["topics"]}
        of_topics += [
            (
                SENTIMENTS.index(intended[tag.topic]),
                np.array((tag.p_negative, tag.p_neutral, tag.p_positive)),
                stars_said,
            )
            for tag in one.topics
            if tag.topic in intended
        ]
    print(f"\n| sentiment of a topic that was found rightly ({len(of_topics)}) | accuracy |\n|---|---|")
    for weight in (0.0, 0.2, TOPICS, 0.5, 0.75):
        right = [int((p * np.exp(weight * seen)).argmax()) == true for true, p, seen in of_topics]
        print(f"| stars to the power {weight:g}{' (used)' if weight == TOPICS else ''} | {np.mean(right):.1%} |")


def judged(scorer: ModelScorer, texts: list[str], languages: list[str]) -> Shares:
    found = scorer.score(texts, languages=languages)
    return np.array([(one.p_negative, one.p_neutral, one.p_positive) for one in found])


def bare(stars: Numbers) -> Numbers:
    return np.where(stars < 3, 0, np.where(stars == 3, 1, 2))


def line(name: str, true: Numbers, said: Numbers) -> None:
    print(f"| {name} | {(said == true).mean():.1%} | {macro_f1(true, said):.1%} |")


if __name__ == "__main__":
    main()
