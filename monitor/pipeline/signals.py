"""The signals beside the count of negatives: ratings dropped, complaints have a new topic, a source is silent, a surge.

All look at local days. Ratings, silence and volume remember up to yesterday and judge today on a copy, as the main
detector does; the mix of topics is compared once a day, over whole days.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import Session, col, select

import alerts.settings
from alerts.bursts import VolumeDetector
from alerts.decision import Decision
from alerts.quiet import QuietDetector
from alerts.ratings import RatingDetector
from alerts.series import Row, SeriesKey
from alerts.topics import TopicShift, topic_shift
from monitor.pipeline.counts import Counts, read_counts
from monitor.pipeline.steps import Steps
from monitor.store.tables import Brand, Bucket, DetectorState

RATING, SILENT, TOPIC_SHIFT, VOLUME = "rating", "silent", "topic_shift", "volume"
HISTORY = timedelta(days=120)
RECENT, BEFORE = timedelta(days=7), timedelta(days=56)  # of the mix of topics: what is new, and what it is held against
_DETECTORS: dict[str, Any] = {RATING: RatingDetector, SILENT: QuietDetector, VOLUME: VolumeDetector}


@dataclass(frozen=True, slots=True)
class Seen:
    """Decisions of one signal: of today as far as it has come, and of yesterday when the day has just ended."""

    today: dict[SeriesKey, Decision]
    yesterday: dict[SeriesKey, Decision]


class SignalWatch:
    """One signal over some series of a brand, day by day."""

    def __init__(self, brand: Brand, signal: str, *, settings: alerts.settings.Settings, zone: ZoneInfo) -> None:
        self.brand = brand
        self.signal = signal
        self.settings = settings
        self.steps = Steps(zone)
        self.detector = _DETECTORS[signal]

    def look(self, session: Session, now: datetime, keys: Sequence[SeriesKey]) -> Seen:
        """Bring the memory up to yesterday, then judge today so far; the transaction must be a writing one."""
        today = self.steps.of(now)
        oldest = session.exec(select(func.min(Bucket.hour_at)).where(Bucket.brand_id == self.brand.id)).one()
        if oldest is None or not keys:
            return Seen({}, {})
        first = max(self.steps.of(oldest), today - HISTORY.days)
        states, upto = self._remembered(session, today)
        new = [key for key in keys if key.text() not in states]
        start = first if upto is None or new else max(first, upto + 1)
        counts = read_counts(session, self.brand, list(keys), self.steps, min(start, today), today, now=now)
        seen = Seen({}, {})
        for index, key in enumerate(keys):
            state = states.get(key.text())
            detector = self.detector.from_state(state, self.settings) if state else self.detector(self.settings)
            for day in range(start if state is None or upto is None else max(start, upto + 1), today):
                decision = detector.update(_row(counts, index, day, self.steps))
                if day == today - 1:
                    seen.yesterday[key] = decision
            states[key.text()] = detector.to_state()
            seen.today[key] = detector.update(_row(counts, index, today, self.steps))
        if start < today:
            self._save(session, {key.text(): states[key.text()] for key in keys}, today - 1)
        return seen

    def _remembered(self, session: Session, today: int) -> tuple[dict[str, Any], int | None]:
        row = session.get(DetectorState, (self.brand.id, self.signal))
        if row is None or row.settings != self.steps.zone.key or self.steps.parse(row.day) >= today:
            return {}, None
        return json.loads(row.arrays), self.steps.parse(row.day)

    def _save(self, session: Session, states: dict[str, Any], day: int) -> None:
        session.merge(
            DetectorState(brand_id=self.brand.id, signal=self.signal, day=self.steps.text(day),
                          settings=self.steps.zone.key, series=list(states), arrays=json.dumps(states).encode())
        )  # fmt: skip


def _row(counts: Counts, index: int, day: int, steps: Steps) -> Row:
    at = day - counts.first
    rated = int(counts.n_ratings[at, index])
    return Row(
        steps.start(day), int(counts.negative[at, index]), int(counts.total[at, index]),
        coverage=float(counts.coverage[at, index]), rating_sum=float(counts.rating_sum[at, index]), n_ratings=rated,
    )  # fmt: skip


def mix_of_topics(session: Session, brand: Brand, *, now: datetime, steps: Steps) -> TopicShift | None:
    """What the negatives of the last seven whole days speak of, against the seven weeks before."""
    end = steps.start(steps.of(now))
    counts = {}
    for name, first, last in (("now", end - RECENT, end), ("before", end - BEFORE, end - RECENT)):
        rows = session.execute(
            select(Bucket.topic, func.sum(Bucket.n_negative))
            .where(Bucket.brand_id == brand.id, Bucket.topic != "", Bucket.topic != "general",
                   col(Bucket.hour_at) >= first, col(Bucket.hour_at) < last)
            .group_by(col(Bucket.topic))
        )  # fmt: skip
        counts[name] = Counter({topic: float(n or 0) for topic, n in rows})
    return topic_shift(counts["now"], counts["before"])
