"""Stage 1: vectors of the hashed n-grams, trained by themselves like fastText but on all three tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch

from models.errors import TrainingError
from models.labels import TOPICS
from models.network import FeedbackModel, NgramTable
from models.training.config import TrainConfig
from models.training.data import TRAIN, Corpus
from models.training.encode import Tokens
from models.training.losses import POLARITY_LOSS, WEAK_TOPIC_WEIGHT
from models.training.sampling import Weights, draw, gather

CHUNK = 50_000  # texts drawn together: the unit of repetition and of checkpoints
CHECKPOINT_CHUNKS = 40
_SENTIMENT_FIRST = 3.0  # how much more the sentiment's logits count where several tables become one
HEAD_RATE = 1.0  # of the heads, beside the table's
_N_HEADS = 3 + 4 * len(TOPICS)


@dataclass
class Table:
    """Everything that training changes: the table, its heads (3 + K + 3 K outputs) and Adagrad's sums."""

    rows: np.ndarray  # float32 [n_rows, D]
    rows_moved: np.ndarray  # float32 [n_rows]
    heads: np.ndarray  # float32 [3 + K + 3 K, D]
    bias: np.ndarray  # float32 [3 + K + 3 K]
    heads_moved: np.ndarray
    bias_moved: np.ndarray

    @classmethod
    def fresh(cls, config: TrainConfig, n_rows: int, *, seed: tuple[int, ...]) -> Table:
        """Small random vectors and heads, the same for the same seed."""
        rng, size = np.random.default_rng(seed), config.ngram_dim
        return cls(
            rows=(rng.standard_normal((n_rows, size), np.float32) * np.float32(0.02)),
            rows_moved=np.full(n_rows, 1e-6, np.float32),
            heads=rng.standard_normal((_N_HEADS, size), np.float32) / np.float32(np.sqrt(size)),
            bias=np.zeros(_N_HEADS, np.float32),
            heads_moved=np.ones(_N_HEADS, np.float32),
            bias_moved=np.ones(_N_HEADS, np.float32),
        )

    @classmethod
    def direct(cls, n_rows: int) -> Table:
        """Rows of three numbers that are weights of the three sentiments, and say nothing of topics."""
        heads = np.zeros((_N_HEADS, 3), np.float32)
        heads[:3] = np.eye(3)
        return cls(
            rows=np.zeros((n_rows, 3), np.float32),
            rows_moved=np.full(n_rows, 1e-6, np.float32),
            heads=heads,
            bias=np.zeros(_N_HEADS, np.float32),
            heads_moved=np.ones(_N_HEADS, np.float32),
            bias_moved=np.ones(_N_HEADS, np.float32),
        )

    def save(self, path: Path, done: int) -> None:
        """Write a checkpoint, whole or not at all."""
        temporary = path.with_suffix(".part.npz")
        np.savez(temporary, done=np.array(done), **vars(self))
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> tuple[Table, int]:
        """A checkpoint, and the number of chunks behind it."""
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return cls(**{name: value for name, value in arrays.items() if name != "done"}), int(arrays["done"])

    def logits(self, tokens: Tokens, rows: np.ndarray) -> np.ndarray:
        """Outputs of all heads for these rows of the corpus, float32 [n, 3 + K + 3 K]."""
        vectors = np.zeros((len(rows), self.rows.shape[1]), np.float32)
        compiled().vectors(rows.astype(np.int64), tokens.ngrams, tokens.ngram_offsets, self.rows, vectors)
        return np.asarray(vectors @ self.heads.T + self.bias)

    def copy_to(self, module: NgramTable) -> None:
        """Put the vectors and heads into the network."""
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(self.rows))
            start = 0
            for head in (module.sentiment, module.topics, module.topic_sentiment):
                end = start + head.out_features
                head.weight.copy_(torch.from_numpy(self.heads[start:end]))
                head.bias.copy_(torch.from_numpy(self.bias[start:end]))
                start = end


def table_of(
    model: FeedbackModel,
    buckets: np.ndarray,
    tokens: Tokens,
    rows: np.ndarray,
    *,
    log2_buckets: int,
    plain: np.ndarray | None = None,
) -> Table:
    """The table of a finished model over the (sorted) buckets of this run; n-grams it does not know say nothing.

    The model may have hashed into fewer buckets: a bucket of this run lies in one of its. TrainingError where it has
    more. `plain`: the buckets that do not stand for marked n-grams, where the model knows no marks. Its vectors were
    divided by the root of the number of n-grams it knows; the median over the texts `rows` of what that differs from
    this run's number goes into its heads.
    """
    finer = log2_buckets - model.config.n_buckets_log2
    if finer < 0:
        raise TrainingError(f"init hashes into 2^{model.config.n_buckets_log2} buckets, this run into 2^{log2_buckets}")
    theirs, wanted = cast(torch.Tensor, model.ngram_buckets).numpy(), buckets >> finer
    place = np.minimum(np.searchsorted(theirs, wanted), len(theirs) - 1)
    owned = theirs[place] == wanted
    if plain is not None:
        owned &= plain
    whole = np.zeros((len(buckets), model.config.ngram_dim), np.float32)
    whole[owned] = model.ngrams.weight.detach().numpy()[place[owned]]
    modules = (model.ngrams.sentiment, model.ngrams.topics, model.ngrams.topic_sentiment)
    ids, n_all = gather(tokens.ngrams, tokens.ngram_offsets, rows)
    n_own = np.bincount(np.repeat(np.arange(len(rows)), n_all)[owned[ids]], minlength=len(rows))
    ratio = np.float32(np.median(np.sqrt(np.maximum(n_all, 1) / np.maximum(n_own, 1))))
    return Table(
        rows=whole,
        rows_moved=np.ones(len(buckets), np.float32),
        heads=np.concatenate([module.weight.detach().numpy() for module in modules]) * ratio,
        bias=np.concatenate([module.bias.detach().numpy() for module in modules]),
        heads_moved=np.ones(_N_HEADS, np.float32),
        bias_moved=np.ones(_N_HEADS, np.float32),
    )


def merged(tables: Sequence[Table], shares: Sequence[float], tokens: Tokens, rows: np.ndarray, *, seed: int) -> Table:
    """One table of the first one's size that says what the sum of several (by `shares`) says, as nearly as its width
    allows.

    A table and its linear heads are one linear map from n-grams to logits, so the sum of several is one, too, only
    of a larger rank. Its best approximation of the width of one table comes from the principal directions of the
    logits over the texts `rows`; those of the sentiment are kept exactly. A random rotation at the end spreads the
    directions evenly over the numbers of a row, which int8 rows need.
    """
    if len(tables) == 1:
        return tables[0]
    width = tables[0].rows.shape[1]
    bias = np.sum([share * table.bias for share, table in zip(shares, tables, strict=True)], axis=0)
    logits = np.sum([share * table.logits(tokens, rows) for share, table in zip(shares, tables, strict=True)], axis=0)
    logits -= bias
    logits[:, :3] -= logits[:, :3].mean(1, keepdims=True)
    scale = 1.0 / np.sqrt(np.square(logits).mean(0) + 1e-6)
    scale[:3] *= _SENTIMENT_FIRST
    _, vectors = np.linalg.eigh((logits * scale).T.astype(np.float64) @ (logits * scale))
    directions = vectors[:, ::-1][:, :width]
    rotation, _ = np.linalg.qr(np.random.default_rng((seed, 8)).standard_normal((width, width)))
    inward = (scale[:, None] * directions @ rotation).astype(np.float32)  # from logits to a row
    heads = (directions @ rotation / scale[:, None]).astype(np.float32)
    whole = np.zeros((len(tables[0].rows), width), np.float32)
    for share, table in zip(shares, tables, strict=True):
        own = table.heads.copy()
        own[:3] -= own[:3].mean(0)
        whole += np.float32(share) * (table.rows @ (own.T @ inward).astype(np.float32))
    return replace(tables[0], rows=whole, heads=heads, bias=bias.astype(np.float32))


def compiled() -> ModuleType:
    """The compiled inner loops. TrainingError where numba is not installed."""
    try:
        from models.training import kernels
    except ImportError as error:
        raise TrainingError(f"training needs numba ({error}): pip install 'feedback-monitor[train]'") from error
    return kernels


def train_table(
    config: TrainConfig,
    corpus: Corpus,
    tokens: Tokens,
    weights: Weights,
    *,
    n_rows: int,
    checkpoint: Path,
    part: int = 0,
    direct: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Train a table (or go on from `checkpoint`) over `ngram_epochs` times the training rows, half of that from the
    middle of a run's tables on; with `direct` one of `Table.direct`, over `direct_epochs` times those with a sentiment.

    A text's vector is the sum of its n-grams' rows over the square root of their number. Rows move by Adagrad with one
    accumulator each (Duchi et al. 2011), text by text; each visit leaves out a share of the n-grams, which keeps rare
    ones from learning texts by heart. Chunk i draws its texts from the generator (seed, 1, part, i), 9 instead of 1
    where `direct`, and one thread does the arithmetic, so a resumed run ends like an unbroken one. `part` tells tables
    of one run apart.
    """
    stream = 9 if direct else 1
    if checkpoint.is_file():
        table, done = Table.load(checkpoint)
    elif direct:
        table, done = Table.direct(n_rows), 0
    else:
        table, done = Table.fresh(config, n_rows, seed=(config.seed, stream, part)), 0
    kernels = compiled()
    if direct:
        n_visits = round(config.direct_epochs * int(np.count_nonzero(weights.p_sentiment)))
    else:
        epochs = config.ngram_epochs if 2 * part < config.n_tables else config.ngram_epochs / 2
        n_visits = round(epochs * int((corpus.split == TRAIN).sum()))
    n_visits = max(1, n_visits)
    rate = config.direct_lr if direct else config.ngram_lr
    total, size = max(1, round(n_visits / CHUNK)), min(CHUNK, n_visits)
    labels = _labels(corpus, sentiment_only=direct)
    for chunk in range(done, total):
        rng = np.random.default_rng((config.seed, stream, part, chunk))
        order = np.concatenate(draw(weights, rng, size=size, topic_share=0.0 if direct else config.topic_share))
        rng.shuffle(order)
        first, last = (rate * (1.0 - 0.9 * step / total) for step in (chunk, chunk + 1))
        kernels.learn(
            order, tokens.ngrams, tokens.ngram_offsets, labels["sentiment"], weights.class_weight, labels["topics"],
            labels["labelled"], labels["decided"], labels["polarity"], table.rows, table.rows_moved, table.heads,
            table.bias, table.heads_moved, table.bias_moved, first, last, 0.0 if direct else HEAD_RATE,
            config.ngram_dropout, config.label_smoothing, POLARITY_LOSS,
            config.seed * 1_000_003 + part * 10_007 + chunk,
        )  # fmt: skip
        if (chunk + 1) % CHECKPOINT_CHUNKS == 0 or chunk + 1 == total:
            table.save(checkpoint, chunk + 1)
        if progress is not None:
            progress(chunk + 1, total)
    return table


def _labels(corpus: Corpus, *, sentiment_only: bool) -> dict[str, Any]:
    topics = {"topics": corpus.topics, "labelled": corpus.labelled, "polarity": corpus.topic_sentiment}
    if sentiment_only:
        topics = {name: np.full_like(column, -1 if name == "polarity" else 0) for name, column in topics.items()}
    return {
        "sentiment": corpus.sentiment,
        "topics": topics["topics"],
        "labelled": topics["labelled"],
        "decided": np.where(corpus.weak, WEAK_TOPIC_WEIGHT, 1.0).astype(np.float32),
        "polarity": np.ascontiguousarray(topics["polarity"]),
    }
