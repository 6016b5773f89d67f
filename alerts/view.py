"""Decides every text a message shows, in the reader's language, before anybody lays it out: one view, many looks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from alerts import sentences
from alerts.message import ENDS, Driver, Kind, LinkKind, Message, Quote, Scope, Signal
from alerts.text import clean, isolated, shorten
from alerts.words import Words

N_DRIVERS, N_TOPICS, N_PHRASES, N_QUOTES, N_ITEMS = 6, 5, 8, 3, 25
LONGEST_QUOTE, LONGEST_NAME, LONGEST_TEXT, LONGEST_ITEM = 320, 120, 2000, 400


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the large numbers on top."""

    value: str
    label: str
    hot: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    kind: LinkKind
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class DriverRow:
    dimension: str
    name: str
    observed: str
    expected: str
    excess: str
    percent: int  # of the largest excess shown


@dataclass(frozen=True, slots=True)
class Counted:
    """A topic or phrase with its count."""

    text: str
    n: str


@dataclass(frozen=True, slots=True)
class QuoteView:
    text: str
    meta: str
    url: str | None
    stars: str
    rating: str


@dataclass(frozen=True, slots=True)
class ItemView:
    badge: str
    tone: str
    moment: str
    headline: str
    url: str | None


@dataclass(frozen=True, slots=True)
class View:
    """Every text of a message, in the reader's language, ready to be laid out."""

    subject: str
    badge: str
    severity: str
    tone: str  # critical, warning, info, over, note: the colour
    headline: str
    figures: list[Figure]
    chart_alt: str
    steps: list[str]
    buttons: list[Button]
    items: list[ItemView]
    drivers: list[DriverRow]
    topics: list[Counted]
    phrases: list[Counted]
    quotes: list[QuoteView]
    cautions: list[str]
    facts: list[sentences.Fact]
    footer: str
    settings_url: str | None


def tidy(message: Message) -> Message:
    """The message with every stranger's text harmless and of bounded length; tidying twice changes nothing."""
    scope = {name: _name(value) for name, value in message.scope.parts()}
    return replace(
        message,
        brand=_name(message.brand),
        headline=shorten(clean(message.headline, lines=False), LONGEST_TEXT),
        note=shorten(clean(message.note), LONGEST_TEXT),
        chart_alt=shorten(clean(message.chart_alt, lines=False), LONGEST_TEXT),
        scope=Scope(**scope),
        drivers=tuple(replace(driver, name=_name(driver.name)) for driver in message.drivers),
        topics=tuple(replace(topic, name=_name(topic.name)) for topic in message.topics),
        phrases=tuple(replace(phrase, text=_name(phrase.text)) for phrase in message.phrases),
        quotes=tuple(
            replace(
                quote,
                text=shorten(clean(quote.text), LONGEST_TEXT),
                author=_name(quote.author) if quote.author else None,
                source=_name(quote.source) if quote.source else None,
                location=_name(quote.location) if quote.location else None,
                url=quote.url if safe_url(quote.url) else None,
            )
            for quote in message.quotes
        ),
        confounders=tuple(
            replace(confounder, name=_name(confounder.name)) if confounder.name else confounder
            for confounder in message.confounders
        ),
        links=tuple(link for link in message.links if safe_url(link.url)),
        acknowledged_by=_name(message.acknowledged_by) if message.acknowledged_by else None,
        items=tuple(tidy(item) for item in message.items),
    )


def _name(text: str) -> str:
    return shorten(clean(text, lines=False), LONGEST_NAME)


def view(message: Message) -> View:
    """What is said, before it is laid out."""
    message = tidy(message)
    words = sentences.words_of(message)
    incident = message.kind not in (Kind.TEST, Kind.DIGEST, Kind.OPERATOR, Kind.REPORT)
    over = message.kind in ENDS
    return View(
        subject=sentences.subject(message, words),
        badge=sentences.badge(message, words),
        severity=sentences.severity_name(message.severity, words) if incident and not over else "",
        tone=tone(message),
        headline=sentences.headline(message, words),
        figures=_figures(message, words),
        chart_alt=message.chart_alt or words.say("Chart of the counts with the range that is usual"),
        steps=sentences.next_steps(message, words),
        buttons=_buttons(message, words),
        items=[_item(item) for item in message.items[:N_ITEMS]],
        drivers=_drivers(message.drivers, words),
        topics=[Counted(topic.name, words.number(topic.n)) for topic in message.topics[:N_TOPICS]],
        phrases=[Counted(words.quoted(phrase.text), words.number(phrase.n)) for phrase in message.phrases[:N_PHRASES]],
        quotes=[_quote(quote, words) for quote in message.quotes[:N_QUOTES]],
        cautions=sentences.cautions(message, words),
        facts=sentences.facts_of(message, words),
        footer=_footer(message, words),
        settings_url=message.link(LinkKind.SETTINGS),
    )


def tone(message: Message) -> str:
    """The colour of a message. What joined another is not over."""
    if message.kind in (Kind.RESOLVED, Kind.NEW_NORMAL):
        return "over"
    if message.kind in (Kind.JOINED, Kind.TEST, Kind.DIGEST, Kind.REPORT):
        return "note"
    return str(message.severity)


def _figures(message: Message, words: Words) -> list[Figure]:
    facts, signal = message.facts, sentences.signal_of(message)
    over = message.kind in ENDS
    if signal is Signal.RATING and facts.rating is not None and facts.rating_before is not None:
        drop = facts.rating - facts.rating_before
        return [
            Figure(words.stars(facts.rating), words.say("mean rating now"), hot=True),
            Figure(words.stars(facts.rating_before), words.say("is usual")),
            Figure(words.signed_stars(drop), words.say("change, stars")),
        ]
    if signal is Signal.SHARE and facts.share is not None and facts.share_before is not None:
        return [
            Figure(words.percent(facts.share), words.say("negative now"), hot=True),
            Figure(words.percent(facts.share_before), words.say("is usual")),
            Figure(words.number(facts.n_total or 0), words.say("mentions in all")),
        ]
    observed, expected = facts.n_observed, facts.n_expected
    if over and facts.life_observed is not None:
        observed, expected = facts.life_observed, facts.life_expected
    if observed is None:
        return []
    figures = [Figure(words.number(observed), sentences.noun_of(observed, signal, words), hot=True)]
    if expected is not None and not (over and observed <= expected):  # over, and no contrast left in its sum
        usual = words.say("expected")
        if not over and facts.usual is not None:
            low, high = (words.number(end) for end in facts.usual)
            usual = words.say("expected, usually %(low)s to %(high)s", low=low, high=high)
        figures.append(Figure(words.number(expected), usual))
        figures.append(Figure(words.signed(observed - expected), words.say("above expectation")))
    return figures


def _buttons(message: Message, words: Words) -> list[Button]:
    """What can be done, most useful first. What has ended needs nobody to be on it, and no mute."""
    order = [LinkKind.ACKNOWLEDGE, LinkKind.DASHBOARD, LinkKind.MUTE, LinkKind.REJECT, LinkKind.CONFIRM]
    if message.kind in ENDS:
        order = [kind for kind in order if kind not in (LinkKind.ACKNOWLEDGE, LinkKind.MUTE)]
    found = {link.kind: link.url for link in message.links}
    return [Button(kind, sentences.link_label(kind, words), found[kind]) for kind in order if kind in found]


def _drivers(drivers: tuple[Driver, ...], words: Words) -> list[DriverRow]:
    shown = drivers[:N_DRIVERS]
    largest = max((driver.n_excess for driver in shown), default=0.0)
    return [
        DriverRow(
            dimension=sentences.dimension_label(driver.dimension, words),
            name=driver.name,
            observed=words.number(driver.n_observed),
            expected=words.number(driver.n_expected),
            excess=words.signed(driver.n_excess),
            percent=max(1, min(100, round(100 * driver.n_excess / largest))) if largest > 0 else 1,
        )
        for driver in shown
    ]


def _quote(quote: Quote, words: Words) -> QuoteView:
    meta = [*map(isolated, (quote.author, quote.source, quote.location)), words.moment(quote.at) if quote.at else None]
    full = round(quote.rating) if quote.rating is not None else 0
    return QuoteView(
        text=shorten(quote.text, LONGEST_QUOTE),
        meta=" · ".join(part for part in meta if part),
        url=quote.url,
        stars="★" * full + "☆" * (5 - full) if 1 <= full <= 5 else "",
        rating=words.stars(quote.rating) if quote.rating is not None else "",
    )


def _item(item: Message) -> ItemView:
    words = sentences.words_of(item)
    return ItemView(
        badge=sentences.badge(item, words),
        tone=tone(item),
        moment=words.moment(item.at),
        headline=shorten(sentences.headline(item, words), LONGEST_ITEM),
        url=item.link(LinkKind.DASHBOARD),
    )


def _footer(message: Message, words: Words) -> str:
    values = {"brand": message.brand, "at": words.moment(message.at), "zone": message.time_zone}
    if message.incident_id:
        return words.say(
            "Incident %(id)s, written on %(at)s (%(zone)s) by your feedback monitor, which watches %(brand)s.",
            id=message.incident_id,
            **values,
        )
    return words.say("Written on %(at)s (%(zone)s) by your feedback monitor, which watches %(brand)s.", **values)


def safe_url(url: str | None) -> bool:
    """Whether an address may stand behind a link: http and https only, whatever a page claimed."""
    return url is not None and url.lower().startswith(("https://", "http://")) and not any(c.isspace() for c in url)
