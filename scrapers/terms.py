"""What a brand query is made of: words, phrases, neighbours, alternatives, exclusions, fields of a text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scrapers import words

MOST_PLACES = 1000  # of one word that NEAR looks at in a text
Span = tuple[int, int]  # first word, word after the last


@dataclass(frozen=True, slots=True)
class Content:
    """One text, split once."""

    tokens: tuple[words.Token, ...]
    places: Mapping[str, Sequence[int]]
    folded: str
    fields: Mapping[str, Any]


class Node:
    """A part of a query."""

    positive = True

    def test(self, text: Content) -> bool:
        return next(iter(self.spans(text)), None) is not None

    def spans(self, text: Content) -> Iterator[Span]:
        """Where it stands, for NEAR."""
        return iter(())


@dataclass(slots=True)
class Word(Node):
    """One word by its forms, by its beginning, or nearly."""

    word: str
    exact: bool = False
    prefix: bool = False
    typos: bool = False
    translit: bool = False
    forms: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.expand()

    def expand(self) -> None:
        found = {self.word} if self.exact or self.prefix else set(words.forms(self.word))
        if self.translit:
            other = words.transliterations(self.word)
            found |= (
                other
                if len(other) > 60
                else {form for one in other for form in (words.forms(one) if not self.exact else {one})}
            )
        self.forms = frozenset(found)

    def fits(self, token: words.Token) -> bool:
        word = token.word
        if word in self.forms:
            return True
        if self.prefix:
            return any(word.startswith(one) for one in self.forms)
        return self.typos and word[:1].isalpha() and words.close(word, self.forms)

    def spans(self, text: Content) -> Iterator[Span]:
        if words.UNSPACED.search(self.word):  # a script without spaces: anywhere in the text
            if any(one in text.folded for one in self.forms):
                yield 0, max(1, len(text.tokens))
            return
        if self.prefix or self.typos:
            yield from ((place, place + 1) for place, token in enumerate(text.tokens) if self.fits(token))
            return
        for form in self.forms:
            yield from ((place, place + 1) for place in text.places.get(form, ()))


@dataclass(slots=True)
class Phrase(Node):
    """Words side by side; as one word too where it is a hashtag or a name (#коферядом)."""

    parts: list[Word]

    def spans(self, text: Content) -> Iterator[Span]:
        first, size = self.parts[0], len(self.parts)
        for start, _ in first.spans(text):
            if start + size <= len(text.tokens) and all(
                part.fits(text.tokens[start + step]) for step, part in enumerate(self.parts)
            ):
                yield start, start + size
        joined = "".join(part.word for part in self.parts)
        for place in text.places.get(joined, ()):
            if text.tokens[place].mark:
                yield place, place + 1


@dataclass(slots=True)
class Near(Node):
    left: Node
    right: Node
    distance: int

    def spans(self, text: Content) -> Iterator[Span]:
        lefts = list(itertools.islice(self.left.spans(text), MOST_PLACES))
        for start, end in itertools.islice(self.right.spans(text), MOST_PLACES) if lefts else ():
            for first, last in lefts:
                if max(start - last, first - end) < self.distance and (start, end) != (first, last):
                    yield min(start, first), max(end, last)


@dataclass(slots=True)
class All(Node):
    parts: list[Node]

    def test(self, text: Content) -> bool:
        return all(one.test(text) for one in self.parts)


@dataclass(slots=True)
class Either(Node):
    parts: list[Node]

    def test(self, text: Content) -> bool:
        return any(one.test(text) for one in self.parts)

    def spans(self, text: Content) -> Iterator[Span]:
        for one in self.parts:
            yield from one.spans(text)


@dataclass(slots=True)
class Not(Node):
    part: Node
    positive = False

    def test(self, text: Content) -> bool:
        return not self.part.test(text)


@dataclass(slots=True)
class Field(Node):
    name: str
    check: Callable[[Any], bool]

    def test(self, text: Content) -> bool:
        return self.check(text.fields.get(self.name))


def has_place(node: Node) -> bool:
    if isinstance(node, Either):
        return all(has_place(one) for one in node.parts)
    return isinstance(node, (Word, Phrase, Near))


def is_positive(node: Node) -> bool:
    """Does it look for something? Excluding alone does not."""
    if isinstance(node, Not):
        return isinstance(node.part, Not) and is_positive(node.part.part)
    if isinstance(node, All):
        return any(is_positive(one) for one in node.parts)
    if isinstance(node, Either):
        return all(is_positive(one) for one in node.parts)
    return True
