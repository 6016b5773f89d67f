"""What there is to tell of a change, in no language yet: mentions, new words, quotes, and the steps before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

import alerts.explain
from alerts.message import Phrase, Quote
from alerts.series import SeriesKey
from monitor.config import Settings
from monitor.pipeline import related
from monitor.pipeline.change import Change
from monitor.pipeline.signals import RATING, VOLUME
from monitor.pipeline.steps import DAY, HOUR
from monitor.pipeline.watch import BrandWatch, HourWatch, Point
from monitor.store.tables import Brand, Mention, Source, TopicTag

BEFORE = timedelta(days=28)
N_QUOTES, N_PHRASES, N_TOPICS = 3, 6, 4
N_DAYS, N_HOURS = 28, 48  # shown in the chart


@dataclass(frozen=True, slots=True)
class Material:
    """What is told of one change, in no language yet: gathered once, said in as many languages as channels want."""

    key: SeriesKey
    since: datetime
    mentions: Sequence[Mention]
    points: Sequence[Point]
    phrases: tuple[Phrase, ...]
    quotes: tuple[Quote, ...]
    topics: tuple[tuple[str, int], ...]
    titles: dict[str, str]  # of sources, by their slug
    hot_since: datetime


def gather(session: Session, settings: Settings, brand: Brand, change: Change, by_day: BrandWatch,
           by_hour: HourWatch, *, now: datetime) -> Material:  # fmt: skip
    """The mentions behind a change, what is new in their words, and the steps before it."""
    row, finding = change.row, change.finding
    key = related.series_key(row.series, brand)
    since = finding.since if finding is not None else change.transition.incident.started_at
    mentions = related.negatives(session, brand, key, since=since, until=now, limit=400)
    if change.hit is not None and change.hit.mention_ids:
        ids = [int(i) for i in change.hit.mention_ids]
        mentions = session.exec(select(Mention).where(col(Mention.id).in_(ids[:400]))).all()
    before = related.negatives(session, brand, key, since=since - BEFORE, until=since, limit=2000)
    hourly = change.transition.incident.step_seconds < DAY
    watch = by_hour if hourly else by_day
    points = []
    if change.hit is None and row.signal not in (RATING, VOLUME):  # a chart of negatives would not show them
        points = watch.history(session, key, now, last=N_HOURS if hourly else N_DAYS)
        if hourly and points and points[-1].at + timedelta(seconds=HOUR) > now:
            points = points[:-1]  # an hour is judged when it is over
    known = session.exec(select(Source)).all()
    phrases = phrases_of(mentions, before, names=names_of(settings, brand, key))
    return Material(
        key=key, since=since, mentions=mentions, points=points, phrases=phrases,
        quotes=quotes_of(mentions, {source.id: source.name for source in known}, phrases),
        topics=topics_of(session, mentions), titles={source.slug: source.name for source in known},
        hot_since=watch.step_start(since),
    )  # fmt: skip


def topics_of(session: Session, mentions: Sequence[Mention]) -> tuple[tuple[str, int], ...]:
    """What the complaints are about, most often first: topics by their key, with how many speak of them."""
    ids = [mention.id for mention in mentions]
    counts: Counter[str] = Counter()
    for start in range(0, len(ids), 400):
        for tag in session.exec(
            select(TopicTag).where(
                col(TopicTag.mention_id).in_(ids[start : start + 400]), TopicTag.sentiment == "negative"
            )
        ):
            if tag.topic != "general":
                counts[tag.topic] += 1
    return tuple((topic, n) for topic, n in counts.most_common(N_TOPICS) if n > 1 or len(counts) < 3)


def names_of(settings: Settings, brand: Brand, key: SeriesKey) -> list[str]:
    """What people call the brand, and the place that a series is narrowed to."""
    known = settings.brands.get(brand.slug)
    found = [brand.name, *(known.aliases if known is not None else ())]
    if key.location is None:
        return found
    places = known.locations if known is not None else ()
    return [*found, key.location, *(name for place in places if place.name == key.location for name in place.aliases)]


def phrases_of(
    mentions: Sequence[Mention], before: Sequence[Mention], *, names: Iterable[str] = ()
) -> tuple[Phrase, ...]:
    """Words that people use now and did not use before, but for the names of what they speak of."""
    now_words, then_words = ([related.words(mention) for mention in some] for some in (mentions, before))
    return tuple(alerts.explain.phrases(now_words, then_words, k=N_PHRASES, names=names))


def quotes_of(
    mentions: Sequence[Mention], sources: dict[int | None, str], phrases: Sequence[Phrase]
) -> tuple[Quote, ...]:
    """Three texts that tell the story, most negative and most central first."""
    written = [mention for mention in mentions if mention.text]
    candidates = [
        Quote(
            text=related.words(mention), url=mention.url, rating=mention.rating, source=sources.get(mention.source_id),
            location=mention.location or None, at=mention.published_at,
        )
        for mention in written
    ]  # fmt: skip
    weights = [mention.p_negative if mention.p_negative is not None else 0.5 for mention in written]
    return tuple(alerts.explain.quotes(candidates, k=N_QUOTES, weights=weights, phrases=phrases))
