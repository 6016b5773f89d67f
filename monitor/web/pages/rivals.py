"""Competitors: share of voice, and topic by topic what they are praised for and we are blamed for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from monitor.metrics.journey import LEAST
from monitor.pipeline.rivals import shares_of_voice
from monitor.web.asked import asked, scale_of
from monitor.web.frame import memo_of, page
from monitor.web.visitor import Rows, Viewer

router = APIRouter(include_in_schema=False)


@router.get("/competitors")
def show(request: Request, visitor: Viewer, rows: Rows) -> Response:
    found = asked(request, rows, visitor)
    if found is None:
        return page(request, rows, visitor, "empty.html")
    chosen = found.framed.chosen
    rivals = found.rivals()
    return page(
        request, rows, visitor, "competitors.html", framed=found.framed, rivals=rivals, least=LEAST,
        voices=memo_of(request).get(("voice", chosen), lambda: shares_of_voice(rows, chosen)),
        scales=[
            scale_of([metric for one in rival.topics for metric in (one.row.own, one.row.other)]) for rival in rivals
        ],
    )  # fmt: skip
