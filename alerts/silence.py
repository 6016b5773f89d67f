"""Decides what is muted, and until when: matchers over the labels of an incident, always with an end.

The vocabulary is that of Prometheus Alertmanager: `topic=delivery`, `location!=Arbat`, `source=~"app_.*"`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.errors import BadRule

LABELS = ("brand", "source", "topic", "location", "language", "signal", "severity", "rule", "incident")
LONGEST = timedelta(days=366)  # a mute nobody remembers is a blind spot
_TEXT = re.compile(r"^\s*(?P<label>\w+)\s*(?P<op>=~|!~|!=|=)\s*(?P<quote>\"?)(?P<value>.*?)(?P=quote)\s*$", re.DOTALL)


class Op(enum.StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    MATCH = "=~"  # a regular expression for the whole value
    NOT_MATCH = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that is not there counts as empty."""

    label: str
    value: str
    op: Op = Op.EQUAL

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise BadRule(f"matcher label={self.label!r}; allowed is {', '.join(LABELS)}")
        if self.op in (Op.MATCH, Op.NOT_MATCH):
            try:
                re.compile(self.value)
            except re.error as error:
                raise BadRule(
                    f"matcher {self.label}{self.op}{self.value!r}: not a regular expression ({error})"
                ) from None

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """The condition written as `label=value`, `label!=value`, `label=~"regex"` or `label!~"regex"`."""
        found = _TEXT.match(text)
        if found is None:
            raise BadRule(f'matcher {text!r}; allowed is label=value, label!=value, label=~"regex", label!~"regex"')
        return cls(found["label"], found["value"], Op(found["op"]))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the condition holds."""
        value = labels.get(self.label, "")
        if self.op is Op.EQUAL:
            return value == self.value
        if self.op is Op.NOT_EQUAL:
            return value != self.value
        return (re.fullmatch(self.value, value) is not None) == (self.op is Op.MATCH)

    def __str__(self) -> str:
        return f'{self.label}{self.op}"{self.value}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A mute: every matcher must hold, from `starts_at` to `ends_at`."""

    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    id: str | None = None
    by: str | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        if not self.starts_at < self.ends_at <= self.starts_at + LONGEST:
            span = f"{self.starts_at} to {self.ends_at}"
            raise BadRule(f"silence from {span}; allowed is an end after the start, within {LONGEST.days} days")
        if all(matcher.matches({}) for matcher in self.matchers):
            raise BadRule("silence: its matchers would mute everything; at least one must name something")

    def active(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at

    def mutes(self, labels: Mapping[str, str], now: datetime) -> bool:
        """Whether an incident with these labels is muted now."""
        return self.active(now) and all(matcher.matches(labels) for matcher in self.matchers)


def labels_of(**values: str | None) -> dict[str, str]:
    """Labels of what is known: `labels_of(brand="luna", topic=None)` gives `{"brand": "luna"}`. Raises BadRule."""
    for label in values:
        if label not in LABELS:
            raise BadRule(f"label {label!r}; allowed is {', '.join(LABELS)}")
    return {label: str(value) for label, value in values.items() if value}


def muted_by(labels: Mapping[str, str], silences: Iterable[Silence], *, now: datetime) -> Silence | None:
    """The silence that mutes these labels now and lasts longest, or None."""
    found = [silence for silence in silences if silence.mutes(labels, now)]
    return max(found, key=lambda silence: silence.ends_at, default=None)


def mute_series(labels: Mapping[str, str], *, now: datetime, length: timedelta, by: str | None = None) -> Silence:
    """The silence behind the button "mute": the same brand and dimensions, whatever the severity."""
    wanted = ("brand", "source", "topic", "location", "language", "rule")
    matchers = tuple(Matcher(label, labels[label]) for label in wanted if labels.get(label))
    return Silence(matchers=matchers, starts_at=now, ends_at=now + length, by=by)
