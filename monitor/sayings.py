"""The sayings: sentences of the code that people read though nobody wrote them for a page: errors, notes, notices.

They are said in English where they arise, and stored and logged so. `monitor.told` says them again in the language of
who reads; a catalogue holds them under the context "said", with what the code fills in as placeholders.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

SAID = "said"  # the context of sayings in a catalogue
PACKAGES = ("monitor", "scrapers", "alerts/channels", "models")
ERRORS = frozenset({
    "ConfigError", "MonitorError", "Partial", "NotReady", "Locked", "Moved", "NoSuchHook", "PdfMissing", "BadWeek",
    "TooFewCustomers", "UnknownLanguage", "BadRequest", "NotFound", "Forbidden", "LoginNeeded", "TooMany", "TooLarge",
    "SsoFailed", "BadCursor", "BadParams", "BadQuery", "UnknownScraper", "Unreachable", "RateLimited", "BudgetSpent",
    "Refused", "PushRejected", "Blocked", "Gone", "LayoutChanged", "BadRule", "UnknownChannel", "Retryable", "Rejected",
    "ModelError", "WeightsMissing", "LabelsUnknown", "AdapterOutdated", "TextRejected", "TrainingError",
})  # fmt: skip
# whose ValueErrors are told
VALIDATORS = (
    "monitor/config.py",
    "monitor/durations.py",
    "alerts/channels/",
    "scrapers/imports/",
    "models/labelled.py",
)
METRICS = "monitor/metrics/"
COMMANDS = "monitor/cli/"
DECLARED = ("scrapers/", "alerts/channels/")  # notes, terms of use, what a parameter or a setting means
SPOKEN = frozenset({"say", "tell"})  # by a command: whole lines, the place too
CALLS = {"trouble": 0, "raise_notice": 2, "otherwise": 1, "unread": 0, "_wall": 2, "_again": 2, "_dead": 2}
_PLACE = re.compile(r"(?:[\w-]+ )?(?!allowed)[^\s:]+: (?=\S)")
_HOLE = re.compile(r"(?<!\{)\{\w+\}(?!\})")
_FILLED_LATER = re.compile(r"\{\{(\w+)(?::\w+)?\}\}")
_LETTERS = re.compile(r"[A-Za-z]")
_LEAST = 6  # letters that a saying has of its own: with fewer, everything would match it

OTHERS = (
    # of steps and sources
    "{step} fails", "{step} has not run yet", "{step} last went well at {at} UTC",
    "{n} processes died while they read this source", "another process read this source at the same time",
    "{n} of {total} rows cannot be read: {what}",
    "{slug} has brought nothing new since {day} ({n} days), where about {expected} mentions would be expected: "
    "is it read as it should be?",
    "{n} mentions wait for judgement; collecting pauses until there are fewer than {most}",
    "only {n} MiB are free in {folder}; collecting pauses below {least}",
    "message {key} could not be delivered to {channel}: {what}",
    # of pages that were no answer
    "answers {code}", "cannot be read ({what})", "no scraper is called {name}; did you mean {near}?",
    "the server answered {what}", "access denied", "browser check", "login form", "not found page", "robot check",
    "network policy", "firewall (a protection page)", "Cloudflare challenge", "Cloudflare block",
    # of channels
    "{name} answered {what}", "{name} refused: {what}", "{name} refused every recipient: {what}",
    "{name} takes none of the recipients now: {what}", "invite the bot into the channel", "no token was sent",
    "no such channel, or a private one the bot was not invited to", "the channel is archived",
    "the token is wrong or was revoked", "the token was revoked", "the token has expired", "the token is wrong",
    "the bot's account is switched off", "the workspace does not let the bot post there",
    "the app lacks a permission; chat:write is needed, channels:history to be asked",
    "the bot is not in that chat, or was blocked", "Slack {method}: {error} ({hint})",
    "Telegram answered {what} ({hint})",
    # of the configuration
    "unknown key; allowed: {names}", "unknown key; did you mean {near}? allowed: {names}",
    "is missing and has no default", "is missing and has no default; allowed: {names}", "allowed: {names}",
    "did you mean {near}? allowed: {names}",
    "is missing; what comes cannot say which brand it is of",
    "{name} is unknown; did you mean {near}? allowed: {names}", "{name} is unknown; allowed: {names}",
    "names of tables are lower-case letters, digits and underscores",
    "Field required", "Extra inputs are not permitted", "Input should be a valid string",
    "Input should be a valid integer", "Input should be a valid number", "Input should be a valid boolean",
    "Input should be a valid list", "Input should be a valid dictionary", "Input should be a valid table",
    "Input should be a valid boolean, unable to interpret input",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be a valid integer, got a number with a fractional part",
    "Input should be {what}", "Input should be greater than or equal to {n}",
    "Input should be less than or equal to {n}",
    "Input should be greater than {n}", "Input should be less than {n}", "String should have at least {n} character",
    "String should have at least {n} characters", "String should have at most {n} character",
    "String should have at most {n} characters", "String should match pattern {what}",
    "mean stars with Student's t interval",
    "difference in differences of weekly share, {what}", "difference in differences of weekly count, {what}",
    "interrupted time series of weekly share (level and slope), {what}",
    "interrupted time series of weekly count (level and slope), {what}",
    # of imports
    "row {n}: {what}", "... and {n} more bad rows",
    "{n} imported, {edited} updated, {known} known already, {bad} bad rows",
    "{n} would be imported, {edited} updated, {known} known already, {bad} bad rows",
    "columns: {names}", "columns not used: {names}", "questions: {names}", "scores are read as {name} on {low}..{high}",
    "dates are read as {what}", "ratings are read on the scale {low}..{high}", "rows are taken from {name}",
    "the file has no header; columns are called by their numbers",
    "no column looks like a date; rows are imported without a time",
    "dates like 03/04/2026 are read as day/month/year; give a locale (en_US) if it is the other way",
    "rows that never became an order are left out ({what})", "no score", "cannot be read",
    "first answer after {wait} min in the median conversation, {n} of {total} without an answer",
    "topic {name} is unknown; allowed: {names}", "place {name} is unknown; allowed: {names}",
    "{day} lies in the future", "{n} conversations without a word of a customer are left out",
    "{form}: {n} messages in {total} conversations",
    "none of {n} conversations has an answer", "the line is over {n} MB", "cannot be read: a quote is not closed",
    "{n} cells where the header has {total}",
    # of models
    "{n} rows judged", "{n} rows judged, {failed} of them without usable text", "{n} rows skipped, the first:",
    "topics with fewer than {n} cases, left out: {names}", "topics that the model does not know: {names}",
    "here or on the hub", "in the local cache (offline)", "corrections", "replay texts",
    "the file is empty", "the model failed: {what}", "cannot be judged",
    # of questionnaires
    "ECSI needs items of each of its parts; none is named {names}", "answers must lie between {low} and {high}",
    "a number of problems must not be negative", "weights must not be negative, and not all zero",
    "equal weights: {what}", "an item that everybody answers alike cannot be weighed", "an item's weight is negative",
    "the weights of the path model do not settle",
    "nothing is stored", "it must lie between {first} and {last}",
    # of pages
    "Not Found", "viewer", "analyst", "admin",
    # of the command line
    "nothing was sent yet", "not read yet", "nobody, it is sent to you", "the address you give", "required", "optional",
    "parse only", "against recordings",
    "default {value}", "; without it less may be read", "corrections: {n}; {reason}", "not fitted", "not in use",
    "the plain network", "the embedded model", "live: not verified",
    "{n} examples, {m} keywords",
    "F1 {f1} [{low}, {high}], precision {p}, recall {r} on {n} texts about it and {m} others",
    "No such option: {name}", "No such option: {name} Did you mean {near}?", "No such command {name}.",
    "No such command {name}. Did you mean {near}?", "Missing argument {name}.", "Missing option {name}.",
    "Missing command.", "Invalid value for {name}: {what}", "Got unexpected extra argument ({names})",
    "Got unexpected extra arguments ({names})", "Option {name} requires an argument.", "{name} is not one of {names}.",
    "No such option: {name} (Possible options: {near})", "Usage: {usage}", "Could not open file {name}: {what}",
    "File {name} is a directory.", "Directory {name} is a file.", "File {name} is not readable.",
    "{name} is not a valid integer.", "{name} is not a valid float.", "File {name} does not exist.",
    "Path {name} does not exist.", "{name} is not a valid integer range.", "{n} is not in the range {what}.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence with {placeholders}, and where it stands."""

    text: str
    file: str
    line: int


def sayings(root: Path, packages: Iterable[str] = PACKAGES) -> Iterator[Saying]:
    """Every sentence that the code of these packages may tell a person."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for value, whole in _told(node, name):
                    for text in _texts(value) if whole else map(_bare, _texts(value)):
                        if name.startswith(METRICS):
                            text = _FILLED_LATER.sub(r"{\1}", text)
                        if len(_LETTERS.findall(_HOLE.sub("", text))) >= _LEAST:
                            yield Saying(_lettered(text), name, value.lineno)
    for text in OTHERS:
        yield Saying(_lettered(text), "monitor/sayings.py", 1)


def _told(node: ast.AST, file: str) -> Iterator[tuple[ast.expr, bool]]:
    """The expressions of a node that are told to people, and whether as a whole, what names the place included."""
    if isinstance(node, ast.Assign):
        constant = node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
        if file.startswith(METRICS) and constant.isupper():
            yield node.value, False  # the method of a metric stands beside its number
        elif file.startswith("scrapers/") and constant == "TERMS":
            yield node.value, True
    if file.startswith(METRICS) or not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if file.startswith(COMMANDS) and name in SPOKEN and node.args:
        yield node.args[0], True
    elif name in ERRORS or (name == "ValueError" and file.startswith(VALIDATORS)):
        yield from ((value, False) for value in node.args[:1])
    elif name in CALLS and len(node.args) > CALLS[name]:
        yield node.args[CALLS[name]], False
    if file.startswith(DECLARED):
        yield from ((keyword.value, False) for keyword in node.keywords if keyword.arg == "note")
        yield from ((keyword.value, True) for keyword in node.keywords if keyword.arg in {"terms", "description"})


def _texts(node: ast.expr) -> list[str]:
    """The sentences that an expression may become; none where it holds no words of its own."""
    if isinstance(node, ast.Constant):
        return [_escaped(node.value)] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += _escaped(str(part.value))
            elif isinstance(part, ast.FormattedValue):
                text += "{what}"
        return [text]
    if isinstance(node, ast.IfExp):
        return _texts(node.body) + _texts(node.orelse)
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _texts(value)]
    if isinstance(node, ast.Subscript):
        return _texts(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pairs = product(_texts(node.left) or ["{more}"], _texts(node.right) or ["{more}"])
        return [left + right for left, right in pairs if "{more}{more}" not in left + right]
    return []


def _bare(text: str) -> str:
    """Without what only names the place: "{path}: no such file" and "--map {pair}: ..." are said of anything."""
    while found := _PLACE.match(text):
        text = text[found.end() :]
    return text


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _lettered(text: str) -> str:
    """Placeholders are called a, b, c in their order: one sentence, whatever its variables are called where."""
    names = iter("abcdefghij")
    return _HOLE.sub(lambda hole: "{" + next(names) + "}", text)
