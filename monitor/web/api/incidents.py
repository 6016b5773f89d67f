"""Incidents: list, one whole, its series with the expected band, decisions, silences."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from sqlmodel import col, select

from monitor.store.queries import incidents
from monitor.store.queries.mentions import BadCursor
from monitor.store.tables import Brand, Incident, Silence
from monitor.web import actions
from monitor.web.api.params import Cursor, Limit, problems
from monitor.web.api.schemas import (
    BandOut,
    EventOut,
    IncidentOut,
    IncidentWhole,
    Listing,
    Made,
    MessageOut,
    NoteIn,
    PointOut,
    SilenceIn,
    SilenceOut,
)
from monitor.web.band import kept_band
from monitor.web.errors import NotFound
from monitor.web.frame import memo_of
from monitor.web.visitor import Analyst, Rows, Viewer, context_of

router = APIRouter(tags=["incidents"], responses=problems(404))
Uid = Annotated[str, Path(max_length=40)]
Action = Literal["acknowledge", "resolve", "confirm", "reject", "comment"]


@router.get("/incidents")
def listing(
    visitor: Viewer, rows: Rows, brand: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[list[Literal["open", "acknowledged", "resolved"]], Query()] = [],  # noqa: B006
    cursor: Cursor = "", limit: Limit = 50,
) -> Listing[IncidentOut]:  # fmt: skip
    """Incidents, newest first."""
    brand_id = None
    if brand:
        found = rows.exec(select(Brand).where(col(Brand.slug) == brand)).first()
        if found is None:
            raise NotFound(f"there is no brand {brand!r}")
        brand_id = found.id
    items = incidents.listed(rows, brand_id=brand_id, states=state, before_id=number_of(cursor), limit=limit + 1)
    more = len(items) > limit
    shown = items[:limit]
    return Listing(items=[IncidentOut.of(row) for row in shown], next_cursor=str(shown[-1].id) if more else None)


@router.get("/incidents/{uid}")
def one(visitor: Viewer, rows: Rows, uid: Uid) -> IncidentWhole:
    """An incident with its explanation, log and messages."""
    row = _find(rows, uid)
    return IncidentWhole(
        incident=IncidentOut.of(row),
        explanation=row.data,
        log=[
            EventOut(at=event.at, kind=event.kind, actor=event.actor, note=event.note)
            for event in incidents.events(rows, row.id or 0)
        ],
        messages=[
            MessageOut(**message.model_dump(include=set(MessageOut.model_fields)))
            for message in incidents.messages(rows, row.id or 0)
        ],
    )


@router.get("/incidents/{uid}/series")
def series(request: Request, visitor: Viewer, rows: Rows, uid: Uid) -> BandOut:
    """The days of its series: negative mentions, and what the detector took for usual (95 %)."""
    row = _find(rows, uid)
    brand = rows.get(Brand, row.brand_id)
    assert brand is not None
    found = kept_band(memo_of(request), context_of(request), rows, brand, row)
    return BandOut(
        points=[
            PointOut(day=p.day, negative=p.negative, total=p.total, expected=p.expected, low=p.low, high=p.high)
            for p in found.points
        ],
        first_day=found.first,
        last_day=found.last,
    )


@router.post("/incidents/{uid}/{action}")
def decide(request: Request, visitor: Analyst, uid: Uid, action: Action, body: NoteIn) -> IncidentOut:
    """Acknowledge, resolve, confirm as real, reject as "not an incident", or comment."""
    row = actions.decide(context_of(request), visitor.name, uid, action, note=body.note)
    memo_of(request).clear()
    return IncidentOut.of(row)


@router.get("/silences")
def silences(request: Request, visitor: Viewer, rows: Rows, ended: bool = False) -> list[SilenceOut]:
    """Silences that hold; with `ended` also past ones."""
    return [_silence(row) for row in incidents.silences(rows, now=context_of(request).now, ended=ended)]


@router.post("/silences", status_code=201)
def add_silence(request: Request, visitor: Analyst, body: SilenceIn) -> Made:
    """Mute what matches all keys; it always has an end."""
    made = actions.add_silence(context_of(request), visitor.name, body.matchers, hours=body.hours, note=body.note)
    return Made(id=made)


@router.delete("/silences/{silence_id}", status_code=204)
def end_silence(request: Request, visitor: Analyst, silence_id: Annotated[int, Path(ge=1, le=2**62)]) -> None:
    """End a silence now."""
    actions.end_silence(context_of(request), visitor.name, silence_id)


def number_of(cursor: str) -> int | None:
    """A cursor that is the id of the last line. Raises BadCursor."""
    if not cursor:
        return None
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise BadCursor(f"cursor {cursor[:80]!r} is not one of this list")
    return int(cursor)


def _find(rows: Rows, uid: str) -> Incident:
    row = incidents.by_uid(rows, uid)
    if row is None:
        raise NotFound(f"there is no incident {uid!r}")
    return row


def _silence(row: Silence) -> SilenceOut:
    return SilenceOut(**row.model_dump(include=set(SilenceOut.model_fields)))
