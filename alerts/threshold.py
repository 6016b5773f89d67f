"""From the promise (false alarms per week over so many series) to the score that an alarm needs."""

from __future__ import annotations

import math

__all__ = ["promised_rate", "threshold"]

# False notifications per series-week of the score, measured on simulated series without an outbreak (daily rows):
# log10(rate) = SHIFT - SLOPE * score over four orders of magnitude. docs/alerts.md has the measurement.
SHIFT = 0.17
SLOPE = 1.07


def threshold(rate: float) -> float:
    """The score that clean series reach `rate` times per series-week."""
    return max(0.0, (SHIFT - math.log10(rate)) / SLOPE)


def promised_rate(score: float) -> float:
    """False notifications per series-week at a threshold of `score`: the inverse of `threshold`."""
    return float(10.0 ** (SHIFT - SLOPE * score))
