"""What is known of customers: their answers, their orders, what they said about which step, their segments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Subquery, and_, case, delete, func, insert, or_, union_all
from sqlmodel import Session, col, select

from monitor.store.catalogue import IMPORT
from monitor.store.queries.chosen import chosen
from monitor.store.queries.selection import Selection, remembered
from monitor.store.tables import Activity, CustomerSegment, Mention, Order, Source, SurveyAnswer, TopicTag

_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One survey answer."""

    metric: str
    value: float
    at: datetime
    customer: str | None
    segment: str
    location: str
    touchpoint: str
    mention_id: int | None


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order."""

    customer: str
    at: datetime
    amount: float
    location: str
    returned: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What one customer said, in a survey comment or an imported mention: overall, and the topics complained about."""

    customer: str
    at: datetime
    sentiment: str
    blamed: frozenset[str]
    rating: float | None = None  # the stars that came with it


Dimension = Literal["segment", "location", "touchpoint"]
Counts = tuple[int, int, int]  # negative, neutral, positive


def answers(
    session: Session, brand_id: int, *, start: datetime, end: datetime, metric: str | None = None
) -> list[AnswerRow]:
    """Answers in start <= time < end, oldest first."""
    conditions: list[Any] = [
        SurveyAnswer.brand_id == brand_id,
        col(SurveyAnswer.answered_at) >= start,
        col(SurveyAnswer.answered_at) < end,
    ]
    if metric is not None:
        conditions.append(SurveyAnswer.metric == metric)
    rows = session.execute(
        select(
            SurveyAnswer.metric, SurveyAnswer.value, SurveyAnswer.answered_at, SurveyAnswer.customer,
            SurveyAnswer.segment, SurveyAnswer.location, SurveyAnswer.touchpoint, SurveyAnswer.mention_id,
        ).where(*conditions).order_by(SurveyAnswer.answered_at, SurveyAnswer.id)
    )  # fmt: skip
    return [AnswerRow(*row) for row in rows]


def scores_by_span(session: Session, brand_id: int, metric: str, edges: Sequence[datetime]) -> list[dict[float, int]]:
    """Value -> how many answers gave it, in each span between two edges."""
    span = case(*((col(SurveyAnswer.answered_at) < edge, n) for n, edge in enumerate(edges[1:])), else_=len(edges))
    found: list[dict[float, int]] = [{} for _ in edges[1:]]
    for number, value, n in _scores(session, span, _of_metric(brand_id, metric, edges[0], edges[-1])):
        found[number][value] = n
    return found


def scores_by(
    session: Session, brand_id: int, metric: str, by: Dimension, *, start: datetime, end: datetime
) -> dict[str, dict[float, int]]:
    """Segment, place or touchpoint -> value -> how many answers gave it."""
    column = {
        "segment": SurveyAnswer.segment, "location": SurveyAnswer.location, "touchpoint": SurveyAnswer.touchpoint
    }[by]  # fmt: skip
    found: dict[str, dict[float, int]] = defaultdict(dict)
    for key, value, n in _scores(session, column, _of_metric(brand_id, metric, start, end)):
        found[key][value] = n
    return dict(found)


def scores_by_topic(
    session: Session, brand_id: int, metric: str, *, start: datetime, end: datetime
) -> tuple[dict[float, int], dict[str, dict[float, int]]]:
    """Of answers whose comment is judged: value -> how many, and the same of those whose comment speaks of a topic."""
    of_metric = _of_metric(brand_id, metric, start, end)
    judged = (
        select(SurveyAnswer.value, func.count())
        .join(Mention, col(Mention.id) == col(SurveyAnswer.mention_id))
        .where(*of_metric, col(Mention.sentiment).is_not(None))
    )
    whole = session.execute(judged.group_by(col(SurveyAnswer.value)))
    tagged = session.execute(
        judged.join(TopicTag, col(TopicTag.mention_id) == col(Mention.id))
        .add_columns(col(TopicTag.topic))
        .group_by(col(TopicTag.topic), col(SurveyAnswer.value))
    )
    found: dict[str, dict[float, int]] = defaultdict(dict)
    for value, n, topic in tagged:
        found[topic][value] = int(n)
    return {value: int(n) for value, n in whole}, dict(found)


def _of_metric(brand_id: int, metric: str, start: datetime, end: datetime) -> tuple[Any, ...]:
    return (
        SurveyAnswer.brand_id == brand_id, SurveyAnswer.metric == metric, col(SurveyAnswer.answered_at) >= start,
        col(SurveyAnswer.answered_at) < end,
    )  # fmt: skip


def _scores(session: Session, key: Any, where: Sequence[Any]) -> list[tuple[Any, float, int]]:
    """(key, value, how many)"""
    given = select(key.label("key"), col(SurveyAnswer.value).label("value")).where(*where).subquery()
    counted = select(given.c.key, given.c.value, func.count()).group_by(given.c.key, given.c.value)
    return [(key, value, int(n)) for key, value, n in session.execute(counted)]


def survey_metrics(session: Session, brand_id: int) -> dict[str, int]:
    """Metrics that were ever asked, and how many answers each has."""
    rows = session.execute(
        select(SurveyAnswer.metric, func.count())
        .where(SurveyAnswer.brand_id == brand_id)
        .group_by(SurveyAnswer.metric)
        .order_by(SurveyAnswer.metric)
    )
    return {metric: int(n) for metric, n in rows}


def sheets(
    session: Session, brand_id: int, *, start: datetime, end: datetime, but: Sequence[str] = ()
) -> list[dict[str, float]]:
    """The answers that one person gave at once, item by item, oldest first; those to metrics in `but` left out."""
    rows = session.execute(
        select(SurveyAnswer.survey, SurveyAnswer.external_id, SurveyAnswer.metric, SurveyAnswer.value)
        .where(
            SurveyAnswer.brand_id == brand_id,
            col(SurveyAnswer.answered_at) >= start,
            col(SurveyAnswer.answered_at) < end,
            col(SurveyAnswer.metric).not_in(list(but)),
        )
        .order_by(SurveyAnswer.answered_at, SurveyAnswer.id)
    )
    found: dict[tuple[str, str], dict[str, float]] = {}
    for survey, external_id, metric, value in rows:
        found.setdefault((survey, external_id), {})[metric] = value
    return list(found.values())


def orders(session: Session, brand_id: int, *, end: datetime) -> list[OrderRow]:
    """All orders before `end`, oldest first; kept as long as the transaction."""
    kept = remembered(session, "orders")
    if (brand_id, end) not in kept:
        rows = session.execute(
            select(Order.customer, Order.ordered_at, Order.amount, Order.location, Order.returned)
            .where(Order.brand_id == brand_id, col(Order.ordered_at) < end)
            .order_by(Order.ordered_at, Order.id)
        )
        kept[brand_id, end] = [OrderRow(*row) for row in rows]
    found: list[OrderRow] = kept[brand_id, end]
    return found


def complainers(session: Session, brand_id: int, *, end: datetime, bad: Mapping[str, float]) -> set[str]:
    """Customers who gave a bad score (metric -> the best of the bad ones) or said something negative, before `end`."""
    scored = session.exec(
        select(SurveyAnswer.customer)
        .where(
            SurveyAnswer.brand_id == brand_id,
            col(SurveyAnswer.answered_at) < end,
            or_(*(and_(SurveyAnswer.metric == metric, SurveyAnswer.value <= most) for metric, most in bad.items())),
        )
        .distinct()
    ).all()
    mention_id, customer = (told := _told(brand_id)).c
    spoke = session.scalars(
        select(customer)
        .select_from(told)
        .join(Mention, col(Mention.id) == mention_id)
        .where(col(Mention.published_at) < end, Mention.sentiment == "negative")
        .distinct()
    ).all()
    return {one for one in (*scored, *spoke) if one}


def activity(session: Session, brand_id: int, *, end: datetime) -> dict[str, list[datetime]]:
    """When each customer was active besides ordering, before `end`, oldest first."""
    rows = session.execute(
        select(Activity.customer, Activity.at)
        .where(Activity.brand_id == brand_id, col(Activity.at) < end)
        .order_by(Activity.at)
    )
    found: dict[str, list[datetime]] = defaultdict(list)
    for customer, at in rows:
        found[customer].append(at)
    return found


def said(session: Session, brand_id: int, *, end: datetime) -> list[Said]:
    """Judged words of known customers before `end`, oldest first: comments of surveys, and imported reviews and
    tickets whose rows name a customer with orders (where authors are pseudonyms)."""
    mention_id, customer = (told := _told(brand_id)).c
    mentions = session.execute(
        select(customer, Mention.id, Mention.published_at, Mention.sentiment, Mention.rating)
        .join(Mention, col(Mention.id) == mention_id)
        .where(col(Mention.published_at) < end, col(Mention.sentiment).is_not(None))
        .order_by(Mention.published_at, Mention.id)
    ).all()
    blamed: dict[int, set[str]] = defaultdict(set)
    for number, topic in session.execute(
        select(TopicTag.mention_id, TopicTag.topic)
        .join(told, mention_id == col(TopicTag.mention_id))
        .where(TopicTag.sentiment == "negative")
    ):
        blamed[number].add(topic)
    return [
        Said(customer, at, sentiment, frozenset(blamed.get(number, ())), rating)
        for customer, number, at, sentiment, rating in mentions
    ]


def _told(brand_id: int) -> Subquery:
    """(mention, customer) of what known customers said."""
    comments = (
        select(SurveyAnswer.mention_id, SurveyAnswer.customer)
        .where(
            SurveyAnswer.brand_id == brand_id,
            col(SurveyAnswer.customer).is_not(None),
            col(SurveyAnswer.mention_id).is_not(None),
        )
        .distinct()
    )
    buyers = select(Order.customer).where(Order.brand_id == brand_id).distinct().subquery("buyers")
    imported = (
        select(Mention.id, Mention.author)
        .join(buyers, buyers.c.customer == Mention.author)  # few beside all who write: looked for one by one
        .where(
            Mention.brand_id == brand_id,
            col(Mention.counts).is_(True),
            Mention.kind != "survey",
            col(Mention.source_id).in_(select(Source.id).where(Source.scraper == IMPORT)),
        )
    )
    return union_all(comments, imported).subquery("told")


def step_counts(
    session: Session, brand_id: int, *, edges: Sequence[datetime], step_of: Mapping[str, str]
) -> dict[str, list[Counts]]:
    """Step -> counts of mentions by sentiment in each span between two edges. `step_of` maps topics to steps.

    A mention counts once for a step, by the worst it says about the step's topics.
    """
    if len(edges) < 2 or not step_of:
        return {}
    if (held := chosen(session, Selection(brand_id, edges[0], edges[-1]), before=False)) is not None:
        return held.steps(step_of, edges)
    step = case(*((TopicTag.topic == topic, name) for topic, name in step_of.items()), else_="")
    span = case(
        *((col(Mention.published_at) < edge, number) for number, edge in enumerate(edges[1:])), else_=len(edges)
    )
    worst = case(
        (func.sum(case((col(TopicTag.sentiment) == "negative", 1), else_=0)) > 0, 0),
        (func.sum(case((col(TopicTag.sentiment) == "positive", 1), else_=0)) > 0, 2),
        else_=1,
    )
    each = (
        select(step.label("step"), span.label("span"), worst.label("worst"))
        .select_from(Mention)
        .join(TopicTag, col(TopicTag.mention_id) == col(Mention.id))
        .where(
            Mention.brand_id == brand_id,
            col(Mention.published_at) >= edges[0],
            col(Mention.published_at) < edges[-1],
            col(Mention.counts).is_(True),
            col(TopicTag.topic).in_(list(step_of)),
        )
        .group_by(col(Mention.id), step, span)
        .subquery("each_mention")
    )
    found: dict[str, list[list[int]]] = {
        name: [[0, 0, 0] for _ in edges[1:]] for name in dict.fromkeys(step_of.values())
    }
    rows = session.execute(
        select(each.c.step, each.c.span, each.c.worst, func.count()).group_by(each.c.step, each.c.span, each.c.worst)
    )
    for name, number, sentiment, n in rows:
        found[name][number][sentiment] = int(n)
    return {name: [(a, b, c) for a, b, c in spans] for name, spans in found.items()}


def complaints(
    session: Session, brand_id: int, topic: str, *, start: datetime, end: datetime, limit: int = 100
) -> list[tuple[int, str, float]]:
    """(mention, text, certainty) of the newest complaints about a topic, of those that complain as a whole if there are
    any: who praises all else is a poor voice. The certainty is that of the topic and of the complaint."""
    statement = (
        select(Mention.id, Mention.text, TopicTag.p, Mention.p_negative, Mention.sentiment)
        .join(TopicTag, col(TopicTag.mention_id) == col(Mention.id))
        .where(TopicTag.topic == topic, Mention.text != "")
        .order_by(
            case((Mention.sentiment == "negative", 0), else_=1), col(Mention.published_at).desc(), col(Mention.id)
        )
    )
    if (held := chosen(session, Selection(brand_id, start, end), before=False)) is not None:
        statement = statement.where(col(Mention.id).in_(held.complaining(topic, limit)))
    else:
        statement = statement.where(
            Mention.brand_id == brand_id,
            col(Mention.published_at) >= start,
            col(Mention.published_at) < end,
            col(Mention.counts).is_(True),
            TopicTag.sentiment == "negative",
        ).limit(limit)
    rows = session.execute(statement).all()
    whole = [row for row in rows if row.sentiment == "negative"]
    return [(int(row.id), row.text, float(row.p * (row.p_negative or 0.5))) for row in whole or rows]


def months_of_segments(session: Session, brand_id: int) -> list[str]:
    """Months with stored segments, oldest first."""
    return list(
        session.exec(
            select(CustomerSegment.month)
            .where(CustomerSegment.brand_id == brand_id)
            .distinct()
            .order_by(CustomerSegment.month)
        )
    )


def segments(session: Session, brand_id: int, month: str) -> dict[str, str]:
    """Customer -> segment in a month."""
    rows = session.execute(
        select(CustomerSegment.customer, CustomerSegment.segment).where(
            CustomerSegment.brand_id == brand_id, CustomerSegment.month == month
        )
    )
    return {row[0]: row[1] for row in rows}


def put_segments(session: Session, brand_id: int, months: Mapping[str, Mapping[str, str]]) -> None:
    """Replace the stored segments of these months."""
    for month, members in months.items():
        session.execute(
            delete(CustomerSegment).where(
                col(CustomerSegment.brand_id) == brand_id, col(CustomerSegment.month) == month
            )
        )
        rows = [
            {"brand_id": brand_id, "month": month, "customer": customer, "segment": segment}
            for customer, segment in sorted(members.items())
        ]
        for start in range(0, len(rows), _CHUNK):
            session.execute(insert(CustomerSegment), rows[start : start + _CHUNK])
