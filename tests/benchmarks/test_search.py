"""The search benchmark counts right: what a made-up figure would come from."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def few_random_runs(bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.problems, "RANDOM_RUNS", 20)


@pytest.fixture
def table(bench: SimpleNamespace) -> Any:
    axis = bench.problems.Axis
    axes = (
        axis("rate", "float", (0.01, 0.1, 1.0), log=True),
        axis("units", "ordinal", (16, 32, 64)),
        axis("kind", "categorical", ("a", "b")),
    )
    return bench.problems.Table("mlp-digits", axes, np.arange(36.0).reshape(3, 3, 2, 2), (1, 27))


def test_a_tabulated_configuration_has_its_own_value(table: Any) -> None:
    for place in np.ndindex(table.values.shape):
        params = {axis.name: axis.values[k] for axis, k in zip(table.axes, place, strict=True)}
        assert table(params) == pytest.approx(table.values[place])
        assert table.at(params, 1) == pytest.approx(table.curves[(*place, 0)])
        assert table.at(params, 27) == pytest.approx(table(params))


def test_between_two_values_the_logarithm_is_interpolated(table: Any) -> None:
    low, high = (table({"rate": rate, "units": 16, "kind": "a"}) for rate in (0.01, 0.1))
    middle = table({"rate": math.sqrt(0.001), "units": 16, "kind": "a"})
    assert middle == pytest.approx((low + high) / 2)


def test_no_configuration_is_better_than_the_best(table: Any) -> None:
    rng = np.random.default_rng(1)
    found = [table(table.space.decode(genome)) for genome in rng.random((300, 3))]
    assert table.best == 1.0 <= min(found)


def test_a_table_is_saved_and_loaded_as_it_was(
    bench: SimpleNamespace, table: Any, tmp_path: Path
) -> None:
    bench.problems.save(table, tmp_path)
    loaded = bench.problems.load("mlp-digits", tmp_path)
    assert loaded.digest == table.digest
    assert loaded.space == table.space


def test_the_digest_of_a_table_changes_with_any_value(bench: SimpleNamespace, table: Any) -> None:
    changed = table.curves.copy()
    changed[1, 1, 1, 0] += 1e-9
    assert (
        bench.problems.Table(table.name, table.axes, changed, table.levels).digest != table.digest
    )


def test_a_table_has_a_value_everywhere(bench: SimpleNamespace, table: Any) -> None:
    curves = table.curves.copy()
    curves[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        bench.problems.Table("holes", table.axes, curves, table.levels)


def test_the_split_is_fixed(bench: SimpleNamespace) -> None:
    tuning, held_out = set(bench.problems.GROUPS["tuning"]), set(bench.problems.GROUPS["held-out"])
    assert len(held_out) == 16
    assert not tuning & held_out


def test_regret_is_0_for_the_best_and_1_for_random_search(
    bench: SimpleNamespace, table: Any, tmp_path: Path
) -> None:
    medians = bench.problems.random_bests(table, tmp_path)
    assert list(medians) == [40, 100, 300]
    assert table.best <= medians[300] <= medians[100] <= medians[40] < np.median(table.values)
    assert bench.regret.regret(3.0, 1.0, 5.0) == 0.5
    assert bench.regret.regret(1.0, 1.0, 5.0) == 0
    with pytest.raises(ValueError, match="finds the best"):
        bench.regret.regret(1.0, 1.0, 1.0)


def test_each_problem_counts_the_same_however_many_seeds_it_has(bench: SimpleNamespace) -> None:
    mean, error = bench.regret.summary(
        {"p": {0: 1.0, 1: 3.0}, "q": {0: 4.0, 1: 4.0, 2: 4.0, 3: 4.0}}
    )
    assert mean == 3.0
    assert error == pytest.approx(0.5)  # of p: sqrt(2 / 2) = 1, of q: 0; divided by 2 problems


def test_differences_are_paired_by_problem_and_seed(bench: SimpleNamespace) -> None:
    ours = {"p": {0: 1.0, 1: 2.0}, "q": {0: 0.0, 1: 1.0, 9: 50.0}, "only ours": {0: 9.0}}
    theirs = {"p": {0: 2.0, 1: 3.0}, "q": {0: 1.0, 1: 2.0}}
    mean, seeds, spread = bench.regret.paired(ours, theirs)
    assert (mean, seeds, spread) == (-1.0, 0.0, 0.0)
    assert bench.regret.compare(ours, theirs) == "-1.00 [-1.00, -1.00] [-1.00, -1.00]"


def test_equals_share_a_rank(bench: SimpleNamespace) -> None:
    systems = {"a": {"p": {0: 1.0}}, "b": {"p": {0: 1.0}}, "c": {"p": {0: 2.0}}}
    assert bench.regret.mean_ranks(systems) == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_results_count_until_system_or_table_change(
    bench: SimpleNamespace, tmp_path: Path
) -> None:
    key = bench.results.Key("random", "v1", "p", "t1", 0, 1)
    bench.results.append(
        bench.results.Record(key, {40: 1.0, 100: 0.5}, {40: 40.0, 100: 99.0}, 0.1), tmp_path
    )
    with (tmp_path / "random.jsonl").open("a") as file:
        file.write('{"key": {"system": "ran')  # its process was killed
    found = bench.results.read(tmp_path, {"random": "v1"}, {"p": "t1"})
    assert {(k.problem, budget) for k, budget in found} == {("p", 40), ("p", 100)}
    assert found[key, 100].bests[100] == 0.5
    assert not bench.results.read(tmp_path, {"random": "v2"}, {"p": "t1"})
    assert not bench.results.read(tmp_path, {"random": "v1"}, {"p": "t2"})


def test_comments_and_docstrings_are_no_part_of_a_systems_digest(
    bench: SimpleNamespace, tmp_path: Path
) -> None:
    codes = []
    for text in ('"""A."""\nx = 1\n', '"""B."""\nx = 1  # one\n', '"""A."""\nx = 2\n'):
        (tmp_path / "searcher.py").write_text(text)
        codes.append(bench.samplers._code(tmp_path / "searcher.py"))
    assert codes[0] == codes[1] != codes[2]


def test_every_system_has_a_digest(bench: SimpleNamespace) -> None:
    digests = [
        bench.samplers.digest(name) for name in (*bench.samplers.OURS, *bench.samplers.RIVALS)
    ]
    assert all(digests)
    assert bench.samplers.digest("random") != bench.samplers.digest("classic")


class _Recorder:
    """Asks places of a list, and notes the order of the results."""

    def __init__(self, n: int) -> None:
        self.n_asked, self.n, self.told = 0, n, list[int]()

    def ask(self) -> tuple[int, dict[str, int | str | float]] | None:
        if self.n_asked == self.n:
            return None
        self.n_asked += 1
        return self.n_asked - 1, {"rate": 0.01, "units": 16, "kind": "a"}

    def tell(self, handle: int, value: float) -> None:
        self.told.append(handle)

    def close(self) -> None:
        pass


def test_a_slot_takes_the_next_trial_when_it_is_free(bench: SimpleNamespace, table: Any) -> None:
    sampler = _Recorder(4)
    run = bench.simulate.simulate(sampler, table, 4, 2, [5.0, 1.0, 1.0, 4.0])
    assert sampler.told == [1, 2, 0, 3]
    assert run.ends == (5.0, 1.0, 2.0, 6.0)
    assert run.makespans([2, 4]) == {2: 5.0, 4: 6.0}


def test_a_search_that_proposes_too_little_has_no_figure(
    bench: SimpleNamespace, table: Any
) -> None:
    with pytest.raises(RuntimeError, match="3 of 4 trials"):
        bench.simulate.simulate(_Recorder(3), table, 4, 2, [1.0] * 4)


@pytest.mark.parametrize("slots", [1, 8])
def test_the_first_trials_are_those_of_the_smaller_budget(
    bench: SimpleNamespace, table: Any, slots: int
) -> None:
    lengths = bench.simulate.durations(table.name, 3, 100)

    def values(n: int) -> tuple[float, ...]:
        sampler = bench.samplers.make(
            "classic", table.space, bench.samplers.Order(n, slots, seed=3)
        )
        return bench.simulate.simulate(sampler, table, n, slots, lengths).values

    assert values(100)[:40] == values(40)


def test_durations_differ_by_seed_and_not_by_system(bench: SimpleNamespace) -> None:
    assert bench.simulate.durations("p", 1, 5) == bench.simulate.durations("p", 1, 9)[:5]
    assert bench.simulate.durations("p", 1, 5) != bench.simulate.durations("p", 2, 5)
    assert np.mean(bench.simulate.durations("p", 1, 20_000)) == pytest.approx(1, abs=0.02)


def test_an_optimiser_that_calls_its_objective_is_turned_round(
    bench: SimpleNamespace, table: Any
) -> None:
    seen: list[list[float]] = []

    def optimise(evaluate: Callable[[Iterable[np.ndarray]], list[float]]) -> None:
        while True:
            seen.append(evaluate([np.full(3, k / 4) for k in range(4)]))

    sampler = bench.rivals._Inverted(table.space, optimise)
    run = bench.simulate.simulate(sampler, table, 10, 8, [1.0] * 10)
    sampler.close()
    assert not sampler._thread.is_alive()
    expected = [table(table.space.decode(np.full(3, k / 4))) for k in range(4)]
    assert list(run.values) == [*expected, *expected, *expected[:2]]
    assert seen == [expected, expected]


def _run(
    bench: SimpleNamespace, cache: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> int:
    systems = [bench.search._system(name) for name in names]
    budgets = {"1": [40, 100], "8": [40]}
    order = {"systems": systems, "problems": ["mlp-digits"], "seeds": 2, "budgets": budgets}
    monkeypatch.setattr(sys, "argv", ["", json.dumps({**order, "cache": str(cache)})])
    bench.run_search.main()
    return sum(len(file.read_text().splitlines()) for file in (cache / "results").glob("*.jsonl"))


def test_what_is_cached_is_not_run_again(
    bench: SimpleNamespace,
    table: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.problems.save(table, tmp_path / "tables")
    bench.problems.random_bests(table, tmp_path / "tables")
    names = ["random", "classic"]
    assert _run(bench, tmp_path, names, monkeypatch) == 8  # by system, seed and slots
    assert _run(bench, tmp_path, names, monkeypatch) == 8
    ours = dataclasses.replace(bench.samplers.OURS["random"], by_budget=True)
    monkeypatch.setitem(bench.samplers.OURS, "by_budget", ours)
    assert _run(bench, tmp_path, ["by_budget"], monkeypatch) == 14  # 3 budgets, 2 seeds

    flags = ["--problems", "mlp-digits", "--report", "--details", "--cache", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["search.py", *flags])
    assert bench.search.main() == 0
    printed = capsys.readouterr().out
    assert "### tuning: 1 problems" in printed
    assert "| classic DE" in printed


@pytest.mark.parametrize(("slots", "n_trials"), [(1, 40), (1, 100), (1, 300), (8, 40), (8, 100)])
def test_the_default_is_one_of_the_systems(
    bench: SimpleNamespace, slots: int, n_trials: int
) -> None:
    assert bench.samplers.default(slots, n_trials) in bench.samplers.OURS
