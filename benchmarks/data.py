"""What large arrays cost: ``data=`` against a train function that captures them.

Run: ``python benchmarks/data.py``

Spark writes a captured gigabyte to the disk for every trial, and keeps it while the session
lives: the closure therefore runs fewer trials. At the default size it needs some 10 GB of disk and
most of a machine's 24 GB of memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MODES = ("data", "closure")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=1000, help="size of the arrays")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--closure-trials", type=int, default=4, help="trials of the closure")
    parser.add_argument("--mode", choices=MODES, help="run one of the two in this process")
    arguments = parser.parse_args()
    if arguments.mode:
        print(run(arguments.mode, arguments.mb, arguments.trials))
        return
    print(f"Two slots, {arguments.mb} MB of arrays\n")
    print("| | trials | s per trial | memory of the host beyond the driver's own arrays, GB |")
    print("|---|---|---|---|")
    for mode, n_trials in zip(MODES, (arguments.trials, arguments.closure_trials), strict=True):
        command = [sys.executable, __file__, "--mode", mode]
        command += ["--mb", str(arguments.mb), "--trials", str(n_trials)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        print(
            done.stdout.strip().splitlines()[-1]
            if done.returncode == 0
            else f"| {mode} | {n_trials} | – | – |"
        )


def run(mode: str, mb: int, n_trials: int) -> str:
    """Return a row of the table."""
    import numpy as np

    import sparkexp.engine.spark.engine
    from sparkexp import experiment
    from sparkexp.engine.spark.session import build_session

    # The limit exists because of what this measures.
    sparkexp.engine.spark.engine.MAX_TRAIN_MB = 10 * mb
    # A gigabyte in the function takes several of Java's memory: 1 GB, the default, fails.
    spark = build_session("data", "local[2]", {"spark.driver.memory": f"{2 + mb // 80}g"})
    experiment.launch(spark, lambda: 1.0, logdir=tempfile.mkdtemp() + "/warm", progress=False)
    arrays = [np.random.default_rng(k).random((mb * 125_000 // 4,)) for k in range(4)]

    def on_data(data: list[np.ndarray], k: int) -> float:
        return float(data[k % 4][::512].sum())  # touches every page of one array

    def on_closure(k: int) -> float:
        return float(arrays[k % 4][::512].sum())

    with Watch() as watch:
        started = time.monotonic()
        result = experiment.launch(
            spark,
            on_data if mode == "data" else on_closure,
            {"k": list(range(n_trials))},
            logdir=tempfile.mkdtemp() + "/run",
            progress=False,
            **({"data": arrays} if mode == "data" else {}),
        )
        seconds = time.monotonic() - started
    if result.failures():
        raise SystemExit(next(iter(result.failures().values())))
    spark.stop()
    return f"| {mode} | {n_trials} | {seconds / n_trials:.2f} | {watch.peak_gb:.2f} |"


class Watch:
    """The most memory that was in use meanwhile, page cache left out, beyond that at the start."""

    def __enter__(self) -> Watch:
        self._before = in_use_gb()
        self.peak_gb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.peak_gb = max(self.peak_gb, in_use_gb() - self._before)


def in_use_gb() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    entries = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return (entries["MemTotal"] - entries["MemAvailable"]) / 1e6


if __name__ == "__main__":
    main()
