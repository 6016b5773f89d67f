"""Where topic tags come from: the network's own heads, the embedded network beside a checkpoint without any, or
trigger words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.backend import Backend, Floats, Outputs, TwoHalves
from models.base import SENTIMENTS, TopicTag
from models.taxonomy import Hit, Lexicon, lexicon
from models.text import clauses, parts
from models.triggers import Triggers, find, matrix

Tags = tuple[TopicTag, ...]
_Wanted = tuple[int, int, list[int]]  # text, topic, its clauses
Ranges = list[tuple[int, int]]  # where the clauses of a text begin and end
_CLAUSES = 8  # of one topic in one text
# How much is heard of a topic's sentiment from the whole text, from the topic's clauses, from how these sound.
_VOICES = np.array((0.2, 0.5, 0.3))[:, None, None]
# A clause is read by the encoder where its n-grams, beside what the encoder said of the whole text, leave this much
# open: less than this for the likeliest sentiment of a topic (benchmarks/long_texts.py).
_SURE = 0.55
# A text of one clause about one thing sounds as that thing does: both heads are asked, and neither is surer. As many
# topics are right as without (85.4 of 100; 84.6); 6 of 100 contradict the text they stand in, not 10 (docs/models.md).
_ALONE = 0.5
_REVISION = 5  # of how clauses are cut and heard, and of how the network computes


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
        said = topics >= thresholds
        ranges = [
            list(parts(text, [(hit.start, hit.topic) for hit in hits or ()])) if topical.any() else []
            for text, hits, topical in zip(texts, found, said, strict=True)
        ]
        polarity = self._by_clause(texts, found, ranges, said, outputs)
        self._agree(ranges, said, outputs.sentiment, polarity)
        return tags_of(replace(outputs, topics=topics, topic_sentiment=polarity), self._backend.topics, thresholds)

    def _by_clause(
        self, texts: Sequence[str], found: Sequence[list[Hit] | None], ranges: Sequence[Ranges],
        said: npt.NDArray[np.bool_], whole: Outputs,
    ) -> Floats:  # fmt: skip
        """Topic sentiments [n, K, 3] of texts, those of topics with clauses of their own heard in these, too.

        Where the network counts and reads, a clause is first heard by its n-grams, beside what was read of the whole
        text. Where that leaves the sentiment of a topic open, the clause is read: one of three, and as many topics are
        right as with all of them read (benchmarks/long_texts.py).
        """
        assert whole.topic_sentiment is not None
        pieces, owners, wanted = self._clauses(texts, found, ranges, said)
        if not wanted:
            return whole.topic_sentiment.copy()
        backend, mixed = self._backend, whole.topic_sentiment.copy()
        rows, columns = [n for n, _, _ in wanted], [k for _, k, _ in wanted]
        if whole.read is None or not isinstance(backend, TwoHalves):
            mixed[rows, columns] = _heard(wanted, whole, backend.predict(pieces))
            return mixed
        read, counted = whole.read.of(owners), backend.count(pieces)
        mixed[rows, columns] = heard = _heard(wanted, whole, backend.joined(read, counted))
        unsure = [at for at, p in zip(wanted, heard.max(axis=1).tolist(), strict=True) if p < _SURE]
        if unsure:
            again = sorted({piece for _, _, own in unsure for piece in own})
            read.put(again, backend.read([pieces[piece] for piece in again]))
            rows, columns = [n for n, _, _ in unsure], [k for _, k, _ in unsure]
            mixed[rows, columns] = _heard(unsure, whole, backend.joined(read, counted))
        return mixed

    def _agree(
        self, ranges: Sequence[Ranges], said: npt.NDArray[np.bool_], sentiment: Floats, polarity: Floats
    ) -> None:
        """Change `polarity` [n, K, 3] of topics that stand alone in a text of one clause: see `_ALONE`."""
        specific = np.array([topic != "general" for topic in self._backend.topics])
        for i in np.flatnonzero(((said & specific).sum(axis=1) <= 1) & said.any(axis=1)).tolist():
            if len(ranges[i]) < 2:
                both = polarity[i, said[i]] ** (1 - _ALONE) * sentiment[i] ** _ALONE
                polarity[i, said[i]] = both / np.maximum(both.sum(axis=1, keepdims=True), 1e-12)

    def _clauses(
        self,
        texts: Sequence[str],
        found: Sequence[list[Hit] | None],
        ranges: Sequence[Ranges],
        said: npt.NDArray[np.bool_],
    ) -> tuple[list[str], list[int], list[_Wanted]]:
        """Clauses that hold words of a topic that is said, the text of each, and which topic of a text wants which."""
        pieces: list[str] = []
        owners: list[int] = []
        wanted: list[_Wanted] = []
        for i, hits in enumerate(found):
            if not hits or len(ranges[i]) < 2:
                continue
            topics = {self._backend.topics[k]: k for k in np.flatnonzero(said[i]).tolist()}
            places: dict[int, int] = {}
            for topic, holding in _holding(hits, ranges[i]).items():
                if topic in topics:
                    for at in holding[:_CLAUSES]:
                        if at not in places:
                            places[at] = len(pieces)
                            pieces.append(texts[i][slice(*ranges[i][at])].strip())
                            owners.append(i)
                    wanted.append((i, topics[topic], [places[at] for at in holding[:_CLAUSES]]))
        return pieces, owners, wanted


def _heard(wanted: Sequence[_Wanted], whole: Outputs, clauses: Outputs) -> Floats:
    """The sentiments wanted, [m, 3]: weighted geometric mean of what the whole text says of the topic, what its clauses
    say of it, and how they sound. On texts with opposite sentiments this gains five points (benchmarks/long_texts.py).
    """
    assert whole.topic_sentiment is not None and clauses.topic_sentiment is not None
    sizes = np.array([len(own) for _, _, own in wanted])
    begins = np.cumsum(sizes) - sizes
    pieces = np.concatenate([own for _, _, own in wanted])
    topics = np.array([k for _, k, _ in wanted])
    said = np.add.reduceat(clauses.topic_sentiment[pieces, np.repeat(topics, sizes)], begins) / sizes[:, None]
    sound = np.add.reduceat(clauses.sentiment[pieces], begins) / sizes[:, None]
    voices = np.stack((whole.topic_sentiment[[n for n, _, _ in wanted], topics], said, sound))
    together = np.exp((_VOICES * np.log(np.maximum(voices, 1e-6))).sum(axis=0))
    return np.asarray(together / together.sum(axis=1, keepdims=True), np.float32)


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
    p = outputs.topics[rows, columns]
    polarity = outputs.topic_sentiment[rows, columns]
    order = np.lexsort((-p, rows))  # likeliest first
    numbers = (rows, columns, _rounded(p), _rounded(polarity), polarity.argmax(axis=1))
    for row, column, sure, sides, best in zip(*(part[order].tolist() for part in numbers), strict=True):
        found[row].append(TopicTag(topics[column], sure, SENTIMENTS[best], *sides))
    return [tuple(tags) for tags in found]


def _rounded(p: Floats) -> npt.NDArray[np.float64]:
    return np.asarray(np.round(p.astype(np.float64), 4), np.float64)


def _tag(topic: str, p: float, polarity: Floats) -> TopicTag:
    negative, neutral, positive = (round(value, 4) for value in polarity.tolist())
    return TopicTag(topic, round(p, 4), SENTIMENTS[int(polarity.argmax())], negative, neutral, positive)
