"""Accounts, API tokens, the log of changes, and the configuration in force: what the administrator sees."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session, col, select

from monitor.config import masked
from monitor.durations import parse_duration
from monitor.errors import ConfigError
from monitor.store.engine import writing
from monitor.store.tables import ApiToken, AuditEntry, User
from monitor.web import accounts
from monitor.web.errors import Forbidden, NotFound
from monitor.web.frame import page
from monitor.web.visitor import Admin, Rows, Viewer, Visitor, context_of

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]


@router.get("/accounts")
def listing(request: Request, visitor: Admin, rows: Rows) -> Response:
    return page(request, rows, visitor, "accounts.html", users=rows.exec(select(User).order_by(col(User.name))).all(),
                roles=accounts.ROLES, least=accounts.MIN_PASSWORD, now=context_of(request).now)  # fmt: skip


@router.post("/accounts")
def add(request: Request, visitor: Admin, name: Text = "", role: Text = "viewer", password: Text = "") -> Response:
    context = context_of(request)
    with writing(context.engine) as session:
        accounts.add_user(session, name, role, password, now=context.now, actor=visitor.name)
    return RedirectResponse("/accounts?done=user", status_code=303)


@router.post("/accounts/{user_id}")
def change(
    request: Request, visitor: Admin, user_id: int, role: Text = "viewer", active: Text = "", password: Text = ""
) -> Response:
    context = context_of(request)
    with writing(context.engine) as session:
        user = session.get(User, user_id)
        if user is None:
            raise NotFound(f"there is no account {user_id}")
        accounts.change_user(session, user, role=role, active=active == "1", now=context.now, actor=visitor.name)
        if password:
            accounts.set_password(session, user, password, now=context.now, actor=visitor.name)
    return RedirectResponse("/accounts?done=user", status_code=303)


@router.get("/tokens")
def tokens(request: Request, visitor: Viewer, rows: Rows) -> Response:
    return page(request, rows, visitor, "tokens.html", tokens=tokens_of(rows, visitor), made="")


@router.post("/tokens")
def make_token(request: Request, visitor: Viewer, rows: Rows, name: Text = "", lifetime: Text = "90d") -> Response:
    """A token has the rights of its owner. It is shown on this page only."""
    context = context_of(request)
    if visitor.by_token:
        raise Forbidden("a token cannot make tokens; log in with the browser")
    try:
        span = parse_duration(lifetime) if lifetime else None
    except ValueError as problem:
        raise ConfigError(f"lifetime {lifetime!r}: {problem}") from None
    with writing(context.engine) as session:
        user = session.get(User, visitor.user_id)
        assert user is not None
        made = accounts.create_token(session, user, name, now=context.now, lifetime=span)
    rows.rollback()
    return page(request, rows, visitor, "tokens.html", tokens=tokens_of(rows, visitor), made=made)


@router.post("/tokens/{token_id}/revoke")
def revoke(request: Request, visitor: Viewer, token_id: int) -> Response:
    """One's own token; an administrator may revoke anybody's."""
    context = context_of(request)
    with writing(context.engine) as session:
        token = session.get(ApiToken, token_id)
        if token is None or (token.user_id != visitor.user_id and not visitor.may("admin")):
            raise NotFound(f"there is no token {token_id}")
        accounts.revoke_token(session, token, now=context.now, actor=visitor.name)
    return RedirectResponse("/tokens", status_code=303)


@router.get("/audit")
def audit(request: Request, visitor: Admin, rows: Rows, before: int = 0) -> Response:
    statement = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(100)
    if before > 0:
        statement = statement.where(col(AuditEntry.id) < before)
    return page(request, rows, visitor, "audit.html", entries=rows.exec(statement).all())


@router.get("/settings")
def settings(request: Request, visitor: Admin, rows: Rows) -> Response:
    return page(request, rows, visitor, "settings.html", settings=masked(context_of(request).settings))


def tokens_of(rows: Session, visitor: Visitor) -> list[tuple[ApiToken, str]]:
    """One's own tokens; for an administrator, all of them. With the owner's name."""
    statement = select(ApiToken, User.name).join(User, col(User.id) == col(ApiToken.user_id))
    if not visitor.may("admin"):
        statement = statement.where(ApiToken.user_id == visitor.user_id)
    return [(token, name) for token, name in rows.exec(statement.order_by(col(ApiToken.id).desc()))]
