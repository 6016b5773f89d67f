"""The feed: filtered mentions, one mention whole, corrections alone and in bulk, saved views, export."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlmodel import Session, col, select

from models import stars
from models.base import SENTIMENTS
from models.errors import ModelError
from monitor.pipeline import exporting
from monitor.pipeline.related import words as words_of
from monitor.store.engine import reading, writing
from monitor.store.queries import mentions
from monitor.store.tables import Brand, Mention, SavedView, Source, User
from monitor.web import actions
from monitor.web.accounts import audit
from monitor.web.errors import BadRequest, NotFound
from monitor.web.frame import choices, frame, memo_of, nothing, page, source_titles
from monitor.web.pages.entrance import local
from monitor.web.rendering import render
from monitor.web.visitor import Analyst, Rows, Viewer, Visitor, context_of

router = APIRouter(include_in_schema=False)
PAGE = 25
EXPORT_LIMIT = 100_000
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson",
}
Text = Annotated[str, Form(max_length=4000)]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text: how strongly it spoke, -3..3, 0 for the rest."""

    text: str
    strength: int = 0


@router.get("/mentions")
def feed(request: Request, visitor: Viewer, rows: Rows, cursor: str = "") -> Response:
    framed = frame(request, rows, visitor)
    if framed.brand is None:
        return page(request, rows, visitor, "empty.html", framed=framed)
    shown = mentions.page(rows, framed.chosen, cursor=cursor or None, limit=PAGE)
    sources = sources_by_id(rows)
    if request.headers.get("hx-request") == "true" and cursor:
        return render(request, visitor, "_feed.html", shown=shown, filter=framed.filter, taxonomy=framed.taxonomy,
                      titles=source_titles(rows), sources=sources)  # fmt: skip
    context_of(request).expect_scorer()  # a page of mentions has "Why?" at each of them
    n = memo_of(request).get(("n", framed.chosen), lambda: mentions.count(rows, framed.chosen))
    return page(request, rows, visitor, "mentions.html", framed=framed, shown=shown, n=n, limit=mentions.COUNT_LIMIT,
                choices=choices(request, rows, framed.brand), views=views_of(rows, visitor), sources=sources,
                instead=None if shown.entries else nothing(rows, framed, visitor),
                days=framed.filter.days(context_of(request).now, visitor.zone))  # fmt: skip


@router.get("/mentions/export.{suffix}")
def export(request: Request, visitor: Viewer, rows: Rows, suffix: str) -> Response:
    """What is shown, as a file. Cells that a spreadsheet would run as formulas are made harmless."""
    if suffix not in FORMATS:
        raise NotFound(f"export as .{suffix}: allowed: {', '.join(FORMATS)}")
    framed = frame(request, rows, visitor)
    if framed.brand is None:
        raise NotFound("there is no brand yet")
    ids = mentions.ids(rows, framed.chosen, limit=EXPORT_LIMIT)
    context = context_of(request)
    with writing(context.engine) as session:
        audit(session, visitor.name, "mention.exported", framed.brand.slug, now=context.now, n=len(ids), format=suffix)
    folder = tempfile.TemporaryDirectory(prefix="monitor-export-")
    path = Path(folder.name) / f"mentions.{suffix}"
    try:
        with reading(context.engine) as session:
            exporting.write_rows(_rows(session, ids), path, f".{suffix}")
    except BaseException:
        folder.cleanup()
        raise

    def chunks() -> Iterator[bytes]:
        with folder, path.open("rb") as file:
            while part := file.read(1 << 16):
                yield part

    name = f"mentions-{framed.brand.slug}.{suffix}"
    return StreamingResponse(chunks(), media_type=FORMATS[suffix],
                             headers={"content-disposition": f'attachment; filename="{name}"'})  # fmt: skip


@router.get("/mentions/{mention_id}")
def one(request: Request, visitor: Viewer, rows: Rows, mention_id: int) -> Response:
    found = mentions.whole(rows, mention_id)
    if found is None:
        raise NotFound(f"there is no mention {mention_id}")
    brand = rows.get(Brand, found.entry.mention.brand_id)
    framed = frame(request, rows, visitor, brand_slug=brand.slug if brand else "")
    return page(
        request, rows, visitor, "mention.html", framed=framed, whole=found, entry=found.entry,
        sources=sources_by_id(rows),
    )  # fmt: skip


@router.get("/mentions/{mention_id}/why")
def why(request: Request, visitor: Viewer, rows: Rows, mention_id: int, topic: str = "") -> Response:
    """The words that carried the judgement, marked in the text. The model runs outside every transaction."""
    mention = rows.get(Mention, mention_id)
    if mention is None:
        raise NotFound(f"there is no mention {mention_id}")
    text, alone = words_of(mention), "" if topic else _by_words(mention)
    rows.rollback()
    try:
        spans = context_of(request).scorer.highlight(text, topic=topic or None)
    except ModelError as problem:
        return render(request, visitor, "_why.html", parts=[Part(text)], problem=str(problem), alone=alone)
    return render(request, visitor, "_why.html", parts=parts_of(text, spans), problem="", alone=alone)


@router.post("/mentions/{mention_id}/correct")
def correct(
    request: Request, visitor: Analyst, rows: Rows, mention_id: int, sentiment: Text = "", topic: Text = "",
    topic_sentiment: Text = "", remove: Text = "", back: Text = "",
) -> Response:  # fmt: skip
    change = _change(sentiment, topic, topic_sentiment, remove)
    actions.correct_mentions(context_of(request), visitor.name, [mention_id], change)
    memo_of(request).clear()
    if request.headers.get("hx-request") == "true":
        rows.rollback()
        found = mentions.whole(rows, mention_id)
        assert found is not None
        from monitor.store.queries.taxonomy import in_force
        from monitor.web import filters

        return render(request, visitor, "_mention.html", entry=found.entry, taxonomy=in_force(rows),
                      filter=filters.Filter(), titles=source_titles(rows), sources=sources_by_id(rows))  # fmt: skip
    return RedirectResponse(local(back) if back else f"/mentions/{mention_id}?done=corrected", status_code=303)


@router.post("/mentions/correct")
async def correct_many(request: Request, visitor: Analyst) -> Response:
    """Bulk: the chosen mentions, or (`all=1`) everything the filter of `query` shows, up to a thousand."""
    form = await request.form()
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(_correct_many, request, visitor, form)


def _correct_many(request: Request, visitor: Visitor, form: Any) -> Response:
    from starlette.datastructures import QueryParams

    from monitor.store.queries.taxonomy import in_force
    from monitor.web import filters

    context = context_of(request)
    change = _change(_text(form, "sentiment"), _text(form, "topic"), _text(form, "topic_sentiment"),
                     _text(form, "remove"))  # fmt: skip
    query = _text(form, "query")
    if _text(form, "all") == "1":
        with reading(context.engine) as session:
            wanted = filters.parse(QueryParams(query.lstrip("?")))
            brand = filters.find_brand(session, wanted)
            if brand is None:
                raise NotFound("there is no brand yet")
            chosen = filters.selection(session, wanted, brand, in_force(session), now=context.now, zone=visitor.zone)
            ids = mentions.ids(session, chosen, limit=actions.MAX_BULK)
    else:
        given = [value for value in form.getlist("id") if isinstance(value, str)]
        if not all(value.isascii() and value.isdigit() and len(value) < 19 for value in given):
            raise BadRequest("id: whole numbers only")
        ids = [int(value) for value in given]
    n = actions.correct_mentions(context, visitor.name, ids, change)
    memo_of(request).clear()
    target = f"/mentions{'?' + query.lstrip('?') if query.lstrip('?') else ''}"
    return RedirectResponse(local(target + ("&" if "?" in target else "?") + f"done=corrected-{n}"), status_code=303)


@router.post("/views")
def save_view(request: Request, visitor: Analyst, name: Text = "", query: Text = "", shared: Text = "") -> Response:
    actions.save_view(context_of(request), visitor.name, visitor.user_id or 0, name, query, shared=shared == "1")
    return RedirectResponse(local("/mentions?" + query.lstrip("?")), status_code=303)


@router.post("/views/{view_id}/delete")
def delete_view(request: Request, visitor: Analyst, view_id: int) -> Response:
    actions.delete_view(context_of(request), visitor.name, visitor.user_id or 0, view_id)
    return RedirectResponse("/mentions", status_code=303)


def views_of(rows: Session, visitor: Visitor) -> list[tuple[SavedView, str]]:
    """Own and shared views with their owners' names."""
    found = rows.exec(
        select(SavedView, User)
        .join(User, col(User.id) == col(SavedView.user_id))
        .where((SavedView.user_id == visitor.user_id) | col(SavedView.shared).is_(True))
        .order_by(col(SavedView.name))
    )
    return [(view, user.name) for view, user in found]


def sources_by_id(rows: Session) -> dict[int, tuple[str, str]]:
    """(slug, title) by id."""
    found = rows.exec(select(Source))
    return {row.id: (row.slug, row.name) for row in found if row.id is not None}


def parts_of(text: str, spans: Any) -> list[Part]:
    """A text cut at its highlights; where they overlap the stronger one wins."""
    strongest = max((abs(span.weight) for span in spans), default=0.0)
    if strongest <= 0:
        return [Part(text)]
    marks = [0] * len(text)
    for span in sorted(spans, key=lambda span: abs(span.weight)):
        level = max(1, min(3, round(3 * abs(span.weight) / strongest)))
        for at in range(max(0, span.start), min(len(text), span.end)):
            marks[at] = level if span.weight > 0 else -level
    parts: list[Part] = []
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or marks[at] != marks[start]:
            parts.append(Part(text[start:at], marks[start]))
            start = at
    return parts


def _rows(session: Session, ids: list[int]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(ids), 500):
        part = sorted(ids[start : start + 500])
        yield from exporting.rows(session, [], ids=part)


def _text(form: Any, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _by_words(mention: Mention) -> str:
    """The sentiment of the words alone, where the stars made it another one; else nothing."""
    judged = (mention.p_negative or 0.0, mention.p_neutral or 0.0, mention.p_positive or 0.0)
    if mention.rating is None or f"stars:{stars.REVISION}" not in mention.model or not any(judged):
        return ""
    words = stars.unweighed(judged, mention.rating)
    said = words.index(max(words))
    return "" if said == judged.index(max(judged)) else SENTIMENTS[said]


def _change(sentiment: str, topic: str, topic_sentiment: str, remove: str) -> actions.Correcting:
    return actions.Correcting(
        sentiment=sentiment or None,
        add=(topic, topic_sentiment or "negative") if topic else None,
        remove=remove or None,
    )
