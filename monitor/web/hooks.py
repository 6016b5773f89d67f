"""Hooks: signed messages of other systems (Standard Webhooks) become mentions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from monitor.pipeline.pushing import NoSuchHook, hook_settings, push
from monitor.web.problem import problem
from monitor.web.visitor import context_of
from scrapers.errors import PushRejected

router = APIRouter(tags=["hooks"])
_MOST_REASONS = 50


class BadRow(BaseModel):
    row: int
    reason: str


class Taken(BaseModel):
    """What became of a message; `repeated`: it was stored before, and nothing is stored again."""

    new: int
    updated: int
    known: int
    elsewhere: int
    repeated: bool
    bad: list[BadRow]


@router.post(
    "/hooks/{source}",
    response_model=Taken,
    responses={
        400: {"description": "A header is missing, or the time is too far away"},
        401: {"description": "The signature is wrong"},
        404: {"description": "No source of that name takes messages"},
        413: {"description": "The message is too large"},
        422: {"description": "Nothing in the message looks like feedback"},
    },
)
async def take(
    request: Request, source: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_]{0,99}$")]
) -> Taken | JSONResponse:
    """A message with feedback: an object, a list, JSON lines or CSV, in the form of Standard Webhooks.

    The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` are needed. The same id twice changes nothing.
    """
    context = context_of(request)
    try:
        largest = hook_settings(context, source).max_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > largest:
                raise PushRejected(f"the body is over {largest} bytes", status=413)
        done = await run_in_threadpool(push, context, source, bytes(body), dict(request.headers))
    except NoSuchHook as error:
        return problem(404, str(error))
    except PushRejected as error:
        return problem(error.status, str(error))
    return Taken(
        new=done.n_new,
        updated=done.n_edited,
        known=done.n_known,
        elsewhere=done.n_elsewhere,
        repeated=done.repeated,
        bad=[BadRow(row=number, reason=reason) for number, reason in done.bad_rows[:_MOST_REASONS]],
    )
