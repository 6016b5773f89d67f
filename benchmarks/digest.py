"""How often the daily digest calls a topic off that is not, and how often it finds one that is.

    python -m benchmarks.digest

Ten topics, eight weeks of days and the day itself are drawn; complaints are Poisson, or clumped (variance three times
the mean). On half of the days nothing changes, on the other half one topic is three times as loud.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from monitor.metrics.sentiment import Tally
from monitor.reports.day import DayData, DayLine, spread_of, topics_off

DAYS = 1_000
TOPICS = 10
AT = datetime(2026, 11, 18, 8, tzinfo=UTC)


def a_day(rng: np.random.Generator, mean: float, spread: float, louder: float) -> DayData:
    """A day whose first topic has `louder` times its usual complaints."""

    def draw(expected: float) -> int:
        if spread == 1.0:
            return int(rng.poisson(expected))
        return int(rng.negative_binomial(expected / (spread - 1), 1 / spread))

    weeks = [[[draw(mean) for _ in range(8)] for _ in range(7)] for _ in range(TOPICS)]
    topics = tuple(
        DayLine(
            str(number),
            {"en": str(number)},
            Tally(draw(mean * (louder if number == 0 else 1.0))),
            tuple(Tally(n) for n in weeks[number][0]),
            spread_of([(weekday, n) for weekday, counts in enumerate(weeks[number]) for n in counts]),
        )
        for number in range(TOPICS)
    )
    total = DayLine("", {}, Tally(1), (Tally(1),) * 8)
    return DayData("b", "b", date(2026, 11, 17), ZoneInfo("UTC"), AT, AT, AT, total, topics, (1.0,) * 8)


def main() -> None:
    rng = np.random.default_rng(7)
    print(f"{'complaints a day':>16} {'spread':>6} {'days with a false topic':>24} {'loud topic found':>17}")
    for mean in (0.5, 2.0, 8.0):
        for spread in (1.0, 3.0):
            false = sum(bool(topics_off(a_day(rng, mean, spread, 1.0))) for _ in range(DAYS))
            found = sum(
                any(off.topic.key == "0" for off in topics_off(a_day(rng, mean, spread, 3.0))) for _ in range(DAYS)
            )
            print(f"{mean:16.1f} {spread:6.0f} {false / DAYS:24.1%} {found / DAYS:17.1%}", flush=True)


if __name__ == "__main__":
    main()
