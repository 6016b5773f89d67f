"""What is expected: level, weekday and hour factors, volume of the others, all learned with forgetting.

The level of negatives is a mixture of several memories: shorter and longer ones of the count itself, and the share of
negatives (long memory) times the volume (short memory); the weights follow how well each predicted the last weeks.
Levels are (pseudo count + sum of counts) / (pseudo count + sum of exposures): gamma posteriors that forget.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from alerts import arithmetic
from alerts.state import Array, State, total

__all__ = ["Expectation", "absorb", "expect", "factors", "forget", "row_weights"]


@dataclass(frozen=True)
class Expectation:
    """Of one row of every series, from what older rows taught; arrays (n,) unless said otherwise."""

    expected: Array  # negatives, before the movement of the other mentions is seen
    level_error: Array  # squared relative error of the level per unit of dispersion
    spread: Array  # squared relative disagreement of the memories
    others: Array  # other mentions expected; 0 where their number is not known
    others_count: Array  # how many other mentions stand behind that expectation
    others_dispersion: Array
    by_memory: Array  # (n, memories): negatives expected by each memory
    error_by_memory: Array  # (n, memories)
    real: Array  # (n, span): 1 for a row to believe, towards 0 for an impossible zero


def factors(state: State) -> tuple[Array, Array]:
    """Weekday factors (n, 7) and hour factors (n, 24 or 1), shrunk to one, mean one."""
    weekday, hour, _ = usual(state)
    return weekday, hour


def usual(state: State) -> tuple[Array, Array, Array]:
    """Weekday factors (n, 7), hour factors (n, 24 or 1) and the variance over mean of the other mentions (n,).

    The last is shrunk with 12 degrees of freedom at 1.5, never under 1. All three stay until the next row is absorbed.
    """
    if state.derived is None:
        sums = state["dispersion"]
        phi = np.maximum(1.0, (sums[:, 0] + 12 * 1.5) / (sums[:, 1] + 12))
        shrink = (state.prior.phase_pseudo_count * phi)[:, None]
        weekday = _shrunk(state["weekday_seen"], state["weekday_due"], shrink)
        hour = _shrunk(state["hour_seen"], state["hour_due"], shrink)
        state.derived = weekday, hour, phi
    return state.derived


def _shrunk(seen: Array, due: Array, shrink: Array) -> Array:
    """Factors of the places of a rhythm (n, places) with mean one."""
    if seen.shape[1] == 1:
        return np.ones(seen.shape)
    factor = (seen + shrink) / (due + shrink)
    factor *= (seen.shape[1] / total(factor))[:, None]
    return factor


def row_factors(state: State) -> Array:
    """The weekday and hour factor of every row that is not absorbed (n, span)."""
    weekday, hour, _ = usual(state)
    by_weekday, by_hour = state.row_offsets
    result: Array = weekday.ravel().take(state["row_weekday"].astype(np.intp) + by_weekday)
    if hour.shape[1] > 1:
        result *= hour.ravel().take(state["row_hour"].astype(np.intp) + by_hour)
    return result


def row_weights(state: State) -> Array:
    """How much a row may teach (n, span): little when it belongs to an outbreak or to a shift of all volume."""
    return (1.0 - state["row_outbreak"]) * (1.0 - 0.9 * state["row_shift"])


def real_rows(state: State, due: Array) -> Array:
    """Probability that a row is a real count (n, span): a run of zeros where many were due is a broken collector.

    `due` is the expected total of each row. The zero probability of a negative binomial with variance phi * mean is
    phi ** (-mean / (phi - 1)); a run multiplies them.
    """
    zero = (state["row_negative"] + state["row_others"] == 0) & (state["row_coverage"] > 0)
    if not np.count_nonzero(zero):
        return np.ones(due.shape)
    phi = np.maximum(usual(state)[2], 1.05)
    surprise = zero * due * (np.log(phi) / (phi - 1))[:, None]
    if not np.count_nonzero(total(surprise) > 1):
        return np.ones(due.shape)
    run = surprise.copy()
    for age in range(state.span - 2, -1, -1):
        run[:, age] += np.where(zero[:, age] & zero[:, age + 1], run[:, age + 1], 0.0)
    for age in range(1, state.span):
        run[:, age] = np.where(zero[:, age] & zero[:, age - 1], run[:, age - 1], run[:, age])
    p = state.prior.p_false_zero
    real = np.where(zero & (run > 1), 1 - p / (p + np.exp(-run)), 1.0)
    return np.where(real < 0.05, 0.0, real)


def absorb(state: State) -> None:
    """Take the oldest row into the sums and let everything forget by one step."""
    oldest = state.span - 1
    coverage = state["row_coverage"][:, oldest]
    weight = row_weights(state)[:, oldest] * (coverage > 0) * state["row_real"][:, oldest]
    if not np.count_nonzero(weight):
        forget(state, 1.0)
        return
    exposure = row_factors(state)[:, oldest] * coverage
    taught = _taught(state, weight, exposure, oldest)
    _learn_phases(state, weight, taught[0], oldest)
    _learn_dispersion(state, weight, exposure, oldest)
    _learn_lag(state, weight)
    forget(state, 1.0)
    counts, dues, _ = _of_levels(state.n_levels)
    state.sums[: state.n_levels] += state.left_when_absorbed * taught[counts]
    state.sums[state.n_levels : 2 * state.n_levels] += state.left_when_absorbed * taught[dues]


def forget(state: State, steps: float) -> None:
    """Age all sums by some steps."""
    state.sums *= state.fading**steps if steps != 1.0 else state.fading
    state.derived = None


def _taught(state: State, weight: Array, exposure: Array, ages: int | slice) -> Array:
    """What rows of some ages teach (8, n, ...): total, negatives, others, exposure; then those with a known total."""
    result = np.empty((8, *weight.shape))
    result[1:3] = state.rows[:2, :, ages]
    np.add(result[1], result[2], out=result[0])
    result[3] = exposure
    result[:4] *= weight
    np.multiply(result[:4], state["row_known"][:, ages], out=result[4:])
    return result


@lru_cache(maxsize=4)
def _of_levels(n_levels: int) -> npt.NDArray[np.intp]:
    """Which of what rows teach is the count of each level, which the exposure, and the place of each (3, levels).

    The level of all mentions, of the others, of the negatives by each memory; last of the negatives by all mentions.
    """
    memories = n_levels - 3
    return np.array([[0, 6, *[1] * memories, 5], [3, 7, *[3] * memories, 4], range(n_levels)], dtype=np.intp)


def _learn_phases(state: State, weight: Array, counted: Array, age: int) -> None:
    weekday, hour, _ = usual(state)
    by, sums = arithmetic.of(state.n), state["total"]
    rows, day = np.arange(state.n), state["row_weekday"][:, age].astype(np.intp)
    count, exposure, coverage, weight, counted = arithmetic.values(
        sums[:, 0], sums[:, 1], state["row_coverage"][:, age], weight, counted
    )
    # without a level yet every row is as it should be
    due = by.where(exposure > 0, weight * count / by.maximum(exposure, 1e-9), counted) * coverage
    if hour.shape[1] == 1:
        state["weekday_seen"][rows, day] += counted
        state["weekday_due"][rows, day] += due
        return
    clock = state["row_hour"][:, age].astype(np.intp)
    state["weekday_seen"][rows, day] += counted
    state["weekday_due"][rows, day] += due * hour[rows, clock]
    state["hour_seen"][rows, clock] += counted
    state["hour_due"][rows, clock] += due * weekday[rows, day]


def _learn_dispersion(state: State, weight: Array, exposure: Array, age: int) -> None:
    by, sums = arithmetic.of(state.n), state["others"]
    count, seen, others, known = arithmetic.values(
        sums[:, 0], sums[:, 1], state["row_others"][:, age], state["row_known"][:, age]
    )
    weight, exposure, phi = arithmetic.values(weight, exposure, usual(state)[2])
    due = by.maximum(count / by.maximum(seen, 1e-9) * exposure, 0.05)
    weight = weight * known * ((seen > 2) & (due > 0.05))
    state["dispersion"][:, 0] += weight * by.minimum((others - due) * (others - due) / due, 16 * phi)
    state["dispersion"][:, 1] += weight


def _learn_lag(state: State, weight: Array) -> None:
    """Correlation of the surprise of the oldest row with that of the row after it, each within two deviations."""
    by, surprise = arithmetic.of(state.n), []
    (pair, n_seen) = arithmetic.values(weight, state["n_seen"][:, 0])
    for age in (-1, -2):
        counted, expected, variance = arithmetic.values(
            state["row_negative"][:, age], state["row_expected"][:, age], state["row_variance"][:, age]
        )
        off = (counted - expected) / by.sqrt(by.maximum(variance, 1e-6))
        surprise.append(by.minimum(by.maximum(off, -2.0), 2.0))
    outbreak, shift, coverage, real = arithmetic.values(
        *(state[name][:, -2] for name in ("row_outbreak", "row_shift", "row_coverage", "row_real"))
    )
    pair = pair * (1 - outbreak) * (1 - 0.9 * shift) * (coverage > 0) * real * (n_seen > 2 * state.span)
    state["lag"][:, 0] += pair * surprise[0] * surprise[1]
    state["lag"][:, 1] += pair


def expect(state: State, arrived: Array, *, age: int = 0) -> Expectation:
    """The expectation of the row of an age, from older rows. `arrived` (span,): share of a row known at each age."""
    prior, pseudo, levels = state.prior, state.prior.pseudo_count, state.n_levels
    coverage = state["row_coverage"]
    exposure = row_factors(state) * arrived * coverage
    total_level = (state.sums[0] + pseudo) / (state.sums[levels] + pseudo)
    real = real_rows(state, total_level[:, None] * exposure)
    older = slice(age + 1, state.span)
    weight = (row_weights(state) * (coverage > 0) * real)[:, older]
    taught = _taught(state, weight, exposure[:, older], older)
    taught = (taught.reshape(8 * state.n, weight.shape[1]) @ state.left[older]).reshape(8, state.n, levels)
    counts, dues, each = _of_levels(levels)
    count = state.sums[:levels] + taught[counts, :, each] + pseudo
    due = state.sums[levels : 2 * levels] + taught[dues, :, each]
    no_share = due[-1] <= 0
    ones = np.ones(levels - 2)
    due[:-1] += pseudo
    due[-1] += 1.0
    level, error = count / due, 1 / count[2:]
    error[-1] += 1 / count[0]
    by_memory = level[2:]
    by_memory[-1] *= level[0]  # the share of negatives times the volume
    trust = state["memory"].T + prior.log_trust[:, None]
    if np.count_nonzero(no_share):
        trust[-1, no_share] = -np.inf
    trust = np.exp(trust - trust.max(axis=0))
    trust /= ones @ trust
    mean = ones @ (trust * by_memory)
    here = exposure[:, age]
    return Expectation(
        expected=np.maximum(mean * here, 1e-6),
        level_error=ones @ (trust * error),
        spread=ones @ (trust * np.square(by_memory / mean - 1)),
        others=np.maximum(level[1] * here, 1e-6) * (state["row_known"][:, age] > 0),
        others_count=count[1] - pseudo,
        others_dispersion=usual(state)[2],
        by_memory=by_memory.T * here[:, None],
        error_by_memory=error.T,
        real=real,
    )
