"""Indices from the items of questionnaires: found by name, the same as computed directly, mistakes told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import ConfigError
from monitor.metrics.satisfaction import ecsi, ecsi_paths, engagement, thousand_points
from monitor.pipeline.context import Context
from monitor.pipeline.questionnaires import Indices, questionnaire
from monitor.store.catalogue import ensure_brand
from monitor.store.engine import reading, writing
from monitor.store.tables import SurveyAnswer
from tests.monitor import support

START = datetime(2026, 6, 1, tzinfo=UTC)
END = START + timedelta(days=30)
N = 60
ASKED = ("product_quality", "service_quality")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Context]:
    made = Context(support.settings(tmp_path), clock=lambda: START)
    support.migrated(made.engine)
    yield made
    made.engine.dispose()


def store(context: Context, items: dict[str, list[float]]) -> int:
    with writing(context.engine) as session:
        brand_id = ensure_brand(session, "Shop").id or 0
        for name, values in items.items():
            for number, value in enumerate(values):
                session.add(SurveyAnswer(brand_id=brand_id, survey="q", external_id=str(number), metric=name,
                                         value=value, answered_at=START + timedelta(hours=number)))  # fmt: skip
    return brand_id


def asked(context: Context, brand_id: int, **more: dict[str, float]) -> Indices:
    with reading(context.engine) as session:
        return questionnaire(session, brand_id, start=START, end=END, rng=np.random.default_rng(0), **more)


def test_every_index_is_what_its_formula_gives(shop: Context) -> None:
    rng = np.random.default_rng(3)
    mood = rng.normal(6.5, 1.5, N)
    latents = {name: np.clip(np.round(mood[:, None] + rng.normal(0, 1, (N, 2))), 1, 10) for name in ecsi_paths(ASKED)}
    items = {f"{name}_{k + 1}": block[:, k].tolist() for name, block in latents.items() for k in (0, 1)}
    items["factor_food"] = [float(x) for x in rng.integers(1, 11, N)]
    items["factor_staff"] = [float(x) for x in rng.integers(1, 11, N)]
    items["problems"] = [float(x) for x in rng.integers(0, 4, N)]
    items["engagement_1"] = [float(x) for x in rng.integers(1, 6, N)]
    items["engagement_2"] = [float(x) for x in rng.integers(1, 6, N)]
    items["nps"] = [9.0] * N  # no item of an index
    found = asked(shop, store(shop, items))
    assert found.faults == ()
    direct = ecsi(latents, rng=np.random.default_rng(0))
    assert {one.name: (one.value, one.interval, one.n) for one in found.ecsi} == {
        name: (one.value, one.interval, one.n) for name, one in direct.items()
    }
    factors = {"food": items["factor_food"], "staff": items["factor_staff"]}
    assert found.thousand == thousand_points(factors, {"food": 1.0, "staff": 1.0})
    assert found.weights == {"food": 0.5, "staff": 0.5}
    assert found.problems_per_100 is not None
    assert found.problems_per_100.value == pytest.approx(100 * np.mean(items["problems"]))
    rows = list(zip(items["engagement_1"], items["engagement_2"], strict=True))
    assert found.engagement == tuple(engagement(rows).values())
    assert sum(one.value or 0 for one in found.engagement) == pytest.approx(1.0)


def test_declared_weights_count_and_unknown_ones_are_refused(shop: Context) -> None:
    brand_id = store(shop, {"factor_food": [10.0] * 40, "factor_staff": [5.0] * 40})
    found = asked(shop, brand_id, weights={"food": 3.0, "staff": 1.0})
    assert found.thousand is not None and found.thousand.value == pytest.approx(875.0)
    with pytest.raises(ConfigError, match="'price' is unknown; allowed: food, staff"):
        asked(shop, brand_id, weights={"price": 1.0})


def test_what_was_asked_wrongly_is_told_and_the_rest_is_there(shop: Context) -> None:
    brand_id = store(shop, {"engagement_1": [7.0] * 40, "problems": [1.0] * 40})
    found = asked(shop, brand_id)
    assert found.engagement == () and "between 1 and 5" in found.faults[0]
    assert found.problems_per_100 is not None and found.problems_per_100.value == 100.0


def test_a_part_of_ecsi_that_nobody_asked_about_is_named(shop: Context) -> None:
    items = {f"{name}_1": [7.0, 8.0] * 20 for name in ecsi_paths(("service_quality",)) if name != "loyalty"}
    found = asked(shop, store(shop, items))
    assert found.ecsi == () and found.faults == ("ECSI needs items of each of its parts; none is named loyalty_1",)


def test_nothing_asked_is_nothing_and_too_few_are_no_number(shop: Context) -> None:
    assert asked(shop, store(shop, {"nps": [9.0] * 40})).empty
    found = asked(shop, store(shop, {"problems": [1.0] * 5}))
    assert found.problems_per_100 is not None and not found.problems_per_100.shown
