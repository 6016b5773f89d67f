"""The entrance: log in, log out, the first account, one's own language and password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from monitor.config import Sso
from monitor.errors import ConfigError
from monitor.i18n import languages
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.tables import User
from monitor.web import accounts, sso
from monitor.web.errors import BadRequest, Forbidden, NotFound, TooMany
from monitor.web.frame import page
from monitor.web.rendering import Format, render
from monitor.web.security import Throttle, require_same_site
from monitor.web.visitor import COOKIE, THEMES, Rows, Viewer, Visitor, Who, context_of

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]
_YEAR = 365 * 24 * 3600


@router.get("/login")
def login_page(request: Request, visitor: Who, next: str = "/") -> Response:
    if visitor.user_id is not None:
        return RedirectResponse(local(next), status_code=303)
    return _asked(request, visitor, next=next)


@router.post("/login")
def login(request: Request, visitor: Who, name: Text = "", password: Text = "", next: Text = "/") -> Response:
    require_same_site(request)
    context, throttle = context_of(request), throttle_of(request)
    address = request.client.host if request.client else "?"
    t = visitor.translator
    try:
        throttle.check(address)
    except TooMany as problem:
        error = t.gettext("Too many wrong tries from your address. Try again in {minutes} min.",
                          minutes=t.number(-(-problem.after // 60)))  # fmt: skip
        return _asked(request, visitor, next=next, error=error, name=name, status=429, wait=problem.after)
    with writing(context.engine) as session:
        result = accounts.log_in(session, name, password, now=context.now,
                                 lifetime=context.settings.web.session_lifetime)  # fmt: skip
    if isinstance(result, accounts.LoggedIn):
        response = RedirectResponse(local(next), status_code=303)
        _give(request, response, result)
        return response
    throttle.failed(address)
    if isinstance(result, datetime):
        until = Format(visitor, context.now).moment(result, "HH:mm:ss")
        error = t.gettext("This account is locked after too many wrong passwords. Try again after {time}.", time=until)
        return _asked(request, visitor, next=next, error=error, name=name, status=429)
    error = t.gettext("Name or password is wrong.")
    return _asked(request, visitor, next=next, error=error, name=name, status=401)


def _asked(request: Request, visitor: Visitor, *, next: str, error: str = "", name: str = "", status: int = 200,
           wait: int = 0) -> Response:  # fmt: skip
    """The login form, with the button of single sign-on where it is configured."""
    provider = context_of(request).settings.web.sso
    label = (provider.name or urlsplit(provider.issuer).netloc) if provider else ""
    return render(request, visitor, "login.html", status=status, headers={"retry-after": str(wait)} if wait else None,
                  next=local(next), error=error, name=name, provider=label)  # fmt: skip


@router.get("/login/sso")
def to_provider(request: Request, next: str = "/") -> Response:
    """On to the provider of single sign-on."""
    context = context_of(request)
    provider = _provider(request)
    with writing(context.engine) as session:
        key = meta.install_key(session)
    started = sso.start(provider, redirect_uri=_callback(request), target=local(next), key=key, now=context.now)
    response = RedirectResponse(started.url, status_code=303)
    response.set_cookie(sso.COOKIE, started.cookie, max_age=int(sso.LIFETIME.total_seconds()), path="/login",
                        httponly=True, samesite="lax", secure=_secure(request))  # fmt: skip
    return response


@router.get(sso.CALLBACK)
def from_provider(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
    """Back from the provider, with a code for who came."""
    context = context_of(request)
    provider = _provider(request)
    throttle_of(request).check(request.client.host if request.client else "?")
    if error or not code:
        raise Forbidden(f"the login provider let nobody in: {error[:100] or 'no code'}")
    with writing(context.engine) as session:
        key = meta.install_key(session)
    claims, target = sso.finish(provider, redirect_uri=_callback(request), code=code, state=state,
                                cookie=request.cookies.get(sso.COOKIE, ""), key=key, now=context.now)  # fmt: skip
    with writing(context.engine) as session:
        user = sso.account(session, provider, claims, now=context.now)
        session.flush()
        result = accounts.open_session(session, user, now=context.now, lifetime=context.settings.web.session_lifetime)
    response = RedirectResponse(local(target), status_code=303)
    response.delete_cookie(sso.COOKIE, path="/login")
    _give(request, response, result)
    return response


def _provider(request: Request) -> Sso:
    provider = context_of(request).settings.web.sso
    if provider is None:
        raise NotFound("single sign-on is not configured")
    return provider


def _callback(request: Request) -> str:
    base = context_of(request).settings.web.base_url or f"{request.url.scheme}://{request.url.netloc}"
    return base.rstrip("/") + sso.CALLBACK


@router.post("/logout")
def logout(request: Request, visitor: Viewer) -> Response:
    with writing(context_of(request).engine) as session:
        accounts.log_out(session, request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/setup")
def setup_page(request: Request, visitor: Who, token: str = "") -> Response:
    context = context_of(request)
    with reading(context.engine) as session:
        opens = accounts.setup_open(session, token, now=context.now)
    return render(request, visitor, "setup.html", status=200 if opens else 410, opens=opens, token=token, error="",
                  name="", least=accounts.MIN_PASSWORD)  # fmt: skip


@router.post("/setup")
def setup(
    request: Request, visitor: Who, token: Text = "", name: Text = "", password: Text = "", again: Text = ""
) -> Response:
    require_same_site(request)
    context = context_of(request)
    throttle_of(request).check(request.client.host if request.client else "?")

    def asked(error: str, *, status: int) -> Response:
        return render(request, visitor, "setup.html", status=status, opens=status != 410, token=token, error=error,
                      name=name, least=accounts.MIN_PASSWORD)  # fmt: skip

    if password != again:
        return asked(visitor.translator.gettext("The two passwords differ."), status=422)
    try:
        with writing(context.engine) as session:
            user = accounts.use_setup(session, token, name=name, password=password, now=context.now)
            if user is None:
                throttle_of(request).failed(request.client.host if request.client else "?")
                return asked("", status=410)
            session.flush()
            result = accounts.open_session(session, user, now=context.now,
                                           lifetime=context.settings.web.session_lifetime)  # fmt: skip
    except ConfigError as problem:
        return asked(str(problem), status=422)
    response = RedirectResponse("/", status_code=303)
    _give(request, response, result)
    return response


@router.get("/me")
def me(request: Request, visitor: Viewer, rows: Rows) -> Response:
    return page(request, rows, visitor, "me.html", error="", least=accounts.MIN_PASSWORD)


@router.post("/me/password")
def change_password(
    request: Request, visitor: Viewer, rows: Rows, old: Text = "", password: Text = "", again: Text = ""
) -> Response:
    context, t = context_of(request), visitor.translator
    error = ""
    result: accounts.LoggedIn | datetime | None = None
    if password != again:
        error = t.gettext("The two passwords differ.")
    else:
        lifetime = context.settings.web.session_lifetime
        with writing(context.engine) as session:  # wrong tries count as those of a login do
            checked = accounts.log_in(session, visitor.name, old, now=context.now, lifetime=lifetime)
        if not isinstance(checked, accounts.LoggedIn):
            error = t.gettext("The present password is wrong.")
        else:
            try:
                with writing(context.engine) as session:
                    user = session.get(User, visitor.user_id)
                    assert user is not None
                    accounts.set_password(session, user, password, now=context.now, actor=visitor.name)
                    result = accounts.open_session(session, user, now=context.now, lifetime=lifetime)
            except ConfigError as problem:
                error = str(problem)
    if not isinstance(result, accounts.LoggedIn):
        return page(request, rows, visitor, "me.html", status=422, error=error, least=accounts.MIN_PASSWORD)
    response = RedirectResponse("/me?done=password", status_code=303)
    _give(request, response, result)
    return response


@router.post("/preferences")
def preferences(request: Request, visitor: Who, language: Text = "", theme: Text = "", next: Text = "/") -> Response:
    """Language and colours: kept with the account, and in cookies, so that the login page knows them too."""
    require_same_site(request)
    response = RedirectResponse(local(next), status_code=303)
    secure = _secure(request)
    if language:
        if language not in languages():
            raise BadRequest(f"language {language!r}: allowed: {', '.join(languages())}")
        response.set_cookie("monitor_language", language, max_age=_YEAR, samesite="lax", httponly=True, secure=secure)
        if visitor.user_id is not None and not visitor.by_token:
            with writing(context_of(request).engine) as session:
                user = session.get(User, visitor.user_id)
                if user is not None:
                    user.language = language
                    session.add(user)
    if theme:
        if theme not in THEMES:
            raise BadRequest(f"theme {theme!r}: allowed: {', '.join(THEMES)}")
        response.set_cookie("monitor_theme", theme, max_age=_YEAR, samesite="lax", httponly=True, secure=secure)
    return response


def local(target: str) -> str:
    """A place of our own to go to; "/" for anything that leads elsewhere."""
    if not target.startswith("/") or target.startswith(("//", "/\\")) or any(ord(sign) < 32 for sign in target):
        return "/"
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    return target if not parts.scheme and not parts.netloc and "\\" not in target else "/"


def throttle_of(request: Request) -> Throttle:
    throttle: Throttle = request.app.state.throttle
    return throttle


def _secure(request: Request) -> bool:
    base = context_of(request).settings.web.base_url or ""
    return request.url.scheme == "https" or base.startswith("https://")


def _give(request: Request, response: Response, result: accounts.LoggedIn) -> None:
    age = int((result.expires_at - context_of(request).now).total_seconds())
    response.set_cookie(COOKIE, result.token, max_age=age, path="/", httponly=True, samesite="lax",
                        secure=_secure(request))  # fmt: skip
