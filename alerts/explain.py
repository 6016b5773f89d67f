"""Says why: phrases people use now and did not before, three quotes that tell the story, which parts hold the excess.

Phrases are ranked by the log-odds of a text containing them, now against before, with an informative prior (Monroe,
Colaresi, Quinn 2008, Fightin' Words, eq. 16 to 22): rare words need more evidence than their ratio suggests. Lemmas are
counted, the words people wrote are shown.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from alerts.message import Confounder, ConfounderKind, Driver, Phrase, Quote
from alerts.stopwords import COUNTING, NEGATIONS, STOP, is_abusive
from alerts.text import clean

LONGEST_PHRASE = 3  # words
PRIOR_TEXTS = 10.0  # weight of the prior, in texts
LEAST_Z = 1.28  # one-sided 10 %: a list of candidates for a person, not a test
ENOUGH_BEFORE = 30  # fewer texts from before know little: the bar falls with them
SAME_TEXT = 0.6  # shared share of words from which two quotes say the same

_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*|\d+")
_SENTENCE = re.compile(r"[.!?…\n]+")
_BREAK = re.compile(r"[,;:()\[\]\"«»“”—]+|\s-\s")
_LINK = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|\S+@\S+\.\w+")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]")


@dataclass(slots=True)
class _Gram:
    n: int = 0
    surfaces: Counter[str] = field(default_factory=Counter)


def phrases(
    recent: Sequence[str], before: Sequence[str] = (), *, k: int = 8, min_n: int = 2, names: Iterable[str] = ()
) -> list[Phrase]:
    """Up to `k` phrases of one to three words that texts use now and did not `before`, the most telling first.

    Each text counts a phrase once, so one long rant is one voice. Without texts from before, the most frequent ones.
    `names` tell nothing, in whatever form: everybody who complains about a place says where it was.
    """
    own = {lemma(word) for name in names for word in _WORD.findall(name) if not word.isdecimal()} - STOP - NEGATIONS
    now, then = _counted(recent), _counted(before)
    n_recent, n_before = len(recent), len(before)
    least = LEAST_Z * min(1.0, n_before / ENOUGH_BEFORE)
    scored: dict[tuple[str, ...], float] = {}
    for gram, found in now.items():
        if found.n < min_n or not own.isdisjoint(gram):  # what else it says is counted without the name
            continue
        n_then = then[gram].n if gram in then else 0
        z = _log_odds(found.n, n_recent, n_then, n_before) if n_before else math.sqrt(found.n)
        if z >= least:
            scored[gram] = z
    chosen: list[Phrase] = []
    used: list[set[str]] = []
    # a longer phrase says more: "the courier never called" before "courier"
    telling = sorted(_telling(scored, now), key=lambda gram: (-scored[gram] * (0.75 + 0.25 * len(gram)), gram))
    for gram in telling:
        content = {lemma for lemma in gram if lemma not in STOP and lemma not in NEGATIONS}
        if any(len(content & other) * 2 > min(len(content), len(other)) for other in used):
            continue
        used.append(content)
        surface = min(now[gram].surfaces.items(), key=lambda item: (-item[1], len(item[0]), item[0]))[0]
        chosen.append(Phrase(surface, now[gram].n, then[gram].n if gram in then else 0, round(scored[gram], 2)))
        if len(chosen) == k:
            break
    return chosen


def _log_odds(y: int, n: int, y_before: int, n_before: int) -> float:
    """z of the difference of log-odds, texts as trials, prior from both periods together."""
    p = (y + y_before + 0.5) / (n + n_before + 1.0)
    a, b = PRIOR_TEXTS * p, PRIOR_TEXTS * (1.0 - p)
    now = math.log((y + a) / (n - y + b))
    then = math.log((y_before + a) / (n_before - y_before + b))
    variance = 1.0 / (y + a) + 1.0 / (y_before + a)
    return (now - then) / math.sqrt(variance)


def _telling(scored: Mapping[tuple[str, ...], float], now: Mapping[tuple[str, ...], _Gram]) -> list[tuple[str, ...]]:
    """Without the phrases whose uses a longer one covers for the most part."""
    covered = {part for gram in scored for part in _parts(gram) if part in scored and now[gram].n >= 0.6 * now[part].n}
    return [gram for gram in scored if gram not in covered]


def _parts(gram: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(gram)):
        for start in range(len(gram) - size + 1):
            yield _key(gram[start : start + size])


def _counted(texts: Iterable[str]) -> dict[tuple[str, ...], _Gram]:
    grams: dict[tuple[str, ...], _Gram] = defaultdict(_Gram)
    for text in texts:
        seen: dict[tuple[str, ...], str] = {}
        certain: set[tuple[str, ...]] = set()
        for words, begins in _clauses(text):
            for place, gram, surface in _grams(words):
                seen[gram] = seen.get(gram) or surface
                if surface and not (begins and place == 0):
                    certain.add(gram)
        for gram, surface in seen.items():
            grams[gram].n += 1
            if surface:
                # the capital at the start of a sentence tells nothing of a name; elsewhere it does
                grams[gram].surfaces[surface] += 100 if gram in certain else 1
    return {gram: found for gram, found in grams.items() if found.surfaces}


def _grams(words: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...], str]]:
    """Phrases of a clause with the words as written; no words for two with one between them ("soup arrived cold")."""
    lemmas = [lemma(word) for word in words]
    for start in range(len(words)):
        for size in range(1, LONGEST_PHRASE + 1):
            gram = tuple(lemmas[start : start + size])
            if len(gram) == size and _speaks(gram):
                yield start, _key(gram), " ".join(words[start : start + size])
        if start + 2 < len(words):
            gram = (lemmas[start], lemmas[start + 2])
            if _speaks(gram) and gram[0] not in NEGATIONS and lemmas[start + 1] not in NEGATIONS:
                yield start, _key(gram), ""


def _key(gram: tuple[str, ...]) -> tuple[str, ...]:
    """Two words mean the same in either order ("cold soup", "soup cold"), unless one of them negates the other."""
    return tuple(sorted(gram)) if len(gram) == 2 and gram[0] not in NEGATIONS else gram


def _speaks(gram: tuple[str, ...]) -> bool:
    """Whether a phrase can stand alone: no stop word at its ends, no negation without what is negated."""
    first, last = gram[0], gram[-1]
    if first in STOP or last in STOP or last in NEGATIONS or last in COUNTING or last.isdecimal():
        return False
    content = [word for word in gram if word not in STOP and word not in NEGATIONS and not word.isdecimal()]
    return bool(content) and (len(gram) > 1 or len(first) >= 3 or _CJK.search(first) is not None)


def _clauses(text: str) -> Iterator[tuple[list[str], bool]]:
    """Words between punctuation as written, and whether they begin a sentence; small letters where a text shouts."""
    plain = _LINK.sub(" ", clean(text))
    shouting = sum(char.isupper() for char in plain) > sum(char.islower() for char in plain)
    for sentence in _SENTENCE.split(plain):
        begins = True
        for clause in _BREAK.split(sentence):
            words = [part for word in _WORD.findall(clause) for part in _pieces(word)]
            if shouting:
                words = [word.lower() for word in words]
            elif begins and words and words[0][1:].islower():
                words[0] = words[0].lower()
            if words:
                yield words, begins
                begins = False


def _pieces(word: str) -> list[str]:
    """A word; for scripts without blanks its pairs of characters, which is as good as words for counting."""
    if not _CJK.search(word):
        return [word]
    return [word[n : n + 2] for n in range(max(1, len(word) - 1))]


@lru_cache(maxsize=50_000)
def lemma(word: str) -> str:
    """The dictionary form by which words are counted; a stem good enough for grouping in English, else the word."""
    word = word.lower().replace("’", "'")
    if re.search("[а-яё]", word):
        # ё and е are one letter to most writers
        return str(_morphology().parse(word)[0].normal_form).replace("ё", "е") if len(word) > 2 else word
    if not word.isascii():
        return word
    if word in STOP or word in NEGATIONS:
        return word
    word = word.removesuffix("'s")
    if word.endswith("n't"):
        return "n't"
    return _stem(word.replace("'", ""))


def _stem(word: str) -> str:
    if word in NEGATIONS or word in STOP or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word.removesuffix("s")
    for suffix in ("ing", "ed"):
        base = word.removesuffix(suffix)
        if base != word and len(base) > 2 and re.search("[aeiouy]", base):
            word = base[:-1] if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz" else base
            break
    return word.removesuffix("e") if len(word) > 3 else word


@cache
def _morphology() -> Any:
    import pymorphy3

    return pymorphy3.MorphAnalyzer(lang="ru")


def quotes(
    candidates: Sequence[Quote],
    *,
    k: int = 3,
    weights: Sequence[float] | None = None,
    vectors: Sequence[Sequence[float]] | None = None,
    phrases: Sequence[Phrase] = (),
) -> list[Quote]:
    """Up to `k` of the candidates that together tell the story: strong, central, readable, different from each other.

    `weights` say how negative each is (0..1; the rating stands in where they are missing), `vectors` are unit
    embeddings for the comparison (words stand in). Copies are left out; swearing never comes first; the longest is left
    out where there is a choice. Method: maximal marginal relevance (Carbonell, Goldstein 1998).
    """
    bags = [frozenset(word.lower() for word in _WORD.findall(quote.text)) for quote in candidates]
    usable = [n for n, bag in enumerate(bags) if bag and any(len(word) > 2 or _CJK.search(word) for word in bag)]
    usable = _without_copies(usable, bags)
    if len(usable) > k + 2:
        longest = max(usable, key=lambda n: len(candidates[n].text))
        usable.remove(longest)
    if not usable:
        return []
    spread = Counter(word for n in usable for word in bags[n] if word not in STOP)
    told = {word for phrase in phrases for word in phrase.text.lower().split() if word not in STOP}
    value = {}
    for n in usable:
        strength = weights[n] if weights is not None else _by_rating(candidates[n].rating)
        content = [word for word in bags[n] if word not in STOP]
        central = sum(spread[word] for word in content) / (len(content) * len(usable)) if content else 0.0
        hits = min(1.0, len(told & bags[n]) / 2)
        value[n] = 0.35 * strength + 0.3 * _readable(candidates[n].text) + 0.2 * hits + 0.15 * min(1.0, 3 * central)
        value[n] -= 0.3 if is_abusive(candidates[n].text) else 0.0
    chosen: list[int] = []
    clean_ones = [n for n in usable if not is_abusive(candidates[n].text)]
    while len(chosen) < k and (rest := [n for n in usable if n not in chosen]):
        if not chosen and clean_ones:
            rest = clean_ones
        nearest = {n: max((_alike(n, other, bags, vectors) for other in chosen), default=0.0) for n in rest}
        best = max(rest, key=lambda n: (value[n] - 0.6 * nearest[n], -n))
        chosen.append(best)
    return [candidates[n] for n in chosen]


def _without_copies(usable: Sequence[int], bags: Sequence[frozenset[str]]) -> list[int]:
    kept: list[int] = []
    for n in usable:
        if not any(_shared(bags[n], bags[other]) >= SAME_TEXT for other in kept):
            kept.append(n)
    return kept


def _alike(one: int, two: int, bags: Sequence[frozenset[str]], vectors: Sequence[Sequence[float]] | None) -> float:
    if vectors is not None:
        return max(0.0, sum(a * b for a, b in zip(vectors[one], vectors[two], strict=True)))
    return _shared(bags[one] - STOP, bags[two] - STOP)


def _shared(one: frozenset[str], two: frozenset[str]) -> float:
    return len(one & two) / len(one | two) if one or two else 0.0


def _by_rating(rating: float | None) -> float:
    return 0.5 if rating is None else min(1.0, max(0.0, (5.0 - rating) / 4.0))


def _readable(text: str) -> float:
    """1 for 60 to 260 characters; a cry of two words or a page says less."""
    n = len(text)
    if n < 60:
        return max(0.1, n / 60)
    return 1.0 if n <= 260 else max(0.2, 1.0 - (n - 260) / 800)


def drivers(parts: Iterable[Driver], *, k: int = 6, per_dimension: int = 3, min_excess: float = 1.0) -> list[Driver]:
    """The parts that hold the excess, largest first: at least `min_excess` and a tenth of the largest of all parts."""
    ranked = sorted(parts, key=lambda part: (-part.n_excess, part.dimension, part.name))
    if not ranked:
        return []
    floor = max(min_excess, 0.1 * ranked[0].n_excess)
    taken: Counter[str] = Counter()
    chosen: list[Driver] = []
    for part in ranked:
        if part.n_excess < floor or len(chosen) == k:
            break
        if taken[part.dimension] < per_dimension:
            taken[part.dimension] += 1
            chosen.append(part)
    return chosen


def confounders(
    *,
    holidays: Sequence[str] = (),
    coverage: float | None = None,
    history_days: int | None = None,
    volume_ratio: float | None = None,
    n_late: int = 0,
    n_backfilled: int = 0,
    model: str | None = None,
) -> list[Confounder]:
    """Known reasons to take the numbers with care, the gravest first.

    `coverage` is the share of the window that was collected, `volume_ratio` all mentions over their expectation,
    `model` the name of a model that came into use inside the window.
    """
    found = []
    if coverage is not None and coverage < 0.95:
        found.append(Confounder(ConfounderKind.GAP, coverage))
    if history_days is not None and history_days < 28:
        found.append(Confounder(ConfounderKind.SHORT_HISTORY, history_days))
    if volume_ratio is not None and volume_ratio >= 1.5:
        found.append(Confounder(ConfounderKind.CAMPAIGN, volume_ratio))
    found += [Confounder(ConfounderKind.HOLIDAY, name=name) for name in dict.fromkeys(holidays)]
    if n_backfilled:
        found.append(Confounder(ConfounderKind.BACKFILL, n_backfilled))
    if n_late:
        found.append(Confounder(ConfounderKind.LATE, n_late))
    if model:
        found.append(Confounder(ConfounderKind.MODEL, name=model))
    return found
