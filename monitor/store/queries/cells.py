"""Cells: how many mentions (or tags) there are of each kind, and their counts by some of what tells kinds apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.store.queries.count import Count, Pair
from monitor.store.shelf import Array, Coded, Mask, Part, places

_CELLS = 2_000_000  # beyond which groups are sorted instead of laid out
_SPARSE = 20  # cells a mention, beyond which the same holds of few mentions


@dataclass(frozen=True, slots=True)
class Cells:
    """How many mentions (or tags) there are of each kind: by the keys, the sentiment and the stars."""

    key: dict[str, Array]
    sentiment: Array
    rating: npt.NDArray[np.float64]
    n: npt.NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Iterable[Cells]) -> Cells:
        held = list(parts)
        if not held:
            none = np.zeros(0, np.int64)
            return cls(defaultdict(lambda: none), none, none.astype(np.float64), none)
        return cls(
            {name: np.concatenate([part.key[name] for part in held]) for name in held[0].key},
            *(np.concatenate([getattr(part, name) for part in held]) for name in ("sentiment", "rating", "n")),
        )

    def where(self, mask: Mask) -> Cells:
        key = {name: column[mask] for name, column in self.key.items()}
        return Cells(key, self.sentiment[mask], self.rating[mask], self.n[mask])


def tally(keys: Mapping[str, Coded], sentiment: Array, stars: Coded, mask: Mask | None = None) -> Cells:
    """The cells that hold any of the mentions that the mask lets pass."""
    columns = {**keys, "": stars}
    code, n_codes = _code(columns)
    code = 4 * code
    np.add(code, sentiment, out=code)
    code += 1
    return _held(code if mask is None else code[mask], 4 * n_codes, columns)


def tally_tags(part: Part, keys: Mapping[str, Coded], mask: Mask | None = None) -> Cells:
    """The same of their tags: by topic, by what is known of the mention, and by what is said of the topic."""
    columns = {**keys, "": part.stars}
    code, n_codes = _code(columns, times=4 * len(part.topic.values))
    if mask is not None:
        code[~mask] = 4 * len(part.topic.values) * n_codes  # behind all others
    code = code[part.row]  # once for all that is known of the mention
    np.add(code, np.multiply(part.topic.code, 4, dtype=code.dtype), out=code)
    np.add(code, part.said, out=code)
    code += 1
    return _held(code, 4 * len(part.topic.values) * n_codes, {"topic": part.topic, **columns})


def _code(columns: Mapping[str, Coded], *, times: int = 1) -> tuple[Array, int]:
    """One number for the values that a row has in all columns, times a number; and how many there can be."""
    n_codes = math.prod(len(column.values) for column in columns.values())
    kind = np.int32 if (n_codes + 1) * times * 4 < 1 << 31 else np.int64
    code, step = np.zeros(max(len(column.code) for column in columns.values()), kind), times
    for column in columns.values():
        np.add(code, np.multiply(column.code, step, dtype=kind), out=code)
        step *= len(column.values)
    return code, n_codes


def _held(code: Array, n_cells: int, columns: Mapping[str, Coded]) -> Cells:
    """The cells below n that hold any; a code is a sentiment and, four times as much, what `_code` says."""
    if n_cells > _SPARSE * (len(code) + 50):
        cell, n = np.unique(code[code < n_cells], return_counts=True)
    else:
        there = np.bincount(code, minlength=n_cells)[:n_cells]
        cell = np.flatnonzero(there)
        n = there[cell]
    cell, felt = np.divmod(cell, 4)
    values = {}
    for name, column in columns.items():
        cell, place = np.divmod(cell, max(1, len(column.values)))
        values[name] = column.values[place]
    rating = values.pop("")
    return Cells(values, felt - 1, rating, n)


def counted(keys: Sequence[Array], cells: Cells) -> list[tuple[tuple[int, ...], Count]]:
    """Counts of mentions by their keys, those of groups that hold any."""
    if not len(cells.n):
        return []
    code = np.zeros(len(cells.n), np.int64)
    values, n_cells = [], 1
    for key in keys:
        held, place = places(key)
        code = code * len(held) + place
        values.append(held)
        n_cells *= len(held)
    groups = np.arange(n_cells)
    if n_cells > _CELLS:
        groups, code = np.unique(code, return_inverse=True)
    size, rated = len(groups), ~np.isnan(cells.rating)
    by_sentiment = np.bincount(4 * code + cells.sentiment + 1, cells.n, minlength=4 * size).reshape(size, 4)  # none, ..
    ratings = np.bincount(code[rated], cells.n[rated], minlength=size)
    sums = np.column_stack([by_sentiment.sum(axis=1), by_sentiment[:, 1:], ratings]).astype(np.int64)
    stars = np.bincount(code[rated], cells.rating[rated] * cells.n[rated], minlength=size)
    found = []
    for group in np.flatnonzero(sums[:, 0]).tolist():
        left, key_of = int(groups[group]), []
        n, negative, neutral, positive, n_ratings = sums[group].tolist()
        for held in reversed(values):
            left, index = divmod(left, len(held))
            key_of.append(int(held[index]))
        found.append((tuple(reversed(key_of)), Count(n, negative, neutral, positive, n_ratings, float(stars[group]))))
    return found


def paired(counts: Iterable[tuple[Any, int, Count]]) -> dict[Any, Pair]:
    """(key, whether of the period or the one before, count) side by side."""
    found: dict[Any, list[Count]] = {}
    for key, current, count in counts:
        found.setdefault(key, [Count(), Count()])[not current] = count
    return {key: Pair(now, before) for key, (now, before) in found.items()}
