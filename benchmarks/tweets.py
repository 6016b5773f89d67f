"""Ours beside fastText on tweets of UMSAB that neither learnt: a quarter of its training rows a part, not 323 rows.

    pip install -e '.[bench,train]'
    python -m benchmarks.tweets --data ../shared/data --work runs/tweets [--part 0,1] [--seed 20,21] [--only ours]

A row belongs to one of four parts by a hash of its text. Those of a part are kept out of training, and so is every row
of either collection with the same text. Ours learns the rest from nothing: the n-gram tables of the profile `small`,
merged as they ship, without encoder and without the weights before, which have seen these rows. fastText (characters 2
to 5, pairs of words, 64 wide, ten epochs) learns the rows of the sources that may ship. Tables and answers are kept in
the work folder: the command may be stopped and called again. Printed: macro-F1 by language and in the mean, and what
ours is ahead, with 95 % intervals of a paired bootstrap over texts; and, for what learnt all languages, the mean over
the sets of the development rows.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.models_training import Rows, fasttext
from models.tokenizer import normalise
from models.training.config import TrainConfig, profile
from models.training.data import DEV, TRAIN, Corpus, read, text_key
from models.training.encode import Tokens
from models.training.measure import BENCHMARK_SOURCE
from models.training.metrics import macro_f1
from models.training.pack import LEXICON
from models.training.run import arrays, merged_table
from models.training.sampling import row_weights
from models.training.weak import add_weak_topics, load_lexicon

PARTS = 4
KEPT_OUT = 3  # a split of its own, beside those of `models.training.data`
DRAWS = 2000
MIN_SET = 30


def part_of(key: str) -> int:
    """The part that a text with this key (`text_key`) belongs to."""
    return zlib.crc32(key.encode(errors="surrogatepass")) % PARTS


def keep_out(corpus: Corpus, keys: list[str], part: int) -> np.ndarray:
    """Take the rows of a part, and all with the same texts, out of training; the rows of the benchmark among them."""
    of = np.array([name == f"sentiment/{BENCHMARK_SOURCE}" for name in corpus.sources], bool)[corpus.source]
    rows = np.flatnonzero(of & (corpus.split == TRAIN))
    rows = rows[[part_of(keys[row]) == part for row in rows]]
    gone = {keys[row] for row in rows}
    for row in np.flatnonzero(corpus.split == TRAIN):
        if keys[row] in gone:
            corpus.split[row] = KEPT_OUT
    return rows


def ours(config: TrainConfig, corpus: Corpus, tokens: Tokens, buckets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Logits of the sentiment, [n, 3], by the merged tables of a run that did not see the rows kept out."""
    config.work.mkdir(parents=True, exist_ok=True)
    weights = row_weights(config, corpus)
    table = merged_table(config, corpus, tokens, weights, buckets, lambda _done, _what: None)
    return table.logits(tokens, asked)[:, :3]


def peer(corpus: Corpus, texts: list[str], asked: np.ndarray, *, seed: int, near: np.ndarray | None) -> np.ndarray:
    """Probabilities, [n, 3], by fastText that learnt the collections' rows with a sentiment, in an order by `seed`.

    near: the languages whose rows it learns; None for all.
    """
    learnt = (corpus.split == TRAIN) & (corpus.sentiment >= 0) & ~corpus.is_topic & ~corpus.is_written()
    if near is not None:
        learnt &= np.isin(corpus.language, near)
    at = np.random.default_rng(seed).permutation(np.flatnonzero(learnt))
    nothing = np.zeros((len(at), 0), bool)
    rows = Rows(
        [texts[i] for i in at], corpus.sentiment[at], nothing, nothing, np.ones(len(at), bool),
        corpus.language[at], corpus.source[at],
    )  # fmt: skip
    return fasttext(rows, [texts[i] for i in asked])


def kept(path: Path, ask: Callable[[], np.ndarray]) -> np.ndarray:
    """An answer from the work folder, asked for if it is not there."""
    if not path.is_file():
        started = time.process_time()
        answer = ask()
        print(f"{path.stem}: {time.process_time() - started:.0f} s of processor time", flush=True)
        np.save(path, answer)
    return np.asarray(np.load(path))


def by_class(label: np.ndarray, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Macro-F1 of two answers to the same texts, [2, 1 + DRAWS]: measured, then of resamples of the texts."""
    n = len(label)
    table = np.bincount(label * 9 + first * 3 + second, minlength=27)
    tables = np.concatenate((table[None], rng.multinomial(n, table / n, DRAWS)))
    tables = tables.reshape(-1, 3, 3, 3)
    found = []
    for other in (3, 2):  # sum over what the other one said
        pair = tables.sum(other)
        hits = pair[:, range(3), range(3)]
        found.append((2 * hits / np.maximum(pair.sum(1) + pair.sum(2), 1)).mean(1))
    return np.stack(found)


def line(name: str, n: int, scores: np.ndarray) -> str:
    """A row of the table: both, the difference and its interval, in points."""
    ahead = 100 * (scores[0] - scores[1])
    low, high = np.quantile(ahead[1:], (0.025, 0.975))
    return (
        f"| {name} | {n:,} | {100 * scores[0, 0]:.1f} | {100 * scores[1, 0]:.1f} | {ahead[0]:+.1f} "
        f"[{low:+.1f}, {high:+.1f}] |"
    )


def over_sets(corpus: Corpus, rows: np.ndarray, said: np.ndarray) -> float:
    """Mean macro-F1 over the sets of these rows, in percent."""
    of = corpus.source[rows].astype(np.int64) * len(corpus.languages) + corpus.language[rows]
    sets = [np.flatnonzero(of == value) for value in np.unique(of)]
    sets = [at for at in sets if len(at) >= MIN_SET and len(np.unique(corpus.sentiment[rows][at])) > 1]
    return 100 * float(np.mean([macro_f1(corpus.sentiment[rows][at], said[at]) for at in sets]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/tweets"))
    parser.add_argument("--part", default="0", help="of four, by commas")
    parser.add_argument("--seed", default="20", help="by commas")
    parser.add_argument("--tables", type=int, default=3)
    parser.add_argument("--direct", type=int, default=2, help="tables of one weight for each n-gram and sentiment")
    parser.add_argument("--only", choices=("ours", "fasttext"), help="learn this one only, and compare nothing")
    parser.add_argument("--near", action="store_true", help="fastText learns the rows of UMSAB's languages only")
    given = parser.parse_args()
    config = profile("small", data=given.data, work=given.work, n_tables=given.tables, n_direct=given.direct, threads=1)
    corpus = read(config)
    raw = corpus.texts
    keys = [text_key(text) for text in raw]
    corpus.texts = [normalise(text) for text in raw]
    add_weak_topics(corpus, load_lexicon(LEXICON))
    given.work.mkdir(parents=True, exist_ok=True)
    _, buckets, tokens = arrays(config, corpus, lambda _done, _what: None)
    own = corpus.is_written() | corpus.is_topic | (corpus.sentiment < 0)
    dev, split = np.flatnonzero((corpus.split == DEV) & ~own), corpus.split.copy()
    label: list[np.ndarray] = []
    language: list[np.ndarray] = []
    said: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for part in map(int, given.part.split(",")):
        corpus.split = split.copy()
        rows = keep_out(corpus, keys, part)
        asked = np.concatenate((rows, dev))
        label.append(corpus.sentiment[rows].astype(np.int64))
        language.append(np.array(corpus.languages)[corpus.language[rows]])
        for seed in map(int, given.seed.split(",")):
            name = f"part{part}-{seed}"
            seeded = dataclasses.replace(config, seed=seed, work=given.work / name)
            answers: list[np.ndarray] = []
            if given.only != "fasttext":
                learn = lambda c=seeded, a=asked: ours(c, corpus, tokens, buckets, a)  # noqa: E731
                answers.append(kept(given.work / f"{name}-{given.tables}-{given.direct}.npy", learn).argmax(1))
            if given.only != "ours":
                near = np.unique(corpus.language[rows]) if given.near else None
                learn = lambda a=asked, s=seed, n=near: peer(corpus, raw, a, seed=s, near=n)  # noqa: E731
                path = given.work / f"{name}-fasttext{'-near' if given.near else ''}.npy"
                answers.append(kept(path, learn).argmax(1))
            everywhere = answers if not given.near else answers[:1] if given.only != "fasttext" else []
            for answer in everywhere:
                print(
                    f"{name}: {over_sets(corpus, dev, answer[len(rows) :]):.1f} over the sets of the development rows"
                )
            if len(answers) == 2:
                said.setdefault(seed, []).append((answers[0][: len(rows)], answers[1][: len(rows)]))
    for seed, pairs in said.items():
        print(
            f"\nSeed {seed}, parts {given.part}\n\n| language | rows | ours | fastText | ahead |\n|---|---|---|---|---|"
        )
        y, where = np.concatenate(label), np.concatenate(language)
        first, second = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
        scores, rng = [], np.random.default_rng(0)
        for name in np.unique(where):
            at = where == name
            scores.append(by_class(y[at], first[at], second[at], rng))
            print(line(str(name), int(at.sum()), scores[-1]))
        print(line("mean", len(y), np.mean(scores, axis=0)))


if __name__ == "__main__":
    main()
