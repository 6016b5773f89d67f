"""The visitor: who asks, in which language and zone; the dependencies that let them in or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from sqlmodel import Session

from monitor.i18n import Translator, languages, translator
from monitor.pipeline.context import Context
from monitor.store.engine import reading, writing
from monitor.web import accounts
from monitor.web.errors import Forbidden, LoginNeeded
from monitor.web.security import SAFE, require_csrf

COOKIE = "monitor_session"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. Nobody is logged in while `user_id` is None. `csrf` is empty for API tokens, which need none."""

    translator: Translator
    zone: ZoneInfo
    theme: str = "auto"
    user_id: int | None = None
    name: str = ""
    role: str = ""
    csrf: str = ""
    by_token: bool = False

    def may(self, role: str) -> bool:
        return self.user_id is not None and accounts.at_least(self.role, role)


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


def visitor_of(request: Request) -> Visitor:
    """Who asks: by API token, by cookie, or nobody. Read once per request."""
    known: Visitor | None = getattr(request.state, "visitor", None)
    if known is not None:
        return known
    found = _identify(request)
    request.state.visitor = found
    return found


def anonymous(request: Request) -> Visitor:
    """A visitor nobody has identified: language by cookie, browser or configuration."""
    context = context_of(request)
    return Visitor(translator(_language(request, None)), context.settings.zone, _theme(request))


def _identify(request: Request) -> Visitor:
    context, now = context_of(request), context_of(request).now
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE, "")
    if scheme.lower() == "bearer" and token.strip():
        with reading(context.engine) as session:
            held = accounts.bearer(session, token.strip(), now=now)
            if held is None:
                return anonymous(request)
            user, key = held
            stale = key.last_used_at is None or now - key.last_used_at >= accounts.SEEN_EVERY
            made = _made(request, user, csrf="", by_token=True)
        if stale:
            with writing(context.engine) as session:
                accounts.used(session, key, now=now)
        return made
    if not cookie:
        return anonymous(request)
    with reading(context.engine) as session:
        found = accounts.browser(session, cookie, now=now)
        if found is None:
            return anonymous(request)
        user, row = found
        stale = now - row.seen_at >= accounts.SEEN_EVERY
        made = _made(request, user, csrf=row.csrf)
    if stale:
        with writing(context.engine) as session:
            accounts.seen(session, row, now=now)
    return made


def _made(request: Request, user: Any, *, csrf: str, by_token: bool = False) -> Visitor:
    zone = context_of(request).settings.zone
    words = translator(_language(request, user.language))
    return Visitor(words, zone, _theme(request), user.id, user.name, user.role, csrf, by_token)


def _theme(request: Request) -> str:
    theme = request.cookies.get("monitor_theme", "auto")
    return theme if theme in THEMES else "auto"


def _language(request: Request, chosen: str | None) -> str:
    known = languages()
    for wanted in (chosen, request.cookies.get("monitor_language")):
        if wanted in known:
            return str(wanted)
    for part in request.headers.get("accept-language", "").split(","):
        name = part.split(";")[0].strip().split("-")[0].lower()
        if name in known:
            return name
    return context_of(request).settings.language


Who = Annotated[Visitor, Depends(visitor_of)]


def read_session(request: Request) -> Iterator[Session]:
    with reading(context_of(request).engine) as session:
        yield session


Rows = Annotated[Session, Depends(read_session)]


def guard(role: str) -> Callable[..., Any]:
    """A dependency: the visitor must hold `role`, and a change must come with the token of the session.

    Raises LoginNeeded, Forbidden.
    """

    async def check(request: Request, visitor: Who) -> Visitor:
        if visitor.user_id is None:
            raise LoginNeeded("log in first")
        if not visitor.may(role):
            raise Forbidden(f"this needs the role {role}; yours is {visitor.role}")
        if request.method not in SAFE and not visitor.by_token:
            await require_csrf(request, visitor.csrf)
        return visitor

    check.role = role  # type: ignore[attr-defined]  # the matrix of rights in the tests reads it
    return check


Viewer = Annotated[Visitor, Depends(guard("viewer"))]
Analyst = Annotated[Visitor, Depends(guard("analyst"))]
Admin = Annotated[Visitor, Depends(guard("admin"))]
