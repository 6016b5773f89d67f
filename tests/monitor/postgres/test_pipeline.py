"""The steps on PostgreSQL: several judges at once, one detector at a time, messages that leave once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import col, select

import monitor.pipeline.score as scoring
from monitor.pipeline import own_topics
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.detect import detect
from monitor.pipeline.notify import notify
from monitor.pipeline.score import score
from monitor.store import claims, switches
from monitor.store.catalogue import ensure_import
from monitor.store.check import verify
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.tables import Brand, Incident, Mention, Meta, Outbox, TopicTag
from tests.monitor.support import NOW, WordScorer, item


def fill(context: Context, texts: Sequence[str]) -> None:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
        ingest(session, [item(n, text, at=NOW - timedelta(minutes=n % 300)) for n, text in enumerate(texts)],
               brand_id=brand_id, source_id=source_id, origin="a", now=NOW, near_duplicates=False)  # fmt: skip


def together(steps: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run steps at once; their results. An error of one is raised."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run(step: Callable[[], Any]) -> None:
        try:
            results.append(step())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
    return results


def test_several_judges_share_the_work(make_context: Callable[..., Context], monkeypatch: Any) -> None:
    scorers = [WordScorer() for _ in range(3)]
    contexts = [make_context(scorer=scorer) for scorer in scorers]
    monkeypatch.setattr(scoring, "BATCH", 50)
    fill(contexts[0], [f"late {n}" for n in range(400)])
    tallies = together([lambda context=context: score(context) for context in contexts])
    assert sum(tally.n_new for tally in tallies) == 400
    judged = Counter(text for scorer in scorers for text in scorer.seen)
    assert set(judged.values()) == {1}  # nothing was judged twice
    aggregate(contexts[0])
    assert verify(contexts[0].engine) == []


def test_judging_and_counting_at_once(make_context: Callable[..., Context], monkeypatch: Any) -> None:
    monkeypatch.setattr(scoring, "BATCH", 40)
    contexts = [make_context() for _ in range(4)]
    fill(contexts[0], [f"late {n}" for n in range(300)])

    def count() -> None:
        for _ in range(10):
            aggregate(contexts[3])

    together([*(lambda context=context: score(context, limit=120) for context in contexts[:3]), count])
    score(contexts[0])
    aggregate(contexts[0])
    assert verify(contexts[0].engine) == []


def test_judges_switch_a_topic_off_and_on_together(make_context: Callable[..., Context], monkeypatch: Any) -> None:
    monkeypatch.setattr(switches, "SLICE", 20)
    monkeypatch.setattr(switches, "_SCANNED", 30)
    contexts = [make_context() for _ in range(3)]
    fill(contexts[0], [f"late {n}" for n in range(100)])
    score(contexts[0])
    for on in (False, True):
        with writing(contexts[0].engine) as session:
            own_topics.switch(session, ["waiting"], on=on)
        together([lambda context=context: score(context) for context in contexts])
        aggregate(contexts[0])
        with reading(contexts[0].engine) as session:
            assert len(session.exec(select(TopicTag)).all()) == 100 * on
        assert verify(contexts[0].engine) == []


def test_what_a_dead_judge_had_is_taken_over(make_context: Callable[..., Context], monkeypatch: Any) -> None:
    dead, alive = make_context(), make_context()
    fill(dead, ["late 1", "good 2", "bad 3"])
    with writing(dead.engine) as session:
        taken = claims.take(session, dead.owner, 2)
        assert taken is not None and len(taken.ids) == 2
    assert score(alive).n_new == 1  # the claim is fresh: its owner may live
    with writing(dead.engine) as session:
        row = session.exec(select(Meta).where(col(Meta.key).startswith(claims.PREFIX))).one()
        row.value = json.dumps(json.loads(row.value) | {"beat": 1.0})
        session.add(row)
    assert score(alive).n_new == 2
    with reading(alive.engine) as session:
        assert {m.score_state for m in session.exec(select(Mention))} == {"done"}
        assert not session.exec(select(Meta).where(col(Meta.key).startswith(claims.PREFIX))).all()


def test_a_living_judge_renews_its_claim(make_context: Callable[..., Context]) -> None:
    context = make_context()
    fill(context, ["late"])
    with writing(context.engine) as session:
        claims.take(session, context.owner, 1)
        row = session.exec(select(Meta).where(col(Meta.key).startswith(claims.PREFIX))).one()
        row.value = json.dumps(json.loads(row.value) | {"beat": 1.0})
        session.add(row)
    with writing(context.engine) as session:
        claims.renew(session, context.owner)
    other = make_context()
    assert score(other).n_seen == 0


def test_an_incident_is_opened_and_told_once(make_context: Callable[..., Context], tmp_path: Path) -> None:
    sections = {
        "rules": {"safety": {"kind": "keywords", "words": ["glass"], "window": "1d"}},
        "channels": {"box": {"kind": "file", "settings": {"directory": str(tmp_path / "outbox")}}},
    }
    contexts = [make_context(**sections) for _ in range(3)]
    fill(contexts[0], ["good cake", "there was glass in it, bad", "late"])
    score(contexts[0])
    aggregate(contexts[0])
    together([lambda context=context: detect(context) for context in contexts])
    with reading(contexts[0].engine) as session:
        incident = session.exec(select(Incident)).one()
        assert (incident.rule, incident.state) == ("safety", "open")
        assert len(session.exec(select(Outbox)).all()) == 1
    assert notify(contexts[0]).n_new == 1
    assert notify(contexts[1]).n_seen == 0
    with reading(contexts[0].engine) as session:
        assert session.exec(select(Outbox.state)).one() == "sent"
    assert verify(contexts[0].engine) == []
