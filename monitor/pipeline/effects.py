"""Did a change help? Weekly complaints of the changed places beside the others, and the answer in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from sqlmodel import Session, col, select

from monitor.errors import ConfigError
from monitor.i18n import Translator
from monitor.metrics.effect import Effect, Measure, Period, effect
from monitor.store.queries.counts import values
from monitor.store.queries.opinions import Opinions, opinions
from monitor.store.queries.taxonomy import TaxonomyView, in_force
from monitor.store.shelf import places
from monitor.store.tables import Mention
from monitor.told import told

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
class Beside:
    """A place that was not changed: whether it stands among those compared with, and why.

    `why`: "not_changed", "chosen", "not_chosen", "not_before" and "not_after" (a place that nobody spoke of before, or
    after, opened or closed meanwhile: it would shift the others' mean by coming or going).
    """

    place: str
    before: Period
    after: Period
    used: bool
    why: Literal["not_changed", "chosen", "not_chosen", "not_before", "not_after"]


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
    places: tuple[Beside, ...] = ()  # every place that was not changed, where places are compared


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

    `treated` places are compared with the other places, or with those that `against` names. `against` may name topics
    instead: then complaints about these are the control. With neither, the series stands alone. Whole weeks counted
    from the change. Raises ConfigError for unknown names and for what cannot be compared.
    """
    view = in_force(session)
    first = _first(session, brand_id) if since is None else since
    if first is None or not first < changed_at < until:
        seen = "nothing is stored" if first is None else f"it must lie between {first:%Y-%m-%d} and {until:%Y-%m-%d}"
        raise ConfigError(f"the change on {changed_at:%Y-%m-%d} cannot be measured: {seen}")
    known = _places(session, brand_id)
    topics = [_known(name, view.topics, "topic") for name in topics]
    treated = [_known(name, known, "place") for name in treated]
    other_topics, other_places = _sides(against, view.topics, known)
    if not topics:
        raise ConfigError("a topic is needed: what the complaints are about")
    if both := sorted(set(topics) & set(other_topics)) + sorted(set(treated) & set(other_places)):
        raise ConfigError(f"{', '.join(both)} cannot be its own control")
    if other_places and not treated:
        raise ConfigError("places to compare with need places that were changed: name these too")
    n_before = min(MOST_WEEKS, (changed_at - first + SLACK) // WEEK)
    n_after = min(MOST_WEEKS, (until - changed_at + SLACK) // WEEK)
    if n_before < 1 or n_after < 1:
        raise ConfigError(f"the change on {changed_at:%Y-%m-%d} needs a whole week before and after it")
    start, n_weeks = changed_at - n_before * WEEK, n_before + n_after
    nothing = [Period(0, 0)] * n_weeks
    found = opinions(session, brand_id, start=start, end=start + n_weeks * WEEK)
    series = _weekly(found, topics, start, n_weeks)
    own = _sum([series.get(place, nothing) for place in treated] if treated else series.values(), nothing)
    places: tuple[Beside, ...] = ()
    other: list[Period] | None = None
    if other_topics:
        beside_it = _weekly(found, other_topics, start, n_weeks)
        other = _sum([beside_it.get(place, nothing) for place in treated] if treated else beside_it.values(), nothing)
    elif treated:
        others = sorted(known - set(treated))
        places = tuple(_stands(place, series.get(place, nothing), n_before, other_places) for place in others)
        used = [series.get(one.place, nothing) for one in places if one.used]
        other = _sum(used, nothing) if used else None
    beside = tuple(other_topics) or tuple(one.place for one in places if one.used)
    control: Control = "topics" if other_topics else "places" if beside else "none"
    weeks = tuple(
        Week(start + number * WEEK, period, other[number] if other else None) for number, period in enumerate(own)
    )
    return EffectView(
        tuple(topics), changed_at, tuple(treated), beside, control, weeks,
        effect(own, other, change_at=n_before, measure=measure),
        int(_total(series.get("", nothing)).n) if treated else 0, places,
    )  # fmt: skip


def _known(name: str, names: Iterable[str], what: str) -> str:
    """The name as it is spelt. Raises ConfigError with what is allowed."""
    spelt = {one.casefold(): one for one in names}
    if name not in spelt.values() and name.casefold() not in spelt:
        allowed = ", ".join(sorted(spelt.values())) or "no mention names one"
        raise ConfigError(f"{what} {name!r} is unknown; allowed: {allowed}")
    return name if name in spelt.values() else spelt[name.casefold()]


def _sides(against: Sequence[str], topics: Iterable[str], places: set[str]) -> tuple[list[str], list[str]]:
    """What is compared with, as topics or as places; a name that is neither is looked for among both."""
    found: tuple[list[str], list[str]] = ([], [])
    keys = {key.casefold() for key in topics}
    spelt = {place.casefold() for place in places}
    for name in against:
        if name.casefold() in keys:
            found[0].append(_known(name, topics, "topic"))
        elif name.casefold() in spelt:
            found[1].append(_known(name, places, "place"))
        else:
            allowed = ", ".join([*topics, *sorted(places)])
            raise ConfigError(f"{name!r} is neither a topic nor a place; allowed: {allowed}")
    if found[0] and found[1]:
        raise ConfigError(
            f"compare with topics ({', '.join(found[0])}) or with places ({', '.join(found[1])}), not both"
        )
    return found


def _weekly(found: Opinions, topics: Sequence[str], start: datetime, n_weeks: int) -> dict[str, list[Period]]:
    """Place -> per week the complaints about the topics, and the mentions; "" is no place."""
    cells = found.complaining(topics, [start + number * WEEK for number in range(n_weeks + 1)])
    held, place = places(cells.key["place"])
    cell = 2 * (n_weeks * place + cells.key["span"]) + cells.key["complains"]
    counted = np.bincount(cell, cells.n, minlength=2 * n_weeks * len(held)).astype(np.int64)
    return {
        found.words[number]: [Period(x, x + rest) for rest, x in weeks]
        for number, weeks in zip(held.tolist(), counted.reshape(len(held), n_weeks, 2).tolist(), strict=True)
    }


def _sum(series: Iterable[Sequence[Period]], nothing: Sequence[Period]) -> list[Period]:
    """Week by week."""
    return [_total(week) for week in zip(nothing, *series, strict=True)]


def _stands(place: str, series: Sequence[Period], n_before: int, chosen: Sequence[str]) -> Beside:
    before, after = _total(series[:n_before]), _total(series[n_before:])
    if chosen and place not in chosen:
        return Beside(place, before, after, False, "not_chosen")
    if not before.n or not after.n:
        return Beside(place, before, after, False, "not_after" if before.n else "not_before")
    return Beside(place, before, after, True, "chosen" if chosen else "not_changed")


def _total(periods: Sequence[Period]) -> Period:
    return Period(sum(one.x for one in periods), sum(one.n for one in periods))


def _first(session: Session, brand_id: int) -> datetime | None:
    """Not as a minimum: of a million mentions in the order of time the first that counts is soon found."""
    statement = (
        select(Mention.published_at)
        .where(Mention.brand_id == brand_id, col(Mention.counts).is_(True), col(Mention.sentiment).is_not(None))
        .order_by(col(Mention.published_at))
    )
    return session.exec(statement.limit(1)).first()


def _places(session: Session, brand_id: int) -> set[str]:
    """Of what is counted; of what is stored while nothing is."""
    stored = select(Mention.location).where(Mention.brand_id == brand_id).distinct()
    return set(values(session, brand_id, "location") or session.exec(stored)) - {""}


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
        t.gettext("Method: {method}.", method=told(t, found.method)),
        t.gettext(
            "{n_before} weeks before, {n_after} after; complaints {x_before} and {x_after}; plain means {before} and "
            "{after} (never the answer by themselves).",
            n_before=found.n_before, n_after=found.n_after, x_before=t.number(found.x_before),
            x_after=t.number(found.x_after), before=plain[0], after=plain[1],
        ),
    ]  # fmt: skip
    if view.places:
        lines.append(_compared(view, t))
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


def _compared(view: EffectView, t: Translator) -> str:
    """Which places stand beside the changed ones, which do not, and why."""
    used = [
        t.gettext(
            "{place} ({before} of {n} before)",
            place=one.place, before=t.number(one.before.x), n=t.number(one.before.n),
        )
        for one in view.places
        if one.used
    ]  # fmt: skip
    left = [f"{one.place} ({_why(one, t)})" for one in view.places if not one.used]
    first = (
        t.gettext("Compared with places that you chose: {places}.", places=t.listing(used))
        if any(one.why == "chosen" for one in view.places)
        else t.gettext("Compared with the places that were not changed: {places}.", places=t.listing(used))
        if used
        else t.gettext("There is no place to compare with.")
    )
    return first + (" " + t.gettext("Left out: {places}.", places=t.listing(left)) if left else "")


def _why(one: Beside, t: Translator) -> str:
    match one.why:
        case "not_before":
            return t.gettext("nobody spoke of it before the change")
        case "not_after":
            return t.gettext("nobody has spoken of it since the change")
    return t.gettext("not chosen")


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
            return t.ngettext(
                "only {n} whole week before the change", "only {n} whole weeks before the change", view.effect.n_before
            )
        case "too_few_periods_after":
            return t.ngettext(
                "only {n} whole week after the change", "only {n} whole weeks after the change", view.effect.n_after
            )
        case "too_few_mentions":
            return t.gettext("too few mentions")
        case "pre_trend":
            return t.gettext("the change was on its way before that date")
        case "placebo":
            return t.gettext("the same method finds effects on dates when nothing happened")
        case "trend_uncertain":
            return t.gettext("the trend before it is too uncertain to be continued")
    return t.gettext("too little is known")
