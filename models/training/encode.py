"""Texts of a run as arrays of token ids and n-gram rows, computed once and kept in the work folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from models.tokenizer import TextEncoder, build_tokenizer, hash_ngrams
from models.training.config import TrainConfig
from models.training.data import TRAIN, Corpus

_CHUNK = 20_000


@dataclass
class Tokens:
    """Flat token ids and n-gram rows; those of row i lie between offsets i and i + 1. Token 0 of a row is CLS."""

    tokens: np.ndarray  # uint16
    token_offsets: np.ndarray  # int64 [n + 1]
    ngrams: np.ndarray  # int32
    ngram_offsets: np.ndarray  # int64 [n + 1]

    def lengths(self) -> np.ndarray:
        """Number of tokens of each row, CLS included."""
        return np.diff(self.token_offsets)


def sampling_weight(corpus: Corpus, power: float) -> np.ndarray:
    """p(row) of drawing training rows so that a language counts as its size to the `power`."""
    train = corpus.split == TRAIN
    sizes = np.bincount(corpus.language[train], minlength=len(corpus.languages)).clip(min=1)
    weight = (sizes.astype(np.float64) ** (power - 1.0))[corpus.language] * train
    return np.asarray(weight / weight.sum())


def make_tokenizer(config: TrainConfig, corpus: Corpus) -> Tokenizer:
    """A tokenizer over a language-balanced sample of the (normalised) training texts."""
    rng = np.random.default_rng(config.seed)
    weight = sampling_weight(corpus, 0.55)
    size = min(260_000, int(np.count_nonzero(weight)))
    chosen = rng.choice(len(corpus), size=size, replace=False, p=weight)
    return build_tokenizer((corpus.texts[int(row)] for row in chosen), vocab_size=config.vocab_size)


def choose_buckets(config: TrainConfig, corpus: Corpus) -> np.ndarray:
    """Sorted buckets that get a vector: those in most training texts, languages balanced."""
    weight = sampling_weight(corpus, 0.7)
    counts = np.zeros(1 << config.n_buckets_log2)
    rows = np.flatnonzero(weight)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        texts = [corpus.texts[int(row)] for row in part]
        buckets, owner = hash_ngrams(texts, log2_buckets=config.n_buckets_log2, word_order=config.word_order)
        counts += np.bincount(buckets, weights=weight[part][owner], minlength=len(counts))
    n_rows = min(config.n_ngram_rows, int(np.count_nonzero(counts)))
    return np.sort(np.argpartition(-counts, n_rows - 1)[:n_rows]).astype(np.int32)


def plain_buckets(config: TrainConfig, corpus: Corpus, tokens: Tokens, buckets: np.ndarray) -> np.ndarray:
    """Which of the kept buckets stand for n-grams without a mark in most of the training texts, bool."""
    row_of = np.full(1 << config.n_buckets_log2, -1, np.int32)
    row_of[buckets] = np.arange(len(buckets), dtype=np.int32)
    counts = np.zeros(len(buckets), np.int64)
    rows = np.flatnonzero(corpus.split == TRAIN)
    for start in range(0, len(rows), _CHUNK):
        texts = [corpus.texts[int(row)] for row in rows[start : start + _CHUNK]]
        found = row_of[hash_ngrams(texts, log2_buckets=config.n_buckets_log2)[0]]
        counts += np.bincount(found[found >= 0], minlength=len(buckets))
    train = np.repeat(corpus.split == TRAIN, np.diff(tokens.ngram_offsets))
    return np.asarray(2 * counts >= np.bincount(tokens.ngrams[train], minlength=len(buckets)))


def encode(encoder: TextEncoder, texts: list[str], *, progress: Callable[[int], None] | None = None) -> Tokens:
    """Token ids and n-gram rows of normalised texts."""
    tokens, token_counts, ngrams, ngram_counts = [], [], [], []
    for start in range(0, len(texts), _CHUNK):
        part = encoder.encode(texts[start : start + _CHUNK], normalised=True)
        tokens.append(part.tokens.astype(np.uint16))
        token_counts.append(np.diff(part.token_offsets))
        ngrams.append(part.ngrams)
        ngram_counts.append(np.diff(part.ngram_offsets))
        if progress is not None:
            progress(len(part))
    return Tokens(np.concatenate(tokens), _offsets(token_counts), np.concatenate(ngrams), _offsets(ngram_counts))


def _offsets(counts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(np.concatenate(counts))))


_FILES = ("tokens", "token_offsets", "ngrams", "ngram_offsets")


def save_tokens(tokens: Tokens, directory: Path) -> None:
    """Write the four arrays as .npy files, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        temporary = directory / f"{name}.part.npy"
        np.save(temporary, getattr(tokens, name))
        temporary.replace(directory / f"{name}.npy")


def load_tokens(directory: Path) -> Tokens | None:
    """The arrays written by `save_tokens`, or None where they are not complete."""
    if not all((directory / f"{name}.npy").is_file() for name in _FILES):
        return None
    return Tokens(*(np.load(directory / f"{name}.npy") for name in _FILES))
