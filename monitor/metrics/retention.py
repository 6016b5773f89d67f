"""Who stays: survival of open cohorts, churn of closed ones, repeat and return rates."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, Metric, check_counts, z_value
from monitor.metrics.proportion import WILSON, wilson

KAPLAN_MEIER = "Kaplan-Meier survival, Greenwood variance, log-minus-log interval (Kalbfleisch and Prentice)"
CHURN = f"customers of the start lost by the end, over customers at the start; {WILSON}"
RETENTION_OF_BASE = f"(customers at the end - new)/customers at the start; {WILSON}"


@dataclass(frozen=True, slots=True)
class SurvivalPoint:
    """S just after `time`: the share still there, with its interval, and how many were watched until then."""

    time: float
    share: float
    interval: Interval
    n_at_risk: int
    n_lost: int


@dataclass(frozen=True, slots=True)
class Survival:
    """A survival curve as steps; before the first step everybody is there."""

    points: tuple[SurvivalPoint, ...]
    n: int
    method: str = KAPLAN_MEIER

    def at(self, time: float) -> SurvivalPoint | None:
        """The step in force at `time`; None before the first loss."""
        index = bisect_right([point.time for point in self.points], time)
        return self.points[index - 1] if index else None

    def median(self) -> float | None:
        """The time by which half are lost; None where half never were."""
        return next((point.time for point in self.points if point.share <= 0.5), None)

    def retention(self, time: float, *, n_needed: int = 10) -> Metric:
        """S(time) as a metric."""
        point = self.at(time)
        if point is None:
            interval = wilson(self.n, self.n) if self.n else None
            return Metric("retention", 1.0 if self.n else None, interval, self.n, self.method, "share", n_needed)
        return Metric("retention", point.share, point.interval, self.n, self.method, "share", n_needed)


def kaplan_meier(durations: Sequence[float], lost: Sequence[bool], *, confidence: float = CONFIDENCE) -> Survival:
    """The survival curve of customers watched for `durations`, of whom those marked `lost` left at that time.

    The others were still there when last seen (censored). Losses at a time come before censorings of that time.
    The interval is transformed by log(-log S), so that it stays inside 0 and 1.
    """
    if len(durations) != len(lost):
        raise BadNumbers(f"{len(durations)} durations but {len(lost)} marks")
    times = np.asarray(durations, dtype=float)
    marks = np.asarray(lost, dtype=bool)
    if len(times) and (not np.isfinite(times).all() or (times < 0).any()):
        raise BadNumbers("durations must be finite and not negative")
    z = z_value(confidence)
    share, greenwood = 1.0, 0.0
    points = []
    for time in np.unique(times[marks]):
        n_at_risk = int((times >= time).sum())
        n_lost = int((marks & (times == time)).sum())
        share *= 1 - n_lost / n_at_risk
        greenwood = greenwood + n_lost / (n_at_risk * (n_at_risk - n_lost)) if n_lost < n_at_risk else math.inf
        points.append(SurvivalPoint(float(time), share, _log_log(share, greenwood, z, n_at_risk), n_at_risk, n_lost))
    return Survival(tuple(points), len(times))


def _log_log(share: float, greenwood: float, z: float, n_at_risk: int) -> Interval:
    if share <= 0.0 or math.isinf(greenwood):
        # nobody left: the transformation has no value; what is known is that n of n at risk were lost
        return Interval(0.0, wilson(0, n_at_risk).high)
    if share >= 1.0:
        return Interval(wilson(n_at_risk, n_at_risk).low, 1.0)
    theta = z * math.sqrt(greenwood) / math.log(share)
    low, high = sorted((share ** math.exp(theta), share ** math.exp(-theta)))
    return Interval(low, high)


def churn(n_start: int, n_lost: int, *, n_needed: int = 10, confidence: float = CONFIDENCE) -> Metric:
    """Share of the customers of the start that were lost by the end of the period."""
    check_counts(n_start=n_start, n_lost=n_lost)
    if n_lost > n_start:
        raise BadNumbers(f"{n_lost} lost of {n_start}: customers won within the period are no part of its churn")
    if n_start == 0:
        return Metric("churn", None, None, 0, CHURN, "share", n_needed)
    return Metric("churn", n_lost / n_start, wilson(n_lost, n_start, confidence=confidence), n_start, CHURN, "share",
                  n_needed)  # fmt: skip


def retention_of_base(
    n_start: int, n_end: int, n_new: int, *, n_needed: int = 10, confidence: float = CONFIDENCE
) -> Metric:
    """(end - new)/start: what remains of the base, from three counts alone."""
    check_counts(n_start=n_start, n_end=n_end, n_new=n_new)
    stayed = n_end - n_new
    if not 0 <= stayed <= n_start:
        raise BadNumbers(f"{n_end} at the end with {n_new} new ones and {n_start} at the start cannot be")
    if n_start == 0:
        return Metric("retention_of_base", None, None, 0, RETENTION_OF_BASE, "share", n_needed)
    interval = wilson(stayed, n_start, confidence=confidence)
    return Metric("retention_of_base", stayed / n_start, interval, n_start, RETENTION_OF_BASE, "share", n_needed)


def watched(
    orders: Mapping[str, Sequence[datetime]], *, now: datetime, lost_after: timedelta
) -> tuple[list[float], list[bool]]:
    """Durations in days and marks for `kaplan_meier` from order times: a customer silent for `lost_after` is lost.

    A lost customer's life ends with the last order; one who may still come back is watched until then.
    """
    durations, lost = [], []
    for times in orders.values():
        if not times:
            continue
        first, last = min(times), max(times)
        gone = now - last > lost_after
        durations.append(((last if gone else now) - first) / timedelta(days=1))
        lost.append(gone)
    return durations, lost


def with_activity(
    orders: Mapping[str, Sequence[datetime]], activity: Mapping[str, Sequence[datetime]]
) -> dict[str, list[datetime]]:
    """Order times, and what customers did after their first order besides: who still comes is not lost yet."""
    return {
        customer: [*times, *(at for at in activity.get(customer, ()) if at >= min(times))]
        for customer, times in orders.items()
        if times
    }


@dataclass(frozen=True, slots=True)
class CohortCell:
    """Customers of a first-order month that ordered again in the n-th month after it."""

    cohort: date
    month: int
    share: Metric


def cohorts(orders: Mapping[str, Sequence[datetime]], *, now: datetime, n_needed: int = 10) -> list[CohortCell]:
    """Month by month retention: of those whose first order fell into a month, how many order in the months after.

    Only months that are over are told, so that a young cohort does not look lost.
    """

    def month_of(at: datetime) -> int:
        return at.year * 12 + at.month - 1

    active: dict[int, list[set[int]]] = {}
    for times in orders.values():
        months = {month_of(at) for at in times}
        if months:
            active.setdefault(min(months), []).append(months)
    cells = []
    for cohort, members in sorted(active.items()):
        for month in range(1, month_of(now) - cohort):
            n_back = sum(cohort + month in months for months in members)
            n = len(members)
            share = Metric("cohort_retention", n_back / n, wilson(n_back, n), n, WILSON, "share", n_needed)
            cells.append(CohortCell(date(cohort // 12, cohort % 12 + 1, 1), month, share))
    return cells


def repeat_rate(orders: Mapping[str, Sequence[datetime]], *, n_needed: int = 10) -> Metric:
    """Share of customers with at least two orders."""
    buyers = [times for times in orders.values() if times]
    x, n = sum(len(times) >= 2 for times in buyers), len(buyers)
    if n == 0:
        return Metric("repeat_rate", None, None, 0, WILSON, "share", n_needed)
    return Metric("repeat_rate", x / n, wilson(x, n), n, WILSON, "share", n_needed)
