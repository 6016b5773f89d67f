"""Builds a daily digest from the store: a local day, and the same weekdays before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.metrics.sentiment import Tally
from monitor.reports.build import TopicMeaning, topic_meanings
from monitor.reports.counts import ALL_TOPICS, Counts, Frame, Span, tally_of
from monitor.reports.day import LEAST_COVERAGE, DayData, DayLine, negatives, same_weekdays, spread_of
from monitor.reports.rows import Rows
from monitor.reports.week import Week
from monitor.store.catalogue import find_brand
from monitor.store.daily import day_start
from monitor.store.tables import Bucket, Mention, Source


def build_day(session: Session, settings: Settings, *, brand: str, day: date, now: datetime) -> DayData:
    """The digest of `brand` (identifier or name) for a local day, as seen at `now`. Reads only.

    A day that is not over is counted up to `now` and compared with nothing. Raises ConfigError for an unknown brand.
    """
    row = find_brand(session, brand)
    if row is None or row.id is None:
        raise ConfigError(f"brand {brand!r} is not in the store")
    zone = settings.zone

    def span_of(day: date) -> Span:
        return Span(day_start(day, zone), day_start(day + timedelta(days=1), zone))

    whole, seen_at = span_of(day), now.astimezone(UTC)
    until = seen_at if whole.start < seen_at < whole.end else None
    frame = Frame(row.id, Week.of(day), zone, Span(whole.start, until) if until else whole,
                  span_of(day - timedelta(days=7)))  # fmt: skip
    counts, rows = Counts(session, frame), Rows(session, frame)
    titles = {source.id: source.name for source in session.scalars(sa.select(Source)) if source.id is not None}
    usual_sources = counts.by(Bucket.source_id, Span(day_start(day - timedelta(days=28), zone), whole.start))
    first_at = session.scalar(sa.select(sa.func.min(Bucket.hour_at)).where(col(Bucket.brand_id) == row.id))
    first_day = first_at.astimezone(zone).date() if first_at is not None else day
    earlier = _by_topic_and_day(counts, Span(day_start(same_weekdays(day)[0], zone), whole.start))
    past: list[Mapping[str, Tally]] = []
    exposures = []
    for other in same_weekdays(day):
        if other < first_day:
            continue  # before the brand's first mention nobody looked: that is no count of zero
        coverage, _ = counts.coverage(span_of(other), usual_sources)
        if coverage >= LEAST_COVERAGE:
            past.append({topic: days[other] for topic, days in earlier.items() if other in days})
            exposures.append(coverage)
    lived = [other for n in range((day - same_weekdays(day)[0]).days, 0, -1)
             if (other := day - timedelta(days=n)) >= first_day]  # fmt: skip

    def spread(topic: str, count: Callable[[Tally], int]) -> float:
        of_topic = earlier.get(topic, {})
        return spread_of([(other.weekday(), count(of_topic.get(other, Tally()))) for other in lived])

    today = {topic: tally_of(sums) for topic, *sums in counts.sums(frame.now, Bucket.topic)}
    coverage, gaps = counts.coverage(frame.now, usual_sources)
    places = counts.parts(Bucket.location, str)
    sources = counts.parts(Bucket.source_id, lambda key: titles.get(key, str(key)))
    meanings = topic_meanings(session)
    topics = []
    for key in sorted({*today, *(topic for of_day in past for topic in of_day)} - {ALL_TOPICS}):
        names: Mapping[str, str] = meanings.get(key, TopicMeaning({"en": key}, "")).names
        before = tuple(of_day.get(key, Tally()) for of_day in past)
        topics.append(
            DayLine(key, names, today.get(key, Tally()), before, spread(key, negatives), places.get(key, ()),
                    sources.get(key, ()))
        )  # fmt: skip
    topics.sort(key=lambda topic: (-topic.now.n_negative, -topic.now.n, topic.key))
    rises = {topic.key: topic.now.n_negative for topic in topics}
    pending = sa.select(sa.func.count()).where(
        col(Mention.brand_id) == row.id, col(Mention.published_at) >= frame.now.start,
        col(Mention.published_at) < frame.now.end, col(Mention.score_state) == "new",
    )  # fmt: skip
    return DayData(
        brand=row.name,
        slug=row.slug,
        day=day,
        zone=zone,
        built_at=seen_at,
        start=frame.now.start,
        end=frame.now.end,
        total=DayLine(
            ALL_TOPICS, {"en": row.name}, today.get(ALL_TOPICS, Tally()),
            tuple(of_day.get(ALL_TOPICS, Tally()) for of_day in past),
            spread(ALL_TOPICS, lambda tally: tally.n_all),
        ),
        topics=tuple(topics),
        exposures=tuple(exposures),
        coverage=coverage,
        gaps=gaps,
        stars=rows.stars(frame.now),
        incidents=tuple(
            line for line in rows.incidents(titles, (settings.web.base_url or "").rstrip("/"))
            if line.verdict != "rejected"
        ),
        worst=rows.quotes("negative", rises, titles),
        best=rows.quotes("positive", {}, titles)[:1],
        n_pending=session.scalar(pending) or 0,
        until=until,
    )  # fmt: skip


def _by_topic_and_day(counts: Counts, span: Span) -> dict[str, dict[date, Tally]]:
    found: dict[str, dict[date, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for topic, hour_at, *sums in counts.sums(span, Bucket.topic, Bucket.hour_at):
        found[topic][hour_at.astimezone(counts.frame.zone).date()] += tally_of(sums)
    return found
