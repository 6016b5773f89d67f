from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.batching import cut, max_by_owner, mean_by_owner, plan


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(1, 4096), st.integers(1, 1024))
def test_every_piece_is_in_one_batch_within_the_budget(lengths: list[int], budget: int, enough: int) -> None:
    given_lengths = np.array(lengths, np.int64)
    batches = list(plan(given_lengths, budget=budget, enough=enough))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * given_lengths[batch].max() <= budget


def test_little_is_padding() -> None:
    lengths = np.random.default_rng(0).gamma(1.6, 20, 4000).astype(np.int64) + 2
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in plan(lengths, budget=2048))
    assert padded < 1.1 * lengths.sum()


def test_pieces_of_a_text_are_joined_by_length() -> None:
    pieces = cut([3, 20, 0], size=8)
    assert pieces.owner.tolist() == [0, 1, 1, 1, 2]
    assert (pieces.lengths <= 8).all()
    values = np.array([[1.0], [2.0], [4.0], [6.0], [9.0]], np.float32)
    assert mean_by_owner(values, pieces, 3)[:2, 0] == pytest.approx([1, 4])
    assert max_by_owner(values, pieces, 3)[:, 0].tolist() == [1, 6, 9]
    weights = np.array([1, 0, 0, 1, 1], np.float32)
    assert mean_by_owner(values, pieces, 3, weights=weights)[:, 0] == pytest.approx([1, 6, 9])
