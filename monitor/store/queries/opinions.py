"""Opinions: judged mentions that count, and what they say of topics; counted, never listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from sqlmodel import Session

from monitor.store import sheets
from monitor.store.queries.cells import Cells
from monitor.store.queries.chosen import Chosen, choose, chosen, of_mentions, of_tags, spans
from monitor.store.queries.selection import Selection, remembered
from monitor.store.shelf import Coded

_NEGATIVE, _NEUTRAL = sheets.SENTIMENTS.index("negative"), sheets.SENTIMENTS.index("neutral")


@dataclass(frozen=True)
class Opinions:
    """Sentiments are numbers in SENTIMENTS; places and topics numbers in `words`."""

    held: Chosen  # nothing that has no sentiment

    @property
    def words(self) -> dict[int, str]:
        return self.held.words

    @property
    def n(self) -> int:
        return int(self.by_place.n.sum())

    def between(self, start: datetime, end: datetime) -> Opinions:
        """Those of start <= time < end."""
        return Opinions(self.held.between(start, end))

    def numbers(self, words: Iterable[str]) -> list[int]:
        """The numbers of words; of those that no opinion has, none."""
        return sheets.numbers_of(self.words, words)

    @cached_property
    def by_place(self) -> Cells:
        return Cells.joined(of_mentions(pick, {"place": pick.part.place}) for pick in self.held.picks)

    @cached_property
    def by_topic(self) -> Cells:
        """The tags: what is said of a topic, and what was felt as a whole."""
        cells = Cells.joined(
            of_tags(pick, {"felt": Coded(np.arange(-1, 3), (pick.sentiment + 1).astype(np.uint8))})
            for pick in self.held.picks
        )
        return dataclasses.replace(cells, sentiment=np.where(cells.sentiment < 0, _NEUTRAL, cells.sentiment))

    def by_span(self, edges: Sequence[datetime]) -> Cells:
        return Cells.joined(of_mentions(pick, {"span": spans(pick.part, edges)}) for pick in self.held.picks)

    def complaining(self, topics: Iterable[str], edges: Sequence[datetime]) -> Cells:
        """By place, by span, and by whether they complain about any of these topics."""
        numbers = self.numbers(topics)
        parts = []
        for pick in self.held.picks:
            part = pick.part
            complains = np.zeros(part.n, np.uint8)
            complains[part.row[part.topic.among(numbers) & (part.said == _NEGATIVE)]] = 1
            keys = {"place": part.place, "span": spans(part, edges), "complains": Coded(np.arange(2), complains)}
            parts.append(of_mentions(pick, keys))
        return Cells.joined(parts)

    def topics(self) -> dict[str, tuple[int, int, int]]:
        """Topic -> how many say something negative, neutral, positive of it."""
        cells = self.by_topic
        return {
            self.words[topic]: _three(cells.where(cells.key["topic"] == topic))
            for topic in np.unique(cells.key["topic"]).tolist()
        }

    def whole(self) -> tuple[int, int, int]:
        """How many are negative, neutral, positive."""
        return _three(self.by_place)


def opinions(session: Session, brand_id: int, *, start: datetime, end: datetime) -> Opinions:
    """The opinions of start <= time < end; kept as long as the transaction, since several metrics ask for them."""
    kept: dict[tuple[int, datetime, datetime], Opinions] = remembered(session, "opinions")
    for (brand, first, last), held in kept.items():
        if brand == brand_id and first <= start and end <= last:
            return held.between(start, end) if (first, last) != (start, end) else held
    asked = Selection(brand_id, start, end)
    there = chosen(session, asked, before=False)
    if there is None:  # no sheets are kept: these are made in passing
        there = choose(session, asked, *sheets.made(session, brand_id, start=start, end=end), start=start)
    picks = (pick.narrowed(pick.sentiment >= 0) if (pick.sentiment < 0).any() else pick for pick in there.picks)
    kept[brand_id, start, end] = found = Opinions(Chosen(there.words, tuple(picks)))
    return found


def _three(cells: Cells) -> tuple[int, int, int]:
    a, b, c = (int(cells.n[cells.sentiment == sentiment].sum()) for sentiment in range(3))
    return a, b, c
