"""How often the model is right: counted by hand."""

from __future__ import annotations

import pytest

from monitor.store.queries.quality import Looked
from monitor.web.accuracy import accuracy


def looked(said: str, true: str, p: float, *, language: str = "en", n: int = 1) -> list[Looked]:
    return [Looked(language, 1, "m@1", said, p, true)] * n


def test_shares_and_confusion() -> None:
    found = accuracy(
        looked("negative", "negative", 0.9, n=6) + looked("positive", "negative", 0.6, n=2)
        + looked("neutral", "neutral", 0.7, language="ru", n=5)
    )  # fmt: skip
    assert found.whole.value == pytest.approx(11 / 13)
    assert [(key, metric.n) for key, metric in found.by_language] == [("en", 8), ("ru", 5)]
    assert dict(found.by_language)["en"].value == pytest.approx(6 / 8)
    assert found.confusion == ((6, 0, 2), (0, 5, 0), (0, 0, 0))
    assert dict(found.by_class)["positive"].value is None  # nobody said so: nothing to measure


def test_the_calibration_error_is_the_weighted_gap() -> None:
    sure = looked("negative", "negative", 0.95, n=18) + looked("negative", "positive", 0.95, n=2)
    unsure = looked("positive", "positive", 0.55, n=10) + looked("positive", "neutral", 0.55, n=10)
    found = accuracy(sure + unsure)
    assert [(one.low, one.right.n) for one in found.bins] == [(0.5, 20), (0.9, 20)]
    assert found.calibration_error == pytest.approx((0.05 * 20 + 0.05 * 20) / 40)
    assert accuracy(sure[:5]).calibration_error is None  # too few to say


def test_nothing_looked_at_is_no_number() -> None:
    found = accuracy([])
    assert found.whole.value is None
    assert found.bins == ()
