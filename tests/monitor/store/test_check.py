"""The account of the store: what is broken is found, what is derived is mended, what cannot be is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from sqlmodel import Session, select

from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.score import score
from monitor.store.catalogue import ensure_import
from monitor.store.check import verify
from monitor.store.engine import open_engine, reading, upgrade, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, IncidentEvent, Mention, Silence
from tests.monitor import support
from tests.monitor.pipeline.life import START, Life
from tests.monitor.store import old_stores
from tests.monitor.support import NOW, item

COPIES = "the soup was cold, the waiter was late and nobody said a word about it for a whole hour"
RULES = {"poison": {"kind": "keywords", "words": ["poison*"], "severity": "critical"}}


DAMAGE = {
    "DELETE FROM judgement WHERE mention_id = 1": "1 mention(s) neither judged nor marked",
    "UPDATE mention SET score_state = 'failed' WHERE id = 1": "1 mention(s) neither judged nor marked",
    "UPDATE mention SET score_state = 'none' WHERE id = 1": "1 mention(s) neither judged nor marked",
    "UPDATE mention SET score_state = 'lost' WHERE id = 1": "1 mention(s) neither judged nor marked",
    "UPDATE mention SET counts = 1 WHERE cluster_id IS NOT NULL": "1 cluster(s) of copies",
    "UPDATE mention SET counts = 0 WHERE cluster_id IS NOT NULL": "1 cluster(s) of copies",
    "UPDATE mention SET counts = 0 WHERE id = 1": "1 mention(s) do not count and are no copy",
    "UPDATE mention SET sentiment = 'positive' WHERE id = 1": "1 mention(s) do not show what they were judged to be",
    "UPDATE mention SET sentiment = NULL WHERE id = 1": "1 mention(s) do not show what they were judged to be",
    "DELETE FROM topic_tag WHERE mention_id = 1": "1 mention(s) do not show what they were judged to be",
    "DELETE FROM mention_search WHERE rowid = 2": "1 mention(s) are missing in the search index",
    "UPDATE bucket SET n = n + 1": "differ from the rows",
}


def test_what_is_derived_is_mended(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
        items = [item(1, "late"), item(2, COPIES), item(3, COPIES), item(4, "", rating=5.0)]
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=NOW)
    score(context)
    aggregate(context)
    assert verify(context.engine) == []
    with reading(context.engine) as session:
        whole = _shown(session)
    for damage, told in DAMAGE.items():
        with writing(context.engine) as session:
            session.execute(text(damage))
        assert any(told in line for line in verify(context.engine)), damage
        assert any(told in line for line in verify(context.engine, repair=True)), damage
        score(context)  # what lacks its judgement waits for it
        aggregate(context)
        assert verify(context.engine) == [], damage
        with reading(context.engine) as session:
            assert _shown(session) == whole, damage


def _shown(session: Session) -> list[tuple[object, ...]]:
    return [(row.id, row.sentiment, row.score_state, row.counts) for row in session.exec(select(Mention))]


@pytest.mark.parametrize("muted", [False, True])
def test_every_change_has_its_message_or_the_reason_why_not(tmp_path: Path, muted: bool) -> None:
    life = Life(tmp_path, rules=RULES)
    engine = life.context.engine
    noon = START + timedelta(hours=12)
    if muted:
        with writing(engine) as session:
            session.add(Silence(matchers={"brand": "cafe"}, starts_at=START, ends_at=noon + timedelta(days=1)))
    life.feed(START, 1, lambda _: "I was poisoned", hours=(11, 11.5))
    assert life.look(noon) == ["opened"]
    with reading(engine) as session:
        (event,) = session.exec(select(IncidentEvent)).all()
    assert (event.kind, event.note) == ("opened", "folder: silenced" if muted else "")
    assert len(life.messages()) == (not muted)
    assert verify(engine) == []
    with writing(engine) as session:  # the message is lost, or the reason
        session.execute(text("UPDATE incident_event SET note = ''" if muted else "DELETE FROM outbox"))
    lost = "1 change(s) of incidents without a message, and without a reason for having none"
    assert verify(engine, repair=True) == verify(engine) == [lost]


def test_changes_that_an_older_version_kept_back_are_not_held_against_it(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'old.sqlite'}")
    old_stores.migrate(engine, "0005")
    old_stores.fill(engine)
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE incident_event SET actor = '', note = '', kind = 'opened', incident_id = 1, "
                                "number = id"))  # fmt: skip
        connection.execute(text("UPDATE incident_event SET kind = 'resolved' WHERE id = 3"))
        connection.execute(text("UPDATE outbox SET incident_id = 1, kind = 'opened' WHERE id = 1"))
        connection.execute(text("UPDATE outbox SET incident_id = 1, kind = 'resolved' WHERE id = 2"))
    upgrade(engine)
    with engine.connect() as connection:
        notes = [*connection.execute(sa.text("SELECT kind, note FROM incident_event ORDER BY number"))]
    assert notes == [("opened", "not_kept"), ("opened", "not_kept"), ("resolved", "")]  # one message for two changes
    engine.dispose()
