"""What the daily digest holds: one local day of a brand beside what such a weekday usually brings.

Frozen values, no language, no layout. "Usual" is the mean of the same weekday in up to eight weeks before, each day
weighed by how much of it was collected; a Sunday is never held against a Monday.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.metrics import tails
from monitor.metrics.counts import clear_after_many, difference_of_counts
from monitor.metrics.metric import Interval
from monitor.metrics.proportion import newcombe
from monitor.metrics.sentiment import Tally
from monitor.reports.facts import Fraction, fraction_of
from monitor.reports.weekly import Gap, IncidentLine, Part, Quote, Stars

PAST_WEEKS = 8
LEAST_PAST = 4  # such weekdays before anything is called usual
LEAST_COVERAGE = 0.5  # a day of which less was collected is not compared, nor compared with
LEAST_COMPLAINTS = 3  # on the day or on a usual one, before a topic is worth a sentence
LEAST_IN_SHARE = 15  # mentions on each side before shares are compared


@dataclass(frozen=True, slots=True)
class DayLine:
    """A topic, or the brand as a whole; `past` holds the same weekdays before, as `DayData.exposures` does."""

    key: str
    names: Mapping[str, str]
    now: Tally
    past: tuple[Tally, ...] = ()
    spread: float = 1.0  # variance over mean of its daily counts, each weekday about its own mean
    places: tuple[Part, ...] = ()
    sources: tuple[Part, ...] = ()

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names.get("en") or self.key


@dataclass(frozen=True, slots=True)
class DayData:
    """Everything one digest says. `exposures` is how much of each past weekday was collected."""

    brand: str
    slug: str
    day: date
    zone: ZoneInfo
    built_at: datetime
    start: datetime
    end: datetime
    total: DayLine
    topics: tuple[DayLine, ...] = ()
    exposures: tuple[float, ...] = ()
    coverage: float = 1.0
    gaps: tuple[Gap, ...] = ()
    stars: Stars | None = None
    incidents: tuple[IncidentLine, ...] = ()
    worst: tuple[Quote, ...] = ()
    best: tuple[Quote, ...] = ()
    n_pending: int = 0
    until: datetime | None = None  # the day is not over

    @property
    def comparable(self) -> bool:
        """Whether there are enough such weekdays, and the day is whole enough, to call anything unusual."""
        return self.until is None and len(self.exposures) >= LEAST_PAST and self.coverage >= LEAST_COVERAGE

    @property
    def speaks(self) -> bool:
        """Whether there is anything to tell: a mention, a gap, an incident alive."""
        return bool(self.total.now.n_all or self.incidents or self.coverage < LEAST_COVERAGE)

    def topic_name(self, key: str, language: str) -> str:
        return next((topic.name(language) for topic in self.topics if topic.key == key), key)

    def usual(self, line: DayLine, count: Callable[[Tally], int]) -> float:
        """The mean of a whole such weekday."""
        return sum(count(tally) for tally in line.past) / sum(self.exposures)

    def change(self, line: DayLine, count: Callable[[Tally], int]) -> Interval | None:
        """Interval of the difference to a usual such weekday; None where they cannot be compared."""
        if not self.comparable:
            return None
        return difference_of_counts(
            count(line.now),
            sum(count(tally) for tally in line.past),
            dispersion=line.spread,
            exposure_now=self.coverage,
            exposure_before=sum(self.exposures),
        )

    def share_change(self) -> tuple[float, Interval] | None:
        """The usual negative share, and the interval of the difference to it."""
        now, past = self.total.now, sum_all(self.total.past)
        if not self.comparable or min(now.n, past.n) < LEAST_IN_SHARE:
            return None
        return past.n_negative / past.n, newcombe(now.n_negative, now.n, past.n_negative, past.n)


@dataclass(frozen=True, slots=True)
class TopicOff:
    """Complaints about a topic that are clearly more, or fewer, than on a usual such weekday."""

    topic: DayLine
    usual: float
    change: Interval
    place: Fraction | None
    source: Fraction | None

    @property
    def weight(self) -> float:
        """The end of the interval nearest to zero: size and certainty at once."""
        return min(abs(self.change.low), abs(self.change.high))


def spread_of(days: Sequence[tuple[int, int]]) -> float:
    """Variance over mean of daily counts (weekday, count), at least 1: Pearson's chi-square about weekday means."""
    by_weekday: dict[int, list[int]] = {}
    for weekday, count in days:
        by_weekday.setdefault(weekday, []).append(count)
    chi_square, freedom = 0.0, 0
    for counts in by_weekday.values():
        mean = sum(counts) / len(counts)
        if mean > 0:
            chi_square += sum((count - mean) ** 2 for count in counts) / mean
            freedom += len(counts) - 1
    return max(1.0, chi_square / freedom) if freedom else 1.0


def p_of_day(count: int, expected: float, *, spread: float) -> float:
    """Two-sided p of a day's count where `expected` is usual and the variance is `spread` times that.

    Negative binomial (Poisson at a spread of 1): single days are small and skewed, no normal curve holds for them.
    """
    if spread > 1.0 + 1e-9:
        size = (expected / (spread - 1), 1 / spread)
        above, below = tails.negative_binomial_sf(count - 1, *size), tails.negative_binomial_cdf(count, *size)
    else:
        above, below = tails.poisson_sf(count - 1, expected), tails.poisson_cdf(count, expected)
    return min(1.0, 2 * min(above, below))


def negatives(tally: Tally) -> int:
    return tally.n_negative


def sum_all(tallies: Sequence[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole = whole + tally
    return whole


def topics_off(data: DayData) -> list[TopicOff]:
    """Clear among all topics tested (Benjamini and Hochberg) and by an interval without zero, largest first."""
    if not data.comparable:
        return []
    n_past = sum(data.exposures)
    p_values = [
        p_of_day(
            topic.now.n_negative,
            data.coverage * (sum(tally.n_negative for tally in topic.past) + 0.5) / n_past,
            spread=topic.spread * (1 + data.coverage / n_past),
        )
        for topic in data.topics
    ]
    found = []
    for topic, clear in zip(data.topics, clear_after_many(p_values), strict=True):
        change = data.change(topic, negatives)
        usual = data.usual(topic, negatives)
        if not clear or change is None or not change.clear or max(topic.now.n_negative, usual) < LEAST_COMPLAINTS:
            continue
        rose = change.low > 0
        found.append(
            TopicOff(
                topic,
                usual,
                change,
                fraction_of(topic.places, need_more_than_usual=True) if rose else None,
                fraction_of(topic.sources, need_more_than_usual=False) if rose else None,
            )
        )
    return sorted(found, key=lambda off: -off.weight)


def same_weekdays(day: date) -> list[date]:
    """The same weekday of the weeks before, oldest first."""
    return [day - timedelta(weeks=back) for back in range(PAST_WEEKS, 0, -1)]
