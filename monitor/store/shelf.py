"""The shelf: months of sheets that were read, kept in memory until a sheet of theirs is written.

A year of a busy brand is thousands of rows to fetch; what happened last spring does not change between two pages. With
every write the store gets a new word for the month, and what was kept under the old one is read anew.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from sqlmodel import Session, col, select

from monitor.store import meta
from monitor.store.tables import Meta

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
MENTION = np.dtype([("id", "<i8"), ("at", "<u4"), ("source", "<i4"), ("place", "<i4"), ("language", "<i4"),
                    ("kind", "<i4"), ("rating", "<f8"), ("sentiment", "i1"), ("flags", "u1")])  # fmt: skip
TAG = np.dtype([("row", "<i4"), ("topic", "<i4"), ("sentiment", "i1")])  # row: place of its mention in the sheet
MOST_BYTES = 256 << 20  # of a store, in one process: eleven million mentions with their tags
MICROS_OF_HOUR = 3_600_000_000
_FEW = 32  # values that are found one by one instead of sorted


@dataclass(frozen=True, slots=True)
class Coded:
    """A column that holds few values: which, ascending, and the place of each row's among them."""

    values: Array
    code: Array  # of one or two bytes

    @classmethod
    def of(cls, column: Array) -> Coded:
        column = np.ascontiguousarray(column)
        values, code = _stars(column) if column.dtype.kind == "f" else places(column)
        return cls(values, code.astype(np.min_scalar_type(len(values))))

    def cut(self, which: Any) -> Coded:
        return Coded(self.values, self.code[which])

    def whole(self) -> Array:
        """The value of each row."""
        return self.values[self.code]

    def among(self, wanted: Iterable[int]) -> Mask:
        """The rows that have one of these values."""
        asked = set(wanted)
        return np.array([value in asked for value in self.values.tolist()], np.bool_)[self.code]

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes + self.code.nbytes)


@dataclass(frozen=True, slots=True)
class Part:
    """The sheets of some hours, in order: their mentions, oldest first, column by column, and the tags of these."""

    hours: Numbers  # when each begins, in seconds since the epoch
    base: int  # what is added to an id
    hour: Array  # of each mention: the place of its hour
    id: Array
    micros: Array  # in its hour
    source: Coded
    place: Coded
    language: Coded
    kind: Coded
    stars: Coded  # the first value is none
    sentiment: Array
    flags: Array
    row: Array  # of each tag: the place of its mention
    topic: Coded
    said: Array  # its sentiment

    @classmethod
    def of(cls, hours: Sequence[datetime], mentions: Sequence[bytes], tags: Sequence[bytes]) -> Part:
        """From the blobs of the store."""
        n = np.array([len(blob) // MENTION.itemsize for blob in mentions], np.int64)
        n_tags = [len(blob) // TAG.itemsize for blob in tags]
        held, tag = np.frombuffer(b"".join(mentions), MENTION), np.frombuffer(b"".join(tags), TAG)
        base = int(held["id"].min()) if len(held) else 0
        id = held["id"] - base
        source, place, language, kind, stars = (
            Coded.of(held[name]) for name in ("source", "place", "language", "kind", "rating")
        )
        return cls(
            np.array([int(hour.timestamp()) for hour in hours], np.int64), base,
            np.repeat(np.arange(len(n), dtype=np.uint16 if len(n) < 1 << 16 else np.uint32), n),
            id.astype(np.uint32) if not len(id) or id.max() < 1 << 32 else id,
            np.ascontiguousarray(held["at"]), source, place, language, kind, stars,
            np.ascontiguousarray(held["sentiment"]), np.ascontiguousarray(held["flags"]),
            (np.repeat(np.cumsum(n) - n, n_tags) + tag["row"]).astype(np.int32),
            Coded.of(tag["topic"]), np.ascontiguousarray(tag["sentiment"]),
        )  # fmt: skip

    @property
    def n(self) -> int:
        return len(self.id)

    def ids(self, which: Any = slice(None)) -> Numbers:
        """The ids of some mentions."""
        return self.id[which].astype(np.int64) + self.base

    def at(self, which: Any = slice(None)) -> Numbers:
        """When some were published, in microseconds since the epoch."""
        return self.hours[self.hour[which]] * 1_000_000 + self.micros[which]

    def first_at(self, at: int) -> int:
        """The place of the first mention of this time (in microseconds) or later."""
        hour = at // MICROS_OF_HOUR * 3600
        found = int(np.searchsorted(self.hours, hour))
        low = self._begins(found)
        if found == len(self.hours) or self.hours[found] != hour:
            return low
        of_hour = self.micros[low : self._begins(found + 1)]
        return low + int(np.searchsorted(of_hour, np.array(at - hour * 1_000_000, of_hour.dtype)))

    def between(self, start: datetime, end: datetime) -> Part:
        """The hours that begin in start <= hour < end."""
        first, last = np.searchsorted(self.hours, (start.timestamp(), end.timestamp()))
        return self._cut(int(first), int(last))

    def without(self, hours: Iterable[datetime]) -> Iterator[Part]:
        """What lies before, between and behind these hours."""
        at = 0
        for hour in sorted(int(hour.timestamp()) for hour in hours):
            found = int(np.searchsorted(self.hours, hour))
            if found < len(self.hours) and self.hours[found] == hour:
                yield self._cut(at, found)
                at = found + 1
        yield self._cut(at, len(self.hours))

    def mentions(self, low: int, high: int) -> Part:
        """Those of these places; all hours stay."""
        if (low, high) == (0, self.n):
            return self
        which = slice(low, high)
        tags = slice(*np.searchsorted(self.row, np.array((low, high), self.row.dtype)))
        return Part(
            self.hours, self.base, self.hour[which], self.id[which], self.micros[which], self.source.cut(which),
            self.place.cut(which), self.language.cut(which), self.kind.cut(which), self.stars.cut(which),
            self.sentiment[which], self.flags[which], self.row[tags] - np.int32(low), self.topic.cut(tags),
            self.said[tags],
        )  # fmt: skip

    @property
    def n_bytes(self) -> int:
        return sum(
            part.nbytes
            for part in (
                self.hours, self.hour, self.id, self.micros, self.source, self.place, self.language, self.kind,
                self.stars, self.sentiment, self.flags, self.row, self.topic, self.said,
            )
        )  # fmt: skip

    def _begins(self, hour: int) -> int:
        """The place of the first mention of an hour, by the hour's place."""
        return int(np.searchsorted(self.hour, np.array(hour, self.hour.dtype)))

    def _cut(self, first: int, last: int) -> Part:
        if (first, last) == (0, len(self.hours)):
            return self
        part = self.mentions(self._begins(first), self._begins(last))
        return replace(part, hours=self.hours[first:last], hour=part.hour - self.hour.dtype.type(first))


def places(key: Array) -> tuple[Array, Array]:
    """The values of small whole numbers, and the place of each among them: np.unique without sorting."""
    if not len(key):
        return key, key.astype(np.int64)
    low = int(key.min())
    shifted = key.astype(np.int64) - low
    there = np.bincount(shifted) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[shifted]


def _stars(rating: Array) -> tuple[Array, Array]:
    """The stars that there are behind "none", which is the first, and the place of each rating among them."""
    left = ~np.isnan(rating)
    found: list[float] = []
    while len(found) < _FEW and left.any():
        found.append(float(rating[left.argmax()]))
        left &= rating != found[-1]
    given = np.array(sorted(found)) if not left.any() else np.unique(rating[~np.isnan(rating)])
    return np.concatenate(([np.nan], given)), np.where(np.isnan(rating), 0, np.searchsorted(given, rating) + 1)


def void(session: Session, brand_id: int, hours: Iterable[datetime]) -> None:
    """What anybody keeps of the months of these hours is out of date once the caller's transaction commits."""
    for month in {_name(brand_id, hour.year, hour.month) for hour in hours}:
        meta.put(session, month, secrets.token_hex(8))


def months(
    session: Session, brand_id: int, start: datetime, end: datetime,
    read: Callable[[Session, int, datetime, datetime], Part],
) -> Iterator[Part]:  # fmt: skip
    """The months that touch start <= hour < end, whole, oldest first; `read` is asked for those not kept."""
    spans = list(_spans(start.astimezone(UTC), end.astimezone(UTC)))
    names = [_name(brand_id, first.year, first.month) for first, _ in spans]
    held = session.execute(select(Meta.key, Meta.value).where(col(Meta.key).startswith(f"sheets.{brand_id}."))).all()
    words: dict[str, str] = dict(held)
    kept = _shelf_of(session)
    for name, (first, last) in zip(names, spans, strict=True):
        word = words.get(name, "")
        part = kept.get(name, word)
        if part is None:
            part = read(session, brand_id, first, last)
            kept.put(name, word, part)
        yield part


class _Shelf:
    """Months by name, each under the word that it was read with; those not asked for longest go first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[str, Part]] = OrderedDict()
        self._n_bytes = 0

    def get(self, name: str, word: str) -> Part | None:
        with self._lock:
            found = self._kept.get(name)
            if found is None or found[0] != word:
                return None
            self._kept.move_to_end(name)
            return found[1]

    def put(self, name: str, word: str, part: Part) -> None:
        with self._lock:
            old = self._kept.pop(name, None)
            self._n_bytes += part.n_bytes - (old[1].n_bytes if old else 0)
            self._kept[name] = (word, part)
            while self._n_bytes > MOST_BYTES and len(self._kept) > 1:
                self._n_bytes -= self._kept.popitem(last=False)[1][1].n_bytes


_SHELVES: WeakKeyDictionary[Any, _Shelf] = WeakKeyDictionary()  # by the pool of a store
_LOCK = Lock()


def _shelf_of(session: Session) -> _Shelf:
    pool = session.connection().engine.pool
    with _LOCK:
        return _SHELVES.setdefault(pool, _Shelf())


def _name(brand_id: int, year: int, month: int) -> str:
    return f"sheets.{brand_id}.{year:04}-{month:02}"


def _spans(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Months as (first moment, that of the next)."""
    first = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while first < end:
        after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        yield first, after
        first = after
