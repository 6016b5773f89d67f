"""Deeds without a login: the signed links of a mail, and the buttons of Slack.

Following a link changes nothing, since mail scanners follow them all: it shows one button, and only pressing it acts.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, Response

import alerts.links
from alerts.channels import slack
from alerts.links import Grant
from alerts.message import LinkKind
from monitor.pipeline import related
from monitor.pipeline.context import Context
from monitor.pipeline.notify import open_channel
from monitor.store import meta
from monitor.store.engine import reading
from monitor.store.queries import incidents
from monitor.store.tables import Brand
from monitor.web import actions
from monitor.web.errors import Forbidden, NotFound
from monitor.web.frame import memo_of
from monitor.web.rendering import render
from monitor.web.visitor import Visitor, Who, context_of

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=2000)]
MUTE_HOURS = 24.0
_LARGEST_CALLBACK = 1_000_000


@router.get("/a/{token}")
def ask(request: Request, visitor: Who, token: str) -> Response:
    context = context_of(request)
    grant = _grant(context, token)
    if grant is None:
        return _ended(request, visitor)
    return _shown(request, visitor, grant, token=token, done=False)


@router.post("/a/{token}")
def act(request: Request, visitor: Who, token: str) -> Response:
    context = context_of(request)
    grant = _grant(context, token)
    if grant is None:
        return _ended(request, visitor)
    perform(context, grant.action, grant.incident_id, actor=f"link to {grant.sent_to or 'a message'}")
    memo_of(request).clear()
    return _shown(request, visitor, grant, token="", done=True)


def _shown(request: Request, visitor: Visitor, grant: Grant, *, token: str, done: bool) -> Response:
    headline = _headline(context_of(request), grant)
    return render(request, visitor, "deed.html", grant=grant, headline=headline, done=done, token=token,
                  hours=round(MUTE_HOURS))  # fmt: skip


def _ended(request: Request, visitor: Visitor) -> Response:
    return render(request, visitor, "deed.html", status=410, grant=None, headline="", done=False, token="", hours=0)


@router.post("/slack/interactive")
async def pressed(request: Request) -> Response:
    """The callback of a button: believed only with Slack's signature under the secret of one of our channels."""
    from starlette.concurrency import run_in_threadpool

    context = context_of(request)
    body = await request.body()
    if len(body) > _LARGEST_CALLBACK:
        raise Forbidden("too large for a callback")
    signed = any(
        slack.verify(
            body, timestamp=request.headers.get("x-slack-request-timestamp", ""),
            signature=request.headers.get("x-slack-signature", ""), secret=secret, now=context.now,
        )
        for secret in _signing_secrets(context)
    )  # fmt: skip
    if not signed:
        raise Forbidden("not signed by a Slack app of ours")
    told = slack.read_interaction(body)
    if told is not None:
        kind = LinkKind(told.action)
        await run_in_threadpool(perform, context, kind, told.incident_id, actor=f"slack:{told.user}")
        memo_of(request).clear()
    return JSONResponse({"ok": True})


def perform(context: Context, deed: LinkKind, uid: str, *, actor: str) -> None:
    """Acknowledge, mute for a day, or say that it was no incident. Raises NotFound."""
    if deed is LinkKind.MUTE:
        with reading(context.engine) as session:
            row = incidents.by_uid(session, uid)
            brand = session.get(Brand, row.brand_id) if row is not None else None
        if row is None or brand is None:
            raise NotFound(f"there is no incident {uid!r}")
        key = related.series_key(row.series, brand)
        matchers = {"brand": brand.slug, "rule": row.rule} if row.rule else {"brand": brand.slug, "series": key.text()}
        actions.add_silence(context, actor, matchers, hours=MUTE_HOURS, note=f"incident {uid}")
        return
    actions.decide(context, actor, uid, {LinkKind.ACKNOWLEDGE: "acknowledge", LinkKind.REJECT: "reject",
                                         LinkKind.CONFIRM: "confirm"}[deed])  # fmt: skip


def _grant(context: Context, token: str) -> Grant | None:
    """The deed a token allows, None where it is not ours or has ended."""
    with reading(context.engine) as session:
        secret = meta.get(session, meta.INSTALL_KEY)
    grant = alerts.links.read(token, secret=bytes.fromhex(secret)) if secret else None
    return None if grant is None or grant.expired(context.now) else grant


def _headline(context: Context, grant: Grant) -> str:
    with reading(context.engine) as session:
        row = incidents.by_uid(session, grant.incident_id)
        if row is None:
            raise NotFound("this incident does not exist any more")
        return str(row.data.get("headline", ""))


def _signing_secrets(context: Context) -> list[str]:
    """The signing secrets of the configured Slack channels."""
    secrets = []
    for name, channel in context.settings.channels.items():
        if channel.kind == "slack":
            opened = open_channel(context.settings, name)
            secret = opened.settings.signing_secret
            if secret is not None:
                secrets.append(secret.get_secret_value())
            opened.close()
    return secrets
