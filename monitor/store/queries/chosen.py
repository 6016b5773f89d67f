"""The chosen: mentions of the sheets that a selection speaks of, and their counts; the rules are those of the rows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from monitor.errors import MonitorError
from monitor.store import sheets
from monitor.store.queries.cells import Cells, counted, paired, tally, tally_tags
from monitor.store.queries.count import Count, Pair
from monitor.store.queries.selection import Selection, remembered
from monitor.store.search import match_expression, tsquery, with_room
from monitor.store.shelf import Array, Coded, Mask, Part, places


@dataclass(frozen=True, slots=True)
class Pick:
    """What is chosen of a part: the mentions of its span that `mask` lets pass."""

    part: Part
    n_before: int  # of its mentions, those before the period
    mask: Mask | None  # None: all
    sentiment: npt.NDArray[np.int8]  # of each of the part's mentions; about the topics, where topics are asked for

    def between(self, low: int, high: int) -> Pick:
        """By the places of the part's mentions, as if there were none before the period."""
        mask = None if self.mask is None else self.mask[low:high]
        return Pick(self.part.mentions(low, high), 0, mask, self.sentiment[low:high])

    @property
    def which(self) -> Any:
        """The places of the chosen mentions."""
        return slice(None) if self.mask is None else np.flatnonzero(self.mask)

    @property
    def which_tags(self) -> Any:
        """The places of their tags."""
        return slice(None) if self.mask is None else np.flatnonzero(self.mask[self.part.row])

    def narrowed(self, other: Mask | None) -> Pick:
        if other is None:
            return self
        return dataclasses.replace(self, mask=other if self.mask is None else self.mask & other)

    @property
    def judged(self) -> Mask | None:
        """Which are judged; None where all are."""
        waits = self.part.flags & sheets.WAITS != 0
        return ~waits if waits.any() else None

    @property
    def is_current(self) -> Coded:
        """Which are of the period, and which of the one before."""
        return Coded.of(np.arange(self.part.n) >= self.n_before)

    @property
    def filtered(self) -> dict[str, Coded]:
        """What filters that are left open ask for."""
        return {"source": self.part.source, "location": self.part.place, "language": self.part.language}

    @property
    def current(self) -> Pick:
        """Without those before the period."""
        return self if not self.n_before else self.between(self.n_before, self.part.n)


@dataclass(frozen=True)
class Chosen:
    """Mentions of a selection and of the period before, oldest first, with their tags.

    Filters by source, place and language are left open.
    """

    words: dict[int, str]
    picks: tuple[Pick, ...]

    def pairs(self, selection: Selection, dimension: str | None) -> dict[Any, Pair]:
        """Counts of judged mentions by source id, location or language; by "" for all of them."""
        cells = self._cells
        cells = cells.where(self._within(selection, dimension, cells.key) & (cells.key["judged"] == 1))
        keys = [cells.key["current"], *([cells.key[dimension]] if dimension else [])]
        return paired(
            ("" if not rest else rest[0] if dimension == "source" else self.words[rest[0]], current, count)
            for (current, *rest), count in counted(keys, cells)
        )

    def topics(self, selection: Selection) -> dict[str, Pair]:
        """Counts of tags by topic."""
        cells = self._tags(selection)
        keys = [cells.key["current"], cells.key["topic"]]
        return paired((self.words[topic], current, count) for (current, topic), count in counted(keys, cells))

    def topics_by_day(self, selection: Selection, zone: ZoneInfo) -> dict[str, dict[date, Count]]:
        cells = self._tags(selection, zone)
        cells = cells.where(cells.key["current"] == 1)
        found: dict[str, dict[date, Count]] = {}
        for (topic, day), count in counted([cells.key["topic"], cells.key["day"]], cells):
            found.setdefault(self.words[topic], {})[date.fromordinal(day)] = count
        return found

    def by_day(self, selection: Selection, zone: ZoneInfo) -> dict[date, Count]:
        picks = [pick.current for pick in self._narrowed(selection, judged=True)]
        cells = Cells.joined(of_mentions(pick, {"day": _day(pick.part, zone)}) for pick in picks)
        return {date.fromordinal(key[0]): count for key, count in counted([cells.key["day"]], cells)}

    def stars(self, selection: Selection) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """(stars, how many) of the period and of the one before."""
        cells, sides = self._cells, []
        cells = cells.where(self._within(selection, None, cells.key) & ~np.isnan(cells.rating))
        for side in (1, 0):
            held = cells.where(cells.key["current"] == side)
            values, place = np.unique(held.rating, return_inverse=True)
            n = np.bincount(place, held.n, minlength=len(values)).astype(np.int64)
            sides.append(list(zip(values.tolist(), n.tolist(), strict=True)))
        return sides[0], sides[1]

    def n(self, selection: Selection) -> int:
        """How many the period has, whether judged or not."""
        picks = [pick.current for pick in self._narrowed(selection)]
        return sum(pick.part.n if pick.mask is None else int(np.count_nonzero(pick.mask)) for pick in picks)

    def newest(self, selection: Selection, limit: int, *, after: tuple[datetime, int] | None) -> list[int]:
        """Ids of the period, newest first; with `after` those older than that time and id."""
        found: list[int] = []
        for whole in reversed(list(self._narrowed(selection))):
            pick = whole.current
            if after:
                at, last = pick.part.at(), micros(after[0])
                pick = pick.narrowed((at < last) | ((at == last) & (pick.part.ids() < after[1])))
            there = np.arange(pick.part.n) if pick.mask is None else pick.which
            found += pick.part.ids(there[len(there) - min(len(there), limit - len(found)) :][::-1]).tolist()
            if len(found) == limit:
                break
        return found

    def steps(self, step_of: Mapping[str, str], edges: Sequence[datetime]) -> dict[str, list[tuple[int, int, int]]]:
        """Step -> (negative, neutral, positive) mentions in each span between two edges; `step_of`: topic -> step.

        A mention counts once for a step, by the worst it says about the step's topics.
        """
        names = list(dict.fromkeys(step_of.values()))
        n_steps, n_spans = len(names), len(edges) - 1
        number = {topic: names.index(step) for topic, step in step_of.items()}
        n_topics = Counter(number.values())
        of_one_topic = np.array([n_topics[one] == 1 for one in range(n_steps)] + [False])
        cells = np.zeros(3 * n_spans * n_steps, np.int64)

        def count(span: Array, step: Array, row: Array, worst: npt.NDArray[np.int8]) -> None:
            cell = 3 * (n_spans * step.astype(np.int32) + span[row]) + worst
            np.add(cells, np.bincount(cell, minlength=len(cells)), out=cells)

        for pick in self.picks:
            part = pick.part
            span = spans(part, edges).whole().astype(np.int32)
            step_at = np.array(
                [number.get(self.words[topic], n_steps) for topic in part.topic.values.tolist()], np.int16
            )
            which = pick.which_tags
            step, row, weight = step_at[part.topic.code[which]], part.row[which], _WEIGHTS[part.said[which]]
            single = of_one_topic[step]
            tags = np.flatnonzero(single)  # of a step of one topic a mention has one tag at most
            count(span, step[tags], row[tags], weight[tags])
            tags = np.flatnonzero((step < n_steps) & ~single)
            tags = tags[np.argsort(step[tags], kind="stable")]
            if len(tags):
                step, row, weight = step[tags], row[tags], weight[tags]
                first = np.ones(len(row), np.bool_)  # tags of a mention about one step stand together
                first[1:] = (row[1:] != row[:-1]) | (step[1:] != step[:-1])
                at = np.flatnonzero(first)
                count(span, step[at], row[at], np.maximum.reduceat(weight, at))
        return {
            name: [(bad, neutral, good) for neutral, good, bad in part]
            for name, part in zip(names, cells.reshape(n_steps, n_spans, 3).tolist(), strict=True)
        }

    def complaining(self, topic: str, limit: int) -> list[int]:
        """Ids of mentions that complain about the topic, newest first; before all, those that complain as a whole."""
        whole: list[int] = []
        partly: list[int] = []
        for pick in reversed(self.picks):
            about = pick.part.topic.among(sheets.numbers_of(self.words, [topic])) & (pick.part.said == _NEGATIVE)
            row = pick.part.row[about]
            if pick.mask is not None:
                row = row[pick.mask[row]]
            bad = pick.sentiment[row] == _NEGATIVE
            for found, rows in ((whole, row[bad]), (partly, row[~bad])):
                found += pick.part.ids(rows[::-1][: limit - len(found)]).tolist()
            if len(whole) == limit:
                break
        return [*whole, *partly][:limit]

    def between(self, start: datetime, end: datetime) -> Chosen:
        """Those of start <= time < end, as if only they had been asked for."""
        spans = [(pick, pick.part.first_at(micros(start)), pick.part.first_at(micros(end))) for pick in self.picks]
        return Chosen(self.words, tuple(pick.between(low, high) for pick, low, high in spans if low < high))

    @cached_property
    def _cells(self) -> Cells:
        """All mentions by everything that a page groups them by, but topic and time."""
        return Cells.joined(
            of_mentions(
                pick,
                {"current": pick.is_current, "judged": Coded.of(pick.part.flags & sheets.WAITS == 0)} | pick.filtered,
            )
            for pick in self.picks
        )

    def _tags(self, selection: Selection, zone: ZoneInfo | None = None) -> Cells:
        """The tags that the open filters let pass, by topic and period, and by local day where a zone is given."""
        return Cells.joined(
            of_tags(pick, {"current": pick.is_current} | ({"day": _day(pick.part, zone)} if zone else {}))
            for pick in self._narrowed(selection, judged=True)
        )

    def _within(self, selection: Selection, dimension: str | None, key: Mapping[str, Array]) -> Mask:
        """What the filters left open let pass; that of `dimension` itself stays open."""
        mask = np.ones(len(key["source"]), np.bool_)
        for name, numbers in self._open(selection):
            if name != dimension:
                mask &= np.isin(key[name], numbers)
        return mask

    def _open(self, selection: Selection) -> Iterator[tuple[str, list[int]]]:
        """The filters that were left open, and the numbers of what they ask for."""
        if selection.source_ids:
            yield "source", list(selection.source_ids)
        if selection.locations:
            yield "location", sheets.numbers_of(self.words, selection.locations)
        if selection.languages:
            yield "language", sheets.numbers_of(self.words, selection.languages)

    def _narrowed(self, selection: Selection, *, judged: bool = False) -> Iterator[Pick]:
        """The picks without what the filters left open hold back, and what waits to be judged."""
        open_ = list(self._open(selection))
        for pick in self.picks:
            for name, numbers in open_:
                pick = pick.narrowed(pick.filtered[name].among(numbers))
            yield pick.narrowed(pick.judged) if judged else pick


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
        held = read[span]
        kept[opened, before] = None if held is None else choose(session, opened, *held, start=start)
    return cast("Chosen | None", kept[opened, before])


def _same(one: Selection, other: Selection) -> bool:
    """Whether two selections differ in their span alone."""
    return dataclasses.replace(one, start=other.start, end=other.end) == other


def choose(
    session: Session, selection: Selection, parts: Sequence[Part], words: dict[int, str], *, start: datetime
) -> Chosen:
    picks = []
    for whole in parts:
        part = whole.mentions(whole.first_at(micros(start)), whole.first_at(micros(selection.end)))
        if part.n:
            picks.append(_pick(selection, part, words))
    if selection.words.strip():
        ids = [pick.part.ids(pick.which) for pick in picks]
        table, first = _found(session, selection, ids)
        for at, (pick, some) in enumerate(zip(picks, ids, strict=True)):
            mask = np.zeros(pick.part.n, np.bool_)
            mask[pick.which] = table[some - first]
            picks[at] = dataclasses.replace(pick, mask=mask)
    return Chosen(words, tuple(picks))


_WEIGHTS = np.array(
    [2, 0, 1, 0], np.int8
)  # of negative, neutral, positive and (-1) none: what is worse to have said weighs more


def _pick(selection: Selection, part: Part, words: dict[int, str]) -> Pick:
    """Which mentions all filters but the words let pass."""
    masks: list[Mask] = []
    if not selection.copies:
        masks.append(part.flags & sheets.COUNTS != 0)
    if selection.corrected:
        masks.append(part.flags & sheets.CORRECTED != 0)
    if selection.kinds:
        masks.append(part.kind.among(sheets.numbers_of(words, selection.kinds)))
    if selection.ratings:
        given = part.stars.values
        near = [(given >= star - 0.5) & (given <= star + 0.499) for star in selection.ratings]
        masks.append(np.logical_or.reduce(near)[part.stars.code])
    sentiment = part.sentiment
    if selection.topics:
        asked = part.topic.among(sheets.numbers_of(words, selection.topics))
        sentiment = _worst(asked, part.row, part.said, part.n)
        masks.append(sentiment > _NOT)
    if selection.sentiments:
        masks.append(_among(sentiment, [sheets.SENTIMENTS.index(name) for name in selection.sentiments]))
    mask = np.logical_and.reduce(masks) if masks else None
    if mask is not None and mask.all():
        mask = None
    return Pick(part, part.first_at(micros(selection.start)), mask, sentiment)


PATIENCE = "60s"  # of a search on PostgreSQL
_NEGATIVE = sheets.SENTIMENTS.index("negative")
_NOT = -2  # the topic is not on it


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


def of_mentions(pick: Pick, keys: Mapping[str, Coded]) -> Cells:
    return tally(keys, pick.sentiment, pick.part.stars, pick.mask)


def of_tags(pick: Pick, keys: Mapping[str, Coded]) -> Cells:
    """By topic, and by what else is known of the mention."""
    return tally_tags(pick.part, keys, pick.mask)


def spans(part: Part, edges: Sequence[datetime]) -> Coded:
    """Between which two edges each mention lies, from 0 on; -1 before the first."""
    begins = [0, *(part.first_at(micros(edge)) for edge in edges), part.n]
    numbers = np.arange(len(edges) + 1)
    return Coded(numbers - 1, np.repeat(numbers.astype(np.min_scalar_type(len(numbers))), np.diff(begins)))


def _day(part: Part, zone: ZoneInfo) -> Coded:
    """The local day of each mention, by the hour in which it lies, as its number in the calendar."""
    days = [datetime.fromtimestamp(hour, zone).toordinal() for hour in part.hours.tolist()]
    values, of_hour = places(np.array(days, np.int64))
    return Coded(values, of_hour.astype(np.min_scalar_type(len(values)))[part.hour])


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
