"""How often the weekly report says that a topic or place changed when nothing did, and how often it finds a change.

    python -m benchmarks.weekly
    python -m benchmarks.weekly 10 3      (one row: complaints a week, variance over mean)
    python -m benchmarks.weekly 10 3 2    (the same with two weeks of history instead of eight)

Twelve topics and six places, eight weeks of history (the week before among them) and the week itself are drawn;
complaints are Poisson, or clumped (variance three times the mean). A place has the complaints of two topics and three
times as many other mentions. In half of the weeks nothing changes, in the other half the first topic and the first
place have twice their complaints.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from monitor.metrics.sentiment import Tally
from monitor.reports.facts import ShareChange, TopicChange, facts
from monitor.reports.week import Week
from monitor.reports.weekly import Line, PlaceLine, TopicLine, WeeklyData

WEEKS = 300
TOPICS = 12
PLACES = 6
HISTORY = 8
AT = datetime(2026, 11, 16, 6, tzinfo=UTC)
TOTAL = Tally(1, 1, 1)  # of all mentions nothing is asked here


def a_week(rng: np.random.Generator, mean: float, spread: float, louder: float, history: int) -> WeeklyData:
    """A week whose first topic and first place have `louder` times their usual complaints."""

    def draw(expected: float, others: float = 0.0) -> Tally:
        n_positive = int(rng.poisson(others))
        if spread == 1.0:
            return Tally(int(rng.poisson(expected)), 0, n_positive)
        return Tally(int(rng.negative_binomial(expected / (spread - 1), 1 / spread)), 0, n_positive)

    def line(number: int, expected: float, others: float = 0.0) -> Line:
        past = tuple(draw(expected, others) for _ in range(history))
        now = draw(expected * (louder if number == 0 else 1.0), others)
        return Line(str(number), {"en": str(number)}, now, past[-1], past)

    topics = tuple(TopicLine(line(number, mean)) for number in range(TOPICS))
    places = tuple(PlaceLine(line(number, 2 * mean, 6 * mean)) for number in range(PLACES))
    total = Line("", {}, TOTAL, TOTAL, (TOTAL,) * history)
    return WeeklyData("b", Week(2026, 46), ZoneInfo("UTC"), AT, total, topics, places=places)


def changed(data: WeeklyData) -> dict[str, bool]:
    """ "topic 3" or "place 3" -> whether complaints, or the negative share, rose: of those said to have changed."""
    said = {}
    for fact in facts(data):
        if isinstance(fact, TopicChange):
            said[f"topic {fact.topic.line.key}"] = fact.rose
        elif isinstance(fact, ShareChange):
            said[f"{fact.dimension} {fact.line.key}"] = fact.rose
    return said


def main() -> None:
    asked = [float(word) for word in sys.argv[1:]]
    rows = [(mean, spread) for mean in (1.0, 3.0, 10.0, 30.0) for spread in (1.0, 3.0)]
    if asked:
        rows = [(asked[0], asked[1])]
    history = int(asked[2]) if len(asked) > 2 else HISTORY
    print("complaints a week, spread: weeks with a false topic, place; the doubled topic, place found")
    for mean, spread in rows:
        rng = np.random.default_rng([7, int(mean), int(spread)])
        quiet = [changed(a_week(rng, mean, spread, 1.0, history)) for _ in range(WEEKS)]
        loud = [changed(a_week(rng, mean, spread, 2.0, history)) for _ in range(WEEKS)]
        false = [sum(any(key.startswith(kind) for key in said) for said in quiet) for kind in ("topic", "place")]
        found = [sum(said.get(f"{kind} 0", False) for said in loud) for kind in ("topic", "place")]
        shares = "".join(f"{n / WEEKS:8.1%}" for n in (*false, *found))
        print(f"{mean:4.0f} {spread:3.0f}: {shares}", flush=True)


if __name__ == "__main__":
    main()
