"""Decides the life of an incident: when it opens, grows, speaks again, closes, comes back or becomes the new normal.

A pure state machine. The caller feeds it one `Evidence` per series and step, stores the incident of the last
transition, and queues a notification for each transition that `speaks`. The same evidence fed twice changes nothing.

    (none) --fires--> OPEN --a person--> ACKNOWLEDGED
       OPEN, ACKNOWLEDGED --quiet long enough--> RESOLVED --fires soon--> OPEN (reopened)
       OPEN, ACKNOWLEDGED --hot for a fortnight--> RESOLVED (new normal)
       OPEN, ACKNOWLEDGED --its mentions are those of a larger one--> RESOLVED (joined)
       any --"not an incident"--> RESOLVED (rejected)

Opening needs the full threshold, staying open only half of it (hysteresis), so a series at the edge does not flap.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.severity import Severity


class State(enum.StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Verdict(enum.StrEnum):
    """What a person said of it; these are the labels later thresholds learn from."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class Ending(enum.StrEnum):
    """Why an incident is resolved."""

    QUIET = "quiet"  # back to what is expected
    NEW_NORMAL = "new_normal"  # stayed high so long that the baseline should learn it
    BY_HAND = "by_hand"
    REJECTED = "rejected"
    NO_DATA = "no_data"  # nothing was measured for so long that nobody can say
    JOINED = "joined"  # its story goes on as another incident


class Kind(enum.StrEnum):
    """What one step did. `UPDATED` only moves the stored numbers: no message."""

    OPENED = "opened"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    NEW_NORMAL = "new_normal"
    JOINED = "joined"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How patient the machine is."""

    hold: float = 0.5  # stays open while score >= hold * threshold
    hold_p: float = 0.05  # ... or while the last days are above expectation at this p
    quiet_steps: int = 2  # complete quiet steps before it resolves
    min_open: timedelta = timedelta(days=1)  # never resolves sooner than this after opening
    repeat_interval: timedelta = timedelta(hours=24)
    reopen_within: timedelta = timedelta(days=3)  # an alarm this soon after the end is the same story
    new_normal_after: timedelta = timedelta(days=14)
    give_up_after: timedelta = timedelta(days=7)  # without any measurement

    @classmethod
    def hourly(cls) -> Policy:
        """For series counted by the hour: half a day of quiet ends an incident."""
        return cls(quiet_steps=12, min_open=timedelta(hours=6), reopen_within=timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the detector says of one series at one step.

    `n_observed` and `n_expected` are those of the window that speaks loudest, which began at `since_at`; `step_*` those
    of the newest step alone (None: the window is one step). `complete` is False while the step still runs (today, in
    the morning): such a step may raise an alarm but never counts as quiet. `fires` None means score >= threshold.
    """

    at: datetime  # start of the newest step
    score: float  # -log10 of the tail probability
    threshold: float
    n_observed: float
    n_expected: float
    since_at: datetime
    severity: Severity
    fires: bool | None = None
    p_recent: float | None = None  # tail probability of the last three days
    step_observed: float | None = None
    step_expected: float | None = None
    complete: bool = True
    step_seconds: int = 86_400
    sums: bool = True  # False for a mean or a moving window: the newest numbers replace the older ones

    @property
    def alarm(self) -> bool:
        """Strong enough to open an incident."""
        return self.score >= self.threshold if self.fires is None else self.fires

    def hot(self, policy: Policy) -> bool:
        """Strong enough to keep one open."""
        if self.alarm or self.score >= policy.hold * self.threshold:
            return True
        return self.p_recent is not None and self.p_recent < policy.hold_p


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A stored deviation. `id` is None until the store gives one. Totals run over its life, newest step included."""

    series_text: str
    signal: str
    severity: Severity
    opened_at: datetime
    started_at: datetime  # since when the numbers were off; not later than `opened_at`
    last_seen_at: datetime  # newest step that was hot
    last_step_at: datetime  # newest step that was looked at
    id: str | None = None
    state: State = State.OPEN
    ending: Ending | None = None
    reopened_at: datetime | None = None  # the newest time it came back
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    by: str | None = None  # who acknowledged, resolved or judged it
    verdict: Verdict | None = None
    verdict_at: datetime | None = None
    n_observed: float = 0.0
    n_expected: float = 0.0
    step_observed: float = 0.0
    step_expected: float = 0.0
    peak_observed: float = 0.0
    peak_expected: float = 0.0
    peak_at: datetime | None = None
    peak_score: float = 0.0
    quiet_steps: int = 0
    n_reopened: int = 0
    held: bool = False  # ended by a decision, not by quiet: stays shut until the series was quiet once
    step_seconds: int = 86_400  # of the steps that drive it
    notified_at: datetime | None = None
    notified_severity: Severity | None = None
    owed_at: datetime | None = None  # a message was silenced: it is due when the mute ends
    joined_to: str | None = None  # the id of the incident that tells its story from then on

    @property
    def n_excess(self) -> float:
        """Mentions above expectation over the whole life; may be negative after a long quiet tail."""
        return self.n_observed - self.n_expected

    @property
    def active(self) -> bool:
        return self.state is not State.RESOLVED

    @property
    def active_since(self) -> datetime:
        """When it was opened last: the clocks of minimum time and new normal start here."""
        return self.reopened_at or self.opened_at

    def duration(self, now: datetime) -> timedelta:
        """From the first odd step to the end, or to `now`."""
        return (self.resolved_at or now) - self.started_at


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a life: store `incident`; send a message when it `speaks`."""

    kind: Kind
    incident: Incident
    evidence: Evidence | None = None

    @property
    def speaks(self) -> bool:
        return self.kind is not Kind.UPDATED


def advance(
    incident: Incident | None,
    evidence: Evidence | None,
    *,
    now: datetime,
    policy: Policy | None = None,
    series_text: str = "",
    signal: str = "",
) -> list[Transition]:
    """What one step does to an incident (None: the series has none): one transition, or none when nothing changed.

    Pure. `evidence` None means nothing was measured: missing is not quiet. `series_text` and `signal` name a newly
    opened incident. The incident of an opened transition has `id` None, that of a reopened one keeps it.
    """
    policy = policy or Policy()
    if incident is None:
        if evidence is None or not evidence.alarm:
            return []
        return [_opened(evidence, now=now, series_text=series_text, signal=signal)]
    if incident.state is State.RESOLVED:
        return _after_the_end(incident, evidence, now=now, policy=policy)
    if evidence is None:
        if now - max(incident.last_step_at, incident.active_since) < policy.give_up_after:
            return []
        return [Transition(Kind.RESOLVED, _closed(incident, Ending.NO_DATA, now=now))]
    return _while_active(incident, evidence, now=now, policy=policy)


def _opened(evidence: Evidence, *, now: datetime, series_text: str, signal: str) -> Transition:
    step_observed, step_expected = _step(evidence)
    incident = Incident(
        series_text=series_text,
        signal=signal,
        severity=evidence.severity,
        opened_at=now,
        started_at=min(evidence.since_at, now),
        last_seen_at=evidence.at,
        last_step_at=evidence.at,
        n_observed=evidence.n_observed,
        n_expected=evidence.n_expected,
        step_observed=step_observed,
        step_expected=step_expected,
        peak_observed=step_observed,
        peak_expected=step_expected,
        peak_at=evidence.at,
        peak_score=evidence.score,
        step_seconds=evidence.step_seconds,
        notified_at=now,
        notified_severity=evidence.severity,
    )
    return Transition(Kind.OPENED, incident, evidence)


def _while_active(incident: Incident, evidence: Evidence, *, now: datetime, policy: Policy) -> list[Transition]:
    if evidence.at < incident.last_step_at:
        return []  # late news of a past step; the store recounts, the machine does not look back
    seen = _counted(incident, evidence, policy=policy)
    if evidence.hot(policy) and now - incident.active_since >= policy.new_normal_after:
        return [Transition(Kind.NEW_NORMAL, _closed(seen, Ending.NEW_NORMAL, now=now), evidence)]
    if seen.quiet_steps >= policy.quiet_steps and now - incident.active_since >= policy.min_open:
        return [Transition(Kind.RESOLVED, _closed(seen, Ending.QUIET, now=now), evidence)]
    if seen.notified_severity is not None and seen.severity > seen.notified_severity:
        return [Transition(Kind.ESCALATED, _spoken(seen, now=now), evidence)]
    if seen.owed_at is not None and now >= seen.owed_at and evidence.hot(policy):
        # of one that somebody was on before the mute, only that it became worse can be owed
        kind = Kind.REPEATED if seen.state is State.OPEN else Kind.ESCALATED
        return [Transition(kind, _spoken(seen, now=now), evidence)]
    if seen.state is State.OPEN and evidence.hot(policy) and _due(seen, now=now, policy=policy):
        return [Transition(Kind.REPEATED, _spoken(seen, now=now), evidence)]
    return [] if seen == incident else [Transition(Kind.UPDATED, seen, evidence)]


def _after_the_end(incident: Incident, evidence: Evidence | None, *, now: datetime, policy: Policy) -> list[Transition]:
    if evidence is None:
        return []
    if evidence.step_seconds != incident.step_seconds:  # days take over from hours, or hours from days
        if evidence.at + timedelta(seconds=evidence.step_seconds) <= incident.last_step_at:
            return []
        before = min(incident.last_step_at, evidence.at - timedelta(seconds=1))
        incident = replace(incident, step_seconds=evidence.step_seconds, last_step_at=before)
    if evidence.at < incident.last_step_at:
        return []
    if incident.held:
        if not evidence.hot(policy) and evidence.complete and evidence.at > incident.last_step_at:
            return [Transition(Kind.UPDATED, replace(incident, held=False, last_step_at=evidence.at), evidence)]
        if not (evidence.alarm and evidence.severity > incident.severity):
            return []
    if not evidence.alarm:
        return []
    ended_at = incident.resolved_at or incident.last_seen_at
    same_story = now - ended_at <= policy.reopen_within and incident.verdict is not Verdict.REJECTED
    same_story = same_story and incident.ending is not Ending.JOINED  # that one is another incident's to tell
    if not same_story:
        return [_opened(evidence, now=now, series_text=incident.series_text, signal=incident.signal)]
    again = replace(
        _counted(incident, evidence, policy=policy),
        state=State.OPEN,
        severity=evidence.severity,
        ending=None,
        resolved_at=None,
        acknowledged_at=None,
        reopened_at=now,
        quiet_steps=0,
        held=False,
        n_reopened=incident.n_reopened + 1,
    )
    return [Transition(Kind.REOPENED, _spoken(again, now=now), evidence)]


def taken_over(incident: Incident, evidence: Evidence, *, now: datetime, series_text: str, signal: str) -> Transition:
    """An active incident whose story another signal now tells better: it goes on with that one's numbers."""
    fresh = _opened(evidence, now=now, series_text=series_text, signal=signal).incident
    seen = replace(
        fresh,
        id=incident.id,
        state=incident.state,
        severity=max(incident.severity, fresh.severity),
        opened_at=incident.opened_at,
        started_at=min(incident.started_at, fresh.started_at),
        reopened_at=incident.reopened_at,
        acknowledged_at=incident.acknowledged_at,
        by=incident.by,
        verdict=incident.verdict,
        verdict_at=incident.verdict_at,
        n_reopened=incident.n_reopened,
        notified_at=incident.notified_at,
        notified_severity=incident.notified_severity,
        owed_at=incident.owed_at,
    )
    if seen.notified_severity is not None and seen.severity > seen.notified_severity:
        return Transition(Kind.ESCALATED, _spoken(seen, now=now), evidence)
    return Transition(Kind.UPDATED, seen, evidence)


def join(incident: Incident, larger: Incident, *, now: datetime) -> list[Transition]:
    """Two active incidents turn out to be one story: this one ends, `larger` tells it from now on.

    What was said and done stays with it. Nothing where either has ended, or where it is graver than the other: a
    critical incident does not vanish in a warning.
    """
    if not (incident.active and larger.active) or larger.id is None or larger.id == incident.id:
        return []
    if incident.severity > larger.severity:
        return []
    return [Transition(Kind.JOINED, replace(_closed(incident, Ending.JOINED, now=now), joined_to=larger.id))]


def _counted(incident: Incident, evidence: Evidence, *, policy: Policy) -> Incident:
    """The incident with one step's numbers in it: a step seen again replaces itself."""
    hot = evidence.hot(policy)
    if not hot and not evidence.complete:
        return incident  # looked at again when the step is over
    new_step = evidence.at > incident.last_step_at
    observed, expected = _step(evidence)
    same = not new_step and (observed, expected) == (incident.step_observed, incident.step_expected)
    before_observed = incident.n_observed - (0.0 if new_step else incident.step_observed)
    before_expected = incident.n_expected - (0.0 if new_step else incident.step_expected)
    higher = observed - expected > incident.peak_observed - incident.peak_expected
    if not evidence.sums:
        higher = abs(observed - expected) > abs(incident.peak_observed - incident.peak_expected)
        same, before_observed, before_expected = False, 0.0, 0.0
    return replace(
        incident,
        last_step_at=evidence.at,
        last_seen_at=evidence.at if hot else incident.last_seen_at,
        severity=max(incident.severity, evidence.severity) if hot else incident.severity,
        quiet_steps=0 if hot else incident.quiet_steps + int(new_step),
        n_observed=incident.n_observed if same else before_observed + observed,
        n_expected=incident.n_expected if same else before_expected + expected,
        step_observed=observed,
        step_expected=expected,
        peak_observed=observed if higher else incident.peak_observed,
        peak_expected=expected if higher else incident.peak_expected,
        peak_at=evidence.at if higher else incident.peak_at,
        peak_score=max(incident.peak_score, evidence.score),
    )


def _step(evidence: Evidence) -> tuple[float, float]:
    observed = evidence.n_observed if evidence.step_observed is None else evidence.step_observed
    expected = evidence.n_expected if evidence.step_expected is None else evidence.step_expected
    return observed, expected


def _due(incident: Incident, *, now: datetime, policy: Policy) -> bool:
    return incident.notified_at is None or now - incident.notified_at >= policy.repeat_interval


def _spoken(incident: Incident, *, now: datetime) -> Incident:
    return replace(incident, notified_at=now, notified_severity=incident.severity, owed_at=None)


def _closed(incident: Incident, ending: Ending, *, now: datetime) -> Incident:
    held = ending in (Ending.NEW_NORMAL, Ending.BY_HAND, Ending.REJECTED)
    return replace(
        incident, state=State.RESOLVED, ending=ending, resolved_at=now, held=held, notified_at=now, owed_at=None
    )


def withheld(incident: Incident, *, until: datetime) -> Incident:
    """The incident when its message was not sent after all (silenced): it speaks at the first hot step after `until`.

    A higher severity is owed even where somebody has acknowledged the lower one; who acknowledges afterwards has seen
    it, and is owed nothing. No effect when it has ended.
    """
    return replace(incident, owed_at=until) if incident.active else incident


def acknowledge(incident: Incident, *, now: datetime, by: str | None = None) -> Incident:
    """Somebody is on it: repeats stop, a higher severity still speaks. No effect unless open."""
    if incident.state is not State.OPEN:
        return incident
    return replace(incident, state=State.ACKNOWLEDGED, acknowledged_at=now, by=by, owed_at=None)


def resolve(incident: Incident, *, now: datetime, by: str | None = None) -> Incident:
    """Ended by hand; comes back only after a quiet step or with a higher severity. No effect when resolved already."""
    if not incident.active:
        return incident
    return replace(_closed(incident, Ending.BY_HAND, now=now), by=by)


def confirm(incident: Incident, *, now: datetime, by: str | None = None) -> Incident:
    """ "Yes, this was real": a label, whatever the state."""
    return replace(incident, verdict=Verdict.CONFIRMED, verdict_at=now, by=by)


def reject(incident: Incident, *, now: datetime, by: str | None = None) -> Incident:
    """ "Not an incident": a label, and the end of it when it is still active."""
    ended = _closed(incident, Ending.REJECTED, now=now) if incident.active else incident
    return replace(ended, verdict=Verdict.REJECTED, verdict_at=now, by=by)
