"""How much the newest rows speak for an outbreak: Bayes factors over its onset, shape and size.

Without an outbreak, negatives are negative binomial around the expectation times the common movement of all mentions
to the power of an elasticity. Dispersion and elasticity are unknown: a grid carries their posterior. The common
movement is either ordinary (its usual variance) or a shift (a campaign, a holiday: any factor, for several steps).
With an outbreak there are extra negatives: a spike, a burst, a plateau or a ramp that began some steps ago. Each row is
compared, when it arrives, with a ladder of intensities; a hypothesis adds up its rows. The score is the decimal
logarithm of the average Bayes factor, so in the model a score above s has probability below 10 ** -s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import betainc, gammaln

from alerts.baseline import Expectation
from alerts.prior import Prior
from alerts.state import Array, State

__all__ = [
    "Hypotheses",
    "Mixture",
    "grid_prior",
    "grid_weights",
    "inflation",
    "ladder",
    "log_negative_binomial",
    "mixture",
    "tail",
]

BURST = (0.5, 0.42, 0.08)
FEW = 32


@dataclass(frozen=True)
class Mixture:
    """The predictive distribution of one row without an outbreak: weighted negative binomials (n, components)."""

    weight: Array
    mean: Array
    shape: Array  # r of the negative binomial
    ratio: Array  # variance / mean
    dispersion: Array  # (components,): the part of the ratio that is not estimation error
    level_error: Array  # (n,): squared relative error of the level
    p_shift: Array  # (n,): probability that all volume has shifted
    usual: slice  # elasticities of the components without a shift

    @property
    def expected(self) -> Array:
        """Mean (n,)."""
        result: Array = (self.weight * self.mean).sum(axis=1)
        return result

    @property
    def variance(self) -> Array:
        """Variance (n,)."""
        second = (self.weight * (self.mean * self.ratio + self.mean**2)).sum(axis=1)
        result: Array = np.maximum(second - self.expected**2, 1e-9)
        return result


@dataclass(frozen=True)
class Hypotheses:
    """Every outbreak that may be going on now: the rung of the ladder for each age, the steps since onset, a prior."""

    rungs: np.ndarray[tuple[int, ...], np.dtype[np.intp]]  # (hypotheses, span)
    steps: np.ndarray[tuple[int, ...], np.dtype[np.intp]]  # (hypotheses,)
    log_prior: Array  # (hypotheses,)

    @staticmethod
    @lru_cache(maxsize=8)
    def of(prior: Prior, onsets: tuple[int, ...]) -> Hypotheses:
        """Spikes, bursts, plateaus and ramps of every size, begun at each of the onsets (steps ago, 1 = now)."""
        span = max(onsets)
        ladder = np.log(prior.intensities[1:])
        rungs, steps, weights = [], [], []
        for size, by_size in zip(prior.sizes, prior.size_weights, strict=True):
            for shape, by_shape in zip(("spike", "burst", "plateau", "ramp"), prior.shape_weights, strict=True):
                for onset in onsets:
                    extra = _profile(shape, onset, span, size)
                    if extra is None:
                        continue
                    row = np.zeros(span, dtype=np.intp)
                    for age, intensity in enumerate(extra):
                        if intensity > 0.5 * prior.intensities[1]:
                            row[age] = 1 + np.abs(ladder - np.log(intensity)).argmin()
                    if row[0] == 0:
                        continue  # too faint now to be told from nothing
                    rungs.append(row)
                    steps.append(onset)
                    weights.append(by_size * by_shape * _width(onset, onsets, shape))
        return Hypotheses(np.array(rungs), np.array(steps, dtype=np.intp), np.log(weights))

    def log_factors(self, state: State) -> Array:
        """Prior weight times Bayes factor of each hypothesis, natural log (n, hypotheses)."""
        evidence = state["row_evidence"]
        place = self.rungs + np.arange(state.span) * evidence.shape[2]
        flat = evidence.reshape(state.n, -1)
        result: Array = flat[:, place].sum(axis=2) / inflation(state)[:, self.steps - 1] + self.log_prior
        return result


def inflation(state: State) -> Array:
    """How much wider sums of 1 .. span steps are than independent steps would make them (n, span)."""
    prior, sums = state.prior, state["lag"]
    lag = np.maximum(sums[:, 0] / (sums[:, 1] + prior.lag_pseudo_count), 0.0)
    powers = np.minimum(lag, 0.9)[:, None] ** np.arange(1, state.span)
    result = np.ones((state.n, state.span))
    total, weighted = np.cumsum(powers, axis=1), np.cumsum(powers * np.arange(1, state.span), axis=1)
    result[:, 1:] += 2 * (total - weighted / np.arange(2, state.span + 1))
    return result


def _profile(shape: str, onset: int, span: int, size: float) -> list[float] | None:
    """Extra negatives in standard deviations of one step, by age; None where the shape is over by then."""
    if shape == "spike":
        return [size] if onset == 1 else None
    if shape == "burst":
        return [1.5 * size * BURST[onset - 1 - age] for age in range(onset)] if onset <= len(BURST) else None
    # A plateau of span steps keeps three sizes apart whatever the step: sums of span steps have sqrt(span) the noise.
    whole = 3 * size * np.sqrt(span / 7)
    if shape == "plateau":
        return [whole / span] * onset
    return [whole * (onset - age) / (span * (span + 1) / 2) for age in range(onset)]


def _width(onset: int, onsets: tuple[int, ...], shape: str) -> float:
    """How many onsets a listed one stands for."""
    if shape in ("spike", "burst"):
        return 1.0
    place = onsets.index(onset)
    return float(onset - (onsets[place - 1] if place else 0))


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


def mixture(state: State, at: Expectation, *, age: int = 0) -> Mixture:
    """The predictive distribution of the row of an age, given the other mentions of that row."""
    prior = state.prior
    phi = np.array(prior.dispersions)
    beta, beta_shift = np.array(prior.elasticities), np.array(prior.shift_elasticities)
    known = at.others > 0
    others, due = state["row_others"][:, age], np.maximum(at.others, 1e-6)

    # Common movement of the volume: a gamma factor around one, narrow or wide; a shift of yesterday may go on.
    noise = (at.others_dispersion - 1) / due + at.others_dispersion / (at.others_count + 1) + 1e-4
    shape = 1 / noise
    move = np.where(known, (shape + others) / (shape + due), 1.0)
    seen, gone = np.full_like(due, prior.shift_shape), np.full_like(due, prior.shift_shape)
    if age + 1 < state.span:
        yesterday = prior.shift_memory * state["row_shift"][:, age + 1]
        seen += yesterday * state["row_others"][:, age + 1]
        gone += yesterday * state["row_due"][:, age + 1]
    move_wide = np.where(known, (seen + others) / (gone + due), 1.0)
    p = np.where(state["row_holiday"][:, age] > 0, prior.p_shift_holiday, prior.p_shift)
    if age + 1 < state.span:
        p = p + (1 - p) * prior.p_shift_stays * state["row_shift"][:, age + 1]
    odds = log_negative_binomial(others, due * seen / gone, seen) - log_negative_binomial(others, due, shape)
    odds += np.log(p / (1 - p))
    p_shift = np.where(known, 1 / (1 + np.exp(-np.clip(odds, -50, 50))), 0.0)

    grid = grid_weights(state)
    width = len(beta) + len(beta_shift)
    full = (state.n, len(phi), width)
    mean, weight, error = np.empty(full), np.empty(full), np.empty((state.n, width))
    usual, shifted = slice(0, len(beta)), slice(len(beta), width)
    mean[..., usual] = (at.expected[:, None] * move[:, None] ** beta)[:, None]
    mean[..., shifted] = (at.expected[:, None] * move_wide[:, None] ** beta_shift)[:, None]
    weight[..., usual] = grid * (1 - p_shift)[:, None, None]
    weight[..., shifted] = grid.sum(axis=2)[..., None] * prior.shift_elasticity_weights * p_shift[:, None, None]
    error[:, usual] = beta**2 / (shape + others)[:, None]
    error[:, shifted] = beta_shift**2 / (seen + others)[:, None]
    relative = (phi * at.level_error[:, None])[..., None] + (at.spread[:, None] + error)[:, None]
    ratio = phi[:, None] + relative * mean
    flat = (state.n, len(phi) * width)
    mean, ratio = mean.reshape(flat), ratio.reshape(flat)
    usual_phi = (grid.sum(axis=2) * phi).sum(axis=1)
    return Mixture(
        weight=weight.reshape(flat),
        mean=mean,
        shape=mean / (ratio - 1),
        ratio=ratio,
        dispersion=np.repeat(phi, width),
        level_error=usual_phi * at.level_error + at.spread,
        p_shift=p_shift,
        usual=usual,
    )


def ladder(state: State, mix: Mixture, *, age: int = 0) -> tuple[Array, Array]:
    """Log Bayes factor of one row for each intensity (n, intensities), and log likelihoods (n, components)."""
    prior = state.prior
    count = state["row_negative"][:, age, None]
    log_p, log_q = -np.log(mix.ratio), count * np.log1p(-1 / mix.ratio)
    none = gammaln(count + mix.shape) - gammaln(mix.shape) + mix.shape * log_p + log_q
    top = none.max(axis=1, keepdims=True)
    without = np.log((mix.weight * np.exp(none - top)).sum(axis=1) + 1e-300)
    deviation = np.sqrt(mix.dispersion * mix.mean)
    result = np.zeros((state.n, len(prior.intensities)))
    at_once = len(prior.intensities) if state.n <= FEW else 1  # few series: one call; many: what fits the cache
    for first in range(1, len(prior.intensities), at_once):
        rungs = np.array(prior.intensities[first : first + at_once])[:, None]
        extra = np.maximum(rungs * deviation[:, None], prior.least_extra)
        shape = (mix.shape / mix.mean)[:, None] * (mix.mean[:, None] + extra)
        log_l = gammaln(count[:, None] + shape) - gammaln(shape) + shape * log_p[:, None] + (log_q - top)[:, None]
        likelihood = (mix.weight[:, None] * np.exp(np.minimum(log_l, 600.0))).sum(axis=2)
        result[:, first : first + at_once] = np.log(likelihood + 1e-300) - without[:, None]
    return result, none


def tail(count: Array, mean: Array, variance: Array) -> Array:
    """P(X >= count) of negative binomials of these means and variances: I_{1-p}(count, r)."""
    ratio = np.maximum(variance / mean, 1.0001)
    upper = betainc(np.maximum(count, 1e-9), mean / (ratio - 1), 1 - 1 / ratio)
    result: Array = np.where(count > 0, upper, 1.0)
    return result
