"""The effect of a change in words and a picture, from the store's weekly counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.i18n import Translator, translator
from monitor.metrics.effect import LEAST_AFTER, LEAST_BEFORE, LEAST_MENTIONS, Effect, Period, effect
from monitor.metrics.metric import Interval
from monitor.reports.counts import ALL_TOPICS, BUCKET_SUMS, Span, tally_of, within
from monitor.reports.sentences import between, topic_in_sentence
from monitor.store.catalogue import find_brand
from monitor.store.tables import Bucket


@dataclass(frozen=True, slots=True)
class Change:
    """What was asked: who changed, since when, which complaints; and what was found.

    Weeks run from the day of the change, not from Mondays, so that no week is half changed.
    """

    brand: str
    topic: str
    began: date
    treated: tuple[str, ...]  # places; empty: all of the brand, without control
    weeks: tuple[date, ...]  # first days
    own: tuple[Period, ...]
    control: tuple[Period, ...]
    effect: Effect


def measure_effect(
    session: Session,
    settings: Settings,
    *,
    brand: str,
    began: date,
    now: datetime,
    topic: str = ALL_TOPICS,
    treated: Sequence[str] = (),
    n_before: int = 26,
    n_after: int = 26,
) -> Change:
    """Did complaints about `topic` change at the `treated` places after `began`, beyond what the other places did?

    A complaint is a negative mention of the topic; its share is of all mentions of the place and week. At most
    `n_before` and `n_after` whole weeks are read; weeks before the brand's first mention do not count. Raises
    ConfigError for an unknown brand or place, or a date that is not yet a week ago.
    """
    row = find_brand(session, brand)
    if row is None or row.id is None:
        raise ConfigError(f"brand {brand!r} is not in the store")
    zone = settings.zone
    today = now.astimezone(zone).date()
    whole_after = min(n_after, (today - began).days // 7)
    if whole_after < 1:
        raise ConfigError(f"--from {began}: no whole week has passed since; ask again on {began + timedelta(days=7)}")
    starts = [began + timedelta(weeks=week) for week in range(-n_before, whole_after)]

    def begins(day: date) -> datetime:
        return datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)

    places = set(session.scalars(sa.select(col(Bucket.location)).where(col(Bucket.brand_id) == row.id).distinct())) - {
        ""
    }
    unknown = sorted(set(treated) - places)
    if unknown:
        raise ConfigError(f"place {unknown[0]!r} has no mentions; known: {', '.join(sorted(places)) or 'none'}")
    own, control = [], []
    for start in starts:
        span = Span(begins(start), begins(start + timedelta(days=7)))
        sides = {True: [0, 0], False: [0, 0]}
        columns = (col(Bucket.topic), col(Bucket.location))
        statement = (
            sa.select(*columns, *BUCKET_SUMS)
            .where(col(Bucket.brand_id) == row.id, *within(Bucket.hour_at, span))
            .where(col(Bucket.topic).in_({ALL_TOPICS, topic}))
            .group_by(*columns)
        )
        for of, place, *counts in session.execute(statement):
            side = sides[not treated or place in treated]
            tally = tally_of(counts)
            if of == ALL_TOPICS:
                side[1] += tally.n
            if of == topic:
                side[0] += tally.n_negative
        # a text may blame a topic while being friendly as a whole; complaints never exceed the mentions
        own.append(Period(min(sides[True]), sides[True][1]))
        control.append(Period(min(sides[False]), sides[False][1]))
    first = next((i for i, (a, b) in enumerate(zip(own, control, strict=True)) if a.n or b.n), 0)
    first = min(first, n_before - 1)
    own, control, starts = own[first:], control[first:], starts[first:]
    found = effect(own, control if treated else None, change_at=n_before - first)
    return Change(row.name, topic, began, tuple(treated), tuple(starts), tuple(own), tuple(control), found)


def effect_sentences(change: Change, language: str, *, topic_name: str = "") -> list[str]:
    """What is known of the change, with its numbers; and, where it cannot be told, why not."""
    t = translator(language)
    found = change.effect
    about = topic_in_sentence(topic_name or change.topic, language) if change.topic else t.gettext("anything")
    plain = t.gettext(
        "Complaints about {topic} made up {before} of mentions before {day} and {after} after ({n_before} and "
        "{n_after} weeks, {x_before} and {x_after} complaints).",
        topic=about,
        before=t.percent(found.before, 1),
        after=t.percent(found.after, 1),
        day=t.day(change.began, "d MMMM y"),
        n_before=found.n_before,
        n_after=found.n_after,
        x_before=t.number(found.x_before),
        x_after=t.number(found.x_after),
    )
    return [plain, _answer(found, t)]


def _answer(found: Effect, t: Translator) -> str:
    if found.verdict == "cannot_tell" or found.change is None or found.interval is None:
        return t.gettext("Whether the change did it cannot be told: {reason}.", reason=_reason(found, t))
    points = {"points": t.signed(found.change * 100, 1), "interval": between(t, _points(found.interval), digits=1)}
    if found.controlled:
        templates = {
            "fell": t.gettext(
                "Beyond what the other places did, their share fell: {points} points (interval {interval})."
            ),
            "rose": t.gettext(
                "Beyond what the other places did, their share rose: {points} points (interval {interval})."
            ),
            "no_clear_change": t.gettext(
                "Beyond what the other places did there is no clear change: {points} points (interval {interval})."
            ),
        }
    else:
        templates = {
            "fell": t.gettext(
                "Beyond the trend before, their share fell: {points} points (interval {interval}); without places that "
                "did not change, anything else of that date is in it."
            ),
            "rose": t.gettext(
                "Beyond the trend before, their share rose: {points} points (interval {interval}); without places that "
                "did not change, anything else of that date is in it."
            ),
            "no_clear_change": t.gettext(
                "Beyond the trend before there is no clear change: {points} points (interval {interval})."
            ),
        }
    return templates[found.verdict].format(**points)


def _reason(found: Effect, t: Translator) -> str:
    reasons = {
        "too_few_periods_before": t.gettext(
            "{n} weeks before the change are too few, {needed} are needed", n=found.n_before, needed=LEAST_BEFORE
        ),
        "too_few_periods_after": t.gettext(
            "{n} weeks after the change are too few, {needed} are needed", n=found.n_after, needed=LEAST_AFTER
        ),
        "too_few_mentions": t.gettext("there are too few mentions, {needed} are needed", needed=LEAST_MENTIONS),
        "pre_trend": t.gettext("the places were drifting apart already before the change"),
        "placebo": t.gettext("the same method finds such effects at dates when nothing happened"),
        "trend_uncertain": t.gettext("the trend before the change is too unsure to be carried on"),
    }
    return reasons.get(found.reason, found.reason)


def _points(interval: Interval) -> Interval:
    return interval.scaled(100)
