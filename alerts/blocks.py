"""Lays a message out in Slack's Block Kit, inside its limits, strangers' words only where Slack does not parse them.

Names and quotes go into `plain_text` and `rich_text` elements, which know no markup: a text cannot call @channel, forge
a link or break the layout. Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from alerts.message import ENDS, LinkKind, Message
from alerts.sentences import link_label, words_of
from alerts.text import shorten
from alerts.view import QuoteView, View, tidy, view

MAX_BLOCKS, MAX_SECTION, MAX_HEADER, MAX_FIELD, MAX_FIELDS = 50, 3000, 150, 2000, 10
MAX_BUTTON, MAX_VALUE, MAX_URL, MAX_CONTEXT, MAX_TEXT = 75, 2000, 3000, 10, 4000
MAX_QUOTE = 600
EVENT_TYPE = "feedback_monitor_notification"
CALLBACKS = (LinkKind.ACKNOWLEDGE, LinkKind.MUTE, LinkKind.REJECT)  # buttons that call back

_ICONS = {"critical": "🔴", "warning": "🟠", "info": "🔵", "over": "🟢", "note": "⚪"}

Block = dict[str, Any]


def slack(message: Message, *, interactive: bool = True) -> dict[str, Any]:
    """Payload of a message: `text` (for notifications and old clients), `blocks`, `metadata` (with the dedup key)."""
    message = tidy(message)
    shown = view(message)
    words = words_of(message)
    head = f"{_ICONS[shown.tone]} {shown.badge}" + (f" · {shown.severity}" if shown.severity else "")
    blocks: list[Block] = [
        {"type": "header", "text": _plain(f"{head} · {message.brand}", MAX_HEADER)},
        {"type": "section", "text": _plain(shown.headline, MAX_SECTION)},
    ]
    if message.note and message.note not in shown.headline:
        blocks.append({"type": "section", "text": _plain(message.note, MAX_SECTION)})
    if shown.figures:
        fields = [_plain(f"{figure.value}\n{figure.label}", MAX_FIELD) for figure in shown.figures]
        blocks.append({"type": "section", "fields": fields[:MAX_FIELDS]})
    if shown.drivers:
        lines = [f"{row.dimension}: {row.name}: {row.observed} ({row.excess})" for row in shown.drivers]
        blocks.append(_list(words.say("Where the excess comes from"), lines))
    about = [f"{topic.text} {topic.n}" for topic in shown.topics]
    about += [f"{phrase.text} {phrase.n}" for phrase in shown.phrases]
    if about:
        blocks.append(_list(words.say("What people write about"), [", ".join(about)]))
    if shown.quotes:
        blocks.append(_quotes(words.say("In their own words"), shown.quotes, words.say("original")))
    if shown.items:
        blocks.append(_list("", [f"{item.badge}, {item.moment}: {item.headline}" for item in shown.items]))
    if shown.steps:
        blocks.append(_list(words.say("What to do next"), shown.steps, style="ordered"))
    if shown.cautions:
        elements = [_plain(caution, MAX_FIELD) for caution in shown.cautions[:MAX_CONTEXT]]
        blocks.append({"type": "context", "elements": elements})
    buttons = _buttons(message, shown, interactive=interactive)
    if buttons:
        blocks.append({"type": "actions", "block_id": "incident", "elements": buttons})
    blocks.append({"type": "context", "elements": [_plain(shown.footer, MAX_FIELD)]})
    return {
        "text": escape(shorten(f"{head} · {shown.headline}", MAX_TEXT - 600)),
        "blocks": blocks[:MAX_BLOCKS],
        "metadata": metadata(message.dedup_key, message.thread_key),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def answered(blocks: Sequence[Block], note: str, *, gone: Collection[str]) -> list[Block]:
    """A posted message after a button was pressed: without the buttons that have done their deed, with who did it."""
    result: list[Block] = []
    for block in blocks:
        if block.get("type") != "actions":
            result.append(block)
        elif kept := [button for button in block.get("elements", []) if button.get("action_id") not in gone]:
            result.append({**block, "elements": kept})
    told = {"type": "context", "elements": [_plain(note, MAX_FIELD)]}
    result.insert(min(max(len(result) - 1, 0), MAX_BLOCKS - 1), told)  # above the footer
    return result[:MAX_BLOCKS]


def metadata(dedup_key: str, thread_key: str | None) -> dict[str, Any]:
    """What the message carries unseen, so that the channel can be asked for it."""
    payload = {"dedup_key": dedup_key} | ({"thread_key": thread_key} if thread_key else {})
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def text_payload(subject: str, text: str, *, dedup_key: str, thread_key: str | None) -> dict[str, Any]:
    """A message that was rendered elsewhere: its subject as header, its text in sections, cut where Slack ends."""
    blocks: list[Block] = [{"type": "header", "text": _plain(subject, MAX_HEADER)}]
    rest = text.strip()
    while rest and len(blocks) < 12:
        piece = shorten(rest, MAX_SECTION, mark="") if len(rest) > MAX_SECTION else rest
        blocks.append({"type": "section", "text": _plain(piece, MAX_SECTION)})
        rest = rest[len(piece) :].strip()
    if rest:
        blocks.append({"type": "context", "elements": [_plain("…", MAX_FIELD)]})
    return {
        "text": escape(shorten(subject, MAX_TEXT - 600)),
        "blocks": blocks,
        "metadata": metadata(dedup_key, thread_key),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escape(text: str) -> str:
    """Text for fields where Slack reads mentions and links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": shorten(text, limit) or " ", "emoji": False}


def _run(text: str, **style: bool) -> Block:
    return {"type": "text", "text": text} | ({"style": style} if style else {})


def _list(title: str, lines: list[str], *, style: str = "bullet") -> Block:
    items = [{"type": "rich_text_section", "elements": [_run(shorten(line, MAX_FIELD) or " ")]} for line in lines]
    elements: list[Block] = []
    if title:
        elements.append({"type": "rich_text_section", "elements": [_run(title, bold=True)]})
    elements.append({"type": "rich_text_list", "style": style, "elements": items})
    return {"type": "rich_text", "elements": elements}


def _quotes(title: str, quotes: list[QuoteView], original: str) -> Block:
    elements: list[Block] = [{"type": "rich_text_section", "elements": [_run(title, bold=True)]}]
    for quote in quotes:
        runs = [_run(shorten(quote.text, MAX_QUOTE) or " ")]
        meta = " ".join(part for part in (quote.stars, quote.meta) if part)
        if meta:
            runs.append(_run(f"\n{meta}", italic=True))
        if quote.url and len(quote.url) <= MAX_URL:
            runs += [_run(" · " if meta else "\n"), {"type": "link", "url": quote.url, "text": original}]
        elements.append({"type": "rich_text_quote", "elements": runs})
    return {"type": "rich_text", "elements": elements}


def _buttons(message: Message, shown: View, *, interactive: bool) -> list[Block]:
    buttons = [
        _button(button.kind, button.label, url=button.url) for button in shown.buttons if len(button.url) <= MAX_URL
    ]
    if not interactive or not message.incident_id:
        return buttons
    links = [button for button in buttons if button["action_id"] not in CALLBACKS]
    if message.kind in ENDS:
        return links
    words = words_of(message)
    value = message.incident_id[:MAX_VALUE]
    return [_button(kind, link_label(kind, words), value=value) for kind in CALLBACKS] + links


def _button(kind: LinkKind, label: str, **target: str) -> Block:
    style = {"style": "primary"} if kind is LinkKind.ACKNOWLEDGE else {}
    return {"type": "button", "text": _plain(label, MAX_BUTTON), "action_id": str(kind), **style, **target}
