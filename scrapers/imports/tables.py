"""CSV and TSV of any origin: encoding and delimiter are found by themselves, hostile lines cannot exhaust memory."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from charset_normalizer import from_bytes

from scrapers.errors import BadParams
from scrapers.imports.columns import NAMES, fold
from scrapers.imports.run import Progress, Raw

DELIMITERS = (",", ";", "\t", "|")
LONGEST_LINE = 8 * 1024 * 1024
MOST_COLUMNS = 4096  # what a column means is guessed by comparing names: time grows with their square
_SAMPLE = 256 * 1024
_CYRILLIC = ("cp1251", "koi8-r", "cp866")
_WESTERN = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœúùûüýÿßÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜÝ¡¿«»‹›‘’‚“”„–—…•€£°§·º©®™ ")
_KNOWN_NAMES = frozenset(word for words in NAMES.values() for word in words)


class LineTooLong(Exception):
    """A line over the cap; the number is that of the line in the file."""


def find_encoding(file: BinaryIO) -> str:
    """UTF-8 when the whole file is valid UTF-8, else by a sample. The file is left at its start."""
    file.seek(0)
    sample = file.read(_SAMPLE)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if sample.startswith(mark):
            file.seek(0)
            return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    bad = 0
    file.seek(0)
    while chunk := file.read(1024 * 1024):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            bad += 1
            decoder.reset()
    file.seek(0)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        bad += 1
    if not bad:
        return "utf-8"
    if sample[:4000].count(0) > len(sample[:4000]) // 4:
        return "utf-16-le" if sample[1:2] == b"\x00" else "utf-16-be"
    return _guess(sample)


def _guess(sample: bytes) -> str:
    """One-byte encodings: Cyrillic ones by how its words look, others by charset-normalizer."""
    best, score = "", 0.0
    for name in _CYRILLIC:
        words = re.findall(r"[^\W\d_]{3,}", sample.decode(name, "replace"))
        foreign = [one for one in words if not one.isascii()]
        good = sum(bool(re.fullmatch(r"[А-ЯЁІЇЄ]?[а-яёіїєґ]+|[А-ЯЁІЇЄ]+", one)) for one in foreign)
        if foreign and good / len(foreign) > score:
            best, score = name, good / len(foreign)
    high = sum(byte >= 0x80 for byte in sample)
    if score > 0.85 and high > 0.03 * len(sample):
        return best
    western = {one for one in sample.decode("cp1252", "replace") if not one.isascii()}
    if western <= _WESTERN:
        return "cp1252"
    found = from_bytes(sample).best()
    if found is not None and found.encoding not in ("utf_8", "ascii"):
        return codecs.lookup(found.encoding).name
    # Valid UTF-8 but for some damage is still UTF-8.
    return "utf-8" if sample.decode("utf-8", "replace").count("\ufffd") * 50 < max(high, 1) else "cp1252"


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits the sample into the most equal rows."""
    found = re.match(r"^sep=(.)$", lines[0].strip()) if lines else None
    if found:
        return found.group(1)
    best, score = ",", 0.0
    for one in DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=one) if row)
        except csv.Error:
            continue
        if not widths:
            continue
        width, n = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
        header = next((len(row) for row in csv.reader(lines[:1], delimiter=one)), 0)
        value = (n / sum(widths.values())) * (width > 1) * (1 + min(width, 20) / 20) * (1.2 if header == width else 1.0)
        if value > score:
            best, score = one, value
    return best


def lines(file: BinaryIO, encoding: str, progress: Progress | None, total: int) -> Iterator[str]:
    """Decoded lines. One over the cap is cut to a mark that `rows` reports, and the rest of it is skipped."""
    file.seek(0)
    wide = encoding.startswith("utf-16")
    reader = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="") if wide else None
    done = 0
    if reader is not None:
        try:
            while piece := reader.readline(LONGEST_LINE):
                yield piece.replace("\x00", "")
        finally:
            reader.detach()
        return
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    first = True
    while raw := file.readline(LONGEST_LINE):
        done += len(raw)
        if len(raw) >= LONGEST_LINE and not raw.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                done += len(rest)
            yield TOO_LONG
            continue
        if first and raw.startswith(codecs.BOM_UTF8):
            raw = raw[3:]
        first = False
        if progress is not None:
            progress(done, total)
        yield raw.decode(codec, "replace").replace("\x00", "")


TOO_LONG = "\x00too long\n"


def header_and_rows(source: Iterator[str], delimiter: str) -> tuple[list[str], bool, Iterator[Raw]]:
    """Column names, whether the file has a header, and the rows after it."""
    csv.field_size_limit(LONGEST_LINE)
    records = _records(source, delimiter)
    head: list[str] | None = None
    for number, record, error in records:
        if error is None and record is not None and any(one.strip() for one in record):
            if re.match(r"^sep=.?$", record[0].strip()) and not any(record[1:]):
                continue
            head, first = record, number
            break
    if head is None:
        return [], True, iter(())
    named = _is_header(head)
    columns = unique_names(head if named else [str(place) for place in range(1, len(head) + 1)])

    def rows() -> Iterator[Raw]:
        if not named:
            yield _row(first, head or [], columns)
        for number, record, error in records:
            if error is not None:
                yield Raw(number, error=error)
            elif record and any(one.strip() for one in record):
                yield _row(number, record, columns)

    return columns, named, rows()


def _records(source: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str] | None, str | None]]:
    """Numbered records; an unreadable one is an error, and reading goes on after it."""
    state = {"long": False}

    def guarded() -> Iterator[str]:
        for one in source:
            if one is TOO_LONG:
                state["long"] = True
                yield "\n"
            else:
                yield one

    reader = csv.reader(guarded(), delimiter=delimiter, skipinitialspace=True)
    number = 0
    while True:
        number += 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            words = "a quote is not closed" if "field larger" in str(problem) else str(problem)
            yield number, None, f"cannot be read: {words}"
            continue
        if state["long"]:
            state["long"] = False
            yield number, None, f"the line is over {LONGEST_LINE // (1024 * 1024)} MB"
        else:
            yield number, record, None


def _row(number: int, record: list[str], columns: list[str]) -> Raw:
    if len(record) > len(columns):
        extra = [one for one in record[len(columns) :] if one.strip()]
        if extra:
            return Raw(number, error=f"{len(record)} cells where the header has {len(columns)}")
    return Raw(number, dict(zip(columns, record, strict=False)))


def _is_header(record: list[str]) -> bool:
    """A row with a known name, or without anything that looks like data."""
    folded = [fold(one) for one in record]
    if any(one in _KNOWN_NAMES for one in folded):
        return True
    looks_like_data = [
        one for one in record if re.fullmatch(r"\s*[\d.,:/T+\-\s]+Z?\s*", one) and any(c.isdigit() for c in one)
    ]
    said = [one for one in record if one.strip()]
    short = [one for one in said if len(one) < 60]  # questions of surveys are long: they stand among short names
    return bool(said) and not looks_like_data and 2 * len(short) > len(said)


def unique_names(names: Sequence[str]) -> list[str]:
    """Names of columns, those that repeat with their number. Raises BadParams for more than are read."""
    if len(names) > MOST_COLUMNS:
        raise BadParams(f"there are {len(names)} columns; at most {MOST_COLUMNS} are read")
    out: dict[str, None] = {}
    repeated: Counter[str] = Counter()
    for place, raw in enumerate(names, 1):
        base = name = " ".join(raw.replace("\ufeff", "").split()) or f"column {place}"
        while name in out:
            repeated[base] += 1
            name = f"{base} ({repeated[base] + 1})"
        out[name] = None
    return list(out)
