"""What is tried in each environment; `run.py` starts this there, one process per group.

Every check raises an error if something isn't as it should be. A group writes which of them
passed, as it goes on.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SPACE = {"learning_rate": [0.05, 0.0005], "dropout": [0.01, 0.9], "num_layers": [1, 3]}
QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}


def train(learning_rate, dropout, num_layers=1):  # type: ignore[no-untyped-def]
    import keras
    import numpy as np

    random = np.random.default_rng(1)
    inputs = random.normal(size=(256, 8)).astype("float32")
    labels = (inputs.sum(axis=1) > 0).astype("int32")
    model = keras.Sequential([keras.Input((8,))])
    for _ in range(num_layers):
        model.add(keras.layers.Dense(8, activation="relu"))
    model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(2, activation="softmax"))
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(inputs, labels, epochs=2, verbose=0)
    return {key: values[-1] for key, values in history.history.items()}


def fail_somehow(how):  # type: ignore[no-untyped-def]
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "hang":
        time.sleep(600)
    return 1.0


def sleep_a_moment(number, folder):  # type: ignore[no-untyped-def]
    Path(folder, f"{number}-{os.getpid()}").touch()
    time.sleep(1)
    return float(number)


def tell_gpu(number):  # type: ignore[no-untyped-def]
    time.sleep(0.5)
    return float(os.environ["CUDA_VISIBLE_DEVICES"])


def session(**conf: str) -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in {**QUIET, **conf}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    if "connect" not in type(spark).__module__:
        spark.sparkContext.setLogLevel("ERROR")
    return spark


def two_calls(spark: Any, folder: Path) -> None:
    """Run the two calls of the README, with a small network."""
    from sparkexp import experiment

    grid = {"learning_rate": [0.001, 0.01], "dropout": [0.5, 0.6]}
    found = experiment.launch(spark, train, grid, metric="accuracy", logdir=folder / "grid")
    assert found.failures() == {} and len(found) == 4, found.failures()
    found = experiment.evolutionary_search(
        spark, train, SPACE, metric="accuracy", direction="max", popsize=4, generations=1,
        crossover=0.7, mutation=0.5, logdir=folder / "evolution",
    )  # fmt: skip
    assert found.failures() == {} and len(found) == 8, found.failures()
    assert 0.3 < found.best.value <= 1


def two_workers(spark: Any, folder: Path) -> None:
    from sparkexp import experiment

    params = {"learning_rate": 0.01, "dropout": 0.1}
    found = experiment.distribute(
        spark, train, params, workers=2, metric="accuracy", logdir=folder / "two_workers"
    )
    assert found.failures() == {}, found.failures()
    assert 0.3 < found.best.value <= 1


def crash(spark: Any, folder: Path) -> None:
    from sparkexp import experiment

    ways = {"how": ["exit", "well", "segfault"]}
    found = experiment.launch(spark, fail_somehow, ways, logdir=folder / "crash")
    said = [str(row.error or "") for row in found.trials]
    assert "exited with status 7" in said[0] and "SIGSEGV" in said[2], said
    assert found.trials[1].value == 1.0


def time_limit(spark: Any, folder: Path) -> None:
    from sparkexp import experiment

    ways = {"how": ["hang", "well"]}
    found = experiment.launch(
        spark, fail_somehow, ways, trial_timeout=3, logdir=folder / "time_limit"
    )
    assert "timed out after 3 s" in str(found.trials[0].error), found.failures()
    assert found.trials[1].value == 1.0


def ctrl_c_and_resume(spark: Any, folder: Path) -> None:
    from sparkexp import experiment
    from sparkexp.errors import SearchInterrupted

    (marks := folder / "marks").mkdir()
    logdir = folder / "interrupted"

    def interrupt() -> None:
        while len(list(marks.iterdir())) < 4:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    ways = {"number": list(range(8)), "folder": [str(marks)]}
    try:
        experiment.launch(spark, sleep_a_moment, ways, logdir=logdir)
    except SearchInterrupted as interrupted:
        ended = [row for row in interrupted.result.trials if row.value is not None]
        assert 2 <= len(ended) < 8, interrupted.result
    else:
        raise AssertionError("Ctrl-C was not heard")
    time.sleep(2)
    pids = [name.name.partition("-")[2] for name in marks.iterdir()]
    assert not [pid for pid in pids if Path("/proc", pid).exists()], "trials run on"
    found = experiment.resume(spark, sleep_a_moment, logdir)
    assert [row.value for row in found.trials] == [float(k) for k in range(8)]
    n_again = len(list(marks.iterdir())) - len(pids)
    assert n_again == 8 - len(ended), "an ended trial was run again"


def tensorboard(spark: Any, folder: Path) -> None:
    """See that TensorBoard shows the evolution, its pictures and its table."""
    from sparkexp.tracking.tensorboard.server import start_tensorboard

    server = start_tensorboard(folder / "evolution")
    try:
        wanted = {"scalars", "images", "hparams"}
        deadline = time.monotonic() + 60
        while True:
            with urllib.request.urlopen(f"{server.url}data/plugins_listing") as page:
                active = {name for name, about in json.load(page).items() if about["enabled"]}
            if wanted <= active:
                break
            assert time.monotonic() < deadline, f"{wanted - active} not shown"
            time.sleep(0.5)
    finally:
        server.stop()


def gpus(spark: Any, folder: Path) -> None:
    """See that trials get each of the GPUs that the workers invent."""
    from sparkexp import experiment

    ways = {"number": list(range(8))}
    found = experiment.launch(spark, tell_gpu, ways, logdir=folder / "gpus")
    assert found.failures() == {}, found.failures()
    assert {row.value for row in found.trials} == {0.0, 1.0}
    assert {row.gpu for row in found.trials} == {"0", "1"}


def gpu_profile(spark: Any, folder: Path) -> None:
    """See that a trial gets as many GPUs as the call asks for, by a resource profile."""
    from sparkexp import experiment

    def both(number):  # type: ignore[no-untyped-def]
        return float(len(os.environ["CUDA_VISIBLE_DEVICES"].split(",")))

    found = experiment.launch(
        spark, both, {"number": [1, 2, 3]}, gpus_per_trial=2, logdir=folder / "profile"
    )
    assert [row.value for row in found.trials] == [2.0] * 3, found.failures()


def grid_only(spark: Any, folder: Path) -> None:
    from sparkexp import experiment

    ways = {"how": ["well", "exit"]}
    found = experiment.launch(spark, fail_somehow, ways, logdir=folder / "connect")
    assert found.trials[0].value == 1.0 and "status 7" in str(found.trials[1].error)


def local_group(folder: Path) -> None:
    spark = session(**{"spark.master": "local[2]"})
    for check in (two_calls, two_workers, tensorboard, crash, time_limit, ctrl_c_and_resume):
        attempt(check.__name__, lambda check=check: check(spark, folder))


def gpus_group(folder: Path) -> None:
    """Two executors of local-cluster, one core and one core's GPU each."""
    import pyspark

    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    script = folder / "gpus.sh"
    script.write_text('#!/bin/sh\necho \'{"name": "gpu", "addresses": ["0", "1"]}\'\n')
    script.chmod(0o755)
    conf = {
        "spark.master": "local-cluster[1,2,1024]",
        "spark.executor.memory": "512m",
        "spark.worker.resource.gpu.amount": "2",
        "spark.worker.resource.gpu.discoveryScript": str(script),
        "spark.executor.resource.gpu.amount": "2",
        "spark.task.resource.gpu.amount": "1",
    }
    attempt("gpus", lambda: gpus(session(**conf), folder))


def connect_group(folder: Path) -> None:
    """A server of its own; Spark 3.5 brings none along, and its client is refused anyway."""
    import pyspark
    from pyspark.sql import SparkSession

    from sparkexp.errors import EnvironmentUnfitError

    brings_server = any(Path(pyspark.__file__).parent.glob("jars/spark-connect*.jar"))

    def run() -> None:
        if brings_server:
            spark = SparkSession.builder.remote("local[2]").getOrCreate()
        else:
            from pyspark.sql.connect.session import SparkSession as RemoteSession

            spark = RemoteSession("sc://127.0.0.1:1")  # asks no server yet
        try:
            grid_only(spark, folder)
        except EnvironmentUnfitError as error:
            raise NotSupported(str(error)) from error

    attempt("connect", run)


def submit_group(folder: Path) -> None:
    """The two calls by spark-submit on a standalone cluster, from a directory without sparkexp."""
    from tests.spark.cluster import StandaloneCluster

    (clean := folder / "clean").mkdir()
    (work := folder / "cluster").mkdir()
    with zipfile.ZipFile(clean / "sparkexp.zip", "w") as archive:
        for path in sorted((ROOT / "sparkexp").rglob("*.py")):
            archive.write(path, path.relative_to(ROOT))
    (clean / "my_search.py").write_bytes(Path(__file__).read_bytes())

    def run() -> None:
        with StandaloneCluster(work, n_workers=1) as cluster:
            conf = cluster.conf() | {
                "spark.pyspark.python": sys.executable,
                "spark.pyspark.driver.python": sys.executable,
            }
            command = [str(Path(sys.executable).parent / "spark-submit")]
            command += ["--py-files", "sparkexp.zip"]
            command += [f"--conf={key}={value}" for key, value in conf.items()]
            command += ["my_search.py", "submitted", str(clean)]
            environment = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("PYSPARK_", "PYTHONPATH"))
            }
            done = subprocess.run(
                command, cwd=clean, env=environment, capture_output=True, text=True, timeout=400
            )
            sys.stderr.write(done.stderr)
            told = json.loads((clean / "submitted.json").read_text())
            assert done.returncode == 0 and told == {"submitted": "yes"}, told

    attempt("submit", run)


def submitted_group(folder: Path) -> None:
    """What spark-submit runs."""
    import sparkexp

    assert str(ROOT) in "/" or not sparkexp.__file__.startswith(str(ROOT / "sparkexp"))
    spark = session()

    def run() -> None:
        assert "sparkexp.zip" in sparkexp.__file__, sparkexp.__file__
        two_calls(spark, folder)
        gpu_profile(spark, folder)

    attempt("submitted", run)


class NotSupported(Exception):
    """What sparkexp says it can't do with this version."""


results: dict[str, str] = {}


def attempt(name: str, check: Callable[[], None]) -> None:
    """Note how a check went."""
    try:
        check()
        results[name] = "yes"
    except NotSupported as error:
        results[name] = f"no: {error}"
    except (Exception, KeyboardInterrupt) as error:
        traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0]
        results[name] = f"FAILED: {type(error).__name__}: {re.sub(r'[|]', '/', first)[:200]}"
    print(f"=== {name}: {results[name]}", flush=True)
    RESULT.write_text(json.dumps(results))


if __name__ == "__main__":
    GROUP, FOLDER = sys.argv[1], Path(sys.argv[2])
    RESULT = FOLDER / f"{GROUP}.json"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    {
        "local": local_group, "gpus": gpus_group, "connect": connect_group,
        "submit": submit_group, "submitted": submitted_group,
    }[GROUP](FOLDER)  # fmt: skip
