"""What a report waits for: it is made once, so what is on its way for its span comes in first, for two hours at most.

After a night that the machine was off, the week's last mentions are on their sites and not in the store yet.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, or_, select

from monitor.pipeline.context import Context
from monitor.store import meta
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand, Mention, Source, TouchedHour

log = structlog.get_logger()

LONGEST = timedelta(hours=2)


def must_wait(context: Context, brand: Brand, start: datetime, end: datetime, *, what: str) -> bool:
    """Whether a report of start <= t < end waits for what is still to be read, judged or counted. `what` names it."""
    now, key = context.now, f"{what}.waits.{brand.slug}"
    with reading(context.engine) as session:
        if not on_its_way(session, brand.id or 0, start, end, now=now):
            return False
        of, _, since = (meta.get(session, key) or "").partition(" ")
    if of == end.isoformat() and now >= datetime.fromisoformat(since):  # else the clock was set back
        return now - datetime.fromisoformat(since) < LONGEST
    with writing(context.engine) as session:
        meta.put(session, key, f"{end.isoformat()} {now.isoformat()}")
    log.info(f"{what}.waits", brand=brand.slug)
    return True


def on_its_way(session: Session, brand_id: int, start: datetime, end: datetime, *, now: datetime) -> bool:
    """Whether mentions of the span wait, or a source whose turn it is was not read since it ended.

    A source that fails or rests is not waited for.
    """
    ways = (
        select(Mention.id).where(
            Mention.score_state == "new", Mention.brand_id == brand_id,
            col(Mention.published_at) >= start, col(Mention.published_at) < end,
        ),
        select(TouchedHour.hour_at).where(
            TouchedHour.brand_id == brand_id, col(TouchedHour.hour_at) >= start, col(TouchedHour.hour_at) < end
        ),
        select(Source.id).where(
            or_(Source.brand_id == brand_id, col(Source.brand_id).is_(None)),
            col(Source.active).is_(True), Source.fail_count == 0, col(Source.next_due_at) <= now,
            or_(col(Source.paused_until).is_(None), col(Source.paused_until) <= now),
            or_(col(Source.last_success_at).is_(None), col(Source.last_success_at) < end),
        ),
    )  # fmt: skip
    return any(session.exec(way.limit(1)).first() is not None for way in ways)
