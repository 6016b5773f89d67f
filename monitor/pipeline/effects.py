"""Did a change help? Weekly complaints of the changed places beside the others, and the answer in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel import Session, col, func, select

from monitor.errors import ConfigError
from monitor.i18n import Translator
from monitor.metrics.effect import Effect, Measure, Period, effect
from monitor.store.queries import customers
from monitor.store.queries.taxonomy import TaxonomyView, in_force
from monitor.store.tables import Mention

WEEK = timedelta(days=7)
SLACK = timedelta(days=1)  # a week that lacks less than this is whole: feedback starts some hours into its first day
MOST_WEEKS = 104  # on either side: what lies further back is another time
Control = Literal["places", "topics", "none"]


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days from `start`: the changed ones and those beside them (None without a control)."""

    start: datetime
    treated: Period
    control: Period | None


@dataclass(frozen=True, slots=True)
class EffectView:
    """The question, the weeks and the answer."""

    topics: tuple[str, ...]
    changed_at: datetime
    treated: tuple[str, ...]  # places; empty: the whole brand
    beside: tuple[str, ...]  # places or topics they are compared with
    control: Control
    weeks: tuple[Week, ...]
    effect: Effect
    n_elsewhere: int  # mentions that name no place, and can be counted on neither side


def measure_effect(
    session: Session,
    brand_id: int,
    *,
    topics: Sequence[str],
    changed_at: datetime,
    until: datetime,
    treated: Sequence[str] = (),
    against: Sequence[str] = (),
    since: datetime | None = None,
    measure: Measure = "share",
) -> EffectView:
    """What the change at `changed_at` did to complaints about `topics`.

    `treated` places are compared with the other places; with `against`, complaints about those topics are the control;
    with neither, the series stands alone. Whole weeks counted from the change. Raises ConfigError for unknown names.
    """
    view = in_force(session)
    for name in (*topics, *against):
        if name not in view.topics:
            raise ConfigError(f"topic {name!r} is unknown; allowed: {', '.join(view.topics)}")
    if set(topics) & set(against):
        raise ConfigError(f"topic {', '.join(sorted(set(topics) & set(against)))} cannot be its own control")
    first = _first(session, brand_id) if since is None else since
    if first is None or not first < changed_at < until:
        seen = "nothing is stored" if first is None else f"it must lie between {first:%Y-%m-%d} and {until:%Y-%m-%d}"
        raise ConfigError(f"the change on {changed_at:%Y-%m-%d} cannot be measured: {seen}")
    n_before = min(MOST_WEEKS, (changed_at - first + SLACK) // WEEK)
    n_after = min(MOST_WEEKS, (until - changed_at + SLACK) // WEEK)
    start, end = changed_at - n_before * WEEK, changed_at + n_after * WEEK
    places = _places(session, brand_id)
    for place in treated:
        if place not in places:
            known = ", ".join(sorted(places)) or "no mention names a place"
            raise ConfigError(f"place {place!r} is unknown; allowed: {known}")
    beside = tuple(against) or (tuple(sorted(places - set(treated))) if treated else ())
    control: Control = "topics" if against else "places" if beside else "none"
    counts = _weeks(session, brand_id, topics, treated, against, control, start, n_before + n_after)
    own = [Period(x, n) for x, n, _, _ in counts]
    other = [Period(x, n) for _, _, x, n in counts] if control != "none" else None
    if n_before < 1 or n_after < 1:
        raise ConfigError(f"the change on {changed_at:%Y-%m-%d} needs a whole week before and after it")
    found = effect(own, other, change_at=n_before, measure=measure)
    n_elsewhere = 0
    if treated:
        n_elsewhere = sum(not one.location for one in customers.opinions(session, brand_id, start=start, end=end))
    weeks = tuple(
        Week(start + number * WEEK, period, other[number] if other else None) for number, period in enumerate(own)
    )
    return EffectView(tuple(topics), changed_at, tuple(treated), beside, control, weeks, found, n_elsewhere)


def _weeks(
    session: Session,
    brand_id: int,
    topics: Sequence[str],
    treated: Sequence[str],
    against: Sequence[str],
    control: Control,
    start: datetime,
    n_weeks: int,
) -> list[list[int]]:
    """Per week: complaints and mentions of the treated, complaints and mentions beside them."""
    counts = [[0, 0, 0, 0] for _ in range(n_weeks)]
    own_topics, other_topics = set(topics), set(against)
    for one in customers.opinions(session, brand_id, start=start, end=start + n_weeks * WEEK):
        week = counts[(one.at - start) // WEEK]
        blamed = {topic for topic, sentiment in one.topics.items() if sentiment == "negative"}
        inside = not treated or one.location in treated
        if inside:
            week[0] += bool(blamed & own_topics)
            week[1] += 1
            if control == "topics":
                week[2] += bool(blamed & other_topics)
                week[3] += 1
        elif control == "places" and one.location:
            week[2] += bool(blamed & own_topics)
            week[3] += 1
    return counts


def _first(session: Session, brand_id: int) -> datetime | None:
    statement = select(func.min(col(Mention.published_at))).where(
        Mention.brand_id == brand_id, col(Mention.counts).is_(True), col(Mention.sentiment).is_not(None)
    )
    return session.exec(statement).one()


def _places(session: Session, brand_id: int) -> set[str]:
    statement = select(Mention.location).where(Mention.brand_id == brand_id, Mention.location != "").distinct()
    return set(session.exec(statement))


def answer(view: EffectView, taxonomy: TaxonomyView, t: Translator) -> str:
    """The answer in a sentence or two."""
    found = view.effect
    what = t.listing([taxonomy.name(topic, t.language) for topic in view.topics])
    day = t.day(view.changed_at.date())
    where = t.listing(view.treated) if view.treated else t.gettext("the whole brand")
    if found.verdict == "cannot_tell" or found.change is None or found.interval is None:
        return t.gettext(
            "Cannot tell whether complaints about “{what}” changed after {day} ({where}): {reason}.",
            what=what, day=day, where=where, reason=_reason(view, t),
        )  # fmt: skip
    low, high = _amount(view, found.interval.low, t, bare=True), _amount(view, found.interval.high, t, bare=True)
    values = {
        "what": what, "day": day, "where": where, "low": low, "high": high, "by": _amount(view, abs(found.change), t),
        "beside": _beside(view, taxonomy, t), "change": _amount(view, found.change, t, bare=True),
    }  # fmt: skip
    if found.verdict == "fell":
        return t.gettext(
            "Complaints about “{what}” fell by {by} after {day} ({where}), {beside}; "
            "the change lies between {low} and {high} with 95 % confidence.",
            **values,
        )
    if found.verdict == "rose":
        return t.gettext(
            "Complaints about “{what}” rose by {by} after {day} ({where}), {beside}; "
            "the change lies between {low} and {high} with 95 % confidence.",
            **values,
        )
    return t.gettext(
        "No clear change in complaints about “{what}” after {day} ({where}), {beside}: {change}, "
        "anything between {low} and {high} is possible.",
        **values,
    )


def checks(view: EffectView, t: Translator) -> list[str]:
    """What was tested before the answer was given, a line each."""
    found = view.effect
    plain = (t.percent(found.before, 1), t.percent(found.after, 1))
    if found.measure == "count":
        plain = (t.number(found.before, 1), t.number(found.after, 1))
    lines = [
        t.gettext("Method: {method}.", method=found.method),
        t.gettext(
            "{n_before} weeks before, {n_after} after; complaints {x_before} and {x_after}; plain means {before} and "
            "{after} (never the answer by themselves).",
            n_before=found.n_before, n_after=found.n_after, x_before=t.number(found.x_before),
            x_after=t.number(found.x_after), before=plain[0], after=plain[1],
        ),
    ]  # fmt: skip
    if found.pre_trend_p is not None:
        parallel = found.pre_trend_p >= 0.05
        lines.append(
            t.gettext("Before the change both ran in parallel (p = {p}).", p=t.fixed(found.pre_trend_p, 2))
            if parallel
            else t.gettext("Before the change they drifted apart already (p = {p}).", p=t.fixed(found.pre_trend_p, 2))
        )
    if found.placebo_share is not None:
        lines.append(
            t.gettext(
                "Placebo: of {n} earlier dates {share} look like an effect.",
                n=found.n_placebo,
                share=t.percent(found.placebo_share),
            )
        )
    if view.n_elsewhere:
        lines.append(
            t.ngettext(
                "{n} mention names no place and is left out.",
                "{n} mentions name no place and are left out.",
                view.n_elsewhere,
            )
        )
    return lines


def _beside(view: EffectView, taxonomy: TaxonomyView, t: Translator) -> str:
    if view.control == "places":
        return t.gettext("beyond what happened at {places}", places=t.listing(view.beside))
    if view.control == "topics":
        names = t.listing([taxonomy.name(topic, t.language) for topic in view.beside])
        return t.gettext("beyond what happened to complaints about “{topics}”", topics=names)
    return t.gettext("beyond the trend before it (there is nothing to compare with)")


def _amount(view: EffectView, value: float, t: Translator, *, bare: bool = False) -> str:
    if view.effect.measure == "share":
        shown = t.signed(100 * value, 1) if bare else t.number(100 * value, 1)
        return shown if bare else t.gettext("{amount} points of share", amount=shown)
    shown = t.signed(value, 1) if bare else t.number(value, 1)
    return shown if bare else t.gettext("{amount} a week", amount=shown)


def _reason(view: EffectView, t: Translator) -> str:
    match view.effect.reason:
        case "too_few_periods_before":
            return t.gettext("only {n} whole weeks before the change", n=view.effect.n_before)
        case "too_few_periods_after":
            return t.gettext("only {n} whole weeks after the change", n=view.effect.n_after)
        case "too_few_mentions":
            return t.gettext("too few mentions")
        case "pre_trend":
            return t.gettext("the change was on its way before that date")
        case "placebo":
            return t.gettext("the same method finds effects on dates when nothing happened")
        case "trend_uncertain":
            return t.gettext("the trend before it is too uncertain to be continued")
    return t.gettext("too little is known")
