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
from typing import Any

import numpy as np
from scipy.special import betainc, gammaln

from alerts import arithmetic
from alerts.arithmetic import Arithmetic
from alerts.baseline import Expectation
from alerts.prior import Prior
from alerts.state import Array, State, total

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
FEW = 32  # series: so many at most are judged in one call of each function
MANY = 16  # negatives: up to so many their product is quicker than the gamma function


@dataclass(frozen=True)
class Mixture:
    """The predictive distribution of one row without an outbreak: weighted negative binomials (n, components)."""

    weight: Array
    mean: Array
    shape: Array  # r of the negative binomial
    ratio: Array  # variance / mean
    beyond: Array  # ratio - 1
    expected: Array  # (n,): mean of the whole
    variance: Array  # (n,): of the whole
    level_error: Array  # (n,): squared relative error of the level
    p_shift: Array  # (n,): probability that all volume has shifted


@dataclass(frozen=True)
class Hypotheses:
    """Every outbreak that may be going on now: the rung of the ladder for each age, the steps since onset, a prior."""

    rungs: np.ndarray[tuple[int, ...], np.dtype[np.intp]]  # (hypotheses, span)
    steps: np.ndarray[tuple[int, ...], np.dtype[np.intp]]  # (hypotheses,)
    log_prior: Array  # (hypotheses,)
    picks: Array  # (span * intensities, hypotheses): 1 where a hypothesis claims that rung of the ladder of that age
    covers: Array  # (hypotheses, span): 1 for the rows it claims anything of

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
        claims = np.array(rungs)
        picks = np.zeros((span, len(prior.intensities), len(rungs)))
        picks[np.arange(span), claims, np.arange(len(rungs))[:, None]] = 1.0
        return Hypotheses(
            claims, np.array(steps, dtype=np.intp), np.log(weights), picks.reshape(-1, len(rungs)),
            (claims > 0).astype(float),
        )  # fmt: skip

    def log_factors(self, state: State) -> Array:
        """Prior weight times Bayes factor of each hypothesis, natural log (n, hypotheses)."""
        result: Array = state["row_evidence"].reshape(state.n, -1) @ self.picks
        wider = inflation(state)
        if wider is not None:
            result /= wider[:, self.steps - 1]
        result += self.log_prior
        return result


def inflation(state: State) -> Array | None:
    """How much wider sums of 1 .. span steps are than independent steps would make them (n, span); None: no wider."""
    sums = state["lag"]
    lag = sums[:, 0] / (sums[:, 1] + state.prior.lag_pseudo_count)
    if not np.count_nonzero(lag > 0):
        return None
    powers = np.minimum(np.maximum(lag, 0.0), 0.9)[:, None] ** np.arange(1, state.span)
    result: Array = 1 + powers @ _pairs(state.span)
    return result


@lru_cache(maxsize=8)
def _pairs(span: int) -> Array:
    """Twice the share of pairs of neighbours in sums of 1 .. span steps, by their distance from 1 (span - 1, span)."""
    distance, steps = np.arange(1, span)[:, None], np.arange(1, span + 1)
    return 2 * np.maximum(0.0, 1 - distance / steps)


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


def log_rising(shape: Array, count: Array) -> Array:
    """Log of Γ(shape + count) / Γ(shape), (shape of `shape`): of small whole counts by the product that it is."""
    most, one = float(count.max()), count.size == 1
    if most > MANY or (most > 1 and not one and count.size > FEW) or np.count_nonzero(count % 1):
        result: Array = gammaln(count + shape) - gammaln(shape)
        return result
    if most == 0:
        return np.zeros(shape.shape)
    product = shape.copy() if one else np.where(count > 0, shape, 1.0)
    for factor in range(1, int(most)):
        product *= shape + factor if one else np.where(count > factor, shape + factor, 1.0)
    return np.log(product, out=product)


def log_negative_binomial(count: Array, mean: Array, shape: Array) -> Array:
    """Log probability of a negative binomial, less the term that depends on the count alone."""
    result: Array = _fit(arithmetic.ARRAYS, count, mean, shape)
    return result


def grid_weights(state: State) -> tuple[Array, Array]:
    """Posterior of (dispersion, elasticity): (n, dispersions, elasticities), and of dispersion alone."""
    if state.posterior is None:
        weight = np.exp(state["grid"] - state["grid"].max(axis=1, keepdims=True))
        weight /= total(weight)[:, None]
        grid: Array = weight.reshape(state.n, len(state.prior.dispersions), len(state.prior.elasticities))
        state.posterior = grid, total(grid)
    return state.posterior


def grid_prior(prior: Prior) -> Array:
    """Log prior of the grid, flat."""
    dispersion, elasticity = np.array(prior.dispersion_weights), np.array(prior.elasticity_weights)
    result: Array = np.log(np.outer(dispersion / dispersion.sum(), elasticity / elasticity.sum())).ravel()
    return result


def _movement(state: State, at: Expectation, age: int) -> tuple[Array, Array, Array]:
    """How far all mentions have moved, usually and in a shift (2, n), how much speaks for each, and which it is (n,).

    A gamma factor around one, narrow or wide; a shift of yesterday may go on.
    """
    prior, by = state.prior, arithmetic.of(state.n)
    others, holiday, due, dispersion, count = arithmetic.values(
        state["row_others"][:, age], state["row_holiday"][:, age], at.others, at.others_dispersion, at.others_count
    )
    known, due = due > 0, by.maximum(due, 1e-6)
    usual = 1 / ((dispersion - 1) / due + dispersion / (count + 1) + 1e-4)
    seen = gone = prior.shift_shape
    p = by.where(holiday > 0, prior.p_shift_holiday, prior.p_shift)
    if age + 1 < state.span:
        shifted, before, due_before = arithmetic.values(
            state["row_shift"][:, age + 1], state["row_others"][:, age + 1], state["row_due"][:, age + 1]
        )
        seen = seen + prior.shift_memory * shifted * before
        gone = gone + prior.shift_memory * shifted * due_before
        p = p + (1 - p) * prior.p_shift_stays * shifted
    odds = _fit(by, others, due * seen / gone, seen) - _fit(by, others, due, usual) + by.log(p / (1 - p))
    p_shift = known / (1 + by.exp(-by.minimum(by.maximum(odds, -50.0), 50.0)))
    usual_move = by.where(known, (usual + others) / (usual + due), 1.0)
    move = by.where(known, (seen + others) / (gone + due), 1.0)
    two = (2, state.n)
    return (
        np.array((usual + others, seen + others)).reshape(two), np.array((usual_move, move)).reshape(two),
        np.array(p_shift).reshape(state.n),
    )  # fmt: skip


def _fit(by: Arithmetic, count: Any, mean: Any, shape: Any) -> Any:
    """Log probability of a negative binomial, less the term that depends on the count alone."""
    whole = shape + mean
    return by.gammaln(count + shape) - by.gammaln(shape) + shape * by.log(shape / whole) + count * by.log(mean / whole)


def mixture(state: State, at: Expectation, *, age: int = 0) -> Mixture:
    """The predictive distribution of the row of an age, given the other mentions of that row."""
    prior = state.prior
    phi, n_usual = prior.phi, len(prior.elasticities)
    seen, move, p_shift = _movement(state, at, age)

    grid, by_phi = grid_weights(state)
    weight: Array = np.empty((state.n, len(phi), len(prior.beta)))
    np.multiply(grid, (1 - p_shift)[:, None, None], out=weight[..., :n_usual])
    np.multiply((by_phi * p_shift[:, None])[..., None], prior.shift_weights, out=weight[..., n_usual:])
    by_beta = at.expected[:, None] * move.take(prior.movement, axis=0).T ** prior.beta
    error = prior.beta_squared / seen.take(prior.movement, axis=0).T + at.spread[:, None]
    relative = (at.level_error[:, None] * phi)[..., None] + error[:, None]
    beyond = relative * by_beta[:, None] + (phi - 1)[:, None]  # of the ratio of variance to mean, beyond one
    mean: Array = np.empty(weight.shape)
    mean[:] = by_beta[:, None]
    mean, weight, beyond = (array.reshape(state.n, -1) for array in (mean, weight, beyond))
    ratio, weighted = 1 + beyond, weight * mean
    expected, second = total(weighted), total(weighted * (ratio + mean))
    return Mixture(
        weight=weight,
        mean=mean,
        shape=mean / beyond,
        ratio=ratio,
        beyond=beyond,
        expected=expected,
        variance=np.maximum(second - expected**2, 1e-9),
        level_error=by_phi @ phi * at.level_error + at.spread,
        p_shift=p_shift,
    )


def ladder(state: State, mix: Mixture, *, age: int = 0) -> tuple[Array, Array]:
    """Log Bayes factor of one row for each intensity (n, intensities), and log likelihoods (n, components)."""
    prior, count = state.prior, state["row_negative"][:, age, None, None]
    log_p, beyond = -np.log(mix.ratio), mix.beyond[:, None]
    fixed = count[:, 0] * np.log(mix.beyond / mix.ratio)
    step = np.sqrt(prior.phi_of_components * mix.mean)
    result = np.empty((state.n, len(prior.rungs)))
    top = none = fixed[:, None]
    at_once = len(prior.rungs) if state.n <= FEW else 1  # few series: one call; many: what fits the cache
    for first in range(0, len(prior.rungs), at_once):
        rungs = slice(first, first + at_once)
        extra = np.maximum(prior.rungs[rungs, None] * step[:, None], prior.least_extra)
        if first == 0:
            extra[:, 0] = 0.0  # the first is no outbreak
        shape = mix.shape[:, None] + extra / beyond
        log_l = log_rising(shape, count)
        log_l += shape * log_p[:, None]
        log_l += fixed[:, None]
        if first == 0:
            none = log_l[:, 0].copy()
            top = none.max(axis=1)[:, None, None]
        log_l -= top
        likelihood = np.exp(np.minimum(log_l, 600.0, out=log_l), out=log_l) @ mix.weight[..., None]
        result[:, rungs] = np.log(likelihood[..., 0] + 1e-300)
    result -= result[:, :1].copy()
    return result, none


def tail(count: Array, mean: Array, variance: Array) -> Array:
    """P(X >= count) of negative binomials of these means and variances: I_{1-p}(count, r)."""
    ratio = np.maximum(variance / mean, 1.0001)
    upper = betainc(np.maximum(count, 1e-9), mean / (ratio - 1), 1 - 1 / ratio)
    result: Array = np.where(count > 0, upper, 1.0)
    return result
