"""A search that runs, in a TensorBoard that runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from sparkexp.tracking import start_tensorboard
from tests.spark.driving import start_driver
from tests.tracking.tensorboard.http_api import Api, wait_for

pytestmark = [pytest.mark.spark, pytest.mark.timeout(400)]

# Three trials on two slots, with Keras's callback and an epoch per second.
SCRIPT = """
def train(x):
    import time
    import keras
    import numpy as np

    class Slow(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            time.sleep(1.0)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.ones((8, 2)), np.zeros((8, 1))
    board = keras.callbacks.TensorBoard(experiment.logdir(), write_graph=False)
    if x == 1:
        model.fit(*data, epochs=2, verbose=0, callbacks=[board], validation_data=data)
        return 1.0
    model.fit(*data, epochs=1000, verbose=0, callbacks=[board, Slow()], validation_data=data)

try:
    # parallelism=2: else the third waits in Spark's queue, and may be taken before the first.
    experiment.launch(
        spark, train, {"x": [1, 2, 3]}, logdir=logdir, progress=False, parallelism=2
    )
except KeyboardInterrupt:
    answer("interrupted")
"""
# Ten seconds on a machine that does nothing else (see what is printed); no test goes by them.
IN_TIME_S = 90.0


def by_run(api: Api) -> dict[str, dict]:
    return {row["sessions"][0]["name"]: row for row in api.rows()}


def status(api: Api, trial: str) -> str | None:
    """The status of a trial in the table; None while it has no row or no end."""
    row = by_run(api).get(f"trials/{trial}")
    return row["sessions"][0].get("status") if row else None


def epochs(api: Api, trial: str, group: str) -> int:
    tags = api.get("plugin/scalars/tags")
    if "epoch_loss" not in tags.get(f"{trial}/{group}", {}):
        return 0
    return max(step for step, _ in api.scalars(f"{trial}/{group}", "epoch_loss")) + 1


@pytest.mark.slow
def test_trials_are_seen_while_they_run(tmp_path):
    driver = start_driver(
        tmp_path, SCRIPT, {"spark.master": "local[2]", "spark.ui.enabled": "false"}
    )
    second, third = (tmp_path / "run" / "trials" / f"trial-0000{k}" for k in (1, 2))
    try:
        wait_for("trial", lambda: second.is_dir(), 120)
        with start_tensorboard(tmp_path / "run") as server:
            api = Api(server.url)
            opened = time.monotonic()
            wait_for(
                "row of a running trial", lambda: "trials/trial-00001" in by_run(api), IN_TIME_S
            )
            print(f"a running trial had its row after {time.monotonic() - opened:.1f} s")
            # TensorBoard calls a session without an end unknown.
            row = by_run(api)["trials/trial-00001"]["sessions"][0]
            assert row.get("status", "STATUS_UNKNOWN") == "STATUS_UNKNOWN"
            assert not row.get("endTimeSecs")

            wait_for("first epoch", lambda: any((second / "train").glob("events*")), 120)
            for group in ("train", "validation"):
                wait_for("curve", lambda g=group: epochs(api, "trials/trial-00001", g), IN_TIME_S)
                before = epochs(api, "trials/trial-00001", group)
                asked = time.monotonic()
                wait_for(
                    "further epochs",
                    lambda g=group, n=before: epochs(api, "trials/trial-00001", g) >= n + 2,
                    IN_TIME_S,
                )
                print(f"its {group} curve had moved after {time.monotonic() - asked:.1f} s")
            # The first trial has ended: its row, and the search's own page, say so.
            wait_for(
                "end of the first trial",
                lambda: status(api, "trial-00000") == "STATUS_SUCCESS",
                60,
            )
            wait_for("the third trial", lambda: "trials/trial-00002" in by_run(api), 60)
            columns = [
                (info["name"].get("group", ""), info["name"]["tag"])
                for info in api.experiment()["metricInfos"]
            ]
            assert ("validation", "epoch_loss") in columns and ("", "objective") in columns

            os.kill(driver.pid, signal.SIGINT)
            started = time.monotonic()
            wait_for(
                "end of the killed trials",
                lambda: all(
                    status(api, trial.name) == "STATUS_FAILURE" for trial in (second, third)
                ),
                60,
            )
            assert driver.wait(60) == 0
            assert Path(tmp_path, "answer.json").read_text() == '"interrupted"'
            print(f"killed trials had failed after {time.monotonic() - started:.1f} s")
    finally:
        driver.kill()
        driver.wait()
