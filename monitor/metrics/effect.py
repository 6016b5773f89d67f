"""Did a change help? Difference in differences, interrupted time series, and a plain "cannot tell" when they cannot.

Both are least squares on a series of periods (weeks) whose neighbours resemble each other. Newey-West errors alone are
too small on a few dozen weeks (measured: docs/metrics.md), so the autocorrelation is also modelled, and integrated out,
and the wider of both intervals is reported. With untreated places or topics the series is treated minus control; before
it is believed, the two must have run in parallel (pre-trend), and the same method on dates when nothing happened must
find nothing (placebo).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from monitor.metrics import tails
from monitor.metrics.metric import CONFIDENCE, BadNumbers, Interval, check_counts

Floats = npt.NDArray[np.float64]
Verdict = Literal["fell", "rose", "no_clear_change", "cannot_tell"]
Reason = Literal[
    "", "too_few_periods_before", "too_few_periods_after", "too_few_mentions", "pre_trend", "placebo", "trend_uncertain"
]
Measure = Literal["share", "count"]

ERRORS = "wider of Newey-West errors and AR(1) errors integrated over the autocorrelation"
DIFFERENCE = f"difference in differences of weekly {{measure}}, {ERRORS}"
SERIES = f"interrupted time series of weekly {{measure}} (level and slope), {ERRORS}"

LEAST_BEFORE = 6
LEAST_AFTER = 4
LEAST_MENTIONS = 30
PRE_TREND_LEVEL = 0.05
SHARP_PRE_TREND_LEVEL = 0.2
PLACEBO_LEVEL = 0.05
PLACEBO_SHARE = 0.5  # of the placebo dates that may look like an effect before one is claimed


@dataclass(frozen=True, slots=True)
class Period:
    """One week of a group of places or topics: `x` complaints of `n` mentions."""

    x: float
    n: float

    def __post_init__(self) -> None:
        check_counts(x=self.x, n=self.n)

    @property
    def share(self) -> float:
        return self.x / self.n if self.n else math.nan


@dataclass(frozen=True, slots=True)
class Line:
    """A least-squares fit with Newey-West errors."""

    coefficients: Floats
    covariance: Floats
    n: int

    def interval(self, which: int, *, confidence: float = CONFIDENCE) -> Interval:
        """Student's t interval of one coefficient."""
        half = self.half_width(which, confidence=confidence)
        value = float(self.coefficients[which])
        return Interval(value - half, value + half)

    def half_width(self, which: int, *, confidence: float = CONFIDENCE) -> float:
        freedom = max(1, self.n - len(self.coefficients))
        error = math.sqrt(max(0.0, float(self.covariance[which, which])))
        return tails.t_quantile(0.5 + confidence / 2, freedom) * error


@dataclass(frozen=True, slots=True)
class Estimate:
    """One coefficient: its value, its interval, and the two-sided p of "it is zero"."""

    value: float
    interval: Interval
    p: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What is known of a change.

    `change` and `interval` are in points of share (0 to 1) or in complaints per period; None with the verdict
    "cannot_tell", whose `reason` says why. `before` and `after` are the plain means of the treated, never the answer.
    """

    verdict: Verdict
    reason: Reason
    change: float | None
    interval: Interval | None
    measure: Measure
    method: str
    n_before: int  # periods
    n_after: int
    x_before: float  # complaints of the treated
    x_after: float
    before: float
    after: float
    controlled: bool
    pre_trend_p: float | None = None
    placebo_share: float | None = None  # of placebo dates that looked like an effect
    n_placebo: int = 0


def newey_west(design: Floats, response: Floats, *, lags: int | None = None, weights: Floats | None = None) -> Line:
    """Least squares with heteroskedasticity and autocorrelation consistent errors (Newey and West 1987).

    Bartlett weights over `lags` (default: floor(4 (n/100)^(2/9)), Newey and West 1994, at least 1), times n/(n - k) for
    few observations. `weights` are those of weighted least squares.
    """
    n, k = design.shape
    if n <= k:
        raise BadNumbers(f"{n} periods cannot carry {k} coefficients")
    root = np.ones(n) if weights is None else np.sqrt(weights / weights.mean())
    x, y = design * root[:, None], response * root
    if np.linalg.matrix_rank(x) < k:
        raise BadNumbers("the coefficients cannot be told apart: a period too many or too few")
    bread = np.linalg.inv(x.T @ x)
    coefficients = bread @ x.T @ y
    residuals = y - x @ coefficients
    moments = x * residuals[:, None]
    meat = moments.T @ moments
    depth = max(1, math.floor(4 * (n / 100) ** (2 / 9))) if lags is None else lags
    for lag in range(1, min(depth, n - 1) + 1):
        cross = moments[lag:].T @ moments[:-lag]
        meat += (1 - lag / (depth + 1)) * (cross + cross.T)
    covariance = bread @ meat @ bread * n / (n - k)
    return Line(coefficients, covariance, n)


def estimate(
    design: Floats,
    response: Floats,
    which: int,
    *,
    weights: Floats | None = None,
    confidence: float = CONFIDENCE,
    memory: Memory | None = None,
) -> Estimate:
    """One coefficient of a regression on a time series with errors of unknown memory.

    Errors follow an AR(1), with or without sampling noise on top (which would hide the memory). For each strength on a
    grid the coefficient is a Student's t (generalised least squares); strengths weigh by their restricted likelihood
    (Harville 1974) and what `memory` holds possible (GAP if not given), so that not knowing them widens the interval.
    The value is the mean of the mixture; where the Newey-West interval is wider, its width is taken.
    """
    from scipy import optimize  # here, since every command would wait for it and few need it

    line = newey_west(design, response, weights=weights)
    mixture = _mixture(design, response, which, weights, memory or GAP)
    mean = float(mixture.shares @ mixture.centre)
    reach = 60 * float(mixture.scale.max()) + float(np.ptp(mixture.centre))
    tail = (1 - confidence) / 2
    low, high = (
        float(optimize.brentq(lambda v, p=p: mixture.below(v) - p, mean - reach, mean + reach))
        for p in (tail, 1 - tail)
    )
    half = line.half_width(which, confidence=confidence)
    return Estimate(mean, Interval(min(low, mean - half), max(high, mean + half)), mixture.p)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is held possible of errors before they are seen: how strongly they remember the week before, and the parts
    of their variance that remember nothing (sampling). Strengths weigh (1 - rho)^-lean beforehand."""

    strengths: tuple[float, ...]
    noises: tuple[float, ...]
    lean: float

    def each(self) -> tuple[Floats, Floats]:
        """Strength and noise of each pair of them."""
        rho, noise = np.meshgrid(self.strengths, self.noises, indexing="ij")
        return rho.ravel(), noise.ravel()


# a gap to the control has lost its season: nothing is leant to (flat over the stationary: Zellner and Tiao 1964)
GAP = Memory(tuple(float(rho) for rho in np.linspace(-0.95, 0.99, 37)), (0.0, 0.1), 0.0)
# in a series alone the season is still there: it remembers strongly, and short series hide that
ALONE = Memory(tuple(float(rho) for rho in np.linspace(-0.4, 0.95, 28)), (0.0, 0.3, 0.6), 3.0)


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Student's t distributions of one coefficient, one per strength of autocorrelation, and their shares."""

    centre: Floats
    scale: Floats
    shares: Floats
    freedom: int

    def below(self, value: float) -> float:
        return float(self.shares @ special.stdtr(self.freedom, (value - self.centre) / self.scale))

    @property
    def p(self) -> float:
        """Two-sided p of "the coefficient is zero"."""
        below = self.below(0.0)
        return min(1.0, 2 * min(below, 1 - below))


def _mixture(design: Floats, response: Floats, which: int, weights: Floats | None, memory: Memory) -> _Mixture:
    freed, logs = _freed(_evened(np.column_stack([design, response]), weights), memory)
    return _solved(freed[..., :-1], freed[..., -1], logs, which)


def _solved(x: Floats, y: Floats, logs: Floats, which: int) -> _Mixture:
    """Least squares for each memory, once the columns are free of it."""
    _, n, k = x.shape
    turned = x.transpose(0, 2, 1)
    gram = turned @ x
    inverse = np.linalg.inv(gram)
    coefficients = inverse @ (turned @ y[..., None])
    squares = np.maximum(np.sum((y - (x @ coefficients)[..., 0]) ** 2, axis=1), 1e-300)
    likelihoods = -(n - k) / 2 * np.log(squares) - 0.5 * np.linalg.slogdet(gram)[1] - 0.5 * logs
    shares = np.exp(likelihoods - likelihoods.max())
    errors = np.sqrt(squares / (n - k) * inverse[:, which, which])
    return _Mixture(coefficients[:, which, 0], np.maximum(errors, 1e-15), shares / shares.sum(), n - k)


def _evened(columns: Floats, weights: Floats | None) -> Floats:
    """Columns of periods that weigh alike."""
    evened: Floats = columns if weights is None else columns * np.sqrt(weights / weights.mean())[:, None]
    return evened


def _freed(columns: Floats, memory: Memory) -> tuple[Floats, Floats]:
    """The columns freed of each memory, (strength, period, column), and twice what speaks against it before their
    squares do: the logarithm of its determinant, and its weight beforehand. These are the innovations of a Kalman
    filter for an AR(1) of variance 1 - noise under noise."""
    rho, noise = memory.each()
    free = np.empty((len(rho), *columns.shape))
    logs = 2 * memory.lean * np.log(1 - rho)
    expected = np.zeros((len(rho), columns.shape[1]))
    doubt = 1 - noise  # variance of the AR(1) around what is expected of it
    fresh = (1 - noise) * (1 - rho * rho)
    for period, row in enumerate(columns):
        spread = doubt + noise
        surprise = row - expected
        free[:, period] = surprise / np.sqrt(spread)[:, None]
        logs += np.log(spread)
        gain = rho * doubt / spread
        expected = rho[:, None] * expected + gain[:, None] * surprise
        doubt = rho * rho * doubt * noise / spread + fresh
    return free, logs


def difference_in_differences(
    treated: Sequence[Period], control: Sequence[Period], *, change_at: int, measure: Measure = "share"
) -> Effect:
    """The effect on the treated beyond what the controls did; `change_at` is the first period with the change.

    The series is treated minus control, so whatever befalls both drops out. Counts of groups of unequal size are
    compared on the scale of the treated: the control is brought to its level before the change.
    """
    if len(treated) != len(control):
        raise BadNumbers(f"{len(treated)} periods of the treated but {len(control)} of the controls")
    method = DIFFERENCE.format(measure=measure)
    early = _too_little(treated, change_at, measure, method, controlled=True)
    if early is not None:
        return early
    if sum(period.x for period in control[:change_at]) == 0 and measure == "count":
        return _cannot(treated, change_at, measure, method, "too_few_mentions", controlled=True)
    gap, weights = _gap(treated, control, change_at, measure)
    after = _after(len(treated), change_at)
    found = estimate(np.column_stack([np.ones(len(gap)), after]), gap, 1, weights=weights)
    pre_trend = _pre_trend(gap[:change_at], weights[:change_at])
    placebo_share, n_placebo = _placebo(gap[:change_at], weights[:change_at])
    reason: Reason = ""
    # an effect that would be claimed is asked more sharply whether it was on its way already
    carried = _carried(gap, weights, change_at, found.value)
    claimed = found.interval.clear
    if (pre_trend < PRE_TREND_LEVEL and carried > (0.25 if claimed else 0.5)) or (
        claimed and pre_trend < SHARP_PRE_TREND_LEVEL and carried > 0.5
    ):
        reason = "pre_trend"
    return _effect(treated, change_at, measure, method, found, reason, True, pre_trend, placebo_share, n_placebo)


def interrupted_series(treated: Sequence[Period], *, change_at: int, measure: Measure = "share") -> Effect:
    """The change of level at `change_at` beyond the trend before it, where there is no control.

    y = a + b t + c after + d t after, with t counted from the middle of the periods after the change: c is the mean
    effect over the time watched, not only at its first moment. Anything else that happened at that date is in c, which
    is why a control is better.
    """
    method = SERIES.format(measure=measure)
    early = _too_little(treated, change_at, measure, method, controlled=False)
    if early is not None:
        return early
    values, weights = _values(treated, measure)
    after = _after(len(values), change_at)
    time = np.arange(len(values), dtype=float)
    middle = time[change_at:].mean()
    design = np.column_stack([np.ones(len(values)), time - middle, after, (time - middle) * after])
    found = estimate(design, values, 2, weights=weights, memory=ALONE)
    placebo_share, n_placebo = _placebo(values[:change_at], weights[:change_at], trend=True)
    reason: Reason = ""
    # a trend known so badly that its continuation could be anything carries no conclusion
    spread = float(np.std(values[:change_at], ddof=1))
    if found.interval.width > 8 * max(spread, 1e-12):
        reason = "trend_uncertain"
    return _effect(treated, change_at, measure, method, found, reason, False, None, placebo_share, n_placebo)


def effect(
    treated: Sequence[Period], control: Sequence[Period] | None, *, change_at: int, measure: Measure = "share"
) -> Effect:
    """Difference in differences where there is a control, else the interrupted series."""
    if control is not None and any(period.n for period in control):
        return difference_in_differences(treated, control, change_at=change_at, measure=measure)
    return interrupted_series(treated, change_at=change_at, measure=measure)


def _after(n: int, change_at: int) -> Floats:
    return (np.arange(n) >= change_at).astype(float)


def _values(periods: Sequence[Period], measure: Measure) -> tuple[Floats, Floats]:
    """Values and weights. A share weighs by its mentions; a week without mentions weighs nothing."""
    if measure == "count":
        return np.array([period.x for period in periods], dtype=float), np.ones(len(periods))
    n = np.array([period.n for period in periods], dtype=float)
    shares = np.array([period.x / period.n if period.n else 0.0 for period in periods])
    return shares, np.maximum(n, 1e-9)


def _gap(
    treated: Sequence[Period], control: Sequence[Period], change_at: int, measure: Measure
) -> tuple[Floats, Floats]:
    own, own_weights = _values(treated, measure)
    other, other_weights = _values(control, measure)
    if measure == "count":
        return own - other * (own[:change_at].mean() / other[:change_at].mean()), np.ones(len(own))
    # the variance of a difference of shares is the sum of theirs, each as one over its mentions
    return own - other, 1 / (1 / own_weights + 1 / other_weights)


def _pre_trend(gap: Floats, weights: Floats) -> float:
    """p of "the gap had no slope before the change"."""
    time = np.arange(len(gap), dtype=float)
    return _mixture(np.column_stack([np.ones(len(gap)), time - time.mean()]), gap, 1, weights, GAP).p


def _carried(gap: Floats, weights: Floats, change_at: int, change: float) -> float:
    """The part of the effect that the slope before, were it to go on, would explain."""
    time = np.arange(change_at, dtype=float)
    design = np.column_stack([np.ones(change_at), time - time.mean()])
    slope = float(newey_west(design, gap[:change_at], weights=weights[:change_at]).coefficients[1])
    distance = float(np.arange(change_at, len(gap)).mean() - time.mean())
    return abs(slope * distance) / max(abs(change), 1e-12)


def _placebo(values: Floats, weights: Floats, *, trend: bool = False) -> tuple[float | None, int]:
    """Share of the dates before the change at which the same method finds an effect; None with fewer than three."""
    n = len(values)
    dates = range(LEAST_AFTER, n - LEAST_AFTER + 1)
    always = [np.ones(n), *([np.arange(n, dtype=float) - n / 2] if trend else [])]
    if len(dates) < 3 or n <= len(always) + 2:
        return None, len(dates)
    columns = np.column_stack([*always, *(_after(n, date) for date in dates), values])
    freed, logs = _freed(_evened(columns, weights), ALONE if trend else GAP)
    kept = list(range(len(always)))
    n_found = sum(
        _solved(freed[..., [*kept, one]], freed[..., -1], logs, len(always)).p < PLACEBO_LEVEL
        for one in range(len(always), len(always) + len(dates))
    )
    return n_found / len(dates), len(dates)


def _too_little(
    treated: Sequence[Period], change_at: int, measure: Measure, method: str, *, controlled: bool
) -> Effect | None:
    if not 0 < change_at < len(treated):
        raise BadNumbers(f"the change is at period {change_at} of {len(treated)}; it must lie inside")
    if change_at < LEAST_BEFORE:
        return _cannot(treated, change_at, measure, method, "too_few_periods_before", controlled=controlled)
    if len(treated) - change_at < LEAST_AFTER:
        return _cannot(treated, change_at, measure, method, "too_few_periods_after", controlled=controlled)
    seen = sum(period.n if measure == "share" else period.x for period in treated)
    if seen < LEAST_MENTIONS or (measure == "share" and sum(period.n for period in treated[change_at:]) == 0):
        return _cannot(treated, change_at, measure, method, "too_few_mentions", controlled=controlled)
    return None


def _cannot(
    treated: Sequence[Period], change_at: int, measure: Measure, method: str, reason: Reason, *, controlled: bool
) -> Effect:
    return Effect("cannot_tell", reason, None, None, measure, method, change_at, len(treated) - change_at,
                  *_plain(treated, change_at, measure), controlled)  # fmt: skip


def _plain(treated: Sequence[Period], change_at: int, measure: Measure) -> tuple[float, float, float, float]:
    """Complaints before and after, and the means that are not the answer."""
    sides = (treated[:change_at], treated[change_at:])
    x_before, x_after = (sum(period.x for period in side) for side in sides)
    means = []
    for side, x in zip(sides, (x_before, x_after), strict=True):
        n = sum(period.n for period in side)
        means.append((x / n if n else 0.0) if measure == "share" else (x / len(side) if side else 0.0))
    return x_before, x_after, means[0], means[1]


def _effect(
    treated: Sequence[Period],
    change_at: int,
    measure: Measure,
    method: str,
    found: Estimate,
    reason: Reason,
    controlled: bool,
    pre_trend: float | None,
    placebo_share: float | None,
    n_placebo: int,
) -> Effect:
    change, interval = found.value, found.interval
    if placebo_share is not None and placebo_share > PLACEBO_SHARE and interval.clear:
        reason = reason or "placebo"
    verdict: Verdict = "no_clear_change"
    if reason:
        verdict = "cannot_tell"
    elif interval.clear:
        verdict = "fell" if interval.high < 0 else "rose"
    known = verdict != "cannot_tell"
    return Effect(
        verdict,
        reason,
        change if known else None,
        interval if known else None,
        measure,
        method,
        change_at,
        len(treated) - change_at,
        *_plain(treated, change_at, measure),
        controlled,
        pre_trend,
        placebo_share,
        n_placebo,
    )
