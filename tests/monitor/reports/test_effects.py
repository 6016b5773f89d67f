"""The effect of a change from the store, in words; and segments in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sqlmodel import Session

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.metrics.segments import Segment, Trait
from monitor.reports.effects import effect_sentences, measure_effect
from monitor.reports.segment_words import segment_words
from monitor.store.engine import open_engine, upgrade
from monitor.store.tables import Brand, Bucket

BEGAN = date(2026, 3, 3)  # a Tuesday
NOW = datetime(2026, 6, 10, 9, tzinfo=UTC)
SETTINGS = Settings(time_zone="Europe/Moscow")


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Twenty places over forty weeks; in four of them complaints about staff fall from 30 to 15 % on 3 March."""
    engine = open_engine("sqlite://")
    upgrade(engine)
    rng = np.random.default_rng(12)
    with Session(engine.execution_options(write=True)) as session:
        brand = Brand(slug="cafe", name="Кофе у дома")
        session.add(brand)
        session.flush()
        assert brand.id is not None
        for week in range(-26, 14):
            at = datetime(2026, 3, 3, 9, tzinfo=UTC) + timedelta(weeks=week, days=2)
            for place in range(20):
                n = int(rng.poisson(40))
                x = int(rng.binomial(n, 0.15 if place < 4 and week >= 0 else 0.3))
                key = {
                    "brand_id": brand.id,
                    "hour_at": at,
                    "source_id": 1,
                    "location": f"Place {place}",
                    "language": "ru",
                }
                session.add(Bucket(**key, topic="", n=n, n_negative=x, n_neutral=0, n_positive=n - x))
                session.add(Bucket(**key, topic="staff", n=x, n_negative=x))
        session.flush()
        yield session
    engine.dispose()


TRAINED = ("Place 0", "Place 1", "Place 2", "Place 3")


def test_training_staff_in_four_of_twenty_places(session: Session) -> None:
    change = measure_effect(session, SETTINGS, brand="cafe", began=BEGAN, now=NOW, topic="staff", treated=TRAINED)
    assert (len(change.own), len(change.control), change.effect.n_after) == (40, 40, 14)
    assert change.effect.verdict == "fell"
    assert change.effect.interval is not None
    assert -0.15 in change.effect.interval
    plain, answer = effect_sentences(change, "en", topic_name="Staff")
    assert plain.startswith("Complaints about staff made up 3")
    assert "before 3 March 2026" in plain
    assert answer.startswith("Beyond what the other places did, their share fell: −1")
    russian = effect_sentences(change, "ru", topic_name="Персонал")
    assert russian[0].startswith("Жалобы по теме «Персонал»: ")
    assert "их доля снизилась: −1" in russian[1]


def test_places_where_nothing_was_done(session: Session) -> None:
    others = ("Place 10", "Place 11", "Place 12")
    change = measure_effect(session, SETTINGS, brand="cafe", began=BEGAN, now=NOW, topic="staff", treated=others)
    assert change.effect.verdict in {"no_clear_change", "cannot_tell"}


def test_without_places_there_is_no_control_and_that_is_said(session: Session) -> None:
    change = measure_effect(session, SETTINGS, brand="cafe", began=BEGAN, now=NOW, topic="staff")
    assert not change.effect.controlled
    assert sum(period.n for period in change.control) == 0
    assert "trend before" in effect_sentences(change, "en")[1]


def test_too_early_to_tell(session: Session) -> None:
    early = datetime(2026, 3, 20, tzinfo=UTC)
    change = measure_effect(session, SETTINGS, brand="cafe", began=BEGAN, now=early, topic="staff", treated=TRAINED)
    assert effect_sentences(change, "en")[1] == (
        "Whether the change did it cannot be told: 2 weeks after the change are too few, 4 are needed."
    )
    assert "слишком мало (2), нужно 4" in effect_sentences(change, "ru")[1]


def test_what_cannot_be_asked(session: Session) -> None:
    with pytest.raises(ConfigError, match="ask again on 2026-03-10"):
        measure_effect(session, SETTINGS, brand="cafe", began=BEGAN, now=datetime(2026, 3, 5, tzinfo=UTC))
    with pytest.raises(ConfigError, match="'Nowhere' has no mentions; known: Place 0"):
        measure_effect(session, SETTINGS, brand="cafe", began=BEGAN, now=NOW, treated=("Nowhere",))
    with pytest.raises(ConfigError, match="'tea' is not in the store"):
        measure_effect(session, SETTINGS, brand="tea", began=BEGAN, now=NOW)


def test_segments_in_words() -> None:
    traits = (
        Trait("frequency", 1.4, 22.0),
        Trait("basket", -1.1, 180.0),
        Trait("complaints:waiting", 0.9, 0.3),
        Trait("rating", -0.2, 4.0),
    )
    segment = Segment(0, 120, 0.2, traits)
    assert (
        segment_words(segment, "en", topic_names={"waiting": "Waiting"})
        == "often, small baskets, complains about waiting"
    )
    assert (
        segment_words(segment, "ru", topic_names={"waiting": "Ожидание"})
        == "часто, мелкие чеки, жалуется на тему «Ожидание»"
    )
    assert segment_words(Segment(1, 5, 0.1, (Trait("rating", 0.1, 4.0),)), "en") == "average in everything"
    assert segment_words(Segment(1, 5, 0.1, (Trait("steps", -1.0, 4.0),)), "en") == "less steps"
