"""Decides how bad an incident is: how many times, how much, how widely seen, and whether somebody is in danger.

Effect and size, not significance: on a large series an extreme p-value goes with a small effect.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass


class Severity(enum.StrEnum):
    """Three classes, ordered: `Severity.INFO < Severity.WARNING < Severity.CRITICAL`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0, 1, 2: for comparing and sorting."""
        return _ORDER.index(self)

    def __lt__(self, other: object) -> bool:
        return self.rank < Severity(str(other)).rank

    def __le__(self, other: object) -> bool:
        return self.rank <= Severity(str(other)).rank

    def __gt__(self, other: object) -> bool:
        return self.rank > Severity(str(other)).rank

    def __ge__(self, other: object) -> bool:
        return self.rank >= Severity(str(other)).rank


_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where the classes begin. Counts are mentions above expectation, ratios observed / expected, drops stars."""

    info_ratio: float = 2.0  # below this ratio and below `info_excess` it is only information
    info_excess: float = 10.0
    critical_ratio: float = 4.0  # from this ratio and `critical_excess` on it is critical
    critical_excess: float = 20.0
    critical_drop: float = 1.0  # a mean rating this many stars lower
    info_drop: float = 0.4
    reach_unit: float = 10_000.0  # every tenfold of this many readers adds one half to the excess
    safety_hits: int = 1  # so many texts with a safety word (poisoned, fire, injury) make it critical at once


def reach_factor(reach: float | None, *, scale: Scale | None = None) -> float:
    """How much a readership widens an excess: 1 for unknown or none, 1.5 at 9 units of `scale.reach_unit`, 2 at 99."""
    unit = (scale or Scale()).reach_unit
    return 1.0 if not reach or reach <= 0 else 1.0 + 0.5 * math.log10(1.0 + reach / unit)


def classify(
    *,
    ratio: float,
    n_excess: float,
    reach: float | None = None,
    n_safety: int = 0,
    scale: Scale | None = None,
) -> Severity:
    """The class of a count that is `ratio` times the expectation and `n_excess` above it."""
    scale = scale or Scale()
    if n_safety >= scale.safety_hits > 0:
        return Severity.CRITICAL
    weighed = n_excess * reach_factor(reach, scale=scale)
    if ratio >= scale.critical_ratio and weighed >= scale.critical_excess:
        return Severity.CRITICAL
    if ratio < scale.info_ratio and weighed < scale.info_excess:
        return Severity.INFO
    return Severity.WARNING


def classify_rating(*, drop: float, n: int, n_safety: int = 0, scale: Scale | None = None) -> Severity:
    """The class of a mean rating that is `drop` stars below its baseline over `n` reviews."""
    scale = scale or Scale()
    if n_safety >= scale.safety_hits > 0 or (drop >= scale.critical_drop and n >= scale.critical_excess):
        return Severity.CRITICAL
    return Severity.INFO if drop < scale.info_drop else Severity.WARNING


def weight(*, ratio: float, n_excess: float, reach: float | None = None) -> float:
    """One number to rank incidents by: log2(ratio) x excess x reach; 0 where nothing is above expectation."""
    if ratio <= 1.0 or n_excess <= 0:
        return 0.0
    return math.log2(ratio) * n_excess * reach_factor(reach)
