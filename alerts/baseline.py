"""What is expected: level, weekday and hour factors, volume of the others, all learned with forgetting.

The level of negatives is a mixture of several memories: shorter and longer ones of the count itself, and the share of
negatives (long memory) times the volume (short memory); the weights follow how well each predicted the last weeks.
Levels are (pseudo count + sum of counts) / (pseudo count + sum of exposures): gamma posteriors that forget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.state import Array, State

__all__ = ["Expectation", "absorb", "dispersion_of_others", "expect", "factors", "forget", "row_weights"]


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
    shrink = state.prior.phase_pseudo_count * dispersion_of_others(state)[:, None]
    weekday = (state["weekday_seen"] + shrink) / (state["weekday_due"] + shrink)
    weekday /= weekday.mean(axis=1, keepdims=True)
    hour = (state["hour_seen"] + shrink) / (state["hour_due"] + shrink)
    hour /= hour.mean(axis=1, keepdims=True)
    return weekday, hour


def dispersion_of_others(state: State) -> Array:
    """Variance over mean of the other mentions (n,), shrunk with 12 degrees of freedom at 1.5, never under 1."""
    sums = state["dispersion"]
    return np.maximum(1.0, (sums[:, 0] + 12 * 1.5) / (sums[:, 1] + 12))


def row_factors(state: State) -> Array:
    """The weekday and hour factor of every row that is not absorbed (n, span)."""
    weekday, hour = factors(state)
    result: Array = np.take_along_axis(weekday, state["row_weekday"].astype(np.intp), axis=1)
    if hour.shape[1] > 1:
        result = result * np.take_along_axis(hour, state["row_hour"].astype(np.intp), axis=1)
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
    phi = np.maximum(dispersion_of_others(state), 1.05)[:, None]
    surprise = np.where(zero, due * np.log(phi) / (phi - 1), 0.0)
    if not (surprise.sum(axis=1) > 1).any():
        return np.ones_like(due)
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
    prior, age = state.prior, state.span - 1
    coverage, known = state["row_coverage"][:, age], state["row_known"][:, age]
    weight = row_weights(state)[:, age] * (coverage > 0) * state["row_real"][:, age]
    exposure = row_factors(state)[:, age] * coverage
    negative, others = state["row_negative"][:, age], state["row_others"][:, age]
    total = negative + others
    level = state["total"][:, 0] / np.maximum(state["total"][:, 1], 1e-9)

    _learn_phases(state, weight, total, level, age)
    _learn_dispersion(state, weight * known, others, exposure)
    _learn_lag(state, weight)
    forget(state, 1.0)
    for index, half_life in enumerate((*prior.half_life_levels, prior.half_life_share)):
        gain = state.decay(half_life, steps=state.span) * weight
        direct = index < len(prior.half_life_levels)
        state["negative"][:, index] += gain * negative * (1.0 if direct else known)
        state["exposure"][:, index] += gain * (exposure if direct else total * known)
    for name, half_life, count, used in (
        ("total", prior.half_life_total, total, np.ones_like(known)),
        ("others", prior.half_life_others, others, known),
    ):
        gain = state.decay(half_life, steps=state.span) * weight * used
        state[name][:, 0] += gain * count
        state[name][:, 1] += gain * exposure


def forget(state: State, steps: float) -> None:
    """Age all sums by some steps."""
    prior = state.prior
    for index, half_life in enumerate((*prior.half_life_levels, prior.half_life_share)):
        state["negative"][:, index] *= state.decay(half_life, steps=steps)
        state["exposure"][:, index] *= state.decay(half_life, steps=steps)
    for name, half_life in (
        ("total", prior.half_life_total),
        ("others", prior.half_life_others),
        ("weekday_seen", prior.half_life_phase),
        ("weekday_due", prior.half_life_phase),
        ("hour_seen", prior.half_life_phase),
        ("hour_due", prior.half_life_phase),
        ("dispersion", prior.half_life_dispersion),
        ("lag", prior.half_life_lag),
    ):
        state[name][:] *= state.decay(half_life, steps=steps)


def _learn_phases(state: State, weight: Array, total: Array, level: Array, age: int) -> None:
    weekday, hour = factors(state)
    rows = np.arange(state.n)
    day, clock = state["row_weekday"][:, age].astype(np.intp), state["row_hour"][:, age].astype(np.intp)
    due = weight * state["row_coverage"][:, age] * np.where(state["total"][:, 1] > 0, level, total)
    hourly = hour.shape[1] > 1
    state["weekday_seen"][rows, day] += weight * total
    state["weekday_due"][rows, day] += due * (hour[rows, clock] if hourly else 1.0)
    if hourly:
        state["hour_seen"][rows, clock] += weight * total
        state["hour_due"][rows, clock] += due * weekday[rows, day]


def _learn_dispersion(state: State, weight: Array, others: Array, exposure: Array) -> None:
    sums = state["others"]
    due = np.maximum(sums[:, 0] / np.maximum(sums[:, 1], 1e-9) * exposure, 0.05)
    ready = (sums[:, 1] > 2) & (weight > 0) & (due > 0.05)
    square = np.minimum((others - due) ** 2 / due, 16 * dispersion_of_others(state))
    state["dispersion"][:, 0] += np.where(ready, weight * square, 0.0)
    state["dispersion"][:, 1] += np.where(ready, weight, 0.0)


def _learn_lag(state: State, weight: Array) -> None:
    """Correlation of the surprise of the oldest row with that of the row after it, each within two deviations."""
    newer = row_weights(state)[:, -2] * (state["row_coverage"][:, -2] > 0) * state["row_real"][:, -2]
    pair = np.where((state["n_seen"][:, 0] > 2 * state.span), weight * newer, 0.0)
    surprise = [
        np.clip((state["row_negative"][:, age] - state["row_expected"][:, age])
                / np.sqrt(np.maximum(state["row_variance"][:, age], 1e-6)), -2, 2)
        for age in (-1, -2)
    ]  # fmt: skip
    state["lag"][:, 0] += pair * surprise[0] * surprise[1]
    state["lag"][:, 1] += pair


def expect(state: State, arrived: Array, *, age: int = 0) -> Expectation:
    """The expectation of the row of an age, from older rows. `arrived` (span,): share of a row known at each age."""
    prior, pseudo = state.prior, state.prior.pseudo_count
    row = row_factors(state) * arrived
    total_level = (state["total"][:, 0] + pseudo) / (state["total"][:, 1] + pseudo)
    real = real_rows(state, total_level[:, None] * row * state["row_coverage"])
    exposure = row * state["row_coverage"]
    older = slice(age + 1, state.span)
    known = state["row_known"][:, older]
    weight = (row_weights(state) * (state["row_coverage"] > 0) * real)[:, older]
    negative, others = state["row_negative"][:, older], state["row_others"][:, older]
    ages = np.arange(state.span)[older]

    def so_far(name: str, column: int, half_life: float, rows: Array) -> Array:
        """A sum with the older rows that are not absorbed yet (n,)."""
        result: Array = state[name][:, column] + rows @ (state.decay(half_life) ** ages)
        return result

    seen_exposure, seen_total = weight * exposure[:, older], weight * (negative + others)
    volume = so_far("total", 0, prior.half_life_total, seen_total)
    volume_level = (volume + pseudo) / (so_far("total", 1, prior.half_life_total, seen_exposure) + pseudo)
    levels, errors = [], []
    for column, half_life in enumerate(prior.half_life_levels):
        count = so_far("negative", column, half_life, weight * negative) + pseudo
        levels.append(count / (so_far("exposure", column, half_life, seen_exposure) + pseudo))
        errors.append(1 / count)
    last = len(prior.half_life_levels)
    count = so_far("negative", last, prior.half_life_share, weight * negative * known) + pseudo
    base = so_far("exposure", last, prior.half_life_share, seen_total * known)
    levels.append(count / (base + 1.0) * volume_level)
    errors.append(1 / count + 1 / (volume + pseudo))
    level, error = np.stack(levels, axis=1), np.stack(errors, axis=1)
    trust = state["memory"] + np.log(prior.trust_levels)
    trust[:, last] = np.where(base > 0, trust[:, last], -np.inf)
    trust = np.exp(trust - trust.max(axis=1, keepdims=True))
    trust /= trust.sum(axis=1, keepdims=True)
    mean = (trust * level).sum(axis=1)

    others_count = so_far("others", 0, prior.half_life_others, weight * others * known)
    others_due = so_far("others", 1, prior.half_life_others, seen_exposure * known)
    others_level = (others_count + pseudo) / (others_due + pseudo)
    here = exposure[:, age]
    return Expectation(
        expected=np.maximum(mean * here, 1e-6),
        level_error=(trust * error).sum(axis=1),
        spread=(trust * (level / mean[:, None] - 1) ** 2).sum(axis=1),
        others=np.where(state["row_known"][:, age] > 0, np.maximum(others_level * here, 1e-6), 0.0),
        others_count=others_count,
        others_dispersion=dispersion_of_others(state),
        by_memory=level * here[:, None],
        error_by_memory=error,
        real=real,
    )
