"""The back-test: when a rule, or the detector, would have spoken in the past, at its setting and at two beside it.

What it would have told is held against what people confirmed: hits, misses, and false alarms a week.
"""

from __future__ import annotations

import contextlib
import itertools
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Self

from sqlalchemy import create_engine, event, func
from sqlalchemy.orm import ORMExecuteState, with_loader_criteria
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, SQLModel, col, select

import alerts.incident as lives
from alerts.decision import Decision
from alerts.rules import Fact, MeanRatingBelow, MoreThan, Words
from alerts.series import SeriesKey
from alerts.threshold import as_daily, threshold
from alerts.verdict import Answer
from monitor.config import Rule, Settings
from monitor.pipeline import detect, related, rules
from monitor.pipeline.rules import FixedRule
from monitor.pipeline.signals import SILENT, VOLUME
from monitor.pipeline.simulate import ticks
from monitor.pipeline.watch import MIN_HISTORY, Hours, Watch
from monitor.store import incidents
from monitor.store.queries.facts import fact_rows
from monitor.store.tables import Brand, Bucket, DetectorState, Incident, IncidentEvent, Mention, Meta

PAST = timedelta(days=90)
NOTHING, SECOND, HOUR, DAY = timedelta(0), timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
BUDGETS = (2.0, 1.0, 0.5)  # times the configured false alarms a week, the most sensitive first


@dataclass(frozen=True, slots=True)
class Alarm:
    """One story, as the daemon would have made an incident of it: when it was told first, and when it was true last.

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


@dataclass(frozen=True, slots=True)
class Tested:
    """The part of a span that there is anything to test on. `first_at` is when the brand was first spoken of."""

    since: datetime
    until: datetime
    n_mentions: int
    first_at: datetime | None

    @property
    def too_short(self) -> bool:
        """Whether nobody can say yet what is usual, so that the detector keeps silent."""
        return self.first_at is None or self.until - self.first_at < MIN_HISTORY


def span_of(session: Session, brand: Brand, *, since: datetime, until: datetime) -> Tested:
    """What a span holds; it begins with the first mention, where that is later."""
    held = (Bucket.brand_id == brand.id, Bucket.topic == "", col(Bucket.hour_at) < until)
    first_at = session.exec(select(func.min(Bucket.hour_at)).where(*held)).one()
    if first_at is None:
        return Tested(since, until, 0, None)
    since = max(since, first_at)
    n = session.exec(select(func.sum(Bucket.n)).where(*held, col(Bucket.hour_at) >= since - HOUR)).one()
    return Tested(since, until, int(n or 0), first_at)


def detector_trials(
    session: Session, settings: Settings, brand: Brand, *, since: datetime, until: datetime,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[float, tuple[Alarm, ...]]]:  # fmt: skip
    """(false alarms a week, incidents) of the detector at three budgets, had it been set up at `since`.

    The daemon's own step (`detect.judge`) is run at every hour in which a mention came, as a replay does, for each
    budget in a store of incidents of its own: days, hours, ratings, the mix of topics. Mentions count from when they
    were written, and nothing sees the future.
    """
    account = settings.alerts.false_alarms_per_week
    hours = session.exec(
        select(Bucket.hour_at).where(Bucket.brand_id == brand.id, Bucket.topic == "", col(Bucket.hour_at) >= since,
                                     col(Bucket.hour_at) < until).distinct().order_by(col(Bucket.hour_at))
    ).all()  # fmt: skip
    if not hours:
        return [(account * factor, ()) for factor in BUDGETS]
    answers = incidents.answers(session, brand.id or 0)
    session.commit()  # nothing was written: a server ends sessions that only compute
    ends = [min(hour + HOUR - SECOND, until) for hour in hours]
    with contextlib.ExitStack() as stack:
        pasts = {factor: stack.enter_context(_Past.of(session, settings, brand, answers, factor)) for factor in BUDGETS}
        seen = 0
        for at, due, new_day in ticks(ends, every=HOUR, end=until, zone=settings.zone):
            if due > seen or (new_day and any(past.is_busy() for past in pasts.values())):
                _look(list(pasts.values()), min(at, until))
            seen = due
            if progress is not None:
                progress(due, len(ends))
        return [(account * factor, past.alarms()) for factor, past in pasts.items()]


def _look(pasts: Sequence[_Past], now: datetime) -> None:
    """One look of the daemon at each budget. What the counts say is worked out once, for the largest, the first."""
    rows = [past.known(now) for past in pasts]
    keep = {key for row in itertools.chain(*rows) if (key := related.key_of(row.series)) is not None}
    seen = pasts[0].see(now, [*keep, pasts[0].root])
    for past, own in zip(pasts, rows, strict=True):
        past.judge(seen, own, now)


@dataclass(frozen=True, slots=True)
class Seen(detect.Watches):
    """What was seen once, at the largest budget; a smaller one asks for more."""

    said: Watch
    ended: Hours

    def days(self, session: Session, now: datetime, keep: Collection[SeriesKey]) -> Watch:
        needed = threshold(self.by_day.settings.rate)
        today, before = (_held_to(needed, some) for some in (self.said.decisions, self.said.yesterday))
        return Watch(today, before, self.said.n_series)

    def hours(self, session: Session, now: datetime, keep: Collection[SeriesKey]) -> Hours:
        needed = as_daily(threshold(self.by_hour.settings.rate, step_seconds=self.by_hour.settings.step_seconds))
        return Hours([_held_to(needed, decisions) for decisions in self.ended.ended], self.ended.busy)


def _held_to(needed: float, decisions: Mapping[SeriesKey, Decision]) -> dict[SeriesKey, Decision]:
    """Decisions as a higher threshold makes them."""
    return {
        key: replace(one, threshold=needed, alarm=one.alarm and one.news >= needed,
                     active=one.active and one.score >= needed)
        for key, one in decisions.items()
    }  # fmt: skip


class _Past:
    """The incidents of one setting, as the daemon would have written them, in a store of their own beside the real."""

    def __init__(self, session: Session, settings: Settings, brand: Brand, answers: Sequence[Answer]) -> None:
        self._session = session
        self._settings = settings
        self._brand = brand
        self._answers = answers
        self.root = SeriesKey(brand.slug)
        self._now = datetime.min.replace(tzinfo=UTC)
        event.listen(session, "do_orm_execute", self._only_the_past)

    @classmethod
    @contextlib.contextmanager
    def of(cls, session: Session, settings: Settings, brand: Brand, answers: Sequence[Answer],
           factor: float) -> Iterator[Self]:  # fmt: skip
        """Mentions and buckets are read where `session` reads them; what a detector writes stays in memory."""
        knob = settings.alerts
        signals = tuple(signal for signal in knob.signals if signal not in (SILENT, VOLUME))  # nobody is told of those
        knob = knob.model_copy(
            update={"false_alarms_per_week": knob.false_alarms_per_week * factor, "signals": signals}
        )
        scratch = create_engine("sqlite://", poolclass=StaticPool)
        tables = dict.fromkeys((Incident, IncidentEvent, DetectorState, Meta), scratch)
        SQLModel.metadata.create_all(scratch, tables=[table.__table__ for table in tables])
        with Session(bind=session.get_bind(), binds=tables, expire_on_commit=False) as own:
            yield cls(own, settings.model_copy(update={"alerts": knob}), brand, answers)
        scratch.dispose()

    def _only_the_past(self, state: ORMExecuteState) -> None:
        """What had not been written yet is not there, whoever asks."""
        if state.is_select:
            state.statement = state.statement.options(
                with_loader_criteria(Mention, col(Mention.published_at) <= self._now),
                with_loader_criteria(Bucket, col(Bucket.hour_at) < self._now),
            )

    def is_busy(self) -> bool:
        """Whether something is open, which may end by itself."""
        return bool(incidents.active_series(self._session, self._brand.id or 0))

    def known(self, now: datetime) -> Sequence[Incident]:
        """What is open, or may come back."""
        self._now = now
        return incidents.current(self._session, self._brand.id or 0, now=now, memory=detect.MEMORY)

    def see(self, now: datetime, keep: Collection[SeriesKey]) -> Seen:
        """What there is to see now, with the decisions that this budget, the largest, makes."""
        watches = detect.watches_of(self._session, self._settings, self._brand, now=now)
        n_series = detect.n_watched(self._settings, watches.keys, watches.busy)
        budget = detect.share_of_budget(self._session, self._settings)
        for watch in (watches.by_day, watches.by_hour):
            watch.settings = detect.detector_settings(self._settings, self._brand, n_series, budget,
                                                      step=watch.steps.seconds)  # fmt: skip
        days, hours = watches.days(self._session, now, keep), watches.hours(self._session, now, keep)
        return Seen(watches.by_day, watches.by_hour, watches.keys, watches.busy, days, hours)

    def judge(self, seen: Seen, rows: Sequence[Incident], now: datetime) -> None:
        """One look of the daemon."""
        answers = [answer for answer in self._answers if answer.at < now]
        detect.judge(self._session, self._settings, self._brand, seen, rows, now=now, answers=answers)
        self._session.commit()

    def alarms(self) -> tuple[Alarm, ...]:
        """Every story that was told, oldest first: an incident that joined another is told by that one."""
        rows = {row.uid: row for row in self._session.exec(select(Incident).order_by(col(Incident.id)))}
        found: dict[str, Alarm] = {}
        for row in rows.values():
            told = row
            while told.machine.get("joined_to") in rows:
                told = rows[told.machine["joined_to"]]
            lasts = timedelta(seconds=int(told.machine.get("step_seconds", 86_400)))
            known = found.get(told.uid)
            first_at = min(row.opened_at, known.first_at) if known is not None else row.opened_at
            found[told.uid] = Alarm(first_at, max(first_at, told.last_seen_at + lasts), told.n_observed,
                                    related.key_of(told.series))  # fmt: skip
        return tuple(sorted(found.values(), key=lambda alarm: alarm.first_at))


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
