"""What is expected: level, weekday and hour factors, volume of the others, all learned with forgetting.

The level of negatives is a mixture of three memories: a short and a long one of the count itself, and the share of
negatives (long memory) times the volume (short memory); the weights follow how well each predicted the last weeks.
A window is judged against the model as it stood before the window: rows inside it teach nothing about themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.prior import DAY
from alerts.state import Array, State

__all__ = ["Expectation", "absorb", "expect", "factors", "forget", "row_weights"]

N_DIRECT = 2  # memories of the count itself; the third is share times volume


@dataclass(frozen=True)
class Expectation:
    """Of every window of every series; arrays (n, windows) unless said otherwise."""

    observed: Array
    expected: Array
    level_variance: Array  # squared relative error of the level per unit of dispersion
    spread: Array  # squared relative disagreement of the memories
    others: Array
    others_expected: Array
    others_count: Array  # how many other mentions stand behind the expectation
    others_dispersion: Array  # (n,)
    exposure: Array  # steps of a window that count, weekday and coverage included
    levels: Array  # (n, 3): expected count of the newest step by each memory
    level_errors: Array  # (n, 3)
    real: Array  # (n, span): 1 for a row to believe, towards 0 for an impossible zero


def _decay(state: State, days: float) -> float:
    return float(0.5 ** (state.step_seconds / DAY / days))


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
        run[:, age] += np.where(zero[:, age], np.where(zero[:, age + 1], run[:, age + 1], 0.0), 0.0)
    for age in range(1, state.span):
        run[:, age] = np.where(zero[:, age] & zero[:, age - 1], run[:, age - 1], run[:, age])
    p = state.prior.p_false_zero
    real = np.where(zero & (run > 1), 1 - p / (p + np.exp(-run)), 1.0)
    return np.where(real < 0.05, 0.0, real)


def absorb(state: State) -> None:
    """Take the oldest row into the sums and let everything forget by one step."""
    prior, age = state.prior, state.span - 1
    row = row_factors(state)
    level = state["total"][:, 0] / np.maximum(state["total"][:, 1], 1e-9)
    real = real_rows(state, level[:, None] * row * state["row_coverage"])[:, age]
    coverage, factor = state["row_coverage"][:, age], row[:, age]
    known = state["row_known"][:, age]
    weight = row_weights(state)[:, age] * (coverage > 0) * real
    exposure = factor * coverage
    negative, others = state["row_negative"][:, age], state["row_others"][:, age]
    total = negative + others

    _learn_phases(state, weight, total, level, age)
    _learn_dispersion(state, weight * known, others, exposure)
    for index, days in enumerate((*prior.half_life_levels, prior.half_life_share)):
        keep = _decay(state, days)
        gain = keep**state.span * weight
        state["negative"][:, index] *= keep
        state["exposure"][:, index] *= keep
        if index < N_DIRECT:
            state["negative"][:, index] += gain * negative
            state["exposure"][:, index] += gain * exposure
        else:
            state["negative"][:, index] += gain * negative * known
            state["exposure"][:, index] += gain * total * known
    for name, days, count, mask in (
        ("total", prior.half_life_total, total, 1.0),
        ("others", prior.half_life_others, others, known),
    ):
        keep = _decay(state, days)
        gain = keep**state.span * weight * mask
        state[name][:] *= keep
        state[name][:, 0] += gain * count
        state[name][:, 1] += gain * exposure


def forget(state: State, days: float) -> None:
    """Age all sums by some days at once."""
    prior = state.prior
    for index, half_life in enumerate((*prior.half_life_levels, prior.half_life_share)):
        keep = 0.5 ** (days / half_life)
        state["negative"][:, index] *= keep
        state["exposure"][:, index] *= keep
    for names, half_life in (
        (("total",), prior.half_life_total),
        (("others",), prior.half_life_others),
        (("weekday_seen", "weekday_due", "hour_seen", "hour_due"), prior.half_life_phase),
        (("dispersion",), prior.half_life_dispersion),
    ):
        for name in names:
            state[name][:] *= 0.5 ** (days / half_life)


def _learn_phases(state: State, weight: Array, total: Array, level: Array, age: int) -> None:
    keep = _decay(state, state.prior.half_life_phase)
    weekday, hour = factors(state)
    rows = np.arange(state.n)
    day, clock = state["row_weekday"][:, age].astype(np.intp), state["row_hour"][:, age].astype(np.intp)
    due = weight * state["row_coverage"][:, age] * np.where(state["total"][:, 1] > 0, level, total)
    hourly = hour.shape[1] > 1
    for name, place, other in (
        ("weekday", day, hour[rows, clock] if hourly else 1.0),
        ("hour", clock if hourly else np.zeros_like(clock), weekday[rows, day]),
    ):
        state[name + "_seen"][:] *= keep
        state[name + "_due"][:] *= keep
        state[name + "_seen"][rows, place] += weight * total
        state[name + "_due"][rows, place] += due * other


def _learn_dispersion(state: State, weight: Array, others: Array, exposure: Array) -> None:
    sums = state["others"]
    due = np.maximum(sums[:, 0] / np.maximum(sums[:, 1], 1e-9) * exposure, 0.05)
    ready = (sums[:, 1] > 2) & (weight > 0) & (due > 0.05)
    square = np.minimum((others - due) ** 2 / due, 16 * dispersion_of_others(state))
    state["dispersion"][:] *= _decay(state, state.prior.half_life_dispersion)
    state["dispersion"][:, 0] += np.where(ready, weight * square, 0.0)
    state["dispersion"][:, 1] += np.where(ready, weight, 0.0)


def expect(state: State, arrived: Array) -> Expectation:
    """The expectation of every window that ends with the newest row. `arrived` (span,): share known at each age."""
    prior, span = state.prior, state.span
    windows = np.array(state.windows)
    row = row_factors(state) * arrived
    coverage = state["row_coverage"]
    pseudo = prior.pseudo_count
    total_level = (state["total"][:, 0] + pseudo) / (state["total"][:, 1] + pseudo)
    real = real_rows(state, total_level[:, None] * row * coverage)
    known = state["row_known"]
    exposure = row * coverage * real
    weight = row_weights(state) * (coverage > 0) * real
    negative, others = state["row_negative"], state["row_others"]
    ages = np.arange(span)

    def before(name: str, column: int, days: float, rows: Array) -> Array:
        """A sum as it stands before each window (n, windows)."""
        decayed = rows * _decay(state, days) ** ages
        older = np.zeros((state.n, span + 1))
        older[:, :span] = np.cumsum(decayed[:, ::-1], axis=1)[:, ::-1]
        return state[name][:, column, None] + older[:, windows]

    seen_negative, seen_exposure = weight * negative, weight * exposure
    seen_total = weight * (negative + others)
    volume = before("total", 0, prior.half_life_total, seen_total)
    volume_level = (volume + pseudo) / (before("total", 1, prior.half_life_total, seen_exposure) + pseudo)
    levels, errors = [], []
    for column, days in enumerate(prior.half_life_levels):
        count = before("negative", column, days, seen_negative) + pseudo
        levels.append(count / (before("exposure", column, days, seen_exposure) + pseudo))
        errors.append(1 / count)
    days = prior.half_life_share
    count = before("negative", N_DIRECT, days, seen_negative * known) + pseudo
    base = before("exposure", N_DIRECT, days, seen_total * known)
    levels.append(count / (base + 1.0) * volume_level)
    errors.append(1 / count + 1 / (volume + pseudo))
    level, error = np.stack(levels, axis=2), np.stack(errors, axis=2)
    trust = state["memory"].copy()
    trust[:, N_DIRECT] = np.where(base[:, 0] > 0, trust[:, N_DIRECT], -np.inf)
    trust = np.exp(trust - trust.max(axis=1, keepdims=True))
    trust = (trust / trust.sum(axis=1, keepdims=True))[:, None, :]
    mean = (trust * level).sum(axis=2)

    known_exposure = seen_exposure * known
    others_count = before("others", 0, prior.half_life_others, weight * others * known)
    others_level = (others_count + pseudo) / (before("others", 1, prior.half_life_others, known_exposure) + pseudo)
    inside = np.cumsum(exposure, axis=1)[:, windows - 1]
    inside_known = np.cumsum(exposure * known, axis=1)[:, windows - 1]
    return Expectation(
        observed=np.cumsum(negative * (real > 0), axis=1)[:, windows - 1],
        expected=np.maximum(mean * inside, 1e-6),
        level_variance=(trust * error).sum(axis=2),
        spread=(trust * (level / mean[..., None] - 1) ** 2).sum(axis=2),
        others=np.cumsum(others * known * (real > 0), axis=1)[:, windows - 1],
        others_expected=np.maximum(others_level * inside_known, 1e-6),
        others_count=others_count,
        others_dispersion=dispersion_of_others(state),
        exposure=inside,
        levels=level[:, 0] * exposure[:, :1],
        level_errors=error[:, 0],
        real=real,
    )
