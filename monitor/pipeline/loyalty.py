"""Who stays: the survival curve of all customers, retention by month of the first order, what a customer is worth."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

import numpy as np
from sqlmodel import Session

from monitor.metrics.clv import simple_clv_metric
from monitor.metrics.metric import Interval, Metric, z_value
from monitor.metrics.retention import CohortCell, Survival, churn, cohorts, kaplan_meier, watched, with_activity
from monitor.pipeline.indices import LOST_AFTER, RETENTION_DAYS
from monitor.store.queries import customers
from monitor.store.queries.customers import OrderRow

MONTH_DAYS = 30.0
STEP_DAYS, N_POINTS = 7, 60  # of a drawn curve
DISCOUNT = 0.01  # a month: declared, not estimated
LEAST_COHORT = 10


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The share still there after `day` days, and how many were watched for as long."""

    day: int
    share: float
    interval: Interval
    n_at_risk: int


@dataclass(frozen=True, slots=True)
class CohortRow:
    """Customers by the month of their first order: how many still order `month` months later, and who is silent now."""

    month: date
    n: int
    cells: tuple[Metric, ...]  # of the months after the first
    retention: Metric  # Kaplan-Meier after 90 days
    churn: Metric


@dataclass(frozen=True, slots=True)
class LoyaltyView:
    """`curve` is the survival of all customers; `lost_after` days of silence count as lost."""

    n: int
    lost_after: int
    curve: tuple[CurvePoint, ...]
    retention: Metric
    cohorts: tuple[CohortRow, ...]
    n_months: int
    value: Metric  # margin formula, named in its method


def loyalty_view(session: Session, brand_id: int, *, now: datetime, zone: tzinfo) -> LoyaltyView:
    """Everything about staying, from the orders before `now`."""
    rows = customers.orders(session, brand_id, end=now)
    times: dict[str, list[datetime]] = defaultdict(list)
    for row in rows:
        times[row.customer].append(row.at.astimezone(zone))
    alive = with_activity(times, customers.activity(session, brand_id, end=now))
    durations, lost = watched(alive, now=now, lost_after=LOST_AFTER)
    survival = kaplan_meier(durations, lost)
    cells: dict[date, list[CohortCell]] = defaultdict(list)
    for cell in cohorts(times, now=now.astimezone(zone), n_needed=LEAST_COHORT):
        cells[cell.cohort].append(cell)
    members: dict[date, dict[str, list[datetime]]] = defaultdict(dict)
    for customer, orders in times.items():
        first = min(orders)
        members[date(first.year, first.month, 1)][customer] = alive[customer]
    found = tuple(
        CohortRow(
            month, len(inside), tuple(cell.share for cell in cells.get(month, ())),
            kaplan_meier(*watched(inside, now=now, lost_after=LOST_AFTER)).retention(
                RETENTION_DAYS, n_needed=LEAST_COHORT
            ),
            churn(len(inside), sum(now - max(orders) > LOST_AFTER for orders in inside.values())),
        )
        for month, inside in sorted(members.items())
    )  # fmt: skip
    return LoyaltyView(
        len(times), LOST_AFTER.days, _grid(survival, durations), survival.retention(RETENTION_DAYS), found,
        max((len(row.cells) for row in found), default=0), _value(rows, survival, now=now),
    )  # fmt: skip


def _value(rows: Sequence[OrderRow], survival: Survival, *, now: datetime) -> Metric:
    """Lifetime value by the margin formula: revenue a month as margin, the monthly rate behind the 90-day retention."""
    months = max(1.0, (now - rows[0].at).total_seconds() / 86_400 / MONTH_DAYS) if rows else 1.0
    spent: dict[str, float] = defaultdict(float)
    for row in rows:
        spent[row.customer] += 0.0 if row.returned else row.amount / months
    values = np.array(list(spent.values()))
    n = len(values)
    if n < 30:
        return Metric("clv", None, None, n, "", "money", n_needed=30)
    half = z_value(0.95) * float(values.std(ddof=1)) / n**0.5
    mean = float(values.mean())
    margin = Metric("margin", mean, Interval(max(0.0, mean - half), mean + half), n, "mean revenue a month", "money")
    at = survival.at(RETENTION_DAYS)
    power = MONTH_DAYS / RETENTION_DAYS
    share, interval = (at.share, at.interval) if at else (1.0, Interval(1.0, 1.0))
    retention = Metric("retention", share**power, Interval(interval.low**power, interval.high**power), n, "", "share")
    found = simple_clv_metric(margin, retention, discount=DISCOUNT)
    return found.noted("margin is mean revenue a month, retention the monthly rate behind the 90-day curve")


def _grid(survival: Survival, durations: Sequence[float]) -> tuple[CurvePoint, ...]:
    """The curve at regular days, so that it can be drawn; no further than anybody was watched."""
    if not durations:
        return ()
    step = max(STEP_DAYS, math.ceil(max(durations) / N_POINTS))
    found = []
    for day in range(0, int(max(durations)) + 1, step):
        metric = survival.retention(day, n_needed=1)
        if metric.value is not None and metric.interval is not None:
            n_at_risk = sum(duration >= day for duration in durations)
            found.append(CurvePoint(day, metric.value, metric.interval, n_at_risk))
    return tuple(found)


__all__ = ["CohortRow", "CurvePoint", "LoyaltyView", "loyalty_view"]
