"""The change: one transition of one incident with its row, within the transaction that made it."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.hierarchy import Finding
from alerts.incident import Transition
from alerts.rules import Hit
from monitor.store.tables import Incident, IncidentEvent


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an incident, what the detector or a plain rule saw, and its line in the log if it speaks."""

    row: Incident
    transition: Transition
    finding: Finding | None = None
    hit: Hit | None = None
    event: IncidentEvent | None = None
    larger: Incident | None = None  # which it has joined
