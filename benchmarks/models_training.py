"""The embedded model beside fastText on the same training and development rows.

    python -m benchmarks.models_training --data ../shared/data [--model DIR] [--held-out sb10k,viksna] [--licences all]

Trains fastText (characters 2 to 5, pairs of words, ten epochs; `pip install fasttext-wheel`) on the sentiment rows
that a shippable run may see, judges the development rows and the held-out sources with both, and prints one table. With
`--licences all` fastText also learns the sources that shipped weights never see, and their development rows get a line.
With `--model none` only fastText is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.labels import TOPICS
from models.training.calibrate import listen
from models.training.config import TrainConfig, profile
from models.training.data import DEV, HELD_OUT, TRAIN, Corpus, read
from models.training.encode import encode
from models.training.licences import EXCLUDED
from models.training.measure import judge, predictions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="models/weights/base")
    parser.add_argument("--held-out", default="")
    parser.add_argument("--licences", choices=("shippable", "all"), default="shippable")
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    held_out = tuple(name for name in options.held_out.split(",") if name)
    config = profile(
        "small", data=options.data, held_out=held_out, weak_topics=False, written=False, licences=options.licences
    )
    corpus = read(config)
    dev = (corpus.split == DEV) & ~corpus.is_topic
    excluded = np.array([name.partition("/")[2] in EXCLUDED for name in corpus.sources], bool)[corpus.source]
    rows = {"development": np.flatnonzero(dev & ~excluded)}
    if excluded.any():
        rows |= {"excluded sources": np.flatnonzero(dev & excluded), "both": np.flatnonzero(dev)}
    if held_out:
        rows["held out"] = np.flatnonzero((corpus.split == HELD_OUT) & ~corpus.is_topic)
    results: dict[str, dict[str, np.ndarray]] = {"fastText": fasttext(corpus, rows, options)}
    if options.model != "none":
        results["embedded"] = embedded(config, corpus, rows, Path(options.model))
    print("| model | rows | mean macro-F1 over sets | UMSAB | accuracy |")
    print("|---|---|---|---|---|")
    for name, found in results.items():
        for part, p_sentiment in found.items():
            figures = figures_of(corpus, rows[part], p_sentiment)
            benchmark = "" if figures["benchmark"] is None else f"{figures['benchmark']:.3f}"
            print(
                f"| {name} | {part} | {figures['sentiment_sets']:.3f} | {benchmark} "
                f"| {figures['sentiment_accuracy']:.3f} |"
            )


def figures_of(corpus: Corpus, rows: np.ndarray, p_sentiment: np.ndarray) -> dict[str, Any]:
    """The figures of the model card, for sentiment alone."""
    n, n_topics = len(rows), len(TOPICS)
    nothing = np.zeros((n, n_topics), np.float32)
    return judge(
        corpus, rows, p_sentiment, nothing, np.zeros((n, n_topics, 3), np.float32), thresholds=np.ones(n_topics)
    )


def fasttext(corpus: Corpus, rows: dict[str, np.ndarray], options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Probabilities of a fastText model trained on the same rows."""
    import fasttext as library

    train = np.flatnonzero((corpus.split == TRAIN) & ~corpus.is_topic & (corpus.sentiment >= 0))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for row in np.random.default_rng(0).permutation(train):
            file.write(f"__label__{corpus.sentiment[row]} {_line(corpus.texts[row])}\n")
        file.flush()
        started = time.monotonic()
        model = library.train_supervised(
            file.name, dim=options.dimension, minn=2, maxn=5, wordNgrams=2, epoch=options.epochs, lr=0.5,
            thread=options.threads, verbose=0,
        )  # fmt: skip
        print(f"fastText: {len(train)} rows, {time.monotonic() - started:.0f} s")
    found: dict[str, np.ndarray] = {}
    for part, members in rows.items():
        p = np.zeros((len(members), 3), np.float32)
        for index, row in enumerate(members):
            for probability, label in model.f.predict(f"{_line(corpus.texts[row])}\n", 3, 0.0, "strict"):
                p[index, int(label[-1])] = probability
        found[part] = p
    return found


def _line(text: str) -> str:
    return " ".join(text.lower().split())


def embedded(
    config: TrainConfig, corpus: Corpus, rows: dict[str, np.ndarray], directory: Path
) -> dict[str, np.ndarray]:
    """Probabilities of a model directory (first window of each text)."""
    from models.network import load_directory
    from models.tokenizer import normalise

    model, encoder = load_directory(directory)
    found: dict[str, np.ndarray] = {}
    for part, members in rows.items():
        tokens = encode(encoder, [normalise(corpus.texts[row]) for row in members])
        at = np.arange(len(members))
        voices = listen(model, config, tokens, at, pad_id=encoder.pad_id, device=torch.device("cpu"))
        found[part] = predictions(voices, model.mix.detach(), torch.tensor(model.config.topic_bias))[0]
    return found


if __name__ == "__main__":
    main()
