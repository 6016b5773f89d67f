"""A brand beside its competitors: share of voice, and by topic what they are praised for and we are blamed for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from monitor.metrics.counts import clear_after_many
from monitor.metrics.journey import Versus, versus
from monitor.metrics.sentiment import Tally
from monitor.metrics.voice import Voice, share_of_voice
from monitor.pipeline.indices import p_of
from monitor.store.queries import counts
from monitor.store.queries.opinions import opinions
from monitor.store.queries.selection import Selection
from monitor.store.tables import Brand

GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Compared:
    """One topic: ours, theirs, the difference; `clear` after Benjamini and Hochberg over the topics."""

    row: Versus
    clear: bool

    @property
    def envied(self) -> bool:
        """They are praised for it, we are blamed for it, and the difference is clear."""
        own, other = self.row.own.value, self.row.other.value
        return self.clear and own is not None and other is not None and own < 0 < other


@dataclass(frozen=True, slots=True)
class Rival:
    """One competitor: all judged mentions of both, and the topics both are spoken of enough to compare."""

    slug: str
    name: str
    n_own: int
    n_other: int
    whole: Versus | None
    topics: tuple[Compared, ...]


def rivals(session: Session, brand: Brand, *, start: datetime, end: datetime) -> list[Rival]:
    """The brand against every other active brand, by name."""
    own, own_whole = _tallies(session, brand.id or 0, start=start, end=end)
    found = []
    for other in session.exec(
        select(Brand).where(col(Brand.active).is_(True), col(Brand.id) != brand.id).order_by(col(Brand.name))
    ):
        theirs, whole = _tallies(session, other.id or 0, start=start, end=end)
        rows = versus(own, theirs)
        clear = clear_after_many([p_of(row.difference, row.interval) for row in rows])
        compared = tuple(Compared(row, sure and row.interval.clear) for row, sure in zip(rows, clear, strict=True))
        total = next(iter(versus({GENERAL: own_whole}, {GENERAL: whole})), None)
        found.append(Rival(other.slug, other.name, own_whole.n, whole.n, total, compared))
    return found


def shares_of_voice(session: Session, selection: Selection) -> list[tuple[Brand, Voice]]:
    """Share of voice over all active brands, largest first. The brand's own sources and places do not narrow it."""
    opened = dataclasses.replace(selection, source_ids=(), locations=())
    pairs = counts.by_brand(session, opened)
    brands = {brand.id: brand for brand in session.exec(select(Brand).where(col(Brand.active).is_(True)))}
    now = {str(number): pair.now.n for number, pair in pairs.items()}
    before = {str(number): pair.before.n for number, pair in pairs.items()}
    return [(brands[int(one.brand)], one) for one in share_of_voice(now, before=before)]


def _tallies(session: Session, brand_id: int, *, start: datetime, end: datetime) -> tuple[dict[str, Tally], Tally]:
    """Sentiments by topic, and of the mentions as a whole."""
    found = opinions(session, brand_id, start=start, end=end)
    sentiments = found.topics()
    return {topic: Tally(*sentiments[topic]) for topic in sentiments if topic != GENERAL}, Tally(*found.whole())


__all__ = ["Compared", "Rival", "rivals", "shares_of_voice"]
