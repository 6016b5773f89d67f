"""Which mentions speak for the week: representative, short enough to read, no two alike."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LONGEST = 320
BEST_LENGTH = (40, 260)  # long enough to say why, short enough to be read
SAME = 0.55  # similarity above which two quotes say the same in nearly the same words


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mention that may be quoted. `strength` is the model's certainty, 0 to 1; `priority` favours what changed."""

    id: int
    text: str
    strength: float
    priority: float = 1.0
    n_copies: int = 1


def pick(candidates: Sequence[Candidate], n: int) -> list[Candidate]:
    """At most `n` candidates, best first.

    Value = strength x priority x fit of length x how much its words are the words of the others (mean TF-IDF cosine
    over character n-grams, which work in any script), raised for texts that many repeat. Then greedily, skipping what
    resembles a chosen one. Deterministic; equal values by id.
    """
    pool = [candidate for candidate in candidates if len(candidate.text.strip()) >= 8]
    if not pool or n <= 0:
        return []
    similarity = _similarity([candidate.text for candidate in pool])
    centrality = similarity.mean(axis=1)
    top = float(centrality.max()) or 1.0
    values = [
        candidate.strength
        * candidate.priority
        * _length_fit(candidate.text)
        * (0.4 + 0.6 * float(centrality[i]) / top)
        * (1.0 + 0.25 * float(np.log2(candidate.n_copies)))
        for i, candidate in enumerate(pool)
    ]
    order = sorted(range(len(pool)), key=lambda i: (-values[i], pool[i].id))
    chosen: list[int] = []
    for i in order:
        if all(similarity[i, j] < SAME for j in chosen):
            chosen.append(i)
            if len(chosen) == n:
                break
    return [pool[i] for i in chosen]


def shorten(text: str, limit: int = LONGEST) -> str:
    """One paragraph of at most `limit` characters, cut after a sentence or a word, marked with an ellipsis."""
    flat = re.sub(r"\s+", " ", text).strip()
    if len(flat) <= limit:
        return flat
    cut = flat[: limit - 1]
    sentence = max(cut.rfind(mark) for mark in (". ", "! ", "? ", "。", "！", "？"))
    if sentence > limit * 0.6:
        return cut[: sentence + 1] + " …"
    space = cut.rfind(" ")
    return (cut[:space] if space > limit * 0.6 else cut).rstrip(" ,;:–-") + "…"


def _length_fit(text: str) -> float:
    length = len(text)
    low, high = BEST_LENGTH
    if length < low:
        return 0.3 + 0.7 * length / low
    if length > high:
        return max(0.25, high / length)
    return 1.0


def _similarity(texts: Sequence[str]) -> np.ndarray:
    """Cosine of TF-IDF over character trigrams to pentagrams, zero on the diagonal."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=60_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            vectors = vectorizer.fit_transform([text.casefold() for text in texts])
        except ValueError:  # nothing but spaces and signs
            return np.zeros((len(texts), len(texts)))
    similarity = np.asarray((vectors @ vectors.T).todense())
    np.fill_diagonal(similarity, 0.0)
    return similarity
