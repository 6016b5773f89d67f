"""The report as words and cells of one language: what page, mail, Markdown and PDF lay out, each in its own way."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.i18n import Translator, translator
from monitor.metrics.metric import Interval, Metric
from monitor.metrics.proportion import wilson
from monitor.metrics.sentiment import Tally, net_change, net_sentiment
from monitor.metrics.survey import change_of_mean
from monitor.metrics.voice import share_of_voice
from monitor.reports.charts import Chart, charts
from monitor.reports.facts import LEAST_IN_SHARE, change_of_complaints, share_change
from monitor.reports.measures import verdict_name
from monitor.reports.sentences import (
    Sentence,
    Tone,
    begun,
    between,
    between_shares,
    incident_name,
    incident_state,
    isolated,
    metric_name,
    sentences,
    week_title,
)
from monitor.reports.weekly import IncidentLine, Line, Named, Quote, WeeklyData

LEAST_IN_CELL = 5  # mentions before a cell of the heat map shows a number


@dataclass(frozen=True, slots=True)
class Tile:
    """A key figure."""

    label: str
    value: str
    detail: str
    change: str = ""
    tone: Tone = "neutral"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table; `strong` marks a clear change, `low` a number on too few answers."""

    text: str
    tone: Tone = "neutral"
    strong: bool = False
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the first column is left-aligned text, the others are numbers."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of the journey heat map with its colours."""

    text: str
    n: str
    title: str
    background: str
    ink: str


@dataclass(frozen=True, slots=True)
class Heat:
    """Stages by weeks; the last column is the week of the report. `worst` marks the weakest stages."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, bool, str, tuple[HeatCell, ...]], ...]


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A quote with what stands under it."""

    text: str
    meta: str
    url: str | None
    tone: Tone
    language: str

    @property
    def direction(self) -> str:
        """Of its first letter: "rtl" or "ltr". Not every layout knows "auto"."""
        letters = (unicodedata.bidirectional(sign) for sign in self.text)
        return "rtl" if next((one for one in letters if one in ("L", "R", "AL")), "L") != "L" else "ltr"


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident."""

    title: str
    text: str
    state: str
    tone: Tone
    url: str | None


@dataclass(frozen=True, slots=True)
class View:
    """Everything a layout needs. `images` are drawn once and shared by all layouts of one language."""

    language: str
    brand: str
    title: str
    subtitle: str
    subject: str
    preview: str
    sentences: tuple[Sentence, ...]
    tiles: tuple[Tile, ...]
    images: tuple[Chart, ...]
    tables: tuple[Table, ...]
    heat: Heat | None
    incidents: tuple[IncidentView, ...]
    worst: tuple[QuoteView, ...]
    best: tuple[QuoteView, ...]
    notes: tuple[str, ...]
    notice: str = ""  # said first and loudly
    label: str = ""  # what kind of message this is
    headline: str = ""  # over the sentences
    lead_to: str = ""  # on the link

    def image(self, name: str) -> Chart | None:
        return next((chart for chart in self.images if chart.name == name), None)

    def table(self, key: str) -> Table | None:
        return next((table for table in self.tables if table.key == key), None)


def view(data: WeeklyData, language: str, *, with_images: bool = True) -> View:
    """The report in `language`. Raises monitor.i18n.UnknownLanguage."""
    t = translator(language)
    said = tuple(sentences(data, language))
    days = week_title(t, data)
    tables = [
        _topics(data, t),
        _places(data, t),
        _lines("sources", t.gettext("Sources"), t.gettext("Source"), data.sources, t),
        _lines("languages", t.gettext("Languages"), t.gettext("Language"), data.languages, t),
        _brands(data, t),
        _surveys(data, t),
        _experience(data, t),
    ]
    return View(
        language=t.language,
        brand=data.brand,
        title=t.gettext("{brand}: the week in feedback", brand=data.brand),
        subtitle=t.gettext("{days} · week {week} · {zone}", days=days, week=data.week.number, zone=data.zone.key),
        subject=_subject(data, t, days),
        preview=" ".join(sentence.text for sentence in said[1:3]) or (said[0].text if said else ""),
        sentences=said,
        tiles=_tiles(data, t),
        images=tuple(charts(data, t)) if with_images else (),
        tables=tuple(table for table in tables if table is not None),
        heat=_heat(data, t),
        incidents=tuple(incident_view(incident, data, t) for incident in data.incidents),
        worst=tuple(quote_view(quote, data, t) for quote in data.worst),
        best=tuple(quote_view(quote, data, t) for quote in data.best),
        notes=_notes(data, t),
        notice=_notice(data, t),
        label=t.gettext("Weekly report"),
        headline=t.gettext("What changed"),
        lead_to=t.gettext("Full report"),
    )


def _subject(data: WeeklyData, t: Translator, days: str) -> str:
    now = data.total.now
    if now.n_all == 0:
        return t.gettext("{brand}, {days}: no mentions", brand=data.brand, days=days)
    mentions = t.ngettext("{n} mention", "{n} mentions", now.n_all)
    if now.n == 0:
        return t.gettext("{brand}, {days}: {mentions}", brand=data.brand, days=days, mentions=mentions)
    share = t.percent(now.negative_share or 0.0)
    return t.gettext(
        "{brand}, {days}: {mentions}, {share} negative", brand=data.brand, days=days, mentions=mentions, share=share
    )


def _notice(data: WeeklyData, t: Translator) -> str:
    notices = []
    if data.written_sample:
        notices.append(t.gettext("This report is made from the bundled sample, which is written and arranged."))
    if data.until is not None:
        moment = t.moment(data.until, data.zone, "EEEE, d MMMM, HH:mm")
        notices.append(
            t.gettext("The week is not over: both weeks are counted up to the same moment ({moment}).", moment=moment)
        )
    return " ".join(notices)


def _tiles(data: WeeklyData, t: Translator) -> tuple[Tile, ...]:
    now, before = data.total.now, data.total.before
    tiles = [
        Tile(
            t.gettext("Mentions"),
            t.number(now.n_all),
            t.gettext("{n} the week before", n=t.number(before.n_all)) if before.n_all else "",
            t.signed(now.n_all - before.n_all) if before.n_all else "",
        )
    ]
    if now.n:
        share = share_change(data.total) if before.n else None
        tiles.append(
            Tile(
                t.gettext("Negative share"),
                t.percent(now.negative_share or 0.0),
                t.gettext("interval {interval}", interval=between_shares(t, wilson(now.n_negative, now.n))),
                _points(t, ((now.negative_share or 0) - (before.negative_share or 0)) * 100) if before.n else "",
                _tone(share, up_is_better=False),
            )
        )
        net = net_sentiment(now)
        change = net_change(now, before) if before.n else None
        tiles.append(
            Tile(
                t.gettext("Net sentiment"),
                t.signed(net.value) if net.value is not None else "–",
                _interval_or_few(t, net),
                _points(t, (now.net or 0.0) - (before.net or 0.0)) if before.n and net.shown else "",
                _tone(change, up_is_better=True),
            )
        )
    stars, stars_before = data.stars_now, data.stars_before
    if stars is not None and stars.n >= 5:
        moved = (
            change_of_mean(
                stars.mean, stars.variance, stars.n, stars_before.mean, stars_before.variance, stars_before.n
            )
            if stars_before is not None and stars_before.n >= 5
            else None
        )
        tiles.append(
            Tile(
                t.gettext("Mean rating"),
                t.fixed(stars.mean, 2),
                t.ngettext("{n} rating", "{n} ratings", stars.n),
                t.signed(stars.mean - stars_before.mean, 2) if stars_before is not None and moved is not None else "",
                _tone(moved, up_is_better=True),
            )
        )
    return tuple(tiles)


def _topics(data: WeeklyData, t: Translator) -> Table | None:
    lines = [topic for topic in data.topics if topic.line.now.n or topic.line.before.n]
    lines.sort(key=lambda topic: (-topic.line.now.n_negative, -topic.line.now.n, topic.line.key))
    if not lines:
        return None
    with_impact = any(topic.impact is not None and topic.impact.shown for topic in lines)
    rows = []
    for topic in lines:
        line = topic.line
        row = [Cell(line.name(t.language)), *_share_cells(line.now, t), *_change_cells(line, data, t)]
        if with_impact:
            row.append(_impact_cell(topic.impact, t))
        rows.append(tuple(row))
    columns = [
        t.gettext("Topic"),
        t.gettext("Mentions"),
        t.gettext("Negative"),
        t.gettext("Negative share"),
        t.gettext("Change"),
        t.gettext("Interval"),
    ]
    note = t.gettext("Change: negative mentions against the week before; bold when its interval excludes zero.")
    if with_impact:
        columns.append(t.gettext("Impact"))
        note += " " + t.gettext("Impact: points of net sentiment that mentions of the topic add or take away.")
    return Table("topics", t.gettext("Topics"), tuple(columns), tuple(rows), note)


def _places(data: WeeklyData, t: Translator) -> Table | None:
    lines = [place for place in data.places if place.line.now.n or place.line.before.n]
    if not lines:
        return None
    lines.sort(key=lambda place: (-(place.line.now.negative_share or 0.0), -place.line.now.n, place.line.key))
    with_rating = any(place.rating is not None and place.rating.shown for place in lines)
    rows = []
    for place in lines:
        row = [Cell(place.line.name(t.language)), *_share_cells(place.line.now, t), *_share_change_cells(place.line, t)]
        if with_rating:
            row.append(_rating_cell(place.rating, t))
        rows.append(tuple(row))
    columns = [t.gettext("Place"), *_share_columns(t)]
    note = _share_note(t)
    if with_rating:
        columns.append(t.gettext("Rating"))
        note += " " + t.gettext("Rating: recency-weighted Bayesian mean of stars over the last year.")
    return Table("places", t.gettext("Places"), tuple(columns), tuple(rows), note)


def _lines(key: str, title: str, column: str, lines: Sequence[Line], t: Translator) -> Table | None:
    rows = sorted((line for line in lines if line.now.n or line.before.n), key=lambda line: (-line.now.n, line.key))
    if len(rows) < 2:
        return None
    return Table(
        key,
        title,
        (column, *_share_columns(t)),
        tuple(
            (Cell(line.name(t.language)), *_share_cells(line.now, t), *_share_change_cells(line, t)) for line in rows
        ),
        _share_note(t),
    )


def _brands(data: WeeklyData, t: Translator) -> Table | None:
    if len(data.brands) < 2:
        return None
    voices = share_of_voice(
        {brand.name: brand.now.n for brand in data.brands}, before={brand.name: brand.before.n for brand in data.brands}
    )
    by_name = {brand.name: brand for brand in data.brands}
    rows = []
    for voice in voices:
        brand = by_name[voice.brand]
        net = net_sentiment(brand.now)
        few = Cell("–", faint=True)
        change = few
        if voice.change is not None and voice.change_interval is not None:
            clear = voice.change_interval.clear
            change = Cell(_points(t, voice.change * 100), strong=clear, faint=not clear)
        rows.append(
            (
                Cell(brand.name, strong=brand.own),
                Cell(t.number(brand.now.n)),
                Cell(t.percent(voice.share.value)) if voice.share.value is not None else few,
                Cell(between_shares(t, voice.share.interval), faint=True) if voice.share.interval is not None else few,
                change,
                Cell(t.signed(net.value)) if net.value is not None else few,
                Cell(between(t, net.interval), faint=True) if net.interval is not None else few,
            )
        )
    columns = (
        t.gettext("Brand"),
        t.gettext("Mentions"),
        t.gettext("Share of voice"),
        t.gettext("Interval"),
        t.gettext("Change"),
        t.gettext("Net sentiment"),
        t.gettext("Interval"),
    )
    return Table("brands", t.gettext("Competitors"), columns, tuple(rows), t.gettext("Duplicates count once."))


def _surveys(data: WeeklyData, t: Translator) -> Table | None:
    if not data.metrics:
        return None
    rows = []
    for line in data.metrics:
        scale = 100.0 if line.now.unit == "share" else 1.0
        digits = 2 if line.now.unit == "stars" else 0
        if line.now.value is None or line.now.interval is None:
            shown, interval = Cell(_few(t, line.now), faint=True), Cell("–", faint=True)
        else:
            shown = Cell(t.percent(line.now.value) if line.now.unit == "share" else t.number(line.now.value, digits))
            interval = Cell(
                between_shares(t, line.now.interval)
                if line.now.unit == "share"
                else between(t, line.now.interval, digits=digits),
                faint=True,
            )
        change = Cell("–", faint=True)
        if line.before is not None and line.before.value is not None and line.now.value is not None and line.change:
            clear = line.change.clear
            change = Cell(
                t.signed((line.now.value - line.before.value) * scale, digits),
                _tone(line.change, up_is_better=True),
                clear,
                not clear,
            )
        rows.append((Cell(metric_name(t, line.key)), Cell(t.number(line.now.n)), shown, interval, change))
    columns = (
        t.gettext("Index"),
        t.gettext("Answers"),
        t.gettext("Value"),
        t.gettext("Interval"),
        t.gettext("Change"),
    )
    return Table("surveys", t.gettext("Surveys"), columns, tuple(rows))


def _experience(data: WeeklyData, t: Translator) -> Table | None:
    """Only what changed for customers; no table where nothing did."""
    rows = []
    for line in data.experience:
        better = line.change is not None and (line.change > 0) == line.rising_is_good
        if line.kind == "effect":
            tone: Tone = {"fell": "better", "rose": "worse"}.get(line.verdict, "neutral")  # type: ignore[assignment]
            answer = Cell(verdict_name(t, line.verdict), tone, strong=True)
            was = Cell(verdict_name(t, line.verdict_before) if line.verdict_before else t.gettext("new"), faint=True)
            words = line.words.get(t.language) or line.words.get("en", "")
            rows.append((Cell(f"{line.key}. {words}"), answer, Cell("–", faint=True), was))
            continue
        if line.now is None or line.now.value is None or line.change is None or line.interval is None:
            continue
        percent = line.now.unit == "share"
        factor = 100.0 if percent else 1.0
        name = {"metric": metric_name(t, line.key), "silent": t.gettext("Customers silent for longer than usual")}.get(
            line.kind, t.gettext("Stage “{stage}”: net sentiment", stage=line.name(t.language))
        )
        if line.now.unit == "minutes":
            value, change = t.number(line.now.value), t.signed(line.change)
        else:
            value = t.percent(line.now.value) if percent else t.signed(line.now.value)
            change = _points(t, line.change * factor)
        rows.append((
            Cell(name),
            Cell(f"{value} (n = {t.number(line.now.n)})"),
            Cell(change, "better" if better else "worse", strong=True),
            Cell(between(t, line.interval.scaled(factor)), faint=True),
        ))  # fmt: skip
    if not rows:
        return None
    columns = (
        t.gettext("What changed"),
        t.gettext("Now"),
        t.gettext("Change"),
        t.gettext("Interval, or answer before"),
    )
    note = t.gettext(
        "Four weeks against the four before; told once, when the change becomes clear after Benjamini and Hochberg."
    )
    return Table("experience", t.gettext("Customers"), columns, tuple(rows), note)


def _heat(data: WeeklyData, t: Translator) -> Heat | None:
    stages = [stage for stage in data.stages if any(cell.n for cell in stage.cells)]
    if not stages or not data.weeks:
        return None
    everything = [
        (stage.stage, net_sentiment(stage.cells[-1], n_needed=LEAST_IN_SHARE)) for stage in stages if stage.cells
    ]
    ranked = sorted(
        (metric.value, stage) for stage, metric in everything if metric.value is not None and metric.value < 0
    )
    worst = {stage for _value, stage in ranked[:2]}
    columns = tuple(t.day(point.week.monday, "d MMM") for point in data.weeks)
    rows = []
    for stage in stages:
        name = data.topic_name(stage.top_complaint, t.language) if stage.top_complaint else ""
        rows.append(
            (
                stage.name(t.language),
                stage.stage in worst,
                name,
                tuple(_heat_cell(tally, t) for tally in stage.cells),
            )
        )
    return Heat(columns, tuple(rows))


def _heat_cell(tally: Tally, t: Translator) -> HeatCell:
    if tally.n == 0:
        return HeatCell("", "", t.gettext("no mentions"), "#F2F4F7", "#667085")
    mentions = t.ngettext("{n} mention", "{n} mentions", tally.n)
    metric = net_sentiment(tally, n_needed=LEAST_IN_CELL)
    if metric.value is None or metric.interval is None:
        return HeatCell("·", t.number(tally.n), mentions, "#F2F4F7", "#667085")
    title = t.gettext("{mentions}, interval {interval}", mentions=mentions, interval=between(t, metric.interval))
    background, ink = heat_colour(metric.value)
    return HeatCell(t.signed(metric.value), t.number(tally.n), title, background, ink)


def heat_colour(net: float) -> tuple[str, str]:
    """Background and ink of a net sentiment from -100 (red) over 0 (sand) to 100 (green); the ink keeps contrast AA."""
    steps = (
        (-60.0, "#B42337", "#FFFFFF"),
        (-30.0, "#E58A94", "#3B0A12"),
        (-10.0, "#F6CDD1", "#3B0A12"),
        (10.0, "#F5F0E1", "#3A3320"),
        (30.0, "#CBE8E3", "#0B3B35"),
        (60.0, "#7CC8BC", "#06302B"),
        (100.0, "#1E7A6F", "#FFFFFF"),
    )
    return next(((background, ink) for limit, background, ink in steps if net <= limit), steps[-1][1:])


def incident_view(incident: IncidentLine, data: Named, t: Translator) -> IncidentView:
    """One incident in words."""
    since = begun(t, incident.since_at, data, ", HH:mm")
    values = {
        "observed": t.number(incident.n_observed),
        "expected": t.number(incident.n_expected, 1 if incident.n_expected < 10 else 0),
        "moment": since,
    }
    if incident.counts_negatives:
        text = t.gettext("{observed} negative mentions where {expected} were expected, since {moment}", **values)
    elif incident.signal == "volume":
        text = t.gettext("{observed} mentions where {expected} were expected, since {moment}", **values)
    elif incident.signal == "rating":
        stars = {"observed": t.fixed(incident.n_observed, 1), "expected": t.fixed(incident.n_expected, 1)}
        text = t.gettext("mean rating {observed} where {expected} is usual, since {moment}", **values | stars)
    else:
        text = t.gettext("since {moment}", moment=since)
    if incident.resolved_at is not None:
        text += t.gettext("; resolved {moment}", moment=t.moment(incident.resolved_at, data.zone, "d MMMM, HH:mm"))
    state = incident_state(t, incident.state)
    if incident.verdict == "rejected":
        state = t.gettext("not an incident")
    tone: Tone = "worse" if incident.state != "resolved" and incident.verdict != "rejected" else "neutral"
    return IncidentView(incident_name(t, incident, data), text, state, tone, incident.url)


def quote_view(quote: Quote, data: Named, t: Translator) -> QuoteView:
    """A quote and the line under it."""
    parts = []
    if quote.rating is not None:
        parts.append("★" * round(quote.rating) + "☆" * (5 - round(quote.rating)))
    parts += [isolated(part) for part in (quote.source, quote.place) if part]
    parts.append(t.day(quote.published_at.astimezone(data.zone).date(), "d MMMM"))
    if quote.topics:
        parts.append(", ".join(data.topic_name(topic, t.language) for topic in quote.topics))
    if quote.n_copies > 1:
        parts.append(t.ngettext("{n} copy", "{n} copies", quote.n_copies))
    if quote.sentiment == "negative" and not quote.has_reply:
        parts.append(t.gettext("no reply yet"))
    tone: Tone = {"negative": "worse", "positive": "better"}.get(quote.sentiment, "neutral")  # type: ignore[assignment]
    url = quote.url if quote.url and quote.url.startswith(("https://", "http://")) else None
    return QuoteView(quote.text, " · ".join(parts), url, tone, quote.language)


def _notes(data: WeeklyData, t: Translator) -> tuple[str, ...]:
    notes = [
        t.gettext(
            "Intervals are 95%: shares by Wilson, their differences by Newcombe, counts with the spread each series "
            "had in the weeks before. Among many topics, places and sources the false discoveries are held at 5% "
            "(Benjamini-Hochberg)."
        )
    ]
    if data.coverage_now >= 0.995 and not data.gaps:
        notes.append(t.gettext("Everything that was due this week was collected."))
    else:
        notes.append(
            t.gettext(
                "Collected: {now} of this week, {before} of the week before.",
                now=t.percent(data.coverage_now, 1),
                before=t.percent(data.coverage_before, 1),
            )
        )
    for gap in data.gaps:
        reason = f": {gap.reason}" if gap.reason else ""
        notes.append(
            t.gettext(
                "{source}: {missing} of {due} hours not collected",
                source=gap.source,
                missing=gap.n_missing,
                due=gap.n_due,
            )
            + reason
        )
    model = data.model
    if model.name:
        notes.append(
            t.gettext(
                "Sentiment and topics by the model {model}; judged: {n}.", model=model.name, n=t.number(model.n_judged)
            )
        )
    if model.n_repeats:
        notes.append(
            t.ngettext(
                "{n} mention repeats another and is not counted.",
                "{n} mentions repeat others and are not counted.",
                model.n_repeats,
            )
        )
    if model.n_pending:
        notes.append(
            t.ngettext(
                "{n} mention is not judged yet and is not counted.",
                "{n} mentions are not judged yet and are not counted.",
                model.n_pending,
            )
        )
    if model.n_failed:
        notes.append(
            t.ngettext("{n} mention could not be judged.", "{n} mentions could not be judged.", model.n_failed)
        )
    if model.n_corrected:
        notes.append(
            t.ngettext("{n} mention was corrected by hand.", "{n} mentions were corrected by hand.", model.n_corrected)
        )
    measured = [entry for entry in model.measured if entry.share.value is not None and entry.share.interval is not None]
    if measured:
        parts = [
            t.gettext(
                "{language} {share} ({interval}, n = {n})",
                language=_language_name(t, entry.language),
                share=t.percent(entry.share.value or 0.0),
                interval=between_shares(t, entry.share.interval or Interval(0, 1)),
                n=t.number(entry.share.n),
            )
            for entry in measured
        ]
        notes.append(t.gettext("Sentiment the model got right where people looked: {parts}.", parts="; ".join(parts)))
    notes.append(t.gettext("Made {moment}.", moment=t.moment(data.built_at, data.zone, "d MMMM y, HH:mm")))
    return tuple(notes)


def _language_name(t: Translator, code: str) -> str:
    return str(t.locale.languages.get(code, code))


def _share_columns(t: Translator) -> tuple[str, ...]:
    return (
        t.gettext("Mentions"),
        t.gettext("Negative"),
        t.gettext("Negative share"),
        t.gettext("Change, points"),
        t.gettext("Interval"),
    )


def _share_note(t: Translator) -> str:
    return t.gettext(
        "Change: negative share against the week before, from {n} mentions on either side; bold when its interval "
        "excludes zero.",
        n=LEAST_IN_SHARE,
    )


def _share_cells(tally: Tally, t: Translator) -> tuple[Cell, ...]:
    few = tally.n < LEAST_IN_CELL
    share = Cell("–", faint=True) if few else Cell(t.percent(tally.negative_share or 0.0))
    return Cell(t.number(tally.n)), Cell(t.number(tally.n_negative)), share


def _change_cells(line: Line, data: WeeklyData, t: Translator) -> tuple[Cell, Cell]:
    change = change_of_complaints(line, data)
    if change is None:
        return Cell("–", faint=True), Cell("–", faint=True)
    clear = change.clear
    tone = _tone(change, up_is_better=False)
    difference = t.signed(line.now.n_negative - line.before.n_negative)
    return Cell(difference, tone, clear, not clear), Cell(between(t, change), faint=not clear)


def _share_change_cells(line: Line, t: Translator) -> tuple[Cell, Cell]:
    now, before = line.now, line.before
    if min(now.n, before.n) < LEAST_IN_SHARE:
        return Cell("–", faint=True), Cell("–", faint=True)
    change = share_change(line)
    points = ((now.negative_share or 0.0) - (before.negative_share or 0.0)) * 100
    clear = change.clear
    return (
        Cell(t.signed(points), _tone(change, up_is_better=False), clear, not clear),
        Cell(between(t, change.scaled(100)), faint=not clear),
    )


def _impact_cell(metric: Metric | None, t: Translator) -> Cell:
    if metric is None or metric.value is None or metric.interval is None:
        return Cell("–", faint=True)
    clear = metric.interval.clear
    return Cell(t.signed(metric.value, 1), _tone(metric.interval, up_is_better=True), clear, not clear)


def _rating_cell(metric: Metric | None, t: Translator) -> Cell:
    if metric is None or metric.value is None or metric.interval is None:
        return Cell("–", faint=True)
    low, high = t.fixed(metric.interval.low, 1), t.fixed(metric.interval.high, 1)
    return Cell(f"{t.fixed(metric.value, 1)} ({low}–{high})")


def _tone(change: Interval | None, *, up_is_better: bool) -> Tone:
    if change is None or not change.clear:
        return "neutral"
    return "better" if (change.low > 0) == up_is_better else "worse"


def _points(t: Translator, points: float) -> str:
    return t.gettext("{points} pts", points=t.signed(points))


def _interval_or_few(t: Translator, metric: Metric) -> str:
    if metric.interval is None:
        return _few(t, metric)
    return t.gettext("interval {interval}", interval=between(t, metric.interval))


def _few(t: Translator, metric: Metric) -> str:
    return t.gettext("too few answers ({n} of {needed})", n=t.number(metric.n), needed=t.number(metric.n_needed))
