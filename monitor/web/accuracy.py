"""How often the model is right: shares with intervals by language and source, and the calibration curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.metrics.metric import Metric
from monitor.metrics.proportion import share
from monitor.store.judgements import SENTIMENTS
from monitor.store.queries.quality import Looked


@dataclass(frozen=True, slots=True)
class Bin:
    """Judgements of a like probability: how sure the model was on average, and how often it was right."""

    low: float
    high: float
    p_mean: float
    right: Metric


@dataclass(frozen=True, slots=True)
class Accuracy:
    """All of it. `confusion[true][said]` counts in the order negative, neutral, positive."""

    whole: Metric
    by_language: tuple[tuple[str, Metric], ...]
    by_source: tuple[tuple[int, Metric], ...]
    by_class: tuple[tuple[str, Metric], ...]
    confusion: tuple[tuple[int, ...], ...]
    bins: tuple[Bin, ...]
    calibration_error: float | None


def accuracy(looked: Sequence[Looked], *, n_needed: int = 5) -> Accuracy:
    """Of mentions that people looked at. They choose what they look at: the share is of those, not of all."""

    def right(part: Sequence[Looked]) -> Metric:
        return share("accuracy", sum(one.said == one.true for one in part), len(part), n_needed=n_needed)

    def grouped(key: Callable[[Looked], object]) -> list[tuple[object, list[Looked]]]:
        groups: dict[object, list[Looked]] = defaultdict(list)
        for one in looked:
            groups[key(one)].append(one)
        return sorted(groups.items(), key=lambda group: -len(group[1]))

    bins = []
    for n in range(10):
        low, high = n / 10, (n + 1) / 10
        part = [one for one in looked if low <= one.p_said < high or (n == 9 and one.p_said >= 1)]
        if part:
            bins.append(Bin(low, high, sum(one.p_said for one in part) / len(part), right(part)))
    error = None
    if len(looked) >= 30:
        error = sum(
            abs(one.p_mean - sum(x.said == x.true for x in part) / len(part)) * len(part)
            for one in bins
            if (part := [x for x in looked if one.low <= x.p_said < one.high or (one.high == 1 and x.p_said >= 1)])
        ) / len(looked)
    return Accuracy(
        right(looked),
        tuple((str(key), right(part)) for key, part in grouped(lambda one: one.language)),
        tuple((int(str(key)), right(part)) for key, part in grouped(lambda one: one.source_id)),
        tuple((key, right([one for one in looked if one.true == key])) for key in SENTIMENTS),
        tuple(
            tuple(sum(one.true == true and one.said == said for one in looked) for said in SENTIMENTS)
            for true in SENTIMENTS
        ),
        tuple(bins),
        error,
    )
