"""How much louder the scores of an account are than they promise, from its near misses; they are divided by that.

The threshold was measured on independent days. Where days hang together, or news come and go slowly, scores run higher
than that: what looks like a week's outbreak is the ordinary wave. One series alone cannot show it in a year, but the
series of an account together do, by the scores that come close to an alarm and stay below: they are frequent, nearly
all of them chance, and their rate is known. Where scores are `k` times as high as they should be, the log rate of false
alarms falls `k` times as slowly, as it does in the harder scenarios of docs/alerts.md, so scores are divided by `k`.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from alerts.prior import DAY
from alerts.state import State
from alerts.threshold import slope, threshold

__all__ = ["learn", "loudness"]

PROMISED = (0.132, 0.049)  # false alarms per series-week for which near misses would be alarms, first and last
# near misses per series-week of series that keep the promise: counted by the day, and by the hour
SEEN = {True: 0.175, False: 0.09}
PRIOR = 30.0  # expected near misses that speak for one, before any were seen
LOUDEST = 2.0
HALF_LIFE = 180.0
AT_ONCE = 3.0  # times the expected ones of a tick: a crisis is seen by many series and is one


def learn(state: State, news: npt.NDArray[np.float64], here: npt.NDArray[np.bool_]) -> None:
    """Count the near misses of a tick, and bring the divisor of every series up to date."""
    ready = here & (state["n_seen"][:, 0] * state.step_seconds >= 14 * DAY)
    near = state["near"]
    near *= state.decay(HALF_LIFE)
    if n_ready := np.count_nonzero(ready):
        low, high = _bounds(state.step_seconds)
        usual = SEEN[state.step_seconds >= DAY] * (state.step_seconds / (7 * DAY))  # of one series in a step
        close = ready & (news >= low) & (news < high)
        if n_close := np.count_nonzero(close):
            near[:, 0] += close * min(1.0, (AT_ONCE * usual * n_ready + 2) / n_close)
        near[:, 1] += usual * ready
    state["loud"][:] = loudness(*near.sum(axis=0).tolist(), step_seconds=state.step_seconds) - 1


def loudness(n_near: float, n_expected: float, *, step_seconds: int = DAY) -> float:
    """What scores must be divided by for so many near misses to be as many as expected: 1 to LOUDEST."""
    if n_near <= n_expected:
        return 1.0
    return float(np.interp((n_near + PRIOR) / (n_expected + PRIOR), *_near_misses(step_seconds)))


@functools.cache
def _bounds(step_seconds: int) -> tuple[float, float]:
    """Between which scores a near miss lies."""
    low, high = (threshold(rate, step_seconds=step_seconds) for rate in PROMISED)
    return low, high


@functools.cache
def _near_misses(step_seconds: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How many times as many near misses there are as expected, and the divisors for which that is so."""
    low, high = _bounds(step_seconds)
    by = np.linspace(1.0, LOUDEST, 41)
    falls = slope(step_seconds=step_seconds)
    between = 10 ** (-falls * low / by) - 10 ** (-falls * high / by)
    return between / between[0], by
