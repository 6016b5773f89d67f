"""The model card that every run writes: data with licences, sizes, times, figures, limits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from models.network import FeedbackModel
from models.training.config import TrainConfig
from models.training.data import DEV, HELD_OUT, TRAIN, Corpus
from models.training.licences import EXCLUDED, KEPT
from models.training.written import SOURCE

_SHOWN = [
    "profile",
    "licences",
    "seed",
    "vocab_size",
    "n_ngram_rows",
    "ngram_dim",
    "word_order",
    "ngram_epochs",
    "ngram_lr",
    "ngram_dropout",
    "n_tables",
    "init_share",
    "n_direct",
    "direct_epochs",
    "direct_lr",
    "direct_share",
    "embedding_dim",
    "hidden_size",
    "n_layers",
    "n_heads",
    "intermediate_size",
    "max_tokens",
    "mlm_steps",
    "steps",
    "max_seconds",
    "batch_tokens",
    "lr",
    "topic_share",
    "source_temperature",
    "class_power",
    "language_balance",
    "written",
    "written_weight",
    "mix_share",
    "noise_share",
    "weak_topics",
    "label_smoothing",
    "dropout",
    "ema",
]


def write_card(path: Path, config: TrainConfig, model: FeedbackModel, corpus: Corpus, metrics: dict[str, Any]) -> None:
    """Write the card as Markdown; every number comes from `metrics` or from counting."""
    lines = [
        f"# Model card: {config.profile}, revision {model.config.revision}",
        "",
        "Judges short customer feedback: sentiment (negative, neutral, positive), 19 topics, sentiment per topic, and",
        "an embedding. A small transformer beside a table of hashed n-grams; see `docs/training.md`.",
        "",
        "## Size and training",
        "",
        *_sizes(path.parent, model),
        f"- Seconds by stage: {', '.join(f'{k} {v:.0f}' for k, v in metrics['seconds'].items())}",
        f"- Settings: {', '.join(f'{name} {getattr(config, name)}' for name in _SHOWN)}",
        "",
        "## Figures on development rows",
        "",
        "Macro-F1 counts the classes that occur in a set; a set is one source in one language. Topic thresholds and",
        "the mix of the two halves were fitted on these same rows; the calibration errors are cross-fitted.",
        "",
        *_figures(metrics),
    ]
    if "held_out" in metrics:
        lines += ["", "## Whole sources never trained on", "", *_figures(metrics["held_out"])]
    if "written" in metrics:
        lines += ["", "## Texts of our own, held back", "", *_figures(metrics["written"])]
    lines += ["", "## Sentiment by language (development rows)", "", *_languages(metrics)]
    lines += ["", "## Topics (development rows)", "", *_table(("topic", "F1"), metrics["by_topic"].items())]
    lines += ["", "## Sets (development rows)", "", "Sentiment, macro-F1:", ""]
    lines += _table(("source:language", "macro-F1"), metrics["by_sentiment_set"].items())
    lines += ["", "Topics, macro-F1 over the topics with at least ten cases:", ""]
    lines += _table(("source:language", "macro-F1"), metrics["by_topic_set"].items())
    lines += ["", "## Data", "", *_data(config, corpus)]
    lines += ["", "## Limits", "", *_limits(metrics)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def licences_in(manifests: Iterable[Path]) -> dict[str, str]:
    """Source -> licence as stated, read from the tables of the data's MANIFEST.md files."""
    found: dict[str, str] = {}
    for manifest in manifests:
        if not manifest.is_file():
            continue
        column = None
        for line in manifest.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|") or len(cells) < 3:
                column = None
            elif "licence as stated" in cells:
                column = cells.index("licence as stated")
            elif column is not None and not re.fullmatch(r"[-: ]*", cells[0]) and column < len(cells):
                found.setdefault(cells[0], cells[column])
    return found


def _sizes(directory: Path, model: FeedbackModel) -> list[str]:
    n_parameters = sum(value.numel() for value in model.parameters())
    encoder = n_parameters - model.ngrams.weight.numel() - model.token_embedding.weight.numel()
    files = [name for name in ("model.safetensors", "tokenizer.json", "config.json") if (directory / name).is_file()]
    sizes = ", ".join(f"{name} {(directory / name).stat().st_size / 1e6:.1f} MB" for name in files)
    return [
        f"- {n_parameters / 1e6:.1f} million parameters, of them {encoder / 1e6:.2f} million outside the two tables",
        f"- Files: {sizes}",
    ]


def _figures(metrics: dict[str, Any]) -> list[str]:
    rows = [
        ("sentiment, mean macro-F1 over sets", metrics["sentiment_sets"]),
        ("... of the n-grams alone", metrics.get("ngrams_alone", {}).get("sentiment_sets")),
        ("... of the encoder alone", metrics.get("encoder_alone", {}).get("sentiment_sets")),
        ("sentiment, mean macro-F1 over UMSAB's languages", metrics["benchmark"]),
        ("sentiment, accuracy over rows", metrics["sentiment_accuracy"]),
        ("topics, mean macro-F1 over sets", metrics["topic_sets"]),
        ("topics, mean micro-F1 over sets", metrics["topic_micro"]),
        ("sentiment per topic, accuracy", metrics["topic_sentiment_accuracy"]),
    ]
    for head, value in metrics.get("ece", {}).items():
        rows.append((f"expected calibration error, {head.replace('_', ' ')}", value))
    rows += [
        ("rows with a sentiment", metrics["n_sentiment"]),
        ("rows with topics", metrics["n_topics"]),
    ]
    return _table(("figure", "value"), ((name, value) for name, value in rows if value is not None))


def _languages(metrics: dict[str, Any]) -> list[str]:
    errors = metrics["ece_by_language"]
    lines = ["| language | macro-F1 | calibration error |", "|---|---|---|"]
    for name, value in metrics["by_language"].items():
        lines.append(f"| {name} | {value:.3f} | {errors.get(name, float('nan')):.3f} |")
    return lines


_OWN_TEXTS = (
    "`written` are texts of this project: a large language model wrote them on request, language by language (words,",
    "verdicts, clauses about one topic, posts); `models/training/written` holds them, `docs/training.md` says how they",
    "become rows. They are synthetic: they show how people write, as a model imagines it, not what people wrote.",
    "Figures on those held back are flattered: other spellings of the same item may be among the training rows.",
)


def _data(config: TrainConfig, corpus: Corpus) -> list[str]:
    stated = licences_in(config.data / name / "MANIFEST.md" for name in ("sentiment", "topics"))
    lines = [
        f"Licence policy: {config.licences}. {int((corpus.split == TRAIN).sum())} training rows, "
        f"{int((corpus.split == DEV).sum())} development rows, {int((corpus.split == HELD_OUT).sum())} held out.",
        "",
    ]
    if config.licences != "all":
        lines += ["Left out for their licence:", ""]
        lines += [f"- `{name}`: {reason}" for name, reason in EXCLUDED.items()]
        lines += ["", "Kept, with the reason:", ""]
        lines += [f"- `{name}`: {reason}" for name, reason in KEPT.items()]
        lines += [""]
    if config.written:
        lines += [*_OWN_TEXTS, ""]
    stated[SOURCE] = "ours: that of this project"
    lines += ["| source | set | training rows | licence as stated |", "|---|---|---|---|"]
    for index, name in enumerate(corpus.sources):
        kind, _, source = name.partition("/")
        n_rows = int(((corpus.source == index) & (corpus.split == TRAIN)).sum())
        if n_rows:
            lines.append(f"| {source} | {kind} | {n_rows} | {stated.get(source, 'see the manifest of the data')} |")
    return lines


def _limits(metrics: dict[str, Any]) -> list[str]:
    weak_languages = sorted(metrics["by_language"].items(), key=lambda item: item[1])[:8]
    weak_topics = sorted(metrics["by_topic"].items(), key=lambda item: item[1])[:5]
    return [
        "- Weakest languages here: " + ", ".join(f"{name} {value:.2f}" for name, value in weak_languages) + ".",
        "- Weakest topics here: " + ", ".join(f"{name} {value:.2f}" for name, value in weak_topics) + ".",
        "- payment, app, information, returns, loyalty and safety rest on few labelled rows and on trigger words.",
        "- Languages without rows in the topic data borrow what other languages and trigger words taught.",
        "- Several sources have no neutral rows; neutral is learned mostly from tweets.",
        "- Irony, quotations and comparisons with a competitor are judged by their words.",
    ]


def _table(head: tuple[str, str], rows: Iterable[tuple[str, Any]]) -> list[str]:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    for name, value in rows:
        shown = f"{value:.3f}" if isinstance(value, float | np.floating) else str(value)
        lines.append(f"| {name} | {shown} |")
    return lines
