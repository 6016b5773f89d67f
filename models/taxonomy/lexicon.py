"""Which topics the words of a text give away: trigger terms per language, matched as the head of lexicon.yaml
describes.

Used as weak labels in training, as a transparent fallback where a model has no topic head, and to show why.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from models.errors import ModelError
from models.taxonomy.topics import HERE, read_yaml
from models.text import lowered

# A word: letters, digits and the marks that Python's \w leaves out (vowel signs of Indic scripts, Arabic and Hebrew
# points).
_WORD = re.compile(
    r"[\w\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0971-\u0dff]+"
)
_GAP = re.compile(r"[^\w.,;:!?\n]{1,3}")  # what may stand between the words of a phrase
_TERM_WORD = re.compile(_WORD.pattern + r"\*?|\*")  # a lone star: any one word
_FOLDED = (("’", "'"), ("ʼ", "'"), ("‘", "'"), ("`", "'"), ("ё", "е"))
_PROCLITICS = re.compile(r"(?:[وفبلك](?=...))?(?:ال(?=..)|(?<=ل)ل(?=..))?")
# Where the language is unknown, or has no terms of its own: the language most written in that script.
_BY_SCRIPT = (
    (0x0400, 0x052F, "ru"), (0x0600, 0x06FF, "ar"), (0x0900, 0x097F, "hi"), (0x0E00, 0x0E7F, "th"), (0x3040, 0x30FF,
    "ja"), (0x4E00, 0x9FFF, "zh"), (0xAC00, 0xD7AF, "ko"),
)  # fmt: skip


_MET = 50_000  # words of a language whose terms are remembered


@dataclass(frozen=True, slots=True)
class Hit:
    """A trigger term found: character range in the text, the term as written in the lexicon."""

    topic: str
    start: int
    end: int
    term: str


@dataclass(slots=True)
class _Index:
    """Terms of one language by their first word: whole words and stems apart. A term: (topic, term, [(word, is_stem)
    of the rest]).
    """

    words: dict[str, list[tuple[str, str, tuple[tuple[str, bool], ...]]]] = field(default_factory=dict)
    stems: dict[str, list[tuple[str, str, tuple[tuple[str, bool], ...]]]] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    substrings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # first character -> (term, topic)
    met: dict[str, tuple[tuple[str, str, tuple[tuple[str, bool], ...]], ...]] = field(default_factory=dict)

    def beginning(self, word: str) -> tuple[tuple[str, str, tuple[tuple[str, bool], ...]], ...]:
        """Terms whose first word this may be. Most words of a stream were met before."""
        terms = self.met.get(word)
        if terms is None:
            stems = (self.stems.get(word[:length], ()) for length in self.lengths if length <= len(word))
            terms = (*self.words.get(word, ()), *itertools.chain.from_iterable(stems))
            if len(self.met) >= _MET:
                self.met.clear()
            self.met[word] = terms
        return terms


class Lexicon:
    """Trigger terms of several languages. Indexes are built per language at first use."""

    def __init__(
        self, terms: Mapping[str, Mapping[str, Iterable[str]]], *, substring_languages: Iterable[str] = ()
    ) -> None:
        """`terms`: topic -> language -> terms ("*" after a word matches any ending)."""
        self._terms = terms
        self._substring = frozenset(substring_languages)
        self.languages = frozenset(language for by_language in terms.values() for language in by_language)
        self.topics = tuple(terms)
        self._indexes: dict[str, _Index] = {}

    def find(self, text: str, language: str | None) -> list[Hit]:
        """All hits in order of their place. "general" only where nothing more specific was found.

        A language without terms falls back on the language most written in the text's script (Latin: English).
        """
        low = _fold(text)
        code = language if language in self.languages else _script_language(low)
        index = self._index(code)
        hits = list(_substrings(low, index) if code in self._substring else _words(low, index, arabic=code == "ar"))
        if any(hit.topic != "general" for hit in hits):
            hits = [hit for hit in hits if hit.topic != "general"]
        return hits

    def topics_of(self, text: str, language: str | None) -> frozenset[str]:
        """Topics whose terms occur."""
        return frozenset(hit.topic for hit in self.find(text, language))

    def _index(self, language: str) -> _Index:
        index = self._indexes.get(language)
        if index is None:
            index = self._indexes[language] = self._build(language)
        return index

    def _build(self, language: str) -> _Index:
        index = _Index()
        for topic, by_language in self._terms.items():
            for term in by_language.get(language, ()):
                low = _fold(term)
                if language in self._substring:
                    bare = low.replace("*", "")
                    index.substrings.setdefault(bare[0], []).append((bare, topic))
                    continue
                words = [(w.rstrip("*"), w.endswith("*")) for w in _TERM_WORD.findall(low)]
                if not words:
                    raise ModelError(f"lexicon: topic {topic!r}, language {language!r}: term {term!r} has no word")
                (first, is_stem), rest = words[0], tuple(words[1:])
                (index.stems if is_stem else index.words).setdefault(first, []).append((topic, term, rest))
        index.lengths = tuple(sorted({len(stem) for stem in index.stems}))
        return index


def _fold(text: str) -> str:
    """Lower case without a change of length, straight apostrophes, ё as е."""
    low = lowered(text)  # offsets stay true
    for sign, plain in _FOLDED:
        if sign in low:
            low = low.replace(sign, plain)
    return low


def _script_language(text: str) -> str:
    for character in text:
        point = ord(character)
        if point >= 0x400 and character.isalpha():
            return next((code for low, high, code in _BY_SCRIPT if low <= point <= high), "en")
    return "en"


def _words(text: str, index: _Index, *, arabic: bool) -> Iterable[Hit]:
    places = list(_WORD.finditer(text))
    words, met = [place[0] for place in places], index.met
    for i, (word, following) in enumerate(itertools.zip_longest(words, words[1:], fillvalue="")):
        for form in _forms(word) if arabic else (word,):
            terms = met.get(form)
            for topic, term, rest in index.beginning(form) if terms is None else terms:
                if not rest:
                    yield Hit(topic, places[i].start(), places[i].end(), term)
                    continue
                wanted, is_stem = rest[0]
                if following.startswith(wanted) if is_stem else following == wanted:
                    end = _rest(text, places, i, rest)
                    if end is not None:
                        yield Hit(topic, places[i].start(), end, term)


def _rest(text: str, places: list[re.Match[str]], i: int, rest: tuple[tuple[str, bool], ...]) -> int | None:
    """End of the phrase whose first word is at `i`, or None where the following words are others."""
    if len(rest) >= len(places) - i:
        return None
    end = places[i].end()
    for place, (wanted, is_stem) in zip(places[i + 1 : i + 1 + len(rest)], rest, strict=True):
        word = place[0]
        if not (word.startswith(wanted) if is_stem else word == wanted) or not _GAP.fullmatch(text, end, place.start()):
            return None
        end = place.end()
    return end


def _forms(word: str) -> tuple[str, ...]:
    """The word, and the word without the Arabic proclitics that may be glued to it."""
    bare = word[_PROCLITICS.match(word).end() :]  # type: ignore[union-attr]  # every part is optional: it always matches
    loose = word[1:] if word[:1] in "وفبلك" and len(word) > 3 else word
    return tuple(dict.fromkeys((word, bare, loose)))


def _substrings(text: str, index: _Index) -> Iterable[Hit]:
    for start, character in enumerate(text):
        for term, topic in index.substrings.get(character, ()):
            if text.startswith(term, start):
                yield Hit(topic, start, start + len(term), term)


@lru_cache(maxsize=4)
def lexicon(path: Path | None = None) -> Lexicon:
    """The shipped lexicon, or one of the user's in the same format."""
    raw = read_yaml(path or HERE / "lexicon.yaml")
    if not isinstance(raw.get("topics"), dict):
        raise ModelError(f"{path}: key 'topics' is missing")
    return Lexicon(raw["topics"], substring_languages=raw.get("substring_languages", ()))
