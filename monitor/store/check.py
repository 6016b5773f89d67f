"""The invariants of the store, verified over all rows, and the repair of what is derived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine, func, or_, text, update
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, col, select

import alerts.incident
from alerts.message import Kind
from monitor.store import daily, months, sheets, switches
from monitor.store.buckets import counts_from_rows, recompute, recompute_touched
from monitor.store.engine import reading, writing
from monitor.store.ingest import hour_of, touch, touch_all
from monitor.store.search import searchable
from monitor.store.tables import (
    Brand,
    Bucket,
    Incident,
    IncidentEvent,
    Judgement,
    Mention,
    Outbox,
    TopicTag,
    TouchedHour,
)

_SPAN = timedelta(days=31)
_UNSEARCHED = (  # and not NOT IN, for which PostgreSQL goes through all of them once a mention
    "FROM mention WHERE gone_at IS NULL AND NOT EXISTS (SELECT 1 FROM mention_search WHERE rowid = mention.id)"
)
SPEAKING = sorted(
    {str(kind) for kind in alerts.incident.Kind} - {str(alerts.incident.Kind.UPDATED)} | {str(Kind.UNACKNOWLEDGED)}
)


def verify(engine: Engine, *, repair: bool = False) -> list[str]:
    """Broken invariants in words; empty when all hold. With `repair`, what is derived is derived anew.

    A damaged file is told alone: no row of it can be believed.
    Derived are judgements (they are asked for again), which copy of a text counts, buckets, days,
    sheets and the search index.
    The log of an incident and its messages are not: what they lack is only told. May run beside the daemon.
    """
    if damaged := _damaged(engine):
        return damaged
    found: list[str] = []
    with _snapshot(engine) as session:
        unjudged = _unjudged(session)
        strayed = _strayed(session)
        clusters = _clusters(session)
        alone = _alone(session)
        found += _incidents(session)
        found += _transitions(session)
        missing = _missing_in_search(session)
        keyless = months.keyless(session)
        brands = [brand.id for brand in session.exec(select(Brand)) if brand.id is not None]
    if unjudged:
        found.append(f"{len(unjudged)} mention(s) neither judged nor marked with the reason why not")
    if strayed:
        found.append(f"{len(strayed)} mention(s) do not show what they were judged to be")
    if clusters:
        found.append(f"{len(clusters)} cluster(s) of copies do not count exactly once")
    if alone:
        found.append(f"{len(alone)} mention(s) do not count and are no copy of another")
    if missing:
        found.append(f"{missing} mention(s) are missing in the search index")
    if keyless:
        found.append(f"{keyless} mention(s) are missing in the table of keys")
    if repair:
        _change(engine, sorted({*unjudged, *strayed}), score_state="new")
        _change(engine, alone, counts=True)
        _count_once(engine, clusters)
        if missing:
            _index(engine)
    for brand_id in brands:
        found += _buckets(engine, brand_id, repair=repair)
        found += _days(engine, brand_id, repair=repair)
        found += _sheets(engine, brand_id, repair=repair)
    return found


def _damaged(engine: Engine) -> list[str]:
    """What SQLite finds wrong with its file; PostgreSQL has pg_amcheck for that."""
    if engine.dialect.name != "sqlite":
        return []
    try:
        with reading(engine) as session:
            told = str(session.execute(text("PRAGMA quick_check(1)")).scalar_one())
    except DatabaseError as error:
        told = str(error.orig)
    words = " ".join(told.split())
    return [] if words == "ok" else [f"the file of the store is damaged ({words}): restore a backup"]


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Session]:
    """What the store held at one moment, over several statements, while others write."""
    with reading(engine) as session:
        if engine.dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def _unjudged(session: Session) -> list[int]:
    """Mentions that wait for nothing, and have neither the model's output that they show nor a reason for having none.

    Those that wait for their judgement are none of them.
    """
    of_its_model = (
        select(Judgement.id)
        .where(Judgement.mention_id == Mention.id, Judgement.model == Mention.model)
        .correlate(Mention)
        .exists()
    )
    wrong = session.exec(
        select(Mention.id).where(
            or_(
                (Mention.score_state == "done") & ~of_its_model,
                (Mention.score_state == "failed") & (func.coalesce(Mention.score_error, "") == ""),
                col(Mention.score_state).not_in(["new", "done", "failed", "none"]),
            )
        )
    ).all()
    unread = session.execute(
        select(Mention.id, Mention.title, Mention.text).where(
            Mention.score_state == "none",
            col(Mention.gone_at).is_(None),
            or_(col(Mention.text) != "", func.coalesce(Mention.title, "") != ""),
        )
    )
    passed_over = [id for id, title, words in unread if words.strip() or (title or "").strip()]
    return sorted({int(id) for id in [*wrong, *passed_over] if id is not None})


def _strayed(session: Session) -> list[int]:
    """Mentions that show another sentiment, or number of topics, than their model said, unless a person changed it.

    Topics that are switched off, or on their way, do not count.
    """
    judged = (
        " FROM mention JOIN judgement ON judgement.mention_id = mention.id AND judgement.model = mention.model"
        " WHERE mention.score_state = 'done' AND NOT mention.corrected AND "
    )
    differs = "(judgement.sentiment <> mention.sentiment OR mention.sentiment IS NULL)"
    uneven = (
        "json_array_length(judgement.topics) <>"
        " (SELECT count(*) FROM topic_tag WHERE topic_tag.mention_id = mention.id)"
    )
    switched = switches.switched(session)
    if not switched:
        rows = session.execute(text(f"SELECT mention.id{judged}({differs} OR {uneven})"))
        return [int(row[0]) for row in rows]
    strayed = {int(row[0]) for row in session.execute(text(f"SELECT mention.id{judged}{differs}"))}
    ids = [int(row[0]) for row in session.execute(text(f"SELECT mention.id{judged}{uneven}"))]
    for at in range(0, len(ids), 500):
        few = ids[at : at + 500]
        shown: dict[int, set[str]] = {id: set() for id in few}
        for id, topic in session.execute(
            select(TopicTag.mention_id, TopicTag.topic).where(col(TopicTag.mention_id).in_(few))
        ):
            shown[id].add(topic)
        for id, topics in session.execute(
            select(Mention.id, Judgement.topics)
            .join(Judgement, (col(Judgement.mention_id) == Mention.id) & (col(Judgement.model) == Mention.model))
            .where(col(Mention.id).in_(few))
        ):
            if {tag["topic"] for tag in topics} - switched != shown[id] - switched:
                strayed.add(id)
    return sorted(strayed)


def _alone(session: Session) -> list[int]:
    found = session.exec(select(Mention.id).where(col(Mention.counts).is_(False), col(Mention.cluster_id).is_(None)))
    return [id for id in found if id is not None]


def _change(engine: Engine, ids: list[int], **values: object) -> None:
    """Change mentions, and have their hours counted again."""
    for at in range(0, len(ids), 500):
        with writing(engine) as session:
            session.execute(update(Mention).where(col(Mention.id).in_(ids[at : at + 500])).values(**values))
            rows = session.exec(select(Mention).where(col(Mention.id).in_(ids[at : at + 500]))).all()
            touch_all(session, ((row.brand_id, row.published_at) for row in rows))


def _clusters(session: Session) -> list[int]:
    """Clusters of which not exactly one mention counts."""
    rows = session.execute(
        text("SELECT cluster_id FROM mention WHERE cluster_id >= :first GROUP BY cluster_id "
             "HAVING SUM(CASE WHEN counts THEN 1 ELSE 0 END) <> 1"),
        {"first": months.dropped(session).id},  # the first of an older one went with its month
    )  # fmt: skip
    return [int(row[0]) for row in rows]


def _count_once(engine: Engine, clusters: list[int]) -> None:
    """The first mention of a cluster counts, the copies do not."""
    for cluster in clusters:
        with writing(engine) as session:
            rows = session.exec(select(Mention).where(Mention.cluster_id == cluster).order_by(col(Mention.id))).all()
            head = next((row for row in rows if row.id == cluster), rows[0])
            for row in rows:
                row.counts = row is head
                session.add(row)
            touch_all(session, ((row.brand_id, row.published_at) for row in rows))


def _incidents(session: Session) -> list[str]:
    """Every incident has a log without gaps."""
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
    found = [f"{n} incident(s) without a log"] if n else []
    return found + ([f"{len(gaps)} incident(s) whose log has gaps"] if gaps else [])


def _transitions(session: Session) -> list[str]:
    """Every change that speaks has its message, or its line in the log says why it has none."""
    stamps: dict[tuple[int, str], set[str]] = defaultdict(set)
    for incident_id, kind, key in session.execute(
        select(Outbox.incident_id, Outbox.kind, Outbox.dedup_key).where(col(Outbox.incident_id).is_not(None))
    ):
        stamps[incident_id, kind].add(key.split(":")[3].split("+")[0] if key.count(":") > 3 else key)
    spoken = session.execute(
        select(IncidentEvent.incident_id, IncidentEvent.kind, func.count())
        .where(IncidentEvent.actor == "", IncidentEvent.note == "", col(IncidentEvent.kind).in_(SPEAKING))
        .group_by(col(IncidentEvent.incident_id), col(IncidentEvent.kind))
    )
    n = sum(max(0, n_events - len(stamps[incident_id, kind])) for incident_id, kind, n_events in spoken)
    return [f"{n} change(s) of incidents without a message, and without a reason for having none"] if n else []


def _buckets(engine: Engine, brand_id: int, *, repair: bool) -> list[str]:
    n = 1
    while n:
        with writing(engine) as session:
            n = recompute_touched(session)
    wrong = set()
    with _snapshot(engine) as session:
        first, last = session.exec(
            select(func.min(Mention.published_at), func.max(Mention.published_at)).where(Mention.brand_id == brand_id)
        ).one()
        if first is None:
            first, last = session.exec(
                select(func.min(Bucket.hour_at), func.max(Bucket.hour_at)).where(Bucket.brand_id == brand_id)
            ).one()
        since = months.dropped(session).hour  # older hours stay as they were counted
        start = max(hour_of(first), since) if first is not None else None
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


def _sheets(engine: Engine, brand_id: int, *, repair: bool) -> list[str]:
    with reading(engine) as session:
        since = months.dropped(session).hour
        wrong = [hour for hour in sheets.differing(session, brand_id) if hour >= since]
    for at in range(0, len(wrong) if repair else 0, 200):
        with writing(engine) as session:
            sheets.write(session, brand_id, wrong[at : at + 200])
    return [f"brand {brand_id}: the sheets of {len(wrong)} hour(s) differ from the rows"] if wrong else []


def _missing_in_search(session: Session) -> int:
    return int(session.execute(text(f"SELECT COUNT(*) {_UNSEARCHED}")).scalar_one())


def _index(engine: Engine) -> None:
    """Write the missing rows of the search index, a page at a time."""
    while True:
        with writing(engine) as session:
            rows = session.execute(
                text(f"SELECT id, title, text {_UNSEARCHED} LIMIT 1000")
            ).all()  # fmt: skip
            if not rows:
                return
            session.execute(
                text("INSERT INTO mention_search (rowid, body) VALUES (:id, :body)"),
                [{"id": row[0], "body": searchable(row[1], row[2])} for row in rows],
            )
