"""Which findings the week's numbers support: tests with many-comparison control, no words yet.

A fact is kept when its interval excludes zero and it stays clear among all tests of its kind (Benjamini-Hochberg).
`weight` is how many complaints (or what they are worth in complaints) the finding is about at least: the end of its
interval nearest to zero. Sorting by weight sorts by size and certainty at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from monitor.metrics import tails
from monitor.metrics.counts import clear_after_many, difference_of_counts, dispersion, dispersion_of_shares, p_of_change
from monitor.metrics.metric import Interval, Metric
from monitor.metrics.proportion import newcombe, p_of_difference, wilson
from monitor.metrics.sentiment import Tally, net_change, net_sentiment
from monitor.metrics.survey import change_of_mean
from monitor.metrics.voice import share_of_voice
from monitor.reports.weekly import Gap, IncidentLine, Line, Part, StageLine, TopicLine, WeeklyData

Dimension = Literal["place", "source", "language"]

MAX_FACTS = 10
LEAST_COMPLAINTS = 5  # fewer in both weeks are not worth a sentence
LEAST_IN_SHARE = 15  # mentions on each side before shares are compared
LEAST_COVERAGE = 0.5  # below, counts of two weeks are not compared at all
GAP_WORTH_SAYING = 0.1
LEAST_ODDS = 20.0  # of a rise that began inside the week, against one over the whole week
STATE = 0.25  # a standing fact weighs less than news of the same size
LEAST_PAST = 4  # weeks before a line's own swings can be told from its history
UNKNOWN_SPREAD = 3.0  # variance over mean until then: clumped complaints must not be news in the first weeks


@dataclass(frozen=True, slots=True)
class Volume:
    """Mentions of the week beside the week before; `change` is None where they cannot be compared."""

    n_now: int
    n_before: int
    change: Interval | None
    weight: float = math.inf


@dataclass(frozen=True, slots=True)
class NegativeShare:
    """The negative share of all mentions."""

    x: int
    n: int
    interval: Interval
    share_before: float | None
    change: Interval | None
    weight: float = math.inf


@dataclass(frozen=True, slots=True)
class Fraction:
    """A part that holds a large share of a topic's complaints."""

    name: str
    share: float
    n: int


@dataclass(frozen=True, slots=True)
class TopicChange:
    """Complaints about a topic (or praise for it) rose or fell."""

    topic: TopicLine
    praise: bool
    n_now: int
    n_before: int
    change: Interval
    place: Fraction | None
    source: Fraction | None
    since_day: int | None  # 0 Monday .. 6 Sunday, where the rise began inside the week
    with_volume: bool  # its share of all mentions did not clearly change
    weight: float

    @property
    def rose(self) -> bool:
        return self.change.low > 0


@dataclass(frozen=True, slots=True)
class ShareChange:
    """The negative share of a place, source or language changed."""

    dimension: Dimension
    line: Line
    change: Interval
    weight: float

    @property
    def rose(self) -> bool:
        return self.change.low > 0


@dataclass(frozen=True, slots=True)
class StandsOut:
    """A place whose negative share lies clearly above that of all others."""

    line: Line
    share_elsewhere: float
    difference: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class RatingChange:
    """The mean rating changed."""

    mean_now: float
    mean_before: float
    n_now: int
    change: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class Impact:
    """The topic that pulls the net sentiment down most."""

    topic: TopicLine
    metric: Metric
    weight: float


@dataclass(frozen=True, slots=True)
class WeakStage:
    """The journey stage clearly below the rest."""

    stage: StageLine
    metric: Metric
    weight: float


@dataclass(frozen=True, slots=True)
class VoiceChange:
    """The brand's share of voice changed."""

    share: float
    share_before: float
    change: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class Rival:
    """The competitor with the clearest lead, or the clearest lag, in net sentiment."""

    name: str
    own: Metric
    other: Metric
    difference: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class SurveyChange:
    """A survey index changed."""

    key: str
    now: Metric
    before: Metric
    change: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class Incidents:
    """Incidents of the week, worst first."""

    incidents: tuple[IncidentLine, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class NotCollected:
    """Hours that were not collected: worth knowing before any number is read."""

    coverage_now: float
    coverage_before: float
    gaps: tuple[Gap, ...]
    weight: float = math.inf


@dataclass(frozen=True, slots=True)
class NoTopicChange:
    """Complaints changed clearly on no topic (on no other topic, when `others`)."""

    others: bool
    largest: TopicLine | None
    largest_change: Interval | None
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Silence:
    """There were no mentions."""

    n_before: int
    weight: float = math.inf


Fact = (
    Volume
    | NegativeShare
    | TopicChange
    | ShareChange
    | StandsOut
    | RatingChange
    | Impact
    | WeakStage
    | VoiceChange
    | Rival
    | SurveyChange
    | Incidents
    | NotCollected
    | NoTopicChange
    | Silence
)


def facts(data: WeeklyData, *, limit: int = MAX_FACTS) -> list[Fact]:
    """At most `limit` facts: what is asked first, then gaps, then findings by weight, then what did not change."""
    opening: list[Fact] = []
    if data.total.now.n_all == 0:
        opening.append(Silence(data.total.before.n_all))
        if _has_gap(data):
            opening.append(NotCollected(data.coverage_now, data.coverage_before, data.gaps))
        return opening[:limit]
    opening.append(_volume(data))
    if data.total.now.n:
        opening.append(_negative_share(data))
    if _has_gap(data):
        opening.append(NotCollected(data.coverage_now, data.coverage_before, data.gaps))
    complaints = _topic_changes(data, praise=False)
    found: list[Fact] = [*complaints, *_topic_changes(data, praise=True)]
    found += _incidents(data)
    named = {fact.place.name for fact in complaints if fact.place is not None}
    found += _share_changes(data, "place", [place.line for place in data.places], named)
    found += _share_changes(data, "source", data.sources, set())
    found += _share_changes(data, "language", data.languages, set())
    found += _rating(data) + _impact(data) + _weak_stage(data) + _voice(data) + _rivals(data) + _surveys(data)
    found.sort(key=lambda fact: -fact.weight)
    closing: list[Fact] = []
    if data.topics and data.total.before.n and _comparable(data):
        closing.append(_rest(data, {fact.topic.line.key for fact in complaints}))
    room = max(0, limit - len(opening) - len(closing))
    return [*opening, *found[:room], *closing][:limit]


def change_of_complaints(line: Line, data: WeeklyData) -> Interval | None:
    """Interval of the change of negative mentions of a line; None where the weeks cannot be compared."""
    return _change(line, data, lambda tally: tally.n_negative)


def fraction_of(parts: Sequence[Part], *, need_more_than_usual: bool) -> Fraction | None:
    """The part that holds half or more of the complaints, when that is sure enough to say.

    At least five complaints, more than one part in play, Wilson's lower limit above 40 %. With
    `need_more_than_usual` the part must also hold more than its share of all mentions (binomial tail below 5 %):
    that the largest branch has most complaints is no news.
    """
    n = sum(part.n_now for part in parts)
    n_all = sum(part.n_all for part in parts)
    if n < LEAST_COMPLAINTS or sum(1 for part in parts if part.n_all > 0) < 2:
        return None
    largest = max(parts, key=lambda part: part.n_now)
    share = largest.n_now / n
    if share < 0.5 or wilson(largest.n_now, n).low < 0.4:
        return None
    if need_more_than_usual:
        usual = largest.n_all / n_all
        if tails.binomial_sf(largest.n_now - 1, n, usual) > 0.05:
            return None
    return Fraction(largest.name, share, largest.n_now)


def rise_began(
    now: Sequence[int], before: Sequence[int], *, usual: Sequence[int] = (1,) * 7, spread: float = 1.0
) -> int | None:
    """The weekday (0 Monday) on which complaints began to exceed those of the week before; None when that is not sure.

    Complaints of a day are Poisson: the week before gives the level, `usual` (all mentions by weekday) the profile, and
    from some day on the level is multiplied. The likeliest day is said only when it is twenty times as likely as a rise
    over the whole week, and what comes before it shows no rise. (A rise over the whole week then gets a day in 2 to 4
    of 100 cases: docs/metrics.md.) `spread` divides the log-likelihood (quasi-likelihood) of an over-dispersed series.
    """
    level, mentions = sum(before) + 0.5, sum(usual) + 7
    expected = [level * (n + 1) / mentions for n in usual]

    def gain(first: int) -> float:
        seen, wanted = sum(now[first:]), sum(expected[first:])
        return seen * math.log(seen / wanted) - (seen - wanted) if seen > wanted else -math.inf

    gains = [gain(first) / spread for first in range(7)]
    best = max(range(7), key=lambda first: gains[first])
    if best == 0 or gains[best] == -math.inf or gains[best] - gains[0] < math.log(LEAST_ODDS):
        return None
    if difference_of_counts(sum(now[:best]), sum(expected[:best]), dispersion=spread).low > 0:
        return None
    return best


def _has_gap(data: WeeklyData) -> bool:
    return min(data.coverage_now, data.coverage_before) < 1 - GAP_WORTH_SAYING or any(
        gap.n_due and gap.n_missing / gap.n_due > GAP_WORTH_SAYING for gap in data.gaps
    )


def _comparable(data: WeeklyData) -> bool:
    return min(data.coverage_now, data.coverage_before) >= LEAST_COVERAGE


def _usual_days(data: WeeklyData) -> tuple[int, ...]:
    """All mentions by weekday of the week before; flat where there are no days."""
    by_day = {day.day: day.tally.n_all for day in data.days}
    return tuple(by_day.get(day, 0) for day in data.week.back(1).days)


def _spread(line: Line, count: Callable[[Tally], int]) -> float:
    if len(line.history) < LEAST_PAST:
        return UNKNOWN_SPREAD
    return dispersion([count(tally) for tally in line.history])


def _share_spread(line: Line) -> float:
    if len(line.history) < LEAST_PAST:
        return UNKNOWN_SPREAD
    return dispersion_of_shares([(tally.n_negative, tally.n) for tally in line.history])


def share_change(line: Line) -> Interval:
    """Interval of the change of a line's negative share, in view of how much that swings from week to week."""
    now, before = line.now, line.before
    return newcombe(now.n_negative, now.n, before.n_negative, before.n, dispersion=_share_spread(line))


def _change(line: Line, data: WeeklyData, count: Callable[[Tally], int]) -> Interval | None:
    if not _comparable(data) or data.total.before.n_all == 0:
        return None
    return difference_of_counts(
        count(line.now),
        count(line.before),
        dispersion=_spread(line, count),
        exposure_now=data.coverage_now,
        exposure_before=data.coverage_before,
    )


def _volume(data: WeeklyData) -> Volume:
    return Volume(data.total.now.n_all, data.total.before.n_all, _change(data.total, data, lambda tally: tally.n_all))


def _negative_share(data: WeeklyData) -> NegativeShare:
    now, before = data.total.now, data.total.before
    change = share_change(data.total) if before.n else None
    return NegativeShare(
        now.n_negative, now.n, wilson(now.n_negative, now.n), before.negative_share, change
    )  # fmt: skip


def _topic_changes(data: WeeklyData, *, praise: bool) -> list[TopicChange]:
    def count(tally: Tally) -> int:
        return tally.n_positive if praise else tally.n_negative

    if not _comparable(data) or data.total.before.n_all == 0:
        return []
    worth = [topic for topic in data.topics if max(count(topic.line.now), count(topic.line.before)) >= LEAST_COMPLAINTS]
    p_values = [
        p_of_change(
            count(topic.line.now),
            count(topic.line.before),
            dispersion=_spread(topic.line, count),
            exposure_now=data.coverage_now,
            exposure_before=data.coverage_before,
        )
        for topic in worth
    ]
    found = []
    for topic, clear in zip(worth, clear_after_many(p_values), strict=True):
        change = _change(topic.line, data, count)
        if not clear or change is None or not change.clear:
            continue
        n_now, n_before = count(topic.line.now), count(topic.line.before)
        rose = change.low > 0
        explain = rose and not praise
        of_all = newcombe(n_now, max(n_now, data.total.now.n), n_before, max(n_before, data.total.before.n))
        weight = min(abs(change.low), abs(change.high)) * (1.0 if praise else 2.0)  # the report is about topics
        found.append(
            TopicChange(
                topic=topic,
                praise=praise,
                n_now=n_now,
                n_before=n_before,
                change=change,
                place=fraction_of(topic.places, need_more_than_usual=True) if explain else None,
                source=fraction_of(topic.sources, need_more_than_usual=False) if explain else None,
                since_day=rise_began(
                    topic.complaints_by_day,
                    topic.complaints_by_day_before,
                    usual=_usual_days(data),
                    spread=_spread(topic.line, count),
                )
                if explain
                else None,
                with_volume=not of_all.clear,
                weight=weight,
            )
        )
    return found


def _share_changes(
    data: WeeklyData, dimension: Dimension, lines: Sequence[Line], named: set[str]
) -> list[ShareChange | StandsOut]:
    enough = [line for line in lines if min(line.now.n, line.before.n) >= LEAST_IN_SHARE]
    found: list[ShareChange | StandsOut] = []
    if len(lines) < 2:
        return found
    p_values = [
        p_of_difference(
            line.now.n_negative, line.now.n, line.before.n_negative, line.before.n, dispersion=_share_spread(line)
        )
        for line in enough
    ]
    for line, clear in zip(enough, clear_after_many(p_values), strict=True):
        change = share_change(line)
        if clear and change.clear:
            weight = min(abs(change.low), abs(change.high)) * line.now.n
            weight *= 0.5 if line.names.get("en", line.key) in named else 1.0
            found.append(ShareChange(dimension, line, change, weight))
    if dimension == "place":
        found += _standing_out(lines, {fact.line.key for fact in found})
    return found


def _standing_out(lines: Sequence[Line], changed: set[str]) -> list[StandsOut]:
    enough = [line for line in lines if line.now.n >= LEAST_IN_SHARE]
    everything = Tally()
    for line in lines:
        everything = everything + line.now
    rest = [everything - line.now for line in enough]
    p_values = [
        p_of_difference(line.now.n_negative, line.now.n, other.n_negative, other.n, dispersion=_share_spread(line))
        for line, other in zip(enough, rest, strict=True)
    ]
    found = []
    for line, other, clear in zip(enough, rest, clear_after_many(p_values), strict=True):
        difference = newcombe(
            line.now.n_negative, line.now.n, other.n_negative, other.n, dispersion=_share_spread(line)
        )
        if clear and difference.low > 0 and other.n >= LEAST_IN_SHARE and line.key not in changed:
            weight = difference.low * line.now.n * STATE
            found.append(StandsOut(line, other.negative_share or 0.0, difference, weight))
    return sorted(found, key=lambda fact: -fact.weight)[:1]


def _incidents(data: WeeklyData) -> list[Fact]:
    kept = [incident for incident in data.incidents if incident.verdict != "rejected"]
    if not kept:
        return []
    excess = [
        max(1.0, incident.n_observed - incident.n_expected) if incident.counts_negatives else 1.0 for incident in kept
    ]
    order = sorted(range(len(kept)), key=lambda i: -excess[i])
    return [Incidents(tuple(kept[i] for i in order), sum(excess))]


def _rating(data: WeeklyData) -> list[Fact]:
    now, before = data.stars_now, data.stars_before
    if now is None or before is None or min(now.n, before.n) < LEAST_COMPLAINTS:
        return []
    change = change_of_mean(now.mean, now.variance, now.n, before.mean, before.variance, before.n)
    if change is None or not change.clear:
        return []
    # one star less from one author is worth about half a complaint
    weight = min(abs(change.low), abs(change.high)) * now.n / 2
    return [RatingChange(now.mean, before.mean, now.n, change, weight)]


def _impact(data: WeeklyData) -> list[Fact]:
    found = []
    for topic in data.topics:
        metric = topic.impact
        if metric is not None and metric.value is not None and metric.interval is not None and metric.interval.high < 0:
            weight = -metric.interval.high / 100 * data.total.now.n / 2 * STATE
            found.append(Impact(topic, metric, weight))
    found.sort(key=lambda fact: fact.metric.value or 0.0)
    return list(found[:1])


def _weak_stage(data: WeeklyData) -> list[Fact]:
    lines = [stage for stage in data.stages if stage.cells]
    if len(lines) < 2:
        return []
    everything = Tally()
    for stage in lines:
        everything = everything + stage.cells[-1]
    found = []
    for stage in lines:
        own, rest = stage.cells[-1], everything - stage.cells[-1]
        if min(own.n, rest.n) < LEAST_IN_SHARE:
            continue
        difference = net_change(own, rest)
        if difference.high < 0:
            weight = -difference.high / 100 * own.n / 2 * STATE
            found.append(WeakStage(stage, net_sentiment(own), weight))
    found.sort(key=lambda fact: fact.metric.value or 0.0)
    return list(found[:1])


def _voice(data: WeeklyData) -> list[Fact]:
    own = next((brand for brand in data.brands if brand.own), None)
    if own is None or len(data.brands) < 2:
        return []
    voices = share_of_voice(
        {brand.name: brand.now.n for brand in data.brands}, before={brand.name: brand.before.n for brand in data.brands}
    )
    mine = next(voice for voice in voices if voice.brand == own.name)
    if mine.share.value is None or mine.change is None or mine.change_interval is None:
        return []
    if not mine.change_interval.clear or not _comparable(data):
        return []
    weight = min(abs(mine.change_interval.low), abs(mine.change_interval.high)) * mine.share.n / 4
    return [VoiceChange(mine.share.value, mine.share.value - mine.change, mine.change_interval, weight)]


def _rivals(data: WeeklyData) -> list[Fact]:
    own = next((brand for brand in data.brands if brand.own), None)
    if own is None or own.now.n < LEAST_IN_SHARE:
        return []
    found = []
    for other in data.brands:
        if other.own or other.now.n < LEAST_IN_SHARE:
            continue
        difference = net_change(own.now, other.now)
        if difference.clear:
            weight = min(abs(difference.low), abs(difference.high)) / 100 * own.now.n / 2 * STATE
            found.append(Rival(other.name, net_sentiment(own.now), net_sentiment(other.now), difference, weight))
    found.sort(key=lambda fact: -fact.weight)
    return list(found[:1])


def _surveys(data: WeeklyData) -> list[Fact]:
    found: list[Fact] = []
    for line in data.metrics:
        if line.before is None or line.change is None or not line.now.shown or not line.before.shown:
            continue
        if line.change.clear:
            nearest = min(abs(line.change.low), abs(line.change.high))
            scale = 1.0 if line.now.unit == "share" else 0.01
            found.append(SurveyChange(line.key, line.now, line.before, line.change, nearest * scale * line.now.n / 2))
    return found


def _rest(data: WeeklyData, said: set[str]) -> NoTopicChange:
    others = [topic for topic in data.topics if topic.line.key not in said]
    moves = [
        (abs(topic.line.now.n_negative - topic.line.before.n_negative), topic)
        for topic in others
        if max(topic.line.now.n_negative, topic.line.before.n_negative) >= LEAST_COMPLAINTS
    ]
    closing = NoTopicChange(bool(said), None, None)
    if not moves or max(moves, key=lambda move: move[0])[0] == 0:
        return closing
    largest = max(moves, key=lambda move: move[0])[1]
    return replace(closing, largest=largest, largest_change=change_of_complaints(largest.line, data))
