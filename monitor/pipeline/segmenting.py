"""Segments of a brand's customers: behaviour joined with feedback, described in words, followed from month to month."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TextIO

import numpy as np
from sqlmodel import Session

from monitor.i18n import Translator
from monitor.metrics import survey
from monitor.metrics.counts import clear_after_many
from monitor.metrics.customers import (
    NEW,
    Bounds,
    Customers,
    Floats,
    Orders,
    abc,
    grouped,
    life_stage,
    movement,
    rfm,
    summarise,
    xyz,
)
from monitor.metrics.metric import Metric
from monitor.metrics.proportion import p_of_difference, share
from monitor.metrics.segments import LEAST_CUSTOMERS, Feature, Segment, segment
from monitor.pipeline.exporting import harmless
from monitor.pipeline.indices import EARLIEST, LOST_AFTER
from monitor.store.queries import customers
from monitor.store.queries.customers import AnswerRow, Said

N_MONTHS = 6
CLEAR_TRAIT = 0.35  # mean standard score from which a trait is worth a word
N_WORDS = 3
LEAST_BLAMED = 5  # members of a segment who complain about a topic before it is worth a word
N_TOPICS = 5  # whose complainers are looked at in clustering
LEAST_LOUD, LOUD_SHARE = 20, 0.02  # customers who complain about a topic, and of all, before it is one of them
TOPIC = "topic:"
# what a kind of feature has to say: topics share theirs, or many of them would drown what customers do
_AGE, _RETURNS, _TOPICS = 0.5, 0.5, 1.5
PERIOD = timedelta(days=30)
ACTIVE = timedelta(days=90)  # in which activity is counted
_SCALES = {"nps": (0.0, 10.0), "csat": (1.0, 5.0), "ces": (1.0, 7.0)}
MEMBER_FIELDS = ("customer", "segment", "rfm", "r", "f", "m", "abc", "xyz", "life_stage", "n_orders", "total", "basket",
                 "days_since", "days_quiet", "returned", "score", "rating", "complaints")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One customer as exported. `rfm` is the group by rule (`metrics.customers.grouped`), `days_since` counts from the
    last order, `days_quiet` from the last order or activity, `score` is the mean of the survey answers, 0 to 1,
    `rating` that of the stars given in reviews, 1 to 5, `complaints` the share of negative words; None without one."""

    customer: str
    segment: str
    rfm: str
    r: int
    f: int
    m: int
    abc: str
    xyz: str
    life_stage: str
    n_orders: int
    total: float
    basket: float
    days_since: float
    days_quiet: float
    returned: float
    score: float | None
    rating: float | None
    complaints: float | None


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment: its code (number and traits, see `describe`), size, value, loyalty and churn, and the topic about
    which more of its members complain than of the others ("" where none stands out), with how many do."""

    code: str
    n: int
    share: float
    value_share: float
    basket: float  # median of the members' mean order
    orders: float  # median number of orders
    nps: Metric
    churn: Metric
    blamed: str = ""
    n_blamed: int = 0


@dataclass(frozen=True, slots=True)
class SegmentView:
    """All of it. `stable` False: no number of clusters proved stable and apart on these customers, so they are grouped
    by rule, at `bounds`. `moves` are those of the last month; `months` those with memberships."""

    n: int
    stable: bool
    bounds: Bounds
    stability: Mapping[int, float]
    valleys: Mapping[int, float]
    rows: tuple[SegmentRow, ...]
    members: tuple[Member, ...]
    months: Mapping[str, Mapping[str, str]]
    moves: Mapping[tuple[str, str], int]


class TooFewCustomers(ValueError):
    """Fewer customers than a segmentation needs; the message says how many there are."""


def segment_view(session: Session, brand_id: int, *, now: datetime, zone: tzinfo, seed: int = 0) -> SegmentView:
    """Segment the customers as they are at `now` and sort them as they were at the ends of the months before.

    Raises TooFewCustomers. Deterministic: the same rows and seed give the same segments.
    """
    orders = customers.orders(session, brand_id, end=now)
    answers = customers.answers(session, brand_id, start=EARLIEST, end=now)
    said = customers.said(session, brand_id, end=now)
    bought = Orders.of([o.customer for o in orders], [o.at for o in orders], [o.amount for o in orders],
                       [o.returned for o in orders])  # fmt: skip
    table = summarise(bought, now=now)
    if len(table) < LEAST_CUSTOMERS:
        raise TooFewCustomers(f"{len(table)} customers with orders; {LEAST_CUSTOMERS} are needed for segments")
    topics = loud(table, said)
    active = customers.activity(session, brand_id, end=now)
    features = features_of(table, answers, said, topics, now, active=active)
    found = segment(features, rng=np.random.default_rng(seed))
    codes = [_code(one) for one in found.segments]
    quiet = _quiet(table, active, now)
    bounds = Bounds.of(quiet, table.basket)

    def sorted_at(end: datetime) -> dict[str, str]:
        then = summarise(bought, now=end) if end < now else table
        if not len(then):
            return {}
        if not found.stable:
            groups = grouped(then, quiet if end >= now else _quiet(then, active, end), bounds)
            return {str(one): f"rfm:{group}" for one, group in zip(then.ids, groups, strict=True)}
        were = features if end >= now else features_of(then, answers, said, topics, end, active=active)
        labels = found.assign(were)
        return {str(one): codes[label] for one, label in zip(then.ids, labels, strict=True)}

    months = {month: held for month, end in _months(now, zone, first=orders[0].at) if (held := sorted_at(end))}
    current = sorted_at(now)
    members = _members(bought, table, features, [current[str(one)] for one in table.ids], quiet, bounds, now)
    shown = Counter(current.values())
    blamed = _blamed(current, said)
    rows = tuple(
        _row(code, members, answers, blamed.get(code, ("", 0)))
        for code, _ in sorted(shown.items(), key=lambda one: (-one[1], one[0]))
    )
    ordered = sorted(months)
    moves = movement(months[ordered[-2]], months[ordered[-1]]) if len(ordered) > 1 else {}
    return SegmentView(len(table), found.stable, bounds, found.stability, found.valleys, rows, members, months, moves)


def describe(code: str, t: Translator) -> str:
    """A segment in words: "often, small baskets, low scores"."""
    words = {
        "often": t.gettext("often"), "seldom": t.gettext("seldom"), "recent": t.gettext("lately"),
        "silent": t.gettext("silent for long"), "big": t.gettext("big baskets"), "small": t.gettext("small baskets"),
        "returns": t.gettext("brings orders back"), "keeps": t.gettext("keeps what was bought"),
        "content": t.gettext("high scores"), "unhappy": t.gettext("low scores"),
        "many_stars": t.gettext("many stars"), "few_stars": t.gettext("few stars"),
        "complains": t.gettext("complains"), "calm": t.gettext("does not complain"),
        "old": t.gettext("customers for long"), "new": t.gettext("new customers"),
        "active": t.gettext("active between orders"), "inactive": t.gettext("hardly active between orders"),
    }  # fmt: skip
    if not code:
        return t.gettext("not a customer")
    kind, _, traits = code.partition(":")
    if kind == "rfm":
        return _groups(t).get(traits, traits)
    return ", ".join(words.get(trait, trait) for trait in traits.split(",")) if traits else t.gettext("average in all")


def rule(bounds: Bounds, t: Translator) -> str:
    """Where the groups by rule part, in words."""
    return t.gettext(
        "Silent: neither order nor activity for {silent} days, lost for twice as long. Newcomers: first order within "
        "{new} days. Spends most: the upper fifth. Large baskets: {large} and more an order.",
        silent=t.number(bounds.silent), new=t.number(NEW), large=t.number(bounds.large),
    )  # fmt: skip


def _groups(t: Translator) -> dict[str, str]:
    return {
        "new": t.gettext("newcomers"),
        "loyal": t.gettext("loyal: spend most, and lately"),
        "big_spenders": t.gettext("big spenders: large baskets, not yet many"),
        "ordinary": t.gettext("ordinary: bought lately, middling sums"),
        "asleep": t.gettext("asleep: silent for long"),
        "lost": t.gettext("lost: silent for very long"),
        "cannot_lose": t.gettext("must not be lost: spent most, silent for long"),
    }


def export_members(members: Sequence[Member], path: Path, t: Translator) -> int:
    """Write members as csv, the segment in words beside its code; returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        write_members(members, file, t)
    return len(members)


def write_members(members: Sequence[Member], file: TextIO, t: Translator) -> None:
    """The same into an open file."""
    writer = csv.writer(file)
    writer.writerow([*MEMBER_FIELDS, "description"])
    for member in members:
        cells = [getattr(member, name) for name in MEMBER_FIELDS]
        shown = [round(cell, 3) if isinstance(cell, float) else harmless(cell) for cell in cells]
        writer.writerow([*shown, describe(member.segment, t)])


def features_of(
    table: Customers,
    answers: Sequence[AnswerRow],
    said: Sequence[Said],
    topics: Sequence[str],
    now: datetime,
    *,
    active: Mapping[str, Sequence[datetime]] | None = None,
) -> list[Feature]:
    """Behaviour, answers, stars, sentiment, how often each topic is complained about, and, where any is known, what
    customers did of late besides ordering."""
    scores: dict[str, list[float]] = defaultdict(list)
    for row in answers:
        if row.customer and row.metric in _SCALES and row.at < now:
            low, high = _SCALES[row.metric]
            scores[row.customer].append((row.value - low) / (high - low))
    stars: dict[str, list[float]] = defaultdict(list)
    heard: dict[str, list[Said]] = defaultdict(list)
    for one in said:
        if one.at < now:
            heard[one.customer].append(one)
            if one.rating is not None:
                stars[one.customer].append(one.rating)
    unhappy = {customer: [float(one.sentiment == "negative") for one in told] for customer, told in heard.items()}
    found = [
        Feature("recency", table.recency, log=True),
        Feature("frequency", table.frequency, log=True),
        Feature("basket", np.maximum(table.basket, 0.0), log=True),  # refunds may outweigh what was paid
        Feature("tenure", table.tenure, _AGE, log=True),
        Feature("returned", table.returned, _RETURNS, n=table.frequency),
        _mean_of("score", table, scores),
        _mean_of("rating", table, stars),
        _mean_of("complaints", table, unhappy),
    ]
    if active:
        since = now - ACTIVE
        seen = [sum(since <= at < now for at in active.get(one, ())) for one in table.ids.tolist()]
        found.append(Feature("activity", np.array(seen, dtype=float), log=True))
    for topic in topics:
        blames = {customer: [float(topic in one.blamed) for one in told] for customer, told in heard.items()}
        found.append(_mean_of(TOPIC + topic, table, blames, _TOPICS / len(topics) ** 0.5))
    return found


def loud(table: Customers, said: Sequence[Said]) -> tuple[str, ...]:
    """The topics that customers complain about most, where enough of them do to tell customers apart."""
    known = set(table.ids.tolist())
    blamers = {(one.customer, topic) for one in said if one.customer in known for topic in one.blamed}
    counted = Counter(topic for _, topic in blamers)
    loud = [(-n, topic) for topic, n in counted.items() if n >= max(LEAST_LOUD, LOUD_SHARE * len(known))]
    return tuple(topic for _, topic in sorted(loud)[:N_TOPICS])


def _mean_of(name: str, table: Customers, values: Mapping[str, Sequence[float]], weight: float = 1.0) -> Feature:
    """A mean of what each customer gave, and of how many."""
    given = [values.get(one, ()) for one in table.ids.tolist()]
    n = np.array([len(one) for one in given], dtype=float)
    means: Floats = np.array([sum(one) / len(one) if one else np.nan for one in given], dtype=float)
    return Feature(name, means, weight, n=n)


_TRAITS = {
    "recency": ("recent", "silent"), "frequency": ("seldom", "often"), "basket": ("small", "big"),
    "tenure": ("new", "old"), "activity": ("inactive", "active"),
    "returned": ("keeps", "returns"), "score": ("unhappy", "content"), "rating": ("few_stars", "many_stars"),
    "complaints": ("calm", "complains"),
}  # fmt: skip


def _code(one: Segment) -> str:
    told = [trait for trait in one.traits if trait.feature in _TRAITS]  # topics are told with how many complain
    traits = [trait for trait in told if abs(trait.score) >= CLEAR_TRAIT][:N_WORDS]
    words = [_TRAITS[trait.feature][trait.score > 0] for trait in traits]
    return f"{one.number + 1}:{','.join(words)}"


def _members(
    orders: Orders,
    table: Customers,
    features: Sequence[Feature],
    codes: Sequence[str],
    quiet: Floats,
    bounds: Bounds,
    now: datetime,
) -> tuple[Member, ...]:
    scored, letters, groups = rfm(table), abc(table.total), grouped(table, quiet, bounds)
    steady = xyz(orders, table, now=now, period=PERIOD, n_periods=6)
    stages = life_stage(orders, table, now=now, period=PERIOD)
    known = {feature.name: feature.values for feature in features}
    return tuple(
        Member(
            str(table.ids[i]), codes[i], str(groups[i]), int(scored.recency[i]), int(scored.frequency[i]),
            int(scored.monetary[i]), str(letters[i]), str(steady[i]), str(stages[i]), int(table.frequency[i]),
            float(table.total[i]), float(table.basket[i]), float(table.recency[i]), float(quiet[i]),
            float(table.returned[i]),
            _known(known["score"][i]), _known(known["rating"][i]), _known(known["complaints"][i]),
        )
        for i in range(len(table))
    )  # fmt: skip


def _quiet(table: Customers, active: Mapping[str, Sequence[datetime]], now: datetime) -> Floats:
    """Days since each customer ordered or was active, before `now`."""
    if not active:
        return table.recency
    since = np.full(len(table), np.inf)
    for number, one in enumerate(table.ids.tolist()):
        seen = active.get(one, ())
        if (n := bisect_left(seen, now)) > 0:
            since[number] = (now - seen[n - 1]) / timedelta(days=1)
    quiet: Floats = np.minimum(table.recency, since)
    return quiet


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _blamed(current: Mapping[str, str], said: Sequence[Said]) -> dict[str, tuple[str, int]]:
    """Segment -> the topic its members complain about clearly more often than other customers who commented, and how
    many do; after Benjamini and Hochberg over all segments and topics."""
    topics: dict[str, set[str]] = {one.customer: set() for one in said if one.customer in current}
    for one in said:
        if one.customer in topics:
            topics[one.customer] |= one.blamed
    held = Counter(current[customer] for customer in topics)
    everywhere = Counter(topic for blamed in topics.values() for topic in blamed)
    inside = Counter((current[customer], topic) for customer, blamed in topics.items() for topic in blamed)
    asked = [(code, topic, x) for (code, topic), x in sorted(inside.items()) if x >= LEAST_BLAMED]
    rest = len(topics)
    clear = clear_after_many(
        [p_of_difference(x, held[code], everywhere[topic] - x, rest - held[code]) for code, topic, x in asked]
    )
    found: dict[str, tuple[str, int]] = {}
    for (code, topic, x), sure in zip(asked, clear, strict=True):
        above = x * (rest - held[code]) > (everywhere[topic] - x) * held[code]
        if sure and above and x > found.get(code, ("", 0))[1]:
            found[code] = (topic, x)
    return found


def _row(code: str, members: Sequence[Member], answers: Sequence[AnswerRow], blamed: tuple[str, int]) -> SegmentRow:
    inside = [member for member in members if member.segment == code]
    ids = {member.customer for member in inside}
    total = sum(member.total for member in members)
    answered = [round(row.value) for row in answers if row.metric == "nps" and row.customer in ids]
    n_lost = sum(member.days_quiet > LOST_AFTER.days for member in inside)
    return SegmentRow(
        code,
        len(inside),
        len(inside) / len(members),
        sum(member.total for member in inside) / total if total else 0.0,
        float(np.median([member.basket for member in inside])),
        float(np.median([member.n_orders for member in inside])),
        survey.nps(answered),
        share("churn", n_lost, len(inside), n_needed=10),
        *blamed,
    )


def _months(now: datetime, zone: tzinfo, *, first: datetime) -> list[tuple[str, datetime]]:
    """The last months, each by its name and its end (the current one ends now), oldest first."""
    found = []
    end, local = now, now.astimezone(zone)
    for _ in range(N_MONTHS):
        start = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if end <= first:
            break
        found.append((f"{start:%Y-%m}", end))
        end, local = start, start - timedelta(days=1)
    return found[::-1]


def sizes(months: Mapping[str, Mapping[str, str]]) -> dict[str, Counter[str]]:
    """Month -> segment -> members."""
    return {month: Counter(members.values()) for month, members in months.items()}
