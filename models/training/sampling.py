"""Which rows the next batch holds: temperature over languages and sources, class weights, token budgets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.training.config import TrainConfig
from models.training.data import TRAIN, Corpus

AGREED_WEIGHT = 0.4  # of a sentiment that follows from the topics of a row, see `data.agreed_sentiment`


@dataclass(frozen=True)
class Weights:
    """Per row: probability of being drawn within its task, and weight of its sentiment label in the loss."""

    p_sentiment: np.ndarray  # sums to 1 over the training rows of the sentiment data
    p_topics: np.ndarray  # sums to 1 over the training rows of the topic data
    class_weight: np.ndarray  # mean 1


def row_weights(config: TrainConfig, corpus: Corpus) -> Weights:
    """A (source, language) pair counts as its size to the `source_temperature`; rare classes weigh more.

    The class weight is the inverse of the class's share in its (source, language) to the `class_power`, so that sources
    with few negatives teach them too; noisy sources are drawn less often (`data.source_weight`).
    """
    pair = corpus.source.astype(np.int64) * len(corpus.languages) + corpus.language
    train = corpus.split == TRAIN
    sizes = np.bincount(pair[train], minlength=int(pair.max()) + 1).clip(min=1)
    p = (sizes.astype(np.float64) ** (config.source_temperature - 1.0))[pair] * corpus.source_weight(
        written=config.written_weight
    )
    known = corpus.sentiment >= 0
    cell = pair * 3 + np.maximum(corpus.sentiment, 0)
    cells = np.bincount(cell[train & known], minlength=(int(pair.max()) + 1) * 3).clip(min=1)
    share = cells[cell] / sizes[pair]
    class_weight = np.where(known, np.clip(share, 0.02, 1.0) ** -config.class_power, 0.0)
    class_weight[corpus.is_topic & ~corpus.is_written()] *= AGREED_WEIGHT
    class_weight /= max(1e-9, class_weight[train & known].mean()) if np.any(train & known) else 1.0
    p_sentiment = p * train * known * ~corpus.is_topic
    p_topics = p * train * corpus.is_topic
    p_sentiment /= max(1e-12, p_sentiment.sum())
    p_topics /= max(1e-12, p_topics.sum())
    drawn = (1 - config.topic_share) * p_sentiment + config.topic_share * p_topics
    class_weight *= _language_balance(config, corpus, drawn * class_weight)
    return Weights(p_sentiment=p_sentiment, p_topics=p_topics, class_weight=class_weight.astype(np.float32))


def _language_balance(config: TrainConfig, corpus: Corpus, mass: np.ndarray) -> np.ndarray:
    """Factor of each row that evens out the classes within its language; the language as a whole weighs as before.

    Where most sources of a language know no neutral, a model learns that the language has none. `mass`: what each
    row weighs in the loss. A class counts for at least a fiftieth of the commonest.
    """
    cell = corpus.language.astype(np.int64) * 3 + np.maximum(corpus.sentiment, 0)
    known = corpus.sentiment >= 0
    sums = np.bincount(cell[known], weights=mass[known], minlength=3 * len(corpus.languages)).reshape(-1, 3)
    least = np.maximum(sums, sums.max(1, keepdims=True) / 50).clip(1e-12)
    factor = (sums.mean(1, keepdims=True).clip(1e-12) / least) ** config.language_balance
    factor /= ((factor * sums).sum(1, keepdims=True) / sums.sum(1, keepdims=True).clip(1e-12)).clip(1e-12)
    return np.asarray(factor.reshape(-1)[cell])


def gather(flat: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slices of `rows` one after another, and their lengths."""
    starts, counts = offsets[rows], offsets[rows + 1] - offsets[rows]
    before = np.cumsum(counts) - counts
    index = np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
    return flat[index], counts


def draw(weights: Weights, rng: np.random.Generator, *, size: int, topic_share: float) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the sentiment data, rows of the topic data), `size` together."""
    n_topics = round(size * topic_share)
    cumulated_s, cumulated_t = np.cumsum(weights.p_sentiment), np.cumsum(weights.p_topics)
    sentiment = np.searchsorted(cumulated_s, rng.random(size - n_topics) * cumulated_s[-1])
    topics = np.searchsorted(cumulated_t, rng.random(n_topics) * cumulated_t[-1])
    return sentiment, topics


def token_batches(
    rows: np.ndarray, lengths: np.ndarray, *, budget: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """The rows in batches of nearly equal length, at most `budget` tokens with padding, in random order.

    A batch always has a multiple of nothing in particular and at least one row; every row comes once.
    """
    order = rows[np.argsort(lengths[rows] + rng.random(len(rows)), kind="stable")]
    batches: list[np.ndarray] = []
    start = 0
    while start < len(order):
        end = start
        # Lengths rise, so the last row of the batch sets the padding.
        step = max(1, budget // int(max(1, lengths[order[start]])))
        end = min(len(order), start + step)
        while end - start > 1 and int(lengths[order[end - 1]]) * (end - start) > budget:
            end = start + max(1, budget // int(lengths[order[end - 1]]))
        batches.append(order[start:end])
        start = end
    for index in rng.permutation(len(batches)):
        yield batches[int(index)]
