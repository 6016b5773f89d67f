"""Commands about what raises alerts: the back-test of rules and of the detector."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, say
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlmodel import Session

    from alerts.series import SeriesKey
    from monitor.config import Rule
    from monitor.i18n import Translator
    from monitor.pipeline.backtest import Against, Alarm, Tested
    from monitor.pipeline.context import Context
    from monitor.store.tables import Brand

rule_app = typer.Typer(help="What raises alerts: list and back-test.", no_args_is_help=True)
DETECTOR = "detector"
_SHOWN = 20


def register(app: typer.Typer) -> None:
    app.add_typer(rule_app, name="rule")


@rule_app.command("list")
def list_(config: ConfigOption = None) -> None:
    """The detector's knob, and the plain rules in force: of the configuration and of the dashboard."""
    from monitor.i18n import translator
    from monitor.web.words import severity

    with common.context(config) as context:
        knob, rules = context.settings.alerts, _in_force(context)
        t = translator(context.settings.language)
    most = _budget(t, knob.false_alarms_per_week)
    everywhere = t.gettext("all brands")
    print("\t".join((DETECTOR, everywhere, t.gettext("at most {most} over the account", most=most))))
    for name, rule in rules.items():
        print("\t".join((name, rule.brand or everywhere, said(rule, t), severity(t, rule.severity))))


@rule_app.command("test")
def test(
    name: Annotated[str, typer.Argument(help="A rule of `monitor rule list`.")] = DETECTOR,
    brand: Annotated[str | None, typer.Option(help="Only this brand; else every brand it watches.")] = None,
    since: Annotated[str, typer.Option(help="How far back, as in 90d.")] = "90d",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per brand and setting.")] = False,
    config: ConfigOption = None,
) -> None:
    """When would it have spoken? Its own setting and two beside it, held against the incidents people confirmed.

    A hit is a confirmed incident that an alarm overlaps (a day of grace on both sides), a miss one that none does; a
    false alarm overlaps none. Without confirmed incidents every alarm counts as false: confirm some first.
    """
    from monitor.durations import parse_duration

    try:
        span = parse_duration(since)
    except ValueError as error:
        raise ConfigError(f"--since {since!r}: {error}") from None
    if not timedelta(days=1) <= span <= timedelta(days=730):
        raise ConfigError(f"--since {since!r}: allowed is one day to two years")
    with common.context(config) as context:
        rules = _in_force(context)
        if name != DETECTOR and name not in rules:
            raise ConfigError(f"rule {name!r}: unknown; allowed: {', '.join([DETECTOR, *rules])}")
        watched = rules[name].brand if name != DETECTOR else None
        for row in _brands(context, brand, watched):
            _try(context, row, name, rules.get(name), span, as_json=as_json)


def _in_force(context: Context) -> dict[str, Rule]:
    from monitor.store import rules as stored_rules
    from monitor.store.engine import reading

    with reading(context.engine) as session:
        return stored_rules.in_force(session, context.settings).rules


def _brands(context: Context, wanted: str | None, watched: str | None) -> list[Brand]:
    from sqlmodel import col, select

    from monitor.store.engine import reading
    from monitor.store.tables import Brand

    with reading(context.engine) as session:
        rows = session.exec(select(Brand).where(col(Brand.active).is_(True)).order_by(col(Brand.id))).all()
    rows = [row for row in rows if watched is None or row.slug == watched]
    if wanted is None:
        return list(rows)
    found = [row for row in rows if wanted in (row.slug, row.name)]
    if not found:
        raise ConfigError(f"--brand {wanted!r}: not watched; allowed: {', '.join(row.slug for row in rows)}")
    return found


def _try(context: Context, brand: Brand, name: str, rule: Rule | None, span: timedelta, *, as_json: bool) -> None:
    from monitor.i18n import SOURCE_LANGUAGE, translator
    from monitor.pipeline import backtest
    from monitor.store.engine import reading

    t = translator(SOURCE_LANGUAGE if as_json else context.settings.language)  # a program reads JSON
    until = context.now
    begins = until - span
    with reading(context.engine) as session:
        held = backtest.span_of(session, brand, since=begins, until=until)
        if nothing := _untested(t, context.settings.zone, brand, held, begins, detector=rule is None):
            plain = {"brand": brand.slug, "rule": name, "n_mentions": held.n_mentions, "untested": nothing}
            print(json.dumps(plain, ensure_ascii=False) if as_json else nothing)
            return
        if held.since > begins and not as_json:
            first = t.day(held.since.astimezone(context.settings.zone).date())
            say(t.gettext("{brand}: the first mention is of {day}: tested from then on", brand=brand.name, day=first))
        begins = held.since
        real = backtest.confirmed(session, brand, since=begins, until=until)
        if rule is None:
            own = context.settings.alerts.false_alarms_per_week
            trials = backtest.detector_trials(
                session, context.settings, brand, since=begins, until=until,
                progress=lambda done, n: context.progress(f"test {brand.slug}", done, n),
            )  # fmt: skip
            told = [(_budget(t, budget), budget == own, alarms) for budget, alarms in trials]
        else:
            facts = backtest.facts_of(session, brand, since=begins, until=until)
            told = [
                (said(trial.rule, t), trial.chosen, trial.alarms)
                for trial in backtest.backtest(rule, facts, brand=brand.slug, until=until)
            ]
        places = {} if as_json else _places(session, brand, (alarm for _, _, alarms in told for alarm in alarms), t)
    zone = context.settings.zone
    if not as_json:
        span_said = t.day_range(begins.astimezone(zone).date(), until.astimezone(zone).date())
        n_real = t.ngettext("{n} confirmed incident", "{n} confirmed incidents", len(real))
        print(f"{brand.name}, {span_said}, {n_real}")
        if not real:
            say(t.gettext("{brand}: nobody has confirmed an incident in this time, so every alarm counts as false",
                          brand=brand.name))  # fmt: skip
    for setting, chosen, alarms in told:
        result = backtest.against(alarms, real, since=begins, until=until)
        if as_json:
            print(json.dumps(_plain(brand, name, setting, chosen, alarms, result), ensure_ascii=False))
        else:
            _print(t, zone, setting, chosen, alarms, places, result)


def _untested(
    t: Translator, zone: ZoneInfo, brand: Brand, held: Tested, begins: datetime, *, detector: bool
) -> str:  # fmt: skip
    """Why there is nothing to say of a span; "" where there is."""
    if held.first_at is None:
        return t.gettext("{brand}: no judged mention is stored yet, so there is nothing to test on", brand=brand.name)
    first = t.day(held.first_at.astimezone(zone).date())
    if not held.n_mentions:
        span = t.day_range(begins.astimezone(zone).date(), held.until.astimezone(zone).date())
        return t.gettext("{brand}: no judged mention of {span} is stored, so there is nothing to test on",
                         brand=brand.name, span=span)  # fmt: skip
    if detector and held.too_short:
        return t.gettext("{brand}: the first mention is of {day}, and the detector needs three days of history",
                         brand=brand.name, day=first)  # fmt: skip
    return ""


def _print(
    t: Translator, zone: ZoneInfo, setting: str, chosen: bool, alarms: tuple[Alarm, ...],
    places: dict[SeriesKey, str], result: Against,
) -> None:  # fmt: skip
    counted = t.listing((
        t.ngettext("{n} alarm", "{n} alarms", len(alarms)),
        t.ngettext("{n} hit", "{n} hits", len(result.hits)),
        t.ngettext("{n} miss", "{n} misses", len(result.misses)),
        t.gettext("{n} false a week", n=t.number(result.false_a_week, 2)),
    ))  # fmt: skip
    chosen_said = " " + t.gettext("(as configured)") if chosen else ""
    print(f"  {setting}{chosen_said} – {counted}")
    for alarm in alarms[-_SHOWN:]:
        span = f"{t.moment(alarm.first_at, zone, 'short')} – {t.moment(alarm.last_at, zone, 'short')}"
        worst = t.gettext("as far as {n}", n=t.number(alarm.worst, 1))
        place = [places[alarm.series]] if alarm.series is not None else []
        print("    " + "  ".join([span, worst, *place]))
    if len(alarms) > _SHOWN:
        print("    " + t.gettext("(the last {n} of {all})", n=_SHOWN, all=len(alarms)))
    for row in result.misses:
        told = row.data.get("headlines", {}).get(t.language) or row.data.get("headline") or row.series
        print("    " + t.gettext("missed: {at}  {what}", at=t.moment(row.since_at, zone, "short"), what=told))


def _places(session: Session, brand: Brand, alarms: Iterable[Alarm], t: Translator) -> dict[SeriesKey, str]:
    """Where alarms of series were, by names; the brand's where it was everywhere."""
    from sqlmodel import select

    from monitor.pipeline.story import scope_of
    from monitor.store.tables import Source

    titles = {source.slug: source.name for source in session.exec(select(Source))}
    found = {}
    for key in {alarm.series for alarm in alarms if alarm.series is not None}:
        scope = scope_of(key, titles, t.language, session)
        found[key] = " · ".join(name for _, name in scope.parts()) or brand.name
    return found


def _budget(t: Translator, budget: float) -> str:
    if budget == 1:
        return t.gettext("1 false alarm a week")
    return t.gettext("{n} false alarms a week", n=t.number(budget, 2))


def _plain(brand: Brand, name: str, setting: str, chosen: bool, alarms: tuple[Alarm, ...],
           result: Against) -> dict[str, Any]:  # fmt: skip
    return {
        "brand": brand.slug, "rule": name, "setting": setting, "configured": chosen, "n_alarms": len(alarms),
        "hits": [row.uid for row in result.hits], "misses": [row.uid for row in result.misses],
        "n_false": result.n_false, "weeks": round(result.weeks, 2), "false_a_week": round(result.false_a_week, 3),
        "alarms": [
            {"first_at": one.first_at.isoformat(), "last_at": one.last_at.isoformat(), "worst": one.worst,
             "series": one.series.text() if one.series is not None else None}
            for one in alarms
        ],
    }  # fmt: skip


def said(rule: Rule, t: Translator) -> str:
    """A plain rule as a sentence."""
    from monitor.durations import format_duration

    window = format_duration(rule.window)
    if rule.kind == "low_ratings":
        return t.gettext("more than {n} ratings of {stars} or less within {window}", n=rule.more_than,
                         stars=t.number(rule.rating_at_most, 1), window=window)  # fmt: skip
    if rule.kind == "negative_count":
        return t.gettext("more than {n} negative mentions within {window}", n=rule.more_than, window=window)
    if rule.kind == "mean_rating":
        return t.gettext("mean rating below {stars} within {window}", stars=t.number(rule.below or 0.0, 1),
                         window=window)  # fmt: skip
    return t.gettext("one of the words {words} within {window}", words=", ".join(rule.words), window=window)
