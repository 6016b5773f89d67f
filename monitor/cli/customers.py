"""Commands about customers: metrics, journey, segments, effect of a change, and the imports they live on."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from monitor.cli import common
from monitor.cli.common import ConfigOption, parse_time, say
from monitor.cli.data import field_mapping
from monitor.errors import ConfigError, NotReady, Partial

if TYPE_CHECKING:
    from sqlmodel import Session

    from monitor.i18n import Translator
    from monitor.metrics.metric import Interval, Metric
    from monitor.pipeline.context import Context
    from monitor.pipeline.importing import ImportResult
    from monitor.pipeline.indices import MetricTable
    from monitor.store.tables import Brand

BrandOption = Annotated[str | None, typer.Option(help="Brand; needed where several are watched.")]
SinceOption = Annotated[str | None, typer.Option(help="From this time on (ISO).")]
UntilOption = Annotated[str | None, typer.Option(help="Before this time (ISO); now, if not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
LanguageOption = Annotated[str | None, typer.Option(help="ru or en; that of the configuration if not given.")]
MapOption = Annotated[list[str] | None, typer.Option(help="field=column; repeat. Guessed where not given.")]
LocaleOption = Annotated[str | None, typer.Option(help="Language of dates in words and of day-first order, as in ru.")]
DryOption = Annotated[bool, typer.Option(help="Show the mapping and the bad rows; store nothing.")]
WIDTH = 130  # of tables that no terminal limits
OVERVIEW = ("nps", "csat", "ces", "ces_mean", "net_sentiment", "negative_share", "rating", "repeat_rate", "return_rate",
            "complaint_rate", "retention")  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command("metrics")(metrics)
    app.command("journey")(journey)
    app.command("segments")(segments)
    app.command("effect")(effect)
    app.command("import-surveys")(import_surveys)
    app.command("import-orders")(import_orders)
    app.command("import-activity")(import_activity)
    app.command("import-chats")(import_chats)


def metrics(
    brand: BrandOption = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="nps, csat, ces, net_sentiment ...; repeat. All by default.")
    ] = None,
    by: Annotated[str, typer.Option(help="period, segment, location, touchpoint or competitor.")] = "",
    step: Annotated[str, typer.Option(help="month or week, with --by period.")] = "month",
    weight: Annotated[
        list[str] | None, typer.Option(help="factor=weight of the 1,000-point index; repeat. All alike by default.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
    language: LanguageOption = None,
    config: ConfigOption = None,
) -> None:
    """Satisfaction in numbers, each with its n and 95 % interval; nothing is shown on too few answers."""
    import numpy as np

    from monitor.pipeline import indices, questionnaires
    from monitor.pipeline.customers import brand_named
    from monitor.pipeline.journeys import touchpoint_name
    from monitor.reports.measures import index_name, metric_name
    from monitor.reports.measures import touchpoint_name as surveyed
    from monitor.store.engine import reading
    from monitor.store.queries.chats import any_chats
    from monitor.store.queries.taxonomy import in_force
    from monitor.told import told

    with common.context(config) as context, reading(context.engine) as session:
        t = _translator(context, language)
        if by not in ("", "period", "segment", "location", "touchpoint", "competitor"):
            raise ConfigError(f"--by {by!r}: allowed: period, segment, location, touchpoint, competitor")
        if step not in ("month", "week"):
            raise ConfigError(f"--step {step!r}: allowed: month, week")
        row = brand_named(session, brand)
        brand_id = row.id or 0
        start, end = _span(context, since, until, timedelta(days=182 if by else 91))
        if by == "competitor":
            _competitors(session, row, start, end, t, _span_text(t, context, start, end), as_json=as_json)
            return
        wanted = metric or (OVERVIEW if not by else [name for name in ("nps", "csat", "ces", "net_sentiment")
                                                     if not (by == "segment" and name == "net_sentiment")])  # fmt: skip
        if not metric and not by and any_chats(session, brand_id):
            wanted = [*wanted, *indices.CHATS]
        tables = [
            indices.metric_table(
                session,
                brand_id,
                name,
                by=cast(Any, by),
                start=start,
                end=end,
                zone=context.settings.zone,
                step=cast(Any, step),
            )
            for name in wanted
        ]
        driven = {
            name: indices.drivers(session, brand_id, name, start=start, end=end, rng=np.random.default_rng(0))
            for name in (metric or [])
        }
        asked = None
        if not metric and not by:
            asked = questionnaires.questionnaire(
                session, brand_id, start=start, end=end, rng=np.random.default_rng(0), weights=_weights(weight)
            )
        taxonomy = in_force(session)
    if as_json:
        _print_json({
            "brand": row.slug, "since": start, "until": end, "tables": tables, "indices": asked,
            "drivers": {name: {"n_texts": n, "topics": found} for name, (found, n) in driven.items()},
        })  # fmt: skip
        return

    def named(table: MetricTable, key: str) -> str:
        if table.by != "touchpoint":
            return key
        # the touchpoint of a topic, or what surveys call one
        return touchpoint_name(taxonomy, key, t.language) if table.name in indices.FEEDBACK else surveyed(t, key)

    if not by:
        _metric_table(
            t.gettext("{brand}, {span}", brand=row.name, span=_span_text(t, context, start, end)), tables, t, first=True
        )
    if by and not any(table.cells for table in tables):
        print(t.gettext("Nothing to compare in {span}.", span=_span_text(t, context, start, end)))
        return
    for table in tables if by else ():
        title = f"{metric_name(t, table.name)}, {_span_text(t, context, start, end)}"
        _metric_table(title, [table], t, first=False, named=named)
    if asked is not None:
        rows = [
            [index_name(t, one.name), t.number(one.n), _value(one, t), told(t, one.method)] for one in asked.metrics
        ]
        heads = [t.gettext("Index"), "n", t.gettext("Value"), t.gettext("Method")]
        _table(t.gettext("Indices of questionnaires"), heads, rows)
        for one in dict.fromkeys(one.note for one in asked.metrics if one.note):
            print(told(t, one))
        for fault in asked.faults:
            print(told(t, fault))
    for name, (found, n) in driven.items():
        if not found:
            continue
        heads = [
            t.gettext("Topic"),
            "n",
            t.gettext("With it"),
            t.gettext("Without it"),
            t.gettext("Difference"),
            t.gettext("Impact"),
        ]
        title = t.gettext("What moves {metric} (over {n} texts)", metric=metric_name(t, name), n=n)
        rows = [
            [taxonomy.name(one.topic, t.language), t.number(one.n), _value(one.value, t), _value(one.rest, t),
             _difference(one.value, one.difference, one.interval, one.clear, t), _value(one.impact, t, like=one.value)]
            for one in found
        ]  # fmt: skip
        _table(title, heads, rows)
    _footnote(t)


def _competitors(
    session: Session, brand: Brand, start: datetime, end: datetime, t: Translator, span: str, *, as_json: bool
) -> None:
    """Share of voice, and the brand against each competitor, topic by topic."""
    from monitor.metrics.journey import LEAST
    from monitor.pipeline.rivals import rivals, shares_of_voice
    from monitor.store.queries.selection import Selection
    from monitor.store.queries.taxonomy import in_force

    voices = shares_of_voice(session, Selection(brand_id=brand.id or 0, start=start, end=end))
    found = rivals(session, brand, start=start, end=end)
    if as_json:
        _print_json({
            "brand": brand.slug, "since": start, "until": end,
            "voice": [{**_plain(one), "brand": of.slug} for of, one in voices],
            "rivals": [{**_plain(one), "envied": [row.row.topic for row in one.topics if row.envied]} for one in found],
        })  # fmt: skip
        return
    if not found:
        print(t.gettext("A competitor is a brand in monitor.toml with competitor = true."))
        return
    heads = [t.gettext("Brand"), "n", t.gettext("Share"), t.gettext("Against the span before")]
    rows = [
        [of.name, t.number(round((one.share.value or 0.0) * one.share.n)), _value(one.share, t),
         _difference(one.share, one.change, one.change_interval, one.change_interval is not None
                     and one.change_interval.clear, t)]
        for of, one in voices
    ]  # fmt: skip
    _table(t.gettext("Share of voice, {span}", span=span), heads, rows)
    taxonomy = in_force(session)
    for rival in found:
        heads = [t.gettext("Topic"), "n", brand.name, "n", rival.name, t.gettext("Difference")]
        listed = [(t.gettext("everything"), rival.whole, rival.whole.interval.clear)] if rival.whole else []
        listed += [(taxonomy.name(one.row.topic, t.language), one.row, one.clear) for one in rival.topics]
        rows = [
            [name, t.number(one.own.n), _value(one.own, t), t.number(one.other.n), _value(one.other, t),
             _difference(one.own, one.difference, one.interval, clear, t)]
            for name, one, clear in listed
        ]  # fmt: skip
        _table(t.gettext("Net sentiment beside {rival}", rival=rival.name), heads, rows)
        if not rival.topics:
            print(t.gettext("No topic has {n} judged mentions on both sides.", n=LEAST))
        envied = [taxonomy.name(one.row.topic, t.language) for one in rival.topics if one.envied]
        if envied:
            print(t.gettext("They are praised and we are blamed for:"), ", ".join(envied))
    _footnote(t)


def journey(
    brand: BrandOption = None,
    step: Annotated[str, typer.Option(help="month or week.")] = "month",
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
    language: LanguageOption = None,
    config: ConfigOption = None,
) -> None:
    """The customer's journey, stage by stage: feeling, complaints with a quote, where customers are lost."""
    from monitor.pipeline.customers import brand_named
    from monitor.pipeline.journeys import journey_view, touchpoint_name
    from monitor.reports.measures import touchpoint_name as surveyed
    from monitor.store.engine import reading
    from monitor.store.queries.taxonomy import in_force

    with common.context(config) as context, reading(context.engine) as session:
        t = _translator(context, language)
        if step not in ("month", "week"):
            raise ConfigError(f"--step {step!r}: allowed: month, week")
        row = brand_named(session, brand)
        start, end = _span(context, since, until, timedelta(days=182))
        view = journey_view(
            session, row.id or 0, start=start, end=end, zone=context.settings.zone, step=cast(Any, step)
        )
        taxonomy = in_force(session)
    if as_json:
        _print_json({"brand": row.slug, **_plain(view)})
        return
    if not view.stages:
        span = _span_text(t, context, start, end)
        print(t.gettext("Nothing was judged that speaks of a step in {span}; `monitor import` brings it.", span=span))
        return
    heads = [t.gettext("Stage"), "n", t.gettext("Net sentiment"), t.gettext("Share of complaints"), *view.periods]
    rows = [
        [("! " if one.step.weak else "") + taxonomy.stage_name(one.step.key, t.language), t.number(one.step.tally.n),
         _value(one.step.net, t), _value(one.step.burden, t),
         *(t.signed(cell.value) if cell.value is not None else "·" for cell in one.periods)]
        for one in view.stages
    ]  # fmt: skip
    _table(
        t.gettext("Journey of {brand}, {span}", brand=row.name, span=_span_text(t, context, start, end)), heads, rows
    )
    heads = [t.gettext("Stage"), t.gettext("Complaint about"), "n", t.gettext("In a customer's words")]
    rows = [
        [taxonomy.stage_name(one.step.key, t.language), taxonomy.name(complaint.topic, t.language),
         t.number(complaint.n), complaint.quote]
        for one in view.stages
        for complaint in one.complaints
    ]  # fmt: skip
    _table(t.gettext("What is complained about"), heads, rows)
    marked = [one for one in view.touchpoints if one.weak]
    heads = [t.gettext("Touchpoint"), "n", t.gettext("Net sentiment"), t.gettext("Share of complaints")]
    rows = [["! " + touchpoint_name(taxonomy, one.key, t.language), t.number(one.tally.n), _value(one.net, t),
             _value(one.burden, t)] for one in marked]  # fmt: skip
    _table(t.gettext("The worst touchpoints"), heads, rows)
    lost = [(taxonomy.stage_name(one.key, t.language), one) for one in view.lost_stages]
    lost += [(surveyed(t, one.key), one) for one in view.lost_touchpoints]
    heads = [t.gettext("After a complaint about"), "n", t.gettext("Ordered again within 45 days"),
             t.gettext("Without a complaint"),
             t.gettext("Difference")]  # fmt: skip
    rows = [
        [name, t.number(one.returned.n), _value(one.returned, t), t.percent(one.returned_elsewhere),
         _difference(one.returned, (one.returned.value or 0.0) - one.returned_elsewhere, one.difference, one.clear, t)]
        for name, one in lost
    ]  # fmt: skip
    _table(t.gettext("Where customers are lost ({n} customers with orders and answers)", n=view.n_watched), heads, rows)
    if not lost:
        print(t.gettext("Too few customers with orders complained about any one step to tell."))
    _footnote(t)


def segments(
    brand: BrandOption = None,
    export: Annotated[Path | None, typer.Option(help="Write the members to this csv file.")] = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
    language: LanguageOption = None,
    config: ConfigOption = None,
) -> None:
    """Customers in segments by behaviour and feedback, described in words; movement since last month."""
    from monitor.pipeline.customers import brand_named
    from monitor.pipeline.segmenting import TooFewCustomers, describe, export_members, rule, segment_view, sizes
    from monitor.store.engine import reading, writing
    from monitor.store.queries.customers import put_segments
    from monitor.store.queries.taxonomy import in_force

    with common.context(config) as context:
        t = _translator(context, language)
        with reading(context.engine) as session:
            row = brand_named(session, brand)
            zone = context.settings.zone
            at = _day(until, zone) if until else context.now
            taxonomy = in_force(session)
            try:
                view = segment_view(session, row.id or 0, now=at, zone=zone)
            except TooFewCustomers as problem:
                raise NotReady(f"{problem}; see `monitor import-orders`") from None
        if until is None:  # what was asked of another time is shown, not kept
            with writing(context.engine) as session:
                put_segments(session, row.id or 0, view.months)
    if export is not None:
        say(t.gettext("{n} customers written to {file}", n=export_members(view.members, export, t), file=export))
    if as_json:
        rows_told = [{**_plain(one), "description": describe(one.code, t)} for one in view.rows]
        moves = [{"from": a, "to": b, "n": n} for (a, b), n in sorted(view.moves.items())]
        _print_json({"brand": row.slug, "n": view.n, "stable": view.stable, "bounds": _plain(view.bounds),
                     "stability": view.stability, "valleys": view.valleys, "segments": rows_told,
                     "months": sizes(view.months), "moves": moves})  # fmt: skip
        return
    if not view.stable:
        print(t.gettext("These customers form no clear clusters: they are grouped by silence, spending and age."))
        print(textwrap.fill(rule(view.bounds, t), WIDTH))
    heads = [t.gettext("Segment"), "n", t.gettext("Share"), t.gettext("Share of revenue"), t.gettext("Orders"),
             t.gettext("Basket"),
             "NPS", t.gettext("Silent for 45 days"), t.gettext("Complains about")]  # fmt: skip
    rows = [
        [describe(one.code, t), t.number(one.n), t.percent(one.share), t.percent(one.value_share), t.number(one.orders),
         t.number(one.basket), _value(one.nps, t), _value(one.churn, t),
         f"{taxonomy.name(one.blamed, t.language)} ({t.number(one.n_blamed)})" if one.blamed else ""]
        for one in view.rows
    ]  # fmt: skip
    _table(t.gettext("Segments of {n} customers of {brand}", n=view.n, brand=row.name), heads, rows)
    held = sizes(view.months)
    rows = [[describe(one.code, t), *(t.number(held[month].get(one.code, 0)) for month in held)] for one in view.rows]
    if len(held) > 1:
        _table(t.gettext("Segments by month"), [t.gettext("Segment"), *held], rows)
    moved = sorted(((n, a, b) for (a, b), n in view.moves.items() if a != b), key=lambda one: (-one[0], one[1:]))[:10]
    rows = [[describe(a, t), describe(b, t), t.number(n)] for n, a, b in moved]
    _table(t.gettext("Movement since last month"), [t.gettext("From"), t.gettext("To"), "n"], rows)
    _footnote(t)


def effect(
    topic: Annotated[str, typer.Option(help="Topic the complaints are about; several with commas.")],
    changed: Annotated[str, typer.Option("--from", help="Day of the change (ISO).")],
    treated: Annotated[str, typer.Option(help="Places that were changed, with commas; none = the whole brand.")] = "",
    against: Annotated[
        str,
        typer.Option(
            help="Places to compare with, with commas (all that were not changed, if none is named), "
            "or topics, where no place can be."
        ),
    ] = "",
    measure: Annotated[str, typer.Option(help="share of mentions, or count a week.")] = "share",
    brand: BrandOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
    language: LanguageOption = None,
    config: ConfigOption = None,
) -> None:
    """Did a change reduce complaints? Difference in differences with the untreated places, or a plain "cannot tell"."""
    from monitor.pipeline.customers import brand_named
    from monitor.pipeline.effects import answer, checks, measure_effect
    from monitor.store.engine import reading
    from monitor.store.queries.taxonomy import in_force

    with common.context(config) as context, reading(context.engine) as session:
        t = _translator(context, language)
        if measure not in ("share", "count"):
            raise ConfigError(f"--measure {measure!r}: allowed: share, count")
        row = brand_named(session, brand)
        zone = context.settings.zone
        view = measure_effect(
            session, row.id or 0, topics=_listed(topic), changed_at=_day(changed, zone), treated=_listed(treated),
            against=_listed(against), since=_day(since, zone) if since else None,
            until=_day(until, zone) if until else context.now, measure=cast(Any, measure),
        )  # fmt: skip
        taxonomy = in_force(session)
    if as_json:
        _print_json({"brand": row.slug, "answer": answer(view, taxonomy, t), "checks": checks(view, t), **_plain(view)})
        return
    print(answer(view, taxonomy, t))
    for line in checks(view, t):
        print(f"  {line}")
    changed_weeks = [week.treated.share for week in view.weeks]
    changed, beside = t.gettext("By week, changed"), t.gettext("By week, beside")
    print(f"  {changed}: {_spark(changed_weeks, view.effect.n_before)}")
    if view.control != "none":
        shares = [week.control.share for week in view.weeks if week.control is not None]
        print(f"  {beside}: {_spark(shares, view.effect.n_before)}")


def import_surveys(
    file: Annotated[Path, typer.Argument(help="csv, tsv, jsonl, json, xlsx or parquet.")],
    brand: Annotated[str, typer.Option(help="Brand the answers are about.")],
    survey: Annotated[str | None, typer.Option(help="Name of the survey; the file's if not given.")] = None,
    metric: Annotated[str | None, typer.Option(help="nps, csat or ces, where no column says so.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="name=column of a further question; repeat.")] = None,
    map: MapOption = None,
    locale: LocaleOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = None,
) -> None:
    """Import answers to NPS (0-10), CSAT (1-5) and CES (1-7) questions. Comments are judged like any mention."""
    from monitor.pipeline.customers import import_surveys as run

    with common.context(config) as context:
        result = run(context, file, brand=brand, survey=survey, metric=metric, mapping=field_mapping(map),
                     items=field_mapping(item), locale=locale, dry_run=dry_run)  # fmt: skip
    _told(result, dry_run)


def import_orders(
    file: Annotated[Path, typer.Argument(help="csv, tsv, jsonl, json, xlsx or parquet.")],
    brand: Annotated[str, typer.Option(help="Brand the orders belong to.")],
    map: MapOption = None,
    locale: LocaleOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = None,
) -> None:
    """Import orders: customer, time, amount, place, returned or not. Customers are stored as pseudonyms."""
    from monitor.pipeline.customers import import_orders as run

    with common.context(config) as context:
        result = run(context, file, brand=brand, mapping=field_mapping(map), locale=locale, dry_run=dry_run)
    _told(result, dry_run)


def import_activity(
    file: Annotated[Path, typer.Argument(help="csv, tsv, jsonl, json, xlsx or parquet.")],
    brand: Annotated[str, typer.Option(help="Brand the customers are of.")],
    map: MapOption = None,
    locale: LocaleOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = None,
) -> None:
    """Import what customers do besides ordering (customer, time, kind): who still comes is not counted as lost."""
    from monitor.pipeline.customers import import_activity as run

    with common.context(config) as context:
        result = run(context, file, brand=brand, mapping=field_mapping(map), locale=locale, dry_run=dry_run)
    _told(result, dry_run)


def import_chats(
    file: Annotated[Path, typer.Argument(help="WhatsApp text export, Telegram JSON export, or csv of a desk.")],
    brand: Annotated[str, typer.Option(help="Brand the conversations are with.")],
    agent: Annotated[list[str] | None, typer.Option(help="Name under which the company writes; repeat.")] = None,
    source: Annotated[str | None, typer.Option(help="Name of the source; the messenger's if not given.")] = None,
    gap: Annotated[float, typer.Option(help="Hours of silence that end a conversation.")] = 24.0,
    map: MapOption = None,
    locale: LocaleOption = None,
    dry_run: DryOption = False,
    config: ConfigOption = None,
) -> None:
    """Import exported conversations as tickets: what the customer said, the answer, and the time to it."""
    from monitor.pipeline.customers import import_chats as run

    with common.context(config) as context:
        if gap <= 0:
            raise ConfigError(f"--gap {gap:g}: must be above zero")
        result = run(context, file, brand=brand, source=source, agents=agent or (), mapping=field_mapping(map),
                     locale=locale, gap=timedelta(hours=gap), dry_run=dry_run)  # fmt: skip
    _told(result, dry_run)


# --- words and tables -------------------------------------------------------------------------------


def _metric_table(
    title: str,
    tables: Sequence[MetricTable],
    t: Translator,
    *,
    first: bool,
    named: Callable[[MetricTable, str], str] = lambda table, key: key,
) -> None:
    from monitor.reports.measures import dimension_name, metric_name

    against = {
        "before": t.gettext("Against the span before"), "previous": t.gettext("Against the period before"),
        "rest": t.gettext("Against the rest"), "": t.gettext("Change"),
    }[tables[0].against]  # fmt: skip
    heads = [t.gettext("Metric") if first else dimension_name(t, tables[0].by), "n", t.gettext("Value"), against]
    rows = [
        [metric_name(t, table.name) if first else named(table, cell.key) if cell.key else t.gettext("not told"),
         t.number(cell.metric.n), _value(cell.metric, t),
         _difference(cell.metric, cell.difference, cell.interval, cell.clear, t)]
        for table in tables
        for cell in table.cells
    ]  # fmt: skip
    _table(title, heads, rows)


def _value(metric: Metric, t: Translator, *, like: Metric | None = None) -> str:
    """The number with its interval, or how many answers are missing."""
    if metric.value is None or metric.interval is None:
        return t.gettext("too few (n < {n})", n=metric.n_needed)
    show = _shower((like or metric).unit, t)
    return f"{show(metric.value)} [{show(metric.interval.low)}; {show(metric.interval.high)}]"


def _difference(metric: Metric, value: float | None, interval: Interval | None, clear: bool, t: Translator) -> str:
    if value is None or interval is None:
        return ""
    factor, digits = (100.0, 0) if metric.unit == "share" else (1.0, 2 if metric.unit == "stars" else 0)
    parts = [t.signed(factor * one, digits) for one in (value, interval.low, interval.high)]
    return f"{parts[0]} [{parts[1]}; {parts[2]}]" + (" *" if clear else "")


def _shower(unit: str, t: Translator) -> Any:
    if unit == "share":
        return t.percent
    return lambda value: t.number(value, 2 if unit == "stars" else 0)


def _footnote(t: Translator) -> None:
    print(
        t.gettext("In brackets the 95 % interval; * clear after Benjamini and Hochberg; ! stands out below the rest.")
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: framed on a terminal, plain columns elsewhere. Nothing where there are no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = list(rows)
    if not rows:
        return
    terminal = sys.stdout.isatty()
    table = Table(title=title, title_justify="left", box=box.ROUNDED if terminal else None, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if head == "n" else "left", overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(str(cell).replace("[", "\\[") for cell in row))
    Console(width=None if terminal else WIDTH).print(table)
    print()


def _spark(values: Sequence[float], split: int) -> str:
    """Weeks as bars, a stroke where the change was; a week without mentions is a dot."""
    known = [value for value in values if value == value]
    top = max(known, default=0.0) or 1.0
    bars = ["·" if value != value else "▁▂▃▄▅▆▇█"[min(7, int(value / top * 7.999))] for value in values]
    return "".join(bars[:split]) + "│" + "".join(bars[split:]) + f"  (█ = {top:.0%})"


# --- options ----------------------------------------------------------------------------------------


def _translator(context: Context, language: str | None) -> Translator:
    """Of the language asked for, which errors from here on speak, too."""
    from monitor.i18n import translator

    if language:
        common.read_by(language)
    return translator(language or context.settings.language)


def _span(context: Context, since: str | None, until: str | None, length: timedelta) -> tuple[datetime, datetime]:
    zone = context.settings.zone
    end = _day(until, zone) if until else context.now
    start = _day(since, zone) if since else end - length
    if not start < end:
        raise ConfigError(f"--since {since} lies behind --until {end:%Y-%m-%d}")
    return start, end


def _day(text: str, zone: Any) -> datetime:
    """A time; a bare day is its midnight where the reader lives."""
    if len(text) == 10:
        at = parse_time(text)
        assert at is not None
        return at.replace(tzinfo=zone)
    found = parse_time(text)
    assert found is not None
    return found


def _span_text(t: Translator, context: Context, start: datetime, end: datetime) -> str:
    zone = context.settings.zone
    return t.day_range(start.astimezone(zone).date(), (end - timedelta(seconds=1)).astimezone(zone).date())


def _weights(given: Sequence[str] | None) -> dict[str, float] | None:
    """name=number pairs. Raises ConfigError for anything else."""
    found = {}
    for pair in given or ():
        name, _, number = pair.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise ConfigError(f"--weight {pair!r}: write factor=number, as in staff=2") from None
    return found or None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _told(result: ImportResult, dry_run: bool) -> None:
    common.say_imported(result, dry_run=dry_run)
    if result.bad_rows:
        raise Partial(f"{len(result.bad_rows)} rows could not be read")


def _plain(value: Any) -> Any:
    """Values as JSON knows them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return value


def _print_json(value: Any) -> None:
    json.dump(_plain(value), sys.stdout, ensure_ascii=False, indent=2)
    print()
