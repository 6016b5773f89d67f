"""Which node of the hierarchy a story belongs to: one story gives one finding, at the smallest node that explains it.

The node whose score is highest is where a scan statistic would put the story (Neill 2009: the region that maximises
the likelihood ratio): a wider node adds background, a narrower one loses excess. From there the story goes down while
one node inside still holds 70 % of the excess. What the story explains is then taken away from every node that shares
mentions with it; a node that still stands out on the rest is a second story. A dispersed incident has its highest
score at the parent and stays there.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from alerts.detector import Decision
from alerts.series import SeriesKey

__all__ = ["Driver", "Finding", "false_discovery", "find"]

HOLDS = 0.7  # of the excess: a narrower node that has so much of it is the story
BELONGS = 0.2  # of the excess: an open story inside that has so much of it is this one, grown
MAX_DRIVERS = 10


@dataclass(frozen=True, slots=True)
class Driver:
    """A part of a story: a node inside it, and how much of the excess it holds."""

    series: SeriesKey
    observed: float
    expected: float
    excess: float
    share: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One deviation of one series at one time, with its numbers; the detector's result, the input of incidents."""

    series: SeriesKey
    signal: str
    at: dt.datetime
    since: dt.datetime
    observed: float
    expected: float
    low: float
    high: float
    excess: float
    ratio: float
    score: float
    drivers: tuple[Driver, ...] = ()
    short_history: bool = False
    confounders: tuple[str, ...] = ()
    window_steps: int = 1
    step_seconds: int = 86_400
    threshold: float = 0.0
    p_value: float = 1.0
    share: float | None = None
    share_before: float | None = None
    total: float | None = None  # all mentions of the window; for a mean rating: all ratings
    expected_total: float | None = None
    inhibited: tuple[SeriesKey, ...] = field(default=(), compare=False)
    widens: tuple[SeriesKey, ...] = ()


def find(
    decisions: Mapping[SeriesKey, Decision],
    *,
    open_series: Iterable[SeriesKey] = (),
    q: float | None = None,
    holds: float = HOLDS,
) -> list[Finding]:
    """The stories in the decisions of one tick, strongest first.

    A story begins at nodes whose decision is an alarm, so at the threshold of the account's budget; with `q` they must
    also pass the false discovery control over all nodes of the call (`false_discovery`). Nodes of `open_series`
    (incidents that are open) keep their story for as long as they are open: they inhibit their ancestors and
    descendants, and give a finding while they stand above half their threshold. A wider node that still stands out
    when an open story is taken from it is that story grown; a node inside that holds most of the excess of an open
    story, and speaks louder, is that story seen more sharply. The finding of either names in `widens` the open nodes
    whose story it takes over, which then give no finding of their own.
    """
    passed = false_discovery(decisions, q) if q is not None else None
    waiting = {
        key: decision
        for key, decision in decisions.items()
        if decision.alarm and math.isfinite(decision.score) and (passed is None or key in passed)
    }
    explained = [key for key in dict.fromkeys(open_series) if key in decisions]
    explained.sort(key=lambda key: (-decisions[key].score, key.text()))
    findings = {
        key: _finding(key, decisions)
        for key in explained
        if decisions[key].score >= decisions[key].threshold / 2 and decisions[key].excess > 0
    }
    inhibited: list[SeriesKey] = []
    for key in list(waiting):
        if key in explained:
            del waiting[key]
        elif not _stands_alone(key, explained, decisions) and not _taken_over(key, explained, decisions, holds):
            inhibited.append(key)
            del waiting[key]
    while waiting:
        top = min(waiting, key=lambda k: (-waiting[k].score, k.depth, k.text()))
        key = _descend(top, decisions, waiting, holds)
        steps, whole = decisions[key].window_steps, _excess(decisions[key], decisions[key].window_steps)
        grown = [old for old in explained if key.covers(old) and _excess(decisions[old], steps) >= BELONGS * whole]
        widens = (*grown, *_taken_over(key, explained, decisions, holds))
        for old in widens:
            findings.pop(old, None)
        explained.append(key)
        del waiting[key]
        muted = [other for other in waiting if not _stands_alone(other, explained, decisions)]
        for other in muted:
            del waiting[other]
        findings[key] = _finding(key, decisions, inhibited=muted, widens=widens)
    return sorted(findings.values(), key=lambda finding: -finding.score)


def false_discovery(decisions: Mapping[SeriesKey, Decision], q: float) -> set[SeriesKey]:
    """The nodes that pass the e-BH procedure at level `q` (Wang and Ramdas 2022, JRSS B 84:822-852).

    10 ** score is an average of Bayes factors, so an e-value: its mean without an outbreak is at most one. e-BH keeps
    the false discovery rate under any dependence, which nested series have: with the k-th highest at least n / (q k).
    """
    ranked = sorted(
        (key for key in decisions if math.isfinite(decisions[key].score)), key=lambda k: -decisions[k].score
    )
    n, best = len(ranked), 0
    for place, key in enumerate(ranked, start=1):
        if decisions[key].score >= math.log10(n / (q * place)):
            best = place
    return set(ranked[:best])


def _excess(decision: Decision, steps: int) -> float:
    """Excess over one window length, so that nodes are compared over the same time."""
    observed, expected = decision.windows.get(steps, (decision.observed, decision.expected))
    return observed - expected


def _descend(
    top: SeriesKey, decisions: Mapping[SeriesKey, Decision], significant: Mapping[SeriesKey, Decision], holds: float
) -> SeriesKey:
    """Go to the smallest significant node inside `top` that holds enough of its excess."""
    steps = decisions[top].window_steps
    whole = _excess(decisions[top], steps)
    inside = [
        key
        for key in significant
        if key != top and top.covers(key) and _excess(decisions[key], steps) >= holds * whole and whole > 0
    ]
    if not inside:
        return top
    return max(inside, key=lambda key: (key.depth, significant[key].score, key.text()))


def _taken_over(
    key: SeriesKey, explained: Sequence[SeriesKey], decisions: Mapping[SeriesKey, Decision], holds: float
) -> list[SeriesKey]:
    """The wider stories around a node when it now holds most of the excess of each, and speaks louder: it is theirs."""
    around = [old for old in explained if old != key and old.covers(key)]
    steps = decisions[key].window_steps
    for old in around:
        still_loud = decisions[old].score >= decisions[old].threshold / 2
        louder = decisions[key].score > decisions[old].score
        if not (still_loud and louder) or _excess(decisions[key], steps) < holds * _excess(decisions[old], steps):
            return []
    return around


def _stands_alone(other: SeriesKey, explained: Sequence[SeriesKey], decisions: Mapping[SeriesKey, Decision]) -> bool:
    """Whether a node still stands out when what the stories before explain is taken from it."""
    decision = decisions[other]
    steps = decision.window_steps
    left, touched = decision.observed, False
    for key in explained:
        if key.covers(other):
            return False
        if not key.overlaps(other):
            continue
        touched = True
        shared = key if other.covers(key) else _meet(key, other)
        part = decisions.get(shared)
        taken = _excess(part if part is not None else decisions[key], steps)
        left -= max(0.0, taken)
    if not touched:
        return True
    if left - decision.expected < max(2.0, 0.3 * decision.excess):
        return False
    return left > decision.high


def _meet(one: SeriesKey, two: SeriesKey) -> SeriesKey:
    """The node of the mentions that both count; the two must overlap."""
    return SeriesKey(
        one.brand,
        source=one.source or two.source,
        topic=one.topic or two.topic,
        location=one.location or two.location,
        language=one.language or two.language,
    )


def _finding(
    key: SeriesKey,
    decisions: Mapping[SeriesKey, Decision],
    *,
    inhibited: Sequence[SeriesKey] = (),
    widens: tuple[SeriesKey, ...] = (),
) -> Finding:
    decision = decisions[key]
    steps = decision.window_steps
    drivers = []
    for inner, part in decisions.items():
        if inner.depth == key.depth + 1 and key.covers(inner):
            observed, expected = part.windows.get(steps, (part.observed, part.expected))
            excess = observed - expected
            if excess > 0 and decision.excess > 0:
                drivers.append(Driver(inner, observed, expected, excess, min(1.0, excess / decision.excess)))
    drivers.sort(key=lambda driver: (-driver.excess, driver.series.text()))
    return Finding(
        series=key,
        signal=decision.signal,
        at=decision.at,
        since=decision.since,
        observed=decision.observed,
        expected=decision.expected,
        low=decision.low,
        high=decision.high,
        excess=decision.excess,
        ratio=decision.ratio,
        score=decision.score,
        drivers=tuple(drivers[:MAX_DRIVERS]),
        short_history=decision.short_history,
        confounders=decision.confounders,
        window_steps=steps,
        step_seconds=decision.step_seconds,
        threshold=decision.threshold,
        p_value=decision.p_value,
        share=decision.share,
        share_before=decision.share_before,
        total=decision.total,
        expected_total=decision.expected_total,
        inhibited=tuple(inhibited),
        widens=widens,
    )
