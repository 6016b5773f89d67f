"""The change: one transition of one incident with its row, within the transaction that made it."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.hierarchy import Finding
from alerts.incident import Transition
from alerts.rules import Hit
from monitor.store.tables import Incident


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an incident, and what the detector or a plain rule saw."""

    row: Incident
    transition: Transition
    finding: Finding | None = None
    hit: Hit | None = None
