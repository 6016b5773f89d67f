"""The journey in numbers: how each step feels, where complaints come from, after which step customers stay away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.metrics.counts import clear_after_many
from monitor.metrics.metric import Interval, Metric
from monitor.metrics.proportion import newcombe, p_of_difference, share
from monitor.metrics.sentiment import Tally, net_change, net_sentiment

LEAST = 15  # mentions (or customers) before a step is compared with others
STAGES = ("awareness", "consideration", "purchase", "delivery", "use", "support", "retention", "advocacy")


@dataclass(frozen=True, slots=True)
class Step:
    """One stage or touchpoint of a period.

    `burden` is its share of all complaints; `against_rest` the difference of its net sentiment to that of the other
    steps; `change` that to the period before. `weak` marks the steps that stand out below the rest, worst first.
    """

    key: str
    tally: Tally
    net: Metric
    burden: Metric
    against_rest: Interval | None
    change: float | None
    change_interval: Interval | None
    weak: bool


def journey(now: Mapping[str, Tally], *, before: Mapping[str, Tally] | None = None, n_weak: int = 3) -> list[Step]:
    """Steps in the order of `now`, with at most `n_weak` marked.

    A step is weak when the interval of its net sentiment against the rest lies below zero; the marked ones are those
    with most complaints among them. A mention may belong to several steps, so tallies need not add up to a brand's.
    """
    everything = Tally()
    for tally in now.values():
        everything = everything + tally
    compared: dict[str, Interval] = {}
    for key, tally in now.items():
        rest = everything - tally
        if tally.n >= LEAST and rest.n >= LEAST:
            compared[key] = net_change(tally, rest)
    weak = sorted(
        (key for key, interval in compared.items() if interval.high < 0), key=lambda key: (-now[key].n_negative, key)
    )[:n_weak]
    steps = []
    for key, tally in now.items():
        earlier = (before or {}).get(key, Tally())
        enough = min(tally.n, earlier.n) >= LEAST
        steps.append(
            Step(
                key=key,
                tally=tally,
                net=net_sentiment(tally),
                burden=share("burden", tally.n_negative, everything.n_negative),
                against_rest=compared.get(key),
                change=(tally.net or 0.0) - (earlier.net or 0.0) if enough else None,
                change_interval=net_change(tally, earlier) if enough else None,
                weak=key in weak,
            )
        )
    return steps


@dataclass(frozen=True, slots=True)
class Loss:
    """Customers who complained about a step, and how many of them ordered again, against those who did not complain."""

    key: str
    returned: Metric
    returned_elsewhere: float
    difference: Interval
    clear: bool


def losses(complained: Mapping[str, Sequence[bool]], others: Sequence[bool]) -> list[Loss]:
    """Where customers are lost: per step, whether each complaining customer ordered again; `others` never complained.

    Sorted by the difference of return rates, worst first; `clear` after Benjamini and Hochberg over the steps. It is an
    association: those who complain may have been leaving anyway.
    """
    y, m = sum(others), len(others)
    steps = [(key, sum(back), len(back)) for key, back in complained.items() if len(back) >= LEAST and m >= LEAST]
    clear = clear_after_many([p_of_difference(x, n, y, m) for _, x, n in steps])
    found = [
        Loss(key, share("returned", x, n), y / m, newcombe(x, n, y, m), sure and newcombe(x, n, y, m).clear)
        for (key, x, n), sure in zip(steps, clear, strict=True)
    ]
    return sorted(found, key=lambda loss: ((loss.returned.value or 0.0) - loss.returned_elsewhere, loss.key))


@dataclass(frozen=True, slots=True)
class Versus:
    """One topic, ours against a rival's: net sentiment of both and the interval of the difference."""

    topic: str
    own: Metric
    other: Metric
    difference: float
    interval: Interval


def versus(own: Mapping[str, Tally], other: Mapping[str, Tally]) -> list[Versus]:
    """Topic by topic against a rival, the clearest first: what they are praised for, what we are blamed for."""
    rows = []
    for topic in sorted(own.keys() & other.keys()):
        a, b = own[topic], other[topic]
        if min(a.n, b.n) >= LEAST:
            interval = net_change(a, b)
            rows.append(Versus(topic, net_sentiment(a), net_sentiment(b), (a.net or 0.0) - (b.net or 0.0), interval))
    return sorted(
        rows, key=lambda row: (not row.interval.clear, -min(abs(row.interval.low), abs(row.interval.high)), row.topic)
    )
