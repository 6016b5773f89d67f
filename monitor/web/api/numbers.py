"""Numbers of a selection: overview, timeline, breakdowns, places, voice, journey."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from sqlmodel import col, select

from monitor.pipeline.rivals import shares_of_voice
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import Brand
from monitor.web import figures, words
from monitor.web.api.params import Framed, problems
from monitor.web.api.schemas import (
    BrandOut,
    ChangeOut,
    CountOut,
    JourneyOut,
    MarkOut,
    MetricOut,
    OverviewOut,
    PlaceOut,
    RowOut,
    StageOut,
    StepOut,
    TimelineOut,
    VoiceOut,
)
from monitor.web.frame import memo_of, rated, source_titles
from monitor.web.visitor import Rows, Viewer, context_of

router = APIRouter(tags=["numbers"], responses=problems(404))


@router.get("/brands")
def brands(visitor: Viewer, rows: Rows) -> list[BrandOut]:
    """Active brands, own ones first."""
    found = rows.exec(
        select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.is_competitor), col(Brand.name))
    )
    return [BrandOut(slug=brand.slug, name=brand.name, is_competitor=brand.is_competitor) for brand in found]


@router.get("/overview")
def overview(request: Request, visitor: Viewer, rows: Rows, framed: Framed) -> OverviewOut:
    """Head numbers with intervals and changes against the period before."""
    asked = framed.chosen
    found = memo_of(request).get(("overview", asked), lambda: figures.overview(rows, asked))
    first, last = framed.filter.days(context_of(request).now, visitor.zone)
    return OverviewOut(
        brand=framed.brand.slug if framed.brand else "", first_day=first, last_day=last,
        net_sentiment=MetricOut.of(found.net), net_sentiment_change=ChangeOut.of(found.net_change),
        negative_share=MetricOut.of(found.negative), negative_share_change=ChangeOut.of(found.negative_change),
        mean_rating=MetricOut.of(found.rating), mean_rating_change=ChangeOut.of(found.rating_change),
        stars=list(found.stars), volume=CountOut.of(found.volume.now), volume_before=CountOut.of(found.volume.before),
        coverage=found.coverage,
    )  # fmt: skip


@router.get("/timeline")
def timeline(request: Request, visitor: Viewer, rows: Rows, framed: Framed) -> TimelineOut:
    """Counts by local day (by week over 200 days), with coverage and incidents."""
    asked, zone = framed.chosen, visitor.zone
    steps = memo_of(request).get(("timeline", asked, zone.key), lambda: figures.timeline(rows, asked, zone=zone))
    now = context_of(request).now
    marks = [
        MarkOut(uid=row.uid, state=row.state, severity=row.severity, first_day=row.since_at.astimezone(zone).date(),
                last_day=(row.resolved_at or now).astimezone(zone).date())
        for row in figures.alive(rows, asked)
    ]  # fmt: skip
    return TimelineOut(
        steps=[
            StepOut(first_day=step.first, last_day=step.last, coverage=step.coverage, counts=CountOut.of(step.count))
            for step in steps
        ],
        incidents=marks,
    )


@router.get("/breakdown/{dimension}")
def breakdown(
    request: Request, visitor: Viewer, rows: Rows, framed: Framed,
    dimension: Literal["source", "topic", "location", "language"],
) -> list[RowOut]:  # fmt: skip
    """Lines of one dimension, most negative mentions first. A dimension's own filter does not narrow it."""
    asked, t = framed.chosen, visitor.translator
    found = memo_of(request).get((dimension, asked), lambda: figures.breakdown(rows, asked, dimension))
    titles = source_titles(rows) if dimension == "source" else {}

    def name(key: str) -> str:
        if dimension == "topic":
            return framed.taxonomy.name(key, t.language)
        if dimension == "language":
            return words.language(t, key)
        return titles.get(key, key)

    return [
        RowOut(key=row.key, name=name(row.key), now=CountOut.of(row.pair.now), before=CountOut.of(row.pair.before),
               negative_share=MetricOut.of(row.share), net_sentiment=MetricOut.of(row.net),
               negative_change=ChangeOut.of(row.change))
        for row in found
    ]  # fmt: skip


@router.get("/places")
def places(request: Request, visitor: Viewer, rows: Rows, framed: Framed) -> list[PlaceOut]:
    """Locations by recency-weighted Bayesian rating, best first."""
    asked, now = framed.chosen, context_of(request).now
    stars = rated(request, rows, asked)
    found = memo_of(request).get(
        ("places", asked),
        lambda: figures.places(rows, asked, stars, now=now),
    )
    return [
        PlaceOut(location=place.row.key, rating=MetricOut.of(place.rating), now=CountOut.of(place.row.pair.now),
                 negative_share=MetricOut.of(place.row.share), negative_change=ChangeOut.of(place.row.change))
        for place in found
    ]  # fmt: skip


@router.get("/voice")
def voice(request: Request, visitor: Viewer, rows: Rows, framed: Framed) -> list[VoiceOut]:
    """Share of voice over all active brands, largest first."""
    asked = framed.chosen
    return [
        VoiceOut(brand=brand.slug, name=brand.name, is_competitor=brand.is_competitor, share=MetricOut.of(one.share),
                 change=one.change, change_low=one.change_interval.low if one.change_interval else None,
                 change_high=one.change_interval.high if one.change_interval else None)
        for brand, one in memo_of(request).get(("voice", asked), lambda: shares_of_voice(rows, asked))
    ]  # fmt: skip


@router.get("/journey")
def journey(request: Request, visitor: Viewer, rows: Rows, framed: Framed) -> JourneyOut:
    """Topic tags by stage of the customer journey and span of days."""
    asked, zone = framed.chosen, visitor.zone
    taxonomy = in_force(rows)
    found = memo_of(request).get(
        ("journey", asked, zone.key), lambda: figures.journey(rows, asked, taxonomy, zone=zone)
    )
    return JourneyOut(
        spans=list(found.spans),
        stages=[
            StageOut(stage=row.stage, name=taxonomy.stage_name(row.stage, visitor.translator.language),
                     net_sentiment=MetricOut.of(row.net), share_of_complaints=row.share_of_complaints,
                     worst_topic=row.worst_topic or None, cells=[CountOut.of(cell) for cell in row.cells])
            for row in found.rows
        ],
    )  # fmt: skip
