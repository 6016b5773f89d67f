# ruff: noqa: E501  (tables of names)
"""Survey answers from a file: one row with a score and the name of its question, or one column per question."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scrapers.errors import BadParams
from scrapers.imports import plain, survey_messages
from scrapers.imports.columns import fold
from scrapers.readers import html, text
from scrapers.readers.identity import content_id
from scrapers.readers.numbers import number

SCALES: dict[str, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
NAMES: dict[str, tuple[str, ...]] = {
    "answered_at": (
        "answered at", "response date", "submitted at", "submit date", "submit date utc", "date submitted", "end date", "recorded date",
        "completed at", "completion time", "responded at", "responded", "rated at", "solved at", "created at", "timestamp", "date", "time", "дата ответа", "дата и время",
        "отметка времени", "дата прохождения", "дата окончания", "дата завершения", "время создания", "дата", "время",
    ),
    "metric": ("metric", "survey type", "question type", "survey", "type", "показатель", "метрика", "тип опроса", "опрос", "тип"),
    "score": ("score", "rating", "answer", "value", "grade", "оценка", "балл", "баллы", "ответ", "значение"),
    "comment": (
        "comment", "comments", "open comment", "verbatim", "feedback", "reason", "text", "why", "open feedback", "комментарий",
        "отзыв", "текст", "почему", "причина", "пояснение",
    ),
    "customer": (
        "customer id", "customer", "client id", "client", "user id", "contact id", "email address", "email", "e mail", "phone", "account id",
        "id клиента", "клиент", "покупатель", "номер клиента", "телефон", "почта",
    ),
    "external_id": ("response id", "responseid", "answer id", "survey response id", "submission id", "respondent id", "token", "id ответа", "номер ответа", "id анкеты", "номер анкеты", "uuid", "id", "номер"),
    "segment": ("segment", "customer segment", "group", "plan", "tier", "сегмент", "группа", "тариф"),
    "location": ("location", "branch", "store", "place", "venue", "филиал", "точка", "магазин", "ресторан", "адрес", "место"),
    "touchpoint": ("touchpoint", "touch point", "channel", "stage", "контакт", "точка контакта", "канал", "этап"),
    "language": ("language", "lang", "locale", "язык"),
}  # fmt: skip
_WHY = re.compile(r"\breason\b|\bwhy\b|почему|причин")
# a question that is answered in words, where nothing is called a comment
_OPEN = re.compile(
    r"\bcomments?\b|\bfeedback\b|\bimprove|\bdo better\b|\banything else\b|\bsuggest|\btell us\b|\bopen ended\b"
    r"|коммент|отзыв|улучш|пожелан|предлож|расскаж|добав"
)
# what forms write for somebody they do not know
_NOBODY = frozenset(
    {"anonymous", "anonymous user", "anonym", "unknown", "аноним", "анонимно", "анонимный пользователь"}
)
_UNASKED = frozenset({"offered", "unoffered"})
# answers in words, as scales are labelled; two of them where a desk asks "good or bad"
_WORDED: dict[str, dict[str, int]] = {
    "csat": {
        "very dissatisfied": 1, "extremely dissatisfied": 1, "dissatisfied": 2, "somewhat dissatisfied": 2, "neutral": 3,
        "neither satisfied nor dissatisfied": 3, "satisfied": 4, "somewhat satisfied": 4, "very satisfied": 5,
        "extremely satisfied": 5, "very unsatisfied": 1, "unsatisfied": 2, "good": 5, "good with comment": 5, "bad": 1,
        "bad with comment": 1, "очень недоволен": 1, "совсем недоволен": 1, "полностью не удовлетворен": 1,
        "скорее недоволен": 2, "недоволен": 2, "не удовлетворен": 2, "скорее не удовлетворен": 2, "нейтрально": 3,
        "затрудняюсь ответить": 3, "доволен": 4, "скорее доволен": 4, "удовлетворен": 4, "скорее удовлетворен": 4,
        "очень доволен": 5, "полностью доволен": 5, "полностью удовлетворен": 5,
    },
    "ces": {
        "strongly disagree": 1, "disagree": 2, "somewhat disagree": 3, "neither agree nor disagree": 4, "neutral": 4,
        "undecided": 4, "somewhat agree": 5, "agree": 6, "strongly agree": 7, "полностью не согласен": 1, "не согласен": 2,
        "скорее не согласен": 3, "нейтрально": 4, "скорее согласен": 5, "согласен": 6, "полностью согласен": 7,
    },
}  # fmt: skip
_LABELLED = re.compile(r"(?P<first>\d{1,2})\b.{0,60}|.{0,60}\b(?P<last>\d{1,2})")
_MOST_HEADINGS = 2
_SHORT = 12  # signs, beyond which a number must stand at an end of the cell
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
# how a question that has a column of its own gives away its metric
_QUESTIONS = (
    ("nps", re.compile(r"\bnps\b|\brecommend|порекоменд|рекомендова|рекомендуете")),
    ("ces", re.compile(r"\bces\b|\beffort|\beasy\b|\bease\b|легко|усили|проще")),
    ("csat", re.compile(r"\bcsat\b|\bsatisf|удовлетвор|довольны")),
)
_METRICS = {
    "net promoter": "nps", "net promoter score": "nps", "customer satisfaction": "csat", "satisfaction": "csat",
    "удовлетворенность": "csat", "customer effort": "ces", "customer effort score": "ces", "effort": "ces", "усилия": "ces",
    "ces 2 0": "ces", "индекс лояльности": "nps",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `customer` is the raw id of the file: whoever stores it makes a pseudonym of it."""

    external_id: str
    metric: str
    value: float
    answered_at: datetime
    comment: str = ""
    customer: str = ""
    segment: str = ""
    location: str = ""
    touchpoint: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number: the answers in it, or why there are none."""

    number: int
    answers: tuple[Answer, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a pushed message itself says: its unique id, and when it came."""

    key: str
    at: datetime


@dataclass(slots=True)
class Answers:
    """Iterate to read; `notes` say how the file was understood.

    A message that was pushed has an id and a time of its own: they stand in for those that its rows do not tell.
    """

    table: plain.Table
    questions: dict[str, str]  # metric -> column, where each has its own
    metric: str | None
    items: frozenset[str] = frozenset()
    message: Message | None = None

    @property
    def notes(self) -> list[str]:
        found = self.table.noted(self.questions.values())
        if self.questions:
            found.append("questions: " + ", ".join(f"{name}={column}" for name, column in self.questions.items()))
        if self.metric:
            low, high = SCALES.get(self.metric, (0, 0))
            found.append(f"scores are read as {self.metric.upper()} on {low}..{high}")
        return found

    def __iter__(self) -> Iterator[Row]:
        seen: dict[str, int] = {}
        yield from self.table.each(
            lambda number, row: Row(number, tuple(self._answers(number, row, seen))),
            lambda number, why: Row(number, error=why),
        )

    def _answers(self, number: int, row: Mapping[str, Any], seen: dict[str, int]) -> Iterator[Answer]:
        table, message = self.table, self.message
        untold = message is not None and table.value(row, "answered_at") is None
        at = message.at if message is not None and untold else table.time(row, "answered_at")
        scores = dict(self._scores(row))
        if not scores:
            raise ValueError("no score")
        comment = text.from_html(table.value(row, "comment"))
        words = {name: table.word(row, name) for name in ("customer", "segment", "location", "touchpoint")}
        words["language"] = html.language_code(table.word(row, "language")) or ""
        words["customer"] = "" if fold(words["customer"]) in _NOBODY else words["customer"]
        key = table.word(row, "external_id")
        if not key and message is not None and untold:  # sent again, it must be the same answer
            key = f"{message.key}#{number}"
        key = key or content_id(words["customer"], at.isoformat(), words["location"], comment, *sorted(scores.items()))
        key = plain.unique_id(key, seen) if key.startswith("h:") else key
        if not key.startswith("h:"):
            repeated = [name for name in scores if plain.unique_id(f"{key}\x1f{name}", seen).endswith("#2")]
            if repeated:
                raise ValueError(f"repeats the id {key[:80]!r}")
        for place, (metric, value) in enumerate(scores.items()):
            # the comment belongs to the answer sheet: it is told once
            yield Answer(key, metric, value, at, comment if place == 0 else "", **words)

    def _scores(self, row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        table = self.table
        for name, column in self.questions.items():
            found = plain.cell(row, column)
            if found is not None and fold(str(found)) not in _UNASKED:
                yield name, self._checked(name, found, column)
        if "score" in table.mapping and fold(table.word(row, "score")) not in {"", *_UNASKED}:
            told = self.metric or metric_of(table.word(row, "metric"))
            if told is None:
                raise ValueError(
                    f"{table.mapping['metric']}: {table.word(row, 'metric')[:40]!r} is none of {', '.join(SCALES)}"
                )
            yield told, self._checked(told, table.value(row, "score"), table.mapping["score"])

    def _checked(self, metric: str, found: Any, column: str) -> float:
        if metric in self.items:
            return plain.number_of(found, column)
        value = graded(metric, found)
        value = plain.number_of(found, column) if value is None else value
        low, high = SCALES[metric]
        if not (low <= value <= high and float(value).is_integer()):
            raise ValueError(f"{column}: {value:g} is no {metric.upper()} answer; allowed is {low} to {high}, whole")
        return value


def graded(metric: str, found: Any) -> float | None:
    """A cell as a score: a number, a number with its label ("10 - very likely"), or the label of a scale alone."""
    written = str(found).strip()
    if (named := _WORDED.get(metric, {}).get(re.sub(r" а$", "", fold(written)))) is not None:
        return float(named)
    if len(written) < _SHORT:
        return number(found)
    labelled = _LABELLED.fullmatch(written)
    return float(labelled["first"] or labelled["last"]) if labelled else None


def metric_of(word: str) -> str | None:
    """nps, csat or ces from the words of an export; None for anything else."""
    folded = fold(word)
    if folded in SCALES:
        return folded
    if folded in _METRICS:
        return _METRICS[folded]
    return next((name for name, pattern in _QUESTIONS if pattern.search(folded)), None)


def read(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    metric: str | None = None,
    items: Mapping[str, str] | None = None,
    locale: str | None = None,
    zone: str = "UTC",
) -> Answers:
    """Open a file of answers. `metric` is that of the score column where no column says so; `items` are further
    questions, name -> column (image, quality ... of a satisfaction index). Raises `BadParams`.
    """
    table = plain.opened(path, NAMES, time_field="answered_at", mapping=mapping, locale=locale, zone=zone)
    found = _understood(table, label=str(path), mapping=mapping or {}, metric=metric, items=items or {})
    if "answered_at" not in table.mapping:
        raise BadParams(f"{path}: no column looks like the date of an answer; name one with answered_at=COLUMN")
    return found


def read_message(
    content: bytes,
    message: Message,
    *,
    mapping: Mapping[str, str] | None = None,
    metric: str | None = None,
    items: Mapping[str, str] | None = None,
    locale: str | None = None,
    zone: str = "UTC",
) -> Answers:
    """The same of a message that a survey tool or another system pushed. Scores never say by themselves what they
    measure: one answer of 9 would be an NPS, and the next, of 5, nothing. Raises `BadParams`.
    """
    table = plain.understood(
        survey_messages.opened(content), NAMES, label="message", time_field="answered_at", mapping=mapping,
        locale=locale, zone=zone, now=message.at,
    )  # fmt: skip
    found = _understood(
        table, label="message", mapping=mapping or {}, metric=metric, items=items or {}, by_values=False
    )
    found.message = message
    return found


def _understood(
    table: plain.Table,
    *,
    label: str,
    mapping: Mapping[str, str],
    metric: str | None,
    items: Mapping[str, str],
    by_values: bool = True,
) -> Answers:
    """Which columns are scores, and of what. Raises `BadParams`."""
    check_questions(metric, items)
    headings = {} if table.run.format in ("json", "jsonl") else _headings(table)  # objects name their own fields
    if "date" in fold(table.mapping.get("touchpoint", "")).split():
        del table.mapping["touchpoint"]  # "Stage Date" is a time
    extra = plain.resolve(items, table.run.columns, dict.fromkeys(items, ()))
    questions = _questions(table, mapping, headings)
    if questions or extra:
        if "score" in table.mapping and table.mapping["score"] in {*questions.values(), *extra.values()}:
            del table.mapping["score"]
        if metric is None and not _tells_metric(table):
            table.mapping.pop("metric", None)
            table.mapping.pop("score", None)
        if "comment" not in mapping:
            _comment(table, {*questions.values(), *extra.values()}, headings)
    elif "score" not in table.mapping:
        raise BadParams(
            f"{label}: no column looks like a score. Columns: {', '.join(table.run.columns)}. "
            "Name one with score=COLUMN"
        )
    elif metric is None and not _tells_metric(table):
        table.mapping.pop("metric", None)
        metric = _metric_by_values(table) if by_values else None
        if metric is None:
            raise BadParams(f"{label}: nothing says what the scores measure; name it: {', '.join(SCALES)}")
    return Answers(table, {**questions, **extra}, metric, frozenset(extra))


def check_questions(metric: str | None, items: Mapping[str, str]) -> None:
    """Raises `BadParams` for a metric that is unknown, or an item under the name of one."""
    if metric is not None and metric not in SCALES:
        raise BadParams(f"metric {metric!r} is unknown; known: {', '.join(SCALES)}")
    for name in items:
        if name in SCALES:
            raise BadParams(f"item {name!r}: this name is taken by a metric")


def _headings(table: plain.Table) -> dict[str, str]:
    """Rows right under the first that still belong to the heading (SurveyMonkey one, Qualtrics two): taken off.

    Column -> what they say of it. They are known by having neither a date where one belongs nor any number.
    """
    found: dict[str, str] = {}
    rows = iter(table.run.rows)
    for _ in range(_MOST_HEADINGS):
        first = next(rows, None)
        if first is None:
            break
        if first.values is None or not _is_heading(first.values, table.mapping.get("answered_at")):
            rows = itertools.chain([first], rows)
            break
        for column, said in first.values.items():
            found[column] = f"{found.get(column, '')} {said or ''}".strip()
        table.sample.remove(first.values)
    table.run.rows = rows
    return found


def _is_heading(row: Mapping[str, Any], time_column: str | None) -> bool:
    cells = [str(said) for column, said in row.items() if plain.cell(row, column) is not None]
    dated = time_column is not None and any(sign.isdigit() for sign in str(row.get(time_column) or ""))
    return bool(cells) and not dated and not any(_NUMBER.fullmatch(said.strip()) for said in cells)


def _questions(table: plain.Table, mapping: Mapping[str, str], headings: Mapping[str, str]) -> dict[str, str]:
    """Columns that are questions themselves: their name, or the heading under it, tells the metric, their cells are
    numbers."""
    fixed = set(mapping.values())
    found: dict[str, str] = {}
    for column in table.run.columns:
        name = metric_of(column) or metric_of(headings.get(column, ""))
        if name is None or name in found or column in fixed:
            continue
        cells = [value for row in table.sample if (value := plain.cell(row, column)) is not None]
        low, high = SCALES[name]
        grades = [graded(name, value) for value in cells]
        fitting = [value for value in grades if value is not None and low <= value <= high]
        plainly = name in fold(column).split()  # then answers off the scale are mistakes, and told as such
        if cells and len(fitting) >= (0.5 if plainly else 0.8) * len(cells):
            found[name] = column
            for field in [field for field, taken in table.mapping.items() if taken == column and field not in mapping]:
                del table.mapping[field]
    return found


def _comment(table: plain.Table, used: set[str], headings: Mapping[str, str]) -> None:
    """The question answered in words: one called a comment, else "why", else any open one; never an empty column."""

    def told(column: str) -> bool:
        cells = [str(value) for row in table.sample if (value := plain.cell(row, column)) is not None]
        return any(not _NUMBER.fullmatch(cell.strip()) for cell in cells)

    if "comment" in table.mapping and not told(table.mapping["comment"]):
        del table.mapping["comment"]
    used |= set(table.mapping.values())
    free = [column for column in table.run.columns if column not in used and told(column)]
    for asked in (_WHY, _OPEN):
        for column in free:
            if "comment" not in table.mapping and asked.search(fold(f"{column} {headings.get(column, '')}")):
                table.mapping["comment"] = column


def _tells_metric(table: plain.Table) -> bool:
    if "metric" not in table.mapping:
        return False
    words = [table.word(row, "metric") for row in table.sample]
    return any(metric_of(word) for word in words if word)


def _metric_by_values(table: plain.Table) -> str | None:
    """A zero or anything above seven can only be an NPS answer; five and less may be CSAT or CES: not guessed."""
    values = [number(table.value(row, "score")) for row in table.sample]
    known = [value for value in values if value is not None]
    return "nps" if known and (min(known) == 0 or max(known) > 7) and max(known) <= 10 else None
