"""Did a change help? A comparison is set up, answered in a sentence with its chart and checks, and may be followed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response

from monitor.metrics.effect import LEAST_AFTER, LEAST_BEFORE
from monitor.pipeline.effects import EffectView, answer, checks
from monitor.store import comparisons
from monitor.store.tables import Comparison
from monitor.told import told
from monitor.web import comparing
from monitor.web.asked import Asked, a_day, asked, must_ask
from monitor.web.errors import BadRequest
from monitor.web.frame import choices, memo_of, page
from monitor.web.visitor import Analyst, Rows, Viewer, Visitor, context_of

router = APIRouter(include_in_schema=False)
Short = Annotated[str, Form(max_length=200)]
Many = Annotated[list[str], Form(max_length=50)]
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/effects")
def show(request: Request, visitor: Viewer, rows: Rows) -> Response:
    found = asked(request, rows, visitor)
    if found is None:
        return page(request, rows, visitor, "empty.html")
    t, taxonomy, given = visitor.translator, found.framed.taxonomy, request.query_params
    topics, treated, against = (
        tuple(dict.fromkeys(value for value in given.getlist(name) if value)) for name in ("about", "at", "against")
    )
    changed_on, measure = a_day(given.get("on", ""), "on"), given.get("measure") or "share"
    view: EffectView | None = None
    refused = ""
    if topics and changed_on:
        try:
            view = found.effect(topics=topics, changed_on=changed_on, treated=treated, against=against, measure=measure)
        except BadRequest as problem:
            refused = str(problem)
    followed = [(row, answered(found, row, visitor)) for row in comparisons.followed(rows, found.brand_id)]
    return page(
        request, rows, visitor, "effects.html", framed=found.framed, choices=choices(request, rows, found.brand),
        view=view, refused=refused, topics=topics, treated=treated, against=against, changed_on=changed_on,
        measure=measure, sentence=answer(view, taxonomy, t) if view else "", checked=checks(view, t) if view else [],
        chart=chart_of(view, visitor) if view else None, followed=followed,
        needs=(LEAST_BEFORE, LEAST_AFTER),
    )  # fmt: skip


@router.post("/effects")
def follow(
    request: Request, visitor: Analyst, rows: Rows, name: Short = "", on: Short = "", measure: Short = "share",
    about: Many = [], at: Many = [], against: Many = [],  # noqa: B006
) -> Response:  # fmt: skip
    """Keep a comparison, so that the weekly report tells when its answer changes."""
    found = must_ask(request, rows, visitor)
    day = a_day(on, "on")
    if day is None:
        raise BadRequest("on: write the day of the change as 2026-11-22")
    comparing.save(
        found, visitor.name, name, topics=about, changed_on=day, treated=at, against=against, measure=measure
    )
    memo_of(request).clear()
    return RedirectResponse(f"/effects{found.framed.filter.query()}", status_code=303)


@router.post("/effects/{comparison_id}/close")
def close(request: Request, visitor: Analyst, comparison_id: Id) -> Response:
    comparing.close(context_of(request), visitor.name, comparison_id)
    return RedirectResponse("/effects", status_code=303)


def answered(found: Asked, row: Comparison, visitor: Visitor) -> tuple[EffectView | None, str]:
    """The present answer of a kept comparison; a place or topic that is gone is told in its stead."""
    try:
        view = found.effect(
            topics=row.topics, changed_on=row.changed_at.astimezone(found.zone).date(), treated=row.treated,
            against=row.against, measure=row.measure,
        )  # fmt: skip
    except BadRequest as problem:
        return None, told(visitor.translator, str(problem))
    return view, answer(view, found.framed.taxonomy, visitor.translator)


def chart_of(view: EffectView, visitor: Visitor) -> dict[str, object]:
    """The weeks as the chart draws them."""

    def value(x: float, n: float) -> float | None:
        if view.effect.measure == "count":
            return x
        return x / n if n else None

    return {
        "unit": "share" if view.effect.measure == "share" else "mentions",
        "change": view.effect.n_before,
        "weeks": [
            {
                "day": week.start.astimezone(visitor.zone).date().isoformat(),
                "treated": value(week.treated.x, week.treated.n), "x": week.treated.x, "n": week.treated.n,
                "control": value(week.control.x, week.control.n) if week.control else None,
                "x_control": week.control.x if week.control else None,
                "n_control": week.control.n if week.control else None,
            }
            for week in view.weeks
        ],
    }  # fmt: skip
