"""Facts in words: at most ten sentences, each with the numbers that support it, in the reader's language."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from monitor.i18n import Translator, translator
from monitor.metrics.metric import Interval
from monitor.reports import facts as found
from monitor.reports.weekly import IncidentLine, Named, WeeklyData

HALF_A_YEAR = timedelta(days=180)
Tone = Literal["worse", "better", "neutral", "warning"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and how it is meant; `kind` is the name of its fact."""

    text: str
    tone: Tone
    kind: str

    def __str__(self) -> str:
        return self.text


def sentences(data: WeeklyData, language: str, *, limit: int = found.MAX_FACTS) -> list[Sentence]:
    """The week in words, most important first. Nothing is said that `facts` does not hold."""
    t = translator(language)
    return [_SAY[type(fact)](fact, data, t) for fact in found.facts(data, limit=limit)]


def between(t: Translator, interval: Interval, *, digits: int = 0) -> str:
    """An interval in words: "9 to 30". An end that rounds to zero although zero lies outside gets a decimal."""
    while digits < 3 and interval.clear and 0.0 in (round(interval.low, digits), round(interval.high, digits)):
        digits += 1
    return t.gettext("{low} to {high}", low=t.number(interval.low, digits), high=t.number(interval.high, digits))


def between_shares(t: Translator, interval: Interval) -> str:
    """An interval of a share: "9 to 30%"."""
    return t.gettext("{low} to {high}", low=t.number(interval.low * 100), high=t.percent(interval.high))


def two_shares(t: Translator, before: float, now: float) -> tuple[str, str, str]:
    """Two shares and the points between them: whole percents where these differ by the whole points, else with a
    decimal, and the points as the shares told have them between them."""
    digits = 0 if round(now * 100) - round(before * 100) == round((now - before) * 100) else 1
    points = round(now * 100, digits) - round(before * 100, digits)
    return t.percent(before, digits), t.percent(now, digits), t.signed(points, digits)


def begun(t: Translator, at: datetime, data: Named, time: str = "") -> str:
    """The day on which something began, with its year where that lies half a year back: 18 December 2025."""
    style = "d MMMM y" if data.built_at - at > HALF_A_YEAR else "d MMMM"
    return t.moment(at, data.zone, style + time)


def isolated(name: str) -> str:
    """A name between signs that keep its direction to itself, where it is written from right to left: a number after
    it stays after it."""
    if any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in name):
        return f"\u2068{name}\u2069"
    return name


def fraction(t: Translator, share: float) -> str:
    """A share in words where words are exact to two points, else per cent."""
    words = (
        (1.0, t.gettext("all")),
        (0.9, t.gettext("nine tenths")),
        (0.8, t.gettext("four fifths")),
        (0.75, t.gettext("three quarters")),
        (2 / 3, t.gettext("two thirds")),
        (0.6, t.gettext("three fifths")),
        (0.5, t.gettext("half")),
    )
    for value, word in words:
        if abs(share - value) <= (0.0 if value == 1.0 else 0.02):
            return word
    return t.percent(share)


def topic_in_sentence(name: str, language: str) -> str:
    """A topic inside a sentence: English drops the capital (not of an abbreviation); others put it in quotes."""
    if language != "en":
        return f"«{name}»"
    if len(name) > 1 and name[0].isupper() and not any(letter.isupper() for letter in name[1:]):
        return name[0].lower() + name[1:]
    return name


def since(t: Translator, weekday: int) -> str:
    """since Thursday"""
    return (
        t.gettext("since Monday"),
        t.gettext("since Tuesday"),
        t.gettext("since Wednesday"),
        t.gettext("since Thursday"),
        t.gettext("since Friday"),
        t.gettext("since Saturday"),
        t.gettext("since Sunday"),
    )[weekday]


def metric_name(t: Translator, key: str) -> str:
    """The name of a survey index."""
    names = {
        "nps": t.gettext("NPS"),
        "csat": t.gettext("CSAT"),
        "ces_index": t.gettext("CES 2.0"),
        "ces_mean": t.gettext("CES 2.0, mean"),
    }
    return names.get(key, key)


def incident_name(t: Translator, incident: IncidentLine, data: Named) -> str:
    """What an incident is about: topic, place, source, as far as it is narrowed down."""
    parts = []
    if incident.topic:
        parts.append(data.topic_name(incident.topic, t.language))
    parts += [isolated(part) for part in (incident.place, incident.source) if part]
    return ", ".join(parts) if parts else t.gettext("all mentions")


def incident_state(t: Translator, state: str) -> str:
    """The state of an incident as a word."""
    names = {
        "open": t.pgettext("state", "open"),
        "acknowledged": t.gettext("acknowledged"),
        "resolved": t.gettext("resolved"),
    }
    return names.get(state, state)


def _volume(fact: found.Volume, data: WeeklyData, t: Translator) -> Sentence:
    n = t.ngettext("{n} mention this week", "{n} mentions this week", fact.n_now)
    if fact.change is None:
        if fact.n_before:
            text = t.gettext("{mentions}; too little was collected to compare with the week before.", mentions=n)
        else:
            text = t.gettext("{mentions}; the week before has none to compare with.", mentions=n)
        return Sentence(text, "neutral", "volume")
    template = (
        t.gettext("{mentions}, after {before} the week before: {change} (interval {interval}).")
        if fact.change.clear
        else t.gettext("{mentions}, after {before} the week before: no clear change ({change}, interval {interval}).")
    )
    text = template.format(
        mentions=n,
        before=t.number(fact.n_before),
        change=t.signed(fact.n_now - fact.n_before),
        interval=between(t, fact.change),
    )
    return Sentence(text, "neutral", "volume")


def _negative_share(fact: found.NegativeShare, data: WeeklyData, t: Translator) -> Sentence:
    share = fact.x / fact.n
    values: dict[str, Any] = {"share": t.percent(share), "interval": between_shares(t, fact.interval)}
    if fact.change is None or fact.share_before is None:
        return Sentence(
            t.gettext("{share} of mentions are negative (interval {interval}).", **values), "neutral", "negative_share"
        )
    before, now, points = two_shares(t, fact.share_before, share)
    values |= {
        "share": now,
        "before": before,
        "points": points,
        "change": between(t, fact.change.scaled(100)),
    }
    if not fact.change.clear:
        text = t.gettext(
            "{share} of mentions are negative (interval {interval}); no clear change from {before} "
            "({points} points, interval {change}).",
            **values,
        )
        return Sentence(text, "neutral", "negative_share")
    if fact.change.low > 0:
        text = t.gettext(
            "{share} of mentions are negative, up from {before}: {points} points (interval {change}).", **values
        )
        return Sentence(text, "worse", "negative_share")
    text = t.gettext(
        "{share} of mentions are negative, down from {before}: {points} points (interval {change}).", **values
    )
    return Sentence(text, "better", "negative_share")


def _topic_change(fact: found.TopicChange, data: WeeklyData, t: Translator) -> Sentence:
    values: dict[str, Any] = {
        "topic": topic_in_sentence(fact.topic.line.name(t.language), t.language),
        "before": t.number(fact.n_before),
        "now": t.number(fact.n_now),
        "change": t.signed(fact.n_now - fact.n_before),
        "interval": between(t, fact.change),
    }
    if fact.praise:
        template = (
            t.gettext("Praise for {topic} rose from {before} to {now} ({change}, interval {interval})")
            if fact.rose
            else t.gettext("Praise for {topic} fell from {before} to {now} ({change}, interval {interval})")
        )
    else:
        template = (
            t.gettext("Complaints about {topic} rose from {before} to {now} ({change}, interval {interval})")
            if fact.rose
            else t.gettext("Complaints about {topic} fell from {before} to {now} ({change}, interval {interval})")
        )
    parts = [template.format(**values)]
    if fact.place is not None:
        word = fraction(t, fact.place.share)
        parts.append(t.gettext("{fraction} from {place}", fraction=word, place=isolated(fact.place.name)))
    if fact.source is not None:
        if fact.source.share == 1.0:
            parts.append(t.gettext("all on {source}", source=fact.source.name))
        elif fact.source.share >= 0.6:
            parts.append(t.gettext("mostly {source}", source=fact.source.name))
        else:
            parts.append(t.gettext("half of them on {source}", source=fact.source.name))
    if fact.since_day is not None:
        parts.append(since(t, fact.since_day))
    text = ", ".join(parts)
    if fact.with_volume:
        text += t.gettext("; as a share of all mentions there is no clear change")
    worse = fact.rose != fact.praise
    return Sentence(text + ".", "worse" if worse else "better", "topic_change")


def _share_change(fact: found.ShareChange, data: WeeklyData, t: Translator) -> Sentence:
    now, before = fact.line.now, fact.line.before
    share_now, share_before = now.negative_share or 0.0, before.negative_share or 0.0
    template = (
        t.gettext(
            "{name}: the negative share rose from {before} to {now} ({points} points, interval {interval}; n = {n})."
        )
        if fact.rose
        else t.gettext(
            "{name}: the negative share fell from {before} to {now} ({points} points, interval {interval}; n = {n})."
        )
    )
    was, is_now, points = two_shares(t, share_before, share_now)
    text = template.format(
        name=isolated(fact.line.name(t.language)),
        before=was,
        now=is_now,
        points=points,
        interval=between(t, fact.change.scaled(100)),
        n=t.number(now.n),
    )
    return Sentence(text[:1].upper() + text[1:], "worse" if fact.rose else "better", f"share_change.{fact.dimension}")


def _stands_out(fact: found.StandsOut, data: WeeklyData, t: Translator) -> Sentence:
    now = fact.line.now
    elsewhere, share, points = two_shares(t, fact.share_elsewhere, now.negative_share or 0.0)
    text = t.gettext(
        "{name} stands out: {share} of {n} mentions are negative, against {elsewhere} elsewhere "
        "({points} points, interval {interval}).",
        name=isolated(fact.line.name(t.language)),
        share=share,
        n=t.number(now.n),
        elsewhere=elsewhere,
        points=points,
        interval=between(t, fact.difference.scaled(100)),
    )
    return Sentence(text, "worse", "stands_out")


def _rating_change(fact: found.RatingChange, data: WeeklyData, t: Translator) -> Sentence:
    rose = fact.change.low > 0
    template = (
        t.gettext("The mean rating rose from {before} to {now} ({change}, interval {interval}; n = {n}).")
        if rose
        else t.gettext("The mean rating fell from {before} to {now} ({change}, interval {interval}; n = {n}).")
    )
    text = template.format(
        before=t.fixed(fact.mean_before, 2),
        now=t.fixed(fact.mean_now, 2),
        change=t.signed(fact.mean_now - fact.mean_before, 2),
        interval=between(t, fact.change, digits=2),
        n=t.number(fact.n_now),
    )
    return Sentence(text, "better" if rose else "worse", "rating_change")


def _impact(fact: found.Impact, data: WeeklyData, t: Translator) -> Sentence:
    assert fact.metric.value is not None
    assert fact.metric.interval is not None
    text = t.gettext(
        "Nothing pulls the net sentiment down more than {topic}: without it, it would be {points} points higher "
        "(interval {interval}; n = {n}).",
        topic=topic_in_sentence(fact.topic.line.name(t.language), t.language),
        points=t.number(-fact.metric.value, 0 if fact.metric.value <= -1 else 1),
        interval=between(t, fact.metric.interval.scaled(-1)),
        n=t.number(fact.metric.n),
    )
    return Sentence(text, "neutral", "impact")


def _weak_stage(fact: found.WeakStage, data: WeeklyData, t: Translator) -> Sentence:
    assert fact.metric.value is not None
    assert fact.metric.interval is not None
    values: dict[str, Any] = {
        "stage": fact.stage.name(t.language),
        "net": t.signed(fact.metric.value),
        "interval": between(t, fact.metric.interval),
        "n": t.number(fact.metric.n),
    }
    if fact.stage.top_complaint:
        name = data.topic_name(fact.stage.top_complaint, t.language)
        text = t.gettext(
            "Weakest step of the journey: {stage}, net sentiment {net} (interval {interval}; n = {n}), "
            "most complaints about {topic}.",
            topic=topic_in_sentence(name, t.language),
            **values,
        )
    else:
        text = t.gettext(
            "Weakest step of the journey: {stage}, net sentiment {net} (interval {interval}; n = {n}).", **values
        )
    return Sentence(text, "neutral", "weak_stage")


def _voice_change(fact: found.VoiceChange, data: WeeklyData, t: Translator) -> Sentence:
    rose = fact.change.low > 0
    template = (
        t.gettext("Share of voice rose from {before} to {now} ({points} points, interval {interval}).")
        if rose
        else t.gettext("Share of voice fell from {before} to {now} ({points} points, interval {interval}).")
    )
    before, now, points = two_shares(t, fact.share_before, fact.share)
    text = template.format(
        before=before,
        now=now,
        points=points,
        interval=between(t, fact.change.scaled(100)),
    )
    return Sentence(text, "neutral", "voice_change")


def _rival(fact: found.Rival, data: WeeklyData, t: Translator) -> Sentence:
    assert fact.own.value is not None
    assert fact.other.value is not None
    ahead = fact.difference.low > 0
    template = (
        t.gettext("Net sentiment is {own}, clearly above {name} with {other} ({points} points, interval {interval}).")
        if ahead
        else t.gettext(
            "Net sentiment is {own}, clearly below {name} with {other} ({points} points, interval {interval})."
        )
    )
    text = template.format(
        own=t.signed(fact.own.value),
        name=fact.name,
        other=t.signed(fact.other.value),
        points=t.signed(fact.own.value - fact.other.value),
        interval=between(t, fact.difference),
    )
    return Sentence(text, "better" if ahead else "worse", "rival")


def _survey_change(fact: found.SurveyChange, data: WeeklyData, t: Translator) -> Sentence:
    assert fact.now.value is not None
    assert fact.before.value is not None
    rose = fact.change.low > 0
    scale = 100.0 if fact.now.unit == "share" else 1.0
    digits = 2 if fact.now.unit == "stars" else 0
    show: Callable[[float], str] = t.percent if fact.now.unit == "share" else (lambda value: t.number(value, digits))
    template = (
        t.gettext("{metric} rose from {before} to {now} ({change}, interval {interval}; n = {n}).")
        if rose
        else t.gettext("{metric} fell from {before} to {now} ({change}, interval {interval}; n = {n}).")
    )
    text = template.format(
        metric=metric_name(t, fact.key),
        before=show(fact.before.value),
        now=show(fact.now.value),
        change=t.signed((fact.now.value - fact.before.value) * scale, digits),
        interval=between(t, fact.change.scaled(scale), digits=digits),
        n=t.number(fact.now.n),
    )
    return Sentence(text, "better" if rose else "worse", "survey_change")


def _incidents(fact: found.Incidents, data: WeeklyData, t: Translator) -> Sentence:
    n = len(fact.incidents)
    n_open = sum(1 for incident in fact.incidents if incident.state != "resolved")
    first = fact.incidents[0]
    head = t.ngettext("{n} incident this week", "{n} incidents this week", n)
    if n == n_open == 1:
        head += t.gettext(", still open")
    elif n_open:
        head += t.ngettext(", {n} still open", ", {n} still open", n_open)
    if first.counts_negatives:
        template = (
            t.gettext("{head}: {name}, {observed} negative mentions where {expected} were expected, since {day}.")
            if n == 1
            else t.gettext(
                "{head}; the largest: {name}, {observed} negative mentions where {expected} were expected, since {day}."
            )
        )
    else:
        template = t.gettext("{head}: {name}, since {day}.")
    text = template.format(
        head=head,
        name=incident_name(t, first, data),
        observed=t.number(first.n_observed),
        expected=t.number(first.n_expected, 1 if first.n_expected < 10 else 0),
        day=begun(t, first.since_at, data),
    )
    return Sentence(text, "worse" if n_open else "neutral", "incidents")


def _not_collected(fact: found.NotCollected, data: WeeklyData, t: Translator) -> Sentence:
    worst = sorted((gap for gap in fact.gaps if gap.n_due), key=lambda gap: -gap.n_missing / gap.n_due)
    named = [gap for gap in worst if gap.n_missing / gap.n_due > found.GAP_WORTH_SAYING][:3]
    if named:
        sources = t.listing(
            t.gettext("{source} ({missing} of {due} hours)", source=gap.source, missing=gap.n_missing, due=gap.n_due)
            for gap in named
        )
        text = t.gettext("Not collected this week: {sources}; what is missing there is not zero.", sources=sources)
    elif fact.coverage_now < 1 - found.GAP_WORTH_SAYING:
        text = t.gettext(
            "Only {share} of the week was collected; counts are compared per collected hour.",
            share=t.percent(fact.coverage_now),
        )
    else:
        text = t.gettext(
            "Only {share} of the week before was collected; counts are compared per collected hour.",
            share=t.percent(fact.coverage_before),
        )
    return Sentence(text, "warning", "not_collected")


def _no_topic_change(fact: found.NoTopicChange, data: WeeklyData, t: Translator) -> Sentence:
    if fact.largest is None or fact.largest_change is None:
        text = (
            t.gettext("No clear change in complaints on any other topic.")
            if fact.others
            else t.gettext("No clear change in complaints on any topic.")
        )
        return Sentence(text, "neutral", "no_topic_change")
    now, before = fact.largest.line.now.n_negative, fact.largest.line.before.n_negative
    template = (
        t.gettext(
            "No clear change in complaints on any other topic; the largest move was {topic}, from {before} to {now} "
            "({change}, interval {interval})"
        )
        if fact.others
        else t.gettext(
            "No clear change in complaints on any topic; the largest move was {topic}, from {before} to {now} "
            "({change}, interval {interval})"
        )
    )
    text = template.format(
        topic=topic_in_sentence(fact.largest.line.name(t.language), t.language),
        before=t.number(before),
        now=t.number(now),
        change=t.signed(now - before),
        interval=between(t, fact.largest_change),
    )
    if fact.largest_change.clear:
        text += t.ngettext(
            ", which among {n} topic may be chance", ", which among {n} topics may be chance", len(data.topics)
        )
    return Sentence(text + ".", "neutral", "no_topic_change")


def _silence(fact: found.Silence, data: WeeklyData, t: Translator) -> Sentence:
    text = t.gettext("No mentions this week.")
    if fact.n_before:
        text = t.gettext("No mentions this week, after {before} the week before.", before=t.number(fact.n_before))
    return Sentence(text, "neutral", "silence")


_SAY: dict[type, Callable[[Any, WeeklyData, Translator], Sentence]] = {
    found.Volume: _volume,
    found.NegativeShare: _negative_share,
    found.TopicChange: _topic_change,
    found.ShareChange: _share_change,
    found.StandsOut: _stands_out,
    found.RatingChange: _rating_change,
    found.Impact: _impact,
    found.WeakStage: _weak_stage,
    found.VoiceChange: _voice_change,
    found.Rival: _rival,
    found.SurveyChange: _survey_change,
    found.Incidents: _incidents,
    found.NotCollected: _not_collected,
    found.NoTopicChange: _no_topic_change,
    found.Silence: _silence,
}


def week_title(t: Translator, data: WeeklyData) -> str:
    """The range of days of the week."""
    return t.day_range(data.week.monday, data.week.monday + timedelta(days=6))
