"""Housekeeping: what is kept too long goes, and what people ask to forget."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete
from sqlmodel import col, select

from monitor.pipeline.aggregate import roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.suggest import suggest
from monitor.store.engine import writing
from monitor.store.ingest import DUPLICATE_WINDOW, erase_text
from monitor.store.tables import (
    Mention,
    Run,
    Sample,
    Signature,
    SignatureBand,
    Source,
    WebSession,
)

log = structlog.get_logger()

KEEP_RUNS = timedelta(days=90)
_CHUNK = 500


def housekeep(context: Context) -> dict[str, int]:
    """One round; returns counts by what was done."""
    now, privacy = context.now, context.settings.privacy
    done = {"days": roll_up(context), "erased": purge(context, before=now - privacy.keep_text)}
    for slug, source in context.settings.sources.items():
        if source.retention is not None:
            done["erased"] += purge(context, before=now - source.retention, source=slug)
    done["suggested"] = suggest(context)
    with writing(context.engine) as session:
        for table, column, limit in (
            (Sample, Sample.at, now - privacy.keep_samples),
            (Run, Run.started_at, now - KEEP_RUNS),
            (WebSession, WebSession.expires_at, now),
        ):
            session.execute(delete(table).where(col(column) < limit))
        old = select(Mention.id).where(col(Mention.published_at) < now - 2 * DUPLICATE_WINDOW)
        for table in (SignatureBand, Signature):
            session.execute(delete(table).where(col(table.mention_id).in_(old)))
    return done


def purge(context: Context, *, before: datetime, source: str | None = None, dry_run: bool = False) -> int:
    """Erase words and people of mentions published before a time; counts and judgements stay. Returns how many."""
    total = 0
    last = 0
    while not context.should_stop():
        with writing(context.engine) as session:
            statement = select(Mention).where(
                col(Mention.published_at) < before, col(Mention.gone_at).is_(None), col(Mention.id) > last
            )
            if source is not None:
                ids = select(Source.id).where(Source.slug == source)
                statement = statement.where(col(Mention.source_id).in_(ids))
            page = session.exec(statement.order_by(col(Mention.id)).limit(_CHUNK)).all()
            for mention in page:
                last = mention.id or last
                if not dry_run:
                    erase_text(session, mention, now=context.now)
            total += len(page)
        if len(page) < _CHUNK:
            break
    return total


def forget(context: Context, *, author: str | None = None, url: str | None = None, dry_run: bool = False) -> int:
    """Erase everything a person wrote, by name or pseudonym, or one address. Returns how many mentions."""
    from monitor.store import meta

    n = 0
    with writing(context.engine) as session:
        found: list[Mention] = []
        if url is not None:
            found += session.exec(select(Mention).where(Mention.url == url)).all()
        if author is not None:
            key = meta.install_key(session)
            origins = session.exec(select(Mention.origin).distinct()).all()
            names = {author, *(meta.pseudonym(key, origin, author) for origin in origins)}
            found += session.exec(select(Mention).where(col(Mention.author).in_(names))).all()
        for mention in {mention.id: mention for mention in found}.values():
            n += 1
            if not dry_run:
                erase_text(session, mention, now=context.now)
    return n
