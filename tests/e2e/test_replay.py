"""Real timelines that nobody here wrote, replayed with the embedded model: what certainly happened is found."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.town import monitor


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def certain(shared: Path, name: str, brand: str) -> list[dict[str, Any]]:
    known = json.loads((shared / "data" / "replay" / f"{name}.incidents.json").read_text(encoding="utf-8"))
    return [one for one in known["incidents"] if one["brand"] == brand and one["confidence"] == "certain"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def timeline(shared: Path, folder: Path, name: str, brand: str) -> tuple[Path, int]:
    """The rows of one brand until its last certain incident is over (years follow in some), and their number."""
    last = max(at(one["end"]) for one in certain(shared, name, brand)) + timedelta(days=7)
    with gzip.open(shared / "data" / "replay" / f"{name}.csv.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["brand"] == brand and at(row["published_at"]) <= last]
    path = folder / "timeline.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path, len(rows)


@pytest.mark.parametrize(
    ("name", "brand", "every"), [("ru_telecom_2014", "МТС", "6h"), ("steam_2011_2019", "PAYDAY 2", "3h")]
)
def test_certain_incidents_are_found(shared: Path, tmp_path: Path, name: str, brand: str, every: str) -> None:
    file, n_rows = timeline(shared, tmp_path, name, brand)
    told = monitor("replay", file, "--brand", brand, "--out", tmp_path, "--every", every, cwd=tmp_path)
    assert json.loads(told.stdout)["mentions"] == n_rows > 50
    found = lines(tmp_path / "incidents.jsonl")
    assert {one["brand"] for one in found} <= {brand}
    for incident in certain(shared, name, brand):
        start, end = at(incident["start"]), at(incident["end"])
        hits = [
            one
            for one in found
            if at(one["since_at"]) <= end and at(one["last_seen_at"]) + timedelta(days=1) >= start
            and start - timedelta(hours=1) <= at(one["opened_at"]) <= end + timedelta(days=1)
        ]  # fmt: skip
        inside = [
            one for one in found if at(one["opened_at"]) <= start and at(one["last_seen_at"]) >= start.replace(hour=0)
        ]
        assert hits or inside, (incident["topic"], [(one["series"], one["opened_at"]) for one in found])
    messages = lines(tmp_path / "notifications.jsonl")
    opened = [message for message in messages if message["kind"] == "opened"]
    assert len(opened) == len(found)
    assert {message["state"] for message in messages} <= {"sent", "folded"}
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["incidents"] == len(found)
    if name == "ru_telecom_2014":  # the other ends before its week does
        assert list((tmp_path / "reports").glob("*.html"))
