"""The chosen: mentions of the sheets that a selection speaks of, and their counts; the rules are those of the rows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from monitor.errors import MonitorError
from monitor.store import sheets
from monitor.store.daily import day_start
from monitor.store.queries.count import Count, Pair
from monitor.store.queries.selection import Selection, remembered
from monitor.store.search import match_expression, tsquery, with_room
from monitor.store.sheets import Array, Columns

Mask = npt.NDArray[np.bool_]
_CELLS = 2_000_000  # beyond which groups are sorted instead of laid out


@dataclass(frozen=True, slots=True)
class Chosen:
    """Mentions of a selection and of the period before, oldest first, with their tags.

    Filters by source, place and language are left open.
    """

    words: dict[int, str]
    id: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]  # when published, in microseconds since the epoch
    current: Mask  # of the period, not of the one before
    judged: Mask
    source: Array
    place: Array
    language: Array
    rating: npt.NDArray[np.float64]
    sentiment: npt.NDArray[np.int8]  # about the topics, where topics are asked for
    tag_row: npt.NDArray[np.int64]  # of each tag: the place of its mention
    tag_topic: Array
    tag_sentiment: npt.NDArray[np.int8]

    def pairs(self, selection: Selection, dimension: str | None) -> dict[Any, Pair]:
        """Counts of judged mentions by source id, location or language; by "" for all of them."""
        at = np.flatnonzero(self._within(selection, dimension) & self.judged)
        keys = [self.current[at]]
        if dimension:
            keys.append(self._dimension(dimension)[at])
        return _paired(
            ("" if not rest else rest[0] if dimension == "source" else self.words[rest[0]], current, count)
            for (current, *rest), count in _counts(keys, self.sentiment[at], self.rating[at])
        )

    def topics(self, selection: Selection) -> dict[str, Pair]:
        """Counts of tags by topic."""
        at, mention = self._tags(selection, self.judged)
        keys = [self.current[mention], self.tag_topic[at]]
        return _paired(
            (self.words[topic], current, count)
            for (current, topic), count in _counts(keys, self.tag_sentiment[at], self.rating[mention])
        )

    def topics_by_day(self, selection: Selection, zone: ZoneInfo) -> dict[str, dict[date, Count]]:
        at, mention = self._tags(selection, self.judged & self.current)
        day, days = _days(self.at[mention], zone)
        found: dict[str, dict[date, Count]] = {}
        for (topic, index), count in _counts([self.tag_topic[at], day], self.tag_sentiment[at], self.rating[mention]):
            found.setdefault(self.words[topic], {})[days[index]] = count
        return found

    def by_day(self, selection: Selection, zone: ZoneInfo) -> dict[date, Count]:
        at = np.flatnonzero(self._within(selection) & self.judged & self.current)
        day, days = _days(self.at[at], zone)
        return {days[key[0]]: count for key, count in _counts([day], self.sentiment[at], self.rating[at])}

    def stars(self, selection: Selection) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """(stars, how many) of the period and of the one before."""
        mask, sides = self._within(selection) & ~np.isnan(self.rating), []
        for side in (mask & self.current, mask & ~self.current):
            values, n = np.unique(self.rating[side], return_counts=True)
            sides.append(list(zip(values.tolist(), n.tolist(), strict=True)))
        return sides[0], sides[1]

    def n(self, selection: Selection) -> int:
        """How many the period has, whether judged or not."""
        return int(np.count_nonzero(self._within(selection) & self.current))

    def newest(self, selection: Selection, limit: int, *, after: tuple[datetime, int] | None) -> list[int]:
        """Ids of the period, newest first; with `after` those older than that time and id."""
        mask = self._within(selection) & self.current
        if after:
            at, last = micros(after[0]), after[1]
            mask &= (self.at < at) | ((self.at == at) & (self.id < last))
        return [int(number) for number in self.id[np.flatnonzero(mask)[-limit:][::-1]]]

    def steps(self, step_of: Mapping[str, str], edges: Sequence[datetime]) -> dict[str, list[tuple[int, int, int]]]:
        """Step -> (negative, neutral, positive) mentions in each span between two edges; `step_of`: topic -> step.

        A mention counts once for a step, by the worst it says about the step's topics.
        """
        names = list(dict.fromkeys(step_of.values()))
        n_steps, n_spans = len(names), len(edges) - 1
        number = {topic: names.index(step) for topic, step in step_of.items()}
        step_at = np.full(max(self.words, default=0) + 1, n_steps, np.int16)
        for key, word in self.words.items():
            step_at[key] = number.get(word, n_steps)
        step = step_at[self.tag_topic]
        span = np.repeat(
            np.arange(n_spans, dtype=np.int32), np.diff(np.searchsorted(self.at, [micros(edge) for edge in edges]))
        )

        def counted(step: Array, row: npt.NDArray[np.int64], worst: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
            cell = 3 * (n_spans * step.astype(np.int32) + span[row]) + worst
            return np.bincount(cell, minlength=3 * n_spans * n_steps)

        n_topics = Counter(number.values())
        single = np.array([n_topics[one] == 1 for one in range(n_steps)] + [False])[step]
        tags = np.flatnonzero(single)  # of a step of one topic a mention has one tag at most
        cells = counted(step[tags], self.tag_row[tags], _WEIGHTS[self.tag_sentiment[tags]])
        tags = np.flatnonzero((step < n_steps) & ~single)
        tags = tags[np.argsort(step[tags], kind="stable")]
        step, row = step[tags], self.tag_row[tags]
        begins = np.ones(len(row), np.bool_)  # tags of a mention about one step stand together
        begins[1:] = (row[1:] != row[:-1]) | (step[1:] != step[:-1])
        first = np.flatnonzero(begins)
        weight = _WEIGHTS[self.tag_sentiment[tags]]
        worst = np.maximum.reduceat(weight, first) if len(first) else weight
        cells = cells + counted(step[first], row[first], worst)
        return {
            name: [(bad, neutral, good) for neutral, good, bad in part]
            for name, part in zip(names, cells.reshape(n_steps, n_spans, 3).tolist(), strict=True)
        }

    def complaining(self, topic: str, limit: int) -> list[int]:
        """Ids of mentions that complain about the topic, newest first; before all, those that complain as a whole."""
        negative = sheets.SENTIMENTS.index("negative")
        about = _among(self.tag_topic, sheets.numbers_of(self.words, [topic]))
        mention = self.tag_row[about & (self.tag_sentiment == negative)]
        whole = self.sentiment[mention] == negative
        ids = [*self.id[mention[whole]][::-1][:limit].tolist(), *self.id[mention[~whole]][::-1][:limit].tolist()]
        return ids[:limit]

    def between(self, start: datetime, end: datetime) -> Chosen:
        """Those of start <= time < end, as if only they had been asked for."""
        first, last = np.searchsorted(self.at, (micros(start), micros(end)))
        tags = slice(*np.searchsorted(self.tag_row, (first, last)))
        cut = {name: getattr(self, name)[first:last] for name in _OF_MENTIONS}
        return dataclasses.replace(
            self, **cut, tag_row=self.tag_row[tags] - first, tag_topic=self.tag_topic[tags],
            tag_sentiment=self.tag_sentiment[tags],
        )  # fmt: skip

    def _within(self, selection: Selection, dimension: str | None = None) -> Mask:
        """Those that the filters left open let pass; that of `dimension` itself stays open."""
        mask = np.ones(len(self.id), np.bool_)
        for name, values in (
            ("source", selection.source_ids),
            ("location", selection.locations),
            ("language", selection.languages),
        ):
            if values and name != dimension:
                numbers = selection.source_ids if name == "source" else sheets.numbers_of(self.words, map(str, values))
                mask &= _among(self._dimension(name), numbers)
        return mask

    def _dimension(self, name: str) -> Array:
        return {"source": self.source, "location": self.place, "language": self.language}[name]

    def _tags(self, selection: Selection, mask: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The places of the tags, and of their mentions."""
        at = np.flatnonzero((self._within(selection) & mask)[self.tag_row])
        return at, self.tag_row[at]


def chosen(session: Session, selection: Selection, *, before: bool = True) -> Chosen | None:
    """The selection in the sheets, kept as long as the transaction; None while the store keeps none.

    Without `before` the period before is not read.
    """
    opened = dataclasses.replace(selection, source_ids=(), locations=(), languages=())
    kept = remembered(session, "chosen")
    if (opened, before) not in kept and not before:
        for (wide, also_before), held in kept.items():
            longer = wide.start <= opened.start and opened.end <= wide.end
            if held is not None and longer and not also_before and _same(wide, opened):
                kept[opened, before] = held.between(opened.start, opened.end)
                break
    if (opened, before) not in kept:
        start = selection.before().start if before else selection.start
        span = (selection.brand_id, start, selection.end)
        read = remembered(session, "columns")
        if span not in read:
            read[span] = sheets.read(session, selection.brand_id, start=start, end=selection.end)
        parts = read[span]
        kept[opened, before] = None if parts is None else _choose(session, opened, parts, start)
    return cast("Chosen | None", kept[opened, before])


def _same(one: Selection, other: Selection) -> bool:
    """Whether two selections differ in their span alone."""
    return dataclasses.replace(one, start=other.start, end=other.end) == other


def _choose(session: Session, selection: Selection, parts: Sequence[Columns], start: datetime) -> Chosen:
    """What of each part is chosen, joined: of a year much less is copied than read."""
    picked = [_pick(selection, part, start) for part in parts]
    if selection.words.strip():
        ids = [part.mentions["id"][mask] for part, (mask, _) in zip(parts, picked, strict=True)]
        table, first = _found(session, selection, ids)
        for (mask, _), some in zip(picked, ids, strict=True):
            mask[mask] = table[some - first]
    fields: dict[str, list[Array]] = {name: [np.zeros(0, kind)] for name, kind in _FIELDS.items()}
    n = 0
    for part, (mask, sentiment) in zip(parts, picked, strict=True):
        there: Any = slice(None)  # of most months all are chosen: nothing to look for
        tags: Any = slice(None)
        row = part.row + n
        if not mask.all():
            there, tags = np.flatnonzero(mask), np.flatnonzero(mask[part.row])
            row = (np.cumsum(mask) - 1 + n)[part.row[tags]]
        for name in ("id", "source", "place", "language", "rating", "flags"):
            fields[name].append(part.mentions[name][there])
        fields["at"].append(part.at[there])
        fields["sentiment"].append(sentiment[there])
        fields["tag_row"].append(row)
        fields["tag_topic"].append(part.tags["topic"][tags])
        fields["tag_sentiment"].append(part.tags["sentiment"][tags])
        n += len(fields["at"][-1])
    whole = {name: np.concatenate(some) for name, some in fields.items()}
    flags = whole.pop("flags")
    return Chosen(
        parts[0].words if parts else {}, current=whole["at"] >= micros(selection.start),
        judged=flags & sheets.WAITS == 0, **whole,
    )  # fmt: skip


_FIELDS = {
    "id": np.int64, "at": np.int64, "source": np.int32, "place": np.int32, "language": np.int32, "rating": np.float64,
    "flags": np.uint8, "sentiment": np.int8, "tag_row": np.int64, "tag_topic": np.int32, "tag_sentiment": np.int8,
}  # fmt: skip


_OF_MENTIONS = ("id", "at", "current", "judged", "source", "place", "language", "rating", "sentiment")
_WEIGHTS = np.array(
    [2, 0, 1, 0], np.int8
)  # of negative, neutral, positive and (-1) none: what is worse to have said weighs more


def _pick(selection: Selection, columns: Columns, start: datetime) -> tuple[Mask, npt.NDArray[np.int8]]:
    """Which mentions all filters but the words let pass, and their sentiment (about the topics, where asked for)."""
    held, at = columns.mentions, columns.at
    mask = (at >= micros(start)) & (at < micros(selection.end))
    if not selection.copies:
        mask &= held["flags"] & sheets.COUNTS != 0
    if selection.corrected:
        mask &= held["flags"] & sheets.CORRECTED != 0
    if selection.kinds:
        mask &= _among(held["kind"], sheets.numbers_of(columns.words, selection.kinds))
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
    return mask, sentiment


PATIENCE = "60s"  # of a search on PostgreSQL
_MICROS_OF_HOUR = 3_600_000_000
_NOT = -2  # the topic is not on it


def _about(columns: Columns, topics: Sequence[str]) -> npt.NDArray[np.int8]:
    """The worst sentiment of each mention about any of these topics, as `sentiment_about` says it in SQL."""
    asked = _among(columns.tags["topic"], sheets.numbers_of(columns.words, topics))
    return _worst(asked, columns.row, columns.tags["sentiment"], len(columns.mentions))


def _worst(asked: Mask, row: npt.NDArray[np.int64], sentiment: Array, n: int) -> npt.NDArray[np.int8]:
    """The worst sentiment of each of n mentions over the tags that are asked for; _NOT where it has none of them."""
    worst = np.full(n, _NOT, np.int8)
    for value in (-1, 1, 2, 0):  # what comes later wins
        worst[row[asked & (sentiment == value)]] = value
    return worst


def _found(session: Session, selection: Selection, ids: Sequence[npt.NDArray[np.int64]]) -> tuple[Mask, int]:
    """Whether the words occur in a mention, by its id less the first of `ids`, which comes second."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    if postgresql:
        expression, match = tsquery(selection.words), "to_tsvector('simple', body) @@ to_tsquery('simple', :words)"
    else:
        expression, match = match_expression(selection.words), "mention_search MATCH :words"
    some = [part for part in ids if len(part)]
    if not some:
        return np.zeros(0, np.bool_), 0
    first, last = min(int(part.min()) for part in some), max(int(part.max()) for part in some)
    table = np.zeros(last - first + 1, np.bool_)
    if not expression:
        return table, first
    where = f"{match} AND rowid BETWEEN :first AND :last"
    asked = {"words": expression, "first": first, "last": last}
    # as one text: a row for each of a hundred thousand costs more than the search
    joined = "string_agg(rowid::text, ',')" if postgresql else "group_concat(rowid)"
    clause = text(f"SELECT {joined} FROM mention_search WHERE {where}")  # noqa: S608  (nothing of the user's is in it)
    if postgresql:
        with_room(session)
        session.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE}'"))
    try:
        listed = session.execute(clause, asked).scalar_one() or ""
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != "57014":  # query_canceled
            raise
        raise MonitorError("the search took longer than a minute: choose a shorter time, or rarer words") from None
    if postgresql:
        session.execute(text("SET LOCAL statement_timeout TO DEFAULT"))
    found = np.fromstring(listed, np.int64, sep=",")
    table[found - first] = True
    return table, first


def _paired(counts: Iterable[tuple[Any, int, Count]]) -> dict[Any, Pair]:
    """(key, whether of the period or the one before, count) side by side."""
    found: dict[Any, list[Count]] = {}
    for key, current, count in counts:
        found.setdefault(key, [Count(), Count()])[not current] = count
    return {key: Pair(now, before) for key, (now, before) in found.items()}


def _counts(keys: Sequence[Array], sentiment: Array, rating: Array) -> list[tuple[tuple[int, ...], Count]]:
    """Counts of mentions by their keys, those of groups that hold any."""
    if not len(sentiment):
        return []
    code = np.zeros(len(sentiment), np.int64)
    values, n_cells = [], 1
    for key in keys:
        held, place = np.unique(key, return_inverse=True) if key.dtype.kind == "f" else places(key)
        code = code * len(held) + place
        values.append(held)
        n_cells *= len(held)
    cells = np.arange(n_cells)
    if n_cells > _CELLS:
        cells, code = np.unique(code, return_inverse=True)
    size, rated = len(cells), ~np.isnan(rating)
    by_sentiment = np.bincount(4 * code + sentiment + 1, minlength=4 * size).reshape(size, 4)  # none, then in order
    ratings = np.bincount(code[rated], minlength=size)
    sums = np.column_stack([by_sentiment.sum(axis=1), by_sentiment[:, 1:], ratings])
    stars = np.bincount(code[rated], rating[rated], minlength=size)
    found = []
    for cell in np.flatnonzero(sums[:, 0]).tolist():
        left, key_of = int(cells[cell]), []
        n, negative, neutral, positive, n_ratings = sums[cell].tolist()
        for held in reversed(values):
            left, index = divmod(left, len(held))
            key_of.append(int(held[index]))
        found.append((tuple(reversed(key_of)), Count(n, negative, neutral, positive, n_ratings, float(stars[cell]))))
    return found


def places(key: Array) -> tuple[Array, Array]:
    """The values of small whole numbers, and the place of each among them: np.unique without sorting."""
    if not len(key):
        return key, key.astype(np.int64)
    low = int(key.min())
    shifted = key.astype(np.int64) - low
    there = np.bincount(shifted) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[shifted]


def _days(at: npt.NDArray[np.int64], zone: ZoneInfo) -> tuple[Array, list[date]]:
    """The local day of each moment, by the hour in which it lies, as its place in a list of days."""
    if not len(at):
        return at, []
    hour = at // _MICROS_OF_HOUR * _MICROS_OF_HOUR
    first, last = (datetime.fromtimestamp(int(end) / 1e6, zone).date() for end in (hour.min(), hour.max()))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    starts = np.array([micros(day_start(day, zone)) for day in days])
    return np.searchsorted(starts, hour, side="right") - 1, days


def _among(held: Array, wanted: Sequence[int]) -> Mask:
    mask = np.zeros(len(held), np.bool_)
    if len(wanted) > 20:
        return np.isin(held, wanted)
    for value in wanted:
        mask |= held == value
    return mask


def micros(at: datetime) -> int:
    """Microseconds since the epoch."""
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 + at.microsecond
