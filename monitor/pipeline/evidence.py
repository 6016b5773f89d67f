"""What a decision means for an incident: how severe it is, whether it still goes on, whether it may open one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
from sqlmodel import Session, col, func, select

from alerts.decision import Decision
from alerts.evidence import tail
from alerts.hierarchy import Finding
from alerts.incident import Ending, Evidence
from alerts.series import SeriesKey
from alerts.severity import classify, classify_rating
from monitor.config import Settings
from monitor.pipeline import related, rules
from monitor.pipeline.steps import DAY
from monitor.pipeline.stories import SAME_MENTIONS
from monitor.store.tables import Brand, Bucket, Incident

FLOOD_LEAST, FLOOD_SHARE, FLOOD_RATIO, FLOOD_SPAN = 20, 0.5, 10.0, timedelta(days=28)
LAST = {True: 2, False: 3}  # steps, of days and of hours, in which it must have been quiet
USUAL_DISPERSION = 1.5  # the prior's: so few steps cannot estimate their own


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
        step_seconds=decision.step_seconds,
    )


def evidence_of_rating(decision: Decision, *, complete: bool, running: bool = True) -> Evidence:
    """The decision on a mean rating: its numbers are means, of which the newest holds."""
    drop = decision.expected - decision.observed
    return Evidence(
        at=decision.at,
        score=decision.score if math.isfinite(decision.score) else -1.0,
        threshold=decision.threshold,
        n_observed=decision.observed,
        n_expected=decision.expected,
        since_at=decision.since,
        severity=classify_rating(drop=drop, n=int(decision.total or 0)),
        fires=decision.active if running else decision.alarm,
        complete=complete,
        sums=False,
    )


def still_high(decision: Decision) -> bool:
    """Whether the last two days (three hours) alone are above what is usual (one-sided 5 %).

    The whole window stays high for a week after the last complaint, which is no reason to keep an incident open.
    """
    last = LAST[decision.step_seconds >= DAY]
    observed, expected = decision.windows.get(last, (decision.observed, decision.expected))
    mean = max(expected, 1e-6)
    return bool(tail(np.array(observed), np.array(mean), np.array(USUAL_DISPERSION * mean)) < 0.05)


def enough(session: Session, settings: Settings, brand: Brand, finding: Finding) -> bool:
    """The evidence that only rows can show: enough different people, where authors are known."""
    mentions = related.negatives(session, brand, finding.series, since=finding.since, limit=500)
    if not mentions:
        return False
    known = [mention.author for mention in mentions if mention.author]
    if len(known) < len(mentions) / 2:
        return True  # authors are not told by these sources: the count must do
    return len(set(known)) >= settings.alerts.min_authors


def is_aftermath(
    session: Session, settings: Settings, brand: Brand, finding: Finding, decision: Decision, known: Iterable[Incident]
) -> bool:
    """Whether a finding mostly counts again what an incident that has ended was about.

    Its window reaches back into that incident; what came since the end must be above what is usual and be, by itself,
    the least evidence that an incident needs. Otherwise one late complaint would tell the whole story once more.
    """
    own: set[int] = set()
    ends = []
    for row in known:
        key = related.key_of(row.series)
        if key is None or row.resolved_at is None or finding.since > row.resolved_at:
            continue
        if row.machine.get("ending") == str(Ending.JOINED):  # its story has not ended with it
            continue
        if not key.overlaps(finding.series):  # another topic of the same texts: complaints of the app, also of quality
            own = own or related.negative_ids(session, brand, finding.series, since=finding.since)
            told = related.negative_ids(session, brand, key, since=finding.since)
            if len(own & told) < SAME_MENTIONS * len(own):
                continue
        ends.append(row.resolved_at)
    if not ends:
        return False
    if not still_high(decision):
        return True
    least = settings.alerts.min_negatives
    return len(related.negatives(session, brand, finding.series, since=max(ends), limit=least)) < least


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
