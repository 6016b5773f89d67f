"""A shallower encoder that says what a deeper one says: half the work of serving for nearly the same answers.

    python -m models.training.distil DIRECTORY --data ../shared/data --out runs/one [--layers 1] [--steps 3000]

It begins with the tables, heads and first layers of the model in DIRECTORY and learns the logits and the pooled vector
of that model's encoder on the training rows that may ship; no label is looked at (Hinton et al. 2015, "Distilling the
knowledge in a neural network"; first layers as a start: Sanh et al. 2019, "DistilBERT"). The n-gram half stays. Then
both halves are calibrated anew on development rows, as after a training. Stopped, it goes on from its last checkpoint;
with one thread the result is the same to the byte. `python -m models.triggers` comes after it.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from models.errors import TrainingError
from models.network import TOKENIZER_FILE, FeedbackModel, load_directory
from models.tokenizer import TextEncoder
from models.training.config import TrainConfig, profile
from models.training.data import DEV, TRAIN, Corpus, select
from models.training.encode import encode
from models.training.fit import ENCODER_SKIPS, save_state
from models.training.pack import corpus_of
from models.training.run import finish

STEPS, BATCH, CHUNK = 3000, 96, 40  # of a schedule, texts of a step, batches drawn together and sorted by length
LR, WARMUP = 2e-3, 0.02
_SLOWER = 0.25  # token embeddings, which have learnt already, move at this share of the rate
_CHECKPOINT_EVERY = 200
_SHORTEST = 24  # tokens of a window over a long text
Voices = tuple[Tensor, Tensor, Tensor, Tensor]  # sentiment, topics, topic sentiment, pooled


def shallower(teacher: FeedbackModel, n_layers: int) -> FeedbackModel:
    """A model with the first layers of another and everything else of it. TrainingError where there are not as many."""
    if not 1 <= n_layers < teacher.config.n_layers:
        raise TrainingError(f"{n_layers} layers of {teacher.config.n_layers}: a student has fewer, and at least one")
    config = copy.deepcopy(teacher.config)
    config.n_layers = n_layers
    with torch.device("meta"):
        student = FeedbackModel(config)
    wanted = student.state_dict().keys()
    taken = {name: value.clone() for name, value in teacher.state_dict().items() if name in wanted}
    student.load_state_dict(taken, strict=True, assign=True)
    return student


def apart(student: Voices, teacher: Voices) -> Tensor:
    """How far the student's voice is from the teacher's: divergences of the probabilities of the three heads (the
    sentiment of a topic counts as much as the topic is there), and squares of logits and pooled vectors.
    """
    (sentiment, topics, polarity, pooled), (t_sentiment, t_topics, t_polarity, t_pooled) = student, teacher
    there = torch.sigmoid(t_topics)
    own, theirs = polarity.log_softmax(-1), t_polarity.log_softmax(-1)
    loss = functional.kl_div(sentiment.log_softmax(-1), t_sentiment.log_softmax(-1), log_target=True,
                             reduction="batchmean")  # fmt: skip
    cross = functional.binary_cross_entropy_with_logits
    loss = loss + 0.5 * topics.shape[1] * (cross(topics, there) - cross(t_topics, there))
    loss = loss + 0.5 * ((theirs.exp() * (theirs - own)).sum(-1) * (there + 0.02)).sum(1).mean()
    squares = functional.mse_loss(sentiment, t_sentiment) + functional.mse_loss(topics, t_topics)
    return loss + squares / 45 + 0.2 * functional.mse_loss(pooled, t_pooled) / t_pooled.var()


class Distillation:
    """The schedule over texts; step k depends on the seed and k only."""

    def __init__(
        self, teacher: FeedbackModel, texts: list[str], encoder: TextEncoder, *, n_layers: int, steps: int, seed: int
    ) -> None:
        self.teacher, self.student = teacher.eval(), shallower(teacher, n_layers).eval()  # no dropout: it only copies
        self._texts, self._encoder, self._steps, self._seed = texts, encoder, steps, seed
        self.step, self._chunk, self._batches = 0, -1, list[tuple[Tensor, Tensor]]()
        for parameter in self.teacher.parameters():
            parameter.requires_grad_(False)
        for name, parameter in self.student.named_parameters():
            parameter.requires_grad_(not name.startswith(ENCODER_SKIPS))
        slow = self.student.token_embedding.weight
        learning = [p for p in self.student.parameters() if p.requires_grad and p is not slow]
        groups = [{"params": learning, "share": 1.0}, {"params": [slow], "share": _SLOWER}]
        self._optimiser = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.98), weight_decay=0.0)

    def train_step(self) -> float:
        """One batch; how far student and teacher are apart on it."""
        done = self.step / self._steps
        for group in self._optimiser.param_groups:
            group["lr"] = LR * group["share"] * min(1.0, (done + 1e-3) / WARMUP) * (1 - done)
        ids, mask = self._batch()
        with torch.no_grad():
            said = self.teacher.encoder_heads(self.teacher.hidden(ids, mask), mask)
        loss = apart(self.student.encoder_heads(self.student.hidden(ids, mask), mask), said)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_((p for p in self.student.parameters() if p.requires_grad), 1.0)
        self._optimiser.step()
        self.step += 1
        return float(loss.detach())

    def _batch(self) -> tuple[Tensor, Tensor]:
        chunk, at = divmod(self.step, CHUNK)
        if chunk != self._chunk:
            self._chunk, self._batches = chunk, self._drawn(chunk)
        return self._batches[at]

    def _drawn(self, chunk: int) -> list[tuple[Tensor, Tensor]]:
        """The batches of a chunk, each of texts of like length; of a long text a window, as serving cuts them."""
        rng = np.random.default_rng((self._seed, chunk))
        rows = rng.integers(0, len(self._texts), CHUNK * BATCH)
        tokens, offsets = self._encoder.tokens([self._texts[row] for row in rows])
        size = self.student.config.max_tokens - 1
        windows = []
        for begin, end in zip((offsets[:-1] + 1).tolist(), offsets[1:].tolist(), strict=True):
            if end - begin > size:
                length = int(rng.integers(min(_SHORTEST, size), size + 1))
                begin = int(rng.integers(begin, end - length + 1))
                end = begin + length
            windows.append(np.concatenate(([self._encoder.cls_id], tokens[begin:end])))
        order = np.argsort([len(window) for window in windows], kind="stable")
        parts = np.split(order, CHUNK)
        return [_padded([windows[i] for i in parts[j]], self._encoder.pad_id) for j in rng.permutation(CHUNK)]

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {"step": self.step, "student": self.student.state_dict(), "optimiser": self._optimiser.state_dict()}
        save_state(state, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.student.load_state_dict(state["student"])
        self._optimiser.load_state_dict(state["optimiser"])


def _padded(windows: list[np.ndarray], pad_id: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, windows))
    ids, mask = np.full((len(windows), width), pad_id, np.int64), np.zeros((len(windows), width), np.float32)
    for line, window in enumerate(windows):
        ids[line, : len(window)], mask[line, : len(window)] = window, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def distil(
    directory: Path, config: TrainConfig, *, n_layers: int, steps: int = STEPS,
    progress: Callable[[float, str], None] | None = None,
) -> Path:  # fmt: skip
    """Distil the model of `directory`; the finished directory, `config.out`. Raises TrainingError."""
    report = progress or (lambda _done, _text: None)
    torch.set_num_threads(config.threads)
    report(0.0, "reading rows")
    corpus = corpus_of(config)
    train = np.flatnonzero(corpus.split == TRAIN).tolist()
    teacher, encoder = load_directory(directory)
    run = Distillation(teacher, [corpus.texts[row] for row in train], encoder,
                       n_layers=n_layers, steps=steps, seed=config.seed)  # fmt: skip
    config.work.mkdir(parents=True, exist_ok=True)
    checkpoint = config.work / f"distil-{teacher.config.revision}-{n_layers}-{steps}.pt"
    if checkpoint.is_file():
        run.load(checkpoint)
    mean = 0.0
    while run.step < steps:
        loss = run.train_step()
        mean = loss if mean == 0.0 else 0.99 * mean + 0.01 * loss
        if run.step % _CHECKPOINT_EVERY == 0 or run.step == steps:
            run.save(checkpoint)
        report(0.1 + 0.8 * run.step / steps, f"step {run.step}, apart {mean:.4f}")
    report(0.9, "calibrating")
    metrics = calibrated(run.student, config, corpus, encoder, directory)
    (config.out / "metrics.json").write_text(json.dumps(metrics, indent=1, ensure_ascii=False), encoding="utf-8")
    report(1.0, f"done: {config.out}")
    return config.out


def calibrated(
    student: FeedbackModel, config: TrainConfig, corpus: Corpus, encoder: TextEncoder, directory: Path
) -> dict[str, object]:
    """Fit the student's mix, biases and thresholds on the development rows, measure it there and write it."""
    judged = select(corpus, np.flatnonzero(corpus.split == DEV))
    tokens = encode(encoder, judged.texts)
    tokenizer = Tokenizer.from_file(str(directory / TOKENIZER_FILE))
    return finish(student, config, judged, tokens, tokenizer, device=torch.device("cpu"))


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 data or settings are wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="of the model to copy")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with sentiment/ and topics/")
    parser.add_argument("--out", type=Path, required=True, help="the new model directory")
    parser.add_argument("--work", type=Path, default=Path("runs/distil"), help="checkpoints")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of {BATCH} texts")
    given = parser.parse_args(arguments)
    config = profile("small", data=given.data, out=given.out, work=given.work, threads=1, weak_topics=False)

    def show(done: float, text: str) -> None:
        print(f"\r{100 * done:5.1f} %  {text:<40}", end="", file=sys.stderr, flush=True)

    try:
        print(distil(given.directory, config, n_layers=given.layers, steps=given.steps, progress=show))
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
