"""Noisy objectives: repeats= and confirm=."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkexp import experiment
from sparkexp.analysis.ranking import Standings, list_configurations, merge_by_configuration
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.results.best_trial import BestTrial, find_best
from sparkexp.results.report import render_report
from sparkexp.runs import open_run
from sparkexp.search import EvolutionSearcher, RandomSearcher
from sparkexp.search.repeating import RepeatingSearcher
from sparkexp.space import Float, Space
from sparkexp.trial import State, Trial, TrialResult

from ..search.driving import SETUPS, drive, score, trials

HOW = {"engine": "inline", "progress": False}


def noisy(x, seed):
    return -((x - 0.3) ** 2) + float(np.random.default_rng(seed).normal()) / 10


def test_every_configuration_runs_with_the_same_seeds():
    result = experiment.random_search(
        None, noisy, {"x": [0.0, 1.0]}, n_trials=5, seed=1, repeats=3, **HOW
    )
    assert len(result) == 15
    assert [r.trial.repetition for r in result.trials] == [0, 1, 2] * 5
    seeds = [r.trial.extra["seed"] for r in result.trials]
    assert len(set(seeds)) == 3 and seeds == seeds[:3] * 5
    assert len({r.trial.params["x"] for r in result.trials}) == 5
    assert len({r.trial.id for r in result.trials}) == 15
    frame = result.configurations()
    assert frame["n_runs"].tolist() == [3] * 5
    for _, row in frame.iterrows():
        values = [r.value for r in result.trials if r.trial.params["x"] == row["x"]]
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["std"] == pytest.approx(np.std(values, ddof=1))
    assert frame["mean"].is_monotonic_decreasing
    best = result.best
    assert (best.params["x"], best.value) == (frame["x"][0], pytest.approx(frame["mean"][0]))
    assert best.n_runs == 3 and best.spread == pytest.approx(frame["std"][0])
    assert "± " in str(result) and "(3 runs)" in str(result)
    assert result.to_pandas()["repetition"].tolist() == [0, 1, 2] * 5


def test_without_a_seed_argument_each_run_is_run_all_the_same():
    calls = []

    def train(x):
        calls.append(x)
        return float(len(calls))

    result = experiment.random_search(None, train, {"x": [0.0, 1.0]}, n_trials=2, repeats=3, **HOW)
    assert len(calls) == 6 and [r.value for r in result.trials] == [1, 2, 3, 4, 5, 6]
    assert all(not r.trial.extra for r in result.trials)


def test_a_parameter_called_seed_stays_what_it_is():
    result = experiment.launch(None, lambda seed: seed, {"seed": [1, 2]}, repeats=2, **HOW)
    assert [r.value for r in result.trials] == [1, 1, 2, 2]


def test_the_searcher_is_told_the_mean():
    told = []

    class Listening(RandomSearcher):
        def _learn(self, result):
            told.append((result.trial.number, result.state, result.value))

    space = Space({"x": Float(0, 1)})
    searcher = RepeatingSearcher(Listening(space, 3, seed=1), ["max"], repeats=3)
    values = iter([1.0, 2.0, 6.0, None, 1.0, 2.0, None, None, None])
    drive(searcher, lambda params: next(values))
    assert told == [(0, State.SUCCEEDED, 3.0), (1, State.SUCCEEDED, 1.5), (2, State.FAILED, None)]


def test_confirm_runs_the_best_again_with_other_seeds():
    result = experiment.random_search(
        None, noisy, {"x": [0.0, 1.0]}, n_trials=6, seed=1, repeats=2, confirm=2, **HOW
    )
    assert len(result) == 6 * 2 + 2 * 2
    search, confirming = result.trials[:12], result.trials[12:]
    means = {}
    for r in search:
        means.setdefault(r.trial.params["x"], []).append(r.value)
    best = sorted(means, key=lambda x: -np.mean(means[x]))[:2]
    assert [r.trial.params["x"] for r in confirming] == [best[0], best[0], best[1], best[1]]
    assert [r.trial.repetition for r in confirming] == [2, 3, 2, 3]
    assert not {r.trial.extra["seed"] for r in confirming} & {
        r.trial.extra["seed"] for r in search
    }
    of_all = {
        x: np.mean([r.value for r in result.trials if r.trial.params["x"] == x]) for x in best
    }
    assert result.best.params["x"] == max(of_all, key=of_all.get)
    assert result.best.value == pytest.approx(max(of_all.values())) and result.best.n_runs == 4


def test_confirming_finds_the_better_of_noisy_ones():
    """The best of many noisy single values is lucky; those confirmed are better on average."""
    true = {True: [], False: []}
    for seed in range(8):
        for confirm in (False, True):
            result = experiment.random_search(
                None, lambda x, seed=0: noisy(x, seed + round(1e6 * x)), {"x": [0.0, 1.0]},
                n_trials=20, seed=seed, confirm=6 if confirm else 0, repeats=4 if confirm else 1,
                **HOW,
            )  # fmt: skip
            true[confirm].append((result.best.params["x"] - 0.3) ** 2)
    assert np.mean(true[True]) < np.mean(true[False])


def test_max_trials_leaves_room_for_confirming():
    result = experiment.random_search(
        None, noisy, {"x": [0.0, 1.0]}, repeats=2, confirm=3, max_trials=20, **HOW
    )
    assert len(result) == 20 and result.best.n_runs == 4
    assert result.stopped is None


def test_generations_and_parents(tmp_path):
    result = experiment.evolutionary_search(
        None, noisy, {"x": [0.0, 1.0]}, popsize=4, generations=2, variant="classic", seed=3,
        repeats=2, confirm=1, logdir=tmp_path, **HOW,
    )  # fmt: skip
    assert "NA" not in str(result).upper()
    assert "&lt;NA&gt;" not in render_report(open_run(tmp_path))
    by_id = {r.trial.id: r.trial for r in result.trials}
    assert [r.trial.generation for r in result.trials] == [0] * 8 + [1] * 8 + [2] * 8 + [None] * 2
    children = [t for t in by_id.values() if t.parent]
    assert children
    for child in children:
        assert by_id[child.parent].repetition == child.repetition
        assert by_id[child.parent].generation < child.generation
    plain = EvolutionSearcher(Space({"x": Float(0, 1)}), "max", 4, 2, seed=3)
    first = [trial.params["x"] for trial in (plain.ask() for _ in range(4))]
    assert [r.trial.params["x"] for r in result.trials[:8:2]] == first


@pytest.mark.parametrize("n_before", [1, 4, 9, 19, 21])
def test_resume(n_before, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sparkexp.driver.loop.CANCEL_S", 0.1
    )  # what is interrupted here never comes back
    how = {"n_trials": 8, "seed": 5, "repeats": 2, "confirm": 2}
    whole = experiment.random_search(None, noisy, {"x": [0.0, 1.0]}, **how, **HOW)
    assert len(whole) == 20
    n_run = 0

    def interrupted(x, seed):
        nonlocal n_run
        n_run += 1
        if n_run > n_before:
            raise KeyboardInterrupt
        return noisy(x, seed)

    if n_before < 20:
        with pytest.raises(KeyboardInterrupt):
            experiment.random_search(
                None, interrupted, {"x": [0.0, 1.0]}, logdir=tmp_path, **how, **HOW
            )
    else:
        experiment.random_search(None, noisy, {"x": [0.0, 1.0]}, logdir=tmp_path, **how, **HOW)
    record = json.loads((tmp_path / "experiment.json").read_text())
    assert record["searcher"] == "random" and record["repeating"]["repeats"] == 2
    result = experiment.resume(None, noisy, tmp_path, **HOW)
    assert [r.trial for r in result.trials] == [r.trial for r in whole.trials]
    assert result.best.params == whole.best.params
    assert experiment.load(tmp_path).best.value == whole.best.value
    with pytest.raises(InvalidArgumentError, match="takes no repeats="):
        experiment.resume(None, noisy, tmp_path, repeats=3, **HOW)


@pytest.mark.parametrize("name", SETUPS)
@pytest.mark.parametrize("confirm", [0, 2])
def test_the_contract_with_every_searcher(name, confirm):
    make, space = SETUPS[name]

    def new(directions=("max",)):
        return RepeatingSearcher(make(space()), directions, 2, confirm, seed=1, passes_seed=True)

    searcher = new()
    asked = trials(searcher, score)
    assert searcher.done and searcher.ask() is None
    assert len(asked) <= searcher.n_trials
    assert [trial.number for trial in asked] == list(range(len(asked)))
    assert len(asked) == 2 * make(space()).n_trials + 2 * confirm
    for shuffle_seed in range(2):
        again = trials(new(), score, in_flight=5, shuffle_seed=shuffle_seed)
        assert searcher.order_matters or again == asked
    for n_told in (0, 1, 5, len(asked) - 3, len(asked) - 1):
        searcher, restored = new(), new()
        drive(searcher, score, n_trials=n_told)
        still_open = [searcher.ask() for _ in range(3)]
        still_open = [trial for trial in still_open if trial is not None]
        state = json.loads(json.dumps(searcher.state()))
        restored.restore(state)
        assert json.loads(json.dumps(restored.state())) == state
        rest = trials(restored, score, in_flight=3)
        assert rest[: len(still_open)] == still_open
        assert [t.number for t in rest] == list(range(n_told, n_told + len(rest)))
        if searcher.restores_exactly:
            assert rest == trials(searcher, score, in_flight=3, open_trials=still_open)


def test_with_several_objectives():
    both = {"metric": ["a", "b"], "direction": ["max", "min"]}

    def train(x, seed):
        return {"a": x + seed % 2, "b": x}

    result = experiment.search(
        None, train, {"x": [0.0, 1.0]}, "evolution", n_trials=12, seed=1, repeats=3, **both, **HOW
    )
    assert len(result) == 36
    for trial in result.front:
        assert trial.n_runs == 3 and trial.values[1] == trial.params["x"]
    with pytest.raises(InvalidArgumentError, match="confirm goes with one metric"):
        experiment.search(
            None, train, {"x": [0.0, 1.0]}, "random", n_trials=3, confirm=1, **both, **HOW
        )


@pytest.mark.parametrize("given", [{"repeats": 0}, {"confirm": -1}, {"repeats": None}])
def test_what_is_wrong_is_said_first(given):
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(given))} is a whole number"):
        experiment.random_search(None, noisy, {"x": [0.0, 1.0]}, **given, **HOW)


def run_of(number, x, repetition, value):
    trial = Trial(number, {"x": x}, repetition=repetition)
    return TrialResult(trial, State.FAILED if value is None else State.SUCCEEDED, value)


def test_a_target_is_reached_by_a_mean():
    values = iter([9.0, 1.0, 5.0, 6.0, 1.0, 1.0])
    result = experiment.launch(
        None, lambda x: next(values), {"x": [1, 2, 3]}, repeats=2, target=5.2, **HOW
    )
    assert len(result) == 4 and result.best.value == 5.5
    assert result.stopped == "trials/trial-00002 reached the target 5.2"


def test_the_best_at_any_time_is_the_best_of_all_so_far():
    """Standings and find_best are two ways to the same, as a search goes on and at its end."""
    rng = np.random.default_rng(1)
    for direction in ("max", "min"):
        standings, results = Standings(Objective(None, direction)), []
        for number in range(300):
            value = None if rng.random() < 0.2 else float(rng.integers(0, 4))
            result = run_of(number, int(rng.integers(0, 6)), int(rng.integers(0, 4)), value)
            standings.add(result)
            results.append(result)
            best = find_best(results, Objective(None, direction))
            assert (standings.best and BestTrial.of(standings.best)) == best


def test_who_has_fewer_runs_does_not_compete():
    lucky = run_of(0, 1, 0, 9.0)
    solid = [run_of(1, 2, 0, 3.0), run_of(2, 2, 1, 4.0)]
    failing = [run_of(3, 3, 0, 8.0), run_of(4, 3, 1, None)]
    best = find_best([lucky, *solid], Objective())
    assert (best.params, best.value, best.n_runs) == ({"x": 2}, 3.5, 2)
    # What failed at times ran as often as the others; its mean is that of the other runs.
    assert find_best([lucky, *solid, *failing], Objective()).params == {"x": 3}
    reused = run_of(5, 2, 0, 3.0)
    assert [len(c.runs) for c in list_configurations([*solid, reused])] == [2]
    confirmed = run_of(6, 2, 2, 8.0)
    (merged,) = merge_by_configuration([*solid, reused, confirmed])
    assert merged.value == find_best([*solid, reused, confirmed], Objective()).value == 5.0
    assert find_best([run_of(0, 1, 0, 1e308), run_of(1, 1, 1, 1e308)], Objective()).value == 1e308


@pytest.mark.parametrize(
    ("options", "n"),
    [
        ({"max_trials": 40}, 40),
        ({"max_trials": 40, "repeats": 3}, 13),
        ({"max_trials": 60, "repeats": 2, "confirm": 5}, 25),
    ],
)
@pytest.mark.parametrize("by_name", [False, True])
def test_a_searcher_knows_how_many_configurations_its_budget_suffices_for(
    tmp_path, options, n, by_name
):
    space = {"x": [0.0, 1.0]}
    options = {**options, **HOW, "logdir": tmp_path, "seed": 1}
    if by_name:
        result = experiment.search(None, noisy_or_not, space, "evolution", **options)
    else:
        result = experiment.evolutionary_search(
            None, noisy_or_not, space, variant="shade", **options
        )
    assert open_run(tmp_path).settings["settings"]["n_trials"] == n
    assert len(result) == (n + options.get("confirm", 0)) * options.get("repeats", 1)
    assert result.stopped is None


def noisy_or_not(x):
    return -((x - 0.3) ** 2)
