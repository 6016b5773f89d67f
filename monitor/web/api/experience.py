"""Customer experience: metrics, drivers, questionnaires, the journey map, segments, retention, effects, competitors."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request

from monitor.pipeline.effects import answer, checks
from monitor.pipeline.indices import BEHAVIOUR, CHATS
from monitor.pipeline.journeys import touchpoint_name
from monitor.pipeline.segmenting import SegmentView, TooFewCustomers, describe, sizes
from monitor.store import comparisons
from monitor.web import comparing
from monitor.web.api.experience_schemas import (
    BoundsOut,
    CohortOut,
    ComparisonIn,
    ComparisonOut,
    ComplaintOut,
    CurvePointOut,
    DriverOut,
    DriversOut,
    EffectOut,
    IndicesOut,
    JourneyMapOut,
    LossOut,
    LoyaltyOut,
    MemberOut,
    MetricTableOut,
    MoveOut,
    RivalOut,
    SegmentOut,
    SegmentsOut,
    StageOfJourney,
    StepOfJourney,
    VersusOut,
)
from monitor.web.api.params import Cursor, Limit, problems
from monitor.web.api.schemas import Listing, Made, MetricOut
from monitor.web.asked import OVERVIEW, Asked, must_ask, of_brand
from monitor.web.errors import NotFound
from monitor.web.frame import memo_of
from monitor.web.pages.effects import answered
from monitor.web.visitor import Analyst, Rows, Viewer, context_of

router = APIRouter(tags=["customers"], responses=problems(404))
Step = Annotated[Literal["month", "week"], Query(description="Length of the periods")]
Name = Annotated[str, Path(max_length=80, description="nps, csat, ces, ces_mean, net_sentiment, rating, ...")]
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Several = Annotated[list[str], Query(max_length=200)]


def _asked(
    request: Request,
    visitor: Viewer,
    rows: Rows,
    brand: Annotated[str, Query(description="Identifier of the brand; without it the first own brand")] = "",
    period: Annotated[Literal["7d", "30d", "90d", "180d", "365d"], Query(description="Days up to today")] = "180d",
    from_: Annotated[date | None, Query(alias="from", description="First local day; needs `to`")] = None,
    to: Annotated[date | None, Query(description="Last local day, included")] = None,
) -> Asked:
    del brand, period, from_, to
    return must_ask(request, rows, visitor)


Spanned = Annotated[Asked, Depends(_asked)]


@router.get("/metrics")
def metrics(visitor: Viewer, found: Spanned) -> list[MetricTableOut]:
    """Indices of satisfaction and behaviour, each compared with the span before; null on too few answers. Those of
    conversations are there where some were imported."""
    known = found.names()
    return [MetricTableOut.of(found.table(name)) for name in (*OVERVIEW, *(one for one in CHATS if one in known))]


@router.get("/metrics/{metric}")
def metric_by(
    visitor: Viewer, found: Spanned, metric: Name,
    by: Annotated[Literal["", "period", "segment", "location", "touchpoint"], Query(description="Dimension")] = "",
    step: Step = "month",
) -> MetricTableOut:  # fmt: skip
    """One metric by a dimension. Periods are compared with the one before, all else with the rest."""
    return MetricTableOut.of(found.table(metric, by, step))


@router.get("/metrics/{metric}/drivers")
def drivers(visitor: Viewer, found: Spanned, metric: Name) -> DriversOut:
    """Topics that come with better or worse scores, largest impact first."""
    found.table(metric)  # an unknown name is refused
    moved, n = found.drivers(metric)
    return DriversOut(name=metric, n_texts=n, topics=[DriverOut.of(one) for one in moved])


@router.get("/indices")
def indices(visitor: Viewer, found: Spanned) -> IndicesOut:
    """ECSI, 1,000-point index, problems per 100, engagement, from the items of questionnaires."""
    made = found.questionnaire()
    return IndicesOut(
        ecsi=[MetricOut.of(one) for one in made.ecsi],
        thousand_points=MetricOut.of(made.thousand) if made.thousand else None,
        weights=dict(made.weights) if made.weights else None,
        problems_per_100=MetricOut.of(made.problems_per_100) if made.problems_per_100 else None,
        engagement=[MetricOut.of(one) for one in made.engagement], faults=list(made.faults),
    )  # fmt: skip


@router.get("/journey/map")
def journey_map(visitor: Viewer, found: Spanned, step: Step = "month") -> JourneyMapOut:
    """Stages over time with complaints and quotes, touchpoints, and where customers are lost."""
    view, taxonomy, language = found.journey(step), found.framed.taxonomy, visitor.translator.language
    return JourneyMapOut(
        periods=list(view.periods),
        stages=[
            StageOfJourney.model_validate({
                **StepOfJourney.fields(row.step, taxonomy.stage_name(row.step.key, language)),
                "periods": [MetricOut.of(one) for one in row.periods],
                "complaints": [ComplaintOut(**asdict(one)) for one in row.complaints],
            })
            for row in view.stages
        ],
        touchpoints=[StepOfJourney.of(one, touchpoint_name(taxonomy, one.key, language)) for one in view.touchpoints],
        lost_after_stage=[LossOut.of(one) for one in view.lost_stages],
        lost_after_touchpoint=[LossOut.of(one) for one in view.lost_touchpoints],
        n_watched=view.n_watched,
    )  # fmt: skip


def _segments(found: Asked) -> SegmentView:
    try:
        return found.segments()
    except TooFewCustomers as problem:
        raise NotFound(str(problem)) from None


@router.get("/segments")
def segments(visitor: Viewer, found: Spanned) -> SegmentsOut:
    """Customers in segments, in words; sizes by month and movement since the last one. 404 on too few customers."""
    view, t = _segments(found), visitor.translator
    return SegmentsOut(
        n=view.n, stable=view.stable, bounds=None if view.stable else BoundsOut(**asdict(view.bounds)),
        stability=dict(view.stability), valleys=dict(view.valleys),
        segments=[
            SegmentOut(code=row.code, description=describe(row.code, t), n=row.n, share=row.share,
                       share_of_revenue=row.value_share, median_orders=row.orders, median_basket=row.basket,
                       nps=MetricOut.of(row.nps), churn=MetricOut.of(row.churn), complains_about=row.blamed,
                       n_complaining=row.n_blamed)
            for row in view.rows
        ],
        months={month: dict(held) for month, held in sizes(view.months).items()},
        moves=[MoveOut(from_code=a, to_code=b, n=n) for (a, b), n in sorted(view.moves.items())],
    )  # fmt: skip


@router.get("/segments/members")
def members(
    visitor: Viewer, found: Spanned, segment: Annotated[str, Query(max_length=200, description="Its code")] = "",
    cursor: Cursor = "", limit: Limit = 100,
) -> Listing[MemberOut]:  # fmt: skip
    """The members of one segment, or all, by pseudonym."""
    view = _segments(found)
    kept = [one for one in view.members if segment in ("", one.segment) and one.customer > cursor]
    page = kept[:limit]
    following = page[-1].customer if len(kept) > limit else None
    return Listing(items=[MemberOut(**asdict(one)) for one in page], next_cursor=following)


@router.get("/retention")
def retention(visitor: Viewer, found: Spanned) -> LoyaltyOut:
    """Who stays: survival curve, cohorts by month of the first order, lifetime value, rates of behaviour."""
    view = found.loyalty()
    return LoyaltyOut(
        n=view.n, lost_after_days=view.lost_after,
        curve=[CurvePointOut(day=one.day, share=one.share, low=one.interval.low, high=one.interval.high,
                             n_at_risk=one.n_at_risk) for one in view.curve],
        retention=MetricOut.of(view.retention),
        cohorts=[CohortOut(month=row.month, n=row.n, months_after=[MetricOut.of(cell) for cell in row.cells],
                           retention=MetricOut.of(row.retention), churn=MetricOut.of(row.churn))
                 for row in view.cohorts],
        lifetime_value=MetricOut.of(view.value),
        behaviour=[MetricOut.of(found.table(name).cells[0].metric) for name in BEHAVIOUR
                   if name != "clv"] if view.n else [],
    )  # fmt: skip


@router.get("/effect")
def effect(
    visitor: Viewer, found: Spanned,
    topic: Annotated[list[str], Query(min_length=1, max_length=50, description="What the complaints are about")],
    on: Annotated[date, Query(description="Local day of the change")],
    treated: Several = [],  # noqa: B006
    against: Annotated[list[str], Query(max_length=50, description="Places to compare with, or topics")] = [],  # noqa: B006
    measure: Annotated[Literal["share", "count"], Query(description="Share of mentions, or complaints a week")]
    = "share",
) -> EffectOut:  # fmt: skip
    """What a change did to complaints, beside untreated places or other topics, or a plain "cannot tell"."""
    view = found.effect(topics=topic, changed_on=on, treated=treated, against=against, measure=measure)
    t, taxonomy = visitor.translator, found.framed.taxonomy
    return EffectOut.of(view, answer(view, taxonomy, t), checks(view, t))


@router.get("/comparisons")
def kept(visitor: Viewer, rows: Rows, found: Spanned) -> list[ComparisonOut]:
    """Changes that are followed, each with its present answer."""
    told = []
    for row in comparisons.followed(rows, found.brand_id):
        view, words = answered(found, row, visitor)
        told.append(
            ComparisonOut(id=row.id or 0, name=row.name, topics=row.topics, changed_at=row.changed_at,
                          treated=row.treated, against=row.against, measure=row.measure, actor=row.actor,
                          verdict=view.effect.verdict if view else None, answer=words)
        )  # fmt: skip
    return told


@router.post("/comparisons", status_code=201)
def follow(request: Request, visitor: Analyst, rows: Rows, body: ComparisonIn) -> Made:
    """Follow a change; the same name again replaces it."""
    found = of_brand(request, rows, visitor, body.brand)
    made = comparing.save(
        found, visitor.name, body.name, topics=body.topics, changed_on=body.changed_on, treated=body.treated,
        against=body.against, measure=body.measure,
    )  # fmt: skip
    memo_of(request).clear()
    return Made(id=made)


@router.delete("/comparisons/{comparison_id}", status_code=204)
def close(request: Request, visitor: Analyst, comparison_id: Id) -> None:
    """Follow it no more."""
    comparing.close(context_of(request), visitor.name, comparison_id)


@router.get("/rivals")
def rivals(visitor: Viewer, found: Spanned) -> list[RivalOut]:
    """Topic by topic against every other active brand, the clearest difference first."""
    return [
        RivalOut(brand=rival.slug, name=rival.name, n_own=rival.n_own, n_other=rival.n_other, topics=[
            VersusOut.of(one.row, clear=one.clear, envied=one.envied) for one in rival.topics
        ])
        for rival in found.rivals()
    ]  # fmt: skip
