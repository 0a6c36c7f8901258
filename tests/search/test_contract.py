"""What every searcher promises; a new one is added to `driving.SETUPS`."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.samplers import TPESampler

import sparkexp.search
from sparkexp.search import Searcher
from sparkexp.search.registry import rebuild
from sparkexp.testing import SearcherContract
from sparkexp.testing.driving import (
    conditional_space,
    constrained_space,
    draw_configurations,
    score,
    trials,
)
from sparkexp.trial import params_key

from . import driving
from .climbing import ClimbingSearcher
from .driving import SETUPS

ROOT = Path(__file__).parents[2]


class TestContract(SearcherContract):
    """The contract, for every searcher of the package."""

    @pytest.fixture(autouse=True, params=SETUPS)
    def setup_of(self, request):
        self.factory, self.its_space = SETUPS[request.param]

    def make_searcher(self, space, direction, seed):
        searcher = self.factory(space, direction)
        assert searcher.settings().get("seed", seed) == seed
        return searcher

    def space(self, flip=False):
        return self.its_space(flip)

    def make_again(self, cls, space, settings):
        if "sampler" in settings:  # of Optuna: an object that the user hands over again
            sampler = TPESampler(seed=7, n_startup_trials=6, n_ei_candidates=4)
            settings = {**settings, "sampler": sampler}
        if "source" in settings:
            return rebuild(cls.name, space, settings)
        positional = [] if self._make().space is None else [space]
        return cls(*positional, **settings)

    # In one process for all of them: below.
    test_second_process_same_sequence = None


class TestOwnContract(SearcherContract):
    """The contract, for a searcher as users write one."""

    def make_searcher(self, space, direction, seed):
        return ClimbingSearcher(space, direction, n_trials=30, seed=seed)


def test_every_searcher_is_tested():
    public = [getattr(sparkexp.search, name) for name in sparkexp.search.__all__]
    concrete = {cls for cls in public if not inspect.isabstract(cls)}
    assert concrete == {type(factory(space())) for factory, space in SETUPS.values()}
    assert all(issubclass(cls, Searcher) for cls in public)
    names = [cls.name for cls in concrete]
    assert len(set(names)) == len(names)


def test_second_process_same_sequence():
    code = "import driving, json; print(json.dumps(driving.sequences()))"
    env = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == driving.sequences()


@pytest.mark.parametrize(
    "space", [conditional_space(), constrained_space()], ids=["tree", "where"]
)
@pytest.mark.parametrize("name", SETUPS)
def test_who_begins_with_nothing_and_what_a_grid_makes_of_it(name, space):
    make, initial = SETUPS[name][0], draw_configurations(space, 3)
    searcher = make(space)
    if searcher._max_initial() == 0:  # a list, or the places of a grid
        assert searcher.name in ("list", "asha")
    if searcher.name == "grid":
        searcher.start_from(initial)
        asked, whole = trials(searcher, score), trials(make(space), score)
        assert {params_key(t.params) for t in asked} == {params_key(t.params) for t in whole}
        assert len({params_key(t.params) for t in asked}) == len(asked)
