"""Stage 2: the encoder, trained on all tasks with mixed batches, averaged weights and resumable checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.half import multiplies_bf16
from models.network import FeedbackModel
from models.training.config import TrainConfig
from models.training.data import Corpus
from models.training.encode import Tokens
from models.training.losses import Targets, bits, decisions, from_columns, loss_of
from models.training.sampling import Weights, draw, token_batches

CHUNK_BATCHES = 64  # batches drawn together, sorted by length
EMA_EVERY = 8
ENCODER_SKIPS = ("ngrams.", "mix")  # stage 1 owns these


@dataclass(frozen=True)
class Batch:
    """Padded token ids, mask, labels."""

    input_ids: Tensor
    attention_mask: Tensor
    targets: Targets

    def __len__(self) -> int:
        return int(self.input_ids.shape[0])


class Batches:
    """The endless, repeatable stream of batches: chunk k depends on (seed, k) only."""

    def __init__(
        self,
        config: TrainConfig,
        corpus: Corpus,
        tokens: Tokens,
        weights: Weights,
        *,
        mask_id: int,
        pad_id: int,
    ) -> None:
        self.config, self.corpus, self.tokens, self.weights = config, corpus, tokens, weights
        self.mask_id, self.pad_id = mask_id, pad_id
        self.lengths = np.minimum(tokens.lengths(), config.max_tokens)
        self.chunk, self.position = 0, 0
        self._plan: list[np.ndarray] = []
        self._partner = np.zeros(0, np.int64)
        self._make_plan()

    def seek(self, chunk: int, position: int) -> None:
        """Go to a place saved from `chunk` and `position`."""
        self.chunk, self.position = chunk, position
        self._make_plan()

    def _make_plan(self) -> None:
        config = self.config
        rng = np.random.default_rng((config.seed, 2, self.chunk))
        size = max(2, CHUNK_BATCHES * config.batch_tokens // max(8, int(self.lengths.mean())))
        sentiment, topics = draw(self.weights, rng, size=size, topic_share=config.topic_share)
        self._rows = np.concatenate((sentiment, topics))
        self._partner = np.concatenate(
            (self._partners(sentiment, rng, same_label=True), self._partners(topics, rng, same_label=False))
        )
        lengths = self.lengths[self._rows].copy()
        joined = self._partner >= 0
        lengths[joined] += self.lengths[self._partner[joined]] - 1
        self._length = np.minimum(lengths, config.max_tokens)
        self._plan = list(token_batches(np.arange(size), self._length, budget=config.batch_tokens, rng=rng))

    def _partners(self, rows: np.ndarray, rng: np.random.Generator, *, same_label: bool) -> np.ndarray:
        """For some short rows a second one: any language, the same sentiment where `same_label`; else -1."""
        partner = np.full(len(rows), -1, np.int64)
        short = self.lengths[rows] <= self.config.max_tokens // 2
        wanted = short & (rng.random(len(rows)) < self.config.mix_share)
        for label in (0, 1, 2) if same_label else (None,):
            pool = short if label is None else short & (self.corpus.sentiment[rows] == label)
            take = wanted & pool
            if pool.any():
                partner[take] = rng.choice(rows[pool], size=int(take.sum()))
        return partner

    def next(self, device: torch.device) -> Batch:
        """The next batch on the device."""
        if self.position >= len(self._plan):
            self.chunk, self.position = self.chunk + 1, 0
            self._make_plan()
        chosen = self._plan[self.position]
        rng = np.random.default_rng((self.config.seed, 3, self.chunk, self.position))
        self.position += 1
        rows, partner = self._rows[chosen], self._partner[chosen]
        width = int(self._length[chosen].max())
        width = min(self.config.max_tokens, -(-width // 4) * 4)
        ids = np.full((len(rows), width), self.pad_id, np.int64)
        fill(ids, self.tokens, rows, np.zeros(len(rows), np.int64), np.minimum(self.lengths[rows], width), 0)
        joined = np.flatnonzero(partner >= 0)
        first = np.minimum(self.lengths[rows], width)
        if len(joined):
            room = np.minimum(width - first[joined], self.lengths[partner[joined]] - 1)
            part = ids[joined]
            fill(part, self.tokens, partner[joined], first[joined], room, 1)
            ids[joined] = part
            first[joined] += room
        mask = (np.arange(width)[None] < first[:, None]).astype(np.float32)
        if self.config.noise_share > 0:
            noisy = (rng.random(ids.shape, dtype=np.float32) < self.config.noise_share) & (mask > 0)
            noisy[:, 0] = False
            ids[noisy] = self.mask_id
        return Batch(
            torch.from_numpy(ids).to(device),
            torch.from_numpy(mask).to(device),
            self._targets(rows, partner, device),
        )

    def _targets(self, rows: np.ndarray, partner: np.ndarray, device: torch.device) -> Targets:
        corpus = self.corpus
        sentiment = corpus.sentiment[rows].copy()
        topics, labelled = corpus.topics[rows].copy(), corpus.labelled[rows].copy()
        polarity = corpus.topic_sentiment[rows].copy()
        weak = corpus.weak[rows]
        j = np.flatnonzero(partner >= 0)
        if len(j):
            other = partner[j]
            sentiment[j] = np.where(sentiment[j] == corpus.sentiment[other], sentiment[j], -1)
            labelled[j] = (labelled[j] & corpus.labelled[other]) | topics[j] | corpus.topics[other]
            topics[j] |= corpus.topics[other]
            mine, theirs = polarity[j], corpus.topic_sentiment[other]
            polarity[j] = np.where(mine < 0, theirs, np.where((theirs < 0) | (theirs == mine), mine, -1))
        return from_columns(
            sentiment,
            self.weights.class_weight[rows],
            bits(topics),
            decisions(labelled, weak),
            polarity,
            device,
        )


def fill(ids: np.ndarray, tokens: Tokens, rows: np.ndarray, at: np.ndarray, counts: np.ndarray, skip: int) -> None:
    """Write `counts` tokens of each row (after the first `skip`) into `ids` from column `at` on."""
    before = np.cumsum(counts) - counts
    inner = np.arange(int(counts.sum())) - np.repeat(before, counts)
    line = np.repeat(np.arange(len(rows)), counts)
    source = np.repeat(tokens.token_offsets[rows] + skip, counts) + inner
    ids[line, np.repeat(at, counts) + inner] = tokens.tokens[source]


class Fit:
    """Encoder training with fp32 master weights and a working copy in bf16 where the device is quick at it."""

    def __init__(
        self,
        model: FeedbackModel,
        config: TrainConfig,
        batches: Batches,
        *,
        device: torch.device,
        total_steps: int | None = None,
    ) -> None:
        self.model = model.to(device)
        self.config, self.batches, self.device = config, batches, device
        self.total_steps = config.steps if total_steps is None else total_steps
        self.step = 0
        self.seconds = 0.0
        self.masters = {name: value for name, value in model.named_parameters() if not name.startswith(ENCODER_SKIPS)}
        ngrams, model.ngrams = model.ngrams, nn.Identity()  # type: ignore[assignment]  # a copy of the table would only cost memory
        self.work = copy.deepcopy(model)
        model.ngrams = ngrams
        if config.bf16 and multiplies_bf16(device.type):
            self.work = self.work.to(torch.bfloat16)
        self.working = {n: p for n, p in self.work.named_parameters() if n in self.masters}
        self.ema = {name: value.detach().clone() for name, value in self.masters.items()}
        decay = [p for n, p in self.masters.items() if p.ndim > 1 and "embedding" not in n]
        plain = [p for n, p in self.masters.items() if p.ndim <= 1 or "embedding" in n]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": decay, "weight_decay": config.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=config.lr,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.dtype = next(iter(self.working.values())).dtype
        self._forward: Callable[..., Any] = self.heads
        if config.compile:
            self._forward = torch.compile(self.heads, dynamic=True)

    def heads(self, ids: Tensor, mask: Tensor) -> Any:
        """What the loss needs of the working copy: (sentiment, topics, topic sentiment)."""
        hidden = self.work.hidden(ids, mask)
        sentiment, topics, polarity, _ = self.work.encoder_heads(hidden, mask)
        return sentiment, topics, polarity

    def share_done(self) -> float:
        """0..1: by steps or, where the run has a time limit, by seconds if these end first."""
        by_steps = self.step / max(1, self.total_steps)
        limit = self.config.max_seconds
        return min(1.0, by_steps if limit is None else max(by_steps, self.seconds / limit))

    def train_step(self) -> dict[str, float]:
        """One batch; the mean losses by name."""
        started = time.monotonic()
        config = self.config
        done = self.share_done()
        rise = min(1.0, (self.step + 1) / max(1.0, config.warmup * min(self.total_steps, 4000)))
        for group in self.optimiser.param_groups:
            group["lr"] = config.lr * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        torch.manual_seed(config.seed * 1_000_003 + self.step)
        batch = self.batches.next(self.device)
        self.work.train()
        loss, parts = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, master in self.masters.items():
            gradient = self.working[name].grad
            master.grad = None if gradient is None else gradient.to(master.dtype)
            self.working[name].grad = None
        torch.nn.utils.clip_grad_norm_(self.masters.values(), 1.0)
        self.optimiser.step()
        self.step += 1
        with torch.no_grad():
            for name, master in self.masters.items():
                self.working[name].copy_(master)
            if self.step % EMA_EVERY == 0:
                keep = min(config.ema, (1 + self.step) / (10 + self.step)) ** EMA_EVERY
                for name, master in self.masters.items():
                    self.ema[name].lerp_(master, 1 - keep)
        self.seconds += time.monotonic() - started
        return {name: float(value.detach()) for name, value in parts.items()} | {"texts": float(len(batch))}

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its parts by name."""
        heads = self._forward(batch.input_ids, batch.attention_mask.to(self.dtype))
        return loss_of(heads, batch.targets, smoothing=self.config.label_smoothing)

    def averaged(self) -> FeedbackModel:
        """A copy of the model with the averaged encoder weights, in eval mode."""
        model: FeedbackModel = copy.deepcopy(self.model)
        model.load_state_dict({**model.state_dict(), **self.ema})
        model.eval()
        return model

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "chunk": self.batches.chunk,
            "position": self.batches.position,
            "model": self.model.state_dict(),
            "ema": self.ema,
            "optimiser": self.optimiser.state_dict(),
            "fingerprint": self.config.fingerprint(),
        }
        save_state(state, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; ValueError where it belongs to another configuration."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["fingerprint"] != self.config.fingerprint():
            raise ValueError(f"{path} belongs to a run with other settings; name another work folder")
        self.step, self.seconds = state["step"], state["seconds"]
        self.batches.seek(state["chunk"], state["position"])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.ema = state["ema"]
        with torch.no_grad():
            for name, master in self.masters.items():
                self.working[name].copy_(master)


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(path)


def token_vectors_from_ngrams(model: FeedbackModel, strings: list[str], encoder: Any) -> None:
    """Start each token's embedding from the n-gram vectors of its letters: what stage 1 already knows."""
    vectors = []
    with torch.no_grad():
        clean = [text.replace("\u2581", " ").strip() for text in strings]
        for start in range(0, len(clean), 8192):
            rows, offsets = encoder.ngram_rows(clean[start : start + 8192])
            vectors.append(
                model.ngrams.vector(
                    torch.from_numpy(rows.astype(np.int64)),
                    torch.from_numpy(offsets.astype(np.int64)),
                    len(offsets) - 1,
                )
            )
        known = torch.cat(vectors)
        known = known / known.square().mean().sqrt().clamp(min=1e-6) * 0.3
        width = min(known.shape[1], model.token_embedding.weight.shape[1])
        model.token_embedding.weight[:, :width] += known[:, :width]
