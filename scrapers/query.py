"""Brand queries: which texts speak of a brand.

    parse(text) -> Query             raises `BadQuery` with the position of the trouble
    any_of(queries) -> Query         what at least one of them matches
    Query.matches(fields) -> bool    fields: a mapping or an Item (text, title, source, language, rating ...)
    Query.words -> tuple[str, ...]   its positive words, for a site's own search

Words match in all their inflected forms; case, accents and ё do not matter.

    кофе рядом            both words (AND; И works too)            кофе OR чай, кофе | чай, ИЛИ
    "кофе рядом"          the words side by side, inflected        NOT вакансия, -вакансия, НЕ
    =кофе  ="Кофе Рядом"  these very forms only                    (a OR b) c
    кофе*                 words that begin so                      кофе NEAR/5 очередь, РЯДОМ/5
    кофейня~              with one or two typing errors            translit("кофе рядом"), typo(...)
    source:telegram       language:ru  rating:<=2  rating:1..3  rating:none  location:"Лесная 1"  kind:review  author:x
    source:(vk OR steam)  any of several values
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrapers import words
from scrapers.errors import BadQuery
from scrapers.readers.numbers import number
from scrapers.terms import All, Content, Either, Field, Near, Node, Not, Phrase, Word, has_place, is_positive

LONGEST = 10_000
DEEPEST = 40
FIELDS = ("source", "language", "rating", "location", "author", "kind", "title", "subject", "origin")
_FIELD_NAMES = {one: one for one in FIELDS} | {
    "lang": "language", "stars": "rating", "place": "location", "branch": "location", "platform": "origin",
    "brand": "subject",
    "источник": "source", "язык": "language", "оценка": "rating", "место": "location", "автор": "author", "вид": "kind",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read. Equal texts give equal queries."""

    text: str
    words: tuple[str, ...] = field(compare=False)
    _root: Node = field(compare=False, repr=False)

    def matches(self, fields: Any) -> bool:
        """True when a text with these fields is meant: a mapping or an object with attributes, all of them optional."""
        values = fields if isinstance(fields, Mapping) else _Attributes(fields)
        title, body = values.get("title"), values.get("text")
        content = "\n".join(one for one in (title, body) if isinstance(one, str) and one)
        folded = words.fold(content)
        tokens = tuple(words.split_folded(folded))
        places: dict[str, list[int]] = {}
        for place, token in enumerate(tokens):
            places.setdefault(token.word, []).append(place)
        return self._root.test(Content(tokens, places, folded, values))


class _Attributes(dict[str, Any]):
    """An Item seen as a mapping."""

    def __init__(self, item: Any) -> None:
        super().__init__()
        self._item = item

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self._item, key, default)


def parse(text: str) -> Query:
    """Reads a query. Raises `BadQuery`."""
    if len(text) > LONGEST:
        raise BadQuery(f"the query has {len(text)} characters, {LONGEST} are allowed")
    parser = _Parser(text)
    root = parser.whole()
    return Query(text, tuple(dict.fromkeys(parser.words)), root)


def any_of(queries: Sequence[Query]) -> Query:
    """The query that matches what at least one of these matches: a text is split once for all of them."""
    words_ = tuple(dict.fromkeys(word for one in queries for word in one.words))
    return Query(" OR ".join(f"({one.text})" for one in queries), words_, Either([one._root for one in queries]))


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str  # word, phrase, (, ), and, or, not, near, field, function, end
    value: str
    at: int


_PIECES = re.compile(
    r"""(?P<space>\s+)
    |(?P<near>(?:NEAR|РЯДОМ)/(?P<distance>\d{1,3})(?=[\s(\"']))
    |(?P<op>AND|OR|NOT|И|ИЛИ|НЕ)(?=[\s(\"=-]|$)
    |(?P<bar>\|\|?|&&?)
    |(?P<open>\()|(?P<close>\))
    |(?P<function>typo|translit)(?=\()
    |(?P<field>[^\W\d_]+):(?=\S)
    |(?P<minus>-)(?=[^\s-])
    |(?P<phrase>=?(?:"[^"]*"|«[^»]*»|“[^”]*”))(?P<loose>~?)
    |(?P<word>=?[^\s()"«»“”|&:~*]+)(?P<end>[*~]?)""",
    re.VERBOSE,
)  # fmt: skip
_OPERATORS = {"AND": "and", "И": "and", "OR": "or", "ИЛИ": "or", "NOT": "not", "НЕ": "not"}


class _Parser:
    """Recursive descent: OR < AND < NEAR < NOT."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = list(self._split())
        self.place = 0
        self.depth = 0
        self.words: list[str] = []
        self.flags: dict[str, bool] = {"typo": False, "translit": False}
        self.negated = False

    def _split(self) -> Iterator[_Piece]:
        at = 0
        while at < len(self.text):
            found = _PIECES.match(self.text, at)
            if found is None:
                if self.text[at] in '"«“':
                    raise BadQuery("this quote is not closed", query=self.text, position=at + 1)
                raise BadQuery(f"{self.text[at]!r} is not understood here", query=self.text, position=at + 1)
            kind = found.lastgroup
            group = found.groupdict()
            if group["near"]:
                yield _Piece("near", group["distance"], at)
            elif group["op"]:
                yield _Piece(_OPERATORS[group["op"]], group["op"], at)
            elif group["bar"]:
                yield _Piece("or" if "|" in group["bar"] else "and", group["bar"], at)
            elif group["open"] or group["close"]:
                yield _Piece(found.group(), found.group(), at)
            elif group["function"] or group["field"]:
                yield _Piece("function" if group["function"] else "field", group["function"] or group["field"], at)
            elif group["minus"]:
                yield _Piece("not", "-", at)
            elif group["phrase"]:
                yield _Piece("phrase", found.group(), at)
            elif kind != "space" and group["word"]:
                yield _Piece("word", found.group(), at)
            at = found.end()
        yield _Piece("end", "", len(self.text))

    def whole(self) -> Node:
        if self.now.kind == "end":
            raise BadQuery("the query is empty")
        root = self.either()
        if self.now.kind != "end":
            raise self.trouble(f"{self.now.value!r} is not expected here")
        if not is_positive(root):
            raise BadQuery("a query that only excludes would match everything; say what to look for", query=self.text)
        return root

    @property
    def now(self) -> _Piece:
        return self.pieces[self.place]

    def take(self) -> _Piece:
        piece = self.pieces[self.place]
        self.place += 1
        return piece

    def trouble(self, words_: str, at: int | None = None) -> BadQuery:
        return BadQuery(words_, query=self.text, position=(self.now.at if at is None else at) + 1)

    def either(self) -> Node:
        self.deeper()
        parts = [self.both()]
        while self.now.kind == "or":
            self.take()
            parts.append(self.both())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Either(parts)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.trouble(f"more than {DEEPEST} levels of brackets or negations")

    def both(self) -> Node:
        parts = [self.near()]
        while self.now.kind not in ("or", ")", "end"):
            if self.now.kind == "and":
                self.take()
            parts.append(self.near())
        return parts[0] if len(parts) == 1 else All(parts)

    def near(self) -> Node:
        left = self.single()
        while self.now.kind == "near":
            piece = self.take()
            right = self.single()
            for side in (left, right):
                if not has_place(side):
                    raise self.trouble("beside NEAR stand words, phrases or alternatives of them", piece.at)
            left = Near(left, right, max(1, int(piece.value)))
        return left

    def single(self) -> Node:
        piece = self.take()
        if piece.kind == "not":
            self.deeper()
            self.negated = not self.negated
            part = self.single()
            self.negated = not self.negated
            self.depth -= 1
            return Not(part)
        if piece.kind == "(":
            inner = self.either()
            if self.now.kind != ")":
                raise self.trouble("this bracket is not closed", piece.at)
            self.take()
            return inner
        if piece.kind == "function":
            before = self.flags[piece.value]
            self.flags[piece.value] = True
            inner = self.single()
            self.flags[piece.value] = before
            return inner
        if piece.kind == "field":
            return self.filter(piece)
        if piece.kind in ("word", "phrase"):
            return self.term(piece)
        if piece.kind == "end":
            raise self.trouble("the query ends where a word is expected", piece.at)
        raise self.trouble(f"{piece.value!r} is not expected here", piece.at)

    def term(self, piece: _Piece) -> Node:
        raw = piece.value
        exact = raw.startswith("=")
        typos = raw.endswith("~") or self.flags["typo"]
        prefix = raw.endswith("*")
        bare = raw.strip('=~*"«»“”')
        tokens = words.split(bare)
        if not tokens:
            raise self.trouble(f"{raw!r} has no letters or digits", piece.at)
        if prefix and len(tokens[-1].word) < 2:
            raise self.trouble("a beginning of a word needs two letters before *", piece.at)
        parts = [
            Word(
                token.word,
                exact=exact,
                prefix=prefix and place == len(tokens) - 1,
                typos=typos,
                translit=self.flags["translit"],
            )
            for place, token in enumerate(tokens)
        ]
        if not self.negated:
            self.words.append(" ".join(token.word for token in tokens))
        return parts[0] if len(parts) == 1 else Phrase(parts)

    def filter(self, piece: _Piece) -> Node:
        name = _FIELD_NAMES.get(piece.value.lower())
        if name is None:
            raise self.trouble(
                f"field {piece.value!r} is unknown; known: {', '.join(FIELDS)}; a text with a colon needs quotes",
                piece.at,
            )
        if self.now.kind == "(":
            opened = self.take()
            parts: list[Node] = []
            while self.now.kind != ")":
                if self.now.kind == "end":
                    raise self.trouble("this bracket is not closed", opened.at)
                if self.now.kind == "or":
                    self.take()
                    continue
                parts.append(self.value(name))
            self.take()
            if not parts:
                raise self.trouble("there is no value between the brackets", opened.at)
            return Either(parts)
        return self.value(name)

    def value(self, name: str) -> Node:
        piece = self.take()
        if piece.kind not in ("word", "phrase"):
            raise self.trouble(f"{name}: needs a value", piece.at)
        raw = piece.value.strip('="«»“”') if piece.kind == "phrase" else piece.value
        if name == "rating":
            return Field(name, self.rating(raw, piece.at))
        wanted = words.fold(raw.rstrip("~"))
        if name == "language":
            wanted = wanted.split("-")[0]
        contained = name in ("location", "author", "title", "subject")
        return Field(name, lambda value: _equal(value, wanted, contained=contained))

    def rating(self, raw: str, at: int) -> Callable[[Any], bool]:
        if raw.lower() in ("none", "нет"):
            return lambda value: value is None
        found = re.fullmatch(r"(<=|>=|<|>|=)?(\d+(?:[.,]\d+)?)(?:(?:\.\.|-)(\d+(?:[.,]\d+)?))?", raw)
        if found is None:
            raise self.trouble("rating: takes 2, <=2, >3, 1..3 or none", at)
        sign, first, last = found.groups()
        low = number(first, grouped=False) or 0.0
        high = number(last, grouped=False) if last else None
        if high is not None:
            if sign:
                raise self.trouble("rating: takes 2, <=2, >3, 1..3 or none", at)
            return lambda value: value is not None and low <= float(value) <= high
        tests: dict[str | None, Callable[[float], bool]] = {
            "<": lambda value: value < low,
            "<=": lambda value: value <= low,
            ">": lambda value: value > low,
            ">=": lambda value: value >= low,
            "=": lambda value: value == low,
            None: lambda value: value == low,
        }
        test = tests[sign]
        return lambda value: value is not None and test(float(value))


def _equal(value: Any, wanted: str, *, contained: bool) -> bool:
    if value is None:
        return False
    have = words.fold(str(value))
    if "*" in wanted:
        return fnmatch.fnmatchcase(have, wanted)
    return have == wanted or (contained and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", have) is not None)
