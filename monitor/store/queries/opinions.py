"""Opinions: judged mentions that count, in columns, and what they say of topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlmodel import Session, col, select

from monitor.store.queries.chosen import Chosen, chosen, micros, places
from monitor.store.queries.selection import Selection, remembered
from monitor.store.sheets import SENTIMENTS
from monitor.store.tables import Mention, TopicTag

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """Mentions oldest first. Sentiments are numbers in SENTIMENTS; places and topics numbers in `words`."""

    at: npt.NDArray[np.int64]  # in microseconds since the epoch
    sentiment: Array
    rating: npt.NDArray[np.float64]  # not a number where there are no stars
    place: Array
    tag_row: npt.NDArray[np.int64]  # of each tag: the place of its mention; ascending
    tag_topic: Array
    tag_sentiment: Array
    words: Mapping[int, str]

    @property
    def n(self) -> int:
        return len(self.at)

    def between(self, start: datetime, end: datetime) -> Opinions:
        """Those of start <= time < end."""
        first, last = np.searchsorted(self.at, (micros(start), micros(end)))
        if (first, last) == (0, self.n):
            return self
        of, tags = slice(first, last), slice(*np.searchsorted(self.tag_row, (first, last)))
        return Opinions(
            self.at[of], self.sentiment[of], self.rating[of], self.place[of], self.tag_row[tags] - first,
            self.tag_topic[tags], self.tag_sentiment[tags], self.words,
        )  # fmt: skip

    def numbers(self, words: Iterable[str]) -> list[int]:
        """The numbers of words; of those that no opinion has, none."""
        wanted = set(words)
        return [number for number, word in self.words.items() if word in wanted]

    def by_topic(self) -> dict[str, tuple[int, int, int]]:
        """Topic -> how many say something negative, neutral, positive of it."""
        topics, place = places(self.tag_topic)
        cells = np.bincount(3 * place + self.tag_sentiment, minlength=3 * len(topics)).reshape(-1, 3).tolist()
        return {self.words[topic]: (a, b, c) for topic, (a, b, c) in zip(topics.tolist(), cells, strict=True)}

    def by_sentiment(self) -> tuple[int, int, int]:
        """How many are negative, neutral, positive."""
        a, b, c = np.bincount(self.sentiment, minlength=3).tolist()
        return a, b, c


def opinions(session: Session, brand_id: int, *, start: datetime, end: datetime) -> Opinions:
    """The opinions of start <= time < end; kept as long as the transaction, since several metrics ask for them."""
    kept: dict[tuple[int, datetime, datetime], Opinions] = remembered(session, "opinions")
    for (brand, first, last), held in kept.items():
        if brand == brand_id and first <= start and end <= last:
            return held.between(start, end)
    there = chosen(session, Selection(brand_id, start, end), before=False)
    found = _of_rows(session, brand_id, start=start, end=end) if there is None else _of_sheets(there)
    kept[brand_id, start, end] = found
    return found


def _of_sheets(held: Chosen) -> Opinions:
    judged = held.sentiment >= 0
    said = np.where(held.tag_sentiment < 0, SENTIMENTS.index("neutral"), held.tag_sentiment)
    if judged.all():
        return Opinions(
            held.at, held.sentiment, held.rating, held.place, held.tag_row, held.tag_topic, said, held.words
        )
    tags = judged[held.tag_row]
    return Opinions(
        held.at[judged], held.sentiment[judged], held.rating[judged], held.place[judged],
        (np.cumsum(judged) - 1)[held.tag_row[tags]], held.tag_topic[tags], said[tags], held.words,
    )  # fmt: skip


def _of_rows(session: Session, brand_id: int, *, start: datetime, end: datetime) -> Opinions:
    """The same from the rows."""
    where = (
        Mention.brand_id == brand_id,
        col(Mention.published_at) >= start,
        col(Mention.published_at) < end,
        col(Mention.counts).is_(True),
        col(Mention.sentiment).is_not(None),
    )
    rows = session.execute(
        select(Mention.id, Mention.published_at, Mention.sentiment, Mention.rating, Mention.location)
        .where(*where)
        .order_by(Mention.published_at, Mention.id)
    ).all()
    tags = session.execute(
        select(TopicTag.mention_id, TopicTag.topic, TopicTag.sentiment)
        .join(Mention, col(Mention.id) == col(TopicTag.mention_id))
        .where(*where)
    ).all()
    row_of = {row[0]: number for number, row in enumerate(rows)}
    tagged = sorted((row_of[mention_id], topic, sentiment) for mention_id, topic, sentiment in tags)
    number = {word: n for n, word in enumerate(dict.fromkeys([*(row[4] for row in rows), *(tag[1] for tag in tagged)]))}
    return Opinions(
        np.array([micros(row[1]) for row in rows], np.int64),
        np.array([SENTIMENTS.index(row[2]) for row in rows], np.int64),
        np.array([np.nan if row[3] is None else row[3] for row in rows], np.float64),
        np.array([number[row[4]] for row in rows], np.int64),
        np.array([tag[0] for tag in tagged], np.int64),
        np.array([number[tag[1]] for tag in tagged], np.int64),
        np.array([SENTIMENTS.index(tag[2]) for tag in tagged], np.int64),
        {n: word for word, n in number.items()},
    )
