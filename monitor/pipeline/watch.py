"""The watch over one brand: what the detector remembers of its series, and what it says of today and of the hour.

Two memories over the same store. By days: the remembered state ends with yesterday, and today is judged on a copy as
far as it has come, so that a complaint counts within minutes and nothing has to be taken back. By hours, for series
that hold enough live mentions: every hour is judged once it is over.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors
from sqlalchemy import func
from sqlmodel import Session, col, select

import alerts.settings
from alerts.decision import Decision, interval
from alerts.detector import decide
from alerts.panel import Panel, Verdicts
from alerts.phase import Calendar
from alerts.series import SeriesKey
from alerts.threshold import as_daily, threshold
from monitor.pipeline.counts import Counts, read_counts
from monitor.pipeline.series import busy_series, live_sources
from monitor.pipeline.steps import DAY, HOUR, Steps
from monitor.store.catalogue import IMPORT
from monitor.store.tables import Brand, Bucket, DetectorState, Source

SIGNAL = "negative"
MEMORIES = {DAY: SIGNAL, HOUR: "negative_by_hour"}
HISTORY = {DAY: timedelta(days=200), HOUR: timedelta(days=56)}  # what a new series is taught from: older is nothing
MIN_HISTORY = timedelta(days=3)  # before that nobody can say what is usual


@dataclass
class Watch:
    """What was seen of one brand at one time."""

    decisions: dict[SeriesKey, Decision]
    yesterday: dict[SeriesKey, Decision]  # whole-day decisions, when the day has just ended
    n_series: int


@dataclass(frozen=True)
class Hours:
    """What the hours that have ended since the last look said, oldest first; decisions on the scale of days."""

    ended: list[dict[SeriesKey, Decision]] = field(default_factory=list)
    busy: frozenset[SeriesKey] = frozenset()  # the others are there because an incident about them is open


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a series: negatives and all mentions (None = not collected), and what was usual."""

    day: date
    at: datetime
    negative: int | None
    total: int | None
    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Memory:
    """A panel over `keys` that has seen every step up to `upto`, and the stored row that it was made from."""

    panel: Panel
    keys: list[SeriesKey]
    upto: int
    made_from: tuple[str, ...]


class SeriesWatch:
    """The memory of a detector over the series of one brand, kept in the store as one row of arrays.

    Learning reads much and takes seconds of arithmetic. `learn` does it where nobody waits; `look`, in a writing
    transaction, then goes on from there, unless somebody else has written the memory meanwhile.
    """

    def __init__(self, brand: Brand, *, settings: alerts.settings.Settings, zone: ZoneInfo,
                 holidays: Iterable[date] = ()) -> None:  # fmt: skip
        self.brand = brand
        self.settings = settings
        self.zone = zone
        self.steps = Steps(zone, settings.step_seconds)
        self.memory = MEMORIES[settings.step_seconds]
        self.calendar = Calendar.of(settings, holidays)
        self.only: set[int] | None = None  # sources that count; None: all
        self._learnt: Memory | None = None

    def history(self, session: Session, key: SeriesKey, now: datetime, *, last: int = 28) -> list[Point]:
        """The last steps of one series as the detector saw them: what came, what was usual (95 %), what was missing."""
        first = self.first_step(session)
        if first is None:
            return []
        newest = self.steps.of(now)
        first = max(first, newest - self.steps.within(HISTORY[self.steps.seconds]))
        counts = self.counts(session, [key], first, newest, now)
        panel = Panel(1, self.settings)
        points = []
        for line in range(len(counts)):
            at = self.steps.start(first + line)
            panel.tick(**self.arrays(counts, first + line))
            mean = float(panel.state["row_expected"][0, 0])
            variance = float(panel.state["row_variance"][0, 0])
            low, high = interval(mean, variance) if mean > 0 else (0.0, 0.0)
            seen = counts.coverage[line, 0] > 0
            points.append(
                Point(self.local_day(at), at, int(counts.negative[line, 0]) if seen else None,
                      int(counts.total[line, 0]) if seen else None, mean, low, high)
            )  # fmt: skip
        return points[-last:]

    def local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def step_start(self, at: datetime) -> datetime:
        """When the step that a time lies in began."""
        return self.steps.start(self.steps.of(at))

    # ---- memory

    def _fingerprint(self) -> str:
        return f"{self.zone.key}|{self.settings.step_seconds}|{','.join(self.settings.countries)}"

    def remembered(self, session: Session) -> tuple[Panel | None, list[SeriesKey], int | None]:
        """The panel as it was stored, its series, and the last whole step in it; nothing where that is void."""
        row = session.get(DetectorState, (self.brand.id, self.memory))
        if self._learnt is not None and self._learnt.made_from == _stamp(row):
            return self._learnt.panel, self._learnt.keys, self._learnt.upto
        if row is None or row.settings != self._fingerprint():
            return None, [], None
        keys = [SeriesKey.parse(text) for text in row.series]
        panel = Panel(len(keys), self.settings)
        if not unpack(row.arrays, panel):
            return None, [], None  # written by a version with another memory: rebuilt from the rows
        return panel, keys, self.steps.parse(row.day)

    def learn(self, session: Session, now: datetime, keys: Sequence[SeriesKey]) -> None:
        """Bring the memory of `keys` as far as `look` need not see it happen. Writes nothing.

        The newest steps are left to `look`: it tells what they say.
        """
        newest = self.newest(session, now)
        first = self.begin(session, newest)
        if first is None:
            return
        made_from = _stamp(session.get(DetectorState, (self.brand.id, self.memory)))
        panel, known, upto = self.remembered(session)
        whole = [*known, *(key for key in keys if key not in set(known))]
        if upto is not None and (upto >= newest or self.is_ready(upto, newest, known, whole)):
            return
        last = newest - 2 if upto is None or panel is None else newest - 1 - panel.state.span
        start = first if upto is None else upto + 1
        past = self._past(session, panel, known, whole, upto, first)
        counts = self.counts(session, whole, start, last, now) if start <= last else None
        session.commit()  # nothing was written: a server ends sessions that only compute
        panel = self._taught(panel, known, whole, past)
        if counts is not None:
            for step in range(start, last + 1):
                self._revise(panel, counts, step)
                panel.tick(**self.arrays(counts, step))
        self._learnt = Memory(panel, whole, max(start - 1, last), made_from)

    def is_ready(self, upto: int, newest: int, known: Sequence[SeriesKey], keys: Sequence[SeriesKey]) -> bool:
        """Whether `look` has nothing to teach."""
        return upto == newest - 1 and len(keys) == len(known)

    def newest(self, session: Session, now: datetime) -> int:
        """The step that is not over yet, or not known yet."""
        del session
        return self.steps.of(now)

    def begin(self, session: Session, newest: int) -> int | None:
        """The step from which on a memory that ends before `newest` is taught; None while there is too little."""
        first = self.first_step(session)
        if first is None or first > newest - self.steps.within(MIN_HISTORY):
            return None
        return max(first, newest - self.steps.within(HISTORY[self.steps.seconds]))

    def _save(self, session: Session, panel: Panel, keys: Sequence[SeriesKey], step: int) -> None:
        session.merge(
            DetectorState(brand_id=self.brand.id, signal=self.memory, day=self.steps.text(step),
                          settings=self._fingerprint(), series=[key.text() for key in keys], arrays=packed(panel))
        )  # fmt: skip

    def _past(self, session: Session, panel: Panel | None, known: Sequence[SeriesKey], keys: Sequence[SeriesKey],
              upto: int | None, first: int) -> Counts | None:  # fmt: skip
        """What there is to teach of the `keys` that are not `known`, up to where the memory ends."""
        have = set(known)
        unknown = [key for key in keys if key not in have]
        if panel is None or upto is None or not unknown:
            return None
        return self.counts(session, unknown, first, upto, self.steps.start(upto + 1))

    def _taught(self, panel: Panel | None, known: Sequence[SeriesKey], keys: Sequence[SeriesKey],
                past: Counts | None) -> Panel:  # fmt: skip
        """The memory of exactly `keys`: what is known of them, and of series nobody knew their own past.

        Zeros included: "never a complaint about this here" is knowledge.
        """
        whole = Panel(len(keys), self.settings)
        if panel is None:
            return whole
        place = {key: n for n, key in enumerate(known)}
        old = [n for n, key in enumerate(keys) if key in place]
        new = [n for n, key in enumerate(keys) if key not in place]
        source = [place[keys[n]] for n in old]
        fresh = Panel(len(new), self.settings)
        if past is not None:
            for line in range(len(past)):
                fresh.tick(**self.arrays(past, past.first + line))
        for name, array in whole.state.arrays.items():
            array[old] = panel.state.arrays[name][source]
            array[new] = fresh.state.arrays[name]
        return whole

    # ---- rows

    def first_step(self, session: Session) -> int | None:
        first = session.exec(select(func.min(Bucket.hour_at)).where(Bucket.brand_id == self.brand.id)).one()
        return self.steps.of(first) if first is not None else None

    def counts(self, session: Session, keys: list[SeriesKey], first: int, last: int, now: datetime) -> Counts:
        return read_counts(session, self.brand, keys, self.steps, first, last, now=now, only=self.only)

    def arrays(self, counts: Counts, step: int) -> dict[str, Any]:
        at = step - counts.first
        n = len(counts.series)
        weekday, hour, holiday = self.calendar.place(self.steps.start(step))
        return {
            "negative": counts.negative[at], "others": counts.total[at] - counts.negative[at],
            "coverage": counts.coverage[at], "weekday": np.full(n, weekday), "hour": np.full(n, hour),
            "holiday": np.full(n, float(holiday)),
        }  # fmt: skip

    def _revise(self, panel: Panel, counts: Counts, step: int) -> None:
        """Write the steps before `step` anew into the newest rows: late mentions belong to the time they speak of."""
        for age in range(panel.state.span - 1):
            earlier = step - age - 1
            if counts.place(earlier) is not None and panel.state["row_coverage"][:, age].any():
                panel.put(age, **self.arrays(counts, earlier))

    # ---- judging

    def decide(self, panel: Panel, verdicts: Verdicts, counts: Counts, step: int, keep: Iterable[SeriesKey], *,
               needed: float | None = None) -> dict[SeriesKey, Decision]:  # fmt: skip
        """Decisions of the series that say something, of those to keep, and of all parts once there is a story."""
        if needed is None:
            needed = threshold(self.settings.rate, step_seconds=self.settings.step_seconds)
        wanted = {key for key in keep if key in counts.series}
        wanted |= {key for key, score in zip(counts.series, verdicts.score, strict=True) if score >= needed / 2}
        if any(score >= needed for score in verdicts.score):
            line = step - counts.first + 1
            recent = counts.negative[max(0, line - panel.state.span) : line].sum(axis=0) > 0
            wanted |= {key for key, some in zip(counts.series, recent, strict=True) if some}
        at = self.steps.start(step)
        return {key: decide(panel, verdicts, index, at=at) for index, key in enumerate(counts.series) if key in wanted}


class BrandWatch(SeriesWatch):
    """By local days. Call `look` each tick."""

    def look(self, session: Session, now: datetime, keys: Sequence[SeriesKey], *,
             keep: Iterable[SeriesKey] = ()) -> Watch:  # fmt: skip
        """Bring the memory up to yesterday, then judge today so far. `keep` are series to decide on whatever they say.

        Writes the detector's state when a day has passed; the caller's transaction must be a writing one.
        """
        today = self.newest(session, now)
        first = self.begin(session, today)
        if first is None:
            return Watch({}, {}, 0)
        panel, known, upto = self.remembered(session)
        if upto is not None and upto >= today:  # a clock that went back: what was learnt of "the future" is void
            panel, known, upto = None, [], None
        watched = [*known, *(key for key in keys if key not in set(known))]
        panel = self._taught(panel, known, watched, self._past(session, panel, known, watched, upto, first))
        start = max(first, upto + 1) if upto is not None else first
        counts = self.counts(session, watched, min(start, today - panel.state.span), today, now)
        for day in range(start, today):
            self._revise(panel, counts, day)
            panel.tick(**self.arrays(counts, day))
        ended: dict[SeriesKey, Decision] = {}
        stored = session.get(DetectorState, (self.brand.id, self.memory))
        if stored is None:
            panel.begin()
        if start < today or stored is None or len(stored.series) < len(watched):
            self._save(session, panel, watched, today - 1)
        if start < today and stored is not None:
            ended = self.decide(panel, panel.judge(), counts, today - 1, keep)
        self._revise(panel, counts, today)
        verdicts = panel.tick(**self.arrays(counts, today))
        return Watch(self.decide(panel, verdicts, counts, today, keep), ended, len(watched))


class HourWatch(SeriesWatch):
    """By hours, over what arrives within hours. Call `look` each tick."""

    def series(self, session: Session, now: datetime) -> list[SeriesKey]:
        """The series that hold enough for hours to be worth counting; sets which sources count."""
        self.only = live_sources(session, self.brand, now=now)
        row = session.get(DetectorState, (self.brand.id, self.memory))
        known = [SeriesKey.parse(text) for text in row.series] if row is not None else []
        return busy_series(session, self.brand, live=self.only, now=now, known=known)

    def is_ready(self, upto: int, newest: int, known: Sequence[SeriesKey], keys: Sequence[SeriesKey]) -> bool:
        """New series are taught when the hour has ended."""
        return upto == newest - 1

    def look(self, session: Session, now: datetime, busy: Sequence[SeriesKey], *,
             keep: Iterable[SeriesKey] = ()) -> Hours:  # fmt: skip
        """Judge the hours that have ended since the last look. `keep` are series to decide on whatever they say."""
        keep = list(keep)
        keys = list(dict.fromkeys([*busy, *keep]))
        current = self.newest(session, now)
        first = self.begin(session, current)
        if not busy or first is None:
            return Hours()
        panel, known, upto = self.remembered(session)
        if upto is not None and upto >= current:
            if upto > self.steps.of(now):  # a clock that went back
                panel, known, upto = None, [], None
            else:
                return Hours(busy=frozenset(busy))
        if upto == current - 1:
            return Hours(busy=frozenset(busy))  # no hour has ended since
        panel = self._taught(panel, known, keys, self._past(session, panel, known, keys, upto, first))
        start = max(first, upto + 1) if upto is not None else first
        counts = self.counts(session, keys, min(start, current - panel.state.span), current - 1, now)
        ended = []
        is_new = session.get(DetectorState, (self.brand.id, self.memory)) is None
        for hour in range(start, current):
            if is_new and hour == current - 1:
                panel.begin()
            self._revise(panel, counts, hour)
            verdicts = panel.tick(**self.arrays(counts, hour))
            if hour == current - 1 or (upto is not None and current - hour <= panel.state.span):
                found = self.decide(panel, verdicts, counts, hour, keep)
                ended.append({key: _on_days(decision) for key, decision in found.items()})
        if start < current:
            self._save(session, panel, keys, current - 1)
        return Hours(ended, frozenset(busy))

    def newest(self, session: Session, now: datetime) -> int:
        """Files and hooks bring theirs at once, a site when it was last read."""
        rows = session.exec(select(Source).where(col(Source.id).in_(self.only or set()))).all()
        times = [now if row.scraper == IMPORT else row.last_success_at for row in rows]
        return self.steps.of(min(max((at for at in times if at is not None), default=now), now))


def packed(panel: Panel) -> bytes:
    """The memory of a panel for the store.

    Not a npz: each of its two dozen arrays is a file in an archive with a header to parse, at every look.
    """
    # safetensors writes the memory of a view as it lies there, so what it gets must lie as it is read
    arrays = {name: np.ascontiguousarray(array) for name, array in panel.state.arrays.items()}
    return zlib.compress(safetensors.save(arrays), level=1)


def unpack(stored: bytes, panel: Panel) -> bool:
    """Put a stored memory into a panel of as many series; False where it is not one of this version."""
    try:
        arrays = safetensors.load(zlib.decompress(stored))
    except (zlib.error, SafetensorError):
        return False
    for name, array in panel.state.arrays.items():
        if name not in arrays or arrays[name].shape != array.shape:
            return False
        array[:] = arrays[name]
    return True


def _stamp(row: DetectorState | None) -> tuple[str, ...]:
    """Which writing of a memory this is."""
    if row is None:
        return ()
    return (row.day, row.settings, hashlib.sha256(row.arrays).hexdigest())


def _on_days(decision: Decision) -> Decision:
    """An hour's decision with its score on the scale of daily ones: both mean the same rate of false alarms."""
    return replace(
        decision, score=as_daily(decision.score), news=as_daily(decision.news), threshold=as_daily(decision.threshold)
    )
