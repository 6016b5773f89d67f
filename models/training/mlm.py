"""Stage 2a: masked-token pretraining of the encoder on all texts, labelled or not. Pays on a GPU, not on two cores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.network import FeedbackModel
from models.training.config import TrainConfig
from models.training.fit import Batch, Batches, Fit

MASKED_SHARE = 0.2
IGNORED = -100


class Pretrain(Fit):
    """The same loop as `Fit`, with tokens to guess in place of labels; the output layer is the embedding itself."""

    def __init__(self, model: FeedbackModel, config: TrainConfig, batches: Batches, *, device: torch.device) -> None:
        super().__init__(model, config, batches, device=device, total_steps=config.mlm_steps)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the masked tokens (a fifth of all)."""
        rng = np.random.default_rng((self.config.seed, 5, self.step))
        chosen = rng.random(tuple(batch.input_ids.shape), dtype=np.float32) < MASKED_SHARE
        chosen[:, 0] = False
        hidden_at = torch.from_numpy(chosen).to(self.device) & (batch.attention_mask > 0)
        ids = batch.input_ids.masked_fill(hidden_at, self.batches.mask_id)
        mask = batch.attention_mask.to(self.dtype)
        guesses, expected = self._forward(ids, mask)[hidden_at], batch.input_ids[hidden_at]
        value = functional.cross_entropy(guesses.float(), expected)
        return value, {"masked": value}

    def heads(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits over the vocabulary at every position, through the transposed input layers."""
        hidden = self.work.hidden(ids, mask)
        small = functional.linear(hidden, self.work.embedding_in.weight.T)
        return functional.linear(small, self.work.token_embedding.weight)
