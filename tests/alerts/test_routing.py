"""Who hears of what, when, and why: routes, silences, inhibition, quiet hours, grouping, limits, digests."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import render
from alerts.digest import Waiting, digest, fold
from alerts.errors import BadRule
from alerts.message import Kind, LinkKind
from alerts.routing import Decision, Event, Held, QuietHours, Reason, Route, Sent, decide, inhibits, unanswered
from alerts.severity import Severity
from alerts.silence import Matcher, Op, Silence, labels_of, mute_series, muted_by
from tests.alerts import sample_messages as samples

NOW = dt.datetime(2026, 11, 16, 12, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
MOSCOW = ZoneInfo("Europe/Moscow")
AT_ONCE = {"group_wait": dt.timedelta(0), "group_interval": dt.timedelta(0)}


def event(n: int = 1, kind: Kind = Kind.OPENED, **values: Any) -> Event:
    labels = values.pop("labels", labels_of(brand="luna", topic="delivery", location="arbat"))
    base = {"severity": Severity.WARNING, "at": NOW, "incident_id": str(n), "labels": labels}
    return Event(key=f"{n}:{kind}:{values.get('at', NOW)}", kind=kind, **(base | values))


def sent(n: int, channel: str, *, ago: dt.timedelta, kind: Kind = Kind.OPENED, group: str = "all/brand=luna") -> Sent:
    return Sent(key=f"sent {n} {ago}", channel=channel, at=NOW - ago, kind=kind, group=group, incident_id=str(n))


def route(name: str = "all", *channels: str, **values: Any) -> Route:
    return Route(name=name, channels=channels or ("mail",), **(AT_ONCE | values))


def only(found: list[Decision]) -> Decision:
    (decision,) = found
    return decision


# routes


def test_the_first_route_that_matches_decides_unless_it_goes_on() -> None:
    couriers = route("couriers", "slack", matchers=(Matcher.parse("topic=delivery"),))
    everything = route("all", "mail")
    assert [d.channel for d in decide(event(), [couriers, everything], now=NOW)] == ["slack"]
    assert [d.channel for d in decide(event(), [replace(couriers, go_on=True), everything], now=NOW)] == [
        "slack",
        "mail",
    ]
    other = event(labels=labels_of(brand="luna", topic="price"))
    assert [d.channel for d in decide(other, [couriers, everything], now=NOW)] == ["mail"]
    nowhere = only(decide(other, [couriers], now=NOW))
    assert (nowhere.send_at, nowhere.held) == (None, (Held.NO_ROUTE,))


def test_a_channel_on_two_routes_hears_once() -> None:
    found = decide(event(), [route("a", "mail", go_on=True), route("b", "mail", "slack")], now=NOW)
    assert [(d.channel, d.route) for d in found] == [("mail", "a"), ("slack", "b")]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.OPENED, Reason.FIRST),
        (Kind.ESCALATED, Reason.WORSE),
        (Kind.REPEATED, Reason.REPEAT),
        (Kind.REOPENED, Reason.BACK),
        (Kind.TEST, Reason.TEST),
        (Kind.OPERATOR, Reason.NOTICE),
        (Kind.REPORT, Reason.REPORT),
    ],
)
def test_every_send_has_a_reason(kind: Kind, reason: Reason) -> None:
    assert only(decide(event(kind=kind), [route()], now=NOW)).reason is reason


def test_every_kind_of_message_has_a_reason() -> None:
    for kind in Kind:
        assert decide(event(kind=kind), [route()], now=NOW)[0].reason


def test_severity_and_how_a_story_goes_on() -> None:
    grave = route(min_severity=Severity.CRITICAL)
    assert only(decide(event(), [grave], now=NOW)).held == (Held.BELOW_SEVERITY,)
    assert only(decide(event(severity=Severity.CRITICAL), [grave], now=NOW)).send_at == NOW
    told = [sent(1, "mail", ago=5 * HOUR)]
    assert only(decide(event(kind=Kind.REPEATED), [grave], now=NOW, log=told)).send_at == NOW


def test_the_end_is_told_only_where_the_beginning_was() -> None:
    ends = event(kind=Kind.RESOLVED)
    assert only(decide(ends, [route()], now=NOW)).held == (Held.NEVER_TOLD,)
    log = [sent(1, "mail", ago=30 * HOUR)]
    assert only(decide(ends, [route()], now=NOW, log=log)).reason is Reason.OVER
    assert only(decide(ends, [route(ends=False)], now=NOW, log=log)).held == (Held.ENDS_UNWANTED,)


def test_the_same_event_is_sent_once() -> None:
    again = event()
    log = [Sent(key=again.key, channel="mail", at=NOW, kind=Kind.OPENED, incident_id="1")]
    found = decide(again, [route("all", "mail", "slack")], now=NOW, log=log)
    assert [(d.channel, d.held) for d in found] == [("mail", (Held.ALREADY_SENT,)), ("slack", ())]


def test_routes_that_cannot_work_are_named() -> None:
    with pytest.raises(BadRule, match="route 'x': channels is empty"):
        Route(name="x", channels=())
    with pytest.raises(BadRule, match="max_per_hour=0"):
        route(max_per_hour=0)
    with pytest.raises(BadRule, match="two different times"):
        QuietHours(start=dt.time(9), end=dt.time(9), time_zone=MOSCOW)


# silences


def silence(*matchers: str, hours: int = 1) -> Silence:
    return Silence(matchers=tuple(Matcher.parse(text) for text in matchers), starts_at=NOW, ends_at=NOW + hours * HOUR)


def test_a_silence_mutes_until_its_end() -> None:
    muted = [silence("topic=delivery")]
    assert only(decide(event(), [route()], now=NOW, silences=muted)).held == (Held.SILENCED,)
    assert only(decide(event(), [route()], now=NOW + HOUR, silences=muted)).send_at == NOW + HOUR
    assert only(decide(event(kind=Kind.TEST), [route()], now=NOW, silences=muted)).send_at == NOW


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("topic=delivery", True),
        ('topic="delivery"', True),
        ("topic=deliver", False),
        ("topic!=price", True),
        ('location=~"ar.*"', True),
        ('location=~"ar"', False),  # the whole value, not a part
        ("location!~ar.*", False),
        ("rule=", True),  # not there counts as empty
        ("source!=web", True),
    ],
)
def test_matchers(text: str, true: bool) -> None:
    matcher = Matcher.parse(text)
    assert matcher.matches(event().labels) is true
    assert Matcher.parse(str(matcher)) == matcher


@pytest.mark.parametrize(
    ("text", "told"),
    [("colour=red", "colour"), ("topic", "label=value"), ('topic=~"("', "regular expression"), ("", "label=value")],
)
def test_matchers_that_cannot_work_are_named(text: str, told: str) -> None:
    with pytest.raises(BadRule, match=told):
        Matcher.parse(text)


def test_silences_that_would_hide_too_much_are_refused() -> None:
    with pytest.raises(BadRule, match="mute everything"):
        silence("topic!=price")
    with pytest.raises(BadRule, match="end after the start"):
        silence("topic=price", hours=0)
    with pytest.raises(BadRule, match="366 days"):
        silence("topic=price", hours=24 * 400)
    with pytest.raises(BadRule, match="'colour'"):
        labels_of(colour="red")


def test_the_mute_button_mutes_the_series_whatever_its_severity() -> None:
    mute = mute_series(event().labels | {"severity": "warning"}, now=NOW, length=24 * HOUR, by="anna")
    assert mute.mutes(event(severity=Severity.CRITICAL).labels, NOW + 23 * HOUR)
    assert not mute.mutes(event().labels, NOW + 24 * HOUR)
    assert not mute.mutes(labels_of(brand="luna", topic="delivery"), NOW)
    longer = silence("brand=luna", hours=48)
    assert muted_by(event().labels, [mute, longer], now=NOW) == longer
    assert Matcher("topic", "x", Op.NOT_EQUAL).op == "!="


# inhibition


def test_a_wider_incident_speaks_for_what_lies_inside_it() -> None:
    brand = event(9, labels=labels_of(brand="luna"))
    found = only(decide(event(), [route()], now=NOW, firing=[brand]))
    assert found.held == (Held.INHIBITED,)


@pytest.mark.parametrize(
    ("values", "inhibited"),
    [
        ({"labels": labels_of(brand="luna", topic="delivery")}, True),
        ({"labels": labels_of(brand="luna", topic="price")}, False),
        ({"labels": labels_of(brand="sol")}, False),
        ({"labels": labels_of(brand="luna", topic="delivery", location="arbat")}, False),  # the same place
        ({"labels": labels_of(brand="luna"), "severity": Severity.INFO}, False),  # less grave
        ({"labels": labels_of(brand="luna"), "kind": Kind.RESOLVED}, False),
        ({"labels": labels_of(brand="luna"), "incident_id": "1"}, False),  # itself
    ],
)
def test_what_inhibits(values: dict[str, Any], inhibited: bool) -> None:
    assert inhibits(event(9, **values), event()) is inhibited


def test_a_rule_of_the_user_always_speaks() -> None:
    ruled = event(labels=labels_of(brand="luna", topic="delivery", rule="one star"))
    assert not inhibits(event(9, labels=labels_of(brand="luna")), ruled)


# quiet hours


def quiet(**values: Any) -> QuietHours:
    return QuietHours(start=dt.time(22), end=dt.time(8), time_zone=MOSCOW, **values)


def local(hour: int, minute: int = 0, day: int = 16) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=MOSCOW).astimezone(dt.UTC)


def test_quiet_hours_wait_for_the_morning_of_the_reader() -> None:
    calm = route(quiet=quiet())
    for now, send_at in [
        (local(21, 59), local(21, 59)),
        (local(22), local(8, day=17)),
        (local(3), local(8)),
        (local(8), local(8)),
    ]:
        found = only(decide(event(at=now), [calm], now=now))
        assert found.send_at == send_at
        assert (Held.QUIET_HOURS in found.held) is (send_at != now)


def test_what_is_grave_enough_disturbs() -> None:
    found = only(decide(event(severity=Severity.CRITICAL), [route(quiet=quiet())], now=local(3)))
    assert (found.send_at, found.held) == (local(3), ())
    stubborn = route(quiet=quiet(breaks_for=Severity.WARNING))
    assert only(decide(event(), [stubborn], now=local(3))).send_at == local(3)


def test_quiet_only_on_some_days() -> None:
    weekend = quiet(weekdays=frozenset({4, 5}))  # nights after Friday and Saturday
    assert weekend.until(local(3, day=21)) == local(8, day=21)  # Saturday morning
    assert weekend.until(local(3, day=16)) is None  # Monday morning belongs to Sunday's night


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    minutes=st.integers(0, 400 * 24 * 60),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["Europe/Moscow", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_quiet_always_ends_within_a_day_and_then_it_is_over(
    minutes: int, start: dt.time, end: dt.time, zone: str
) -> None:
    if start == end:
        return
    hours = QuietHours(start=start, end=end, time_zone=ZoneInfo(zone))
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + minutes * MINUTE
    until = hours.until(now)
    if until is not None:
        assert now < until <= now + 25.5 * HOUR
        assert hours.until(until) is None


# grouping, limits


def test_the_first_of_a_group_waits_a_little_for_company() -> None:
    patient = Route(name="all", channels=("mail",))
    first = only(decide(event(1), [patient], now=NOW))
    assert (first.send_at, first.held) == (NOW + 0.5 * MINUTE, (Held.GROUP_WAIT,))
    assert first.send_at is not None
    log = [Sent(key="x", channel="mail", at=first.send_at, kind=Kind.OPENED, group=first.group, incident_id="1")]
    second = only(decide(event(2), [patient], now=NOW + 0.3 * MINUTE, log=log))
    assert second.send_at == first.send_at  # together
    third = only(decide(event(3), [patient], now=NOW + MINUTE, log=log))
    assert (third.send_at, third.held) == (first.send_at + 5 * MINUTE, (Held.GROUP_INTERVAL,))
    late = only(decide(event(4), [patient], now=NOW + HOUR, log=log))
    assert (late.send_at, late.held) == (NOW + HOUR, ())
    other = only(decide(event(5, labels=labels_of(brand="sol")), [patient], now=NOW + MINUTE, log=log))
    assert other.group != first.group


def test_what_waits_for_the_morning_does_not_hold_back_the_grave() -> None:
    night = local(3)
    log = [Sent(key="x", channel="mail", at=local(8), kind=Kind.OPENED, group="all/brand=luna", incident_id="7")]
    calm = Route(name="all", channels=("mail",), quiet=quiet())
    found = only(decide(event(severity=Severity.CRITICAL, at=night), [calm], now=night, log=log))
    assert found.send_at == night + 0.5 * MINUTE


def test_more_than_the_hour_may_hold_waits_and_folds() -> None:
    limited = route(max_per_hour=3)
    log = [sent(n, "mail", ago=n * 10 * MINUTE, group="other") for n in (1, 2, 3)]
    found = only(decide(event(9), [limited], now=NOW, log=log))
    assert (found.send_at, found.held) == (NOW + 30 * MINUTE, (Held.HOURLY_LIMIT,))
    assert found.group == "mail/limit"
    assert only(decide(event(9), [limited], now=NOW, log=log[:2])).send_at == NOW


def test_a_storm_never_exceeds_the_limit() -> None:
    limited, log, times = route(max_per_hour=4), [], []
    for n in range(200):
        now = NOW + n * MINUTE
        found = only(decide(event(n, at=now), [limited], now=now, log=log))
        assert found.send_at is not None and found.send_at >= now
        log.append(
            Sent(key=str(n), channel="mail", at=found.send_at, kind=Kind.OPENED, group=found.group, incident_id=str(n))
        )
        times.append((found.send_at, found.group))
        assert found.send_at - now <= HOUR
    leaving = sorted(set(times))  # what shares a time and a group leaves as one
    assert len(leaving) <= 4 * 5
    for start, _ in leaving:
        assert sum(start <= at < start + HOUR for at, _ in leaving) <= 4


# nobody answers


def test_somebody_else_hears_when_nobody_acknowledges() -> None:
    climbing = route(escalate_to=("phone",), escalate_after=HOUR)
    assert unanswered(event(), [climbing], since=NOW - 59 * MINUTE, now=NOW) == []
    found = only(unanswered(event(), [climbing], since=NOW - HOUR, now=NOW))
    assert (found.channel, found.reason, found.send_at) == ("phone", Reason.UNANSWERED, NOW)
    log = [sent(1, "phone", ago=10 * MINUTE, kind=Kind.UNACKNOWLEDGED)]
    assert unanswered(event(), [climbing], since=NOW - HOUR, now=NOW, log=log) == []
    # it came back since: a new story for them
    assert len(unanswered(event(), [climbing], since=NOW - 5 * MINUTE, now=NOW + HOUR, log=log)) == 1
    assert unanswered(event(), [route()], since=NOW - 9 * HOUR, now=NOW) == []
    assert (
        unanswered(
            event(severity=Severity.INFO),
            [replace(climbing, min_severity=Severity.WARNING)],
            since=NOW - 9 * HOUR,
            now=NOW,
        )
        == []
    )


def test_nobody_is_called_before_the_first_could_answer() -> None:
    night = QuietHours(start=dt.time(22), end=dt.time(8), time_zone=MOSCOW)
    climbing = route(escalate_to=("phone",), escalate_after=HOUR, quiet=night)
    late = dt.datetime(2026, 11, 16, 23, 0, tzinfo=MOSCOW)
    morning = late.replace(day=17, hour=8)

    def called(at: dt.datetime, severity: Severity = Severity.WARNING, *, since: dt.datetime = late) -> bool:
        return bool(unanswered(event(severity=severity), [climbing], since=since, now=at))

    assert not called(late + 2 * HOUR)  # the message itself waits for the morning
    assert not called(morning + 59 * MINUTE) and called(morning + HOUR)
    assert called(late + HOUR, Severity.CRITICAL)
    assert not called(late, since=late - 2 * HOUR) and called(morning, since=late - 2 * HOUR)


def test_what_was_told_to_nobody_is_passed_on_to_nobody() -> None:
    climbing = route(escalate_to=("phone",), escalate_after=HOUR)
    ago = {"since": NOW - 9 * HOUR, "now": NOW}
    mute = Silence(matchers=(Matcher("brand", "luna"),), starts_at=NOW - HOUR, ends_at=NOW + HOUR)
    assert unanswered(event(), [climbing], silences=[mute], **ago) == []
    wider = event(2, labels=labels_of(brand="luna", topic="delivery"))
    assert unanswered(event(), [climbing], firing=[wider], **ago) == []
    # the mute ended, and its message left half an hour ago
    assert unanswered(event(), [climbing], log=[sent(1, "mail", ago=30 * MINUTE)], **ago) == []
    failing = replace(sent(1, "mail", ago=-30 * MINUTE), queued_at=NOW - 9 * HOUR)  # tried again and again
    assert len(unanswered(event(), [climbing], log=[failing], **ago)) == 1


# digests


def waiting(n: int, *, kind: Kind = Kind.OPENED, minutes: int = 0, group: str = "g", **values: Any) -> Waiting:
    at = NOW + minutes * MINUTE
    fields = {"incident_id": str(n), "kind": kind, "dedup_key": f"{n}:{kind}:{minutes}", "at": at}
    message = replace(samples.opened("ru"), **(fields | values))
    return Waiting(message, "mail", group, at)


def test_one_message_leaves_as_it_is() -> None:
    alone = waiting(1)
    (batch,) = fold([alone], now=NOW)
    assert batch.message == alone.message and batch.keys == (alone.message.dedup_key,)
    assert fold([alone], now=NOW - MINUTE) == []


def test_several_leave_as_a_digest_the_gravest_first() -> None:
    queue = [
        waiting(1, severity=Severity.INFO),
        waiting(2, severity=Severity.CRITICAL),
        waiting(3, severity=Severity.WARNING),
    ]
    (batch,) = fold(queue, now=NOW)
    assert batch.message.kind is Kind.DIGEST
    assert [item.incident_id for item in batch.message.items] == ["2", "3", "1"]
    assert len(batch.keys) == 3
    assert render.headline(batch.message) == "3 сообщения были отложены и собраны здесь."
    assert fold(reversed(queue), now=NOW)[0].message.dedup_key == batch.message.dedup_key
    assert batch.message.link(LinkKind.SETTINGS)
    with pytest.raises(ValueError, match="at least one"):
        digest([], at=NOW)


def test_of_one_incident_only_the_newest_state_is_told() -> None:
    grown = fold([waiting(1), waiting(1, kind=Kind.ESCALATED, minutes=5)], now=NOW + 5 * MINUTE)
    assert [batch.message.kind for batch in grown] == [Kind.OPENED]
    assert grown[0].message.at == NOW + 5 * MINUTE and len(grown[0].keys) == 2
    over = fold([waiting(1), waiting(1, kind=Kind.RESOLVED, minutes=5)], now=NOW + 5 * MINUTE)
    assert [batch.message.kind for batch in over] == [Kind.RESOLVED]


def test_groups_and_channels_stay_apart() -> None:
    queue = [waiting(1), waiting(2, group="h"), replace(waiting(3), channel="slack")]
    assert sorted((batch.channel, batch.message.incident_id) for batch in fold(queue, now=NOW)) == [
        ("mail", "1"),
        ("mail", "2"),
        ("slack", "3"),
    ]


def test_the_grave_takes_only_its_own_past_along() -> None:
    """At night an incident turns critical: its own quiet beginning is absorbed, another's stays for the morning."""
    morning = NOW + 5 * HOUR
    mine, other = replace(waiting(1), send_at=morning), replace(waiting(2), send_at=morning)
    worse = waiting(1, kind=Kind.ESCALATED, minutes=30, severity=Severity.CRITICAL)
    (batch,) = fold([mine, other, worse], now=NOW + 30 * MINUTE)
    assert set(batch.keys) == {mine.message.dedup_key, worse.message.dedup_key}
    assert (batch.message.kind, batch.message.severity) == (Kind.OPENED, Severity.CRITICAL)
