"""Language of a text: script rules where a script means one language, else a linear head on hashed character n-grams.

The head (fastText's architecture: mean of n-gram vectors, one linear layer) is trained by `models.language_training`
on short informal texts. Codes are ISO 639-1 where one exists (`no` covers Bokmål and Nynorsk, `pcm` is Nigerian
Pidgin). None means unknown: no letters, or no language reaches `MIN_P`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.batching import sums
from models.errors import WeightsMissing
from models.text import may_have_address

WEIGHTS = Path(__file__).with_name("language.npz")
MIN_P = 0.45  # benchmarks/language.py: where precision and coverage balance on texts of one to three words
MAX_CHARACTERS = 256
_ORDERS = (1, 2, 3, 4)
# The head is trained on equal shares of all languages; where a word or two fit several, the widely written ones are
# likelier.
_COMMON = ("ar", "de", "en", "es", "fr", "id", "it", "ja", "nl", "pl", "pt", "ru", "tr", "uk", "vi", "zh")  # fmt: skip
_COMMON_ODDS = 4.0
# What is expected of a text's language (benchmarks/language.py): the least share of a language, and from how many signs
# on a text says more itself.
_SURPRISE, _FADES = 0.02, 24

# Scripts that (nearly) one language uses, as inclusive code point ranges.
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "el"), (0x0530, 0x058F, "hy"), (0x0590, 0x05FF, "he"), (0x0980, 0x09FF, "bn"), (0x0A00, 0x0A7F,
    "pa"),
    (0x0A80, 0x0AFF, "gu"), (0x0B00, 0x0B7F, "or"), (0x0B80, 0x0BFF, "ta"), (0x0C00, 0x0C7F, "te"), (0x0C80, 0x0CFF,
    "kn"),
    (0x0D00, 0x0D7F, "ml"), (0x0D80, 0x0DFF, "si"), (0x0E00, 0x0E7F, "th"), (0x0E80, 0x0EFF, "lo"), (0x1000, 0x109F,
    "my"),
    (0x10A0, 0x10FF, "ka"), (0x1100, 0x11FF, "ko"), (0x1200, 0x137F, "am"), (0x1780, 0x17FF, "km"), (0x3040, 0x30FF,
    "ja"), (0xAC00, 0xD7AF, "ko"),
)  # fmt: skip
_KANJI = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF))
_TELLING = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high, _ in _SCRIPTS) + "]")
_IDEOGRAPH = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in _KANJI) + "]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|(?<!\w)[@#]\w+", re.IGNORECASE)
_LETTERS = re.compile(r"(?:[^\W\d_]+|')+")


def detect(
    texts: Sequence[str],
    *,
    min_p: float = MIN_P,
    among: Sequence[str] | None = None,
    priors: Sequence[Mapping[str, float] | None] | None = None,
) -> list[str | None]:
    """One code per text, None where unknown. `among` restricts the answer to those codes; `priors` as `probable`."""
    return [code if p >= min_p else None for code, p in probable(texts, among=among, priors=priors)]


def probable(
    texts: Sequence[str],
    *,
    among: Sequence[str] | None = None,
    priors: Sequence[Mapping[str, float] | None] | None = None,
) -> list[tuple[str | None, float]]:
    """The likeliest code of each text with its probability; (None, 0.0) for a text without letters.

    `priors`: for each text the share of the languages that its company is written in, or None where that is unknown.
    It decides where a word or two fit several languages, and fades with the length of a text.
    """
    bare = [_bare(text) for text in texts]
    found: list[tuple[str | None, float]] = [(None, 0.0)] * len(bare)
    rest: list[int] = []
    for i, text in enumerate(bare):
        code = by_script(text) if not text.isascii() else None
        if code is not None and (among is None or code in among):
            found[i] = (code, 1.0)
        elif text:
            rest.append(i)
    head = _head()
    for start in range(0, len(rest), 512):  # bounds the memory of the n-gram matrix
        part = rest[start : start + 512]
        p = head.probabilities([bare[i] for i in part])
        if priors is not None:
            for row, i in enumerate(part):
                expected = priors[i]
                if expected is not None:
                    p[row] *= _weights(head, expected) ** min(1.0, _FADES / len(bare[i]))
                    p[row] /= p[row].sum()
        if among is None:
            ideographs = np.array([_ideographs(bare[i]) for i in part])
            p[ideographs] *= np.isin(head.codes, ("zh", "ja"))
            p[ideographs] /= np.maximum(p[ideographs].sum(axis=1, keepdims=True), 1e-9)
        else:
            p = p * np.isin(head.codes, among)
            p = p / np.maximum(p.sum(axis=1, keepdims=True), 1e-9)
        best = p.argmax(axis=1)
        for row, i in enumerate(part):
            found[i] = (str(head.codes[best[row]]), float(p[row, best[row]]))
    return found


def _weights(head: _Head, expected: Mapping[str, float]) -> npt.NDArray[np.float32]:
    return np.array([max(expected.get(str(code), 0.0), _SURPRISE) for code in head.codes], np.float32)


def supported() -> tuple[str, ...]:
    """Every code `detect` may answer."""
    return tuple(sorted({str(code) for code in _head().codes} | {code for _, _, code in _SCRIPTS}))


def by_script(text: str) -> str | None:
    """The language of the script most letters are in, if that script belongs to one language."""
    if not _TELLING.search(text, 0, MAX_CHARACTERS):  # most texts
        return None
    counts: dict[str, int] = {}
    letters = kanji = 0
    for character in text[:MAX_CHARACTERS]:
        point = ord(character)
        if point < 0x370:
            letters += character.isalpha()
            continue
        if 0x400 <= point < 0x530:  # Cyrillic: the commonest miss, answered at once
            letters += 1
            continue
        for low, high, code in _SCRIPTS:
            if low <= point <= high:
                counts[code] = counts.get(code, 0) + 1
                break
        if any(low <= point <= high for low, high in _KANJI):
            kanji += 1
        letters += 1
    if counts.get("ja", 0) >= 2 and counts["ja"] * 6 >= kanji and "ko" not in counts:
        counts["ja"] += kanji  # Japanese mixes kana and kanji; a lone kana in Chinese is decoration
    code, n = max(counts.items(), key=lambda pair: pair[1])
    return code if n * 2 > letters else None


def _ideographs(text: str) -> bool:
    """Whether most signs are ideographs: Chinese, or Japanese without kana."""
    return not text.isascii() and 2 * len(_IDEOGRAPH.findall(text)) > len(text) - text.count(" ")


def _bare(text: str) -> str:
    """Lower-cased words with single spaces around each: what n-grams are taken from."""
    text = text[: MAX_CHARACTERS * 2]
    if "@" in text or "#" in text or may_have_address(text):
        text = _ADDRESS.sub(" ", text)
    words = " ".join(_LETTERS.findall(text)).lower()[:MAX_CHARACTERS]
    return f" {words} " if words else ""


def ngrams(texts: Sequence[str], *, n_buckets: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bucket numbers of all n-grams (orders 1 to 4) of bare, non-empty texts, and where each text's begin.

    Shapes (n_ngrams,) and (n_texts,): the arguments of an embedding bag.
    """
    lengths = np.fromiter((len(t) for t in texts), dtype=np.int64, count=len(texts))
    points = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), lengths)
    counts = [np.maximum(lengths - order + 1, 0) for order in _ORDERS]
    starts = np.concatenate(([0], np.cumsum(np.sum(counts, axis=0))))
    buckets = np.empty(starts[-1], np.int64)
    begin = starts[:-1]  # where the n-grams of this order go, text by text
    hashed = np.zeros(len(points), dtype=np.uint64)
    for order, inside_text in zip(_ORDERS, counts, strict=True):
        n = len(points) - order + 1
        if n <= 0:
            break
        hashed = (
            hashed[:n] * np.uint64(0x9E3779B1) + points[order - 1 :] * np.uint64(0x85EBCA77) + np.uint64(order)
        ) & np.uint64(0xFFFFFFFF)
        mixed = hashed[owner[:n] == owner[order - 1 :]]
        mixed ^= mixed >> np.uint64(15)
        mixed *= np.uint64(0x2C1B3C6D)
        mixed &= np.uint64(0xFFFFFFFF)
        mixed ^= mixed >> np.uint64(13)
        before = np.cumsum(inside_text) - inside_text
        buckets[np.arange(len(mixed)) + np.repeat(begin - before, inside_text)] = mixed % np.uint64(n_buckets)
        begin = begin + inside_text
    return buckets, starts[:-1]


@dataclass(frozen=True, slots=True)
class _Head:
    codes: npt.NDArray[np.str_]
    vectors: npt.NDArray[np.float32]  # (n_buckets, width)
    matrix: npt.NDArray[np.float32]  # (width, n_codes)
    bias: npt.NDArray[np.float32]

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        buckets, starts = ngrams(texts, n_buckets=len(self.vectors))
        offsets = np.append(starts, len(buckets))
        logits = (sums(self.vectors, buckets, offsets) / np.diff(offsets)[:, None]) @ self.matrix + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        return np.asarray(p / p.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=1)
def _head() -> _Head:
    if not WEIGHTS.is_file():
        raise WeightsMissing(
            f"{WEIGHTS} is missing: the installation is incomplete, or run `python -m models.language_training`"
        )
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        vectors = stored["vectors"].astype(np.float32) * stored["scales"].astype(np.float32)[:, None]
        prior = np.where(np.isin(stored["codes"], _COMMON), np.log(_COMMON_ODDS), 0.0)
        return _Head(
            codes=stored["codes"],
            vectors=vectors,
            matrix=stored["matrix"].astype(np.float32),
            bias=(stored["bias"] + prior).astype(np.float32),
        )
