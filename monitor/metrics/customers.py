"""Customers from their orders: recency, frequency, value; RFM, ABC by value, XYZ by regularity, life-cycle stage.

Arrays throughout: a million orders are summed in a few seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.metrics.metric import BadNumbers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ABC_LIMITS = (0.80, 0.95)  # of cumulated value: A up to the first, B up to the second, C the rest (Pareto; Dickie 1951)
XYZ_LIMITS = (0.5, 1.0)  # coefficient of variation of a customer's value per period
RFM_BINS = 5
SILENT, LOST = 0.85, 2.0  # silent: longer than so many of all customers; lost: so many times as long
MUCH = LARGE = 0.8  # who spent much, and whose baskets are large, is above so many of all
NEW = 30.0  # days since the first order


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders as columns: customer, time in days since any fixed day, amount, whether returned."""

    customer: npt.NDArray[Any]
    day: Floats
    amount: Floats
    returned: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        customers: Sequence[str],
        times: Sequence[datetime],
        amounts: Sequence[float],
        returned: Sequence[bool] | None = None,
    ) -> Orders:
        """From plain lists of the same length."""
        if not len(customers) == len(times) == len(amounts):
            raise BadNumbers(f"{len(customers)} customers, {len(times)} times, {len(amounts)} amounts")
        days = np.array([at.timestamp() for at in times], dtype=float) / 86_400
        marks = np.zeros(len(customers), dtype=bool) if returned is None else np.asarray(returned, dtype=bool)
        return cls(np.asarray(customers), days, np.asarray(amounts, dtype=float), marks)


@dataclass(frozen=True, slots=True)
class Customers:
    """One row per customer, sorted by id: days since the last order, number of orders, total and mean value, days since
    the first order, share of orders returned."""

    ids: npt.NDArray[Any]
    recency: Floats
    frequency: Floats
    total: Floats
    basket: Floats
    tenure: Floats
    returned: Floats

    def __len__(self) -> int:
        return len(self.ids)


def summarise(orders: Orders, *, now: datetime) -> Customers:
    """Sums per customer of the orders up to `now`."""
    today = now.timestamp() / 86_400
    seen = orders.day <= today
    ids, index = np.unique(orders.customer[seen], return_inverse=True)
    day, amount = orders.day[seen], orders.amount[seen]
    n = len(ids)
    frequency = np.bincount(index, minlength=n).astype(float)
    total = np.bincount(index, weights=amount, minlength=n).astype(float)
    last, first = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(last, index, day)
    np.minimum.at(first, index, day)
    returned = np.bincount(index, weights=orders.returned[seen].astype(float), minlength=n)
    return Customers(ids, today - last, frequency, total, total / frequency, today - first, returned / frequency)


def scores(values: Floats, *, high_is_good: bool, bins: int = RFM_BINS) -> Ints:
    """Scores 1..bins by rank, as even as ties allow: equal values get equal scores, bins the best."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    ordered = np.sort(values)
    # the middle rank of each value's ties, so that a large block of ties lands in the bin of its middle
    rank = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2 / len(values)
    score = np.minimum(bins, np.floor(rank * bins).astype(np.int64) + 1)
    return score if high_is_good else bins + 1 - score


@dataclass(frozen=True, slots=True)
class Rfm:
    """RFM scores (5 best), in the order of `Customers.ids`."""

    recency: Ints
    frequency: Ints
    monetary: Ints


def rfm(customers: Customers, *, bins: int = RFM_BINS) -> Rfm:
    """Scores by rank (Hughes 1994)."""
    return Rfm(
        scores(customers.recency, high_is_good=False, bins=bins),
        scores(customers.frequency, high_is_good=True, bins=bins),
        scores(customers.total, high_is_good=True, bins=bins),
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the groups of `grouped` part: days of silence, and the mean order from which a basket is large."""

    silent: float
    large: float

    @classmethod
    def of(cls, quiet: Floats, basket: Floats) -> Bounds:
        """From days of silence and mean orders of all customers."""
        return cls(float(np.quantile(quiet, SILENT)), float(np.quantile(basket, LARGE)))


def grouped(customers: Customers, quiet: Floats, bounds: Bounds) -> npt.NDArray[Any]:
    """Seven groups by rule: new, loyal, big_spenders, ordinary, asleep, lost, cannot_lose.

    Few bounds, and in the tails, where few customers stand: nine groups that part at fifths of three ranks were not
    stable (docs/metrics.md). Silence and baskets are held against fixed bounds, so that movement between months is
    movement; a total only grows, so who spent much is the upper fifth of its time.
    """
    silent = quiet > bounds.silent
    much = customers.total > np.quantile(customers.total, MUCH)
    return np.select(
        [
            customers.tenure < NEW,
            silent & much,
            quiet > LOST * bounds.silent,
            silent,
            much,
            customers.basket > bounds.large,
        ],
        ["new", "cannot_lose", "lost", "asleep", "loyal", "big_spenders"],
        "ordinary",
    )


def abc(values: Sequence[float] | Floats, *, limits: tuple[float, float] = ABC_LIMITS) -> npt.NDArray[Any]:
    """A, B or C by cumulated value, largest first; who carries the sum over a limit still belongs to the better class,
    and so do all of the same value: the order of the rows decides nothing.

    Values of zero or less are C.
    """
    amounts = np.asarray(values, dtype=float)
    if not 0 < limits[0] < limits[1] < 1:
        raise BadNumbers(f"limits must rise within 0 and 1, got {limits!r}")
    order = np.argsort(-amounts, kind="stable")
    positive = np.maximum(amounts[order], 0.0)
    total = float(positive.sum())
    classes = np.full(len(amounts), "C")
    if total > 0:
        first_alike = np.searchsorted(-positive, -positive)
        before = (np.cumsum(positive) - positive)[first_alike] / total
        letters = np.where(before < limits[0] - 1e-12, "A", np.where(before < limits[1] - 1e-12, "B", "C"))
        classes[order] = np.where(positive > 0, letters, "C")
    return classes


def xyz(
    orders: Orders, customers: Customers, *, now: datetime, period: timedelta, n_periods: int,
    limits: tuple[float, float] = XYZ_LIMITS,
) -> npt.NDArray[Any]:  # fmt: skip
    """X, Y or Z by the coefficient of variation of a customer's value over the last whole periods.

    X is steady. A customer younger than three periods is "-": too little to say; periods before the first order do not
    count as zeros.
    """
    if n_periods < 3 or period <= timedelta(0):
        raise BadNumbers(f"at least three periods of some length are needed, got {n_periods!r}")
    length = period / timedelta(days=1)
    today = now.timestamp() / 86_400
    age = np.floor((today - orders.day) / length).astype(np.int64)
    inside = (age >= 0) & (age < n_periods)
    index = np.searchsorted(customers.ids, orders.customer[inside])
    sums = np.zeros((len(customers), n_periods))
    np.add.at(sums, (index, age[inside]), orders.amount[inside])
    lived = np.minimum(n_periods, np.floor(customers.tenure / length).astype(np.int64) + 1)
    alive = np.arange(n_periods)[None, :] < lived[:, None]
    n = alive.sum(axis=1)
    mean = (sums * alive).sum(axis=1) / n
    variance = (((sums - mean[:, None]) ** 2) * alive).sum(axis=1) / np.maximum(1, n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        variation = np.where(mean > 0, np.sqrt(variance) / mean, math.inf)
    letters = np.where(variation <= limits[0], "X", np.where(variation <= limits[1], "Y", "Z"))
    return np.where(n < 3, "-", letters)


def life_stage(orders: Orders, customers: Customers, *, now: datetime, period: timedelta) -> npt.NDArray[Any]:
    """new (first order within the last period), growing, steady, declining, sleeping, lost.

    Growing and declining compare the orders of the last two periods with those of the two before: more than half as
    many again, or fewer than two thirds. Sleeping is silent for longer than twice, lost longer than four times, the
    customer's own usual gap between orders (at least one period).
    """
    length = period / timedelta(days=1)
    today = now.timestamp() / 86_400
    age = today - orders.day
    index = np.searchsorted(
        customers.ids, np.where(age >= 0, orders.customer, customers.ids[0] if len(customers) else "")
    )

    def counted(mask: npt.NDArray[np.bool_]) -> Floats:
        return np.bincount(index[mask], minlength=len(customers)).astype(float)

    late, early = counted((age >= 0) & (age < 2 * length)), counted((age >= 2 * length) & (age < 4 * length))
    gap = np.maximum(
        length,
        np.where(
            customers.frequency > 1,
            (customers.tenure - customers.recency) / np.maximum(1, customers.frequency - 1),
            length,
        ),
    )
    return np.select(
        [
            customers.tenure < length,
            customers.recency > 4 * gap,
            customers.recency > 2 * gap,
            late > 1.5 * early,
            late < early / 1.5,
        ],
        ["new", "lost", "sleeping", "growing", "declining"],
        "steady",
    )


def movement(before: Mapping[str, str], now: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """How many customers went from which group to which; "" is not being there."""
    moves: dict[tuple[str, str], int] = {}
    for customer in {*before, *now}:
        step = (before.get(customer, ""), now.get(customer, ""))
        moves[step] = moves.get(step, 0) + 1
    return moves
