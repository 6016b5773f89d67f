"""The detect step: what stands out becomes incidents, and every change of an incident commits with its messages.

One transaction per brand: detector memory, incident rows, their log and the outbox rows are written together or not
at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import structlog
from sqlmodel import Session, col, func, select

import alerts.hierarchy
import alerts.incident
import alerts.settings
import alerts.verdict
from alerts.detector import Decision
from alerts.evidence import tail
from alerts.incident import Evidence, Policy
from alerts.rules import Fact, Hit
from alerts.series import SeriesKey
from alerts.severity import Severity, classify
from monitor.config import Brand as BrandSettings
from monitor.config import Settings
from monitor.pipeline import related, rules, story
from monitor.pipeline.change import Change
from monitor.pipeline.context import Context
from monitor.pipeline.stories import Stories
from monitor.pipeline.watch import SIGNAL, BrandWatch, Watch, series_of, source_names
from monitor.store import incidents
from monitor.store.engine import exclusive, reading, writing
from monitor.store.tables import Brand, Bucket, Incident, Mention

log = structlog.get_logger()

RULE_SIGNAL = "rule"
SETTLES = timedelta(days=2)  # so long an incident may still find its place
FLOOD_LEAST, FLOOD_SHARE, FLOOD_RATIO, FLOOD_SPAN = 20, 0.5, 10.0, timedelta(days=28)
NARROWS = 0.8  # of its negatives must lie in a node inside for the incident to be about that node


def detect(context: Context, *, only: Collection[int] | None = None) -> list[Change]:
    """Look at every active brand, or at those of the given ids. Returns the changes that were made."""
    if not context.settings.alerts.enabled:
        return []
    with reading(context.engine) as session:
        brands = list(session.exec(select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.id))))
    changes: list[Change] = []
    for brand in brands:
        if only is not None and brand.id not in only:
            continue
        if context.should_stop():
            break
        with writing(context.engine) as session:
            exclusive(session, f"detect:{brand.id}")
            watch = brand_watch(session, context.settings, brand)
            made = detect_brand(session, context, brand, watch)
            for change in made:
                story.queue(session, context, brand, change, watch)
            for row in incidents.unacknowledged(session, brand.id or 0):
                story.remind(session, context, brand, row, watch)
        for change in made:
            if change.transition.speaks:
                log.info("incident.changed", incident=change.row.uid, kind=str(change.transition.kind))
        changes += made
    return changes


def detect_brand(session: Session, context: Context, brand: Brand, watcher: BrandWatch) -> list[Change]:
    """Judge one brand now, in the caller's writing transaction."""
    now, settings = context.now, context.settings
    policy = Policy(repeat_interval=settings.alerts.repeat_interval)
    rows = incidents.current(session, brand.id or 0, now=now, memory=policy.reopen_within + timedelta(days=14))
    statistical = {row.series: row for row in rows if row.signal == SIGNAL}
    keys = [SeriesKey.parse(row.series) for row in statistical.values()]
    root = SeriesKey(brand.slug)
    watch = watcher.look(session, now, keep=[*keys, root])
    if (whole := watch.decisions.get(root)) is not None and not whole.active and is_flood(session, brand, whole):
        loud = max(whole.score, whole.threshold)
        watch.decisions[root] = replace(whole, score=loud, news=loud, alarm=True, active=True)
    changes: list[Change] = []
    for key, decision in watch.yesterday.items():  # a whole day, at last: only such a day can end an incident
        known = statistical.get(key.text())
        if known is not None and known.state != "resolved":
            step = evidence_of(session, brand, key, decision, settings=settings, complete=True)
            changes += _advance(session, brand, known, step, now=now, policy=policy)
    for row in statistical.values():
        if row.state != "resolved":
            _narrow(session, row, watch, now=now)
    statistical = {row.series: row for row in statistical.values()}
    active = [SeriesKey.parse(row.series) for row in statistical.values() if row.state != "resolved"]
    findings = alerts.hierarchy.find(watch.decisions, open_series=active)
    found = {finding.series.text(): finding for finding in findings}
    for text, known in statistical.items():
        key = SeriesKey.parse(text)
        today = watch.decisions.get(key)
        if today is not None:
            running = known.state != "resolved"
            step = evidence_of(session, brand, key, today, settings=settings, complete=False, running=running)
            changes += _advance(session, brand, known, step, now=now, policy=policy, finding=found.get(text))
    answers = incidents.answers(session, brand.id or 0)
    fresh = [
        finding
        for finding in findings
        if finding.series.text() not in statistical
        and watch.decisions[finding.series].alarm
        # people's earlier answers about the same or a similar series raise or lower the odds that this is real
        and finding.score >= finding.threshold + alerts.verdict.shift(finding.series, SIGNAL, answers, now=now)
        and not _aftermath(finding, watch.decisions[finding.series], statistical.values())
        and enough(session, settings, brand, finding)
    ]
    for finding in findings:
        for row in statistical.values():
            if related.key_of(row.series) in finding.widens and row.state != "resolved":
                _move(session, row, finding.series, kind="widened", now=now)
    joined = Stories(session, brand, watch)
    for row in statistical.values():
        if row.state != "resolved":
            joined.known(row)
    for finding in fresh:
        joined.add(finding)
    for row, key in joined.widened():
        _move(session, row, key, kind="widened", now=now)
    opening = joined.new()
    told = {f.series: f for f in alerts.hierarchy.find(watch.decisions, open_series=[*active, *opening])}
    for key in opening:
        step = evidence_of(session, brand, key, watch.decisions[key], settings=settings, complete=False, running=False)
        step = replace(step, fires=True)
        changes += _advance(session, brand, None, step, now=now, policy=policy, finding=told.get(key), series=key)
    changes += _check_rules(session, settings, brand, rows, now=now, policy=policy)
    return changes


def brand_watch(session: Session, settings: Settings, brand: Brand) -> BrandWatch:
    """The detector of a brand, with the account's budget of false alarms spread over its series and brands."""
    configured = settings.brands.get(brand.slug)
    countries = countries_of(configured)
    n_brands = max(1, len(session.exec(select(Brand.id).where(col(Brand.active).is_(True))).all()))
    series = series_of(session, brand)
    detector = alerts.settings.Settings(
        false_alarms_per_week=settings.alerts.false_alarms_per_week / n_brands,
        n_series=max(1, len(series)),
        min_negative=settings.alerts.min_negatives,
        min_excess=settings.alerts.min_excess,
        min_ratio=settings.alerts.min_ratio,
        min_authors=settings.alerts.min_authors,
        countries=countries,
        zone=settings.time_zone,
    )
    return BrandWatch(brand, settings=detector, zone=settings.zone, series=series)


def countries_of(brand: BrandSettings | None) -> tuple[str, ...]:
    if brand is None:
        return ()
    return tuple(sorted({code for code in [brand.country, *(place.country for place in brand.locations)] if code}))


def evidence_of(session: Session, brand: Brand, key: SeriesKey, decision: Decision, *, settings: Settings,
                complete: bool, running: bool = True) -> Evidence:  # fmt: skip
    """The detector's decision as the state machine wants it, with the severity."""
    observed, expected = decision.windows.get(1, (decision.observed, decision.expected))
    quiet = running and not still_high(decision)
    n_safety = 0
    if decision.alarm and settings.alerts.safety_words:
        mentions = related.negatives(session, brand, key, since=decision.since, limit=200)
        n_safety = rules.n_with_words([m.text for m in mentions], settings.alerts.safety_words, now=decision.at)
    return Evidence(
        at=decision.at,
        score=decision.score if math.isfinite(decision.score) and not quiet else -1.0,
        threshold=decision.threshold,
        n_observed=decision.observed,
        n_expected=decision.expected,
        since_at=decision.since,
        severity=classify(ratio=decision.ratio, n_excess=decision.excess, n_safety=n_safety),
        fires=decision.active and not quiet if running else decision.alarm,
        step_observed=observed,
        step_expected=expected,
        complete=complete,
    )


def is_flood(session: Session, brand: Brand, decision: Decision) -> bool:
    """Whether a day of mostly negative mentions is many times what the last four weeks held.

    The detector lets more mentions explain more negatives, so that campaigns pass. On a thin series it cannot tell a
    campaign from a review bombing, since it knows too little of the usual share; most of a campaign is not negative.
    """
    today, _ = decision.windows.get(1, (0.0, 0.0))
    if today < FLOOD_LEAST or (decision.share or 0.0) < FLOOD_SHARE:
        return False
    before = session.exec(
        select(func.sum(Bucket.n_negative)).where(
            Bucket.brand_id == brand.id, Bucket.topic == "", col(Bucket.hour_at) < decision.at,
            col(Bucket.hour_at) >= decision.at - FLOOD_SPAN,
        )
    ).one()  # fmt: skip
    return bool(today >= FLOOD_RATIO * (1.0 + (before or 0) / FLOOD_SPAN.days))


def still_high(decision: Decision) -> bool:
    """Whether the last two days alone are above what is usual (one-sided 5 %): the whole window stays high for a week
    after the last complaint, which is no reason to keep an incident open.
    """
    observed, expected = decision.windows.get(2, (decision.observed, decision.expected))
    mean = max(expected, 1e-6)
    dispersion = 1.5  # the prior's: two days are too few to estimate their own
    return bool(tail(np.array(observed), np.array(mean), np.array(dispersion * mean)) < 0.05)


def enough(session: Session, settings: Settings, brand: Brand, finding: alerts.hierarchy.Finding) -> bool:
    """The evidence that only rows can show: enough different people, where authors are known."""
    mentions = related.negatives(session, brand, finding.series, since=finding.since, limit=500)
    if not mentions:
        return False
    known = [mention.author for mention in mentions if mention.author]
    if len(known) < len(mentions) / 2:
        return True  # authors are not told by these sources: the count must do
    return len(set(known)) >= settings.alerts.min_authors


def _aftermath(finding: alerts.hierarchy.Finding, decision: Decision, known: Iterable[Incident]) -> bool:
    """Whether a finding only counts again what an incident that has ended was about: nothing new came since."""
    if still_high(decision):
        return False
    for row in known:
        key = related.key_of(row.series)
        ended = row.resolved_at is not None and finding.since <= row.resolved_at
        if ended and key is not None and key.overlaps(finding.series):
            return True
    return False


def _narrow(session: Session, row: Incident, watch: Watch, *, now: datetime) -> None:
    """Let a young incident be about the smallest node that holds its story: a few mentions do not tell which."""
    whole = related.key_of(row.series)
    top = watch.decisions.get(whole) if whole is not None else None
    if whole is None or top is None or top.excess <= 0 or now - row.opened_at > SETTLES:
        return
    if incidents.has_event(session, row, "widened"):
        return  # it has been seen in several nodes already
    inside = [
        (key, decision)
        for key, decision in watch.decisions.items()
        if key != whole and whole.covers(key) and key.depth == whole.depth + 1 and decision.active
        and decision.windows.get(top.window_steps, (0.0, 0.0))[0] >= NARROWS * top.observed
    ]  # fmt: skip
    if inside:
        key, _ = max(inside, key=lambda pair: (pair[1].score, pair[0].text()))
        _move(session, row, key, kind="narrowed", now=now)


def _move(session: Session, row: Incident, key: SeriesKey, *, kind: str, now: datetime) -> None:
    before = row.series
    row.series, row.topic, row.location = key.text(), key.topic or "", key.location or ""
    row.source_id = next((n for n, slug in source_names(session).items() if slug == key.source), None)
    row.machine = row.machine | {"series_text": key.text()}
    session.add(row)
    incidents.record(session, row, kind, at=now, note=before)


def _advance(
    session: Session,
    brand: Brand,
    row: Incident | None,
    step: Evidence | None,
    *,
    now: datetime,
    policy: Policy,
    finding: alerts.hierarchy.Finding | None = None,
    hit: Hit | None = None,
    series: SeriesKey | None = None,
) -> list[Change]:
    value = incidents.value_of(row) if row is not None else None
    key = finding.series if finding is not None else series
    changes = []
    for transition in alerts.incident.advance(
        value, step, now=now, policy=policy, series_text=key.text() if key else "",
        signal=RULE_SIGNAL if hit is not None else SIGNAL,
    ):  # fmt: skip
        if transition.kind == "repeated" and not _news_since(session, brand, row, value):
            continue  # nothing to tell but that it has not ended
        again = row if transition.kind != "opened" else None
        source_id = None
        if again is None and key is not None and key.source:
            source_id = next((n for n, slug in source_names(session).items() if slug == key.source), None)
        stored = incidents.store(
            session, transition.incident, brand_id=brand.id or 0, row=again, source_id=source_id,
            rule=hit.rule if hit is not None else "", score=step.score if step is not None else None,
        )  # fmt: skip
        if transition.speaks:
            incidents.record(session, stored, str(transition.kind), at=now)
        changes.append(Change(stored, transition, finding, hit))
    return changes


def _news_since(session: Session, brand: Brand, row: Incident | None, value: alerts.incident.Incident | None) -> bool:
    """Whether complaints came since the last message."""
    if row is None or value is None or value.notified_at is None or row.rule:
        return True
    key = related.series_key(row.series, brand)
    return len(related.negatives(session, brand, key, since=value.notified_at, limit=2)) > 1


def _check_rules(session: Session, settings: Settings, brand: Brand, rows: Iterable[Incident], *, now: datetime,
                 policy: Policy) -> list[Change]:  # fmt: skip
    """Plain rules: true opens an incident, false long enough closes it."""
    changes: list[Change] = []
    known = {row.rule: row for row in rows if row.rule}
    configured = rules.of_brand(settings, brand.slug)
    for name, rule in configured.items():
        facts = facts_of(session, brand, since=now - timedelta(hours=rule.hours))
        hit = rule.check(facts, now)
        row = known.get(name)
        if hit is None and (row is None or row.state == "resolved"):
            continue
        limit = hit.limit if hit else 0.0
        observed = hit.observed if hit else 0.0
        step = Evidence(
            at=now.replace(minute=0, second=0, microsecond=0), score=1.0 if hit else 0.0, threshold=1.0,
            n_observed=observed, n_expected=limit, since_at=hit.since if hit else now,
            severity=Severity(rule.severity), fires=hit is not None, complete=True,
        )  # fmt: skip
        hourly = Policy(quiet_steps=6, min_open=timedelta(hours=6), repeat_interval=policy.repeat_interval)
        changes += _advance(session, brand, row, step, now=now, policy=hourly, hit=hit, series=rule.series)
    return changes


def facts_of(session: Session, brand: Brand, *, since: datetime) -> list[Fact]:
    """What rules need of the mentions since a time, newest first."""
    key = SeriesKey(brand.slug)
    found = session.exec(
        select(Mention).where(*related.conditions(session, brand, key, since=since))
        .order_by(col(Mention.published_at).desc())
    )  # fmt: skip
    return [
        Fact(at=m.published_at, series=key, mention_id=str(m.id), text=f"{m.title or ''} {m.text}", rating=m.rating,
             negative=m.sentiment == "negative")
        for m in found
    ]  # fmt: skip
