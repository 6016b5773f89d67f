"""Customers: who stays, what they are worth, which segments there are, who moved, and the members to take along."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response

from monitor.pipeline.indices import BEHAVIOUR, LEAST
from monitor.pipeline.segmenting import (
    Member,
    SegmentView,
    TooFewCustomers,
    describe,
    rule,
    sizes,
    write_members,
)
from monitor.reports.measures import metric_name
from monitor.store.engine import writing
from monitor.web.accounts import audit
from monitor.web.asked import asked, must_ask, scale_of
from monitor.web.errors import NotFound
from monitor.web.frame import page
from monitor.web.visitor import Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)
N_MOVES = 12
Cell = TypeVar("Cell", tuple[int, int], tuple[str, str])


@router.get("/customers")
def show(request: Request, visitor: Viewer, rows: Rows) -> Response:
    found = asked(request, rows, visitor)
    if found is None:
        return page(request, rows, visitor, "empty.html")
    t = visitor.translator
    view: SegmentView | None = None
    too_few = ""
    try:
        view = found.segments()
    except TooFewCustomers as problem:
        too_few = str(problem)
    loyalty = found.loyalty()
    heads = [found.table(name).cells[0].metric for name in BEHAVIOUR if name != "clv"] if loyalty.n else []
    months = sizes(view.months) if view else {}
    moves = sorted(((n, a, b) for (a, b), n in view.moves.items() if a != b), reverse=True)[:N_MOVES] if view else []
    return page(
        request, rows, visitor, "customers.html", framed=found.framed, view=view, too_few=too_few, loyalty=loyalty,
        heads=heads, months=months, moves=moves, name=lambda key: metric_name(t, key),
        words_of=lambda code: describe(code, t), rule_of=lambda bounds: rule(bounds, t), least=LEAST,
        grid=rfm_grid(view.members) if view else {}, letters=abc_xyz(view.members) if view else {},
        nps_scale=scale_of([row.nps for row in view.rows]) if view else None,
    )  # fmt: skip


@router.get("/customers/export.csv")
def export(request: Request, visitor: Viewer, rows: Rows, segment: str = "") -> Response:
    """The members of one segment, or all, as csv. Raises NotFound where there are too few customers for segments."""
    found = must_ask(request, rows, visitor)
    try:
        view = found.segments()
    except TooFewCustomers as problem:
        raise NotFound(str(problem)) from None
    members = [member for member in view.members if segment in ("", member.segment)]
    file = io.StringIO(newline="")
    file.write("\ufeff")
    write_members(members, file, visitor.translator)
    context = context_of(request)
    with writing(context.engine) as session:
        audit(session, visitor.name, "customers.exported", found.brand.slug, now=context.now, n=len(members))
    name = f'attachment; filename="customers-{found.brand.slug}.csv"'
    return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers={"content-disposition": name})


def rfm_grid(members: Sequence[Member]) -> dict[tuple[int, int], tuple[int, float]]:
    """(recency score, frequency score) -> how many customers, and their share of the revenue."""
    return _cells(members, lambda member: (member.r, member.f))


def abc_xyz(members: Sequence[Member]) -> dict[tuple[str, str], tuple[int, float]]:
    """(class by value, class by regularity) -> how many customers, and their share of the revenue."""
    return _cells(members, lambda member: (member.abc, member.xyz))


def _cells(members: Sequence[Member], cell_of: Callable[[Member], Cell]) -> dict[Cell, tuple[int, float]]:
    n: Counter[Cell] = Counter()
    value: dict[Cell, float] = defaultdict(float)
    for member in members:
        n[cell_of(member)] += 1
        value[cell_of(member)] += member.total
    total = sum(value.values()) or 1.0
    return {cell: (count, value[cell] / total) for cell, count in n.items()}
