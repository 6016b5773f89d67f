"""One training run from data to a model directory: stages that resume, a curve, metrics, a model card."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from models.errors import TrainingError
from models.network import (
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    FeedbackConfig,
    FeedbackModel,
    load_directory,
    save_directory,
)
from models.tokenizer import TextEncoder
from models.training.calibrate import calibrate, listen
from models.training.card import write_card
from models.training.config import TrainConfig
from models.training.data import DEV, HELD_OUT, TRAIN, Corpus
from models.training.encode import (
    Tokens,
    choose_buckets,
    encode,
    load_tokens,
    make_tokenizer,
    plain_buckets,
    save_tokens,
)
from models.training.fit import ENCODER_SKIPS, Batches, Fit, token_vectors_from_ngrams
from models.training.measure import measure
from models.training.mlm import Pretrain
from models.training.ngrams import Table, merged, table_of, train_table
from models.training.pack import corpus_of, pack
from models.training.sampling import Weights, row_weights

__all__ = ["arrays", "merged_table", "pack", "train"]

_MERGE_TEXTS = 100_000  # whose logits the merged table must reproduce
Progress = Callable[[float, str], None]  # share done 0..1 of the whole run, what is being done


def train(config: TrainConfig, *, progress: Progress | None = None) -> Path:
    """Run or resume the training that `config` describes; the finished model directory.

    Everything unfinished lies in ``config.work`` and is taken up again by the next call with the same settings,
    after a kill at any instant. The directory gets config.json, model.safetensors, tokenizer.json, metrics.json
    and MODEL_CARD.md. Raises TrainingError for missing data or a work folder of other settings.
    """
    report = progress or (lambda _done, _text: None)
    if config.init is not None:  # its encoder is taken whole: one of fewer layers would be filled up with chance
        config = replace(config, n_layers=FeedbackConfig.from_pretrained(config.init).n_layers)
    torch.set_num_threads(config.threads)
    device = _device(config)
    config.work.mkdir(parents=True, exist_ok=True)
    _claim(config)
    clock = _Clock(config.work / "seconds.json")
    report(0.0, "reading rows")
    corpus = corpus_of(config)
    _same_rows(config.work / "rows", corpus)
    weights = row_weights(config, corpus)
    tokenizer, buckets, tokens = arrays(config, corpus, report)
    clock.lap("prepare")

    torch.manual_seed(config.seed)
    model = FeedbackModel(_network(config, tokenizer, buckets))
    with torch.no_grad():
        model.ngram_buckets.copy_(torch.from_numpy(buckets))
    encoder = model.text_encoder(tokenizer)
    table = merged_table(config, corpus, tokens, weights, buckets, report)
    table.copy_to(model.ngrams)
    clock.lap("ngrams")

    curve: list[dict[str, float]] = []
    if config.init is not None:
        _start_from(model, config.init)
    else:
        strings = [tokenizer.id_to_token(index) or "" for index in range(tokenizer.get_vocab_size())]
        token_vectors_from_ngrams(model, strings, encoder)
    signs = encoder.mask_id, encoder.pad_id
    if config.mlm_steps:
        batches = Batches(config, corpus, tokens, weights, mask_id=signs[0], pad_id=signs[1])
        pretrain = Pretrain(model, config, batches, device=device)
        _loop(pretrain, config.work / "mlm.pt", config, report, (0.15, 0.45), "guessing masked tokens", [])
        model = pretrain.averaged()
        clock.lap("mlm")
    final = model
    if config.steps:
        batches = Batches(config, corpus, tokens, weights, mask_id=signs[0], pad_id=signs[1])
        fit = Fit(model, config, batches, device=device)
        begin = 0.45 if config.mlm_steps else 0.15
        _loop(fit, config.work / "fit.pt", config, report, (begin, 0.93), "learning the tasks", curve)
        final = fit.averaged()
        clock.lap("fit")

    report(0.94, "calibrating")
    metrics = finish(final, config, corpus, tokens, tokenizer, device=device)
    clock.lap("calibrate")
    metrics["seconds"] = clock.seconds
    metrics["curve"] = _read_curve(config.work / "curve.jsonl")
    (config.out / "metrics.json").write_text(json.dumps(metrics, indent=1, ensure_ascii=False), encoding="utf-8")
    write_card(config.out / "MODEL_CARD.md", config, final, corpus, metrics)
    report(1.0, f"done: {config.out}")
    return config.out


def finish(
    model: FeedbackModel,
    config: TrainConfig,
    corpus: Corpus,
    tokens: Tokens,
    tokenizer: Tokenizer,
    *,
    device: torch.device,
) -> dict[str, Any]:
    """Calibrate on the development rows, measure, write the model directory; the metrics.

    Development rows of our own texts are measured apart: what calibrates and counts was written by strangers.
    """
    own = corpus.is_written()
    dev, out = np.flatnonzero((corpus.split == DEV) & ~own), np.flatnonzero(corpus.split == HELD_OUT)
    own_dev = np.flatnonzero((corpus.split == DEV) & own)
    if not len(dev):
        raise TrainingError("no development rows (column split = dev): nothing to calibrate on")
    pad_id = model.text_encoder(tokenizer).pad_id
    voices = listen(model, config, tokens, dev, pad_id=pad_id, device=device)
    errors = calibrate(model, config, corpus, tokens, dev, voices=voices)
    metrics = measure(model, corpus, dev, voices)
    metrics["ece"] = errors
    if len(out):
        held = listen(model, config, tokens, out, pad_id=pad_id, device=device)
        metrics["held_out"] = measure(model, corpus, out, held)
    if len(own_dev):
        heard = listen(model, config, tokens, own_dev, pad_id=pad_id, device=device)
        metrics["written"] = measure(model, corpus, own_dev, heard)
    model = model.cpu()
    save_directory(model, tokenizer, config.out, every_matrix=config.int8_encoder)
    model.config.revision = content_revision(config.out)
    model.config.save_pretrained(config.out)
    return metrics


def content_revision(directory: Path) -> str:
    """Twelve hex digits of everything in a model directory that an output depends on."""
    digest = hashlib.sha256()
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    settings.pop("revision", None)
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for name in (WEIGHTS_FILE, TOKENIZER_FILE):
        digest.update((directory / name).read_bytes())
    return digest.hexdigest()[:12]


def arrays(config: TrainConfig, corpus: Corpus, report: Progress) -> tuple[Tokenizer, np.ndarray, Tokens]:
    """Tokenizer, kept buckets and encoded texts, computed once per work folder."""
    tokenizer_file, bucket_file = config.work / "tokenizer.json", config.work / "buckets.npy"
    if not tokenizer_file.is_file():
        report(0.01, "building the tokenizer")
        if config.init is not None:
            _write(tokenizer_file, (config.init / TOKENIZER_FILE).read_bytes())
        else:
            _write(tokenizer_file, make_tokenizer(config, corpus).to_str().encode())
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    if not bucket_file.is_file():
        report(0.02, "counting n-grams")
        temporary = config.work / "buckets.part.npy"
        np.save(temporary, choose_buckets(config, corpus))
        temporary.replace(bucket_file)
    buckets = np.load(bucket_file)
    stored = load_tokens(config.work / "tokens")
    if stored is None or len(stored.token_offsets) != len(corpus) + 1:
        report(0.03, "encoding texts")
        encoder = TextEncoder(
            tokenizer, log2_buckets=config.n_buckets_log2, kept_buckets=buckets, word_order=config.word_order
        )
        done = 0

        def show(count: int) -> None:
            nonlocal done
            done += count
            report(0.03 + 0.02 * done / len(corpus), "encoding texts")

        stored = encode(encoder, corpus.texts, progress=show)
        save_tokens(stored, config.work / "tokens")
    return tokenizer, buckets, stored


def merged_table(
    config: TrainConfig, corpus: Corpus, tokens: Tokens, weights: Weights, buckets: np.ndarray, report: Progress
) -> Table:
    """Several tables that differ in what they drew, that of the finished model if there is one, and several without
    vectors, merged.
    """
    if not config.n_tables and config.init is None:
        raise TrainingError("no n-gram table: ask for one (n_tables), or name the model that has it (init)")
    n_all, found = config.n_tables + config.n_direct, []
    for number in range(n_all):
        direct = number >= config.n_tables
        part = number - config.n_tables if direct else number

        def show(done: int, total: int, number: int = number) -> None:
            report(0.05 + 0.05 * (number + done / total) / n_all, f"n-gram table {number + 1}/{n_all}")

        found.append(
            train_table(
                config, corpus, tokens, weights, n_rows=len(buckets), part=part, direct=direct,
                checkpoint=config.work / f"{'direct' if direct else 'ngrams'}{part}.npz", progress=show,
            )
        )  # fmt: skip
    tables, beside = found[: config.n_tables], found[config.n_tables :]
    train = np.flatnonzero(corpus.split == TRAIN)
    sample = np.random.default_rng((config.seed, 7)).choice(train, size=min(_MERGE_TEXTS, len(train)), replace=False)
    shares = [1.0 / config.n_tables] * config.n_tables if config.n_tables else []
    if config.init is not None:
        old = load_directory(config.init)[0]
        same = old.config.word_order or not config.word_order
        plain = None if same else plain_buckets(config, corpus, tokens, buckets)
        tables.append(table_of(old, buckets, tokens, sample, log2_buckets=config.n_buckets_log2, plain=plain))
        shares = [share * (1 - config.init_share) for share in shares] + [config.init_share if config.n_tables else 1.0]
    shares += [config.direct_share / max(1, config.n_direct)] * len(beside)
    return merged([*tables, *beside], shares, tokens, sample, seed=config.seed)


def _start_from(model: FeedbackModel, directory: Path) -> None:
    """Take the encoder of a finished model. TrainingError names the first tensor of another shape."""
    theirs, own = load_directory(directory)[0].state_dict(), model.state_dict()
    taken = {name: value for name, value in theirs.items() if not name.startswith((*ENCODER_SKIPS, "ngram_buckets"))}
    for name, value in taken.items():
        if own[name].shape != value.shape:
            raise TrainingError(
                f"init {directory}: {name} is {tuple(value.shape)} there and {tuple(own[name].shape)} in this run"
            )
    model.load_state_dict({**own, **taken})


def _loop(
    fit: Fit,
    path: Path,
    config: TrainConfig,
    report: Progress,
    span: tuple[float, float],
    what: str,
    curve: list[dict[str, float]],
) -> None:
    """Train to the end of the schedule, with checkpoints and one line of losses for every `eval_every` steps."""
    if path.is_file():
        fit.load(path)
    sums: dict[str, float] = {}
    begin, end = span
    while fit.share_done() < 1.0:
        parts = fit.train_step()
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
        done = fit.share_done()
        if fit.step % config.eval_every == 0:
            line = {name: round(value / config.eval_every, 4) for name, value in sums.items()}
            line |= {"step": fit.step, "seconds": round(fit.seconds, 1)}
            curve.append(line)
            with (config.work / "curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": path.stem, **line}) + "\n")
            sums = {}
        if fit.step % config.checkpoint_every == 0:
            fit.save(path)
        report(begin + (end - begin) * done, f"{what}: step {fit.step}")
    fit.save(path)


def _network(config: TrainConfig, tokenizer: Tokenizer, buckets: np.ndarray) -> FeedbackConfig:
    return FeedbackConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_dim=config.embedding_dim,
        hidden_size=config.hidden_size,
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        intermediate_size=config.intermediate_size,
        max_tokens=config.max_tokens,
        dropout=config.dropout,
        n_ngram_rows=len(buckets),
        ngram_dim=config.ngram_dim,
        n_buckets_log2=config.n_buckets_log2,
        word_order=config.word_order,
    )


def _device(config: TrainConfig) -> torch.device:
    if config.device != "auto":
        return torch.device(config.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _claim(config: TrainConfig) -> None:
    """A work folder belongs to one configuration."""
    path, mine = config.work / "fingerprint", config.fingerprint()
    if path.is_file() and path.read_text(encoding="utf-8").strip() != mine:
        raise TrainingError(
            f"{config.work} holds a run with other settings ({path.read_text(encoding='utf-8').strip()}, not {mine}): "
            "name another work folder, or delete it"
        )
    _write(path, mine.encode())


def _same_rows(path: Path, corpus: Corpus) -> None:
    """A work folder belongs to its rows, too: encoded texts beside the labels of others would teach nonsense."""
    digest = hashlib.sha256("\n".join(corpus.texts).encode(errors="surrogatepass"))
    for array in corpus.arrays().values():
        digest.update(np.ascontiguousarray(array).tobytes())
    mine = digest.hexdigest()
    if path.is_file() and path.read_text(encoding="utf-8") != mine:
        raise TrainingError(
            f"the rows are not those that {path.parent} was begun with (data, texts of our own or trigger words "
            "changed): name another work folder, or delete it"
        )
    _write(path, mine.encode())


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it: a kill may come in the middle."""
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(path)


def _read_curve(path: Path) -> list[dict[str, Any]]:
    """Lines of the curve, one per stage and step (a resumed run may have written one twice)."""
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({(line["stage"], line["step"]): line for line in lines}.values())


class _Clock:
    """Seconds of each stage, kept over resumed calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self.last = time.monotonic()

    def lap(self, stage: str) -> None:
        """Add the seconds since the last lap to a stage."""
        now = time.monotonic()
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + now - self.last, 1)
        self.last = now
        _write(self.path, json.dumps(self.seconds).encode())
