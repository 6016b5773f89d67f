"""What a metric is: a value that never travels without its sample size, its interval and the name of its method."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

Unit = Literal["share", "points", "stars", "mentions", "ratio", "money", "periods", "index", "minutes"]

CONFIDENCE = 0.95


class BadNumbers(ValueError):
    """Counts or values that cannot be what they claim to be; the message names the argument and its value."""


def z_value(confidence: float) -> float:
    """The two-sided standard normal quantile, 1.96 for 0.95."""
    if not 0.0 < confidence < 1.0:
        raise BadNumbers(f"confidence must lie between 0 and 1, got {confidence!r}")
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; `low` and `high` in the unit of what it belongs to."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if math.isnan(self.low) or math.isnan(self.high) or self.low > self.high:
            raise BadNumbers(f"an interval needs low <= high, got {self.low!r} to {self.high!r}")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def clear(self) -> bool:
        """True when zero lies outside: the sign of a difference is known."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def width(self) -> float:
        return self.high - self.low

    def scaled(self, factor: float) -> Interval:
        """Both ends times `factor` (which may be negative)."""
        ends = sorted((self.low * factor, self.high * factor))
        return Interval(ends[0], ends[1])


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured number.

    `value` and `interval` are None when `n` is below `n_needed`: an index on too few answers is not shown, by
    anybody, since it is not there. `method` names formula and source; `note` says what a reader must know beside it.
    """

    name: str
    value: float | None
    interval: Interval | None
    n: int
    method: str
    unit: Unit = "points"
    n_needed: int = 1
    note: str = ""

    def __post_init__(self) -> None:
        if self.n < 0:
            raise BadNumbers(f"{self.name}: n must not be negative, got {self.n}")
        if self.n < self.n_needed and (self.value is not None or self.interval is not None):
            object.__setattr__(self, "value", None)
            object.__setattr__(self, "interval", None)
        if self.value is not None and self.interval is None:
            raise BadNumbers(f"{self.name}: a value without an interval")

    @property
    def shown(self) -> bool:
        """Whether there is a number to show."""
        return self.value is not None

    @property
    def low(self) -> float | None:
        return None if self.interval is None else self.interval.low

    @property
    def high(self) -> float | None:
        return None if self.interval is None else self.interval.high

    def noted(self, note: str) -> Metric:
        """The same number with one more remark."""
        return replace(self, note=f"{self.note}; {note}" if self.note else note)


def check_counts(**counts: float) -> None:
    """Raise BadNumbers for the first count that is negative or not finite."""
    for name, count in counts.items():
        if not math.isfinite(count) or count < 0:
            raise BadNumbers(f"{name} must be a count of zero or more, got {count!r}")
