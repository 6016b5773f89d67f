"""The collect step: every due source is read under its host's limit; rows and resume point commit in one transaction.

A reading may die at any instant: the next one goes on from the resume point, and what comes twice has the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from monitor.errors import MonitorError
from monitor.pipeline.context import Context, Tally
from monitor.pipeline.health import finish
from monitor.pipeline.matching import Matcher
from monitor.pipeline.storing import store
from monitor.pipeline.turns import due_sources, held_back, wait_from_now
from monitor.pipeline.unquote import Quotes
from monitor.store import notices
from monitor.store.engine import reading, writing
from monitor.store.hosts import StoreLimiter
from monitor.store.ingest import Ingested, going, mark_gone
from monitor.store.tables import Brand, Mention, Run, Sample, Source, SourceState

if TYPE_CHECKING:
    from scrapers.batch import Batch
    from scrapers.http import Client, ClientSettings, HostMemory
    from scrapers.parsing import Parser

log = structlog.get_logger()

CONCURRENCY = 8
_MAX_SAMPLE = 2_000_000
HELD_BACK = "collect.held_back"


class Moved(MonitorError):
    """Another process has advanced this source meanwhile: this reading's page is not stored."""


def collect(context: Context, *, only: Sequence[str] | None = None) -> Tally:
    """Read every source that is due (or those named). Never raises for a source: its trouble stands on its row."""
    if why := held_back(context):
        with writing(context.engine) as session:
            notices.raise_notice(session, HELD_BACK, why, now=context.now)
        return Tally(errors=[why])
    wait_from_now(context)
    with reading(context.engine) as session:
        sources = due_sources(session, context, only)
    if not sources:
        return Tally()
    with writing(context.engine) as session:
        notices.close(session, HELD_BACK, now=context.now)
    return asyncio.run(_collect_all(context, sources))


def client_settings(context: Context) -> ClientSettings:
    """How the one client behaves, from the configuration."""
    from scrapers.body import Caps
    from scrapers.http import ClientSettings

    options = context.settings.http
    largest = int(options.max_body_mb * 2**20)
    return ClientSettings(
        contact=options.contact or None,
        allowed_hosts=tuple(options.allow_private),
        read_seconds=options.timeout.total_seconds(),
        total_seconds=2 * options.timeout.total_seconds(),
        obey_robots=options.obey_robots,
        caps=Caps(wire_bytes=largest, bytes=2 * largest),
        **context.client_options,
    )


def host_memory(context: Context) -> HostMemory:
    """What this process knows of hosts: neither robots.txt nor a host in trouble is forgotten at every turn."""
    from monitor.store.robots import StoredRules
    from scrapers.http import HostMemory

    if context.host_memory is None:
        context.host_memory = HostMemory(rules=StoredRules(context.engine))
    return context.host_memory


async def _collect_all(context: Context, sources: list[Source]) -> Tally:
    from scrapers.http import Client
    from scrapers.parsing import WorkerParser

    total = Tally()
    gate = asyncio.Semaphore(CONCURRENCY)
    done = 0

    async def one(source: Source, client: Client) -> None:
        nonlocal done
        async with gate:
            if context.should_stop():
                return
            total.add(await collect_source(context, source, client, parser, matcher=matcher, limiter=limiter))
        done += 1
        context.progress("collect", done, len(sources))

    matcher, limiter = Matcher(context.settings.brands), StoreLimiter(context.engine, context.host_clock)
    parser = WorkerParser()  # large pages are read in a process that can be killed
    try:
        async with Client(
            client_settings(context),
            limiter=limiter,
            memory=host_memory(context),
            clock=context.host_clock,
            sleep=context.sleep,
            rng=context.rng,
        ) as client:
            await asyncio.gather(*(one(source, client) for source in sources))
    finally:
        parser.close()
    return total


async def collect_source(
    context: Context, source: Source, client: Client, parser: Parser, *, matcher: Matcher, limiter: StoreLimiter
) -> Tally:
    """Read one source and write down how it went."""
    import scrapers.collect
    import scrapers.registry
    from scrapers.errors import (
        BadParams,
        BudgetSpent,
        FetchError,
        LoginNeeded,
        RateLimited,
        Refused,
        ScraperError,
    )

    started = context.now
    settings = context.settings.sources.get(source.slug)
    tally = Tally()
    status, error, wait = "ok", "", None

    async def spend() -> None:
        if settings is not None and settings.daily_requests is not None:
            await limiter.spend(source.slug, settings.daily_requests)

    state: dict[str, Any] | None = None
    with writing(context.engine) as session:
        run = Run(step="collect", source_id=source.id, started_at=started)
        session.add(run)
        session.flush()
        run_id = run.id
        row = session.get(SourceState, source.id)
        state, version = (row.state, row.version) if row else (None, 0)
    try:
        scraper = scrapers.registry.get(source.scraper)
        params = scraper.params_type.model_validate(settings.params if settings else {})
        reading_of = scrapers.collect.collect(scraper, params, state, client, now=started, parser=parser, spend=spend)
        async for batch in reading_of:
            counts = _commit(context, source, batch, version, matcher)
            version += 1
            tally.n_seen += counts.n_seen
            tally.n_new += counts.n_new
            tally.n_edited += counts.n_edited
            state = batch.state_after
            if batch.status not in {"ok", "empty"}:
                status, error, wait = str(batch.status), batch.note or "", batch.retry_after
            if context.should_stop():
                break
    except BudgetSpent as problem:
        status, error, wait = "budget_spent", str(problem), problem.retry_after
    except RateLimited as problem:
        status, error, wait = "rate_limited", str(problem), problem.retry_after
    except Refused as problem:
        status, error = "refused", str(problem)
    except FetchError as problem:
        status, error = "unreachable", str(problem)
    except LoginNeeded as problem:
        status, error = "login", str(problem)
    except (BadParams, ValidationError) as problem:
        status, error = "bad_params", str(problem)
    except ScraperError as problem:
        status, error = "failed", str(problem)
    except (Moved, IntegrityError):  # or two sources brought the same mention at the same instant
        status, error = "moved", "another process read this source at the same time"
    except Exception as problem:
        log.exception("source.crashed", source=source.slug)
        status, error = "crashed", f"{type(problem).__name__}: {problem}"
    if error and status != "budget_spent":
        tally.n_failed += 1
        tally.errors.append(f"{source.slug}: {status}: {error}")
    finish(context, source, run_id, status=status, error=error, wait=wait, tally=tally, state=state)
    log.info("source.read", source=source.slug, status=status, n_new=tally.n_new, n_items=tally.n_seen)
    return tally


def _commit(context: Context, source: Source, batch: Batch, version: int, matcher: Matcher) -> Ingested:
    """Rows, tombstones and resume point of one page, or none of them."""
    now = context.now
    quotes: Quotes | None = None
    if batch.gone:
        with reading(context.engine) as session:
            times = [min(row.published_at, row.observed_at) for row in _going(session, source, batch)]
        quotes = Quotes.since(context.engine, min(times)) if times else None
    with writing(context.engine) as session:
        _advance(session, source, batch.state_after, version, now)
        total = store(session, context, source, batch.items, matcher=matcher)
        if batch.gone:
            gone = _going(session, source, batch)  # with what came in this very batch
            if quotes is not None:
                quotes.take_out(session, gone)
            mark_gone(session, gone, now=now)
        if batch.sample is not None:
            session.add(Sample(source_id=source.id, at=now, status=str(batch.status), url=batch.page_url,
                               body=batch.sample.body[:_MAX_SAMPLE]))  # fmt: skip
    return total


def _going(session: Session, source: Source, batch: Batch) -> list[Mention]:
    brand_ids = [brand.id or 0 for brand in session.exec(select(Brand).where(col(Brand.active).is_(True)))]
    return going(session, batch.gone, brand_ids=brand_ids, origin=source.scraper)


def _advance(session: Session, source: Source, state: dict[str, Any], version: int, now: datetime) -> None:
    """Compare and set the resume point. Raises Moved when another process was faster."""
    values = {"state": state, "version": version + 1, "updated_at": now}
    if version == 0 and session.get(SourceState, source.id) is None:
        session.add(SourceState(source_id=source.id, **values))
        session.flush()
        return
    changed = session.execute(
        update(SourceState)
        .where(col(SourceState.source_id) == source.id, col(SourceState.version) == version)
        .values(**values)
    )
    if changed.rowcount != 1:
        raise Moved(source.slug)
