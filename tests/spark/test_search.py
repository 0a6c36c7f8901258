"""Searches on a local session: what a user calls, and what is left on disk."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.errors import EnvironmentUnfitError, TrainFunctionError
from sparkexp.trial import State
from tests.spark.driving import run_driver
from tests.spark.watching import LOCAL
from tests.tracking.tensorboard.reading import session_groups

pytestmark = pytest.mark.spark


def small_cnn(learning_rate: float, dropout: float, num_layers: int = 1) -> float:
    """Train on a few of scikit-learn's digits; real, and over in a second."""
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.images[:400, :, :, None] / 16.0, digits.target[:400]
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for _ in range(num_layers):
        model.add(keras.layers.Conv2D(4, 3, padding="same", activation="relu"))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,  # a few steps take less time than making graphs of them
    )
    board = keras.callbacks.TensorBoard(experiment.logdir(), write_graph=False)
    history = model.fit(
        x, y, 100, epochs=1, validation_split=0.25, verbose=0, callbacks=[board]
    ).history
    for epoch, accuracy in enumerate(history["val_accuracy"]):
        experiment.report(epoch, accuracy=accuracy)
    return float(history["val_accuracy"][-1])


def test_the_two_calls_word_for_word(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train = train_cifar10 = small_cnn
    # fmt: off
    result = experiment.launch(spark, train, {'learning_rate': [0.001, 0.005, 0.01], 'dropout': [0.5, 0.6]})  # noqa: E501
    # fmt: on
    assert len(result.trials) == 6
    assert all(r.state is State.SUCCEEDED for r in result.trials), result.failures()
    assert result.best.value == max(r.value or 0 for r in result.trials)

    groups = session_groups(result.logdir)
    assert len(groups) == 6
    for group, row in zip(sorted(groups, key=lambda g: g["runs"]), result.trials, strict=True):
        assert group["runs"] == [row.trial.id]
        assert group["hparams"] == dict(row.trial.params)
        assert group["status"] == "SUCCESS"
        assert group["metrics"]["objective"] == pytest.approx(row.value)
    for r in result.trials:  # Keras's callback wrote below the trial's directory
        assert any(Path(r.logdir, "train").glob("events.out.tfevents.*"))

    # fmt: off
    result = experiment.evolutionary_search(spark, train_cifar10,
        {'learning_rate': [0.005, 0.00005], 'dropout': [0.01, 0.99], 'num_layers': [1, 3]},
        direction='max', popsize=10, generations=3, crossover=0.7, mutation=0.5)
    # fmt: on
    assert len(result.trials) == 40
    frame = result.to_pandas()
    assert (frame["status"] == "SUCCEEDED").all(), result.failures()
    assert frame["learning_rate"].between(0.00005, 0.005).all()
    assert frame["dropout"].between(0.01, 0.99).all()
    assert set(frame["num_layers"]) <= {1, 2, 3}
    assert frame["num_layers"].dtype.kind == "i"
    assert sorted(set(frame["generation"])) == [0, 1, 2, 3]
    n_run = int(frame["reused_from"].isna().sum())
    assert len(session_groups(result.logdir)) == n_run
    assert result.logdir.startswith(str(tmp_path / "sparkexp-runs" / "small_cnn-"))


def test_failures_cost_their_own_trial_only(spark: Any, tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    tries.mkdir()

    def train(x: int) -> float:
        (tries / f"{x}-{os.getpid()}").touch()
        if x == 3:
            raise RuntimeError("out of luck")
        if x == 8:
            os.kill(os.getpid(), signal.SIGSEGV)
        return float("nan") if x == 13 else x

    result = experiment.launch(
        spark, train, {"x": list(range(20))}, logdir=tmp_path / "run", progress=False
    )

    errors = result.failures()
    assert set(errors) == {f"trials/trial-{k:05d}" for k in (3, 8, 13)}
    assert errors["trials/trial-00003"].endswith("RuntimeError: out of luck")
    assert "SIGSEGV" in errors["trials/trial-00008"]
    assert "nan" in errors["trials/trial-00013"]
    assert sum(r.state is State.SUCCEEDED for r in result.trials) == 17
    assert len(list(tries.iterdir())) == 20  # nothing was retried
    statuses = {g["runs"][0]: g["status"] for g in session_groups(result.logdir)}
    assert {n for n, status in statuses.items() if status == "FAILURE"} == set(errors)
    assert sum(status == "SUCCESS" for status in statuses.values()) == 17


ISOLATION = """
def train(k):
    import threading, tensorflow as tf
    import keras, json as module
    seen = {
        "env": os.environ.get("LEFT_BEHIND"),
        "module": getattr(module, "left_behind", None),
        "seed": keras.config.floatx(),
        "functions": tf.config.functions_run_eagerly(),
        "ran": getattr(tf, "left_behind", None),
    }
    os.environ["LEFT_BEHIND"] = "1"
    module.left_behind = 1
    tf.left_behind = 1
    keras.config.set_floatx("float64")
    tf.config.run_functions_eagerly(True)
    with open(os.path.join(experiment.logdir(), "seen.json"), "w") as file:
        json.dump([seen, os.getpid(), os.getppid()], file)
    return float(tf.reduce_sum(tf.ones(3)))

result = experiment.launch(spark, train, {"k": list(range(6))}, logdir=logdir)
answer({
    "seen": [json.load(open(os.path.join(r.logdir, "seen.json"))) for r in result.trials],
    "wait": [r.started - r.submitted for r in result.trials],
    "values": [r.value for r in result.trials],
    "imported": [list(r.imported) for r in result.trials],
    "driver": [m for m in ("tensorflow", "pandas", "tensorboard") if m in sys.modules],
})
"""


def test_nothing_leaks_and_tensorflow_is_imported_once(tmp_path: Path) -> None:
    told = run_driver(tmp_path, ISOLATION, LOCAL)

    untouched = {
        "env": None, "module": None, "seed": "float32", "functions": False, "ran": None,
    }  # fmt: skip
    assert [seen for seen, *_ in told["seen"]] == [untouched] * 6
    assert told["values"] == [3.0] * 6
    assert len({pid for _, pid, _ in told["seen"]}) == 6
    # No trial imported TensorFlow itself, not even the first ones: their workers had.
    assert told["imported"] == [[]] * 6
    # The import takes seconds, the fork a fraction of one. Two workers import, one each.
    assert sorted(told["wait"])[2] < max(told["wait"]) / 2
    assert "tensorflow" not in told["driver"]


def test_works_without_tensorflow(tmp_path: Path) -> None:
    blocker = tmp_path / "blocker" / "tensorflow"
    blocker.mkdir(parents=True)
    (blocker / "__init__.py").write_text("raise ModuleNotFoundError('tensorflow is not here')")
    told = run_driver(
        tmp_path / "driver",
        """
        def train(x):
            try:
                import tensorflow
            except ModuleNotFoundError:
                experiment.report(0, x=x)
                return x
        result = experiment.evolutionary_search(spark, train, {"x": [0.0, 1.0]}, popsize=4,
                                                generations=1, logdir=logdir)
        answer({"values": [r.value for r in result.trials], "table": str(result)})
        """,
        LOCAL,
        {"PYTHONPATH": str(blocker.parent)},
    )
    assert len(told["values"]) == 8 and None not in told["values"]
    assert len(session_groups(tmp_path / "driver" / "run")) == 8


def test_modules_beside_the_script_reach_the_trials(tmp_path: Path) -> None:
    folder = tmp_path / "driver"
    folder.mkdir()
    (folder / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    told = run_driver(
        folder,
        """
        import helper
        def train(x):
            import helper
            return helper.double(x)
        a = experiment.launch(spark, train, {"x": [1, 2]}, logdir=logdir + "/a")
        with open("helper.py", "w") as file:
            file.write("def double(x):\\n    return 20 * x\\n")
        b = experiment.launch(spark, train, {"x": [1, 2]}, logdir=logdir + "/b")
        with open("helper.py", "w") as file:
            file.write("def double(x):\\n    return 2 * x\\n")
        c = experiment.launch(spark, train, {"x": [1, 2]}, logdir=logdir + "/c")
        answer([[r.value or r.error for r in x.trials] for x in (a, b, c)])
        """,
        LOCAL,
    )
    assert told == [[2, 4], [20, 40], [2, 4]]


def test_on_a_laptop_the_driver_assigns_the_gpus(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        def train(k):
            import time
            time.sleep(0.5)
            return float(os.environ["CUDA_VISIBLE_DEVICES"])
        result = experiment.launch(spark, train, {"k": [0, 1, 2, 3]}, logdir=logdir)
        answer([[r.value, r.gpu] for r in result.trials])
        """,
        LOCAL,
        {"CUDA_VISIBLE_DEVICES": "4,6"},
    )
    assert {tuple(pair) for pair in told} == {(4.0, "4"), (6.0, "6")}


def test_python_of_an_environment_that_is_not_activated(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        result = experiment.launch(spark, lambda x: x, {"x": [1]}, logdir=logdir)
        answer([r.value or r.error for r in result.trials])
        """,
        LOCAL,
        # As in a shell that knows nothing of the environment: another python3 comes first.
        {"PYSPARK_PYTHON": None, "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    assert told == [1.0]


def test_gpu_settings_on_a_local_master_are_refused(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        from sparkexp.errors import EnvironmentUnfitError
        try:
            experiment.launch(spark, lambda x: x, {"x": [1]}, logdir=logdir)
        except EnvironmentUnfitError as error:
            answer([str(error), os.path.exists(logdir)])
        """,
        {
            **LOCAL,
            "spark.task.resource.gpu.amount": "1",
            "spark.executor.resource.gpu.amount": "1",
        },
    )
    assert "spark.task.resource.gpu.amount" in told[0]
    assert told[1] is False


def test_gpus_that_a_machine_lacks_are_refused(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has GPUs")
    with pytest.raises(EnvironmentUnfitError, match="gpus_per_trial=2 .*needs GPUs.*Leave it out"):
        experiment.launch(
            spark, lambda x: x, {"x": [1]}, logdir=tmp_path / "run", gpus_per_trial=2
        )
    assert not (tmp_path / "run").exists()


def test_what_cannot_travel_is_found_before_any_job(spark: Any, tmp_path: Path) -> None:
    lock = threading.Lock()
    with pytest.raises(TrainFunctionError, match="can't be pickled.*inside the function"):
        experiment.launch(spark, lambda x: lock, {"x": [1]}, logdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_stopped_session_is_named(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        from sparkexp.errors import SparkexpError
        spark.stop()
        try:
            experiment.launch(spark, lambda x: x, {"x": [1]}, logdir=logdir)
        except SparkexpError as error:
            answer(str(error))
        """,
        LOCAL,
    )
    assert "stopped" in told


def test_a_missing_module_is_named(spark: Any, tmp_path: Path) -> None:
    def train(x: int) -> int:
        import no_such_module  # noqa: F401

        return x

    result = experiment.launch(spark, train, {"x": [1]}, logdir=tmp_path / "r", progress=False)
    assert "No module named 'no_such_module'" in result.failures()["trials/trial-00000"]


def test_session_is_needed() -> None:
    with pytest.raises((EnvironmentUnfitError, ValueError), match="SparkSession"):
        experiment.launch(None, lambda x: x, {"x": [1]})
