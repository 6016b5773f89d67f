"""Which labelled rows a run sees: reading, licence policy, splits without leaks, weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from models.errors import TrainingError
from models.labels import TOPICS
from models.training.config import WEAK_SOURCES, TrainConfig
from models.training.licences import EXCLUDED

TRAIN, DEV, HELD_OUT = 0, 1, 2
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

    def source_weight(self) -> np.ndarray:
        """Weight of each row by the noise of its source."""
        table = np.array([WEAK_SOURCES.get(name.partition("/")[2], 1.0) for name in self.sources], np.float32)
        return np.asarray(table[self.source])


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
    texts: list[str] = []
    language: list[str] = []
    source: list[str] = []
    sentiment: list[int] = []
    topics: list[int] = []
    labelled: list[int] = []
    pairs: list[tuple[int, int, int]] = []  # row, topic, sentiment
    split: list[int] = []
    for kind, path in files:
        rows = _rows(path, limit)
        for row in rows:
            name = row["source"]
            if config.licences != "all" and name in EXCLUDED:
                continue
            index = len(texts)
            texts.append(row["text"])
            language.append(path.stem)
            source.append(f"{kind}/{name}")
            split.append(DEV if row["split"] == "dev" else TRAIN)
            if kind == "sentiment":
                sentiment.append(row["label"])
                topics.append(0)
                labelled.append(0)
                continue
            overall = row["overall"]
            sentiment.append(agreed_sentiment(row["sentiments"]) if overall is None else overall)
            mask = 0
            for topic, polarity in zip(row["topics"], row["sentiments"], strict=True):
                mask |= _TOPIC_BIT[topic]
                if polarity is not None and polarity >= 0:
                    pairs.append((index, TOPICS.index(topic), polarity))
            topics.append(mask)
            labelled.append(mask | sum(_TOPIC_BIT[topic] for topic in row["labelled_for"]))
    languages = sorted(set(language))
    sources = sorted(set(source))
    language_index = {name: index for index, name in enumerate(languages)}
    source_index = {name: index for index, name in enumerate(sources)}
    polarity_table = np.full((len(texts), len(TOPICS)), -1, np.int8)
    for row_index, topic_index, polarity in pairs:
        polarity_table[row_index, topic_index] = polarity
    corpus = Corpus(
        texts=texts,
        language=np.array([language_index[name] for name in language], np.int16),
        source=np.array([source_index[name] for name in source], np.int16),
        sentiment=np.array(sentiment, np.int8),
        topics=np.array(topics, np.int32),
        labelled=np.array(labelled, np.int32),
        topic_sentiment=polarity_table,
        split=np.array(split, np.int8),
        is_topic=np.array([name.startswith("topics/") for name in source], bool),
        weak=np.zeros(len(texts), bool),
        languages=languages,
        sources=sources,
    )
    hold_out(corpus, config.held_out)
    return without_leaks(corpus)


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
