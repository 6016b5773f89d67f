"""Pushing: a signed message of another system becomes mentions, or answers to surveys with the mentions of their
comments, and its id is remembered in the same transaction.

A message that comes twice changes nothing: within the window its id is known, later its time is refused, and in any
case the ids of its rows are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from monitor.errors import MonitorError
from monitor.pipeline.context import Context
from monitor.pipeline.customers import store_answers
from monitor.pipeline.matching import Matcher
from monitor.pipeline.storing import store
from monitor.store import notices
from monitor.store.catalogue import find_brand
from monitor.store.engine import exclusive, writing
from monitor.store.ingest import Ingested
from monitor.store.tables import Run, Source, SourceState

if TYPE_CHECKING:
    from scrapers.imports.webhook import Message, WebhookSettings


class NoSuchHook(MonitorError):
    """No source of that name takes messages."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a message. `repeated`: it was stored before. Rows that could not be read, with their reasons."""

    n_new: int = 0
    n_edited: int = 0
    n_known: int = 0
    n_elsewhere: int = 0  # rows that speak of none of our brands
    bad_rows: tuple[tuple[int, str], ...] = ()
    repeated: bool = False


def push(context: Context, slug: str, body: bytes, headers: Mapping[str, str]) -> Pushed:
    """Take a message for the source `slug`. Raises NoSuchHook, or scrapers.errors.PushRejected with a status."""
    from scrapers.imports import webhook

    settings = hook_settings(context, slug)
    message = webhook.verify(body, headers, settings, now=context.now)
    with writing(context.engine) as session:
        exclusive(session, f"hook {slug}")
        source = session.exec(select(Source).where(Source.slug == slug)).first()
        if source is None:
            raise NoSuchHook(f"{slug}: the store does not know this source yet; start the daemon once")
        if not _first_time(session, source, message, now=context.now):
            return Pushed(repeated=True)
        if settings.takes_answers:
            counts = _store_answers(session, context, source, message)
        else:
            # ids are the sender's own: two hooks may both have a number 1
            counts = store(
                session, context, source, message.items, matcher=Matcher(context.settings.brands), origin=slug
            )
        _write_down(session, source, message, counts, now=context.now)
    return Pushed(
        n_new=counts.n_new,
        n_edited=counts.n_edited,
        n_known=counts.n_seen - counts.n_new - counts.n_edited,
        n_elsewhere=counts.n_elsewhere,
        bad_rows=message.bad_rows,
    )


def hook_settings(context: Context, slug: str) -> WebhookSettings:
    """How messages for a source are verified. Raises NoSuchHook."""
    import scrapers.registry

    source = context.settings.sources.get(slug)
    if source is None or not source.enabled or not scrapers.registry.get(source.scraper).meta.pushed:
        raise NoSuchHook(f"there is no hook {slug!r}")
    params = scrapers.registry.get(source.scraper).params_type.model_validate(source.params)
    settings: WebhookSettings = params.settings()  # type: ignore[attr-defined]
    return settings


def _store_answers(session: Session, context: Context, source: Source, message: Message) -> Ingested:
    """Answers of the brand of the hook, under the hook's name as that of the survey."""
    brand = find_brand(session, context.settings.sources[source.slug].brand or "")
    if brand is None:
        raise NoSuchHook(f"{source.slug}: the store does not know its brand yet; start the daemon once")
    answers = [replace(one, location=one.location or source.location or "") for one in message.answers]
    n_new, n_edited = store_answers(session, context, answers, brand=brand, survey=source.slug, source=source)
    return Ingested(n_seen=len(answers), n_new=n_new, n_edited=n_edited)


def _first_time(session: Session, source: Source, message: Message, *, now: datetime) -> bool:
    """Remember the id of a message for as long as its signature holds, and say whether it is new."""
    row = session.get(SourceState, source.id) or SourceState(source_id=source.id or 0, updated_at=now)
    known = {key: until for key, until in row.state.get("messages", {}).items() if until > now.isoformat()}
    if message.key in known:
        return False
    row.state = {"messages": known | {message.key: message.until.isoformat()}}
    row.version, row.updated_at = row.version + 1, now
    session.add(row)
    return True


def _write_down(session: Session, source: Source, message: Message, counts: Ingested, *, now: datetime) -> None:
    bad = len(message.bad_rows)
    error = f"{bad} of {message.n_rows} rows cannot be read: {message.bad_rows[0][1]}" if bad else ""
    source.last_run_at = source.last_success_at = now
    source.last_status, source.last_error, source.fail_count = "ok", error[:2000], 0
    session.add(source)
    session.add(
        Run(step="push", source_id=source.id, started_at=now, finished_at=now, status="ok", error=error[:2000],
            n_items=len(message.items) + len(message.answers), n_new=counts.n_new, n_edited=counts.n_edited)
    )  # fmt: skip
    key = f"source.{source.slug}"
    if bad and bad == message.n_rows:
        notices.raise_notice(session, key, f"{source.slug}: {error}", now=now)
    elif not bad:
        notices.close(session, key, now=now)
