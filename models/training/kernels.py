"""The inner loop of the n-gram table, compiled by numba: one text at a time, no dense gradient, one thread.

Imported only by `models.training.ngrams`, since numba belongs to the extra `train`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]
_N_SENTIMENTS = 3


@njit(cache=True, fastmath=True, nogil=True)
def learn(
    order: Array,  # int64 [m]: rows of the corpus, in the order of learning
    flat: Array,  # int32: table rows of all n-grams of all texts
    offsets: Array,  # int64 [n + 1]: those of text i lie between offsets i and i + 1
    sentiment: Array,  # int8 [n], -1 unknown
    weight: Array,  # float32 [n]: of the sentiment's loss
    topics: Array,  # int32 [n]: bit mask
    labelled: Array,  # int32 [n]: bit mask of the topics that are decided
    decided: Array,  # float32 [n]: weight of these decisions
    polarity: Array,  # int8 [n, K], -1 unknown
    table: Array,  # float32 [rows, D], changed
    moved: Array,  # float32 [rows]: Adagrad's sum of squares, one for each row, changed
    heads: Array,  # float32 [3 + K + 3 K, D], changed
    bias: Array,  # float32 [3 + K + 3 K], changed
    heads_moved: Array,  # float32 [3 + K + 3 K], changed
    bias_moved: Array,  # float32 [3 + K + 3 K], changed
    rate_first: float,  # the rate falls evenly from here ...
    rate_last: float,  # ... to here
    head_rate: float,  # rate of the heads, as a multiple
    dropout: float,  # share of n-grams that one visit leaves out
    smoothing: float,
    polarity_weight: float,
    seed: int,  # of the dropout
) -> float:
    """Mean loss of the sentiments seen."""
    n_dims, n_topics, n_outputs = table.shape[1], polarity.shape[1], heads.shape[0]
    state = np.uint64(88172645463325252) ^ (np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15))
    least = np.uint64(dropout * 4294967296.0)
    vector, pull = np.zeros(n_dims, np.float32), np.zeros(n_dims, np.float32)
    logits, error = np.zeros(3, np.float32), np.zeros(n_outputs, np.float32)
    asked = np.zeros(n_outputs, np.bool_)
    longest = 0
    for row in order:
        longest = max(longest, offsets[row + 1] - offsets[row])
    kept = np.empty(longest, np.int32)
    loss, n_seen = 0.0, 0.0
    for place in range(len(order)):
        row = order[place]
        rate = np.float32(rate_first + (rate_last - rate_first) * place / len(order))
        n_kept = 0
        vector[:] = 0
        for position in range(offsets[row], offsets[row + 1]):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            if (state & np.uint64(0xFFFFFFFF)) < least:
                continue
            index = flat[position]
            kept[n_kept] = index
            n_kept += 1
            for d in range(n_dims):
                vector[d] += table[index, d]
        if n_kept == 0:
            continue
        scale = np.float32(1.0 / np.sqrt(n_kept))
        square = np.float32(0)
        for d in range(n_dims):
            vector[d] *= scale
            square += vector[d] * vector[d]
        asked[:] = False
        if sentiment[row] >= 0 and weight[row] > 0:
            loss -= np.log(
                max(_classes(heads, bias, vector, 0, sentiment[row], smoothing, weight[row], logits, error), 1e-9)
            )
            n_seen += 1
            asked[:_N_SENTIMENTS] = True
        if labelled[row] != 0:
            for k in range(n_topics):
                if (labelled[row] >> k) & 1:
                    output = _N_SENTIMENTS + k
                    logit = bias[output]
                    for d in range(n_dims):
                        logit += heads[output, d] * vector[d]
                    target = smoothing / 20 + ((1 - smoothing) if (topics[row] >> k) & 1 else 0.0)
                    error[output] = decided[row] * (np.float32(1) / (np.float32(1) + np.exp(-logit)) - target)
                    asked[output] = True
                if polarity[row, k] >= 0:
                    output = _N_SENTIMENTS + n_topics + 3 * k
                    _classes(heads, bias, vector, output, polarity[row, k], smoothing, polarity_weight, logits, error)
                    asked[output : output + 3] = True
        pull[:] = 0
        for output in range(n_outputs):
            if not asked[output]:
                continue
            wrong = error[output]
            bias_moved[output] += wrong * wrong
            bias[output] -= np.float32(head_rate) * rate * wrong / np.sqrt(bias_moved[output])
            heads_moved[output] += wrong * wrong * square / n_dims
            step = np.float32(head_rate) * rate * wrong / np.sqrt(heads_moved[output])
            for d in range(n_dims):
                pull[d] += wrong * heads[output, d]
                heads[output, d] -= step * vector[d]
        mean_square = np.float32(0)
        for d in range(n_dims):
            pull[d] *= scale
            mean_square += pull[d] * pull[d]
        mean_square /= n_dims
        for j in range(n_kept):
            index = kept[j]
            moved[index] += mean_square
            step = rate / np.sqrt(moved[index])
            for d in range(n_dims):
                table[index, d] -= step * pull[d]
    return loss / max(n_seen, 1.0)


@njit(cache=True, fastmath=True, nogil=True)
def _classes(
    heads: Array,
    bias: Array,
    vector: Array,
    first: int,
    label: int,
    smoothing: float,
    weight: float,
    logits: Array,
    error: Array,
) -> Any:
    """Errors of three classes from output `first` on, written to `error`; the label's probability."""
    for c in range(3):
        logit = bias[first + c]
        for d in range(len(vector)):
            logit += heads[first + c, d] * vector[d]
        logits[c] = logit
    largest = max(logits[0], logits[1], logits[2])
    total = np.float32(0)
    for c in range(3):
        logits[c] = np.exp(logits[c] - largest)
        total += logits[c]
    for c in range(3):
        target = smoothing / 3 + ((1 - smoothing) if c == label else 0.0)
        error[first + c] = np.float32(weight) * np.float32(logits[c] / total - target)
    return logits[label] / total


@njit(cache=True, fastmath=True, nogil=True)
def vectors(rows: Array, flat: Array, offsets: Array, table: Array, out: Array) -> None:
    """Sum of the table's rows of each text over the square root of their number, into `out` [n, D] of zeros."""
    for t in range(len(rows)):
        row = rows[t]
        n = max(offsets[row + 1] - offsets[row], 1)
        for position in range(offsets[row], offsets[row + 1]):
            for d in range(table.shape[1]):
                out[t, d] += table[flat[position], d]
        scale = np.float32(1.0 / np.sqrt(n))
        for d in range(table.shape[1]):
            out[t, d] *= scale
