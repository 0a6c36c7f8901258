"""One model trained by several workers on Spark, and what a lost one costs."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparkexp import experiment
from sparkexp.errors import EnvironmentUnfitError
from sparkexp.trial import State
from tests.spark.cluster import StandaloneCluster
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import ancestors, log_of, wait_until

pytestmark = pytest.mark.spark

# Weights of a training that was cut off and went on, or of several workers instead of one.
CLOSE = 1e-6


def train(learning_rate: float, epochs: int = 4, trouble: str = "", folder: str = "") -> Any:
    """Train as users do; in the third epoch, a worker may get into trouble once."""
    import os
    import signal
    import time

    import keras
    from sklearn.datasets import load_digits

    from sparkexp import experiment

    keras.utils.set_random_seed(3)
    digits = load_digits()
    x, y = (digits.data / 16).astype("float32")[:700], digits.target[:700]
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(10, "softmax")]
    )
    gang = experiment.gang()
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES")
    print("worker", gang.rank, "of", gang.size, "on GPU", gpu, flush=True)

    class Trouble(keras.callbacks.Callback):  # type: ignore[misc]
        epoch = 0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch
            print("epoch", epoch, flush=True)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            kind, _, rank = trouble.partition(" ")
            flag = os.path.join(folder, "flag")
            if kind and self.epoch == 2 and batch == 2 and gang.rank == int(rank):
                if not os.path.exists(flag):
                    with open(flag, "w") as file:
                        file.write(str(os.getpid()))
                    if kind == "wait":
                        time.sleep(600)
                    os.kill(os.getpid(), getattr(signal, kind))

    model.compile(
        keras.optimizers.SGD(learning_rate, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        x, y, batch_size=64, epochs=epochs, verbose=0, callbacks=[Trouble()],
        validation_split=0.2,
    ).history  # fmt: skip
    experiment.save_model(model)
    weights = [float(v) for w in model.get_weights() for v in w.ravel()]
    return {
        "accuracy": history["val_accuracy"][-1],
        "epochs": len(history["loss"]),
        "weights": weights,
    }


def source_of_train() -> str:
    return f"from typing import Any\n{inspect.getsource(train)}\n"


def distribute(session: Any, workers: int, logdir: Path, **params: Any) -> Any:
    params = {"learning_rate": 0.1, "folder": str(logdir.parent), **params}
    (trial,) = experiment.distribute(
        session, train, params, workers=workers, logdir=str(logdir), metric="accuracy",
        progress=False,
    ).trials  # fmt: skip
    return trial


def difference(one: Any, other: Any) -> float:
    return float(np.abs(np.subtract(one.notes["weights"], other.notes["weights"])).max())


@pytest.fixture(scope="module")
def alone(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A training by one worker, without trouble."""
    trial = distribute(spark, 1, tmp_path_factory.mktemp("alone") / "run")
    assert trial.state is State.SUCCEEDED, trial.error
    return trial


def test_two_workers_train_as_one(any_spark: Any, alone: Any, tmp_path: Path) -> None:
    together = distribute(any_spark, 2, tmp_path / "run")
    assert together.state is State.SUCCEEDED, together.error
    assert difference(alone, together) <= CLOSE
    assert together.value == pytest.approx(alone.value, abs=1e-6)
    assert together.metrics["epochs"] == 4
    directory = Path(together.logdir)
    assert "worker 0 of 2" in (directory / "output.log").read_text()
    assert "worker 1 of 2" in (directory / "worker-1" / "output.log").read_text()
    events = [path.parent for path in (tmp_path / "run").rglob("*tfevents*")]
    assert directory in events and directory / "worker-1" not in events
    assert not (tmp_path / "run" / "trials" / "trial-00000" / "training").exists()
    assert (directory / "artifacts" / "model.keras").exists()
    assert [path.name for path in (directory / "worker-1").iterdir()] == ["output.log"]


@pytest.mark.parametrize(
    "trouble",
    [
        "SIGKILL 0",
        pytest.param("SIGKILL 1", marks=pytest.mark.slow),
        pytest.param("SIGSTOP 1", marks=pytest.mark.slow),
    ],
)
def test_a_lost_worker_costs_what_came_after_the_last_checkpoint(
    spark: Any, alone: Any, tmp_path: Path, trouble: str
) -> None:
    trial = distribute(spark, 2, tmp_path / "run", trouble=trouble)
    assert trial.state is State.SUCCEEDED, trial.error
    assert trial.attempt == 1 and trial.metrics["epochs"] == 4
    assert difference(alone, trial) <= CLOSE
    output = (Path(trial.logdir) / "output.log").read_text()
    assert "epoch 2" in output and "epoch 1" not in output


def test_an_error_of_one_worker_is_the_error_of_the_training(spark: Any, tmp_path: Path) -> None:
    def train(epochs: int) -> float:
        import time

        from sparkexp import experiment

        if experiment.gang().rank == 1:
            raise ValueError("the file of worker 1 is damaged")
        time.sleep(60)
        return 1.0

    started = time.monotonic()
    result = experiment.distribute(
        spark, train, {"epochs": 1}, workers=2, logdir=str(tmp_path / "run"), progress=False
    )
    assert time.monotonic() - started < 50  # worker 0 was ended
    error = str(result.trials[0].error)
    assert "the file of worker 1 is damaged" in error
    assert re.search(
        r"Worker 1 on .* has raised it; its output is in .*worker-1/output.log", error
    )
    assert result.trials[0].attempt == 0  # it would fail again


@pytest.mark.slow
def test_calls_that_only_some_workers_make(
    spark: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """None that any makes: a warning. One of the chief while others have returned: an error."""

    def train(trouble: str) -> float:
        from sparkexp import experiment

        if trouble == "on the chief":
            return float(experiment.gang().is_chief and experiment.gang().sum(1.0))
        return 1.0

    def run(trouble: str) -> Any:
        return experiment.distribute(
            spark, train, {"trouble": trouble}, workers=2, logdir=str(tmp_path / trouble),
            progress=False,
        ).trials[0]  # fmt: skip

    (warning,) = run("nothing together").warnings
    assert "no worker trained together with the others" in warning
    assert warning in caplog.text
    trial = run("on the chief")
    assert trial.state is State.FAILED and trial.attempt == 0  # it would fail again
    assert "Worker 1 had returned from the train function, and worker 0 waited" in trial.reason


def test_more_workers_than_slots(spark: Any, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(
        EnvironmentUnfitError, match=r"3 workers run .* local\[2\] has 2 slots.*local\[3\]"
    ):
        distribute(spark, 3, tmp_path / "run")
    assert time.monotonic() - started < 5
    assert not (tmp_path / "run").exists()


def test_more_workers_than_gpus(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(EnvironmentUnfitError, match="those of this machine suffice for 1"):
        experiment.distribute(
            spark, train, {"learning_rate": 0.1}, workers=2, gpus_per_worker=1,
            logdir=str(tmp_path / "run"), progress=False,
        )  # fmt: skip


@pytest.mark.cluster
@pytest.mark.slow
def test_two_gangs_at_once_and_a_killed_executor(
    cluster: StandaloneCluster, tmp_path: Path, alone: Any
) -> None:
    """Two gangs of two on three slots run one after the other; one loses an executor."""
    driver = start_driver(
        tmp_path,
        source_of_train()
        + """
import threading
def run(name, results, **more):
    results[name] = experiment.distribute(spark, train, {"learning_rate": 0.1, **more},
        workers=2, metric="accuracy", logdir=logdir + name, name=name).trials[0]
results = {}
threads = [
    threading.Thread(target=run, args=("one", results),
        kwargs={"trouble": "wait 1", "folder": os.path.dirname(logdir)}),
    threading.Thread(target=run, args=("two", results)),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
answer({
    name: [r.state, r.error, r.attempt, r.notes.get("weights")] for name, r in results.items()
})
""",
        {
            **cluster.conf(),
            "spark.cores.max": "3",
            "spark.executor.cores": "1",
            "spark.executor.resource.gpu.amount": "1",
        },
    )
    flag = tmp_path / "flag"
    try:
        pid = int(wait_until(lambda: flag.exists() and flag.read_text(), 180))
        executor = next(p for p in ancestors(pid) if p in cluster.executors())
        os.kill(executor, signal.SIGKILL)
        assert driver.wait(300) == 0, log_of(tmp_path)
    finally:
        driver.kill()
        driver.wait()
    told = json.loads((tmp_path / "answer.json").read_text())
    for state, error, _, weights in told.values():
        assert state == "SUCCEEDED", error
        assert np.abs(np.subtract(weights, alone.notes["weights"])).max() <= CLOSE
    assert told["one"][2] == 1 and told["two"][2] == 0
    for path in tmp_path.rglob("output.log"):
        assert re.search(r"on GPU [01]$", path.read_text(), re.M)  # each executor has one


@pytest.mark.slow
def test_a_killed_driver_is_gone_on_from(spark: Any, tmp_path: Path, alone: Any) -> None:
    conf = {"spark.master": "local[2]", "spark.ui.enabled": "false"}
    driver = start_driver(
        tmp_path,
        source_of_train()
        + """
experiment.distribute(spark, train, {"learning_rate": 0.1, "trouble": "wait 0",
    "folder": os.path.dirname(logdir)}, workers=2, metric="accuracy", logdir=logdir)
""",
        conf,
    )
    flag = tmp_path / "flag"
    try:
        pid = int(wait_until(lambda: flag.exists() and flag.read_text(), 180))
    finally:
        driver.kill()
        driver.wait()
    wait_until(lambda: not Path("/proc", str(pid)).exists(), 60)
    result = experiment.resume(spark, train, str(tmp_path / "run"), progress=False)
    (trial,) = result.trials
    assert trial.state is State.SUCCEEDED, trial.error
    assert difference(alone, trial) <= CLOSE
    output = (Path(trial.logdir) / "output.log").read_text().splitlines()
    assert [output.count(f"epoch {k}") for k in range(4)] == [1, 1, 2, 1]


@pytest.mark.slow
def test_a_search_of_gangs(spark: Any, tmp_path: Path, alone: Any) -> None:
    result = experiment.launch(
        spark, train, {"learning_rate": [0.1, 0.01], "epochs": [4]}, workers_per_trial=2,
        metric="accuracy", logdir=str(tmp_path / "run"), progress=False,
    )  # fmt: skip
    assert [trial.state for trial in result.trials] == [State.SUCCEEDED] * 2
    assert difference(alone, result.trials[0]) <= CLOSE
    assert result.best.params["learning_rate"] == 0.1


@pytest.mark.cluster
def test_asynchronous_workers(cluster: StandaloneCluster, tmp_path: Path) -> None:
    """Two workers and a server; one worker is killed, and is replaced alone."""
    told = run_driver(
        tmp_path,
        source_of_train()
        + """
trial = experiment.distribute(spark, train, {"learning_rate": 0.05, "epochs": 8,
    "trouble": "SIGKILL 1", "folder": os.path.dirname(logdir)}, workers=2, strategy="async",
    metric="accuracy", logdir=logdir).trials[0]
answer([trial.state, trial.error, trial.attempt, trial.value])
""",
        cluster.conf(),
    )
    state, error, attempt, value = told
    assert state == "SUCCEEDED", error
    assert attempt == 0 and value > 0.6
    directory = tmp_path / "run" / "trials" / "trial-00000"
    assert (directory / "attempt-1" / "worker-1" / "output.log").exists()
    assert not (directory / "training").exists()


@pytest.mark.cluster
@pytest.mark.slow
def test_with_fewer_workers(tmp_path: Path, alone: Any) -> None:
    """A host is lost for good, and the training goes on with the worker that is left."""
    (folder := tmp_path / "cluster").mkdir()
    with StandaloneCluster(folder, n_workers=2, gpus_per_worker=0, cores_per_worker=1) as cluster:
        driver = start_driver(
            tmp_path,
            source_of_train()
            + """
trial = experiment.distribute(spark, train, {"learning_rate": 0.1, "trouble": "wait 1",
    "folder": os.path.dirname(logdir)}, workers=2, min_workers=1, metric="accuracy",
    logdir=logdir).trials[0]
answer([trial.state, trial.error, trial.attempt, trial.notes.get("weights")])
""",
            cluster.conf(),
        )
        flag = tmp_path / "flag"
        try:
            pid = int(wait_until(lambda: flag.exists() and flag.read_text(), 240))
            above = list(ancestors(pid))
            executor = next(p for p in above if p in cluster.executors())
            next(worker for worker in cluster.workers if worker.pid in above).kill()
            os.kill(executor, signal.SIGKILL)
            assert driver.wait(300) == 0, log_of(tmp_path)
        finally:
            driver.kill()
            driver.wait()
    state, error, attempt, weights = json.loads((tmp_path / "answer.json").read_text())
    assert state == "SUCCEEDED", error
    assert attempt == 1
    assert np.abs(np.subtract(weights, alone.notes["weights"])).max() <= CLOSE


@pytest.mark.slow
def test_three_workers_and_other_optimizers(tmp_path: Path) -> None:
    script = """
def train(optimizer):
    import keras
    from sklearn.datasets import load_digits
    keras.utils.set_random_seed(5)
    digits = load_digits()
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(10, "softmax")]
    )
    optimizers = {
        "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        "adam": lambda: keras.optimizers.Adam(0.01),
        "adamw": lambda: keras.optimizers.AdamW(0.01),
        "clipnorm": lambda: keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=0.1),
    }
    model.compile(optimizers[optimizer](), "sparse_categorical_crossentropy")
    model.fit(digits.data[:500] / 16, digits.target[:500], batch_size=64, epochs=3, verbose=0)
    return {"loss": 1.0, "weights": [float(v) for w in model.get_weights() for v in w.ravel()]}

def weights(workers):
    grid = {"optimizer": ["momentum", "adam", "adamw", "clipnorm"]}
    result = experiment.launch(spark, train, grid, metric="loss", progress=False,
        workers_per_trial=experiment.Gang(workers), logdir=f"{logdir}-{workers}")
    return [trial.notes["weights"] for trial in result.trials]

answer([weights(workers) for workers in (1, 2, 3)])
"""
    conf = {"spark.master": "local[3]", "spark.ui.enabled": "false"}
    one, two, three = run_driver(tmp_path, script, conf, timeout_s=500)
    for several in (two, three):
        pairs = zip(one, several, strict=True)
        assert max(np.abs(np.subtract(a, b)).max() for a, b in pairs) <= CLOSE
