"""Sheets: the mentions of an hour packed into two blobs, so that a filter no count knows reads columns and not rows.

A sheet holds what pages filter and group by, never words or people: numbers, and places, languages, kinds and topics
by their number in `sheet_word`. It is derived from the rows and written with the buckets of its hour; hours that wait
to be counted again are packed from their rows while they are read, so that a reader sees what the rows say.
Months that were read stay in memory (`monitor.store.shelf`) until a sheet of theirs is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine, delete, func, insert
from sqlmodel import Session, col, select

from monitor.store import meta, shelf
from monitor.store.engine import exclusive, reading, writing
from monitor.store.ingest import hour_of
from monitor.store.shelf import MENTION, MICROS_OF_HOUR, TAG, Array
from monitor.store.tables import Mention, Sheet, SheetWord, TopicTag, TouchedHour

SENTIMENTS = ("negative", "neutral", "positive")  # by number; -1: none
COUNTS, WAITS, CORRECTED = 1, 2, 4  # flags: no copy; not judged yet; a person corrected it

_KEPT = "sheets"  # stands in the store once every hour has its sheet
_HOUR = timedelta(hours=1)
_NUMBER_OF = {name: number for number, name in enumerate(SENTIMENTS)}
_CHUNK = 200  # hours a transaction
_MANY = 300  # hours that wait, beyond which a reader takes their sheets as they are


def write(session: Session, brand_id: int, hours: Sequence[datetime]) -> None:
    """Write the sheets of these hours anew from the rows."""
    if not hours:
        return
    exclusive(session, f"sheets {brand_id}")
    shelf.void(session, brand_id, hours)
    session.execute(delete(Sheet).where(col(Sheet.brand_id) == brand_id, col(Sheet.hour_at).in_(hours)))
    packed = _pack(session, brand_id, hours, _Numbers(session).lasting)
    if packed:
        session.execute(insert(Sheet), [
            {"brand_id": brand_id, "hour_at": hour, "mentions": mentions.tobytes(), "tags": tags.tobytes()}
            for hour, (mentions, tags) in packed.items()
        ])  # fmt: skip


def build(engine: Engine, *, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Make the sheets of a store that lacks them, a short transaction at a time. Returns the number of hours.

    What is interrupted starts anew; meanwhile pages read the rows.
    """
    with reading(engine) as session:
        if meta.get(session, _KEPT):
            return 0
        spans = _spans(session)
    n = 0
    for brand_id, first, last in spans:
        for hours in _chunks(first, last):
            if should_stop():
                return n
            with writing(engine) as session:
                write(session, brand_id, hours)
            n += len(hours)
    with writing(engine) as session:
        meta.put(session, _KEPT, "kept")
    return n


def kept(session: Session) -> bool:
    """Whether every hour has its sheet."""
    return meta.get(session, _KEPT) is not None


def read(
    session: Session, brand_id: int, *, start: datetime, end: datetime
) -> tuple[list[shelf.Part], dict[int, str]] | None:
    """The hours that begin or go on in start <= time < end, in parts of a month at most, oldest first; and the words
    behind their numbers.

    None while the store keeps no sheets. What a month holds fits the processor's cache, what a year holds does not.
    """
    if not kept(session):
        return None
    first = hour_of(start)
    known = _Numbers(session)
    waiting = session.exec(
        select(TouchedHour.hour_at)
        .where(TouchedHour.brand_id == brand_id, col(TouchedHour.hour_at) >= first, col(TouchedHour.hour_at) < end)
        .limit(_MANY + 1)
    ).all()
    anew = waiting if len(waiting) <= _MANY else ()
    fresh = _pack(session, brand_id, anew, known.passing) if anew else {}
    parts = [
        part
        for month in shelf.months(session, brand_id, first, end, _month)
        for part in month.between(first, end).without(anew)
    ]
    parts += [shelf.Part.of([hour], [mentions.tobytes()], [tags.tobytes()]) for hour, (mentions, tags) in fresh.items()]
    return sorted((part for part in parts if len(part.hours)), key=lambda part: part.hours[0]), known.words


def made(session: Session, brand_id: int, *, start: datetime, end: datetime) -> tuple[list[shelf.Part], dict[int, str]]:
    """The same from the rows, for a store that keeps none."""
    known, parts = _Numbers(session), []
    for of_brand, first, last in _spans(session):
        for hours in _chunks(max(first, start), min(last, end)) if of_brand == brand_id else ():
            packed = sorted(_pack(session, brand_id, hours, known.passing).items())
            mentions, tags = ([blobs[at].tobytes() for _, blobs in packed] for at in (0, 1))
            parts.append(shelf.Part.of([hour for hour, _ in packed], mentions, tags))
    return parts, known.words


def _month(session: Session, brand_id: int, start: datetime, end: datetime) -> shelf.Part:
    """The sheets of a span as they are stored."""
    rows = session.execute(
        select(Sheet.hour_at, Sheet.mentions, Sheet.tags)
        .where(Sheet.brand_id == brand_id, col(Sheet.hour_at) >= start, col(Sheet.hour_at) < end)
        .order_by(col(Sheet.hour_at))
    ).all()
    return shelf.Part.of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def differing(session: Session, brand_id: int) -> list[datetime]:
    """Hours whose sheet is not what the rows say; empty while none are kept."""
    if not kept(session):
        return []
    waiting = set(session.exec(select(TouchedHour.hour_at).where(TouchedHour.brand_id == brand_id)))
    known, wrong = _Numbers(session), set()
    spans = [(first, last) for of_brand, first, last in _spans(session) if of_brand == brand_id]
    for first, last in spans:
        for hours in _chunks(first, last):
            due = {
                hour: (mentions.tobytes(), tags.tobytes())
                for hour, (mentions, tags) in _pack(session, brand_id, hours, known.passing).items()
            }
            stored = {
                hour: (mentions, tags)
                for hour, mentions, tags in session.execute(
                    select(Sheet.hour_at, Sheet.mentions, Sheet.tags)
                    .where(Sheet.brand_id == brand_id, col(Sheet.hour_at).in_(hours))
                )
            }  # fmt: skip
            wrong |= {hour for hour in due.keys() | stored.keys() if due.get(hour) != stored.get(hour)}
    outside = select(Sheet.hour_at).where(Sheet.brand_id == brand_id)
    wrong |= {
        hour for hour in session.exec(outside) if not any(hour_of(first) <= hour <= last for first, last in spans)
    }
    return sorted(wrong - waiting)


def lacks(session: Session, brand_id: int, word: str) -> bool:
    """Whether no mention of any brand can have this word, as its kind, say; False where that is not known."""
    if not kept(session) or session.exec(select(SheetWord.id).where(SheetWord.word == word)).first() is not None:
        return False
    return session.exec(select(TouchedHour.hour_at).where(TouchedHour.brand_id == brand_id).limit(1)).first() is None


def numbers_of(words: Mapping[int, str], wanted: Iterable[str]) -> list[int]:
    """The numbers of words; those that no mention has are left out."""
    known = set(wanted)
    return [number for number, word in words.items() if word in known]


def runs(hours: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """(first, last) of runs of neighbouring hours, so that few range queries cover them."""
    found: list[tuple[datetime, datetime]] = []
    for hour in sorted(set(hours)):
        if found and hour - found[-1][1] <= 6 * _HOUR:
            found[-1] = (found[-1][0], hour)
        else:
            found.append((hour, hour))
    return found


class _Numbers:
    """The numbers of words: those of the store, and new ones that a writer stores and a reader makes up."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.words: dict[int, str] = {}
        self._known: dict[str, int] = {}
        self._read()

    def lasting(self, words: set[str]) -> dict[str, int]:
        new = sorted(words - self._known.keys())
        if new:
            exclusive(self._session, "sheet words")
            self._read()
            rows = [{"word": word} for word in new if word not in self._known]
            if rows:
                self._session.execute(insert(SheetWord), rows)
            self._read()
        return self._known

    def passing(self, words: set[str]) -> dict[str, int]:
        for word in sorted(words - self._known.keys()):
            self._known[word] = number = max(self.words, default=0) + 1
            self.words[number] = word
        return self._known

    def _read(self) -> None:
        for number, word in self._session.execute(select(SheetWord.id, SheetWord.word)):
            self.words[number], self._known[word] = word, number


def _pack(
    session: Session, brand_id: int, hours: Sequence[datetime], numbers: Callable[[set[str]], dict[str, int]]
) -> dict[datetime, tuple[Array, Array]]:
    """Mentions and tags of these hours, in order of time and id; hours without any are left out."""
    rows: list[Any] = []
    tagged: list[Any] = []
    for first, last in runs(hours):
        base = [
            Mention.brand_id == brand_id,
            col(Mention.published_at) >= first,
            col(Mention.published_at) < last + _HOUR,
        ]
        rows += session.execute(
            select(Mention.published_at, Mention.id, Mention.source_id, Mention.location, Mention.language,
                   Mention.kind, Mention.rating, Mention.sentiment, Mention.counts, Mention.score_state,
                   Mention.corrected).where(*base)
        ).all()  # fmt: skip
        tagged += session.execute(
            select(TopicTag.mention_id, TopicTag.topic, TopicTag.sentiment)
            .join(Mention, col(Mention.id) == col(TopicTag.mention_id))
            .where(*base)
        ).all()
    if not rows:
        return {}
    published, ids, sources, places, languages, kinds, ratings, felt, counts, states, corrected = zip(
        *rows, strict=True
    )
    about, topics, said = zip(*tagged, strict=True) if tagged else ((), (), ())
    number = numbers({*places, *languages, *kinds, *topics})
    at = np.rint(np.array([moment.timestamp() for moment in published]) * 1e6).astype(np.int64)
    hour = at // MICROS_OF_HOUR
    held = np.empty(len(rows), MENTION)
    held["id"], held["at"], held["source"] = ids, at - hour * MICROS_OF_HOUR, sources
    held["place"], held["language"], held["kind"] = (
        [number[word] for word in column] for column in (places, languages, kinds)
    )
    held["rating"], held["sentiment"] = np.array(ratings, np.float64), [_NUMBER_OF.get(name, -1) for name in felt]
    held["flags"] = (
        COUNTS * np.array(counts, np.uint8)
        + WAITS * np.array([state == "new" for state in states], np.uint8)
        + CORRECTED * np.array(corrected, np.uint8)
    )
    order = np.lexsort((held["id"], at))
    held, hour = held[order], hour[order]
    values, begins = np.unique(hour, return_index=True)
    ends = [*begins[1:].tolist(), len(hour)]
    by_id = np.argsort(held["id"])
    place = by_id[np.searchsorted(held["id"], np.array(about, np.int64), sorter=by_id)]  # of the mention of each tag
    tags = np.empty(len(tagged), TAG)
    tags["topic"], tags["sentiment"] = [number[topic] for topic in topics], [_NUMBER_OF.get(name, -1) for name in said]
    rank = {topic: at for at, topic in enumerate(sorted(set(topics)))}
    order = np.lexsort((np.array([rank[topic] for topic in topics], np.int64), place))
    tags, place = tags[order], place[order]
    wanted, packed = {int(one.timestamp()) // 3600 for one in hours}, {}
    for value, begin, end in zip(values.tolist(), begins.tolist(), ends, strict=True):
        if value in wanted:
            of_hour = slice(*np.searchsorted(place, (begin, end)))
            some = tags[of_hour]
            some["row"] = place[of_hour] - begin
            packed[datetime.fromtimestamp(3600 * value, UTC)] = (held[begin:end], some)
    return packed


def _spans(session: Session) -> list[tuple[int, datetime, datetime]]:
    """Brand, and when its first and last mention were published."""
    rows = session.execute(
        select(Mention.brand_id, func.min(Mention.published_at), func.max(Mention.published_at))
        .group_by(col(Mention.brand_id))
    )  # fmt: skip
    return [(brand_id, first, last) for brand_id, first, last in rows]


def _chunks(first: datetime, last: datetime) -> Iterator[list[datetime]]:
    """The hours from the first to the last time, a chunk at a time."""
    start = hour_of(first.astimezone(UTC))
    while start <= last:
        hours = [start + n * _HOUR for n in range(_CHUNK)]
        yield [hour for hour in hours if hour <= last]
        start += _CHUNK * _HOUR
