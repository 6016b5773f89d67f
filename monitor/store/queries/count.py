"""A count of mentions by sentiment with their stars, and that of the period before."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """Mentions by sentiment, and their stars."""

    n: int = 0
    n_negative: int = 0
    n_neutral: int = 0
    n_positive: int = 0
    n_ratings: int = 0
    rating_sum: float = 0.0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.n + other.n,
            self.n_negative + other.n_negative,
            self.n_neutral + other.n_neutral,
            self.n_positive + other.n_positive,
            self.n_ratings + other.n_ratings,
            self.rating_sum + other.rating_sum,
        )

    @property
    def n_judged(self) -> int:
        return self.n_negative + self.n_neutral + self.n_positive


@dataclass(frozen=True, slots=True)
class Pair:
    """A count and that of the period before."""

    now: Count = Count()
    before: Count = Count()
