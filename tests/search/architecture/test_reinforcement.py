"""The searcher with a policy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import RandomSearcher, ReinforcementSearcher
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.trial import params_key

from .spaces import both_space, chain_space, count_conv5, drive, end, restored

ALGORITHMS = pytest.mark.parametrize("algorithm", ["ppo", "reinforce"])


def make(space=None, algorithm="ppo", n_trials=150, **settings) -> ReinforcementSearcher:
    settings = {"seed": 1, **settings}
    return ReinforcementSearcher(space or chain_space(), "max", n_trials, algorithm, **settings)


@ALGORITHMS
def test_it_learns(algorithm):
    last, random = [], []
    for seed in range(3):
        searchers = make(algorithm=algorithm, seed=seed), RandomSearcher(chain_space(), seed=seed)
        for searcher, found in zip(searchers, (last, random), strict=True):
            asked = drive(searcher, count_conv5, 150)
            found += [count_conv5(trial.params) for trial in asked[-50:]]
    assert np.mean(last) > 2 * np.mean(random)


@ALGORITHMS
@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_metric_does_not_matter(algorithm, scale):
    def scaled(params):
        return scale * count_conv5(params) + 3 * scale

    one, other = make(algorithm=algorithm), make(algorithm=algorithm)
    assert drive(one, count_conv5, 60) == drive(other, scaled, 60)


def test_results_of_an_earlier_policy_are_learned_from():
    """Eight in flight, told in another order than they were asked."""
    searcher = make(n_trials=240)
    flying, values = [searcher.ask() for _ in range(8)], []
    for k in range(200):
        trial = flying.pop((5 * k) % 8)
        values.append(count_conv5(trial.params))
        searcher.tell(end(trial, values[-1]))
        flying.append(searcher.ask())
    assert np.mean(values[-50:]) > 1.5 * np.mean(values[:16])


def test_nothing_is_tried_twice_while_there_is_something_new():
    asked = drive(make(both_space()), count_conv5, 150)
    assert len({params_key(trial.params) for trial in asked}) == 150


def test_a_space_that_is_used_up_does_not_end_the_search():
    asked = drive(make(Space({"x": Int(1, 3)}), n_trials=40), lambda params: params["x"], 40)
    assert {trial.params["x"] for trial in asked} == {1, 2, 3}


def test_values_of_a_continuous_parameter_are_all_over_its_range():
    space = Space({"x": Float(0, 1), "n": Int(1, 10_000), "kind": Choice(["a", "b"])})
    searcher = make(space, n_trials=400)
    assert searcher._sizes == [8, 8, 2]
    found = [trial.params["x"] for trial in drive(searcher, lambda params: 0.0, 400)]
    assert len(set(found)) == 400
    assert np.histogram(found, 16, (0, 1))[0].min() > 0


def test_decisions_of_absent_parameters_do_not_count():
    searcher = make(both_space())
    trials = [searcher.ask() for _ in range(30)]
    for trial in trials:
        assert searcher._samples[trial.number].counted[-1] == ("momentum" in trial.params)


@ALGORITHMS
def test_its_state_is_restored_at_any_point(algorithm):
    def new():
        return make(both_space(), algorithm)

    for n in (5, 10, 33):
        searcher = new()
        drive(searcher, count_conv5, n)
        flying = [searcher.ask() for _ in range(3)]
        again = restored(new, searcher)
        assert [again.ask() for _ in range(3)] == flying
        for one in (searcher, again):
            for trial in flying:
                one.tell(end(trial, count_conv5(trial.params)))
        assert drive(searcher, count_conv5, 25) == drive(again, count_conv5, 25)
        assert again.progress() == searcher.progress()


def test_its_state_stays_small():
    searcher = make(both_space(), n_trials=None)
    drive(searcher, count_conv5, 20)
    early = len(json.dumps(searcher.state()))
    drive(searcher, count_conv5, 300)
    # Per trial, only the few characters by which a configuration is known.
    assert len(json.dumps(searcher.state())) - early < 300 * 18 + 4000
    assert early < 150_000


def test_the_policy_is_packed_once_for_each_update():
    searcher = make()
    drive(searcher, count_conv5, 10)
    before = searcher.state()["memory"]["policy"]
    drive(searcher, count_conv5, 9)
    assert searcher.state()["memory"]["policy"] is before
    drive(searcher, count_conv5, 1)
    assert searcher.state()["memory"]["policy"] != before


def test_entropy_and_baseline_are_shown():
    searcher = make()
    drive(searcher, count_conv5, 9)
    assert searcher.progress() == {}
    drive(searcher, count_conv5, 1)
    first = searcher.progress()
    assert first["policy entropy"] == pytest.approx(1, abs=0.02)
    assert first["reward baseline"] == pytest.approx(0.5)
    drive(searcher, count_conv5, 140)
    assert searcher.progress()["policy entropy"] < first["policy entropy"]


def test_a_failed_trial_is_learned_as_the_worst():
    searcher = make()

    def value(params):
        return None if params["architecture"].startswith("none") else 1.0

    asked = drive(searcher, value, 150)
    failed = [value(trial.params) is None for trial in asked]
    assert sum(failed[-50:]) <= sum(failed[:50])
    assert np.isfinite(list(searcher.progress().values())).all()


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("algorithm", "dqn"), ("batch", 1), ("learning_rate", 0), ("entropy", -1)],
)
def test_settings_out_of_range(setting, wrong):
    with pytest.raises(InvalidArgumentError, match=setting):
        ReinforcementSearcher(chain_space(), **{setting: wrong})
