"""Near-duplicates: whether two texts are the same text, reposted, cut or retouched.

    normalised_hash(text) -> str      equal for texts that differ in case, punctuation, links and emoji only
    signature(text) -> Signature      MinHash (Broder 1997) over word triples, or characters in unspaced scripts
    similarity(a, b) -> float         estimated Jaccard similarity, 0..1; 0.8 and more is a copy
    bands(signature) -> list[str]     keys for an index: copies share at least one (locality-sensitive hashing)
    to_bytes, from_bytes              a signature in 256 bytes

The application keeps signatures and bands where it keeps its rows; nothing here grows with history.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from datasketch import MinHash

N_PERMUTATIONS = 64
N_BANDS, ROWS = 12, 5  # at similarity 0.8 two texts share a band with p = 1 - (1 - 0.8^5)^12 = 0.99
COPY = 0.8
_SEED = 1

Signature = npt.NDArray[np.uint32]

_ADDRESS = re.compile(r"https?://\S+|www\.\S+|[@#]\w+")
_WORD = re.compile(r"\w+", re.UNICODE)
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def normalised(text: str) -> str:
    """The words of a text: NFKC, case folded, without links, mentions, punctuation and emoji."""
    return " ".join(_WORD.findall(_ADDRESS.sub(" ", unicodedata.normalize("NFKC", text).casefold())))


def normalised_hash(text: str) -> str:
    """Sha256 of the normalised text, 32 hexadecimal digits."""
    return hashlib.sha256(normalised(text).encode("utf-8", "replace")).hexdigest()[:32]


def signature(text: str) -> Signature:
    """The MinHash of a text; `N_PERMUTATIONS` numbers."""
    made = _empty().copy()
    made.update_batch(_shingles(normalised(text)))
    return np.asarray(made.hashvalues, dtype=np.uint32)


def similarity(a: Signature, b: Signature) -> float:
    """Share of equal places: an unbiased estimate of the Jaccard similarity of the shingles."""
    return float(np.mean(a == b))


def bands(values: Signature) -> list[str]:
    """One key per band; texts are candidates when any key at the same place is equal."""
    return [values[n * ROWS : (n + 1) * ROWS].astype("<u4").tobytes().hex()[:24] for n in range(N_BANDS)]


def to_bytes(values: Signature) -> bytes:
    return values.astype("<u4").tobytes()


def from_bytes(data: bytes) -> Signature:
    """The signature written by `to_bytes`. Raises ValueError for bytes of another length."""
    if len(data) != 4 * N_PERMUTATIONS:
        raise ValueError(f"a signature has {4 * N_PERMUTATIONS} bytes, not {len(data)}")
    return np.frombuffer(data, dtype="<u4").astype(np.uint32)


def _shingles(text: str) -> list[bytes]:
    if _UNSPACED.search(text):
        flat = text.replace(" ", "")
        parts = [flat[i : i + 4] for i in range(max(1, len(flat) - 3))]
    else:
        words = text.split()
        parts = [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]
    return [part.encode("utf-8", "replace") for part in dict.fromkeys(parts)]


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=4).digest(), "little")


@lru_cache(maxsize=1)
def _empty() -> MinHash:
    """A MinHash of nothing, to be copied: drawing its permutations costs more than using them."""
    return MinHash(num_perm=N_PERMUTATIONS, seed=_SEED, hashfunc=_hash)
