"""Whether all is well: every step went well lately and none fails. What the dead man's switch and the doctor go by."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from monitor.config import Settings
from monitor.store import tallies
from monitor.store.tables import Notice

STEPS = ("collect", "score", "detect", "notify", "report", "housekeep")
LATE = timedelta(hours=1)  # since a step last went well
LATE_IN_BULK = timedelta(hours=6)  # first readings and judging what was imported take their time
_BULK = frozenset({"collect", "score", "housekeep"})


def ailing(session: Session, settings: Settings, *, now: datetime) -> list[str]:
    """Why nobody should believe that all is well, in words; empty when it is."""
    plan = settings.schedule
    intervals = {"collect": plan.collect, "score": plan.score, "detect": plan.detect, "notify": plan.notify,
                 "housekeep": plan.janitor}  # fmt: skip
    failing = session.exec(
        select(Notice.key).where(col(Notice.key).startswith("step."), col(Notice.closed_at).is_(None))
    ).all()
    found = [f"{key.removeprefix('step.')} fails" for key in sorted(failing)]
    seen = tallies.read(session, "step.")
    for step in STEPS:
        last = seen[step].at if step in seen else None
        allowed = max(LATE_IN_BULK if step in _BULK else LATE, 5 * intervals.get(step, timedelta()))
        if last is None:
            found.append(f"{step} has not run yet")
        elif now - last > allowed:
            found.append(f"{step} last went well at {last:%Y-%m-%d %H:%M} UTC")
    return found
