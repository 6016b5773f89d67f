"""The short forms against scipy.stats, over the values that counts, shares and means take."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
from scipy import stats

from monitor.metrics import tails

P = (1e-9, 0.001, 0.025, 0.2, 0.5, 0.7, 0.975, 0.9999)


@pytest.mark.parametrize("p", P)
def test_quantiles(p: float) -> None:
    assert tails.normal_isf(p) == pytest.approx(stats.norm.isf(p), rel=1e-9)
    for freedom in (1, 2, 3.7, 30, 1e5):
        assert tails.t_quantile(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-7, abs=1e-12)
        assert tails.chi_square_quantile(p, freedom) == pytest.approx(stats.chi2.ppf(p, freedom), rel=1e-7)
    for a, b in itertools.product((0.5, 1, 3.3, 400), repeat=2):
        assert tails.beta_quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-7)
    for n, share in itertools.product((1, 6, 37, 5000), (0.01, 0.5, 0.93)):
        assert tails.binomial_quantile(p, n, share) == stats.binom.ppf(p, n, share)


@pytest.mark.parametrize("p", P)
def test_tails(p: float) -> None:
    for k in (-1, 0, 1, 7, 40):
        assert tails.poisson_cdf(k, 50 * p) == pytest.approx(stats.poisson.cdf(k, 50 * p), rel=1e-9)
        assert tails.poisson_sf(k, 50 * p) == pytest.approx(stats.poisson.sf(k, 50 * p), rel=1e-9)
        for size in (0.3, 2, 55.5):
            assert tails.negative_binomial_cdf(k, size, p) == pytest.approx(stats.nbinom.cdf(k, size, p), rel=1e-9)
            assert tails.negative_binomial_sf(k, size, p) == pytest.approx(
                stats.nbinom.sf(k, size, p), rel=1e-7, abs=1e-15
            )
        for n in (6, 40, 3000):
            assert tails.binomial_cdf(k, n, p) == pytest.approx(stats.binom.cdf(k, n, p), rel=1e-9)
            assert tails.binomial_sf(k, n, p) == pytest.approx(stats.binom.sf(k, n, p), rel=1e-9, abs=1e-15)
    for a, b in itertools.product((0.5, 1, 3.3, 400), repeat=2):
        assert tails.beta_cdf(p, a, b) == pytest.approx(stats.beta.cdf(p, a, b), rel=1e-9)
    assert tails.normal_sf(5 * p) == pytest.approx(stats.norm.sf(5 * p), rel=1e-12)


def test_a_cycle_does_not_load_scipy_stats() -> None:
    """It would take a second of each start of `monitor once`."""
    code = "import monitor.pipeline.cycle, monitor.web.app, sys; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
