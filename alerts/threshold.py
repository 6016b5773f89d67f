"""From the promise (false alarms per week over so many series) to the score that an alarm needs."""

from __future__ import annotations

import math

from alerts.prior import DAY

__all__ = ["as_daily", "promised_rate", "slope", "threshold"]

# False notifications per series-week of the score, measured on simulated series without an outbreak and straight on log
# scales over four orders of magnitude: log10(rate) = shift - slope * score. By the hour there are 24 looks a day, and
# what is left of autocorrelation counts for more. docs/alerts.md has both measurements.
DAILY = (0.19, 1.07)
HOURLY = (1.2, 0.82)


def threshold(rate: float, *, step_seconds: int = DAY) -> float:
    """The score that clean series of this step reach `rate` times per series-week."""
    shift, slope = DAILY if step_seconds >= DAY else HOURLY
    return max(0.0, (shift - math.log10(rate)) / slope)


def promised_rate(score: float, *, step_seconds: int = DAY) -> float:
    """False notifications per series-week at a threshold of `score`: the inverse of `threshold`."""
    shift, slope = DAILY if step_seconds >= DAY else HOURLY
    return float(10.0 ** (shift - slope * score))


def slope(*, step_seconds: int = DAY) -> float:
    """How fast the log rate of false alarms falls with the score."""
    return (DAILY if step_seconds >= DAY else HOURLY)[1]


def as_daily(score: float) -> float:
    """A score of hourly rows as the score of daily rows that clean series reach as often."""
    return (DAILY[0] - HOURLY[0] + HOURLY[1] * score) / DAILY[1]
