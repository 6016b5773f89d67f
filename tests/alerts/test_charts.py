"""Charts: pictures that are small, the same for the same points, and told in words."""

from __future__ import annotations

import datetime as dt
import struct

import pytest

from alerts import charts
from tests.alerts import sample_messages as samples


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_a_chart_is_small_sharp_and_repeatable() -> None:
    one = charts.band(samples.points(), language="ru", time_zone="Europe/Moscow", hot_since=samples.SINCE)
    two = charts.band(samples.points(), language="ru", time_zone="Europe/Moscow", hot_since=samples.SINCE)
    assert one == two
    assert size(one) == (round(charts.WIDTH * charts.DPI), round(charts.HEIGHT * charts.DPI))
    assert len(one) < 60_000


def test_the_incident_changes_the_picture() -> None:
    assert charts.band(samples.points()) != charts.band(samples.points(), hot_since=samples.SINCE)


START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "points",
    [
        [charts.Point(START, 3.0)],
        [charts.Point(START, None)],
        [charts.Point(START, 0.0, 0.0, 0.0, 0.0)],
        [charts.Point(START + dt.timedelta(hours=n), float(n % 5), 2.0, 0.0, 4.0) for n in range(48)],
        [charts.Point(START + dt.timedelta(days=n), 1e6, None, None, None) for n in range(90)],
        [charts.Point(START + dt.timedelta(days=n), 1.0, 1.0, 0.0, 2.0 if n % 2 else None) for n in range(9)],
    ],
)
def test_odd_series_are_drawn_and_told(points: list[charts.Point]) -> None:
    assert size(charts.band(points, hot_since=START, title="Luna"))[0] > 0
    assert "None" not in charts.describe(points)


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one point"):
        charts.band([])


def test_the_words_name_the_highest_and_the_newest() -> None:
    told = charts.describe(samples.points(), time_zone="Europe/Moscow")
    assert told.startswith("Chart from 26 October to 15 November: the highest count is 10 on 15 November, ")
    assert told.endswith("the newest is 10 (usually 0 to 5).")
