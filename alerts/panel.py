"""Many series at once: one tick of time for all of them, as arrays; the detector of one series is a panel of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts import calibration
from alerts.baseline import Expectation, absorb, expect, forget, row_weights
from alerts.evidence import (
    Hypotheses,
    Mixture,
    grid_prior,
    grid_weights,
    ladder,
    log_negative_binomial,
    mixture,
)
from alerts.prior import DAY, Prior
from alerts.settings import Settings
from alerts.state import Array, State

__all__ = ["Panel", "Verdicts"]

LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Verdicts:
    """Of one tick; arrays over series."""

    score: Array  # decimal log of the Bayes factor; -inf where the newest row is missing
    news: Array  # the score where it is above the recent ones, else negative
    steps: Array  # since the most probable onset, the newest included
    factors: Array  # (n, hypotheses): natural log of prior weight times Bayes factor


class Panel:
    """`n` series that share settings and step. Feed `tick` once per step, oldest first."""

    def __init__(self, n: int, settings: Settings | None = None, *, prior: Prior | None = None) -> None:
        self.settings = settings or Settings()
        self.prior = prior or Prior()
        self.state = State(n, step_seconds=self.settings.step_seconds, prior=self.prior)
        self.state["grid"][:] = self.start = grid_prior(self.prior)
        self.state["peak"][:] = -10.0
        self.hypotheses = Hypotheses.of(self.prior, self.state.onsets)
        self.arrived = np.ones(self.state.span)
        shares = self.settings.arrived[: self.state.span]
        self.arrived[: len(shares)] = shares

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
        row = {"negative": negative, "others": others, "coverage": coverage}
        self._write(0, row | {"weekday": weekday, "hour": hour, "holiday": holiday}, known)
        at, mix, log_likelihood = self.compare(0)
        verdicts = self.judge()
        self._learn(verdicts, at, mix, log_likelihood)
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
        """Write the row of an age (0 the newest) over its earlier version, since late mentions change it.

        Call `judge` afterwards for the evidence as it is then.
        """
        row = {"negative": negative, "others": others, "coverage": coverage}
        if self._write(age, row | {"weekday": weekday, "hour": hour, "holiday": holiday}, known):
            self.compare(age)

    def _write(self, age: int, row: dict[str, Array], known: Array | None) -> bool:
        here = row["coverage"] > 0
        row["negative"] = np.where(here, row["negative"], 0.0)
        row["others"] = np.where(here, row["others"], 0.0)
        row["known"] = np.where(here, 1.0 if known is None else known, 0.0)
        changed = False
        for name, value in row.items():
            column = self.state["row_" + name][:, age]
            changed = changed or not np.array_equal(column, np.broadcast_to(value, column.shape))
            column[:] = value
        return changed

    def compare(self, age: int) -> tuple[Expectation, Mixture, Array]:
        """Compare the row of an age with what older rows let expect, and keep the result beside the row."""
        state = self.state
        at = expect(state, self.arrived, age=age)
        mix = mixture(state, at, age=age)
        evidence, log_likelihood = ladder(state, mix, age=age)
        believed = np.where(state["row_coverage"][:, age] > 0, at.real[:, age], 0.0)
        state["row_evidence"][:, age] = evidence * believed[:, None]
        state["row_expected"][:, age] = mix.expected * (believed > 0)
        state["row_variance"][:, age] = mix.variance * (believed > 0)
        state["row_level"][:, age] = mix.level_error
        state["row_due"][:, age] = at.others
        state["row_shift"][:, age] = np.where(state["row_known"][:, age] > 0, mix.p_shift, 0.0)
        state["row_real"][:] = at.real
        return at, mix, log_likelihood

    def judge(self) -> Verdicts:
        """The evidence as of the newest row. Changes nothing."""
        factors = self.hypotheses.log_factors(self.state)
        top = factors.max(axis=1)
        score = (top + np.log(np.exp(factors - top[:, None]).sum(axis=1))) / LN10
        covered = self.state["row_coverage"] > 0
        broken = (covered & (self.state["row_real"] < 0.5)).any(axis=1)
        score -= np.where(broken, self.prior.outage_penalty, 0.0)
        here = covered[:, 0]
        peak = self.state["peak"][:, 0] - self.prior.fade_per_day * self.settings.step_seconds / DAY
        news = np.where(score > peak, score, np.minimum(score - peak - 1, score))
        steps = self.hypotheses.steps[factors.argmax(axis=1)]
        score, news = (self._softer(np.where(here, values, -np.inf)) for values in (score, news))
        return Verdicts(score, news, steps, factors)

    def _softer(self, score: Array) -> Array:
        """Scores on the scale of what is promised (`alerts.calibration`)."""
        result: Array = np.where(score > 0, score / (1 + self.state["loud"][:, 0]), score)
        return result

    def enough(self, verdicts: Verdicts) -> npt.NDArray[np.bool_]:
        """Whether each series has the minimum evidence of count, excess and ratio since its most probable onset."""
        state, settings = self.state, self.settings
        rows, last = np.arange(state.n), verdicts.steps - 1
        believed = (state["row_coverage"] > 0) & (state["row_real"] > 0)
        observed = np.cumsum(state["row_negative"] * believed, axis=1)[rows, last]
        expected = np.maximum(np.cumsum(state["row_expected"], axis=1)[rows, last], 1e-6)
        result: npt.NDArray[np.bool_] = (
            (observed >= settings.min_negative)
            & (observed - expected >= settings.min_excess)
            & (observed >= settings.min_ratio * expected)
        )
        return result

    def alone(self, index: int) -> Panel:
        """One series of the panel as a panel of its own, to try something on."""
        one = Panel(1, self.settings, prior=self.prior)
        for name, array in self.state.arrays.items():
            one.state.arrays[name][0] = array[index]
        return one

    def believe(self, level: float, weight: float) -> None:
        """Start every series at `level` negatives a step, as if `weight` negatives had shown it."""
        for index in range(len(self.prior.half_life_levels)):
            self.state["negative"][:, index] += weight
            self.state["exposure"][:, index] += weight / level

    def forget(self, steps: int) -> None:
        """Let the sums age by `steps` steps in which nothing was collected and no row is left to absorb."""
        forget(self.state, steps)

    def _learn(self, verdicts: Verdicts, at: Expectation, mix: Mixture, log_likelihood: Array) -> None:
        """Mark rows that belong to an outbreak, remember the score, update the posterior of grid and memories."""
        state, prior = self.state, self.prior
        here = state["row_coverage"][:, 0] > 0
        peak = state["peak"][:, 0] - prior.fade_per_day * self.settings.step_seconds / DAY
        loud = np.where(verdicts.score > 0, 1 + state["loud"][:, 0], 1.0)
        state["peak"][:, 0] = np.maximum(peak, np.where(here, verdicts.score * loud, -np.inf))
        self._mark(verdicts, here)
        calibration.learn(state, np.where(self.enough(verdicts), verdicts.news * loud, -np.inf), here)
        state["n_seen"][:, 0] += here

        trust = np.where(here, row_weights(state)[:, 0] * at.real[:, 0], 0.0)
        trust = np.where(state["n_seen"][:, 0] > 5, trust, 0.0)
        n_phi, n_beta = len(prior.dispersions), len(prior.elasticities)
        newest = log_likelihood.reshape(state.n, n_phi, -1)[:, :, mix.usual].reshape(state.n, n_phi * n_beta)
        gain = np.maximum(newest - newest.max(axis=1, keepdims=True), -6.0)
        learned = self.start + (state["grid"] - self.start) * state.decay(prior.half_life_grid)
        state["grid"][:] = np.where(trust[:, None] > 0, learned + trust[:, None] * gain, state["grid"])
        self._learn_memory(at, mix, trust)

        odd = here & (row_weights(state)[:, 0] < 0.5)
        count = state["n_odd"][:, 0]
        count[:] = np.where(here, np.where(odd, count + 1, np.maximum(0.0, count - 2)), count)
        normal = count > prior.new_normal_days * DAY / self.settings.step_seconds
        state["row_outbreak"][normal] = 0.0
        state["row_shift"][normal] = 0.0

    def _mark(self, verdicts: Verdicts, here: npt.NDArray[np.bool_]) -> None:
        """Probability of each row to lie in an outbreak, from the hypotheses that cover it."""
        state = self.state
        weight = self.prior.p_outbreak * np.exp(np.minimum(verdicts.factors, 50.0))
        weight /= 1 + weight.sum(axis=1, keepdims=True)
        covers = self.hypotheses.rungs > 0
        now = (weight @ covers) * here[:, None]
        state["row_outbreak"][:] = np.maximum(state["row_outbreak"], now)

    def _learn_memory(self, at: Expectation, mix: Mixture, trust: Array) -> None:
        state = self.state
        phi = (grid_weights(state).sum(axis=2) * self.prior.dispersions).sum(axis=1)[:, None]
        move = np.maximum(mix.expected / at.expected, 1e-6)
        mean = np.maximum(at.by_memory * move[:, None], 1e-9)
        ratio = phi + 1e-3 + phi * at.error_by_memory * mean
        fit = log_negative_binomial(state["row_negative"][:, :1], mean, mean / (ratio - 1))
        gain = np.maximum(fit - fit.max(axis=1, keepdims=True), -3.0)
        kept = state["memory"] * state.decay(self.prior.half_life_memory)
        state["memory"][:] = np.where(trust[:, None] > 0, kept + trust[:, None] * gain, state["memory"])
