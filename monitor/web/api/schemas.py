"""The values of the API."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from monitor.metrics.metric import Metric
from monitor.store.queries.count import Count
from monitor.store.queries.mentions import Entry
from monitor.store.tables import Incident
from monitor.web.figures import Change

T = TypeVar("T")
SentimentName = Literal["negative", "neutral", "positive"]


class Value(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Listing(Value, Generic[T]):
    """One page of a list; `next_cursor` is null at its end."""

    items: list[T]
    next_cursor: str | None = None


class MetricOut(Value):
    """A number with its sample size and 95 % interval; null where there are too few mentions."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    method: str

    @classmethod
    def of(cls, metric: Metric) -> MetricOut:
        return cls(name=metric.name, value=metric.value, low=metric.low, high=metric.high, n=metric.n,
                   unit=metric.unit, method=metric.method)  # fmt: skip


class ChangeOut(Value):
    """Difference to the period before; `clear` when its interval excludes zero."""

    value: float
    low: float
    high: float
    clear: bool

    @classmethod
    def of(cls, change: Change | None) -> ChangeOut | None:
        if change is None:
            return None
        return cls(value=change.value, low=change.interval.low, high=change.interval.high, clear=change.clear)


class CountOut(Value):
    n: int
    n_negative: int
    n_neutral: int
    n_positive: int
    n_ratings: int
    rating_mean: float | None

    @classmethod
    def of(cls, count: Count) -> CountOut:
        mean = count.rating_sum / count.n_ratings if count.n_ratings else None
        return cls(n=count.n, n_negative=count.n_negative, n_neutral=count.n_neutral, n_positive=count.n_positive,
                   n_ratings=count.n_ratings, rating_mean=mean)  # fmt: skip


class BrandOut(Value):
    slug: str
    name: str
    is_competitor: bool


class OverviewOut(Value):
    brand: str
    first_day: date
    last_day: date
    net_sentiment: MetricOut
    net_sentiment_change: ChangeOut | None
    negative_share: MetricOut
    negative_share_change: ChangeOut | None
    mean_rating: MetricOut
    mean_rating_change: ChangeOut | None
    stars: list[int] = Field(description="How many ratings of 1, 2, 3, 4, 5 stars")
    volume: CountOut
    volume_before: CountOut
    coverage: float | None = Field(description="Share of due readings that were done; null where nothing was due")


class StepOut(Value):
    first_day: date
    last_day: date
    coverage: float | None
    counts: CountOut


class MarkOut(Value):
    """An incident on the timeline."""

    uid: str
    state: str
    severity: str
    first_day: date
    last_day: date


class TimelineOut(Value):
    steps: list[StepOut]
    incidents: list[MarkOut]


class RowOut(Value):
    key: str
    name: str
    now: CountOut
    before: CountOut
    negative_share: MetricOut
    net_sentiment: MetricOut
    negative_change: ChangeOut | None


class PlaceOut(Value):
    location: str
    rating: MetricOut
    now: CountOut
    negative_share: MetricOut
    negative_change: ChangeOut | None


class VoiceOut(Value):
    brand: str
    name: str
    is_competitor: bool
    share: MetricOut
    change: float | None
    change_low: float | None
    change_high: float | None


class StageOut(Value):
    stage: str
    name: str
    net_sentiment: MetricOut
    share_of_complaints: float
    worst_topic: str | None
    cells: list[CountOut]


class JourneyOut(Value):
    spans: list[tuple[date, date]]
    stages: list[StageOut]


class TagOut(Value):
    topic: str
    p: float
    sentiment: str


class MentionOut(Value):
    id: int
    brand_id: int
    source: str
    kind: str
    external_id: str
    parent_id: str | None
    url: str | None
    author: str | None
    location: str
    title: str | None
    text: str
    language: str
    rating: float | None
    published_at: datetime
    edited_at: datetime | None
    observed_at: datetime
    sentiment: str | None
    p_negative: float | None
    p_neutral: float | None
    p_positive: float | None
    topics: list[TagOut]
    model: str
    score_state: str
    score_error: str | None
    corrected: bool
    counts: bool
    cluster_id: int | None
    n_cluster: int
    reply_text: str | None
    reply_at: datetime | None
    flags: list[str]

    @classmethod
    def of(cls, entry: Entry, sources: dict[int, tuple[str, str]]) -> MentionOut:
        mention = entry.mention
        given = mention.model_dump(include=set(cls.model_fields) - {"source", "topics", "n_cluster"})
        topics = [TagOut(topic=tag.topic, p=tag.p, sentiment=tag.sentiment) for tag in entry.topics]
        slug = sources.get(mention.source_id, ("", ""))[0]
        return cls(**given, source=slug, n_cluster=entry.n_cluster, topics=topics)


class JudgementOut(Value):
    model: str
    language: str
    sentiment: str | None
    p_negative: float | None
    p_neutral: float | None
    p_positive: float | None
    topics: list[dict[str, Any]]
    error: str | None
    scored_at: datetime


class CorrectionOut(Value):
    at: datetime
    actor: str
    sentiment: str | None
    topics: list[dict[str, Any]] | None


class WholeOut(Value):
    mention: MentionOut
    thread: list[int]
    copies: list[int]
    judgements: list[JudgementOut]
    corrections: list[CorrectionOut]


class SpanOut(Value):
    start: int
    end: int
    weight: float


class TopicChoice(Value):
    topic: str = Field(max_length=40)
    sentiment: SentimentName


class CorrectionIn(Value):
    """What to change. `topics` replaces all topics of the mention; `add` and `remove` change one."""

    sentiment: SentimentName | None = None
    topics: list[TopicChoice] | None = Field(default=None, max_length=30)
    add: TopicChoice | None = None
    remove: str | None = Field(default=None, max_length=40)


class BulkIn(CorrectionIn):
    ids: list[int] = Field(min_length=1, max_length=1000)


class Corrected(Value):
    n: int


class IncidentOut(Value):
    uid: str
    brand_id: int
    series: str
    signal: str
    rule: str
    topic: str
    location: str
    language: str
    state: str
    severity: str
    verdict: str | None
    opened_at: datetime
    since_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    n_observed: float
    n_expected: float
    n_excess: float
    score: float
    joined_to: str | None = Field(default=None, description="the incident that tells its story from its end on")

    @classmethod
    def of(cls, row: Incident) -> IncidentOut:
        return cls(**row.model_dump(include=set(cls.model_fields)), joined_to=row.machine.get("joined_to"))


class EventOut(Value):
    at: datetime
    kind: str
    actor: str
    note: str


class MessageOut(Value):
    id: int
    channel: str
    kind: str
    reason: str
    state: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    receipt: str
    last_error: str


class IncidentWhole(Value):
    incident: IncidentOut
    explanation: dict[str, Any]
    log: list[EventOut]
    messages: list[MessageOut]


class PointOut(Value):
    day: date
    negative: int | None = Field(description="null where nothing was collected")
    total: int | None
    expected: float
    low: float
    high: float


class BandOut(Value):
    points: list[PointOut]
    first_day: date
    last_day: date


class NoteIn(Value):
    note: str = Field(default="", max_length=4000)


class SilenceIn(Value):
    """Mutes incidents that match all of these keys: brand, topic, location, series, severity, rule."""

    matchers: dict[str, str] = Field(max_length=6)
    hours: float = Field(gt=0, le=24 * 90, allow_inf_nan=False)
    note: str = Field(default="", max_length=1000)


class SilenceOut(Value):
    id: int
    matchers: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    actor: str
    note: str


class TopicOut(Value):
    key: str
    names: dict[str, str]
    stage: str
    touchpoint: dict[str, str]
    experience: str
    keywords: list[str]
    examples: list[str]
    active: bool
    custom: bool
    edited: bool


class TopicIn(Value):
    names: dict[str, str] = Field(default_factory=dict, max_length=20)
    keywords: list[str] = Field(default_factory=list, max_length=200)
    examples: list[str] = Field(default_factory=list, max_length=100)
    stage: str = Field(max_length=40)
    touchpoint: str = Field(default="", max_length=120)
    experience: str = Field(default="", max_length=40)
    active: bool = True


class SuggestionOut(Value):
    id: int
    phrase: str
    keywords: list[str]
    mention_ids: list[int]
    n: int
    n_before: int
    n_negative: int
    score: float
    found_at: datetime


class SuggestionIn(Value):
    """`key` of the topic; with `name` a new one is made, without it the words go to a topic there is."""

    key: str = Field(max_length=40)
    name: str = Field(default="", max_length=80)
    stage: str = Field(default="", max_length=40)
    experience: str = Field(default="", max_length=40)
    keywords: list[str] = Field(default_factory=list, max_length=200)


class RuleOut(Value):
    name: str
    rule: dict[str, Any]
    active: bool
    configured: bool  # in monitor.toml: it cannot be changed here


class SourceOut(Value):
    slug: str
    title: str
    scraper: str
    brand: str
    state: str
    last_status: str
    last_error: str
    last_run_at: datetime | None
    last_success_at: datetime | None
    next_due_at: datetime | None
    paused_until: datetime | None
    fail_count: int
    coverage_week: float | None
    n_mentions: int
    n_week: int


class QueuesOut(Value):
    n_unscored: int
    n_hours: int
    n_outbox: int
    n_dead: int


class NoticeOut(Value):
    id: int
    key: str
    at: datetime
    last_at: datetime
    text: str
    n: int


class AccuracyLine(Value):
    key: str
    right: MetricOut


class BinOut(Value):
    low: float
    high: float
    p_mean: float
    right: MetricOut


class VersionOut(Value):
    model: str
    n: int
    n_failed: int
    first_at: datetime | None
    last_at: datetime | None


class MeasureOut(Value):
    value: float
    low: float
    high: float


class CurvePoint(Value):
    """Judgements of a like probability: how sure they were on average, and the share that was right."""

    n: int
    p_mean: float
    right: float


class LabelledLine(Value):
    """`group` is all, language, source or domain. `curve` is the calibration curve, the least sure first."""

    group: str
    value: str
    n: int
    n_failed: int
    accuracy: MeasureOut
    macro_f1: MeasureOut
    calibration_error: float
    curve: list[CurvePoint]


class LabelledOut(Value):
    """A labelled file that `monitor model eval --keep` measured, with 95 % bootstrap intervals."""

    name: str
    file: str
    model: str
    measured_at: datetime
    lines: list[LabelledLine]


class QualityOut(Value):
    whole: MetricOut
    by_language: list[AccuracyLine]
    by_source: list[AccuracyLine]
    by_class: list[AccuracyLine]
    confusion: list[list[int]] = Field(description="[true][said], in the order negative, neutral, positive")
    calibration: list[BinOut]
    calibration_error: float | None
    versions: list[VersionOut]
    states: dict[str, int]
    labelled: list[LabelledOut]


class ReportOut(Value):
    id: int
    brand_id: int
    week: str
    language: str
    subject: str
    built_at: datetime


class ReportWhole(ReportOut):
    markdown: str
    html: str


class UserOut(Value):
    id: int
    name: str
    role: str
    language: str | None
    active: bool
    created_at: datetime


class TokenOut(Value):
    id: int
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class ViewOut(Value):
    id: int
    name: str
    query: str
    shared: bool
    owner: str


class ViewIn(Value):
    name: str = Field(min_length=1, max_length=80)
    query: str = Field(max_length=4000)
    shared: bool = False


class AuditOut(Value):
    id: int
    at: datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]


class Made(Value):
    id: int
