# ruff: noqa: E501  (tables of letters)
"""Words of texts and of queries: folding, splitting, inflected forms, misspellings, other alphabets.

fold(text) -> str                  one spelling of letters: NFKC, no case, ё as е, no accents on Latin letters
split(text) -> list[Token]         words with the mark before them (# or @)
forms(word) -> frozenset[str]      the forms a word may stand in: Russian by pymorphy3, simple endings elsewhere
transliterations(word) -> set      the same name in the other alphabet, as people write it
close(word, others) -> bool        equal but for one or two typing errors (optimal string alignment)
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from rapidfuzz.distance import OSA

_WORD = re.compile(r"([#@]?)([^\W_]+(?:_[^\W_]+)*)")
_CYRILLIC = re.compile(r"[а-яіїєґў]", re.IGNORECASE)
_LATIN = re.compile(r"^[a-z]+$")
# Scripts that write words without spaces between them.
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\uac00-\ud7a3]")


class Token(NamedTuple):
    word: str
    mark: str  # "#", "@" or ""


def fold(text: str) -> str:
    """One spelling of letters, so that "Ёлка", "елка" and "ЕЛКА" are equal, and so are "Nestlé" and "nestle"."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    if text.isascii():
        return text
    out = []
    for one in text:
        if "\u00c0" <= one <= "\u024f" or "\u1e00" <= one <= "\u1eff":
            one = _PLAIN.get(one) or "".join(
                c for c in unicodedata.normalize("NFD", one) if not unicodedata.combining(c)
            )
        out.append(one)
    return "".join(out)


_PLAIN = {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ı": "i", "þ": "th"}


def split(text: str) -> list[Token]:
    """Folded words in order. An apostrophe or a hyphen ends a word; the query is split the same way."""
    return split_folded(fold(text))


def split_folded(folded: str) -> list[Token]:
    """The words of a text that is folded already."""
    return [Token(word, mark) for mark, word in _WORD.findall(folded)]


@lru_cache(maxsize=20_000)
def forms(word: str) -> frozenset[str]:
    """Forms of one folded word, itself included. Numbers, words with digits and very short words have one."""
    if len(word) < 3 or any(one.isdigit() for one in word):
        return frozenset({word})
    if _CYRILLIC.search(word):
        return _cyrillic(word)
    if _LATIN.match(word) and len(word) >= 4:
        return _latin(word)
    return frozenset({word})


@lru_cache(maxsize=1)
def _morph() -> Any:
    import pymorphy3  # half a second: only where Cyrillic words are asked for

    return pymorphy3.MorphAnalyzer(lang="ru")


def _cyrillic(word: str) -> frozenset[str]:
    """All forms by the dictionary. Of homonyms those that are dictionary forms themselves: "банк" is no "банка"."""
    morph = _morph()
    parses = morph.parse(word)
    own = [one for one in parses if one.normal_form.replace("ё", "е") == word]
    chosen = own or [one for one in parses if one.score >= 0.1]
    found = {word}
    for one in chosen:
        found.update(form.word.replace("ё", "е") for form in one.lexeme)
    if not morph.word_is_known(word):
        found |= _endings(word)
    return frozenset(found)


_VOWEL_ENDS = ("а", "я", "о", "е", "ь", "й", "ы", "и")
_CASES = (
    "",
    "а",
    "у",
    "ом",
    "е",
    "ы",
    "и",
    "ов",
    "ам",
    "ами",
    "ах",
    "ой",
    "ою",
    "я",
    "ю",
    "ем",
    "ей",
    "ев",
    "ям",
    "ями",
    "ях",
    "ові",
    "ів",
    "і",
    "ою",
)


def _endings(word: str) -> set[str]:
    """Case endings for names that no dictionary knows."""
    stem = word[:-1] if word.endswith(_VOWEL_ENDS) and len(word) > 4 else word
    return {stem + end for end in _CASES if len(stem + end) >= 3} if len(stem) >= 4 else {word}


def _latin(word: str) -> frozenset[str]:
    """Endings of English, German and Romance languages; the base of a plural counts too."""
    bases = {word}
    if word.endswith("ies") and len(word) > 5:
        bases.add(word[:-3] + "y")
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 4:
        bases.add(word[:-1])
    found: set[str] = set()
    for base in bases:
        found |= {base, base + "s", base + "es"}
        if base.endswith("y"):
            found |= {base[:-1] + "ies", base[:-1] + "ied"}
        if base.endswith("e"):
            found |= {base + "d", base[:-1] + "ing", base + "n", base + "r"}
        else:
            found |= {base + "ed", base + "ing", base + "en", base + "er", base + "e"}
        if len(base) >= 5 and base[-1] in "ao":
            found.add(base[:-1] + ("e" if base[-1] == "a" else "i"))
    return frozenset(found)


def close(word: str, others: Iterable[str]) -> bool:
    """One error in words of four to seven letters, two in longer ones; neighbours may have changed places."""
    for other in others:
        allowed = 0 if len(other) < 4 else 1 if len(other) < 8 else 2
        if abs(len(word) - len(other)) <= allowed and OSA.distance(word, other, score_cutoff=allowed) <= allowed:
            return True
    return False


_TO_LATIN = {
    "а": "a", "б": "b", "в": "v w", "г": "g", "д": "d", "е": "e ye", "ж": "zh j", "з": "z", "и": "i", "й": "y i j", "к": "k c", "л": "l", "м": "m",
    "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh h x", "ц": "ts c", "ч": "ch", "ш": "sh", "щ": "shch sch",
    "ъ": "", "ы": "y i", "ь": "", "э": "e", "ю": "yu iu u", "я": "ya ia a", "і": "i", "ї": "yi i", "є": "ye ie e", "ґ": "g",
}  # fmt: skip
_TO_CYRILLIC = {
    "shch": "щ", "sch": "щ ш", "tch": "ч", "sh": "ш", "ch": "ч к", "zh": "ж", "kh": "х", "ts": "ц", "ck": "к", "ph": "ф", "th": "т з", "oo": "у", "ee": "и",
    "ea": "и", "ya": "я", "yu": "ю", "yo": "е йо", "ye": "е", "ai": "ай эй", "ay": "эй ай", "qu": "кв", "ll": "лл л", "ss": "сс с", "tt": "тт т", "nn": "нн н",
    "pp": "пп п", "a": "а э", "b": "б", "c": "к ц с", "d": "д", "e": "е э и", "f": "ф", "g": "г дж", "h": "х г", "i": "и ай", "j": "дж ж й", "k": "к", "l": "л",
    "m": "м", "n": "н", "o": "о", "p": "п", "q": "к", "r": "р", "s": "с з", "t": "т", "u": "у а ю", "v": "в", "w": "в у", "x": "кс", "y": "и й ы", "z": "з ц",
}  # fmt: skip
_MOST = 400


@lru_cache(maxsize=2_000)
def transliterations(word: str) -> frozenset[str]:
    """A folded word in the other alphabet, in the spellings people use (at most some hundreds)."""
    if _CYRILLIC.search(word):
        choices = [_TO_LATIN.get(one, one).split(" ") if _TO_LATIN.get(one, one) else [""] for one in word]
        choices = _joined(choices, {("k", "s"): "x"})
    elif re.search(r"[a-z]", word):
        choices, place = [], 0
        while place < len(word):
            size = next((n for n in (4, 3, 2, 1) if word[place : place + n] in _TO_CYRILLIC), 1)
            piece = word[place : place + size]
            options = _TO_CYRILLIC.get(piece, piece).split(" ")
            if piece == "e" and place + size == len(word) and len(word) > 3:
                options = [*options, ""]  # silent at the end
            choices.append(options)
            place += size
    else:
        return frozenset()
    while _product(choices) > _MOST:  # the rarest spelling of the most ambiguous letter goes first
        longest = max(range(len(choices)), key=lambda one: len(choices[one]))
        choices[longest] = choices[longest][:-1]
    return frozenset("".join(one) for one in itertools.product(*choices)) - {word}


def _joined(choices: list[list[str]], pairs: dict[tuple[str, str], str]) -> list[list[str]]:
    """Two letters that become one: кс as x."""
    out: list[list[str]] = []
    for one in choices:
        if out and (out[-1][0], one[0]) in pairs:
            both = [a + b for a in out[-1] for b in one]
            out[-1] = [*both[:2], pairs[out[-1][0], one[0]]]
        else:
            out.append(one)
    return out


def _product(choices: list[list[str]]) -> int:
    total = 1
    for one in choices:
        total *= len(one)
    return total
