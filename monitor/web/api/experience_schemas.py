"""The values of the API about customers: metrics, journey, segments, effects, competitors."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from monitor.metrics.journey import Loss, Step, Versus
from monitor.metrics.metric import Interval
from monitor.pipeline.effects import EffectView
from monitor.pipeline.indices import Driver, MetricTable
from monitor.web.api.schemas import MetricOut, Value


class IntervalOut(Value):
    low: float
    high: float

    @classmethod
    def of(cls, interval: Interval | None) -> IntervalOut | None:
        return None if interval is None else cls(low=interval.low, high=interval.high)


class CellOut(Value):
    """One row of a table; `clear` after Benjamini and Hochberg over its rows."""

    key: str
    metric: MetricOut
    difference: float | None
    interval: IntervalOut | None
    clear: bool


class MetricTableOut(Value):
    name: str
    by: str
    against: str = Field(description="What differences are to: before, previous, rest")
    cells: list[CellOut]

    @classmethod
    def of(cls, table: MetricTable) -> MetricTableOut:
        return cls(name=table.name, by=table.by, against=table.against, cells=[
            CellOut(key=cell.key, metric=MetricOut.of(cell.metric), difference=cell.difference,
                    interval=IntervalOut.of(cell.interval), clear=cell.clear)
            for cell in table.cells
        ])  # fmt: skip


class DriverOut(Value):
    topic: str
    n: int
    with_it: MetricOut
    without_it: MetricOut
    difference: float
    interval: IntervalOut | None
    clear: bool
    impact: MetricOut

    @classmethod
    def of(cls, one: Driver) -> DriverOut:
        return cls(topic=one.topic, n=one.n, with_it=MetricOut.of(one.value), without_it=MetricOut.of(one.rest),
                   difference=one.difference, interval=IntervalOut.of(one.interval), clear=one.clear,
                   impact=MetricOut.of(one.impact))  # fmt: skip


class DriversOut(Value):
    name: str
    n_texts: int
    topics: list[DriverOut]


class IndicesOut(Value):
    ecsi: list[MetricOut]
    thousand_points: MetricOut | None
    weights: dict[str, float] | None = Field(description="Declared weights of the factors of the 1,000-point index")
    problems_per_100: MetricOut | None
    engagement: list[MetricOut]
    faults: list[str]


class ComplaintOut(Value):
    topic: str
    n: int
    quote: str
    mention_id: int | None


class StepOfJourney(Value):
    """A stage or touchpoint; `weak` marks those that stand out below the rest."""

    key: str
    name: str
    n: int
    net_sentiment: MetricOut
    share_of_complaints: MetricOut
    change: float | None
    change_interval: IntervalOut | None
    weak: bool

    @classmethod
    def of(cls, step: Step, name: str) -> StepOfJourney:
        return cls(**cls.fields(step, name))

    @staticmethod
    def fields(step: Step, name: str) -> dict[str, object]:
        return {
            "key": step.key, "name": name, "n": step.tally.n, "net_sentiment": MetricOut.of(step.net),
            "share_of_complaints": MetricOut.of(step.burden), "change": step.change,
            "change_interval": IntervalOut.of(step.change_interval), "weak": step.weak,
        }  # fmt: skip


class StageOfJourney(StepOfJourney):
    periods: list[MetricOut]
    complaints: list[ComplaintOut]


class LossOut(Value):
    key: str
    returned: MetricOut
    returned_elsewhere: float
    difference: float
    interval: IntervalOut | None
    clear: bool

    @classmethod
    def of(cls, one: Loss) -> LossOut:
        return cls(key=one.key, returned=MetricOut.of(one.returned), returned_elsewhere=one.returned_elsewhere,
                   difference=(one.returned.value or 0.0) - one.returned_elsewhere,
                   interval=IntervalOut.of(one.difference), clear=one.clear)  # fmt: skip


class JourneyMapOut(Value):
    periods: list[str]
    stages: list[StageOfJourney]
    touchpoints: list[StepOfJourney]
    lost_after_stage: list[LossOut]
    lost_after_touchpoint: list[LossOut]
    n_watched: int


class SegmentOut(Value):
    code: str
    description: str
    n: int
    share: float
    share_of_revenue: float
    median_orders: float
    median_basket: float
    nps: MetricOut
    churn: MetricOut
    complains_about: str = Field(description="Topic that its members complain about clearly more often; empty: none")
    n_complaining: int


class MoveOut(Value):
    from_code: str
    to_code: str
    n: int


class BoundsOut(Value):
    silent: float = Field(description="Days without order or activity; lost for twice as long")
    large: float = Field(description="Mean order from which baskets are large")


class SegmentsOut(Value):
    n: int
    stable: bool = Field(description="False: no number of clusters is stable and apart; customers are grouped by rule")
    bounds: BoundsOut | None = Field(description="Of the groups by rule")
    stability: dict[int, float] = Field(description="Agreement of random halves by number of clusters; 0.85 is asked")
    valleys: dict[int, float] = Field(
        description="Density between the two least apart, of stable numbers; 0.85 at most is asked"
    )
    segments: list[SegmentOut]
    months: dict[str, dict[str, int]]
    moves: list[MoveOut]


class MemberOut(Value):
    """A customer under a pseudonym. `score` is the mean of the survey answers, 0 to 1, `rating` that of stars in
    reviews, 1 to 5."""

    customer: str
    segment: str
    rfm: str
    r: int
    f: int
    m: int
    abc: str
    xyz: str
    life_stage: str
    n_orders: int
    total: float
    basket: float
    days_since: float
    days_quiet: float
    returned: float
    score: float | None
    rating: float | None
    complaints: float | None


class CurvePointOut(Value):
    day: int
    share: float
    low: float
    high: float
    n_at_risk: int


class CohortOut(Value):
    month: date
    n: int
    months_after: list[MetricOut]
    retention: MetricOut
    churn: MetricOut


class LoyaltyOut(Value):
    n: int
    lost_after_days: int
    curve: list[CurvePointOut]
    retention: MetricOut
    cohorts: list[CohortOut]
    lifetime_value: MetricOut
    behaviour: list[MetricOut]


class WeekOut(Value):
    start: datetime
    complaints: float
    mentions: float
    complaints_beside: float | None
    mentions_beside: float | None


class BesideOut(Value):
    place: str
    used: bool
    why: str = Field(description="not_changed, chosen, not_chosen, not_before, not_after (nobody spoke of it then)")
    complaints_before: float
    mentions_before: float
    complaints_after: float
    mentions_after: float


class EffectOut(Value):
    """What a change did to complaints. `change` is null where the answer is "cannot tell", whose `reason` says why."""

    answer: str
    checks: list[str]
    verdict: str
    reason: str
    change: float | None
    interval: IntervalOut | None
    measure: str
    method: str
    control: str
    beside: list[str]
    n_before: int
    n_after: int
    complaints_before: float
    complaints_after: float
    pre_trend_p: float | None
    placebo_share: float | None
    n_placebo: int
    n_elsewhere: int
    places: list[BesideOut] = Field(description="Every place that was not changed, and why it is compared with or not")
    weeks: list[WeekOut]

    @classmethod
    def of(cls, view: EffectView, answer: str, checks: list[str]) -> EffectOut:
        found = view.effect
        return cls(
            answer=answer, checks=checks, verdict=found.verdict, reason=found.reason, change=found.change,
            interval=IntervalOut.of(found.interval), measure=found.measure, method=found.method, control=view.control,
            beside=list(view.beside), n_before=found.n_before, n_after=found.n_after,
            complaints_before=found.x_before, complaints_after=found.x_after, pre_trend_p=found.pre_trend_p,
            placebo_share=found.placebo_share, n_placebo=found.n_placebo, n_elsewhere=view.n_elsewhere,
            places=[
                BesideOut(place=one.place, used=one.used, why=one.why, complaints_before=one.before.x,
                          mentions_before=one.before.n, complaints_after=one.after.x, mentions_after=one.after.n)
                for one in view.places
            ],
            weeks=[
                WeekOut(start=week.start, complaints=week.treated.x, mentions=week.treated.n,
                        complaints_beside=week.control.x if week.control else None,
                        mentions_beside=week.control.n if week.control else None)
                for week in view.weeks
            ],
        )  # fmt: skip


class ComparisonIn(Value):
    name: str = Field(min_length=1, max_length=80)
    topics: list[str] = Field(min_length=1, max_length=50)
    changed_on: date
    treated: list[str] = Field(default_factory=list, max_length=200)
    against: list[str] = Field(default_factory=list, max_length=200, description="Topics, or places not changed")
    measure: str = "share"
    brand: str = ""


class ComparisonOut(Value):
    id: int
    name: str
    topics: list[str]
    changed_at: datetime
    treated: list[str]
    against: list[str]
    measure: str
    actor: str
    verdict: str | None
    answer: str


class VersusOut(Value):
    topic: str
    own: MetricOut
    other: MetricOut
    difference: float
    interval: IntervalOut | None
    clear: bool
    envied: bool = Field(description="They are praised for it, we are blamed for it, and the difference is clear")

    @classmethod
    def of(cls, row: Versus, *, clear: bool, envied: bool) -> VersusOut:
        return cls(topic=row.topic, own=MetricOut.of(row.own), other=MetricOut.of(row.other),
                   difference=row.difference, interval=IntervalOut.of(row.interval), clear=clear,
                   envied=envied)  # fmt: skip


class RivalOut(Value):
    brand: str
    name: str
    n_own: int
    n_other: int
    topics: list[VersusOut]
