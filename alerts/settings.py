"""What a user may turn: the budget of false alarms, the minimum evidence, the step, the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.errors import BadRule
from alerts.prior import DAY

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Of one detector, or of a panel of them.

    `false_alarms_per_week` is the budget of the whole account over `n_series` series; the threshold follows from
    the two (`alerts.threshold`). `step_seconds` is 86400 (daily rows), 3600 (hourly rows) or another divisor of a
    day. `countries` are ISO codes whose public holidays are expected to change volumes. `zone` is where people live
    and sleep: weekdays and hours are read there. `arrived` is the delay curve of the source: the share of a step's
    mentions known after 0, 1, 2 ... steps (`alerts.delay` estimates it). Minimum evidence: an alarm needs
    `min_negative` negatives, `min_excess` of them above the expectation, a ratio of `min_ratio`, and `min_authors`
    distinct authors where those are counted.
    """

    false_alarms_per_week: float = 1.0
    n_series: int = 20
    step_seconds: int = DAY
    min_negative: int = 3
    min_excess: float = 2.0
    min_ratio: float = 1.1
    min_authors: int = 2
    short_history_days: float = 14.0
    countries: tuple[str, ...] = ()
    zone: str = "UTC"
    arrived: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        allowed = {
            "false_alarms_per_week": (self.false_alarms_per_week > 0, "above 0"),
            "n_series": (self.n_series >= 1, "1 or more"),
            "step_seconds": (
                60 <= self.step_seconds <= DAY and DAY % self.step_seconds == 0,
                "60 .. 86400, a divisor of a day",
            ),
            "min_negative": (self.min_negative >= 0, "0 or more"),
            "min_excess": (self.min_excess >= 0, "0 or more"),
            "min_ratio": (self.min_ratio >= 1, "1 or more"),
            "min_authors": (self.min_authors >= 0, "0 or more"),
            "short_history_days": (self.short_history_days >= 0, "0 or more"),
            "arrived": (
                all(0 < a <= 1 for a in self.arrived) and list(self.arrived) == sorted(self.arrived),
                "shares above 0 up to 1 that never fall",
            ),
        }
        for name, (good, what) in allowed.items():
            if not good:
                raise BadRule(f"detector: {name}={getattr(self, name)!r}; allowed is {what}")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise BadRule(f"detector: zone={self.zone!r}; allowed is a name of the IANA time zone list") from error

    @property
    def steps_per_day(self) -> int:
        """24 for hourly rows, 1 for daily ones."""
        return DAY // self.step_seconds

    @property
    def rate(self) -> float:
        """The promise for one series: false alarms per series-week."""
        return self.false_alarms_per_week / self.n_series
