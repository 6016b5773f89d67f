"""What changed for customers this week, for the weekly report: surveys, chats, stages, who falls silent, effects.

The four weeks up to the end of the week are compared with the four before, after Benjamini and Hochberg over all that
is looked at. What was as clear a week ago is no news and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import numpy as np
from sqlmodel import Session

from monitor.errors import ConfigError
from monitor.i18n import languages, translator
from monitor.metrics.counts import clear_after_many
from monitor.metrics.customers import Customers, Orders, life_stage, summarise
from monitor.metrics.journey import LEAST
from monitor.metrics.metric import Interval, Metric
from monitor.metrics.proportion import paired_difference, share
from monitor.metrics.sentiment import Tally, net_change, net_sentiment
from monitor.pipeline.effects import EffectView, answer, measure_effect
from monitor.pipeline.indices import metric_table, p_of
from monitor.pipeline.segmenting import PERIOD
from monitor.reports.weekly import ExperienceLine
from monitor.store import comparisons
from monitor.store.queries import customers
from monitor.store.queries.chats import any_chats
from monitor.store.queries.taxonomy import TaxonomyView, in_force
from monitor.store.tables import Comparison

SPAN = timedelta(days=28)
WEEK = timedelta(days=7)
INDICES = ("nps", "csat", "ces")
CHATS = ("first_answer", "resolved", "chat_start", "chat_end")
SILENT = ("sleeping", "lost")


@dataclass(frozen=True, slots=True)
class Seen:
    """A comparison of two spans that could be made."""

    line: ExperienceLine
    p: float


def experience_news(session: Session, brand_id: int, *, end: datetime, zone: tzinfo) -> tuple[ExperienceLine, ...]:
    """The lines of the section for a week that ends at `end`; empty where nothing changed. Reads only."""
    taxonomy = in_force(session)
    now, before = (_clear(_looked_at(session, brand_id, taxonomy, end=at, zone=zone)) for at in (end, end - WEEK))
    fresh = [line for key, line in now.items() if key not in before or not _same_way(line, before[key])]
    return (*fresh, *_answers(session, brand_id, taxonomy, end=end, zone=zone))


def _clear(seen: Sequence[Seen]) -> dict[tuple[str, str], ExperienceLine]:
    passed = clear_after_many([one.p for one in seen])
    return {
        (one.line.kind, one.line.key): one.line
        for one, sure in zip(seen, passed, strict=True)
        if sure and one.line.interval is not None and one.line.interval.clear
    }


def _same_way(a: ExperienceLine, b: ExperienceLine) -> bool:
    return (a.change or 0.0) * (b.change or 0.0) > 0


def _looked_at(session: Session, brand_id: int, taxonomy: TaxonomyView, *, end: datetime, zone: tzinfo) -> list[Seen]:
    return [
        *_indices(session, brand_id, end=end, zone=zone),
        *_stages(session, brand_id, taxonomy, end=end),
        *_silence(session, brand_id, end=end),
    ]


def _indices(session: Session, brand_id: int, *, end: datetime, zone: tzinfo) -> list[Seen]:
    """Surveys and conversations."""
    found = []
    for name in (*INDICES, *(CHATS if any_chats(session, brand_id) else ())):
        (cell,) = metric_table(session, brand_id, name, start=end - SPAN, end=end, zone=zone).cells
        if cell.difference is not None and cell.interval is not None:
            found.append(
                _seen("metric", name, {}, cell.metric, cell.difference, cell.interval,
                      rising_is_good=name != "first_answer")
            )  # fmt: skip
    return found


def _stages(session: Session, brand_id: int, taxonomy: TaxonomyView, *, end: datetime) -> list[Seen]:
    stage_of = {key: topic.stage for key, topic in taxonomy.topics.items() if topic.stage}
    counts = customers.step_counts(session, brand_id, edges=[end - 2 * SPAN, end - SPAN, end], step_of=stage_of)
    found = []
    for stage, (early, late) in sorted(counts.items()):
        before, now = Tally(*early), Tally(*late)
        if min(before.n, now.n) >= LEAST:
            change = (now.net or 0.0) - (before.net or 0.0)
            found.append(
                _seen("stage", stage, taxonomy.stages.get(stage, {}), net_sentiment(now), change,
                      net_change(now, before))
            )  # fmt: skip
    return found


def _silence(session: Session, brand_id: int, *, end: datetime) -> list[Seen]:
    """Customers that slept or were lost by their own usual gap, the same ones four weeks before: won and lost since."""
    rows = customers.orders(session, brand_id, end=end)
    orders = Orders.of([row.customer for row in rows], [row.at for row in rows], [row.amount for row in rows])
    now, before = _asleep(orders, end), _asleep(orders, end - SPAN)
    both = sorted(now.keys() & before.keys())
    n_fell = sum(now[one] and not before[one] for one in both)
    n_woke = sum(before[one] and not now[one] for one in both)
    if len(both) < LEAST:
        return []
    metric = share("silent", sum(now[one] for one in both), len(both), n_needed=LEAST)
    change = (n_fell - n_woke) / len(both)
    interval = paired_difference(n_fell, n_woke, len(both))
    return [_seen("silent", "silent", {}, metric, change, interval, rising_is_good=False)]


def _asleep(orders: Orders, at: datetime) -> dict[str, bool]:
    table: Customers = summarise(orders, now=at)
    if not len(table):
        return {}
    stages = life_stage(orders, table, now=at, period=PERIOD)
    return dict(zip((str(one) for one in table.ids), np.isin(stages, SILENT).tolist(), strict=True))


def _seen(
    kind: str, key: str, names: Mapping[str, str], now: Metric, change: float, interval: Interval, *,
    rising_is_good: bool = True,
) -> Seen:  # fmt: skip
    line = ExperienceLine(kind, key, names, now=now, change=change, interval=interval, rising_is_good=rising_is_good)
    return Seen(line, p_of(change, interval))


def _answers(
    session: Session, brand_id: int, taxonomy: TaxonomyView, *, end: datetime, zone: tzinfo
) -> list[ExperienceLine]:
    """Comparisons that are followed and whose answer is another than a week before."""
    found = []
    for row in comparisons.followed(session, brand_id):
        now = _answered(session, brand_id, row, until=end, zone=zone)
        before = _answered(session, brand_id, row, until=end - WEEK, zone=zone)
        if now is None or (before is not None and before.effect.verdict == now.effect.verdict):
            continue
        found.append(
            ExperienceLine(
                "effect", row.name, {}, change=now.effect.change, interval=now.effect.interval, rising_is_good=False,
                verdict=now.effect.verdict, verdict_before=before.effect.verdict if before else "",
                words={language: answer(now, taxonomy, translator(language)) for language in languages()},
                measure=now.effect.measure,
            )
        )  # fmt: skip
    return found


def _answered(session: Session, brand_id: int, row: Comparison, *, until: datetime, zone: tzinfo) -> EffectView | None:
    """The answer as it stood; None where it could not be asked yet, or a place or topic is gone."""
    try:
        return measure_effect(
            session, brand_id, topics=row.topics, changed_at=row.changed_at.astimezone(zone), until=until,
            treated=row.treated, against=row.against, measure="count" if row.measure == "count" else "share",
        )  # fmt: skip
    except ConfigError:
        return None


__all__ = ["experience_news"]
