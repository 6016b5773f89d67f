"""Which findings are one story: those that speak of the same place, topic or source, or of the same mentions."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from alerts.decision import Decision
from alerts.hierarchy import Finding
from alerts.series import DIMENSIONS, SeriesKey
from monitor.pipeline import related
from monitor.store.tables import Brand, Incident

NARROWS = 0.8  # of its negatives must lie in a node inside for the incident to be about that node
SAME_MENTIONS = 0.5  # of the smaller finding's mentions: a text about waiting and staff is one complaint, not two
_LIMIT = 500


def holds(inside: Decision, whole: Decision) -> bool:
    """Whether a node inside holds nearly all negatives of the whole, over the window that speaks loudest there."""
    return inside.windows.get(whole.window_steps, (0.0, 0.0))[0] >= NARROWS * whole.observed


class Stories:
    """Gathers what is known and what is new into stories; a story lives at the node that holds all of it.

    Two findings that share a place, a topic or a source are one story when that place, topic or source as a whole
    stands out too: waiting at the station and staff at the station are trouble at the station.
    """

    def __init__(self, session: Session, brand: Brand, decisions: Mapping[SeriesKey, Decision]) -> None:
        self._session = session
        self._brand = brand
        self._decisions = decisions
        self._open: list[tuple[Incident, SeriesKey]] = []
        self._new: list[SeriesKey] = []
        self._mentions: dict[SeriesKey, set[int]] = {}

    def known(self, row: Incident) -> None:
        """An incident that is open."""
        key = related.key_of(row.series)
        if key is not None:
            self._open.append((row, key))

    def add(self, finding: Finding) -> None:
        """A new finding, strongest first: it joins a story or begins one."""
        for place, (row, key) in enumerate(self._open):
            whole = self._together(key, finding.series)
            if whole is not None:
                self._open[place] = (row, whole)
                return
        for place, key in enumerate(self._new):
            whole = self._together(key, finding.series)
            if whole is not None:
                self._new[place] = whole
                return
        self._new.append(finding.series)

    def widened(self) -> list[tuple[Incident, SeriesKey]]:
        """Open incidents that are now about a wider node."""
        return [(row, key) for row, key in self._open if key.text() != row.series]

    def new(self) -> list[SeriesKey]:
        """Where stories begin, each once."""
        return list(dict.fromkeys(self._new))

    def _together(self, one: SeriesKey, two: SeriesKey) -> SeriesKey | None:
        """The node of the common story of two nodes, or None when they are two stories."""
        shared = {name: getattr(one, name) for name in DIMENSIONS if getattr(one, name) == getattr(two, name)}
        whole = SeriesKey(one.brand, **shared)
        decision = self._decisions.get(whole)
        stands_out = decision is not None and decision.active
        if whole.depth and stands_out:
            return whole
        if not self._same_mentions(one, two):
            return None
        own = self._decisions.get(one)
        if own is not None and decision is not None and holds(own, decision):
            return one
        return whole if stands_out else one

    def _same_mentions(self, one: SeriesKey, two: SeriesKey) -> bool:
        first, second = self._ids(one), self._ids(two)
        smaller = min(len(first), len(second))
        return smaller > 0 and len(first & second) >= SAME_MENTIONS * smaller

    def _ids(self, key: SeriesKey) -> set[int]:
        if key not in self._mentions:
            decision = self._decisions.get(key)
            rows = (
                related.negatives(self._session, self._brand, key, since=decision.since, limit=_LIMIT)
                if decision is not None
                else []
            )
            self._mentions[key] = {row.id for row in rows if row.id is not None}
        return self._mentions[key]
