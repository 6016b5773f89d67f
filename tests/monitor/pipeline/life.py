"""A store whose clock can be set, fed with days of feedback: what the tests of detection begin with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlmodel import select

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Incident, Mention, Outbox
from scrapers.item import Item
from tests.monitor import support
from tests.monitor.support import item

START = datetime(2026, 9, 1, tzinfo=UTC)
TODAY = START + timedelta(days=60)


class Life:
    """A store whose clock can be set, fed day by day."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.at = START
        channels = {"folder": {"kind": "file", "settings": {"directory": str(folder / "outbox")}}}
        self.context: Context = support.context(folder, at=START, channels=channels, **sections)
        self.context.clock = lambda: self.at
        self.rng = random.Random(3)
        self.number = 0

    def feed(self, day: datetime, n: int, text: Callable[[int], str], *, place: str = "A",
             rating: float | None = None, hours: tuple[float, float] = (8, 20)) -> None:  # fmt: skip
        self._store({self.at: self._items(day, n, text, place=place, rating=rating, hours=hours)})

    def calm(self, days: int) -> None:
        """Some praise at two places each day, and a complaint now and then."""
        seen: dict[datetime, list[Item]] = {}
        for n in range(days):
            day = START + timedelta(days=n)
            self.at = day + timedelta(hours=22)
            items = seen[self.at] = []
            for place in ("A", "B"):
                items += self._items(day, self.rng.randrange(2, 6), lambda _: "great", place=place)
                if self.rng.random() < 0.15:
                    items += self._items(day, 1, lambda _: "late", place=place)
        self._store(seen)

    def _items(self, day: datetime, n: int, text: Callable[[int], str], *, place: str = "A",
               rating: float | None = None, hours: tuple[float, float] = (8, 20)) -> list[Item]:  # fmt: skip
        items: list[Item] = []
        for _ in range(n):
            self.number += 1
            at = day + timedelta(hours=self.rng.uniform(*hours))
            items.append(item(self.number, f"{text(self.number)} {self.number}", at=at, location=place, rating=rating))
        return items

    def _store(self, seen: Mapping[datetime, Sequence[Item]]) -> None:
        """Take in what was seen at each instant."""
        with writing(self.context.engine) as session:
            brand_id = session.exec(select(Brand.id)).one() or 0
            source_id = ensure_import(session, "site", now=min(seen)).id or 0
            for at, items in seen.items():
                ingest(session, items, brand_id=brand_id, source_id=source_id, origin="site", now=at)

    def look(self, at: datetime) -> list[str]:
        self.at = at
        score(self.context)
        aggregate(self.context)
        return [str(change.transition.kind) for change in detect(self.context) if change.transition.speaks]

    def incidents(self) -> list[Incident]:
        with reading(self.context.engine) as session:
            return list(session.exec(select(Incident)))

    def busy(self, days: int, *, praise: int = 50, complaints: int = 10) -> None:
        """Many mentions at one place, each known as soon as it was written."""
        seen: dict[datetime, list[Item]] = {}
        for n in range(days):
            day = START + timedelta(days=n)
            self.at = day + timedelta(hours=24)
            seen[self.at] = [
                *self._items(day, praise, lambda _: "great", hours=(0, 24)),
                *self._items(day, complaints, lambda k: "rude" if k % 2 else "awful", hours=(0, 24)),
            ]
        self._store(seen)
        self.live()

    def live(self) -> None:
        """Every mention so far was known at once."""
        with writing(self.context.engine) as session:
            session.execute(update(Mention).values(observed_at=Mention.published_at))

    def hour(self, at: datetime, n: int, text: Callable[[int], str]) -> None:
        """Mentions of one hour, known at once."""
        self.at = at + timedelta(hours=1)
        self.feed(at, n, text, hours=(0.1, 0.9))
        self.live()

    def messages(self) -> list[Outbox]:
        with reading(self.context.engine) as session:
            return list(session.exec(select(Outbox).order_by(Outbox.id)))  # type: ignore[arg-type]
