"""Whether a source went silent: no mention at all for longer than its usual rhythm allows. A notice for the operator.

The level of all mentions is learned with forgetting and weekday factors, so that a Sunday without reviews is no
alarm. An empty step where `due` mentions were due has the probability of a negative binomial of the less surprising of
two kinds: variance phi times the mean, phi ** (-due / (phi - 1)), or a gamma day effect of shape k,
(1 + due / k) ** -k. A run multiplies its steps; steps the collector says it did not read (coverage 0) add nothing.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Self

from alerts.decision import Decision, nothing
from alerts.errors import BadRule
from alerts.phase import Calendar
from alerts.series import Row
from alerts.settings import Settings
from alerts.threshold import threshold

__all__ = ["QuietDetector"]

HALF_LIFE = 42.0  # days
PSEUDO = 0.3
FACTOR_PSEUDO = 6.0
DISPERSION = 2.5  # phi: silence comes in clumps, too
SPARSE = math.log(DISPERSION) / (DISPERSION - 1)
DAY_SHAPE = 3.0  # k: and good days and bad days differ


class QuietDetector:
    """Judges whether one source is still alive, step after step; used like `alerts.detector.Detector`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.threshold = threshold(self.settings.rate)
        self.calendar = Calendar.of(self.settings)
        self._seen, self._exposure = 0.0, 0.0
        self._by_weekday = [[0.0, 0.0] for _ in range(7)]
        self._due, self._surprise = 0.0, 0.0  # of the running silence: mentions due, -log10 probability
        self._waiting: list[tuple[int, float]] = []  # its (weekday, coverage), learned only if it was real
        self._since: dt.datetime | None = None
        self._last_at: dt.datetime | None = None
        self._n_seen = 0
        self._peak = 0.0

    def update(self, row: Row) -> Decision:
        """Judge one more row by its `total` (or `negative` where no total is known)."""
        settings = self.settings
        ahead = 1 if self._last_at is None else round((row.at - self._last_at).total_seconds() / settings.step_seconds)
        short = self._n_seen < settings.short_history_days * settings.steps_per_day
        if ahead <= 0 or row.missing:
            return nothing(
                row, signal="silent", threshold=self.threshold, step_seconds=settings.step_seconds,
                short_history=short, ignored=ahead <= 0,
            )  # fmt: skip
        self._last_at = row.at
        self._n_seen += 1
        keep = 0.5 ** (ahead / settings.steps_per_day / HALF_LIFE)
        self._seen, self._exposure = self._seen * keep, self._exposure * keep
        self._by_weekday = [[seen * keep, due * keep] for seen, due in self._by_weekday]
        weekday, _, holiday = self.calendar.place(row.at)
        count = float(row.total if row.total is not None else row.negative or 0)
        due = self._level() * self._factor(weekday) * row.coverage * (0.5 if holiday else 1.0)
        if count > 0:
            for day, coverage in self._waiting:
                self._learn(day, coverage, 0.0)
            self._learn(weekday, row.coverage, count)
            self._due, self._surprise, self._waiting, self._since, self._peak = 0.0, 0.0, [], None, 0.0
            return self._decision(row, 0.0, 0.0, short, steps=1)
        self._since = self._since or row.at
        self._due += due
        self._surprise += min(due * SPARSE, DAY_SHAPE * math.log1p(due / DAY_SHAPE)) / math.log(10)
        if len(self._waiting) < 14 * settings.steps_per_day:
            self._waiting.append((weekday, row.coverage))
        steps = 1 + round((row.at - self._since).total_seconds() / settings.step_seconds)
        return self._decision(row, self._surprise, self._due, short, steps=steps)

    def _level(self) -> float:
        return (self._seen + PSEUDO) / (self._exposure + PSEUDO) if self._exposure else 0.0

    def _factor(self, weekday: int) -> float:
        seen, due = self._by_weekday[weekday]
        return (seen + FACTOR_PSEUDO) / (due + FACTOR_PSEUDO)

    def _learn(self, weekday: int, coverage: float, count: float) -> None:
        self._by_weekday[weekday][0] += count
        self._by_weekday[weekday][1] += self._level() * coverage if self._exposure else count
        self._exposure += self._factor(weekday) * coverage
        self._seen += count

    def _decision(self, row: Row, score: float, due: float, short: bool, *, steps: int) -> Decision:
        above = score >= self.threshold and not short
        begins = above and self._peak < self.threshold
        self._peak = max(self._peak, score)
        count = float(row.total if row.total is not None else row.negative or 0)
        return Decision(
            at=row.at, signal="silent", score=score, news=score if begins else min(score, 0.0) - 1,
            threshold=self.threshold, alarm=begins, active=above, observed=count, expected=due, low=0.0, high=due,
            ratio=count / due if due else 1.0, p_value=10.0**-score, window_steps=steps,
            step_seconds=self.settings.step_seconds, since=self._since or row.at, total=count, expected_total=due,
            share=None, share_before=None, shifted=0.0, holiday=False, short_history=short, missing=False,
            suspect_zero=above,
        )  # fmt: skip

    def to_state(self) -> dict[str, Any]:
        """What `from_state` needs to go on, as JSON values."""
        return {
            "version": 1, "kind": "silent", "sums": [self._seen, self._exposure, self._due, self._surprise, self._peak],
            "by_weekday": [list(pair) for pair in self._by_weekday], "waiting": [list(pair) for pair in self._waiting],
            "n_seen": self._n_seen, "since": self._since.isoformat() if self._since else None,
            "last_at": self._last_at.isoformat() if self._last_at else None,
            "step_seconds": self.settings.step_seconds,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: Settings | None = None) -> Self:
        """The detector as it was when `to_state` was called. Raises BadRule for a state of another kind."""
        detector = cls(settings)
        if state.get("kind") != "silent" or state.get("step_seconds") != detector.settings.step_seconds:
            raise BadRule(f"silence state: kind={state.get('kind')!r}, step={state.get('step_seconds')!r}: rebuild it")
        detector._seen, detector._exposure, detector._due, detector._surprise, detector._peak = state["sums"]
        detector._by_weekday = [list(pair) for pair in state["by_weekday"]]
        detector._waiting = [(int(day), float(coverage)) for day, coverage in state["waiting"]]
        detector._n_seen = state["n_seen"]
        detector._since = dt.datetime.fromisoformat(state["since"]) if state["since"] else None
        detector._last_at = dt.datetime.fromisoformat(state["last_at"]) if state["last_at"] else None
        return detector
