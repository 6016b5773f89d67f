"""How right a model is on the development rows of the training collections, beside its peers, as Markdown tables.

    python -m benchmarks.models_training --data ../shared/data       # once: the peers' answers, an hour on two cores
    python -m benchmarks.accuracy ../shared/data [--rows 150] [--model DIRECTORY] [--write docs]

Development rows were never trained on, but temperature, topic thresholds and trigger shifts were fitted on those whose
sources may ship, so calibration and topics are slightly flattered. Sources that may not ship (marked *) were never
seen by the embedded model, nor by the peers but those that were trained on all sources.
Macro-F1 counts the classes that occur; a set is one source in one language with 30 rows or more. Intervals are 95 %
percentile bootstraps over texts. `--rows`: so many of a language, drawn with a fixed seed. `--write DIRECTORY` puts the
tables into its models.md, between the marks, draws calibration.svg and learning.svg, and, for the shipped model, writes
measured.json beside the weights: the page of model quality shows it where nothing else was measured.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models_training import CACHE, CURVE, ON_TOPICS, SENTIMENT, development, stored
from models.base import SENTIMENTS
from models.calibration import calibration_error, reliability
from models.embedded import DIRECTORY, MEASURED
from models.evaluate import Interval
from models.labels import TOPICS
from models.scorer import load
from models.training.licences import EXCLUDED

DRAWS = 1000
MIN_SET = 30  # rows of a set that counts in a mean
MIN_CASES = 10  # of a topic
MIN_ROWS = {"language": 1, "source": MIN_SET, "domain": MIN_SET}  # of a row of a table
SHOWN = {
    "embedded": "ours",
    "words": "known words",
    "vader": "VADER",
    "tfidf": "TF-IDF + LR",
    "tfidf-all": "TF-IDF + LR, all sources",
    "fasttext": "fastText",
    "fasttext-all": "fastText, all sources",
    "trigger-words": "trigger words",
    "regression": "LR on characters",
    "regression-all": "LR on characters, all sources",
}


@dataclass(frozen=True)
class Set:
    """Rows of one source in one language, at their places."""

    source: str
    language: str
    at: np.ndarray

    @property
    def may_ship(self) -> bool:
        return self.source not in EXCLUDED


def sets_of(data: list[dict[str, Any]]) -> list[Set]:
    found: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(data):
        found.setdefault((row["source"], row["language"]), []).append(i)
    return [Set(source, language, np.array(at)) for (source, language), at in sorted(found.items())]


def drawn(data: list[dict[str, Any]], n: int | None) -> np.ndarray:
    """Places of up to n rows of each language, the same for the same n."""
    rng, by_language = random.Random(0), {}
    for i, row in enumerate(data):
        by_language.setdefault(row["language"], []).append(i)
    chosen = [at if n is None or len(at) <= n else sorted(rng.sample(at, n)) for at in by_language.values()]
    return np.array(sorted(i for at in chosen for i in at))


def macro_draws(labels: np.ndarray, said: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Macro-F1 over the classes that occur, [1 + DRAWS]: measured, then of resamples of the texts.

    Only the table of label and answer (-1: none) matters, and resampling texts draws that table from a multinomial
    distribution.
    """
    n = len(labels)
    table = np.bincount(labels * 4 + np.where(said < 0, 3, said), minlength=12)
    tables = np.concatenate((table[None], rng.multinomial(n, table / n, DRAWS))).reshape(-1, 3, 4)
    hits = tables[:, range(3), range(3)]
    total = tables.sum(2) + tables[:, :, :3].sum(1)
    f1 = 2 * hits / np.maximum(total, 1)
    return np.asarray(f1[:, np.unique(labels)].mean(1))


def shown(draws: np.ndarray) -> str:
    low, high = np.quantile(draws[1:], (0.025, 0.975))
    return str(Interval(float(draws[0]), float(low), float(high))).strip()


def sentiment(data: list[dict[str, Any]], said: dict[str, np.ndarray], p: np.ndarray) -> Iterable[str]:
    """The tables of the sentiment; `said`: class of each row (-1: none) by model, `p`: probabilities of ours."""
    labels = np.array([row["label"] for row in data])
    sets = [s for s in sets_of(data) if len(s.at) >= MIN_SET and len(np.unique(labels[s.at])) > 1]
    parts: dict[str, Callable[[Set], bool]] = {
        "sets that may ship": lambda s: s.may_ship,
        "sets of the sources left out *": lambda s: not s.may_ship,
        "all sets": lambda s: True,
        "tweets of UMSAB": lambda s: s.source == "umsab",
    }
    count = {name: sum(map(keep, sets)) for name, keep in parts.items()}
    yield from ("", "Sentiment, mean macro-F1 over sets:", "")
    yield f"| | {' | '.join(f'{name} ({count[name]})' for name in parts if count[name])} | accuracy over rows |"
    yield f"|---|{'---|' * (1 + sum(map(bool, count.values())))}"
    for name, answer in said.items():
        if name == "vader":
            continue
        rng = np.random.default_rng(0)
        by_set = [macro_draws(labels[s.at], answer[s.at], rng) for s in sets]
        cells = [
            shown(np.mean([draws for s, draws in zip(sets, by_set, strict=True) if keep(s)], axis=0))
            for part, keep in parts.items()
            if count[part]
        ]
        yield f"| {SHOWN[name]} | {' | '.join(cells)} | {100 * (answer == labels).mean():.1f} |"
    everyone = {name: answer for name, answer in said.items() if name != "vader"}
    for column in ("language", "source", "domain"):
        yield from ("", f"Sentiment by {column}, macro-F1:", "")
        yield from _groups(column, data, labels, everyone, p)
        if column == "language":
            yield from _weak(data, labels, everyone)
    if "vader" in said:
        of = np.flatnonzero([row["language"] == "en" for row in data])
        english = {name: answer[of] for name, answer in said.items()}
        yield from ("", "English alone, by domain, beside VADER:", "")
        yield from _groups("domain", [data[i] for i in of], labels[of], english, p[of])


def by_language(data: list[dict[str, Any]], ours: np.ndarray, p: np.ndarray) -> list[dict[str, Any]]:
    """Ours over all rows and by language, as `monitor.store.evaluations.Line` has it."""
    labels = np.array([row["label"] for row in data])
    values = np.array([row["language"] for row in data])
    found = []
    for value in ["", *sorted(set(values))]:
        at = np.flatnonzero((values == value) | (value == ""))
        if len(at) < MIN_SET:
            continue
        y, known = labels[at], ours[at] >= 0
        right = np.random.default_rng(0).binomial(len(at), (ours[at] == y).mean(), DRAWS) / len(at)
        accuracy = np.concatenate(([(ours[at] == y).mean()], right))
        found.append(
            {"group": "language" if value else "all", "value": value, "n": len(at), "n_failed": int((~known).sum()),
             "accuracy": _measure(accuracy), "macro_f1": _measure(macro_draws(y, ours[at], np.random.default_rng(0))),
             "calibration_error": round(calibration_error(p[at][known], y[known]), 4)}
        )  # fmt: skip
    return found


def _measure(draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(draws[1:], (0.025, 0.975))
    return {"value": round(float(draws[0]), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _weak(data: list[dict[str, Any]], labels: np.ndarray, said: dict[str, np.ndarray]) -> Iterable[str]:
    """Where ours is worst, and where a peer is better, measured in one line each."""
    values = np.array([row["language"] for row in data])
    measured: dict[str, dict[str, float]] = {}
    for value in np.unique(values):
        at = np.flatnonzero(values == value)
        if len(at) >= MIN_SET:
            rng = np.random.default_rng(0)
            measured[value] = {name: float(macro_draws(labels[at], a[at], rng)[0]) for name, a in said.items()}
    worst = sorted(measured, key=lambda value: measured[value]["embedded"])[:12]
    yield from ("", "Our weakest: " + ", ".join(f"{v} {100 * measured[v]['embedded']:.0f}" for v in worst) + ".", "")
    for name in said:
        better = [v for v, figures in measured.items() if figures[name] > figures["embedded"]]
        if name != "embedded":
            yield f"- {SHOWN[name]} is ahead of ours in {len(better)} of {len(measured)}: {', '.join(better) or 'none'}"


def _groups(
    column: str, data: list[dict[str, Any]], labels: np.ndarray, said: dict[str, np.ndarray], p: np.ndarray
) -> Iterable[str]:
    yield f"| {column} | n | {' | '.join(SHOWN[name] for name in said)} | accuracy, ours | ECE, ours |"
    yield f"|---|{'---|' * (3 + len(said))}"
    values = np.array([row[column] for row in data])
    for value in ["all", *sorted(set(values))]:
        at = np.flatnonzero((values == value) | (value == "all"))
        if len(at) < MIN_ROWS[column]:
            continue
        y, ours = labels[at], said["embedded"][at]
        cells = [shown(macro_draws(y, answer[at], np.random.default_rng(0))) for answer in said.values()]
        ece = calibration_error(p[at][ours >= 0], y[ours >= 0])
        star = " *" if value in EXCLUDED else ""
        yield (
            f"| {value}{star} | {len(at)} | {' | '.join(cells)} | {100 * (ours == y).mean():.1f} | {100 * ece:.1f} |"
        )


def topics(data: list[dict[str, Any]], said: dict[str, np.ndarray], polarity: np.ndarray) -> Iterable[str]:
    """The tables of the topics; `said`: bool [n, topics] by model, `polarity`: int8 of the tags of ours, -1 if none."""
    truth, asked = np.zeros((len(data), len(TOPICS)), bool), np.zeros((len(data), len(TOPICS)), bool)
    gold = np.full((len(data), len(TOPICS)), -1)
    for i, row in enumerate(data):
        at = [TOPICS.index(topic) for topic in row["topics"]]
        truth[i, at], gold[i, at] = True, [-1 if s is None else s for s in row["sentiments"]]
        asked[i, [TOPICS.index(topic) for topic in row["labelled_for"]]] = True
    asked |= truth
    sets = [s for s in sets_of(data) if ((truth[s.at]).sum(0) >= MIN_CASES).any()]
    parts: dict[str, Callable[[Set], bool]] = {
        "sets that may ship": lambda s: s.may_ship,
        "sets of the sources left out *": lambda s: not s.may_ship,
    }
    parts = {name: keep for name, keep in parts.items() if any(map(keep, sets))}
    heads = [f"{what}, {name} ({sum(map(keep, sets))})" for name, keep in parts.items() for what in ("macro", "micro")]
    yield from ("", f"Topics, mean F1 over sets, of topics with {MIN_CASES} cases or more:", "")
    yield f"| | {' | '.join(heads)} |"
    yield f"|---|{'---|' * len(heads)}"
    by_set: dict[str, list[np.ndarray]] = {name: [] for name in said}
    for s in sets:
        times = _resamples(len(s.at), np.random.default_rng(0))
        for name, answer in said.items():
            by_set[name].append(_topic_draws(truth[s.at], answer[s.at], asked[s.at], times))
    for name, draws in by_set.items():
        summary = [
            np.mean([d for s, d in zip(sets, draws, strict=True) if keep_set(s)], axis=0) for keep_set in parts.values()
        ]
        yield f"| {SHOWN[name]} | {' | '.join(shown(mean[k]) for mean in summary for k in (0, 1))} |"
    yield from ("", "By topic, F1:", "")
    yield f"| topic | n | cases | {' | '.join(map(SHOWN.get, said))} | precision | recall | sentiment right |"  # type: ignore[arg-type]
    yield f"|---|---|---|{'---|' * (len(said) + 3)}"
    right: list[np.ndarray] = []
    average: dict[str, list[float]] = {name: [] for name in said}
    for k, topic in enumerate(TOPICS):
        at = np.flatnonzero(asked[:, k])
        if truth[at, k].sum() < MIN_CASES:
            continue
        cells = []
        for name, answer in said.items():
            draws = _f1_draws(truth[at, k], answer[at, k], np.random.default_rng(0))
            average[name].append(float(draws[0]))
            cells.append(shown(draws))
        ours = said["embedded"][at, k]
        hits = (truth[at, k] & ours).sum()
        judged = truth[:, k] & (gold[:, k] >= 0) & (polarity[:, k] >= 0)
        right.append(polarity[judged, k] == gold[judged, k])
        share = f"{100 * right[-1].mean():.1f}" if judged.any() else ""
        yield (
            f"| {topic} | {len(at)} | {truth[at, k].sum()} | {' | '.join(cells)} "
            f"| {100 * hits / max(1, ours.sum()):.1f} | {100 * hits / truth[at, k].sum():.1f} | {share} |"
        )
    means = " | ".join(f"{100 * np.mean(values):.1f}" for values in average.values())
    yield f"| mean | | | {means} | | | {100 * np.concatenate(right).mean():.1f} (of all tags) |"


def _topic_draws(truth: np.ndarray, said: np.ndarray, asked: np.ndarray, times: np.ndarray) -> np.ndarray:
    """[2, draws]: macro and micro F1 over the topics with enough cases; `times` as `_resamples` has it."""
    of = truth.sum(0) >= MIN_CASES
    truth, said = truth[:, of], said[:, of] & asked[:, of]
    hits, total = times @ (truth & said), times @ (truth.astype(np.float32) + said)
    return np.stack(((2 * hits / np.maximum(total, 1)).mean(1), 2 * hits.sum(1) / np.maximum(total.sum(1), 1)))


def _resamples(n: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n texts is measured: once, then as resamples have it; float32 [1 + DRAWS / 5, n]."""
    times = rng.multinomial(n, np.full(n, 1 / n), DRAWS // 5)
    return np.concatenate((np.ones((1, n)), times)).astype(np.float32)


def _f1_draws(truth: np.ndarray, said: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """F1 of one topic, [1 + DRAWS], as `macro_draws` resamples."""
    table = np.bincount(truth * 2 + said, minlength=4)
    tables = np.concatenate((table[None], rng.multinomial(len(truth), table / len(truth), DRAWS)))
    return np.asarray(2 * tables[:, 3] / np.maximum(2 * tables[:, 3] + tables[:, 1] + tables[:, 2], 1))


def calibration(path: Path, curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Picture: how often a verdict is right, by how sure it says it is; (confidence, right) of each curve."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    axes.plot((0, 1), (0, 1), color="#98A2B3", linewidth=1, linestyle="--", label="as sure as right")
    for (name, (p, right)), colour, marker in zip(
        curves.items(), ("#3538CD", "#D1495B", "#2A9D8F"), "os^", strict=False
    ):
        bins = [b for b in reliability(p, right, n_bins=20) if b.n >= 20]
        error = [1.96 * (b.accuracy * (1 - b.accuracy) / b.n) ** 0.5 for b in bins]
        axes.errorbar([b.confidence for b in bins], [b.accuracy for b in bins], yerr=error, label=name, color=colour,
                      marker=marker, markersize=4, linewidth=1.4, capsize=2)  # fmt: skip
        counts.plot([b.confidence for b in bins], [b.n for b in bins], color=colour, marker=marker, markersize=4)
    axes.set(ylabel="share that is right", xlim=(0.2, 1.02), ylim=(0.2, 1.02))
    counts.set(xlabel="probability of the verdict", ylabel="verdicts", yscale="log")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    _save(figure, path)


def learning(path: Path, curves: dict[str, list[tuple[float, np.ndarray]]]) -> None:
    """Picture: mean macro-F1 over the sets that may ship by the number of training rows, with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for (name, points), colour, marker in zip(curves.items(), ("#3538CD", "#D1495B"), "os", strict=False):
        low, high = np.array([np.quantile(draws[1:], (0.025, 0.975)) for _, draws in points]).T * 100
        y = np.array([draws[0] for _, draws in points]) * 100
        axes.errorbar([n for n, _ in points], y, yerr=(y - low, high - y), label=name, color=colour, marker=marker,
                      markersize=5, linewidth=1.4, capsize=2)  # fmt: skip
    axes.set(xlabel="training rows", ylabel="mean macro-F1 over the sets that may ship", xscale="log")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "feedback", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, help="per language and collection; all if not given")
    parser.add_argument("--model", help="default: the shipped one")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where benchmarks.models_training kept the answers")
    parser.add_argument("--write", type=Path, help="the folder of models.md")
    given = parser.parse_args()
    scorer = load(given.model)
    lines: list[str] = []
    trained: list[str] = []

    data = development(given.data, "sentiment")
    texts = [row["text"] for row in data]
    at = drawn(data, given.rows)
    part = [data[i] for i in at]
    judged = scorer.score([row["text"] for row in part], languages=[row["language"] for row in part])
    p = np.array([[j.p_negative, j.p_neutral, j.p_positive] for j in judged])
    said = {"embedded": np.array([SENTIMENTS.index(j.sentiment) if j.sentiment else -1 for j in judged])}
    confidence: dict[str, np.ndarray] = {}
    for name in SENTIMENT:
        answer = stored(given.cache, name, texts)
        if answer is not None:
            votes = answer.said[at]
            said[name] = np.where(votes.any(1), votes.argmax(1), -1)
            confidence[name] = votes.max(1)
            if answer.n_train:
                trained.append(f"{SHOWN[name]} {answer.n_train:,} rows")
    lines += sentiment(part, said, p)
    measured = by_language(part, said["embedded"], p)
    labels = np.array([row["label"] for row in part])
    known = said["embedded"] >= 0
    curves = {"sentiment": (p[known].max(1), said["embedded"][known] == labels[known])}
    if "fasttext" in said:
        curves["sentiment, fastText"] = (confidence["fasttext"], said["fasttext"] == labels)
    growth = growing(given.cache, data, texts)

    n_sentiment = len(part)
    data = development(given.data, "topics")
    texts = [row["text"] for row in data]
    at = drawn(data, given.rows)
    part = [data[i] for i in at]
    judged = scorer.score([row["text"] for row in part], languages=[row["language"] for row in part])
    ours, polarity = np.zeros((len(part), len(TOPICS)), bool), np.full((len(part), len(TOPICS)), -1)
    tags = []
    for i, judgement in enumerate(judged):
        for tag in judgement.topics:
            k = TOPICS.index(tag.topic)
            ours[i, k], polarity[i, k] = True, SENTIMENTS.index(tag.sentiment)
            if tag.topic in part[i]["labelled_for"] or tag.topic in part[i]["topics"]:
                tags.append((tag.p, tag.topic in part[i]["topics"]))
    found = {"embedded": ours}
    for name in ON_TOPICS:
        answer = stored(given.cache, name, texts)
        if answer is not None:
            found[name] = answer.said[at]
            if answer.n_train:
                trained.append(f"{SHOWN[name]} {answer.n_train:,} rows")
    lines += topics(part, found, polarity)
    curves["topic tags"] = (np.array([p for p, _ in tags]), np.array([right for _, right in tags]))
    if growth:
        lines += ["", "![Learning curve](learning.svg)"] if given.write else []
        lines += ["", "Learning curve (sentiment, mean macro-F1 over the sets that may ship):", "",
                  "| | training rows | macro-F1 |", "|---|---|---|"]  # fmt: skip
        lines += [f"| {name} | {n:,} | {shown(draws)} |" for name, points in growth.items() for n, draws in points]
    head = (
        f"{scorer.model}, {n_sentiment:,} development rows with a sentiment and {len(part):,} with topics. "
        f"Training rows of the peers: {'; '.join(trained) or 'none'}."
    )
    lines = [head, *lines]
    if given.write is None:
        print("\n".join(lines))
        return
    write(given.write / "models.md", lines)
    if given.model is None:
        value = {"file": "docs/models.md", "model": scorer.model, "measured_at": datetime.now(UTC).date().isoformat(),
                 "lines": measured}  # fmt: skip
        (DIRECTORY / MEASURED).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    calibration(given.write / "calibration.svg", curves)
    if growth:
        learning(given.write / "learning.svg", growth)


def growing(cache: Path, data: list[dict[str, Any]], texts: list[str]) -> dict[str, list[tuple[float, np.ndarray]]]:
    """(training rows, draws) of the learning curves that are in the cache, over all development rows."""
    labels = np.array([row["label"] for row in data])
    sets = [s for s in sets_of(data) if s.may_ship and len(s.at) >= MIN_SET and len(np.unique(labels[s.at])) > 1]
    found: dict[str, list[tuple[float, np.ndarray]]] = {}
    for name, title in (("table", "our n-gram half alone"), ("fasttext", "fastText")):
        for part in (*CURVE, 1):
            answer = stored(cache, name if (name, part) == ("fasttext", 1) else f"curve-{name}-{part}", texts)
            if answer is not None:
                rng, classes = np.random.default_rng(0), answer.said.argmax(1)
                draws = np.mean([macro_draws(labels[s.at], classes[s.at], rng) for s in sets], axis=0)
                found.setdefault(title, []).append((answer.n_train, draws))
    return {title: points for title, points in found.items() if len(points) > 1}


_BEGIN, _END = "<!-- benchmarks.accuracy writes from here -->", "<!-- to here -->"


def write(path: Path, lines: list[str]) -> None:
    """Put the lines between the marks of a document."""
    document = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    if not pattern.search(document):
        raise SystemExit(f"{path}: the marks {_BEGIN} and {_END} are missing")
    text = "\n".join((_BEGIN, "", *lines, "", _END))
    path.write_text(pattern.sub(lambda _: text, document), encoding="utf-8")


if __name__ == "__main__":
    main()
