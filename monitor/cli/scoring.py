"""`monitor score`: a stream of rows in, a stream of judgements out, in constant memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from monitor.cli.common import say
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from models.base import Judgement, Scorer
    from monitor.config import Settings

_MAX_FIELD = 256 * 1024 * 1024


def score_stream(
    source: str,
    output: Path | None,
    *,
    model: str | None,
    settings: Settings | None,
    report: Callable[[str, int, int], None],
) -> tuple[int, int]:
    """Judge every row of `source`; returns (rows with an error, rows). Ctrl-C leaves the finished lines in place."""
    from models.scorer import stream

    rows = read_texts(source)
    first = next(rows, None)  # wrong files are told before the model is loaded
    scorer = _scorer(model, settings)
    n_failed = n = 0
    if first is None:
        with _sink(output):
            return 0, 0

    def chained() -> Iterator[Any]:
        yield first
        yield from rows

    with _sink(output) as sink:
        try:
            for text, judgement in stream(scorer, chained(), text_of=_usable):
                n += 1
                n_failed += judgement.sentiment is None
                if isinstance(text, Unread):
                    line = judgement_line(None, replace(judgement, error=text.reason))
                else:
                    line = judgement_line(text, judgement)
                sink.write(_written(line) + "\n")
                if n % 256 == 0:
                    report("score", n, n)
        except KeyboardInterrupt:
            say(f"interrupted; judged and written: {n} rows")
            raise
    return n_failed, n


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that cannot be read, and why."""

    reason: str


def _usable(row: Any) -> Any:
    return None if isinstance(row, Unread) else row


def judgement_line(text: Any, judgement: Judgement) -> dict[str, Any]:
    """The line of the contract; probabilities rounded to four digits."""
    line: dict[str, Any] = {"text": text, "language": judgement.language, "sentiment": judgement.sentiment}
    if judgement.sentiment is None:
        return line | {"error": judgement.error or "cannot be judged", "topics": [], "model": judgement.model}
    return line | {
        "p_negative": round(judgement.p_negative, 4),
        "p_neutral": round(judgement.p_neutral, 4),
        "p_positive": round(judgement.p_positive, 4),
        "topics": [{"topic": t.topic, "p": round(t.p, 4), "sentiment": t.sentiment} for t in judgement.topics],
        "model": judgement.model,
    }


def _written(line: dict[str, Any]) -> str:
    """JSON in UTF-8; half a character (a cut emoji, as `"\\ud83d"`) has none, so its line is escaped, as it came."""
    written = json.dumps(line, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:
        return json.dumps(line)
    return written


def read_texts(source: str) -> Iterator[Any]:
    """The `text` values of a file, in order; None where a row has none, `Unread` where there is no row to read. Raises
    ConfigError for a file that is none.
    """
    if source == "-":
        yield from _jsonl(sys.stdin.buffer, "stdin")
        return
    path = Path(source)
    name = path.name.lower().removesuffix(".gz")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if name.endswith(".parquet"):
        yield from _parquet(path)
        return
    if name.endswith(".xlsx"):
        yield from _workbook(path)
        return
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        if name.endswith((".jsonl", ".ndjson", ".json")):
            yield from _jsonl(file, str(path))
        elif name.endswith((".csv", ".tsv", ".txt")):
            yield from _csv(file, path)
        else:
            raise ConfigError(
                f"{path}: the format is told by the name; allowed: .csv, .tsv, .jsonl, .xlsx, .parquet (and .gz)"
            )


def _jsonl(file: Any, name: str) -> Iterator[Any]:
    n = 0
    for number, raw in enumerate(file, start=1):
        if not raw.strip():
            continue
        n += 1
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError):
            if n == 1:
                raise ConfigError(
                    f"{name}: line {number} is not JSON; one object with a `text` key is expected per line"
                ) from None
            yield Unread(f"line {number} is not JSON")
            continue
        if n == 1 and not (isinstance(row, dict) and "text" in row):
            raise ConfigError(f"{name}: line {number} has no `text` key")
        yield row.get("text") if isinstance(row, dict) else None


def _csv(file: Any, path: Path) -> Iterator[Any]:
    from scrapers.imports.tables import find_delimiter, find_encoding

    encoding = find_encoding(file)
    csv.field_size_limit(_MAX_FIELD)
    file.seek(0)
    sample = file.read(1 << 18).decode(encoding, "replace").splitlines()[:50]
    if not any(line.strip() for line in sample):
        return
    file.seek(0)
    with io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="") as lines:
        reader = csv.DictReader(lines, delimiter=find_delimiter(sample))
        columns = [name.strip() for name in reader.fieldnames or []]
        if not columns:
            return
        if "text" not in columns:
            raise _no_text(path, columns)
        reader.fieldnames = columns
        try:
            for row in reader:
                yield row.get("text")
        except csv.Error as error:
            raise ConfigError(f"{path}: line {reader.line_num}: {error}") from None


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{path}: not a parquet file: {error}") from None
    if "text" not in file.schema_arrow.names:
        raise _no_text(path, file.schema_arrow.names)
    for batch in file.iter_batches(batch_size=4096, columns=["text"]):
        yield from batch.column(0).to_pylist()


def _workbook(path: Path) -> Iterator[Any]:
    from models.errors import ModelError
    from models.labelled import sheet

    rows = sheet(path)
    try:
        first = next(rows, None)
    except ModelError as error:
        raise ConfigError(str(error)) from None
    if first is None:
        return
    if "text" not in first:
        raise _no_text(path, first)
    yield first["text"]
    for row in rows:
        yield row.get("text")


def _no_text(path: Path, columns: Iterable[str]) -> ConfigError:
    """What a file without texts has instead; signs that no terminal should get are shown as codes."""
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in ", ".join(columns)[:300])
    return ConfigError(f"{path}: has no column `text`; its columns are: {shown}")


def _scorer(model: str | None, settings: Settings | None) -> Scorer:
    import models

    if settings is not None and model is None:
        from monitor.pipeline.context import load_scorer

        return load_scorer(settings)
    return models.load(model)


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[str]]:
    """stdout, or a file that is complete or, after an interruption, holds every finished line."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", encoding="utf-8") as file:
        try:
            yield file
        finally:
            file.flush()
            os.fsync(file.fileno())
