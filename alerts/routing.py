"""Decides which channel hears of what, when, and why: routes, silences, inhibition, quiet hours, grouping, limits.

Pure: events and the log of what was sent go in, decisions come out. A decision either has a time to send at, or says
what kept it back; both are for the log. Messages that wait leave together (`alerts.digest`): a storm is one digest.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from alerts.errors import BadRule
from alerts.message import ENDS, Kind
from alerts.severity import Severity
from alerts.silence import Matcher, Silence, muted_by

HOUR = timedelta(hours=1)
_DIMENSIONS = ("source", "topic", "location", "language")
_ALWAYS = (Kind.TEST, Kind.OPERATOR, Kind.REPORT)  # not about an incident: no silence, no severity, no grouping


class Reason(enum.StrEnum):
    """Why a message goes out; stored with every send."""

    FIRST = "first"
    WORSE = "worse"
    REPEAT = "repeat"
    BACK = "back"
    OVER = "over"
    NEW_NORMAL = "new_normal"
    JOINED = "joined"
    UNANSWERED = "unanswered"
    DIGEST = "digest"
    TEST = "test"
    NOTICE = "notice"
    REPORT = "report"


class Held(enum.StrEnum):
    """What delayed a message (it has a time) or kept it back (it has none)."""

    NO_ROUTE = "no_route"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    BELOW_SEVERITY = "below_severity"
    NEVER_TOLD = "never_told"  # the end of something this channel never heard of
    ENDS_UNWANTED = "ends_unwanted"
    ALREADY_SENT = "already_sent"
    QUIET_HOURS = "quiet_hours"
    GROUP_WAIT = "group_wait"
    GROUP_INTERVAL = "group_interval"
    HOURLY_LIMIT = "hourly_limit"


_REASONS = {
    Kind.OPENED: Reason.FIRST,
    Kind.ESCALATED: Reason.WORSE,
    Kind.REPEATED: Reason.REPEAT,
    Kind.REOPENED: Reason.BACK,
    Kind.RESOLVED: Reason.OVER,
    Kind.NEW_NORMAL: Reason.NEW_NORMAL,
    Kind.JOINED: Reason.JOINED,
    Kind.UNACKNOWLEDGED: Reason.UNANSWERED,
    Kind.DIGEST: Reason.DIGEST,
    Kind.TEST: Reason.TEST,
    Kind.OPERATOR: Reason.NOTICE,
    Kind.REPORT: Reason.REPORT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Hours of the day when only what is grave enough may disturb. They may run over midnight."""

    start: time
    end: time
    time_zone: ZoneInfo
    breaks_for: Severity = Severity.CRITICAL
    weekdays: frozenset[int] | None = None  # of the day the quiet begins on, Monday is 0; None: every day

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise BadRule(f"quiet hours from {self.start} to {self.end}; allowed are two different times")

    def until(self, now: datetime) -> datetime | None:
        """When the quiet that holds now ends; None outside of it. Clock changes are the zone's business."""
        local = now.astimezone(self.time_zone)
        for back in (0, 1):
            day = local.date() - timedelta(days=back)
            if self.weekdays is not None and day.weekday() not in self.weekdays:
                continue
            begins = datetime.combine(day, self.start, self.time_zone)
            last = day if self.end > self.start else day + timedelta(days=1)
            ends = datetime.combine(last, self.end, self.time_zone)
            if begins.timestamp() <= now.timestamp() < ends.timestamp():
                return ends.astimezone(now.tzinfo)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which incidents go to which channels. The first route that matches decides, unless it says `go_on`."""

    name: str
    channels: tuple[str, ...]
    matchers: tuple[Matcher, ...] = ()
    min_severity: Severity = Severity.INFO
    go_on: bool = False
    ends: bool = True  # whether closing notes are wanted
    group_by: tuple[str, ...] = ("brand",)
    group_wait: timedelta = timedelta(seconds=30)
    group_interval: timedelta = timedelta(minutes=5)
    quiet: QuietHours | None = None
    max_per_hour: int | None = None
    escalate_to: tuple[str, ...] = ()
    escalate_after: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not self.channels:
            raise BadRule(f"route {self.name!r}: channels is empty; name at least one")
        if self.max_per_hour is not None and self.max_per_hour < 1:
            raise BadRule(f"route {self.name!r}: max_per_hour={self.max_per_hour}; allowed is 1 or more")

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(matcher.matches(labels) for matcher in self.matchers)

    def group(self, labels: Mapping[str, str]) -> str:
        """Incidents with the same key share a message."""
        return "/".join([self.name, *(f"{label}={labels.get(label, '')}" for label in self.group_by)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something to tell. `key` is the dedup key of its message; labels as in `alerts.silence.LABELS`."""

    key: str
    kind: Kind
    labels: Mapping[str, str]
    severity: Severity
    at: datetime
    incident_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One line of the log: what a channel got or will get."""

    key: str
    channel: str
    at: datetime
    kind: Kind
    group: str = ""
    incident_id: str | None = None
    queued_at: datetime | None = None  # before `at`, where it was held back or had to be tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One channel's share of an event. `send_at` None: never, because of `held`."""

    channel: str
    route: str
    reason: Reason
    send_at: datetime | None
    held: tuple[Held, ...] = ()
    group: str = ""


def decide(
    event: Event,
    routes: Sequence[Route],
    *,
    now: datetime,
    silences: Iterable[Silence] = (),
    firing: Iterable[Event] = (),
    log: Sequence[Sent] = (),
) -> list[Decision]:
    """What becomes of an event: one decision per channel of the routes it takes, or a single one that says why not.

    `firing` are the other incidents that are active; a wider one inhibits what lies inside it. `log` holds what was
    sent or queued in the last day, and longer for incidents that are still active.
    """
    reason = _REASONS[event.kind]
    taken = _taken(event.labels, routes)
    if not taken:
        return [Decision(channel="", route="", reason=reason, send_at=None, held=(Held.NO_ROUTE,))]
    ordinary = event.kind not in _ALWAYS
    if ordinary and muted_by(event.labels, silences, now=now):
        return _none(taken, reason, Held.SILENCED)
    # that a story goes on elsewhere is told where it began, and that is mostly inside a wider one
    if ordinary and event.kind is not Kind.JOINED and any(inhibits(other, event) for other in firing):
        return _none(taken, reason, Held.INHIBITED)
    decisions: dict[str, Decision] = {}
    for route in taken:
        for channel in route.channels:
            decisions.setdefault(channel, _for_channel(event, route, channel, reason, now=now, log=log))
    return list(decisions.values())


def unanswered(
    event: Event,
    routes: Sequence[Route],
    *,
    since: datetime,
    now: datetime,
    silences: Iterable[Silence] = (),
    firing: Iterable[Event] = (),
    log: Sequence[Sent] = (),
) -> list[Decision]:
    """Whom to tell that nobody has acknowledged this open incident for too long; each is told once.

    `since` is when it opened last. The wait begins when the route's own channel was to hear of it: not in quiet hours,
    not while it was muted. What is muted, or left to a wider incident, is passed on to nobody either; in quiet hours
    only what is grave enough is.
    """
    if muted_by(event.labels, silences, now=now) or any(inhibits(other, event) for other in firing):
        return []
    found: dict[str, Decision] = {}
    for route in _taken(event.labels, routes):
        if not route.escalate_to or event.severity < route.min_severity:
            continue
        mine = [sent for sent in log if sent.incident_id == event.incident_id]
        told = [sent.queued_at or sent.at for sent in mine if sent.channel in route.channels]
        begins = min((at for at in told if at >= since), default=since)
        if route.quiet is not None and event.severity < route.quiet.breaks_for:
            begins = route.quiet.until(begins) or begins
            if route.quiet.until(now):
                continue
        if now - begins < route.escalate_after:
            continue
        for channel in route.escalate_to:
            if any(s.channel == channel and s.kind is Kind.UNACKNOWLEDGED and s.at >= since for s in mine):
                continue
            found.setdefault(
                channel, Decision(channel=channel, route=route.name, reason=Reason.UNANSWERED, send_at=now)
            )
    return list(found.values())


def inhibits(wider: Event, event: Event) -> bool:
    """Whether an active incident speaks for another: same brand, wider or the same place, at least as grave."""
    if wider.incident_id == event.incident_id or wider.kind in ENDS or wider.severity < event.severity:
        return False
    if wider.labels.get("brand") != event.labels.get("brand") or event.labels.get("rule"):
        return False
    narrowed = [(wider.labels.get(name), event.labels.get(name)) for name in _DIMENSIONS]
    covers = all(mine is None or mine == theirs for mine, theirs in narrowed)
    return covers and any(mine is None and theirs is not None for mine, theirs in narrowed)


def _taken(labels: Mapping[str, str], routes: Sequence[Route]) -> list[Route]:
    taken = []
    for route in routes:
        if route.matches(labels):
            taken.append(route)
            if not route.go_on:
                break
    return taken


def _none(taken: Sequence[Route], reason: Reason, held: Held) -> list[Decision]:
    channels = {channel: route.name for route in reversed(taken) for channel in route.channels}
    return [
        Decision(channel=channel, route=name, reason=reason, send_at=None, held=(held,))
        for channel, name in channels.items()
    ]


def _for_channel(
    event: Event, route: Route, channel: str, reason: Reason, *, now: datetime, log: Sequence[Sent]
) -> Decision:
    mine = [sent for sent in log if sent.channel == channel]
    group = route.group(event.labels)
    blocked = _blocked(event, route, mine)
    if blocked is not None:
        return Decision(channel=channel, route=route.name, reason=reason, send_at=None, held=(blocked,), group=group)
    if event.kind in _ALWAYS:
        return Decision(channel=channel, route=route.name, reason=reason, send_at=now)
    held: list[Held] = []
    send_at = now
    in_group = [sent.at for sent in mine if sent.group == group]
    soon = [at for at in in_group if now < at <= now + max(route.group_wait, route.group_interval)]
    past = [at for at in in_group if at <= now]
    if soon:  # one of the group is about to leave: together
        send_at, held = min(soon), [Held.GROUP_WAIT]
    elif past and max(past) + route.group_interval > now:
        send_at, held = max(past) + route.group_interval, [Held.GROUP_INTERVAL]
    elif not past and route.group_wait:
        send_at, held = now + route.group_wait, [Held.GROUP_WAIT]
    if route.quiet is not None and event.severity < route.quiet.breaks_for and (end := route.quiet.until(send_at)):
        send_at, held = end, [*held, Held.QUIET_HOURS]
    if route.max_per_hour is not None:
        times = sorted({sent.at for sent in mine if sent.at > send_at - HOUR})
        if len(times) >= route.max_per_hour:
            group = f"{channel}/limit"  # what waits for the next free minute leaves as one digest
            next_one = [sent.at for sent in mine if sent.group == group and sent.at >= send_at]
            send_at = min(next_one, default=times[-route.max_per_hour] + HOUR)
            held.append(Held.HOURLY_LIMIT)
    return Decision(channel=channel, route=route.name, reason=reason, send_at=send_at, held=tuple(held), group=group)


def _blocked(event: Event, route: Route, mine: Sequence[Sent]) -> Held | None:
    if any(sent.key == event.key for sent in mine):
        return Held.ALREADY_SENT
    if event.kind in _ALWAYS:
        return None
    told = any(sent.incident_id == event.incident_id for sent in mine)
    if event.kind in ENDS:
        if not route.ends:
            return Held.ENDS_UNWANTED
        return None if told else Held.NEVER_TOLD
    # a channel that heard of it hears how it goes on, even where it has become less grave
    return Held.BELOW_SEVERITY if event.severity < route.min_severity and not told else None
