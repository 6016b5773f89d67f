"""The model: how often it was right where people looked, how sure it was, which versions judged."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlmodel import Session

from monitor.store import evaluations
from monitor.store.queries import quality
from monitor.store.tables import Brand
from monitor.web.accuracy import accuracy
from monitor.web.frame import choices, frame, memo_of, page
from monitor.web.pages.mentions import sources_by_id
from monitor.web.visitor import Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)


def labelled_sets(request: Request, rows: Session, brand: Brand | None) -> list[evaluations.LabelledSet]:
    """What was kept here, and, of the embedded model, what was measured before it shipped, in the brand's languages."""
    embedded = not context_of(request).settings.model.name
    spoken = choices(request, rows, brand).languages
    return [*evaluations.kept(rows), *(evaluations.shipped(spoken) if embedded else [])]


@router.get("/quality")
def show(request: Request, visitor: Viewer, rows: Rows) -> Response:
    framed = frame(request, rows, visitor)
    brand_id = framed.brand.id if framed.brand else None
    memo = memo_of(request)
    versions, states = memo.get(("progress",), lambda: quality.progress(rows), lasting=True)
    return page(
        request, rows, visitor, "quality.html", framed=framed, sources=sources_by_id(rows),
        accuracy=memo.get(("accuracy", brand_id), lambda: accuracy(quality.looked_at(rows, brand_id=brand_id))),
        versions=versions, states=states, labelled=labelled_sets(request, rows, framed.brand),
    )  # fmt: skip
