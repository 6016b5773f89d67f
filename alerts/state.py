"""Everything a panel of series remembers: arrays of fixed size, one line per series, no growth with history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.errors import BadRule
from alerts.prior import DAY, Prior

__all__ = ["Array", "State"]

Array = npt.NDArray[np.float64]

VERSION = 3


class State:
    """Sums that forget, and the newest rows that have not been absorbed into them yet (age 0 is the newest).

    Sums hold (counts, expected exposure) pairs: their quotient is a level, their size is its precision. Rows keep what
    was counted, what was expected at that time, and how the count compares with outbreaks of several intensities.
    """

    def __init__(self, n: int, *, step_seconds: int = DAY, prior: Prior | None = None) -> None:
        self.n = n
        self.step_seconds = step_seconds
        self.prior = prior or Prior()
        self.onsets = self.prior.onsets_daily if step_seconds == DAY else self.prior.onsets_hourly
        self.span = max(self.onsets)
        span, n_grid = self.span, len(self.prior.dispersions) * len(self.prior.elasticities)
        n_memories = len(self.prior.half_life_levels) + 1
        n_hours = 1 if step_seconds == DAY else 24
        self.shapes: dict[str, tuple[int, ...]] = {
            "negative": (n_memories,), "exposure": (n_memories,), "total": (2,), "others": (2,),
            "weekday_seen": (7,), "weekday_due": (7,), "hour_seen": (n_hours,), "hour_due": (n_hours,),
            "dispersion": (2,), "lag": (2,), "grid": (n_grid,), "memory": (n_memories,),
            "n_seen": (1,), "n_odd": (1,), "peak": (1,), "near": (2,), "loud": (1,),
            "row_negative": (span,), "row_others": (span,), "row_known": (span,), "row_coverage": (span,),
            "row_weekday": (span,), "row_hour": (span,), "row_holiday": (span,),
            "row_expected": (span,), "row_variance": (span,), "row_level": (span,), "row_due": (span,),
            "row_outbreak": (span,), "row_shift": (span,), "row_real": (span,),
            "row_evidence": (span, len(self.prior.intensities)),
        }  # fmt: skip
        self.arrays: dict[str, Array] = {name: np.zeros((n, *shape)) for name, shape in self.shapes.items()}

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __setitem__(self, name: str, value: Array | float) -> None:
        self.arrays[name][:] = value

    def decay(self, half_life: float, *, steps: float = 1.0) -> float:
        """What is left after some steps, with a half-life in days."""
        return float(0.5 ** (steps * self.step_seconds / DAY / half_life))

    def push(self) -> None:
        """Age every row by one step; the newest place becomes an empty (missing) row."""
        for name, array in self.arrays.items():
            if name.startswith("row_"):
                array[:, 1:] = array[:, :-1]
                array[:, 0] = 0.0

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
        for name, shape in self.shapes.items():
            try:
                self.arrays[name][index] = np.array(data[name], dtype=float).reshape(shape)
            except (KeyError, TypeError, ValueError) as error:
                need = "x".join(map(str, shape))
                raise BadRule(f"detector state: {name} is not {need} numbers: rebuild it from the rows") from error
