"""How the machine is: sources with their health in words, queues, deliveries, notices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import select

from monitor.config import Settings
from monitor.pipeline import doctor, leaving
from monitor.pipeline.reporting import due_at
from monitor.reports.week import Week
from monitor.store import notices
from monitor.store.queries import operations
from monitor.store.tables import Sample, Source
from monitor.web import actions
from monitor.web.errors import NotFound
from monitor.web.frame import memo_of, page
from monitor.web.visitor import Admin, Analyst, Rows, Viewer, Visitor, context_of

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=100)]


@router.get("/sources")
def listing(request: Request, visitor: Viewer, rows: Rows) -> Response:
    context = context_of(request)
    now, settings = context.now, context.settings
    found = doctor_of(request, visitor) if visitor.may("analyst") else []
    health = memo_of(request).get(("sources",), lambda: operations.sources(rows, now=now), seconds=15)
    return page(
        request, rows, visitor, "operations.html",
        health=sorted(health, key=lambda one: one.state(now) not in ("failing", "silent")),  # troubles first
        queues=operations.queues(rows), deliveries=operations.deliveries(rows, limit=12),
        runs=operations.runs(rows, limit=12), notices=notices.open_notices(rows), now=now,
        schedule=settings.schedule, next_report=next_report(settings, now), findings=[
            line for line in found if line.status != "ok"
        ], n_checks=len(found), left=leaving.everybody(rows) if visitor.may("admin") else (),
    )  # fmt: skip


def doctor_of(request: Request, visitor: Visitor) -> list[doctor.Line]:
    """What the doctor says without asking the network, looked at every two minutes at most in each language."""
    settings, t = context_of(request).settings, visitor.translator
    return memo_of(request).get(
        ("doctor", t.language), lambda: doctor.look(settings, t, offline=True), seconds=120, lasting=True
    )  # fmt: skip


def next_report(settings: Settings, now: datetime) -> datetime | None:
    """When the next weekly report is due; None where reports are switched off."""
    if not settings.report.enabled:
        return None
    last = Week.last_complete(now, settings.zone)
    return next(at for at in (due_at(settings, last), due_at(settings, last.back(-1))) if at > now)


@router.get("/sources/{slug}/sample")
def sample(request: Request, visitor: Analyst, rows: Rows, slug: str) -> Response:
    """The newest page that could not be read, as plain text to look at: it is a stranger's and never rendered."""
    found = rows.exec(
        select(Sample).join(Source, Source.id == Sample.source_id).where(Source.slug == slug)
        .order_by(Sample.id.desc()).limit(1)  # type: ignore[union-attr]
    ).first()  # fmt: skip
    if found is None:
        raise NotFound(f"no page of {slug!r} is kept")
    return Response(found.body[:2_000_000].decode("utf-8", "replace"), media_type="text/plain; charset=utf-8")


@router.post("/sources/{slug}/{action}")
def steer(request: Request, visitor: Analyst, slug: str, action: str) -> Response:
    actions.steer_source(context_of(request), visitor.name, slug, action)
    memo_of(request).clear()
    return RedirectResponse("/sources?done=source", status_code=303)


@router.post("/recipients/return")
def send_again(request: Request, visitor: Admin, channel: Text, address: Text) -> Response:
    """Take back that a recipient has left a channel by the link in a mail."""
    actions.subscribe(context_of(request), visitor.name, channel, address, wanted=True)
    return RedirectResponse("/sources?done=recipient", status_code=303)


@router.post("/deliveries/{outbox_id}/retry")
def retry(request: Request, visitor: Analyst, outbox_id: int) -> Response:
    actions.retry_message(context_of(request), visitor.name, outbox_id)
    return RedirectResponse("/sources?done=retry", status_code=303)


@router.post("/notices/{notice_id}/close")
def close(request: Request, visitor: Analyst, notice_id: int) -> Response:
    actions.close_notice(context_of(request), visitor.name, notice_id)
    return RedirectResponse("/sources", status_code=303)
