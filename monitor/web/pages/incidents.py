"""Incidents: the list with silences, and one with its chart, drivers, quotes, log and decisions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from alerts.series import SeriesKey
from monitor.pipeline import related
from monitor.store.queries import incidents, mentions
from monitor.store.queries.taxonomy import TaxonomyView
from monitor.store.tables import Brand, Incident, IncidentEvent
from monitor.web import actions, words
from monitor.web.band import kept_band
from monitor.web.errors import NotFound
from monitor.web.filters import Filter
from monitor.web.frame import frame, memo_of, page, source_titles
from monitor.web.pages.entrance import local
from monitor.web.pages.mentions import sources_by_id
from monitor.web.visitor import Analyst, Rows, Viewer, Visitor, context_of

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=8000)]
SILENCES = (4, 24, 72, 168, 720)  # hours offered


@router.get("/incidents")
def listing(request: Request, visitor: Viewer, rows: Rows, state: str = "") -> Response:
    framed = frame(request, rows, visitor)
    states = [state] if state in incidents.ORDER else []
    brand_id = framed.brand.id if framed.brand else None
    found = incidents.listed(rows, brand_id=brand_id, states=states, limit=200)
    found.sort(key=lambda row: (incidents.ORDER.get(row.state, 3), -row.opened_at.timestamp()))
    titles = source_titles(rows)
    return page(
        request, rows, visitor, "incidents.html", framed=framed, state=state,
        incidents=[(row, scope(row.series, framed.brand, framed.taxonomy, titles, visitor)) for row in found],
        silences=incidents.silences(rows, now=context_of(request).now), hours=SILENCES,
    )  # fmt: skip


@router.get("/incidents/{uid}")
def one(request: Request, visitor: Viewer, rows: Rows, uid: str) -> Response:
    row = incidents.by_uid(rows, uid)
    if row is None:
        raise NotFound(f"there is no incident {uid!r}")
    brand = rows.get(Brand, row.brand_id)
    assert brand is not None
    framed = frame(request, rows, visitor, brand_slug=brand.slug)
    context = context_of(request)
    shown = kept_band(memo_of(request), context, rows, brand, row)
    key = related.series_key(row.series, brand)
    until = row.resolved_at or context.now
    speaking = related.negatives(rows, brand, key, since=row.since_at, until=until, limit=8)
    wanted = Filter(
        brand=brand.slug, sentiment=("negative",),
        source=(key.source,) if key.source else (), topic=(key.topic,) if key.topic else (),
        location=(key.location,) if key.location else (), language=(key.language,) if key.language else (),
    ).with_days(row.since_at.astimezone(visitor.zone).date(), until.astimezone(visitor.zone).date())  # fmt: skip
    titles = source_titles(rows)

    def named(uid: str) -> str:
        other = incidents.by_uid(rows, uid)
        parts = scope(other.series, brand, framed.taxonomy, titles, visitor) if other is not None else []
        return " · ".join([brand.name, *(name for _, name in parts)])

    goes_on = str(row.machine.get("joined_to") or "")
    return page(
        request, rows, visitor, "incident.html", framed=framed, incident=row, incident_brand=brand,
        scope=scope(row.series, brand, framed.taxonomy, titles, visitor), band=shown,
        events=log_of(row, incidents.events(rows, row.id or 0), brand, framed.taxonomy, titles, visitor, named),
        goes_on=(goes_on, named(goes_on)) if goes_on else None,
        messages=incidents.messages(rows, row.id or 0),
        quotes=mentions.entries(rows, speaking), wanted=wanted, sources=sources_by_id(rows), hours=SILENCES,
        silence=silence_of(row, brand), explained=explained(row, framed.taxonomy, visitor.translator.language),
    )  # fmt: skip


@router.post("/incidents/{uid}/{action}")
def decide(request: Request, visitor: Analyst, uid: str, action: str, note: Text = "") -> Response:
    actions.decide(context_of(request), visitor.name, uid, action, note=note)
    memo_of(request).clear()
    return RedirectResponse(f"/incidents/{uid}?done={action}", status_code=303)


@router.post("/silences")
async def silence(request: Request, visitor: Analyst) -> Response:
    form = await request.form()
    from starlette.concurrency import run_in_threadpool

    given = {name: value for name, value in form.items() if isinstance(value, str)}
    matchers = {key: given.get(key, "") for key in actions.SILENCE_KEYS}
    try:
        hours = float(given.get("hours", "24"))
    except ValueError:
        hours = 0.0
    await run_in_threadpool(
        actions.add_silence, context_of(request), visitor.name, matchers, hours=hours, note=given.get("note", "")
    )
    return RedirectResponse(local(given.get("back", "/incidents")), status_code=303)


@router.post("/silences/{silence_id}/end")
def end_silence(request: Request, visitor: Analyst, silence_id: int) -> Response:
    actions.end_silence(context_of(request), visitor.name, silence_id)
    return RedirectResponse("/incidents", status_code=303)


@dataclass(frozen=True, slots=True)
class LogLine:
    """An event of the log as it is read."""

    kind: str
    actor: str
    at: datetime
    note: str
    link: tuple[str, str] = ("", "")  # to another incident: its id and name


_MOVES = ("widened", "narrowed", "sharpened")


def log_of(
    row: Incident, events: Sequence[IncidentEvent], brand: Brand, taxonomy: TaxonomyView, titles: dict[str, str],
    visitor: Visitor, named: Callable[[str], str],
) -> list[LogLine]:  # fmt: skip
    """The log; `named` says what another incident is called.

    Where the incident came to be about another node, that node, by its name. The store keeps what it was about before.
    Moves with nothing between them are one: in its first hours an incident looks for its place.
    """
    after = [*[event.note for event in events if event.kind in _MOVES][1:], row.series]
    lines: list[LogLine] = []
    for moved, together in itertools.groupby(events, key=lambda event: event.kind in _MOVES):
        part = list(together)
        if not moved:
            for event in part:
                note = event.note if event.actor or not event.note else words.log_note(visitor.translator, event.note)
                link = ("", "")
                if event.kind in ("joined", "took_in"):
                    other = str(row.machine.get("joined_to", "")) if event.kind == "joined" else event.note
                    link, note = (other, named(other)), "" if event.kind == "took_in" else note
                lines.append(LogLine(event.kind, event.actor, event.at, note, link))
            continue
        where, after = after[: len(part)][-1], after[len(part) :]
        before, now = related.series_key(part[0].note, brand), related.series_key(where, brand)
        if before == now:
            continue
        kind = "widened" if now.covers(before) else "narrowed" if before.covers(now) else "moved"
        names = [name for _, name in scope(where, brand, taxonomy, titles, visitor)]
        lines.append(LogLine(kind, "", part[-1].at, " · ".join(names) or brand.name))
    return lines


def scope(
    series: str, brand: Brand | None, taxonomy: TaxonomyView, titles: dict[str, str], visitor: Visitor
) -> list[tuple[str, str]]:
    """Where it happens, in words: (dimension, name), the most telling first."""
    if brand is None:
        return []
    key: SeriesKey = related.series_key(series, brand)
    language = visitor.translator.language
    found = [
        ("topic", taxonomy.name(key.topic, language) if key.topic else ""),
        ("location", key.location or ""),
        ("source", titles.get(key.source, key.source) if key.source else ""),
        ("language", words.language(visitor.translator, key.language) if key.language else ""),
    ]
    return [(name, value) for name, value in found if value]


def explained(row: Incident, taxonomy: TaxonomyView, language: str) -> dict[str, Any]:
    """The explanation in the reader's language: it was kept in the account's, its headline in every one."""
    data = dict(row.data)
    names = {name: topic.name(language) for topic in taxonomy.topics.values() for name in topic.names.values()}
    data["headline"] = data.get("headlines", {}).get(language) or (
        data.get("headline", "") if data.get("language") == language else ""
    )
    data["topics"] = [{**one, "name": names.get(one["name"], one["name"])} for one in data.get("topics", ())]
    data["drivers"] = [
        {**one, "name": names.get(one["name"], one["name"])} if one["dimension"] == "topic" else one
        for one in data.get("drivers", ())
    ]
    return data


def silence_of(row: Incident, brand: Brand) -> dict[str, str]:
    """What a silence of this incident matches: as much as is known of where it happens."""
    if row.rule:
        return {"brand": brand.slug, "rule": row.rule}
    return {"brand": brand.slug, "series": row.series}
