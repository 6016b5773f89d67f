"""What a detector says about one series at one time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from scipy.special import nbdtrik

from alerts.series import Row

__all__ = ["Decision", "interval", "nothing"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the detector says about one series at one time.

    `observed`, `expected`, `low`, `high` (95 % interval of what is usual) and `p_value` belong to the time since the
    most probable onset: the last `window_steps` steps, from `since` on. Where that interval would hold the number of an
    active series, `high` is the largest count that would not have been told. `score` is the decimal log of the Bayes
    factor for an outbreak, comparable over all series; `news` is the score where it is above the recent ones and has
    the minimum evidence, else not above zero.
    `active` is score >= `threshold` with the minimum evidence: true for as long as the deviation lasts. `alarm` is
    news >= `threshold` with the same evidence: true when it begins or grows; one deviation alarms once. `share` and
    `share_before` compare the negative share. `shifted` is the probability that all volume moved (campaign, holiday).
    `windows` has (observed, expected) of every window by its steps.
    """

    at: dt.datetime
    signal: str
    score: float
    news: float
    threshold: float
    alarm: bool
    active: bool
    observed: float
    expected: float
    low: float
    high: float
    ratio: float
    p_value: float
    window_steps: int
    step_seconds: int
    since: dt.datetime
    total: float | None
    expected_total: float | None
    share: float | None
    share_before: float | None
    shifted: float
    holiday: bool
    short_history: bool
    missing: bool
    suspect_zero: bool
    ignored: bool = False  # too old to be news
    windows: Mapping[int, tuple[float, float]] = field(default_factory=dict, compare=False)

    @property
    def excess(self) -> float:
        """Observed above expected."""
        return self.observed - self.expected

    @property
    def confounders(self) -> tuple[str, ...]:
        """What else could explain the number: `holiday`, `campaign`, `short_history`, `gap`."""
        found = {
            "holiday": self.holiday,
            "campaign": self.shifted > 0.5 and (self.total or 0) > (self.expected_total or 0),
            "short_history": self.short_history,
            "gap": self.suspect_zero,
        }
        return tuple(name for name, true in found.items() if true)


def interval(mean: float, variance: float, *, p_outside: float = 0.05) -> tuple[float, float]:
    """Central interval of a negative binomial of this mean and variance, whole numbers."""
    ratio = max(variance / mean, 1.001)
    shape, p = mean / (ratio - 1), 1 / ratio
    low, high = (float(nbdtrik(q, shape, p)) for q in (p_outside / 2, 1 - p_outside / 2))
    return (math.ceil(low) if low > 0 else 0.0), max(math.ceil(high), 0.0)


def nothing(
    row: Row, *, signal: str, threshold: float, step_seconds: int, short_history: bool, ignored: bool = False
) -> Decision:
    """The decision for a row that says nothing: missing, too old to be news, or before anything was learned."""
    return Decision(
        at=row.at, signal=signal, score=-math.inf, news=-math.inf, threshold=threshold, alarm=False, active=False,
        observed=0.0, expected=0.0, low=0.0, high=0.0, ratio=1.0, p_value=1.0, window_steps=1,
        step_seconds=step_seconds, since=row.at, total=None, expected_total=None, share=None, share_before=None,
        shifted=0.0, holiday=False, short_history=short_history, missing=row.missing, suspect_zero=False,
        ignored=ignored,
    )  # fmt: skip
