"""Learning from corrections, topics of one's own, judging the past again: over a real store and the shipped network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import col, select

from models.errors import TrainingError
from monitor.errors import ConfigError
from monitor.pipeline import learning, own_topics
from monitor.pipeline.aggregate import aggregate
from monitor.pipeline.context import Context, load_scorer, topic_folder
from monitor.pipeline.rescore import rescore
from monitor.pipeline.score import n_unscored, score
from monitor.store.engine import reading, writing
from monitor.store.ingest import touch
from monitor.store.judgements import correct
from monitor.store.tables import Bucket, Mention, TopicTag
from tests.monitor import support
from tests.monitor.pipeline.test_score import fill
from tests.monitor.support import NOW, WordScorer

ODD = [f"this gadget number {n} is pure fire, absolutely sick" for n in range(40)]
PLAIN = [
    f"{said}, visit {n}"
    for n in range(40)
    for said in ("great shop, lovely people", "terrible shop, rude people", "wonderful coffee", "disgusting coffee")
]
PARKING = [
    "nowhere to leave the car",
    "the car park was full again",
    "парковки нет, машину бросили за квартал",
    "had to park two streets away",
    "free parking right at the door",
    "удобная парковка у входа",
]


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Context]:
    """A store whose mentions the shipped network judged."""
    context = support.context(tmp_path)
    made = Context(context.settings, engine=context.engine, clock=lambda: NOW)
    fill(made, *ODD, *PLAIN)
    score(made)
    yield made
    made.engine.dispose()


def corrected(context: Context, texts: list[str], sentiment: str) -> None:
    with writing(context.engine) as session:
        for mention in session.exec(select(Mention).where(col(Mention.text).in_(texts))).all():
            correct(session, mention, actor="anna", now=NOW, sentiment=sentiment)


def unlike(context: Context) -> str:
    """A sentiment that the network gives to hardly any of the odd texts."""
    said = [judgement.sentiment for judgement in context.scorer.score(ODD)]
    return min(("negative", "positive"), key=said.count)


def test_corrections_teach_the_model_of_the_next_load(real: Context) -> None:
    before, wanted = real.scorer, unlike(real)
    assert sum(said.sentiment == wanted for said in before.score(ODD)) < 10, "else the test shows nothing"
    corrected(real, ODD, "neutral")
    corrected(real, ODD, wanted)  # the last word counts
    card = learning.adapt(real)
    assert card.adopted, card.reason
    assert card.n_corrections == len(ODD)
    after = real.scorer
    assert after is not before
    assert after.revision.startswith(before.revision)
    assert sum(said.sentiment == wanted for said in after.score(ODD)) > 0.9 * len(ODD)
    assert learning.revert(real.settings) == ""
    assert real.scorer.revision == before.revision
    with pytest.raises(ConfigError, match="no version is in use"):
        learning.revert(real.settings)


def test_too_few_corrections_are_told(real: Context) -> None:
    corrected(real, ODD[:3], "negative")
    with pytest.raises(TrainingError, match="3 usable corrections"):
        learning.adapt(real)
    assert learning.adapter_store(real.settings).cards() == []


def test_what_was_learnt_on_another_model_is_left_out(real: Context) -> None:
    corrected(real, ODD, unlike(real))
    assert learning.adapt(real).adopted
    pointer = learning.adapter_store(real.settings).current()
    assert pointer is not None
    import numpy as np

    with np.load(pointer / "adapter.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(pointer / "adapter.npz", **{**arrays, "base": np.array("embedded@older")})
    assert load_scorer(real.settings).revision == load_scorer(real.settings, plain=True).revision


def test_the_past_is_judged_again_only_where_another_model_judged(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    fill(context, *(f"late {n}" for n in range(1100)), "good")
    score(context)
    corrected(context, ["late 7"], "positive")

    class Newer(WordScorer):
        revision = "2"

        def _judge(self, text):  # type: ignore[no-untyped-def]
            return replace(super()._judge(text), sentiment="neutral", model="words@2")

    newer = Newer()
    again = Context(context.settings, engine=context.engine, clock=lambda: NOW, scorer=newer)
    stopped = rescore(again, limit=600)
    assert stopped.n_new == 600
    assert rescore(again).n_new == 501
    assert rescore(again).n_seen == 0
    assert len(newer.seen) == 1101
    with reading(context.engine) as session:
        rows = session.exec(select(Mention.text, Mention.sentiment, Mention.model)).all()
    assert {model for _, _, model in rows} == {"words@2"}
    assert {text for text, sentiment, _ in rows if sentiment != "neutral"} == {"late 7"}


def test_new_mentions_do_not_wait_behind_the_past_and_the_past_stays_counted(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    fill(context, *(f"late {n}" for n in range(400)))
    score(context)
    aggregate(context)

    class Newer(WordScorer):
        revision = "2"

        def score(self, texts, **options):  # type: ignore[no-untyped-def]
            with reading(context.engine) as session:
                assert n_unscored(session) == 1, "only the new one is in the queue of new mentions"
            with writing(context.engine) as session:
                touch(session, 1, [NOW])
            aggregate(context)  # as the daemon does meanwhile
            with reading(context.engine) as session:
                counted.append(sum(session.exec(select(Bucket.n).where(Bucket.topic == "")).all()))
            return super().score(texts, **options)

    counted: list[int] = []
    fill_more(context, "a new one")
    rescore(Context(context.settings, engine=context.engine, clock=lambda: NOW, scorer=Newer()))
    assert counted == [400] * 4  # slices
    assert score(context).n_new == 1


def test_the_text_with_which_the_process_dies_is_found_among_the_past(tmp_path: Path) -> None:
    context = support.context(tmp_path)
    fill(context, "good 1", "arsenic", "good 2")
    score(context)

    class Death(BaseException):
        """Nothing after it runs."""

    class Deadly(WordScorer):
        revision = "2"

        def score(self, texts, **options):  # type: ignore[no-untyped-def]
            if "arsenic" in texts:
                raise ends
            return [replace(one, model="words@2") for one in super().score(texts, **options)]

    again = Context(context.settings, engine=context.engine, clock=lambda: NOW, scorer=Deadly())
    for ends in (KeyboardInterrupt, Death, Death):  # to be stopped by hand is not the text's fault
        with pytest.raises(ends):
            rescore(again)
    rescore(again)
    with reading(context.engine) as session:
        states = {text: (state, model) for text, state, model in session.exec(
            select(Mention.text, Mention.score_state, Mention.model))}  # fmt: skip
    assert states == {
        "good 1": ("done", "words@2"), "good 2": ("done", "words@2"), "arsenic": ("failed", "words@2"),
    }  # fmt: skip


def test_a_topic_of_ones_own_is_tagged_once_it_is_fitted(real: Context) -> None:
    with writing(real.engine) as session:
        own_topics.add(session, "parking", name="Parking", keywords=["parking*", "парковк*"], examples=PARKING[:4])
        own_topics.add(session, "parking", name="", examples=PARKING)
    assert "parking" not in {tag.topic for tag in real.scorer.score(["no parking near the shop"])[0].topics}
    fitted = own_topics.fit(real, "parking")
    assert fitted.measured.n_positive == len(PARKING)
    assert fitted.measured.f1 > 0.5
    fill_more(real, "no parking near the shop, the car park is closed", "disgusting coffee, visit 77")
    score(real)
    with reading(real.engine) as session:
        tagged = session.exec(
            select(Mention.text).join(TopicTag, col(TopicTag.mention_id) == col(Mention.id))
            .where(TopicTag.topic == "parking")
        ).all()  # fmt: skip
        state = own_topics.states(session, real.settings)[0]
    assert tagged == ["no parking near the shop, the car park is closed"]
    assert (state.key, state.n_examples, state.active) == ("parking", len(PARKING), True)
    assert state.fitted == fitted
    with writing(real.engine) as session:
        own_topics.remove(session, real.settings, "parking")
    assert "parking" not in {tag.topic for tag in real.scorer.score(["no parking near the shop at all"])[0].topics}
    assert not list(topic_folder(real.settings).glob("*.json"))


def fill_more(context: Context, *texts: str) -> None:
    from monitor.store.catalogue import ensure_import
    from monitor.store.ingest import ingest
    from monitor.store.tables import Brand

    with writing(context.engine) as session:
        brand_id = session.exec(select(Brand.id)).one() or 0
        source_id = ensure_import(session, "a", now=NOW).id or 0
        items = [support.item(f"more {n}", text) for n, text in enumerate(texts)]
        ingest(session, items, brand_id=brand_id, source_id=source_id, origin="a", now=NOW, near_duplicates=False)


def test_mistakes_about_topics_are_named(real: Context) -> None:
    with writing(real.engine) as session:
        with pytest.raises(ConfigError, match="built in"):
            own_topics.add(session, "delivery", name="x")
        with pytest.raises(ConfigError, match="small Latin letters"):
            own_topics.add(session, "Parking!", name="x")
        with pytest.raises(ConfigError, match=r"none of your own; there are: none"):
            own_topics.remove(session, real.settings, "parking")
        own_topics.add(session, "parking", name="Parking", examples=PARKING[:2])
    with pytest.raises(ConfigError, match="there are: parking"):
        own_topics.fit(real, "gardens")
    found = own_topics.fit_all(real)
    assert "2 examples" in str(found["parking"])
