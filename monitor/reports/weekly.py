"""What a weekly report holds: numbers and quotes of one brand and one ISO week, beside the week before.

Frozen values, no language, no layout: everything a sentence or a chart may say is computed from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from monitor.metrics.metric import Interval, Metric
from monitor.metrics.sentiment import Tally
from monitor.reports.week import Week

NO_TALLY = Tally()
COUNTS_NEGATIVES = frozenset({"negative", "share", "topic_shift"})  # signals whose numbers are negative mentions


@dataclass(frozen=True, slots=True)
class Stars:
    """Ratings on 1..5 of one period; the variance is the sample's."""

    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Line:
    """One row: a source, a place, a language, a topic, or the brand as a whole.

    `names` by language; `name()` falls back to any. `history` holds the tallies of the weeks before, oldest first,
    the week before last in it; it tells how much the series swings by itself.
    """

    key: str
    names: Mapping[str, str]
    now: Tally = NO_TALLY
    before: Tally = NO_TALLY
    history: tuple[Tally, ...] = ()

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names.get("en") or next(iter(self.names.values()), self.key)


@dataclass(frozen=True, slots=True)
class Part:
    """Complaints of a topic in one place or source; `n_all` counts every mention there this week."""

    name: str
    n_now: int
    n_before: int
    n_all: int


@dataclass(frozen=True, slots=True)
class TopicLine:
    """A topic with where and when its complaints came. Tallies count tags by the topic's own sentiment."""

    line: Line
    stage: str = ""
    places: tuple[Part, ...] = ()
    sources: tuple[Part, ...] = ()
    complaints_by_day: tuple[int, ...] = (0,) * 7
    complaints_by_day_before: tuple[int, ...] = (0,) * 7
    impact: Metric | None = None  # on net sentiment


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """A branch: its mentions and its recency-weighted rating."""

    line: Line
    rating: Metric | None = None


@dataclass(frozen=True, slots=True)
class BrandLine:
    """The brand or a competitor, for share of voice."""

    name: str
    own: bool
    now: Tally
    before: Tally


@dataclass(frozen=True, slots=True)
class Day:
    """One day; `coverage` is the part of it that was really collected, None when nothing was due."""

    day: date
    tally: Tally
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class WeekPoint:
    """One week of the trend."""

    week: Week
    tally: Tally
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage of the customer journey: mentions that carry one of its topics, per week of `WeeklyData.weeks`."""

    stage: str
    cells: tuple[Tally, ...]
    top_complaint: str = ""  # key of the topic with most complaints this week
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names.get("en") or self.stage


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident that was open at any time of the week."""

    uid: str
    state: str
    severity: str
    opened_at: datetime
    since_at: datetime
    resolved_at: datetime | None
    n_observed: float
    n_expected: float
    topic: str = ""
    place: str = ""
    source: str = ""
    verdict: str | None = None
    url: str | None = None
    signal: str = "negative"  # what is counted; see COUNTS_NEGATIVES

    @property
    def counts_negatives(self) -> bool:
        return self.signal in COUNTS_NEGATIVES


@dataclass(frozen=True, slots=True)
class Quote:
    """A mention chosen to speak for others; `n_copies` counts the near-duplicates it stands for."""

    text: str
    sentiment: str
    source: str
    published_at: datetime
    place: str = ""
    url: str | None = None
    rating: float | None = None
    topics: tuple[str, ...] = ()
    language: str = ""
    n_copies: int = 1
    has_reply: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A source that was not read for part of the week."""

    source: str
    n_missing: int
    n_due: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """How often the model was right on mentions a person has looked at, or on its test set, in one language."""

    language: str
    share: Metric


@dataclass(frozen=True, slots=True)
class ModelNote:
    """What judged the texts, and what it could not judge."""

    name: str = ""
    n_judged: int = 0
    n_failed: int = 0
    n_pending: int = 0
    n_corrected: int = 0
    measured: tuple[Measured, ...] = ()
    n_repeats: int = 0  # judged like the rest, counted nowhere


@dataclass(frozen=True, slots=True)
class MetricLine:
    """A survey index of the week and of the week before, with the interval of the change."""

    key: str
    now: Metric
    before: Metric | None = None
    change: Interval | None = None


@dataclass(frozen=True, slots=True)
class ExperienceLine:
    """Something about customers that changed this week, and was not as clear a week ago.

    `kind` is metric (of surveys or conversations), stage (of the journey), silent (customers who stay away) or effect
    (the answer about a change that is followed, in `words` by language). `change` is against the four weeks before.
    """

    kind: str
    key: str
    names: Mapping[str, str]
    now: Metric | None = None
    change: float | None = None
    interval: Interval | None = None
    rising_is_good: bool = True
    verdict: str = ""
    verdict_before: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    measure: str = "share"

    def name(self, language: str) -> str:
        return self.names.get(language) or self.names.get("en") or self.key


class Named(Protocol):
    """What words are written from: a week or a day, with the names of its topics and the zone of its reader."""

    @property
    def zone(self) -> ZoneInfo: ...

    @property
    def built_at(self) -> datetime: ...

    def topic_name(self, key: str, language: str) -> str: ...


@dataclass(frozen=True, slots=True)
class WeeklyData:
    """Everything one weekly report says. See the classes above for each part."""

    brand: str
    week: Week
    zone: ZoneInfo
    built_at: datetime
    total: Line
    topics: tuple[TopicLine, ...] = ()
    sources: tuple[Line, ...] = ()
    places: tuple[PlaceLine, ...] = ()
    languages: tuple[Line, ...] = ()
    brands: tuple[BrandLine, ...] = ()
    days: tuple[Day, ...] = ()
    weeks: tuple[WeekPoint, ...] = ()
    stages: tuple[StageLine, ...] = ()
    stars_now: Stars | None = None
    stars_before: Stars | None = None
    incidents: tuple[IncidentLine, ...] = ()
    worst: tuple[Quote, ...] = ()
    best: tuple[Quote, ...] = ()
    coverage_now: float = 1.0
    coverage_before: float = 1.0
    gaps: tuple[Gap, ...] = ()
    model: ModelNote = field(default_factory=ModelNote)
    metrics: tuple[MetricLine, ...] = ()
    experience: tuple[ExperienceLine, ...] = ()
    written_sample: bool = False  # the bundled sample: said on every page
    until: datetime | None = None  # the week is not over: both weeks are counted up to this moment of theirs

    def topic_name(self, key: str, language: str) -> str:
        """The name of a topic, or its key when it is not among the topics of the week."""
        for topic in self.topics:
            if topic.line.key == key:
                return topic.line.name(language)
        return key
