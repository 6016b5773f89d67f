"""Parts the application's tests share: a scorer that follows plain words, items, contexts with a clock that stands."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from models.base import Judgement, Span, TopicTag
from monitor.config import Settings, validate
from monitor.pipeline.context import Context
from monitor.store.catalogue import synchronise
from monitor.store.engine import open_engine, upgrade, writing
from scrapers.item import Item

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

BAD = ("плохо", "ужас", "bad", "awful", "late", "rude", "долго")
GOOD = ("хорошо", "отлично", "good", "great", "lovely", "вкусно")
TOPICS = {"late": "waiting", "долго": "waiting", "rude": "staff", "хам": "staff", "cold": "food", "вкусно": "food"}


class WordScorer:
    """Judges by a handful of words: deterministic, instant, and as narrow as that. Texts in `poison` raise."""

    name = "words"
    revision = "1"

    def __init__(self, poison: Sequence[str] = ()) -> None:
        self.poison = tuple(poison)
        self.seen: list[str] = []

    def score(self, texts: Sequence[str], *, languages: Sequence[str | None] | None = None,
              ratings: Sequence[float | None] | None = None,
              progress: Callable[[int], None] | None = None) -> list[Judgement]:  # fmt: skip
        for text in texts:
            if any(word in (text or "") for word in self.poison):
                raise RuntimeError("poisoned")
        self.seen += texts
        if progress:
            progress(len(texts))
        return [self._judge(text) for text in texts]

    def highlight(self, text: str, *, topic: str | None = None) -> list[Span]:
        return []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.zeros((len(texts), 4), dtype=np.float32)

    def _judge(self, text: str | None) -> Judgement:
        if not text:
            return Judgement(None, None, 0.0, 0.0, 0.0, (), "words@1", "no text")
        words = text.casefold()
        bad, good = any(w in words for w in BAD), any(w in words for w in GOOD)
        sentiment: Any = "negative" if bad else "positive" if good else "neutral"
        p = {name: 0.9 if name == sentiment else 0.05 for name in ("negative", "neutral", "positive")}
        tags = {topic: TopicTag(topic, 0.9, sentiment) for word, topic in TOPICS.items() if word in words}
        language = "ru" if any("а" <= c <= "я" for c in words) else "en"
        return Judgement(
            language, sentiment, p["negative"], p["neutral"], p["positive"], tuple(tags.values()), "words@1"
        )


def item(number: int | str, text: str = "fine", *, at: datetime | None = None, **values: Any) -> Item:
    values.setdefault("kind", "review")
    values.setdefault("author", f"guest {number}")
    return Item(external_id=str(number), text=text, published_at=at or NOW - timedelta(hours=1), **values)


def settings(folder: Path, **sections: Any) -> Settings:
    raw: dict[str, Any] = {"data_dir": str(folder / "data"), "brands": {"cafe": {"name": "Cafe"}}}
    return validate(raw | sections, origin="test")


@cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        engine = open_engine(f"sqlite:///{path}")
        upgrade(engine)
        engine.dispose()  # the last one to close it moves the journal into the file
        return path.read_bytes()


def migrated(engine: Engine) -> Engine:
    """The engine with all tables: a new SQLite store is a copy of one that was migrated once, which takes a tenth."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        if not url.database:
            with closing(engine.raw_connection()) as connection:
                empty = bytearray(_empty_store())
                empty[18:20] = b"\1\1"  # a store in memory has no journal beside it (SQLite's file format, 1.3.4)
                connection.driver_connection.deserialize(empty)  # type: ignore[union-attr]
        elif not Path(url.database).exists():
            Path(url.database).write_bytes(_empty_store())
    upgrade(engine)
    return engine


def context(folder: Path, *, at: datetime = NOW, scorer: Any = None, **sections: Any) -> Context:
    """A context over a fresh, migrated store with its brands and sources."""
    made = Context(settings(folder, **sections), clock=lambda: at, rng=random.Random(1), scorer=scorer or WordScorer())
    migrated(made.engine)
    with writing(made.engine) as session:
        synchronise(session, made.settings, now=at)
    return made
