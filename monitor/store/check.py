"""The invariants of the store, verified over all rows, and the repair of what is derived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Engine, func, text
from sqlmodel import Session, col, select

from monitor.store import daily
from monitor.store.buckets import counts_from_rows, recompute, recompute_touched
from monitor.store.engine import reading, writing
from monitor.store.ingest import hour_of, touch
from monitor.store.search import searchable
from monitor.store.tables import Brand, Bucket, Incident, IncidentEvent, Judgement, Mention, Outbox, TouchedHour

_SPAN = timedelta(days=31)


def verify(engine: Engine, *, repair: bool = False) -> list[str]:
    """Broken invariants in words; empty when all hold. With `repair`, buckets, days and search index are recomputed."""
    found: list[str] = []
    with reading(engine) as session:
        found += _unjudged(session)
        found += _clusters(session)
        found += _incidents(session)
        missing = _missing_in_search(session)
        brands = [brand.id for brand in session.exec(select(Brand)) if brand.id is not None]
    if missing:
        found.append(f"{missing} mention(s) are missing in the search index")
        if repair:
            _index(engine)
    for brand_id in brands:
        found += _buckets(engine, brand_id, repair=repair)
        found += _days(engine, brand_id, repair=repair)
    return found


def _unjudged(session: Session) -> list[str]:
    """Every judged mention has the model's output it shows."""
    n = session.exec(
        select(func.count())
        .select_from(Mention)
        .where(
            Mention.score_state == "done",
            ~select(Judgement.id)
            .where(Judgement.mention_id == Mention.id, Judgement.model == Mention.model)
            .correlate(Mention)
            .exists(),
        )
    ).one()
    wrong = session.exec(
        select(func.count())
        .select_from(Mention)
        .where(col(Mention.score_state).not_in(["new", "done", "failed", "none"]))
    ).one()
    found = [f"{n} judged mention(s) without the model's output"] if n else []
    return found + ([f"{wrong} mention(s) in an unknown state"] if wrong else [])


def _clusters(session: Session) -> list[str]:
    """Of every cluster exactly the first mention counts."""
    rows = session.execute(
        text("SELECT cluster_id FROM mention WHERE cluster_id IS NOT NULL GROUP BY cluster_id "
             "HAVING SUM(CASE WHEN counts THEN 1 ELSE 0 END) <> 1")
    ).all()  # fmt: skip
    return [f"{len(rows)} cluster(s) of copies do not count exactly once"] if rows else []


def _incidents(session: Session) -> list[str]:
    """Every incident has a log without gaps; no message hangs between marked and sent."""
    n = session.exec(
        select(func.count())
        .select_from(Incident)
        .where(~select(IncidentEvent.id).where(IncidentEvent.incident_id == Incident.id).correlate(Incident).exists())
    ).one()
    gaps = session.exec(
        select(IncidentEvent.incident_id)
        .group_by(col(IncidentEvent.incident_id))
        .having((func.count() != func.max(IncidentEvent.number)) | (func.min(IncidentEvent.number) != 1))
    ).all()
    stuck = session.exec(select(func.count()).select_from(Outbox).where(Outbox.state == "sending")).one()
    found = [f"{n} incident(s) without a log"] if n else []
    found += [f"{len(gaps)} incident(s) whose log has gaps"] if gaps else []
    return found + (
        [f"{stuck} message(s) were interrupted while being sent; the next notify settles them"] if stuck else []
    )


def _buckets(engine: Engine, brand_id: int, *, repair: bool) -> Iterator[str] | list[str]:
    n = 1
    while n:
        with writing(engine) as session:
            n = recompute_touched(session)
    wrong = set()
    with reading(engine) as session:
        first, last = session.exec(
            select(func.min(Mention.published_at), func.max(Mention.published_at)).where(Mention.brand_id == brand_id)
        ).one()
        if first is None:
            first, last = session.exec(
                select(func.min(Bucket.hour_at), func.max(Bucket.hour_at)).where(Bucket.brand_id == brand_id)
            ).one()
        start = hour_of(first) if first is not None else None
        while start is not None and start <= last:
            stop = start + _SPAN
            stored = {
                (b.hour_at, b.source_id, b.location, b.language, b.topic): (
                    b.n, b.n_negative, b.n_neutral, b.n_positive, b.n_ratings, round(b.rating_sum, 6))
                for b in session.exec(select(Bucket).where(Bucket.brand_id == brand_id, col(Bucket.hour_at) >= start,
                                                           col(Bucket.hour_at) < stop))
            }  # fmt: skip
            times = session.exec(
                select(Mention.published_at).where(
                    Mention.brand_id == brand_id, col(Mention.published_at) >= start, col(Mention.published_at) < stop
                )
            ).all()
            hours = sorted({hour_of(at) for at in times} | {key[0] for key in stored})
            due = {
                (r["hour_at"], r["source_id"], r["location"], r["language"], r["topic"]): (
                    r["n"], r["n_negative"], r["n_neutral"], r["n_positive"], r["n_ratings"], round(r["rating_sum"], 6))
                for r in (counts_from_rows(session, brand_id, hours) if hours else [])
            }  # fmt: skip
            waiting = set(session.exec(select(TouchedHour.hour_at).where(TouchedHour.brand_id == brand_id)))
            different = {key[0] for key in stored.keys() ^ due.keys()} | {
                key[0] for key in stored.keys() & due.keys() if stored[key] != due[key]
            }
            wrong |= different - waiting
            start = stop
    if not wrong:
        return []
    if repair:
        hours = sorted(wrong)
        for at in range(0, len(hours), 200):
            with writing(engine) as session:
                recompute(session, brand_id, hours[at : at + 200])
                touch(session, brand_id, [])
    return [f"brand {brand_id}: the buckets of {len(wrong)} hour(s) differ from the rows"]


def _days(engine: Engine, brand_id: int, *, repair: bool) -> list[str]:
    with reading(engine) as session:
        wrong = daily.differing(session, brand_id)
    if wrong and repair:
        daily.rewrite(engine, brand_id, wrong)
    return [f"brand {brand_id}: the counts of {len(wrong)} day(s) differ from the hours"] if wrong else []


def _missing_in_search(session: Session) -> int:
    return int(
        session.execute(
            text("SELECT COUNT(*) FROM mention WHERE gone_at IS NULL AND id NOT IN (SELECT rowid FROM mention_search)")
        ).scalar_one()
    )


def _index(engine: Engine) -> None:
    """Write the missing rows of the search index, a page at a time."""
    while True:
        with writing(engine) as session:
            rows = session.execute(
                text("SELECT id, title, text FROM mention WHERE gone_at IS NULL AND id NOT IN "
                     "(SELECT rowid FROM mention_search) LIMIT 1000")
            ).all()  # fmt: skip
            if not rows:
                return
            session.execute(
                text("INSERT INTO mention_search (rowid, body) VALUES (:id, :body)"),
                [{"id": row[0], "body": searchable(row[1], row[2])} for row in rows],
            )
