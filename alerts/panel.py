"""Many series at once: one tick of time for all of them, as arrays; the detector of one series is a panel of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alerts.baseline import Expectation, absorb, expect, forget, row_weights
from alerts.evidence import Mixture, grid_prior, grid_weights, log_bayes_factors, log_negative_binomial, mixture
from alerts.prior import DAY, Prior
from alerts.settings import Settings
from alerts.state import Array, State

__all__ = ["Panel", "Verdicts"]

LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Verdicts:
    """Of one tick; arrays over series, for the most telling window of each."""

    score: Array  # decimal log of the Bayes factor; -inf where the newest row is missing
    window: Array  # index into the windows
    expectation: Expectation
    mix: Mixture


class Panel:
    """`n` series that share settings and step. Feed `tick` once per step, oldest first."""

    def __init__(self, n: int, settings: Settings | None = None, *, prior: Prior | None = None) -> None:
        self.settings = settings or Settings()
        self.prior = prior or Prior()
        self.state = State(n, step_seconds=self.settings.step_seconds, prior=self.prior)
        self.state["grid"][:] = self.start = grid_prior(self.prior)
        weights = np.array(self.prior.window_weights)
        self.log_window_weights = np.log(weights / weights.sum())
        self.windows = np.array(self.state.windows)
        self.arrived = np.ones(self.state.span)
        self.arrived[: len(self.settings.arrived)] = self.settings.arrived[: self.state.span]

    def tick(
        self,
        negative: Array,
        others: Array,
        coverage: Array,
        *,
        weekday: Array,
        hour: Array,
        holiday: Array,
        known: Array | None = None,
    ) -> Verdicts:
        """One step of every series; all arguments (n,). `coverage` 0 is a missing row, `known` 0 an unknown total."""
        absorb(self.state)
        self.state.push()
        self.put(0, negative, others, coverage, weekday=weekday, hour=hour, holiday=holiday, known=known)
        verdicts = self.judge()
        self.learn(verdicts)
        return verdicts

    def put(
        self,
        age: int,
        negative: Array,
        others: Array,
        coverage: Array,
        *,
        weekday: Array,
        hour: Array,
        holiday: Array,
        known: Array | None = None,
    ) -> None:
        """Write the row of an age (0 the newest), also over an earlier version of it: late mentions change it."""
        here = coverage > 0
        state = self.state
        state["row_negative"][:, age] = np.where(here, negative, 0.0)
        state["row_others"][:, age] = np.where(here, others, 0.0)
        state["row_known"][:, age] = np.where(here, 1.0 if known is None else known, 0.0)
        state["row_coverage"][:, age] = coverage
        state["row_weekday"][:, age] = weekday
        state["row_hour"][:, age] = hour
        state["row_holiday"][:, age] = holiday

    def judge(self) -> Verdicts:
        """The evidence as of the newest row. Changes nothing."""
        at = expect(self.state, self.arrived)
        mix = mixture(self.state, at)
        log_factor, self._log_likelihood = log_bayes_factors(at, mix, self.prior)
        by_window = log_factor + self.log_window_weights
        top = by_window.max(axis=1)
        score = (top + np.log(np.exp(by_window - top[:, None]).sum(axis=1))) / LN10
        missing = self.state["row_coverage"][:, 0] <= 0
        self._top = top
        return Verdicts(np.where(missing, -np.inf, score), by_window.argmax(axis=1), at, mix)

    def learn(self, verdicts: Verdicts) -> None:
        """Mark rows that belong to an outbreak or a shift, and update the posterior of grid and memories."""
        state, prior = self.state, self.prior
        here = state["row_coverage"][:, 0] > 0
        factor = prior.p_outbreak * np.exp(np.minimum(self._top, 50.0))
        p_outbreak = factor / (1 + factor)
        inside = (np.arange(state.span) < self.windows[verdicts.window][:, None]) & here[:, None]
        marks = state["row_outbreak"]
        marks[:] = np.where(inside, np.maximum(marks, p_outbreak[:, None]), marks)
        shift = verdicts.mix.p_shift[:, 0] * np.where(state["row_holiday"][:, 0] > 0, 0.5, 1.0)
        state["row_shift"][:, 0] = np.where(here & (state["row_known"][:, 0] > 0), shift, 0.0)

        state["n_seen"][:, 0] += here
        trust = np.where(here, row_weights(state)[:, 0] * verdicts.expectation.real[:, 0], 0.0)
        trust = np.where(state["n_seen"][:, 0] > 5, trust, 0.0)
        self._learn_grid(verdicts, trust)
        self._learn_memory(verdicts, trust)

        odd = here & (row_weights(state)[:, 0] < 0.5)
        count = state["n_odd"][:, 0]
        count[:] = np.where(here, np.where(odd, count + 1, np.maximum(0.0, count - 2)), count)
        normal = count > prior.new_normal_days * DAY / state.step_seconds
        state["row_outbreak"][normal] = 0.0
        state["row_shift"][normal] = 0.0

    def believe(self, level: float, weight: float) -> None:
        """Start every series at `level` negatives a step, as if `weight` negatives had shown it."""
        for index in range(2):
            self.state["negative"][:, index] += weight
            self.state["exposure"][:, index] += weight / level

    def forget(self, steps: int) -> None:
        """Let the sums age by `steps` steps in which nothing was collected and no row is left to absorb."""
        days = steps * self.state.step_seconds / DAY
        forget(self.state, days)

    def _learn_grid(self, verdicts: Verdicts, trust: Array) -> None:
        n_phi, n_beta = len(self.prior.dispersions), len(self.prior.elasticities)
        newest = self._log_likelihood[:, 0].reshape(self.state.n, n_phi, -1)[:, :, verdicts.mix.usual]
        newest = newest.reshape(self.state.n, n_phi * n_beta)
        gain = np.maximum(newest - newest.max(axis=1, keepdims=True), -6.0)
        keep = self.prior.forget_per_day ** (self.state.step_seconds / DAY)
        grid = self.state["grid"]
        learned = self.start + (grid - self.start) * keep + trust[:, None] * gain
        grid[:] = np.where(trust[:, None] > 0, learned, grid)

    def _learn_memory(self, verdicts: Verdicts, trust: Array) -> None:
        at, mix = verdicts.expectation, verdicts.mix
        grid = grid_weights(self.state)
        phi = (grid.sum(axis=2) * self.prior.dispersions).sum(axis=1)
        move = np.maximum(mix.expected[:, 0] / at.expected[:, 0], 1e-6)
        mean = np.maximum(at.levels * move[:, None], 1e-9)
        ratio = phi[:, None] + 1e-3 + phi[:, None] * at.level_errors * mean
        fit = log_negative_binomial(at.observed[:, :1], mean, mean / (ratio - 1))
        gain = np.maximum(fit - fit.max(axis=1, keepdims=True), -3.0)
        keep = 0.98 ** (self.state.step_seconds / DAY)
        memory = self.state["memory"]
        memory[:] = np.where(trust[:, None] > 0, memory * keep + trust[:, None] * gain, memory)
