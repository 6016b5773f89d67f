"""Errors as answers: problem+json (RFC 9457) for the API, a page for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from monitor.errors import MonitorError
from monitor.store.queries.mentions import BadCursor
from monitor.told import told
from monitor.web.errors import LoginNeeded, TooMany, WebError
from monitor.web.rendering import render
from monitor.web.visitor import anonymous, visitor_of


def install(app: FastAPI) -> None:
    app.add_exception_handler(WebError, _expected)
    app.add_exception_handler(BadCursor, _bad_value)
    app.add_exception_handler(MonitorError, _bad_value)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def problem(status: int, detail: str, **more: Any) -> JSONResponse:
    title = HTTPStatus(status).phrase
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, **more},
        status_code=status,
        media_type="application/problem+json",
    )


def _for_machines(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/hooks/", "/metrics", "/readyz", "/healthz"))


def _answer(request: Request, status: int, detail: str, *, headers: dict[str, str] | None = None) -> Response:
    if _for_machines(request):
        response: Response = problem(status, detail)
    else:
        try:
            visitor = visitor_of(request)
        except Exception:  # noqa: BLE001  (the store itself may be what fails; the page must still say so)
            visitor = anonymous(request)
        fragment = request.headers.get("hx-request") == "true"
        name = "_problem.html" if fragment else "problem.html"
        response = render(request, visitor, name, status=status, code=status, back=_back(request),
                          detail=told(visitor.translator, detail))  # fmt: skip
    response.headers.update(headers or {})
    return response


def _back(request: Request) -> str:
    """The page of ours that the visitor came from, as a path; "" where there is none."""
    came = urlsplit(request.headers.get("referer", ""))
    if came.netloc != request.url.netloc or (request.method == "GET" and came.path == request.url.path):
        return ""
    return (came.path or "/") + (f"?{came.query}" if came.query else "")


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, WebError)
    if isinstance(error, LoginNeeded) and not _for_machines(request):
        target = "/login"
        if request.method == "GET" and request.url.path != "/":
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            target += f"?next={quote(wanted, safe='')}"
        if request.headers.get("hx-request") == "true":
            return Response(status_code=401, headers={"HX-Redirect": "/login"})
        return RedirectResponse(target, status_code=303)
    headers = {}
    if isinstance(error, TooMany):
        headers["retry-after"] = str(error.after)
    if isinstance(error, LoginNeeded):
        headers["www-authenticate"] = "Bearer"
    return _answer(request, error.status, str(error), headers=headers)


async def _bad_value(request: Request, error: Exception) -> Response:
    return _answer(request, 422, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
    return _answer(request, 422, "; ".join(lines))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))
