"""How the machine is: sources with their health, queues, deliveries, runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from monitor.store import tallies
from monitor.store.tables import Brand, Coverage, Mention, Outbox, Run, Source, TouchedHour


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """A source, its share of the last week that was really read, and what it brought."""

    source: Source
    brand: str
    n_mentions: int
    n_week: int
    coverage: float | None
    last_mention_at: datetime | None

    def state(self, now: datetime) -> str:
        """off | paused | failing | waiting | silent | ok. `silent`: no success for three intervals."""
        source = self.source
        if not source.active:
            return "off"
        if source.paused_until is not None and source.paused_until > now:
            return "paused"
        if source.fail_count > 0:
            return "failing"
        if source.scraper == "import":
            return "ok"
        if source.last_success_at is None:
            return "waiting"
        if now - source.last_success_at > 3 * timedelta(seconds=source.interval_seconds) + timedelta(hours=1):
            return "silent"
        return "ok"


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits."""

    n_unscored: int
    n_hours: int
    n_outbox: int
    n_dead: int


def sources(session: Session, *, now: datetime) -> list[SourceHealth]:
    """Every source, those that need a look first."""
    week = now - timedelta(days=7)
    brands = {brand.id: brand.name for brand in session.exec(select(Brand))}
    fresh: Counter[int] = Counter()
    for brand_id in brands:  # row by row and counted here: grouped, SQLite would read every mention for their order
        asked = select(Mention.source_id).where(Mention.brand_id == brand_id, col(Mention.observed_at) >= week)
        fresh.update(number for (number,) in session.connection().execute(asked).cursor)
    covered = {
        source_id: (int(due or 0), int(done or 0))
        for source_id, due, done in session.execute(
            select(Coverage.source_id, func.sum(Coverage.n_due), func.sum(Coverage.n_done))
            .where(col(Coverage.hour_at) >= week)
            .group_by(Coverage.source_id)
        )
    }
    found = []
    for source in session.exec(select(Source).order_by(col(Source.slug))).all():
        # of each alone: grouped, SQLite compares a million sources and times
        n = session.exec(select(func.count()).select_from(Mention).where(Mention.source_id == source.id)).one()
        last = session.exec(select(func.max(Mention.published_at)).where(Mention.source_id == source.id)).one()
        due, done = covered.get(source.id, (0, 0))
        found.append(
            SourceHealth(
                source,
                brands.get(source.brand_id, ""),
                n,
                fresh[source.id or 0],
                min(1.0, done / due) if due else None,
                last,
            )
        )
    rank = {"failing": 0, "silent": 1, "paused": 2, "waiting": 3, "ok": 4, "off": 5}
    return sorted(found, key=lambda health: (rank[health.state(now)], health.source.slug))


def queues(session: Session) -> Queues:
    def number(statement: object) -> int:
        return int(session.exec(statement).one())

    return Queues(
        number(select(func.count()).select_from(Mention).where(Mention.score_state == "new")),
        number(select(func.count()).select_from(TouchedHour)),
        number(select(func.count()).select_from(Outbox).where(col(Outbox.state).in_(["pending", "sending"]))),
        number(select(func.count()).select_from(Outbox).where(Outbox.state == "dead")),
    )


def deliveries(session: Session, *, limit: int = 50, before_id: int | None = None) -> list[Outbox]:
    statement = select(Outbox).order_by(col(Outbox.id).desc()).limit(limit)
    if before_id is not None:
        statement = statement.where(col(Outbox.id) < before_id)
    return list(session.exec(statement))


def runs(session: Session, *, limit: int = 50) -> list[tuple[Run, Source | None]]:
    rows = session.execute(
        select(Run, Source)
        .join(Source, col(Source.id) == col(Run.source_id), isouter=True)
        .order_by(col(Run.id).desc())
        .limit(limit)
    )
    return [(run, source) for run, source in rows]


def delivered(session: Session) -> list[tuple[str, str, int]]:
    """(channel, state, how many) over all messages that came to an end."""
    rows = session.execute(
        select(Outbox.channel, Outbox.state, func.count())
        .where(col(Outbox.state).in_(["sent", "folded", "dead"]))
        .group_by(Outbox.channel, Outbox.state)
    )
    return [(channel, state, int(n)) for channel, state, n in rows]


def all_runs(session: Session) -> list[tuple[str, str, int, int, int, int, float]]:
    """(step, source, runs, items, new, edited, seconds) over the runs that are kept and those that were: never less."""
    found = {(step, slug): tuple(rest) for step, slug, *rest in run_totals(session)}
    for name, gone in tallies.read(session, "runs.").items():
        step, _, slug = name.partition(".")
        kept = found.get((step, slug), (0,) * 5)
        found[step, slug] = tuple(a + b for a, b in zip(kept, (gone.n, *gone.more, gone.seconds), strict=True))
    return [(step, slug, *numbers) for (step, slug), numbers in sorted(found.items())]  # type: ignore[misc]


def run_totals(session: Session, *, before: datetime | None = None) -> list[tuple[str, str, int, int, int, int, float]]:
    """(step, source, runs, items, new, edited, seconds) over the runs that are kept, or those of them begun earlier."""
    if session.get_bind().dialect.name == "postgresql":
        seconds = func.extract("epoch", col(Run.finished_at) - col(Run.started_at))
    else:
        seconds = (func.julianday(Run.finished_at) - func.julianday(Run.started_at)) * 86_400
    rows = session.execute(
        select(
            Run.step, func.coalesce(Source.slug, ""), func.count(), func.sum(Run.n_items), func.sum(Run.n_new),
            func.sum(Run.n_edited), func.sum(seconds),
        )
        .join(Source, col(Source.id) == col(Run.source_id), isouter=True)
        .where(col(Run.finished_at).is_not(None), *([col(Run.started_at) < before] if before is not None else []))
        .group_by(Run.step, Source.slug)
    )  # fmt: skip
    return [
        (step, slug, int(n), int(a or 0), int(b or 0), int(c or 0), float(s or 0)) for step, slug, n, a, b, c, s in rows
    ]
