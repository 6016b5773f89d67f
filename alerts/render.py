"""Turns a message into what people see: a mail (HTML and text), plain text, Slack blocks. All look at one view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from alerts import blocks, sentences
from alerts.message import Envelope, Message
from alerts.view import View, tidy, view
from alerts.words import Words

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class EmailParts:
    """A mail without its envelope. `inline` maps content ids used in the HTML (`cid:chart`) to PNG bytes."""

    subject: str
    text: str
    html: str
    inline: Mapping[str, bytes] = field(default_factory=dict)


def email(message: Message, *, time_zone: str | None = None) -> EmailParts:
    """The message as a mail."""
    message = _ready(message, time_zone)
    shown = view(message)
    values = {name: getattr(shown, name) for name in View.__dataclass_fields__} | {"m": message}
    environment = _environment(message.language)
    html = environment.get_template("email.html.jinja").render(css=_css(), **values)
    return EmailParts(
        subject=shown.subject,
        text=_text(message, values),
        html=_inliner().inline(html),
        inline={"chart": message.chart_png} if message.chart_png else {},
    )


def plain(message: Message, *, time_zone: str | None = None) -> str:
    """The message as plain text."""
    message = _ready(message, time_zone)
    shown = view(message)
    return _text(message, {name: getattr(shown, name) for name in View.__dataclass_fields__} | {"m": message})


def slack(message: Message, *, time_zone: str | None = None, interactive: bool = True) -> dict[str, Any]:
    """The message as a Slack payload: text, blocks, metadata. `interactive` buttons call back, else they are links."""
    return blocks.slack(_ready(message, time_zone), interactive=interactive)


def headline(message: Message) -> str:
    """The one sentence."""
    return sentences.headline(tidy(message), sentences.words_of(message))


def envelope(message: Message, *, time_zone: str | None = None) -> Envelope:
    """The message in an envelope that any channel can carry."""
    message = _ready(message, time_zone)
    parts = email(message)
    return Envelope(
        dedup_key=message.dedup_key,
        subject=parts.subject,
        text=parts.text,
        html=parts.html,
        language=message.language,
        inline=parts.inline,
        message=message,
        thread_key=message.thread_key,
    )


def _ready(message: Message, time_zone: str | None) -> Message:
    return tidy(message if time_zone is None else replace(message, time_zone=time_zone))


def _text(message: Message, values: Mapping[str, Any]) -> str:
    text = _environment(message.language).get_template("email.txt.jinja").render(**values)
    lines = [line.rstrip() if line != "-- " else line for line in text.split("\n")]
    kept = [line for n, line in enumerate(lines) if line or (n > 0 and lines[n - 1])]
    return "\n".join(kept).strip() + "\n"


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.jinja"], default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = Words(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        words.catalogue.ugettext, words.catalogue.ungettext, newstyle=True
    )
    return environment


@cache
def _css() -> str:
    return (TEMPLATES / "email.css").read_text(encoding="utf-8")


@cache
def _inliner() -> css_inline.CSSInliner:
    """Mail programs drop style sheets, so rules move into the tags; media queries (dark mode, phones) must stay."""
    return css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
