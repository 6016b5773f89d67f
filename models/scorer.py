"""Texts in, judgements out: loading a model by name, duplicates judged once, bad texts set apart, streams of any
length.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from models import language as language_id
from models.adapt import Adapter
from models.backend import Backend, Outputs, unit
from models.base import SENTIMENTS, Judgement, Scorer, Span, TopicTag
from models.embedded import DIRECTORY, Embedded, OnTorch
from models.errors import ModelError, TextRejected
from models.highlight import spans
from models.stars import REVISION as STARS
from models.stars import weighed
from models.tagging import OwnHeads, SecondNetwork, Tagger, TriggerWords
from models.taxonomy import lexicon
from models.text import key, prepare
from models.triggers import Triggers
from models.user_topics import FittedTopic

T = TypeVar("T")
_Known = tuple[bytes, str | None]  # a text by its key, and the language that is said to be its own
EMBEDDED_NAMES = (None, "", "embedded", "base")
_ROWS, _CHARACTERS = 1024, 200_000  # one chunk: bounds memory
_LEAST = 64  # texts that are worth a thread
_TURN = 0.0003  # seconds after which a thread that waits for the interpreter gets it; Python's own are 0.005
_REMEMBERED = 10_000  # judgements of texts seen before


def load(
    name: str | None = None,
    *,
    device: str | None = None,
    revision: str | None = None,
    labels: Mapping[str, str] | None = None,
    offline: bool | None = None,
    threads: int | None = None,
    topics: str | None = None,
    adapter: Path | None = None,
    user_topics: Sequence[FittedTopic] = (),
    stars: bool = True,
) -> ModelScorer:
    """A scorer, ready to judge.

    name: None for the embedded network, a directory of `monitor model train`, a local directory or hub id of a
    transformers sequence-classification checkpoint. device: "cpu", "cuda", "cuda:1"; None or "auto" takes a GPU where
    there is one. revision: of the hub. labels: label -> sentiment for a checkpoint whose labels say nothing. offline:
    no network; None leaves it to HF_HUB_OFFLINE. threads: CPU threads, default all cores allowed. topics, for
    checkpoints without topic heads: "embedded" (default where its weights are installed) or "lexicon". adapter: a
    directory of `models.adapt`. stars: whether the `ratings` of texts count (`models.stars`). Raises
    WeightsMissing, LabelsUnknown, ModelError.
    """
    device = _gpu() if device in (None, "", "auto") else device
    own = _own_directory(name)
    tagger: Tagger
    if own is not None:
        for setting, value in (("revision", revision), ("labels", labels), ("topics", topics)):
            if value:
                raise ModelError(
                    f"{setting} is set to {value!r}, which only transformers checkpoints know, not "
                    f"{name or 'embedded'!r}"
                )
        on_gpu = device not in (None, "cpu")
        backend: Backend = (
            OnTorch(own, device=str(device), threads=threads) if on_gpu else Embedded(own, threads=threads)
        )
        tagger = OwnHeads(backend, Triggers.read(own))
    else:
        from models.hub import HubClassifier

        if topics not in (None, "embedded", "lexicon"):
            raise ModelError(f"topics is {topics!r}; allowed: 'embedded', 'lexicon'")
        if name == "lexicon":
            raise ModelError(
                "'lexicon' tags topics and judges no sentiment; load a network with topics='lexicon' instead"
            )
        backend = HubClassifier(
            str(name), revision=revision, labels=labels, offline=offline, device=device, threads=threads
        )
        tagger = _second(topics, backend, threads)
    return ModelScorer(
        backend,
        tagger=tagger,
        adapter=Adapter.read(adapter, backend) if adapter else None,
        user_topics=user_topics,
        stars=stars,
    )


def _own_directory(name: str | None) -> Path | None:
    """The directory of a network of ours, or None when `name` is a checkpoint of transformers."""
    if name in EMBEDDED_NAMES:
        return DIRECTORY
    config = Path(str(name)) / "config.json"
    if config.is_file():
        try:
            stated = json.loads(config.read_text(encoding="utf-8")).get("model_type")
        except (ValueError, AttributeError) as error:
            raise ModelError(f"{config} is not a model configuration: {error}") from error
        return config.parent if stated == "feedback_monitor" else None
    return None


def _second(topics: str | None, backend: Backend, threads: int | None) -> Tagger:
    if topics == "embedded" or (topics is None and (DIRECTORY / "model.safetensors").is_file()):
        return SecondNetwork(Embedded(DIRECTORY, threads=threads), Triggers.read(DIRECTORY))
    return TriggerWords(lexicon(), backend)


def _gpu() -> str | None:
    """ "cuda" where an NVIDIA driver is installed and torch can use it; torch is imported only in the first case."""
    if not Path("/proc/driver/nvidia/version").exists():
        return None
    import torch

    return "cuda" if torch.cuda.is_available() else None


class ModelScorer:
    """The `Scorer` over a backend. Safe to share between threads."""

    def __init__(
        self,
        backend: Backend,
        *,
        tagger: Tagger | None = None,
        adapter: Adapter | None = None,
        user_topics: Sequence[FittedTopic] = (),
        stars: bool = True,
    ) -> None:
        self.backend = backend
        self.adapter = adapter
        self._tagger = tagger or OwnHeads(backend)
        self._user_topics = tuple(user_topics)
        self._stars = stars
        self.name = backend.name
        parts = (
            backend.revision,
            self._tagger.revision,
            f"stars:{STARS}" if stars else "",
            adapter.revision if adapter else "",
        )
        self.revision = "+".join((*filter(None, parts), *(f"{topic.key}:{topic.revision}" for topic in user_topics)))
        self.model = f"{self.name}@{self.revision}"
        self._remembered: OrderedDict[_Known, Judgement] = OrderedDict()
        self._lock = threading.Lock()

    def score(
        self,
        texts: Sequence[str],
        *,
        languages: Sequence[str | None] | None = None,
        ratings: Sequence[float | None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Judgement]:
        """One judgement per text, in order; a text that cannot be judged gets `error`. See `models.base.Scorer`."""
        if languages is not None and len(languages) != len(texts):
            raise ValueError(f"{len(languages)} languages for {len(texts)} texts")
        if ratings is not None and len(ratings) != len(texts):
            raise ValueError(f"{len(ratings)} ratings for {len(texts)} texts")
        given = languages or [None] * len(texts)
        found: list[Judgement | None] = [None] * len(texts)
        known: dict[_Known, Judgement] = {}
        places: dict[_Known, list[int]] = {}

        def fresh(start: int, end: int) -> list[tuple[_Known, str]]:
            """What nobody has judged yet of these texts."""
            part = []
            for i in range(start, end):
                try:
                    cleaned = prepare(texts[i])
                except TextRejected as reason:
                    found[i] = self._rejected(str(reason), given[i])
                    continue
                name = key(cleaned), given[i]
                same = places.setdefault(name, [])
                if not same:
                    part.append((name, cleaned))
                same.append(i)
            with self._lock:
                known.update((name, self._remembered[name]) for name, _ in part if name in self._remembered)
            return [(name, text) for name, text in part if name not in known]

        with self._side_by_side(len(texts)) as (n_parts, each):
            chunks = list(_chunks(texts, rows=-(-len(texts) // n_parts)))
            # one part is made ready here while others are judged
            for (start, end), judged in zip(chunks, each(self._part, (fresh(*chunk) for chunk in chunks)), strict=True):
                known |= judged
                if progress is not None:
                    progress(end - start)
        for name, rows in places.items():
            for i in rows:
                found[i] = known[name]
        whole = [judgement for judgement in found if judgement is not None]
        if ratings is None or not self._stars:
            return whole
        return [weighed(judgement, rating) for judgement, rating in zip(whole, ratings, strict=True)]

    def _part(self, fresh: Sequence[tuple[_Known, str]]) -> dict[_Known, Judgement]:
        if not fresh:
            return {}
        judged = self._judge([text for _, text in fresh], [code for (_, code), _ in fresh])
        found = {name: judgement for (name, _), judgement in zip(fresh, judged, strict=True)}
        with self._lock:
            self._remembered.update(found)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    @contextmanager
    def _side_by_side(self, n_texts: int) -> Iterator[tuple[int, Callable[..., Iterable[dict[_Known, Judgement]]]]]:
        """(parts to cut so many texts into, what maps over parts in order): as many threads as the backend serves."""
        n_threads = self.backend.at_once
        if n_threads == 1 or n_texts < n_threads * _LEAST:
            yield 1, map
            return
        # The threads of BLAS would be waited for busily by each of ours.
        with _short_turns(), _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(n_threads) as pool:
            try:  # who is done early takes another
                yield n_threads * (2 if n_texts >= 2 * n_threads * _LEAST else 1), pool.map
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _judge(self, texts: list[str], languages: list[str | None]) -> list[Judgement]:
        asked = [i for i, code in enumerate(languages) if code is None]
        if asked:
            languages = list(languages)
            for i, code in zip(asked, language_id.detect([texts[i] for i in asked]), strict=True):
                languages[i] = code
        try:
            outputs = self._adapted(self.backend.predict(texts))
            tags = self._tagger.tags(texts, languages, outputs)
        except Exception as error:  # noqa: BLE001 - a text that breaks a model is marked and never blocks the others
            if len(texts) == 1:
                return [self._rejected(f"the model failed: {type(error).__name__}: {error}"[:300], languages[0])]
            half = len(texts) // 2
            return self._judge(texts[:half], languages[:half]) + self._judge(texts[half:], languages[half:])
        tags = self._with_user_topics(texts, outputs, tags)
        rows = np.round(outputs.sentiment.astype(np.float64), 4).tolist()
        best = outputs.sentiment.argmax(axis=1).tolist()
        return [
            Judgement(code, SENTIMENTS[top], p[0], p[1], p[2], found, self.model)
            for code, top, p, found in zip(languages, best, rows, tags, strict=True)
        ]

    def _adapted(self, outputs: Outputs) -> Outputs:
        return outputs if self.adapter is None else replace(outputs, sentiment=self.adapter.sentiment(outputs))

    def _with_user_topics(
        self, texts: list[str], outputs: Outputs, tags: list[tuple[TopicTag, ...]]
    ) -> list[tuple[TopicTag, ...]]:
        if not self._user_topics:
            return tags
        vectors = unit(outputs.pooled)
        merged = [list(found) for found in tags]
        for topic in self._user_topics:
            for i, p in enumerate(topic.probabilities(texts, vectors)):
                if p >= topic.threshold:
                    row = outputs.sentiment[i]
                    negative, neutral, positive = (round(value, 4) for value in row.tolist())
                    sentiment = SENTIMENTS[int(row.argmax())]
                    merged[i].append(TopicTag(topic.key, round(float(p), 4), sentiment, negative, neutral, positive))
        return [tuple(found) for found in merged]

    def _rejected(self, reason: str, code: str | None) -> Judgement:
        return Judgement(code, None, 0.0, 0.0, 0.0, (), self.model, error=reason)

    def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
        """Words that carried the sentiment (of `topic`), strongest first; none for a text that cannot be judged."""
        return spans(text, self.backend, topic=topic)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors [n, width]; a text that cannot be judged gets zeros."""
        cleaned: list[tuple[int, str]] = []
        for i, text in enumerate(texts):
            try:
                cleaned.append((i, prepare(text)))
            except TextRejected:
                continue
        vectors: npt.NDArray[np.float32] | None = None
        plain = [text for _, text in cleaned] or ["a"]
        for start, end in _chunks(plain):
            part = unit(self.backend.predict(plain[start:end]).pooled)
            if vectors is None:
                vectors = np.zeros((len(texts), part.shape[1]), dtype=np.float32)
            if cleaned:
                vectors[[i for i, _ in cleaned[start:end]]] = part
        assert vectors is not None
        return vectors


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def _short_turns() -> Iterator[None]:
    """Threads take short turns at the interpreter: one that comes back from a product of microseconds would else wait
    milliseconds for the next. Of two callers the first sets it back.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN))
    try:
        yield
    finally:
        if before > _TURN:
            sys.setswitchinterval(before)


def _chunks(texts: Sequence[Any], *, rows: int = _ROWS) -> Iterator[tuple[int, int]]:
    rows = min(rows, _ROWS)
    start = size = 0
    for i, text in enumerate(texts):
        length = len(text) if isinstance(text, str) else 0
        if i > start and (i - start >= rows or size + length > _CHARACTERS):
            yield start, i
            start, size = i, 0
        size += length
    if start < len(texts):
        yield start, len(texts)


def stream(
    scorer: Scorer,
    rows: Iterable[T],
    text_of: Callable[[T], Any],
    *,
    language_of: Callable[[T], str | None] | None = None,
    first: int = 32,
) -> Iterator[tuple[T, Judgement]]:
    """(row, judgement) in the order of `rows`, holding one chunk at a time; the first chunk is small so that output
    begins at once.
    """
    chunk: list[T] = []
    size, limit = 0, first
    for row in rows:
        chunk.append(row)
        text = text_of(row)
        size += len(text) if isinstance(text, str) else 0
        if len(chunk) >= limit or size >= _CHARACTERS:
            yield from _scored(scorer, chunk, text_of, language_of)
            chunk, size, limit = [], 0, min(limit * 4, _ROWS)
    if chunk:
        yield from _scored(scorer, chunk, text_of, language_of)


def _scored(
    scorer: Scorer, chunk: list[T], text_of: Callable[[T], Any], language_of: Callable[[T], str | None] | None
) -> Iterator[tuple[T, Judgement]]:
    languages = [language_of(row) for row in chunk] if language_of else None
    yield from zip(chunk, scorer.score([text_of(row) for row in chunk], languages=languages), strict=True)
