"""Mentions: the feed, one whole, the words that carried its judgement, corrections, saved views."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from models.errors import ModelError
from monitor.pipeline.related import words as words_of
from monitor.store.queries import mentions
from monitor.store.tables import Mention
from monitor.web import actions
from monitor.web.api.params import Cursor, Framed, Limit, problems
from monitor.web.api.schemas import (
    BulkIn,
    Corrected,
    CorrectionIn,
    CorrectionOut,
    JudgementOut,
    Listing,
    Made,
    MentionOut,
    SpanOut,
    ViewIn,
    ViewOut,
    WholeOut,
)
from monitor.web.errors import NotFound
from monitor.web.frame import memo_of
from monitor.web.pages.mentions import sources_by_id, views_of
from monitor.web.problem import problem
from monitor.web.visitor import Analyst, Rows, Viewer, context_of

router = APIRouter(tags=["mentions"], responses=problems(404))
Id = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/mentions")
def feed(visitor: Viewer, rows: Rows, framed: Framed, cursor: Cursor = "", limit: Limit = 50) -> Listing[MentionOut]:
    """Mentions of the filter, newest first."""
    page = mentions.page(rows, framed.chosen, cursor=cursor or None, limit=limit)
    sources = sources_by_id(rows)
    return Listing(items=[MentionOut.of(entry, sources) for entry in page.entries], next_cursor=page.next_cursor)


@router.get("/mentions/{mention_id}")
def one(visitor: Viewer, rows: Rows, mention_id: Id) -> WholeOut:
    """A mention with its thread, copies, judgements and corrections."""
    found = mentions.whole(rows, mention_id)
    if found is None:
        raise NotFound(f"there is no mention {mention_id}")
    return WholeOut(
        mention=MentionOut.of(found.entry, sources_by_id(rows)),
        thread=[mention.id or 0 for mention in found.thread],
        copies=[mention.id or 0 for mention in found.copies],
        judgements=[JudgementOut(**row.model_dump(include=set(JudgementOut.model_fields))) for row in found.judgements],
        corrections=[
            CorrectionOut(**row.model_dump(include=set(CorrectionOut.model_fields))) for row in found.corrections
        ],
    )


@router.get("/mentions/{mention_id}/highlight", response_model=list[SpanOut])
def highlight(
    request: Request, visitor: Viewer, rows: Rows, mention_id: Id, topic: Annotated[str, Query(max_length=40)] = ""
) -> list[SpanOut] | Response:
    """Stretches of the text (title, full stop, text) that carried the sentiment, strongest first; 503 without model."""
    mention = rows.get(Mention, mention_id)
    if mention is None:
        raise NotFound(f"there is no mention {mention_id}")
    text = words_of(mention)
    rows.rollback()
    try:
        spans = context_of(request).scorer.highlight(text, topic=topic or None)
    except ModelError as error:
        return problem(503, str(error))
    return [SpanOut(start=span.start, end=span.end, weight=span.weight) for span in spans]


@router.post("/mentions/{mention_id}/correction")
def correct(request: Request, visitor: Analyst, mention_id: Id, body: CorrectionIn) -> Corrected:
    """A person's override of sentiment, topics or both. It always wins and is kept for ever."""
    n = actions.correct_mentions(context_of(request), visitor.name, [mention_id], _change(body))
    memo_of(request).clear()
    return Corrected(n=n)


@router.post("/corrections")
def correct_many(request: Request, visitor: Analyst, body: BulkIn) -> Corrected:
    """The same correction of up to a thousand mentions."""
    ids = [number for number in body.ids if 0 < number <= 2**62]
    n = actions.correct_mentions(context_of(request), visitor.name, ids, _change(body))
    memo_of(request).clear()
    return Corrected(n=n)


@router.get("/views")
def views(visitor: Viewer, rows: Rows) -> list[ViewOut]:
    """One's own saved views and those that are shared."""
    return [
        ViewOut(id=view.id or 0, name=view.name, query=view.query, shared=view.shared, owner=owner)
        for view, owner in views_of(rows, visitor)
    ]


@router.post("/views", status_code=201)
def save_view(request: Request, visitor: Analyst, body: ViewIn) -> Made:
    """Keep a filter under a name; the same name again replaces it."""
    made = actions.save_view(
        context_of(request), visitor.name, visitor.user_id or 0, body.name, body.query, shared=body.shared
    )
    return Made(id=made)


@router.delete("/views/{view_id}", status_code=204)
def delete_view(request: Request, visitor: Analyst, view_id: Id) -> None:
    actions.delete_view(context_of(request), visitor.name, visitor.user_id or 0, view_id)


def _change(body: CorrectionIn) -> actions.Correcting:
    return actions.Correcting(
        sentiment=body.sentiment,
        topics=tuple((one.topic, one.sentiment) for one in body.topics) if body.topics is not None else None,
        add=(body.add.topic, body.add.sentiment) if body.add else None,
        remove=body.remove,
    )
