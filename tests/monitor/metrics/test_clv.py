"""Lifetime value against the published CDNOW results, and recovery of known parameters."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.metrics.clv import (
    BgNbd,
    GammaGamma,
    History,
    bg_nbd_log_likelihood,
    expected_life,
    fit_bg_nbd,
    fit_gamma_gamma,
    histories,
    lifetime_values,
    mean_lifetime_value,
    simple_clv,
    simple_clv_metric,
)
from monitor.metrics.metric import BadNumbers, Interval, Metric

quiet = settings(max_examples=25, deadline=None, derandomize=True)
CDNOW = BgNbd(0.243, 4.414, 0.793, 2.426)  # Fader, Hardie and Lee 2005, table 2
CDNOW_SPEND = GammaGamma(6.25, 3.74, 15.44)  # Fader and Hardie 2013, "The Gamma-Gamma model of monetary value"


def simulated(n: int, seed: int, params: tuple[float, float, float, float] = (0.6, 5.0, 0.8, 2.5)) -> list[History]:
    """Customers that buy and leave as BG/NBD says, spending as Gamma-Gamma says (p 6, q 4, v 15)."""
    rng = np.random.default_rng(seed)
    r, alpha, a, b = params
    customers = []
    for _ in range(n):
        rate, leave, age = rng.gamma(r, 1 / alpha), rng.beta(a, b), rng.uniform(40, 60)
        now = last = 0.0
        x = 0
        while (now := now + rng.exponential(1 / max(rate, 1e-12))) <= age:
            x, last = x + 1, now
            if rng.random() < leave:
                break
        nu = rng.gamma(4.0, 1 / 15.0)
        customers.append(History(x, last, age, float(rng.gamma(6.0 * x, 1 / (nu * x))) if x else 0.0))
    return customers


def test_both_margin_formulas_on_a_course_example() -> None:
    """Margin 100, retention 80 %, discount 10 %: 100 * 1.1/0.3 and 100 * 0.8/0.3."""
    assert simple_clv(100, 0.8, discount=0.1) == pytest.approx(366.6667, abs=1e-4)
    assert simple_clv(100, 0.8, discount=0.1, variant="first_margin_later") == pytest.approx(266.6667, abs=1e-4)
    assert simple_clv(100, 0.8, discount=0.1) - simple_clv(
        100, 0.8, discount=0.1, variant="first_margin_later"
    ) == pytest.approx(100)
    assert simple_clv(100, 0.8, discount=0.1, cost=50) == pytest.approx(316.6667, abs=1e-4)
    assert expected_life(0.8) == pytest.approx(5)


def test_the_formula_is_the_sum_it_stands_for() -> None:
    total = sum(100 * 0.8**t / 1.1**t for t in range(2000))
    assert simple_clv(100, 0.8, discount=0.1) == pytest.approx(total)


@quiet
@given(st.floats(0, 1e4), st.floats(0, 0.98), st.floats(0.001, 1), st.floats(0, 500))
def test_the_margin_formula_rises_with_margin_and_retention_and_falls_with_discount(
    margin: float, retention: float, discount: float, cost: float
) -> None:
    now, later = (
        simple_clv(margin, retention, discount=discount, variant=variant, cost=cost)
        for variant in ("first_margin_now", "first_margin_later")
    )
    assert now - later == pytest.approx(margin, abs=1e-6)  # the margin that comes at once
    assert margin - cost <= now + 1e-6 <= margin * expected_life(retention) - cost + 2e-6
    assert simple_clv(margin + 1, retention, discount=discount, cost=cost) > now
    assert simple_clv(margin, retention + 0.01, discount=discount, cost=cost) >= now
    assert simple_clv(margin, retention, discount=discount + 0.1, cost=cost) <= now + 1e-9


models_drawn = st.builds(BgNbd, *(st.floats(0.2, 6.0) for _ in range(4)))
spends_drawn = st.builds(GammaGamma, st.floats(0.5, 8), st.floats(1.2, 8), st.floats(1, 50))
histories_drawn = st.integers(0, 12).flatmap(
    lambda x: st.builds(
        lambda at, silent, value: History(x, at if x else 0.0, (at if x else 0.0) + silent, value if x else 0.0),
        st.floats(0.5, 80),
        st.floats(0.0, 80),
        st.floats(1, 200),
    )
)


@quiet
@given(models_drawn, histories_drawn, st.floats(0.5, 100))
def test_who_is_silent_for_longer_is_less_sure_to_be_there_and_orders_less(
    model: BgNbd, history: History, ahead: float
) -> None:
    longer = History(history.frequency, history.recency, history.age + 5, history.mean_value)
    alive, orders = model.p_alive(history), model.expected_orders(history, ahead)
    assert 0 <= model.p_alive(longer) <= alive <= 1
    assert -1e-9 <= model.expected_orders(longer, ahead) <= orders + 1e-9
    assert orders <= model.expected_orders(history, ahead + 1) + 1e-9
    rate = (model.r + history.frequency) / (model.alpha + history.age)  # of one who never leaves
    assert orders <= rate * ahead * (1 + 1e-9) + 1e-9


@quiet
@given(spends_drawn, histories_drawn)
def test_what_a_customer_spends_lies_between_the_own_mean_and_that_of_all(spend: GammaGamma, history: History) -> None:
    expected = spend.expected_value(history)
    assume(history.frequency > 0)
    low, high = sorted((history.mean_value, spend.mean))
    assert low - 1e-6 <= expected <= high + 1e-6
    dearer = History(history.frequency, history.recency, history.age, history.mean_value + 1)
    assert spend.expected_value(dearer) > expected
    longer = History(history.frequency + 1, history.recency, history.age, history.mean_value)
    away = abs(expected - history.mean_value)
    assert abs(spend.expected_value(longer) - history.mean_value) <= away + 1e-6  # more orders say more


@quiet
@given(st.lists(histories_drawn, min_size=1, max_size=6), st.floats(0.1, 1), st.randoms(use_true_random=False))
def test_lifetime_values_know_no_order_of_customers_and_scale_with_the_margin(
    drawn: list[History], margin: float, rng: random.Random
) -> None:
    customers = {str(number): history for number, history in enumerate(drawn)}
    found = lifetime_values(customers, CDNOW, CDNOW_SPEND, periods=8, discount=0.01)
    turned = dict(rng.sample(sorted(customers.items()), len(customers)))
    again = lifetime_values(turned, CDNOW, CDNOW_SPEND, periods=8, discount=0.01, margin=margin)
    assert {name: value * margin for name, value in found.items()} == pytest.approx(again)
    assert min(found.values()) >= -1e-9


def test_the_metric_names_its_variant_and_is_silent_without_data() -> None:
    margin = Metric("margin", 100.0, Interval(90, 110), 400, "mean", "money")
    stay = Metric("retention", 0.8, Interval(0.75, 0.85), 300, "share", "share")
    metric = simple_clv_metric(margin, stay, discount=0.1)
    assert metric.value == pytest.approx(366.6667, abs=1e-4)
    assert metric.n == 300
    assert metric.interval is not None
    assert metric.interval.low == pytest.approx(90 * 1.1 / 0.35)
    assert "first margin at once" in metric.method
    unknown = Metric("retention", None, None, 3, "share", "share", 10)
    assert simple_clv_metric(margin, unknown, discount=0.1).value is None


@pytest.mark.parametrize(("retention", "discount"), [(1.2, 0.1), (-0.1, 0.1), (1.0, 0.0), (0.5, -0.1)])
def test_rates_that_never_end_are_errors(retention: float, discount: float) -> None:
    with pytest.raises(BadNumbers):
        simple_clv(100, retention, discount=discount)


def test_the_published_customer() -> None:
    """Fader, Hardie and Lee 2005, section 3: x = 2, t_x = 30.43, T = 38.86 expects 1.226 purchases in 39 weeks."""
    history = History(2, 30.43, 38.86)
    assert CDNOW.expected_orders(history, 39) == pytest.approx(1.226, abs=5e-4)
    assert 0.7 < CDNOW.p_alive(history) < 0.75
    assert CDNOW.p_alive(History(0, 0, 38.86)) == 1.0
    assert CDNOW.expected_orders(history, 0) == pytest.approx(0.0, abs=1e-12)


def test_the_published_spend() -> None:
    """The same note: E(M) over all is 35.2; a customer with two repeats of 22.35 on average is expected at 24.66."""
    assert CDNOW_SPEND.mean == pytest.approx(35.22, abs=0.01)
    assert CDNOW_SPEND.expected_value(History(2, 30.43, 38.86, 22.35)) == pytest.approx(24.66, abs=0.01)
    assert CDNOW_SPEND.expected_value(History(0, 0, 38.86)) == pytest.approx(CDNOW_SPEND.mean)


def test_the_likelihood_of_one_customer_by_the_formula_of_the_paper() -> None:
    """Equation 6 written out with gamma functions, against the logarithmic form."""
    from scipy.special import beta, gamma

    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    x, t_x, age = 2.0, 30.43, 38.86
    front = beta(a, b + x) / beta(a, b) * gamma(r + x) * alpha**r / gamma(r) / (alpha + age) ** (r + x)
    back = beta(a + 1, b + x - 1) / beta(a, b) * gamma(r + x) * alpha**r / gamma(r) / (alpha + t_x) ** (r + x)
    found = bg_nbd_log_likelihood((r, alpha, a, b), np.array([x]), np.array([t_x]), np.array([age]))
    assert found[0] == pytest.approx(float(np.log(front + back)))


def test_known_parameters_are_recovered() -> None:
    customers = simulated(4000, seed=1)
    model = fit_bg_nbd(customers)
    assert (model.r, model.alpha) == (pytest.approx(0.6, rel=0.2), pytest.approx(5.0, rel=0.25))
    assert model.a / (model.a + model.b) == pytest.approx(0.8 / 3.3, rel=0.2)
    spend = fit_gamma_gamma(customers)
    assert spend.mean == pytest.approx(15 * 6 / 3, rel=0.1)
    truth = bg_nbd_log_likelihood(
        (0.6, 5.0, 0.8, 2.5),
        *(np.array([getattr(c, name) for c in customers], dtype=float) for name in ("frequency", "recency", "age")),
    ).sum()
    assert model.log_likelihood >= truth - 1e-6


def test_time_units_do_not_matter() -> None:
    customers = simulated(800, seed=2)
    days = [History(c.frequency, c.recency * 7, c.age * 7, c.mean_value) for c in customers]
    weekly, daily = fit_bg_nbd(customers), fit_bg_nbd(days)
    assert daily.alpha == pytest.approx(weekly.alpha * 7, rel=1e-3)
    assert daily.expected_orders(days[0], 70) == pytest.approx(weekly.expected_orders(customers[0], 10), rel=1e-3)


def test_expected_orders_of_the_past_predict_the_future() -> None:
    """Fitted on the first half of each life, the sum of expected orders meets the orders of the second half."""
    rng = np.random.default_rng(9)
    early, later = [], 0
    for _ in range(4000):
        rate, leave = rng.gamma(0.6, 1 / 5.0), rng.beta(0.8, 2.5)
        now = last = 0.0
        x = 0
        while (now := now + rng.exponential(1 / max(rate, 1e-12))) <= 80:
            if now <= 40:
                x, last = x + 1, now
            else:
                later += 1
            if rng.random() < leave:
                break
        early.append(History(x, last, 40.0))
    model = fit_bg_nbd(early)
    assert sum(model.expected_orders(c, 40) for c in early) == pytest.approx(later, rel=0.08)


def test_values_fall_with_discount_and_rise_with_time() -> None:
    customers = {"a": History(6, 38.0, 40.0, 20.0), "b": History(1, 2.0, 40.0, 20.0), "c": History(0, 0.0, 40.0)}
    one = lifetime_values(customers, CDNOW, CDNOW_SPEND, periods=26)
    two = lifetime_values(customers, CDNOW, CDNOW_SPEND, periods=52)
    cheap = lifetime_values(customers, CDNOW, CDNOW_SPEND, periods=52, discount=0.01, margin=0.5)
    assert one["a"] > one["c"] > one["b"] > 0
    assert all(two[name] > one[name] for name in customers)
    assert all(cheap[name] < two[name] / 2 for name in customers)
    assert lifetime_values({}, CDNOW, CDNOW_SPEND, periods=1) == {}
    with pytest.raises(BadNumbers):
        lifetime_values(customers, CDNOW, CDNOW_SPEND, periods=0)


def test_the_mean_comes_with_an_interval() -> None:
    customers = {str(i): history for i, history in enumerate(simulated(500, seed=3))}
    metric = mean_lifetime_value(customers, periods=26, rng=np.random.default_rng(0), n_bootstrap=12)
    assert metric.value is not None
    assert metric.interval is not None
    assert metric.interval.low < metric.value < metric.interval.high
    assert "BG/NBD" in metric.method


def test_histories_count_days_not_receipts() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    day = timedelta(days=1)
    orders = {
        "a": [
            (now - 70 * day, 10.0),
            (now - 70 * day + timedelta(hours=2), 5.0),
            (now - 35 * day, 8.0),
            (now - 7 * day, 12.0),
        ],
        "b": [(now - 14 * day, 9.0)],
        "future": [(now + day, 9.0)],
    }
    found = histories(orders, now=now)
    assert found["a"] == History(2, 9.0, 10.0, 10.0)
    assert found["b"] == History(0, 0.0, 2.0, 0.0)
    assert "future" not in found


def test_too_few_or_impossible_customers_are_errors() -> None:
    with pytest.raises(BadNumbers, match="30 customers"):
        fit_bg_nbd([History(1, 2, 3)] * 5)
    with pytest.raises(BadNumbers, match="history 1"):
        fit_bg_nbd([History(1, 5, 3)] * 40)
    with pytest.raises(BadNumbers, match="repeat orders"):
        fit_gamma_gamma([History(0, 0, 3)] * 40)
