"""What every searcher promises; a new one is added to `driving.SETUPS`."""

import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.samplers import TPESampler

import sparkexp.search
from sparkexp.errors import InvalidArgumentError
from sparkexp.search import RandomSearcher, RungSearcher, Searcher
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.trial import Trial

from . import driving
from .driving import SETUPS, drive, negated, result, score, trials

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=SETUPS)
def setup(request):
    return SETUPS[request.param]


@pytest.fixture
def make(setup):
    """Constructs a new searcher of the same settings at each call."""
    factory, space = setup
    return lambda flip=False, **options: factory(space(flip), **options)


def test_every_searcher_is_tested():
    public = [getattr(sparkexp.search, name) for name in sparkexp.search.__all__]
    concrete = {cls for cls in public if not inspect.isabstract(cls)}
    assert concrete == {type(factory(space())) for factory, space in SETUPS.values()}
    assert all(issubclass(cls, Searcher) for cls in public)
    names = [cls.name for cls in concrete]
    assert len(set(names)) == len(names)


def test_in_bounds_and_native_types(make, setup):
    space = setup[1]()
    for trial in trials(make(), score):
        assert list(trial.params) == list(space.names)
        for name, value in trial.params.items():
            parameter = space.parameters[name]
            assert type(value) in (int, float, str, bool)
            if isinstance(parameter, Choice):
                assert any(value == v and type(value) is type(v) for v in parameter.options)
            else:
                assert type(value) is (float if isinstance(parameter, Float) else int)
                assert parameter.low <= value <= parameter.high


def test_numbers_are_the_order_asked(make):
    searcher = make()
    asked = trials(searcher, score)
    assert [trial.number for trial in asked] == list(range(len(asked)))
    assert len(asked) <= searcher.n_trials
    assert len(asked) == searcher.n_trials or isinstance(searcher, RungSearcher)
    assert len({trial.id for trial in asked}) == len(asked)


def test_same_seed_same_sequence(make):
    assert trials(make(), score) == trials(make(), score)


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


@pytest.mark.parametrize("in_flight", [1, 3, 100])
def test_tell_order_is_irrelevant_unless_declared(make, in_flight):
    expected = trials(make(), score)
    for shuffle_seed in range(5):
        options = {"in_flight": in_flight, "shuffle_seed": shuffle_seed}
        asked = trials(make(), score, **options)
        if make().order_matters:
            assert in_flight > 1 or asked == expected
            assert asked == trials(make(), score, **options)
        else:
            assert asked == expected


def test_whoever_lets_order_matter_never_waits(make):
    searcher = make()
    if searcher.order_matters and not isinstance(searcher, RungSearcher):
        assert None not in [searcher.ask() for _ in range(searcher.n_trials)]
        assert searcher.ask() is None and searcher.done


def test_state_restores_the_same_next_asks(make):
    expected = trials(make(), score)
    for n_told in range(0, len(expected) + 1, 5):
        for n_open in (0, 1, 5):
            searcher = make()
            drive(searcher, score, n_trials=n_told)
            asked = [trial for trial in (searcher.ask() for _ in range(n_open)) if trial]
            # Not the oldest: what was told lies between what was not.
            told_late = asked[1:2]
            for trial in told_late:
                searcher.tell(result(trial, score(trial.params)))
            state = json.loads(json.dumps(searcher.state()))

            restored = make()
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
            assert rest == trials(searcher, score, in_flight=3, waiting=missing)
            if not searcher.order_matters:
                assert rest == [t for t in expected[n_told:] if t not in told_late]
            assert restored.done


def test_restored_searcher_takes_results_without_asking_again(make):
    searcher = make()
    first, second, third = (searcher.ask() for _ in range(3))
    restored = make()
    restored.restore(searcher.state())
    restored.tell(result(second, 1.0))
    assert [restored.ask(), restored.ask()] == [first, third]


def test_state_of_other_settings_is_refused(make, setup):
    state = make().state()
    other = RandomSearcher(Space({"x": Float(0, 1)}), n_trials=3, seed=1)
    with pytest.raises(InvalidArgumentError, match="saved by another searcher"):
        other.restore(state)
    used = make()
    used.ask()
    with pytest.raises(InvalidArgumentError, match="not yet used"):
        used.restore(state)


def test_all_failed_goes_on_to_the_end(make):
    searcher = make()
    results = drive(searcher, lambda params: None, in_flight=4)
    if isinstance(searcher, RungSearcher):  # nothing is promoted then
        assert len(results) <= searcher.n_trials
    else:
        assert len(results) == searcher.n_trials
    assert searcher.done and searcher.ask() is None


def test_extreme_values_do_no_harm(make):
    values = [1e308, -1e308, 5e-324, 0.0, -0.0, 7]
    ended = drive(make(), lambda params: values[len(str(params)) % len(values)])
    assert all(
        math.isfinite(v) for r in ended for v in r.trial.params.values() if type(v) is float
    )


def test_max_f_is_min_of_minus_f(make):
    assert trials(make(direction="max"), score) == trials(make(direction="min"), negated)


def test_one_value_ranges(setup):
    space = Space({"a": Float(0.1, 0.1), "b": Int(2, 2), "c": Choice(["x"]), "d": Int(1, 3)})
    for trial in trials(setup[0](space), score):
        assert {**trial.params, "d": 0} == {"a": 0.1, "b": 2, "c": "x", "d": 0}


def test_reversed_bounds_are_sorted_bounds(make):
    assert trials(make(flip=True), score) == trials(make(flip=False), score)


def test_stops(make):
    searcher = make()
    assert not searcher.done
    asked = trials(searcher, score, in_flight=7)
    assert len(asked) <= searcher.n_trials
    assert searcher.done
    assert [searcher.ask(), searcher.ask()] == [None, None]


def test_done_while_results_are_missing(make):
    n_trials = len(trials(make(), score))
    searcher = make()
    drive(searcher, score, n_trials=n_trials - 1)
    assert not searcher.done
    last = searcher.ask()
    assert searcher.done or n_trials < searcher.n_trials  # it may not know that it was the last
    searcher.tell(result(last, None))
    assert searcher.done and searcher.ask() is None


def test_each_result_is_told_once(make):
    searcher = make()
    trial = searcher.ask()
    with pytest.raises(InvalidArgumentError, match="another than the one asked"):
        searcher.tell(result(Trial(0, {"other": 1}), 1.0))
    searcher.tell(result(trial, 1.0))
    with pytest.raises(InvalidArgumentError, match="trial-00000 was told before"):
        searcher.tell(result(trial, 1.0))
    with pytest.raises(InvalidArgumentError, match="trial-00009 was not asked"):
        searcher.tell(result(Trial(9, {}), 1.0))


def test_settings_are_json_and_construct_the_same(make, setup):
    searcher = make()
    settings = json.loads(json.dumps(searcher.settings()))
    if "sampler" in settings:  # of Optuna: an object that the user hands over again
        settings["sampler"] = TPESampler(seed=7, n_startup_trials=6, n_ei_candidates=4)
    positional = [] if searcher.space is None else [setup[1]()]
    assert trials(type(searcher)(*positional, **settings), score) == trials(make(), score)
