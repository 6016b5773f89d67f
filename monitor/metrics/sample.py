"""Samples: distinct values and how often each occurs, which is all that an index needs to know of a million."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_LOOK, _FEW = 5_000, 100  # values looked at, and how many different ones are few
_SINGLE = 12  # so few that they are looked for one by one


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """`values` ascend, each stands once and has a count above zero."""

    values: Numbers
    counts: Counts

    @classmethod
    def of(cls, values: Sequence[float] | Numbers) -> Sample:
        held, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
        return cls(held, counts.astype(np.int64))

    @classmethod
    def counted(cls, values: Numbers, counts: Counts) -> Sample:
        """Of ascending values, some of which may not occur."""
        there = counts > 0
        return cls(values[there], counts[there])

    @classmethod
    def told(cls, counts: Mapping[float, int]) -> Sample:
        """From value -> how often."""
        values = sorted(counts)
        return cls(np.array(values, np.float64), np.array([counts[value] for value in values], np.int64))

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    def between(self, low: float, high: float) -> int:
        """How many lie in low <= value <= high."""
        return int(self.counts[(self.values >= low) & (self.values <= high)].sum())

    def without(self, part: Sample) -> Sample:
        """The rest, once a part of this sample is taken away."""
        counts = self.counts.copy()
        counts[np.searchsorted(self.values, part.values)] -= part.counts
        return Sample.counted(self.values, counts)

    def mapped(self, to: Callable[[float], float]) -> Sample:
        """Every value turned into another."""
        held, place = np.unique(np.array([to(value) for value in self.values.tolist()]), return_inverse=True)
        counts = np.zeros(len(held), np.int64)
        np.add.at(counts, place, self.counts)
        return Sample(held, counts)

    def each(self) -> Numbers:
        """All of them, ascending."""
        return np.repeat(self.values, self.counts)

    @property
    def mean(self) -> float:
        return math.fsum(self.values * self.counts) / self.n

    @property
    def variance(self) -> float:
        """Of two or more, with n - 1, exact until it is rounded: equal values have none."""
        ratios = [value.as_integer_ratio() for value in self.values.tolist()]
        unit = max(below for _, below in ratios)  # powers of two: each divides the largest
        whole = [above * (unit // below) for above, below in ratios]
        counts = self.counts.tolist()
        n, sum_ = sum(counts), sum(map(operator.mul, whole, counts))
        squares = sum(value * value * n_of for value, n_of in zip(whole, counts, strict=True))
        return (n * squares - sum_ * sum_) / (n * (n - 1) * unit * unit)


def together(parts: Iterable[Sample]) -> Sample:
    """All of several."""
    counts: Counter[float] = Counter()
    for part in parts:
        counts.update(dict(zip(part.values.tolist(), part.counts.tolist(), strict=True)))
    return Sample.told(counts)


def samples(values: Numbers, groups: Counts, n_groups: int, n: Counts | None = None) -> list[Sample]:
    """One of each group 0 .. n_groups - 1, empty ones too; what is not a number is left out. `n`: how often each value
    occurs."""
    held, place = _places(values)
    cells = np.bincount(groups * len(held) + place, n, minlength=n_groups * len(held)).astype(np.int64)
    real = ~np.isnan(held)
    return [Sample.counted(held[real], row[real]) for row in cells.reshape(n_groups, len(held))]


def _places(values: Numbers) -> tuple[Numbers, Counts]:
    """The distinct values, ascending, and which of them each is: a few of many are found without sorting all."""
    held = np.unique(values[:: max(1, len(values) // _LOOK)])
    if len(held) <= _SINGLE:
        number_of = np.zeros(len(values), np.int8)
        n = 0
        for number, value in enumerate(held.tolist()):
            same = values == value if value == value else np.isnan(values)
            np.copyto(number_of, number, where=same)
            n += int(np.count_nonzero(same))
        if n == len(values):
            return held, number_of.astype(np.int64)
    elif len(held) <= _FEW:
        place = np.searchsorted(held, values)
        inside = place < len(held)
        same = held[np.where(inside, place, 0)]
        if ((same == values) | (np.isnan(same) & np.isnan(values))).all():
            return held, place
    held, place = np.unique(values, return_inverse=True)
    return held, place
