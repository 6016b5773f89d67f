"""The chosen: mentions of the sheets that a selection speaks of, and their counts; the rules are those of the rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlmodel import Session

from monitor.store import sheets
from monitor.store.queries.count import Count, Pair
from monitor.store.queries.selection import Selection, remembered
from monitor.store.search import match_expression, tsquery
from monitor.store.sheets import Array, Columns

Mask = npt.NDArray[np.bool_]
_CELLS = 2_000_000  # beyond which groups are sorted instead of laid out


@dataclass(frozen=True, slots=True)
class Chosen:
    """Mentions of a selection and of the period before; filters by source, place and language are left open."""

    columns: Columns
    open: Mask
    current: Mask
    sentiment: npt.NDArray[np.int8]  # about the topics, where topics are asked for

    def within(self, selection: Selection, dimension: str | None = None) -> Mask:
        """With the filters left open, but that of `dimension`."""
        mask = self.open
        for name, held, values in (
            ("source", self.columns.mentions["source"], selection.source_ids),
            ("location", self.columns.mentions["place"], selection.locations),
            ("language", self.columns.mentions["language"], selection.languages),
        ):
            if values and name != dimension:
                wanted = values if name == "source" else self.columns.numbers(map(str, values))
                mask = mask & _among(held, [int(value) for value in wanted])
        return mask

    def pairs(self, selection: Selection, dimension: str | None) -> dict[Any, Pair]:
        """Counts of judged mentions by source id, location or language; by "" for all of them."""
        judged = self.columns.mentions["flags"] & sheets.WAITS == 0
        at = np.flatnonzero(self.within(selection, dimension) & judged)
        keys = [self.current[at]]
        if dimension:
            keys.append(self.columns.mentions["place" if dimension == "location" else dimension][at])
        found: dict[Any, list[Count]] = {}
        for (current, *rest), count in _counts(keys, self.sentiment[at], self.columns.mentions["rating"][at]):
            key = "" if not rest else rest[0] if dimension == "source" else self.columns.words[rest[0]]
            found.setdefault(key, [Count(), Count()])[not current] = count
        return {key: Pair(now, before) for key, (now, before) in found.items()}

    def topics(self, selection: Selection) -> dict[str, Pair]:
        """Counts of tags by topic."""
        at, mention = self._tags(selection)
        keys = [self.current[mention], self.columns.tags["topic"][at]]
        found: dict[str, list[Count]] = {}
        for (current, topic), count in _counts(keys, self.columns.tags["sentiment"][at], self._rating(mention)):
            found.setdefault(self.columns.words[topic], [Count(), Count()])[not current] = count
        return {key: Pair(now, before) for key, (now, before) in found.items()}

    def topics_by_day(self, selection: Selection, zone: ZoneInfo) -> dict[str, dict[date, Count]]:
        at, mention = self._tags(selection)
        now = self.current[mention]
        at, mention = at[now], mention[now]
        day, days = _days(self.columns.hour[mention], zone)
        found: dict[str, dict[date, Count]] = {}
        keys = [self.columns.tags["topic"][at], day]
        for (topic, index), count in _counts(keys, self.columns.tags["sentiment"][at], self._rating(mention)):
            found.setdefault(self.columns.words[topic], {})[days[index]] = count
        return found

    def by_day(self, selection: Selection, zone: ZoneInfo) -> dict[date, Count]:
        judged = self.columns.mentions["flags"] & sheets.WAITS == 0
        at = np.flatnonzero(self.within(selection) & judged & self.current)
        day, days = _days(self.columns.hour[at], zone)
        return {days[key[0]]: count for key, count in _counts([day], self.sentiment[at], self._rating(at))}

    def stars(self, selection: Selection) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """(stars, how many) of the period and of the one before."""
        mask, rating = self.within(selection), self.columns.mentions["rating"]
        sides = []
        for side in (mask & self.current, mask & ~self.current):
            values, n = np.unique(rating[side & ~np.isnan(rating)], return_counts=True)
            sides.append(list(zip(values.tolist(), n.tolist(), strict=True)))
        return sides[0], sides[1]

    def ids(self, selection: Selection) -> npt.NDArray[np.int64]:
        """Ids of the period, oldest first, whether judged or not."""
        return cast("npt.NDArray[np.int64]", self.columns.mentions["id"][self.within(selection) & self.current])

    def newest(self, selection: Selection, limit: int, *, after: tuple[datetime, int] | None) -> list[int]:
        """Ids of the period, newest first; with `after` those older than that time and id."""
        mask = self.within(selection) & self.current
        if after:
            at, last = _micros(after[0]), after[1]
            mask &= (self.columns.at < at) | ((self.columns.at == at) & (self.columns.mentions["id"] < last))
        there = np.flatnonzero(mask)[-limit:][::-1]
        return [int(number) for number in self.columns.mentions["id"][there]]

    def _tags(self, selection: Selection) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The places of the tags, and of their mentions."""
        judged = self.columns.mentions["flags"] & sheets.WAITS == 0
        at = np.flatnonzero((self.within(selection) & judged)[self.columns.row])
        return at, self.columns.row[at]

    def _rating(self, at: npt.NDArray[np.int64]) -> Array:
        return self.columns.mentions["rating"][at]


def chosen(session: Session, selection: Selection, *, before: bool = True) -> Chosen | None:
    """The selection in the sheets, kept as long as the transaction; None while the store keeps none.

    Without `before` the period before is not read.
    """
    opened = dataclasses.replace(selection, source_ids=(), locations=(), languages=())
    kept = remembered(session, "chosen")
    if (opened, before) not in kept:
        start = selection.before().start if before else selection.start
        span = (selection.brand_id, start, selection.end)
        read = remembered(session, "columns")
        if span not in read:
            read[span] = sheets.read(session, selection.brand_id, start=start, end=selection.end)
        columns = read[span]
        kept[opened, before] = None if columns is None else _choose(session, opened, columns, start)
    return cast("Chosen | None", kept[opened, before])


def _choose(session: Session, selection: Selection, columns: Columns, start: datetime) -> Chosen:
    held, at = columns.mentions, columns.at
    mask = (at >= _micros(start)) & (at < _micros(selection.end))
    if not selection.copies:
        mask &= held["flags"] & sheets.COUNTS != 0
    if selection.corrected:
        mask &= held["flags"] & sheets.CORRECTED != 0
    if selection.kinds:
        mask &= _among(held["kind"], columns.numbers(selection.kinds))
    if selection.ratings:
        rated = np.zeros(len(held), np.bool_)
        for star in selection.ratings:
            rated |= (held["rating"] >= star - 0.5) & (held["rating"] <= star + 0.499)
        mask &= rated
    sentiment = held["sentiment"]
    if selection.topics:
        sentiment = _about(columns, selection.topics)
        mask &= sentiment > _NOT
    if selection.sentiments:
        mask &= _among(sentiment, [sheets.SENTIMENTS.index(name) for name in selection.sentiments])
    if selection.words.strip():
        mask[mask] = np.isin(held["id"][mask], _found(session, selection, held["id"][mask]))
    return Chosen(columns, mask, at >= _micros(selection.start), sentiment)


_NOT = -2  # the topic is not on it


def _about(columns: Columns, topics: Sequence[str]) -> npt.NDArray[np.int8]:
    """The worst sentiment of each mention about any of these topics, as `sentiment_about` says it in SQL."""
    asked = _among(columns.tags["topic"], columns.numbers(topics))
    worst = np.full(len(columns.mentions), _NOT, np.int8)
    for sentiment in (-1, 1, 2, 0):  # what comes later wins
        worst[columns.row[asked & (columns.tags["sentiment"] == sentiment)]] = sentiment
    return worst


def _found(session: Session, selection: Selection, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ids of the mentions in which the words occur, of those between the first and the last of `ids`."""
    if session.get_bind().dialect.name == "postgresql":
        expression, match = tsquery(selection.words), "to_tsvector('simple', body) @@ to_tsquery('simple', :words)"
    else:
        expression, match = match_expression(selection.words), "mention_search MATCH :words"
    if not expression or not len(ids):
        return np.array([], np.int64)
    clause = f"SELECT rowid FROM mention_search WHERE {match} AND rowid BETWEEN :first AND :last"  # noqa: S608
    values = {"words": expression, "first": int(ids.min()), "last": int(ids.max())}
    cursor = session.connection().execute(text(clause), values).cursor
    return np.fromiter((row[0] for row in cursor), np.int64)


def _counts(keys: Sequence[Array], sentiment: Array, rating: Array) -> list[tuple[tuple[int, ...], Count]]:
    """Counts of mentions by their keys, those of groups that hold any."""
    if not len(sentiment):
        return []
    code = np.zeros(len(sentiment), np.int64)
    values, n_cells = [], 1
    for key in keys:
        held, place = np.unique(key, return_inverse=True) if key.dtype.kind == "f" else _places(key)
        code = code * len(held) + place
        values.append(held)
        n_cells *= len(held)
    cells = np.arange(n_cells)
    if n_cells > _CELLS:
        cells, code = np.unique(code, return_inverse=True)
    size, rated = len(cells), ~np.isnan(rating)
    parts = (code, *(code[sentiment == number] for number in range(3)), code[rated])
    sums = np.array([np.bincount(part, minlength=size) for part in parts])
    stars = np.bincount(code[rated], rating[rated], minlength=size)
    found = []
    for cell in np.flatnonzero(sums[0]).tolist():
        left, key_of = int(cells[cell]), []
        n, negative, neutral, positive, ratings = sums[:, cell].tolist()
        for held in reversed(values):
            left, index = divmod(left, len(held))
            key_of.append(int(held[index]))
        found.append((tuple(reversed(key_of)), Count(n, negative, neutral, positive, ratings, float(stars[cell]))))
    return found


def _places(key: Array) -> tuple[Array, Array]:
    """The values of small whole numbers, and the place of each among them: np.unique without sorting."""
    low = int(key.min())
    shifted = key.astype(np.int64) - low
    there = np.bincount(shifted) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[shifted]


def _days(hours: npt.NDArray[np.int64], zone: ZoneInfo) -> tuple[Array, list[date]]:
    """The local day of each hour as its place in a list of days."""
    first = int(hours.min()) // 3600 if len(hours) else 0
    there, place = _places(hours // 3600) if len(hours) else (np.array([], np.int64), hours)
    days = [datetime.fromtimestamp(int(hour) * 3600, UTC).astimezone(zone).date() for hour in there] if first else []
    names = sorted(set(days))
    index = {day: at for at, day in enumerate(names)}
    return np.array([index[day] for day in days], np.int64)[place], names


def _among(held: Array, wanted: Sequence[int]) -> Mask:
    mask = np.zeros(len(held), np.bool_)
    if len(wanted) > 20:
        return np.isin(held, wanted)
    for value in wanted:
        mask |= held == value
    return mask


def _micros(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 + at.microsecond
