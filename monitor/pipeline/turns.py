"""Turns: which sources are to be read now, and what holds all of them back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import delete, or_
from sqlmodel import Session, col, select

from monitor.pipeline.context import Context
from monitor.pipeline.score import n_unscored
from monitor.store.catalogue import IMPORT
from monitor.store.engine import reading, writing
from monitor.store.ingest import hour_of
from monitor.store.tables import Coverage, Source

log = structlog.get_logger()

MAX_UNSCORED = 50_000  # back-pressure: beyond this, judging goes first
MIN_FREE_BYTES = 200 * 1024 * 1024
CLOCKS_DIFFER = timedelta(minutes=10)  # hosts of one fleet may; more is a clock that was set back


def due(context: Context) -> list[str]:
    """Names of the sources whose turn it is, the longest waiting first."""
    wait_from_now(context)
    with reading(context.engine) as session:
        return [source.slug for source in due_sources(session, context)]


def due_sources(session: Session, context: Context, only: Sequence[str] | None = None) -> list[Source]:
    """Rows of the sources whose turn it is, or of those named. What others push to us is never read."""
    now = context.now
    statement = (
        select(Source)
        .where(col(Source.active).is_(True), Source.scraper != IMPORT, col(Source.next_due_at).is_not(None))
        .order_by(col(Source.next_due_at))
    )
    if only is not None:
        return list(session.exec(statement.where(col(Source.slug).in_(only))))
    return [
        source
        for source in session.exec(statement.where(col(Source.next_due_at) <= now))
        if (source.paused_until is None or source.paused_until <= now) and not _is_quiet(context, source.slug)
    ]


def wait_from_now(context: Context) -> int:
    """Heal what a clock that ran ahead left: a source last read "in the future" waits as long, but from now.

    Without it a clock that was a week ahead for a minute would leave every source unread for a week. Returns how many.
    """
    now = context.now
    ahead = or_(
        col(Source.last_run_at) > now + CLOCKS_DIFFER,
        col(Source.last_run_at).is_(None) & (col(Source.created_at) > now + CLOCKS_DIFFER),
    )
    with reading(context.engine) as session:
        if session.exec(select(Source.id).where(ahead)).first() is None:
            return 0
    with writing(context.engine) as session:
        rows = session.exec(select(Source).where(ahead).with_for_update()).all()
        for source in rows:
            shift = (source.last_run_at or source.created_at) - now
            source.created_at = min(source.created_at, now)
            for name in ("last_run_at", "last_success_at"):
                at = getattr(source, name)
                setattr(source, name, None if at is None else min(at, now))
            for name in ("next_due_at", "paused_until"):
                at = getattr(source, name)
                setattr(source, name, None if at is None else at - shift)
            session.add(source)
        session.execute(delete(Coverage).where(col(Coverage.hour_at) > hour_of(now)))  # nobody has read those hours
    log.warning("clock.set_back", n_sources=len(rows))
    return len(rows)


def held_back(context: Context) -> str:
    """Why nothing should be collected now, or "" when all is well."""
    with reading(context.engine) as session:
        waiting = n_unscored(session)
    if waiting > MAX_UNSCORED:
        return f"{waiting} mentions wait for judgement; collecting pauses until there are fewer than {MAX_UNSCORED}"
    folder = Path(context.settings.data_dir)
    if folder.exists() and (free := shutil.disk_usage(folder).free) < MIN_FREE_BYTES:
        return f"only {free // 2**20} MiB are free in {folder}; collecting pauses below {MIN_FREE_BYTES // 2**20}"
    return ""


def _is_quiet(context: Context, slug: str) -> bool:
    settings = context.settings
    own = settings.sources.get(slug)
    hours = own if own is not None and own.has_quiet_hours else settings.http
    return hours.is_quiet(context.now.astimezone(settings.zone).time())
