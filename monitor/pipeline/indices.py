"""Indices of satisfaction by period, segment, place and touchpoint, the tests between them, and what moves them."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from sqlmodel import Session

from monitor.errors import ConfigError
from monitor.metrics import survey
from monitor.metrics.clv import histories, mean_lifetime_value
from monitor.metrics.counts import clear_after_many
from monitor.metrics.impact import impact_of
from monitor.metrics.median import change_of_median, median_of
from monitor.metrics.metric import BadNumbers, Interval, Metric, z_value
from monitor.metrics.proportion import newcombe, share
from monitor.metrics.retention import kaplan_meier, repeat_rate, watched, with_activity
from monitor.metrics.sample import Sample, samples, together
from monitor.metrics.sentiment import Tally, net_change, net_sentiment
from monitor.store.queries import customers
from monitor.store.queries.cells import Cells
from monitor.store.queries.chats import Chat, any_chats, chats
from monitor.store.queries.chosen import micros
from monitor.store.queries.customers import AnswerRow, OrderRow
from monitor.store.queries.opinions import Opinions, opinions
from monitor.store.queries.selection import remembered
from monitor.store.queries.taxonomy import in_force
from monitor.store.sheets import SENTIMENTS
from monitor.store.shelf import places

By = Literal["", "period", "segment", "location", "touchpoint"]
Step = Literal["week", "month"]
SURVEYS = ("nps", "csat", "ces", "ces_mean")
FEEDBACK = ("net_sentiment", "negative_share", "rating")
CHATS = ("first_answer", "resolved", "chat_start", "chat_end", "chat_shift")
BEHAVIOUR = ("repeat_rate", "return_rate", "complaint_rate", "retention", "clv")
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LOST_AFTER = timedelta(days=45)  # silent for longer: lost
RETENTION_DAYS = 90
CLV_WEEKS = 26
SIGNS = np.array([-1.0, 0.0, 1.0])  # of SENTIMENTS
NOTHING = Sample.of([])
BAD = {"nps": 6, "csat": 2, "ces": 3}  # the best of the bad answers: detractors (0-6), CSAT 1-2, CES 1-3
LEAST = 10  # answers before an index is shown


@dataclass(frozen=True, slots=True)
class Kind:
    """How one metric comes from values, how two sets of values are compared, and what a value adds to the score."""

    name: str
    of: Callable[[Sample], Metric]
    change: Callable[[Sample, Sample], Interval | None]
    adds: Callable[[float], float]


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """Values (not a number: none), when each was given, and what it belongs to: a place in `keys`. Oldest first."""

    at: npt.NDArray[np.int64]  # in microseconds since the epoch
    value: npt.NDArray[np.float64]
    key: npt.NDArray[np.int64]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, rows: Iterable[tuple[datetime, float, str]]) -> Observed:
        listed = sorted(rows)
        number = {key: n for n, key in enumerate(dict.fromkeys(key for _, _, key in listed))}
        return cls(
            np.array([micros(at) for at, _, _ in listed], np.int64),
            np.array([value for _, value, _ in listed], np.float64),
            np.array([number[key] for _, _, key in listed], np.int64), tuple(number),
        )  # fmt: skip

    def by_key(self) -> dict[str, Sample]:
        return dict(zip(self.keys, samples(self.value, self.key, len(self.keys)), strict=True))

    def by_span(self, edges: Sequence[datetime]) -> list[Sample]:
        """What lies between two edges, those before the first and from the last on left out."""
        ends = [0, *np.searchsorted(self.at, [micros(edge) for edge in edges]).tolist(), len(self.at)]
        return samples(self.value, np.repeat(np.arange(len(edges) + 1), np.diff(ends)), len(edges) + 1)[1:-1]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row: the metric, and its difference to what it is compared with (the span before, the rest)."""

    key: str
    metric: Metric
    difference: float | None = None
    interval: Interval | None = None
    clear: bool = False  # after Benjamini and Hochberg over the rows


@dataclass(frozen=True, slots=True)
class MetricTable:
    """One metric by one dimension. `against` says what differences are to: "before", "previous" or "rest"."""

    name: str
    by: By
    against: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Driver:
    """A topic that comes with better or worse scores: the score with it, without it, the difference, its impact."""

    topic: str
    n: int
    value: Metric
    rest: Metric
    difference: float
    interval: Interval
    clear: bool
    impact: Metric


def names(session: Session, brand_id: int) -> tuple[str, ...]:
    """Every metric that may be asked for: items of questionnaires come by their own names, those of conversations
    where there are any."""
    kept = remembered(session, "metric names")
    if brand_id in kept:
        return cast("tuple[str, ...]", kept[brand_id])
    asked = tuple(name for name in customers.survey_metrics(session, brand_id) if name not in SURVEYS)
    kept[brand_id] = (*SURVEYS, *asked, *FEEDBACK, *(CHATS if any_chats(session, brand_id) else ()), *BEHAVIOUR)
    return cast("tuple[str, ...]", kept[brand_id])


def metric_table(
    session: Session, brand_id: int, name: str, *, by: By = "", start: datetime, end: datetime, zone: tzinfo,
    step: Step = "month",
) -> MetricTable:  # fmt: skip
    """One metric. Raises ConfigError for an unknown name, or a dimension that the metric does not know."""
    known = names(session, brand_id)
    if name not in known:
        raise ConfigError(f"metric {name!r} is unknown; allowed: {', '.join(known)}")
    if name in BEHAVIOUR:
        if by not in ("", "location") or (by and name == "clv"):
            raise ConfigError(
                f"{name} is not known by {by}; allowed: {'' if name == 'clv' else 'location, or '}nothing"
            )
        return _behaviour_table(session, brand_id, name, by=by, end=end)
    if name in CHATS and by not in ("", "period", "location"):
        raise ConfigError(f"{name} is not known by {by}; allowed: period, location")
    if name in FEEDBACK and by == "segment":
        raise ConfigError(f"{name} is not known by segment; allowed: period, location, touchpoint")
    kind = kind_of(name)
    if not by:
        before, now = _by_span(session, brand_id, name, [start - (end - start), start, end])
        return MetricTable(name, by, "before", tuple(_judged([_cell(kind, "", now, before)])))
    if by == "period":
        spans = periods(start, end, zone, step)
        parts = _by_span(session, brand_id, name, [*(first for _, first, _ in spans), end])
        cells = [
            _cell(kind, key, part, parts[number - 1] if number else NOTHING)
            for number, ((key, _, _), part) in enumerate(zip(spans, parts, strict=True))
        ]
        return MetricTable(name, by, "previous", tuple(_judged(cells)))
    groups = {key: part for key, part in _by(session, brand_id, name, by, start=start, end=end).items() if part.n}
    whole = together(groups.values())
    cells = [
        _cell(kind, key, part, whole.without(part))
        for key, part in sorted(groups.items(), key=lambda one: (-one[1].n, one[0]))
    ]
    return MetricTable(name, by, "rest", tuple(_judged(cells)))


def drivers(
    session: Session, brand_id: int, name: str, *, start: datetime, end: datetime, rng: np.random.Generator
) -> tuple[list[Driver], int]:
    """Which topics move the score, the largest impact first, and over how many judged texts that was looked at.

    For survey metrics these are the answers with a comment: a topic counts when the comment speaks of it.
    """
    if name in BEHAVIOUR or name in CHATS:
        return [], 0
    kind = kind_of(name)
    if name in FEEDBACK:
        whole, by_topic = _of_topics(opinions(session, brand_id, start=start, end=end), name)
    else:
        scores, told = customers.scores_by_topic(session, brand_id, _asked(name), start=start, end=end)
        whole, by_topic = Sample.told(scores), {topic: Sample.told(part) for topic, part in told.items()}
    found = []
    for topic, inside in sorted(by_topic.items()):
        outside = whole.without(inside)
        own, rest = kind.of(inside), kind.of(outside)
        interval = kind.change(inside, outside) if min(inside.n, outside.n) >= LEAST else None
        if own.value is None or rest.value is None or interval is None:
            continue
        impact = impact_of(inside.mapped(kind.adds), outside.mapped(kind.adds), rng=rng)
        found.append(Driver(topic, inside.n, own, rest, own.value - rest.value, interval, False, impact))
    clear = clear_after_many([p_of(one.difference, one.interval) for one in found])
    judged = [replace(one, clear=sure and one.interval.clear) for one, sure in zip(found, clear, strict=True)]
    return sorted(judged, key=lambda one: (-abs(one.impact.value or 0.0), one.topic)), whole.n


def kind_of(name: str) -> Kind:
    """How a metric is computed. Items of questionnaires are means on whatever scale they were asked."""
    match name:
        case "nps":
            return Kind(name, lambda v: survey.nps(_whole(v), n_needed=LEAST),
                        lambda a, b: survey.nps_change(_whole(a), _whole(b)),
                        lambda v: 100.0 * ((v >= 9) - (v <= 6)))  # fmt: skip
        case "csat":
            return Kind(name, lambda v: survey.csat(_whole(v), n_needed=LEAST),
                        lambda a, b: survey.csat_change(_whole(a), _whole(b)), lambda v: float(v >= 4))  # fmt: skip
        case "ces":
            return Kind(name, lambda v: survey.ces_index(_whole(v), n_needed=LEAST),
                        lambda a, b: net_change(survey.ces_tally(_whole(a)), survey.ces_tally(_whole(b))),
                        lambda v: 100.0 * ((v >= 6) - (v <= 3)))  # fmt: skip
        case "ces_mean":
            return Kind(name, lambda v: survey.ces_mean(_whole(v), n_needed=LEAST), _change_of_means, float)
        case "net_sentiment":
            return Kind(name, lambda v: net_sentiment(_tally(v), n_needed=LEAST),
                        lambda a, b: net_change(_tally(a), _tally(b)), lambda v: 100.0 * v)  # fmt: skip
        case "negative_share":
            return Kind(name, lambda v: share(name, v.between(-1, -1), v.n, n_needed=LEAST),
                        lambda a, b: newcombe(a.between(-1, -1), a.n, b.between(-1, -1), b.n),
                        lambda v: float(v < 0))  # fmt: skip
        case "rating":
            stars = (1.0, 5.0)
            return Kind(name, lambda v: survey.mean_of(name, v, bounds=stars, n_needed=LEAST), _change_of_means, float)
        case "first_answer":
            return Kind(name, _median_wait, lambda a, b: change_of_median(_median_wait(a), _median_wait(b)), float)
        case "resolved":
            return Kind(name, lambda v: share(name, v.between(1, 1), v.n, n_needed=LEAST),
                        lambda a, b: newcombe(a.between(1, 1), a.n, b.between(1, 1), b.n), float)  # fmt: skip
        case "chat_start" | "chat_end":
            return Kind(name, lambda v: net_sentiment(_tally(v), n_needed=LEAST),
                        lambda a, b: net_change(_tally(a), _tally(b)), lambda v: 100.0 * v)  # fmt: skip
        case "chat_shift":
            most = (-200.0, 200.0)
            return Kind(name, lambda v: replace(survey.mean_of(name, v, bounds=most, n_needed=LEAST), unit="points"),
                        _change_of_means, float)  # fmt: skip
    return Kind(name, lambda v: survey.mean_of(name, v, n_needed=LEAST), _change_of_means, float)


def periods(start: datetime, end: datetime, zone: tzinfo, step: Step) -> list[tuple[str, datetime, datetime]]:
    """Calendar months or ISO weeks of the reader's zone: name, first moment, end; the outer ones cut at the span."""
    found = []
    at = start.astimezone(zone)
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        if step == "month":
            following = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
            key = f"{at:%Y-%m}"
        else:
            following = midnight + timedelta(days=7 - at.weekday())
            year, week, _ = at.isocalendar()
            key = f"{year}-W{week:02d}"
        found.append((key, at, min(following, end)))
        at = following
    return found


def behaviour(
    orders: Sequence[OrderRow],
    complained: set[str],
    *,
    now: datetime,
    name: str,
    activity: Mapping[str, Sequence[datetime]] | None = None,
) -> Metric:
    """One number of what customers do. Churn is to be silent for 45 days: no order, and no activity if any is known."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for order in orders:
        times[order.customer].append(order.at)
    match name:
        case "repeat_rate":
            return repeat_rate(times)
        case "return_rate":
            return share(name, sum(order.returned for order in orders), len(orders), n_needed=LEAST)
        case "complaint_rate":
            return share(name, len(complained & times.keys()), len(times), n_needed=LEAST)
        case "retention":
            alive = with_activity(times, activity or {})
            metric = kaplan_meier(*watched(alive, now=now, lost_after=LOST_AFTER)).retention(RETENTION_DAYS)
            return metric.noted(f"after {RETENTION_DAYS} days; lost is silent for {LOST_AFTER.days} days")
    amounts: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for order in orders:
        amounts[order.customer].append((order.at, 0.0 if order.returned else order.amount))
    try:
        found = mean_lifetime_value(histories(amounts, now=now), periods=CLV_WEEKS, rng=np.random.default_rng(0),
                                    n_bootstrap=30)  # fmt: skip
    except BadNumbers as problem:
        return Metric("clv", None, None, len(times), "", "money", n_needed=len(times) + 1, note=str(problem))
    return found.noted(f"revenue of the next {CLV_WEEKS} weeks")


def bad_answer(row: AnswerRow) -> bool:
    return row.value <= BAD.get(row.metric, -1)


def p_of(difference: float, interval: Interval) -> float:
    """Two-sided p of "no difference" behind a 95 % interval, by the half that faces zero."""
    half = difference - interval.low if difference > 0 else interval.high - difference
    if half <= 0:
        return 0.0 if difference else 1.0
    return 2 * (1 - statistics.NormalDist().cdf(abs(difference) / half * z_value(0.95)))


def _behaviour_table(session: Session, brand_id: int, name: str, *, by: By, end: datetime) -> MetricTable:
    orders = customers.orders(session, brand_id, end=end)
    complained = customers.complainers(session, brand_id, end=end, bad=BAD)
    if not by:
        activity = customers.activity(session, brand_id, end=end) if name == "retention" else None
        whole = behaviour(orders, complained, now=end, name=name, activity=activity)
        return MetricTable(name, by, "", (Cell("", whole),))
    places: dict[str, list[OrderRow]] = defaultdict(list)
    for order in orders:
        places[order.location].append(order)
    cells = tuple(
        Cell(place, behaviour(rows, complained, now=end, name=name))
        for place, rows in sorted(places.items(), key=lambda one: (-len(one[1]), one[0]))
    )
    return MetricTable(name, by, "", cells)


def _by_span(session: Session, brand_id: int, name: str, edges: Sequence[datetime]) -> list[Sample]:
    """The values of a metric in each span between two edges; kept as long as the transaction, since metrics share
    them."""
    if name in CHATS:
        return _of_chats(session, brand_id, name, start=edges[0], end=edges[-1]).by_span(edges)
    kept: dict[tuple[Any, ...], list[Sample]] = remembered(session, "spans")
    key = (brand_id, _asked(name), *edges)
    if key in kept:
        return kept[key]
    if name in FEEDBACK:
        found = opinions(session, brand_id, start=edges[0], end=edges[-1])
        cells = found.by_span(edges)
        kept[key] = samples(_values(cells, name), cells.key["span"], len(edges) - 1, cells.n)
    else:
        kept[key] = [Sample.told(part) for part in customers.scores_by_span(session, brand_id, _asked(name), edges)]
    return kept[key]


def _by(
    session: Session, brand_id: int, name: str, by: customers.Dimension, *, start: datetime, end: datetime
) -> dict[str, Sample]:
    """The values of a metric by segment, place or touchpoint."""
    if name in CHATS:
        return _of_chats(session, brand_id, name, start=start, end=end).by_key()
    if name not in FEEDBACK:
        parts = customers.scores_by(session, brand_id, _asked(name), by, start=start, end=end)
        return {key: Sample.told(part) for key, part in parts.items()}
    found = opinions(session, brand_id, start=start, end=end)
    if by == "touchpoint":
        if name == "rating":
            raise ConfigError(
                "rating is not known by touchpoint: stars are given to the whole; allowed: period, location"
            )
        return _at_touchpoints(session, found)
    cells = found.by_place
    held, key = places(cells.key["place"])
    of_places = samples(_values(cells, name), key, len(held), cells.n)
    return {found.words[place]: part for place, part in zip(held.tolist(), of_places, strict=True)}


def _asked(name: str) -> str:
    """What a metric is counted from: two come of one question, two of what was felt."""
    return {"ces_mean": "ces", "negative_share": "net_sentiment"}.get(name, name)


def _of_chats(session: Session, brand_id: int, name: str, *, start: datetime, end: datetime) -> Observed:
    return Observed.of(
        (chat.opened_at, value, chat.location)
        for chat in chats(session, brand_id, start=start, end=end)
        if (value := _of_chat(chat, name)) is not None
    )


def _values(cells: Cells, name: str) -> npt.NDArray[np.float64]:
    """What each opinion adds to a metric; not a number where it cannot."""
    return cells.rating if name == "rating" else SIGNS[cells.sentiment]


def _at_touchpoints(session: Session, found: Opinions) -> dict[str, Sample]:
    """What is said of each topic of the taxonomy, by the touchpoint that the topic belongs to."""
    known = in_force(session).topics
    at = {number: known[word].touchpoint.get("en", word) for number, word in found.words.items() if word in known}
    names = list(dict.fromkeys(at.values()))
    cells = found.by_topic
    cells = cells.where(np.isin(cells.key["topic"], list(at)))
    key = np.array([names.index(at[topic]) for topic in cells.key["topic"].tolist()], np.int64)
    return dict(zip(names, samples(SIGNS[cells.sentiment], key, len(names), cells.n), strict=True))


def _of_topics(found: Opinions, name: str) -> tuple[Sample, dict[str, Sample]]:
    """What all opinions add to a metric, and those that speak of a topic."""
    cells = found.by_place
    whole = samples(_values(cells, name), np.zeros(len(cells.n), np.int64), 1, cells.n)[0]
    cells = found.by_topic
    value = cells.rating if name == "rating" else SIGNS[cells.key["felt"]]
    topics, key = places(cells.key["topic"])
    parts = samples(value, key, len(topics), cells.n)
    return whole, {found.words[topic]: part for topic, part in zip(topics.tolist(), parts, strict=True)}


def _of_chat(chat: Chat, name: str) -> float | None:
    """What a conversation adds to a metric; None where it cannot: feelings move only where the customer spoke twice."""
    if name == "first_answer":
        return None if chat.wait is None else chat.wait / timedelta(minutes=1)
    if name == "resolved":
        return float(chat.resolved)
    first, last = chat.turns[0].sentiment, chat.turns[-1].sentiment
    if len(chat.turns) < 2 or first is None or last is None:
        return None
    start, end = (float(SIGNS[SENTIMENTS.index(one)]) for one in (first, last))
    return {"chat_start": start, "chat_end": end, "chat_shift": 100.0 * (end - start)}[name]


def _median_wait(minutes: Sample) -> Metric:
    return median_of("first_answer", minutes, unit="minutes", n_needed=LEAST)


def _cell(kind: Kind, key: str, values: Sample, others: Sample) -> Cell:
    metric, other = kind.of(values), kind.of(others)
    if metric.value is None or other.value is None:
        return Cell(key, metric)
    interval = kind.change(values, others)
    return Cell(key, metric, metric.value - other.value if interval is not None else None, interval)


def _judged(cells: Sequence[Cell]) -> list[Cell]:
    compared = [cell for cell in cells if cell.interval is not None]
    clear = clear_after_many(
        [p_of(cell.difference or 0.0, cell.interval) for cell in compared if cell.interval is not None]
    )
    sure = {cell.key for cell, passed in zip(compared, clear, strict=True) if passed}
    return [
        Cell(cell.key, cell.metric, cell.difference, cell.interval,
             cell.key in sure and cell.interval is not None and cell.interval.clear)
        for cell in cells
    ]  # fmt: skip


def _whole(values: Sample) -> Sample:
    return values.mapped(round)


def _tally(values: Sample) -> Tally:
    return Tally(*(values.between(sign, sign) for sign in SIGNS))


def _change_of_means(a: Sample, b: Sample) -> Interval | None:
    if min(a.n, b.n) < 2:
        return None
    return survey.change_of_mean(a.mean, a.variance, a.n, b.mean, b.variance, b.n)
