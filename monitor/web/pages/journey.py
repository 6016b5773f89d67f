"""The journey map: stages over time, worst touchpoints, where customers are lost, and the table that maps topics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from monitor.pipeline.indices import LOST_AFTER
from monitor.pipeline.journeys import touchpoint_name
from monitor.reports import measures
from monitor.web import actions
from monitor.web.asked import asked, scale_of
from monitor.web.frame import memo_of, nothing, page
from monitor.web.pages.satisfaction import step_of
from monitor.web.visitor import Analyst, Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)
Short = Annotated[str, Form(max_length=200)]


@router.get("/journey")
def show(request: Request, visitor: Viewer, rows: Rows, step: str = "") -> Response:
    found = asked(request, rows, visitor)
    if found is None:
        return page(request, rows, visitor, "empty.html")
    t, taxonomy = visitor.translator, found.framed.taxonomy
    length = step_of(step, found)
    view = found.journey(length)
    return page(
        request, rows, visitor, "journey.html", framed=found.framed, view=view, step=length,
        instead=None if view.stages else nothing(rows, found.framed, visitor),
        scale=scale_of([point.net for point in view.touchpoints]), lost_after=LOST_AFTER.days,
        touchpoint=lambda key: touchpoint_name(taxonomy, key, t.language),
        surveyed=lambda key: measures.touchpoint_name(t, key),
    )  # fmt: skip


@router.post("/journey/topics/{key}")
def move(
    request: Request, visitor: Analyst, key: str, stage: Short = "", touchpoint: Short = "", experience: Short = ""
) -> Response:
    """Where a topic stands on the journey."""
    actions.map_topic(context_of(request), visitor.name, key, stage=stage, touchpoint=touchpoint, experience=experience)
    memo_of(request).clear()
    return RedirectResponse(f"/journey?done=topic#topic-{key}", status_code=303)
