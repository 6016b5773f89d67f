"""The back-test: when a rule, or the detector, would have spoken in the past, at its setting and at two beside it.

What it would have told is held against what people confirmed: hits, misses, and false alarms a week.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Self

import numpy as np
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, SQLModel, col, select

import alerts.incident as lives
import alerts.settings
from alerts.decision import Decision
from alerts.panel import Panel
from alerts.rules import Fact, MeanRatingBelow, MoreThan, Words
from alerts.series import SeriesKey
from alerts.threshold import threshold
from alerts.verdict import Answer
from monitor.config import Rule, Settings
from monitor.pipeline import detect, related, rules
from monitor.pipeline.counts import Counts
from monitor.pipeline.rules import FixedRule
from monitor.pipeline.spikes import Spikes
from monitor.pipeline.steps import DAY as DAILY
from monitor.pipeline.steps import Steps
from monitor.pipeline.watch import HISTORY, MIN_HISTORY, Watch
from monitor.store import incidents
from monitor.store.queries.facts import fact_rows
from monitor.store.tables import Brand, Incident, IncidentEvent

PAST = timedelta(days=90)
NOTHING, SECOND, HOUR, DAY = timedelta(0), timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
BUDGETS = (2.0, 1.0, 0.5)  # times the configured false alarms a week, the most sensitive first


@dataclass(frozen=True, slots=True)
class Alarm:
    """One story, as the daemon would have made an incident of it: when it was true first and last.

    `worst` is the farthest number of a rule; of the detector's stories how many negatives the incident counts.
    """

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

    A story is an incident that the daemon would have opened: the decisions of every day go through `Spikes`, as they do
    there. Nothing sees the future, but late mentions stand on their own day; hours and ratings are not looked at.
    """
    account = settings.alerts.false_alarms_per_week
    keys = detect.watched_series(session, settings, brand)
    watch = detect.brand_watch(settings, brand)
    oldest = watch.first_step(session)
    if oldest is None or not keys:
        return [(account * factor, ()) for factor in BUDGETS]
    busy = detect.hour_watch(settings, brand).series(session, until)
    begins, last = watch.steps.of(since), watch.steps.of(until)
    counts = watch.counts(session, keys, max(oldest, begins - HISTORY[DAILY].days), last, until)
    begins = max(begins, oldest + MIN_HISTORY.days)
    known, budget = _known_since(counts), detect.share_of_budget(session, settings)

    def at_the_time(day: int) -> alerts.settings.Settings:
        """The budget is divided among the series that were known by then."""
        n_series = detect.n_watched(settings, [key for key in keys if known[key] <= day], busy)
        return detect.detector_settings(settings, brand, n_series, budget)

    lowest = at_the_time(begins)  # series only come: no threshold is under this one at the largest budget
    watch.settings = replace(lowest, false_alarms_per_week=lowest.false_alarms_per_week * max(BUDGETS))
    panel = Panel(len(keys), watch.settings)
    answers = incidents.answers(session, brand.id or 0)
    session.commit()  # nothing was written: a server ends sessions that only compute
    with contextlib.ExitStack() as stack:
        pasts = {factor: stack.enter_context(_Past.of(session, settings, brand, answers)) for factor in BUDGETS}
        for day in range(counts.first, last + 1):
            verdicts = panel.tick(**watch.arrays(counts, day))
            if day < begins:
                continue
            keep = {SeriesKey(brand.slug)}.union(*(past.keys() for past in pasts.values()))
            decisions = watch.decide(panel, verdicts, counts, day, keep)  # at the lowest threshold of all
            rate = at_the_time(day).rate
            for factor, past in pasts.items():
                needed = threshold(rate * factor)
                past.live(
                    {
                        key: replace(one, threshold=needed, alarm=one.alarm and one.news >= needed,
                                     active=one.active and one.score >= needed)
                        for key, one in decisions.items()
                    },
                    watch.steps.start(day), min(watch.steps.start(day + 1), until),
                )  # fmt: skip
        return [(account * factor, past.alarms()) for factor, past in pasts.items()]


def _known_since(counts: Counts) -> dict[SeriesKey, int]:
    """The day from which each series was watched: of a topic at a place (source) from when both had been seen."""
    seen = np.cumsum(counts.total, axis=0) > 0
    first = counts.first + np.where(seen.any(axis=0), seen.argmax(axis=0), len(counts))
    known = dict(zip(counts.series, first.tolist(), strict=True))
    return {
        key: max(known.get(wider, day) for wider in key.parents()) if key.depth > 1 else day
        for key, day in known.items()
    }


class _Past:
    """The incidents of one setting, as the daemon would have written them, in a store of their own beside the real."""

    def __init__(self, session: Session, settings: Settings, brand: Brand, answers: Sequence[Answer]) -> None:
        self._session = session
        self._settings = settings
        self._brand = brand
        self._answers = answers
        self._yesterday: dict[SeriesKey, Decision] = {}
        self._steps = Steps(settings.zone)

    @classmethod
    @contextlib.contextmanager
    def of(cls, session: Session, settings: Settings, brand: Brand, answers: Sequence[Answer]) -> Iterator[Self]:
        """Mentions and buckets are read where `session` reads them; incidents stay in memory."""
        scratch = create_engine("sqlite://", poolclass=StaticPool)
        tables = {Incident: scratch, IncidentEvent: scratch}
        SQLModel.metadata.create_all(scratch, tables=[Incident.__table__, IncidentEvent.__table__])
        with Session(bind=session.get_bind(), binds=tables, expire_on_commit=False) as own:
            yield cls(own, settings, brand, answers)
        scratch.dispose()

    def keys(self) -> set[SeriesKey]:
        """What must be decided on: the series of what is known."""
        found = self._session.exec(select(Incident.series)).all()
        return {key for text in found if (key := related.key_of(text)) is not None}

    def live(self, decisions: dict[SeriesKey, Decision], begins: datetime, ends: datetime) -> None:
        """One day, seen when it is over."""
        rows = incidents.current(self._session, self._brand.id or 0, now=ends, memory=detect.MEMORY)
        spikes = Spikes(self._session, self._settings, self._brand, rows, now=ends,
                        answers=[answer for answer in self._answers if answer.at < begins])  # fmt: skip
        spikes.by_days(Watch(dict(decisions), self._yesterday, len(decisions)))
        self._yesterday = decisions
        self._session.commit()

    def alarms(self) -> tuple[Alarm, ...]:
        """Every incident that was opened, oldest first."""
        rows = self._session.exec(select(Incident).order_by(col(Incident.id))).all()
        return tuple(
            Alarm(self._steps.start(self._steps.of(row.opened_at - SECOND)), row.last_seen_at + DAY,
                  row.n_observed, related.key_of(row.series))
            for row in rows
        )  # fmt: skip


def backtest(rule: Rule, facts: Sequence[Fact], *, brand: str, until: datetime) -> list[Trial]:
    """Three settings of a rule over the same facts, the most sensitive first (one, where a rule has no number)."""
    return [
        Trial(variant, tuple(alarms(rules.build("trial", variant, brand), facts, until=until)), variant == rule)
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


def alarms(rule: FixedRule, facts: Sequence[Fact], *, until: datetime) -> list[Alarm]:
    """The incidents the rule would have opened, looked at once an hour, by the state machine that opens them live."""
    ordered = sorted((fact for fact in facts if _matters(rule, fact)), key=lambda fact: fact.at)
    times = [fact.at for fact in ordered]
    window = timedelta(hours=rule.hours)
    farther = min if isinstance(rule, MeanRatingBelow) else max
    found: list[Alarm] = []
    incident: lives.Incident | None = None
    # hours in which a mention comes or leaves: between them the answer stays what it is
    changes = {_next_hour(at + age) for at in times for age in (NOTHING, window)}
    for hour, after in pairwise([*sorted(tick for tick in changes if tick <= until), until]):
        inside = ordered[bisect_left(times, hour - window) : bisect_left(times, hour)]
        hit, now = rule.check(inside[::-1], hour), hour
        while hit is not None or (incident is not None and incident.active):
            step = rules.step_of(rule, hit, incident, now=now)
            for change in lives.advance(incident, step, now=now, policy=rules.POLICY):
                incident = change.incident
                if change.kind is lives.Kind.OPENED and hit is not None:
                    found.append(Alarm(now, now, hit.observed))
            if hit is not None and incident is not None and incident.active:
                found[-1] = Alarm(found[-1].first_at, now, farther(found[-1].worst, hit.observed))
            now += HOUR
            if now >= after:
                break
    return found


def _matters(rule: FixedRule, fact: Fact) -> bool:
    if isinstance(rule, MoreThan):
        return rule.matches(fact)
    if isinstance(rule, Words):
        return rule.check([fact], fact.at) is not None
    return fact.rating is not None


def _next_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + HOUR
