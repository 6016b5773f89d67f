"""The life of an incident: hysteresis, repeats, endings and returns, by example and by random walks."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alerts.incident import (
    Ending,
    Evidence,
    Incident,
    Kind,
    Policy,
    State,
    Transition,
    Verdict,
    acknowledge,
    advance,
    confirm,
    join,
    reject,
    resolve,
    withheld,
)
from alerts.severity import Severity

DAY = dt.timedelta(days=1)
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
POLICY = Policy()


def seen(n: int, score: float, observed: float = 10, *, expected: float = 2, **values: Any) -> Evidence:
    """Evidence of day `n`: a threshold of 3.3, so 3.3 fires, 1.65 keeps an incident open."""
    at = START + n * DAY
    base = {"since_at": at, "severity": Severity.WARNING, "n_observed": observed, "n_expected": expected}
    return Evidence(at=at, score=score, threshold=3.3, **(base | values))


def walk(*days: Evidence | None, first: Incident | None = None) -> list[Transition]:
    """Feeds one piece of evidence an evening; returns every transition."""
    incident, told = first, []
    for n, evidence in enumerate(days):
        at = evidence.at if evidence is not None else START + n * DAY
        now = at + DAY
        for transition in advance(
            incident, evidence, now=now, policy=POLICY, series_text="brand=Luna", signal="negative"
        ):
            incident = transition.incident
            told.append(transition)
    return told


def kinds(told: list[Transition]) -> list[str]:
    return [str(transition.kind) for transition in told if transition.speaks]


def test_nothing_opens_below_the_threshold() -> None:
    assert walk(seen(0, 3.29), seen(1, 0.0)) == []


def test_an_alarm_opens_and_keeps_the_numbers() -> None:
    (told,) = walk(seen(0, 5.0, 18, expected=4.1, since_at=START - DAY, step_observed=12, step_expected=2.0))
    incident = told.incident
    assert told.kind is Kind.OPENED and told.speaks
    assert (incident.series_text, incident.signal, incident.state) == ("brand=Luna", "negative", State.OPEN)
    assert (incident.n_observed, incident.n_expected, incident.n_excess) == (18, 4.1, 18 - 4.1)
    assert incident.started_at == START - DAY
    assert (incident.peak_observed, incident.peak_at) == (12, START)
    assert incident.notified_severity is Severity.WARNING


def test_at_the_edge_it_does_not_flap() -> None:
    told = walk(*[seen(n, 3.4 if n % 2 == 0 else 1.7) for n in range(10)])
    assert kinds(told).count("opened") == 1
    assert not {"resolved", "reopened"} & set(kinds(told))


def test_two_quiet_days_end_it_with_a_note() -> None:
    told = walk(seen(0, 5.0, 10), seen(1, 6.0, 14), seen(2, 0.2, 3), seen(3, 0.1, 2))
    assert kinds(told) == ["opened", "repeated", "resolved"]
    incident = told[-1].incident
    assert incident.ending is Ending.QUIET
    assert (incident.n_observed, incident.n_expected, incident.n_excess) == (29, 8, 21)
    assert (incident.peak_observed, incident.peak_at) == (14, START + DAY)
    assert incident.duration(START + 30 * DAY) == 4 * DAY


def test_one_quiet_day_is_not_enough() -> None:
    assert "resolved" not in kinds(walk(seen(0, 5.0), seen(1, 0.0), seen(2, 2.0), seen(3, 0.0)))


def test_recent_days_above_expectation_keep_it_open() -> None:
    assert "resolved" not in kinds(walk(seen(0, 5.0), *[seen(n, 0.5, p_recent=0.04) for n in range(1, 6)]))
    assert "resolved" in kinds(walk(seen(0, 5.0), *[seen(n, 0.5, p_recent=0.06) for n in range(1, 6)]))


def test_a_day_that_still_runs_may_alarm_but_is_never_quiet() -> None:
    (opened,) = walk(seen(0, 5.0))
    morning = [seen(n, 0.0, 0, complete=False) for n in range(1, 6)]
    assert walk(*morning, first=opened.incident) == []
    worse = seen(1, 5.0, complete=False, severity=Severity.CRITICAL)
    assert kinds(walk(worse, first=opened.incident)) == ["escalated"]


def test_missing_days_are_not_quiet_days() -> None:
    (opened,) = walk(seen(0, 5.0))
    now, incident = START + 3 * DAY, opened.incident
    assert advance(incident, None, now=now, policy=POLICY) == []
    (ended,) = advance(incident, None, now=START + 9 * DAY, policy=POLICY)
    assert ended.incident.ending is Ending.NO_DATA


def test_the_minimum_time_open_is_kept() -> None:
    policy = Policy(min_open=5 * DAY)
    incident = None
    ends = []
    for n, score in enumerate([5.0, 0, 0, 0, 0, 0, 0]):
        for told in advance(incident, seen(n, score), now=START + (n + 1) * DAY, policy=policy):
            incident = told.incident
            if told.kind is Kind.RESOLVED:
                ends.append(n)
    assert ends == [5]


def test_severity_that_rises_speaks_at_once_and_never_falls() -> None:
    told = walk(
        seen(0, 5.0, severity=Severity.INFO),
        seen(0, 6.0, severity=Severity.CRITICAL),
        seen(0, 6.0, severity=Severity.INFO),
    )
    assert kinds(told) == ["opened", "escalated"]
    assert told[-1].incident.severity is Severity.CRITICAL


def test_repeats_come_once_a_day_until_somebody_is_on_it() -> None:
    (opened,) = walk(seen(0, 5.0))
    incident, told = opened.incident, []
    for hour in range(1, 49):
        now = START + DAY + dt.timedelta(hours=hour)
        evidence = seen(hour // 24, 5.0, hour)
        for transition in advance(incident, evidence, now=now, policy=POLICY):
            incident = transition.incident
            told += [hour] if transition.speaks else []
    assert told == [24, 48]
    incident = acknowledge(incident, now=START + 4 * DAY, by="anna")
    assert (incident.state, incident.by) == (State.ACKNOWLEDGED, "anna")
    quiet = advance(incident, seen(3, 5.0), now=START + 9 * DAY, policy=POLICY)
    assert not any(transition.speaks for transition in quiet)
    (worse,) = advance(incident, seen(3, 5.0, severity=Severity.CRITICAL), now=START + 5 * DAY, policy=POLICY)
    assert worse.kind is Kind.ESCALATED and worse.incident.state is State.ACKNOWLEDGED


def test_a_message_that_was_silenced_speaks_later() -> None:
    (opened,) = walk(seen(0, 5.0))
    muted = withheld(opened.incident, until=START + 1.5 * DAY)
    (during,) = advance(muted, seen(1, 5.0), now=START + 1.4 * DAY, policy=POLICY)
    assert not during.speaks, "one line in the log for a mute, not one for every look"
    (later,) = advance(during.incident, seen(1, 6.0), now=START + 1.5 * DAY, policy=POLICY)
    assert later.kind is Kind.REPEATED
    (after,) = advance(later.incident, seen(1, 7.0), now=START + 1.6 * DAY, policy=POLICY)
    assert not after.speaks


def test_that_it_became_worse_under_a_mute_is_told_to_those_who_knew_the_lesser() -> None:
    (opened,) = walk(seen(0, 5.0))
    known = acknowledge(opened.incident, now=START + DAY, by="anna")
    (worse,) = advance(known, seen(1, 5.0, severity=Severity.CRITICAL), now=START + 1.1 * DAY, policy=POLICY)
    muted = withheld(worse.incident, until=START + 1.5 * DAY)
    (told,) = advance(muted, seen(1, 6.0, severity=Severity.CRITICAL), now=START + 1.6 * DAY, policy=POLICY)
    assert (told.kind, told.incident.state) == (Kind.ESCALATED, State.ACKNOWLEDGED)
    again = advance(told.incident, seen(1, 7.0, severity=Severity.CRITICAL), now=START + 1.7 * DAY, policy=POLICY)
    assert not any(transition.speaks for transition in again)
    # who acknowledges what a mute kept back has seen it
    seen_by = acknowledge(withheld(opened.incident, until=START + 1.5 * DAY), now=START + 1.2 * DAY, by="anna")
    quiet = advance(seen_by, seen(1, 6.0), now=START + 1.6 * DAY, policy=POLICY)
    assert not any(transition.speaks for transition in quiet)


def test_it_comes_back_as_the_same_story_only_soon() -> None:
    quiet = [seen(0, 5.0), seen(1, 0), seen(2, 0)]
    told = walk(*quiet, seen(4, 5.0))
    assert kinds(told) == ["opened", "resolved", "reopened"]
    assert (told[-1].incident.n_reopened, told[-1].incident.state) == (1, State.OPEN)
    told = walk(*quiet, seen(9, 5.0))
    assert kinds(told) == ["opened", "resolved", "opened"]
    assert told[-1].incident.n_observed == 10


def test_a_fortnight_at_one_level_is_the_new_normal() -> None:
    told = walk(*[seen(n, 5.0) for n in range(20)])
    assert kinds(told) == ["opened", *["repeated"] * 13, "new_normal"]
    ended = told[-1].incident
    assert (ended.ending, ended.state, ended.n_observed) == (Ending.NEW_NORMAL, State.RESOLVED, 150)


def test_after_a_decision_it_stays_shut_until_it_was_quiet_once() -> None:
    (opened,) = walk(seen(0, 5.0))
    shut = resolve(opened.incident, now=START + DAY, by="anna")
    assert (shut.state, shut.ending, shut.by) == (State.RESOLVED, Ending.BY_HAND, "anna")
    assert walk(seen(1, 5.0), seen(2, 5.0), first=shut) == []
    assert kinds(walk(seen(1, 5.0, severity=Severity.CRITICAL), first=shut)) == ["reopened"]
    assert kinds(walk(seen(1, 0.0), seen(2, 5.0), first=shut)) == ["reopened"]


def test_not_an_incident_ends_it_and_is_never_the_same_story_again() -> None:
    (opened,) = walk(seen(0, 5.0))
    gone = reject(opened.incident, now=START + DAY, by="anna")
    assert (gone.verdict, gone.ending, gone.state) == (Verdict.REJECTED, Ending.REJECTED, State.RESOLVED)
    assert kinds(walk(seen(1, 0.0), seen(2, 5.0), first=gone)) == ["opened"]


def test_verdicts_do_not_move_a_finished_incident() -> None:
    ended = walk(seen(0, 5.0), seen(1, 0), seen(2, 0))[-1].incident
    real = confirm(ended, now=START + 9 * DAY, by="anna")
    assert (real.verdict, real.state, real.resolved_at) == (Verdict.CONFIRMED, State.RESOLVED, ended.resolved_at)
    wrong = reject(ended, now=START + 9 * DAY)
    assert (wrong.verdict, wrong.ending, wrong.resolved_at) == (Verdict.REJECTED, Ending.QUIET, ended.resolved_at)


def test_clicks_twice_change_nothing() -> None:
    (opened,) = walk(seen(0, 5.0))
    once = acknowledge(opened.incident, now=START + DAY, by="anna")
    assert acknowledge(once, now=START + 2 * DAY, by="boris") == once
    shut = resolve(once, now=START + 2 * DAY)
    assert resolve(shut, now=START + 3 * DAY) == shut
    assert acknowledge(shut, now=START + 3 * DAY) == shut


def test_news_of_past_days_is_not_counted_twice() -> None:
    told = walk(seen(0, 5.0, 10), seen(1, 5.0, 11))
    assert advance(told[-1].incident, seen(0, 9.0, 99), now=START + 5 * DAY, policy=POLICY) == []


def test_what_joins_a_larger_one_ends_there_and_comes_back_as_one_of_its_own() -> None:
    larger = replace(walk(seen(0, 9.0, 40))[-1].incident, id="large")
    small = acknowledge(replace(walk(seen(0, 5.0))[-1].incident, id="small"), now=START + DAY, by="anna")
    (told,) = join(small, larger, now=START + DAY)
    joined = told.incident
    assert told.speaks and (told.kind, joined.ending, joined.joined_to) == (Kind.JOINED, Ending.JOINED, "large")
    assert (joined.acknowledged_at, joined.by, joined.n_observed) == (START + DAY, "anna", small.n_observed)
    (again,) = walk(seen(1, 5.0), first=joined)
    assert again.kind is Kind.OPENED and again.incident.joined_to is None
    assert join(joined, larger, now=START + DAY) == join(small, joined, now=START + DAY) == []
    assert join(larger, larger, now=START + DAY) == []
    assert join(replace(small, severity=Severity.CRITICAL), larger, now=START + DAY) == []


@pytest.mark.parametrize("severity", list(Severity))
def test_severities_are_ordered(severity: Severity) -> None:
    assert severity >= Severity.INFO and severity <= Severity.CRITICAL
    assert max(severity, Severity.WARNING) == (Severity.CRITICAL if severity is Severity.CRITICAL else Severity.WARNING)


class Life(RuleBasedStateMachine):
    """Random evidence, clicks, gaps and repeated ticks; the invariants hold after each."""

    incident: Incident | None = None

    @initialize()
    def begin(self) -> None:
        self.now = START + DAY
        self.day = 0
        self.spoken: list[tuple[dt.datetime, Kind]] = []
        self.before: Incident | None = None

    def feed(self, evidence: Evidence | None) -> None:
        self.before = self.incident
        told = advance(self.incident, evidence, now=self.now, policy=POLICY, series_text="s", signal="negative")
        assert len(told) <= 1
        for transition in told:
            self.legal(transition)
            self.incident = transition.incident
            if transition.speaks:
                self.spoken.append((self.now, transition.kind))
        # at least once is harmless: the same tick again says nothing and changes nothing
        assert advance(self.incident, evidence, now=self.now, policy=POLICY, series_text="s", signal="negative") == []

    def legal(self, transition: Transition) -> None:
        was, now = self.before, transition.incident
        if transition.kind is Kind.OPENED:
            assert was is None or was.state is State.RESOLVED
            assert now.state is State.OPEN and now.n_reopened == 0
        elif transition.kind is Kind.JOINED:
            assert was is not None and was.active and now.state is State.RESOLVED
            said = ("severity", "verdict", "by", "acknowledged_at", "n_observed", "peak_at", "opened_at")
            assert all(getattr(was, name) == getattr(now, name) for name in said)
        elif transition.kind is Kind.REOPENED:
            assert (
                was is not None
                and was.ending is not Ending.JOINED
                and was.state is State.RESOLVED
                and now.n_reopened == was.n_reopened + 1
            )
            assert was.resolved_at is not None and self.now - was.resolved_at <= POLICY.reopen_within
        elif transition.kind in (Kind.RESOLVED, Kind.NEW_NORMAL):
            assert was is not None and was.active and now.state is State.RESOLVED
            assert self.now - was.active_since >= POLICY.min_open
        elif transition.kind is Kind.ESCALATED:
            assert was is not None and was.active and was.notified_severity is not None
            assert now.severity > was.notified_severity
        elif transition.kind is Kind.REPEATED:
            assert was is not None and was.state is State.OPEN and was.notified_at is not None
            assert self.now - was.notified_at >= POLICY.repeat_interval
        else:
            assert was is not None and was != now and was.state is now.state

    @rule(
        score=st.floats(0, 20),
        observed=st.integers(0, 60),
        severity=st.sampled_from(Severity),
        days=st.integers(0, 4),
        complete=st.booleans(),
        p_recent=st.one_of(st.none(), st.floats(0, 1)),
    )
    def a_day_passes(
        self, score: float, observed: int, severity: Severity, days: int, complete: bool, p_recent: float | None
    ) -> None:
        self.day += days
        self.now = max(self.now + dt.timedelta(minutes=5), START + (self.day + 1) * DAY)
        self.feed(seen(self.day, score, observed, severity=severity, complete=complete, p_recent=p_recent))

    @rule(days=st.integers(1, 9))
    def nothing_is_collected(self, days: int) -> None:
        self.day += days
        self.now = START + (self.day + 1) * DAY
        self.feed(None)

    @rule()
    def somebody_acknowledges(self) -> None:
        if self.incident is not None:
            self.incident = acknowledge(self.incident, now=self.now, by="anna")

    @rule()
    def somebody_resolves(self) -> None:
        if self.incident is not None:
            self.incident = resolve(self.incident, now=self.now, by="anna")

    @rule()
    def somebody_rejects(self) -> None:
        if self.incident is not None:
            self.incident = reject(self.incident, now=self.now, by="anna")

    @rule(severity=st.sampled_from(Severity))
    def a_larger_one_holds_its_mentions(self, severity: Severity) -> None:
        if self.incident is None:
            return
        self.before = self.incident
        larger = replace(walk(seen(0, 9.0, 99, severity=severity))[-1].incident, id="larger")
        told = join(self.incident, larger, now=self.now)
        assert bool(told) == (self.incident.active and self.incident.severity <= severity)
        for transition in told:
            self.legal(transition)
            self.incident = transition.incident
            self.spoken.append((self.now, transition.kind))
            assert join(self.incident, larger, now=self.now) == []

    @rule()
    def somebody_confirms(self) -> None:
        if self.incident is not None:
            was = self.incident
            self.incident = confirm(was, now=self.now, by="anna")
            assert replace(self.incident, verdict=was.verdict, verdict_at=was.verdict_at, by=was.by) == was

    @invariant()
    def the_values_agree(self) -> None:
        incident = self.incident
        if incident is None:
            return
        assert incident.started_at <= incident.opened_at <= incident.active_since <= self.now
        assert (incident.resolved_at is None) == incident.active == (incident.ending is None)
        assert (incident.state is State.ACKNOWLEDGED) <= (incident.acknowledged_at is not None)
        assert incident.last_seen_at <= incident.last_step_at
        assert incident.n_observed >= incident.step_observed >= 0
        assert not (incident.held and incident.active)
        assert (incident.ending is Ending.JOINED) == (incident.joined_to is not None)
        if incident.active:
            assert incident.notified_severity is not None and incident.severity >= incident.notified_severity
        if incident.verdict is Verdict.REJECTED:
            assert not incident.active and incident.verdict_at is not None

    @invariant()
    def nobody_hears_twice_a_day_without_a_reason(self) -> None:
        repeats = [at for at, kind in self.spoken if kind is Kind.REPEATED]
        assert all(b - a >= POLICY.repeat_interval for a, b in itertools.pairwise(repeats))


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
TestLife = Life.TestCase
