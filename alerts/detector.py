"""Whether the newest row of one series is an alarm: the incremental detector, and `detect` that runs it over rows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from alerts.bursts import VolumeDetector
from alerts.decision import Decision, interval, nothing
from alerts.errors import BadRule
from alerts.evidence import tail
from alerts.panel import Panel, Verdicts
from alerts.phase import Calendar
from alerts.prior import DAY
from alerts.series import Row
from alerts.settings import Settings
from alerts.state import State
from alerts.threshold import threshold

__all__ = ["Decision", "Detector", "decide", "detect"]

GIVEN = ("negative", "others", "coverage", "weekday", "hour", "holiday", "known")  # what a tick is given of a row


class Detector:
    """Judges one series, row after row. Its state has a fixed size and goes to JSON and back."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        holidays: Iterable[dt.date] = (),
        level: float | None = None,
        weight_of_level: float = 2.0,
    ) -> None:
        """`level` is what a parent series lets expect per step (its share times this series' volume): the cold start,
        believed as much as `weight_of_level` counted negatives."""
        self.settings = settings or Settings()
        self.calendar = Calendar.of(self.settings, holidays)
        self.panel = Panel(1, self.settings)
        self.last_at: dt.datetime | None = None
        self.threshold = threshold(self.settings.rate, step_seconds=self.settings.step_seconds)
        if level is not None:
            if not level > 0 or not weight_of_level > 0:
                raise BadRule(f"detector: level={level}, weight_of_level={weight_of_level}; allowed is above 0")
            self.panel.believe(level, weight_of_level)

    def update(self, row: Row) -> Decision:
        """Judge one more row. A row of a step already seen replaces it (late mentions) while it is recent.

        Rows skipped in time are missing, not zero. A row older than the longest window is ignored: a backfill is
        never news; rebuild the state from all rows to learn from it.
        """
        verdicts = self._seen(row)
        return self._decide(verdicts, row) if verdicts is not None else self._nothing(row, ignored=True)

    def news(self, row: Row) -> tuple[float, bool]:
        """What `update` says of the row, without the numbers that explain it: (news, alarm), in half the time."""
        verdicts = self._seen(row)
        if verdicts is None or self._missing():
            return -math.inf, False
        news, enough = float(verdicts.news[0]), bool(verdicts.enough[0])
        if row.n_authors is not None and verdicts.steps[0] == 1 and row.n_authors < self.settings.min_authors:
            enough = False
        return (news, news >= self.threshold) if enough else (min(news, 0.0), False)

    def _seen(self, row: Row) -> Verdicts | None:
        """The evidence after the row, or None where it is too old to count."""
        ahead = self._steps_ahead(row.at)
        if ahead <= 0:
            if -ahead >= self.panel.state.span:
                return None
            self.panel.put(-ahead, **self._arrays(row, row.at))
            return self.panel.judge()
        for _ in range(min(ahead - 1, self.panel.state.span + 1)):
            self._tick(None, row.at)
        if ahead - 1 > self.panel.state.span + 1:
            self.panel.forget(ahead - 1 - (self.panel.state.span + 1))
        self.last_at = row.at
        return self._tick(row, row.at)

    def _steps_ahead(self, at: dt.datetime) -> int:
        if self.last_at is None:
            return 1
        if (at.tzinfo is None) != (self.last_at.tzinfo is None):
            raise BadRule(f"row at {at}: times with and without a zone cannot be mixed in one series")
        return round((at - self.last_at).total_seconds() / self.settings.step_seconds)

    def _tick(self, row: Row | None, at: dt.datetime) -> Verdicts:
        return self.panel.tick(**self._arrays(row, at))

    def _arrays(self, row: Row | None, at: dt.datetime) -> dict[str, Any]:
        weekday, hour, holiday = self.calendar.place(at)
        here = row is not None and not row.missing
        negative = float(row.negative or 0) if row is not None and here else 0.0
        known = row is not None and here and row.total is not None
        total = float(row.total) if row is not None and known and row.total is not None else negative
        coverage = row.coverage if row is not None and here else 0.0
        values = (negative, total - negative, coverage, weekday, hour, holiday, known)
        return dict(zip(GIVEN, np.array(values, dtype=float)[:, None], strict=True))

    def _nothing(self, row: Row, *, ignored: bool = False) -> Decision:
        return nothing(
            row, signal="negative", threshold=self.threshold, step_seconds=self.settings.step_seconds,
            short_history=self.short_history, ignored=ignored,
        )  # fmt: skip

    @property
    def short_history(self) -> bool:
        """Whether fewer rows were seen than `short_history_days` hold."""
        need = self.settings.short_history_days * self.settings.steps_per_day
        return bool(self.panel.state["n_seen"][0, 0] < need)

    def _decide(self, verdicts: Verdicts, row: Row) -> Decision:
        if self.last_at is None or self._missing():
            return self._nothing(row)
        return decide(self.panel, verdicts, at=self.last_at, n_authors=row.n_authors)

    def _missing(self) -> bool:
        return bool(self.panel.state["row_coverage"][0, 0] <= 0)

    def to_state(self) -> dict[str, Any]:
        """What `from_state` needs to go on, as JSON values."""
        state = self.panel.state.to_dict()
        return {**state, "last_at": self.last_at.isoformat() if self.last_at else None}

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], settings: Settings | None = None, *, holidays: Iterable[dt.date] = ()
    ) -> Self:
        """The detector as it was when `to_state` was called. Raises BadRule for a state of another kind or version."""
        detector = cls(settings, holidays=holidays)
        detector.panel.state.load(0, state)
        last_at = state.get("last_at")
        detector.last_at = dt.datetime.fromisoformat(last_at) if last_at else None
        return detector


def decide(
    panel: Panel, verdicts: Verdicts, index: int = 0, *, at: dt.datetime, n_authors: int | None = None
) -> Decision:
    """What the verdicts of a tick say about one series of a panel. `at` is the start of the newest step."""
    state, settings = panel.state, panel.settings
    steps = int(verdicts.steps[index])
    here = state["row_coverage"][index] > 0
    negative = np.cumsum(state["row_negative"][index] * (here & (state["row_real"][index] > 0)))
    expected = np.cumsum(state["row_expected"][index])
    observed, mean = float(negative[steps - 1]), max(float(expected[steps - 1]), 1e-6)
    variance = _variance(state, index, steps)
    low, high = interval(mean, variance)
    score, news = float(verdicts.score[index]), float(verdicts.news[index])
    ratio, needed = observed / mean, threshold(settings.rate, step_seconds=settings.step_seconds)
    least = max(settings.min_negative, mean + settings.min_excess, mean * settings.min_ratio)
    enough = observed >= least and (n_authors is None or steps > 1 or n_authors >= settings.min_authors)
    active = bool(score >= needed and enough)
    if active and observed <= high:
        high = _untold(panel, index, steps, observed=observed, least=least, needed=needed)
    known = state["row_known"][index, :steps] > 0
    others = float(state["row_others"][index, :steps] @ known)
    due = float(state["row_due"][index, :steps] @ known)
    counted = float(state["exposure"][index, -1])
    return Decision(
        at=at,
        signal="negative",
        score=score,
        news=news if enough else min(news, 0.0),
        threshold=needed,
        alarm=bool(news >= needed and enough),
        active=active,
        observed=observed,
        expected=mean,
        low=low,
        high=high,
        ratio=ratio,
        p_value=float(tail(np.array(observed), np.array(mean), np.array(variance))),
        window_steps=steps,
        step_seconds=settings.step_seconds,
        since=at - dt.timedelta(seconds=settings.step_seconds * (steps - 1)),
        total=observed + others if known.any() else None,
        expected_total=mean + due if known.any() else None,
        share=observed / (observed + others) if known.any() and observed + others else None,
        share_before=float(state["negative"][index, -1]) / counted if counted > 0 else None,
        shifted=float(state["row_shift"][index, :steps].max()),
        holiday=bool(state["row_holiday"][index, :steps].any()),
        short_history=bool(state["n_seen"][index, 0] < settings.short_history_days * settings.steps_per_day),
        missing=not here[0],
        suspect_zero=bool((state["row_real"][index][here] < 0.5).any()),
        windows={length: (float(negative[length - 1]), float(expected[length - 1])) for length in state.onsets},
    )


def _untold(panel: Panel, index: int, steps: int, *, observed: float, least: float, needed: float) -> float:
    """The largest count that would not have reached the threshold, had the newest rows been lower by one factor.

    The interval of a sum of few rows after little history is wide, since it must allow for every dispersion; the test
    looks at what the rows say about each. Where the two differ, what is usual is what the test lets pass.
    """
    one = panel.alone(index)
    rows = one.state["row_negative"][0, :steps].copy()
    low, high = math.ceil(least) - 1.0, math.ceil(observed) - 1.0
    while low < high:
        count = math.ceil((low + high) / 2)
        one.state["row_negative"][0, :steps] = rows * (count / observed)
        for age in reversed(range(steps)):
            one.compare(age)
        if float(one.judge().score[0]) < needed:
            low = count
        else:
            high = count - 1.0
    return low


def _variance(state: State, index: int, steps: int) -> float:
    """Of the sum of the newest rows: their own variances, and the error of the level, which they share."""
    expected = state["row_expected"][index, :steps]
    shared = float(state["row_level"][index, 0]) * (float(expected.sum()) ** 2 - float(expected @ expected))
    return float(state["row_variance"][index, :steps].sum()) + shared


def detect(
    rows: Sequence[tuple[dt.datetime, int | None, int | None]] | Sequence[Row],
    context: Mapping[str, Any] | None = None,
) -> list[tuple[dt.datetime, float, bool]]:
    """(timestamp, score, alarm) for each row (timestamp, negative or None, total or None), oldest first.

    The decision for a row uses rows up to it only. `context` may hold `step_seconds`, `holidays` (dates) and
    `settings`. Rows by the hour whose total is not known are judged as bursts of volume (`alerts.bursts`). Without
    settings the alarm keeps a promise of one false alarm per 20 series-weeks.
    """
    context = context or {}
    step = int(context.get("step_seconds") or _step_of(rows))
    settings = context.get("settings") or Settings(step_seconds=min(step, DAY))
    detector: Detector | VolumeDetector | None = None
    result = []
    for row in rows:
        one = row if isinstance(row, Row) else Row(row[0], row[1], row[2])
        if detector is None and not one.missing:
            bursty = one.total is None and settings.step_seconds < DAY
            detector = (
                VolumeDetector(settings) if bursty else Detector(settings, holidays=context.get("holidays") or ())
            )
        if detector is None:
            result.append((one.at, -math.inf, False))
            continue
        if isinstance(detector, Detector):
            result.append((one.at, *detector.news(one)))
        else:
            decision = detector.update(one)
            result.append((one.at, decision.news, decision.alarm))
    return result


def _step_of(rows: Sequence[Any]) -> float:
    times = [row.at if isinstance(row, Row) else row[0] for row in rows[:50]]
    gaps = [(b - a).total_seconds() for a, b in pairwise(times)]
    return min(gaps) if gaps else DAY
