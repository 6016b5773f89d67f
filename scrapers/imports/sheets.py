"""Excel workbooks and Parquet files, row by row."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from scrapers.errors import BadParams
from scrapers.imports.run import Progress, Raw
from scrapers.imports.tables import MOST_COLUMNS, _is_header, unique_names

LARGEST_UNZIPPED = 512 * 1024 * 1024
LARGEST_RATIO = 200  # of the unpacked size to the packed one, above FREE_BYTES: real workbooks stay below thirty
FREE_BYTES = 32 * 1024 * 1024
_TOP = 1000  # rows in which the table must begin


def xlsx(file: BinaryIO, progress: Progress | None, total: int) -> tuple[list[str], Iterator[Raw]]:
    """Columns and rows of the first sheet that has any. Numbers count as the spreadsheet shows them."""
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(file) as archive:
            # Sizes that the archive states are those it is read to: one that lies breaks off with a damaged entry.
            size = sum(one.file_size for one in archive.infolist())
            if size > LARGEST_UNZIPPED:
                raise BadParams(f"the workbook unpacks to more than {LARGEST_UNZIPPED // 2**20} MB")
            if size > FREE_BYTES and size > LARGEST_RATIO * total:
                raise BadParams(f"the workbook grows more than {LARGEST_RATIO} times when unpacked")
        file.seek(0)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, OSError, ValueError) as problem:
        raise BadParams(f"is no Excel workbook: {problem}") from None
    for sheet in book.worksheets:
        # Gaps are filled up by openpyxl: one cell in the last corner makes a million rows of 16,384 cells.
        top = sheet.iter_rows(values_only=True, max_row=_TOP, max_col=MOST_COLUMNS + 1)
        for number, first in enumerate(top, 1):
            if first.count(None) == len(first):
                continue
            head = [_shown(one) for one in first]
            while head and not head[-1]:
                head.pop()
            if not head:
                continue
            named = _is_header(head)
            columns = unique_names(head if named else [str(place) for place in range(1, len(head) + 1)])
            rows = sheet.iter_rows(values_only=True, min_row=number + 1, max_col=len(columns))
            count = sheet.max_row or 0
            return columns, _sheet_rows(first if not named else None, rows, columns, number, progress, total, count)
    return [], iter(())


def _sheet_rows(
    first: tuple[Any, ...] | None,
    rows: Iterator[tuple[Any, ...]],
    columns: list[str],
    start: int,
    progress: Progress | None,
    total: int,
    count: int,
) -> Iterator[Raw]:
    if first is not None:
        yield Raw(start, _cells(first, columns))
    for number, row in enumerate(rows, start + 1):
        if progress is not None and number % 500 == 0 and count:
            progress(min(total, total * number // count), total)
        if any(one is not None and str(one).strip() for one in row):
            yield Raw(number, _cells(row, columns))
    if progress is not None:
        progress(total, total)


def _cells(row: tuple[Any, ...], columns: list[str]) -> dict[str, Any]:
    return {name: _value(one) for name, one in zip(columns, row, strict=False)}


def _value(cell: Any) -> Any:
    """Dates stay dates (a date without a time is its day), errors of formulas are nothing."""
    if (
        isinstance(cell, str)
        and cell.startswith("#")
        and cell in ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!")
    ):
        return None
    if isinstance(cell, dt.datetime) and (cell.hour, cell.minute, cell.second) == (0, 0, 0):
        return cell.date().isoformat()
    if isinstance(cell, dt.datetime):
        return cell.replace(microsecond=0).isoformat()
    if isinstance(cell, dt.date):
        return cell.isoformat()
    if isinstance(cell, (dt.time, dt.timedelta)):
        return str(cell)
    return cell


def _shown(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def parquet(path: Path | BinaryIO, progress: Progress | None, total: int) -> tuple[list[str], Iterator[Raw]]:
    """Columns and rows of a Parquet file; rows count from 1."""
    import pyarrow as arrow
    from pyarrow import parquet as files

    try:
        file = files.ParquetFile(path)
    except (arrow.ArrowException, OSError) as problem:
        raise BadParams(f"is no Parquet file: {problem}") from None

    def rows() -> Iterator[Raw]:
        number, count = 0, file.metadata.num_rows
        for batch in file.iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                number += 1
                yield Raw(number, {name: _value(one) for name, one in row.items()})
            if progress is not None and count:
                progress(total * number // count, total)

    return list(file.schema_arrow.names), rows()
