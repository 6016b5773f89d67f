"""How good is a model on somebody's labelled file: macro-F1, per class, calibration, topics, each with a bootstrap
interval, by group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import SENTIMENTS, Judgement, Scorer
from models.calibration import Bin, calibration_error, reliability
from models.labelled import Example, columns, read
from models.labels import TOPICS

MIN_TOPIC_CASES = 10
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured share with its 95 % percentile bootstrap interval over texts."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:5.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True, slots=True)
class Row:
    """Sentiment on one group. `macro_f1` is over the classes that occur among its labels; `f1` is None for a class
    that does not. `curve`: how sure the model was of what it said, and how often that was right, in ten bins.
    """

    group: str
    value: str
    n: int
    n_failed: int
    macro_f1: Interval
    accuracy: Interval
    f1: Mapping[str, float | None]
    calibration_error: float
    curve: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class TopicRow:
    """One topic over the rows labelled for it; `sentiment_accuracy` over tags found that have a labelled sentiment."""

    topic: str
    n: int
    n_positive: int
    precision: float
    recall: float
    f1: Interval
    sentiment_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The table of one model on one file. `rows` starts with the whole file; topics with fewer than 10 cases are left
    out.
    """

    model: str
    path: str
    rows: tuple[Row, ...]
    topics: tuple[TopicRow, ...] = ()
    topic_macro_f1: float | None = None
    rare_topics: tuple[str, ...] = ()  # labelled in fewer than 10 rows
    unknown_topics: tuple[str, ...] = ()  # labelled, but neither of the taxonomy nor ever said: their F1 is 0
    skipped: tuple[str, ...] = field(default=())  # rows of the file that could not be read, with the reason


def evaluate(
    path: Path | str,
    *,
    scorer: Scorer | None = None,
    by: Sequence[str] | None = None,
    limit: int | None = None,
    encoding: str | None = None,
    progress: Callable[[int], None] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge every labelled row of a csv, jsonl or parquet file and compare.

    Columns as `models.labelled.read` has them: text, label, topics, sentiments, labelled_for (topics decided in that
    row; absent: all topics that occur in the file). by: columns whose values get a row each; default language, where
    there is such a column. Scorer: default the embedded model, which finds out languages by itself, as in service.
    Raises ModelError for a file without text or labels.
    """
    from models import load

    path = Path(path)
    if by is None:
        by = ("language",) if "language" in columns(path, encoding=encoding) else ()
    examples, skipped = read(path, by=by, limit=limit, encoding=encoding)
    scorer = scorer or load()
    judged = scorer.score([example.text for example in examples], progress=progress)
    rng = np.random.default_rng(seed)
    rows = []
    with_label = [i for i, example in enumerate(examples) if example.label is not None]
    if with_label:
        rows.append(_row("all", "all", with_label, examples, judged, rng))
        for group in by:
            for value in sorted({examples[i].groups[group] for i in with_label}):
                members = [i for i in with_label if examples[i].groups[group] == value]
                rows.append(_row(group, value, members, examples, judged, rng))
    topics = tuple(_topic_rows(examples, judged, rng))
    labelled = {topic for example in examples for topic in example.topics or ()}
    return Evaluation(
        model=f"{scorer.name}@{scorer.revision}",
        path=str(path),
        rows=tuple(rows),
        topics=topics,
        topic_macro_f1=float(np.mean([row.f1.value for row in topics])) if topics else None,
        rare_topics=tuple(sorted(labelled - {row.topic for row in topics})),
        unknown_topics=tuple(
            sorted(labelled - {*TOPICS, *(tag.topic for judgement in judged for tag in judgement.topics)})
        ),
        skipped=tuple(skipped),
    )


def _row(
    group: str,
    value: str,
    members: list[int],
    examples: list[Example],
    judged: list[Judgement],
    rng: np.random.Generator,
) -> Row:
    labels = np.array([examples[i].label for i in members])
    said = np.array([SENTIMENTS.index(s) if (s := judged[i].sentiment) else -1 for i in members])
    p = np.array([[judged[i].p_negative, judged[i].p_neutral, judged[i].p_positive] for i in members])
    known = said >= 0
    classes = sorted(set(labels.tolist()))
    f1 = _f1_per_class(labels, said)
    return Row(
        group=group,
        value=value,
        n=len(members),
        n_failed=int((~known).sum()),
        macro_f1=interval(lambda at: float(np.mean(_f1_per_class(labels[at], said[at])[classes])), len(members), rng),
        accuracy=interval(lambda at: float((labels[at] == said[at]).mean()), len(members), rng),
        f1={name: float(f1[i]) if i in classes else None for i, name in enumerate(SENTIMENTS)},
        calibration_error=calibration_error(p[known], labels[known]),
        curve=tuple(reliability(p[known].max(axis=1), said[known] == labels[known], n_bins=10)) if known.any() else (),
    )


def _f1_per_class(labels: npt.NDArray[np.int_], said: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """F1 of the three classes; a text that could not be judged counts as missed."""
    hits = np.bincount(labels[labels == said], minlength=3)[:3]
    total = np.bincount(labels, minlength=3)[:3] + np.bincount(said[said >= 0], minlength=3)[:3]
    return np.asarray(2 * hits / np.maximum(total, 1))


def interval(measure: Callable[[npt.NDArray[np.int_]], float], n: int, rng: np.random.Generator) -> Interval:
    """`measure` of all n indices, and the 2.5 % and 97.5 % quantiles over resamples (fewer for large files, where
    they agree).
    """
    draws = _DRAWS if n < 20_000 else 200
    values = [measure(rng.integers(0, n, n)) for _ in range(draws)]
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(measure(np.arange(n)), float(low), float(high))


def _topic_rows(examples: list[Example], judged: list[Judgement], rng: np.random.Generator) -> Iterator[TopicRow]:
    everything = frozenset(topic for example in examples for topic in example.topics or ())
    for topic in sorted(everything):
        members = [
            i
            for i, example in enumerate(examples)
            if example.topics is not None
            and topic in (example.labelled_for if example.labelled_for is not None else everything)
        ]
        truth = np.array([topic in (examples[i].topics or ()) for i in members])
        if truth.sum() < MIN_TOPIC_CASES:
            continue
        tags = [next((tag for tag in judged[i].topics if tag.topic == topic), None) for i in members]
        said = np.array([tag is not None for tag in tags])
        polarity = [
            SENTIMENTS.index(tag.sentiment) == gold
            for i, tag in zip(members, tags, strict=True)
            if tag is not None and (gold := (examples[i].topics or {}).get(topic)) is not None
        ]

        def f1(at: npt.NDArray[np.int_], truth: Any = truth, said: Any = said) -> float:
            return float(2 * (truth[at] & said[at]).sum() / max(truth[at].sum() + said[at].sum(), 1))

        hits = (truth & said).sum()
        yield TopicRow(
            topic=topic,
            n=len(members),
            n_positive=int(truth.sum()),
            precision=float(hits / max(said.sum(), 1)),
            recall=float(hits / truth.sum()),
            f1=interval(f1, len(members), rng),
            sentiment_accuracy=float(np.mean(polarity)) if polarity else None,
        )


def table(evaluation: Evaluation) -> str:
    """The evaluation as plain text, percentages with 95 % intervals."""
    lines = [f"{evaluation.model} on {evaluation.path}; percent, with 95 % bootstrap intervals", ""]
    names = ["all" if row.group == "all" else f"{row.group} {row.value}" for row in evaluation.rows]
    width = max(map(len, names), default=0)
    if evaluation.rows:
        classes = " ".join(f"{name[:3]:>5}" for name in SENTIMENTS)
        lines.append(f"{'group':{width}} {'n':>7}  {'macro-F1':22} {'accuracy':22} {classes}   ECE  failed")
    for name, row in zip(names, evaluation.rows, strict=True):
        per = " ".join("    -" if (v := row.f1[name]) is None else f"{100 * v:5.1f}" for name in SENTIMENTS)
        measured = f"{row.macro_f1!s:22} {row.accuracy!s:22} {per} {100 * row.calibration_error:5.1f}"
        lines.append(f"{name:{width}} {row.n:7}  {measured}  {row.n_failed}")
    if evaluation.topics:
        width = max(14, *(len(topic.topic) for topic in evaluation.topics))
        lines += ["", f"{'topic':{width}} {'n':>7} {'cases':>6}  {'F1':22} precision  recall  sentiment accuracy"]
        for topic in evaluation.topics:
            right = "-" if topic.sentiment_accuracy is None else f"{100 * topic.sentiment_accuracy:.1f}"
            shares = f"{topic.f1!s:22} {100 * topic.precision:9.1f} {100 * topic.recall:7.1f}"
            lines.append(f"{topic.topic:{width}} {topic.n:7} {topic.n_positive:6}  {shares}  {right}")
        lines.append(f"mean over topics {100 * (evaluation.topic_macro_f1 or 0):.1f}")
    if evaluation.rare_topics:
        lines += ["", f"topics with fewer than {MIN_TOPIC_CASES} cases, left out: {', '.join(evaluation.rare_topics)}"]
    if evaluation.unknown_topics:
        lines += ["", f"topics that the model does not know: {', '.join(evaluation.unknown_topics)}"]
    if evaluation.skipped:
        lines += ["", f"{len(evaluation.skipped)} rows skipped, the first:", *evaluation.skipped[:5]]
    return "\n".join(lines)
