"""Imports: a file of feedback becomes mentions, in short transactions, with every bad row named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from monitor.errors import ConfigError
from monitor.pipeline.context import Context
from monitor.pipeline.matching import Matcher
from monitor.pipeline.storing import placed
from monitor.store.catalogue import IMPORT, ensure_brand, ensure_import, find_brand, slug_of
from monitor.store.engine import writing
from monitor.store.ingest import Ingested, ingest
from monitor.store.tables import Source

if TYPE_CHECKING:
    from scrapers.item import Item

CHUNK = 1000


@dataclass
class ImportResult:
    """What an import did: counts, notes on what was guessed, (row number, reason) of rows that could not be read."""

    n_seen: int = 0
    n_new: int = 0
    n_edited: int = 0
    notes: list[str] = field(default_factory=list)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)

    @property
    def n_known(self) -> int:
        return self.n_seen - self.n_new - self.n_edited


def import_file(
    context: Context,
    file: Path,
    *,
    brand: str,
    source: str | None = None,
    mapping: dict[str, str] | None = None,
    kind: str | None = None,
    locale: str | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """Import `file` for `brand`. Rows of another platform (a `source` column) go to a source of that name.

    Raises ConfigError for an unknown brand, scrapers.errors.BadParams for an unreadable file or missing columns.
    """
    import scrapers.imports

    settings = context.settings
    run = scrapers.imports.read(
        file, mapping=mapping, kind=kind, locale=locale or settings.language, zone=settings.time_zone
    )
    result = ImportResult(notes=notes_of(run))
    default_source = source or slug_of(file.name.split(".")[0])
    with writing(context.engine) as session:
        found = find_brand(session, brand)
        if found is None and settings.brands:
            known = ", ".join(settings.brands)
            raise ConfigError(f"--brand {brand!r} is not a brand of the configuration; allowed: {known}")
        brand_id = (found or ensure_brand(session, brand)).id or 0
        if dry_run:
            session.rollback()
    configured = found.slug if found is not None and found.slug in settings.brands else None
    matcher = Matcher(settings.brands)
    for items in _chunks(run, result):
        if configured is not None:
            items = [placed(item, configured, matcher) for item in items]
        result.n_seen += len(items)
        context.progress("import", result.n_seen, max(result.n_seen, run.n_rows))
        if dry_run:
            result.n_new += len(items)
            continue
        with writing(context.engine) as session:
            counts = store_items(session, items, brand_id=brand_id, source=source, default_source=default_source,
                                 now=context.now, store_authors=settings.privacy.store_authors)  # fmt: skip
        result.n_new += counts.n_new
        result.n_edited += counts.n_edited
    return result


def store_items(
    session: Session,
    items: list[Item],
    *,
    brand_id: int,
    source: str | None,
    default_source: str,
    now: datetime,
    store_authors: bool,
) -> Ingested:
    """Ingest imported items, each into the source it names (`Item.origin`), or the one given."""
    by_source: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_source[source or item.origin or default_source].append(item)
    total = Ingested()
    for title, group in by_source.items():
        row = import_source(session, title, now=now)
        counts = ingest(session, group, brand_id=brand_id, source_id=row.id or 0, origin=row.slug, now=now,
                        store_authors=store_authors)  # fmt: skip
        row.last_run_at = row.last_success_at = now
        row.last_status = "ok"
        session.add(row)
        total.n_seen += counts.n_seen
        total.n_new += counts.n_new
        total.n_edited += counts.n_edited
        total.n_copies += counts.n_copies
        total.new_ids += counts.new_ids
    return total


def import_source(session: Session, title: str, *, now: datetime) -> Source:
    """The import source of that title; a slug that a configured scraper uses gets a suffix, since ids may collide."""
    slug = slug_of(title)
    row = ensure_import(session, slug, now=now, title=title)
    if row.scraper != IMPORT:
        row = ensure_import(session, f"{slug}_import", now=now, title=f"{title} (import)")
    return row


def notes_of(run: Any) -> list[str]:
    """What the reader found out, in words."""
    notes = []
    if run.encoding:
        notes.append(f"encoding {run.encoding}" + (f", delimiter {run.delimiter!r}" if run.delimiter else ""))
    if run.mapping:
        notes.append("columns: " + ", ".join(f"{name}={column}" for name, column in run.mapping.items()))
    if run.unmapped:
        notes.append(f"columns not used: {', '.join(run.unmapped)}")
    return notes + list(run.notes)


def brands_of(items: list[Item], brand: str) -> Callable[[Item], str | None]:
    """Which brand an item belongs to, for files that cover several.

    With a brand column in which `brand` occurs, only its rows count; in which it does not occur, every row keeps the
    brand it names; without one, all rows are the brand's.
    """
    names = {item.subject.casefold() for item in items if item.subject}
    wanted = brand.casefold()
    if not names:
        return lambda item: brand
    if wanted in names:
        return lambda item: brand if item.subject and item.subject.casefold() == wanted else None
    return lambda item: item.subject or brand


def _chunks(run: Any, result: ImportResult) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for row in run:
        if row.item is None:
            result.bad_rows.append((row.number, row.error or "cannot be read"))
            continue
        batch.append(row.item)
        if len(batch) >= CHUNK:
            yield batch
            batch = []
    if batch:
        yield batch
