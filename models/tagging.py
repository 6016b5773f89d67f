"""Where topic tags come from: the network's own heads, the embedded network beside a checkpoint without any, or
trigger words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from models.backend import Backend, Floats, Outputs
from models.base import SENTIMENTS, TopicTag
from models.taxonomy import Lexicon
from models.text import clauses

Tags = tuple[TopicTag, ...]


class Tagger(Protocol):
    """Topic tags of texts that the main network has just judged (`outputs`)."""

    revision: str

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]: ...


class OwnHeads:
    """The main network has topic heads."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.revision = ""

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]:
        return tags_of(outputs, self._backend.topics, self._backend.thresholds)


class SecondNetwork:
    """The main network judges sentiment only; another one (the embedded) reads topics."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.revision = f"topics:{backend.name}@{backend.revision}"

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]:
        return tags_of(self._backend.predict(texts), self._backend.topics, self._backend.thresholds)


class TriggerWords:
    """Topics whose trigger words occur; the main network judges the clauses that hold them. `p` is 1: a word is there
    or is not.
    """

    def __init__(self, lexicon: Lexicon, backend: Backend) -> None:
        self._lexicon = lexicon
        self._backend = backend
        self.revision = "topics:lexicon"

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]:
        pieces: list[str] = []  # clauses to judge, all texts together
        wanted: list[tuple[int, str, list[int]]] = []  # text, topic, its clauses
        for i, (text, language) in enumerate(zip(texts, languages, strict=True)):
            hits = self._lexicon.find(text, language)
            if not hits:
                continue
            ranges = list(clauses(text))
            places: dict[int, int] = {}
            by_topic: dict[str, set[int]] = {}
            for hit in hits:
                at = next((n for n, (start, end) in enumerate(ranges) if start <= hit.start < end), None)
                if at is not None:
                    by_topic.setdefault(hit.topic, set()).add(at)
            for topic, holding in by_topic.items():
                for at in sorted(holding):
                    if at not in places:
                        places[at] = len(pieces)
                        pieces.append(text[slice(*ranges[at])].strip())
                wanted.append((i, topic, [places[at] for at in sorted(holding)]))
        found: list[list[TopicTag]] = [[] for _ in texts]
        if pieces:
            judged = self._backend.predict(pieces).sentiment
            for i, topic, holding_pieces in wanted:
                found[i].append(_tag(topic, 1.0, judged[holding_pieces].mean(axis=0)))
        return [tuple(tags) for tags in found]


def tags_of(outputs: Outputs, topics: Sequence[str], thresholds: Floats) -> list[Tags]:
    """Tags of the topics that reach their threshold, likeliest first; none from a network without topic heads."""
    if outputs.topics is None or outputs.topic_sentiment is None:
        return [()] * len(outputs.sentiment)
    found: list[list[TopicTag]] = [[] for _ in range(len(outputs.topics))]
    rows, columns = np.nonzero(outputs.topics >= thresholds)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        found[row].append(
            _tag(topics[column], float(outputs.topics[row, column]), outputs.topic_sentiment[row, column])
        )
    return [tuple(sorted(tags, key=lambda tag: -tag.p)) for tags in found]


def _tag(topic: str, p: float, polarity: Floats) -> TopicTag:
    negative, neutral, positive = (round(value, 4) for value in polarity.tolist())
    return TopicTag(topic, round(p, 4), SENTIMENTS[int(polarity.argmax())], negative, neutral, positive)
