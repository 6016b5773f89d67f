"""The back-test of a plain rule: when it would have spoken in the past, at the given setting and at two beside it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.rules import Fact, MoreThan, Words
from monitor.config import Rule
from monitor.pipeline import rules
from monitor.pipeline.rules import FixedRule

HOUR = timedelta(hours=1)
QUIET = timedelta(hours=12)  # an alarm this soon after the last one is the same story


@dataclass(frozen=True, slots=True)
class Alarm:
    """One story: from the first hour in which the rule was true to the last; `worst` is the farthest number."""

    first_at: datetime
    last_at: datetime
    worst: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting of the rule and its alarms, oldest first. `chosen` marks the setting that was asked for."""

    rule: Rule
    alarms: tuple[Alarm, ...]
    chosen: bool


def backtest(rule: Rule, facts: Sequence[Fact], *, brand: str) -> list[Trial]:
    """Three settings of a rule over the same facts, the most sensitive first (one, where a rule has no number)."""
    return [
        Trial(variant, tuple(alarms(rules.build("trial", variant, brand), facts)), variant == rule)
        for variant in variants(rule)
    ]


def variants(rule: Rule) -> list[Rule]:
    """The rule with a lower and a higher limit beside its own."""
    if rule.kind in {"low_ratings", "negative_count"}:
        limit = rule.more_than
        limits = sorted({max(0, round(limit * 0.6)), limit, round(limit * 1.6) + (limit < 2)})
        return [rule.model_copy(update={"more_than": value}) for value in limits]
    if rule.kind == "mean_rating" and rule.below is not None:
        stars = sorted({min(5.0, rule.below + 0.3), rule.below, max(1.0, rule.below - 0.3)}, reverse=True)
        return [rule.model_copy(update={"below": round(value, 2)}) for value in stars]
    return [rule]


def alarms(rule: FixedRule, facts: Sequence[Fact]) -> list[Alarm]:
    """The stories the rule would have told, looked at once an hour, as soon as a mention could change its answer."""
    ordered = sorted((fact for fact in facts if _matters(rule, fact)), key=lambda fact: fact.at)
    times = [fact.at for fact in ordered]
    window = timedelta(hours=rule.hours)
    found: list[Alarm] = []
    for tick in sorted({_next_hour(at) for at in times}):
        end = bisect_left(times, tick)
        inside = ordered[bisect_left(times, tick - window) : end]
        hit = rule.check(inside[::-1], tick)
        if hit is None:
            continue
        if found and tick - found[-1].last_at <= max(QUIET, window):
            last = found[-1]
            farther = min if hit.kind == "MeanRatingBelow" else max
            found[-1] = Alarm(last.first_at, tick, farther(last.worst, hit.observed))
        else:
            found.append(Alarm(tick, tick, hit.observed))
    return found


def _matters(rule: FixedRule, fact: Fact) -> bool:
    if isinstance(rule, MoreThan):
        return rule.matches(fact)
    if isinstance(rule, Words):
        return rule.check([fact], fact.at) is not None
    return fact.rating is not None


def _next_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + HOUR
