"""Which labelled rows a run sees: reading, licence policy, splits without leaks, weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from models.errors import TrainingError
from models.labels import TOPICS
from models.training.config import WEAK_SOURCES, TrainConfig
from models.training.licences import EXCLUDED
from models.training.written import SOURCE, Written, read_all, rows_of

TRAIN, DEV, HELD_OUT = 0, 1, 2
_BARE = tuple(topic for topic in TOPICS if topic != "general")  # what a verdict in general lacks
_TOPIC_BIT = {name: 1 << index for index, name in enumerate(TOPICS)}
_KEY_DROP = re.compile(r"https?://\S+|www\.\S+|@\w+|[\W_]+")


@dataclass
class Corpus:
    """Rows of both data sets, column by column (one entry per text in each array).

    sentiment: 0 negative, 1 neutral, 2 positive, -1 unknown. topics, labelled: bit masks over TOPICS.
    topic_sentiment: [n, 19], -1 unknown. split: TRAIN, DEV or HELD_OUT. is_topic: row of the topic data.
    weak: the topics of this row come from the lexicon, not from people.
    """

    texts: list[str]
    language: np.ndarray
    source: np.ndarray
    sentiment: np.ndarray
    topics: np.ndarray
    labelled: np.ndarray
    topic_sentiment: np.ndarray
    split: np.ndarray
    is_topic: np.ndarray
    weak: np.ndarray
    languages: list[str]
    sources: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def arrays(self) -> dict[str, np.ndarray]:
        """The numeric columns by name."""
        names = (
            "language",
            "source",
            "sentiment",
            "topics",
            "labelled",
            "topic_sentiment",
            "split",
            "is_topic",
            "weak",
        )
        return {name: getattr(self, name) for name in names}

    def source_weight(self, *, written: float = 1.0) -> np.ndarray:
        """Weight of each row by the noise of its source; `written`: that of the texts written for this project."""
        known = {**WEAK_SOURCES, SOURCE: written}
        table = np.array([known.get(name.partition("/")[2], 1.0) for name in self.sources], np.float32)
        return np.asarray(table[self.source])

    def is_written(self) -> np.ndarray:
        """Rows that were written for this project."""
        return np.asarray(np.array([name.partition("/")[2] == SOURCE for name in self.sources], bool)[self.source])


def text_key(text: str) -> str:
    """What two copies of one text share: case, punctuation, mentions and addresses do not count."""
    return _KEY_DROP.sub("", text.lower())


def read(config: TrainConfig, *, limit: int | None = None) -> Corpus:
    """Read both data sets under the run's licence policy; `limit` rows per file for trials.

    A row of the training split whose text is in a development or held-out split of either set is dropped.
    Source names are "sentiment/<source>" and "topics/<source>". Raises TrainingError without data.
    """
    files = [("sentiment", path) for path in sorted((config.data / "sentiment").glob("*.parquet"))]
    files += [("topics", path) for path in sorted((config.data / "topics").glob("*.parquet"))]
    if not files:
        raise TrainingError(f"no sentiment/*.parquet and topics/*.parquet under {config.data}")
    columns = _Columns()
    for kind, path in files:
        for row in _rows(path, limit):
            if config.licences != "all" and row["source"] in EXCLUDED:
                continue
            split = DEV if row["split"] == "dev" else TRAIN
            source = f"{kind}/{row['source']}"
            if kind == "sentiment":
                columns.add(row["text"], path.stem, source, split, sentiment=row["label"])
                continue
            overall = row["overall"]
            columns.add(
                row["text"],
                path.stem,
                source,
                split,
                sentiment=agreed_sentiment(row["sentiments"]) if overall is None else overall,
                topics=dict(zip(row["topics"], row["sentiments"], strict=True)),
                labelled=row["labelled_for"],
            )
    if config.written:
        for written in read_all():
            _add_written(columns, written, seed=config.seed)
    corpus = columns.corpus()
    hold_out(corpus, config.held_out)
    return without_leaks(corpus)


class _Columns:
    """Rows on their way into a `Corpus`."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._languages: list[str] = []
        self._sources: list[str] = []
        self._sentiment: list[int] = []
        self._topics: list[int] = []
        self._labelled: list[int] = []
        self._pairs: list[tuple[int, int, int]] = []  # row, topic, sentiment
        self._split: list[int] = []

    def add(
        self,
        text: str,
        language: str,
        source: str,
        split: int,
        *,
        sentiment: int,
        topics: Mapping[str, int | None] | None = None,
        labelled: Iterable[str] = (),
    ) -> None:
        """One row; `topics` with their sentiments, `labelled`: the topics that are decided."""
        mask = 0
        for topic, polarity in (topics or {}).items():
            mask |= _TOPIC_BIT[topic]
            if polarity is not None and polarity >= 0:
                self._pairs.append((len(self._texts), TOPICS.index(topic), polarity))
        self._texts.append(text)
        self._languages.append(language)
        self._sources.append(source)
        self._split.append(split)
        self._sentiment.append(sentiment)
        self._topics.append(mask)
        self._labelled.append(mask | sum(_TOPIC_BIT[topic] for topic in labelled))

    def corpus(self) -> Corpus:
        languages, sources = sorted(set(self._languages)), sorted(set(self._sources))
        language_index = {name: index for index, name in enumerate(languages)}
        source_index = {name: index for index, name in enumerate(sources)}
        polarity = np.full((len(self._texts), len(TOPICS)), -1, np.int8)
        for row, topic, value in self._pairs:
            polarity[row, topic] = value
        return Corpus(
            texts=self._texts,
            language=np.array([language_index[name] for name in self._languages], np.int16),
            source=np.array([source_index[name] for name in self._sources], np.int16),
            sentiment=np.array(self._sentiment, np.int8),
            topics=np.array(self._topics, np.int32),
            labelled=np.array(self._labelled, np.int32),
            topic_sentiment=polarity,
            split=np.array(self._split, np.int8),
            is_topic=np.array([name.startswith("topics/") for name in self._sources], bool),
            weak=np.zeros(len(self._texts), bool),
            languages=languages,
            sources=sources,
        )


def _add_written(columns: _Columns, written: Written, *, seed: int) -> None:
    """The rows of one language's own texts: those with topics are decided for all topics, and so are verdicts in
    general, but for `general`.
    """
    for row in rows_of(written, seed=seed):
        kind = "sentiment" if row.topics is None else "topics"
        decided = TOPICS if row.topics is not None else _BARE if row.is_bare else ()
        columns.add(
            row.text,
            written.language,
            f"{kind}/{SOURCE}",
            DEV if row.is_dev else TRAIN,
            sentiment=-1 if row.sentiment is None else row.sentiment,
            topics=row.topics,
            labelled=decided,
        )


def agreed_sentiment(polarities: list[int | None]) -> int:
    """The sentiment of a text whose topics all have the same one, else -1: a label in languages that have few."""
    known = {value for value in polarities if value is not None and value >= 0}
    return known.pop() if len(known) == 1 else -1


def _rows(path: Path, limit: int | None) -> list[dict[str, Any]]:
    table = pq.read_table(path)
    if limit is not None and table.num_rows > limit:
        step = table.num_rows // limit
        table = table.take(list(range(0, table.num_rows, step))[:limit])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def hold_out(corpus: Corpus, sources: tuple[str, ...]) -> None:
    """Take whole sources (names without the data set) out of training and development. TrainingError if unknown."""
    known = {name.partition("/")[2] for name in corpus.sources}
    for source in sources:
        if source not in known:
            raise TrainingError(f"held-out source {source!r} is not in the data; there are: {', '.join(sorted(known))}")
    table = np.array([name.partition("/")[2] in sources for name in corpus.sources], bool)
    corpus.split[table[corpus.source]] = HELD_OUT


def without_leaks(corpus: Corpus) -> Corpus:
    """The corpus without training rows whose text is also in a development or held-out row."""
    keys = [hash(text_key(text)) for text in corpus.texts]
    judged = {key for key, split in zip(keys, corpus.split, strict=True) if split != TRAIN}
    keep = np.array([split != TRAIN or key not in judged for key, split in zip(keys, corpus.split, strict=True)], bool)
    return select(corpus, np.flatnonzero(keep))


def select(corpus: Corpus, rows: np.ndarray) -> Corpus:
    """The corpus of these rows only, in this order."""
    columns = {name: array[rows] for name, array in corpus.arrays().items()}
    return Corpus(
        texts=[corpus.texts[int(row)] for row in rows],
        languages=corpus.languages,
        sources=corpus.sources,
        **columns,
    )
