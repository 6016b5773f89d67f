"""The detect step: what stands out becomes incidents, and every change of an incident commits with its messages.

One transaction per brand: detector memory, incident rows, their log and the outbox rows are written together or not
at all. What can be learnt without it is learnt before it, so that others may write meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, select

import alerts.settings
from alerts.incident import Policy
from alerts.series import SeriesKey
from alerts.verdict import Answer
from monitor.config import Brand as BrandSettings
from monitor.config import Settings
from monitor.pipeline import delays, related, sides, story
from monitor.pipeline.change import Change
from monitor.pipeline.context import Context
from monitor.pipeline.rules import check_rules
from monitor.pipeline.series import series_of
from monitor.pipeline.signals import RATING
from monitor.pipeline.spikes import Spikes
from monitor.pipeline.steps import DAY, HOUR, Steps
from monitor.pipeline.watch import SIGNAL, BrandWatch, Hours, HourWatch, Watch
from monitor.store import incidents
from monitor.store.engine import exclusive, reading, writing
from monitor.store.tables import Brand, Incident

log = structlog.get_logger()

MEMORY = Policy().reopen_within + timedelta(days=14)  # so long an incident that has ended may come back
RECENT = timedelta(days=8)  # of buckets in which a series nobody knew is looked for at each tick


def detect(context: Context, *, only: Collection[int] | None = None) -> list[Change]:
    """Look at every active brand, or at those of the given ids. Returns the changes that were made.

    A brand that cannot be looked at holds up no other: its error is raised when the others are done.
    """
    if not context.settings.alerts.enabled:
        return []
    with reading(context.engine) as session:
        brands = list(session.exec(select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.id))))
    changes: list[Change] = []
    failed: Exception | None = None
    for brand in brands:
        if only is not None and brand.id not in only:
            continue
        if context.should_stop():
            break
        try:
            changes += _look_at(context, brand)
        except Exception as error:
            log.exception("brand.not_watched", brand=brand.slug)
            failed = failed or error
    if failed is not None:
        raise failed
    return changes


@dataclass(frozen=True, slots=True)
class Watches:
    """The detectors of a brand with what they have learnt so far, and the series that they look at."""

    by_day: BrandWatch
    by_hour: HourWatch
    keys: list[SeriesKey]
    busy: list[SeriesKey]

    def days(self, session: Session, now: datetime, keep: Collection[SeriesKey]) -> Watch:
        """What the days say; `keep` are series to decide on whatever they say."""
        return self.by_day.look(session, now, self.keys, keep=keep)

    def hours(self, session: Session, now: datetime, keep: Collection[SeriesKey]) -> Hours:
        """What the hours that have ended say."""
        return self.by_hour.look(session, now, self.busy, keep=keep)


def _look_at(context: Context, brand: Brand) -> list[Change]:
    """The changes of one brand, with their messages, in one transaction."""
    with writing(context.engine) as session:
        exclusive(session, f"detect:{brand.id}")
        delays.refresh(session, brand, Steps(context.settings.zone), now=context.now)
    watches = learn(context, brand)
    with writing(context.engine) as session:
        exclusive(session, f"detect:{brand.id}")
        made = detect_brand(session, context, brand, watches)
        for change in made:
            story.queue(session, context, brand, change, watches.by_day, watches.by_hour)
        for row in incidents.unacknowledged(session, brand.id or 0):
            story.remind(session, context, brand, row, watches.by_day, watches.by_hour)
    for change in made:
        if change.transition.speaks:
            log.info("incident.changed", incident=change.row.uid, kind=str(change.transition.kind))
    return made


def learn(context: Context, brand: Brand) -> Watches:
    """The detectors, brought as far as they get without writing: seconds of arithmetic at the first look."""
    with reading(context.engine) as session:
        now, seen = context.now, watches_of(session, context.settings, brand, now=context.now)
        seen.by_day.learn(session, now, seen.keys)
        opened = [key for text in incidents.active_series(session, brand.id or 0) if (key := related.key_of(text))]
        if seen.busy:
            seen.by_hour.learn(session, now, list(dict.fromkeys([*seen.busy, *opened])))
    return seen


def watches_of(session: Session, settings: Settings, brand: Brand, *, now: datetime) -> Watches:
    """The detectors of a brand and what they look at now, as far as they were stored."""
    by_day, by_hour = brand_watch(settings, brand), hour_watch(settings, brand)
    return Watches(by_day, by_hour, watched_series(session, settings, brand), by_hour.series(session, now))


def detect_brand(session: Session, context: Context, brand: Brand, watches: Watches) -> list[Change]:
    """Judge one brand now, in the caller's writing transaction."""
    now, settings = context.now, context.settings
    rows = incidents.current(session, brand.id or 0, now=now, memory=MEMORY)
    changes = judge(session, settings, brand, watches, rows, now=now)
    policy = Policy(repeat_interval=settings.alerts.repeat_interval)
    changes += check_rules(session, settings, brand, rows, now=now, policy=policy)
    return changes


def judge(session: Session, settings: Settings, brand: Brand, watches: Watches, rows: Sequence[Incident], *,
          now: datetime, answers: Sequence[Answer] | None = None) -> list[Change]:  # fmt: skip
    """What the detectors say now, as changes of the incidents `rows`; plain rules apart.

    The back-test lives through the past by this very function; `answers` are what people had said by then.
    """
    by_day, by_hour, keys, busy = watches.by_day, watches.by_hour, watches.keys, watches.busy
    rated = sides.rated_series(keys) if RATING in settings.alerts.signals else []
    n_series = n_watched(settings, keys, busy)
    share = share_of_budget(session, settings)
    spikes = Spikes(session, settings, brand, [row for row in rows if row.signal == SIGNAL], now=now, days=by_day,
                    answers=answers)  # fmt: skip
    spikes.others = [row for row in rows if row.signal in sides.SIGNALS and row.state != "resolved"]
    keep = [key for row in spikes.rows() if (key := related.key_of(row.series)) is not None]
    by_day.settings = detector_settings(settings, brand, n_series, share)
    by_hour.settings = detector_settings(settings, brand, n_series, share, step=HOUR)
    spikes.by_days(watches.days(session, now, [*keep, SeriesKey(brand.slug)]))
    opened = [key for row in spikes.active() if (key := related.key_of(row.series)) is not None]
    spikes.by_hours(watches.hours(session, now, opened))
    spikes.join()
    changes = spikes.changes
    changes += sides.look(
        session, settings, brand, [row for row in rows if row.signal in sides.SIGNALS], now=now, rated=rated,
        spikes=spikes.rows(), detector=detector_settings(settings, brand, n_series, share),
    )  # fmt: skip
    return changes


def share_of_budget(session: Session, settings: Settings) -> float:
    """False alarms a week for one brand of the account."""
    n_brands = max(1, len(session.exec(select(Brand.id).where(col(Brand.active).is_(True))).all()))
    return settings.alerts.false_alarms_per_week / n_brands


def n_watched(settings: Settings, keys: Collection[SeriesKey], busy: Collection[SeriesKey]) -> int:
    """Among how many series of days, hours and ratings the budget of a brand is divided."""
    rated = sides.rated_series(keys) if RATING in settings.alerts.signals else []
    return max(1, len(keys) + len(busy) + len(rated))


def watched_series(session: Session, settings: Settings, brand: Brand) -> list[SeriesKey]:
    """The series of a brand: those remembered and, at each tick, what is new in the last days; all when a day ends."""
    watch = brand_watch(settings, brand)
    _, known, upto = watch.remembered(session)
    if upto is None:
        return series_of(session, brand)
    return series_of(session, brand, known=known, since=watch.steps.start(upto) - RECENT)


def brand_watch(settings: Settings, brand: Brand) -> BrandWatch:
    """The detector of a brand by days, for what its history says; `detect_brand` gives it the account's budget."""
    return BrandWatch(brand, settings=detector_settings(settings, brand, 1, 1.0), zone=settings.zone)


def hour_watch(settings: Settings, brand: Brand) -> HourWatch:
    """The same by hours."""
    return HourWatch(brand, settings=detector_settings(settings, brand, 1, 1.0, step=HOUR), zone=settings.zone)


def detector_settings(settings: Settings, brand: Brand, n_series: int, budget: float, *,
                      step: int = DAY) -> alerts.settings.Settings:  # fmt: skip
    """What the user turned, with `budget` false alarms a week spread over the series."""
    return alerts.settings.Settings(
        false_alarms_per_week=budget,
        n_series=n_series,
        step_seconds=step,
        min_negative=settings.alerts.min_negatives,
        min_excess=settings.alerts.min_excess,
        min_ratio=settings.alerts.min_ratio,
        min_authors=settings.alerts.min_authors,
        countries=countries_of(settings.brands.get(brand.slug)),
        zone=settings.time_zone,
    )


def countries_of(brand: BrandSettings | None) -> tuple[str, ...]:
    """Whose holidays a brand keeps."""
    if brand is None:
        return ()
    return tuple(sorted({code for code in [brand.country, *(place.country for place in brand.locations)] if code}))
