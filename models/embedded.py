"""The shipped network on a CPU: n-gram half in numpy, encoder half in onnxruntime, its products in int8.
Neither torch nor transformers is imported.

On a GPU (`OnTorch`) the encoder half runs in torch, in half precision.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.backend import Floats, Outputs, Voice, sigmoid, softmax, unit
from models.batching import cut, max_by_owner, mean_by_owner, plan, sums
from models.errors import WeightsMissing
from models.graph import build, dense, token_rows
from models.packed import unpack
from models.tokenizer import TextEncoder, normalise_all, unpack_buckets

DIRECTORY = Path(__file__).parent / "weights" / "base"
MEASURED = "measured.json"  # what benchmarks.accuracy found of the shipped weights, by language
FILES = ("config.json", "model.safetensors", "tokenizer.json")
_OUTPUTS = ("sentiment", "topics", "topic_sentiment", "pooled")
EncoderRun = Callable[
    [npt.NDArray[np.int64], Floats], Sequence[Floats]
]  # ids, mask -> encoder's outputs, as `graph.OUTPUTS`
_AT_ONCE = 4
TOKEN_BUDGET = 1024  # benchmarks/scoring.py: larger batches leave the cache, smaller ones pay per call


def read(directory: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """(config, tensors) of a model directory; WeightsMissing names what is not there."""
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        there = ", ".join(sorted(p.name for p in directory.iterdir())) if directory.is_dir() else "no such directory"
        raise WeightsMissing(
            f"the embedded model is incomplete: {directory} lacks {', '.join(missing)} (there: {there or 'nothing'}). "
            "Reinstall the package, or train one with `monitor model train`, or name a transformers checkpoint."
        )
    from safetensors.numpy import load_file

    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return config, load_file(directory / "model.safetensors")


def revision_of(directory: Path, config: Mapping[str, Any]) -> str:
    """The revision that training wrote, or else a hash of the weights."""
    stated = str(config.get("revision") or "")
    if stated:
        return stated
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((directory / name).read_bytes())
    return digest.hexdigest()[:12]


class Embedded:
    """Backend of the shipped network, or of any directory that `monitor model train` wrote. Raises WeightsMissing."""

    def __init__(self, directory: Path = DIRECTORY, *, threads: int | None = None, int8: bool = True) -> None:
        # Calls run side by side already; the tokenizer's own threads would be waited for. Whoever set it decides.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        config, tensors = read(directory)
        self.name = "embedded" if directory == DIRECTORY else directory.name
        self.revision = revision_of(directory, config)
        self.topics: tuple[str, ...] = tuple(config["topics"])
        self.thresholds = np.asarray(config["thresholds"], dtype=np.float32)
        self._heat: dict[str, float] = config["calibration"]
        self._topic_bias = np.asarray(config["topic_bias"], dtype=np.float32)
        self._max_tokens = int(config["max_tokens"])
        self._ngrams = NgramHalf(tensors, n_topics=len(self.topics))
        self._mix = tensors["mix"].astype(np.float32)
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.normalizer = None  # texts come normalised
        self._encoder = TextEncoder(
            tokenizer,
            log2_buckets=int(config["n_buckets_log2"]),
            kept_buckets=_buckets(tensors),
            word_order=bool(config.get("word_order", False)),
        )
        self._budget = TOKEN_BUDGET
        self.at_once, per_call = _shares(threads or available_cores())
        self._run = self._start(directory, config, tensors, threads=per_call, int8=int8)

    def _start(
        self,
        directory: Path,
        config: dict[str, Any],
        tensors: dict[str, npt.NDArray[Any]],
        *,
        threads: int,
        int8: bool,
    ) -> EncoderRun:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a daemon shares its machine
        session = onnxruntime.InferenceSession(
            build(config, tensors, int8=int8), options, providers=["CPUExecutionProvider"]
        )
        rows = token_rows(tensors)
        return lambda ids, mask: session.run(None, {"input_ids": ids, "mask": mask, "token_rows": rows})

    def predict(self, texts: Sequence[str]) -> Outputs:
        clean = normalise_all(texts)
        return self.joined(self._read(clean), self._count(clean))

    def read(self, texts: Sequence[str]) -> Voice:
        """What the encoder says of these texts."""
        return self._read(normalise_all(texts))

    def count(self, texts: Sequence[str]) -> Voice:
        """What their n-grams say."""
        return self._count(normalise_all(texts))

    def _count(self, clean: Sequence[str]) -> Voice:
        return self._ngrams(*self._encoder.ngram_rows(clean))

    def _read(self, clean: Sequence[str]) -> Voice:
        """Of normalised texts, window by window."""
        n = len(clean)
        tokens, offsets = self._encoder.tokens(clean)
        # CLS leads every window, so that a later one looks to the network like a text
        pieces = cut(np.diff(offsets) - 1, size=self._max_tokens - 1)
        n_pieces = len(pieces.owner)
        out: dict[str, Floats] = {}
        for rows in plan(pieces.lengths, budget=self._budget):
            width = int(pieces.lengths[rows[0]]) + 1
            there = np.arange(width) <= pieces.lengths[rows][:, None]
            places = (offsets[pieces.owner[rows]] + pieces.begin[rows])[:, None] + np.arange(width)
            ids = np.where(there, tokens[np.minimum(places, len(tokens) - 1)], self._encoder.pad_id).astype(np.int64)
            ids[:, 0] = self._encoder.cls_id
            mask = there.astype(np.float32)
            for name, values in zip(_OUTPUTS, self._run(ids, mask), strict=True):
                out.setdefault(name, np.empty((n_pieces, *values.shape[1:]), np.float32))[rows] = values
        topics = max_by_owner(out["topics"], pieces, n)
        polarity = out["topic_sentiment"]
        if n_pieces != n:  # a window speaks about a topic as loudly as it is about it
            loud = sigmoid(out["topics"]) * pieces.lengths[:, None].astype(np.float32)
            polarity = mean_by_owner(polarity, pieces, n, weights=loud)
        sentiment, pooled = (mean_by_owner(out[name], pieces, n) for name in ("sentiment", "pooled"))
        return Voice(sentiment, topics, polarity, pooled)

    def joined(self, read: Voice, counted: Voice) -> Outputs:
        """What both halves say together, calibrated."""
        mixed = [
            self._mix[i, 0] * own + self._mix[i, 1] * other
            for i, (own, other) in enumerate(zip(read.logits, counted.logits, strict=True))
        ]
        return Outputs(
            sentiment=softmax(mixed[0] / self._heat["sentiment"]),
            topics=sigmoid(mixed[1] / self._heat["topics"] + self._topic_bias),
            topic_sentiment=softmax(mixed[2] / self._heat["topic_sentiment"]),
            # neither half drowns the other
            pooled=np.concatenate((unit(read.vector), unit(counted.vector)), axis=1),
            read=read,
        )


def _buckets(tensors: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int32]:
    bits = tensors.get("ngram_buckets.bits")
    return tensors["ngram_buckets"] if bits is None else unpack_buckets(bits)


class OnTorch(Embedded):
    """The same network with its encoder half in torch on `device`; half precision where that is a GPU."""

    def __init__(self, directory: Path = DIRECTORY, *, device: str, threads: int | None = None) -> None:
        self._device = device
        super().__init__(directory, threads=threads)
        self._budget = 65_536 if device != "cpu" else TOKEN_BUDGET
        self.at_once = 1  # a GPU, or torch's own threads, have enough to do with one call

    def _start(
        self,
        directory: Path,
        config: dict[str, Any],
        tensors: dict[str, npt.NDArray[Any]],
        *,
        threads: int,
        int8: bool,
    ) -> EncoderRun:
        import torch

        from models.network import load_directory

        network = load_directory(directory)[0].to(self._device)
        if self._device != "cpu":
            network = network.to(torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)

        def run(ids: npt.NDArray[np.int64], mask: Floats) -> list[Floats]:
            with torch.inference_mode():
                given = torch.from_numpy(mask).to(self._device)
                hidden = network.hidden(torch.from_numpy(ids).to(self._device), given)
                return [part.float().cpu().numpy() for part in network.encoder_heads(hidden, given)]

        return run


class NgramHalf:
    """The table of hashed n-grams and its linear heads: the fastText-like half of the network."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], *, n_topics: int) -> None:
        self._n_topics = n_topics
        packed = tensors.get("ngrams.weight.packed")
        size = tensors["ngrams.sentiment.weight"].shape[1]
        rows = tensors["ngrams.weight"] if packed is None else unpack(packed, size)
        scale = tensors.get("ngrams.weight.scale")
        self._rows = (
            rows.astype(np.float32) if scale is None else rows
        )  # int8 stays int8: 4 times less memory to walk through
        self._scale = None if scale is None else scale.astype(np.float32)
        self._heads = {
            name: (
                dense(tensors, f"ngrams.{name}.weight").T,
                tensors[f"ngrams.{name}.bias"].astype(np.float32),
            )
            for name in ("sentiment", "topics", "topic_sentiment")
        }

    def __call__(self, ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]) -> Voice:
        """What is said of n texts; text i owns ids[offsets[i] : offsets[i + 1]]."""
        vector = self._vector(ids, offsets)
        sentiment, topics, polarity = (vector @ matrix + bias for matrix, bias in self._heads.values())
        return Voice(sentiment, topics, polarity.reshape(len(vector), self._n_topics, 3), vector)

    def _vector(self, ids: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]) -> Floats:
        """Sum of the rows of each text over the square root of their number."""
        total = sums(self._rows, ids, offsets, self._scale)
        return np.asarray(total / np.sqrt(np.maximum(np.diff(offsets), 1))[:, None], dtype=np.float32)


def _shares(threads: int) -> tuple[int, int]:
    """(calls side by side, threads of each). A call of one thread has no waiting in it; beyond a few calls the parts
    of them that are Python wait for each other.
    """
    calls = min(threads, _AT_ONCE)
    return calls, threads // calls


def available_cores() -> int:
    """Cores this process may use (containers often allow fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
