"""How late each source tells what was written: the share of a day that is known by now, so that today is judged fairly.

Looked at once a day, over days old enough that nothing more is waited for, and kept beside the detector's memory.
Files are no measure: they bring whole weeks at once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from alerts.delay import MAX_BACKFILL, by_hour, known_share
from monitor.pipeline.steps import Steps
from monitor.store.catalogue import IMPORT
from monitor.store.tables import Brand, DetectorState, Mention, Source

DELAYS = "delays"
LOOKED_AT = timedelta(days=28)
LEAST = 30  # mentions from which on a source's delays are worth believing
PSEUDO = 30.0  # mentions without delay, believed before any is seen: they tell the hours of a day
DAYS = MAX_BACKFILL.days + 1  # for which a late mention is still waited for
_MOST = 5000

Delays = Mapping[str, list[int]]


def refresh(session: Session, brand: Brand, steps: Steps, *, now: datetime) -> None:
    """Measure the delays of the brand's sources anew when a day has passed. The transaction must be a writing one."""
    day = steps.text(steps.of(now))
    row = session.get(DetectorState, (brand.id, DELAYS))
    if row is not None and (row.day, row.settings) == (day, steps.zone.key):
        return
    found = {name: by_hour(delays) for name, delays in _measured(session, brand, steps, now=now).items()}
    session.merge(
        DetectorState(brand_id=brand.id, signal=DELAYS, day=day, settings=steps.zone.key, series=list(found),
                      arrays=json.dumps(found).encode())
    )  # fmt: skip


def remembered(session: Session, brand: Brand) -> Delays:
    """By source, how many mentions became known in each hour after the beginning of their day."""
    row = session.get(DetectorState, (brand.id, DELAYS))
    return dict(json.loads(row.arrays)) if row is not None else {}


def known(delays: Delays, source: str, age: timedelta, *, usual: float) -> float:
    """The share of a source's day that is known by now, when the day began `age` ago and `usual` of it is over."""
    counts = delays.get(source)
    return usual if counts is None else known_share(counts, age, usual=usual, pseudo=PSEUDO)


def _measured(session: Session, brand: Brand, steps: Steps, *, now: datetime) -> dict[str, list[timedelta]]:
    """What was written since a source is there: its first page holds older things, which tell nothing."""
    until = steps.start(steps.of(now - MAX_BACKFILL))
    sources = {row.id: row for row in session.exec(select(Source).where(Source.scraper != IMPORT))}
    found: dict[str, list[timedelta]] = defaultdict(list)
    for source_id, published_at, observed_at in session.execute(
        select(Mention.source_id, Mention.published_at, Mention.observed_at)
        .where(Mention.brand_id == brand.id, col(Mention.source_id).in_(sources),
               col(Mention.published_at) >= until - LOOKED_AT, col(Mention.published_at) < until)
        .order_by(col(Mention.published_at).desc())
        .limit(_MOST)
    ):  # fmt: skip
        if published_at >= sources[source_id].created_at:
            found[sources[source_id].slug].append(observed_at - steps.start(steps.of(published_at)))
    return {name: delays for name, delays in found.items() if len(delays) >= LEAST}
