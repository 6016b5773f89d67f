"""Which arithmetic a formula is reckoned with: that of arrays, or that of plain numbers where there is one series.

A call of numpy on an array of one costs ten times the sum it does. Formulas of single numbers a series take these
functions from here, so that they stand once and are quick for a panel of thousands and for the detector of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

__all__ = ["ARRAYS", "NUMBERS", "Arithmetic", "of", "values"]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The functions by the names that numpy gives them."""

    maximum: Callable[[Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    sqrt: Callable[[Any], Any]
    gammaln: Callable[[Any], Any]


ARRAYS = Arithmetic(np.maximum, np.minimum, np.where, np.exp, np.log, np.sqrt, gammaln)
NUMBERS = Arithmetic(
    max, min, lambda which, one, other: one if which else other, math.exp, math.log, math.sqrt, math.lgamma
)


def of(n: int) -> Arithmetic:
    """The quicker one for so many series."""
    return NUMBERS if n == 1 else ARRAYS


def values(*columns: Any) -> tuple[Any, ...]:
    """Columns (n,) as the arithmetic of so many series wants them."""
    return tuple(column.item() for column in columns) if len(columns[0]) == 1 else columns
