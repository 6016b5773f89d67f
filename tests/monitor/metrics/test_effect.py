"""The effect of a change: errors against statsmodels, known truths, and everything that must make it silent."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.metrics import tails
from monitor.metrics.effect import (
    Memory,
    Period,
    difference_in_differences,
    effect,
    estimate,
    interrupted_series,
    newey_west,
)
from monitor.metrics.metric import BadNumbers

SERIES = np.array(
    [0.31, 0.29, 0.33, 0.35, 0.30, 0.28, 0.34, 0.36, 0.33, 0.31, 0.22, 0.20, 0.24, 0.26, 0.21, 0.19, 0.23, 0.25]
)
STEP = np.column_stack([np.ones(18), (np.arange(18) >= 10).astype(float)])


def cafes(
    rng: np.random.Generator,
    *,
    fall: float = 0.0,
    drift: float = 0.0,
    n_before: int = 26,
    n_after: int = 12,
    mentions: int = 160,
    rho: float = 0.5,
) -> tuple[list[Period], list[Period]]:
    """Four treated and sixteen other cafés: a common season and weekly moods, complaints binomial."""
    n = n_before + n_after

    def moods(sd: float) -> np.ndarray:
        steps = rng.normal(0, sd, n)
        series = np.zeros(n)
        series[0] = steps[0] / np.sqrt(1 - rho**2)
        for i in range(1, n):
            series[i] = rho * series[i - 1] + steps[i]
        return series

    common = 0.3 + 0.04 * np.sin(np.arange(n) / 4) + moods(0.03)
    groups = []
    for treated, volume, sd in ((True, mentions, 0.018), (False, mentions * 4, 0.009)):
        share = common + moods(sd)
        if treated:
            share = share - fall * (np.arange(n) >= n_before) + drift * np.arange(n)
        seen = np.maximum(1, rng.poisson(volume, n))
        groups.append(
            [Period(float(rng.binomial(m, p)), float(m)) for m, p in zip(seen, np.clip(share, 0.01, 0.99), strict=True)]
        )
    return groups[0], groups[1]


@pytest.mark.parametrize(
    ("lags", "errors"),
    [(1, (0.00887412, 0.01248319)), (2, (0.00687386, 0.00918048)), (3, (0.00514174, 0.00656116))],
)
def test_newey_west_is_that_of_statsmodels(lags: int, errors: tuple[float, float]) -> None:
    """OLS(y, X).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}), statsmodels 0.15.0."""
    line = newey_west(STEP, SERIES, lags=lags)
    assert line.coefficients == pytest.approx([0.32, -0.095])
    assert np.sqrt(np.diag(line.covariance)) == pytest.approx(errors, abs=5e-9)


def test_weighted_newey_west_is_that_of_statsmodels() -> None:
    """WLS with the same covariance, statsmodels 0.15.0."""
    weights = np.array([40, 42, 38, 50, 55, 30, 33, 47, 41, 44, 60, 62, 58, 39, 41, 43, 45, 50.0])
    line = newey_west(STEP, SERIES, lags=2, weights=weights)
    assert line.coefficients == pytest.approx([0.32102381, -0.09667708], abs=5e-9)
    assert np.sqrt(np.diag(line.covariance)) == pytest.approx([0.00691699, 0.0089403], abs=5e-9)


def test_interrupted_series_design_is_that_of_statsmodels() -> None:
    """Level and slope around the middle of the time after: coefficients of the same OLS, statsmodels 0.15.0."""
    time = np.arange(18.0)
    middle = time[10:].mean()
    design = np.column_stack([np.ones(18), time - middle, STEP[:, 1], (time - middle) * STEP[:, 1]])
    line = newey_west(design, SERIES, lags=2)
    assert line.coefficients == pytest.approx([0.34072727, 0.00230303, -0.11572727, -0.00039827], abs=5e-9)
    assert np.sqrt(np.diag(line.covariance)) == pytest.approx(
        [0.01953178, 0.00185883, 0.02018438, 0.00320988], abs=5e-9
    )


def test_an_estimate_is_never_surer_than_newey_west() -> None:
    found = estimate(STEP, SERIES, 1)
    line = newey_west(STEP, SERIES)
    assert found.interval.width >= line.interval(1).width - 1e-12
    assert found.value == pytest.approx(-0.095, abs=0.01)
    assert found.p < 0.02


@pytest.mark.parametrize("weights", [None, np.linspace(1.0, 3.0, 18)])
def test_errors_of_a_known_memory_are_generalised_least_squares(weights: np.ndarray | None) -> None:
    """One strength and one part of noise: coefficient and p by the covariance matrix (Aitken 1935)."""
    found = estimate(STEP, SERIES, 1, weights=weights, memory=Memory((0.6,), (0.2,), 0.0))
    apart = np.abs(np.subtract.outer(np.arange(18), np.arange(18)))
    root = np.ones(18) if weights is None else np.sqrt(weights / weights.mean())
    inverse = np.linalg.inv((0.8 * 0.6**apart + 0.2 * np.eye(18)) / np.outer(root, root))
    bread = np.linalg.inv(STEP.T @ inverse @ STEP)
    coefficients = bread @ STEP.T @ inverse @ SERIES
    left = SERIES - STEP @ coefficients
    error = np.sqrt(bread[1, 1] * (left @ inverse @ left) / 16)
    assert found.value == pytest.approx(coefficients[1])
    low, high = (coefficients[1] + sign * tails.t_quantile(0.975, 16) * error for sign in (-1, 1))
    assert found.interval.low <= low + 1e-9 and high - 1e-9 <= found.interval.high
    assert found.p < 0.05 and 0 not in found.interval


def test_nobody_knows_beforehand_how_much_is_remembered() -> None:
    """A lean to strong memory widens the interval."""
    strengths = tuple(np.linspace(-0.4, 0.95, 28).tolist())
    plain, leaning = (estimate(STEP, SERIES, 1, memory=Memory(strengths, (0.0,), lean)) for lean in (0.0, 3.0))
    assert leaning.interval.width > plain.interval.width


def test_the_effect_is_mirrored_and_blind_to_what_all_share() -> None:
    treated, control = cafes(np.random.default_rng(3), fall=0.1)
    found = difference_in_differences(treated, control, change_at=26)
    mirrored = difference_in_differences(control, treated, change_at=26)
    raised = difference_in_differences(
        *([Period(p.x + 0.1 * p.n, p.n) for p in side] for side in (treated, control)), change_at=26
    )
    assert found.change is not None and mirrored.change == pytest.approx(-found.change)
    assert raised.change == pytest.approx(found.change) and raised.interval is not None and found.interval is not None
    assert raised.interval.low == pytest.approx(found.interval.low)


def test_white_noise_gives_about_the_ordinary_interval() -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=200)
    design = np.column_stack([np.ones(200), (np.arange(200) >= 100).astype(float)])
    ordinary = 2 * 1.97 * np.sqrt(series.var(ddof=2) * 4 / 200)
    assert estimate(design, series, 1).interval.width == pytest.approx(ordinary, rel=0.25)


def test_a_third_less_waiting_is_found() -> None:
    treated, control = cafes(np.random.default_rng(1), fall=0.1)
    found = difference_in_differences(treated, control, change_at=26)
    assert found.verdict == "fell"
    assert found.interval is not None
    assert -0.1 in found.interval
    assert (found.n_before, found.n_after, found.controlled) == (26, 12, True)


def test_the_truth_is_covered_and_nothing_is_rarely_found() -> None:
    """A hundred chains each way; the table of 500 is in docs/metrics.md."""
    hits = n_false = told = 0
    for seed in range(100):
        treated, control = cafes(np.random.default_rng(seed), fall=0.1)
        found = difference_in_differences(treated, control, change_at=26)
        if found.interval is not None:
            told += 1
            hits += -0.1 in found.interval
        treated, control = cafes(np.random.default_rng(1000 + seed))
        n_false += difference_in_differences(treated, control, change_at=26).verdict in {"fell", "rose"}
    assert told >= 85
    assert hits / told >= 0.89
    assert n_false <= 11


def test_what_befalls_everybody_is_no_effect() -> None:
    """Complaints fall by ten points everywhere at the same date."""
    rng = np.random.default_rng(4)
    treated, control = cafes(rng)
    both = [
        [Period(round(p.x * (0.7 if i >= 26 else 1.0)), p.n) for i, p in enumerate(side)] for side in (treated, control)
    ]
    assert difference_in_differences(both[0], both[1], change_at=26).verdict == "no_clear_change"


def test_a_trend_that_was_there_before_forbids_a_verdict() -> None:
    treated, control = cafes(np.random.default_rng(4), drift=-0.008)
    found = difference_in_differences(treated, control, change_at=26)
    assert (found.verdict, found.reason) == ("cannot_tell", "pre_trend")
    assert found.change is None
    assert found.interval is None


@pytest.mark.parametrize(
    ("n_before", "n_after", "mentions", "reason"),
    [(4, 8, 100, "too_few_periods_before"), (10, 2, 100, "too_few_periods_after"), (10, 8, 1, "too_few_mentions")],
)
def test_too_little_is_said(n_before: int, n_after: int, mentions: int, reason: str) -> None:
    periods = [Period(0.0 if mentions == 1 else 20.0, float(mentions)) for _ in range(n_before + n_after)]
    found = effect(periods, None, change_at=n_before)
    assert (found.verdict, found.reason, found.change) == ("cannot_tell", reason, None)
    assert found.after == pytest.approx(0.0 if mentions == 1 else 0.2)


def test_counts_are_compared_on_the_scale_of_the_treated() -> None:
    rng = np.random.default_rng(6)
    treated = [Period(float(rng.poisson(20 if i < 20 else 12)), 100.0) for i in range(32)]
    control = [Period(float(rng.poisson(200)), 1000.0) for _ in range(32)]
    found = difference_in_differences(treated, control, change_at=20, measure="count")
    assert found.verdict == "fell"
    assert found.interval is not None
    assert -8 in found.interval


def test_without_control_the_interrupted_series_answers() -> None:
    rng = np.random.default_rng(7)
    treated = [Period(float(rng.binomial(200, 0.3 if i < 26 else 0.2)), 200.0) for i in range(42)]
    found = effect(treated, None, change_at=26)
    assert not found.controlled
    assert found.verdict == "fell"
    assert found.interval is not None
    assert -0.1 in found.interval


def test_weeks_without_mentions_weigh_nothing() -> None:
    treated, control = cafes(np.random.default_rng(2), fall=0.1)
    treated[5] = Period(0.0, 0.0)
    assert difference_in_differences(treated, control, change_at=26).verdict == "fell"


def test_wrong_input_is_named() -> None:
    with pytest.raises(BadNumbers, match="3 periods of the treated but 2"):
        difference_in_differences([Period(1, 2)] * 3, [Period(1, 2)] * 2, change_at=1)
    with pytest.raises(BadNumbers, match="must lie inside"):
        interrupted_series([Period(1, 2)] * 3, change_at=3)
    with pytest.raises(BadNumbers):
        newey_west(np.ones((2, 2)), np.ones(2))
    with pytest.raises(BadNumbers, match="told apart"):
        newey_west(np.ones((9, 2)), np.ones(9))
