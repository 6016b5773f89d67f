"""Bursts of total volume on series with heavy tails: mentions by the hour, where no share is known.

Social volume bursts by nature: counts of one hour are ten times the usual without any reason to call somebody, and a
negative binomial finds all of them impossible. Here an hour is compared with the mean and standard deviation of the
last two months, bursts included (each step's surprise capped), and then with the bursts this series has had: how many a
day begin, and how large they become. Bursts that exceed z standard deviations fall like a power of z, and the power
differs between brands: a pharmacy's tweets keep within bounds that an airline's leave every week. Rate and power are
learned by peaks over threshold (one peak for each burst) with conjugate gamma priors, so the score is what it promises:
how often this series has such a burst. By days the tail is lighter and straight. A burst is news when it begins: later
hours of it count only where they exceed its fading peak. For information: a busy hour is no complaint.
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
from alerts.threshold import DAILY, threshold

__all__ = ["VolumeDetector"]

MEMORY_DAYS = 60.0
WARM_DAYS = 3.0
CAP = 8.0  # standard deviations by which one step may surprise the memory
FADE_DAYS = 1.0  # half-life of a peak
FROM = 2.0  # standard deviations from which hours are a burst
CALM_HOURS = 12.0  # that end one, as they end an incident
POWER = (8.0, 4.0)  # prior of the power of the tail: that of 8 bursts whose mean log(z / FROM) is one half
RATE = (4.9, 14.0)  # prior of the rate of bursts: 4.9 in 14 days
BY_DAY = (0.70, -0.75)  # whole days have lighter tails: score = slope * z + shift, on the scale of `alerts.threshold`


@dataclass
class _Memory:
    n: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    peak: float = 0.0
    n_seen: int = 0
    last_at: str | None = None
    days: float = 0.0  # watched, fading like the two that follow
    n_bursts: float = 0.0
    log_sizes: float = 0.0  # sum of log(z / FROM) of the peaks of bursts
    burst: float = 0.0  # the peak of the one that goes on
    calm: int = 0  # steps since its last hour

    def tail(self, z: float) -> float:
        """How many bursts a week of z standard deviations or more this series has: gamma-Poisson times gamma-Pareto."""
        a_day = (RATE[0] + self.n_bursts) / (RATE[1] + self.days)
        power, weight = POWER[0] + self.n_bursts, POWER[1] + self.log_sizes
        beyond = power * math.log1p(math.log(z / FROM) / weight)
        return 7 * a_day * math.exp(-beyond)


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
        by_day = settings.step_seconds >= DAY
        count = float(row.total if row.total is not None else row.negative or 0)
        value = count / row.coverage
        mean, deviation = memory.mean, max(math.sqrt(memory.variance), 1.0, math.sqrt(memory.mean))
        warm = memory.n >= WARM_DAYS * settings.steps_per_day
        z = (value - mean) / deviation if warm else 0.0
        news = z > memory.peak
        score = -math.inf
        if warm:
            score = BY_DAY[0] * z + BY_DAY[1] if by_day else _score(memory.tail(max(z, FROM))) + min(0.0, z - FROM)
            memory.peak = max(memory.peak, z)
            self._remember(z, steps)
        self._learn(value, warm, deviation)
        expected, spread = mean * row.coverage, deviation * row.coverage
        ratio = count / max(expected, 1e-9)
        enough = (
            count >= settings.min_negative and count - expected >= settings.min_excess and ratio >= settings.min_ratio
        )
        return Decision(
            at=row.at, signal="volume", score=score, news=score if news else -5.0, threshold=self.threshold,
            alarm=news and score >= self.threshold and enough, active=score >= self.threshold and enough,
            observed=count, expected=expected, low=max(0.0, math.floor(expected - 2 * spread)),
            high=math.ceil(expected + 2 * spread), ratio=ratio, p_value=min(1.0, 10.0 ** min(0.0, -score)),
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

    def _remember(self, z: float, steps: int) -> None:
        """Count a burst when it is over: its peak, once."""
        memory, per_day = self._memory, self.settings.steps_per_day
        kept = 0.5 ** (1 / per_day / MEMORY_DAYS)
        memory.days = memory.days * kept + 1 / per_day
        memory.n_bursts *= kept
        memory.log_sizes *= kept
        if z > FROM:
            memory.burst, memory.calm = max(memory.burst, z), 0
        elif memory.burst:
            memory.calm += steps
            if memory.calm >= CALM_HOURS * per_day / 24:
                memory.n_bursts += 1
                memory.log_sizes += math.log(min(memory.burst, CAP) / FROM)
                memory.burst, memory.calm = 0.0, 0

    def to_state(self) -> dict[str, Any]:
        """What `from_state` needs to go on, as JSON values."""
        return {"version": 1, "kind": "volume", **asdict(self._memory), "step_seconds": self.settings.step_seconds}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: Settings | None = None) -> Self:
        """The detector as it was when `to_state` was called. Raises BadRule for a state of another kind."""
        detector = cls(settings)
        names = [field.name for field in fields(_Memory)]
        good = state.get("kind") == "volume" and state.get("step_seconds") == detector.settings.step_seconds
        if not good or "mean" not in state:  # what later versions remember beside it begins empty
            raise BadRule(
                f"volume state: kind={state.get('kind')!r}, step_seconds={state.get('step_seconds')!r}: rebuild"
            )
        detector._memory = _Memory(**{name: state[name] for name in names if name in state})
        return detector


def _score(a_week: float) -> float:
    """The score that clean series of counts by the day reach so often: one scale for all signals."""
    return (DAILY[0] - math.log10(a_week)) / DAILY[1]
