"""The taxonomy: topics with names, keywords, examples, stage and kind of experience, edited over the built-in ones."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from monitor.store import suggestions
from monitor.store.catalogue import slug_of
from monitor.web import actions, figures
from monitor.web.errors import NotFound
from monitor.web.frame import frame, memo_of, page
from monitor.web.visitor import Analyst, Rows, Viewer, context_of

router = APIRouter(include_in_schema=False)
Short = Annotated[str, Form(max_length=200)]
Long = Annotated[str, Form(max_length=20_000)]


@router.get("/topics")
def listing(request: Request, visitor: Viewer, rows: Rows) -> Response:
    framed = frame(request, rows, visitor)
    found = {}
    if framed.brand is not None:
        asked = framed.chosen.opened("topic")
        found = {
            row.key: row
            for row in memo_of(request).get(("topic", asked), lambda: figures.breakdown(rows, asked, "topic"))
        }
    waiting = suggestions.waiting(rows, framed.brand.id or 0) if framed.brand is not None else []
    return page(
        request, rows, visitor, "topics.html", framed=framed, found=found,
        suggestions=[(row, key_of(row.phrase), suggestions.quotes(rows, row, limit=3)) for row in waiting],
    )  # fmt: skip


@router.get("/topics/{key}")
def one(request: Request, visitor: Viewer, rows: Rows, key: str) -> Response:
    framed = frame(request, rows, visitor)
    topic = framed.taxonomy.topics.get(key)
    if topic is None and key != "new":
        raise NotFound(f"there is no topic {key!r}")
    return page(request, rows, visitor, "topic.html", framed=framed, topic=topic)


@router.post("/topics/{key}")
def edit(
    request: Request, visitor: Analyst, key: str, new_key: Short = "", name_en: Short = "", name_ru: Short = "",
    keywords: Long = "", examples: Long = "", stage: Short = "", touchpoint: Short = "", experience: Short = "",
    active: Short = "",
) -> Response:  # fmt: skip
    key = new_key if key == "new" else key
    actions.edit_topic(
        context_of(request), visitor.name, key, names={"en": name_en, "ru": name_ru},
        keywords=keywords.splitlines(), examples=examples.splitlines(), stage=stage, touchpoint=touchpoint,
        experience=experience, active=active == "1",
    )  # fmt: skip
    memo_of(request).clear()
    return RedirectResponse("/topics?done=topic", status_code=303)


@router.post("/suggestions/{suggestion_id}/accept")
def accept(
    request: Request, visitor: Analyst, suggestion_id: int, topic: Short = "", key: Short = "", name: Short = "",
    stage: Short = "", experience: Short = "", keywords: Long = "",
) -> Response:  # fmt: skip
    """Make a topic of it, or (`topic`) give its words to one there is."""
    made = actions.decide_suggestion(
        context_of(request), visitor.name, suggestion_id, key=topic or key, name="" if topic else name, stage=stage,
        experience=experience, keywords=keywords.splitlines(),
    )  # fmt: skip
    memo_of(request).clear()
    return RedirectResponse(f"/topics/{made}?done=topic" if made else "/topics", status_code=303)


@router.post("/suggestions/{suggestion_id}/dismiss")
def dismiss(request: Request, visitor: Analyst, suggestion_id: int) -> Response:
    actions.decide_suggestion(context_of(request), visitor.name, suggestion_id)
    return RedirectResponse("/topics", status_code=303)


def key_of(phrase: str) -> str:
    """A key for a topic named by a phrase: Latin letters, digits and _; "" where nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "_", slug_of(phrase)).strip("_0123456789")[:40].rstrip("_")


@router.post("/topics/{key}/reset")
def reset(request: Request, visitor: Analyst, key: str) -> Response:
    actions.reset_topic(context_of(request), visitor.name, key)
    memo_of(request).clear()
    return RedirectResponse("/topics?done=topic", status_code=303)
