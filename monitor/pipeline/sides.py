"""Incidents of the signals beside the count of negatives: ratings fell, complaints turned to another topic, a surge.

A spike of negatives tells the same story better: while one is open about the same series, these keep silent. A source
that went silent is a notice for the operator, never an incident.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

import alerts.settings
from alerts.decision import Decision, interval
from alerts.hierarchy import Finding
from alerts.incident import Evidence, Policy
from alerts.series import SeriesKey
from alerts.severity import Severity
from alerts.topics import TopicShift, needed_score
from monitor.config import Settings
from monitor.pipeline import related
from monitor.pipeline.advance import advance
from monitor.pipeline.change import Change
from monitor.pipeline.evidence import evidence_of_rating
from monitor.pipeline.signals import RATING, RECENT, SILENT, TOPIC_SHIFT, VOLUME, SignalWatch, mix_of_topics
from monitor.pipeline.steps import Steps
from monitor.store import meta, notices
from monitor.store.catalogue import IMPORT
from monitor.store.tables import Brand, Incident, Source

SIGNALS = (RATING, TOPIC_SHIFT, VOLUME)
DISPERSION = 1.5  # of topics: people copy each other
SILENT_RATE = 0.02  # false notices a week per source: they go to the operator, outside the budget of alerts


def rated_series(keys: Iterable[SeriesKey]) -> list[SeriesKey]:
    """The series whose mean rating is watched: the brand, each source, each place."""
    return [key for key in keys if key.topic is None and key.language is None]


def look(session: Session, settings: Settings, brand: Brand, rows: Iterable[Incident], *, now: datetime,
         rated: Sequence[SeriesKey], spikes: Sequence[Incident],
         detector: alerts.settings.Settings) -> list[Change]:  # fmt: skip
    """Bring the incidents of these signals up to now. `spikes` are those of negatives."""
    round_ = _Round(session, settings, brand, rows, now=now, spikes=spikes)
    if RATING in settings.alerts.signals:
        round_.ratings(rated, detector)
    if TOPIC_SHIFT in settings.alerts.signals:
        round_.topics(detector)
    if VOLUME in settings.alerts.signals:
        round_.volume(detector)
    if SILENT in settings.alerts.signals:
        tell_silent_sources(session, settings, brand, now=now)
    return round_.changes


class _Round:
    def __init__(self, session: Session, settings: Settings, brand: Brand, rows: Iterable[Incident], *,
                 now: datetime, spikes: Sequence[Incident]) -> None:  # fmt: skip
        self.changes: list[Change] = []
        self._session, self._settings, self._brand, self._now = session, settings, brand, now
        self._rows = {(row.signal, row.series): row for row in rows}
        self._spikes = list(spikes)
        self._policy = Policy(repeat_interval=settings.alerts.repeat_interval)

    def ratings(self, keys: Sequence[SeriesKey], detector: alerts.settings.Settings) -> None:
        """The mean rating of the brand, its sources and places."""
        watch = SignalWatch(self._brand, RATING, settings=detector, zone=self._settings.zone)
        seen = watch.look(self._session, self._now, keys)
        for decisions, complete in ((seen.yesterday, True), (seen.today, False)):
            for key, decision in decisions.items():
                row = self._rows.get((RATING, key.text()))
                if row is not None and (not complete or row.state != "resolved"):
                    running = row.state != "resolved"
                    step = evidence_of_rating(decision, complete=complete, running=running)
                    self._advance(row, step, key, RATING, finding_of(key, RATING, decision))
        alarms = [(key, one) for key, one in seen.today.items() if one.alarm and (RATING, key.text()) not in self._rows]
        for key, decision in sorted(alarms, key=lambda pair: (-pair[1].score, pair[0].depth, pair[0].text())):
            if not self._told(key, decision.since):
                step = evidence_of_rating(decision, complete=False, running=False)
                self._advance(None, step, key, RATING, finding_of(key, RATING, decision))

    def topics(self, detector: alerts.settings.Settings) -> None:
        """The mix of topics, once a day."""
        steps = Steps(self._settings.zone)
        today = steps.of(self._now)
        marker = f"topics:{self._brand.slug}"
        if meta.get(self._session, marker) == steps.text(today):
            return
        meta.put(self._session, marker, steps.text(today))
        shift = mix_of_topics(self._session, self._brand, now=self._now, steps=steps)
        needed = needed_score(detector.rate)
        for row in list(self._rows.values()):
            if row.signal == TOPIC_SHIFT and row.state != "resolved":
                key = SeriesKey.parse(row.series)
                same = shift is not None and shift.topic == key.topic
                step = topic_evidence(shift if same else None, needed, at=steps.start(today - 1), row=row)
                self._advance(row, step, key, TOPIC_SHIFT, None)
        if shift is None or shift.score < needed or shift.excess < self._settings.alerts.min_excess:
            return
        key = SeriesKey(self._brand.slug, topic=shift.topic)
        step = topic_evidence(shift, needed, at=steps.start(today - 1), row=None)
        if self._told(key, step.since_at):
            return
        low, high = interval(max(shift.expected, 1e-6), DISPERSION * max(shift.expected, 1e-6))
        finding = Finding(
            key, TOPIC_SHIFT, at=step.at, since=step.since_at, observed=shift.observed, expected=shift.expected,
            low=low, high=high, excess=shift.excess, ratio=shift.observed / max(shift.expected, 1e-6),
            score=shift.score, p_value=shift.p_value, threshold=needed, window_steps=RECENT.days,
        )  # fmt: skip
        self._advance(None, step, key, TOPIC_SHIFT, finding)

    def volume(self, detector: alerts.settings.Settings) -> None:
        """All mentions of the brand, whole days only: information, which can wait for the day's end."""
        watch = SignalWatch(self._brand, VOLUME, settings=detector, zone=self._settings.zone)
        key = SeriesKey(self._brand.slug)
        decision = watch.look(self._session, self._now, [key]).yesterday.get(key)
        row = self._rows.get((VOLUME, key.text()))
        if decision is None or (row is None and (not decision.alarm or self._told(key, decision.since))):
            return
        running = row is not None and row.state != "resolved"
        step = Evidence(
            at=decision.at, score=decision.score if math.isfinite(decision.score) else -1.0,
            threshold=decision.threshold, n_observed=decision.observed, n_expected=decision.expected,
            since_at=decision.since, severity=Severity.INFO, fires=decision.active if running else decision.alarm,
        )  # fmt: skip
        self._advance(row, step, key, VOLUME, finding_of(key, VOLUME, decision))

    def _told(self, key: SeriesKey, since: datetime) -> bool:
        """Whether an incident of any signal is, or in this time was, about the same mentions."""
        for row in [*self._spikes, *self._rows.values()]:
            other = related.key_of(row.series)
            lasts = row.resolved_at is None or row.resolved_at >= since
            if lasts and other is not None and other.overlaps(key):
                return True
        return False

    def _advance(self, row: Incident | None, step: Evidence, key: SeriesKey, signal: str,
                 finding: Finding | None) -> None:  # fmt: skip
        made = advance(self._session, self._brand, row, step, now=self._now, policy=self._policy, signal=signal,
                       finding=finding, series=key)  # fmt: skip
        for change in made:
            self._rows[signal, change.row.series] = change.row
        self.changes += made


def finding_of(key: SeriesKey, signal: str, decision: Decision) -> Finding:
    """What a message needs of the decision."""
    return Finding(
        key, signal, at=decision.at, since=decision.since, observed=decision.observed, expected=decision.expected,
        low=decision.low, high=decision.high, excess=decision.excess, ratio=decision.ratio, score=decision.score,
        short_history=decision.short_history, confounders=decision.confounders, window_steps=decision.window_steps,
        threshold=decision.threshold, p_value=decision.p_value, total=decision.total,
    )  # fmt: skip


def topic_evidence(shift: TopicShift | None, needed: float, *, at: datetime, row: Incident | None) -> Evidence:
    """A change of mix as the state machine wants it; None is a day on which the topic no longer stands out."""
    if shift is None:
        value = row.machine if row is not None else {}
        return Evidence(
            at=at, score=0.0, threshold=needed, n_observed=float(value.get("n_observed", 0.0)),
            n_expected=float(value.get("n_expected", 0.0)), since_at=at, severity=Severity.INFO, fires=False,
            sums=False,
        )  # fmt: skip
    return Evidence(
        at=at, score=shift.score, threshold=needed, n_observed=shift.observed, n_expected=shift.expected,
        since_at=at - RECENT + timedelta(days=1), severity=Severity.INFO, fires=shift.score >= needed, sums=False,
    )  # fmt: skip


def tell_silent_sources(session: Session, settings: Settings, brand: Brand, *, now: datetime) -> int:
    """A source that brings nothing for longer than its rhythm allows raises an operator's notice. Returns how many."""
    rows = session.exec(
        select(Source).where(
            col(Source.active).is_(True), Source.scraper != IMPORT,
            (col(Source.brand_id) == brand.id) | col(Source.brand_id).is_(None),
        )
    ).all()  # fmt: skip
    keys = {SeriesKey(brand.slug, source=row.slug): row for row in rows}
    known = {notice.key for notice in notices.open_notices(session)}
    detector = alerts.settings.Settings(false_alarms_per_week=SILENT_RATE, n_series=1, zone=settings.time_zone)
    seen = SignalWatch(brand, SILENT, settings=detector, zone=settings.zone).look(session, now, list(keys))
    n_silent = 0
    for key, decision in seen.today.items():
        source = keys[key]
        name = f"silent.{source.slug}" + ("" if source.brand_id else f".{brand.slug}")
        if decision.active and (name not in known or key in seen.yesterday):  # once, then once a day
            days = max(1, math.floor((now - decision.since) / timedelta(days=1)))
            text = (
                f"{source.slug} has brought nothing new since {decision.since:%Y-%m-%d} ({days} days), "
                f"where about {decision.expected:.0f} mentions would be expected: is it read as it should be?"
            )
            notices.raise_notice(session, name, text, now=now)
        elif not decision.active and name in known:
            notices.close(session, name, now=now)
        n_silent += decision.active
    return n_silent
