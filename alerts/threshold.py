"""From the promise (false alarms per week over so many series) to the score that an alarm needs."""

from __future__ import annotations

import math

__all__ = ["promised_rate", "threshold"]

# False notifications per series-week of the score, measured on simulated series without an outbreak and nearly
# straight on log scales: log10(rate) = -(score - INTERCEPT) / SLOPE. docs/alerts.md has the measurement.
INTERCEPT = 0.04
SLOPE = 1.15


def threshold(rate: float) -> float:
    """The score that clean series reach `rate` times per series-week."""
    return max(0.0, INTERCEPT - SLOPE * math.log10(rate))


def promised_rate(score: float) -> float:
    """False notifications per series-week at a threshold of `score`: the inverse of `threshold`."""
    return float(10.0 ** ((INTERCEPT - score) / SLOPE))
