"""What people said of earlier alerts raises or lowers the bar for similar ones.

The detector's score is the decimal log of a Bayes factor, so a change of the prior odds that an alert is real shifts
the threshold by the log of that change: posterior odds = Bayes factor x prior odds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.incident import Verdict
from alerts.series import SeriesKey

HALF_LIFE = timedelta(days=90)
BELIEF = (3.0, 2.0)  # before anybody has answered: as if three had been confirmed and two rejected
LOWEST, HIGHEST = -0.5, 1.5  # a row of rejections asks for 30 times the evidence, never for more
SAME, RELATED, BESIDE = 1.0, 0.5, 0.2  # weight of an answer on this series, a wider or narrower, an overlapping one


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a person about an incident of a series."""

    series: SeriesKey
    signal: str
    verdict: Verdict
    at: datetime


def shift(series: SeriesKey, signal: str, answers: Iterable[Answer], *, now: datetime) -> float:
    """What to add to the threshold of `series`: 0 without answers, more after rejections, less after confirmations."""
    confirmed, rejected = BELIEF
    for answer in answers:
        weight = _similar(series, answer.series) * _fresh(answer.at, now) if answer.signal == signal else 0.0
        if answer.verdict is Verdict.CONFIRMED:
            confirmed += weight
        else:
            rejected += weight
    change = math.log10((BELIEF[0] / BELIEF[1]) / (confirmed / rejected))
    return min(max(change, LOWEST), HIGHEST)


def _similar(one: SeriesKey, two: SeriesKey) -> float:
    if one == two:
        return SAME
    if one.covers(two) or two.covers(one):
        return RELATED
    return BESIDE if one.overlaps(two) else 0.0


def _fresh(at: datetime, now: datetime) -> float:
    return float(0.5 ** (max(now - at, timedelta(0)) / HALF_LIFE))
