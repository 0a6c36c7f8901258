"""Tests for every searcher in conditional and constrained spaces, and with a warm start."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import Searcher
from sparkexp.search.base import KnownResult
from sparkexp.space import Float, Int, Space
from sparkexp.testing.driving import (
    conditional_space,
    constrained_space,
    draw_configurations,
    drive,
    get_n_trials,
    score,
    trials,
)
from sparkexp.trial import Direction, params_key

__all__ = ["SEED", "SearcherInSpaces", "has_rungs"]

# The seed of the searchers in these tests.
SEED = 7


def has_rungs(searcher: Searcher) -> bool:
    """Tell whether a searcher has rungs: then it may ask fewer trials than `n_trials`."""
    return bool(searcher.rungs)


def _check_restoring(
    make: Callable[[Space], Searcher], space: Space, n_told: int = 7, **warm_start: Any
) -> None:
    """Tell n results, restore the state from JSON in a new searcher, and check that it goes on."""
    searcher, later = make(space), make(space)
    for each in (searcher, later):
        each.start_from(**warm_start)
    drive(searcher, score, n_trials=n_told)
    later.restore(json.loads(json.dumps(searcher.state())))
    rest = trials(later, score)
    assert [trial.number for trial in rest] == list(range(n_told, get_n_trials(searcher)))
    assert all(space.allows(space.check(trial.params)) for trial in rest)
    if searcher.restores_exactly:
        assert rest == trials(searcher, score)


class SearcherInSpaces(ABC):
    """Tests of conditional and constrained spaces, of initial trials, and of known results."""

    @abstractmethod
    def make_searcher(self, space: Space, direction: Direction, seed: int) -> Searcher:
        """Return a new searcher; with the same arguments, one that asks the same trials.

        Parameters
        ----------
        space : Space
            The search space.
        direction : {'max', 'min'}
            Whether the objective is maximised or minimised; for searchers that learn.
        seed : int
            The seed; for searchers with random numbers.

        Returns
        -------
        Searcher
            With 15 to 60 trials: enough to test it, and few enough to be fast.
        """

    def _make_in(self, space: Space) -> Searcher:
        return self.make_searcher(space, "max", SEED)

    def test_conditional_parameters(self) -> None:
        make, space = self._make_in, conditional_space()
        asked = trials(make(space), score)
        for trial in asked:
            assert space.check(trial.params) == trial.params
            assert list(space.check(trial.params)) == list(trial.params)
        assert {trial.params["optimizer"] for trial in asked} == {"sgd", "adam", "ftrl"}
        assert trials(make(space), score) == asked
        _check_restoring(make, space)

    def test_where(self) -> None:
        make, space = self._make_in, constrained_space()
        asked = trials(make(space), score)
        for trial in asked:
            assert space.allows(space.check(trial.params))
        assert len(asked) == get_n_trials(make(space))
        assert len({tuple(trial.params.items()) for trial in asked}) > len(asked) / 3
        assert trials(make(space), score) == asked
        _check_restoring(make, space)

    def test_where_that_allows_a_sliver(self) -> None:
        """Only 7 of 400 configurations are allowed."""

        def product(params: Mapping[str, Any]) -> int:
            return int(params["a"] * params["b"])

        space = Space({"a": Int(1, 20), "b": Int(1, 20)}, where=lambda p: product(p) == 36)
        asked = trials(self._make_in(space), score)
        assert asked and all(product(t.params) == 36 for t in asked)

    @pytest.mark.parametrize(
        "space", [conditional_space(), constrained_space()], ids=["tree", "where"]
    )
    def test_initial(self, space: Space) -> None:
        make, initial = self._make_in, draw_configurations(space, 3)
        searcher = make(space)
        if searcher._max_initial() == 0:  # a list, or the indices of a grid
            with pytest.raises(InvalidArgumentError, match="begins with at most 0"):
                searcher.start_from(initial)
            return
        searcher.start_from(initial)
        asked = trials(searcher, score)
        assert [dict(trial.params) for trial in asked[:3]] == initial
        assert len(asked) == get_n_trials(make(space))
        assert all(space.allows(space.check(trial.params)) for trial in asked)
        for trial in asked[3:]:  # a promoted trial has the params of its parent
            if trial.rung and trial.parent:
                parent = next(t for t in asked if t.id == trial.parent)
                assert trial.params == parent.params
        _check_restoring(make, space, initial=initial)
        _check_restoring(make, space, n_told=1, initial=initial)

    def test_too_many_initial(self) -> None:
        space = conditional_space()
        searcher = self._make_in(space)
        with pytest.raises(InvalidArgumentError, match="Leave some out"):
            searcher.start_from(draw_configurations(space, 1) * 200)

    def test_warm_start(self) -> None:
        """A searcher that learns proposes other trials than without, and can be restored."""
        make, space = self._make_in, conditional_space()
        known = [
            KnownResult(params, float(len(str(params))))
            for params in draw_configurations(space, 30)
        ]
        searcher = make(space)
        learns = searcher.start_from((), known)
        asked = trials(searcher, score)
        assert (asked != trials(make(space), score)) is learns
        assert len(asked) == get_n_trials(make(space))
        for trial in asked:
            assert space.check(trial.params) == trial.params
        _check_restoring(make, space, known=known)
        with pytest.raises(InvalidArgumentError, match="another searcher"):
            make(space).restore(searcher.state())

    def test_the_search_starts_from_the_best_known(self) -> None:
        """The best known result is near 0.9, and so are the first trials of one that learns."""
        space = Space({"x": Float(0, 1, step=0.05), "y": Float(0, 1, step=0.1)})
        rng = np.random.default_rng(3)
        drawn = {params_key(p): p for p in map(space.decode, rng.random((60, 2)))}

        def objective(params: Mapping[str, Any]) -> float:
            return float(-((params["x"] - 0.9) ** 2) - (params["y"] - 0.9) ** 2)

        searcher = self._make_in(space)
        learns = searcher.start_from((), [KnownResult(p, objective(p)) for p in drawn.values()])
        first = [r.trial for r in drive(searcher, objective, n_trials=14)]
        near = np.mean([-objective(trial.params) < 0.1 for trial in first])
        assert near > 0.3 or not learns
