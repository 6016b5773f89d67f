"""The words of values that stand in the store: states, roles, kinds, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.i18n import Translator
from monitor.store.tables import Incident
from monitor.told import told as told  # templates take it from here


def sentiment(t: Translator, key: str | None) -> str:
    return {
        "negative": t.gettext("negative"),
        "neutral": t.gettext("neutral"),
        "positive": t.gettext("positive"),
    }.get(key or "", t.gettext("not judged"))


def kind(t: Translator, key: str) -> str:
    return {
        "review": t.gettext("review"),
        "post": t.gettext("post"),
        "comment": t.gettext("comment"),
        "article": t.gettext("article"),
        "answer": t.gettext("answer"),
        "ticket": t.gettext("ticket"),
        "survey": t.gettext("survey answer"),
    }.get(key, key)


@dataclass(frozen=True, slots=True)
class IncidentFigures:
    """What an incident is about in numbers: what was seen, what it is held against, and how far apart they are."""

    label: str
    observed: str
    against: str
    apart: str
    times: str = ""


def incident_figures(t: Translator, row: Incident) -> IncidentFigures:
    """The numbers of an incident under the name of what its signal counts; times only where things are counted."""
    if row.signal == "rating":
        usual = t.gettext("usual {n}", n=t.fixed(row.n_expected, 1))
        return IncidentFigures(t.gettext("Mean rating"), t.fixed(row.n_observed, 1), usual, t.signed(row.n_excess, 1))
    if row.rule:
        limit = t.gettext("limit {n}", n=t.number(row.n_expected, 1))
        return IncidentFigures(t.gettext("Found by the rule"), t.number(row.n_observed, 1), limit,
                               t.signed(row.n_excess, 1))  # fmt: skip
    label = {
        "topic_shift": t.gettext("Negative mentions, 7 days"), "volume": t.gettext("Mentions"),
    }.get(row.signal, t.gettext("Negative mentions"))  # fmt: skip
    ratio = round(row.n_observed / row.n_expected, 1) if row.n_expected else None
    times = ""
    if ratio is not None and ratio == int(ratio):
        times = t.ngettext("{n} time the usual", "{n} times the usual", int(ratio))
    elif ratio is not None:  # a fraction is no whole number of times: it has a form of its own
        times = t.pgettext("fraction", "{n} times the usual", n=t.number(ratio, 1))
    expected = t.gettext("expected {n}", n=t.number(row.n_expected, 1))
    return IncidentFigures(label, t.number(row.n_observed), expected, t.signed(row.n_excess), times)


def incident_state(t: Translator, key: str) -> str:
    return {
        "open": t.pgettext("incident", "open"),
        "acknowledged": t.pgettext("incident", "acknowledged"),
        "resolved": t.pgettext("incident", "resolved"),
    }.get(key, key)


def severity(t: Translator, key: str) -> str:
    return {
        "info": t.pgettext("severity", "information"),
        "warning": t.pgettext("severity", "warning"),
        "critical": t.pgettext("severity", "critical"),
    }.get(key, key)


def verdict(t: Translator, key: str | None) -> str:
    return {
        "confirmed": t.pgettext("incident", "confirmed as real"),
        "rejected": t.pgettext("incident", "not an incident"),
    }.get(key or "", "")


def event(t: Translator, key: str) -> str:
    """A line of an incident's log."""
    return {
        "opened": t.pgettext("incident log", "Opened"),
        "escalated": t.pgettext("incident log", "Became more severe"),
        "repeated": t.pgettext("incident log", "Still going on"),
        "resolved": t.pgettext("incident log", "Resolved"),
        "reopened": t.pgettext("incident log", "Reopened"),
        "new_normal": t.pgettext("incident log", "Closed as the new normal"),
        "joined": t.pgettext("incident log", "Goes on as part of a larger incident"),
        "took_in": t.pgettext("incident log", "Took in a smaller incident of the same mentions"),
        "unacknowledged": t.pgettext("incident log", "Nobody answered: passed on"),
        "acknowledged": t.pgettext("incident log", "Acknowledged"),
        "comment": t.pgettext("incident log", "Comment"),
        "confirmed": t.pgettext("incident log", "Confirmed as real"),
        "rejected": t.pgettext("incident log", "Marked as not an incident"),
        "resolved_by_hand": t.pgettext("incident log", "Resolved by hand"),
        "silenced": t.pgettext("incident log", "Silenced"),
        "notified": t.pgettext("incident log", "Message sent"),
        "widened": t.pgettext("incident log", "Wider than it seemed"),
        "narrowed": t.pgettext("incident log", "Narrower than it seemed"),
        "moved": t.pgettext("incident log", "Seen elsewhere"),
    }.get(key, key)


def log_note(t: Translator, note: str) -> str:
    """The note of a line that no person wrote: why channels were not told ("mail: silenced; slack: never_told")."""
    parts = [part.rpartition(": ") for part in note.split("; ")]
    reasons = [held_back(t, key) for _, _, key in parts]
    if not all(reasons):
        return note
    told = [f"{channel}: {why}" if channel else why for (channel, _, _), why in zip(parts, reasons, strict=True)]
    return t.gettext("Not told: {why}").format(why="; ".join(told))


def held_back(t: Translator, key: str) -> str:
    """Why a channel was not told of a change."""
    return {
        "no_route": t.pgettext("held back", "no route leads to a channel"),
        "silenced": t.pgettext("held back", "silenced"),
        "inhibited": t.pgettext("held back", "a wider incident speaks for it"),
        "below_severity": t.pgettext("held back", "not severe enough for this channel"),
        "never_told": t.pgettext("held back", "this channel never heard of it"),
        "ends_unwanted": t.pgettext("held back", "this channel wants no closing notes"),
        "already_sent": t.pgettext("held back", "told before"),
        "not_kept": t.pgettext("held back", "an older version did not keep the reason"),
    }.get(key, "")


def role(t: Translator, key: str) -> str:
    return {
        "viewer": t.pgettext("role", "viewer"),
        "analyst": t.pgettext("role", "analyst"),
        "admin": t.pgettext("role", "administrator"),
    }.get(key, key)


def health(t: Translator, key: str) -> str:
    return {
        "ok": t.pgettext("source", "working"),
        "failing": t.pgettext("source", "failing"),
        "silent": t.pgettext("source", "silent"),
        "paused": t.pgettext("source", "paused"),
        "waiting": t.pgettext("source", "not read yet"),
        "off": t.pgettext("source", "switched off"),
    }.get(key, key)


def status(t: Translator, key: str) -> str:
    """The outcome of a reading."""
    return {
        "": "",
        "ok": t.pgettext("reading", "ok"),
        "empty": t.pgettext("reading", "nothing there"),
        "blocked": t.pgettext("reading", "blocked by the site"),
        "login": t.pgettext("reading", "asks for a login"),
        "captcha": t.pgettext("reading", "asks for a captcha"),
        "not_found": t.pgettext("reading", "page not found"),
        "no_preview": t.pgettext("reading", "no public preview"),
        "changed": t.pgettext("reading", "the page has changed: the reader does not understand it"),
        "error": t.pgettext("reading", "error"),
        "failed": t.pgettext("reading", "error"),
        "crashed": t.pgettext("reading", "the reading process died"),
        "moved": t.pgettext("reading", "read elsewhere at the same time"),
        "bad_params": t.pgettext("reading", "wrong parameters"),
        "refused": t.pgettext("reading", "may not be read"),
        "unreachable": t.pgettext("reading", "not reachable"),
        "rate_limited": t.pgettext("reading", "asked to wait"),
        "budget_spent": t.pgettext("reading", "the requests of a day are made"),
    }.get(key, key)


def step(t: Translator, key: str) -> str:
    """A step of the daemon."""
    return {
        "collect": t.pgettext("step", "collecting"),
        "score": t.pgettext("step", "judging"),
        "detect": t.pgettext("step", "detection"),
        "notify": t.pgettext("step", "messages"),
        "report": t.pgettext("step", "reports"),
        "housekeep": t.pgettext("step", "housekeeping"),
        "push": t.pgettext("step", "received"),
    }.get(key, key)


def check(t: Translator, key: str) -> str:
    """What the doctor looked at; a source by its own name."""
    return {
        "configuration": t.pgettext("check", "configuration"),
        "brands": t.pgettext("check", "brands"),
        "model": t.pgettext("check", "model"),
        "disk": t.pgettext("check", "disk"),
        "store": t.pgettext("check", "store"),
        "queue": t.pgettext("check", "queue"),
        "notice": t.pgettext("check", "notice"),
        "steps": t.pgettext("check", "steps"),
        "heartbeat": t.pgettext("check", "heartbeat"),
        "channels": t.pgettext("check", "channels"),
        "contact": t.pgettext("check", "contact"),
        "distributed": t.pgettext("check", "workers"),
    }.get(key, key)


def delivery(t: Translator, key: str) -> str:
    return {
        "pending": t.pgettext("message", "waiting"),
        "sending": t.pgettext("message", "being sent"),
        "sent": t.pgettext("message", "sent"),
        "dead": t.pgettext("message", "given up"),
        "folded": t.pgettext("message", "folded into a digest"),
    }.get(key, key)


def message_kind(t: Translator, key: str) -> str:
    return {
        "opened": t.pgettext("message", "incident opened"),
        "escalated": t.pgettext("message", "became more severe"),
        "repeated": t.pgettext("message", "still going on"),
        "resolved": t.pgettext("message", "incident resolved"),
        "reopened": t.pgettext("message", "incident reopened"),
        "new_normal": t.pgettext("message", "new normal"),
        "joined": t.pgettext("message", "part of a larger incident"),
        "unacknowledged": t.pgettext("message", "nobody answered"),
        "report": t.pgettext("message", "weekly report"),
        "operator": t.pgettext("message", "notice to the operator"),
        "digest": t.pgettext("message", "digest"),
        "test": t.pgettext("message", "test"),
    }.get(key, key)


def period(t: Translator, key: str) -> str:
    return {
        "7d": t.pgettext("period", "7 days"),
        "30d": t.pgettext("period", "30 days"),
        "90d": t.pgettext("period", "90 days"),
        "180d": t.pgettext("period", "6 months"),
        "365d": t.pgettext("period", "12 months"),
    }.get(key, key)


def dimension(t: Translator, key: str) -> str:
    return {
        "source": t.gettext("Source"),
        "topic": t.gettext("Topic"),
        "location": t.gettext("Location"),
        "language": t.gettext("Language"),
        "sentiment": t.gettext("Sentiment"),
        "rating": t.gettext("Stars"),
        "stage": t.gettext("Stage"),
        "kind": t.gettext("Kind"),
        "q": t.gettext("Words"),
        "corrected": t.gettext("Corrected only"),
        "copies": t.gettext("With copies"),
        "brand": t.gettext("Brand"),
    }.get(key, key)


def action(t: Translator, key: str) -> str:
    """A line of the log of changes."""
    return {
        "user.added": t.pgettext("audit", "account made"),
        "user.changed": t.pgettext("audit", "account changed"),
        "user.password_set": t.pgettext("audit", "password set"),
        "user.locked": t.pgettext("audit", "account locked after wrong passwords"),
        "session.opened": t.pgettext("audit", "logged in"),
        "token.created": t.pgettext("audit", "API token made"),
        "token.revoked": t.pgettext("audit", "API token revoked"),
        "mention.corrected": t.pgettext("audit", "mentions corrected"),
        "mention.exported": t.pgettext("audit", "mentions exported"),
        "incident.acknowledged": t.pgettext("audit", "incident acknowledged"),
        "incident.resolved": t.pgettext("audit", "incident resolved"),
        "incident.confirmed": t.pgettext("audit", "incident confirmed"),
        "incident.rejected": t.pgettext("audit", "incident rejected"),
        "incident.commented": t.pgettext("audit", "incident commented"),
        "silence.added": t.pgettext("audit", "silence added"),
        "silence.ended": t.pgettext("audit", "silence ended"),
        "rule.saved": t.pgettext("audit", "rule saved"),
        "rule.paused": t.pgettext("audit", "rule switched off"),
        "rule.resumed": t.pgettext("audit", "rule switched on"),
        "rule.deleted": t.pgettext("audit", "rule deleted"),
        "suggestion.accepted": t.pgettext("audit", "suggested topic accepted"),
        "suggestion.dismissed": t.pgettext("audit", "suggested topic dismissed"),
        "topic.edited": t.pgettext("audit", "topic edited"),
        "topic.mapped": t.pgettext("audit", "topic moved on the journey"),
        "customers.exported": t.pgettext("audit", "customers exported"),
        "comparison.saved": t.pgettext("audit", "comparison saved"),
        "comparison.closed": t.pgettext("audit", "comparison closed"),
        "topic.reset": t.pgettext("audit", "topic set back"),
        "view.saved": t.pgettext("audit", "view saved"),
        "view.deleted": t.pgettext("audit", "view deleted"),
        "source.paused": t.pgettext("audit", "source paused"),
        "source.resumed": t.pgettext("audit", "source resumed"),
        "source.due": t.pgettext("audit", "source asked to be read now"),
        "outbox.retried": t.pgettext("audit", "message tried again"),
        "notice.closed": t.pgettext("audit", "notice closed"),
    }.get(key, key)


def language(t: Translator, code: str) -> str:
    """The name of a language, in the reader's."""
    if not code:
        return t.gettext("not recognised")
    name = t.locale.languages.get(code.replace("-", "_")) or t.locale.languages.get(code.split("-")[0])
    return str(name) if name else code
