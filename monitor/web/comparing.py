"""Comparisons people keep: saved after they proved answerable, closed by hand; each with its line in the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from monitor.pipeline.context import Context
from monitor.store import comparisons
from monitor.store.daily import day_start
from monitor.store.engine import writing
from monitor.web.accounts import audit
from monitor.web.asked import Asked
from monitor.web.errors import BadRequest, NotFound


def save(
    found: Asked,
    actor: str,
    name: str,
    *,
    topics: Sequence[str],
    changed_on: date,
    treated: Sequence[str],
    against: Sequence[str],
    measure: str,
) -> int:
    """Keep it under a name; the same name again replaces it. Returns its id. Raises BadRequest."""
    name = name.strip()
    if not name:
        raise BadRequest("a comparison needs a name")
    if not topics:
        raise BadRequest("a comparison needs a topic that the complaints are about")
    found.effect(topics=topics, changed_on=changed_on, treated=treated, against=against, measure=measure)
    context = found.context
    with writing(context.engine) as session:
        made = comparisons.save(
            session, found.brand_id, name[:80], topics=topics, changed_at=day_start(changed_on, found.zone),
            treated=treated, against=against, measure=measure, actor=actor, now=context.now,
        )  # fmt: skip
        audit(session, actor, "comparison.saved", str(made), now=context.now, topics=list(topics))
    return made


def close(context: Context, actor: str, comparison_id: int) -> None:
    """Follow it no more. Raises NotFound."""
    with writing(context.engine) as session:
        if comparisons.close(session, comparison_id, now=context.now) is None:
            raise NotFound(f"there is no open comparison {comparison_id}")
        audit(session, actor, "comparison.closed", str(comparison_id), now=context.now)
