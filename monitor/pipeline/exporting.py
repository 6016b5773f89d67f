"""Exports: mentions with their judgements as csv, xlsx, jsonl or parquet, so that nobody is locked in."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from monitor.errors import ConfigError
from monitor.pipeline.context import Context
from monitor.store.engine import reading
from monitor.store.tables import Brand, Mention, Source, TopicTag

FIELDS = (
    "id", "brand", "source", "kind", "published_at", "location", "language", "rating", "title", "text", "sentiment",
    "p_negative", "p_neutral", "p_positive", "topics", "corrected", "copy_of", "url", "author", "reply", "model",
)  # fmt: skip
FORMATS = (".csv", ".xlsx", ".jsonl", ".parquet")
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_PAGE = 2000
_SHEET = 1_048_575  # rows that a sheet holds beneath its heads


def export_file(
    context: Context,
    output: Path,
    *,
    brand: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Write matching mentions to `output` (replaced atomically). Returns how many. Raises ConfigError."""
    if output.suffix not in FORMATS:
        raise ConfigError(f"{output}: the format is told by the name; allowed: {', '.join(FORMATS)}")
    with reading(context.engine) as session:
        conditions: list[Any] = []
        if brand is not None:
            row = session.exec(select(Brand).where((col(Brand.slug) == brand) | (col(Brand.name) == brand))).first()
            if row is None:
                known = ", ".join(session.exec(select(Brand.slug)))
                raise ConfigError(f"--brand {brand!r} is unknown; allowed: {known or 'there is none yet'}")
            conditions.append(Mention.brand_id == row.id)
        if since is not None:
            conditions.append(col(Mention.published_at) >= since)
        if until is not None:
            conditions.append(col(Mention.published_at) < until)
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f".{output.name}.part")
        try:
            n = write_rows(rows(session, conditions), partial, output.suffix)
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)
    return n


def rows(session: Session, conditions: Sequence[Any], *, ids: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
    """Mentions as flat rows in the order of their ids, a page at a time: constant memory."""
    brands = {brand.id: brand.slug for brand in session.exec(select(Brand))}
    sources = {source.id: source.slug for source in session.exec(select(Source))}
    last = 0
    while True:
        statement = select(Mention).where(col(Mention.id) > last, *conditions).order_by(col(Mention.id)).limit(_PAGE)
        if ids is not None:
            statement = statement.where(col(Mention.id).in_(ids))
        page = session.exec(statement).all()
        if not page:
            return
        tags: dict[int, list[str]] = {}
        for tag in session.exec(select(TopicTag).where(col(TopicTag.mention_id).in_([m.id for m in page]))):
            tags.setdefault(tag.mention_id, []).append(f"{tag.topic}:{tag.sentiment}")
        for mention in page:
            yield {
                "id": mention.id, "brand": brands.get(mention.brand_id), "source": sources.get(mention.source_id),
                "kind": mention.kind, "published_at": mention.published_at.isoformat(), "location": mention.location,
                "language": mention.language, "rating": mention.rating, "title": mention.title, "text": mention.text,
                "sentiment": mention.sentiment, "p_negative": mention.p_negative, "p_neutral": mention.p_neutral,
                "p_positive": mention.p_positive, "topics": " ".join(sorted(tags.get(mention.id or 0, []))),
                "corrected": mention.corrected, "copy_of": None if mention.counts else mention.cluster_id,
                "url": mention.url, "author": mention.author, "reply": mention.reply_text, "model": mention.model,
            }  # fmt: skip
            last = mention.id or last
        session.expunge_all()


def write_rows(table: Iterator[dict[str, Any]], path: Path, suffix: str) -> int:
    """Write rows in the format of `suffix`; returns how many."""
    return {".csv": _csv, ".xlsx": _xlsx, ".jsonl": _jsonl, ".parquet": _parquet}[suffix](table, path)


def harmless(value: Any) -> Any:
    """A cell that a spreadsheet will not run as a formula (OWASP: prefix an apostrophe)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_DANGEROUS) else value


def _csv(table: Iterator[dict[str, Any]], path: Path) -> int:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        return sum(writer.writerow([harmless(row[name]) for name in FIELDS]) > 0 for row in table)


def _jsonl(table: Iterator[dict[str, Any]], path: Path) -> int:
    with path.open("w", encoding="utf-8") as file:
        return sum(file.write(json.dumps(row, ensure_ascii=False) + "\n") > 0 for row in table)


def _xlsx(table: Iterator[dict[str, Any]], path: Path, *, most: int = _SHEET) -> int:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    n = 0
    for row in table:
        if n % most == 0:
            sheet = _sheet(book, n // most)
        n += 1
        cells = [harmless(row[name]) for name in FIELDS]
        sheet.append(
            [ILLEGAL_CHARACTERS_RE.sub("", cell)[:32_000] if isinstance(cell, str) else cell for cell in cells]
        )
    if not n:
        _sheet(book, 0)
    book.save(path)
    return n


def _sheet(book: Any, number: int) -> Any:
    """A sheet with its heads; a spreadsheet opens no more than a million rows of one, so more go on in the next."""
    sheet = book.create_sheet(f"mentions {number + 1}" if number else "mentions")
    sheet.append(FIELDS)
    return sheet


def _parquet(table: Iterator[dict[str, Any]], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"id": pa.int64(), "rating": pa.float64(), "p_negative": pa.float64(), "p_neutral": pa.float64(),
             "p_positive": pa.float64(), "corrected": pa.bool_(), "copy_of": pa.int64()}  # fmt: skip
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in FIELDS])
    n = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        page: list[dict[str, Any]] = []
        for row in table:
            n += 1
            page.append(row)
            if len(page) == _PAGE:
                writer.write_table(pa.Table.from_pylist(page, schema=schema))
                page = []
        if page:
            writer.write_table(pa.Table.from_pylist(page, schema=schema))
    return n
