"""Which findings are one story: those that speak of the same place, topic or source, or of the same mentions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime

from scipy.special import bdtrc
from sqlmodel import Session

from alerts.decision import Decision
from alerts.hierarchy import Finding
from alerts.series import DIMENSIONS, SeriesKey
from alerts.severity import Severity
from monitor.pipeline import related
from monitor.store.tables import Brand, Incident

NARROWS = 0.8  # of its negatives must lie in a node inside for the incident to be about that node
SAME_MENTIONS = 0.5  # of the smaller finding's mentions: a text about waiting and staff is one complaint, not two
BY_CHANCE = 0.1  # a node whose usual share lets it hold so many that often is not what the story is about


def holds(inside: Decision, whole: Decision) -> bool:
    """Whether a node inside holds nearly all negatives of the whole, over the window that speaks loudest there."""
    return inside.windows.get(whole.window_steps, (0.0, 0.0))[0] >= NARROWS * whole.observed


def narrowest(whole: SeriesKey, decisions: Mapping[SeriesKey, Decision]) -> SeriesKey:
    """The node inside that the story of this one is about; itself where none stands for it.

    That is the node which holds nearly all of its negatives and is least likely to by its usual share of them: seven of
    eight complaints name the app, where one in a hundred does. Whether the node would be an alarm of its own is no
    question here: one that has had bursts before takes more to alarm, and is named all the same.
    """
    top = decisions.get(whole)
    if top is None:
        return whole
    found = []
    for key, decision in decisions.items():
        if key == whole or not whole.covers(key) or not holds(decision, top):
            continue
        if decision.score < decision.threshold / 2:
            continue
        observed, expected = decision.windows[top.window_steps]
        usual = min(1.0, expected / max(top.expected, 1e-9))
        found.append((float(bdtrc(int(observed) - 1, int(top.observed), usual)), -key.depth, key.text(), key))
    chance, _, _, key = min(found, default=(1.0, 0, "", whole))
    return key if chance <= BY_CHANCE else whole


def joins(
    session: Session, brand: Brand, rows: Iterable[Incident], *, now: datetime
) -> tuple[Incident, Incident] | None:
    """Of open incidents the smallest that is part of a larger one's story, and that one; None where each is its own.

    Two that hold mostly the same mentions are one story, though neither was when it opened: complaints about waiting
    that began a night before the network failed are complaints about the failure by noon. The one with fewer mentions
    joins the other, of two alike the later.
    """
    known = [(row, key) for row in rows if not row.rule and (key := related.key_of(row.series)) is not None]
    if not any(_can_share(one, two) for (_, one), (_, two) in itertools.combinations(known, 2)):
        return None
    found = [
        (related.n_negatives(session, brand, key, since=row.since_at, until=now), -row.opened_at.timestamp(),
         row.id or 0, row, key)
        for row, key in known
    ]  # fmt: skip
    found.sort(key=lambda one: one[:3])
    for place, (n, _, _, row, key) in enumerate(found):
        least, taker = SAME_MENTIONS * n, None
        for _, _, _, other, wider in found[place + 1 :]:
            if Severity(other.severity) < Severity(row.severity) or not _can_share(key, wider):
                continue
            since = max(row.since_at, other.since_at)
            common = related.n_negatives(session, brand, key, wider, since=since, until=now)
            if common and common >= least:
                least, taker = common, other
        if taker is not None:
            return row, taker
    return None


def _can_share(one: SeriesKey, two: SeriesKey) -> bool:
    """Whether a mention can be in both: it has one place and one source, and may have several topics."""
    return one.opened("topic").overlaps(two.opened("topic"))


class Stories:
    """Gathers what is known and what is new into stories; a story lives at the node that holds all of it.

    Two findings that share a place, a topic or a source are one story when that place, topic or source as a whole
    stands out too: waiting at the station and staff at the station are trouble at the station. Where one node inside
    holds nearly all of that, the story is about it: complaints at two places that all name the app are about the app.
    """

    def __init__(self, session: Session, brand: Brand, decisions: Mapping[SeriesKey, Decision]) -> None:
        self._session = session
        self._brand = brand
        self._decisions = decisions
        self._open: list[tuple[Incident, SeriesKey]] = []
        self._new: list[SeriesKey] = []
        self._mentions: dict[tuple[SeriesKey, datetime | None], set[int]] = {}

    def known(self, row: Incident) -> None:
        """An incident that is open."""
        key = related.key_of(row.series)
        if key is not None:
            self._open.append((row, key))

    def add(self, finding: Finding) -> None:
        """A new finding, strongest first: it joins a story or begins one."""
        added = narrowest(finding.series, self._decisions)
        for place, (row, key) in enumerate(self._open):
            whole = self._together(key, added)
            if whole is not None:
                self._open[place] = (row, whole)
                return
        for place, key in enumerate(self._new):
            whole = self._together(key, added)
            if whole is not None:
                self._new[place] = whole
                return
        self._new.append(added)

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
        if stands_out:
            about = narrowest(whole, self._decisions)
            if whole.depth or (about != whole and self._lies_in(one, about) and self._lies_in(two, about)):
                return about
        if not self._same_mentions(one, two):
            return None
        own = self._decisions.get(one)
        if own is not None and decision is not None and holds(own, decision):
            return one
        return narrowest(whole, self._decisions) if stands_out else one

    def _lies_in(self, key: SeriesKey, node: SeriesKey) -> bool:
        """Whether most mentions of a node are mentions of another: trouble at a place whose texts all name the app."""
        if node.covers(key):
            return True
        own = self._ids(key)
        return bool(own) and len(own & self._ids(node, since=self._decisions[key].since)) >= SAME_MENTIONS * len(own)

    def _same_mentions(self, one: SeriesKey, two: SeriesKey) -> bool:
        first, second = self._ids(one), self._ids(two)
        smaller = min(len(first), len(second))
        return smaller > 0 and len(first & second) >= SAME_MENTIONS * smaller

    def _ids(self, key: SeriesKey, *, since: datetime | None = None) -> set[int]:
        """Of the negatives that a node's decision counts, or of its negatives since a time."""
        if since is None and key in self._decisions:
            since = self._decisions[key].since
        if (key, since) not in self._mentions:
            found = related.negative_ids(self._session, self._brand, key, since=since) if since is not None else set()
            self._mentions[key, since] = found
        return self._mentions[key, since]
