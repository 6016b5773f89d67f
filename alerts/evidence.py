"""How much the counts speak for an outbreak: Bayes factors of several windows at once.

Without an outbreak, the negatives of a window are negative binomial around the expectation times the common movement
of all mentions to the power of an elasticity. Dispersion and elasticity are unknown: a grid carries their posterior.
The common movement is either ordinary (its usual variance) or a shift (a campaign, a holiday: any factor is possible).
With an outbreak there are extra negatives worth 2 to 16 standard deviations of the window. The score is the decimal
logarithm of the average Bayes factor over windows: under the model, a score above s has probability below 10**-s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, gammaln

from alerts.baseline import Expectation
from alerts.prior import Prior
from alerts.state import Array, State

__all__ = ["Mixture", "grid_prior", "grid_weights", "log_bayes_factors", "log_negative_binomial", "mixture", "tail"]


@dataclass(frozen=True)
class Mixture:
    """The predictive distribution of each window without an outbreak: weighted negative binomials, arrays (n, w, c)."""

    weight: Array
    mean: Array
    shape: Array  # r of the negative binomial
    ratio: Array  # variance / mean
    dispersion: Array  # (c,): the part of the ratio that is not estimation error
    p_shift: Array  # (n, w): probability that all volume has shifted
    usual: slice  # the components without a shift

    @property
    def expected(self) -> Array:
        """Mean (n, w)."""
        result: Array = (self.weight * self.mean).sum(axis=2)
        return result

    @property
    def variance(self) -> Array:
        """Variance (n, w)."""
        second = (self.weight * (self.mean * self.ratio + self.mean**2)).sum(axis=2)
        result: Array = np.maximum(second - self.expected**2, 1e-9)
        return result


def log_negative_binomial(count: Array, mean: Array, shape: Array) -> Array:
    """Log probability of a negative binomial, less the term that depends on the count alone."""
    p = shape / (shape + mean)
    result: Array = gammaln(count + shape) - gammaln(shape) + shape * np.log(p) + count * np.log1p(-p)
    return result


def grid_weights(state: State) -> Array:
    """Posterior of (dispersion, elasticity): (n, dispersions, elasticities)."""
    weight = np.exp(state["grid"] - state["grid"].max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    result: Array = weight.reshape(state.n, len(state.prior.dispersions), len(state.prior.elasticities))
    return result


def grid_prior(prior: Prior) -> Array:
    """Log prior of the grid, flat."""
    dispersion, elasticity = np.array(prior.dispersion_weights), np.array(prior.elasticity_weights)
    result: Array = np.log(np.outer(dispersion / dispersion.sum(), elasticity / elasticity.sum())).ravel()
    return result


def mixture(state: State, at: Expectation) -> Mixture:
    """The predictive distribution of every window."""
    prior = state.prior
    phi = np.array(prior.dispersions)
    beta, beta_shift = np.array(prior.elasticities), np.array(prior.shift_elasticities)
    n, n_windows = at.expected.shape
    known = at.others_expected > 1e-6

    # Common movement of the volume: posterior mean of a gamma factor, ordinary or wide.
    due = at.others_expected
    noise = (at.others_dispersion - 1)[:, None] / due + at.others_dispersion[:, None] / (at.others_count + 1) + 1e-4
    shape, wide = 1 / noise, prior.shift_shape
    move = np.where(known, (shape + at.others) / (shape + due), 1.0)
    move_wide = np.where(known, (wide + at.others) / (wide + due), 1.0)
    holiday = np.maximum.accumulate(state["row_holiday"], axis=1)[:, np.array(state.windows) - 1]
    p = np.where(holiday > 0, prior.p_shift_holiday, prior.p_shift)
    odds = (
        log_negative_binomial(at.others, due, np.full_like(due, wide))
        - log_negative_binomial(at.others, due, shape)
        + np.log(p / (1 - p))
    )
    p_shift = np.where(known, 1 / (1 + np.exp(-np.clip(odds, -50, 50))), 0.0)

    grid = grid_weights(state)
    width = len(beta) + len(beta_shift)
    full = (n, n_windows, len(phi), width)
    mean = np.empty(full)
    mean[..., : len(beta)] = (at.expected[..., None] * move[..., None] ** beta)[:, :, None]
    mean[..., len(beta) :] = (at.expected[..., None] * move_wide[..., None] ** beta_shift)[:, :, None]
    weight = np.empty(full)
    weight[..., : len(beta)] = grid[:, None] * (1 - p_shift)[:, :, None, None]
    shares = np.array(prior.shift_elasticity_weights)
    weight[..., len(beta) :] = grid.sum(axis=2)[:, None, :, None] * shares * p_shift[:, :, None, None]
    error = np.empty((n, n_windows, width))
    error[..., : len(beta)] = beta**2 / (shape + at.others)[..., None]
    error[..., len(beta) :] = beta_shift**2 / (wide + at.others)[..., None]
    relative = phi[:, None] * at.level_variance[:, :, None, None] + (at.spread[..., None] + error)[:, :, None, :]
    ratio = phi[:, None] + relative * mean

    flat = (n, n_windows, len(phi) * width)
    mean, ratio = mean.reshape(flat), ratio.reshape(flat)
    return Mixture(
        weight=weight.reshape(flat),
        mean=mean,
        shape=mean / (ratio - 1),
        ratio=ratio,
        dispersion=np.repeat(phi, width),
        p_shift=p_shift,
        usual=slice(0, len(beta)),
    )


def log_bayes_factors(at: Expectation, mix: Mixture, prior: Prior) -> tuple[Array, Array]:
    """Natural log of the Bayes factor of each window (n, w), and the log likelihood of each component (n, w, c)."""
    count = at.observed[..., None]
    log_p, log_q = -np.log(mix.ratio), np.log1p(-1 / mix.ratio)
    none = gammaln(count + mix.shape) - gammaln(mix.shape) + mix.shape * log_p + count * log_q
    top = none.max(axis=2, keepdims=True)
    without = (mix.weight * np.exp(none - top)).sum(axis=2)
    deviation = np.sqrt(mix.dispersion * mix.mean)
    outbreak = np.zeros_like(without)
    for size, share in zip(prior.outbreak_sizes, prior.outbreak_weights, strict=True):
        extra = np.maximum(size * deviation, prior.outbreak_floor)
        shape = mix.shape * (1 + extra / mix.mean)
        log_l = gammaln(count + shape) - gammaln(shape) + shape * log_p + count * log_q
        outbreak += share * (mix.weight * np.exp(np.minimum(log_l - top, 600.0))).sum(axis=2)
    return np.log(outbreak + 1e-300) - np.log(without + 1e-300), none


def tail(count: Array, weight: Array, shape: Array, ratio: Array) -> Array:
    """P(X >= count) of mixtures; the last axis runs over components. The negative binomial tail is I_{1-p}(k, r)."""
    k = np.broadcast_to(count[..., None], shape.shape)
    each = np.where(k > 0, betainc(np.maximum(k, 1e-9), shape, 1 - 1 / ratio), 1.0)
    result: Array = np.minimum((weight * each).sum(axis=-1), 1.0)
    return result
