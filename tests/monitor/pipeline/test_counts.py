"""The counts of series: whole days come from the daily counts, and are what the hours say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete
from sqlmodel import select

from monitor.pipeline.aggregate import aggregate, roll_up
from monitor.pipeline.counts import Counts, read_counts
from monitor.pipeline.score import score
from monitor.pipeline.series import series_of
from monitor.pipeline.steps import Steps
from monitor.store.engine import reading, writing
from monitor.store.tables import Brand, Bucket
from tests.monitor.pipeline.life import START, Life

FIELDS = ("negative", "total", "n_ratings", "rating_sum")


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Asia/Kolkata"])  # hours that begin a day, and that lie across it
def test_days_are_what_their_hours_say(zone: str, tmp_path: Path) -> None:
    life = Life(tmp_path, time_zone=zone)
    for n in range(20):
        day = START + timedelta(days=n)
        life.at = day + timedelta(hours=23)
        life.feed(day, 5, lambda k: "late" if k % 3 else "rude and late", place="A", rating=2.0, hours=(0, 24))
        life.feed(day, 3, lambda _: "great", place="B", rating=4.5, hours=(0, 24))
    score(life.context)
    aggregate(life.context)
    life.at += timedelta(hours=7)

    def counts() -> Counts:
        with reading(life.context.engine) as session:
            brand = session.exec(select(Brand)).one()
            steps = Steps(life.context.settings.zone)
            today = steps.of(life.at)
            return read_counts(session, brand, series_of(session, brand), steps, today - 15, today, now=life.at)

    by_hour = counts()
    assert by_hour.negative.sum() > 100 and by_hour.rating_sum.sum() > 100
    assert roll_up(life.context) >= 20
    with writing(life.context.engine) as session:  # only today's hours are read now
        session.execute(delete(Bucket).where(Bucket.hour_at < START + timedelta(days=10)))  # type: ignore[arg-type]
    by_day = counts()
    assert by_day.series == by_hour.series
    for name in FIELDS:
        np.testing.assert_allclose(getattr(by_day, name), getattr(by_hour, name), err_msg=name)
