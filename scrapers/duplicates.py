"""Near-duplicates: the same words posted in several places, reposts, copies with small changes.

    normalised(text) -> str            what is compared: folded words without links, mentions, emoji and marks
    normalised_hash(text) -> str       equal for texts that are the same but for case, links, emoji, punctuation
    fingerprint(text) -> hash, signature   both of the text's, for half the work
    signature(text) -> Signature | None    MinHash over shingles of three words; None for texts too short to compare
    similarity(a, b) -> float          estimate of the Jaccard similarity of two signatures
    bands(signature) -> tuple[int, ..]     keys for a table: texts that share one are worth comparing
    to_bytes(signature), from_bytes(raw)   for storing
    Index                              the same in memory: add(key, text | signature), near(signature) -> keys

MinHash with 128 permutations (A. Broder, 1997): h -> a h + b modulo 2^32 with odd a, behind a finalizer (fmix32 of
MurmurHash3). At Jaccard 0.9 two texts share one of 8 bands of 4 rows with probability 1 - (1 - 0.9^4)^8 > 0.9998, at
the threshold 0.8 with 0.985, at 0.4 with 0.19. A signature is the same everywhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from scrapers.words import UNSPACED, fold

N_PERMUTATIONS = 128
N_BANDS, BAND_ROWS = 8, 4
SHINGLE_WORDS = 3
SHINGLE_LETTERS = 5  # for scripts without spaces
SHORTEST = 60  # characters of normalised text
THRESHOLD = 0.8
_NOISE = re.compile(r"https?://\S+|www\.\S+|[@#]\w+|[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{2,64}")
_WORDS = re.compile(r"[^\W_]+")

Signature = np.ndarray[Any, np.dtype[np.uint32]]


def _permutations() -> tuple[Signature, Signature]:
    draw = np.random.RandomState(1)  # a stream that numpy has promised never to change
    odd = draw.randint(0, 1 << 31, N_PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return odd, draw.randint(0, 1 << 32, N_PERMUTATIONS, dtype=np.uint32)


_A, _B = _permutations()


def normalised(text: str) -> str:
    """Folded words with one space between them."""
    return " ".join(_WORDS.findall(_NOISE.sub(" ", fold(text))))


def fingerprint(text: str) -> tuple[str, Signature | None]:
    """`normalised_hash` and `signature` of a text."""
    words = normalised(text)
    return _hash(words or text.strip()), _signature(words)


def normalised_hash(text: str) -> str:
    """32 hex digits of SHA-256 of the normalised text; of the raw text where nothing is left of it (only emoji)."""
    return _hash(normalised(text) or text.strip())


def signature(text: str) -> Signature | None:
    """MinHash of the shingles, `N_PERMUTATIONS` numbers; None when the text is too short to tell a copy from chance."""
    return _signature(normalised(text))


def similarity(one: Signature | None, other: Signature | None) -> float:
    """Share of equal values: estimates the Jaccard similarity, standard error under 0.045. 0 without signatures."""
    if one is None or other is None:
        return 0.0
    return float(np.mean(one == other))


def bands(one: Signature | None) -> tuple[int, ...]:
    """Keys of the bands, signed 64-bit numbers in order of the bands; no keys without a signature."""
    if one is None:
        return ()
    raw, size = one.astype("<u4").tobytes(), 4 * BAND_ROWS
    return tuple(
        int.from_bytes(
            hashlib.blake2b(raw[n * size : (n + 1) * size], digest_size=8, salt=bytes([n])).digest(),
            "little",
            signed=True,
        )
        for n in range(N_BANDS)
    )


def to_bytes(one: Signature | None) -> bytes | None:
    """Four bytes a value, the same on every machine."""
    return None if one is None else one.astype("<u4").tobytes()


def from_bytes(raw: bytes | None) -> Signature | None:
    if not raw:
        return None
    if len(raw) != 4 * N_PERMUTATIONS:
        raise ValueError(f"a signature has {4 * N_PERMUTATIONS} bytes, not {len(raw)}")
    return np.frombuffer(raw, dtype="<u4").astype(np.uint32)


class Index:
    """Signatures of many texts. It is filled one by one, from texts or from stored signatures, in any order."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self._signatures: dict[Hashable, Signature] = {}
        self._hashes: dict[str, list[Hashable]] = {}
        self._bands: dict[int, list[Hashable]] = {}

    def __len__(self) -> int:
        return len(self._signatures)

    def add(self, key: Hashable, text: str) -> None:
        """A text by its key; a key that is known is left as it is."""
        if key not in self._signatures:
            self._hashes.setdefault(normalised_hash(text), []).append(key)
            self.add_signature(key, signature(text))

    def add_signature(self, key: Hashable, one: Signature | None) -> None:
        """A stored signature; without one (short texts) only equal texts are found."""
        if one is None or key in self._signatures:
            return
        self._signatures[key] = one
        for name in bands(one):
            self._bands.setdefault(name, []).append(key)

    def near(self, text: str) -> list[tuple[Hashable, float]]:
        """Keys of equal and nearly equal texts with their similarity, best first."""
        found: dict[Hashable, float] = dict.fromkeys(self._hashes.get(normalised_hash(text), ()), 1.0)
        mine = signature(text)
        for key in self._candidates(mine):
            value = similarity(mine, self._signatures[key])
            if value >= self.threshold:
                found.setdefault(key, value)
        return sorted(found.items(), key=lambda one: -one[1])

    def _candidates(self, mine: Signature | None) -> Iterator[Hashable]:
        seen: set[Hashable] = set()
        for name in bands(mine):
            for key in self._bands.get(name, ()):
                if key not in seen:
                    seen.add(key)
                    yield key


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:32]


def _signature(words: str) -> Signature | None:
    if len(words) < (SHORTEST // 2 if UNSPACED.search(words) else SHORTEST):
        return None
    hashes = b"".join(hashlib.blake2b(one.encode(), digest_size=4).digest() for one in set(_shingles(words)))
    mixed = _finalized(np.frombuffer(hashes, dtype="<u4").astype(np.uint32))
    return np.asarray((mixed[:, None] * _A + _B).min(axis=0))


def _shingles(words: str) -> Iterator[str]:
    if UNSPACED.search(words):
        solid = words.replace(" ", "")
        for start in range(max(1, len(solid) - SHINGLE_LETTERS + 1)):
            yield solid[start : start + SHINGLE_LETTERS]
        return
    parts = words.split()
    for start in range(max(1, len(parts) - SHINGLE_WORDS + 1)):
        yield " ".join(parts[start : start + SHINGLE_WORDS])


def _finalized(hashes: Signature) -> Signature:
    """fmix32: a bijection that spreads every bit of its input over all bits."""
    mixed = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(16))
