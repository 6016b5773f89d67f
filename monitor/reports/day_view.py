"""The daily digest in words and cells of one language: at most eight sentences, each with the numbers behind it."""

from __future__ import annotations

from monitor.i18n import Translator, translator
from monitor.metrics.metric import Interval
from monitor.metrics.proportion import wilson
from monitor.reports.day import LEAST_PAST, DayData, DayLine, TopicOff, negatives, topics_off
from monitor.reports.facts import GAP_WORTH_SAYING
from monitor.reports.sentences import (
    Sentence,
    Tone,
    begun,
    between,
    between_shares,
    fraction,
    incident_name,
    isolated,
    topic_in_sentence,
    two_shares,
)
from monitor.reports.view import Cell, Table, Tile, View, incident_view, quote_view
from monitor.reports.weekly import IncidentLine

MAX_TOPICS = 3  # that are said; the table holds all
MAX_INCIDENTS = 3


def day_view(data: DayData, language: str) -> View:
    """The digest in `language`. Raises monitor.i18n.UnknownLanguage."""
    t = translator(language)
    said = tuple(day_sentences(data, language))
    day = t.day(data.day, "d MMMM")
    table = _topics(data, t)
    return View(
        language=t.language,
        brand=data.brand,
        title=t.gettext("{brand}: the day in feedback", brand=data.brand),
        subtitle=f"{t.day(data.day, 'full')} · {data.zone.key}",
        subject=_subject(data, t, day),
        preview=" ".join(sentence.text for sentence in said[1:3]) or said[0].text,
        sentences=said,
        tiles=_tiles(data, t),
        images=(),
        tables=(table,) if table is not None else (),
        heat=None,
        incidents=tuple(incident_view(incident, data, t) for incident in data.incidents),
        worst=tuple(quote_view(quote, data, t) for quote in data.worst),
        best=tuple(quote_view(quote, data, t) for quote in data.best),
        notes=_notes(data, t),
        notice=t.gettext("The day is not over: it is counted up to now and compared with nothing.")
        if data.until is not None
        else "",
        label=t.gettext("Daily digest"),
        lead_to=t.gettext("The day in the dashboard"),
        headline=t.gettext("What happened"),
    )


def day_sentences(data: DayData, language: str) -> list[Sentence]:
    """Volume and negative share; what was not collected; topics that are clearly off, largest first; incidents."""
    t = translator(language)
    said = [_volume(data, t)]
    if data.total.now.n:
        said.append(_negative_share(data, t))
    if (gap := _not_collected(data, t)) is not None:
        said.append(gap)
    off = topics_off(data)
    said += [_topic(one, data, t) for one in off[:MAX_TOPICS]]
    if data.comparable and data.topics and not off:
        text = t.gettext("No topic has clearly more or fewer complaints than usual {weekdays}.", weekdays=_on(data, t))
        said.append(Sentence(text, "neutral", "no_topic_change"))
    said += [_incident(incident, data, t) for incident in _news_first(data)[:MAX_INCIDENTS]]
    if (n := len(data.incidents) - MAX_INCIDENTS) > 0:
        said.append(Sentence(t.ngettext("{n} more incident.", "{n} more incidents.", n), "neutral", "incidents"))
    return said


def _on(data: DayData, t: Translator) -> str:
    """on Mondays"""
    return (
        t.gettext("on Mondays"),
        t.gettext("on Tuesdays"),
        t.gettext("on Wednesdays"),
        t.gettext("on Thursdays"),
        t.gettext("on Fridays"),
        t.gettext("on Saturdays"),
        t.gettext("on Sundays"),
    )[data.day.weekday()]


def _mean(t: Translator, value: float) -> str:
    return t.number(value, 1 if value < 10 else 0)


def _difference(data: DayData, now: int, usual: float, t: Translator) -> str:
    """What lies between the day, had it been collected whole, and a usual one."""
    value = now / data.coverage - usual
    return t.signed(value, 1 if abs(value) < 10 and not float(value).is_integer() else 0)


def _volume(data: DayData, t: Translator) -> Sentence:
    n = data.total.now.n_all
    mentions = t.ngettext("{n} mention", "{n} mentions", n)
    change = data.change(data.total, lambda tally: tally.n_all)
    if change is None:
        if data.until is not None:
            text = t.gettext("{mentions} so far.", mentions=mentions)
        elif len(data.exposures) < LEAST_PAST:
            text = t.gettext("{mentions}; there are too few such weekdays before to say what is usual.",
                             mentions=mentions)  # fmt: skip
        else:
            text = t.gettext("{mentions}; too little of the day was collected to say whether that is usual.",
                             mentions=mentions)  # fmt: skip
        return Sentence(text, "neutral", "volume")
    usual = data.usual(data.total, lambda tally: tally.n_all)
    template = (
        t.gettext("{mentions}, where {usual} are usual {weekdays}: {change} (interval {interval}).")
        if change.clear
        else t.gettext(
            "{mentions}, where {usual} are usual {weekdays}: no clear change ({change}, interval {interval})."
        )
    )
    text = template.format(
        mentions=mentions,
        usual=_mean(t, usual),
        weekdays=_on(data, t),
        change=_difference(data, n, usual, t),
        interval=between(t, change),
    )
    return Sentence(text, "neutral", "volume")


def _negative_share(data: DayData, t: Translator) -> Sentence:
    now = data.total.now
    share = now.n_negative / now.n
    compared = data.share_change()
    if compared is None:
        text = t.gettext(
            "{share} of mentions are negative (interval {interval}).",
            share=t.percent(share),
            interval=between_shares(t, wilson(now.n_negative, now.n)),
        )
        return Sentence(text, "neutral", "negative_share")
    usual, change = compared
    template = (
        t.gettext(
            "{share} of mentions are negative, where {usual} are usual {weekdays}: {points} points "
            "(interval {interval})."
        )
        if change.clear
        else t.gettext(
            "{share} of mentions are negative, where {usual} are usual {weekdays}: no clear change ({points} points, "
            "interval {interval})."
        )
    )
    was, is_now, points = two_shares(t, usual, share)
    text = template.format(
        share=is_now,
        usual=was,
        weekdays=_on(data, t),
        points=points,
        interval=between(t, change.scaled(100)),
    )
    tone: Tone = "neutral" if not change.clear else "worse" if change.low > 0 else "better"
    return Sentence(text, tone, "negative_share")


def _not_collected(data: DayData, t: Translator) -> Sentence | None:
    named = [gap for gap in data.gaps if gap.n_due and gap.n_missing / gap.n_due > GAP_WORTH_SAYING][:3]
    if not named:
        return None
    sources = t.listing(
        t.gettext("{source} ({missing} of {due} hours)", source=gap.source, missing=gap.n_missing, due=gap.n_due)
        for gap in named
    )
    text = t.gettext("Not collected: {sources}; what is missing there is not zero.", sources=sources)
    return Sentence(text, "warning", "not_collected")


def _topic(off: TopicOff, data: DayData, t: Translator) -> Sentence:
    rose = off.change.low > 0
    template = (
        t.gettext(
            "More complaints about {topic} than usual: {now}, where {usual} are usual {weekdays} "
            "({change}, interval {interval})"
        )
        if rose
        else t.gettext(
            "Fewer complaints about {topic} than usual: {now}, where {usual} are usual {weekdays} "
            "({change}, interval {interval})"
        )
    )
    parts = [
        template.format(
            topic=topic_in_sentence(off.topic.name(t.language), t.language),
            now=t.number(off.topic.now.n_negative),
            usual=_mean(t, off.usual),
            weekdays=_on(data, t),
            change=_difference(data, off.topic.now.n_negative, off.usual, t),
            interval=between(t, off.change),
        )
    ]
    if off.place is not None:
        parts.append(
            t.gettext("{fraction} from {place}", fraction=fraction(t, off.place.share), place=isolated(off.place.name))
        )  # fmt: skip
    if off.source is not None:
        if off.source.share == 1.0:
            parts.append(t.gettext("all on {source}", source=off.source.name))
        elif off.source.share >= 0.6:
            parts.append(t.gettext("mostly {source}", source=off.source.name))
    return Sentence(", ".join(parts) + ".", "worse" if rose else "better", "topic_change")


def _news_first(data: DayData) -> list[IncidentLine]:
    """What began on the day, then what ended, then what goes on."""

    def order(incident: IncidentLine) -> tuple[int, float]:
        began, over = _of_day(incident, data)
        return (0 if began else 1 if over else 2, -(incident.n_observed - incident.n_expected))

    return sorted(data.incidents, key=order)


def _of_day(incident: IncidentLine, data: DayData) -> tuple[bool, bool]:
    """Whether it began, and whether it ended, on the day."""
    resolved = incident.resolved_at
    return data.start <= incident.opened_at < data.end, resolved is not None and data.start <= resolved < data.end


def _incident(incident: IncidentLine, data: DayData, t: Translator) -> Sentence:
    began, over = _of_day(incident, data)
    name = incident_name(t, incident, data)
    since = begun(t, incident.since_at, data)
    if over:
        text = t.gettext("Incident over: {name}, since {day}.", name=name, day=since)
        return Sentence(text, "better", "incidents")
    head = t.gettext("New incident: {name}", name=name) if began else t.gettext("Incident goes on: {name}", name=name)
    if incident.counts_negatives:
        text = t.gettext(
            "{head}, {observed} negative mentions where {expected} were expected, since {day}.",
            head=head,
            observed=t.number(incident.n_observed),
            expected=t.number(incident.n_expected, 1 if incident.n_expected < 10 else 0),
            day=since,
        )
    else:
        text = t.gettext("{head}, since {day}.", head=head, day=since)
    return Sentence(text, "worse", "incidents")


def _subject(data: DayData, t: Translator, day: str) -> str:
    now = data.total.now
    if now.n_all == 0:
        return t.gettext("{brand}, {days}: no mentions", brand=data.brand, days=day)
    mentions = t.ngettext("{n} mention", "{n} mentions", now.n_all)
    if now.n == 0:
        return t.gettext("{brand}, {days}: {mentions}", brand=data.brand, days=day, mentions=mentions)
    share = t.percent(now.negative_share or 0.0)
    return t.gettext(
        "{brand}, {days}: {mentions}, {share} negative", brand=data.brand, days=day, mentions=mentions, share=share
    )


def _tiles(data: DayData, t: Translator) -> tuple[Tile, ...]:
    now = data.total.now

    def usually(value: str) -> str:
        return t.gettext("usually {value}", value=value) if data.comparable else ""

    whole = data.change(data.total, lambda tally: tally.n_all)
    n_usual = data.usual(data.total, lambda tally: tally.n_all) if whole is not None else 0.0
    tiles = [
        Tile(t.gettext("Mentions"), t.number(now.n_all), usually(_mean(t, n_usual)),
             _difference(data, now.n_all, n_usual, t) if whole is not None and whole.clear else "")
    ]  # fmt: skip
    if now.n:
        compared = data.share_change()
        tone: Tone = "neutral"
        if compared is not None and compared[1].clear:
            tone = "worse" if compared[1].low > 0 else "better"
        tiles.append(
            Tile(
                t.gettext("Negative share"),
                t.percent(now.negative_share or 0.0),
                usually(t.percent(compared[0]))
                if compared is not None
                else t.gettext("interval {interval}", interval=between_shares(t, wilson(now.n_negative, now.n))),
                t.gettext("{points} pts", points=t.signed(((now.negative_share or 0.0) - compared[0]) * 100))
                if compared is not None and compared[1].clear
                else "",
                tone,
            )
        )
    if data.stars is not None:
        tiles.append(
            Tile(
                t.gettext("Mean rating"),
                t.fixed(data.stars.mean, 2),
                t.ngettext("{n} rating", "{n} ratings", data.stars.n),
            )
        )
    n_open = sum(incident.state != "resolved" for incident in data.incidents)
    tiles.append(Tile(t.gettext("Open incidents"), t.number(n_open), "", "", "worse" if n_open else "neutral"))
    return tuple(tiles)


def _topics(data: DayData, t: Translator) -> Table | None:
    lines = [topic for topic in data.topics if topic.now.n]
    if not lines:
        return None
    clear = {off.topic.key for off in topics_off(data)}
    rows = []
    for topic in lines:
        row = [Cell(topic.name(t.language)), Cell(t.number(topic.now.n)), Cell(t.number(topic.now.n_negative))]
        change = data.change(topic, negatives)
        if change is not None:
            row += _compared(data, topic, change, topic.key in clear, t)
        rows.append(tuple(row))
    columns = [t.gettext("Topic"), t.gettext("Mentions"), t.gettext("Negative")]
    note = ""
    if data.comparable:
        columns += [t.gettext("Usual"), t.gettext("Change"), t.gettext("Interval")]
        note = t.gettext(
            "Usual: mean of negative mentions {weekdays} in the weeks before (n = {n}); bold where the difference "
            "stays clear among all topics.",
            weekdays=_on(data, t),
            n=len(data.exposures),
        )
    return Table("day", t.gettext("Topics"), tuple(columns), tuple(rows), note)


def _compared(data: DayData, topic: DayLine, change: Interval, clear: bool, t: Translator) -> list[Cell]:
    usual = data.usual(topic, negatives)
    tone: Tone = "neutral" if not clear else "worse" if change.low > 0 else "better"
    return [
        Cell(_mean(t, usual), faint=True),
        Cell(_difference(data, topic.now.n_negative, usual, t), tone, clear, not clear),
        Cell(between(t, change), faint=not clear),
    ]


def _notes(data: DayData, t: Translator) -> tuple[str, ...]:
    notes = [
        t.gettext(
            "Usual is the mean of the same weekday in up to eight weeks before, by what was collected. Intervals are "
            "95%, with the spread these days had; among many topics the false discoveries are held at 5% "
            "(Benjamini-Hochberg)."
        )
    ]
    if data.coverage < 0.995:
        notes.append(t.gettext("Collected: {now} of the day.", now=t.percent(data.coverage, 1)))
    if data.n_pending:
        notes.append(
            t.ngettext(
                "{n} mention is not judged yet and is not counted.",
                "{n} mentions are not judged yet and are not counted.",
                data.n_pending,
            )
        )
    notes.append(t.gettext("Made {moment}.", moment=t.moment(data.built_at, data.zone, "d MMMM y, HH:mm")))
    return tuple(notes)
