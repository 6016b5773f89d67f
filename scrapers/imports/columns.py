# ruff: noqa: E501  (tables of names)
"""Which column of a file means what, and one row of it as an item.

`guess` looks at the names of the columns in a dozen languages first, then at what stands in them. The result is shown to
the user, who may correct it (`mapping`), before anything is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from scrapers.errors import BadParams
from scrapers.item import KINDS, Item, Kind, Reply
from scrapers.readers import dates, html, rating, text
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import count, number

# field of the item: names of columns, folded (lower case, words by one space, ё as е); the better name stands first
NAMES: dict[str, tuple[str, ...]] = {
    "text": (
        "text", "review text", "review body", "reviewbody", "body", "review", "comment", "content", "message", "feedback", "comments",
        "customer comment", "open comment", "verbatim", "answer", "tweet", "post", "full text", "description", "review content", "note",
        "текст", "текст отзыва", "отзыв", "комментарий", "сообщение", "текст сообщения", "текст комментария", "обращение",
        "содержание", "описание", "мнение", "ответ клиента", "текст обращения", "відгук", "kommentar", "bewertung text", "rezension", "bewertungstext",
        "commentaire", "avis", "comentario", "opinion", "resena", "comentario cliente", "avaliacao", "recensione", "testo", "opinia", "tresc",
        "yorum", "ulasan", "評論", "内容", "评论", "レビュー", "本文",
    ),
    "title": ("title", "review title", "headline", "subject", "summary", "заголовок", "тема", "название отзыва", "titel", "titre", "titulo", "titolo", "tytul", "baslik"),
    "rating": (
        "rating", "stars", "star rating", "score", "review rating", "grade", "mark", "nps", "csat", "rate", "stars count", "overall rating", "reviewrating",
        "overall", "оценка", "рейтинг", "балл", "баллы", "звезды", "кол во звезд", "количество звезд", "оцінка", "bewertung", "sterne", "note",
        "puntuacion", "calificacion", "estrellas", "nota", "valutazione", "ocena", "puan", "评分", "星级", "評価",
    ),
    "published_at": (
        "date iso", "published at", "created at", "timestamp", "datetime", "date published", "datepublished", "date", "published", "created", "review date",
        "date time", "time", "creation date", "posted at", "submitted at", "response date", "unix time", "timestamp created", "created utc", "review time",
        "дата", "дата отзыва", "дата публикации", "дата создания", "опубликовано", "создано", "время", "дата и время", "дата обращения", "дата створення",
        "datum", "erstellt am", "date de publication", "fecha", "data", "data utworzenia", "tarih", "日期", "时间", "日時", "投稿日",
    ),
    "edited_at": ("edited at", "updated at", "edited", "updated", "modified", "date modified", "last edited", "дата изменения", "изменено", "обновлено"),
    "author": (
        "author", "author name", "user", "username", "user name", "reviewer", "reviewer name", "name", "nickname", "screen name", "customer name", "profile name",
        "автор", "имя", "пользователь", "имя пользователя", "имя автора", "фио", "клиент имя", "ник", "autor", "nutzer", "auteur", "nombre", "nome", "uzytkownik",
        "kullanici", "作者", "用户", "投稿者",
    ),
    "author_id": ("author id", "user id", "userid", "reviewer id", "profile id", "author url", "id пользователя", "id автора", "ид автора"),
    "external_id": (
        "id", "review id", "reviewid", "external id", "comment id", "tweet id", "post id", "message id", "ticket id", "response id", "recommendationid", "uuid",
        "guid", "ид", "id отзыва", "номер", "номер отзыва", "номер обращения", "идентификатор",
    ),
    "url": ("url", "link", "review url", "review link", "permalink", "href", "ссылка", "ссылка на отзыв", "адрес страницы", "lien", "enlace"),
    "language": ("language", "lang", "locale", "review language", "язык", "sprache", "langue", "idioma", "lingua"),
    "reply": (
        "reply", "owner reply", "response", "owner response", "reply text", "developer reply", "developer response", "company response", "answer text",
        "business response", "official answer", "ответ", "ответ компании", "ответ владельца", "ответ продавца", "ответ представителя", "antwort", "reponse",
        "respuesta", "risposta",
    ),
    "reply_at": ("reply date", "response time", "reply at", "replied at", "дата ответа"),
    "location": ("location", "branch", "place", "address", "store", "city", "venue", "филиал", "точка", "адрес", "город", "магазин", "ресторан", "салон", "filiale", "ort", "sucursal"),
    "subject": ("brand", "product", "company", "item", "business", "product name", "app", "app name", "subject name", "бренд", "компания", "товар", "продукт", "организация", "наименование товара", "marke", "produkt"),
    "origin": ("source", "platform", "origin", "site", "network", "channel", "источник", "площадка", "платформа", "сайт", "канал", "quelle", "fuente"),
    "customer": ("customer", "customer id", "client id", "client", "contact id", "клиент", "id клиента", "покупатель", "номер клиента"),
    "kind": ("kind", "type", "content type", "тип", "вид", "тип упоминания"),
    "parent_id": ("parent id", "parent", "in reply to", "in reply to id", "thread id", "id родителя"),
    "n_likes": ("likes", "like count", "thumbs up", "helpful", "votes up", "helpful votes", "upvotes", "лайки", "лайков", "полезно", "нравится"),
    "n_views": ("views", "view count", "impressions", "просмотры", "просмотров"),
    "n_replies": ("replies", "reply count", "comment count", "ответов", "комментариев"),
    "pros": ("pros", "advantages", "достоинства", "плюсы", "преимущества", "понравилось", "vorteile", "avantages"),
    "cons": ("cons", "disadvantages", "недостатки", "минусы", "не понравилось", "nachteile", "inconvenients"),
    "scraped_at": ("scraped at", "fetched at", "collected at", "retrieved at", "дата сбора", "собрано"),
}  # fmt: skip
FIELDS = tuple(NAMES)
SYNONYMS = {
    "date": "published_at",
    "id": "external_id",
    "source": "origin",
    "stars": "rating",
    "brand": "subject",
    "time": "published_at",
}
_BLANK = frozenset(
    {
        "",
        "-",
        "–",
        "—",
        "null",
        "none",
        "nan",
        "nat",
        "n/a",
        "na",
        "nil",
        "нет",
        "не указано",
        "без оценки",
        "#н/д",
        "#n/a",
        "undefined",
    }
)
_KINDS = {
    "отзыв": "review", "пост": "post", "комментарий": "comment", "статья": "article", "ответ": "answer", "обращение": "ticket", "анкета": "survey",
    "tweet": "post", "status": "post", "news": "article", "email": "ticket", "nps": "survey", "csat": "survey", "question": "post",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows of one file are understood: which column is which field, the scale of ratings, the order of dates."""

    columns: Mapping[str, str]  # field -> column
    worst: float | None = None
    best: float | None = None
    day_first: bool | None = None
    languages: tuple[str, ...] = ()
    zone: str = "UTC"
    kind: str = "review"
    now: datetime | None = None


def fold(name: str) -> str:
    """A column's name without case, marks and accents."""
    name = re.sub(r"(?<=[a-zа-я0-9])(?=[A-ZА-Я])", " ", text.line(name))
    name = name.casefold().replace("ё", "е")
    plain = str.maketrans("áàâãäéèêëíìîïóòôõöúùûüçñśęółżźćı", "aaaaaeeeeiiiiooooouuuucnseolzzci")
    return " ".join(re.findall(r"[^\W_]+", name.translate(plain)))


def resolve(mapping: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    """The user's own mapping, checked: known fields, existing columns. `rating_scale` takes a scale ("1..10") instead of a column."""
    out: dict[str, str] = {}
    folded = {fold(one): one for one in columns}
    for raw, column in mapping.items():
        name = SYNONYMS.get(raw, raw)
        if name != "rating_scale" and name not in FIELDS:
            raise BadParams(f"field {raw!r} is unknown; known: {', '.join([*FIELDS, 'rating_scale'])}")
        if name == "rating_scale":
            if not re.fullmatch(r"\d+(?:\.\d+)?\.\.\d+(?:\.\d+)?", column):
                raise BadParams(f"rating_scale is {column!r}; write it as 1..10")
            out[name] = column
        elif column in columns:
            out[name] = column
        elif fold(column) in folded:
            out[name] = folded[fold(column)]
        else:
            raise BadParams(f"{raw}={column}: the file has no such column; it has: {', '.join(columns)}")
    return out


def guess(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, fixed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Field -> column, by names and then by content. What the user fixed stays."""
    found = dict(fixed or {})
    taken = {column for name, column in found.items() if name != "rating_scale"}
    folded = {column: fold(column) for column in columns}
    ranked = []
    for name, words in NAMES.items():
        if name in found:
            continue
        for column in columns:
            if column in taken:
                continue
            score = _score(folded[column], words)
            if score:
                ranked.append((score + _content(name, column, rows), name, column))
    for _, name, column in sorted(ranked, key=lambda one: -one[0]):
        if name not in found and column not in taken:
            found[name] = column
            taken.add(column)
    if (
        "external_id" in found
        and "external_id" not in (fixed or {})
        and not _mostly_different(found["external_id"], rows)
    ):
        del found["external_id"]  # an id of something else: of a product, of a branch
    free = [one for one in columns if one not in taken]
    if "published_at" not in found:
        _add(found, "published_at", [one for one in free if _share(one, rows, _is_date) >= 0.8])
    if "text" not in found and "pros" not in found and "cons" not in found:
        free = [one for one in free if one not in found.values()]
        long = [one for one in free if _length(one, rows) >= 25 and _share(one, rows, _is_prose) >= 0.5]
        _add(found, "text", sorted(long, key=lambda one: -_length(one, rows)))
    return found


def scale(column: str | None, rows: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """Worst and best of the ratings in a column, by its name and by what stands in it."""
    if column is None:
        return None, None
    values = [
        found
        for row in rows
        if (found := number(row.get(column), grouped=False)) is not None and "/" not in str(row.get(column))
    ]
    if not values:
        return None, None
    if "nps" in fold(column).split():
        return 0.0, 10.0
    top, low = max(values), min(values)
    if top <= 1 and low >= 0 and any(0 < one < 1 for one in values):
        return 0.0, 1.0
    best = 5.0 if top <= 5 else 10.0 if top <= 10 else 100.0
    return (0.0 if best == 100 or (best == 10 and low < 1) else 1.0), best


def day_first(column: str | None, rows: Sequence[Mapping[str, Any]]) -> bool | None:
    """Order of day and month in dates like 03/04/2026; None when nothing in the column decides."""
    if column is None:
        return None
    for row in rows:
        found = re.match(r"^\s*(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}", str(row.get(column) or ""))
        if found and int(found.group(1)) > 12:
            return True
        if found and int(found.group(2)) > 12:
            return False
    return None


def to_item(row: Mapping[str, Any], reading: Reading) -> Item:
    """One row as an item. Raises `ValueError` with the reason when it cannot be one."""

    def of(name: str) -> Any:
        value = row.get(reading.columns[name]) if name in reading.columns else None
        return None if value is None or (isinstance(value, str) and fold_blank(value) in _BLANK) else value

    body = text.from_html(of("text"))
    for name, sign in (("pros", "+"), ("cons", "−")):
        part = text.from_html(of(name))
        body = "\n".join(one for one in (body, f"{sign} {part}" if part else "") if one)
    title = text.optional(_plain(of("title")))
    stars = rating.NONE
    raw = of("rating")
    if raw is not None:
        stars = rating.read(_plain(raw), reading.best, reading.worst) or rating.NONE
        if stars.value is None:
            limits = f"{reading.worst or 1:g}..{reading.best or 5:g}"
            raise ValueError(f"{reading.columns['rating']}: {str(raw)[:40]!r} is no rating on {limits}")
    if not body and not title and stars.value is None:
        raise ValueError("no text and no rating")
    anchor = _date(of("scraped_at"), reading, None) if of("scraped_at") is not None else None
    when = dates.NEVER
    if of("published_at") is not None:
        when = _date(of("published_at"), reading, anchor.at if anchor else None)
        if when.at is None:
            raise ValueError(f"{reading.columns['published_at']}: {str(of('published_at'))[:40]!r} is no date")
    edited = _date(of("edited_at"), reading, None).at if of("edited_at") is not None else None
    author = text.optional(_plain(of("author")))
    reply = text.from_html(_plain(of("reply")))
    names = ("location", "subject", "origin", "customer", "parent_id", "author_id")
    fields: dict[str, Any] = {name: text.optional(_plain(of(name))) for name in names}
    key = text.optional(_plain(of("external_id")))
    return Item(
        kind=_kind(of("kind"), reading.kind),
        external_id=key
        or content_id(
            fields["origin"], fields["subject"], fields["location"], author, when.raw, stars.raw, body or title
        ),
        text=body,
        title=title,
        url=html.absolute(of("url")),
        author=author,
        edited_at=edited,
        language=html.language_code(of("language")),
        reply=Reply(reply, None, _date(of("reply_at"), reading, None).at if of("reply_at") is not None else None)
        if reply
        else None,
        n_likes=count(of("n_likes")),
        n_views=count(of("n_views")),
        n_replies=count(of("n_replies")),
        **fields,
        **stars.fields(),
        **when.fields(),
    )


def fold_blank(value: str) -> str:
    return value.strip().casefold()


def _date(value: Any, reading: Reading, anchor: datetime | None) -> dates.When:
    if isinstance(value, datetime):
        return dates.read(value, zone=reading.zone)
    serial = (
        value
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else number(value)
        if _is_serial(value)
        else None
    )
    if serial is not None and 20_000 <= serial <= 80_000:  # days since 1899-12-30, as spreadsheets count
        at = datetime(1899, 12, 30, tzinfo=dates.zone_of(reading.zone)) + timedelta(days=float(serial))
        if float(serial).is_integer():
            return dates.When(at.replace(tzinfo=UTC), "day", str(value))
        return dates.When(at.astimezone(UTC).replace(microsecond=0), "second", str(value))
    return dates.read(
        _plain(value),
        anchor or reading.now,
        languages=reading.languages,
        zone=reading.zone,
        day_first=reading.day_first,
    )


def _is_serial(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*[2-7]\d{4}(?:[.,]\d+)?\s*", value) is not None


def _kind(value: Any, default: str) -> Kind:
    word = fold(str(value)) if value is not None else ""
    name = _KINDS.get(word, word)
    return name if name in get_args(Kind) else default  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    """Nested values of JSON: the name, title or text of an object, the first of a list."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, dict):
        value = next(
            (value[one] for one in ("text", "name", "title", "value", "iso", "date", "comment") if value.get(one)), None
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _score(column: str, words: tuple[str, ...]) -> float:
    """Equal names count most; then a name that begins or ends with the word. Earlier words are better."""
    best = 0.0
    for place, word in enumerate(words):
        rank = 1 - place / (len(words) * 4)
        if column == word:
            best = max(best, 3 + rank)
        elif len(word) > 3 and (column.startswith(word + " ") or column.endswith(" " + word)):
            best = max(best, 1 + rank)
    return best


def _content(name: str, column: str, rows: Sequence[Mapping[str, Any]]) -> float:
    """Between columns with good names, the one whose content fits wins."""
    if not rows:
        return 0.0
    if name == "published_at":
        return 1.0 * _share(column, rows, _is_machine_date) + 0.5 * _share(column, rows, _is_date) - 0.5
    if name == "rating":
        return 1.0 * _share(column, rows, lambda value: rating.read(value) is not None and len(str(value)) < 20) - 0.5
    if name == "text":
        return min(_length(column, rows) / 100, 1.0) - 0.3 - (2.0 if _share(column, rows, _is_number) > 0.9 else 0.0)
    if name == "author_id":
        return 0.1
    return 0.0


def _values(column: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [value for row in rows if (value := row.get(column)) is not None and fold_blank(str(value)) not in _BLANK]


def _share(column: str, rows: Sequence[Mapping[str, Any]], test: Any) -> float:
    values = _values(column, rows)[:100]
    return sum(bool(test(value)) for value in values) / len(values) if values else 0.0


def _length(column: str, rows: Sequence[Mapping[str, Any]]) -> float:
    values = _values(column, rows)[:200]
    return sum(len(str(value)) for value in values) / len(values) if values else 0.0


def _mostly_different(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [str(one) for one in _values(column, rows)]
    return len(values) < 2 or len(set(values)) >= 0.95 * len(values)


def _is_machine_date(value: Any) -> bool:
    return isinstance(value, datetime) or (not isinstance(value, bool) and dates.iso(value) is not None)


def _is_date(value: Any) -> bool:
    if isinstance(value, datetime):
        return True
    if isinstance(value, (int, float)) or (
        isinstance(value, str) and re.fullmatch(r"[\d\s.,]+", value) and value.count(".") < 2
    ):
        return dates.iso(value) is not None
    return (
        isinstance(value, str)
        and len(value) < 40
        and bool(re.search(r"\d{4}|\d{1,2}[./-]\d{1,2}", value))
        and (dates.read(value, datetime(2026, 1, 1, tzinfo=UTC), day_first=True).at is not None)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or bool(re.fullmatch(r"\s*[\d.,]+\s*", str(value)))


def _is_prose(value: Any) -> bool:
    return isinstance(value, str) and " " in value.strip() and not value.startswith(("http://", "https://"))


def _add(found: dict[str, str], name: str, candidates: Sequence[str]) -> None:
    if candidates:
        found[name] = candidates[0]


def check_kind(kind: str | None) -> str:
    """The default kind of rows."""
    if kind is not None and kind not in KINDS:
        raise BadParams(f"kind is {kind!r}; known: {', '.join(KINDS)}")
    return kind or "review"
