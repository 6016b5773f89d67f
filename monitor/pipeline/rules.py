"""Plain rules of the configuration: what each asks for, and the incident that opens while it is true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

import alerts.incident
import alerts.rules
from alerts.incident import Evidence, Policy
from alerts.rules import Fact, Hit
from alerts.series import SeriesKey
from alerts.severity import Severity
from monitor.config import Rule, Settings
from monitor.pipeline import related
from monitor.pipeline.advance import advance
from monitor.pipeline.change import Change
from monitor.store import incidents
from monitor.store import rules as stored_rules
from monitor.store.tables import Brand, Incident, Mention

SIGNAL = "rule"
POLICY = Policy(quiet_steps=6, min_open=timedelta(hours=6))  # looked at by the hour
FixedRule = alerts.rules.MoreThan | alerts.rules.MeanRatingBelow | alerts.rules.Words


def of_brand(settings: Settings, brand: str) -> dict[str, FixedRule]:
    """The rules that watch a brand, by their name in the configuration."""
    return {
        name: build(name, rule, brand)
        for name, rule in settings.rules.items()
        if rule.brand is None or rule.brand == brand
    }


def build(name: str, rule: Rule, brand: str) -> FixedRule:
    """The rule as `alerts` checks it. Raises alerts.errors.BadRule."""
    hours = rule.window.total_seconds() / 3600
    series = SeriesKey(brand)
    if rule.kind == "low_ratings":
        return alerts.rules.MoreThan(name, series, hours, rule.severity, count=rule.more_than,
                                     rating_at_most=rule.rating_at_most)  # fmt: skip
    if rule.kind == "negative_count":
        return alerts.rules.MoreThan(name, series, hours, rule.severity, count=rule.more_than, negative_only=True)
    if rule.kind == "mean_rating":
        return alerts.rules.MeanRatingBelow(name, series, hours, rule.severity, rating=rule.below or 3.0)
    return alerts.rules.Words(name, series, hours, rule.severity, words=rule.words)


def n_with_words(texts: Sequence[str], words: Sequence[str], *, now: datetime) -> int:
    """How many texts hold one of the words (`*` at an end allows any ending)."""
    rule = alerts.rules.Words("safety", SeriesKey("any"), 1.0, words=tuple(words))
    facts = [
        alerts.rules.Fact(at=now, series=rule.series, mention_id=str(n), text=text) for n, text in enumerate(texts)
    ]
    hit = rule.check(facts, now)
    return len(hit.mention_ids) if hit else 0


def check_rules(session: Session, settings: Settings, brand: Brand, rows: Iterable[Incident], *, now: datetime,
                policy: Policy) -> list[Change]:  # fmt: skip
    """True opens an incident, false long enough closes it."""
    changes: list[Change] = []
    known = {row.rule: row for row in rows if row.rule}
    for name, rule in of_brand(stored_rules.in_force(session, settings), brand.slug).items():
        hit = rule.check(facts_of(session, brand, since=now - timedelta(hours=rule.hours)), now)
        row = known.get(name)
        if hit is None and (row is None or row.state == "resolved"):
            continue
        step = step_of(rule, hit, incidents.value_of(row) if row is not None else None, now=now)
        hourly = replace(POLICY, repeat_interval=policy.repeat_interval)
        changes += advance(session, brand, row, step, now=now, policy=hourly, signal=SIGNAL, hit=hit,
                           series=rule.series)  # fmt: skip
    return changes


def step_of(rule: FixedRule, hit: Hit | None, before: alerts.incident.Incident | None, *, now: datetime) -> Evidence:
    """What the state machine is told of a rule that is true (`hit`) or is not, with the incident as it was."""
    return Evidence(
        at=now.replace(minute=0, second=0, microsecond=0), score=1.0 if hit else 0.0, threshold=1.0,
        n_observed=hit.observed if hit else before.n_observed if before else 0.0,
        n_expected=hit.limit if hit else before.n_expected if before else 0.0, sums=False,  # a window that moves
        since_at=hit.since if hit else now, severity=Severity(rule.severity), fires=hit is not None,
    )  # fmt: skip


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
