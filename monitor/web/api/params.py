"""The filter parameters of the API, declared for its description; they mean what they mean in a page's address."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

from monitor.web.errors import NotFound
from monitor.web.frame import Frame, frame
from monitor.web.visitor import Rows, Viewer

Many = Annotated[list[str], Query(max_length=50)]


def _framed(
    request: Request,
    visitor: Viewer,
    rows: Rows,
    brand: Annotated[str, Query(description="Identifier of the brand; without it the first own brand")] = "",
    period: Annotated[Literal["7d", "30d", "90d", "180d", "365d"], Query(description="Days up to today")] = "30d",
    from_: Annotated[date | None, Query(alias="from", description="First local day; needs `to`")] = None,
    to: Annotated[date | None, Query(description="Last local day, included")] = None,
    q: Annotated[str, Query(max_length=300, description='Words; "a phrase"; -without')] = "",
    source: Many = [],  # noqa: B006
    topic: Many = [],  # noqa: B006
    stage: Many = [],  # noqa: B006
    location: Many = [],  # noqa: B006
    language: Many = [],  # noqa: B006
    sentiment: Annotated[list[Literal["negative", "neutral", "positive"]], Query()] = [],  # noqa: B006
    rating: Annotated[list[Literal["1", "2", "3", "4", "5"]], Query()] = [],  # noqa: B006
    kind: Many = [],  # noqa: B006
    corrected: Annotated[bool, Query(description="Only what people corrected")] = False,
    copies: Annotated[bool, Query(description="Near-duplicates too")] = False,
) -> Frame:
    del brand, period, from_, to, q, source, topic, stage, location, language, sentiment, rating, kind
    del corrected, copies
    found = frame(request, rows, visitor)
    if found.brand is None:
        raise NotFound("there is no brand yet")
    return found


Framed = Annotated[Frame, Depends(_framed)]
Cursor = Annotated[str, Query(max_length=200, description="`next_cursor` of the page before")]
Limit = Annotated[int, Query(ge=1, le=200)]


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for the description."""
    schema = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail"],
    }
    texts = {401: "Not logged in", 403: "The role does not allow it", 404: "No such thing", 422: "A value is wrong"}
    return {
        code: {"description": texts[code], "content": {"application/problem+json": {"schema": schema}}}
        for code in (401, 403, 422, *codes)
    }
