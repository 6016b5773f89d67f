"""What machines ask: alive, ready, and the numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from sqlmodel import Session, col, func, select

from monitor import __version__
from monitor.errors import NotReady
from monitor.store import tallies
from monitor.store.engine import pending, reading
from monitor.store.queries import operations
from monitor.store.tables import Incident, Source
from monitor.web.errors import LoginNeeded
from monitor.web.problem import problem
from monitor.web.visitor import Who, context_of

router = APIRouter(include_in_schema=False)
_NEAR = {"127.0.0.1", "::1"}
_NEAR_NAMES = _NEAR | {"localhost"}


@router.get("/healthz")
async def alive() -> Response:
    """The process answers. No I/O."""
    return Response("ok\n", media_type="text/plain")


@router.get("/version")
async def version() -> dict[str, str]:
    return {"version": __version__}


@router.get("/readyz")
def ready(request: Request) -> Response:
    """The store can be read and has all its migrations."""
    try:
        behind = pending(context_of(request).engine)
    except NotReady as error:
        return problem(503, str(error))
    if behind:
        return problem(503, "the store is not up to date; run `monitor db upgrade`")
    return JSONResponse({"status": "ready"})


@router.get("/metrics")
def metrics(request: Request, visitor: Who) -> Response:
    """Prometheus text: for those on this machine, and for whoever is logged in or holds a token.

    Raises LoginNeeded.
    """
    # by a name of this machine, too: a page of others, whose name is made to mean this machine, is not from here
    near = request.client is not None and request.client.host in _NEAR and request.url.hostname in _NEAR_NAMES
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    if visitor.user_id is None and (not near or forwarded):
        raise LoginNeeded("log in, or send an API token")
    context = context_of(request)
    registry = CollectorRegistry()
    with reading(context.engine) as session:
        registry.register(_Numbers(session, context.now))
        body = generate_latest(registry)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")


class _Numbers:
    """The numbers of the store at one moment. Labels are names of the configuration, never texts or people."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now

    def collect(self) -> Iterable[Metric]:
        session = self._session
        last = GaugeMetricFamily(
            "monitor_source_last_success_timestamp_seconds", "Last reading that worked", labels=["source"]
        )
        failing = GaugeMetricFamily("monitor_source_failures", "Failed readings in a row", labels=["source"])
        interval = GaugeMetricFamily(
            "monitor_source_interval_seconds", "How often a source is to be read", labels=["source"]
        )
        for source in session.exec(select(Source).where(col(Source.active).is_(True))):
            failing.add_metric([source.slug], source.fail_count)
            if source.next_due_at is not None:  # what others push to us has no turn
                interval.add_metric([source.slug], source.interval_seconds)
            if source.last_success_at is not None:
                last.add_metric([source.slug], source.last_success_at.timestamp())
        yield last
        yield failing
        yield interval
        items = CounterMetricFamily("monitor_items", "Items read, by what became of them", labels=["source", "result"])
        jobs = SummaryMetricFamily("monitor_job_seconds", "Runs of a step and their time", labels=["job"])
        fetches = SummaryMetricFamily("monitor_fetch_seconds", "Readings of a source and their time", labels=["source"])
        for step, slug, n, n_items, n_new, n_edited, seconds in operations.all_runs(session):
            if step == "collect":
                items.add_metric([slug, "new"], n_new)
                items.add_metric([slug, "edited"], n_edited)
                items.add_metric([slug, "known"], max(0, n_items - n_new - n_edited))
                fetches.add_metric([slug], count_value=n, sum_value=seconds)
        went_well = GaugeMetricFamily(
            "monitor_step_last_success_timestamp_seconds", "When a step last went well", labels=["step"]
        )
        for step, tally in tallies.read(session, "step.").items():
            jobs.add_metric([step], count_value=tally.n, sum_value=tally.seconds)
            if tally.at is not None:
                went_well.add_metric([step], tally.at.timestamp())
        judged = SummaryMetricFamily("monitor_score_seconds", "Mentions judged and the time it took", labels=["model"])
        for model, tally in tallies.read(session, "score.").items():
            judged.add_metric([model], count_value=tally.n, sum_value=tally.seconds)
        yield went_well
        yield judged
        yield items
        yield jobs
        yield fetches
        queues = operations.queues(session)
        yield GaugeMetricFamily("monitor_unscored_mentions", "Mentions that wait for a judgement", queues.n_unscored)
        yield GaugeMetricFamily("monitor_touched_hours", "Hours that wait to be counted again", queues.n_hours)
        yield GaugeMetricFamily("monitor_outbox_waiting", "Messages that wait to be sent", queues.n_outbox)
        incidents = GaugeMetricFamily("monitor_incidents_open", "Incidents that are not resolved", labels=["rule"])
        rows = session.execute(
            select(Incident.rule, func.count()).where(Incident.state != "resolved").group_by(Incident.rule)
        )
        counted = {rule or "detector": int(n) for rule, n in rows}
        for rule, n in ({"detector": 0} | counted).items():
            incidents.add_metric([rule], n)
        yield incidents
        sent = CounterMetricFamily(
            "monitor_notifications", "Messages by channel and result", labels=["channel", "result"]
        )
        for channel, state, n in operations.delivered(session):
            sent.add_metric([channel, state], n)
        yield sent
