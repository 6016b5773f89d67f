"""What a customer is worth: margin formulas that name their variant, and BG/NBD with Gamma-Gamma from order history.

The once usual Python library for the second (lifetimes, then btyd) is archived, and its heir stands on a whole Bayesian
stack; both models are a page of mathematics, so they are here, with the published results as tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from monitor.metrics.metric import BadNumbers, Interval, Metric
from monitor.metrics.tails import t_quantile

Floats = npt.NDArray[np.float64]
Variant = Literal["first_margin_now", "first_margin_later"]

NOW = "margin m per period, retention r, discount i, first margin at once: m(1 + i)/(1 + i - r)"
LATER = "margin m per period, retention r, discount i, first margin after one period: m r/(1 + i - r)"
BG_NBD = "BG/NBD (Fader, Hardie and Lee 2005, Marketing Science 24), maximum likelihood"
GAMMA_GAMMA = "Gamma-Gamma spend (Fader and Hardie 2013), maximum likelihood"


def simple_clv(
    margin: float, retention: float, *, discount: float, variant: Variant = "first_margin_now", cost: float = 0.0
) -> float:
    """Lifetime value of a customer with constant margin, minus the acquisition `cost`; rates per same period."""
    _check_rates(retention, discount)
    if variant == "first_margin_now":
        return margin * (1 + discount) / (1 + discount - retention) - cost
    return margin * retention / (1 + discount - retention) - cost


def simple_clv_metric(
    margin: Metric, retention: Metric, *, discount: float, variant: Variant = "first_margin_now", cost: float = 0.0
) -> Metric:
    """The same from measured margin and retention, interval at the joint ends (never too narrow)."""
    method = NOW if variant == "first_margin_now" else LATER
    n = min(margin.n, retention.n)
    if margin.value is None or retention.value is None or margin.interval is None or retention.interval is None:
        return Metric("clv", None, None, n, method, "money", n_needed=n + 1)

    def worth(m: float, r: float) -> float:
        return simple_clv(m, min(r, 1.0 - 1e-9), discount=discount, variant=variant, cost=cost)

    corners = [
        worth(m, r)
        for m in (margin.interval.low, margin.interval.high)
        for r in (retention.interval.low, retention.interval.high)
    ]
    value = worth(margin.value, retention.value)
    return Metric("clv", value, Interval(min(corners), max(corners)), n, method, "money")


def expected_life(retention: float) -> float:
    """Expected number of periods a customer stays: 1/(1 - r)."""
    if not 0 <= retention < 1:
        raise BadNumbers(f"retention must lie in 0 to below 1, got {retention!r}")
    return 1 / (1 - retention)


@dataclass(frozen=True, slots=True)
class History:
    """One customer's orders: repeats, age at the last one, age now (same unit), mean value of a repeat order."""

    frequency: int
    recency: float
    age: float
    mean_value: float = 0.0


def histories(
    orders: Mapping[str, Sequence[tuple[datetime, float]]], *, now: datetime, unit: timedelta = timedelta(weeks=1)
) -> dict[str, History]:
    """Customer -> history. Orders of one day are one purchase, as the models count; the first is no repeat order."""
    summaries = {}
    for customer, listed in orders.items():
        by_day: dict[object, float] = {}
        times = sorted(listed)
        for at, amount in times:
            if at <= now:
                by_day[at.date()] = by_day.get(at.date(), 0.0) + amount
        if not by_day:
            continue
        first = times[0][0]
        last = max(at for at, _ in times if at <= now)
        amounts = list(by_day.values())
        repeats = amounts[1:]
        summaries[customer] = History(
            len(repeats),
            (last - first) / unit if repeats else 0.0,
            (now - first) / unit,
            sum(repeats) / len(repeats) if repeats else 0.0,
        )
    return summaries


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Fitted BG/NBD: purchase rate gamma(r, alpha), chance to leave after each purchase beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = math.nan
    n: int = 0
    method: str = BG_NBD

    def p_alive(self, history: History) -> float:
        """Probability that the customer is still there; 1 before the first repeat order, as the model has it."""
        return float(self.p_alive_of(*_columns([history])[:3])[0])

    def expected_orders(self, history: History, ahead: float) -> float:
        """Expected orders within `ahead` from now (equation 10 of the paper)."""
        return float(self.expected_orders_of(*_columns([history])[:3], ahead)[0])

    def p_alive_of(self, x: Floats, t_x: Floats, age: Floats) -> Floats:
        """The same for arrays of frequency, recency and age."""
        log_ratio = (self.r + x) * np.log((self.alpha + age) / (self.alpha + t_x))
        odds = np.where(x > 0, self.a / (self.b + np.maximum(x, 1) - 1) * np.exp(np.minimum(log_ratio, 700.0)), 0.0)
        alive: Floats = 1 / (1 + odds)
        return alive

    def expected_orders_of(self, x: Floats, t_x: Floats, age: Floats, ahead: float) -> Floats:
        """The same for arrays of frequency, recency and age."""
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # the formula's removable singularity
        z = ahead / (self.alpha + age + ahead)
        hyper = special.hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, z)
        base = ((self.alpha + age) / (self.alpha + age + ahead)) ** (self.r + x)
        orders: Floats = (a + self.b + x - 1) / (a - 1) * (1 - base * hyper) * self.p_alive_of(x, t_x, age)
        return orders


def bg_nbd_log_likelihood(params: Sequence[float] | Floats, x: Floats, t_x: Floats, age: Floats) -> Floats:
    """Log-likelihood of each customer under (r, alpha, a, b), in the stable form with the larger term taken out."""
    r, alpha, a, b = params
    constant = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
    beta = special.betaln(a, b + x) - special.betaln(a, b)
    stayed = beta - (r + x) * np.log(alpha + age)
    with np.errstate(divide="ignore"):
        left = np.where(
            x > 0,
            special.betaln(a + 1, b + np.maximum(x, 1) - 1) - special.betaln(a, b) - (r + x) * np.log(alpha + t_x),
            -np.inf,
        )
    result: Floats = constant + np.logaddexp(stayed, left)
    return result


def fit_bg_nbd(customers: Sequence[History], *, near: BgNbd | None = None) -> BgNbd:
    """Maximum likelihood over the customers; equal histories are counted once. Raises BadNumbers on fewer than 30.

    The search begins at the fit `near`, if there is one, and else at two places.
    """
    from scipy import optimize  # here, since every command would wait for it and few need it

    _check_histories(customers)
    rows = np.array([(c.frequency, c.recency, c.age) for c in customers], dtype=float)
    kinds, weights = np.unique(rows, axis=0, return_counts=True)
    x, t_x, age = kinds.T
    scale = float(age.max()) or 1.0  # ages of any unit: the optimiser sees numbers near one

    def loss(logs: Floats) -> float:
        value = -float(np.sum(weights * bg_nbd_log_likelihood(np.exp(logs), x, t_x / scale, age / scale)))
        return value / len(customers) if math.isfinite(value) else 1e10

    best = None
    starts: Sequence[Sequence[float]] = ((0.0, -1.0, 0.0, 0.0), (-1.0, -2.0, -0.3, 1.0))
    if near is not None:
        starts = (np.log((near.r, near.alpha / scale, near.a, near.b)).tolist(),)
    for start in starts:
        found = optimize.minimize(loss, np.array(start), method="L-BFGS-B", bounds=[(-9.0, 9.0)] * 4)
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    r, alpha, a, b = (float(value) for value in np.exp(best.x))
    alpha *= scale
    total = float(np.sum(weights * bg_nbd_log_likelihood((r, alpha, a, b), x, t_x, age)))
    return BgNbd(r, alpha, a, b, total, len(customers))


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """Fitted Gamma-Gamma: value per order gamma(p, nu), nu gamma(q, v) over customers."""

    p: float
    q: float
    v: float
    log_likelihood: float = math.nan
    n: int = 0
    method: str = GAMMA_GAMMA

    def expected_value(self, history: History) -> float:
        """Expected mean order value of a customer: between the own mean and that of all."""
        x = history.frequency
        if x == 0:
            return self.mean
        return self.p * (self.v + x * history.mean_value) / (self.p * x + self.q - 1)

    @property
    def mean(self) -> float:
        """The mean over all customers; infinite where q is 1 or less."""
        return self.v * self.p / (self.q - 1) if self.q > 1 else math.inf


def fit_gamma_gamma(customers: Sequence[History], *, near: GammaGamma | None = None) -> GammaGamma:
    """Maximum likelihood over customers with repeat orders of positive value. Raises BadNumbers on fewer than 30."""
    repeat = [c for c in customers if c.frequency > 0 and c.mean_value > 0]
    if len(repeat) < 30:
        raise BadNumbers(f"a spend model needs 30 customers with repeat orders of positive value, got {len(repeat)}")
    from scipy import optimize

    x = np.array([c.frequency for c in repeat], dtype=float)
    m = np.array([c.mean_value for c in repeat], dtype=float)
    scale = float(m.mean())

    def log_likelihood(p: float, q: float, v: float, means: Floats) -> float:
        px = p * x
        parts = (
            special.gammaln(px + q) - special.gammaln(px) - special.gammaln(q)
            + q * np.log(v) + (px - 1) * np.log(means) + px * np.log(x) - (px + q) * np.log(x * means + v)
        )  # fmt: skip
        return float(np.sum(parts))

    def loss(logs: Floats) -> float:
        p, q, v = np.exp(logs)
        value = -log_likelihood(p, 1.0 + q, v, m / scale)
        return value / len(repeat) if math.isfinite(value) else 1e10

    start = np.array([1.0, 0.5, 0.5]) if near is None else np.log((near.p, max(near.q - 1, 1e-6), near.v / scale))
    found = optimize.minimize(loss, start, method="L-BFGS-B", bounds=[(-6.0, 9.0)] * 3)
    p, extra, v = (float(value) for value in np.exp(found.x))
    q, v = 1.0 + extra, v * scale
    return GammaGamma(p, q, v, log_likelihood(p, q, v, m), len(repeat))


def lifetime_values(
    customers: Mapping[str, History],
    orders: BgNbd,
    spend: GammaGamma,
    *,
    periods: int,
    margin: float = 1.0,
    discount: float = 0.0,
) -> dict[str, float]:
    """Customer -> expected discounted margin over the next `periods` units of the histories.

    `margin` is the part of the order value that is earned, `discount` the rate per unit.
    """
    if periods < 1 or discount < 0:
        raise BadNumbers(f"periods must be 1 or more and discount not negative, got {periods!r}, {discount!r}")
    if not customers:
        return {}
    x, t_x, age, value = _columns(list(customers.values()))
    worth = np.zeros(len(x))
    before = np.zeros(len(x))
    for t in range(1, periods + 1) if discount else (periods,):  # without discount the periods add up to their end
        until = orders.expected_orders_of(x, t_x, age, float(t))
        worth += (until - before) / (1 + discount) ** t
        before = until
    each = np.where(x > 0, spend.p * (spend.v + x * value) / (spend.p * x + spend.q - 1), spend.mean)
    return dict(zip(customers, (worth * each * margin).tolist(), strict=True))


def mean_lifetime_value(
    customers: Mapping[str, History],
    *,
    periods: int,
    rng: np.random.Generator,
    margin: float = 1.0,
    discount: float = 0.0,
    n_bootstrap: int = 60,
    n_at_most: int = 3000,
) -> Metric:
    """Mean expected value of a customer over the next `periods`, both models fitted anew in each bootstrap draw.

    Draws are from at most `n_at_most` customers, so on more the interval is wider than need be, never narrower.
    """
    method = f"{BG_NBD}; {GAMMA_GAMMA}; over {periods} periods, discount {discount:g} per period"
    names = list(customers)
    listed = [customers[name] for name in names]
    whole, spent = fit_bg_nbd(listed), fit_gamma_gamma(listed)
    values = lifetime_values(customers, whole, spent, periods=periods, margin=margin, discount=discount)
    value = sum(values.values()) / len(values)
    size = min(len(listed), n_at_most)
    means = []
    for _ in range(n_bootstrap):
        drawn = [listed[i] for i in rng.integers(0, len(listed), size)]
        try:
            orders, spend = fit_bg_nbd(drawn, near=whole), fit_gamma_gamma(drawn, near=spent)
        except BadNumbers:  # a draw without enough repeat buyers
            continue
        numbered = {str(i): history for i, history in enumerate(drawn)}
        redone = lifetime_values(numbered, orders, spend, periods=periods, margin=margin, discount=discount)
        means.append(sum(redone.values()) / size)
    if len(means) < n_bootstrap / 2 or not all(math.isfinite(mean) for mean in [*means, value]):
        return Metric("clv", None, None, len(listed), method, "money", n_needed=len(listed) + 1)
    # on the logarithm, by the spread of the draws: the outermost quantiles of so few draws lie too far inside
    away = math.exp(t_quantile(0.975, len(means) - 1) * float(np.log(means).std(ddof=1))) if min(means) > 0 else 1.0
    return Metric("clv", value, Interval(value / away, value * away), len(listed), method, "money")


def _columns(customers: Sequence[History]) -> tuple[Floats, Floats, Floats, Floats]:
    rows = np.array([(c.frequency, c.recency, c.age, c.mean_value) for c in customers], dtype=float)
    return rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]


def _check_rates(retention: float, discount: float) -> None:
    if not 0 <= retention <= 1 or discount < 0 or 1 + discount - retention <= 0:
        raise BadNumbers(
            f"retention must lie in 0 to 1, discount must not be negative, and one of them must end the sum; "
            f"got {retention!r} and {discount!r}"
        )


def _check_histories(customers: Sequence[History]) -> None:
    if len(customers) < 30:
        raise BadNumbers(f"a purchase model needs 30 customers, got {len(customers)}")
    for position, c in enumerate(customers, start=1):
        if c.frequency < 0 or not 0 <= c.recency <= c.age or (c.frequency == 0) != (c.recency == 0):
            raise BadNumbers(f"history {position} ({c.frequency} repeats, last at {c.recency}, age {c.age}) cannot be")
