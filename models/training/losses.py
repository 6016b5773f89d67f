"""What the heads are trained on: sentiment, topics where a decision exists, sentiment of the topics present."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.labels import TOPICS
from models.training.data import Corpus

WEAK_TOPIC_WEIGHT = 0.25  # of a decision made by the lexicon
TOPIC_LOSS, POLARITY_LOSS = 1.0, 0.5  # beside the loss of the sentiment head, 1


@dataclass(frozen=True)
class Targets:
    """Labels of a batch on the device; weights of 0 take a label out of the loss."""

    sentiment: Tensor  # int64 [B], 0 where unknown
    sentiment_weight: Tensor  # [B]
    topics: Tensor  # [B, 19] 0..1
    topic_weight: Tensor  # [B, 19]
    polarity: Tensor  # int64 [B, 19], 0 where unknown
    polarity_weight: Tensor  # [B, 19]


def bits(masks: np.ndarray) -> np.ndarray:
    """Bit masks over the topics as a matrix [n, 19] of 0 and 1."""
    return (masks[:, None] >> np.arange(len(TOPICS)) & 1).astype(np.float32)


def decisions(labelled: np.ndarray, weak: np.ndarray) -> np.ndarray:
    """Weight of each topic decision, [n, 19]: 0 unknown, 1 by people, less by the lexicon."""
    return bits(labelled) * np.where(weak, WEAK_TOPIC_WEIGHT, 1.0)[:, None].astype(np.float32)


def targets(corpus: Corpus, rows: np.ndarray, class_weight: np.ndarray, device: torch.device) -> Targets:
    """The labels of these rows."""
    return from_columns(
        corpus.sentiment[rows],
        class_weight[rows],
        bits(corpus.topics[rows]),
        decisions(corpus.labelled[rows], corpus.weak[rows]),
        corpus.topic_sentiment[rows],
        device,
    )


def from_columns(
    sentiment: np.ndarray,
    weight: np.ndarray,
    topics: np.ndarray,
    labelled: np.ndarray,
    polarity: np.ndarray,
    device: torch.device,
) -> Targets:
    """Targets from numpy columns: -1 means unknown in `sentiment` and `polarity`."""

    def place(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device, non_blocking=True)

    return Targets(
        sentiment=place(np.maximum(sentiment, 0).astype(np.int64)),
        sentiment_weight=place(np.where(sentiment >= 0, weight, 0).astype(np.float32)),
        topics=place(topics),
        topic_weight=place(labelled),
        polarity=place(np.maximum(polarity, 0).astype(np.int64)),
        polarity_weight=place((polarity >= 0).astype(np.float32)),
    )


def loss_of(
    heads: tuple[Tensor, Tensor, Tensor], target: Targets, *, smoothing: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum of the three losses, each the mean over the rows that have its label; and the parts by name."""
    sentiment, topics, polarity = heads
    per_row = functional.cross_entropy(sentiment, target.sentiment, reduction="none", label_smoothing=smoothing)
    sentiment_loss = (per_row * target.sentiment_weight).sum() / target.sentiment_weight.sum().clamp(min=1.0)
    soft = target.topics * (1 - smoothing) + smoothing / 20
    per_topic = functional.binary_cross_entropy_with_logits(topics, soft, reduction="none")
    n_labelled = target.topic_weight.amax(1).sum().clamp(min=1)
    topic_loss = (per_topic * target.topic_weight).sum() / n_labelled
    per_polarity = functional.cross_entropy(
        polarity.flatten(0, 1), target.polarity.flatten(), reduction="none", label_smoothing=smoothing
    )
    flat = target.polarity_weight.flatten()
    polarity_loss = (per_polarity * flat).sum() / flat.sum().clamp(min=1.0)
    total = sentiment_loss + TOPIC_LOSS * topic_loss + POLARITY_LOSS * polarity_loss
    return total, {"sentiment": sentiment_loss, "topics": topic_loss, "topic_sentiment": polarity_loss}
