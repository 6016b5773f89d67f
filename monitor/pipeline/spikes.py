"""One round over the count of negatives of a brand: decisions become findings, findings stories, stories incidents.

Days come first: they know every series. Hours may open an incident on a busy series long before its day is over;
such an incident is counted by hours until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session

import alerts.hierarchy
import alerts.incident
import alerts.verdict
from alerts.decision import Decision
from alerts.hierarchy import Finding
from alerts.incident import Evidence, Policy
from alerts.series import SeriesKey
from alerts.verdict import Answer
from monitor.config import Settings
from monitor.pipeline import related
from monitor.pipeline.advance import advance, move
from monitor.pipeline.change import Change
from monitor.pipeline.evidence import enough, evidence_of, is_aftermath, is_flood
from monitor.pipeline.steps import DAY
from monitor.pipeline.stories import Stories, joins, narrowest
from monitor.pipeline.watch import SIGNAL, Hours, Point, SeriesWatch, Watch
from monitor.store import incidents
from monitor.store.tables import Brand, Incident

SETTLES = timedelta(days=2)  # so long an incident may still find its place

Decisions = Mapping[SeriesKey, Decision]


class Spikes:
    """The incidents of one brand that count negatives, brought up to now. `changes` says what was done."""

    def __init__(self, session: Session, settings: Settings, brand: Brand, rows: Iterable[Incident], *,
                 now: datetime, days: SeriesWatch | None = None,
                 answers: Sequence[Answer] | None = None) -> None:  # fmt: skip
        self.changes: list[Change] = []
        self.others: list[Incident] = []  # open incidents of other signals: a spike in them is the same story
        self._session, self._settings, self._brand, self._now = session, settings, brand, now
        self._days = days  # what the days of any series hold: an incident that moves counts anew
        repeat = settings.alerts.repeat_interval
        self._daily = Policy(repeat_interval=repeat)
        self._hourly = replace(Policy.hourly(), repeat_interval=repeat)
        self._rows = {row.series: row for row in rows}
        self._answers = incidents.answers(session, brand.id or 0) if answers is None else answers

    def rows(self) -> list[Incident]:
        """All that is known, ended ones too."""
        return list(self._rows.values())

    def active(self) -> list[Incident]:
        """Those that have not ended."""
        return [row for row in self._rows.values() if row.state != "resolved"]

    def by_days(self, watch: Watch) -> None:
        """What the days say."""
        root = SeriesKey(self._brand.slug)
        whole = watch.decisions.get(root)
        if whole is not None and not whole.active and is_flood(self._session, self._brand, whole):
            loud = max(whole.score, whole.threshold)
            watch.decisions[root] = replace(whole, score=loud, news=loud, alarm=True, active=True)
        for key, decision in watch.yesterday.items():  # a whole day, at last: only such a day can end an incident
            known = self._rows.get(key.text())
            if known is not None and known.state == "resolved":  # a quiet day lets one that was ended by hand come back
                self._advance(known, replace(self._evidence(key, decision, complete=True), fires=False))
            elif known is not None and _steps_of(known) == DAY:
                self._advance(known, self._evidence(key, decision, complete=True))
        for row in self.active():
            self._narrow(row, watch.decisions)
        self._index()
        findings = alerts.hierarchy.find(watch.decisions, open_series=self._open_keys())
        found = {finding.series: finding for finding in findings}
        for row in self.active():
            key = SeriesKey.parse(row.series)
            today = watch.decisions.get(key)
            if today is not None and _steps_of(row) == DAY:
                self._advance(row, self._evidence(key, today, complete=False), finding=found.get(key))
        self._open(findings, watch.decisions)

    def by_hours(self, hours: Hours) -> None:
        """What the hours that have ended say, each in its turn."""
        for decisions in hours.ended:
            findings = alerts.hierarchy.find(decisions, open_series=self._open_keys())
            found = {finding.series: finding for finding in findings}
            for row in self.active():
                key = SeriesKey.parse(row.series)
                if key in decisions and row.state != "resolved" and _steps_of(row) != DAY:
                    self._advance(row, self._evidence(key, decisions[key], complete=True), finding=found.get(key))
            self._open([finding for finding in findings if finding.series in hours.busy], decisions)

    def join(self) -> None:
        """What has turned out to be one story becomes one incident: the smaller ends and says where it goes on."""
        while (pair := joins(self._session, self._brand, self.active(), now=self._now)) is not None:
            row, larger = pair
            made = alerts.incident.join(incidents.value_of(row), incidents.value_of(larger), now=self._now)
            if not made:
                return
            stored = incidents.store(self._session, made[0].incident, brand_id=row.brand_id, row=row)
            event = incidents.record(self._session, stored, str(made[0].kind), at=self._now)
            incidents.record(self._session, larger, "took_in", at=self._now, note=row.uid)
            self.changes.append(Change(stored, made[0], event=event, larger=larger))

    # ---- opening

    def _open(self, findings: list[Finding], decisions: Decisions) -> None:
        """New findings join a story or begin one."""
        fresh = [finding for finding in findings if self._is_news(finding, decisions[finding.series])]
        for finding in findings:
            for row in self.active():
                if related.key_of(row.series) in finding.widens:
                    self._move(row, finding.series, kind="widened")
        joined = Stories(self._session, self._brand, decisions)
        for row in self.active():
            joined.known(row)
        for finding in fresh:
            joined.add(finding)
        for row, key in joined.widened():
            self._move(row, key, kind="widened")
        self._index()
        opening = joined.new()
        told = {f.series: f for f in alerts.hierarchy.find(decisions, open_series=[*self._open_keys(), *opening])}
        for key in opening:
            step = replace(self._evidence(key, decisions[key], complete=False, running=False), fires=True)
            other = next((row for row in self.others if _overlaps(row, key)), None)
            ended = self._rows.get(key.text())
            if other is not None:
                self._take_over(other, step, key, told.get(key))
            elif ended is not None:  # it came back
                self._advance(ended, step, finding=told.get(key))
            else:
                self._advance(None, step, finding=told.get(key), series=key)
        self._index()

    def _is_news(self, finding: Finding, decision: Decision) -> bool:
        """Whether a finding may open an incident: an alarm, not known, and with the evidence that is asked for."""
        known = self._rows.get(finding.series.text())
        if not decision.alarm or (known is not None and known.state != "resolved"):
            return False
        # people's earlier answers about the same or a similar series raise or lower the odds that this is real
        bar = finding.threshold + alerts.verdict.shift(finding.series, SIGNAL, self._answers, now=self._now)
        return (
            finding.score >= bar
            and not is_aftermath(self._session, self._settings, self._brand, finding, decision, self._rows.values())
            and enough(self._session, self._settings, self._brand, finding)
        )

    def _take_over(self, row: Incident, step: Evidence, key: SeriesKey, finding: Finding | None) -> None:
        before = incidents.value_of(row)
        transition = alerts.incident.taken_over(before, step, now=self._now, series_text=key.text(), signal=SIGNAL)
        move(self._session, row, key, kind="sharpened", now=self._now)
        row.signal = SIGNAL
        stored = incidents.store(self._session, transition.incident, brand_id=row.brand_id, row=row, score=step.score)
        event = None
        if transition.speaks:
            event = incidents.record(self._session, stored, str(transition.kind), at=self._now)
        self.changes.append(Change(stored, transition, finding, event=event))
        self.others.remove(row)
        self._rows[row.series] = row

    # ---- helpers

    def _move(self, row: Incident, key: SeriesKey, *, kind: str) -> None:
        """Let an incident be about another node, unless one that is open is there already.

        Of two at one node only one would be looked at from then on, and the other stay open for ever. Left where it
        is, it speaks no more beside the wider one, and ends by itself.
        """
        if not any(other is not row and other.series == key.text() for other in self.active()):
            points: list[Point] = []
            if self._days is not None and _steps_of(row) == DAY:
                began = incidents.value_of(row).started_at
                points = self._days.history(self._session, key, self._now, last=(self._now - began).days + 3)
            move(self._session, row, key, kind=kind, now=self._now, points=points)

    def _evidence(self, key: SeriesKey, decision: Decision, *, complete: bool, running: bool = True) -> Evidence:
        return evidence_of(self._session, self._brand, key, decision, settings=self._settings, complete=complete,
                           running=running)  # fmt: skip

    def _advance(self, row: Incident | None, step: Evidence, *, finding: Finding | None = None,
                 series: SeriesKey | None = None) -> None:  # fmt: skip
        policy = self._daily if step.step_seconds >= DAY else self._hourly
        made = advance(self._session, self._brand, row, step, now=self._now, policy=policy, signal=SIGNAL,
                       finding=finding, series=series)  # fmt: skip
        for change in made:
            self._rows[change.row.series] = change.row  # perhaps a new incident of the same series
        self.changes += made

    def _index(self) -> None:
        """By series again, after incidents have moved; of two at one node the open one counts."""
        rows = sorted(self._rows.values(), key=lambda row: row.state != "resolved")
        self._rows = {row.series: row for row in rows}

    def _open_keys(self) -> list[SeriesKey]:
        return [SeriesKey.parse(row.series) for row in self.active()]

    def _narrow(self, row: Incident, decisions: Decisions) -> None:
        """Let a young incident be about the smallest node that holds its story: a few mentions do not tell which."""
        whole = related.key_of(row.series)
        top = decisions.get(whole) if whole is not None else None
        if whole is None or top is None or top.excess <= 0 or self._now - row.opened_at > SETTLES:
            return
        if incidents.has_event(self._session, row, "narrowed"):
            return  # it found its place once: what widens it after that is another part of the story
        key = narrowest(whole, decisions)
        if key != whole:
            self._move(row, key, kind="narrowed")


def _steps_of(row: Incident) -> int:
    return int(row.machine.get("step_seconds", DAY))


def _overlaps(row: Incident, key: SeriesKey) -> bool:
    own = related.key_of(row.series)
    return own is not None and own.overlaps(key)
