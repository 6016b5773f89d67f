"""The journey map: how each step feels, what is complained about, after which step customers stay away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlmodel import Session

from monitor.metrics.journey import STAGES, Loss, Step, journey, losses
from monitor.metrics.metric import Metric
from monitor.metrics.sentiment import Tally, net_sentiment
from monitor.pipeline.indices import EARLIEST, LOST_AFTER, bad_answer, periods
from monitor.pipeline.indices import Step as Length
from monitor.reports.quotes import Candidate, pick, shorten
from monitor.store.queries import customers
from monitor.store.queries.taxonomy import TaxonomyView, in_force

N_COMPLAINTS = 2
N_SUREST, MOST_SUREST = 5, 12  # complaints of which one is quoted
QUOTE = 160


@dataclass(frozen=True, slots=True)
class Complaint:
    """A topic that is complained about within a step, and one customer's words."""

    topic: str
    n: int
    quote: str
    mention_id: int | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage: the whole span (compared with the span before), each period, and what is complained about."""

    step: Step
    periods: tuple[Metric, ...]
    complaints: tuple[Complaint, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """After which stages and touchpoints customers stayed away, and among how many that was looked at."""

    stages: tuple[Loss, ...]
    touchpoints: tuple[Loss, ...]
    n_watched: int


@dataclass(frozen=True, slots=True)
class JourneyView:
    """Stages in the order of the journey; touchpoints, worst first where marked; where customers are lost.

    `lost_stages` goes by what comments complain about, `lost_touchpoints` by bad scores given there; both only among
    customers with orders who could be watched for 45 days.
    """

    start: datetime
    end: datetime
    periods: tuple[str, ...]
    stages: tuple[StageRow, ...]
    touchpoints: tuple[Step, ...]
    lost_stages: tuple[Loss, ...]
    lost_touchpoints: tuple[Loss, ...]
    n_watched: int


def journey_view(
    session: Session, brand_id: int, *, start: datetime, end: datetime, zone: tzinfo, step: Length = "month",
    lost: Lost | None = None,
) -> JourneyView:  # fmt: skip
    """The map of start <= time < end; `lost` where it is known already."""
    taxonomy = in_force(session)
    spans = periods(start, end, zone, step)
    stage_of = {key: topic.stage for key, topic in taxonomy.topics.items() if topic.stage}
    edges = [start - (end - start), *(first for _, first, _ in spans), end]
    counts = customers.step_counts(session, brand_id, edges=edges, step_of=stage_of)
    topics = customers.step_counts(session, brand_id, edges=edges, step_of={key: key for key in stage_of})
    n_complaints = {topic: sum(negative for negative, _, _ in found[1:]) for topic, found in topics.items()}
    tallies = {stage: [Tally(*one) for one in found] for stage, found in counts.items()}
    order = [stage for stage in STAGES if any(tally.n for tally in tallies.get(stage, [])[1:])]
    now = {stage: _sum(tallies[stage][1:]) for stage in order}
    before = {stage: tallies[stage][0] for stage in order}
    steps = {one.key: one for one in journey(now, before=before)}
    rows = tuple(
        StageRow(
            steps[stage],
            tuple(net_sentiment(tally) for tally in tallies[stage][1:]),
            _complaints(session, brand_id, taxonomy.of_stage(stage), n_complaints, start=start, end=end),
        )
        for stage in order
    )
    touch_of = {key: topic.touchpoint.get("en", key) for key, topic in taxonomy.topics.items() if topic.touchpoint}
    touched = {
        name: [Tally(*one) for one in found]
        for name, found in customers.step_counts(session, brand_id, edges=edges, step_of=touch_of).items()
    }
    points = journey(
        {name: whole for name, found in touched.items() if (whole := _sum(found[1:])).n},
        before={name: found[0] for name, found in touched.items()},
    )
    points.sort(key=lambda one: (not one.weak, -one.tally.n_negative, one.key))
    lost = lost or find_lost(session, brand_id, end=end)
    keys = tuple(key for key, _, _ in spans)
    return JourneyView(
        start, end, keys, rows, tuple(points), lost.stages, lost.touchpoints, lost.n_watched
    )  # fmt: skip


def touchpoint_name(taxonomy: TaxonomyView, key: str, language: str) -> str:
    """A touchpoint of the taxonomy in a language; its English name is the key."""
    for topic in taxonomy.topics.values():
        if topic.touchpoint.get("en") == key:
            return topic.touchpoint.get(language) or key
    return key


def _complaints(
    session: Session, brand_id: int, topics: Sequence[str], n_of: Mapping[str, int], *, start: datetime, end: datetime
) -> tuple[Complaint, ...]:
    """The topics of a step that are complained about most, each in the words of one of the surest complaints."""
    found = []
    for topic in sorted((topic for topic in topics if n_of.get(topic)), key=lambda one: (-n_of[one], one))[
        :N_COMPLAINTS
    ]:
        rows = sorted(customers.complaints(session, brand_id, topic, start=start, end=end), key=lambda row: -row[2])
        surest = rows[: max(N_SUREST, min(MOST_SUREST, len(rows) // 3))]
        best = next(iter(pick([Candidate(*row) for row in surest], 1)), None)
        found.append(
            Complaint(topic, n_of[topic], shorten(best.text, QUOTE) if best else "", best.id if best else None)
        )
    return tuple(found)


def find_lost(session: Session, brand_id: int, *, end: datetime) -> Lost:
    """Whether customers ordered again within 45 days of an answer that complained, against answers that did not."""
    stage_of = {key: topic.stage for key, topic in in_force(session).topics.items() if topic.stage}
    orders: dict[str, list[datetime]] = {}
    for order in customers.orders(session, brand_id, end=end):
        orders.setdefault(order.customer, []).append(order.at)
    latest = end - LOST_AFTER
    # one moment per customer and step: the first complaint; of those who never complained, the last answer
    stages: dict[str, dict[str, datetime]] = {}
    points: dict[str, dict[str, datetime]] = {}
    last: dict[str, datetime] = {}
    unhappy: set[str] = set()
    first = EARLIEST
    for row in customers.answers(session, brand_id, start=first, end=end):
        if row.customer is None:
            continue
        if bad_answer(row):
            unhappy.add(row.customer)
        if row.at < latest:
            last[row.customer] = row.at
            if bad_answer(row) and row.touchpoint:
                points.setdefault(row.touchpoint, {}).setdefault(row.customer, row.at)
    for said in customers.said(session, brand_id, end=end):
        if said.blamed:
            unhappy.add(said.customer)
        if said.at < latest:
            for stage in {stage_of[topic] for topic in said.blamed if topic in stage_of}:
                stages.setdefault(stage, {}).setdefault(said.customer, said.at)

    def came_back(moments: Mapping[str, datetime]) -> list[bool]:
        return [
            any(at < later <= at + LOST_AFTER for later in orders[customer])
            for customer, at in sorted(moments.items())
            if customer in orders and min(orders[customer]) <= at
        ]

    others = came_back({customer: at for customer, at in last.items() if customer not in unhappy})
    return Lost(
        tuple(losses({stage: came_back(moments) for stage, moments in stages.items()}, others)),
        tuple(losses({point: came_back(moments) for point, moments in points.items()}, others)),
        len(others) + len(came_back({customer: at for customer, at in last.items() if customer in unhappy})),
    )


def _sum(tallies: Sequence[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total = total + tally
    return total


__all__ = ["Complaint", "JourneyView", "StageRow", "journey_view", "touchpoint_name"]
