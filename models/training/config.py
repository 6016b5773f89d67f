"""Everything a training run may be told: profiles `tiny`, `small` (two CPU cores) and `base` (one large GPU)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

# Noisy or rule-made sources, taken with a lower weight (the data's own manifest names them).
WEAK_SOURCES: dict[str, float] = {
    "ba_subratings": 0.4,
    "skytrax_lounge_subratings": 0.4,
    "amazon_topics": 0.4,
    "twitter_airline": 0.5,
    "housing_service_ru": 0.5,
    "m_absa_mt": 0.7,
}


@dataclass(frozen=True)
class TrainConfig:
    """One run. Sizes of the network, amounts of training, data policy; `seed` fixes every random choice."""

    data: Path = Path("../shared/data")  # folder with sentiment/*.parquet and topics/*.parquet
    work: Path = Path("runs/small")  # checkpoints, packed arrays, logs; safe to delete
    out: Path = Path("runs/small/model")  # the finished model directory
    packed: Path | None = None  # folder written by `pack`, read instead of `data`
    init: Path | None = None  # model directory whose tokenizer and encoder the run starts from, and whose table joins
    limit: int | None = None  # rows of each data file, for trials
    profile: str = "small"
    licences: str = "shippable"  # or "all": every source, for comparison, never shipped
    held_out: tuple[str, ...] = ()  # whole sources kept out of training, to measure transfer
    seed: int = 20
    threads: int = 2
    # tokenizer and n-grams
    vocab_size: int = 32_000
    n_buckets_log2: int = 24  # hash space of the n-grams
    n_ngram_rows: int = 1_800_000  # of which so many, the most frequent, get a vector
    ngram_dim: int = 20
    word_order: bool = True  # triples, pairs over a gap, marks of negation and contrast
    # encoder
    embedding_dim: int = 128
    hidden_size: int = 192
    n_layers: int = 2
    n_heads: int = 3
    intermediate_size: int = 384
    max_tokens: int = 48  # in training; serving cuts longer texts into windows
    # stage 1: n-gram table
    ngram_epochs: float = 4.0  # of the first half of the tables; the others see half as much: they judge tweets better
    ngram_lr: float = 0.1
    n_tables: int = 6  # trained with different draws, and merged into one: the mean judges better than each
    init_share: float = 0.3  # of the table of `init` in that mean
    n_direct: int = 2  # tables without vectors, of one weight for each n-gram and sentiment
    direct_epochs: float = 3.0  # of each of them, over the rows with a sentiment
    direct_lr: float = 0.2
    direct_share: float = 0.5  # of their mean, beside that of the others: their logits are added
    ngram_dropout: float = 0.5  # share of features dropped in each pass
    # stage 2: masked tokens (0 steps: skipped), then all tasks together
    mlm_steps: int = 0
    steps: int = 16_000
    batch_tokens: int = 8192
    lr: float = 1e-3
    warmup: float = 0.06
    weight_decay: float = 0.01
    dropout: float = 0.1
    label_smoothing: float = 0.05
    ema: float = 0.999
    topic_share: float = 0.4  # of the rows drawn
    source_temperature: float = 0.5  # p(source) ~ n ** this, in the sentiment data
    class_power: float = 0.8  # a class weighs the inverse of its share to this power
    language_balance: float = 0.5  # how far the classes of a language are evened out over its sources (1: wholly)
    written: bool = True  # with the texts written for this project
    written_weight: float = 1.0  # how often these are drawn, beside other sources of their size
    mix_share: float = 0.15  # rows joined with a second one (code-switch, opposite topics)
    noise_share: float = 0.05  # tokens dropped
    weak_topics: bool = True  # topics of unlabelled rows by the lexicon, at a low weight
    max_seconds: float | None = None  # of stage 2: the schedule ends in time
    checkpoint_every: int = 250
    eval_every: int = 500
    device: str = "auto"
    bf16: bool = True  # where the device multiplies it: working copy of the encoder's weights; masters stay fp32
    int8_encoder: bool = False  # ship the encoder's matrices as int8 rows
    compile: bool = False  # torch.compile: half the time per step where a C++ compiler is there

    def fingerprint(self) -> str:
        """Twelve hex digits of everything that changes the result (not paths, device or time limits)."""
        ignored = {"data", "work", "out", "packed", "init", "threads", "device", "compile"}
        ignored |= {"max_seconds", "checkpoint_every", "eval_every"}
        payload = {key: value for key, value in asdict(self).items() if key not in ignored}
        return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()[:12]


PROFILES: dict[str, dict[str, Any]] = {
    "small": {},
    "base": {
        "work": Path("runs/base"),
        "out": Path("runs/base/model"),
        "embedding_dim": 192,
        "hidden_size": 384,
        "n_layers": 6,
        "n_heads": 6,
        "intermediate_size": 1536,
        "max_tokens": 128,
        "n_ngram_rows": 600_000,
        "mlm_steps": 12_000,
        "steps": 16_000,
        "batch_tokens": 65_536,
        "lr": 6e-4,
        "int8_encoder": True,
    },
    "tiny": {
        "work": Path("runs/tiny"),
        "out": Path("runs/tiny/model"),
        "vocab_size": 400,
        "n_buckets_log2": 14,
        "n_ngram_rows": 512,
        "ngram_dim": 8,
        "embedding_dim": 16,
        "hidden_size": 32,
        "n_layers": 1,
        "n_heads": 2,
        "intermediate_size": 32,
        "ngram_epochs": 1.0,
        "n_tables": 2,
        "n_direct": 1,
        "written": False,
        "steps": 12,
        "batch_tokens": 512,
        "checkpoint_every": 4,
        "eval_every": 6,
        "threads": 1,
        "device": "cpu",
    },
}


def profile(name: str, **changes: Any) -> TrainConfig:
    """The named profile with `changes`; a ValueError names an unknown profile or field and what is allowed."""
    if name not in PROFILES:
        raise ValueError(f"profile {name!r} is unknown; known: {', '.join(PROFILES)}")
    known = {item.name for item in fields(TrainConfig)}
    for key in changes:
        if key not in known:
            raise ValueError(f"training setting {key!r} is unknown; known: {', '.join(sorted(known))}")
    return replace(TrainConfig(profile=name, **PROFILES[name]), **changes)
