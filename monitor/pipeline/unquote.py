"""Quotes of what is erased: where messages, reports and incidents hold the words of a mention, and how they lose them.

Messages and incidents name no mention, reports are text: a quote is found by its words. Where quotes stand is read
once, outside every writing transaction, and only from what was written after the oldest mention in question; the
writing transaction looks up each erased mention, and rewrites the rows that quote it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

import alerts.message
import alerts.render
from monitor.i18n import translator
from monitor.pipeline.outbox import envelope_of
from monitor.store.engine import reading
from monitor.store.judgements import judged_words
from monitor.store.tables import Incident, Mention, Outbox, Report, Revision

_HEAD = 80  # letters that find a quote; every form of shortening leaves more of a text
_SLICE = 100
_SLACK = timedelta(days=2)  # a date may lie a day ahead of its first sight
# as the templates in monitor/reports/templates write a quote: its words, and the line under it with the address
_PAGE = re.compile(r'(<blockquote\b[^>]*>\s*<p\b[^>]*>)(.*?)(</p>)\s*<div class="meta">.*?</div>', re.DOTALL)
# of a mail the words end at a line break, as mails of earlier versions have it, or with their own div
_MAIL = re.compile(r'(<div\b[^>]*class="quote [^>]*>(?:<div\b[^>]*>)?)(.*?)(<br\s*/?>|</div>).*?(?=</div>)', re.DOTALL)
_MARKDOWN = re.compile(r"^(> )(.+)()\n>\n> .*$", re.MULTILINE)
_TEXT = re.compile(r'^(")(.+)(")\n  .*$', re.MULTILINE)

Erased = Callable[[str, str | None], bool]  # whether these words, at this address where it is known, are to go
Row = Outbox | Incident | Report
_WHEN: dict[type[Row], str] = {Outbox: "created_at", Incident: "last_seen_at", Report: "built_at"}


@dataclass(slots=True)
class Quotes:
    """Which rows hold which quotes: by the head of their words."""

    oldest: datetime
    places: dict[str, set[tuple[type[Row], int]]] = field(default_factory=lambda: defaultdict(set))
    newest: dict[type[Row], int] = field(default_factory=dict)

    @classmethod
    def since(cls, engine: Engine, oldest: datetime) -> Quotes:
        """All quotes in rows written after a time, read in slices."""
        found = cls(oldest - _SLACK)
        for table in _WHEN:
            last = 0
            while rows := _slice(engine, table, found.oldest, after=last):
                for row in rows:
                    found.note(row)
                last = rows[-1].id or 0
        return found

    def note(self, row: Row) -> None:
        """Remember what a row quotes."""
        place = (type(row), row.id or 0)
        self.newest[type(row)] = max(self.newest.get(type(row), 0), row.id or 0)

        def see(words: str, url: str | None) -> bool:
            self.places[_plain(words)[:_HEAD]].add(place)
            return False

        without(row, see)

    def take_out(self, session: Session, mentions: Sequence[Mention]) -> int:
        """Take the quotes of mentions, which still have their words, out of all rows; returns how many rows changed."""
        for table in (Outbox, Report):  # what was written since the quotes were read
            later = select(table).where(col(table.id) > self.newest.get(table, 0), _written(table) >= self.oldest)
            for row in session.exec(later):
                self.note(row)
        texts = _texts(session, mentions)
        wanted: dict[tuple[type[Row], int], list[tuple[str, str | None]]] = defaultdict(list)
        for plain, url in texts:
            for place in self.places.get(plain[:_HEAD], ()):
                wanted[place].append((plain, url))
        n = 0
        for (table, row_id), gone in sorted(wanted.items(), key=lambda one: (one[0][0].__name__, one[0][1])):
            row = session.exec(select(table).where(table.id == row_id).with_for_update()).first()
            if row is not None and without(row, partial(_is_one_of, gone)):
                session.add(row)
                n += 1
        return n


def without(row: Row, erased: Erased) -> bool:
    """Put a mark in the place of the quotes that are to go. False when the row holds none of them."""
    if isinstance(row, Report):
        mark = _mark(row.language)
        page, markdown = _cut(_PAGE, row.html, mark, erased), _cut(_MARKDOWN, row.markdown, mark, erased)
        if (page, markdown) == (row.html, row.markdown):
            return False
        row.html, row.markdown = page, markdown
        return True
    if isinstance(row, Incident):
        mark = _mark(str(row.data.get("language", "en")))
        quotes = row.data.get("quotes") or []
        kept = [{"text": mark} if erased(quote["text"], quote.get("url")) else quote for quote in quotes]
        if kept == quotes:
            return False
        row.data = {**row.data, "quotes": kept}
        return True
    envelope = envelope_of(row)
    if envelope is None:
        return False
    shorter = _envelope(envelope, erased)
    if shorter is envelope:
        return False
    row.payload = {**row.payload, "envelope": alerts.message.dumps(shorter)}
    return True


def _envelope(envelope: alerts.message.Envelope, erased: Erased) -> alerts.message.Envelope:
    """The envelope itself where nothing goes; a message is rendered anew."""
    if envelope.message is not None:
        message = _message(envelope.message, erased)
        if message is envelope.message:
            return envelope
        made = alerts.render.envelope(message)
        return replace(envelope, subject=made.subject, text=made.text, html=made.html, inline=made.inline,
                       message=made.message)  # fmt: skip
    mark = _mark(envelope.language)
    text, page = _cut(_TEXT, envelope.text, mark, erased), _cut(_MAIL, envelope.html, mark, erased)
    return envelope if (text, page) == (envelope.text, envelope.html) else replace(envelope, text=text, html=page)


def _message(message: alerts.message.Message, erased: Erased) -> alerts.message.Message:
    mark = alerts.message.Quote(text=_mark(message.language))
    quotes = tuple(mark if erased(quote.text, quote.url) else quote for quote in message.quotes)
    items = tuple(_message(item, erased) for item in message.items)
    if quotes == message.quotes and all(a is b for a, b in zip(items, message.items, strict=True)):
        return message
    return replace(message, quotes=quotes, items=items)


def _cut(pattern: re.Pattern[str], whole: str, mark: str, erased: Erased) -> str:
    def put(found: re.Match[str]) -> str:
        words = found[2] if pattern in (_TEXT, _MARKDOWN) else html.unescape(found[2])
        return f"{found[1]}{mark}{found[3]}" if erased(words, None) else found[0]

    return pattern.sub(put, whole)


def _mark(language: str) -> str:
    return translator(language).gettext("removed")


def _plain(words: str) -> str:
    """Letters and digits only: what cleaning, shortening and escaping leave of a text, in the same order."""
    letters = "".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", words))).casefold()
    return letters or re.sub(r"\s+", "", words)


def _is_one_of(gone: Iterable[tuple[str, str | None]], words: str, url: str | None) -> bool:
    quote = _plain(words)
    return any(
        (text == quote or (len(quote) >= _HEAD and text.startswith(quote))) and (not url or not own or url == own)
        for text, own in gone
    )


def _texts(session: Session, mentions: Sequence[Mention]) -> set[tuple[str, str | None]]:
    """What mentions say and said before, as messages (with the title) and as reports (without) quote it."""
    found = {mention.id: mention for mention in mentions}
    said = [(mention, mention.title, mention.text) for mention in mentions]
    for edit in session.exec(select(Revision).where(col(Revision.mention_id).in_(found))):
        said.append((found[edit.mention_id], edit.title, edit.text))
    return {
        (plain, mention.url)
        for mention, title, text in said
        for words in (judged_words(title, text), text)
        if (plain := _plain(words))
    }


def _written(table: type[Row]) -> Any:
    return getattr(table, _WHEN[table])


def _slice(engine: Engine, table: type[Row], oldest: datetime, *, after: int) -> Sequence[Row]:
    with reading(engine) as session:
        return session.exec(
            select(table).where(col(table.id) > after, _written(table) >= oldest).order_by(col(table.id)).limit(_SLICE)
        ).all()
