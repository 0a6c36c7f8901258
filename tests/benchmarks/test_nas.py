"""The benchmark of architecture searches, on a made-up table of cells."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

QUICK = ["nas.py", "--quick", "--systems", "evolution", "tournament", "ppo", "classic"]


@pytest.fixture
def cache(bench: SimpleNamespace, tmp_path: Path) -> Path:
    operations = bench.nas.OPERATIONS
    axes = [bench.problems.Axis(f"Op{k}", "categorical", operations) for k in range(6)]
    errors = np.random.default_rng(1).random((5,) * 6 + (1,))
    for data in ("cifar10", "cifar100", "imagenet"):
        table = bench.problems.Table(f"nasbench201-{data}", axes, errors, (1,))
        bench.problems.save(table, tmp_path / "tables")
    return tmp_path


def test_a_cell_has_the_error_of_its_operations(bench: SimpleNamespace, cache: Path) -> None:
    problem = bench.nas.load_problems(cache)["cifar10"]
    text = "nor_conv_3x3-none-none-avg_pool_3x3-none-skip_connect"
    errors = np.random.default_rng(1).random((5,) * 6 + (1,))
    assert problem({"architecture": text}) == pytest.approx(errors[3, 0, 0, 4, 0, 1, 0])
    assert problem.best == errors.min()


def test_the_best_that_was_asked_is_found(bench: SimpleNamespace, cache: Path) -> None:
    problem = bench.nas.load_problems(cache)["cifar10"]
    found = bench.nas.run("evolution", problem, 60, 8, seed=3)
    assert found.accuracy == pytest.approx(100 * (1 - problem(found.params)))
    assert bench.nas.transfer(found, problem) == found.accuracy
    assert bench.nas.run("evolution", problem, 60, 8, seed=3) == found


def test_the_tables_are_printed(
    bench: SimpleNamespace,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [*QUICK, "--cache", str(cache)])
    assert bench.nas.main() == 0
    printed = capsys.readouterr().out
    assert "| 20 trials, 2 seeds | CIFAR-10 | p |" in printed
    assert printed.count("| **regularized evolution** |") == 2
    assert printed.count("| reinforcement, PPO |") == 3


def test_a_table_that_is_missing_is_named(bench: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"tables\.py --problems nasbench201-cifar10"):
        bench.nas.load_problems(tmp_path)
