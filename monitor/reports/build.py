"""Builds a weekly report from the store: which lines there are and what they are called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from babel import Locale
from sqlmodel import Session, col

from models.taxonomy import taxonomy
from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.i18n import languages
from monitor.metrics.sentiment import Tally
from monitor.reports.counts import ALL_TOPICS, NOWHERE, Counts, Frame, Span, sum_of
from monitor.reports.facts import LEAST_PAST
from monitor.reports.rows import Rows
from monitor.reports.week import Week
from monitor.reports.weekly import (
    BrandLine,
    Day,
    Line,
    Measured,
    PlaceLine,
    StageLine,
    TopicLine,
    WeeklyData,
    WeekPoint,
)
from monitor.store.catalogue import find_brand
from monitor.store.tables import Brand, Bucket, Source, Topic

HISTORY_WEEKS = 8  # how far back a series tells how much it swings

Hours = Mapping[datetime, Tally]
History = Mapping[str, Mapping[Week, Tally]]


@dataclass(frozen=True, slots=True)
class TopicMeaning:
    """Names and journey stage of a topic, shipped or edited."""

    names: Mapping[str, str]
    stage: str


def build_weekly(
    session: Session,
    settings: Settings,
    *,
    brand: str,
    week: Week,
    now: datetime,
    measured: Sequence[Measured] = (),
    written_sample: bool = False,
) -> WeeklyData:
    """The report of `brand` (identifier or name) for `week`, as seen at `now`. Reads only.

    A week that is not over is counted up to `now`, and the week before up to the same moment of it. `measured` is
    how well the model does by language, where that was measured on labelled texts. Raises ConfigError for an unknown
    brand.
    """
    row = find_brand(session, brand)
    if row is None or row.id is None:
        known = ", ".join(sorted(session.scalars(sa.select(col(Brand.slug))))) or "none yet"
        raise ConfigError(f"brand {brand!r} is not in the store; known: {known}")
    zone = settings.zone
    whole, before = Span.of(week, zone), Span.of(week.back(1), zone)
    seen_at = now.astimezone(UTC)
    until = seen_at if whole.start < seen_at < whole.end else None
    if until is not None:
        whole = Span(whole.start, until)
        before = Span(before.start, before.start + (until - whole.start))
    frame = Frame(row.id, week, zone, whole, before)
    return _Builder(session, settings, row, frame, seen_at, until).build(tuple(measured), written_sample)


def topic_meanings(session: Session) -> dict[str, TopicMeaning]:
    """Names and stages of all topics: the shipped taxonomy under the rows that somebody edited."""
    meanings = {key: TopicMeaning(topic.names, topic.stage) for key, topic in taxonomy().topics.items()}
    for row in session.scalars(sa.select(Topic)):
        old = meanings.get(row.key, TopicMeaning({}, ""))
        meanings[row.key] = TopicMeaning({**old.names, **row.names} or {"en": row.key}, row.stage or old.stage)
    return meanings


class _Builder:
    def __init__(
        self,
        session: Session,
        settings: Settings,
        brand: Brand,
        frame: Frame,
        built_at: datetime,
        until: datetime | None,
    ) -> None:
        self.session = session
        self.settings = settings
        self.brand = brand
        self.frame = frame
        self.built_at = built_at
        self.until = until
        self.counts = Counts(session, frame)
        self.rows = Rows(session, frame)
        self.meanings = topic_meanings(session)
        self.titles = {source.id: source.name for source in session.scalars(sa.select(Source)) if source.id is not None}
        self.outbreaks = self.rows.outbreaks()

    def build(self, measured: tuple[Measured, ...], written_sample: bool) -> WeeklyData:
        hourly, history = self.counts.hourly(), self.counts.history()
        total = self._line(ALL_TOPICS, {"en": self.brand.name}, hourly.get(ALL_TOPICS, {}), history)
        sources_now, sources_before = (self.counts.by(Bucket.source_id, s) for s in (self.frame.now, self.frame.before))
        coverage_now, gaps = self.counts.coverage(self.frame.now, sources_before)
        coverage_before, _ = self.counts.coverage(self.frame.before, sources_before)
        topics = self._topics(hourly, history, total)
        rises = {topic.line.key: topic.line.now.n_negative - topic.line.before.n_negative for topic in topics}
        return WeeklyData(
            brand=self.brand.name,
            week=self.frame.week,
            zone=self.frame.zone,
            built_at=self.built_at,
            total=total,
            topics=topics,
            sources=_lines({key: {"en": self.titles.get(key, str(key))} for key in {*sources_now, *sources_before}},
                           sources_now, sources_before, self._past(Bucket.source_id, history)),
            places=self._places(history),
            languages=self._languages(history),
            brands=self._brands(),
            days=self._days(hourly.get(ALL_TOPICS, {})),
            weeks=(*(WeekPoint(week, tally) for week, tally in sorted(history[ALL_TOPICS].items())),
                   WeekPoint(self.frame.week, total.now)),
            stages=self._stages(history, topics),
            stars_now=self.rows.stars(self.frame.now),
            stars_before=self.rows.stars(self.frame.before),
            incidents=self.rows.incidents(self.titles, (self.settings.web.base_url or "").rstrip("/")),
            worst=self.rows.quotes("negative", rises, self.titles),
            best=self.rows.quotes("positive", {}, self.titles),
            coverage_now=coverage_now,
            coverage_before=coverage_before,
            gaps=gaps,
            model=self.rows.model(measured),
            metrics=self.rows.surveys(),
            written_sample=written_sample,
            until=self.until,
        )  # fmt: skip

    def _line(self, key: str, names: Mapping[str, str], hours: Hours, history: History) -> Line:
        past = history.get(key, {})
        start = self.frame.now.start
        return Line(
            key,
            names,
            sum_of(tally for hour_at, tally in hours.items() if hour_at >= start),
            sum_of(tally for hour_at, tally in hours.items() if hour_at < start),
            tuple(past.get(week, Tally()) for week in self._ordinary(history)),
        )

    def _ordinary(self, history: History) -> list[Week]:
        """The weeks that tell how much a series swings, oldest first.

        A silent week inside the brand's life is a count of zero; weeks before its first mention are not. A week with a
        critical incident is no ordinary one: it would hide every change for two months, the end of the incident first.
        All weeks of the brand are left out together, so that no series loses just its own largest ones.
        """
        lived = [
            week for back in range(HISTORY_WEEKS, 0, -1) if (week := self.frame.week.back(back)) in history[ALL_TOPICS]
        ]
        spans = [(week, Span.of(week, self.frame.zone)) for week in lived]
        calm = [
            week
            for week, span in spans
            if not any(since < span.end and last >= span.start for since, last in self.outbreaks)
        ]
        return calm if len(calm) >= LEAST_PAST else lived

    def _topics(self, hourly: Mapping[str, Hours], history: History, total: Line) -> tuple[TopicLine, ...]:
        places = self.counts.parts(Bucket.location, str)
        sources = self.counts.parts(Bucket.source_id, lambda key: self.titles.get(key, str(key)))
        impacts = self.rows.impacts(total.now)
        lines = []
        for key, hours in hourly.items():
            if key == ALL_TOPICS:
                continue
            meaning = self.meanings.get(key, TopicMeaning({"en": key}, ""))
            days_now, days_before = Counter[int](), Counter[int]()
            for hour_at, tally in hours.items():
                days = days_now if hour_at >= self.frame.now.start else days_before
                days[hour_at.astimezone(self.frame.zone).weekday()] += tally.n_negative
            lines.append(
                TopicLine(
                    self._line(key, meaning.names, hours, history),
                    meaning.stage,
                    places.get(key, ()),
                    sources.get(key, ()),
                    tuple(days_now[day] for day in range(7)),
                    tuple(days_before[day] for day in range(7)),
                    impacts.get(key),
                )
            )
        return tuple(sorted(lines, key=lambda topic: (-topic.line.now.n_negative, -topic.line.now.n, topic.line.key)))

    def _past(self, column: Any, history: History) -> list[dict[Any, Tally]]:
        """Value of a dimension -> tally, of each ordinary week, oldest first."""
        return [self.counts.by(column, Span.of(week, self.frame.zone)) for week in self._ordinary(history)]

    def _places(self, history: History) -> tuple[PlaceLine, ...]:
        now, before = (self.counts.by(Bucket.location, span) for span in (self.frame.now, self.frame.before))
        past = self._past(Bucket.location, history)
        ratings = self.rows.ratings()
        names = {place: {"en": place} for place in {*now, *before} if place != NOWHERE}
        return tuple(PlaceLine(line, ratings.get(line.key)) for line in _lines(names, now, before, past))

    def _languages(self, history: History) -> tuple[Line, ...]:
        now, before = (self.counts.by(Bucket.language, span) for span in (self.frame.now, self.frame.before))
        known = {language: Locale.parse(language).languages for language in languages()}
        names = {
            code: {language: str(of.get(code, code)) for language, of in known.items()}
            for code in {*now, *before}
            if code
        }
        return _lines(names, now, before, self._past(Bucket.language, history))

    def _brands(self) -> tuple[BrandLine, ...]:
        brands = {
            brand.id: brand
            for brand in self.session.scalars(sa.select(Brand).where(col(Brand.active)).order_by(col(Brand.id)))
            if brand.id == self.brand.id or brand.is_competitor
        }
        ids = [brand_id for brand_id in brands if brand_id is not None]
        if self.brand.is_competitor or len(ids) < 2:
            return ()
        now, before = (self.counts.brands(ids, span) for span in (self.frame.now, self.frame.before))
        return tuple(
            BrandLine(brands[key].name, key == self.brand.id, now.get(key, Tally()), before.get(key, Tally()))
            for key in ids
        )

    def _days(self, hours: Hours) -> tuple[Day, ...]:
        tallies: dict[date, Tally] = defaultdict(Tally)
        for hour_at, tally in hours.items():
            day = hour_at.astimezone(self.frame.zone).date()
            tallies[day] = tallies[day] + tally
        covered = self.counts.coverage_by_day()
        last = self.until.astimezone(self.frame.zone).date() if self.until is not None else self.frame.week.sunday
        days = [*self.frame.week.back(1).days, *self.frame.week.days]
        return tuple(Day(day, tallies[day], covered.get(day)) for day in days if day <= last)

    def _stages(self, history: History, topics: Sequence[TopicLine]) -> tuple[StageLine, ...]:
        by_stage: dict[str, list[str]] = defaultdict(list)
        for key, meaning in self.meanings.items():
            if meaning.stage:
                by_stage[meaning.stage].append(key)
        spans = [Span.of(week, self.frame.zone) for week in sorted(history[ALL_TOPICS])]
        cells = self.rows.stages(by_stage, [*spans, self.frame.now])
        complaints = {topic.line.key: topic.line.now.n_negative for topic in topics}
        names = taxonomy().stages
        known = list(names)
        ordered = sorted(cells, key=lambda stage: (known.index(stage) if stage in known else len(known), stage))
        lines = []
        for stage in ordered:
            top = max(by_stage[stage], key=lambda key: (complaints.get(key, 0), key))
            lines.append(
                StageLine(
                    stage, tuple(cells[stage]), top if complaints.get(top) else "", names.get(stage, {"en": stage})
                )
            )
        return tuple(lines)


def _lines(
    names: Mapping[Any, Mapping[str, str]],
    now: Mapping[Any, Tally],
    before: Mapping[Any, Tally],
    past: Sequence[Mapping[Any, Tally]],
) -> tuple[Line, ...]:
    none = Tally()
    return tuple(
        Line(str(key), names[key], now.get(key, none), before.get(key, none), tuple(of.get(key, none) for of in past))
        for key in sorted(names)
    )
