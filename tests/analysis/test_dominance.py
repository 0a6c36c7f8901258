"""Who dominates whom, and who is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkexp.analysis.dominance import crowding_distances, select_survivors, sort_into_fronts


def test_fronts_of_a_known_set():
    losses = np.array([[1, 5], [2, 2], [3, 3], [5, 1], [2, 2], [4, 4], [6, 6]], dtype=float)
    assert sort_into_fronts(losses) == [[0, 1, 3, 4], [2], [5], [6]]


def test_crowding_of_a_known_front():
    # Deb et al. (2002): the gaps of the neighbours over the width, summed over the objectives.
    losses = np.array([[0.0, 10.0], [1.0, 6.0], [5.0, 5.0], [10.0, 0.0]])
    assert crowding_distances(losses) == pytest.approx([np.inf, 0.5 + 0.5, 0.9 + 0.6, np.inf])
    assert crowding_distances(np.zeros((3, 2))).tolist() == [np.inf, 0.0, np.inf]
    assert np.isfinite(crowding_distances(np.array([[-1e308, 0.0], [0.0, 0.0], [1e308, 0.0]]))[1])


def test_failed_trials_are_last():
    losses = np.array([[np.inf, np.inf], [1.0, 2.0], [np.inf, np.inf], [2.0, 1.0]])
    assert sort_into_fronts(losses) == [[1, 3], [0, 2]]
    assert select_survivors(losses, 3) == [0, 1, 3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=20), st.integers(1, 20))
def test_by_definition(rows, n):
    losses = np.array(rows, dtype=float)

    def dominates(a, b):
        return bool((losses[a] <= losses[b]).all() and (losses[a] < losses[b]).any())

    ranked = sort_into_fronts(losses)
    assert sorted(k for front in ranked for k in front) == list(range(len(rows)))
    for k, front in enumerate(ranked):
        assert not any(dominates(a, b) for a in front for b in front)
        if k:
            assert all(any(dominates(a, b) for a in ranked[k - 1]) for b in front)
    kept = select_survivors(losses, min(n, len(rows)))
    assert len(kept) == min(n, len(rows))
    rank = {row: k for k, front in enumerate(ranked) for row in front}
    assert max(rank[k] for k in kept) <= min(
        (rank[k] for k in range(len(rows)) if k not in kept), default=len(rows)
    )
