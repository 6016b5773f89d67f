"""The application: pages, API and health in one process. `create_app` is handed everything it needs."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.staticfiles import StaticFiles

from monitor import __version__
from monitor.pipeline.context import Context
from monitor.web import health, hooks, problem
from monitor.web.api import ROUTERS as API_ROUTERS
from monitor.web.memo import Memo
from monitor.web.pages import ROUTERS as PAGE_ROUTERS
from monitor.web.security import SecurityHeaders, Throttle

API = "/api/v1"
ROUTERS: tuple[tuple[str, APIRouter], ...] = (
    ("", health.router),
    ("", hooks.router),
    *((API, router) for router in API_ROUTERS),
    *(("", router) for router in PAGE_ROUTERS),
)
STATIC = Path(__file__).parent / "static"
_ABOUT = (
    "Everything the dashboard shows. Authenticate with an API token (`Authorization: Bearer mon_...`, made on the page "
    "Tokens) or with the cookie of a logged-in browser; with a cookie, changes need the header `X-CSRF-Token`. Lists "
    "are paged by `cursor`; errors are `application/problem+json` (RFC 9457). Times are ISO 8601 in UTC."
)


def create_app(context: Context) -> FastAPI:
    """The ASGI application over one context. The store must be up to date."""
    app = FastAPI(
        title="Feedback monitor", version=__version__, description=_ABOUT,
        docs_url=None, redoc_url=None, openapi_url=f"{API}/openapi.json",
    )  # fmt: skip
    app.state.context = context
    app.state.memo = Memo()
    app.state.throttle = Throttle()
    problem.install(app)
    for prefix, router in ROUTERS:
        app.include_router(router, prefix=prefix)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(SecurityHeaders)
    return app
