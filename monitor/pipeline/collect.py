"""The collect step: every due source is read under its host's limit; rows and resume point commit in one transaction.

A reading may die at any instant: the next one goes on from the resume point, and what comes twice has the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from monitor.errors import MonitorError
from monitor.pipeline.context import Context, Tally
from monitor.pipeline.matching import Matcher
from monitor.pipeline.score import n_unscored
from monitor.store import notices
from monitor.store.catalogue import IMPORT
from monitor.store.engine import reading, writing
from monitor.store.hosts import StoreLimiter
from monitor.store.ingest import Ingested, hour_of, ingest, mark_gone
from monitor.store.tables import Brand, Coverage, Run, Sample, Source, SourceState

if TYPE_CHECKING:
    from scrapers.collect import Batch
    from scrapers.http import Client, ClientSettings
    from scrapers.parsing import Parser

log = structlog.get_logger()

CONCURRENCY = 8
MAX_UNSCORED = 50_000  # back-pressure: beyond this, judging goes first
MIN_FREE_BYTES = 200 * 1024 * 1024
PARK = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))  # after walls, the first, the second, later times
RETRY = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
_WALLS = {"blocked", "captcha", "login"}
_MAX_SAMPLE = 2_000_000


class Moved(MonitorError):
    """Another process has advanced this source meanwhile: this reading's page is not stored."""


def collect(context: Context, *, only: Sequence[str] | None = None) -> Tally:
    """Read every source that is due (or those named). Never raises for a source: its trouble stands on its row."""
    if not (why := _held_back(context)):
        with reading(context.engine) as session:
            sources = _due(session, context.now, only)
        if sources:
            return asyncio.run(_collect_all(context, sources))
    elif why:
        with writing(context.engine) as session:
            notices.raise_notice(session, "collect.held_back", why, now=context.now)
        return Tally(errors=[why])
    return Tally()


def due(context: Context) -> list[str]:
    """Names of the sources whose turn it is, the longest waiting first."""
    with reading(context.engine) as session:
        return [source.slug for source in _due(session, context.now, None)]


def park(context: Context, slug: str, n_deaths: int) -> None:
    """Rest a source with which process after process died, and tell the operator."""
    with writing(context.engine) as session:
        source = session.exec(select(Source).where(Source.slug == slug)).first()
        if source is not None:
            source.last_status, source.paused_until = "crashed", context.now + PARK[0]
            source.last_error = f"{n_deaths} processes died while they read this source"
            source.next_due_at = source.paused_until
            source.fail_count += 1
            session.add(source)
            notices.raise_notice(session, f"source.{slug}", f"{slug}: {source.last_error}", now=context.now)


def client_settings(context: Context) -> ClientSettings:
    """How the one client behaves, from the configuration."""
    from scrapers.http import ClientSettings

    options = context.settings.http
    return ClientSettings(
        contact=options.contact or None,
        allowed_hosts=tuple(options.allow_private),
        read_seconds=options.timeout.total_seconds(),
        total_seconds=2 * options.timeout.total_seconds(),
        **context.client_options,
    )


def _held_back(context: Context) -> str:
    """Why nothing should be collected now, or "" when all is well."""
    with reading(context.engine) as session:
        waiting = n_unscored(session)
    if waiting > MAX_UNSCORED:
        return f"{waiting} mentions wait for judgement; collecting pauses until there are fewer than {MAX_UNSCORED}"
    folder = Path(context.settings.data_dir)
    if folder.exists() and (free := shutil.disk_usage(folder).free) < MIN_FREE_BYTES:
        return f"only {free // 2**20} MiB are free in {folder}; collecting pauses below {MIN_FREE_BYTES // 2**20}"
    return ""


def _due(session: Session, now: datetime, only: Sequence[str] | None) -> list[Source]:
    statement = (
        select(Source).where(col(Source.active).is_(True), Source.scraper != IMPORT).order_by(col(Source.next_due_at))
    )
    if only is not None:
        return list(session.exec(statement.where(col(Source.slug).in_(only))))
    return [
        source
        for source in session.exec(statement.where(col(Source.next_due_at) <= now))
        if source.paused_until is None or source.paused_until <= now
    ]


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
            total.add(await collect_source(context, source, client, parser))
        done += 1
        context.progress("collect", done, len(sources))

    parser = WorkerParser()  # large pages are read in a process that can be killed
    try:
        async with Client(client_settings(context), limiter=StoreLimiter(context.engine)) as client:
            await asyncio.gather(*(one(source, client) for source in sources))
    finally:
        parser.close()
    return total


async def collect_source(context: Context, source: Source, client: Client, parser: Parser) -> Tally:
    """Read one source and write down how it went."""
    import scrapers.collect
    import scrapers.registry
    from scrapers.errors import BadParams, FetchError, RateLimited, ScraperError

    started = context.now
    settings = context.settings.sources.get(source.slug)
    tally = Tally()
    status, error, wait = "ok", "", None
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
        async for batch in scrapers.collect.collect(scraper, params, state, client, now=started, parser=parser):
            counts = _commit(context, source, batch, version)
            version += 1
            tally.n_seen += counts.n_seen
            tally.n_new += counts.n_new
            tally.n_edited += counts.n_edited
            state = batch.state_after
            if batch.status not in {"ok", "empty"}:
                status, error, wait = str(batch.status), batch.note or "", batch.retry_after
            if context.should_stop():
                break
    except RateLimited as problem:
        status, error, wait = "rate_limited", str(problem), problem.retry_after
    except FetchError as problem:
        status, error = "unreachable", str(problem)
    except (BadParams, ValidationError) as problem:
        status, error = "bad_params", str(problem)
    except ScraperError as problem:
        status, error = "failed", str(problem)
    except (Moved, IntegrityError):  # or two sources brought the same mention at the same instant
        status, error = "moved", "another process read this source at the same time"
    except Exception as problem:
        log.exception("source.crashed", source=source.slug)
        status, error = "crashed", f"{type(problem).__name__}: {problem}"
    if error:
        tally.n_failed += 1
        tally.errors.append(f"{source.slug}: {status}: {error}")
    _finish(context, source, run_id, status=status, error=error, wait=wait, tally=tally, state=state)
    log.info("source.read", source=source.slug, status=status, n_new=tally.n_new, n_items=tally.n_seen)
    return tally


def _commit(context: Context, source: Source, batch: Batch, version: int) -> Ingested:
    """Rows, tombstones and resume point of one page, or none of them."""
    now = context.now
    total = Ingested()
    matcher = Matcher(context.settings.brands)
    configured = context.settings.sources.get(source.slug)
    with writing(context.engine) as session:
        _advance(session, source, batch.state_after, version, now)
        brands = {brand.slug: brand.id or 0 for brand in session.exec(select(Brand).where(col(Brand.active).is_(True)))}
        by_brand: dict[str, list[Any]] = {}
        own = configured.brand if configured else None
        for item in batch.items:
            if "service" in item.flags:
                continue  # "channel created", "photo changed": nobody's opinion
            if own is not None and not (configured and configured.filter):
                by_brand.setdefault(own, []).append(item)
            elif own is not None:
                if matcher.matches(own, item, source=source.scraper):
                    by_brand.setdefault(own, []).append(item)
            else:
                for slug in matcher.brands_of(item, source=source.scraper):
                    by_brand.setdefault(slug, []).append(item)
        for slug, items in sorted(by_brand.items(), key=lambda pair: brands[pair[0]]):
            counts = ingest(
                session, items, brand_id=brands[slug], source_id=source.id or 0, origin=source.scraper, now=now,
                location=source.location, store_authors=context.settings.privacy.store_authors,
            )  # fmt: skip
            total.n_seen += counts.n_seen
            total.n_new += counts.n_new
            total.n_edited += counts.n_edited
        if batch.gone:
            mark_gone(session, batch.gone, brand_ids=list(brands.values()), origin=source.scraper, now=now)
        if batch.sample is not None:
            session.add(Sample(source_id=source.id, at=now, status=str(batch.status), url=batch.page_url,
                               body=batch.sample.body[:_MAX_SAMPLE]))  # fmt: skip
    return total


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


def _finish(context: Context, source: Source, run_id: int | None, *, status: str, error: str, wait: float | None,
            tally: Tally, state: dict[str, Any] | None) -> None:  # fmt: skip
    """Health, next turn, coverage and operator's notice of a reading."""
    import scrapers.collect
    import scrapers.registry

    now = context.now
    with writing(context.engine) as session:
        row = session.get(Source, source.id)
        run = session.get(Run, run_id)
        if row is None or run is None:
            return
        healthy = status in {"ok", "empty"}
        run.finished_at, run.status, run.error = now, status, error[:2000]
        run.n_items, run.n_new, run.n_edited = tally.n_seen, tally.n_new, tally.n_edited
        row.last_run_at, row.last_status, row.last_error = now, status, error[:2000]
        interval = timedelta(seconds=row.interval_seconds)
        if healthy:
            _cover(session, row, now, done=True)
            row.fail_count, row.paused_until, row.last_success_at = 0, None, now
            with contextlib.suppress(Exception):
                meta = scrapers.registry.get(row.scraper).meta
                interval = timedelta(
                    seconds=scrapers.collect.interval_seconds(meta, state, default=row.interval_seconds)
                )
            notices.close(session, f"source.{row.slug}", now=now)
        else:
            _cover(session, row, now, done=False)
            row.fail_count += 1
            steps = PARK if status in _WALLS or status in {"bad_params", "not_found", "no_preview"} else RETRY
            pause = steps[min(row.fail_count, len(steps)) - 1]
            if wait is not None:
                pause = max(timedelta(seconds=wait), timedelta(seconds=1))
            row.paused_until = now + pause
            if (
                row.fail_count >= 3
                or status in _WALLS
                or status in {"changed", "bad_params", "not_found", "no_preview"}
            ):
                notices.raise_notice(session, f"source.{row.slug}", f"{row.slug}: {status}: {error}", now=now)
        # spread over the interval, so that sources added together do not always come together
        jitter = timedelta(seconds=interval.total_seconds() * context.rng.uniform(0, 0.1))
        row.next_due_at = max(now + interval + jitter, row.paused_until or now) if healthy else row.paused_until
        session.add_all([row, run])


def _cover(session: Session, source: Source, now: datetime, *, done: bool) -> None:
    """Write down which hours were really collected. A success covers what lies since the last: feeds catch up."""
    last = hour_of(now)
    first = last
    if done and source.last_success_at is not None:
        first = max(hour_of(source.last_success_at), last - timedelta(days=7))
    hour = first
    while hour <= last:
        row = session.get(Coverage, (source.id, hour)) or Coverage(
            source_id=source.id or 0, hour_at=hour, n_due=0, n_done=0
        )
        if done:
            row.n_due = row.n_done = max(1, row.n_due)
        else:
            row.n_due += 1
        session.add(row)
        hour += timedelta(hours=1)
