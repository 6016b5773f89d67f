"""What only the rows know of a week: ratings, topic impact, the journey, incidents, quotes, surveys, the model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlmodel import Session, col

from monitor.metrics.branch import branch_rating
from monitor.metrics.impact import topic_impact
from monitor.metrics.metric import Metric
from monitor.metrics.sentiment import Tally, net_change
from monitor.metrics.survey import ces_index, ces_tally, csat, csat_change, nps, nps_change
from monitor.reports.counts import NOWHERE, Frame, Span, within
from monitor.reports.quotes import Candidate, pick, shorten
from monitor.reports.weekly import IncidentLine, Measured, MetricLine, ModelNote, Quote, Stars
from monitor.store.tables import Incident, Mention, SurveyAnswer, TopicTag

RATING_WINDOW = timedelta(weeks=2)
RATING_WINDOWS = 26  # the last year
MAX_QUOTES = 3
MAX_CANDIDATES = 300


class Rows:
    """Reads of mentions and their neighbours for one brand."""

    def __init__(self, session: Session, frame: Frame) -> None:
        self.session = session
        self.frame = frame

    def mentions(self, span: Span) -> list[Any]:
        """Conditions for the mentions that count, as the buckets count them."""
        return [
            col(Mention.brand_id) == self.frame.brand_id,
            *within(Mention.published_at, span),
            col(Mention.counts).is_(True),
            col(Mention.score_state) != "new",
        ]

    def stars(self, span: Span) -> Stars | None:
        """Number, mean and variance of the ratings; None without any."""
        counts = [
            (float(rating), int(n))
            for rating, n in self.session.execute(
                sa.select(col(Mention.rating), sa.func.count())
                .where(*self.mentions(span), col(Mention.rating).is_not(None))
                .group_by(col(Mention.rating))
            )
            if rating is not None
        ]
        n = sum(count for _, count in counts)
        if n == 0:
            return None
        mean = sum(rating * count for rating, count in counts) / n
        squares = sum(count * (rating - mean) ** 2 for rating, count in counts)
        return Stars(n, mean, squares / (n - 1) if n > 1 else 0.0)

    def ratings(self) -> dict[str, Metric]:
        """Place -> branch rating over the last year, ages in steps of two weeks."""
        stars: dict[str, list[float]] = defaultdict(list)
        ages: dict[str, list[float]] = defaultdict(list)
        for window in range(RATING_WINDOWS):
            end = self.frame.now.end - window * RATING_WINDOW
            statement = (
                sa.select(col(Mention.location), col(Mention.rating), sa.func.count())
                .where(
                    *self.mentions(Span(end - RATING_WINDOW, end)),
                    col(Mention.rating).is_not(None),
                    col(Mention.location) != NOWHERE,
                )
                .group_by(col(Mention.location), col(Mention.rating))
            )
            for place, rating, n in self.session.execute(statement):
                if rating is not None:
                    stars[place] += [float(rating)] * n
                    ages[place] += [(window + 0.5) * RATING_WINDOW.days] * n
        return {place: branch_rating(stars[place], ages[place]) for place in stars}

    def impacts(self, total: Tally) -> dict[str, Metric]:
        """Topic -> impact on net sentiment, from how many mentions of each sentiment carry it."""
        statement = (
            sa.select(col(TopicTag.topic), col(Mention.sentiment), sa.func.count())
            .join(Mention, col(Mention.id) == col(TopicTag.mention_id))
            .where(*self.mentions(self.frame.now), col(Mention.sentiment).is_not(None))
            .group_by(col(TopicTag.topic), col(Mention.sentiment))
        )
        carried: dict[str, dict[str | None, int]] = defaultdict(dict)
        for topic, sentiment, n in self.session.execute(statement):
            carried[topic][sentiment] = n
        impacts = {}
        for topic, counts in carried.items():
            values: list[float] = []
            marks: list[bool] = []
            for sentiment, value, n_all in (
                ("negative", -100.0, total.n_negative),
                ("neutral", 0.0, total.n_neutral),
                ("positive", 100.0, total.n_positive),
            ):
                n_with = min(counts.get(sentiment, 0), n_all)
                values += [value] * n_all
                marks += [True] * n_with + [False] * (n_all - n_with)
            seed = [self.frame.week.year, self.frame.week.number, *topic.encode()]  # the same report twice is the same
            impacts[topic] = topic_impact(values, marks, rng=np.random.default_rng(seed))
        return impacts

    def stages(self, topics: Mapping[str, Sequence[str]], spans: Sequence[Span]) -> dict[str, list[Tally]]:
        """Stage -> tally per span. `topics` lists the topics of each stage.

        A mention counts once per stage: negative when any of its topics there is, else positive when any is.
        """
        cells: dict[str, list[Tally]] = {stage: [Tally()] * len(spans) for stage in topics}
        if not cells:
            return cells
        stage_of = sa.case(
            *((col(TopicTag.topic).in_(list(keys)), stage) for stage, keys in topics.items()), else_=None
        )
        order = sa.case((col(TopicTag.sentiment) == "negative", 0), (col(TopicTag.sentiment) == "positive", 1), else_=2)
        for index, span in enumerate(spans):
            inner = (
                sa.select(stage_of.label("stage"), sa.func.min(order).label("sentiment"))
                .join(Mention, col(Mention.id) == col(TopicTag.mention_id))
                .where(*self.mentions(span))
                .group_by(col(TopicTag.mention_id), stage_of)
                .subquery()
            )
            statement = sa.select(inner.c.stage, inner.c.sentiment, sa.func.count()).group_by(
                inner.c.stage, inner.c.sentiment
            )
            for stage, sentiment, n in self.session.execute(statement):
                if stage in cells:
                    counted = (Tally(n_negative=n), Tally(n_positive=n), Tally(n_neutral=n))[sentiment]
                    cells[stage][index] = cells[stage][index] + counted
        return cells

    def incidents(self, titles: Mapping[int, str], base_url: str) -> tuple[IncidentLine, ...]:
        """Incidents that were open at any time of the week, oldest first; one that joined another is told by that."""
        statement = (
            sa.select(Incident)
            .where(
                col(Incident.brand_id) == self.frame.brand_id,
                col(Incident.opened_at) < self.frame.now.end,
                col(Incident.resolved_at).is_(None) | (col(Incident.resolved_at) >= self.frame.now.start),
            )
            .order_by(col(Incident.opened_at), col(Incident.id))
        )
        return tuple(
            IncidentLine(
                uid=row.uid,
                state=row.state,
                severity=row.severity,
                opened_at=row.opened_at,
                since_at=row.since_at,
                resolved_at=row.resolved_at,
                n_observed=row.n_observed,
                n_expected=row.n_expected,
                topic=row.topic,
                place=row.location,
                source=titles.get(row.source_id, "") if row.source_id is not None else "",
                verdict=row.verdict,
                url=f"{base_url}/incidents/{row.uid}" if base_url else None,
                signal=row.signal,
            )
            for row in self.session.scalars(statement)
            if not (row.machine.get("joined_to") and row.resolved_at and row.resolved_at < self.frame.now.end)
        )

    def outbreaks(self) -> list[tuple[datetime, datetime]]:
        """From when to when critical incidents ran that began before the week and that nobody rejected."""
        statement = sa.select(Incident.since_at, Incident.last_seen_at).where(
            col(Incident.brand_id) == self.frame.brand_id,
            col(Incident.severity) == "critical",
            col(Incident.since_at) < self.frame.now.start,
            col(Incident.verdict).is_distinct_from("rejected"),
        )
        return [(since, last) for since, last in self.session.execute(statement)]

    def quotes(self, sentiment: str, rises: Mapping[str, int], titles: Mapping[int, str]) -> tuple[Quote, ...]:
        """The most telling mentions of one sentiment; those on topics whose complaints rose come first."""
        p = Mention.p_negative if sentiment == "negative" else Mention.p_positive
        statement = (
            sa.select(Mention)
            .where(*self.mentions(self.frame.now), col(Mention.sentiment) == sentiment, col(Mention.gone_at).is_(None))
            .order_by(col(Mention.corrected).desc(), col(p).desc(), col(Mention.id))
            .limit(MAX_CANDIDATES)
        )
        rows = {row.id: row for row in self.session.scalars(statement) if row.id is not None and row.text.strip()}
        tags: dict[int, list[str]] = defaultdict(list)
        wanted = sa.select(TopicTag).where(col(TopicTag.mention_id).in_(list(rows))).order_by(col(TopicTag.p).desc())
        for tag in self.session.scalars(wanted):
            if tag.sentiment == sentiment:
                tags[tag.mention_id].append(tag.topic)
        copies = self._copies({row.cluster_id for row in rows.values() if row.cluster_id is not None})
        highest = max(rises.values(), default=0)

        def priority(key: int) -> float:
            rise = max((rises.get(topic, 0) for topic in tags[key]), default=0)
            return 1.0 + (max(0, rise) / highest if highest > 0 else 0.0)

        candidates = [
            Candidate(
                key,
                row.text,
                float((row.p_negative if sentiment == "negative" else row.p_positive) or 0.5),
                priority(key),
                copies.get(row.cluster_id, 1) if row.cluster_id is not None else 1,
            )
            for key, row in rows.items()
        ]
        return tuple(
            Quote(
                text=shorten(rows[candidate.id].text),
                sentiment=sentiment,
                source=titles.get(rows[candidate.id].source_id, rows[candidate.id].origin),
                published_at=rows[candidate.id].published_at,
                place=rows[candidate.id].location,
                url=rows[candidate.id].url,
                rating=rows[candidate.id].rating,
                topics=tuple(tags[candidate.id][:3]),
                language=rows[candidate.id].language,
                n_copies=candidate.n_copies,
                has_reply=bool(rows[candidate.id].reply_text),
            )
            for candidate in pick(candidates, MAX_QUOTES)
        )

    def _copies(self, clusters: set[int]) -> dict[int, int]:
        statement = (
            sa.select(col(Mention.cluster_id), sa.func.count())
            .where(col(Mention.cluster_id).in_(clusters), col(Mention.brand_id) == self.frame.brand_id)
            .group_by(col(Mention.cluster_id))
        )
        return {cluster: n for cluster, n in self.session.execute(statement) if cluster is not None}

    def model(self, measured: tuple[Measured, ...]) -> ModelNote:
        """Which model judged most of the week, and what is not judged."""
        week = [col(Mention.brand_id) == self.frame.brand_id, *within(Mention.published_at, self.frame.now)]

        def count_by(column: Any) -> Counter[str]:
            statement = sa.select(col(column), sa.func.count()).where(*week).group_by(col(column))
            counts: Counter[str] = Counter()
            for value, n in self.session.execute(statement):
                counts[value] += n
            return counts

        states, models = count_by(Mention.score_state), count_by(Mention.model)
        del models[""]

        def count_of(column: Any, value: bool) -> int:
            statement = sa.select(sa.func.count()).select_from(Mention).where(*week, col(column).is_(value))
            return self.session.scalar(statement) or 0

        return ModelNote(
            name=models.most_common(1)[0][0] if models else "",
            n_judged=states["done"],
            n_failed=states["failed"],
            n_pending=states["new"],
            n_repeats=count_of(Mention.counts, False),
            n_corrected=count_of(Mention.corrected, True),
            measured=measured,
        )

    def surveys(self) -> tuple[MetricLine, ...]:
        """NPS, CSAT and CES of the week beside the week before, where there are answers."""
        answers: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for index, span in enumerate((self.frame.now, self.frame.before)):
            statement = sa.select(col(SurveyAnswer.metric), col(SurveyAnswer.value)).where(
                col(SurveyAnswer.brand_id) == self.frame.brand_id, *within(SurveyAnswer.answered_at, span)
            )
            for metric, value in self.session.execute(statement):
                answers[metric][index].append(round(value))
        lines = []
        if "nps" in answers:
            now, before = answers["nps"]
            lines.append(MetricLine("nps", nps(now), nps(before), nps_change(now, before)))
        if "csat" in answers:
            now, before = answers["csat"]
            lines.append(MetricLine("csat", csat(now), csat(before), csat_change(now, before)))
        if "ces" in answers:
            now, before = answers["ces"]
            change = net_change(ces_tally(now), ces_tally(before))
            lines.append(MetricLine("ces_index", ces_index(now), ces_index(before), change))
        return tuple(lines)
