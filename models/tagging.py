"""Where topic tags come from: the network's own heads, the embedded network beside a checkpoint without any, or
trigger words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.backend import Backend, Floats, Outputs
from models.base import SENTIMENTS, TopicTag
from models.taxonomy import Hit, Lexicon, lexicon
from models.text import clauses, parts
from models.triggers import Triggers, find, matrix

Tags = tuple[TopicTag, ...]
_CLAUSES = 8  # of one topic in one text
# How much is heard of a topic's sentiment from the whole text, from the topic's clauses, from how these sound.
_VOICES = np.array((0.2, 0.5, 0.3))[:, None]
_REVISION = 2  # of how clauses are cut and heard


class Tagger(Protocol):
    """Topic tags of texts that the main network has just judged (`outputs`)."""

    revision: str

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]: ...


class OwnHeads:
    """The main network has topic heads. Where `triggers` were fitted for it, trigger words shift its topics, and the
    clauses that hold a topic's words are judged once more for that topic's sentiment.
    """

    def __init__(self, backend: Backend, triggers: Triggers | None = None) -> None:
        self._backend = backend
        self._triggers = triggers
        self.revision = f"triggers:{triggers.revision}.{_REVISION}" if triggers else ""

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]:
        if self._triggers is None or outputs.topics is None or outputs.topic_sentiment is None:
            return tags_of(outputs, self._backend.topics, self._backend.thresholds)
        found = find(texts, languages, lexicon())
        thresholds = np.asarray(self._triggers.thresholds, np.float32)
        topics = self._triggers.shifted(outputs.topics, *matrix(found, self._backend.topics))
        polarity = self._by_clause(texts, found, topics >= thresholds, outputs.topic_sentiment)
        return tags_of(replace(outputs, topics=topics, topic_sentiment=polarity), self._backend.topics, thresholds)

    def _by_clause(
        self, texts: Sequence[str], found: Sequence[list[Hit] | None], said: npt.NDArray[np.bool_], polarity: Floats
    ) -> Floats:
        """Topic sentiments [n, K, 3]: weighted geometric mean of what the whole text says of the topic, what its
        clauses say of it, and how they sound. On texts with opposite sentiments this gains five points
        (benchmarks/long_texts.py).
        """
        pieces: list[str] = []
        wanted: list[tuple[int, int, list[int]]] = []  # text, topic, its clauses
        for i, hits in enumerate(found):
            topics = {self._backend.topics[k]: k for k in np.flatnonzero(said[i]).tolist()}
            if not hits or not topics:
                continue
            ranges = list(parts(texts[i], [(hit.start, hit.topic) for hit in hits]))
            if len(ranges) < 2:
                continue
            places: dict[int, int] = {}
            for topic, holding in _holding(hits, ranges).items():
                if topic in topics:
                    for at in holding[:_CLAUSES]:
                        if at not in places:
                            places[at] = len(pieces)
                            pieces.append(texts[i][slice(*ranges[at])].strip())
                    wanted.append((i, topics[topic], [places[at] for at in holding[:_CLAUSES]]))
        if not wanted:
            return polarity
        judged = self._backend.predict(pieces)
        assert judged.topic_sentiment is not None
        mixed = polarity.copy()
        for i, k, own in wanted:
            voices = (polarity[i, k], judged.topic_sentiment[own, k].mean(axis=0), judged.sentiment[own].mean(axis=0))
            together = np.exp((_VOICES * np.log(np.maximum(voices, 1e-6))).sum(axis=0))
            mixed[i, k] = together / together.sum()
        return mixed


class SecondNetwork:
    """The main network judges sentiment only; another one (the embedded) reads topics."""

    def __init__(self, backend: Backend, triggers: Triggers | None = None) -> None:
        self._backend = backend
        self._heads = OwnHeads(backend, triggers)
        parts = [f"topics:{backend.name}@{backend.revision}", self._heads.revision]
        self.revision = "+".join(filter(None, parts))

    def tags(self, texts: Sequence[str], languages: Sequence[str | None], outputs: Outputs) -> list[Tags]:
        return self._heads.tags(texts, languages, self._backend.predict(texts))


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
            ranges = list(clauses(text))
            places: dict[int, int] = {}
            for topic, holding in _holding(self._lexicon.find(text, language), ranges).items():
                for at in holding:
                    if at not in places:
                        places[at] = len(pieces)
                        pieces.append(text[slice(*ranges[at])].strip())
                wanted.append((i, topic, [places[at] for at in holding]))
        found: list[list[TopicTag]] = [[] for _ in texts]
        if pieces:
            judged = self._backend.predict(pieces).sentiment
            for i, topic, holding_pieces in wanted:
                found[i].append(_tag(topic, 1.0, judged[holding_pieces].mean(axis=0)))
        return [tuple(tags) for tags in found]


def _holding(hits: Sequence[Hit], ranges: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Topic -> numbers of the clauses that hold its trigger words."""
    found: dict[str, list[int]] = {}
    for hit in hits:
        at = next((n for n, (start, end) in enumerate(ranges) if start <= hit.start < end), None)
        if at is not None and at not in found.setdefault(hit.topic, []):
            found[hit.topic].append(at)
    return found


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
