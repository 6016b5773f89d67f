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
    from monitor.config import Rule
    from monitor.pipeline.backtest import Against, Alarm
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
    with common.context(config) as context:
        knob, rules = context.settings.alerts, _in_force(context)
    print(f"{DETECTOR}\tall brands\tat most {knob.false_alarms_per_week:g} false alarms a week over the account")
    for name, rule in rules.items():
        print(f"{name}\t{rule.brand or 'all brands'}\t{said(rule)}\t{rule.severity}")


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
    from monitor.pipeline import backtest
    from monitor.store.engine import reading

    until = context.now
    begins = until - span
    with reading(context.engine) as session:
        real = backtest.confirmed(session, brand, since=begins, until=until)
        if rule is None:
            own = context.settings.alerts.false_alarms_per_week
            trials = backtest.detector_trials(session, context.settings, brand, since=begins, until=until)
            told = [(f"{budget:g} false alarms a week", budget == own, alarms) for budget, alarms in trials]
        else:
            facts = backtest.facts_of(session, brand, since=begins, until=until)
            told = [
                (said(trial.rule), trial.chosen, trial.alarms)
                for trial in backtest.backtest(rule, facts, brand=brand.slug)
            ]
    if not as_json:
        print(f"{brand.name}, {begins:%Y-%m-%d} to {until:%Y-%m-%d}, {len(real)} confirmed incidents")
        if not real:
            say(f"{brand.name}: nobody has confirmed an incident in this time, so every alarm counts as false")
    for setting, chosen, alarms in told:
        result = backtest.against(alarms, real, since=begins, until=until)
        if as_json:
            print(json.dumps(_plain(brand, name, setting, chosen, alarms, result), ensure_ascii=False))
        else:
            _print(setting, chosen, alarms, result)


def _print(setting: str, chosen: bool, alarms: tuple[Alarm, ...], result: Against) -> None:
    print(
        f"  {setting}{' (as configured)' if chosen else ''}: {len(alarms)} alarms, {len(result.hits)} hits, "
        f"{len(result.misses)} misses, {result.false_a_week:.2f} false a week"
    )
    for alarm in alarms[-_SHOWN:]:
        where = f"  {alarm.series.text()}" if alarm.series is not None else ""
        print(f"    {alarm.first_at:%Y-%m-%d %H:%M} to {alarm.last_at:%Y-%m-%d %H:%M}  worst {alarm.worst:g}{where}")
    if len(alarms) > _SHOWN:
        print(f"    (the last {_SHOWN} of {len(alarms)})")
    for row in result.misses:
        print(f"    missed: {row.since_at:%Y-%m-%d %H:%M}  {row.data.get('headline') or row.series}")


def _plain(brand: Brand, name: str, setting: str, chosen: bool, alarms: tuple[Alarm, ...],
           result: Against) -> dict[str, Any]:  # fmt: skip
    return {
        "brand": brand.slug, "rule": name, "setting": setting, "configured": chosen, "n_alarms": len(alarms),
        "hits": [row.uid for row in result.hits], "misses": [row.uid for row in result.misses],
        "n_false": result.n_false, "false_a_week": round(result.false_a_week, 3),
        "alarms": [
            {"first_at": one.first_at.isoformat(), "last_at": one.last_at.isoformat(), "worst": one.worst,
             "series": one.series.text() if one.series is not None else None}
            for one in alarms
        ],
    }  # fmt: skip


def said(rule: Rule) -> str:
    """A plain rule as a sentence."""
    from monitor.durations import format_duration

    window = format_duration(rule.window)
    if rule.kind == "low_ratings":
        return f"more than {rule.more_than} ratings of {rule.rating_at_most:g} or less within {window}"
    if rule.kind == "negative_count":
        return f"more than {rule.more_than} negative mentions within {window}"
    if rule.kind == "mean_rating":
        return f"mean rating below {rule.below:g} within {window}"
    return f"one of the words {', '.join(rule.words)} within {window}"
