# ruff: noqa: E501  (tables of names)
"""Exported conversations: WhatsApp text, Telegram JSON, and the csv that omnichannel desks write.

A conversation becomes tickets, one for each time the customer spoke: the first carries the id of the conversation,
the later ones name it as their parent, and the company's next words are the reply. What was said first and last can so
be judged apart, and the time to the first answer stands in the rows.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scrapers.errors import BadParams
from scrapers.imports import plain, tables
from scrapers.imports.columns import fold
from scrapers.imports.json_rows import LARGEST_DOCUMENT
from scrapers.item import Item, Reply
from scrapers.readers import dates, text
from scrapers.readers.identity import content_id

GAP = timedelta(hours=24)  # a silence this long ends a conversation
LATE = 7  # so many silences later a word of the company still answers what the customer said last
NAMES: dict[str, tuple[str, ...]] = {
    "conversation": ("conversation id", "conversation", "chat id", "dialog id", "ticket id", "thread id", "session id", "case id", "id диалога",
                     "id чата", "диалог", "чат", "обращение", "номер обращения", "ticket", "chat"),
    "at": ("sent at", "message time", "message date", "created at", "timestamp", "datetime", "date", "time", "дата сообщения", "время сообщения",
           "дата и время", "дата", "время"),
    "author": ("author", "sender", "sender name", "from", "user", "name", "автор", "отправитель", "имя", "от кого"),
    "side": ("role", "sender type", "author type", "direction", "from type", "side", "роль", "тип отправителя", "направление", "кто"),
    "text": ("text", "message", "body", "message text", "content", "сообщение", "текст", "текст сообщения"),
    "customer": ("customer id", "client id", "customer", "contact id", "id клиента", "клиент"),
    "channel": ("channel", "source", "platform", "messenger", "канал", "источник", "мессенджер"),
    "location": ("location", "branch", "store", "филиал", "точка", "место"),
}  # fmt: skip
_CUSTOMER = frozenset(("customer", "client", "user", "visitor", "contact", "incoming", "in", "inbound", "end user", "клиент", "посетитель",
                       "пользователь", "входящее", "входящий", "гость", "покупатель"))  # fmt: skip
_COMPANY = frozenset(("agent", "operator", "admin", "employee", "manager", "staff", "support", "bot", "system", "outgoing", "out", "outbound", "company",
                      "оператор", "агент", "менеджер", "сотрудник", "исходящее", "исходящий", "бот", "система", "поддержка"))  # fmt: skip
_BOTS = frozenset(("bot", "system", "бот", "система"))
_MARK = "\u200e"  # before whatever the messenger itself writes into a message: "image omitted", "<attached: ...>"
_SILENT = re.compile(
    r"^<[^<>]{3,40}>$"  # in any language, what the messenger says instead of a picture
    r"|^<?(media omitted|без медиафайлов|attached(:.*)?|прикреплено(:.*)?|null"
    r"|(image|video|video note|audio|sticker|document|gif|contact card|view once \w+( message)?) omitted"
    r"|(изображение|видео\w*|аудио|стикер|документ|gif|карточка контакта) (отсутству\w+|опущен\w*|пропущен\w*)"
    r"|.* \((file attached|файл добавлен)\)|\S+\.\w{3,4} \([^()]{4,30}\)"  # in other languages: IMG-1.jpg (...)
    r"|(this message was deleted|you deleted this message|данное сообщение удалено|вы удалили данное сообщение"
    r"|diese nachricht wurde gelöscht|du hast diese nachricht gelöscht|se eliminó este mensaje|eliminaste este mensaje"
    r"|ce message a été supprimé|vous avez supprimé ce message|(essa )?mensagem (foi )?apagada|você apagou esta mensagem)"
    r"|(missed (group )?(voice|video) call|пропущенный (групповой )?(аудио|видео)?звонок)( at .*| в .*)?"
    r"|waiting for this message\. this may take a while"
    r"|ожидание (данного )?сообщения\. это может занять некоторое время"
    r"|(live )?location shared|(location|местоположение): https?://\S+)>?\.?$",
    re.IGNORECASE,
)
_EDITED = re.compile(r"\s*<(this message was edited|сообщение изменено)>", re.IGNORECASE)
_LINE = re.compile(
    r"^\[?(?P<day>\d{1,4}[./-]\d{1,2}[./-]\d{1,4}),?\s+(?P<clock>\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s*[apAP]\.?\s?[mM]\.?)?)\]?"
    r"(?:\s+[-–]\s+|\s+)(?P<rest>.*)$"
)
_FILE_OF = re.compile(
    r"^(?:whatsapp chat (?:with|-)|чат whatsapp с(?: контактом)?|whatsapp-чат с)\s+(?P<name>.+?)(?: \(\d+\))?$", re.I
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `ours`: the company said it; `bot`: nobody did."""

    at: datetime
    author: str
    words: str
    ours: bool
    bot: bool = False
    number: int = 0  # row of the file
    conversation: str = ""
    customer: str = ""
    channel: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What happened in a conversation. `first_response` is the time from the customer's first word to the first answer
    of a person (of a bot, where no person answered); None where nobody did. `answered`: the company had the last word,
    or the customer closed after an answer."""

    conversation: str
    opened_at: datetime
    closed_at: datetime
    n_messages: int
    n_customer: int
    first_response: timedelta | None
    answered: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order of time, at least one of them the customer's."""

    id: str
    messages: tuple[Message, ...]

    @property
    def facts(self) -> Facts:
        theirs = [one for one in self.messages if not one.ours]
        after = [one for one in self.messages if one.ours and one.at >= theirs[0].at]
        people = [one for one in after if not one.bot] or after
        return Facts(
            self.id,
            self.messages[0].at,
            self.messages[-1].at,
            len(self.messages),
            len(theirs),
            people[0].at - theirs[0].at if people else None,
            bool(after),
        )

    def items(self, origin: str | None = None) -> Iterator[Item]:
        """One ticket for each time the customer spoke, first to last."""
        turns = _turns(self.messages)
        for place, (theirs, ours) in enumerate(turns):
            words = "\n".join(one.words for one in theirs)
            people = [one for one in ours if not one.bot] or ours
            first = theirs[0]
            yield Item(
                kind="ticket",
                external_id=self.id if place == 0 else f"{self.id}/{place + 1}",
                parent_id=self.id if place else None,
                text=words,
                author=first.author or None,
                author_id=first.customer or None,
                customer=first.customer or None,
                published_at=first.at,
                published_precision="second",
                reply=Reply("\n".join(one.words for one in ours), people[0].author or None, people[0].at)
                if ours
                else None,
                origin=first.channel or origin,
                location=first.location or None,
                flags=frozenset(("chat", "bot_reply") if ours and all(one.bot for one in ours) else ("chat",)),
            )


@dataclass(frozen=True, slots=True)
class Row:
    """A message by its number that could not be read."""

    number: int
    error: str


@dataclass(slots=True)
class Chats:
    """All conversations of a file, oldest first; the rows that could not be read; how the file was understood."""

    format: str
    conversations: list[Conversation]
    bad_rows: list[Row]
    notes: list[str]

    def items(self) -> Iterator[Item]:
        """Tickets of all conversations."""
        for conversation in self.conversations:
            yield from conversation.items({"whatsapp": "whatsapp", "telegram": "telegram"}.get(self.format))


@dataclass(frozen=True, slots=True)
class _Sides:
    """Who may write for the company: names that were given, and what the company is called."""

    agents: Sequence[str]
    company: Sequence[str]


def read(
    path: Path,
    *,
    agents: Sequence[str] = (),
    company: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
    locale: str | None = None,
    zone: str = "UTC",
    gap: timedelta = GAP,
) -> Chats:
    """Read an export. `agents` are the names under which the company writes; needed where the file does not tell,
    and none of the names of the `company` itself writes.

    Raises `BadParams` for a file that is no conversation, or where nobody can be told from anybody.
    """
    if not path.is_file():
        raise BadParams(f"{path}: there is no such file" if not path.exists() else f"{path}: is not a file")
    if zipfile.is_zipfile(path) and path.suffix.casefold() != ".xlsx":
        with tempfile.TemporaryDirectory(prefix="chat-") as folder:
            inner = _unzipped(path, Path(folder))
            return read(inner, agents=agents, company=company, mapping=mapping, locale=locale, zone=zone, gap=gap)
    with path.open("rb") as file:
        start = file.read(65536)
    if not start.strip():
        raise BadParams(f"{path}: the file is empty")
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] == b"{" and b'"messages"' in start:
        return _telegram(path, _Sides(agents, company), zone, gap)
    if _looks_like_whatsapp(path):
        return _whatsapp(path, _Sides(agents, company), locale, zone, gap)
    return _table(path, agents, mapping, locale, zone, gap)


def _unzipped(path: Path, folder: Path) -> Path:
    """The text of a zipped export (phones zip it with the pictures), under the name of the archive, which tells the
    customer. Raises `BadParams`."""
    with zipfile.ZipFile(path) as archive:
        texts = [one for one in archive.infolist() if one.filename.casefold().endswith((".txt", ".json", ".csv"))]
        if len(texts) != 1:
            raise BadParams(f"{path}: holds {len(texts)} files of text; one conversation is read at a time")
        if texts[0].file_size > LARGEST_DOCUMENT:
            raise BadParams(f"{path}: unpacks to more than {LARGEST_DOCUMENT // 2**20} MB")
        inner = folder / f"{path.stem}{Path(texts[0].filename).suffix}"
        try:
            with archive.open(texts[0]) as packed, inner.open("wb") as out:
                shutil.copyfileobj(packed, out)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as problem:
            raise BadParams(f"{path}: cannot be unpacked: {problem}") from None
    return inner


# --- WhatsApp ---------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        encoding = tables.find_encoding(file)
        for line in tables.lines(file, encoding, None, 0):
            clean = re.sub("[\u200f\u202a-\u202c\u2066-\u2069\ufeff]", "", line).replace("\u202f", " ").rstrip("\r\n")
            yield clean.lstrip(_MARK) if _LINE.match(clean.lstrip(_MARK)) else clean


def _looks_like_whatsapp(path: Path) -> bool:
    for n, line in enumerate(_lines(path)):
        if line.strip():
            return _LINE.match(line) is not None
        if n > 20:
            break
    return False


def _whatsapp(path: Path, sides: _Sides, locale: str | None, zone: str, gap: timedelta) -> Chats:
    found: list[tuple[int, str, str, list[str]]] = []  # row, day, clock, lines
    for number, line in enumerate(_lines(path), 1):
        match = _LINE.match(line)
        if match is not None:
            found.append((number, match["day"], match["clock"], [match["rest"]]))
        elif found and line.strip():
            found[-1][3].append(line)
    day_first = _day_first([(day, clock) for _, day, clock, _ in found], locale)
    messages, bad = [], []
    for number, day, clock, lines in found:
        author, mark, words = lines[0].partition(": ")
        if not mark or any(sign in author for sign in '«»“”"'):
            continue  # notices of the messenger itself: encryption, group changes, a new name of the group
        at = dates.read(f"{day} {_clock(clock)}", zone=zone, day_first=day_first).at
        if at is None:
            bad.append(Row(number, f"{day}, {clock} is no time"))
            continue
        body = _said([words, *lines[1:]])
        if body:
            messages.append(Message(at, text.line(author.lstrip("~ \xa0")), body, False, number=number))
    return _chats("whatsapp", path, _sided(path, messages, sides, _name_in(path)), bad, gap,
                  [f"dates are read as {'day.month' if day_first else 'month/day'}"])  # fmt: skip


def _said(lines: Sequence[str]) -> str:
    """What a person wrote in a message: not the name of a file, "image omitted", a missed call, "edited"."""
    own = [_EDITED.sub("", line.partition(_MARK)[0]).strip() for line in lines]
    return text.plain("\n".join(line for line in own if not _SILENT.match(line))).strip()


def _day_first(times: Sequence[tuple[str, str]], locale: str | None) -> bool:
    days = [tuple(int(part) for part in re.split(r"[./-]", day)) for day, _ in times]
    for first, second, _ in days:
        if 12 < first < 32:
            return True
        if second > 12:
            return False
    # messages stand in the order of time: the reading that keeps it
    turns = [sum(later < earlier for earlier, later in itertools.pairwise(dated)) for dated in
             ([(c, b, a) for a, b, c in days], [(c, a, b) for a, b, c in days])]  # fmt: skip
    if turns[0] != turns[1]:
        return turns[0] < turns[1]
    # nothing decides: an American locale or phone ("11/2/26, 9:05 AM") writes the month first
    american = any("/" in day and clock.endswith(("AM", "PM")) for day, clock in times)
    return not (american or (locale or "").replace("-", "_").casefold().startswith("en_us"))


def _clock(clock: str) -> str:
    found = re.match(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s*([apAP])?", clock)
    assert found is not None  # the pattern of the line holds it
    hour = int(found[1])
    if found[4]:
        hour = hour % 12 + (12 if found[4].lower() == "p" else 0)
    return f"{hour:02d}:{found[2]}:{found[3] or '00'}"


def _name_in(path: Path) -> str | None:
    found = _FILE_OF.match(" ".join(path.stem.replace("_", " ").split()))
    return found["name"] if found else None


def _sided(path: Path, messages: list[Message], sides: _Sides, customer: str | None) -> list[Message]:
    """Who of the participants is the company: those named, else who is called as the company is, else everybody but
    the one the file is named after."""
    names = list(dict.fromkeys(one.author for one in messages))
    folded = {fold(name) for name in names}
    ours = {fold(name) for name in sides.agents}
    if ours and messages and not ours & folded:
        raise BadParams(
            f"{path}: none of {', '.join(sides.agents)} writes in it; those who do: {', '.join(names[:20])}"
        )
    ours = ours or {fold(name) for name in sides.company} & folded
    if ours and (sides.agents or folded - ours):
        return [replace(one, ours=fold(one.author) in ours) for one in messages]
    if customer is not None and any(fold(name) == fold(customer) for name in names):
        return [replace(one, ours=fold(one.author) != fold(customer)) for one in messages]
    raise BadParams(
        f"{path}: nothing says who of {', '.join(names[:20]) or 'nobody'} writes for the company; say it with --agent NAME"
    )


# --- Telegram ---------------------------------------------------------------------------------------


def _telegram(path: Path, sides: _Sides, zone: str, gap: timedelta) -> Chats:
    if path.stat().st_size > LARGEST_DOCUMENT:
        raise BadParams(
            f"{path}: a JSON document of more than {LARGEST_DOCUMENT // 2**20} MB is too large to be read at once"
        )
    try:
        whole = json.loads(path.read_bytes().decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError) as problem:
        raise BadParams(f"{path}: is not JSON: {problem}") from None
    listed = whole.get("chats", {}).get("list") if isinstance(whole.get("chats"), dict) else [whole]
    messages: list[Message] = []
    bad: list[Row] = []
    row = 0
    for chat in listed or []:
        if not isinstance(chat, dict):
            continue
        own: list[Message] = []
        for raw in chat.get("messages") or []:
            row += 1
            if not isinstance(raw, dict) or raw.get("type") != "message":
                continue
            at = dates.iso(raw.get("date_unixtime")) or dates.iso(raw.get("date"), zone)
            if at is None:
                bad.append(Row(row, f"{str(raw.get('date'))[:40]!r} is no time"))
                continue
            words = text.plain(_spoken(raw.get("text"))).strip()
            if words:
                sender = str(raw.get("from_id") or "")
                own.append(Message(at, text.line(raw.get("from")), words, False, number=row,
                                   conversation=str(chat.get("id") or chat.get("name") or ""), customer=sender,
                                   channel="telegram"))  # fmt: skip
        if own:
            messages += _sided(path, own, sides, text.line(chat.get("name")) or None)
    return _chats("telegram", path, messages, bad, gap, [])


def _spoken(value: Any) -> str:
    """Telegram writes a text as a string, or as a list of strings and marked pieces."""
    if isinstance(value, list):
        return "".join(_spoken(part) for part in value)
    if isinstance(value, dict):
        return str(value.get("text") or "")
    return str(value or "")


# --- desks ------------------------------------------------------------------------------------------


def _table(
    path: Path, agents: Sequence[str], mapping: Mapping[str, str] | None, locale: str | None, zone: str, gap: timedelta
) -> Chats:
    table = plain.opened(path, NAMES, time_field="at", mapping=mapping, locale=locale, zone=zone)
    missing = [field for field in ("at", "text") if field not in table.mapping]
    if "side" not in table.mapping and not ("author" in table.mapping and agents):
        missing.append("side")
    if missing:
        raise BadParams(
            f"{path}: no column looks like {', '.join(missing)}. Columns: {', '.join(table.run.columns)}. "
            f"Name it with {missing[0]}=COLUMN"
        )
    ours = {fold(name) for name in agents}
    messages, bad = [], []
    for raw in table:
        try:
            if raw.values is None:
                raise ValueError(raw.error or "cannot be read")
            words = text.from_html(table.value(raw.values, "text")).strip()
            author, side = table.word(raw.values, "author"), fold(table.word(raw.values, "side"))
            if side in _COMPANY or side in _CUSTOMER:
                company = side in _COMPANY or fold(author) in ours
            elif ours:
                company = fold(author) in ours
            else:
                raise ValueError(f"{table.mapping['side']}: {side[:40]!r} is neither customer nor agent")
            at = table.time(raw.values, "at")
            if words and not _SILENT.match(words):
                customer = table.word(raw.values, "customer")
                messages.append(
                    Message(at, author, words, company, side in _BOTS, raw.number, table.word(raw.values, "conversation"),
                            customer, table.word(raw.values, "channel"), table.word(raw.values, "location"))
                )  # fmt: skip
        except ValueError as problem:
            bad.append(Row(raw.number, str(problem)[:300]))
    # without an id of conversations, a customer's messages are one until they fall silent
    named = [one if one.conversation else replace(one, conversation=f"customer {one.customer}") for one in messages]
    fixed = "conversation" in table.mapping
    return _chats("table", path, named, bad, timedelta.max if fixed else gap, table.notes)


# --- conversations ----------------------------------------------------------------------------------


def _chats(
    form: str, path: Path, messages: Sequence[Message], bad: list[Row], gap: timedelta, notes: Iterable[str]
) -> Chats:
    by_chat: dict[str, list[Message]] = {}
    for one in messages:
        by_chat.setdefault(one.conversation, []).append(one)
    found = []
    n_silent = 0
    for key, listed in by_chat.items():
        listed.sort(key=lambda one: (one.at, one.number))
        for part in _parts(listed, gap):
            first = next((one for one in part if not one.ours), None)
            if first is None:
                n_silent += 1
                continue
            own = form == "table" and gap == timedelta.max
            name = key if own else content_id(form, key, first.author, part[0].at.isoformat())
            found.append(Conversation(name, tuple(part)))
    if not found and not bad:
        raise BadParams(f"{path}: there is no message of a customer in it")
    found.sort(key=lambda one: (one.messages[0].at, one.id))
    said = [f"{form}: {len(messages)} messages in {len(found)} conversations", *notes]
    if n_silent:
        said.append(f"{n_silent} conversations without a word of a customer are left out")
    return Chats(form, found, bad, said)


def _parts(messages: Sequence[Message], gap: timedelta) -> Iterator[list[Message]]:
    part: list[Message] = []
    for one in messages:
        silence = one.at - part[-1].at if part else timedelta(0)
        answers = bool(part) and one.ours and not part[-1].ours and not part[-1].bot
        if silence > gap and not (answers and silence / gap <= LATE):
            yield part
            part = []
        part.append(one)
    if part:
        yield part


def _turns(messages: Sequence[Message]) -> list[tuple[list[Message], list[Message]]]:
    """What a customer said, and what was answered, in turns: in a group, each in their own. Words of the company before
    the first are left out."""
    turns: list[tuple[list[Message], list[Message]]] = []
    for one in messages:
        if not one.ours:
            last = turns[-1][0][-1] if turns else one
            if not turns or turns[-1][1] or (last.author, last.customer) != (one.author, one.customer):
                turns.append(([], []))
            turns[-1][0].append(one)
        elif turns:
            turns[-1][1].append(one)
    return turns


__all__ = ["Chats", "Conversation", "Facts", "Message", "Row", "read"]
