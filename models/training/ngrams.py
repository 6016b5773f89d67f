"""Stage 1: vectors of the hashed n-grams, trained by themselves like fastText but on all three tasks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.network import NgramTable
from models.training.config import TrainConfig
from models.training.data import Corpus
from models.training.encode import Tokens
from models.training.losses import loss_of, targets
from models.training.sampling import Weights, draw, gather

HEAD_LR = 2e-3


def train_ngrams(
    table: NgramTable,
    config: TrainConfig,
    corpus: Corpus,
    tokens: Tokens,
    weights: Weights,
    *,
    device: torch.device,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    done: int = 0,
    state: dict[str, Tensor] | None = None,
    until: int | None = None,
) -> dict[str, Tensor]:
    """Train the table in place from step `done` to `until` (default: all) and return the optimiser's state.

    Rows move by Adagrad with one accumulator per row, without a dense gradient: a step costs what its n-grams
    cost. Each pass drops a share of the n-grams, which keeps rare ones from learning texts by heart.
    Step s draws its rows from generator (seed, s), so a resumed run sees what an unbroken one would.
    """
    total = n_steps(config, corpus)
    end = total if until is None else min(until, total)
    heads = [*table.sentiment.parameters(), *table.topics.parameters(), *table.topic_sentiment.parameters()]
    optimiser = torch.optim.Adam(heads, lr=HEAD_LR)
    accumulated = torch.full((table.weight.shape[0],), 1e-6, device=device)
    if state is not None:
        accumulated.copy_(state["accumulated"])
    ngrams = tokens.ngrams
    for step in range(done, end):
        rng = np.random.default_rng((config.seed, 1, step))
        fade = 1.0 - 0.9 * step / total
        for group in optimiser.param_groups:
            group["lr"] = HEAD_LR * fade
        rows = np.concatenate(draw(weights, rng, size=config.ngram_batch, topic_share=config.topic_share))
        ids, counts = gather(ngrams, tokens.ngram_offsets, rows)
        keep = rng.random(len(ids), dtype=np.float32) >= config.ngram_dropout
        owner = np.repeat(np.arange(len(rows)), counts)[keep]
        ids_t = torch.from_numpy(ids[keep].astype(np.int64)).to(device)
        owner_t = torch.from_numpy(owner).to(device)
        counts_kept = np.bincount(owner, minlength=len(rows))
        starts = torch.from_numpy(np.cumsum(counts_kept) - counts_kept).to(device)
        norm = torch.from_numpy(1.0 / np.sqrt(np.maximum(counts_kept, 1.0))).to(device, torch.float32)
        with torch.no_grad():
            raw = torch.nn.functional.embedding_bag(ids_t, table.weight, starts, mode="sum")
        vector = (raw * norm[:, None]).requires_grad_()
        loss, parts = loss_of(
            table.heads(vector),
            targets(corpus, rows, weights.class_weight, device),
            smoothing=config.label_smoothing,
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            assert vector.grad is not None
            gradient = vector.grad * (norm[:, None] * len(rows))
            accumulated.index_add_(0, ids_t, gradient.square().mean(1)[owner_t])
            scale = -config.ngram_lr * fade * torch.rsqrt(accumulated[ids_t])
            table.weight.index_add_(0, ids_t, gradient[owner_t] * scale[:, None])
        if progress is not None:
            progress(step + 1, {name: float(value.detach()) for name, value in parts.items()})
    return {"accumulated": accumulated}


def n_steps(config: TrainConfig, corpus: Corpus) -> int:
    """Steps of stage 1: `ngram_epochs` times the training rows, in batches."""
    n_train = int((corpus.split == 0).sum())
    return max(1, int(config.ngram_epochs * n_train / config.ngram_batch))
