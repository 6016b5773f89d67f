"""Everything a panel of series remembers: arrays of fixed size, one line per series, no growth with history."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.errors import BadRule
from alerts.prior import DAY, Prior

__all__ = ["GIVEN", "Array", "State", "total"]

Array = npt.NDArray[np.float64]

VERSION = 4


ROWS = (
    "negative", "others", "known", "coverage", "weekday", "hour", "holiday",
    "expected", "variance", "level", "due", "outbreak", "shift", "real",
)  # fmt: skip
GIVEN = 7  # of them are what was counted and when, the others what the detector says of it


def total(values: Array) -> Array:
    """The sums of the last axis; of arrays as small as ours three times as quick as their method."""
    result: Array = values @ _ones(values.shape[-1])
    return result


@lru_cache(maxsize=64)
def _ones(n: int) -> Array:
    return np.ones(n)


class State:
    """Sums that forget, and the newest rows that have not been absorbed into them yet (age 0 is the newest).

    Sums hold (counts, expected exposure) pairs: their quotient is a level, their size is its precision. Rows keep what
    was counted, what was expected at that time, and how the count compares with outbreaks of several intensities.

    `state[name]` (n, ...) are views into two blocks, so that one call of numpy does for all of them what is done to
    each: `sums` (sums, n) first the counts of every level, then the exposures of the same; `rows` (ROWS, n, span).
    """

    def __init__(self, n: int, *, step_seconds: int = DAY, prior: Prior | None = None) -> None:
        self.n = n
        self.step_seconds = step_seconds
        self.prior = prior = prior or Prior()
        self.onsets = prior.onsets_daily if step_seconds == DAY else prior.onsets_hourly
        self.span = max(self.onsets)
        self.n_levels = levels = 3 + len(prior.half_life_levels)
        n_hours = 1 if step_seconds == DAY else 24
        half_lives = (prior.half_life_total, prior.half_life_others, *prior.half_life_levels, prior.half_life_share)
        phases = [prior.half_life_phase] * (14 + 2 * n_hours)
        others = [prior.half_life_dispersion] * 2 + [prior.half_life_lag] * 2
        self.fading = np.array([self.decay(days) for days in (*half_lives, *half_lives, *phases, *others)])[:, None]
        # what is left of a row of each age in each level (span, levels), and of one that is just absorbed (levels, 1)
        ages = np.arange(self.span)
        self.left = np.array([self.decay(days) ** ages for days in half_lives]).T
        self.left_when_absorbed = np.array([self.decay(days, steps=self.span) for days in half_lives])[:, None]
        self.sums = np.zeros((len(self.fading), n))
        self.rows = np.zeros((len(ROWS), n, self.span))
        self.row_offsets = 7 * np.arange(n)[:, None], n_hours * np.arange(n)[:, None]
        # what follows from the above, until it changes: see `baseline.usual` and `evidence.grid_weights`
        self.derived: tuple[Array, Array, Array] | None = None
        self.posterior: tuple[Array, Array] | None = None
        pairs = {"total": 0, "others": 1}
        self.arrays: dict[str, Array] = {
            "negative": self.sums[2:levels].T,
            "exposure": self.sums[levels + 2 : 2 * levels].T,
        }
        for name, place in pairs.items():
            self.arrays[name] = self.sums[place : levels + place + 1 : levels].T
        at = 2 * levels
        for name, width in (
            ("weekday_seen", 7), ("weekday_due", 7), ("hour_seen", n_hours), ("hour_due", n_hours),
            ("dispersion", 2), ("lag", 2),
        ):  # fmt: skip
            self.arrays[name] = self.sums[at : at + width].T
            at += width
        n_grid = len(prior.dispersions) * len(prior.elasticities)
        for name, width in (
            ("grid", n_grid), ("memory", levels - 2), ("n_seen", 1), ("n_odd", 1), ("peak", 1), ("near", 2),
            ("loud", 1), ("untold", 1),
        ):  # fmt: skip
            self.arrays[name] = np.zeros((n, width))
        self.arrays |= {"row_" + name: self.rows[place] for place, name in enumerate(ROWS)}
        self.arrays["row_evidence"] = np.zeros((n, self.span, len(prior.intensities)))

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __setitem__(self, name: str, value: Array | float) -> None:
        self.derived = self.posterior = None
        self.arrays[name][:] = value

    def decay(self, half_life: float, *, steps: float = 1.0) -> float:
        """What is left after some steps, with a half-life in days."""
        return float(0.5 ** (steps * self.step_seconds / DAY / half_life))

    def push(self) -> None:
        """Age every row by one step; the newest place becomes an empty (missing) row."""
        for block in (self.rows, self["row_evidence"].transpose(2, 0, 1)):
            block[:, :, 1:] = block[:, :, :-1]
            block[:, :, 0] = 0.0
        if np.count_nonzero(self["untold"]):
            self["untold"][:] = np.maximum(self["untold"] - 1, 0.0)

    def to_dict(self, index: int = 0) -> dict[str, Any]:
        """One series as plain lists, for JSON."""
        values = {name: [round(float(v), 9) for v in array[index].ravel()] for name, array in self.arrays.items()}
        return {"version": VERSION, "step_seconds": self.step_seconds, **values}

    def load(self, index: int, data: Mapping[str, Any]) -> None:
        """Put one stored series back. Raises BadRule where the store holds another version or shape."""
        if data.get("version") != VERSION or data.get("step_seconds") != self.step_seconds:
            raise BadRule(
                f"detector state: version={data.get('version')!r} step_seconds={data.get('step_seconds')!r}; "
                f"allowed is version={VERSION} step_seconds={self.step_seconds}: rebuild it from the rows"
            )
        self.derived = self.posterior = None
        for name, array in self.arrays.items():
            shape = array.shape[1:]
            try:
                array[index] = np.array(data[name], dtype=float).reshape(shape)
            except (KeyError, TypeError, ValueError) as error:
                need = "x".join(map(str, shape))
                raise BadRule(f"detector state: {name} is not {need} numbers: rebuild it from the rows") from error
