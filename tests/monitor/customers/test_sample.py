"""The bundled sample end to end, judged as its writer intended: what was planted is found, what was not is not."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.cli import app
from monitor.errors import ConfigError
from monitor.i18n import translator
from monitor.metrics.journey import STAGES
from monitor.pipeline import indices
from monitor.pipeline.context import Context
from monitor.pipeline.customers import brand_named
from monitor.pipeline.effects import EffectView, answer, checks, measure_effect
from monitor.pipeline.journeys import journey_view
from monitor.pipeline.score import score
from monitor.pipeline.segmenting import describe, segment_view
from monitor.store.catalogue import ensure_import
from monitor.store.engine import reading, writing
from monitor.store.ingest import ingest
from monitor.store.queries.customers import months_of_segments, put_segments
from monitor.store.queries.customers import segments as stored_segments
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import Mention
from tests.monitor import support
from tests.monitor.customers.conftest import CHANGED_AT, SAMPLE, UNTIL, ZONE

START = UNTIL - timedelta(days=182)


def brand_of(context: Context) -> int:
    with reading(context.engine) as session:
        return brand_named(session, None).id or 0


@pytest.mark.parametrize("topics", [["staff"], ["waiting"], ["staff", "waiting", "price"]])
def test_the_planted_change_is_found(cafe: Context, topics: list[str]) -> None:
    with reading(cafe.engine) as session:
        view = measure_effect(
            session, brand_of(cafe), topics=topics, changed_at=CHANGED_AT, until=UNTIL, treated=SAMPLE.CHANGED
        )
        taxonomy = in_force(session)
    assert view.effect.verdict == "fell" and view.effect.n_before == 12 and view.effect.n_after == 14
    assert view.effect.interval is not None and view.effect.interval.high < 0
    assert set(view.beside) == {place.name for place in SAMPLE.PLACES} - set(SAMPLE.CHANGED)
    assert "стало меньше" in answer(view, taxonomy, translator("ru"))
    assert " fell by " in answer(view, taxonomy, translator("en"))


def test_no_effect_is_claimed_where_none_was_planted(cafe: Context) -> None:
    untouched = ["Набережная 30", "Harbour Street 8"]
    with reading(cafe.engine) as session:
        for topic in ("cleanliness", "food"):
            view = measure_effect(
                session, brand_of(cafe), topics=[topic], changed_at=CHANGED_AT, until=UNTIL, treated=untouched
            )
            assert view.effect.verdict in ("no_clear_change", "cannot_tell")
        late = UNTIL - timedelta(days=10)
        early = measure_effect(
            session, brand_of(cafe), topics=["staff"], changed_at=late, until=UNTIL, treated=SAMPLE.CHANGED
        )
        assert (early.effect.verdict, early.effect.reason) == ("cannot_tell", "too_few_periods_after")
        assert "Cannot tell" in answer(early, in_force(session), translator("en"))
        wrongs: list[tuple[str, dict[str, Any]]] = [
            ("is unknown; allowed", {"topics": ["stuff"]}),
            ("is unknown; allowed", {"topics": ["staff"], "treated": ["Нигде 1"]}),
            ("neither a topic nor a place", {"topics": ["staff"], "against": ["Нигде 1"]}),
            ("not both", {"topics": ["staff"], "treated": SAMPLE.CHANGED, "against": ["food", "Мира 12"]}),
            ("its own control", {"topics": ["staff"], "treated": SAMPLE.CHANGED, "against": SAMPLE.CHANGED[:1]}),
            ("name these too", {"topics": ["staff"], "against": ["Мира 12"]}),
        ]
        for words, wrong in wrongs:
            with pytest.raises(ConfigError, match=words):
                measure_effect(session, brand_of(cafe), changed_at=CHANGED_AT, until=UNTIL, **wrong)


def test_controls_can_be_chosen_and_the_reason_is_told(cafe: Context) -> None:
    """By default every place that was not changed; chosen ones only, by any spelling, or topics."""

    def ask(*against: str) -> EffectView:
        with reading(cafe.engine) as session:
            return measure_effect(session, brand_of(cafe), topics=["staff", "waiting"], changed_at=CHANGED_AT,
                                  until=UNTIL, treated=SAMPLE.CHANGED, against=against)  # fmt: skip

    every, two, topic = ask(), ask("мира 12", "Набережная 30"), ask("Food")
    assert {one.why for one in every.places} == {"not_changed"} and len(every.places) == 4
    assert (two.control, two.beside) == ("places", ("Мира 12", "Набережная 30"))
    assert {one.place: one.why for one in two.places}["Мира 12"] == "chosen"
    by_place = {one.place: one for one in every.places}
    for number, week in enumerate(two.weeks):
        assert week.control is not None and every.weeks[number].control is not None
        assert week.control.n <= every.weeks[number].control.n
    assert sum(week.control.n for week in two.weeks if week.control) == sum(
        by_place[name].before.n + by_place[name].after.n for name in two.beside
    )
    assert two.effect.verdict == "fell"
    assert (topic.control, topic.beside, topic.places) == ("topics", ("food",), ())
    for language, said in (("en", "places that you chose: Мира 12 ("), ("ru", "которые вы выбрали: Мира 12 (")):
        assert any(said in line for line in checks(two, translator(language)))
    assert any("not chosen" in line and "Harbour Street 8" in line for line in checks(two, translator("en")))


def test_a_place_that_opened_or_closed_meanwhile_is_no_control(tmp_path: Path) -> None:
    made = support.context(tmp_path)
    change = support.NOW - timedelta(weeks=6)
    weeks = {"Changed": range(-10, 6), "Steady": range(-10, 6), "Opened": range(6), "Closed": range(-10, 0)}
    items = [
        support.item(f"{place} {week} {n}", "the waiter was rude" if n == 0 else "lovely", location=place,
                     at=change + timedelta(weeks=week, days=1, minutes=n))
        for place, span in weeks.items() for week in span for n in range(4)
    ]  # fmt: skip
    with writing(made.engine) as session:
        brand, source = brand_named(session, None), ensure_import(session, "site", now=support.NOW)
        ingest(session, items, brand_id=brand.id or 0, source_id=source.id or 0, origin="site", now=support.NOW,
               near_duplicates=False)  # fmt: skip
    score(made)
    with reading(made.engine) as session:
        view = measure_effect(
            session, brand_of(made), topics=["staff"], changed_at=change, until=support.NOW, treated=["Changed"]
        )
        alone = measure_effect(session, brand_of(made), topics=["staff"], changed_at=change, until=support.NOW,
                               treated=["Changed"], against=["Opened"])  # fmt: skip
    assert {one.place: (one.used, one.why) for one in view.places} == {
        "Steady": (True, "not_changed"), "Opened": (False, "not_before"), "Closed": (False, "not_after"),
    }  # fmt: skip
    assert view.beside == ("Steady",) and view.effect.controlled
    assert (alone.control, alone.effect.controlled) == ("none", False)
    assert any("nobody spoke of it before" in line for line in checks(alone, translator("en")))
    made.engine.dispose()


def test_indices_carry_n_and_interval_and_too_few_are_not_shown(cafe: Context) -> None:
    with reading(cafe.engine) as session:
        asked = {name: indices.metric_table(session, brand_of(cafe), name, start=START, end=UNTIL, zone=ZONE)
                 for name in ("nps", "csat", "ces", "net_sentiment", "rating")}  # fmt: skip
        for table in asked.values():
            (cell,) = table.cells
            assert cell.metric.value is not None and cell.metric.interval is not None
            assert cell.metric.value in cell.metric.interval
        months = indices.metric_table(session, brand_of(cafe), "nps", by="period", start=START, end=UNTIL, zone=ZONE)
        assert sum(cell.metric.n for cell in months.cells) == asked["nps"].cells[0].metric.n
        day = indices.metric_table(
            session, brand_of(cafe), "nps", start=UNTIL - timedelta(days=2), end=UNTIL, zone=ZONE
        )
        assert day.cells[0].metric.value is None and 0 < day.cells[0].metric.n < indices.LEAST
        found, n = indices.drivers(
            session, brand_of(cafe), "net_sentiment", start=START, end=UNTIL, rng=np.random.default_rng(0)
        )
        waiting = next(one for one in found if one.topic == "waiting")
        assert waiting.interval.high < 0 and waiting.clear and (waiting.impact.value or 0) < 0 and n > 900
        with pytest.raises(ConfigError, match="not known by segment"):
            indices.metric_table(session, brand_of(cafe), "rating", by="segment", start=START, end=UNTIL, zone=ZONE)


def test_the_journey_counts_each_mention_once_a_step(cafe: Context) -> None:
    with reading(cafe.engine) as session:
        view = journey_view(session, brand_of(cafe), start=START, end=UNTIL, zone=ZONE)
    rows = {row.step.key: row for row in view.stages}
    assert list(rows) == [stage for stage in STAGES if stage in rows]
    purchase = rows["purchase"]
    assert sum(metric.n for metric in purchase.periods) == purchase.step.tally.n
    assert sum(row.step.burden.value or 0 for row in view.stages) == pytest.approx(1.0)
    assert "waiting" in {one.topic for one in purchase.complaints} and all(one.quote for one in purchase.complaints)
    assert 1 <= sum(step.weak for step in view.touchpoints) <= 3
    assert "queue, order taking" in {step.key for step in view.touchpoints if step.weak}
    assert view.n_watched > 100 and all(loss.returned.n >= 15 for loss in view.lost_touchpoints)


def test_segments_cover_everybody_and_stay_the_same(cafe: Context) -> None:
    with reading(cafe.engine) as session:
        first = segment_view(session, brand_of(cafe), now=UNTIL, zone=ZONE)
        again = segment_view(session, brand_of(cafe), now=UNTIL, zone=ZONE)
    assert first.members == again.members and first.moves == again.moves
    assert sum(row.n for row in first.rows) == first.n == len(first.members)
    assert sum(row.value_share for row in first.rows) == pytest.approx(1.0)
    assert sorted(first.months)[-1] == "2026-11" and sum(first.moves.values()) == first.n
    for language in ("ru", "en"):
        words = [describe(row.code, translator(language)) for row in first.rows]
        assert len(set(words)) == len(words) and not any(word.endswith(":") for word in words)
    with writing(cafe.engine) as session:
        put_segments(session, brand_of(cafe), first.months)
        put_segments(session, brand_of(cafe), first.months)
        assert months_of_segments(session, brand_of(cafe)) == sorted(first.months)
        assert stored_segments(session, brand_of(cafe), "2026-11") == first.months["2026-11"]


def test_the_commands_print_tables_and_json(cafe: Context, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    config = tmp_path / "monitor.toml"
    config.write_text(
        f'language = "ru"\ntime_zone = "Europe/Moscow"\ndata_dir = "{cafe.settings.data_dir}"\n'
        '[brands.polden]\nname = "Полдень"\n',
        encoding="utf-8",
    )
    common = ["--config", str(config), "--until", "2026-11-23"]

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    told = json.loads(
        run(
            "effect",
            "--topic",
            "staff",
            "--from",
            "2026-08-17",
            "--treated",
            "Вокзальная 1,Лесная 5",
            "--json",
            *common,
        )
    )
    assert told["effect"]["verdict"] == "fell" and len(told["weeks"]) == 26
    assert "Лесная 5" in run(
        "effect", "--topic", "staff", "--from", "2026-08-17", "--treated", "Вокзальная 1,Лесная 5", *common
    )
    assert "CES 2.0" in run("metrics", *common)
    assert "2026-10" in run("metrics", "--metric", "nps", "--by", "period", *common)
    beside = json.loads(run("metrics", "--by", "competitor", "--json", *common))
    (rival,) = beside["rivals"]
    assert (rival["name"], rival["envied"], len(beside["voice"])) == ("Третий гудок", [], 2)
    told = run("metrics", "--by", "competitor", *common)
    assert "Третий гудок" in told and "Ни у одной темы" in told  # the rival's texts are not judged here
    early = ("--since", "2025-01-01", "--until", "2025-02-01", "--language", "ru", "--config", str(config))
    assert "сравнивать нечего" in run("metrics", "--by", "location", *early)
    assert json.loads(run("journey", "--json", *common))["stages"]
    assert "Покупка" in run("journey", *common)
    out = tmp_path / "members.csv"
    assert "NPS" in run("segments", "--export", str(out), "--config", str(config))
    with out.open(encoding="utf-8-sig", newline="") as file:
        members = list(csv.DictReader(file))
    assert len(members) > 380 and all(row["customer"].startswith("~") and row["description"] for row in members)


def test_a_complaint_is_quoted_from_somebody_who_complains(cafe: Context) -> None:
    with reading(cafe.engine) as session:
        view = journey_view(session, brand_of(cafe), start=START, end=UNTIL, zone=ZONE)
        quoted = [session.get_one(Mention, one.mention_id) for row in view.stages for one in row.complaints]
    complaining = [one for one in quoted if one.sentiment == "negative"]
    assert len(quoted) >= 8 and len(complaining) >= len(quoted) - 1
