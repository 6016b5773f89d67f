"""Deeds without a login: the signed links of a mail, leaving its recipients, and the buttons of Slack.

Following a link changes nothing, since mail scanners follow them all: it shows one button, and only pressing it acts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import structlog
from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

import alerts.links
from alerts import blocks
from alerts.channels import slack
from alerts.errors import AlertError
from alerts.links import Grant
from alerts.message import LinkKind
from alerts.sentences import pressed as pressed_note
from alerts.words import Words
from monitor.pipeline import leaving, related
from monitor.pipeline.context import Context
from monitor.pipeline.notify import open_channel
from monitor.store import meta
from monitor.store.engine import reading
from monitor.store.queries import incidents
from monitor.store.tables import Brand
from monitor.web import actions
from monitor.web.errors import BadRequest, Forbidden, NotFound
from monitor.web.frame import memo_of
from monitor.web.rendering import render
from monitor.web.visitor import Visitor, Who, context_of

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=2000)]
MUTE_HOURS = 24.0
DEEDS = (*alerts.links.ACTIONS, LinkKind.CONFIRM)
ONE_CLICK = "List-Unsubscribe"
_LARGEST_CALLBACK = 1_000_000


@router.get("/a/{token}")
def ask(request: Request, visitor: Who, token: str) -> Response:
    context = context_of(request)
    grant = _grant(context, token, DEEDS)
    if grant is None:
        return _ended(request, visitor)
    return _shown(request, visitor, grant, token=token, done=False)


@router.post("/a/{token}")
def act(request: Request, visitor: Who, token: str) -> Response:
    context = context_of(request)
    grant = _grant(context, token, DEEDS)
    if grant is None:
        return _ended(request, visitor)
    perform(context, grant.action, grant.about, actor=f"link to {grant.sent_to or 'a message'}")
    memo_of(request).clear()
    return _shown(request, visitor, grant, token="", done=True)


def _shown(request: Request, visitor: Visitor, grant: Grant, *, token: str, done: bool) -> Response:
    headline = _headline(context_of(request), grant, visitor.translator.language)
    return render(request, visitor, "deed.html", grant=grant, headline=headline, done=done, token=token,
                  hours=round(MUTE_HOURS))  # fmt: skip


def _ended(request: Request, visitor: Visitor) -> Response:
    return render(request, visitor, "deed.html", status=410, grant=None, headline="", done=False, token="", hours=0)


@router.get("/u/{token}")
def ask_to_leave(request: Request, visitor: Who, token: str) -> Response:
    context = context_of(request)
    grant = _grant(context, token, (LinkKind.UNSUBSCRIBE,))
    with reading(context.engine) as session:
        left = grant is not None and leaving.has_left(session, grant.sent_to, grant.about)
    return render(request, visitor, "leaving.html", status=410 if grant is None else 200, grant=grant, left=left,
                  token=token)  # fmt: skip


@router.post("/u/{token}")
def leave(request: Request, visitor: Who, token: str, one_click: Annotated[str, Form(alias=ONE_CLICK)] = "",
          back: Text = "") -> Response:  # fmt: skip
    """What a mail program posts by itself (RFC 8058), and what the page's own buttons post."""
    context = context_of(request)
    grant = _grant(context, token, (LinkKind.UNSUBSCRIBE,))
    if grant is not None:
        if one_click != "One-Click" and back != "1":
            raise BadRequest(f"allowed is {ONE_CLICK}=One-Click")
        actions.subscribe(context, "link to " + grant.sent_to, grant.sent_to, grant.about, wanted=back == "1")
    return render(request, visitor, "leaving.html", status=410 if grant is None else 200, grant=grant, left=back != "1",
                  token=token)  # fmt: skip


@router.post("/slack/interactive")
async def pressed(request: Request) -> Response:
    """The callback of a button: believed only with Slack's signature under the secret of one of our channels.

    Slack waits three seconds for this; what the people in the channel shall see is sent to Slack afterwards.
    """
    context = context_of(request)
    body = await request.body()
    if len(body) > _LARGEST_CALLBACK:
        raise Forbidden("too large for a callback")
    stamp, signature = (request.headers.get(f"x-slack-{name}", "") for name in ("request-timestamp", "signature"))
    name = next(
        (
            name
            for name, secret in _signing_secrets(context).items()
            if slack.verify(body, timestamp=stamp, signature=signature, secret=secret, now=context.now)
        ),
        None,
    )
    if name is None:
        raise Forbidden("not signed by a Slack app of ours")
    told = slack.read_interaction(body)
    if told is None:
        return JSONResponse({"ok": True})
    try:
        ended = await run_in_threadpool(perform, context, LinkKind(told.action), told.incident_id,
                                        actor=f"slack:{told.user}")  # fmt: skip
    except NotFound:
        ended = True  # a store that forgets: the buttons have nothing to act on
    memo_of(request).clear()
    return JSONResponse({"ok": True}, background=BackgroundTask(_answer_slack, context, name, told, ended=ended))


def _answer_slack(context: Context, name: str, told: slack.Interaction, *, ended: bool) -> None:
    """Write under the message who did what. Done already: a failure here is only told in the log."""
    settings, deed = context.settings, LinkKind(told.action)
    words = Words(settings.channels[name].language or settings.language, settings.time_zone)
    channel = open_channel(settings, name)
    assert isinstance(channel, slack.Slack)
    try:
        gone = tuple(blocks.CALLBACKS) if ended else (deed,)
        channel.answer(told, pressed_note(deed, told.user, words, ended=ended), gone=gone, now=context.now)
    except AlertError as error:
        log.warning("slack.unanswered", channel=name, incident=told.incident_id, error=str(error))
    finally:
        channel.close()


def perform(context: Context, deed: LinkKind, uid: str, *, actor: str) -> bool:
    """Acknowledge, mute for a day, or say that it was no incident. Whether it has ended by now. Raises NotFound."""
    if deed is LinkKind.MUTE:
        with reading(context.engine) as session:
            row = incidents.by_uid(session, uid)
            brand = session.get(Brand, row.brand_id) if row is not None else None
        if row is None or brand is None:
            raise NotFound(f"there is no incident {uid!r}")
        key = related.series_key(row.series, brand)
        matchers = {"brand": brand.slug, "rule": row.rule} if row.rule else {"brand": brand.slug, "series": key.text()}
        actions.add_silence(context, actor, matchers, hours=MUTE_HOURS, note=f"incident {uid}")
        return row.state == "resolved"
    done = actions.decide(context, actor, uid, {LinkKind.ACKNOWLEDGE: "acknowledge", LinkKind.REJECT: "reject",
                                                LinkKind.CONFIRM: "confirm"}[deed])  # fmt: skip
    return done.state == "resolved"


def _grant(context: Context, token: str, allowed: Collection[LinkKind]) -> Grant | None:
    """The deed a token allows, None where it is not ours, of another kind, or has ended."""
    with reading(context.engine) as session:
        secret = meta.get(session, meta.INSTALL_KEY)
    grant = alerts.links.read(token, secret=bytes.fromhex(secret)) if secret else None
    return None if grant is None or grant.action not in allowed or grant.expired(context.now) else grant


def _headline(context: Context, grant: Grant, language: str) -> str:
    with reading(context.engine) as session:
        row = incidents.by_uid(session, grant.about)
        if row is None:
            raise NotFound("this incident does not exist any more")
        return str(row.data.get("headlines", {}).get(language) or row.data.get("headline", ""))


def _signing_secrets(context: Context) -> dict[str, str]:
    """The signing secrets of the configured Slack channels."""
    secrets = {}
    for name, channel in context.settings.channels.items():
        if channel.kind == "slack":
            opened = open_channel(context.settings, name)
            secret = opened.settings.signing_secret
            if secret is not None:
                secrets[name] = secret.get_secret_value()
            opened.close()
    return secrets
