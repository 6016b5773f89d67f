"""Which pieces of which texts go through a network together: length-sorted batches under a token budget, windows over
long texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.text import windows


@dataclass(frozen=True, slots=True)
class Pieces:
    """Windows over texts, flat. Piece i is tokens `begin[i]:end[i]` of text `owner[i]`; pieces of a text are
    neighbours.
    """

    owner: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return self.end - self.begin


def cut(n_tokens: Sequence[int] | npt.NDArray[np.int64], *, size: int) -> Pieces:
    """Each text as one piece, or as windows of at most `size` tokens where it is longer."""
    lengths = np.asarray(n_tokens, dtype=np.int64)
    if len(lengths) == 0 or lengths.max() <= size:
        return Pieces(np.arange(len(lengths)), np.zeros(len(lengths), np.int64), lengths)
    owner, begin, end = [], [], []
    for text, n in enumerate(lengths):
        for start, stop in windows(int(n), size=size):
            owner.append(text)
            begin.append(start)
            end.append(stop)
    return Pieces(np.array(owner, np.int64), np.array(begin, np.int64), np.array(end, np.int64))


def plan(
    lengths: npt.NDArray[np.int64], *, budget: int, enough: int = 512, max_rows: int = 256
) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of pieces per batch, longest first.

    A batch padded to its longest piece holds at most `budget` tokens (or one piece). From `enough` tokens on it also
    ends where a piece is an eighth shorter than the longest: multiplying padding costs more than another call.
    """
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order]
    start = 0
    while start < len(order):
        longest = max(int(ordered[start]), 1)
        rows = max(1, min(budget // longest, max_rows))
        near = int(np.searchsorted(-ordered, -longest * 7 / 8, side="right")) - start
        size = max(1, min(rows, max(near, -(-enough // longest))))
        yield order[start : start + size]
        start += size


def mean_by_owner(
    values: npt.NDArray[np.float32], pieces: Pieces, n_texts: int, weights: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Average of piece values [n_pieces, ...] per text [n_texts, ...], weighted by piece lengths unless `weights` are
    given.
    """
    if len(pieces.owner) == n_texts and weights is None:
        return values
    given = pieces.lengths.astype(np.float32) if weights is None else weights
    shaped = given.reshape(given.shape + (1,) * (values.ndim - given.ndim))
    starts = np.searchsorted(pieces.owner, np.arange(n_texts))
    total = np.add.reduceat(values * shaped, starts, axis=0)
    return np.asarray(total / np.maximum(np.add.reduceat(shaped, starts, axis=0), 1e-9), dtype=np.float32)


def max_by_owner(values: npt.NDArray[np.float32], pieces: Pieces, n_texts: int) -> npt.NDArray[np.float32]:
    """Largest piece value [n_pieces, ...] per text [n_texts, ...]."""
    if len(pieces.owner) == n_texts:
        return values
    return np.asarray(
        np.maximum.reduceat(values, np.searchsorted(pieces.owner, np.arange(n_texts)), axis=0), dtype=np.float32
    )


_CACHED = 4_096  # rows gathered at once: they stay in the cache of one core until they are summed


def sums(
    table: npt.NDArray[Any],
    rows: npt.NDArray[np.integer],
    offsets: npt.NDArray[np.int64],
    scales: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """[n, width]: for each text the sum of the rows `rows[offsets[i] : offsets[i + 1]]` of a table, each times its
    scale where there are any; zeros for a text without rows.
    """
    total = np.zeros((len(offsets) - 1, table.shape[1]), dtype=np.float32)
    some = np.flatnonzero(np.diff(offsets))
    begins = offsets[some]
    cuts = np.unique(np.searchsorted(begins, np.arange(_CACHED, len(rows), _CACHED)))
    for block in np.split(some, cuts):
        if len(block) == 0:
            continue
        first, last = offsets[block[0]], offsets[block[-1] + 1]
        part = rows[first:last]
        gathered = table.take(part, axis=0).astype(np.float32, copy=False)
        if scales is not None:
            gathered *= scales[part][:, None]
        total[block] = np.add.reduceat(gathered, offsets[block] - first, axis=0)
    return total
