"""The watch over one brand: its series day by day, what the detector remembers of them, and what it says of today.

Rows are local days. The remembered state ends with yesterday; today is judged on a copy, as far as the day has come, so
that a complaint counts within minutes and nothing has to be taken back.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import func
from sqlmodel import Session, col, select

import alerts.settings
from alerts.decision import Decision, interval
from alerts.detector import decide
from alerts.panel import Panel, Verdicts
from alerts.phase import Calendar
from alerts.series import SeriesKey
from alerts.threshold import threshold
from monitor.store.tables import Brand, Bucket, Coverage, DetectorState, Source

Floats = npt.NDArray[np.float64]

SIGNAL = "negative"
MAX_HISTORY = 200  # days a new series is taught from; older ones weigh next to nothing
MIN_HISTORY = timedelta(days=3)  # before that nobody can say what is usual
PROFILE_DAYS = 56
FLAT_HOURS = 96.0  # pseudo-mentions of the default profile of a day
_DEFAULT_PROFILE = np.array(
    [
        1.5,
        1,
        0.7,
        0.5,
        0.5,
        0.8,
        1.5,
        2.5,
        3.8,
        4.8,
        5.4,
        5.8,
        6.2,
        6.2,
        6.0,
        5.8,
        5.8,
        6.0,
        6.4,
        6.8,
        6.8,
        6.2,
        4.6,
        2.9,
    ]
)


@dataclass
class Counts:
    """Negatives and all mentions of every series by local day: arrays (days, series)."""

    days: list[date]
    series: list[SeriesKey]
    negative: Floats
    total: Floats
    coverage: Floats


@dataclass
class Watch:
    """What was seen of one brand at one time."""

    decisions: dict[SeriesKey, Decision]
    yesterday: dict[SeriesKey, Decision]  # whole-day decisions, when the day has just ended
    n_series: int


@dataclass(frozen=True, slots=True)
class DayPoint:
    """One local day of a series: negatives and all mentions (None = not collected), and what was usual."""

    day: date
    at: datetime
    negative: int | None
    total: int | None
    expected: float
    low: float
    high: float


class BrandWatch:
    """The detector of one brand over its store. Call `look` each tick."""

    def __init__(self, brand: Brand, *, settings: alerts.settings.Settings, zone: ZoneInfo,
                 series: list[SeriesKey] | None = None, holidays: Iterable[date] = ()) -> None:  # fmt: skip
        self.brand = brand
        self.settings = settings
        self.zone = zone
        self.series = series
        self.calendar = Calendar.of(settings, holidays)

    def look(self, session: Session, now: datetime, *, keep: Iterable[SeriesKey] = ()) -> Watch:
        """Bring the memory up to yesterday, then judge today so far. `keep` are series to decide on whatever they say.

        Writes the detector's state when a day has passed; the caller's transaction must be a writing one.
        """
        today = self.local_day(now)
        first = self._first_day(session)
        if first is None or first > today - MIN_HISTORY:
            return Watch({}, {}, 0)
        first = max(first, today - timedelta(days=MAX_HISTORY))
        keys = self.series if self.series is not None else series_of(session, self.brand)
        panel, known, upto = self._remember(session)
        if upto is not None and upto >= today:  # a clock that went back: what was learnt of "the future" is void
            panel, known, upto = None, [], None
        panel, learnt = self._teach_new(session, panel, known, keys, upto, first)
        keys = learnt
        start = max(first, upto + timedelta(days=1)) if upto is not None else first
        counts = self._counts(session, keys, min(start, today - timedelta(days=panel.state.span)), today, now)
        ended: dict[SeriesKey, Decision] = {}
        rolled = start < today
        for day in _days(start, today - timedelta(days=1)):
            self._revise(panel, counts, day)
            panel.tick(**self._arrays(counts, day))
        if rolled:
            self._save(session, panel, keys, today - timedelta(days=1))
            ended = self._decide(panel, panel.judge(), counts, today - timedelta(days=1), keep)
        self._revise(panel, counts, today)
        verdicts = panel.tick(**self._arrays(counts, today))
        decisions = self._decide(panel, verdicts, counts, today, keep)
        return Watch(decisions, ended, len(keys))

    def history(self, session: Session, key: SeriesKey, now: datetime, *, days: int = 28) -> list[DayPoint]:
        """The last days of one series as the detector saw them: what came, what was usual (95 %), what was missing."""
        today = self.local_day(now)
        first = self._first_day(session)
        if first is None:
            return []
        first = max(first, today - timedelta(days=MAX_HISTORY))
        keys = list(dict.fromkeys([key, *([key.opened("topic")] if key.topic else [])]))
        counts = self._counts(session, keys, first, today, now)
        panel = Panel(len(keys), self.settings)
        points = []
        for n, day in enumerate(counts.days):
            panel.tick(**self._arrays(counts, day))
            mean = float(panel.state["row_expected"][0, 0])
            variance = float(panel.state["row_variance"][0, 0])
            low, high = interval(mean, variance) if mean > 0 else (0.0, 0.0)
            seen = counts.coverage[n, 0] > 0
            points.append(
                DayPoint(day, self.day_start(day), int(counts.negative[n, 0]) if seen else None,
                         int(counts.total[n, 0]) if seen else None, mean, low, high)
            )  # fmt: skip
        return points[-days:]

    def local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def day_start(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    # ---- memory

    def _fingerprint(self) -> str:
        return f"{self.zone.key}|{self.settings.step_seconds}|{','.join(self.settings.countries)}"

    def _remember(self, session: Session) -> tuple[Panel | None, list[SeriesKey], date | None]:
        row = session.get(DetectorState, (self.brand.id, SIGNAL))
        if row is None or row.settings != self._fingerprint():
            return None, [], None
        keys = [SeriesKey.parse(text) for text in row.series]
        panel = Panel(len(keys), self.settings)
        with np.load(io.BytesIO(row.arrays)) as stored:
            if any(
                name not in stored or stored[name].shape != array.shape for name, array in panel.state.arrays.items()
            ):
                return None, [], None  # written by a version with another memory: rebuilt from the rows
            for name in panel.state.arrays:
                panel.state.arrays[name][:] = stored[name]
        return panel, keys, date.fromisoformat(row.day)

    def _save(self, session: Session, panel: Panel, keys: Sequence[SeriesKey], day: date) -> None:
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(panel.state.arrays)
        np.savez_compressed(buffer, **arrays)
        session.merge(
            DetectorState(brand_id=self.brand.id, signal=SIGNAL, day=day.isoformat(), settings=self._fingerprint(),
                          series=[key.text() for key in keys], arrays=buffer.getvalue())
        )  # fmt: skip

    def _teach_new(self, session: Session, panel: Panel | None, known: list[SeriesKey], keys: list[SeriesKey],
                   upto: date | None, first: date) -> tuple[Panel, list[SeriesKey]]:  # fmt: skip
        """Series nobody knew get their own past, zeros included: "never a complaint about this here" is knowledge."""
        have = set(known)
        new = [key for key in keys if key not in have]
        if panel is None or upto is None:
            return Panel(len(keys), self.settings), keys
        if not new:
            return panel, known
        fresh = Panel(len(new), self.settings)
        counts = self._counts(session, new, first, upto, self.day_start(upto + timedelta(days=1)))
        for day in _days(first, upto):
            fresh.tick(**self._arrays(counts, day))
        whole = Panel(len(known) + len(new), self.settings)
        for name, array in whole.state.arrays.items():
            array[:] = np.concatenate([panel.state.arrays[name], fresh.state.arrays[name]])
        return whole, known + new

    # ---- rows

    def _first_day(self, session: Session) -> date | None:
        first = session.exec(select(func.min(Bucket.hour_at)).where(Bucket.brand_id == self.brand.id)).one()
        return self.local_day(first) if first is not None else None

    def _counts(self, session: Session, keys: list[SeriesKey], first: date, last: date, now: datetime) -> Counts:
        days = list(_days(first, last))
        place = {key: n for n, key in enumerate(keys)}
        row_of = {day: n for n, day in enumerate(days)}
        negative = np.zeros((len(days), len(keys)))
        total = np.zeros((len(days), len(keys)))
        sources = source_names(session)
        rows = session.exec(
            select(Bucket.hour_at, Bucket.source_id, Bucket.location, Bucket.topic, Bucket.n,
                   Bucket.n_negative)
            .where(Bucket.brand_id == self.brand.id, col(Bucket.hour_at) >= self.day_start(first),
                   col(Bucket.hour_at) < min(self.day_start(last + timedelta(days=1)), now + timedelta(hours=1)))
        )  # fmt: skip
        for hour_at, source_id, location, topic, n, n_negative in rows:
            at = row_of.get(self.local_day(hour_at))
            if at is None:
                continue
            for key in nodes(self.brand.slug, sources.get(source_id, ""), topic, location):
                index = place.get(key)
                if index is not None:
                    negative[at, index] += n_negative
                    total[at, index] += n
        self._fill_exposure(keys, place, total)
        coverage = self._coverage(session, keys, days, now, total)
        return Counts(days, keys, negative, np.maximum(total, negative), coverage)

    @staticmethod
    def _fill_exposure(keys: Sequence[SeriesKey], place: Mapping[SeriesKey, int], total: Floats) -> None:
        """The exposure of a topic is all mentions of the node without the topic, not only those that name it."""
        base = total.copy()
        for key, index in place.items():
            if key.topic is not None:
                whole = place.get(key.opened("topic"))
                if whole is not None:
                    total[:, index] = base[:, whole]

    def _coverage(self, session: Session, keys: list[SeriesKey], days: list[date], now: datetime,
                  total: Floats) -> Floats:  # fmt: skip
        """How much of each day was really collected, and has already happened."""
        by_source = self._source_coverage(session, days)
        names = sorted(by_source)
        result = np.ones((len(days), len(keys)))
        if by_source:
            place = {key: n for n, key in enumerate(keys)}
            volumes = {
                name: float(total[:, place[key]].sum()) + 1.0
                for name in {key.source for key in keys if key.source}
                if (key := SeriesKey(self.brand.slug, source=name)) in place
            }
            whole = sum(volumes.values()) or 1.0
            mixed = np.ones(len(days))
            for name in names:
                mixed -= (volumes.get(name, 0.0) / whole) * (1 - by_source[name])
            for n, key in enumerate(keys):
                result[:, n] = by_source.get(key.source, np.ones(len(days))) if key.source else mixed
        if days and self.local_day(now) == days[-1]:
            result[-1] *= self.elapsed(session, now)
        return np.clip(result, 0.0, 1.0)

    def _source_coverage(self, session: Session, days: list[date]) -> dict[str, Floats]:
        if not days:
            return {}
        names = source_names(session)
        row_of = {day: n for n, day in enumerate(days)}
        due: dict[str, Floats] = defaultdict(lambda: np.zeros(len(days)))
        done: dict[str, Floats] = defaultdict(lambda: np.zeros(len(days)))
        for row in session.exec(
            select(Coverage).where(col(Coverage.hour_at) >= self.day_start(days[0]),
                                   col(Coverage.hour_at) < self.day_start(days[-1] + timedelta(days=1)))
        ):  # fmt: skip
            at = row_of.get(self.local_day(row.hour_at))
            name = names.get(row.source_id)
            if at is not None and name is not None and row.n_due:
                due[name][at] += 1
                done[name][at] += min(1.0, row.n_done / row.n_due)
        return {name: np.where(due[name] > 0, done[name] / np.maximum(due[name], 1), 1.0) for name in due}

    def elapsed(self, session: Session, now: datetime) -> float:
        """Share of a day's mentions that is usually there by this local time; from the brand's own hours, shrunk."""
        start = now - timedelta(days=PROFILE_DAYS)
        hours = np.zeros(24)
        for hour_at, n in session.exec(
            select(Bucket.hour_at, func.sum(Bucket.n))
            .where(Bucket.brand_id == self.brand.id, Bucket.topic == "", col(Bucket.hour_at) >= start)
            .group_by(col(Bucket.hour_at))
        ):
            hours[hour_at.astimezone(self.zone).hour] += n
        profile = hours + FLAT_HOURS * _DEFAULT_PROFILE / _DEFAULT_PROFILE.sum()
        profile /= profile.sum()
        local = now.astimezone(self.zone)
        share = profile[: local.hour].sum() + profile[local.hour] * (local.minute * 60 + local.second) / 3600
        return float(min(max(share, 0.02), 1.0))

    # ---- judging

    def _arrays(self, counts: Counts, day: date) -> dict[str, Any]:
        at = counts.days.index(day)
        n = len(counts.series)
        weekday, hour, holiday = self.calendar.place(self.day_start(day))
        return {
            "negative": counts.negative[at], "others": counts.total[at] - counts.negative[at],
            "coverage": counts.coverage[at], "weekday": np.full(n, weekday), "hour": np.full(n, hour),
            "holiday": np.full(n, float(holiday)),
        }  # fmt: skip

    def _revise(self, panel: Panel, counts: Counts, day: date) -> None:
        """Write the days before `day` anew into the newest rows: mentions that arrived late belong to their own day."""
        for age in range(panel.state.span - 1):
            earlier = day - timedelta(days=age + 1)
            if earlier in counts.days and panel.state["row_coverage"][:, age].any():
                panel.put(age, **self._arrays(counts, earlier))

    def _decide(
        self, panel: Panel, verdicts: Verdicts, counts: Counts, day: date, keep: Iterable[SeriesKey]
    ) -> dict[SeriesKey, Decision]:
        """Decisions of the series that say something, of those to keep, and of all parts once there is a story."""
        needed = threshold(self.settings.rate)
        wanted = {key for key in keep if key in counts.series}
        wanted |= {key for key, score in zip(counts.series, verdicts.score, strict=True) if score >= needed / 2}
        if any(score >= needed for score in verdicts.score):
            recent = counts.negative[-panel.state.span :].sum(axis=0) > 0
            wanted |= {key for key, some in zip(counts.series, recent, strict=True) if some}
        at = self.day_start(day)
        return {key: decide(panel, verdicts, index, at=at) for index, key in enumerate(counts.series) if key in wanted}


def nodes(brand: str, source: str, topic: str, location: str) -> list[SeriesKey]:
    """The series that a bucket counts in: the brand, its dimensions alone, and topics within sources and locations.

    Languages are no series of their own: most brands speak mainly one, whose series is then nearly the brand again.
    """
    base = SeriesKey(brand, topic=topic or None)
    result = [base]
    if source:
        result.append(SeriesKey(brand, source=source, topic=topic or None))
    if location:
        result.append(SeriesKey(brand, topic=topic or None, location=location))
    return result


def series_of(session: Session, brand: Brand) -> list[SeriesKey]:
    """Every series of a brand that has ever held anything, in a stable order."""
    sources = source_names(session)
    found = set()
    for source_id, location, topic in session.exec(
        select(Bucket.source_id, Bucket.location, Bucket.topic).where(Bucket.brand_id == brand.id).distinct()
    ):
        found.update(nodes(brand.slug, sources.get(source_id, ""), topic, location))
    topics = {key.topic for key in found if key.topic}
    sources_seen = {key.source for key in found if key.source}
    places = {key.location for key in found if key.location}
    for topic in topics:  # a new combination of what is known is not a new series: it had its zeros all along
        found.update(SeriesKey(brand.slug, source=name, topic=topic) for name in sources_seen)
        found.update(SeriesKey(brand.slug, location=name, topic=topic) for name in places)
    if len(sources_seen) == 1:  # a brand with one source: its series is the brand again
        found = {key for key in found if key.source is None}
    kept = (key for key in found if key.topic != "general")
    return sorted(kept, key=lambda key: (key.source or "", key.location or "", key.topic or ""))


def source_names(session: Session) -> dict[int, str]:
    return {row.id: row.slug for row in session.exec(select(Source)) if row.id is not None}


def _days(first: date, last: date) -> Iterable[date]:
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)
