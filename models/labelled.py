"""What a labelled file says: csv, tsv, jsonl, xlsx or parquet to examples, and why the other rows are none."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.base import SENTIMENTS
from models.errors import ModelError

LABELS: dict[str, int] = {
    **{name: i for i, name in enumerate(SENTIMENTS)},
    "neg": 0, "neu": 1, "pos": 2, "0": 0, "1": 1, "2": 2, "0.0": 0, "1.0": 1, "2.0": 2,
}  # fmt: skip
ALLOWED = f"{', '.join(SENTIMENTS)} or 0, 1, 2"
_UNKNOWN = {"", "-", "-1", "-1.0", "none", "null", "nan"}  # says that nothing is known
_DELIMITERS = ",;\t|"
_CELL_LIMIT = 1 << 27  # characters of one cell of a csv file


@dataclass(slots=True)
class Example:
    """One labelled row. `topics` maps topic -> labelled sentiment (None: unknown); `labelled_for` None: nothing is
    known of topics.
    """

    text: str
    label: int | None
    groups: dict[str, str]
    topics: dict[str, int | None] | None = None
    labelled_for: frozenset[str] | None = None


def read(
    path: Path, *, by: Sequence[str] = (), limit: int | None = None, encoding: str | None = None
) -> tuple[list[Example], list[str]]:
    """Examples of a file, and the rows that are none, by number with the reason. Raises ModelError.

    Columns (case and surrounding spaces do not matter): text, label (negative | neutral | positive, their first three
    letters, or 0 | 1 | 2), those of `by`, topics (a list, or names with "," ";" or "|" between), sentiments (one for
    each topic, as label, or -1), labelled_for (as topics). encoding: of csv and jsonl; else UTF-8, or UTF-16 with its
    mark.
    """
    examples: list[Example] = []
    skipped: list[str] = []
    number = 0
    for number, raw in enumerate(_rows(path, encoding), start=1):
        if limit is not None and len(examples) >= limit:
            break
        if isinstance(raw, str):
            skipped.append(f"row {number}: {raw}")
            continue
        if not examples:
            _check(path, raw, by)
        try:
            examples.append(_example(raw, by))
        except ValueError as error:
            skipped.append(f"row {number}: {error}")
    if not examples:
        raise ModelError(f"{path}: no labelled row ({skipped[0] if skipped else 'the file is empty'})")
    return examples, skipped


def columns(path: Path, *, encoding: str | None = None) -> frozenset[str]:
    """The column names of a file's first row."""
    return frozenset(next((raw for raw in _rows(path, encoding) if not isinstance(raw, str)), {}))


def _check(path: Path, raw: Mapping[str, Any], by: Sequence[str]) -> None:
    there = ", ".join(raw)
    for column in ("text", *by):
        if column not in raw:
            raise ModelError(f"{path}: column {column!r} is missing; there are: {there}")
    if "label" not in raw and "topics" not in raw:
        raise ModelError(f"{path}: neither a column 'label' nor 'topics'; there are: {there}")


def _example(raw: Mapping[str, Any], by: Sequence[str]) -> Example:
    """One row; ValueError says what is wrong with it."""
    text = raw.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("no text")
    label = _sentiment(raw.get("label"), "label")
    topics, labelled_for = _topics(raw)
    if label is None and topics is None:
        raise ValueError("no label")
    groups = {group: "unknown" if raw.get(group) in (None, "") else str(raw[group]) for group in by}
    return Example(text, label, groups, topics, labelled_for)


def _sentiment(value: Any, what: str) -> int | None:
    said = "" if value is None else str(value).strip().lower()
    if said in _UNKNOWN:
        return None
    if said not in LABELS:
        raise ValueError(
            f"label {value!r}; allowed: {ALLOWED}" if what == "label" else f"sentiment {value!r}; allowed: {ALLOWED}"
        )
    return LABELS[said]


def _topics(raw: Mapping[str, Any]) -> tuple[dict[str, int | None] | None, frozenset[str] | None]:
    if raw.get("topics") is None:
        return None, None
    names = [name for name in _listed(raw["topics"]) if name]
    said = _listed(raw.get("sentiments"))
    polarity = [_sentiment(one, "sentiment") for one in said] if any(said) else [None] * len(names)
    if len(polarity) != len(names):
        raise ValueError(f"{len(names)} topics, but {len(polarity)} sentiments")
    decided = raw.get("labelled_for")
    return dict(zip(names, polarity, strict=True)), None if decided is None else frozenset(
        filter(None, _listed(decided))
    )


def _listed(value: Any) -> list[str]:
    """The parts of a list, of a JSON list, or of a text with separators; gaps are kept as empty parts."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = value.strip().strip("[]").replace("'", "").replace('"', "")  # as Python prints a list
    if isinstance(value, str):
        return [part.strip() for part in re.split(r"[,;|]", value)] if value.strip() else []
    if value is None or isinstance(value, float):  # an empty cell of a parquet file
        return []
    if isinstance(value, int):
        return [str(value)]
    return ["" if part is None else str(part).strip() for part in value]


def _rows(path: Path, encoding: str | None) -> Iterator[Mapping[str, Any] | str]:
    """Rows with folded column names; a str is a row that cannot be read, and why."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv"):
        yield from _table(path, "\t" if kind == ".tsv" else None, encoding)
    elif kind in (".jsonl", ".ndjson"):
        yield from (_json(line) for line in _text(path, encoding).split("\n") if line.strip())
    elif kind == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            for batch in pq.ParquetFile(path).iter_batches():
                yield from map(_folded, batch.to_pylist())
        except pa.ArrowInvalid as error:
            raise ModelError(f"{path}: not a parquet file: {error}") from error
    elif kind == ".xlsx":
        yield from sheet(path)
    else:
        raise ModelError(f"{path}: {kind or 'no ending'}; csv, tsv, jsonl, xlsx and parquet can be read")


def sheet(path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of the first sheet of a workbook that has any; its first row has the names of the columns. Raises ModelError
    for a file that is no workbook.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, OSError, ValueError) as error:
        raise ModelError(f"{path}: is no Excel workbook: {error}") from error
    for sheet in book.worksheets:
        filled = (row for row in sheet.iter_rows(values_only=True) if any(cell is not None for cell in row))
        head = next(filled, None)
        if head is not None:
            yield from (_folded(dict(zip(head, row, strict=False))) for row in filled)
            return


def _table(path: Path, delimiter: str | None, encoding: str | None) -> Iterator[Mapping[str, Any]]:
    text = _text(path, encoding)
    if delimiter is None:
        first = next((line for line in text.splitlines() if line.strip()), "")
        delimiter = max(_DELIMITERS, key=first.count)
    before = csv.field_size_limit(_CELL_LIMIT)
    try:
        yield from map(_folded, csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ModelError(f"{path}: not a table: {error}") from error
    finally:
        csv.field_size_limit(before)


def _text(path: Path, encoding: str | None) -> str:
    """The whole file; without an encoding it must be UTF-8, or UTF-16 with its mark."""
    data = path.read_bytes()
    if encoding is None:
        encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not {encoding}: {error}") from error


def _json(line: str) -> Mapping[str, Any] | str:
    try:
        value = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    return _folded(value) if isinstance(value, dict) else f"a JSON object is expected, not {line.strip()[:40]}"


def _folded(raw: Mapping[Any, Any]) -> dict[str, Any]:
    return {name.strip().lower(): value for name, value in raw.items() if isinstance(name, str)}
