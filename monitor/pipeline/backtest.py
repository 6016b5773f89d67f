"""The back-test: when a rule, or the detector, would have spoken in the past, at its setting and at two beside it.

What it would have told is held against what people confirmed: hits, misses, and false alarms a week.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

import alerts.hierarchy
from alerts.panel import Panel
from alerts.rules import Fact, MoreThan, Words
from alerts.series import SeriesKey
from alerts.threshold import threshold
from monitor.config import Rule, Settings
from monitor.pipeline import detect, rules
from monitor.pipeline.rules import FixedRule
from monitor.pipeline.steps import DAY as DAILY
from monitor.pipeline.watch import HISTORY, MIN_HISTORY, BrandWatch
from monitor.store.queries.facts import fact_rows
from monitor.store.tables import Brand, Incident

PAST = timedelta(days=90)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUDGETS = (2.0, 1.0, 0.5)  # times the configured false alarms a week, the most sensitive first
QUIET_DAYS = 2  # a story of the detector ends after so many
QUIET = timedelta(hours=12)  # an alarm this soon after the last one is the same story


@dataclass(frozen=True, slots=True)
class Alarm:
    """One story: from the first hour in which the rule was true to the last; `worst` is the farthest number."""

    first_at: datetime
    last_at: datetime
    worst: float
    series: SeriesKey | None = None  # of the detector's stories


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting of the rule and its alarms, oldest first. `chosen` marks the setting that was asked for."""

    rule: Rule
    alarms: tuple[Alarm, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class Against:
    """Alarms held against people's answers. `n_false` are those that touch no confirmed incident."""

    hits: tuple[Incident, ...]
    misses: tuple[Incident, ...]
    n_false: int
    weeks: float

    @property
    def false_a_week(self) -> float:
        return self.n_false / self.weeks


def confirmed(session: Session, brand: Brand, *, since: datetime, until: datetime) -> list[Incident]:
    """The incidents that people said were real, of a span."""
    return list(
        session.exec(
            select(Incident)
            .where(Incident.brand_id == brand.id, Incident.verdict == "confirmed", col(Incident.last_seen_at) >= since,
                   col(Incident.since_at) < until)
            .order_by(col(Incident.since_at))
        )
    )  # fmt: skip


def against(told: Iterable[Alarm], real: Sequence[Incident], *, since: datetime, until: datetime) -> Against:
    """Hits, misses and false alarms: an alarm hits an incident when the two overlap, a day of grace on both sides."""
    told = list(told)

    def touches(alarm: Alarm, row: Incident) -> bool:
        return alarm.first_at <= row.last_seen_at + DAY and alarm.last_at >= row.since_at - DAY

    hits = tuple(row for row in real if any(touches(alarm, row) for alarm in told))
    misses = tuple(row for row in real if row not in hits)
    n_false = sum(not any(touches(alarm, row) for row in real) for alarm in told)
    return Against(hits, misses, n_false, max((until - since) / timedelta(days=7), 1 / 7))


def facts_of(session: Session, brand: Brand, *, since: datetime, until: datetime) -> list[Fact]:
    """The mentions of a span as rules see them."""
    key = SeriesKey(brand.slug)
    return [
        Fact(at=at, series=key, mention_id=str(number), text=words, rating=rating, negative=negative)
        for number, at, words, rating, negative in fact_rows(session, brand.id or 0, since=since, until=until)
    ]


def detector_trials(session: Session, settings: Settings, brand: Brand, *, since: datetime,
                    until: datetime) -> list[tuple[float, tuple[Alarm, ...]]]:  # fmt: skip
    """(false alarms a week, stories) of the detector by days over what is stored now, at three budgets.

    Nothing sees the future, but late mentions stand on their own day, and hours are not looked at.
    """
    keys = detect.watched_series(session, settings, brand)
    budget = detect.share_of_budget(session, settings)
    watch = BrandWatch(brand, settings=detect.detector_settings(settings, brand, max(1, len(keys)), budget),
                       zone=settings.zone)  # fmt: skip
    oldest = watch.first_step(session)
    if oldest is None or not keys:
        return [(settings.alerts.false_alarms_per_week * factor, ()) for factor in BUDGETS]
    begins, last = watch.steps.of(since), watch.steps.of(until)
    counts = watch.counts(session, keys, max(oldest, begins - HISTORY[DAILY].days), last, until)
    begins = max(begins, oldest + MIN_HISTORY.days)
    panel = Panel(len(keys), watch.settings)
    found: dict[float, list[Alarm]] = {factor: [] for factor in BUDGETS}
    opened: dict[float, dict[SeriesKey, tuple[int, int]]] = {factor: {} for factor in BUDGETS}  # (place, last day)
    for day in range(counts.first, last + 1):
        verdicts = panel.tick(**watch.arrays(counts, day))
        if day < begins:
            continue
        keep = {key for kept in opened.values() for key in kept}
        decisions = watch.decide(panel, verdicts, counts, day, keep, needed=threshold(watch.settings.rate * BUDGETS[0]))
        for factor in BUDGETS:
            needed = threshold(watch.settings.rate * factor)
            stories = opened[factor]
            at_this = {
                key: replace(one, threshold=needed, alarm=one.news >= needed, active=one.active and one.score >= needed)
                for key, one in decisions.items()
            }
            for key in [key for key, (_, seen) in stories.items() if day - seen > QUIET_DAYS]:
                del stories[key]
            for finding in alerts.hierarchy.find(at_this, open_series=list(stories)):
                taken = [stories.pop(key)[0] for key in finding.widens if key in stories]
                at = watch.steps.start(day)
                if finding.series in stories or taken:
                    place = taken[0] if taken else stories[finding.series][0]
                    before = found[factor][place]
                    worst = max(before.worst, finding.observed)
                    found[factor][place] = Alarm(before.first_at, at + DAY, worst, finding.series)
                else:
                    place = len(found[factor])
                    found[factor].append(Alarm(at, at + DAY, finding.observed, finding.series))
                stories[finding.series] = (place, day)
    account = settings.alerts.false_alarms_per_week
    return [(account * factor, tuple(found[factor])) for factor in BUDGETS]


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
