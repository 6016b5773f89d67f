"""Whether the mean rating dropped: windows of the newest steps against the mean and variance learned before them.

A window of n ratings whose mean is m stands z = (mu - m) / sqrt(variance / n + variance / n_before) below the
expectation; the variance of one rating is estimated between steps, so that days on which everybody agrees (more alike
than independent ratings would be) make it larger. Tail by Student's t with the degrees of freedom of that estimate.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Self

from scipy.special import stdtr

from alerts.decision import Decision, nothing
from alerts.errors import BadRule
from alerts.series import Row
from alerts.settings import Settings
from alerts.threshold import threshold

__all__ = ["RatingDetector"]

WINDOWS = (1, 2, 3, 5, 7)
HALF_LIFE_MEAN, HALF_LIFE_VARIANCE = 42.0, 90.0  # days
PRIOR_MEAN, PRIOR_RATINGS = 4.0, 1.0
PRIOR_VARIANCE, PRIOR_FREEDOM = 1.8, 6.0
MIN_RATINGS = 5
MIN_DROP = 0.3
FADE_PER_DAY = 0.5
SHIFT, SLOPE = -0.46, 0.59  # score = SHIFT - SLOPE * log10(smallest p): on the scale of `alerts.threshold`, measured


class RatingDetector:
    """Judges the mean rating of one series, step after step; used like `alerts.detector.Detector`.

    In its decisions `observed` and `expected` are means on the scale of the ratings, and `ratio` is observed over
    expected: below one.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.threshold = threshold(self.settings.rate)
        self._sum, self._n = PRIOR_MEAN * PRIOR_RATINGS, PRIOR_RATINGS
        self._squares, self._freedom = PRIOR_VARIANCE * PRIOR_FREEDOM, PRIOR_FREEDOM
        self._recent: list[list[float]] = []  # newest first: ratings' sum, number
        self._n_seen = 0
        self._peak = -5.0
        self._last_at: dt.datetime | None = None

    def update(self, row: Row) -> Decision:
        """Judge one more row by its `rating_sum` and `n_ratings`; None or coverage 0 is a missing row."""
        settings = self.settings
        ahead = 1 if self._last_at is None else round((row.at - self._last_at).total_seconds() / settings.step_seconds)
        short = self._n_seen < settings.short_history_days * settings.steps_per_day
        if ahead <= 0:
            return self._nothing(row, short, ignored=True)
        for _ in range(min(ahead, max(WINDOWS) + 1)):
            self._absorb()
        self._last_at = row.at
        self._peak = max(-5.0, self._peak - FADE_PER_DAY * ahead / settings.steps_per_day)
        if row.coverage <= 0 or row.rating_sum is None or row.n_ratings is None:
            return self._nothing(row, short)
        self._recent[0] = [float(row.rating_sum), float(row.n_ratings)]
        self._n_seen += 1
        found = self._best()
        if found is None:
            return self._nothing(row, short)
        p_value, steps, mean, expected, error = found
        score = SHIFT - SLOPE * math.log10(max(p_value, 1e-30))
        news = score if score > self._peak else -5.0
        self._peak = max(self._peak, score)
        enough = expected - mean >= MIN_DROP
        return Decision(
            at=row.at, signal="rating", score=score, news=news, threshold=self.threshold,
            alarm=news >= self.threshold and enough, active=score >= self.threshold and enough,
            observed=mean, expected=expected, low=expected - 1.96 * error, high=min(5.0, expected + 1.96 * error),
            ratio=mean / expected, p_value=p_value, window_steps=steps, step_seconds=settings.step_seconds,
            since=row.at - dt.timedelta(seconds=settings.step_seconds * (steps - 1)),
            total=sum(n for _, n in self._recent[:steps]), expected_total=None, share=None, share_before=None,
            shifted=0.0, holiday=False, short_history=short, missing=False, suspect_zero=False,
        )  # fmt: skip

    def _nothing(self, row: Row, short: bool, *, ignored: bool = False) -> Decision:
        return nothing(
            row, signal="rating", threshold=self.threshold, step_seconds=self.settings.step_seconds,
            short_history=short, ignored=ignored,
        )  # fmt: skip

    def _absorb(self) -> None:
        """Make room for a new row; the one that leaves the longest window teaches mean and variance."""
        self._recent.insert(0, [0.0, 0.0])
        day = 1 / self.settings.steps_per_day
        for name, half_life in (("_sum", HALF_LIFE_MEAN), ("_n", HALF_LIFE_MEAN)):
            setattr(self, name, getattr(self, name) * 0.5 ** (day / half_life))
        self._squares *= 0.5 ** (day / HALF_LIFE_VARIANCE)
        self._freedom *= 0.5 ** (day / HALF_LIFE_VARIANCE)
        if self._freedom < PRIOR_FREEDOM:
            self._squares += (PRIOR_FREEDOM - self._freedom) * PRIOR_VARIANCE
            self._freedom = PRIOR_FREEDOM
        if len(self._recent) <= max(WINDOWS):
            return
        rating_sum, n = self._recent.pop()
        if not n:
            return
        mean = self._sum / self._n
        square = n * (rating_sum / n - mean) ** 2 / (1 + n / self._n)
        self._squares += min(square, 9 * self._squares / self._freedom)
        self._freedom += 1
        self._sum += rating_sum
        self._n += n

    def _best(self) -> tuple[float, int, float, float, float] | None:
        """(p, steps, mean, expected mean, its error) of the window with the smallest p; None with too few ratings."""
        best = None
        for steps in WINDOWS:
            if steps > len(self._recent):
                break
            n = sum(count for _, count in self._recent[:steps])
            if n < MIN_RATINGS:
                continue
            older = self._recent[steps:]
            base = self._n + sum(count for _, count in older)
            expected = (self._sum + sum(total for total, _ in older)) / base
            variance = self._squares / self._freedom
            error = math.sqrt(variance * (1 / n + 1 / base))
            mean = sum(total for total, _ in self._recent[:steps]) / n
            p_value = float(stdtr(self._freedom, (mean - expected) / error))
            if best is None or p_value < best[0]:
                best = (p_value, steps, mean, expected, error)
        return best

    def to_state(self) -> dict[str, Any]:
        """What `from_state` needs to go on, as JSON values."""
        return {
            "version": 1, "kind": "rating", "sums": [self._sum, self._n, self._squares, self._freedom],
            "recent": [list(pair) for pair in self._recent], "n_seen": self._n_seen, "peak": self._peak,
            "last_at": self._last_at.isoformat() if self._last_at else None,
            "step_seconds": self.settings.step_seconds,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any], settings: Settings | None = None) -> Self:
        """The detector as it was when `to_state` was called. Raises BadRule for a state of another kind."""
        detector = cls(settings)
        if state.get("kind") != "rating" or state.get("step_seconds") != detector.settings.step_seconds:
            raise BadRule(f"rating state: kind={state.get('kind')!r}, step={state.get('step_seconds')!r}: rebuild it")
        detector._sum, detector._n, detector._squares, detector._freedom = state["sums"]
        detector._recent = [list(pair) for pair in state["recent"]]
        detector._n_seen, detector._peak = state["n_seen"], state["peak"]
        detector._last_at = dt.datetime.fromisoformat(state["last_at"]) if state["last_at"] else None
        return detector
