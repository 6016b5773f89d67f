"""Housekeeping: what is kept too long goes, and what people ask to forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, false, or_
from sqlmodel import Session, col, func, select

from monitor.pipeline.aggregate import roll_up
from monitor.pipeline.context import Context
from monitor.pipeline.recount import recount
from monitor.pipeline.suggest import suggest
from monitor.pipeline.unquote import Quotes
from monitor.store import copies, meta, months, robots, tallies
from monitor.store.engine import reading, writing
from monitor.store.ingest import erase_texts
from monitor.store.queries import operations
from monitor.store.tables import (
    Activity,
    CustomerSegment,
    Mention,
    Order,
    Run,
    Sample,
    Source,
    SurveyAnswer,
    WebSession,
)

log = structlog.get_logger()

KEEP_RUNS = timedelta(days=90)
_CHUNK = 500
_HOUSEKEPT = "housekept_at"


def housekeep(context: Context) -> dict[str, int]:
    """One round; returns counts by what was done."""
    now, privacy = context.now, context.settings.privacy
    done = {"days": roll_up(context), "erased": purge(context, before=now - privacy.keep_text)}
    for slug, source in context.settings.sources.items():
        if source.retention is not None:
            done["erased"] += purge(context, before=now - source.retention, source=slug)
    months.advance(context.engine, now=now)
    done["suggested"] = suggest(context)
    done["recounted"] = recount(context)
    with writing(context.engine) as session:
        for step, slug, n, *counts, seconds in operations.run_totals(session, before=now - KEEP_RUNS):
            tallies.add(session, f"runs.{step}.{slug}", n=n, seconds=seconds, at=now, more=tuple(counts))
        for table, column, limit in (
            (Sample, Sample.at, now - privacy.keep_samples),
            (Run, Run.started_at, now - KEEP_RUNS),
            (WebSession, WebSession.expires_at, now),
        ):
            session.execute(delete(table).where(col(column) < limit))
        robots.prune(session, now=context.host_clock())
    _prune_copies(context)
    return done


def housekeep_due(context: Context) -> bool:
    """A round, if the last one of this kind is `schedule.janitor` ago: for runs that end after a cycle."""
    with reading(context.engine) as session:
        last = meta.get(session, _HOUSEKEPT)
    every = context.settings.schedule.janitor
    if last is not None and timedelta() <= context.now - datetime.fromisoformat(last) < every:
        return False
    if last is not None:  # the first run of a store is asked for its result, and has nothing old yet
        housekeep(context)
    with writing(context.engine) as session:
        meta.put(session, _HOUSEKEPT, context.now.isoformat())
    return last is not None


def _prune_copies(context: Context) -> None:
    """Signatures of twice the window: an older mention that comes late is still compared with its neighbours."""
    before = (context.now - 2 * copies.WINDOW).date()
    while not context.should_stop():
        with writing(context.engine) as session:
            if copies.prune(session, before=before) == 0:
                break


def purge(context: Context, *, before: datetime, source: str | None = None, dry_run: bool = False) -> int:
    """Erase words and people of mentions published before a time, and their quotes; counts and judgements stay.

    Returns how many mentions.
    """
    with reading(context.engine) as session:
        sources = session.exec(select(Source.id, Source.slug).order_by(col(Source.id))).all()
    total = 0
    quotes: Quotes | None = None
    for source_id, slug in sources:
        if source not in (None, slug):
            continue
        old = (Mention.source_id == source_id, col(Mention.published_at) < before, col(Mention.gone_at).is_(None))
        if dry_run:
            with reading(context.engine) as session:
                total += session.exec(select(func.count()).select_from(Mention).where(*old)).one()
            continue
        with reading(context.engine) as session:
            oldest = session.exec(select(func.min(Mention.published_at)).where(*old)).one()
        if oldest is None:
            continue
        if quotes is None or oldest < quotes.oldest:
            quotes = Quotes.since(context.engine, oldest)
        while not context.should_stop():
            with writing(context.engine) as session:
                page = session.exec(select(Mention).where(*old).order_by(col(Mention.published_at)).limit(_CHUNK)).all()
                _erase(context, session, page, quotes)
            total += len(page)
            if len(page) < _CHUNK:
                break
    return total


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased of a person: mentions emptied, survey answers and orders deleted."""

    n_mentions: int
    n_answers: int
    n_orders: int


def forget(context: Context, *, author: str | None = None, url: str | None = None, dry_run: bool = False) -> Forgotten:
    """Erase everything a person wrote, by name, customer's number or pseudonym, or one address, and its quotes; of a
    customer the answers, orders and segments too.

    What comes in meanwhile is found by the next call.
    """
    with writing(context.engine) as session:  # writing: the first call makes the key of pseudonyms
        conditions = _of(session, author=author, url=url)
        n_answers, n_orders = _customer(session, author, dry_run=dry_run)
        span = select(func.count(), func.min(Mention.published_at), func.min(Mention.observed_at)).where(conditions)
        n, *times = session.exec(span).one()
    told = Forgotten(int(n), n_answers, n_orders)
    if dry_run or not n:
        return told
    quotes = Quotes.since(context.engine, min(times))
    with writing(context.engine) as session:
        found = session.exec(select(Mention).where(conditions)).all()
        _erase(context, session, found, quotes)
    return replace(told, n_mentions=len(found))


def _customer(session: Session, author: str | None, *, dry_run: bool) -> tuple[int, int]:
    """Delete what is stored of a customer, in every brand; how many answers and orders."""
    if author is None:
        return 0, 0
    names = {author, meta.pseudonym(meta.install_key(session), meta.CUSTOMER, author)}
    counts = []
    for table, customer in ((SurveyAnswer, SurveyAnswer.customer), (Order, Order.customer)):
        counts.append(int(session.exec(select(func.count()).where(col(customer).in_(names))).one()))
        if not dry_run:
            session.execute(delete(table).where(col(customer).in_(names)))
    if not dry_run:
        session.execute(delete(CustomerSegment).where(col(CustomerSegment.customer).in_(names)))
        session.execute(delete(Activity).where(col(Activity.customer).in_(names)))
    return counts[0], counts[1]


def _of(session: Session, *, author: str | None, url: str | None) -> ColumnElement[bool]:
    """Which mentions are of an author, under a name or a pseudonym, or stand at an address."""
    conditions: list[ColumnElement[bool]] = []
    if url is not None:
        conditions.append(col(Mention.url) == url)
    if author is not None:
        key = meta.install_key(session)
        origins = session.exec(select(Mention.origin).distinct()).all()
        names = {author, *(meta.pseudonym(key, origin, author) for origin in (*origins, meta.CUSTOMER))}
        conditions.append(col(Mention.author).in_(names))
    return or_(false(), *conditions)


def _erase(context: Context, session: Session, mentions: Sequence[Mention], quotes: Quotes) -> None:
    n = sum(quotes.take_out(session, mentions[start : start + _CHUNK]) for start in range(0, len(mentions), _CHUNK))
    erase_texts(session, mentions, now=context.now)
    if n:
        log.info("quotes.erased", rows=n)
