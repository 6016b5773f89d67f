"""Health of a source after a reading: its next turn, the hours it covered, what the operator is told."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, select

from monitor.pipeline.context import Context, Tally
from monitor.store import notices
from monitor.store.engine import writing
from monitor.store.ingest import hour_of
from monitor.store.tables import Coverage, Run, Source

PARK = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))  # after walls, the first, the second, later times
RETRY = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
WALLS = frozenset({"blocked", "captcha", "login"})
FOR_PEOPLE = WALLS | {"bad_params", "not_found", "no_preview", "refused"}  # time alone mends none of these


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


def finish(context: Context, source: Source, run_id: int | None, *, status: str, error: str, wait: float | None,
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
        elif status == "budget_spent":  # nothing is wrong: the rest of the day is read tomorrow
            _cover(session, row, now, done=False)
            row.paused_until = now + timedelta(seconds=wait or 3600)
        else:
            _cover(session, row, now, done=False)
            row.fail_count += 1
            steps = PARK if status in FOR_PEOPLE else RETRY
            pause = steps[min(row.fail_count, len(steps)) - 1]
            if wait is not None:
                pause = max(timedelta(seconds=wait), timedelta(seconds=1))
            row.paused_until = now + pause
            if row.fail_count >= 3 or status in FOR_PEOPLE | {"changed"}:
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
