"""Many series at once: one tick of time for all of them, as arrays; the detector of one series is a panel of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alerts import arithmetic, calibration
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
from alerts.state import GIVEN, Array, State, total

__all__ = ["Panel", "Verdicts"]

LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Verdicts:
    """Of one tick; arrays over series."""

    score: Array  # decimal log of the Bayes factor; -inf where the newest row is missing
    news: Array  # the score where it is above the recent ones, else negative
    steps: Array  # since the most probable onset, the newest included
    factors: Array  # (n, hypotheses): natural log of prior weight times Bayes factor
    enough: npt.NDArray[np.bool_]  # the minimum evidence of count, excess and ratio since the most probable onset


class Panel:
    """`n` series that share settings and step. Feed `tick` once per step, oldest first."""

    def __init__(self, n: int, settings: Settings | None = None, *, prior: Prior | None = None) -> None:
        self.settings = settings or Settings()
        self.prior = prior or Prior()
        self.state = State(n, step_seconds=self.settings.step_seconds, prior=self.prior)
        self.state["grid"][:] = self.start = grid_prior(self.prior)
        self.state["peak"][:] = -10.0
        self.hypotheses = Hypotheses.of(self.prior, self.state.onsets)
        self.grid_stays = self.state.decay(self.prior.half_life_grid)
        self.memory_stays = self.state.decay(self.prior.half_life_memory)
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
        self._write(0, negative, others, coverage, weekday, hour, holiday, known)
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
        if self._write(age, negative, others, coverage, weekday, hour, holiday, known):
            self.compare(age)

    def _write(self, age: int, negative: Array, others: Array, coverage: Array, weekday: Array, hour: Array,
               holiday: Array, known: Array | None) -> bool:  # fmt: skip
        """Whether the row is another one now."""
        row = self.state.rows[:GIVEN, :, age]
        before = row.copy()
        given = (negative, others, 1.0 if known is None else known, coverage, weekday, hour, holiday)
        for line, value in zip(row, given, strict=True):
            line[:] = value
        missing = row[3] <= 0
        if np.count_nonzero(missing):
            row[:3, missing] = 0.0
        return bool(np.count_nonzero(before != row))

    def compare(self, age: int) -> tuple[Expectation, Mixture, Array]:
        """Compare the row of an age with what older rows let expect, and keep the result beside the row."""
        state = self.state
        at = expect(state, self.arrived, age=age)
        mix = mixture(state, at, age=age)
        evidence, log_likelihood = ladder(state, mix, age=age)
        believed = at.real[:, age] * (state["row_coverage"][:, age] > 0)
        told = believed > 0
        state["row_evidence"][:, age] = evidence * believed[:, None]
        state["row_expected"][:, age] = mix.expected * told
        state["row_variance"][:, age] = mix.variance * told
        state["row_level"][:, age] = mix.level_error
        state["row_due"][:, age] = at.others
        state["row_shift"][:, age] = mix.p_shift * (state["row_known"][:, age] > 0)
        state["row_real"][:] = at.real
        return at, mix, log_likelihood

    def judge(self) -> Verdicts:
        """The evidence as of the newest row. Changes nothing."""
        state = self.state
        factors = self.hypotheses.log_factors(state)
        if np.count_nonzero(state["untold"]):
            told = np.maximum(state.span - state["untold"], 1)
            factors = np.where(self.hypotheses.steps > told, -np.inf, factors)
        top = factors.max(axis=1)
        score = (top + np.log(total(np.exp(factors - top[:, None])))) / LN10
        covered = state["row_coverage"] > 0
        broken = covered & (state["row_real"] < 0.5)
        if np.count_nonzero(broken):
            score -= self.prior.outage_penalty * broken.any(axis=1)
        steps = self.hypotheses.steps[factors.argmax(axis=1)]
        by = arithmetic.of(state.n)
        here, peak, loud, score = arithmetic.values(covered[:, 0], self._peak(), state["loud"][:, 0], score)
        news = by.where(score > peak, score, by.minimum(score - peak - 1, score))
        # on the scale of what is promised (`alerts.calibration`); a row that is missing says nothing
        both = np.array(
            [by.where(here, by.where(one > 0, one / (1 + loud), one), -np.inf) for one in (score, news)]
        ).reshape(2, state.n)  # fmt: skip
        return Verdicts(both[0], both[1], steps, factors, self._enough(steps, covered))

    def _peak(self) -> Array:
        """Of the scores before, as far as they have not faded."""
        result: Array = self.state["peak"][:, 0] - self.prior.fade_per_day * self.settings.step_seconds / DAY
        return result

    def _enough(self, steps: npt.NDArray[np.intp], covered: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        state, settings = self.state, self.settings
        since = np.arange(state.span) < steps[:, None]
        observed = total(state["row_negative"] * (since & covered & (state["row_real"] > 0)))
        expected = np.maximum(total(state["row_expected"] * since), 1e-6)
        least = np.maximum(np.maximum(expected + settings.min_excess, settings.min_ratio * expected),
                           settings.min_negative)  # fmt: skip
        result: npt.NDArray[np.bool_] = observed >= least
        return result

    def begin(self) -> None:
        """From here on is now: what the rows so far hold is history that nobody was told of, and is no news any more.

        An outbreak among them neither alarms (its windows reach back behind this step) nor hides one that begins.
        """
        self.state["untold"][:] = self.state.span
        self.state["peak"][:] = -10.0

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
        raw = np.where(verdicts.score > 0, 1 + state["loud"][:, 0], 1.0)  # what makes of a score what it was
        state["peak"][:, 0] = np.maximum(self._peak(), verdicts.score * raw)
        self._mark(verdicts, here)
        calibration.learn(state, np.where(verdicts.enough, verdicts.news * raw, -np.inf), here)
        state["n_seen"][:, 0] += here

        kept = row_weights(state)[:, 0]
        trust = kept * at.real[:, 0] * (here & (state["n_seen"][:, 0] > 5))
        learns = trust[:, None] > 0
        n_phi, n_beta = len(prior.dispersions), len(prior.elasticities)
        newest = log_likelihood.reshape(state.n, n_phi, -1)[:, :, :n_beta].reshape(state.n, -1)
        gain = np.maximum(newest - newest.max(axis=1, keepdims=True), -6.0)
        learned = self.start + (state["grid"] - self.start) * self.grid_stays
        state["grid"] = np.where(learns, learned + trust[:, None] * gain, state["grid"])
        self._learn_memory(at, mix, trust, learns)

        count = state["n_odd"][:, 0]
        odd = kept < 0.5
        if not np.count_nonzero(odd) and not np.count_nonzero(count):
            return
        count[:] = np.where(here, np.where(odd, count + 1, np.maximum(0.0, count - 2)), count)
        normal = count > prior.new_normal_days * DAY / self.settings.step_seconds
        if np.count_nonzero(normal):
            state["row_outbreak"][normal] = 0.0
            state["row_shift"][normal] = 0.0

    def _mark(self, verdicts: Verdicts, here: npt.NDArray[np.bool_]) -> None:
        """Probability of each row to lie in an outbreak, from the hypotheses that cover it."""
        outbreak = self.state["row_outbreak"]
        weight = self.prior.p_outbreak * np.exp(np.minimum(verdicts.factors, 50.0))
        now = weight @ self.hypotheses.covers
        now *= (here / (1 + total(weight)))[:, None]
        np.maximum(outbreak, now, out=outbreak)

    def _learn_memory(self, at: Expectation, mix: Mixture, trust: Array, learns: npt.NDArray[np.bool_]) -> None:
        state = self.state
        phi = (grid_weights(state)[1] @ self.prior.phi)[:, None]
        move = np.maximum(mix.expected / at.expected, 1e-6)
        mean = np.maximum(at.by_memory * move[:, None], 1e-9)
        beyond = phi - 1 + 1e-3 + phi * at.error_by_memory * mean
        fit = log_negative_binomial(state["row_negative"][:, :1], mean, mean / beyond)
        gain = np.maximum(fit - fit.max(axis=1, keepdims=True), -3.0)
        kept = state["memory"] * self.memory_stays
        state["memory"][:] = np.where(learns, kept + trust[:, None] * gain, state["memory"])
