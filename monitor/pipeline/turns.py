"""Turns: which sources are to be read now, and what holds all of them back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from sqlmodel import Session, col, select

from monitor.pipeline.context import Context
from monitor.pipeline.score import n_unscored
from monitor.store.catalogue import IMPORT
from monitor.store.engine import reading
from monitor.store.tables import Source

MAX_UNSCORED = 50_000  # back-pressure: beyond this, judging goes first
MIN_FREE_BYTES = 200 * 1024 * 1024


def due(context: Context) -> list[str]:
    """Names of the sources whose turn it is, the longest waiting first."""
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
