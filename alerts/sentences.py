"""Decides which sentences a message holds, all from its numbers: subject, headline, facts, what to mind, what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from babel.lists import format_list

from alerts.message import ENDS, Confounder, ConfounderKind, Facts, Kind, LinkKind, Message, Signal
from alerts.severity import Severity
from alerts.words import Words

_INCIDENT = (Kind.OPENED, Kind.ESCALATED, Kind.REPEATED, Kind.REOPENED, Kind.UNACKNOWLEDGED)
_ALIKE = 0.75  # of the excess of the part that has most: none of them is where to begin


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the table of numbers."""

    label: str
    value: str
    was: str = ""
    on_top: bool = False  # also among the large figures


def words_of(message: Message) -> Words:
    """The words of the message's reader."""
    return Words(message.language, message.time_zone)


def signal_of(message: Message) -> Signal:
    """The signal; one nobody here knows is shown as a count of negatives."""
    return Signal(message.signal) if message.signal in set(Signal) else Signal.NEGATIVE


def where(message: Message) -> str:
    """`Delivery · Arbat`: the narrowed dimensions, empty for the whole brand."""
    return " · ".join(name for _, name in message.scope.parts())


def place(message: Message) -> str:
    """The brand with its narrowed dimensions: `Luna · Delivery · Arbat`."""
    return " · ".join([message.brand, *(name for _, name in message.scope.parts())])


def title(message: Message, words: Words) -> str:
    """What kind of thing happened, in three or four words."""
    if message.kind is Kind.TEST:
        return words.say("Test message")
    if message.kind is Kind.DIGEST:
        return words.say("Digest of alerts")
    if message.kind is Kind.REPORT:
        return words.say("Weekly report")
    if message.kind is Kind.OPERATOR:
        return words.say("The monitor needs attention")
    names = {
        Signal.NEGATIVE: words.say("Spike of negative feedback"),
        Signal.SHARE: words.say("Negative share has grown"),
        Signal.RATING: words.say("Ratings have fallen"),
        Signal.TOPIC_SHIFT: words.say("Complaints have a new topic"),
        Signal.VOLUME: words.say("Surge of mentions"),
        Signal.SILENT: words.say("A source has gone silent"),
        Signal.RULE: words.say("A rule has fired"),
    }
    return names[signal_of(message)]


def subject(message: Message, words: Words) -> str:
    """The subject of a mail: the same through the life of an incident, so that mail programs keep one thread."""
    line = f"{message.brand}: {title(message, words)}"
    if where(message):
        line += f" · {where(message)}"
    return f"Re: {line}" if message.kind in (*_INCIDENT, *ENDS) and message.kind is not Kind.OPENED else line


def badge(message: Message, words: Words) -> str:
    """The state in a word or two."""
    names = {
        Kind.OPENED: words.say("New incident"),
        Kind.ESCALATED: words.say("Getting worse"),
        Kind.REPEATED: words.say("Still going on"),
        Kind.RESOLVED: words.say("Over"),
        Kind.REOPENED: words.say("It is back"),
        Kind.NEW_NORMAL: words.say("New normal"),
        Kind.JOINED: words.say("Part of a larger story"),
        Kind.UNACKNOWLEDGED: words.say("Nobody has answered"),
        Kind.TEST: words.say("Test"),
        Kind.DIGEST: words.say("Digest"),
        Kind.OPERATOR: words.say("For the operator"),
        Kind.REPORT: words.say("Report"),
    }
    return names[message.kind]


def severity_name(severity: Severity, words: Words) -> str:
    names = {
        Severity.INFO: words.say("for information"),
        Severity.WARNING: words.say("warning"),
        Severity.CRITICAL: words.say("critical"),
    }
    return names[severity]


def headline(message: Message, words: Words) -> str:
    """One sentence that says what happened, with its numbers."""
    if message.headline:
        return message.headline
    facts = message.facts
    if message.kind is Kind.TEST:
        return words.say("This is a test: messages about %(brand)s arrive here.", brand=message.brand)
    if message.kind is Kind.DIGEST:
        n = message.n_items or len(message.items)
        return words.many(
            "%(n)s message was held back and is told here.", "%(n)s messages were held back and are told here.", n
        )
    if message.kind is Kind.JOINED:
        return words.say(
            "%(place)s is part of the incident %(larger)s from now on: mostly the same mentions.",
            place=place(message),
            larger=words.quoted(message.joined_to),
        )
    if message.kind in ENDS and facts.life_observed is not None:
        return _ending(message, words)
    sentence = _what(message, words)
    if message.kind is Kind.ESCALATED:
        severity = severity_name(message.severity, words)
        return words.say("It is getting worse (now: %(severity)s). %(what)s", severity=severity, what=sentence)
    if message.kind is Kind.REPEATED:
        return words.say("Still going on. %(what)s", what=sentence)
    if message.kind is Kind.REOPENED:
        return words.say("It is back. %(what)s", what=sentence)
    if message.kind is Kind.UNACKNOWLEDGED:
        return words.say("Nobody has acknowledged this yet. %(what)s", what=sentence)
    if message.kind is Kind.RESOLVED:
        return words.say("It is over. %(what)s", what=sentence)
    return sentence


def _what(message: Message, words: Words) -> str:
    facts, signal = message.facts, signal_of(message)
    values = {"place": place(message), "since": words.since(facts.since_at) if facts.since_at else ""}
    if signal is Signal.RATING and facts.rating is not None and facts.rating_before is not None:
        reviews = words.many("%(n)s review", "%(n)s reviews", facts.n_ratings or 0)
        values |= {
            "rating": words.stars(facts.rating), "before": words.stars(facts.rating_before), "reviews": reviews
        }  # fmt: skip
        if facts.since_at:
            return words.say(
                "%(place)s: the mean rating since %(since)s is %(rating)s (%(reviews)s), where %(before)s is usual.",
                **values,
            )
        return words.say("%(place)s: the mean rating is %(rating)s (%(reviews)s), where %(before)s is usual.", **values)
    if signal is Signal.SHARE and facts.share is not None and facts.share_before is not None:
        values |= {
            "share": words.percent(facts.share),
            "before": words.percent(facts.share_before),
            "mentions": words.many("of %(n)s mention", "of %(n)s mentions", facts.n_total or 0),
        }
        return words.say(
            "%(place)s: %(share)s %(mentions)s since %(since)s are negative, where %(before)s is usual.", **values
        )
    if facts.n_observed is None:
        return values["place"] + (f": {message.note}" if message.note else ".")
    values["count"] = counted(facts.n_observed, signal, words)
    if facts.n_expected is None:
        if facts.since_at:
            return words.say("%(place)s: %(count)s since %(since)s.", **values)
        return words.say("%(place)s: %(count)s.", **values)
    values |= {"expected": words.number(facts.n_expected), "usual": _usual(facts, words)}
    sentence = (
        words.say("%(place)s: %(count)s since %(since)s, where %(expected)s would be expected%(usual)s", **values)
        if facts.since_at
        else words.say("%(place)s: %(count)s, where %(expected)s would be expected%(usual)s", **values)
    )
    ratio = facts.ratio
    if ratio is not None and facts.n_expected >= 0.5 and ratio >= 1.05:
        sentence += ": " + words.say("%(times)s as many", times=words.times(ratio))
    return sentence + "."


def _usual(facts: Facts, words: Words) -> str:
    if facts.usual is None:
        return ""
    low, high = (words.number(end) for end in facts.usual)
    return words.say(" (usually %(low)s to %(high)s)", low=low, high=high)


def _ending(message: Message, words: Words) -> str:
    facts = message.facts
    values = {
        "place": place(message),
        "count": counted(facts.life_observed or 0.0, signal_of(message), words),
        "span": words.span(facts.duration) if facts.duration is not None else "",
        "expected": words.number(facts.life_expected or 0.0),
    }
    if message.kind is Kind.NEW_NORMAL:
        return words.say(
            "%(place)s has stayed at this level for %(span)s (%(count)s, where %(expected)s used to be expected): "
            "from now on this counts as normal.",
            **values,
        )
    if (facts.life_observed or 0.0) <= (facts.life_expected or 0.0):  # quiet days after a short burst: no contrast left
        sentence = words.say("%(place)s is back to normal", **values)
    elif facts.duration is not None:
        sentence = words.say(
            "%(place)s is back to normal: %(count)s in %(span)s, where %(expected)s would be expected", **values
        )
    else:
        sentence = words.say("%(place)s is back to normal: %(count)s, where %(expected)s would be expected", **values)
    if facts.peak_observed is not None and facts.peak_at is not None:
        sentence += words.say(
            "; the peak was %(peak)s on %(day)s", peak=words.number(facts.peak_observed), day=words.since(facts.peak_at)
        )
    return sentence + "."


def mentions(n: float, words: Words) -> str:
    """`31 mentions`."""
    return words.many("%(n)s mention", "%(n)s mentions", n)


def counted(n: float, signal: Signal, words: Words) -> str:
    """`18 negative mentions`; `18 mentions` where all are counted."""
    if signal in (Signal.VOLUME, Signal.SILENT):
        return mentions(n, words)
    return words.many("%(n)s negative mention", "%(n)s negative mentions", n)


def noun_of(n: float, signal: Signal, words: Words) -> str:
    """What stands below the number where it is written large: `negative mentions`."""
    if signal in (Signal.VOLUME, Signal.SILENT):
        return words.many("mention", "mentions", n)
    return words.many("negative mention", "negative mentions", n)


def facts_of(message: Message, words: Words) -> list[Fact]:
    """The lines of the table of numbers, in the order people ask."""
    facts = message.facts
    lines: list[Fact] = []
    closing = message.kind in ENDS and facts.life_observed is not None  # the newest window says nothing then
    if facts.n_observed is not None and not closing:
        observed = counted(facts.n_observed, signal_of(message), words)
        lines.append(Fact(words.say("Observed"), observed, on_top=True))
    if facts.n_expected is not None and not closing:
        usual = _usual(facts, words).strip().strip("()")
        expected = words.number(facts.n_expected) + (f" ({usual})" if usual else "")
        lines.append(Fact(words.say("Expected"), expected, on_top=True))
    if facts.n_excess is not None and facts.n_excess > 0 and not closing:
        lines.append(Fact(words.say("Above expectation"), words.signed(facts.n_excess), on_top=True))
    if facts.since_at is not None:
        since = words.since(facts.since_at)
        if facts.until_at is not None:
            period = words.say("%(since)s to %(until)s", since=since, until=words.since(facts.until_at))
        else:
            period = words.say("since %(since)s", since=since)
        lines.append(Fact(words.say("When"), period))
    if facts.n_total is not None:
        lines.append(Fact(words.say("All mentions"), words.number(facts.n_total)))
    if facts.share is not None:
        was = words.percent(facts.share_before) if facts.share_before is not None else ""
        lines.append(Fact(words.say("Negative share"), words.percent(facts.share), was))
    if facts.rating is not None:
        was = words.stars(facts.rating_before) if facts.rating_before is not None else ""
        lines.append(Fact(words.say("Mean rating"), words.stars(facts.rating), was))
    if facts.n_authors is not None:
        lines.append(Fact(words.say("Different authors"), words.number(facts.n_authors)))
    if closing and facts.life_observed is not None:
        in_all = counted(facts.life_observed, signal_of(message), words)
        lines.append(Fact(words.say("In all"), in_all, on_top=True))
        if facts.life_excess is not None and facts.life_excess > 0:
            lines.append(Fact(words.say("Above expectation in all"), words.signed(facts.life_excess), on_top=True))
        if facts.duration is not None:
            lines.append(Fact(words.say("Lasted"), words.span(facts.duration)))
    return lines


def cautions(message: Message, words: Words) -> list[str]:
    """Known reasons to take the numbers with care, one sentence each."""
    return [_caution(confounder, words) for confounder in message.confounders]


def _caution(confounder: Confounder, words: Words) -> str:
    """With its number where one is known."""
    value, name = confounder.value, confounder.name
    bare: dict[ConfounderKind, str] = {
        ConfounderKind.HOLIDAY: words.say("A holiday falls into this time: people write differently."),
        ConfounderKind.GAP: words.say("Part of this time was not collected: the true numbers may differ."),
        ConfounderKind.SHORT_HISTORY: words.say("Short history: what is usual here is still being learned."),
        ConfounderKind.CAMPAIGN: words.say("All mentions have grown too: perhaps a campaign."),
        ConfounderKind.LATE: words.say("Mentions of earlier days arrived only now."),
        ConfounderKind.BACKFILL: words.say("Old mentions were loaded not long ago: the comparison may lean."),
        ConfounderKind.MODEL: words.say("The judging model was changed not long ago."),
    }
    known: dict[ConfounderKind, Callable[[float], str]] = {
        ConfounderKind.GAP: lambda share: words.say(
            "Only %(share)s of this time was collected: the true numbers may be higher.", share=words.percent(share)
        ),
        ConfounderKind.SHORT_HISTORY: lambda days: words.say(
            "Short history (%(days)s): what is usual here is still being learned.",
            days=words.many("%(n)s day", "%(n)s days", days),
        ),
        ConfounderKind.CAMPAIGN: lambda ratio: words.say(
            "All mentions have grown too (%(times)s as many as usual): perhaps a campaign.", times=words.times(ratio)
        ),
        ConfounderKind.LATE: lambda n: words.say(
            "%(mentions)s of earlier days arrived only now.", mentions=mentions(n, words)
        ),
        ConfounderKind.BACKFILL: lambda n: words.say(
            "%(mentions)s were loaded from the past: the comparison may lean.", mentions=mentions(n, words)
        ),
    }
    if confounder.kind is ConfounderKind.HOLIDAY and name:
        return words.say("A holiday falls into this time (%(name)s): people write differently.", name=name)
    if confounder.kind is ConfounderKind.MODEL and name:
        return words.say("The judging model was changed not long ago (%(name)s).", name=name)
    if value is not None and confounder.kind in known:
        return known[confounder.kind](value)
    return bare[confounder.kind]


def next_steps(message: Message, words: Words) -> list[str]:
    """What to do next, most useful first."""
    if message.kind is Kind.TEST:
        return [words.say("Nothing to do: delivery works.")]
    if message.kind is Kind.JOINED:
        return [words.say("Go on in the larger incident: what was said and done here stays readable.")]
    if message.kind in ENDS:
        steps = [words.say("Nothing urgent: look again in a few days whether it stays quiet.")]
        if message.kind is Kind.NEW_NORMAL:
            steps.append(
                words.say("If this level is not what you want to live with, treat it as a problem of its own.")
            )
        return steps
    if message.kind is Kind.DIGEST:
        return [words.say("Open the dashboard for the whole list.")] if message.link(LinkKind.DASHBOARD) else []
    if message.kind not in _INCIDENT:
        return []
    steps = []
    if message.acknowledged_by:
        steps.append(words.say("%(name)s is on it.", name=message.acknowledged_by))
    if begin := _begin_with(message, words):
        steps.append(begin)
    if message.quotes:
        steps.append(words.say("Read the quotes and answer their authors, the newest first."))
    if message.severity is Severity.CRITICAL:
        steps.append(words.say("Tell whoever is responsible today: this is far outside what is usual."))
    if message.link(LinkKind.ACKNOWLEDGE) and not message.acknowledged_by and message.kind is not Kind.UNACKNOWLEDGED:
        steps.append(words.say("Acknowledge it, so that the others know somebody is on it."))
    if message.link(LinkKind.REJECT):
        steps.append(words.say("If it is nothing, say so: similar alerts will need more evidence."))
    return steps


def _begin_with(message: Message, words: Words) -> str:
    """Where to look first: the part that holds most of the excess, or what those have in common that hold it alike."""
    excess = message.facts.n_excess
    if not message.drivers or excess is None or excess <= 0 or message.drivers[0].n_excess <= 0:
        return ""
    first = message.drivers[0]
    alike = [driver for driver in message.drivers if driver.dimension == first.dimension
             and driver.n_excess >= _ALIKE * first.n_excess]  # fmt: skip
    if len(alike) > 1 and first.dimension in {"location", "source"}:
        names = format_list([words.quoted(driver.name) for driver in alike[:4]], locale=words.locale)
        return words.say("Look for what they have in common: %(names)s are hit alike.", names=names)
    return words.say(
        "Begin with %(name)s: %(part)s of the %(excess)s mentions above expectation are there.",
        name=words.quoted(first.name),
        part=words.number(round(min(first.n_excess, excess))),
        excess=words.number(round(excess)),
    )


def pressed(action: LinkKind, name: str, words: Words, *, ended: bool = False) -> str:
    """What everybody who sees the message is told once somebody has pressed one of its buttons."""
    if ended and action is not LinkKind.REJECT:
        return words.say("%(name)s wanted to act, but this incident has ended already.", name=name)
    if action is LinkKind.MUTE:
        return words.say("%(name)s has muted it for a day.", name=name)
    if action is LinkKind.REJECT:
        return words.say("%(name)s: this was no incident. Similar alerts will need more evidence.", name=name)
    return words.say("%(name)s is on it.", name=name)


def link_label(kind: LinkKind, words: Words) -> str:
    """What is written on a button."""
    names = {
        LinkKind.DASHBOARD: words.say("Open the incident"),
        LinkKind.ACKNOWLEDGE: words.say("I am on it"),
        LinkKind.MUTE: words.say("Mute for a day"),
        LinkKind.REJECT: words.say("Not an incident"),
        LinkKind.CONFIRM: words.say("Confirm"),
        LinkKind.SETTINGS: words.say("Notification settings"),
        LinkKind.UNSUBSCRIBE: words.say("Stop these mails"),
    }
    return names[kind]


def dimension_label(dimension: str, words: Words) -> str:
    """The heading of a dimension."""
    names = {
        "source": words.say("Source"),
        "topic": words.say("Topic"),
        "location": words.say("Place"),
        "language": words.say("Language"),
        "product": words.say("Product"),
    }
    return names.get(dimension, dimension)
