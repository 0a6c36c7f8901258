"""Train functions of several frameworks: they run, and each takes the cores of its trial."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment

pytestmark = pytest.mark.spark


def count_own_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def digits() -> tuple[Any, Any, Any, Any]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    return tuple(train_test_split(images / 16.0, labels, test_size=0.25, random_state=0))


def with_sklearn(rate: float) -> dict[str, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_info

    x, held_x, y, held_y = digits()
    before = count_own_threads()
    model = HistGradientBoostingClassifier(learning_rate=rate, max_iter=3).fit(x, y)
    (most,) = {library["num_threads"] for library in threadpool_info()}
    assert count_own_threads() - before <= most - 1
    return {"accuracy": model.score(held_x, held_y), "threads": most}


def with_xgboost(rate: float) -> dict[str, float]:
    from xgboost import XGBClassifier

    x, held_x, y, held_y = digits()
    before = count_own_threads()
    model = XGBClassifier(learning_rate=rate, n_estimators=3).fit(x, y)
    threads = 1 + count_own_threads() - before
    return {"accuracy": model.score(held_x, held_y), "threads": threads}


def with_lightgbm(rate: float) -> dict[str, float]:
    from lightgbm import LGBMClassifier

    x, held_x, y, held_y = digits()
    before = count_own_threads()
    model = LGBMClassifier(learning_rate=rate, n_estimators=3, verbose=-1).fit(x, y)
    threads = 1 + count_own_threads() - before
    return {"accuracy": model.score(held_x, held_y), "threads": threads}


def with_torch(rate: float) -> dict[str, float]:
    import torch

    x, held_x, y, held_y = (torch.from_numpy(part) for part in digits())
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x.float()), y).backward()
        optimizer.step()
    right = model(held_x.float()).argmax(1) == held_y
    return {"accuracy": right.float().mean(), "threads": torch.get_num_threads()}


@pytest.mark.parametrize(
    ("package", "train"),
    [
        ("xgboost", with_xgboost),
        pytest.param("sklearn", with_sklearn, marks=pytest.mark.slow),
        pytest.param("lightgbm", with_lightgbm, marks=pytest.mark.slow),
        pytest.param("torch", with_torch, marks=pytest.mark.slow),
    ],
)
def test_a_framework_and_its_threads(
    spark: Any, tmp_path: Path, package: str, train: Callable[[float], dict[str, float]]
) -> None:
    pytest.importorskip(package)
    for cores in (2, 1):
        result = experiment.launch(
            spark,
            train,
            {"rate": [0.01, 0.1, 0.03]},
            metric="accuracy",
            cpus_per_trial=cores,
            trial_timeout=120,
            logdir=tmp_path / str(cores),
            progress=False,
        )
        assert result.failures() == {}
        assert all((trial.value or 0) > 0.5 for trial in result.trials)
        assert [trial.metrics["threads"] for trial in result.trials] == [cores] * 3
        assert [trial.warnings for trial in result.trials] == [()] * 3


def read_settings(x: int) -> dict[str, float]:
    os.environ["MPLBACKEND"] = "svg"
    import matplotlib

    return {
        "svg": float(matplotlib.get_backend().lower() == "svg"),
        "omp": float(os.environ.get("OMP_NUM_THREADS", 0)),
    }


def test_settings_of_the_train_function_and_no_limit_of_threads(
    spark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def draw(x: int) -> float:
        import matplotlib

        return float(matplotlib.get_backend().lower() == "svg")

    options: dict[str, Any] = {"logdir": tmp_path / "early", "progress": False}
    early = experiment.launch(spark, draw, {"x": [1, 2, 3]}, **options)
    assert [trial.value for trial in early.trials] == [0.0] * 3
    late = experiment.launch(
        spark,
        read_settings,
        {"x": [1, 2, 3]},
        metric="svg",
        limit_threads=False,
        logdir=tmp_path / "late",
    )
    assert [dict(trial.metrics) for trial in late.trials] == [{"svg": 1.0, "omp": 0.0}] * 3
    assert [trial.warnings for trial in late.trials] == [()] * 3
    assert "sets MPLBACKEND, which libraries read when they are" in capsys.readouterr().err
