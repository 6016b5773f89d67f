"""Readers of files and pushes that people bring: one row, one item.

    read(path, mapping=None, kind=None, locale=None, progress=None) -> ImportRun
    read_bytes(content, name="upload.csv", ...) -> ImportRun        the same of an upload
    ImportRun: .format .encoding .delimiter .columns .mapping .unmapped .sample .notes; iterating gives
`Row(number, item, error)`

csv, tsv, json, jsonl, xlsx, parquet, eml, mbox, each also gzipped. The format is found by content, then by name.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import re
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from scrapers.errors import BadParams
from scrapers.imports import columns as meaning
from scrapers.imports import json_rows, mail, sheets, tables
from scrapers.imports.columns import FIELDS
from scrapers.imports.run import ImportRun, Progress, Raw, Row

GZIP, XLSX, PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"  # how packed files begin

_SAMPLE_ROWS = 300
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, IndexError, SyntaxError)
_LARGEST_UNPACKED = 4 * 1024 * 1024 * 1024


def read(
    path: str | Path,
    *,
    mapping: Mapping[str, str] | None = None,
    kind: str | None = None,
    locale: str | None = None,
    zone: str = "UTC",
    now: datetime | None = None,
    progress: Progress | None = None,
) -> ImportRun:
    """Opens a file and finds out what is in it; iterate over the result to read the rows.

    `mapping` is field -> column and wins over the guess; `rating_scale` takes "1..10". `kind` is for rows that do not
    say their own. `locale` ("ru", "en_US") decides the order of day and month and the language of dates in words,
    `zone` the time zone of times without one, `now` the anchor of relative dates (default: when the file was changed).
    Raises `BadParams` when the file is missing, empty, of no known format, or nothing in it looks like feedback.
    """
    file = Path(path)
    if not file.is_file():
        raise BadParams(f"{path}: there is no such file" if not file.exists() else f"{path}: is not a file")
    stat = file.stat()
    if stat.st_size == 0:
        raise BadParams(f"{path}: the file is empty")
    try:
        opened: BinaryIO = file.open("rb")
    except OSError as problem:
        raise BadParams(f"{path}: cannot be read: {problem.strerror}") from None
    anchor = now or datetime.fromtimestamp(stat.st_mtime, UTC)
    return _run(
        opened,
        file.name,
        stat.st_size,
        label=str(path),
        mapping=mapping,
        kind=kind,
        locale=locale,
        zone=zone,
        now=anchor,
        progress=progress,
    )


def read_bytes(
    content: bytes,
    *,
    name: str = "upload",
    mapping: Mapping[str, str] | None = None,
    kind: str | None = None,
    locale: str | None = None,
    zone: str = "UTC",
    now: datetime | None = None,
    progress: Progress | None = None,
) -> ImportRun:
    """The same of bytes in memory; `now` is the anchor of relative dates."""
    if not content:
        raise BadParams(f"{name}: the file is empty")
    return _run(
        io.BytesIO(content),
        name,
        len(content),
        label=name,
        mapping=mapping,
        kind=kind,
        locale=locale,
        zone=zone,
        now=now,
        progress=progress,
    )


def _run(
    file: BinaryIO,
    name: str,
    size: int,
    *,
    label: str,
    mapping: Mapping[str, str] | None,
    kind: str | None,
    locale: str | None,
    zone: str,
    now: datetime | None,
    progress: Progress | None,
) -> ImportRun:
    default = meaning.check_kind(kind)
    with contextlib.ExitStack() as stack:
        stack.callback(file.close)
        packed, (file, name, size) = file, _unpacked(file, name, size, label)
        stack.callback(file.close)
        run = _opened(
            file,
            name,
            size,
            label=label,
            mapping=mapping,
            kind=kind,
            default=default,
            locale=locale,
            zone=zone,
            now=now,
            progress=progress,
        )
        run.files = (packed, file)
        stack.pop_all()
    weakref.finalize(run, _close, run.files)
    return run


def _close(files: tuple[IO[bytes], ...]) -> None:
    for one in files:
        one.close()


def _opened(
    file: BinaryIO,
    name: str,
    size: int,
    *,
    label: str,
    mapping: Mapping[str, str] | None,
    kind: str | None,
    default: str,
    locale: str | None,
    zone: str,
    now: datetime | None,
    progress: Progress | None,
) -> ImportRun:
    form = _format(file, name)
    try:
        if form in ("eml", "mbox"):
            own = kind or "ticket"
            rows = (
                mail.eml(file, kind=own) if form == "eml" else mail.mbox(file, kind=own, progress=progress, total=size)
            )
            return ImportRun(form, rows)
        run = _table(file, form, size, progress)
    except BadParams as problem:
        raise BadParams(f"{label}: {problem}") from None
    source = _until_damage(run.rows)
    head = list(itertools.islice(source, _SAMPLE_ROWS))
    run.rows = itertools.chain(head, source)
    _understand(run, head, label=label, mapping=mapping or {}, kind=default, locale=locale, zone=zone, now=now)
    return run


def _until_damage(rows: Iterable[Raw]) -> Iterator[Raw]:
    """The rows up to where a workbook or a Parquet file is damaged; what lies behind is one bad row that says so."""
    number = 0
    try:
        for raw in rows:
            number = raw.number
            yield raw
    except _DAMAGE as problem:
        yield Raw(number + 1, error=f"the file is damaged from here on: {problem}"[:300])


def _table(file: BinaryIO, form: str, size: int, progress: Progress | None) -> ImportRun:
    if form == "xlsx":
        try:
            names, rows = sheets.xlsx(file, progress, size)
        except _DAMAGE as problem:  # its first rows cannot be read: entities that unfold, a part that is missing
            raise BadParams(f"the workbook is damaged at its beginning: {problem}"[:300]) from None
        return ImportRun(form, rows, columns=tuple(names))
    if form == "parquet":
        names, rows = sheets.parquet(file, progress, size)
        return ImportRun(form, rows, columns=tuple(names))
    encoding = tables.find_encoding(file)
    if form == "json":
        listed, key = json_rows.document(file, encoding, size)
        notes = (f"rows are taken from {key!r}",) if key else ()
        return ImportRun(form, listed, encoding=encoding, notes=notes)
    if form == "jsonl":
        return ImportRun(form, json_rows.json_lines(file, encoding, progress, size), encoding=encoding)
    delimiter = "\t" if form == "tsv" else _delimiter(file, encoding)
    names, named, rows = tables.header_and_rows(tables.lines(file, encoding, progress, size), delimiter)
    notes = () if named else ("the file has no header; columns are called by their numbers",)
    return ImportRun(
        "tsv" if delimiter == "\t" else "csv",
        rows,
        encoding=encoding,
        delimiter=delimiter,
        columns=tuple(names),
        notes=notes,
    )


def _delimiter(file: BinaryIO, encoding: str) -> str:
    sample = [one for one in itertools.islice(tables.lines(file, encoding, None, 0), 60) if one is not tables.TOO_LONG]
    return tables.find_delimiter(sample)


def _understand(
    run: ImportRun,
    head: list[Raw],
    *,
    label: str,
    mapping: Mapping[str, str],
    kind: str,
    locale: str | None,
    zone: str,
    now: datetime | None,
) -> None:
    """Fills in columns, mapping and how values are read."""
    sample = [one.values for one in head if one.values is not None]
    if not run.columns:
        run.columns = tuple(dict.fromkeys(name for one in sample for name in one))
    if len(run.columns) > tables.MOST_COLUMNS:
        raise BadParams(f"{label}: there are {len(run.columns)} columns; at most {tables.MOST_COLUMNS} are read")
    if not run.columns:
        errors = [one for one in head if one.error]
        why = f"row {errors[0].number} {errors[0].error}" if errors else "there are no rows"
        raise BadParams(f"{label}: nothing can be read: {why}")
    fixed = meaning.resolve(mapping, run.columns)
    found = meaning.guess(run.columns, sample, fixed=fixed)
    scale = found.pop("rating_scale", None)
    if not {"text", "pros", "cons", "rating", "title"} & set(found):
        raise BadParams(
            f"{label}: no column looks like the text or the rating of a review. Columns: {', '.join(run.columns)}. "
            "Name one with text=COLUMN or rating=COLUMN"
        )
    worst, best = meaning.scale(found.get("rating"), sample)
    if scale is not None:
        worst, best = (float(one) for one in scale.split(".."))
    languages = _languages(locale, run.columns)
    order = meaning.day_first(found.get("published_at"), sample)
    notes = list(run.notes)
    if order is None:
        order = not (locale or "").replace("-", "_").lower().startswith(("en_us", "en_ph", "us"))
        if locale is None and _ambiguous(found.get("published_at"), sample):
            notes.append(
                "dates like 03/04/2026 are read as day/month/year; give a locale (en_US) if it is the other way"
            )
    if "published_at" not in found:
        notes.append("no column looks like a date; rows are imported without a time")
    if "rating" in found and best is not None:
        notes.append(f"ratings are read on the scale {worst:g}..{best:g}")
    run.mapping, run.notes = found, tuple(notes)
    run.sample = tuple(sample[:5])
    run.reading = meaning.Reading(
        columns=found, worst=worst, best=best, day_first=order, languages=languages, zone=zone, kind=kind, now=now
    )


def _languages(locale: str | None, names: tuple[str, ...]) -> tuple[str, ...]:
    """Of dates in words: those of the locale, else by the letters of the header."""
    if locale:
        code = re.split(r"[-_.]", locale)[0].lower()
        if not re.fullmatch(r"[a-z]{2,3}", code):
            raise BadParams(f"locale {locale!r} is not of the form ru or en_US")
        return (code,) if code == "en" else (code, "en")
    joined = " ".join(names)
    return ("ru", "en") if re.search(r"[а-яА-Я]", joined) else ("en", "ru", "de", "fr", "es")


def _ambiguous(column: str | None, sample: list[Mapping[str, object]]) -> bool:
    return column is not None and any(
        re.match(r"^\s*\d{1,2}/\d{1,2}/\d{2,4}", str(row.get(column) or "")) for row in sample
    )


def _unpacked(file: BinaryIO, name: str, size: int, label: str) -> tuple[BinaryIO, str, int]:
    """A gzipped file unpacked to a temporary one, within a cap."""
    start = file.read(2)
    file.seek(0)
    if start != GZIP:
        return file, name, size
    out = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=64 * 1024 * 1024))  # noqa: SIM115 (lives as long as the run)
    total = 0
    try:
        with gzip.GzipFile(fileobj=cast(IO[bytes], file)) as packed:
            while chunk := packed.read(1024 * 1024):
                total += len(chunk)
                if total > _LARGEST_UNPACKED:
                    raise BadParams(f"{label}: unpacks to more than {_LARGEST_UNPACKED // 2**30} GB")
                out.write(chunk)
    except (OSError, EOFError, zlib.error) as problem:
        out.close()
        raise BadParams(f"{label}: the gzip file is damaged: {problem}") from None
    out.seek(0)
    if not total:
        out.close()
        raise BadParams(f"{label}: the file is empty")
    return out, name.removesuffix(".gz"), total


def _format(file: BinaryIO, name: str) -> str:
    """By the first bytes where they are sure, else by the name, else by how the text looks."""
    start = file.read(8192)
    file.seek(0)
    if start.startswith(XLSX):
        return "xlsx"
    if start.startswith(PARQUET):
        return "parquet"
    suffix = Path(name).suffix.lower().lstrip(".")
    if suffix in ("jsonl", "ndjson", "eml", "mbox", "tsv", "csv"):
        return {"ndjson": "jsonl"}.get(suffix, suffix)
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if suffix == "json" or head[:1] in (b"{", b"["):
        lines = [one for one in head.split(b"\n") if one.strip()]
        several = len(lines) > 1 and all(
            one.lstrip()[:1] == b"{" and one.rstrip()[-1:] == b"}" for one in lines[:-1][:20]
        )
        return "jsonl" if head[:1] == b"{" and several else "json"
    if start.startswith(b"From ") and b"\n" in start:
        return "mbox"
    if re.match(rb"^(?:[A-Za-z][A-Za-z0-9-]{1,40}:[ \t][^\n]*\r?\n(?:[ \t][^\n]*\r?\n)*){2,}", start):
        return "eml"
    return "csv"


__all__ = ["FIELDS", "ImportRun", "Raw", "Row", "read", "read_bytes"]
