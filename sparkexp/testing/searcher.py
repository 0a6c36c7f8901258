"""The contract of `Searcher`, as tests."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import RandomSearcher, Searcher
from sparkexp.space import ArchitectureSpace, Choice, Float, Int, Space
from sparkexp.testing.driving import (
    ask_trial,
    drive,
    get_n_trials,
    mixed_space,
    negate_score,
    result,
    score,
    trials,
)
from sparkexp.testing.searcher_spaces import SEED, SearcherInSpaces, has_rungs
from sparkexp.trial import Direction, Trial

__all__ = ["SearcherContract"]


class SearcherContract(SearcherInSpaces):
    """Tests for every searcher: derive a test class, and implement `make_searcher`.

    The tests search several spaces, in which some configurations fail. A searcher that can't
    search all kinds of parameters overrides `space`.

    Examples
    --------
    >>> class TestMine(SearcherContract):
    ...     def make_searcher(self, space, direction, seed):
    ...         return RandomSearcher(space, n_trials=30, seed=seed)
    """

    def space(self, flip: bool = False) -> Space:
        """Return the space to search; with `flip` the bounds of its ranges are given high first.

        By default it has every kind of parameter.
        """
        return mixed_space(flip)

    def make_again(self, cls: type[Any], space: Space, settings: Mapping[str, Any]) -> Searcher:
        """Return a searcher that is constructed from the settings of another."""
        searcher: Searcher = cls(space, **settings)
        return searcher

    def sequence(self) -> str:
        """Return the trials that a new searcher asks, as a text."""
        return json.dumps([[t.id, t.parent, t.arguments] for t in trials(self._make(), score)])

    def _make(self, flip: bool = False, direction: Direction = "max") -> Searcher:
        return self.make_searcher(self.space(flip), direction, SEED)

    def test_in_bounds_and_native_types(self) -> None:
        space = self.space()
        for trial in trials(self._make(), score):
            assert list(trial.params) == list(space.names)
            for name, value in trial.params.items():
                parameter = space.parameters[name]
                assert type(value) in (int, float, str, bool)
                if isinstance(parameter, Choice):
                    assert any(value == v and type(value) is type(v) for v in parameter.options)
                elif isinstance(parameter, ArchitectureSpace):
                    assert parameter.check(value) == value
                else:
                    assert type(value) is (float if isinstance(parameter, Float) else int)
                    assert parameter.low <= value <= parameter.high

    def test_it_has_a_name(self) -> None:
        assert self._make().name

    def test_numbers_are_the_order_asked(self) -> None:
        searcher = self._make()
        asked = trials(searcher, score)
        assert [trial.number for trial in asked] == list(range(len(asked)))
        assert len(asked) <= get_n_trials(searcher)
        assert len(asked) == get_n_trials(searcher) or has_rungs(searcher)
        assert len({trial.id for trial in asked}) == len(asked)

    def test_same_seed_same_sequence(self) -> None:
        assert trials(self._make(), score) == trials(self._make(), score)

    def test_second_process_same_sequence(self) -> None:
        """Nothing depends on the hashes of texts, or on the history of this process."""
        code = "import sys, pickle; print(pickle.load(sys.stdin.buffer).sequence())"
        import cloudpickle

        path = os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=cloudpickle.dumps(self),
            env=os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": path},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.decode().splitlines()[-1] == self.sequence()

    @pytest.mark.parametrize("in_flight", [1, 3, 100])
    def test_tell_order_is_irrelevant_unless_declared(self, in_flight: int) -> None:
        expected = trials(self._make(), score)
        for shuffle_seed in range(5):
            options: dict[str, Any] = {"in_flight": in_flight, "shuffle_seed": shuffle_seed}
            asked = trials(self._make(), score, **options)
            if self._make().order_matters:
                assert in_flight > 1 or asked == expected
                assert asked == trials(self._make(), score, **options)
            else:
                assert asked == expected

    def test_if_order_matters_it_never_waits(self) -> None:
        searcher = self._make()
        if searcher.order_matters and not has_rungs(searcher):
            assert None not in [searcher.ask() for _ in range(get_n_trials(searcher))]
            assert searcher.ask() is None and searcher.done

    def test_state_restores_the_same_next_asks(self) -> None:
        expected = trials(self._make(), score)
        for n_told in range(0, len(expected) + 1, 5):
            for n_open in (0, 1, 5):
                searcher = self._make()
                drive(searcher, score, n_trials=n_told)
                asked = [trial for trial in (searcher.ask() for _ in range(n_open)) if trial]
                # Not the oldest, so that a told trial lies between open ones.
                told_late = asked[1:2]
                for trial in told_late:
                    searcher.tell(result(trial, score(trial.params)))
                state = json.loads(json.dumps(searcher.state()))

                restored = self._make()
                restored.restore(state)
                missing = [trial for trial in asked if trial not in told_late]
                assert json.loads(json.dumps(restored.state())) == state
                assert restored.done == (searcher.done and not missing)
                rest = trials(restored, score, in_flight=3)
                assert len(rest) == len(expected) - n_told - len(told_late)
                if not searcher.restores_exactly:
                    assert rest[: len(missing)] == missing
                    continue
                assert [t for t in rest if t.number < n_told + len(asked)] == missing
                assert rest == trials(searcher, score, in_flight=3, open_trials=missing)
                if not searcher.order_matters:
                    assert rest == [t for t in expected[n_told:] if t not in told_late]
                assert restored.done

    def test_restored_searcher_takes_results_without_asking_again(self) -> None:
        searcher = self._make()
        first, second, third = (ask_trial(searcher) for _ in range(3))
        restored = self._make()
        restored.restore(searcher.state())
        restored.tell(result(second, 1.0))
        assert [restored.ask(), restored.ask()] == [first, third]

    def test_state_of_other_settings_is_refused(self) -> None:
        state = self._make().state()
        other = RandomSearcher(Space({"x": Float(0, 1)}), n_trials=3, seed=1)
        with pytest.raises(InvalidArgumentError, match="saved by another searcher"):
            other.restore(state)
        used = self._make()
        used.ask()
        with pytest.raises(InvalidArgumentError, match="not yet used"):
            used.restore(state)

    def test_all_failed_goes_on_to_the_end(self) -> None:
        searcher = self._make()
        results = drive(searcher, lambda params: None, in_flight=4)
        if has_rungs(searcher):  # nothing is promoted then
            assert len(results) <= get_n_trials(searcher)
        else:
            assert len(results) == get_n_trials(searcher)
        assert searcher.done and searcher.ask() is None

    def test_extreme_values_do_no_harm(self) -> None:
        values = [1e308, -1e308, 5e-324, 0.0, -0.0, 7]
        ended = drive(self._make(), lambda params: values[len(str(params)) % len(values)])
        assert all(
            math.isfinite(v) for r in ended for v in r.trial.params.values() if type(v) is float
        )

    def test_max_f_is_min_of_minus_f(self) -> None:
        assert trials(self._make(direction="max"), score) == trials(
            self._make(direction="min"), negate_score
        )

    def test_one_value_ranges(self) -> None:
        space = Space({"a": Float(0.1, 0.1), "b": Int(2, 2), "c": Choice(["x"]), "d": Int(1, 3)})
        for trial in trials(self.make_searcher(space, "max", SEED), score):
            assert {**trial.params, "d": 0} == {"a": 0.1, "b": 2, "c": "x", "d": 0}

    def test_reversed_bounds_are_sorted_bounds(self) -> None:
        assert trials(self._make(flip=True), score) == trials(self._make(), score)

    def test_stops(self) -> None:
        searcher = self._make()
        assert not searcher.done
        asked = trials(searcher, score, in_flight=7)
        assert len(asked) <= get_n_trials(searcher)
        assert searcher.done
        assert [searcher.ask(), searcher.ask()] == [None, None]

    def test_done_while_results_are_missing(self) -> None:
        n_trials = len(trials(self._make(), score))
        searcher = self._make()
        drive(searcher, score, n_trials=n_trials - 1)
        assert not searcher.done
        last = ask_trial(searcher)
        assert searcher.done or n_trials < get_n_trials(
            searcher
        )  # it may not know yet that this is the last one
        searcher.tell(result(last, None))
        assert searcher.done and searcher.ask() is None

    def test_each_result_is_told_once(self) -> None:
        searcher = self._make()
        trial = ask_trial(searcher)
        with pytest.raises(InvalidArgumentError, match="not the trial that was asked"):
            searcher.tell(result(Trial(0, {"other": 1}), 1.0))
        searcher.tell(result(trial, 1.0))
        with pytest.raises(InvalidArgumentError, match="trial-00000 was told before"):
            searcher.tell(result(trial, 1.0))
        with pytest.raises(InvalidArgumentError, match="trial-00009 was not asked"):
            searcher.tell(result(Trial(9, {}), 1.0))

    def test_settings_are_json_and_construct_the_same(self) -> None:
        searcher = self._make()
        settings = json.loads(json.dumps(searcher.settings()))
        again = self.make_again(type(searcher), self.space(), settings)
        assert trials(again, score) == trials(self._make(), score)
