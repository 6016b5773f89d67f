"""What stands around the mentions of a benchmark's store, so that no page is measured empty: customers who answer and
order, incidents with their messages and comments, a year of reports, people, views, suggestions, a log of changes."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlmodel import Session

from alerts.incident import Evidence, advance
from alerts.series import SeriesKey
from alerts.severity import Severity
from monitor.store import incidents
from monitor.store.tables import (
    AuditEntry,
    Comparison,
    Correction,
    CustomerSegment,
    Notice,
    Order,
    Outbox,
    Report,
    Run,
    SavedView,
    Silence,
    SurveyAnswer,
    TopicSuggestion,
)

TOP = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
N_CUSTOMERS, N_ORDERS, N_ANSWERS, N_INCIDENTS, N_CHANGES = 5_000, 60_000, 30_000, 300, 5_000


def surround(session: Session, now: datetime, *, brand_id: int, n_mentions: int) -> None:
    """All of it, in the caller's transaction."""
    rng = random.Random(2)

    def ago(days: float) -> datetime:
        return now - timedelta(days=rng.random() * days)

    customers = [f"c{number}" for number in range(N_CUSTOMERS)]
    session.execute(insert(Order), [
        {"brand_id": brand_id, "external_id": f"o{n}", "customer": rng.choice(customers), "ordered_at": ago(365),
         "amount": round(rng.lognormvariate(6, 0.6), 2), "location": f"place {rng.randint(1, 20)}",
         "returned": rng.random() < 0.03}
        for n in range(N_ORDERS)
    ])  # fmt: skip
    answers = []
    for n in range(N_ANSWERS):
        metric = rng.choice(tuple(TOP))
        answers.append(
            {"brand_id": brand_id, "survey": metric, "external_id": f"a{n}", "metric": metric,
             "value": rng.randint(*TOP[metric]), "answered_at": ago(365), "customer": rng.choice(customers),
             "segment": rng.choice(("loyal", "new", "vip")), "location": f"place {rng.randint(1, 20)}",
             "touchpoint": rng.choice(("point_of_sale", "app", "courier")),
             "mention_id": rng.randint(1, n_mentions) if n % 3 == 0 else None}
        )  # fmt: skip
    session.execute(insert(SurveyAnswer), answers)
    months = sorted({f"{now - timedelta(days=30 * n):%Y-%m}" for n in range(12)})
    session.execute(insert(CustomerSegment), [
        {"brand_id": brand_id, "month": month, "customer": one, "segment": rng.choice("abcd")}
        for month in months for one in customers
    ])  # fmt: skip
    for n in range(N_INCIDENTS):
        topic, place, since = rng.choice(("waiting", "price", "staff")), f"place {n % 20 + 1}", ago(360)
        seen = Evidence(at=since + timedelta(hours=6), score=9.0, threshold=3.0, n_observed=40, n_expected=12,
                        since_at=since, severity=Severity.WARNING)  # fmt: skip
        series = SeriesKey("cafe", topic=topic, location=place).text()
        (opened,) = advance(None, seen, now=seen.at, series_text=series, signal="negative")
        row = incidents.store(session, opened.incident, brand_id=brand_id)
        row.topic, row.location = topic, place
        if n > 5:
            row.state, row.resolved_at = "resolved", seen.at + timedelta(days=2)
        session.add(row)
        session.flush()
        for word in ("opened", "acknowledged", "commented"):
            incidents.record(session, row, word, at=seen.at, actor="anna", note="we looked at it")
        session.execute(insert(Outbox), [
            {"dedup_key": f"{n}-{channel}", "channel": channel, "kind": "opened", "brand_id": brand_id,
             "incident_id": row.id, "payload": {}, "state": "sent", "attempts": 1, "created_at": seen.at,
             "next_try_at": seen.at, "sent_at": seen.at, "receipt": "", "detail": "", "last_error": ""}
            for channel in ("mail", "slack")
        ])  # fmt: skip
    session.execute(insert(Report), [
        {"brand_id": brand_id, "week": f"2026-W{week:02}", "language": language, "built_at": now,
         "subject": f"Week {week}", "html": "<p>a week</p>" * 6000, "markdown": "a week\n" * 2000, "data": {}}
        for week in range(1, 47) for language in ("en", "ru")
    ])  # fmt: skip
    session.execute(insert(AuditEntry), [
        {"at": ago(365), "actor": "anna", "action": "mention.corrected", "target": str(n), "detail": {"to": "negative"}}
        for n in range(N_CHANGES)
    ])  # fmt: skip
    session.execute(insert(Correction), [
        {"mention_id": rng.randint(1, n_mentions), "at": ago(365), "actor": "anna", "sentiment": "negative"}
        for _ in range(N_CHANGES)
    ])  # fmt: skip
    session.execute(insert(Run), [
        {"step": rng.choice(("collect", "score", "detect")), "source_id": rng.randint(1, 8),
         "started_at": (at := ago(30)),
         "finished_at": at, "status": "ok", "n_items": 20, "n_new": 3, "n_edited": 0, "error": ""}
        for _ in range(10 * N_CHANGES)
    ])  # fmt: skip
    session.execute(insert(TopicSuggestion), [
        {"brand_id": brand_id, "key": f"words {n}", "phrase": f"two words {n}", "keywords": ["two", "words"],
         "mention_ids": [rng.randint(1, n_mentions) for _ in range(5)], "n": 40 - n, "n_before": 3, "n_negative": 20,
         "score": 5.0, "state": "open", "found_at": now, "seen_at": now}
        for n in range(30)
    ])  # fmt: skip
    session.execute(insert(SavedView), [
        {"user_id": 1, "name": f"view {n}", "query": "topic=waiting&sentiment=negative", "shared": True}
        for n in range(30)
    ])  # fmt: skip
    session.add(Comparison(brand_id=brand_id, name="A second till", topics=["waiting"],
                           changed_at=now - timedelta(days=90), treated=["place 1", "place 2"], against=[],
                           created_at=now, actor="anna"))  # fmt: skip
    session.add(Silence(matchers={"location": "place 3"}, starts_at=now, ends_at=now + timedelta(days=2), actor="anna",
                        note="works in the street"))  # fmt: skip
    session.add(Notice(key="source1", at=now, last_at=now, text="source1 answers nothing"))
