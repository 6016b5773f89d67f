"""Model quality: what is known of the model before anybody has corrected anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.store import evaluations
from tests.monitor.web.conftest import House


def measured(folder: Path) -> None:
    share = {"value": 0.73, "low": 0.71, "high": 0.75}
    lines = [
        {"group": group, "value": value, "n": n, "n_failed": 0, "accuracy": share, "macro_f1": share,
         "calibration_error": 0.02}
        for group, value, n in (("all", "", 900), ("language", "en", 500), ("language", "ja", 400))
    ]  # fmt: skip
    value = {"file": "docs/models.md", "model": "embedded@7", "measured_at": "2026-11-29", "lines": lines}
    (folder / "measured.json").write_text(json.dumps(value), encoding="utf-8")


def test_what_was_measured_before_it_shipped_is_shown_in_the_brands_languages(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.embedded.DIRECTORY", tmp_path)
    evaluations._measured.cache_clear()
    viewer = house.as_("viewer")
    assert "Before it shipped" not in viewer.get("/quality").text  # weights that came without figures
    measured(tmp_path)
    evaluations._measured.cache_clear()
    try:
        page = viewer.get("/quality").text
        assert "Before it shipped, on texts of strangers" in page
        assert "No labelled set is kept yet" in page
        assert "English" in page
        assert "Japanese" not in page
        (kept,) = viewer.get("/api/v1/quality").json()["labelled"]
        assert (kept["name"], [line["group"] for line in kept["lines"]]) == ("", ["all"])
        other = house.context.settings.model.model_copy(update={"name": "other/checkpoint"})
        house.context.settings = house.context.settings.model_copy(update={"model": other})
        assert "Before it shipped" not in viewer.get("/quality").text  # figures of another model
    finally:
        evaluations._measured.cache_clear()
