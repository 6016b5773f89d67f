"""The shelf: months of sheets that were read, kept in memory until a sheet of theirs is written.

A year of a busy brand is thousands of rows to fetch; what happened last spring does not change between two pages. With
every write the store gets a new word for the month, and what was kept under the old one is read anew.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
MENTION = np.dtype([("id", "<i8"), ("at", "<u4"), ("source", "<i4"), ("place", "<i4"), ("language", "<i4"),
                    ("kind", "<i4"), ("rating", "<f8"), ("sentiment", "i1"), ("flags", "u1")])  # fmt: skip
TAG = np.dtype([("row", "<i4"), ("topic", "<i4"), ("sentiment", "i1")])  # row: place of its mention in the sheet
MOST_BYTES = 256 << 20  # of a store, in one process: five million mentions with their tags


@dataclass(frozen=True, slots=True)
class Part:
    """The sheets of some hours, in order: when each begins (seconds since the epoch), what it holds."""

    hours: Numbers
    n_mentions: Numbers
    n_tags: Numbers
    mentions: Array
    tags: Array

    @classmethod
    def of(cls, hours: Sequence[datetime], mentions: Sequence[bytes], tags: Sequence[bytes]) -> Part:
        """From the blobs of the store."""
        return cls(
            np.array([int(hour.timestamp()) for hour in hours], np.int64),
            np.array([len(blob) // MENTION.itemsize for blob in mentions], np.int64),
            np.array([len(blob) // TAG.itemsize for blob in tags], np.int64),
            np.frombuffer(b"".join(mentions), MENTION), np.frombuffer(b"".join(tags), TAG),
        )  # fmt: skip

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

    @property
    def n_bytes(self) -> int:
        return sum(part.nbytes for part in (self.hours, self.n_mentions, self.n_tags, self.mentions, self.tags))

    def _cut(self, first: int, last: int) -> Part:
        if (first, last) == (0, len(self.hours)):
            return self
        ends = [np.concatenate(([0], np.cumsum(n)))[[first, last]] for n in (self.n_mentions, self.n_tags)]
        return Part(
            self.hours[first:last], self.n_mentions[first:last], self.n_tags[first:last],
            self.mentions[slice(*ends[0])], self.tags[slice(*ends[1])],
        )  # fmt: skip


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
