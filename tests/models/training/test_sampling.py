"""Which rows a batch holds, and what they are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from models.labels import TOPICS
from models.training.config import TrainConfig
from models.training.data import TRAIN, Corpus
from models.training.encode import Tokens
from models.training.fit import Batches
from models.training.losses import WEAK_TOPIC_WEIGHT, bits, decisions, loss_of, targets
from models.training.metrics import calibration_error, f1_scores, macro_f1, topic_f1
from models.training.pack import corpus_of
from models.training.sampling import draw, gather, row_weights, token_batches


def plain_tokens(corpus: Corpus, length: int = 5) -> Tokens:
    """Row i holds the tokens i % 1000 + 10, repeated; the first is CLS (2)."""
    n = len(corpus)
    flat = np.repeat(np.arange(n) % 1000 + 10, length).astype(np.uint16)
    flat[::length] = 2
    offsets = np.arange(n + 1, dtype=np.int64) * length
    return Tokens(flat, offsets, np.zeros(n, np.int32), np.arange(n + 1, dtype=np.int64))


def test_small_sources_are_drawn_more_often_than_their_share(tiny: TrainConfig) -> None:
    corpus = corpus_of(replace(tiny, weak_topics=False))
    small = np.flatnonzero((corpus.source == 0) & (corpus.split == TRAIN))[5:]
    corpus.split[small] = 9  # nowhere
    weights = row_weights(tiny, corpus)
    assert np.isclose(weights.p_sentiment.sum(), 1)
    assert np.isclose(weights.p_topics.sum(), 1)
    train = corpus.split == TRAIN
    share = (train & (corpus.source == 0)).sum() / (train & ~corpus.is_topic).sum()
    assert weights.p_sentiment[corpus.source == 0].sum() > 1.5 * share
    assert weights.p_sentiment[~train].sum() == 0
    assert weights.p_sentiment[corpus.is_topic].sum() == 0


def test_rare_classes_weigh_more(tiny: TrainConfig) -> None:
    corpus = corpus_of(replace(tiny, weak_topics=False))
    cell = (corpus.source == 1) & (corpus.language == 0) & (corpus.split == TRAIN)
    corpus.sentiment[cell] = 2
    rare = int(np.flatnonzero(cell)[0])
    corpus.sentiment[rare] = 0
    weight = row_weights(tiny, corpus).class_weight
    assert weight[rare] > 3 * weight[np.flatnonzero(cell)[1]]


def test_classes_of_a_language_are_evened_out_over_its_sources(tiny: TrainConfig) -> None:
    corpus = corpus_of(replace(tiny, weak_topics=False))
    mine = (corpus.language == 0) & (corpus.split == TRAIN) & (corpus.sentiment >= 0)
    without = mine & (corpus.source == 0)
    corpus.sentiment[without & (corpus.sentiment == 1)] = 2  # a source that knows no neutral

    def mass(balance: float) -> np.ndarray:
        weights = row_weights(replace(tiny, language_balance=balance), corpus)
        drawn = (1 - tiny.topic_share) * weights.p_sentiment + tiny.topic_share * weights.p_topics
        return np.bincount(corpus.sentiment[mine], weights=(drawn * weights.class_weight)[mine], minlength=3)

    skewed, wholly = mass(0.0), mass(1.0)
    assert skewed.max() > 1.1 * skewed.min()
    assert np.allclose(wholly, wholly.mean(), rtol=1e-3)
    assert np.isclose(skewed.sum(), wholly.sum(), rtol=1e-3), "the language weighs as before"


def test_draws_are_repeatable_and_share_out_the_tasks(tiny: TrainConfig) -> None:
    corpus = corpus_of(tiny)
    weights = row_weights(tiny, corpus)
    first = draw(weights, np.random.default_rng(3), size=50, topic_share=0.4)
    again = draw(weights, np.random.default_rng(3), size=50, topic_share=0.4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert (len(first[0]), len(first[1])) == (30, 20)
    assert corpus.is_topic[first[1]].all()
    assert not corpus.is_topic[first[0]].any()


def test_gather_puts_slices_in_order() -> None:
    flat, counts = gather(np.arange(10), np.array([0, 2, 2, 5, 10]), np.array([2, 0, 1]))
    assert flat.tolist() == [2, 3, 4, 0, 1]
    assert counts.tolist() == [3, 2, 0]


def test_token_batches_keep_the_budget_and_every_row() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 48, 500)
    seen = []
    for batch in token_batches(np.arange(500), lengths, budget=256, rng=rng):
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= 256
        seen.extend(batch.tolist())
    assert sorted(seen) == list(range(500))


def test_a_joined_row_has_both_texts_and_both_topics(tiny: TrainConfig) -> None:
    config = replace(tiny, mix_share=1.0, noise_share=0.0, weak_topics=False, batch_tokens=2048)
    corpus = corpus_of(config)
    tokens = plain_tokens(corpus)
    stream = Batches(config, corpus, tokens, row_weights(config, corpus), mask_id=3, pad_id=0)
    batch = stream.next(torch.device("cpu"))
    assert batch.attention_mask.sum(1).tolist() == [9.0] * len(batch)  # CLS + 4 + 4
    assert (batch.input_ids[:, 0] == 2).all()
    assert (batch.input_ids[:, 1:9] >= 10).all()
    n_topics = batch.targets.topics.sum(1)
    assert n_topics.max() == 2  # two things in one text
    # A topic that only one of the two sources decided stays undecided unless it is present.
    assert bool(((batch.targets.topics <= 0) | (batch.targets.topic_weight > 0)).all())


def test_joined_sentiment_rows_agree(tiny: TrainConfig) -> None:
    config = replace(tiny, mix_share=1.0, noise_share=0.0, topic_share=0.0, weak_topics=False)
    corpus = corpus_of(config)
    stream = Batches(config, corpus, plain_tokens(corpus), row_weights(config, corpus), mask_id=3, pad_id=0)
    batch = stream.next(torch.device("cpu"))
    assert bool((batch.targets.sentiment_weight > 0).all())


def test_the_stream_can_be_taken_up_anywhere(tiny: TrainConfig) -> None:
    corpus = corpus_of(tiny)
    tokens, weights = plain_tokens(corpus), row_weights(tiny, corpus)
    stream = Batches(tiny, corpus, tokens, weights, mask_id=3, pad_id=0)
    for _ in range(5):
        stream.next(torch.device("cpu"))
    chunk, position = stream.chunk, stream.position
    expected = stream.next(torch.device("cpu")).input_ids
    other = Batches(tiny, corpus, tokens, weights, mask_id=3, pad_id=0)
    other.seek(chunk, position)
    assert torch.equal(other.next(torch.device("cpu")).input_ids, expected)


def test_undecided_labels_do_not_move_the_loss(tiny: TrainConfig) -> None:
    corpus = corpus_of(replace(tiny, weak_topics=False))
    rows = np.flatnonzero(corpus.is_topic)[:8]
    corpus.sentiment[rows] = -1
    target = targets(corpus, rows, np.ones(len(corpus), np.float32), torch.device("cpu"))
    heads = (torch.zeros(8, 3), torch.zeros(8, 19, requires_grad=True), torch.zeros(8, 19, 3, requires_grad=True))
    loss, parts = loss_of(heads, target, smoothing=0.0)
    loss.backward()
    gradient, polarity = heads[1].grad, heads[2].grad
    assert gradient is not None and polarity is not None
    undecided = TOPICS.index("cleanliness")
    assert float(gradient[:, undecided].abs().sum()) == 0
    assert float(gradient[:, TOPICS.index("price")].abs().sum()) > 0
    assert float(polarity[:, TOPICS.index("price")].abs().sum()) == 0
    assert float(parts["sentiment"]) == 0


def test_decisions_of_the_lexicon_weigh_less() -> None:
    weight = decisions(np.array([0b11, 0b11]), np.array([False, True]))
    assert weight[0, :3].tolist() == [1, 1, 0]
    assert weight[1, :3].tolist() == [WEAK_TOPIC_WEIGHT, WEAK_TOPIC_WEIGHT, 0]
    assert bits(np.array([0b101]))[0, :4].tolist() == [1, 0, 1, 0]


def test_metrics_by_hand() -> None:
    gold, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert f1_scores(gold, predicted, [0, 1]) == [2 / 3, 0.8]
    assert np.isclose(macro_f1(gold, predicted), (2 / 3 + 0.8) / 2)
    # A class that nobody gave does not count, but saying it costs the others.
    assert np.isclose(macro_f1(np.array([0, 0, 2, 2]), np.array([0, 1, 2, 2])), (2 / 3 + 1.0) / 2)
    assert np.isclose(calibration_error(np.array([0.9, 0.9, 0.5, 0.5]), np.array([1, 1, 0, 1])), 0.05)
    score = topic_f1(np.array([[1, 0]] * 10 + [[0, 1]]), np.array([[1, 1]] * 11), np.array([[1, 0]] * 11), min_cases=10)
    assert score.n_topics == 1  # the second topic is nobody's decision
    assert np.isclose(score.macro, 2 * 10 / 21)
