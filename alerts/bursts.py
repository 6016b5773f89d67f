"""Bursts of total volume on series with heavy tails: mentions by the hour, where no share is known.

Social volume bursts by nature: counts of one hour are ten times the usual without any reason to call somebody, and a
negative binomial finds all of them impossible. Here an hour is compared with the mean and standard deviation of the
last two months, bursts included (each step's surprise capped), and the score follows a power law: the share of hours
that exceed z standard deviations falls like z ** -3.5, as it does on simulated bursty volume; by days it falls faster.
A burst is news when it begins: later hours of it count only where they exceed its fading peak. For information: a busy
hour is no complaint.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from alerts.decision import Decision, nothing
from alerts.errors import BadRule
from alerts.prior import DAY
from alerts.series import Row
from alerts.settings import Settings
from alerts.threshold import threshold

__all__ = ["VolumeDetector"]

MEMORY_DAYS = 60.0
WARM_DAYS = 3.0
CAP = 8.0  # standard deviations by which one step may surprise the memory
FADE_DAYS = 1.0  # half-life of a peak
TAIL, AT_THREE = 3.23, 0.2  # score = AT_THREE + TAIL * log10(z / 3)
BY_DAY = (0.70, -0.75)  # whole days have lighter tails: score = slope * z + shift, on the scale of `alerts.threshold`


@dataclass
class _Memory:
    n: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    peak: float = 0.0
    n_seen: int = 0
    last_at: str | None = None


class VolumeDetector:
    """Judges the volume of one series, step after step; used like `alerts.detector.Detector`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.threshold = threshold(self.settings.rate)
        self._memory = _Memory()

    def update(self, row: Row) -> Decision:
        """Judge one more row: its total, or its negatives where no total is known."""
        memory, settings = self._memory, self.settings
        last = dt.datetime.fromisoformat(memory.last_at) if memory.last_at else None
        steps = 1 if last is None else round((row.at - last).total_seconds() / settings.step_seconds)
        short = memory.n_seen < settings.short_history_days * settings.steps_per_day
        if row.missing or steps <= 0:
            return nothing(
                row, signal="volume", threshold=self.threshold, step_seconds=settings.step_seconds,
                short_history=short, ignored=steps <= 0,
            )  # fmt: skip
        memory.last_at = row.at.isoformat()
        memory.peak *= 0.5 ** (steps / settings.steps_per_day / FADE_DAYS)
        count = float(row.total if row.total is not None else row.negative or 0)
        value = count / row.coverage
        mean, deviation = memory.mean, max(math.sqrt(memory.variance), 1.0, math.sqrt(memory.mean))
        warm = memory.n >= WARM_DAYS * settings.steps_per_day
        z = (value - mean) / deviation if warm else 0.0
        news = z > memory.peak
        self._learn(value, warm, deviation)
        if warm:
            memory.peak = max(memory.peak, z)
        score = AT_THREE + TAIL * math.log10(z / 3) if z > 0.1 else -5.0
        if settings.step_seconds >= DAY:
            score = BY_DAY[0] * z + BY_DAY[1]
        if not warm:
            score = -math.inf
        expected, spread = mean * row.coverage, deviation * row.coverage
        ratio = count / max(expected, 1e-9)
        enough = (
            count >= settings.min_negative and count - expected >= settings.min_excess and ratio >= settings.min_ratio
        )
        return Decision(
            at=row.at, signal="volume", score=score, news=score if news else -5.0, threshold=self.threshold,
            alarm=news and score >= self.threshold and enough, active=score >= self.threshold and enough,
            observed=count, expected=expected, low=max(0.0, math.floor(expected - 2 * spread)),
            high=math.ceil(expected + 2 * spread), ratio=ratio, p_value=min(1.0, 0.5 * (max(z, 1.0)) ** -3.5),
            window_steps=1, step_seconds=settings.step_seconds, since=row.at, total=count, expected_total=expected,
            share=None, share_before=None, shifted=0.0, holiday=False, short_history=short, missing=False,
            suspect_zero=False, windows={1: (count, expected)},
        )  # fmt: skip

    def _learn(self, value: float, warm: bool, deviation: float) -> None:
        memory = self._memory
        memory.n = min(memory.n + 1, MEMORY_DAYS * self.settings.steps_per_day)
        memory.n_seen += 1
        gain, surprise = 1 / memory.n, value - memory.mean
        if warm:
            surprise = min(surprise, CAP * deviation)
        if memory.n > 1:
            memory.variance += gain * (surprise**2 - memory.variance)
        memory.mean += gain * surprise

    def to_state(self) -> dict[str, Any]:
        """What `from_state` needs to go on, as JSON values."""
        return {"version": 1, "kind": "volume", **asdict(self._memory), "step_seconds": self.settings.step_seconds}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: Settings | None = None) -> Self:
        """The detector as it was when `to_state` was called. Raises BadRule for a state of another kind."""
        detector = cls(settings)
        names = [field.name for field in fields(_Memory)]
        good = state.get("kind") == "volume" and state.get("step_seconds") == detector.settings.step_seconds
        if not good or any(name not in state for name in names):
            raise BadRule(
                f"volume state: kind={state.get('kind')!r}, step_seconds={state.get('step_seconds')!r}: rebuild"
            )
        detector._memory = _Memory(**{name: state[name] for name in names})
        return detector
