"""The n-gram table: it learns, the same every time, goes on where it stopped, and scores a row it never saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import TrainingError
from models.labels import TOPICS
from models.network import _TINY_TEXTS as TINY
from models.network import build_tiny, load_directory
from models.packed import LARGEST
from models.tokenizer import hash_ngrams, normalise
from models.training import ngrams
from models.training.config import TrainConfig
from models.training.data import DEV, TRAIN, Corpus, read
from models.training.encode import Tokens, choose_buckets
from models.training.ngrams import Table, merged, table_of, train_table
from models.training.sampling import Weights, row_weights

SIZE = 12


@pytest.fixture(scope="module")
def parts(data: Path) -> tuple[TrainConfig, Corpus, Tokens, Weights, int]:
    from models.training.config import profile

    config = profile("tiny", data=data, ngram_epochs=SIZE, n_ngram_rows=4000)
    corpus = read(config)
    corpus.texts = [normalise(text) for text in corpus.texts]
    buckets = choose_buckets(config, corpus)
    row_of = np.full(1 << config.n_buckets_log2, -1, np.int32)
    row_of[buckets] = np.arange(len(buckets))
    found, owner = hash_ngrams(corpus.texts, log2_buckets=config.n_buckets_log2)
    known = row_of[found] >= 0
    offsets = np.concatenate(([0], np.cumsum(np.bincount(owner[known], minlength=len(corpus)))))
    empty = np.zeros(0, np.uint16)
    tokens = Tokens(empty, np.zeros(len(corpus) + 1, np.int64), row_of[found][known], offsets)
    return config, corpus, tokens, row_weights(config, corpus), len(buckets)


@pytest.fixture(scope="module")
def table(parts: tuple[TrainConfig, Corpus, Tokens, Weights, int], tmp_path_factory: pytest.TempPathFactory) -> Table:
    config, corpus, tokens, weights, n_rows = parts
    path = tmp_path_factory.mktemp("table") / "t.npz"
    return train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=path)


def test_it_learns_sentiment_and_topics(
    parts: tuple[TrainConfig, Corpus, Tokens, Weights, int], table: Table, tmp_path: Path
) -> None:
    config, corpus, tokens, weights, n_rows = parts
    dev = np.flatnonzero((corpus.split == DEV) & ~corpus.is_topic)
    said = table.logits(tokens, dev)[:, :3].argmax(1)
    assert (said == corpus.sentiment[dev]).mean() > 0.95
    again = train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "u.npz")
    assert np.array_equal(table.rows, again.rows)
    other = train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "v.npz", part=1)
    assert not np.allclose(table.rows, other.rows)


def test_it_goes_on_where_it_stopped(
    parts: tuple[TrainConfig, Corpus, Tokens, Weights, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, corpus, tokens, weights, n_rows = parts
    monkeypatch.setattr(ngrams, "CHUNK", 200)
    monkeypatch.setattr(ngrams, "CHECKPOINT_CHUNKS", 3)
    whole = train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "whole.npz")

    class Killed(Exception):
        pass

    def dies(done: int, _total: int) -> None:
        if done == 8:
            raise Killed

    with pytest.raises(Killed):
        train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "k.npz", progress=dies)
    seen: list[int] = []
    resumed = train_table(
        config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "k.npz",
        progress=lambda done, _total: seen.append(done),
    )  # fmt: skip
    assert seen[0] == 7
    assert np.array_equal(whole.rows, resumed.rows)
    assert np.array_equal(whole.heads, resumed.heads)


def test_numba_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "models.training.kernels", None)
    monkeypatch.delattr("models.training.kernels", raising=False)
    with pytest.raises(TrainingError, match=r"feedback-monitor\[train\]"):
        ngrams.compiled()


def test_a_merged_table_says_what_the_mean_says(
    parts: tuple[TrainConfig, Corpus, Tokens, Weights, int], table: Table, tmp_path: Path
) -> None:
    config, corpus, tokens, weights, n_rows = parts
    other = train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "o.npz", part=1)
    tables = [table, other]
    rows = np.flatnonzero(corpus.split == TRAIN)
    one = merged(tables, [0.7, 0.3], tokens, rows, seed=1)
    assert one.rows.shape == tables[0].rows.shape
    dev = np.flatnonzero(corpus.split == DEV)
    mean = 0.7 * tables[0].logits(tokens, dev) + 0.3 * tables[1].logits(tokens, dev)
    found = one.logits(tokens, dev)
    expected = np.exp(mean[:, :3]) / np.exp(mean[:, :3]).sum(1, keepdims=True)
    got = np.exp(found[:, :3]) / np.exp(found[:, :3]).sum(1, keepdims=True)
    assert np.allclose(got, expected, atol=0.02)
    assert merged(tables[:1], [1.0], tokens, rows, seed=1) is tables[0]
    seen = [TOPICS.index(name) + 3 for name in ("delivery", "food", "staff")]
    assert np.corrcoef(found[:, seen].ravel(), mean[:, seen].ravel())[0, 1] > 0.95
    largest = np.abs(one.rows).max(1, keepdims=True).clip(1e-8) / LARGEST
    short = replace(one, rows=np.round(one.rows / largest) * largest).logits(tokens, dev)  # as the file holds it
    assert np.corrcoef(short[:, seen].ravel(), found[:, seen].ravel())[0, 1] > 0.99


def test_weights_without_vectors_add_to_the_sentiment_alone(
    parts: tuple[TrainConfig, Corpus, Tokens, Weights, int], table: Table, tmp_path: Path
) -> None:
    config, corpus, tokens, weights, n_rows = parts
    direct = train_table(config, corpus, tokens, weights, n_rows=n_rows, checkpoint=tmp_path / "d.npz", direct=True)
    assert direct.rows.shape == (n_rows, 3)
    dev = np.flatnonzero((corpus.split == DEV) & ~corpus.is_topic)
    said = direct.logits(tokens, dev)
    assert (said[:, :3].argmax(1) == corpus.sentiment[dev]).mean() > 0.9
    assert not said[:, 3:].any()
    one = merged([table, direct], [1.0, 0.5], tokens, np.flatnonzero(corpus.split == TRAIN), seed=1)
    assert one.rows.shape == table.rows.shape
    apart, together = table.logits(tokens, dev), one.logits(tokens, dev)
    wanted = apart[:, :3] + 0.5 * said[:, :3]
    assert (together[:, :3].argmax(1) == wanted.argmax(1)).mean() > 0.98
    assert np.corrcoef(together[:, 2] - together[:, 0], wanted[:, 2] - wanted[:, 0])[0, 1] > 0.99
    seen = [TOPICS.index(name) + 3 for name in ("delivery", "food", "staff")]
    assert np.corrcoef(apart[:, seen].ravel(), together[:, seen].ravel())[0, 1] > 0.95


def test_the_table_of_a_model_with_fewer_buckets_and_no_marks_goes_on(tmp_path: Path) -> None:
    texts = ["great lovely place", "not great, rude", "no good but cheap"] * 3
    model, encoder = load_directory(build_tiny(3, tmp_path))
    buckets = np.unique(hash_ngrams([*texts, *TINY], log2_buckets=14, word_order=True)[0])
    row_of = np.full(1 << 14, -1, np.int32)
    row_of[buckets] = np.arange(len(buckets))
    found, owner = hash_ngrams(texts, log2_buckets=14, word_order=True)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(texts)))))
    tokens = Tokens(np.zeros(0, np.uint16), np.zeros(len(texts) + 1, np.int64), row_of[found], offsets)
    plain = np.isin(buckets, hash_ngrams([*texts, *TINY], log2_buckets=14)[0])
    table = table_of(model, buckets, tokens, np.arange(3), log2_buckets=14, plain=plain)
    theirs = set(model.ngram_buckets.tolist())
    for bucket, row, known in zip(buckets.tolist(), table.rows, plain, strict=True):
        if known and bucket >> 2 in theirs:
            place = model.ngram_buckets.tolist().index(bucket >> 2)
            assert np.array_equal(row, model.ngrams.weight[place].detach().numpy())
        else:
            assert not row.any()
    assert len(encoder.encode(texts[:1]).ngrams) > 0
    with pytest.raises(TrainingError, match=r"2\^12 buckets, this run into 2\^10"):
        table_of(model, buckets, tokens, np.arange(3), log2_buckets=10)
