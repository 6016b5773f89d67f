"""Exports of other tools as JSON: lists of reviews with the usual names of fields, in any order and language."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from scrapers.base import Meta, Page, Params, Parsed, Scraper
from scrapers.item import Item, Reply
from scrapers.readers import dates, html, json_data, rating, text, walls
from scrapers.readers.html import language_code
from scrapers.readers.identity import content_id
from scrapers.readers.json_data import dicts, dig
from scrapers.readers.numbers import count
from scrapers.sites._site import edited, flags, https, key, listed, rich, settled, unread

# Names that tools give to fields, the most exact first. Compared without case, "_", "-" and spaces.
_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("reviewid", "externalid", "commentid", "id", "uid", "guid", "_id"),
    "text": (
        "text",
        "reviewtext",
        "body",
        "content",
        "comment",
        "review",
        "message",
        "reviewbody",
        "description",
        "текст",
        "отзыв",
        "комментарий",
        "сообщение",
    ),
    "title": ("title", "reviewtitle", "subject", "headline", "заголовок", "тема"),
    "author": (
        "author",
        "authorname",
        "username",
        "user",
        "name",
        "reviewer",
        "reviewername",
        "nickname",
        "автор",
        "имя",
        "пользователь",
    ),
    "author_id": ("authorid", "userid", "reviewerid", "profileurl", "authorurl"),
    "at": (
        "dateiso",
        "publishedat",
        "createdat",
        "datepublished",
        "publisheddate",
        "createddate",
        "timestamp",
        "isodate",
        "datetime",
        "date",
        "time",
        "created",
        "reviewdate",
        "дата",
        "времясоздания",
    ),
    "words": ("date", "relativedate", "datetext", "publishedraw", "time", "дата"),
    "edited": ("editedat", "updatedat", "dateedited", "updated", "modified", "датаизменения"),
    "rating": (
        "rating",
        "stars",
        "score",
        "grade",
        "mark",
        "ratingvalue",
        "starrating",
        "оценка",
        "рейтинг",
        "звезды",
        "балл",
    ),
    "reply": (
        "reply",
        "ownerreply",
        "response",
        "answer",
        "officialanswer",
        "ownerresponse",
        "businessreply",
        "businesscomment",
        "ответ",
        "ответвладельца",
    ),
    "reply_at": ("replydate", "replyat", "responsedate", "answerdate", "датаответа"),
    "url": ("url", "link", "reviewurl", "permalink", "ссылка"),
    "language": ("language", "lang", "locale", "язык"),
    "parent": ("parentid", "replyto", "inreplyto"),
    "subject": (
        "product",
        "productname",
        "place",
        "placename",
        "company",
        "organization",
        "товар",
        "организация",
        "компания",
    ),
    "location": ("location", "branch", "branchname", "address", "city", "филиал", "адрес", "город"),
    "likes": ("likes", "likescount", "nlikes", "helpful", "thumbsup", "лайки"),
    "views": ("views", "viewscount", "просмотры"),
}
_LISTS = ("reviews", "items", "data", "results", "comments", "posts", "feedbacks", "records", "rows", "отзывы")
# Tools glue the caption and the time of an owner's answer to its text.
_CAPTION = re.compile(
    r"^\s*(?:ответ владельца|ответ организации|официальный ответ|response from the owner|owner response)\s*[:,]?\s*"
    r"(?P<when>(?:\d+\s+)?(?:минут[ауы]?|час(?:а|ов)?|день|дня|дней|недел[яюиь]|месяц(?:а|ев)?|год(?:а)?|лет|a|an|\d+|minutes?|hours?|days?|weeks?|months?|years?)"
    r"(?:\s+(?:minutes?|hours?|days?|weeks?|months?|years?))?\s+(?:назад|ago))?\s*",
    re.IGNORECASE,
)


class ImportJson(Scraper):
    meta = Meta(
        name="import_json",
        title="JSON exports of other tools",
        access="D",
        terms="Reads files you exported yourself; nothing is fetched. `monitor import` does the same with a "
        "mapping you can see "
        "and change.",
        kinds=("review",),
        aliases=("import_json_ru",),
        verified="against recordings",
    )
    params_type: ClassVar[type[Params]] = Params

    def parse(self, page: Page) -> Parsed:
        data = json_data.loads(page)
        if data is None:
            rows = [
                one
                for line in html.decode(page).splitlines()[:100_000]
                if isinstance(one := json_data.loads(line), dict)
            ]
            if not rows or html.looks_like_html(page.body):
                return walls.otherwise(page, "this is neither JSON nor JSON lines")
            data = rows
        entries = _entries(data)
        if entries is None:
            return settled(unread("no list of records in this file"), page)
        items: list[Item] = []
        seen: dict[str, int] = {}
        for one in entries:
            item = _item(one, page.fetched_at, seen)
            if item is not None:
                items.append(item)
        return settled(
            listed(items, found=False, note=None if items else "records without text, rating or author"), page
        )


def _entries(data: Any) -> list[dict[str, Any]] | None:
    if isinstance(data, list):
        return dicts(data) or None
    for name in _LISTS:
        inner = dig(data, name)
        if isinstance(inner, dict):
            inner = next((inner[one] for one in _LISTS if isinstance(inner.get(one), list)), None)
        if isinstance(inner, list) and dicts(inner):
            return dicts(inner)
    return None


def _item(one: dict[str, Any], now: datetime | None, seen: dict[str, int]) -> Item | None:
    row = {re.sub(r"[\s_\-]+", "", name).casefold(): value for name, value in one.items()}

    def get(field: str) -> Any:
        return next((row[name] for name in _NAMES[field] if row.get(name) not in (None, "", [])), None)

    content = get("text")
    said = rich(content) if isinstance(content, str) else rich(dig(content, "text"))
    author = _name(get("author"))
    stars = get("rating")
    mark = rating.read(stars if not isinstance(stars, dict) else dig(stars, "value"), worst=1) or rating.NONE
    if not said and mark.value is None:
        return None
    words = get("words")
    language = language_code(get("language"))
    languages = (language,) if language else _guess(words)
    when = dates.read(get("at"), now, languages=languages)
    if when.at is None or (when.precision == "relative" and words is not get("at")):
        other = dates.read(words, now, languages=languages)
        when = other if other.at is not None else when
    subject = _name(get("subject"))
    identity = key(get("id"))
    if identity is None:
        identity = content_id(subject, author, when.at if when.precision != "relative" else None, said, mark.raw)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] > 1:  # two wordless reviews of one day
            identity = f"{identity}-{seen[identity]}"
    return Item(
        kind="review",
        external_id=identity,
        title=text.optional(get("title")),
        text=said,
        url=https(get("url")),
        author=author,
        author_id=key(get("author_id")),
        **mark.fields(),
        **when.fields(),
        edited_at=edited(dates.iso(get("edited")), when.at),
        language=language,
        reply=_reply(get("reply"), get("reply_at"), now),
        parent_id=key(get("parent")),
        subject=subject,
        location=_name(get("location")),
        n_likes=count(get("likes")),
        n_views=count(get("views")),
        flags=flags(verified=row.get("verified"), hidden=row.get("ishidden")),
    )


def _name(value: Any) -> str | None:
    if isinstance(value, dict):
        value = next(
            (
                value[name]
                for name in ("name", "displayName", "display_name", "username", "title")
                if isinstance(value.get(name), str)
            ),
            None,
        )
    return text.optional(value)


def _guess(words: Any) -> tuple[str, ...]:
    """Cyrillic dates are read as Russian; everything else is left to the dates' own guess."""
    return ("ru",) if isinstance(words, str) and re.search(r"[а-яё]", words, re.IGNORECASE) else ()


def _reply(value: Any, at: Any, now: datetime | None) -> Reply | None:
    if isinstance(value, dict):
        at = at or next(
            (
                value[name]
                for name in ("date_created", "date", "published_at", "createdAt", "updatedTime", "time")
                if value.get(name)
            ),
            None,
        )
        author = next(
            (value[name] for name in ("author", "org_name", "name") if isinstance(value.get(name), str)), None
        )
        said = rich(
            next(
                (value[name] for name in ("text", "message", "comment", "body") if isinstance(value.get(name), str)), ""
            )
        )
        return Reply(said, text.optional(author), dates.read(at, now, languages=_guess(at)).at) if said else None
    said = rich(value)
    if not said:
        return None
    when = dates.read(at, now, languages=_guess(at)).at if at else None
    found = _CAPTION.match(said)
    if found and found.end() < len(said):
        spoken = found.group("when")
        when = when or (dates.read(spoken, now, languages=_guess(spoken)).at if spoken else None)
        said = text.plain(said[found.end() :])
    return Reply(said, None, when)
