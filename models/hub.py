"""Any transformers sequence-classification checkpoint as a backend: which of its labels is which sentiment, and how
it is run.

On a CPU the network runs in bf16 where the processor multiplies it, and close calls once more in fp32: labels stay
those of fp32 at a quarter of the time. Only safetensors are read and code of a checkpoint is never run. The revision
is pinned: the commit that was loaded is part of every judgement's `model`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.backend import Floats, Outputs, softmax
from models.base import SENTIMENTS
from models.batching import Pieces, cut, mean_by_owner, plan
from models.errors import LabelsUnknown, WeightsMissing

if TYPE_CHECKING:
    import torch

    from models.half import Switch

MAX_TOKENS = 512
CLOSE = 0.12  # log-odds; rounding to bf16 moves them by a hundredth or two (benchmarks/scoring.py)
_CPU_BUDGET, _GPU_BUDGET = 2048, 32_768  # tokens per batch; a single longer piece still goes alone
_NAMES: dict[str, tuple[str, ...]] = {
    "negative": (
        "negative", "neg", "negativ", "negativo", "negatif", "négatif", "негатив", "негативный", "very negative", "bad",
        "1 star", "2 stars",
    ),
    "neutral": ("neutral", "neu", "neutro", "neutre", "нейтральный", "нейтрально", "mixed", "3 stars"),
    "positive": (
        "positive", "pos", "positiv", "positivo", "positif", "позитив", "позитивный", "very positive", "good",
        "4 stars", "5 stars",
    ),
}  # fmt: skip
_SENTIMENT_OF = {name: sentiment for sentiment, names in _NAMES.items() for name in names}


def label_matrix(id2label: Mapping[int, str], labels: Mapping[str, str] | None, *, name: str) -> Floats:
    """[n_labels, 3]: one 1 per row, the sentiment of that label.

    `labels` (label -> sentiment, from the configuration) wins over guessing by the label's name; stars 1-2, 3, 4-5
    count as negative, neutral, positive. Raises LabelsUnknown that shows the labels and the setting to write.
    """
    given = {_plain(label): sentiment for label, sentiment in (labels or {}).items()}
    for label, sentiment in given.items():
        if sentiment not in SENTIMENTS:
            raise LabelsUnknown(f"{name}: label {label!r} is mapped to {sentiment!r}; allowed: {', '.join(SENTIMENTS)}")
    strangers = given.keys() - {_plain(label) for label in id2label.values()}
    if strangers:
        raise LabelsUnknown(
            f"{name} has no label {', '.join(sorted(strangers))}; its labels: {', '.join(id2label.values())}"
        )
    matrix = np.zeros((len(id2label), 3), dtype=np.float32)
    unknown: list[str] = []
    for number, label in id2label.items():
        guessed = given.get(_plain(label)) or _SENTIMENT_OF.get(_plain(label))
        if guessed is None:
            unknown.append(label)
        else:
            matrix[number, [str(s) for s in SENTIMENTS].index(guessed)] = 1
    if unknown:
        setting = ", ".join(f'"{label}" = "..."' for label in id2label.values())
        raise LabelsUnknown(
            f"{name}: cannot guess the sentiment of its labels {', '.join(unknown)}. "
            f"Say it in the configuration: labels = {{ {setting} }} with each value one of {', '.join(SENTIMENTS)}."
        )
    if len({int(row) for row in matrix.argmax(axis=1)}) < 2:
        raise LabelsUnknown(f"{name}: all labels ({', '.join(id2label.values())}) mean one sentiment; it cannot judge")
    return matrix


def _plain(label: str) -> str:
    return re.sub(r"[\s_-]+", " ", label).strip().lower()


class HubClassifier:
    """Backend of a checkpoint: hub id or local directory. Raises WeightsMissing or LabelsUnknown."""

    topics: tuple[str, ...] = ()
    at_once = 1  # torch spreads each product over all threads

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        labels: Mapping[str, str] | None = None,
        offline: bool | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        import torch

        self.name = name
        self.thresholds = np.zeros(0, dtype=np.float32)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if threads and self._device == "cpu":
            torch.set_num_threads(threads)
        model, self._tokenizer = pretrained(name, revision=revision, offline=offline)
        self.revision = _revision(name, model, revision)
        self._matrix = label_matrix({int(k): str(v) for k, v in model.config.id2label.items()}, labels, name=name)
        half = _half(self._device)
        self._model = model.to(self._device, dtype=torch.float32 if self._device == "cpu" else half).eval()
        self._switch: Switch | None = None
        if self._device == "cpu" and half is not None:
            from models.half import add_half

            self._switch = add_half(self._model, half)
        self._lock = threading.Lock()
        self._front, self._back = _frame(self._tokenizer)
        self._pad = self._tokenizer.pad_token_id or 0
        self._size = _window(model.config, self._tokenizer) - len(self._front) - len(self._back)
        self._tweets = "twitter" in name.lower()  # trained on texts whose handles and links are one word each

    def predict(self, texts: Sequence[str]) -> Outputs:
        given = [_as_tweet(text) for text in texts] if self._tweets else list(texts)
        tokens = self._tokenizer(given, add_special_tokens=False, return_attention_mask=False, verbose=False)[
            "input_ids"
        ]
        pieces = cut([len(ids) for ids in tokens], size=self._size)
        with self._lock:  # the switch belongs to the whole network
            logits, pooled = self._judge(tokens, pieces, np.arange(len(pieces.owner)))
            if self._switch is not None:
                close = np.flatnonzero(_margin(softmax(logits) @ self._matrix) < CLOSE)
                if len(close):
                    with self._switch.exact():
                        logits[close], pooled[close] = self._judge(tokens, pieces, close)
        p = mean_by_owner(softmax(logits), pieces, len(texts)) @ self._matrix
        return Outputs(np.asarray(p, np.float32), None, None, mean_by_owner(pooled, pieces, len(texts)))

    def _judge(
        self, tokens: Sequence[list[int]], pieces: Pieces, chosen: npt.NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """(logits [n, n_labels], pooled [n, width]) of the chosen pieces, in length-sorted batches."""
        import torch

        budget = _CPU_BUDGET if self._device == "cpu" else _GPU_BUDGET
        n_special = len(self._front) + len(self._back)
        logits = np.empty((len(chosen), len(self._matrix)), np.float32)
        pooled = np.empty((len(chosen), int(self._model.config.hidden_size)), np.float32)
        with torch.inference_mode():
            for rows in plan(pieces.lengths[chosen] + n_special, budget=budget, enough=budget // 8):
                cuts = [tokens[pieces.owner[i]][pieces.begin[i] : pieces.end[i]] for i in chosen[rows]]
                logits[rows], pooled[rows] = self._forward([self._front + ids + self._back for ids in cuts])
        return logits, pooled

    def _forward(self, batch: list[list[int]]) -> tuple[Floats, Floats]:
        """(logits [n, n_labels], mean of the last hidden states [n, width])."""
        import torch

        width = max(map(len, batch))
        ids = torch.full((len(batch), width), self._pad, dtype=torch.long)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, piece in enumerate(batch):
            ids[row, : len(piece)] = torch.tensor(piece)
            mask[row, : len(piece)] = 1
        mask = mask.to(self._device)
        out = self._model(input_ids=ids.to(self._device), attention_mask=mask, output_hidden_states=True)
        weights = mask[:, :, None].to(out.hidden_states[-1].dtype)
        vectors = (out.hidden_states[-1] * weights).sum(1) / weights.sum(1)
        return _numpy(out.logits), _numpy(vectors)


def pretrained(name: str, *, revision: str | None, offline: bool | None) -> tuple[Any, Any]:
    """(model, tokenizer); errors of many kinds (network, missing files, unknown architecture) become WeightsMissing."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if name.startswith(("/", ".", "~")) and not Path(name).is_dir():
        raise WeightsMissing(f"model {name!r}: no such directory")
    options: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
    if offline:
        options["local_files_only"] = True  # left out, HF_HUB_OFFLINE decides
    if Path(name).is_dir():
        del options["revision"]
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, **options)
        model = AutoModelForSequenceClassification.from_pretrained(name, use_safetensors=True, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        where = "in the local cache (offline)" if offline else "here or on the hub"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsMissing(
            f"model {name!r} (revision {revision or 'main'}) cannot be loaded {where}: {reason}. "
            "It must be a sequence-classification checkpoint with safetensors weights: a hub id, or a directory with "
            "config.json, model.safetensors and tokenizer.json."
        ) from error
    return model, tokenizer


def _revision(name: str, model: Any, revision: str | None) -> str:
    """The commit that was loaded, or for a directory a hash of its weights."""
    commit = getattr(model.config, "_commit_hash", None)
    if commit and not Path(name).is_dir():
        return str(commit)[:12]
    digest = hashlib.sha256()
    for path in sorted(Path(name).glob("*.safetensors")) if Path(name).is_dir() else []:
        with path.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()[:12] if Path(name).is_dir() else (revision or "main")


def _half(device: str) -> torch.dtype | None:
    """Half precision where the hardware multiplies it: on CPUs with bf16 instructions, and on GPUs."""
    import torch

    from models.half import multiplies_bf16

    if multiplies_bf16(device):
        return torch.bfloat16
    return None if device == "cpu" else torch.float16


def _margin(p: Floats) -> Floats:
    """Distance of the two likeliest sentiments in log-probability, [n]."""
    ordered = np.sort(np.log(np.clip(p, 1e-9, 1)), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Special tokens before and after one text, read off the tokenizer itself."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    at = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
    return full[:at], full[at + len(bare) :]


def _window(config: Any, tokenizer: Any) -> int:
    """How many tokens the network takes at once, special ones included."""
    positions = int(getattr(config, "max_position_embeddings", 0) or MAX_TOKENS)
    if getattr(config, "model_type", "") in {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}:
        positions -= int(getattr(config, "pad_token_id", 1) or 1) + 1  # their positions begin after the padding token
    stated = int(getattr(tokenizer, "model_max_length", MAX_TOKENS) or MAX_TOKENS)
    return min(positions, stated, MAX_TOKENS)


def _as_tweet(text: str) -> str:
    return re.sub(r"(?:https?://|www\.)\S+", "http", re.sub(r"(?<![\w.])@\w+", "@user", text))


def _numpy(tensor: Any) -> npt.NDArray[np.float32]:
    return np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)
