"""How a text becomes numbers: normalisation, sub-word tokens, hashed n-grams. Deterministic and vectorised."""

from __future__ import annotations

import collections
import functools
import itertools
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.negation import AFTER, BEFORE, CONTRAST, REACH_AFTER, REACH_BEFORE
from models.text import may_have_address

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, UNK, CLS, MASK = "[PAD]", "[UNK]", "[CLS]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, MASK)
SHOUT = "\u21e7"  # stands before a word written in capitals
USER, URL = "@user", "http"

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<![\w@])@[A-Za-z0-9_.]{2,}")
_REPEATED = re.compile(r"([^\d\s])\1{2,}")
_CAPITALS = re.compile(r"(?<!\w)[^\W\d_]{3,}(?!\w)")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_CAPITAL, _SPACING = 1, 2
_AT_ONCE = 4096  # texts that are laid out side by side
_SPACE = re.compile(r"[\s\u200b\u200e\u200f\u2060\ufeff\x00-\x1f]+")

NGRAM_SIZES = (2, 3, 4, 5)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_WORD_SALT = np.uint64(0x2545F4914F6CDD1D)
_PAIR_SALT = np.uint64(0xD6E8FEB86659FD93)
_BEFORE_SALT = np.uint64(0xA0761D6478BD642F)
_AFTER_SALT = np.uint64(0xE7037ED1A0B428DB)
_CONTRAST_SALT = np.uint64(0x8EBC6AF09C88C6E3)
_GAP_SALT = np.uint64(0x589965CC75374CC3)
_TRIPLE_SALT = np.uint64(0x1D8E4E27C47D124F)


def normalise(text: str) -> str:
    """One line of lower-case NFKC text in which case, repetition, mentions and addresses stay visible.

    A handle becomes "@user", an address "http", three or more of one sign become two ("sooo" -> "soo"),
    and a word of three or more capitals gets the mark U+21E7 before it (a text all in capitals gets one).
    """
    return normalise_all([text])[0]


def normalise_all(texts: Sequence[str]) -> list[str]:
    """`normalise` of each. What few texts have (capitals in a row, letters in threes, odd spaces) is looked for in all
    of them at once.
    """
    if len(texts) > _AT_ONCE:
        parts = (texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE))
        return list(itertools.chain.from_iterable(map(normalise_all, parts)))
    plain = [
        text if text.isascii() else unicodedata.normalize("NFKC", _LONE_SURROGATE.sub("\ufffd", text)) for text in texts
    ]
    for i, text in enumerate(plain):
        if "@" in text:
            plain[i] = text = _HANDLE.sub(USER, text)
        if may_have_address(text):
            plain[i] = _URL.sub(URL, text)
    low = [text.lower() for text in plain]
    codes, starts = _laid_out(plain)
    capital = _kinds()[codes] == _CAPITAL
    for i in _owners(capital[1:] & capital[:-1], starts):
        low[i] = _CAPITALS.sub(_mark_capitals, plain[i]).lower()
    for i, text in enumerate(plain):
        if len(text) > 3 and text.isupper() and text != low[i]:
            low[i] = f"{SHOUT} {text.lower()}"
    codes, starts = _laid_out(low)
    same = codes[1:] == codes[:-1]
    for i in _owners(same[1:] & same[:-1], starts):
        low[i] = _REPEATED.sub(r"\1\1", low[i])
    odd = _kinds()[codes] == _SPACING
    odd[1:] |= same & (codes[1:] == ord(" "))
    for i in _owners(odd, starts):
        low[i] = _SPACE.sub(" ", low[i])
    return [text.strip() for text in low]


def _laid_out(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(code points of all texts, a comma after each; where each begins)."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    return np.frombuffer(",".join([*texts, ""]).encode("utf-32-le"), np.uint32), np.cumsum(sizes) - sizes


def _owners(found: np.ndarray, starts: np.ndarray) -> list[int]:
    """Numbers of the texts that hold one of these places."""
    numbers: list[int] = np.unique(np.searchsorted(starts, np.flatnonzero(found), side="right") - 1).tolist()
    return numbers


@functools.cache
def _kinds() -> np.ndarray:
    """For each code point: a capital letter, a space of any kind but the plain one, or neither."""
    table = np.zeros(0x110000, np.uint8)
    signs = "".join(map(chr, range(0x20000)))  # neither is beyond
    table[: len(signs)] = list(map(str.isupper, signs))  # _CAPITAL
    table[[ord(sign) for sign in "".join(_SPACE.findall(signs)) if sign != " "]] = _SPACING
    return table


def _mark_capitals(match: re.Match[str]) -> str:
    word = match.group()
    return f"{SHOUT} {word}" if word.isupper() else word


def build_tokenizer(texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """Train a byte-fallback BPE over normalised texts. Digits stand alone; words carry a leading mark."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNK, byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d|[^\w\s\p{M}]"), behavior="isolated"),
            pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first"),
        ]
    )
    texts, size = list(texts), max(200, vocab_size // 6)
    # The trainer would choose among equally frequent signs by chance: another tokenizer in every run.
    signs = collections.Counter("".join(texts).replace(" ", "\u2581"))
    signs["\u2581"] = sys.maxsize  # stands before the first word of every text
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[*SPECIAL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256))],
        initial_alphabet=sorted(signs, key=lambda sign: (-signs[sign], sign))[:size],
        limit_alphabet=size,
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A", special_tokens=[(CLS, tokenizer.token_to_id(CLS))]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return tokenizer


@functools.cache
def _word_signs() -> np.ndarray:
    """For each code point of the basic plane: part of a word (letters, digits, marks) or not."""
    kinds = [unicodedata.category(chr(code))[0] in "LNM" for code in range(0x10000)]
    table = np.zeros(0x110000, bool)
    table[:0x10000] = kinds
    table[0x20000:0x32000] = True  # rare Chinese signs
    return table


def hash_ngrams(texts: Sequence[str], *, log2_buckets: int, word_order: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Buckets of all n-grams of normalised texts: characters 2 to 5 inside words, words, pairs of words.

    `word_order` adds three words in a row, pairs of words with one between, and marks: words near a negator of
    `models.negation`, and their n-grams of three and more characters, occur once more; so do words after a contrast.

    Returns (buckets [m] int32, text [m] int32): the bucket of each n-gram and the number of its text, sorted
    by text. The hash is a polynomial over code points modulo 2 ** 64 with a final mix, equal on every machine.
    """
    if not texts:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    codes = np.frombuffer("".join(f" {text} " for text in texts).encode("utf-32-le", "replace"), np.uint32)
    sizes = np.fromiter((len(text) + 2 for text in texts), np.int64, len(texts))
    owner = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)
    space = codes == 32
    codes64 = codes.astype(np.uint64) + np.uint64(1)
    words = _Words.of(codes, codes64, owner)
    found: list[np.ndarray] = []
    owners: list[np.ndarray] = []

    def add(values: np.ndarray, of: np.ndarray) -> None:
        found.append(_bucket(values, log2_buckets))
        owners.append(of)

    spans: list[tuple[np.uint64, np.ndarray]] = []  # salt, marked places
    if word_order and len(words.hashes):
        for salt, marked in words.turned():
            add(words.hashes[marked] ^ salt, words.owner[marked])
            if marked.any():
                spans.append((salt, marked[words.run] & ~space & (words.run_ok)))
    total = len(codes)
    rolling = codes64.copy()
    # An n-gram may begin or end with the space at a word's edge, and holds none inside.
    inside_ok = np.ones(total, bool)
    for size in range(2, max(NGRAM_SIZES) + 1):
        if total < size:
            break
        rolling = rolling[:-1] * _PRIME + codes64[size - 1 :]
        if size > 2:
            inside_ok = inside_ok[:-1] & ~space[size - 2 : total - 1]
            valid = inside_ok
        else:
            inside_ok = inside_ok[:-1]
            valid = ~(space[:-1] & space[1:])
        at = np.flatnonzero(valid)
        values = rolling[at] + np.uint64(size)
        add(values, owner[at])
        if size > 2:
            for salt, places in spans:
                inside = places[at + 1]  # the second sign of three or more is never the space at an edge
                add(values[inside] ^ salt, owner[at[inside]])
    if len(words.hashes):
        add(words.hashes ^ _WORD_SALT, words.owner)
        same = words.owner[1:] == words.owner[:-1]
        add((words.hashes[:-1] * _PRIME + (words.hashes[1:] ^ _PAIR_SALT))[same], words.owner[1:][same])
        if word_order:
            two = words.owner[2:] == words.owner[:-2]
            add((words.hashes[:-2] * _PRIME + (words.hashes[2:] ^ _GAP_SALT))[two], words.owner[2:][two])
            triple = (words.hashes[:-2] * _PRIME + words.hashes[1:-1]) * _PRIME + (words.hashes[2:] ^ _TRIPLE_SALT)
            add(triple[two], words.owner[2:][two])
            after = words.after_contrast()
            add(words.hashes[after] ^ _CONTRAST_SALT, words.owner[after])
    buckets = np.concatenate(found)
    owner_all = np.concatenate(owners)
    order = np.argsort(owner_all, kind="stable")
    return buckets[order], owner_all[order]


@dataclass(frozen=True)
class _Words:
    """Words (runs of letters; other signs alone) of texts that lie one after another."""

    hashes: np.ndarray  # uint64 [w]
    owner: np.ndarray  # int32 [w]: number of the text
    plain: np.ndarray  # bool [w]: of letters, not a sign
    run: np.ndarray  # int64 [places]: the word of each place, where `run_ok`
    run_ok: np.ndarray  # bool [places]

    @classmethod
    def of(cls, codes: np.ndarray, codes64: np.ndarray, owner: np.ndarray) -> _Words:
        word = _word_signs()[np.minimum(codes, 0x10FFFF)]
        space = codes == 32
        begins = ~space & ~(word & np.concatenate(([False], word[:-1])))
        starts = np.flatnonzero(begins)
        run = np.cumsum(begins) - 1
        if not len(starts):
            return cls(np.zeros(0, np.uint64), np.zeros(0, np.int32), np.zeros(0, bool), run, run >= 0)
        position = np.arange(len(codes), dtype=np.int64)
        place = (position - starts[np.maximum(run, 0)]).clip(0, 63)
        part = np.where(space, np.uint64(0), codes64 * _powers()[place])
        return cls(np.add.reduceat(part, starts), owner[starts], word[starts], run, run >= 0)

    def turned(self) -> Iterator[tuple[np.uint64, np.ndarray]]:
        """(salt, words within the reach of a negator before them), and of one after them."""
        n = len(self.hashes)
        contrast = _one_of(self.hashes, _hashes(CONTRAST))
        stops = ~self.plain & ~_one_of(self.hashes, _hashes(APOSTROPHES)) | contrast
        for salt, negators, reach in (
            (_BEFORE_SALT, BEFORE, REACH_AFTER),
            (_AFTER_SALT, AFTER, -REACH_BEFORE),
        ):
            marked = np.zeros(n, bool)
            at = np.flatnonzero(_one_of(self.hashes, _hashes(negators)))
            text = self.owner[at]
            step = 1 if reach > 0 else -1
            for distance in range(step, reach + step, step):
                there = at + distance
                ok = (there >= 0) & (there < n)
                there, text = there[ok], text[ok]
                at = at[ok]
                ok = (self.owner[there] == text) & ~stops[there]
                there, text, at = there[ok], text[ok], at[ok]
                marked[there] = True
            yield salt, marked & self.plain

    def after_contrast(self) -> np.ndarray:
        """Words between a contrast and the end of its sentence, bool [w]."""
        n = len(self.hashes)
        contrast = _one_of(self.hashes, _hashes(CONTRAST))
        if not contrast.any():
            return contrast
        ends = _one_of(self.hashes, _hashes(SENTENCE_ENDS)) | np.concatenate(
            ([True], self.owner[1:] != self.owner[:-1])
        )
        position = np.arange(n)
        last = np.maximum.accumulate(np.where(contrast, position, -1))
        closed = np.maximum.accumulate(np.where(ends & ~contrast, position, -1))
        return np.asarray((last > closed) & ~contrast & self.plain)


SENTENCE_ENDS = frozenset(".!?…。।۔؟")
APOSTROPHES = frozenset("'’`-")


def _one_of(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[place] == values)


@functools.cache
def _hashes(words: frozenset[str]) -> np.ndarray:
    """Hashes of these words, sorted."""
    found = []
    for word in words:
        word = unicodedata.normalize("NFKC", word)
        codes64 = np.frombuffer(word.encode("utf-32-le"), np.uint32).astype(np.uint64) + np.uint64(1)
        found.append((codes64 * _powers()[: len(codes64)]).sum(dtype=np.uint64))
    return np.sort(np.array(found, np.uint64))


@functools.cache
def _powers() -> np.ndarray:
    prime, mask = int(_PRIME), (1 << 64) - 1
    values = [1]
    for _ in range(63):
        values.append(values[-1] * prime & mask)
    return np.array(values, np.uint64)


def _bucket(values: np.ndarray, log2_buckets: int) -> np.ndarray:
    values = (values ^ (values >> np.uint64(33))) * _MIX
    return (values >> np.uint64(64 - log2_buckets)).astype(np.int32)


def pack_buckets(kept: np.ndarray, *, log2_buckets: int) -> np.ndarray:
    """Which buckets own a vector, one bit each: uint8 [2 ** log2_buckets / 8]."""
    owned = np.zeros(1 << log2_buckets, bool)
    owned[kept] = True
    return np.packbits(owned)


def unpack_buckets(bits: np.ndarray) -> np.ndarray:
    """The sorted buckets that `pack_buckets` packed, int32."""
    return np.flatnonzero(np.unpackbits(bits)).astype(np.int32)


_ONES = np.array([byte.bit_count() for byte in range(256)], np.int32)  # bits that are set in a byte


def _special_id(tokenizer: Tokenizer, name: str) -> int:
    found = tokenizer.token_to_id(name)
    if found is None:
        raise ValueError(f"the tokenizer has no token {name}: it was not built by `build_tokenizer`")
    return int(found)


@dataclass(frozen=True)
class Encoded:
    """A batch as flat arrays: token ids and n-gram rows of text i lie between offsets i and i + 1."""

    tokens: np.ndarray  # int32 [sum of lengths]
    token_offsets: np.ndarray  # int64 [n + 1]
    ngrams: np.ndarray  # int32 [sum of counts]: rows of the n-gram table
    ngram_offsets: np.ndarray  # int64 [n + 1]

    def __len__(self) -> int:
        return len(self.token_offsets) - 1


class TextEncoder:
    """Tokenizer and n-gram rows of one model. Thread-safe; no state changes after construction."""

    def __init__(
        self, tokenizer: Tokenizer, *, log2_buckets: int, kept_buckets: np.ndarray, word_order: bool = False
    ) -> None:
        """`kept_buckets`: sorted buckets that own a vector; the i-th owns row i of the n-gram table.

        `word_order`: with the n-grams that negators and contrasts mark, see `hash_ngrams`.
        """
        self.tokenizer = tokenizer
        self.log2_buckets, self.word_order = log2_buckets, word_order
        # One bit a bucket, and how many are owned before each byte: a sixth of a table of rows.
        self._owned = pack_buckets(kept_buckets, log2_buckets=log2_buckets)
        self._before = np.concatenate(([0], np.cumsum(_ONES[self._owned], dtype=np.int32))).astype(np.int32)
        self.pad_id, self.cls_id, self.mask_id = (_special_id(tokenizer, name) for name in (PAD, CLS, MASK))

    def encode(self, texts: Sequence[str], *, normalised: bool = False) -> Encoded:
        """Tokens (first is CLS, not cut) and n-gram rows of each text."""
        clean = list(texts) if normalised else normalise_all(texts)
        tokens, token_offsets = self.tokens(clean)
        return Encoded(tokens, token_offsets, *self.ngram_rows(clean))

    def tokens(self, clean: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(token ids, offsets) of normalised texts; the first of each is CLS."""
        encode = getattr(self.tokenizer, "encode_batch_fast", self.tokenizer.encode_batch)
        pieces = [item.ids for item in encode(list(clean))]
        counts = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
        tokens = np.fromiter(itertools.chain.from_iterable(pieces), np.int32, int(counts.sum()))
        return tokens, np.concatenate(([0], np.cumsum(counts)))

    def ngram_rows(self, clean: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(rows, offsets) of the n-grams of normalised texts that own a vector."""
        buckets, owner = hash_ngrams(clean, log2_buckets=self.log2_buckets, word_order=self.word_order)
        byte = buckets >> 3
        upto = self._owned[byte] >> (7 - (buckets & 7)).astype(np.uint8)  # the bucket's own bit comes last
        known = (upto & 1).astype(bool)
        rows = self._before[byte[known]] + _ONES[upto[known]] - np.int32(1)
        counts = np.bincount(owner[known], minlength=len(clean))
        return rows, np.concatenate(([0], np.cumsum(counts)))
