"""Scoring: everything gets a judgement or a mark, once, whatever the model does."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import col, func, select

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.pipeline import own_topics
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context
from monitor.pipeline.score import score
from monitor.pipeline.series import series_of
from monitor.store import meta, switches
from monitor.store.buckets import hourly
from monitor.store.catalogue import ensure_import, synchronise
from monitor.store.check import verify
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.judgements import apply_judgements, correct
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import Brand, Judgement, Mention, Meta, TopicTag
from tests.monitor import support
from tests.monitor.support import NOW, WordScorer, item

DAY = timedelta(days=1)


def fill(context: Context, *texts: str) -> None:
    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
        items = [item(n, text) for n, text in enumerate(texts)]
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=NOW, near_duplicates=False)


def states(context: Context) -> dict[str, str]:
    with reading(context.engine) as session:
        return {mention.text: mention.score_state for mention in session.exec(select(Mention))}


def test_judges_everything_once(tmp_path: Path) -> None:
    scorer = WordScorer()
    context = support.context(tmp_path, scorer=scorer)
    fill(context, *(f"late {n}" for n in range(1300)))
    assert score(context).n_new == 1300
    assert score(context).n_seen == 0
    assert len(scorer.seen) == 1300
    with reading(context.engine) as session:
        mention = session.exec(select(Mention).limit(1)).one()
        assert (mention.sentiment, mention.language, mention.model, mention.p_negative) == (
            "negative",
            "en",
            "words@1",
            0.9,
        )
        assert session.exec(select(TopicTag.topic).where(TopicTag.mention_id == mention.id)).all() == ["waiting"]
        judgement = session.exec(select(Judgement).where(Judgement.mention_id == mention.id)).one()
        assert judgement.topics == [{"topic": "waiting", "p": 0.9, "sentiment": "negative"}]


def test_stars_go_to_the_model_with_their_text(tmp_path: Path) -> None:
    class Noting(WordScorer):
        def score(self, texts, **options):  # type: ignore[no-untyped-def]
            asked.update(zip(texts, options["ratings"], strict=True))
            return super().score(texts, **options)

    asked: dict[str, float | None] = {}
    context = support.context(tmp_path, scorer=Noting())
    fill(context, "late one")
    with writing(context.engine) as session:
        session.exec(select(Mention)).one().rating = 4.5
    score(context)
    assert asked == {"late one": 4.5}


def test_a_short_text_is_in_the_language_of_its_source(tmp_path: Path) -> None:
    asked: dict[str, str | None] = {}

    class Noting(WordScorer):
        def score(self, texts, **options):  # type: ignore[no-untyped-def]
            asked.update(zip(texts, options["languages"], strict=True))
            return super().score(texts, **options)

    context = support.context(tmp_path, scorer=Noting())
    fill(context, "Дорого")
    score(context)
    assert asked == {"Дорого": "uk"}  # by itself it may be either
    long = [f"Заказ номер {n} привезли на два часа позже, чем обещали" for n in range(30)]
    fill(context, *long, "Супер", "The courier was late and the food was cold")
    score(context)
    assert [asked[text] for text in ("Супер", long[0], "The courier was late and the food was cold")] == [
        "ru", "ru", "en",
    ]  # fmt: skip


def test_a_poisonous_text_blocks_nobody(tmp_path: Path) -> None:
    context = support.context(tmp_path, scorer=WordScorer(poison=["arsenic"]))
    fill(context, *(f"good {n}" for n in range(100)), "arsenic", *(f"late {n}" for n in range(100)))
    tally = score(context)
    assert (tally.n_new, tally.n_failed) == (200, 1)
    assert [text for text, state in states(context).items() if state == "failed"] == ["arsenic"]
    with reading(context.engine) as session:
        failed = session.exec(select(Mention).where(Mention.score_state == "failed")).one()
        assert "RuntimeError: poisoned" in (failed.score_error or "")


def test_a_text_that_kills_the_process_is_found_and_marked(tmp_path: Path) -> None:
    class Killer(WordScorer):
        def score(self, texts, **options):  # type: ignore[no-untyped-def]
            if any("boom" in text for text in texts):
                raise KeyboardInterrupt  # as a death: nothing of this batch is written, nothing is cleaned up
            return super().score(texts, **options)

    context = support.context(tmp_path, scorer=Killer())
    fill(context, "good 1", "boom", "late 2")
    for _ in range(4):
        try:
            score(context)
        except KeyboardInterrupt:
            continue
    assert states(context) == {"good 1": "done", "boom": "failed", "late 2": "done"}
    with reading(context.engine) as session:
        assert "died" in (session.exec(select(Mention.score_error).where(Mention.text == "boom")).one() or "")
        assert not session.exec(select(Meta).where(col(Meta.key).startswith("score."))).all()


def test_who_dies_after_the_model_has_answered_does_not_accuse_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed again and again by something else, while the judgement is written: found by kills at random instants."""
    context = support.context(tmp_path)
    fill(context, "good 1", "late 2")
    left = [6]

    def write(*values: Any, **named: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise KeyboardInterrupt
        apply_judgements(*values, **named)

    monkeypatch.setattr("monitor.pipeline.score.apply_judgements", write)
    for _ in range(7):
        with contextlib.suppress(KeyboardInterrupt):
            score(context)
    assert states(context) == {"good 1": "done", "late 2": "done"}


def test_a_note_of_a_finished_batch_is_harmless(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    fill(context, "good")
    score(context)
    with writing(context.engine) as session:
        meta.put(session, "score.in_flight", json.dumps([1, 2, 3]))
    fill(context, "good", "bad")
    assert score(context).n_seen == 1


def test_an_edit_during_scoring_gets_its_own_judgement(tmp_path: Path) -> None:
    class Editing(WordScorer):
        def score(self, texts, **options):  # type: ignore[no-untyped-def]
            if not self.seen:
                fill(context, "late now")
            return super().score(texts, **options)

    scorer = Editing()
    context = support.context(tmp_path, scorer=scorer)
    fill(context, "good at first")
    score(context)
    assert scorer.seen == ["good at first", "late now"]
    with reading(context.engine) as session:
        mention = session.exec(select(Mention)).one()
        assert (mention.text, mention.sentiment, mention.score_state) == ("late now", "negative", "done")


def test_a_correction_always_wins(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    fill(context, "late")
    score(context)
    with writing(context.engine) as session:
        mention = session.exec(select(Mention)).one()
        correct(session, mention, actor="anna", now=NOW, sentiment="positive")
        correct(session, mention, actor="anna", now=NOW, topics=[("price", "neutral")])
        mention.score_state = "new"  # as re-scoring with another model does
        session.add(mention)
    score(context)
    with reading(context.engine) as session:
        mention = session.exec(select(Mention)).one()
        assert (mention.sentiment, mention.corrected, mention.score_state) == ("positive", True, "done")
        assert [(t.topic, t.sentiment) for t in session.exec(select(TopicTag))] == [("price", "neutral")]
        assert session.exec(select(Judgement)).one().sentiment == "negative"  # what the model said is kept


def test_a_topic_that_is_off_marks_nothing_until_it_is_on_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switches, "SLICE", 3)  # several slices
    monkeypatch.setattr(switches, "_SCANNED", 4)
    context = support.context(tmp_path)
    fill(context, *(f"late {n}" for n in range(8)))
    score(context)
    with writing(context.engine) as session:  # what a person says stays
        correct(session, session.exec(select(Mention).where(Mention.text == "late 1")).one(), actor="ann", now=NOW,
                topics=[("waiting", "negative")])  # fmt: skip

    def marked() -> tuple[int, int]:
        with reading(context.engine) as session:
            aggregate(context)
            tags = session.exec(select(func.count()).select_from(TopicTag)).one()
            return tags, sum(hour.n for hour in hourly(session, 1, topic="waiting", start=NOW - DAY, end=NOW + DAY))

    assert marked() == (8, 8)
    with writing(context.engine) as session:
        own_topics.switch(session, ["waiting"], on=False)
    score(context)
    assert marked() == (1, 1)
    assert verify(context.engine) == []
    fill(context, *(f"late {n}" for n in range(8)), "late 9")
    score(context)  # a new one is not marked, and the model's word is kept
    assert marked() == (1, 1)
    with writing(context.engine) as session:
        assert "waiting" not in {key.topic for key in series_of(session, session.exec(select(Brand)).one())}
        own_topics.switch(session, ["waiting"], on=True)
    score(context)
    assert marked() == (9, 9)
    assert verify(context.engine) == []


def test_the_configuration_switches_topics_off(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    fill(context, "late 1")
    score(context)
    for without, n in ((("waiting",), 0), ((), 1)):
        with writing(context.engine) as session:
            synchronise(session, context.settings.model_copy(update={"without_topics": without}), now=NOW)
        score(context)
        with reading(context.engine) as session:
            assert len(session.exec(select(TopicTag)).all()) == n
            assert in_force(session).topics["waiting"].active is bool(n)
        if without:
            with writing(context.engine) as session, pytest.raises(ConfigError, match="take it out of"):
                own_topics.switch(session, ["waiting"], on=True)
    with pytest.raises(ValidationError, match="'parking' is not a built-in topic; allowed: delivery, price"):
        Settings(without_topics=("parking",))
