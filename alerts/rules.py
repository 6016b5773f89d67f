"""Plain fixed rules beside the detector: "more than 5 one-star reviews in a day", word lists, a low mean, silence.

A rule looks at facts (one per mention) of a window that ends now. It knows no baseline and makes no promise about
false alarms: it fires exactly when its sentence is true.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from alerts.errors import BadRule
from alerts.series import SeriesKey

__all__ = ["Fact", "FewerThan", "Hit", "MeanRatingBelow", "MoreThan", "Rule", "Silent", "Words", "check"]


@dataclass(frozen=True, slots=True)
class Fact:
    """What rules need of one mention. `rating` is on 1..5; `mention_id` comes back in a hit."""

    at: dt.datetime
    series: SeriesKey
    mention_id: str
    text: str = ""
    rating: float | None = None
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that is true now: its number, its limit, and the mentions behind it, newest first."""

    rule: str
    kind: str
    series: SeriesKey
    at: dt.datetime
    since: dt.datetime
    observed: float
    limit: float
    mention_ids: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    severity: str = "warning"


class Rule(Protocol):
    """A named sentence over a window of hours on a part of the hierarchy."""

    name: str
    series: SeriesKey
    hours: float
    severity: str

    def check(self, facts: Sequence[Fact], now: dt.datetime) -> Hit | None:
        """The hit, or None. `facts` are those of the rule's series within its hours, newest first."""


@dataclass(frozen=True)
class _Base:
    name: str
    series: SeriesKey
    hours: float = 24.0
    severity: str = "warning"

    def __post_init__(self) -> None:
        if not self.name:
            raise BadRule("rule: name=''; allowed is a text that is not empty")
        if not self.hours > 0:
            raise BadRule(f"rule {self.name}: hours={self.hours}; allowed is above 0")
        if self.severity not in ("info", "warning", "critical"):
            raise BadRule(f"rule {self.name}: severity={self.severity!r}; allowed is info, warning, critical")

    def _hit(
        self, now: dt.datetime, observed: float, limit: float, facts: Sequence[Fact] = (), words: tuple[str, ...] = ()
    ) -> Hit:
        since = now - dt.timedelta(hours=self.hours)
        ids = tuple(fact.mention_id for fact in facts)
        kind = type(self).__name__
        return Hit(self.name, kind, self.series, now, since, observed, limit, ids, words, self.severity)


@dataclass(frozen=True)
class MoreThan(_Base):
    """More than `count` mentions, all of them or only those rated `rating_at_most` or lower, or only negative ones."""

    count: int = 5
    rating_at_most: float | None = None
    negative_only: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count < 0:
            raise BadRule(f"rule {self.name}: count={self.count}; allowed is 0 or more")
        if self.rating_at_most is not None and not 1 <= self.rating_at_most <= 5:
            raise BadRule(f"rule {self.name}: rating_at_most={self.rating_at_most}; allowed is 1..5")

    def matches(self, fact: Fact) -> bool:
        """Whether the mention is counted."""
        if self.negative_only and not fact.negative:
            return False
        return self.rating_at_most is None or (fact.rating is not None and fact.rating <= self.rating_at_most)

    def check(self, facts: Sequence[Fact], now: dt.datetime) -> Hit | None:
        """True when the count is above the limit."""
        found = [fact for fact in facts if self.matches(fact)]
        return self._hit(now, len(found), self.count, found) if len(found) > self.count else None


@dataclass(frozen=True)
class FewerThan(_Base):
    """Fewer than `count` mentions: a campaign that does not start, a form that is broken."""

    count: int = 1

    def check(self, facts: Sequence[Fact], now: dt.datetime) -> Hit | None:
        """True when the count is below the limit."""
        return self._hit(now, len(facts), self.count, facts) if len(facts) < self.count else None


@dataclass(frozen=True)
class MeanRatingBelow(_Base):
    """The mean of at least `min_ratings` ratings is below `rating`."""

    rating: float = 3.0
    min_ratings: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.rating <= 5:
            raise BadRule(f"rule {self.name}: rating={self.rating}; allowed is 1..5")
        if self.min_ratings < 1:
            raise BadRule(f"rule {self.name}: min_ratings={self.min_ratings}; allowed is 1 or more")

    def check(self, facts: Sequence[Fact], now: dt.datetime) -> Hit | None:
        """True when the mean is below the limit."""
        rated = [(fact, fact.rating) for fact in facts if fact.rating is not None]
        if len(rated) < self.min_ratings:
            return None
        mean = sum(rating for _, rating in rated) / len(rated)
        return self._hit(now, mean, self.rating, [fact for fact, _ in rated]) if mean < self.rating else None


@dataclass(frozen=True)
class Words(_Base):
    """At least `at_least` mentions with one of the words; a word that ends in `*` also matches its continuations.

    Whole words, any case, `ё` as `е`. A safety list (poisoning, injury, fire, discrimination ...) is such a rule with
    severity critical and `at_least` 1.
    """

    words: tuple[str, ...] = ()
    at_least: int = 1
    negative_only: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.words or any(not word.strip(" *") for word in self.words):
            raise BadRule(f"rule {self.name}: words={self.words!r}; allowed is a list of words, `*` only at an end")
        if self.at_least < 1:
            raise BadRule(f"rule {self.name}: at_least={self.at_least}; allowed is 1 or more")

    def check(self, facts: Sequence[Fact], now: dt.datetime) -> Hit | None:
        """True when enough mentions hold a word of the list."""
        pattern = _pattern(self.words)
        found, words = [], []
        for fact in facts:
            if self.negative_only and not fact.negative:
                continue
            match = pattern.search(_plain(fact.text))
            if match:
                found.append(fact)
                words.append(match.group(0))
        if len(found) < self.at_least:
            return None
        return self._hit(now, len(found), self.at_least, found, tuple(dict.fromkeys(words)))


@dataclass(frozen=True)
class Silent(_Base):
    """Nothing at all arrived: a notice for the operator to look at the collector, not news about the brand."""

    severity: str = "info"

    def check(self, facts: Sequence[Fact], now: dt.datetime) -> Hit | None:
        """True when there is no mention in the window."""
        return None if facts else self._hit(now, 0, 1)


def check(rules: Iterable[Rule], facts: Sequence[Fact], *, now: dt.datetime) -> list[Hit]:
    """Every rule that is true at `now`. Facts later than `now` are not looked at."""
    newest_first = sorted((fact for fact in facts if fact.at <= now), key=lambda fact: fact.at, reverse=True)
    hits = []
    for rule in rules:
        since = now - dt.timedelta(hours=rule.hours)
        inside = [fact for fact in newest_first if fact.at > since and rule.series.covers(fact.series)]
        hit = rule.check(inside, now)
        if hit is not None:
            hits.append(hit)
    return hits


def _plain(text: str) -> str:
    return text.casefold().replace("ё", "е")


@lru_cache(maxsize=256)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    parts = []
    for word in words:
        plain = re.sub(r"\s+", r"\\s+", re.escape(_plain(word.strip().rstrip("*"))).replace(r"\ ", " "))
        parts.append(plain + (r"\w*" if word.strip().endswith("*") else ""))
    return re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")(?!\w)")
