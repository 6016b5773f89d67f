"""How good is a model on somebody's labelled file: macro-F1, per class, calibration, topics, each with a bootstrap
interval, by group.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import SENTIMENTS, Judgement, Scorer
from models.calibration import calibration_error
from models.errors import ModelError

GROUPS = ("language", "source", "domain")
MIN_TOPIC_CASES = 10
_DRAWS = 1000
_LABELS: dict[str, int] = {
    **{name: i for i, name in enumerate(SENTIMENTS)},
    "neg": 0, "neu": 1, "pos": 2, "0": 0, "1": 1, "2": 2,
}  # fmt: skip


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
    that does not.
    """

    group: str
    value: str
    n: int
    n_failed: int
    macro_f1: Interval
    accuracy: Interval
    f1: Mapping[str, float | None]
    calibration_error: float


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
    skipped: tuple[str, ...] = field(default=())  # rows of the file that could not be read, with the reason


@dataclass(slots=True)
class Example:
    """One labelled row. `topics` maps topic -> labelled sentiment (None: unknown); `labelled_for` None: nothing is
    known of topics.
    """

    text: str
    label: int | None
    groups: dict[str, str]
    topics: dict[str, int | None] | None = None
    labelled_for: frozenset[str] | None = None


def evaluate(
    path: Path | str,
    *,
    scorer: Scorer | None = None,
    by: Sequence[str] | None = None,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge every labelled row of a csv, jsonl or parquet file and compare.

    Columns: text, label (negative | neutral | positive or 0 | 1 | 2), and optionally any columns named in `by`,
    topics (names separated by ",", or a list), sentiments (0 | 1 | 2 or -1 per topic), labelled_for (topics decided
    in that row; absent: all topics that occur in the file). by: columns whose values get a row each; default
    language, where there is such a column. Scorer: default the embedded model. Raises ModelError for a file without
    text or labels.
    """
    from models import load

    path = Path(path)
    if by is None:
        by = ("language",) if "language" in next(iter(_rows(path)), {}) else ()
    examples, skipped = read(path, by=by, limit=limit)
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
    return Evaluation(
        model=f"{scorer.name}@{scorer.revision}",
        path=str(path),
        rows=tuple(rows),
        topics=topics,
        topic_macro_f1=float(np.mean([row.f1.value for row in topics])) if topics else None,
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


def read(path: Path, *, by: Sequence[str] = (), limit: int | None = None) -> tuple[list[Example], list[str]]:
    """Examples of a file, and the rows that are none, by number with the reason. Raises ModelError."""
    examples: list[Example] = []
    skipped: list[str] = []
    for number, raw in enumerate(_rows(path), start=1):
        if limit is not None and len(examples) >= limit:
            break
        if number == 1:
            for column in ("text", *by):
                if column not in raw:
                    raise ModelError(f"{path}: column {column!r} is missing; there are: {', '.join(map(str, raw))}")
            if "label" not in raw and "topics" not in raw:
                there = ", ".join(map(str, raw))
                raise ModelError(f"{path}: neither a column 'label' nor 'topics'; there are: {there}")
        label = raw.get("label")
        if label in (None, "") and raw.get("topics") is None:
            skipped.append(f"row {number}: no label")
            continue
        known = None if label in (None, "") else _LABELS.get(str(label).strip().lower())
        if known is None and label not in (None, ""):
            skipped.append(f"row {number}: label {label!r}; allowed: {', '.join(SENTIMENTS)} or 0, 1, 2")
            continue
        topics, labelled_for = _topics(raw)
        groups = {group: str(raw.get(group) or "unknown") for group in by}
        examples.append(Example(str(raw.get("text") or ""), known, groups, topics, labelled_for))
    if not examples:
        raise ModelError(f"{path}: no labelled row ({'; '.join(skipped[:3]) or 'the file is empty'})")
    return examples, skipped


def _topics(raw: Mapping[str, Any]) -> tuple[dict[str, int | None] | None, frozenset[str] | None]:
    if raw.get("topics") is None:
        return None, None
    names = _listed(raw["topics"])
    polarity = [int(s) if str(s) not in ("", "-1", "None") else None for s in _listed(raw.get("sentiments") or [])]
    decided = raw.get("labelled_for")
    topics = dict(zip(names, polarity if len(polarity) == len(names) else [None] * len(names), strict=True))
    return topics, None if decided is None else frozenset(_listed(decided))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value)


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    kind = path.suffix.lower()
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    if kind in (".csv", ".tsv"):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from csv.DictReader(stream, delimiter="\t" if kind == ".tsv" else ",")
    elif kind in (".jsonl", ".ndjson"):
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise ModelError(f"{path}: line {number} is not JSON: {error}") from error
    elif kind == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    else:
        raise ModelError(f"{path}: {kind or 'no ending'}; csv, tsv, jsonl and parquet can be read")


def table(evaluation: Evaluation) -> str:
    """The evaluation as plain text, percentages with 95 % intervals."""
    lines = [f"{evaluation.model} on {evaluation.path}", ""]
    if evaluation.rows:
        classes = " ".join(f"{name[:3]:>5}" for name in SENTIMENTS)
        lines.append(f"{'group':24} {'n':>7}  {'macro-F1':22} {'accuracy':22} {classes}   ECE  failed")
    for row in evaluation.rows:
        per = " ".join("    -" if (v := row.f1[name]) is None else f"{100 * v:5.1f}" for name in SENTIMENTS)
        name = "all" if row.group == "all" else f"{row.group} {row.value}"
        measured = f"{row.macro_f1!s:22} {row.accuracy!s:22} {per} {100 * row.calibration_error:5.1f}"
        lines.append(f"{name:24} {row.n:7}  {measured}  {row.n_failed}")
    if evaluation.topics:
        lines += ["", f"{'topic':14} {'n':>7} {'cases':>6}  {'F1':22} precision  recall  sentiment accuracy"]
        for topic in evaluation.topics:
            right = "-" if topic.sentiment_accuracy is None else f"{100 * topic.sentiment_accuracy:.1f}"
            shares = f"{topic.f1!s:22} {100 * topic.precision:9.1f} {100 * topic.recall:7.1f}"
            lines.append(f"{topic.topic:14} {topic.n:7} {topic.n_positive:6}  {shares}  {right}")
        lines.append(f"mean over topics {100 * (evaluation.topic_macro_f1 or 0):.1f}")
    if evaluation.skipped:
        lines += ["", f"{len(evaluation.skipped)} rows skipped, first: {'; '.join(evaluation.skipped[:5])}"]
    return "\n".join(lines)
