"""Hooks: signed messages of other systems (Standard Webhooks) become mentions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from monitor.pipeline.pushing import NoSuchHook, hook_settings, push
from monitor.web.problem import problem
from monitor.web.visitor import context_of
from scrapers.errors import PushRejected

router = APIRouter()
_MOST_REASONS = 50


@router.post(
    "/hooks/{slug}",
    include_in_schema=False,  # not of the API: its callers are other systems, and sign instead of logging in
)
async def take(request: Request, slug: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_]{0,99}$")]) -> JSONResponse:
    """A message with feedback: an object, a list, JSON lines or CSV, in the form of Standard Webhooks.

    Answers counts of rows, with the reasons of those that could not be read; problem+json with 400 (headers, time), 401
    (signature), 404, 413 or 422. The same `webhook-id` twice changes nothing.
    """
    context = context_of(request)
    try:
        largest = hook_settings(context, slug).max_bytes
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > largest:
                raise PushRejected(f"the body is over {largest} bytes", status=413)
        done = await run_in_threadpool(push, context, slug, bytes(body), dict(request.headers))
    except NoSuchHook as error:
        return problem(404, str(error))
    except PushRejected as error:
        return problem(error.status, str(error))
    bad = [{"row": number, "reason": reason} for number, reason in done.bad_rows[:_MOST_REASONS]]
    return JSONResponse(
        {"new": done.n_new, "updated": done.n_edited, "known": done.n_known, "elsewhere": done.n_elsewhere,
         "repeated": done.repeated, "bad": bad}
    )  # fmt: skip
