"""The house: topics, model quality, sources, messages, reports, accounts, the log of changes, the configuration."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from sqlmodel import col, select

from monitor.config import Rule, masked
from monitor.store import notices, suggestions
from monitor.store import rules as stored_rules
from monitor.store.queries import operations, quality
from monitor.store.queries.taxonomy import in_force
from monitor.store.tables import AuditEntry, Brand, Report, User
from monitor.web import actions
from monitor.web.accuracy import accuracy
from monitor.web.api.incidents import number_of
from monitor.web.api.params import Cursor, Framed, Limit, problems
from monitor.web.api.schemas import (
    AccuracyLine,
    AuditOut,
    BinOut,
    LabelledOut,
    Listing,
    MessageOut,
    MetricOut,
    NoticeOut,
    QualityOut,
    QueuesOut,
    ReportOut,
    ReportWhole,
    RuleOut,
    SourceOut,
    SuggestionIn,
    SuggestionOut,
    TokenOut,
    TopicIn,
    TopicOut,
    UserOut,
    VersionOut,
)
from monitor.web.errors import BadRequest, NotFound
from monitor.web.frame import memo_of
from monitor.web.pages.mentions import sources_by_id
from monitor.web.pages.people import tokens_of
from monitor.web.pages.quality import labelled_sets
from monitor.web.visitor import Admin, Analyst, Rows, Viewer, context_of

router = APIRouter(responses=problems(404))
Key = Annotated[str, Path(max_length=40)]
Slug = Annotated[str, Path(max_length=200)]
Id = Annotated[int, Path(ge=1, le=2**62)]


@router.get("/topics", tags=["topics"])
def topics(visitor: Viewer, rows: Rows) -> list[TopicOut]:
    """The taxonomy in force."""
    return [
        TopicOut(key=topic.key, names=dict(topic.names), stage=topic.stage, touchpoint=dict(topic.touchpoint),
                 experience=topic.experience, keywords=list(topic.keywords), examples=list(topic.examples),
                 active=topic.active, custom=topic.custom, edited=topic.edited)
        for topic in in_force(rows).topics.values()
    ]  # fmt: skip


@router.put("/topics/{key}", status_code=204, tags=["topics"])
def edit_topic(request: Request, visitor: Analyst, key: Key, body: TopicIn) -> None:
    """Edit a topic, or make a new one."""
    actions.edit_topic(
        context_of(request), visitor.name, key, names=body.names, keywords=body.keywords, examples=body.examples,
        stage=body.stage, touchpoint=body.touchpoint, experience=body.experience, active=body.active,
    )  # fmt: skip
    memo_of(request).clear()


@router.delete("/topics/{key}", status_code=204, tags=["topics"])
def reset_topic(request: Request, visitor: Analyst, key: Key) -> None:
    """Back to the built-in topic; one that people made goes."""
    actions.reset_topic(context_of(request), visitor.name, key)
    memo_of(request).clear()


@router.get("/suggestions", tags=["topics"])
def suggested(visitor: Viewer, rows: Rows, framed: Framed) -> list[SuggestionOut]:
    """Topics that wait to be accepted: what grows among the mentions that fit none."""
    waiting = suggestions.waiting(rows, framed.brand.id or 0) if framed.brand else []
    return [SuggestionOut(**row.model_dump(include=set(SuggestionOut.model_fields))) for row in waiting]


@router.post("/suggestions/{suggestion_id}/accept", status_code=204, tags=["topics"])
def accept(request: Request, visitor: Analyst, suggestion_id: Id, body: SuggestionIn) -> None:
    """Make a topic of a suggestion, or give its words to one there is."""
    if not body.key.strip():
        raise BadRequest("key: which topic is missing")
    actions.decide_suggestion(
        context_of(request), visitor.name, suggestion_id, key=body.key, name=body.name, stage=body.stage,
        experience=body.experience, keywords=body.keywords,
    )  # fmt: skip
    memo_of(request).clear()


@router.post("/suggestions/{suggestion_id}/dismiss", status_code=204, tags=["topics"])
def dismiss(request: Request, visitor: Analyst, suggestion_id: Id) -> None:
    actions.decide_suggestion(context_of(request), visitor.name, suggestion_id)


@router.get("/rules", tags=["incidents"])
def rules(request: Request, visitor: Viewer, rows: Rows) -> list[RuleOut]:
    """Plain rules: those of the configuration, then those of the dashboard."""
    configured = context_of(request).settings.rules
    found = [(name, rule, True, True) for name, rule in configured.items()]
    found += [(row.name, stored_rules.rule_of(row), row.active, False) for row in stored_rules.stored(rows)]
    return [
        RuleOut(name=name, rule=rule.model_dump(mode="json"), active=active, configured=fixed)
        for name, rule, active, fixed in found
    ]


@router.put("/rules/{name}", status_code=204, tags=["incidents"])
def save_rule(request: Request, visitor: Analyst, name: Key, body: Rule) -> None:
    """Put a plain rule in force; it is described as in monitor.toml."""
    actions.save_rule(context_of(request), visitor.name, name, body)


@router.delete("/rules/{name}", status_code=204, tags=["incidents"])
def delete_rule(request: Request, visitor: Analyst, name: Key) -> None:
    actions.steer_rule(context_of(request), visitor.name, name, "delete")


@router.get("/quality", tags=["model"])
def model_quality(
    request: Request, visitor: Viewer, rows: Rows, brand: Annotated[str, Query(max_length=100)] = ""
) -> QualityOut:
    """How often the model was right on mentions that people corrected, by language, source and class; and on labelled
    sets, of which the one without a name was measured before the model shipped."""
    brand_id = found = None
    if brand:
        found = rows.exec(select(Brand).where(col(Brand.slug) == brand)).first()
        if found is None:
            raise NotFound(f"there is no brand {brand!r}")
        brand_id = found.id
    memo = memo_of(request)
    result = memo.get(("accuracy", brand_id), lambda: accuracy(quality.looked_at(rows, brand_id=brand_id)))
    sources = sources_by_id(rows)

    def line(key: str, metric: Any) -> AccuracyLine:
        return AccuracyLine(key=key, right=MetricOut.of(metric))

    versions, states = memo.get(("progress",), lambda: quality.progress(rows), lasting=True)
    return QualityOut(
        whole=MetricOut.of(result.whole),
        by_language=[line(key, metric) for key, metric in result.by_language],
        by_source=[line(sources.get(key, (str(key), ""))[0], metric) for key, metric in result.by_source],
        by_class=[line(key, metric) for key, metric in result.by_class],
        confusion=[list(row) for row in result.confusion],
        calibration=[
            BinOut(low=one.low, high=one.high, p_mean=one.p_mean, right=MetricOut.of(one.right)) for one in result.bins
        ],
        calibration_error=result.calibration_error,
        versions=[
            VersionOut(model=one.model, n=one.n, n_failed=one.n_failed, first_at=one.first_at, last_at=one.last_at)
            for one in versions
        ],
        states=states,
        labelled=[LabelledOut.model_validate(dataclasses.asdict(one)) for one in labelled_sets(request, rows, found)],
    )


@router.get("/sources", tags=["operations"])
def sources(request: Request, visitor: Viewer, rows: Rows) -> list[SourceOut]:
    """Every source with its health, those that need a look first."""
    now = context_of(request).now
    found = []
    for health in memo_of(request).get(("sources",), lambda: operations.sources(rows, now=now), seconds=15):
        shared = set(SourceOut.model_fields) & set(type(health.source).model_fields)
        found.append(
            SourceOut(**health.source.model_dump(include=shared), brand=health.brand, state=health.state(now),
                      coverage_week=health.coverage, n_mentions=health.n_mentions, n_week=health.n_week)
        )  # fmt: skip
    return found


@router.post("/sources/{slug}/{action}", status_code=204, tags=["operations"])
def steer(
    request: Request, visitor: Analyst, slug: Slug, action: Literal["pause", "resume", "now"],
    hours: Annotated[float, Query(gt=0, le=24 * 90, allow_inf_nan=False)] = 24,
) -> None:  # fmt: skip
    """Pause a source for some hours, resume it, or have it read now."""
    actions.steer_source(context_of(request), visitor.name, slug, action, hours=hours)
    memo_of(request).clear()


@router.get("/queues", tags=["operations"])
def queues(visitor: Viewer, rows: Rows) -> QueuesOut:
    """What waits: judgements, hours to count again, messages."""
    found = operations.queues(rows)
    return QueuesOut(n_unscored=found.n_unscored, n_hours=found.n_hours, n_outbox=found.n_outbox, n_dead=found.n_dead)


@router.get("/messages", tags=["operations"])
def messages(visitor: Viewer, rows: Rows, cursor: Cursor = "", limit: Limit = 50) -> Listing[MessageOut]:
    """The log of messages to channels, newest first."""
    found = operations.deliveries(rows, limit=limit + 1, before_id=number_of(cursor))
    shown = [MessageOut(**row.model_dump(include=set(MessageOut.model_fields))) for row in found[:limit]]
    return Listing(items=shown, next_cursor=str(shown[-1].id) if len(found) > limit else None)


@router.post("/messages/{message_id}/retry", status_code=204, tags=["operations"])
def retry(request: Request, visitor: Analyst, message_id: Id) -> None:
    """Try a message that was given up once more."""
    actions.retry_message(context_of(request), visitor.name, message_id)


@router.get("/notices", tags=["operations"])
def open_notices(visitor: Viewer, rows: Rows) -> list[NoticeOut]:
    """What the operator must know now."""
    return [NoticeOut(**row.model_dump(include=set(NoticeOut.model_fields))) for row in notices.open_notices(rows)]


@router.post("/notices/{notice_id}/close", status_code=204, tags=["operations"])
def close_notice(request: Request, visitor: Analyst, notice_id: Id) -> None:
    actions.close_notice(context_of(request), visitor.name, notice_id)


@router.get("/reports", tags=["reports"])
def reports(visitor: Viewer, rows: Rows, cursor: Cursor = "", limit: Limit = 50) -> Listing[ReportOut]:
    """The archive of weekly reports, newest first."""
    statement = select(Report).order_by(col(Report.id).desc()).limit(limit + 1)
    last = number_of(cursor)
    if last is not None:
        statement = statement.where(col(Report.id) < last)
    found = rows.exec(statement).all()
    shown = [ReportOut(**row.model_dump(include=set(ReportOut.model_fields))) for row in found[:limit]]
    return Listing(items=shown, next_cursor=str(shown[-1].id) if len(found) > limit else None)


@router.get("/reports/{report_id}", tags=["reports"])
def report(visitor: Viewer, rows: Rows, report_id: Id) -> ReportWhole:
    row = rows.get(Report, report_id)
    if row is None:
        raise NotFound(f"there is no report {report_id}")
    return ReportWhole(**row.model_dump(include=set(ReportWhole.model_fields)))


@router.get("/users", tags=["administration"])
def users(visitor: Admin, rows: Rows) -> list[UserOut]:
    found = rows.exec(select(User).order_by(col(User.name)))
    return [UserOut(**row.model_dump(include=set(UserOut.model_fields))) for row in found]


@router.get("/tokens", tags=["administration"])
def tokens(visitor: Viewer, rows: Rows) -> list[TokenOut]:
    """One's own API tokens; an administrator sees all. The tokens themselves are stored nowhere."""
    return [TokenOut(**row.model_dump(include=set(TokenOut.model_fields))) for row, _ in tokens_of(rows, visitor)]


@router.get("/audit", tags=["administration"])
def audit(visitor: Admin, rows: Rows, cursor: Cursor = "", limit: Limit = 50) -> Listing[AuditOut]:
    """Who changed what, newest first."""
    statement = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit + 1)
    last = number_of(cursor)
    if last is not None:
        statement = statement.where(col(AuditEntry.id) < last)
    found = rows.exec(statement).all()
    shown = [AuditOut(**row.model_dump()) for row in found[:limit]]
    return Listing(items=shown, next_cursor=str(shown[-1].id) if len(found) > limit else None)


@router.get("/settings", tags=["administration"])
def settings(request: Request, visitor: Admin) -> dict[str, Any]:
    """The configuration in force, secrets masked."""
    return masked(context_of(request).settings)
